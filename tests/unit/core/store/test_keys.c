/* tests/unit/core/store/test_keys.c: keys and the meta row, there and back, and from hostile bytes. */
#include "core/store/keys.h"

#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

static struct pdr_bytes state(uint8_t *out, uint32_t shard, uint16_t gen, const char *address, const char *user_key)
{
    return pdr_bytes(out, keys_state(out, shard, gen, pdr_str(address), KEYS_USER, pdr_str(user_key)));
}

TEST(state_key_has_this_layout)
{
    uint8_t key[KEYS_STATE_SIZE_MAX];
    static const char want[] = "\x01\x02\x03\x04\xab\xcd\x01kv/a\0\x08name";
    EXPECT(pdr_bytes_equal(state(key, 0x01020304, 0xabcd, "kv/a", "name"), pdr_bytes(want, sizeof want - 1)));
}

TEST(state_key_there_and_back)
{
    char address[KEYS_ADDRESS_MAX], user_key[KEYS_USER_KEY_MAX];
    memset(address, 'a', sizeof address);
    for (size_t i = 0; i < sizeof user_key; i++) {
        user_key[i] = (char)i; /* any byte, 0x00 too */
    }
    for (size_t address_size = 1; address_size <= KEYS_ADDRESS_MAX; address_size += 64) {
        for (size_t size = 1; size <= KEYS_USER_KEY_MAX; size += 341) {
            uint8_t key[KEYS_STATE_SIZE_MAX];
            struct keys_state_parts parts;
            struct pdr_bytes a = pdr_bytes(address, address_size), u = pdr_bytes(user_key, size);
            REQUIRE(keys_state_parse(pdr_bytes(key, keys_state(key, 255, 7, a, KEYS_USER, u)), &parts));
            EXPECT_INT(parts.shard, 255);
            EXPECT_INT(parts.gen, 7);
            EXPECT(pdr_bytes_equal(parts.address, a));
            EXPECT(pdr_bytes_equal(parts.user_key, u));
        }
    }
}

static bool between(struct pdr_bytes low, struct pdr_bytes key, struct pdr_bytes high)
{
    return pdr_bytes_compare(low, key) <= 0 && pdr_bytes_compare(key, high) < 0;
}

/* Of all pairs of these actors, one's rows lie in the range of the other only if they are the same. */
TEST(ranges_of_actors_are_apart)
{
    static const char *const addresses[] = {"a/b", "a/b ", "a/b/c", "a/bb", "a/B", "aa/b", "a/b.c", "a/\xc3\xa9"};
    static const char *const user_keys[] = {"\1", " ", "b", "\377\377\377"};
    for (unsigned i = 0; i < 8; i++) {
        uint8_t low[KEYS_STATE_SIZE_MAX], high[KEYS_STATE_SIZE_MAX], key[KEYS_STATE_SIZE_MAX];
        struct pdr_bytes from = pdr_bytes(low, keys_state_prefix(low, 1, 0, pdr_str(addresses[i])));
        struct pdr_bytes to = pdr_bytes(high, keys_state_end(high, 1, 0, pdr_str(addresses[i])));
        for (unsigned j = 0; j < 8; j++) {
            for (unsigned k = 0; k < 4; k++) {
                struct pdr_bytes row = state(key, 1, 0, addresses[j], user_keys[k]);
                EXPECT_INT(between(from, row, to), i == j);
                EXPECT_INT(keys_actor_prefix(row) == from.size && memcmp(key, low, from.size) == 0, i == j);
            }
        }
    }
}

TEST(shard_range_holds_all_generations)
{
    uint8_t low[KEYS_HEAD_SIZE] = {0}, high[KEYS_HEAD_SIZE] = {0}, key[KEYS_STATE_SIZE_MAX];
    struct pdr_bytes from = pdr_bytes(low, sizeof low), to = pdr_bytes(high, sizeof high);
    static const uint32_t shards[] = {0, 1, 255, 256, KEYS_SHARD_NONE - 1};
    for (int i = 0; i < 5; i++) {
        keys_shard_range(low, high, shards[i]);
        for (int j = 0; j < 5; j++) {
            EXPECT_INT(between(from, pdr_bytes(key, keys_meta(key, shards[j], 0)), to), i == j);
            EXPECT_INT(between(from, pdr_bytes(key, keys_meta(key, shards[j], UINT16_MAX)), to), i == j);
            EXPECT_INT(between(from, state(key, shards[j], 0, "a/b", "k"), to), i == j);
            EXPECT_INT(between(from, state(key, shards[j], UINT16_MAX, "\377", "\377"), to), i == j);
        }
        EXPECT(!between(from, pdr_bytes(key, keys_meta(key, KEYS_SHARD_NONE, 0)), to));
    }
}

