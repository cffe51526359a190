/* tests/unit/core/store/test_store_mem.c: what only the store in memory can do. The rest is conformance. */
#include "core/store/store.h"

#include "core/base/endian.h"
#include "tests/lib/test.h"

static void put(struct store *store, uint32_t number)
{
    uint8_t key[4];
    put_be32(key, number);
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, pdr_bytes(key, 4), pdr_bytes(key, 4));
    EXPECT(store->ops->write(store, batch) == PDR_OK);
    store->ops->batch_free(batch);
}

static uint64_t count(struct store *store)
{
    uint64_t keys = 0;
    EXPECT(store->ops->property(store, "rocksdb.estimate-num-keys", &keys));
    return keys;
}

TEST(crash_keeps_as_many_as_told)
{
    static const struct {
        unsigned percent;
        uint64_t kept;
    } table[] = {{0, 10}, {1, 10}, {50, 25}, {99, 39}, {100, 40}};
    for (int i = 0; i < 5; i++) {
        struct store *store = store_mem_new();
        for (uint32_t n = 0; n < 40; n++) {
            put(store, n);
            if (n == 9) {
                EXPECT(store->ops->flush(store) == PDR_OK);
            }
        }
        store_mem_crash(store, table[i].percent);
        EXPECT_INT(count(store), table[i].kept);
        store_mem_crash(store, 0); /* what survived once is on the disk */
        EXPECT_INT(count(store), table[i].kept);
        store->ops->close(store);
    }
}

TEST(failed_write_changes_nothing)
{
    struct store *store = store_mem_new();
    put(store, 1);
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, pdr_str("a"), pdr_str("1"));
    store_mem_fail_next(store, 2);
    EXPECT_INT(store->ops->write(store, batch), PDR_NO_SPACE);
    EXPECT_INT(store->ops->flush(store), PDR_NO_SPACE);
    EXPECT_INT(count(store), 1);
    char why[128];
    store->ops->last_error(store, why, sizeof why);
    EXPECT_STR(why, "the store in memory is full: a test asked for it");
    EXPECT_INT(store->ops->write(store, batch), PDR_OK); /* it is as it was */
    EXPECT_INT(count(store), 2);
    store->ops->batch_free(batch);
    store_mem_crash(store, 0); /* nothing was flushed, the failed flush least of all */
    EXPECT_INT(count(store), 0);
    store->ops->close(store);
}

static bool put_more(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    put(user, 1000 + get_be32(key.data));
    return true;
}

TEST(each_may_call_the_store)
{
    struct store *store = store_mem_new();
    for (uint32_t n = 0; n < 20; n++) {
        put(store, n);
    }
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT(store->ops->cursor_scan(cursor, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), put_more, store) == PDR_OK);
    EXPECT_INT(count(store), 40);
    store->ops->cursor_free(cursor);
    store->ops->close(store);
}

TEST(closing_frees_what_was_never_asked_for)
{
    struct store *store = store_mem_new();
    put(store, 1);
    EXPECT(store->ops->checkpoint(store, "/a") == PDR_OK);
    EXPECT(store->ops->checkpoint(store, "/b") == PDR_OK);
    EXPECT(store_mem_open_checkpoint(store, "/c") == NULL);
    store->ops->close(store); /* LeakSanitizer looks */
}

TEST_MAIN()
