/* tests/unit/consensus/test_letter.c: letters as bytes: what is taken, and what is not. By the table, so that a new
 * kind is tried like the others. */
#include "consensus/letter.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

#define ROUNDS 200

struct shape {
    const char *name;
    uint32_t count;
    struct field fields[8];
};

static const struct shape shapes[LETTER_KIND_COUNT] = {
#define COUNT(S, kind, name, max) +1
#define SHAPE(number, NAME, name)                                                                                      \
    [number] = {                                                                                                       \
        #NAME, 0 LETTER_##NAME##_FIELDS(COUNT, _), {LETTER_##NAME##_FIELDS(FIELD_DESCRIBE, struct letter_##name)}},
    LETTER_TABLE(SHAPE)
#undef SHAPE
#undef COUNT
};

static const uint8_t room[LETTER_PAGE_BYTES_MAX + 1]; /* what texts and bytes are slices of */

static void *member_of(struct letter *letter, const struct field *field)
{
    return (uint8_t *)&letter->propose + field->offset;
}

/* A number, or so many bytes. */
static void set(struct letter *letter, const struct field *field, uint64_t n)
{
    void *to = member_of(letter, field);
    switch (field->kind) {
    case FIELD_U8:
        *(uint8_t *)to = (uint8_t)n;
        break;
    case FIELD_U64:
        *(uint64_t *)to = n;
        break;
    case FIELD_TEXT:
    case FIELD_BYTES:
        CHECK(n <= sizeof room);
        *(struct pdr_bytes *)to = pdr_bytes(room, n);
        break;
    default:
        CHECK(!"a kind of field that no letter had");
    }
}

static uint64_t get(struct letter *letter, const struct field *field)
{
    const void *from = member_of(letter, field);
    return field->kind == FIELD_U8    ? *(const uint8_t *)from
           : field->kind == FIELD_U64 ? *(const uint64_t *)from
                                      : ((const struct pdr_bytes *)from)->size;
}

/* Of all sizes of encodings; of the long ones the least. */
static uint64_t draw(struct rng *rng, const struct field *field)
{
    uint64_t max = field->kind == FIELD_TEXT || field->kind == FIELD_BYTES ? 400 : UINT64_MAX;
    max = field->max < max ? field->max : max;
    uint64_t n = rng_chance(rng, 10) ? max : rng_next(rng) >> rng_below(rng, 64);
    return max == UINT64_MAX ? n : n % (max + 1);
}

static struct letter drawn(struct rng *rng, uint32_t kind)
{
    struct letter letter = {.kind = (enum letter_kind)kind};
    for (uint32_t i = 0; i < shapes[kind].count; i++) {
        set(&letter, &shapes[kind].fields[i], draw(rng, &shapes[kind].fields[i]));
    }
    return letter;
}

/* Reads from memory of just that size. */
static enum pdr_status read_copy(struct pdr_bytes bytes, struct letter *out, struct fault *fault, uint8_t **copy)
{
    *copy = malloc(bytes.size + 1);
    memcpy(*copy + 1, bytes.data, bytes.size);
    *fault = (struct fault){NULL, NULL};
    return letter_read(pdr_bytes(*copy + 1, bytes.size), out, fault);
}

/* Refused with a word on it, or read, and written the same again. */
static enum pdr_status read_all(struct pdr_bytes bytes, struct fault *fault)
{
    struct letter letter;
    uint8_t *copy;
    enum pdr_status status = read_copy(bytes, &letter, fault, &copy);
    if (status == PDR_OK) {
        pdr_writer again = {0};
        letter_write(&again, &letter);
        EXPECT(pdr_bytes_equal(pdr_written(&again), bytes));
        pdr_writer_release(&again);
    } else {
        EXPECT(status == PDR_INVALID && fault->what != NULL);
    }
    free(copy);
    return status;
}

#define READ(...) read_all(pdr_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})), &fault)

TEST(each_kind_is_read_as_it_was_written)
{
    struct rng rng;
    pdr_writer bytes = {0};
    struct fault fault;
    rng_seed(&rng, test_seed());
    for (uint32_t kind = 1; kind < LETTER_KIND_COUNT; kind++) {
        for (int round = 0; round < ROUNDS; round++) {
            struct letter letter = drawn(&rng, kind), again;
            uint8_t *copy;
            pdr_writer_clear(&bytes);
            letter_write(&bytes, &letter);
            REQUIRE(read_copy(pdr_written(&bytes), &again, &fault, &copy) == PDR_OK);
            EXPECT_INT(again.kind, kind);
            for (uint32_t i = 0; i < shapes[kind].count; i++) {
                const struct field *field = &shapes[kind].fields[i];
                EXPECT(get(&again, field) == get(&letter, field));
            }
            free(copy);
        }
    }
    pdr_writer_release(&bytes);
}

TEST(content_is_kept)
{
    pdr_writer bytes = {0};
    struct letter letter =
                      {.kind = LETTER_ANSWER,
                       .answer = {.no = 7, .outcome = LETTER_DONE, .code = 3, .text = pdr_str("it is so already")}},
                  read;
    struct fault fault;
    letter_write(&bytes, &letter);
    REQUIRE(letter_read(pdr_written(&bytes), &read, &fault) == PDR_OK);
    EXPECT(pdr_bytes_equal(read.answer.text, letter.answer.text));
    pdr_writer_clear(&bytes);
    letter = (struct letter){.kind = LETTER_PAGE, .page = {pdr_str("rows")}};
    letter_write(&bytes, &letter);
    REQUIRE(letter_read(pdr_written(&bytes), &read, &fault) == PDR_OK);
    EXPECT(pdr_bytes_equal(read.page.page, pdr_str("rows")));
    pdr_writer_release(&bytes);
}

TEST(every_cut_is_refused)
{
    struct rng rng;
    pdr_writer bytes = {0};
    struct fault fault;
    rng_seed(&rng, test_seed());
    for (uint32_t kind = 1; kind < LETTER_KIND_COUNT; kind++) {
        struct letter letter = drawn(&rng, kind);
        pdr_writer_clear(&bytes);
        letter_write(&bytes, &letter);
        for (size_t size = 0; size < bytes.size; size++) {
            EXPECT(read_all(pdr_bytes(bytes.data, size), &fault) == PDR_INVALID);
        }
        pdr_write_nil(&bytes);
        EXPECT(read_all(pdr_written(&bytes), &fault) == PDR_INVALID);
    }
    pdr_writer_release(&bytes);
}

TEST(flipped_bits_are_refused_or_read_as_another)
{
    struct rng rng;
    pdr_writer bytes = {0};
    struct fault fault;
    uint32_t refused = 0, read = 0;
    rng_seed(&rng, test_seed());
    for (uint32_t round = 0; round < 10 * LETTER_KIND_COUNT; round++) {
        struct letter letter = drawn(&rng, 1 + round % (LETTER_KIND_COUNT - 1));
        pdr_writer_clear(&bytes);
        letter_write(&bytes, &letter);
        for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
            uint8_t *at = (uint8_t *)bytes.data + bit / 8;
            *at ^= (uint8_t)(1u << bit % 8);
            *(read_all(pdr_written(&bytes), &fault) == PDR_OK ? &read : &refused) += 1;
            *at ^= (uint8_t)(1u << bit % 8);
        }
    }
    EXPECT(refused > 1000 && read > 1000); /* both happen */
    pdr_writer_release(&bytes);
}

