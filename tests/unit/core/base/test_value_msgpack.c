/* tests/unit/core/base/test_value_msgpack.c: value.c held against msgpack-c, on random values and on damaged ones.
 *
 * Values that msgpack-c wrote must read the same through our cursor, and what our writer makes of them must be the
 * same bytes. Of damaged bytes both must say the same: a value of so many bytes, more bytes are needed, or no
 * MessagePack. */
#include <msgpack.h>
#include <perdure/value.h>
#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

#define ROUNDS 20000

static void pack_text(msgpack_packer *pk, struct rng *rng, bool bin)
{
    static const size_t edges[] = {0, 1, 31, 32, 33, 255, 256, 300, 65535, 65536};
    static char text[65536];
    size_t size = rng_chance(rng, 90) ? rng_below(rng, 40) : edges[rng_below(rng, rng_chance(rng, 90) ? 8 : 10)];
    text[0] = (char)rng_next(rng);
    if (bin) {
        msgpack_pack_bin(pk, size);
        msgpack_pack_bin_body(pk, text, size);
    } else {
        msgpack_pack_str(pk, size);
        msgpack_pack_str_body(pk, text, size);
    }
}

static void pack_ext(msgpack_packer *pk, struct rng *rng)
{
    static const char body[300];
    static const size_t sizes[] = {0, 1, 2, 3, 4, 8, 15, 16, 17, 256, 300};
    size_t size = sizes[rng_below(rng, 11)];
    msgpack_pack_ext(pk, size, (int8_t)rng_next(rng));
    msgpack_pack_ext_body(pk, body, size);
}

static void pack_random(msgpack_packer *pk, struct rng *rng, int depth)
{
    uint64_t bits = rng_next(rng) >> rng_below(rng, 64); /* numbers of every length */
    double number;
    switch (rng_below(rng, depth > 0 ? 11 : 9)) {
    case 0:
        msgpack_pack_nil(pk);
        return;
    case 1:
        rng_chance(rng, 50) ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
        return;
    case 2:
        msgpack_pack_uint64(pk, bits);
        return;
    case 3:
        msgpack_pack_int64(pk, -(int64_t)(bits >> 1) - 1);
        return;
    case 4:
        msgpack_pack_float(pk, (float)bits);
        return;
    case 5:
        memcpy(&number, &bits, sizeof number);
        msgpack_pack_double(pk, number);
        return;
    case 6:
    case 7:
        pack_text(pk, rng, rng_chance(rng, 50));
        return;
    case 8:
        pack_ext(pk, rng);
        return;
    default:
        break;
    }
    size_t count = rng_chance(rng, 95) ? rng_below(rng, 6) : rng_below(rng, 40);
    bool map = rng_chance(rng, 50);
    map ? msgpack_pack_map(pk, count) : msgpack_pack_array(pk, count);
    for (size_t i = 0; i < count * (map ? 2 : 1); i++) {
        pack_random(pk, rng, depth - 1);
    }
}

/* Reads `value` through our cursor, beside msgpack's tree of it; writes what it read with our writer. */
static void compare(pdr_value value, const msgpack_object *object, pdr_writer *w);

static void compare_items(pdr_value value, const msgpack_object *object, pdr_writer *w)
{
    struct pdr_bytes rest = pdr_value_items(value);
    bool map = object->type == MSGPACK_OBJECT_MAP;
    uint32_t count = map ? object->via.map.size : object->via.array.size;
    REQUIRE(pdr_value_kind(value) == (map ? PDR_KIND_MAP : PDR_KIND_ARRAY));
    REQUIRE(pdr_value_count(value) == count);
    map ? pdr_write_map(w, count) : pdr_write_array(w, count);
    for (uint32_t i = 0; i < count; i++) {
        if (map) {
            compare(pdr_value_next(&rest), &object->via.map.ptr[i].key, w);
            compare(pdr_value_next(&rest), &object->via.map.ptr[i].val, w);
        } else {
            compare(pdr_value_next(&rest), &object->via.array.ptr[i], w);
        }
    }
    REQUIRE(rest.size == 0);
    if (!map && count > 0) {
        pdr_value last = pdr_value_at(value, count - 1);
        REQUIRE((const char *)last.data + last.size == (const char *)value.data + value.size);
    }
}

