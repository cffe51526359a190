/* A turn's writes to bytes and back; hostile bytes are refused. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/shard/effects.h"
#include "tests/lib/test.h"

static const struct rows no_rows;

static void add(struct state *s, const char *key, const char *value, bool deleted, bool is_volatile)
{
    struct state_entry *entry = state_entry_new(KEYS_USER, pdr_str(key), pdr_str(value), deleted);
    entry->is_volatile = is_volatile;
    mem_free(state_insert(s, entry));
}

TEST(round_trip)
{
    struct state writes;
    uint32_t operations;
    state_init(&writes, true);
    add(&writes, "a", "one", false, false);
    add(&writes, "b", "", true, false);
    add(&writes, "c", "", false, false);
    add(&writes, "v", "never written", false, true);
    uint32_t size = effects_size(pdr_str("kv/x"), &writes, &no_rows, &operations);
    EXPECT_INT(operations, 3);
    uint8_t *bytes = malloc(size);
    effects_encode(bytes, pdr_str("kv/x"), &writes, &no_rows);

    struct pdr_bytes address, rest;
    struct effect e;
    REQUIRE(effects_open(pdr_bytes(bytes, size), &address, &rest) == PDR_OK);
    EXPECT(pdr_bytes_equal(address, pdr_str("kv/x")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_PUT && pdr_bytes_equal(e.key, pdr_str("a")) && pdr_bytes_equal(e.value, pdr_str("one")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_DELETE && pdr_bytes_equal(e.key, pdr_str("b")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_PUT && e.value.size == 0);
    EXPECT(effects_next(&rest, &e) == PDR_NOT_FOUND);
    free(bytes);
    state_release(&writes);
}

/* Every prefix is refused or ends early, and no byte beyond it is read (ASan looks on). */
TEST(every_cut_is_noticed)
{
    struct state writes;
    uint32_t operations;
    state_init(&writes, true);
    add(&writes, "key", "value", false, false);
    add(&writes, "other", "", true, false);
    uint32_t size = effects_size(pdr_str("t/k"), &writes, &no_rows, &operations);
    uint8_t *whole = malloc(size);
    effects_encode(whole, pdr_str("t/k"), &writes, &no_rows);
    for (uint32_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut + 1);
        memcpy(part, whole, cut);
        struct pdr_bytes address, rest;
        struct effect e;
        enum pdr_status status = effects_open(pdr_bytes(part, cut), &address, &rest);
        int seen = 0;
        while (status == PDR_OK) {
            status = effects_next(&rest, &e);
            seen += status == PDR_OK;
        }
        EXPECT(status == PDR_INVALID || (status == PDR_NOT_FOUND && seen < 2));
        free(part);
    }
    free(whole);
    state_release(&writes);
}

TEST(random_bytes_do_no_harm)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    int opened = 0;
    for (int i = 0; i < 200000; i++) {
        size_t size = rng_below(&rng, 40);
        uint8_t *bytes = malloc(size + 1);
        for (size_t k = 0; k < size; k++) {
            bytes[k] = (uint8_t)rng_below(&rng, rng_chance(&rng, 50) ? 4 : 256);
        }
        struct pdr_bytes address, rest;
        struct effect e;
        if (effects_open(pdr_bytes(bytes, size), &address, &rest) == PDR_OK) {
            opened++;
            while (effects_next(&rest, &e) == PDR_OK) {
                EXPECT(e.key.size > 0);
            }
        }
        free(bytes);
    }
    EXPECT(opened > 0);
}

TEST_MAIN()

TEST(rows_of_the_shard_come_behind_the_actors)
{
    struct state writes;
    struct rows rows = {0};
    uint32_t operations;
    state_init(&writes, true);
    mem_free(state_insert(&writes, state_entry_new(KEYS_EVENT, pdr_str("n"), pdr_str("told"), false)));
    add(&writes, "own", "1", false, false);
    rows_put(&rows, KEYS_CHANNEL, pdr_str("from"), pdr_str("7"));
    rows_delete(&rows, KEYS_PENDING, pdr_bytes(NULL, 0));
    uint32_t size = effects_size(pdr_str("kv/x"), &writes, &rows, &operations);
    EXPECT_INT(operations, 4);
    uint8_t *bytes = malloc(size);
    effects_encode(bytes, pdr_str("kv/x"), &writes, &rows);
    struct pdr_bytes address, rest;
    struct effect e;
    REQUIRE(effects_open(pdr_bytes(bytes, size), &address, &rest) == PDR_OK);
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_PUT && e.space == KEYS_EVENT && pdr_bytes_equal(e.key, pdr_str("n")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_PUT && e.space == KEYS_USER && pdr_bytes_equal(e.value, pdr_str("1")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_ROW_PUT && e.space == KEYS_CHANNEL && pdr_bytes_equal(e.key, pdr_str("from")));
    REQUIRE(effects_next(&rest, &e) == PDR_OK);
    EXPECT(e.kind == EFFECT_ROW_DELETE && e.space == KEYS_PENDING && e.key.size == 0);
    EXPECT(effects_next(&rest, &e) == PDR_NOT_FOUND);
    free(bytes);
    state_release(&writes);
    rows_release(&rows);
}
