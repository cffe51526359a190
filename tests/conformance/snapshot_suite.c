/* tests/conformance/snapshot_suite.c: the cases of core/store/snapshot.h: one shard out of a store, and into
 * another. */
#include "core/store/snapshot.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/conformance/store_suite.h"
#include "tests/lib/test.h"

#define SHARD 7u
#define GEN 3u
#define ACTORS 200u

struct rows {
    uint64_t count, sum; /* of keys without their heads, and values */
};

static bool add_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct rows *rows = user;
    rows->count++;
    for (size_t i = KEYS_HEAD_SIZE - 1; i < key.size; i++) {
        rows->sum = rows->sum * 31 + ((const uint8_t *)key.data)[i];
    }
    for (size_t i = 0; i < value.size; i++) {
        rows->sum = rows->sum * 31 + ((const uint8_t *)value.data)[i];
    }
    return true;
}

static struct rows rows_of(struct store *store, uint32_t shard, uint16_t gen)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    struct rows rows = {0};
    struct store_cursor *cursor = store->ops->cursor_new(store);
    keys_generation_range(from, to, shard, gen, gen);
    EXPECT(store->ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to), add_row, &rows) ==
           PDR_OK);
    store->ops->cursor_free(cursor);
    return rows;
}

static void write_batch(struct store *store, struct store_batch *batch)
{
    EXPECT(store->ops->write(store, batch) == PDR_OK);
    store->ops->batch_free(batch);
}

/* Some small, some large, one larger than a chunk; and rows of the shard's own. */
static void fill(struct store *store, struct rng *rng, uint32_t shard, struct keys_meta *meta)
{
    static uint8_t value[SNAPSHOT_CHUNK_BYTES + 5000];
    uint8_t key[KEYS_STATE_SIZE_MAX], row[KEYS_META_SIZE_MAX];
    struct store_batch *batch = store->ops->batch_new(store);
    for (uint32_t i = 0; i < ACTORS; i++) {
        char address[32];
        struct pdr_bytes name = pdr_bytes(address, (size_t)snprintf(address, sizeof address, "kv/%u", i));
        size_t size = i == 77 ? sizeof value : rng_below(rng, i % 10 == 0 ? 200000 : 100);
        memset(value, (int)rng_below(rng, 256), size);
        store->ops->batch_put(batch, pdr_bytes(key, keys_state(key, shard, 0, name, KEYS_USER, pdr_str("v"))),
                              pdr_bytes(value, size));
        store->ops->batch_put(batch, pdr_bytes(key, keys_row(key, shard, 0, KEYS_DUE, name)), pdr_bytes(NULL, 0));
    }
    *meta = (struct keys_meta){0};
    for (uint64_t seq = 1; seq <= ACTORS; seq++) {
        keys_meta_advance(meta, 1 + seq / 50, seq);
    }
    size_t size = keys_meta_encode(row, meta);
    store->ops->batch_put(batch, pdr_bytes(key, keys_meta(key, shard, 0)), pdr_bytes(row, size));
    write_batch(store, batch);
}

static void change(struct store *store)
{
    uint8_t key[KEYS_STATE_SIZE_MAX];
    struct store_batch *batch = store->ops->batch_new(store);
    size_t size = keys_state(key, SHARD, 0, pdr_str("kv/1"), KEYS_USER, pdr_str("v"));
    store->ops->batch_put(batch, pdr_bytes(key, size), pdr_str("later"));
    size = keys_state(key, SHARD, 0, pdr_str("kv/new"), KEYS_USER, pdr_str("v"));
    store->ops->batch_put(batch, pdr_bytes(key, size), pdr_str("later"));
    write_batch(store, batch);
}