static void compare_number(pdr_value value, const msgpack_object *object, pdr_writer *w)
{
    uint64_t large;
    int64_t whole;
    double real;
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 > INT64_MAX) {
        REQUIRE(pdr_value_kind(value) == PDR_KIND_UINT && !pdr_value_int(value, &whole));
        REQUIRE(pdr_value_uint(value, &large) && large == object->via.u64);
        pdr_write_uint(w, large);
    } else if (object->type == MSGPACK_OBJECT_FLOAT32 || object->type == MSGPACK_OBJECT_FLOAT64) {
        REQUIRE(pdr_value_kind(value) == PDR_KIND_FLOAT && pdr_value_float(value, &real));
        REQUIRE(memcmp(&real, &object->via.f64, sizeof real) == 0 || real != real);
        pdr_write_value(w, value); /* the writer has no short floats */
    } else {
        REQUIRE(pdr_value_kind(value) == PDR_KIND_INT && pdr_value_int(value, &whole));
        REQUIRE(whole == object->via.i64);
        pdr_write_int(w, whole);
    }
}

static void compare(pdr_value value, const msgpack_object *object, pdr_writer *w)
{
    struct pdr_bytes bytes;
    bool truth;
    REQUIRE(pdr_value_skip(value.data, value.size, PDR_VALUE_DEPTH_MAX) == (int64_t)value.size);
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        REQUIRE(pdr_value_kind(value) == PDR_KIND_NIL);
        pdr_write_nil(w);
        return;
    case MSGPACK_OBJECT_BOOLEAN:
        REQUIRE(pdr_value_bool(value, &truth) && truth == object->via.boolean);
        pdr_write_bool(w, truth);
        return;
    case MSGPACK_OBJECT_STR:
        REQUIRE(pdr_value_kind(value) == PDR_KIND_STR && pdr_value_bytes(value, &bytes));
        REQUIRE(pdr_bytes_equal(bytes, pdr_bytes(object->via.str.ptr, object->via.str.size)));
        pdr_write_str(w, bytes);
        return;
    case MSGPACK_OBJECT_BIN:
        REQUIRE(pdr_value_kind(value) == PDR_KIND_BIN && pdr_value_bytes(value, &bytes));
        REQUIRE(pdr_bytes_equal(bytes, pdr_bytes(object->via.bin.ptr, object->via.bin.size)));
        pdr_write_bin(w, bytes);
        return;
    case MSGPACK_OBJECT_EXT:
        REQUIRE(pdr_value_kind(value) == PDR_KIND_EXT && !pdr_value_bytes(value, &bytes));
        pdr_write_value(w, value);
        return;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        compare_items(value, object, w);
        return;
    default:
        compare_number(value, object, w);
    }
}

TEST(random_values_read_and_write_alike)
{
    struct rng rng;
    pdr_writer w = {0};
    msgpack_sbuffer packed;
    msgpack_packer pk;
    rng_seed(&rng, test_seed());
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_unpacked tree;
        msgpack_unpacked_init(&tree);
        msgpack_sbuffer_clear(&packed);
        pdr_writer_clear(&w);
        pack_random(&pk, &rng, 5);
        REQUIRE(msgpack_unpack_next(&tree, packed.data, packed.size, NULL) == MSGPACK_UNPACK_SUCCESS);
        compare(pdr_bytes(packed.data, packed.size), &tree.data, &w);
        REQUIRE(pdr_bytes_equal(pdr_written(&w), pdr_bytes(packed.data, packed.size)));
        msgpack_unpacked_destroy(&tree);
    }
    msgpack_sbuffer_destroy(&packed);
    pdr_writer_release(&w);
}

