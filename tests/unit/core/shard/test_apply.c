/* Folding log entries into store batches: newest wins, meta rows follow, a failed write loses nothing. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/shard/apply.h"
#include "core/shard/effects.h"
#include "tests/lib/test.h"

#define SHARDS 4

static uint8_t payloads[64][256];
static int used;

static struct record entry(uint32_t shard, uint64_t epoch, uint64_t seq, const char *address, const char *key,
                           const char *value)
{
    struct state writes;
    uint32_t operations;
    state_init(&writes, true);
    mem_free(state_insert(&writes, state_entry_new(pdr_str(key), pdr_str(value != NULL ? value : ""), value == NULL)));
    uint32_t size = effects_size(pdr_str(address), &writes, &operations);
    uint8_t *payload = payloads[used++ % 64];
    effects_encode(payload, pdr_str(address), &writes);
    state_release(&writes);
    return (struct record){RECORD_ENTRY, shard, epoch, seq, pdr_bytes(payload, size)};
}

static struct apply *begin(void)
{
    struct keys_meta none = {0};
    struct apply *apply = apply_new(SHARDS);
    for (uint32_t id = 0; id < SHARDS; id++) {
        apply_shard(apply, id, 0, &none);
    }
    return apply;
}

static bool holds(struct store *store, uint32_t shard, const char *address, const char *key, const char *value)
{
    uint8_t at[KEYS_STATE_SIZE_MAX];
    void *got;
    size_t size, key_size = keys_state(at, shard, 0, pdr_str(address), pdr_str(key));
    if (store->ops->get(store, pdr_bytes(at, key_size), &got, &size) != PDR_OK) {
        return value == NULL;
    }
    bool same = value != NULL && pdr_bytes_equal(pdr_bytes(got, size), pdr_str(value));
    free(got);
    return same;
}

TEST(newest_write_of_a_key_wins)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    struct record records[] = {entry(1, 1, 1, "kv/a", "k", "old"), entry(1, 1, 2, "kv/b", "k", "b"),
                               entry(1, 1, 3, "kv/a", "k", "new"), entry(1, 1, 4, "kv/b", "k", NULL),
                               entry(2, 1, 1, "kv/a", "k", "other shard")};
    for (int i = 0; i < 5; i++) {
        REQUIRE(apply_record(apply, &records[i]) == PDR_OK);
    }
    REQUIRE(apply_write(apply, store) == PDR_OK);
    EXPECT(holds(store, 1, "kv/a", "k", "new"));
    EXPECT(holds(store, 1, "kv/b", "k", NULL));
    EXPECT(holds(store, 2, "kv/a", "k", "other shard"));
    EXPECT_INT(apply_stats(apply).records, 5);
    EXPECT_INT(apply_stats(apply).keys, 3);
    apply_free(apply);
    store->ops->close(store);
}

TEST(meta_row_says_what_is_applied)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    struct record records[] = {entry(3, 7, 1, "kv/a", "k", "1"), entry(3, 7, 2, "kv/a", "k", "2"),
                               entry(3, 9, 3, "kv/a", "k", "3")};
    for (int i = 0; i < 3; i++) {
        REQUIRE(apply_record(apply, &records[i]) == PDR_OK);
    }
    REQUIRE(apply_write(apply, store) == PDR_OK);
    uint8_t key[KEYS_HEAD_SIZE];
    void *value;
    size_t size;
    struct keys_meta meta;
    REQUIRE(store->ops->get(store, pdr_bytes(key, keys_meta(key, 3, 0)), &value, &size) == PDR_OK);
    REQUIRE(keys_meta_decode(pdr_bytes(value, size), &meta) == PDR_OK);
    EXPECT_INT(meta.applied_epoch, 9);
    EXPECT_INT(meta.applied_seq, 3);
    EXPECT_INT(meta.history_count, 2);
    free(value);
    EXPECT(store->ops->get(store, pdr_bytes(key, keys_meta(key, 0, 0)), &value, &size) == PDR_NOT_FOUND);
    apply_free(apply);
    store->ops->close(store);
}

TEST(a_malformed_entry_is_refused)
{
    struct apply *apply = begin();
    struct record record = {RECORD_ENTRY, 0, 1, 1, pdr_bytes("\x01\x03\x00kv", 5)};
    EXPECT(apply_record(apply, &record) == PDR_INVALID);
    apply_free(apply);
}

/* Many keys: the table grows, and nothing is lost on the way. */
TEST(folds_a_hundred_thousand_keys)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    static uint8_t room[100000][64];
    for (uint32_t i = 0; i < 100000; i++) {
        char key[16];
        struct state writes;
        uint32_t operations;
        snprintf(key, sizeof key, "k%u", i % 50000);
        state_init(&writes, true);
        mem_free(state_insert(&writes, state_entry_new(pdr_str(key), pdr_str(i < 50000 ? "a" : "b"), false)));
        uint32_t size = effects_size(pdr_str("kv/x"), &writes, &operations);
        REQUIRE(size <= sizeof room[0]);
        effects_encode(room[i], pdr_str("kv/x"), &writes);
        state_release(&writes);
        struct record record = {RECORD_ENTRY, 0, 1, i + 1, pdr_bytes(room[i], size)};
        REQUIRE(apply_record(apply, &record) == PDR_OK);
    }
    REQUIRE(apply_write(apply, store) == PDR_OK);
    EXPECT_INT(apply_stats(apply).keys, 50000);
    EXPECT(holds(store, 0, "kv/x", "k0", "b"));
    EXPECT(holds(store, 0, "kv/x", "k49999", "b"));
    apply_free(apply);
    store->ops->close(store);
}

TEST_MAIN()