void store_suite_snapshot_of_a_shard(struct store_subject *subject)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    struct store *store = subject->store, *other = store_mem_new();
    struct keys_meta meta;
    struct snapshot_reader *reader = NULL;
    struct snapshot_writer writer, here;
    struct pdr_bytes chunk;
    fill(store, &rng, SHARD, &meta);
    fill(store, &rng, SHARD + 1, &meta); /* a neighbour, of which nothing may be seen */
    struct rows before = rows_of(store, SHARD, 0), neighbour = rows_of(store, SHARD + 1, 0);
    REQUIRE(snapshot_open(store, SHARD, 0, &reader) == PDR_OK);
    EXPECT(memcmp(snapshot_meta(reader), &meta, sizeof meta) == 0);
    change(store); /* later, so not in it */
    REQUIRE(snapshot_begin(&writer, other, SHARD, GEN) == PDR_OK);
    REQUIRE(snapshot_begin(&here, store, SHARD, GEN) == PDR_OK); /* beside what it was taken from */
    uint32_t chunks = 0;
    while (snapshot_next(reader, &chunk) == PDR_OK && chunk.size > 0) {
        EXPECT(chunk.size <= SNAPSHOT_CHUNK_BYTES + 10000);
        EXPECT_INT(snapshot_put(&writer, chunk), PDR_OK);
        EXPECT_INT(snapshot_put(&here, chunk), PDR_OK);
        EXPECT_INT(snapshot_put(&here, chunk), PDR_OK); /* once more is nothing more */
        chunks++;
    }
    EXPECT(chunks > 3);
    EXPECT_INT(snapshot_end(&writer, snapshot_meta(reader)), PDR_OK);
    EXPECT_INT(snapshot_end(&here, snapshot_meta(reader)), PDR_OK);
    snapshot_close(reader);
    struct rows there = rows_of(other, SHARD, GEN);
    EXPECT(there.count == before.count && there.sum == before.sum);
    subject->crash(subject); /* what is installed is on stable storage */
    store = subject->store;
    there = rows_of(store, SHARD, GEN);
    EXPECT(there.count == before.count && there.sum == before.sum);
    EXPECT_INT(snapshot_drop_others(store, SHARD, GEN), PDR_OK);
    EXPECT(rows_of(store, SHARD, 0).count == 0 && rows_of(store, SHARD, GEN).count == before.count);
    EXPECT_INT(snapshot_drop(store, SHARD, GEN), PDR_OK);
    EXPECT(rows_of(store, SHARD, GEN).count == 0);
    EXPECT(rows_of(store, SHARD + 1, 0).sum == neighbour.sum);
    other->ops->close(other);
}

/* A chunk with a bit, a byte, or an end that it should not have. */
static void damage(struct rng *rng, uint8_t *bytes, size_t *size)
{
    switch (rng_below(rng, 3)) {
    case 0:
        bytes[rng_below(rng, *size)] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 1:
        *size = rng_below(rng, *size);
        break;
    default:
        bytes[(*size)++] = 0;
        break;
    }
}

void store_suite_snapshot_is_judged(struct store_subject *subject)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    struct store *store = subject->store, *other = store_mem_new();
    struct keys_meta meta;
    struct snapshot_reader *reader = NULL;
    struct snapshot_writer writer;
    struct pdr_bytes chunk;
    fill(store, &rng, SHARD, &meta);
    REQUIRE(snapshot_open(store, SHARD, 0, &reader) == PDR_OK);
    REQUIRE(snapshot_begin(&writer, other, SHARD, GEN) == PDR_OK);
    EXPECT_INT(snapshot_end(&writer, &meta), PDR_INVALID);
    EXPECT_STR(writer.why, "the snapshot's last chunk has not come");
    while (snapshot_next(reader, &chunk) == PDR_OK && chunk.size > 0) {
        for (int i = 0; i < 20; i++) {
            size_t size = chunk.size;
            uint8_t *bytes = mem_grow(NULL, size + 1);
            memcpy(bytes, chunk.data, size);
            damage(&rng, bytes, &size);
            EXPECT_INT(snapshot_put(&writer, pdr_bytes(bytes, size)), PDR_INVALID);
            mem_free(bytes);
        }
        uint32_t number = writer.next;
        writer.shard++;
        EXPECT_INT(snapshot_put(&writer, chunk), PDR_INVALID);
        EXPECT_STR(writer.why, "the chunk is of another shard");
        writer.shard--;
        if (number > 0) {
            writer.next--;
            EXPECT_INT(snapshot_put(&writer, chunk), PDR_INVALID); /* one before it is missing */
            writer.next++;
        }
        store_mem_fail_next(other, 1);
        enum pdr_status status = snapshot_put(&writer, chunk);
        EXPECT(status == PDR_NO_SPACE || writer.ended); /* the last one writes nothing */
        store_mem_fail_next(other, 0);
        EXPECT_INT(snapshot_put(&writer, chunk), PDR_OK);
    }
    EXPECT_INT(snapshot_end(&writer, &meta), PDR_OK);
    struct rows before = rows_of(store, SHARD, 0), there = rows_of(other, SHARD, GEN);
    EXPECT(there.count == before.count && there.sum == before.sum);
    snapshot_close(reader);
    other->ops->close(other);
}