/* What msgpack-c says of these bytes, in pdr_value_skip's words. */
static int64_t msgpack_skip(const char *data, size_t size)
{
    size_t used = 0;
    msgpack_unpacked tree;
    msgpack_unpacked_init(&tree);
    msgpack_unpack_return got = msgpack_unpack_next(&tree, data, size, &used);
    msgpack_unpacked_destroy(&tree);
    return got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES ? (int64_t)used
           : got == MSGPACK_UNPACK_CONTINUE                                   ? 0
                                                                              : -1;
}

/* msgpack-c allocates what a head claims; claims of more than the buffer could hold are ours alone to look at. */
static bool claims_much(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((data[i] == 0xdd || data[i] == 0xdf) && i + 2 < size && (data[i + 1] != 0 || data[i + 2] > 1)) {
            return true;
        }
    }
    return false;
}

static void read_everything(pdr_value value, int depth)
{
    int64_t number;
    uint64_t large;
    double real;
    bool truth;
    struct pdr_bytes bytes;
    pdr_value_int(value, &number);
    pdr_value_uint(value, &large);
    pdr_value_float(value, &real);
    pdr_value_bool(value, &truth);
    if (pdr_value_bytes(value, &bytes)) {
        EXPECT((const uint8_t *)bytes.data + bytes.size <= (const uint8_t *)value.data + value.size);
    }
    EXPECT((pdr_value_at(value, 3).size > 0) ==
           (pdr_value_kind(value) == PDR_KIND_ARRAY && pdr_value_count(value) > 3));
    EXPECT_INT(pdr_value_get(value, "no such key").size, 0);
    struct pdr_bytes rest = pdr_value_items(value);
    uint64_t count = 0;
    for (pdr_value item; depth > 0 && (item = pdr_value_next(&rest)).size > 0; count++) {
        read_everything(item, depth - 1);
    }
    EXPECT(depth == 0 || count == (uint64_t)pdr_value_count(value) * (pdr_value_kind(value) == PDR_KIND_MAP ? 2 : 1));
}

static void damage(struct rng *rng, uint8_t *data, size_t *size)
{
    for (uint64_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        uint64_t at = rng_below(rng, rng_chance(rng, 50) && *size > 16 ? 16 : *size); /* heads are mostly in front */
        data[at] = (uint8_t)(rng_chance(rng, 20) ? 0xc1 : 0x80 + rng_below(rng, 0x80));
    }
    if (rng_chance(rng, 30)) {
        *size = rng_below(rng, *size + 1);
    }
}

TEST(damaged_values_are_judged_alike)
{
    struct rng rng;
    msgpack_sbuffer packed;
    msgpack_packer pk;
    int judged[3] = {0, 0, 0};
    rng_seed(&rng, test_seed());
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer_clear(&packed);
        pack_random(&pk, &rng, 4);
        size_t size = packed.size;
        uint8_t *data = (uint8_t *)packed.data;
        damage(&rng, data, &size);
        uint8_t *exact = malloc(size + (size == 0)); /* ASan sees a byte too many */
        memcpy(exact, data, size);
        int64_t got = pdr_value_skip(exact, size, PDR_VALUE_DEPTH_MAX);
        if (!claims_much(exact, size)) {
            EXPECT_INT(got, msgpack_skip((const char *)exact, size));
            judged[got > 0 ? 2 : got + 1]++;
        }
        if (got > 0) {
            read_everything(pdr_bytes(exact, (size_t)got), PDR_VALUE_DEPTH_MAX);
        }
        free(exact);
    }
    EXPECT(judged[0] > ROUNDS / 100 && judged[1] > ROUNDS / 100 && judged[2] > ROUNDS / 100); /* all three were met */
    msgpack_sbuffer_destroy(&packed);
}

TEST_MAIN()
