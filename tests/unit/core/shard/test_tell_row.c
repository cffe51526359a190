/* Tells as rows: what was put is read, every cut is noticed, random bytes do no harm; keys and back. */
#include "core/shard/tell_row.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

static struct pdr_bytes value_of(struct rows *rows)
{
    return row_value(rows->last);
}

TEST(round_trip)
{
    struct rows rows = {0};
    uint8_t key[TELL_NUMBER_KEY_MAX];
    struct tell_row row = {.receiver = pdr_str("kv/to"),
                           .sender = pdr_str("kv/from"),
                           .method = pdr_str("put"),
                           .args = pdr_bytes("\x92\x01\x02", 3),
                           .code = pdr_str("boom"),
                           .text = pdr_str("a sentence"),
                           .attempts = 6,
                           .when_ms = -5},
                    got;
    tell_row_put(&rows, KEYS_DEAD, tell_dead_key(key, pdr_str("kv/to"), 7), &row);
    REQUIRE(tell_row_read(value_of(&rows), &got) == PDR_OK);
    EXPECT(pdr_bytes_equal(got.receiver, row.receiver));
    EXPECT(pdr_bytes_equal(got.sender, row.sender));
    EXPECT(pdr_bytes_equal(got.method, row.method));
    EXPECT(pdr_bytes_equal(got.args, row.args));
    EXPECT(pdr_bytes_equal(got.code, row.code));
    EXPECT(pdr_bytes_equal(got.text, row.text));
    EXPECT_INT(got.attempts, 6);
    EXPECT_INT(got.when_ms, -5);
    rows_release(&rows);
}

TEST(every_cut_before_the_arguments_is_noticed)
{
    struct rows rows = {0};
    struct tell_row row = {.sender = pdr_str("kv/from"), .method = pdr_str("put"), .args = pdr_bytes("\x90", 1)}, got;
    uint8_t key[TELL_NUMBER_KEY_MAX];
    tell_row_put(&rows, KEYS_PENDING, tell_pending_key(key, pdr_str("kv/to"), 7, false), &row);
    struct pdr_bytes whole = value_of(&rows);
    for (size_t cut = 0; cut < whole.size - 1; cut++) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, whole.data, cut);
        EXPECT(tell_row_read(pdr_bytes(part, cut), &got) == PDR_INVALID);
        free(part);
    }
    rows_release(&rows);
}

TEST(random_bytes_do_no_harm)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[64];
        size_t size = rng_below(&rng, sizeof bytes);
        struct tell_row row;
        struct pdr_bytes address;
        uint64_t number;
        uint32_t shard;
        bool begun;
        for (size_t k = 0; k < size; k++) {
            bytes[k] = (uint8_t)(rng_chance(&rng, 50) ? rng_below(&rng, 4) : rng_next(&rng));
        }
        if (tell_row_read(pdr_bytes(bytes, size), &row) == PDR_OK) {
            EXPECT(row.method.size > 0);
        }
        tell_outbox_parse(pdr_bytes(bytes, size), &shard, &number);
        tell_pending_parse(pdr_bytes(bytes, size), &address, &number, &begun);
        tell_dead_parse(pdr_bytes(bytes, size), &address, &number);
    }
}

TEST(keys_and_back)
{
    uint8_t key[TELL_NUMBER_KEY_MAX], other[TELL_NUMBER_KEY_MAX];
    struct pdr_bytes address;
    uint64_t number;
    uint32_t shard;
    bool begun;
    EXPECT(tell_outbox_parse(tell_outbox_key(key, 200, 5), &shard, &number) && shard == 200 && number == 5);
    EXPECT(tell_outbox_parse(tell_outbox_key(key, 200, 0), &shard, &number) && shard == 200 && number == 0);
    EXPECT(tell_pending_parse(tell_pending_key(key, pdr_str("kv/a"), 9, true), &address, &number, &begun));
    EXPECT(pdr_bytes_equal(address, pdr_str("kv/a")) && number == 9 && begun);
    EXPECT(tell_dead_parse(tell_dead_key(key, pdr_str("kv/a"), 9), &address, &number) && number == 9);
    /* rows of an actor are in order of arrival, and none of another's is between them */
    EXPECT(pdr_bytes_compare(tell_pending_key(key, pdr_str("kv/a"), 9, true),
                             tell_pending_key(other, pdr_str("kv/a"), 256, false)) < 0);
    EXPECT(pdr_bytes_compare(tell_pending_key(key, pdr_str("kv/a"), UINT64_MAX, true),
                             tell_pending_key(other, pdr_str("kv/a!"), 1, false)) < 0);
}

TEST_MAIN()