/* Whoever writes is not held to the limits of whoever reads: the bytes are those of a program with larger ones. */
TEST(each_limit_is_kept)
{
    pdr_writer bytes = {0};
    struct fault fault;
    int limits = 0;
    for (uint32_t kind = 1; kind < LETTER_KIND_COUNT; kind++) {
        for (uint32_t i = 0; i < shapes[kind].count; i++) {
            const struct field *field = &shapes[kind].fields[i];
            struct letter letter = {.kind = (enum letter_kind)kind};
            set(&letter, field, field->max);
            pdr_writer_clear(&bytes);
            letter_write(&bytes, &letter);
            EXPECT(read_all(pdr_written(&bytes), &fault) == PDR_OK);
            if (field->max == UINT64_MAX || (field->kind == FIELD_U8 && field->max == UINT8_MAX)) {
                continue;
            }
            set(&letter, field, field->max + 1);
            pdr_writer_clear(&bytes);
            letter_write(&bytes, &letter);
            EXPECT(read_all(pdr_written(&bytes), &fault) == PDR_INVALID);
            EXPECT_STR(fault.field, field->name);
            EXPECT_STR(fault.what,
                       field->kind == FIELD_TEXT || field->kind == FIELD_BYTES ? "is too long" : "is too large");
            limits++;
        }
    }
    EXPECT_INT(limits, 12); /* command, outcome, text, why, page; total, shards, hot, loads; owners, outcome, refused */
    pdr_writer_release(&bytes);
}