/* The platform's rows of an actor come before its own, in its range; a shard's rows are beside them, in the shard. */
TEST(rows_stand_in_this_order)
{
    uint8_t a[KEYS_STATE_SIZE_MAX], b[KEYS_STATE_SIZE_MAX], from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    struct pdr_bytes own = pdr_bytes(a, keys_state(a, 1, 0, pdr_str("kv/a"), KEYS_USER, pdr_str("\1")));
    struct pdr_bytes told = pdr_bytes(b, keys_state(b, 1, 0, pdr_str("kv/a"), KEYS_EVENT, pdr_str("\377")));
    EXPECT(pdr_bytes_compare(told, own) < 0);
    EXPECT_INT(keys_actor_prefix(own), keys_actor_prefix(told));
    for (int table = KEYS_SESSION; table < KEYS_TABLE_COUNT; table++) {
        struct pdr_bytes row = pdr_bytes(b, keys_row(b, 1, 0, (enum keys_table)table, pdr_str("\377\377")));
        keys_table_range(from, to, 1, 0, (enum keys_table)table);
        EXPECT(between(pdr_bytes(from, sizeof from), row, pdr_bytes(to, sizeof to)));
        keys_shard_range(from, to, 1);
        EXPECT(between(pdr_bytes(from, sizeof from), row, pdr_bytes(to, sizeof to)));
        EXPECT(pdr_bytes_compare(own, row) < 0);
        EXPECT_INT(keys_actor_prefix(row), 0);
    }
}

TEST(a_generation_is_a_range)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE], key[KEYS_HEAD_SIZE];
    static const struct {
        uint16_t first, last;
    } ranges[] = {{0, 0}, {3, 3}, {0, 2}, {4, UINT16_MAX}, {UINT16_MAX, UINT16_MAX}};
    static const uint16_t gens[] = {0, 1, 2, 3, 4, 256, UINT16_MAX};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        keys_generation_range(from, to, 7, ranges[i].first, ranges[i].last);
        for (size_t k = 0; k < sizeof gens / sizeof *gens; k++) {
            keys_meta(key, 7, gens[k]);
            EXPECT(between(pdr_bytes(from, sizeof from), pdr_bytes(key, sizeof key), pdr_bytes(to, sizeof to)) ==
                   (gens[k] >= ranges[i].first && gens[k] <= ranges[i].last));
            for (uint32_t other = 6; other <= 8; other += 2) {
                keys_meta(key, other, gens[k]);
                EXPECT(!between(pdr_bytes(from, sizeof from), pdr_bytes(key, sizeof key), pdr_bytes(to, sizeof to)));
            }
        }
    }
}

TEST(what_is_no_state_key)
{
    uint8_t key[KEYS_STATE_SIZE_MAX + 2];
    struct keys_state_parts parts;
    size_t size = keys_state(key, 1, 0, pdr_str("kv/a"), KEYS_USER, pdr_str("k"));
    EXPECT(keys_state_parse(pdr_bytes(key, size), &parts));
    key[KEYS_HEAD_SIZE + 5] = 4; /* no kind */
    EXPECT(!keys_state_parse(pdr_bytes(key, size), &parts));
    key[KEYS_HEAD_SIZE + 5] = KEYS_USER;
    for (size_t shorter = 0; shorter < size; shorter++) {
        EXPECT(!keys_state_parse(pdr_bytes(key, shorter), &parts));
    }
    key[6] = KEYS_META;
    EXPECT(!keys_state_parse(pdr_bytes(key, size), &parts));
    key[6] = KEYS_STATE + 1;
    EXPECT(!keys_state_parse(pdr_bytes(key, size), &parts));
    key[6] = KEYS_STATE;
    put_be32(key, KEYS_SHARD_NONE);
    EXPECT(!keys_state_parse(pdr_bytes(key, size), &parts));
    size = keys_state(key, 1, 0, pdr_str("a"), KEYS_USER, pdr_str("k"));
    key[KEYS_HEAD_SIZE] = 0; /* no address */
    EXPECT(!keys_state_parse(pdr_bytes(key, size), &parts));
    memset(key + KEYS_HEAD_SIZE, 'a', KEYS_ADDRESS_MAX + 1);
    key[KEYS_HEAD_SIZE + KEYS_ADDRESS_MAX + 1] = 0; /* one byte too long */
    key[KEYS_HEAD_SIZE + KEYS_ADDRESS_MAX + 2] = 'k';
    EXPECT(!keys_state_parse(pdr_bytes(key, KEYS_HEAD_SIZE + KEYS_ADDRESS_MAX + 3), &parts));
    memset(key + KEYS_HEAD_SIZE, 'a', KEYS_STATE_SIZE_MAX - KEYS_HEAD_SIZE);
    key[KEYS_HEAD_SIZE + 3] = 0;
    key[KEYS_HEAD_SIZE + 4] = KEYS_EVENT;
    EXPECT(keys_state_parse(pdr_bytes(key, KEYS_HEAD_SIZE + 5 + KEYS_USER_KEY_MAX), &parts));
    EXPECT(!keys_state_parse(pdr_bytes(key, KEYS_HEAD_SIZE + 5 + KEYS_USER_KEY_MAX + 1), &parts));
}

