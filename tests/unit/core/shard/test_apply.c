/* Folding log entries into store batches: newest wins, meta rows follow, a failed write loses nothing. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/shard/apply.h"
#include "core/shard/effects.h"
#include "tests/lib/test.h"

#define SHARDS 4

static const struct rows no_rows;

static uint8_t payloads[64][256];
static int used;

static struct record entry(uint32_t shard, uint64_t epoch, uint64_t seq, const char *address, const char *key,
                           const char *value)
{
    struct state writes;
    uint32_t operations;
    state_init(&writes, true);
    mem_free(state_insert(
        &writes, state_entry_new(KEYS_USER, pdr_str(key), pdr_str(value != NULL ? value : ""), value == NULL)));
    uint32_t size = effects_size(pdr_str(address), &writes, &no_rows, &operations);
    uint8_t *payload = payloads[used++ % 64];
    effects_encode(payload, pdr_str(address), &writes, &no_rows);
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
    size_t size, key_size = keys_state(at, shard, 0, pdr_str(address), KEYS_USER, pdr_str(key));
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

/* KEYS_SHARD_DIRECTORY has a place of its own: rows, meta row, position. */
TEST(shard_of_the_directory)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    struct keys_meta none = {0};
    uint8_t key[KEYS_HEAD_SIZE];
    void *value;
    size_t size;
    apply_shard(apply, KEYS_SHARD_DIRECTORY, 0, &none);
    struct record records[] = {entry(KEYS_SHARD_DIRECTORY, 2, 1, "kv/a", "k", "directory's"),
                               entry(3, 1, 1, "kv/a", "k", "3's")};
    for (int i = 0; i < 2; i++) {
        REQUIRE(apply_record(apply, &records[i]) == PDR_OK);
    }
    REQUIRE(apply_write(apply, store) == PDR_OK);
    EXPECT(holds(store, KEYS_SHARD_DIRECTORY, "kv/a", "k", "directory's"));
    EXPECT(holds(store, 3, "kv/a", "k", "3's"));
    struct pdr_bytes row = pdr_bytes(key, keys_meta(key, KEYS_SHARD_DIRECTORY, 0));
    REQUIRE(store->ops->get(store, row, &value, &size) == PDR_OK);
    struct keys_meta meta;
    EXPECT(keys_meta_decode(pdr_bytes(value, size), &meta) == PDR_OK && meta.applied_epoch == 2);
    EXPECT_INT(apply_meta(apply, KEYS_SHARD_DIRECTORY)->applied_seq, 1);
    free(value);
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
        mem_free(
            state_insert(&writes, state_entry_new(KEYS_USER, pdr_str(key), pdr_str(i < 50000 ? "a" : "b"), false)));
        uint32_t size = effects_size(pdr_str("kv/x"), &writes, &no_rows, &operations);
        REQUIRE(size <= sizeof room[0]);
        effects_encode(room[i], pdr_str("kv/x"), &writes, &no_rows);
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

/* Rows of the shard: beside the actor's, in the same batch; (table, key) is their name. */

static struct record row_entry(uint64_t seq, enum keys_table table, const char *key, const char *value)
{
    struct state writes;
    struct rows rows = {0};
    uint32_t operations;
    state_init(&writes, true);
    if (value != NULL) {
        rows_put(&rows, table, pdr_str(key), pdr_str(value));
    } else {
        rows_delete(&rows, table, pdr_str(key));
    }
    uint32_t size = effects_size(pdr_str(""), &writes, &rows, &operations);
    uint8_t *payload = payloads[used++ % 64];
    effects_encode(payload, pdr_str(""), &writes, &rows);
    rows_release(&rows);
    return (struct record){RECORD_ENTRY, 1, 1, seq, pdr_bytes(payload, size)};
}

static bool has_row(struct store *store, enum keys_table table, const char *key, const char *value)
{
    uint8_t at[KEYS_STATE_SIZE_MAX];
    void *got;
    size_t size;
    if (store->ops->get(store, pdr_bytes(at, keys_row(at, 1, 0, table, pdr_str(key))), &got, &size) != PDR_OK) {
        return value == NULL;
    }
    bool same = value != NULL && pdr_bytes_equal(pdr_bytes(got, size), pdr_str(value));
    free(got);
    return same;
}

static void apply_all(struct apply *apply, struct store *store, const struct record *records, int count)
{
    for (int i = 0; i < count; i++) {
        REQUIRE(apply_record(apply, &records[i]) == PDR_OK);
    }
    REQUIRE(apply_write(apply, store) == PDR_OK);
}

TEST(rows_of_the_shard)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    struct record first[] = {row_entry(1, KEYS_DUE, "k", "due"), row_entry(2, KEYS_DEAD, "k", "dead"),
                             row_entry(3, KEYS_DUE, "other", "x"), row_entry(4, KEYS_DUE, "other", NULL)};
    apply_all(apply, store, first, 4);
    EXPECT(has_row(store, KEYS_DUE, "k", "due"));
    EXPECT(has_row(store, KEYS_DEAD, "k", "dead"));
    EXPECT(has_row(store, KEYS_DUE, "other", NULL));
    struct record second[] = {row_entry(5, KEYS_DUE, "k", NULL)};
    apply_all(apply, store, second, 1);
    EXPECT(has_row(store, KEYS_DUE, "k", NULL));
    EXPECT(has_row(store, KEYS_DEAD, "k", "dead"));
    apply_free(apply);
    store->ops->close(store);
}

/* A tell that came and ran within one step never reaches the store; one of an earlier step is deleted from it. */
TEST(what_is_put_and_deleted_in_a_step)
{
    struct store *store = store_mem_new();
    struct apply *apply = begin();
    struct record first[] = {row_entry(1, KEYS_OUTBOX, "1", "a"), row_entry(2, KEYS_OUTBOX, "2", "b"),
                             row_entry(3, KEYS_OUTBOX, "1", NULL)};
    apply_all(apply, store, first, 3);
    EXPECT(has_row(store, KEYS_OUTBOX, "1", NULL));
    EXPECT(has_row(store, KEYS_OUTBOX, "2", "b"));
    struct record second[] = {row_entry(4, KEYS_OUTBOX, "2", NULL)};
    apply_all(apply, store, second, 1);
    EXPECT(has_row(store, KEYS_OUTBOX, "2", NULL));
    apply_free(apply);
    store->ops->close(store);
}