TEST(limits_are_those_that_others_rely_on)
{
    EXPECT_INT(shapes[LETTER_PROPOSE].fields[1].max, LIMIT_COMMAND_BYTES_MAX);
    EXPECT_INT(shapes[LETTER_ANSWER].fields[5].max, LETTER_TEXT_MAX);
    EXPECT_INT(shapes[LETTER_PAGE].fields[0].max, LETTER_PAGE_BYTES_MAX);
    struct fault fault;
    EXPECT(READ(0x93, 2, 1) == PDR_INVALID);
    EXPECT(READ(0x94, 6, 1, 0, LETTER_NO_COUNT - 1) == PDR_OK);
    EXPECT(READ(0x94, 6, 1, 0, LETTER_NO_COUNT) == PDR_INVALID);
    EXPECT_STR(fault.field, "why");
    EXPECT(READ(0x97, 3, 1, LETTER_OUTCOME_COUNT, 0, 0, 0, 0xa0) == PDR_INVALID);
    EXPECT_STR(fault.field, "outcome");
    EXPECT(READ(0x97, 3, 1, LETTER_UNKNOWN, 0, 0, 0xcc, 0xff, 0xa0) == PDR_OK);
    EXPECT(READ(0x97, 3, 1, LETTER_UNKNOWN, 0, 0, 0xcd, 1, 0, 0xa0) == PDR_INVALID);
    EXPECT_STR(fault.field, "code");
}

TEST(unknown_kinds_are_refused)
{
    struct fault fault;
    EXPECT(READ(0x92, LETTER_READ, 5) == PDR_OK);
    EXPECT(READ(0x92, 0, 5) == PDR_INVALID);
    for (uint32_t kind = LETTER_KIND_COUNT; kind < 256; kind++) {
        EXPECT(READ(0x92, (uint8_t)kind, 5) == PDR_INVALID);
        EXPECT_STR(fault.what, "is not a letter");
    }
    EXPECT(READ(0x92, 0xcc, LETTER_READ, 5) == PDR_INVALID); /* one number has one encoding */
    EXPECT(READ(0x92, 0xcd, 1, 2, 5) == PDR_INVALID);
    EXPECT(READ(0xdc, 0, 2, LETTER_READ, 5) == PDR_INVALID);
    EXPECT(READ(0x92, LETTER_READ, 0xcc, 5) == PDR_INVALID);
    EXPECT_STR(fault.field, "no");
    EXPECT(READ(0x92, LETTER_READ, 0xff) == PDR_INVALID); /* -1 */
    EXPECT(READ(0x91, LETTER_READ) == PDR_INVALID);
    EXPECT(READ(0x93, LETTER_READ, 5, 5) == PDR_INVALID);
    EXPECT(READ(0x82, LETTER_READ, 5) == PDR_INVALID);
    EXPECT(READ(0x90) == PDR_INVALID);
    EXPECT(READ(0xc1, 0xc1) == PDR_INVALID);
    EXPECT(read_all(pdr_bytes(room, 0), &fault) == PDR_INVALID);
}

/* Kinds may be added. Those that there are keep number and fields: programs of different versions read each other. */
TEST(numbers_stay)
{
    static const char *const names[] = {"PROPOSE", "READ", "ANSWER", "RENEW",   "GRANT",     "NO",
                                        "ASK",     "PAGE", "NEWS",   "CONFIRM", "CONFIRMED", "HASH"};
    static const uint8_t counts[] = {2, 1, 6, 3, 3, 3, 1, 1, 1, 2, 2, 2};
    for (uint32_t i = 0; i < sizeof counts; i++) {
        EXPECT_STR(shapes[i + 1].name, names[i]);
        EXPECT_INT(shapes[i + 1].count, counts[i]);
    }
}

TEST_MAIN()