/* What is taken for a key is one: it is written the same way again. */
TEST(hostile_keys)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    unsigned taken = 0;
    for (int i = 0; i < 200000; i++) {
        size_t size = (size_t)rng_below(&rng, 40);
        uint8_t *bytes = malloc(size > 0 ? size : 1); /* of its own, so that a read past the end is found */
        for (size_t k = 0; k < size; k++) {
            bytes[k] = (uint8_t)rng_below(&rng, 3);
        }
        struct pdr_bytes key = pdr_bytes(bytes, size);
        struct keys_state_parts parts;
        if (keys_state_parse(key, &parts)) {
            uint8_t again[KEYS_STATE_SIZE_MAX];
            taken++;
            EXPECT(pdr_bytes_equal(
                pdr_bytes(again, keys_state(again, parts.shard, parts.gen, parts.address, parts.kind, parts.user_key)),
                key));
        }
        EXPECT(keys_actor_prefix(key) <= size);
        free(bytes);
    }
    EXPECT(taken > 1000);
}

/* Meta rows. */

TEST(meta_there_and_back)
{
    struct keys_meta meta = {0}, again;
    uint8_t bytes[KEYS_META_SIZE_MAX];
    uint64_t seq = 0;
    for (uint64_t epoch = 0; epoch < 200; epoch++) {
        size_t size = keys_meta_encode(bytes, &meta);
        memset(&again, 0xff, sizeof again);
        REQUIRE(size <= sizeof bytes);
        REQUIRE(keys_meta_decode(pdr_bytes(bytes, size), &again) == PDR_OK);
        EXPECT(again.applied_epoch == meta.applied_epoch && again.applied_seq == meta.applied_seq);
        EXPECT(again.history_count == meta.history_count);
        EXPECT(memcmp(again.history, meta.history, meta.history_count * sizeof meta.history[0]) == 0);
        for (int entries = 0; entries < 3; entries++) {
            keys_meta_advance(&meta, 2 * epoch + 1, ++seq);
        }
    }
}

TEST(meta_keeps_the_newest_epochs)
{
    struct keys_meta meta = {0};
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        keys_meta_advance(&meta, 1 + seq / 10, seq);
    }
    EXPECT_INT(meta.applied_epoch, 101);
    EXPECT_INT(meta.applied_seq, 1000);
    EXPECT_INT(meta.history_count, KEYS_HISTORY_MAX);
    EXPECT_INT(meta.history[KEYS_HISTORY_MAX - 1].epoch, 101);
    EXPECT_INT(meta.history[KEYS_HISTORY_MAX - 1].first_seq, 1000);
    EXPECT_INT(meta.history[0].epoch, 101 - KEYS_HISTORY_MAX + 1);
    EXPECT_INT(meta.history[0].first_seq, 10 * (101 - KEYS_HISTORY_MAX));
}

static struct pdr_bytes encode(uint8_t *bytes)
{
    struct keys_meta meta = {0};
    keys_meta_advance(&meta, 3, 1);
    keys_meta_advance(&meta, 3, 2);
    keys_meta_advance(&meta, 5, 3);
    return pdr_bytes(bytes, keys_meta_encode(bytes, &meta));
}

static bool refuses(struct pdr_bytes bytes)
{
    struct keys_meta out = {.applied_seq = 77};
    return keys_meta_decode(bytes, &out) == PDR_INVALID && out.applied_seq == 77;
}

TEST(meta_of_the_wrong_size)
{
    uint8_t bytes[KEYS_META_SIZE_MAX + 1] = {0};
    struct pdr_bytes whole = encode(bytes);
    struct keys_meta meta;
    EXPECT(keys_meta_decode(whole, &meta) == PDR_OK);
    for (size_t size = 0; size <= KEYS_META_SIZE_MAX + 1; size++) {
        EXPECT(size == whole.size || refuses(pdr_bytes(bytes, size)));
    }
}

TEST(meta_that_cannot_be)
{
    uint8_t bytes[KEYS_META_SIZE_MAX];
    static const struct {
        unsigned at;
        uint8_t value;
    } wrong[] = {
        {0, 2},  /* version */
        {1, 1},  /* reserved */
        {2, 3},  /* more epochs than there are */
        {2, 1},  /* fewer */
        {4, 6},  /* applied in an epoch that is not the newest */
        {12, 2}, /* applied before the newest epoch began */
        {20, 5}, /* epochs don't rise */
        {20, 0}, /* no epoch is 0 */
        {28, 0}, /* nor a seq */
        {28, 3}, /* first seqs don't rise */
        {36, 3}, /* epochs fall */
        {44, 1}, /* first seqs fall */
        {44, 9}, /* begins after what is applied */
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct pdr_bytes whole = encode(bytes);
        bytes[wrong[i].at] = wrong[i].value;
        EXPECT(refuses(whole));
    }
    uint8_t nothing[20] = {1};
    struct keys_meta meta;
    EXPECT(keys_meta_decode(pdr_bytes(nothing, sizeof nothing), &meta) == PDR_OK);
    nothing[12] = 1; /* applied something, in no epoch */
    EXPECT(refuses(pdr_bytes(nothing, sizeof nothing)));
}

TEST(hostile_meta)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 100000; i++) {
        size_t size = 20 + 16 * (size_t)rng_below(&rng, 4);
        uint8_t *bytes = calloc(1, size), again[KEYS_META_SIZE_MAX];
        struct keys_meta meta;
        bytes[0] = 1;
        bytes[2] = (uint8_t)rng_below(&rng, 4);
        for (size_t k = 4; k < size; k += 8) {
            bytes[k] = (uint8_t)rng_below(&rng, 5);
        }
        if (keys_meta_decode(pdr_bytes(bytes, size), &meta) == PDR_OK) {
            EXPECT(pdr_bytes_equal(pdr_bytes(again, keys_meta_encode(again, &meta)), pdr_bytes(bytes, size)));
        }
        free(bytes);
    }
}

/* The format row. */

static void put(struct store *store, struct pdr_bytes key, struct pdr_bytes value)
{
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, key, value);
    EXPECT(store->ops->write(store, batch) == PDR_OK);
    store->ops->batch_free(batch);
}

static void put_format(struct store *store, const void *value, size_t size)
{
    uint8_t key[KEYS_HEAD_SIZE];
    put(store, pdr_bytes(key, keys_meta(key, KEYS_SHARD_NONE, 0)), pdr_bytes(value, size));
}

TEST(format_of_a_newer_program_is_refused)
{
    struct store *store = store_mem_new();
    const char *why = NULL;
    put_format(store, "\4\0\0\0", 4);
    EXPECT_INT(keys_check_format(store, &why), PDR_INVALID);
    EXPECT_STR(why, "the store has format 4 and this perdure knows format 3: start the newer perdure that wrote it");
    store->ops->close(store);
}

TEST(format_of_an_older_program_is_refused)
{
    struct store *store = store_mem_new();
    const char *why = NULL;
    put_format(store, "\1\0\0\0", 4);
    EXPECT_INT(keys_check_format(store, &why), PDR_INVALID);
    EXPECT_STR(why, "the store has format 1 and this perdure knows format 3: start the older perdure that wrote it");
    store->ops->close(store);
}

TEST(format_row_that_is_damaged)
{
    static const char *const why_damaged =
        "the row that names the store's format is damaged: restore a backup into an empty data directory";
    for (size_t size = 0; size < 6; size++) {
        struct store *store = store_mem_new();
        const char *why = NULL;
        put_format(store, "\0\0\0\0\0\0", size);
        EXPECT_INT(keys_check_format(store, &why), PDR_INVALID);
        EXPECT_STR(why, why_damaged);
        store->ops->close(store);
    }
}

TEST(store_of_somebody_else_is_refused)
{
    struct store *store = store_mem_new();
    const char *why = NULL;
    put(store, pdr_str("user:1"), pdr_str("x"));
    EXPECT_INT(keys_check_format(store, &why), PDR_INVALID);
    EXPECT_STR(why,
               "the store has data but does not say in which format: it is not one of perdure's; give another data "
               "directory");
    store->ops->close(store);
}

TEST(format_row_that_cannot_be_written)
{
    struct store *store = store_mem_new();
    const char *why = NULL;
    store_mem_fail_next(store, 1);
    EXPECT_INT(keys_check_format(store, &why), PDR_NO_SPACE);
    EXPECT_STR(why, "writing the store's format failed: the store in memory is full: a test asked for it");
    EXPECT_INT(keys_check_format(store, &why), PDR_OK);
    store->ops->close(store);
}

TEST_MAIN()
