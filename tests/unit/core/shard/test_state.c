/* The overlay: order, replacement, tombstones, what may be dropped. */
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/shard/state.h"
#include "tests/lib/test.h"

static struct state_entry *put(struct state *s, const char *key, const char *value, uint64_t seq)
{
    struct state_entry *entry = state_entry_new(KEYS_USER, pdr_str(key), pdr_str(value), false);
    entry->seq = seq;
    return state_insert(s, entry);
}

TEST(keeps_keys_in_order)
{
    struct state s;
    state_init(&s, true);
    const char *keys[] = {"m", "a", "zz", "z", "b", "aa"};
    for (int i = 0; i < 6; i++) {
        EXPECT(put(&s, keys[i], "v", 1) == NULL);
    }
    EXPECT_INT(s.count, 6);
    for (uint32_t i = 1; i < s.count; i++) {
        EXPECT(pdr_bytes_compare(entry_key(state_entry_at(&s, i - 1)), entry_key(state_entry_at(&s, i))) < 0);
    }
    EXPECT(state_find(&s, KEYS_USER, pdr_str("zz")) != NULL);
    EXPECT(state_find(&s, KEYS_USER, pdr_str("zzz")) == NULL);
    EXPECT_INT(state_lower_bound(&s, KEYS_USER, pdr_str("aa"), false), 1);
    EXPECT_INT(state_lower_bound(&s, KEYS_USER, pdr_str("aa"), true), 2);
    state_release(&s);
}

TEST(one_entry_needs_no_array)
{
    struct state s;
    state_init(&s, true);
    EXPECT(put(&s, "m", "1", 1) == NULL);
    EXPECT_INT(s.capacity, 0);
    struct state moved = s; /* states are copied: nothing in one points into it */
    EXPECT(state_find(&moved, KEYS_USER, pdr_str("m")) == s.only);
    EXPECT(put(&moved, "a", "2", 1) == NULL); /* before it: the array begins */
    EXPECT_INT(moved.count, 2);
    mem_free(state_remove(&moved, KEYS_USER, pdr_str("a")));
    EXPECT_INT(moved.count, 1);
    EXPECT(pdr_bytes_equal(entry_value(state_find(&moved, KEYS_USER, pdr_str("m"))), pdr_str("1")));
    mem_free(state_remove(&moved, KEYS_USER, pdr_str("m")));
    EXPECT(put(&moved, "b", "3", 1) == NULL);
    EXPECT_INT(moved.count, 1);
    state_release(&moved);
    EXPECT_INT(moved.capacity, 0);
}

TEST(replacing_hands_the_old_entry_over)
{
    struct state s;
    state_init(&s, true);
    put(&s, "k", "old", 1);
    struct state_entry *old = put(&s, "k", "newer", 2);
    REQUIRE(old != NULL);
    EXPECT(pdr_bytes_equal(entry_value(old), pdr_str("old")));
    EXPECT_INT(s.count, 1);
    EXPECT_INT(s.bytes, 1 + 5);
    mem_free(old);
    old = state_remove(&s, KEYS_USER, pdr_str("k"));
    REQUIRE(old != NULL);
    EXPECT_INT(s.bytes, 0);
    mem_free(old);
    EXPECT(state_remove(&s, KEYS_USER, pdr_str("k")) == NULL);
    state_release(&s);
}

static void drop(void *user, struct state_entry *entry)
{
    mem_free(entry);
}

TEST(drops_only_what_the_store_has)
{
    struct state s;
    state_init(&s, false);
    put(&s, "clean", "1", 0);
    put(&s, "applied", "2", 5);
    put(&s, "new", "3", 6);
    put(&s, "volatile", "4", 0);
    state_find(&s, KEYS_USER, pdr_str("volatile"))->is_volatile = true;
    state_drop_applied(&s, KEYS_USER, 5, drop, NULL);
    EXPECT_INT(s.count, 2);
    EXPECT(state_find(&s, KEYS_USER, pdr_str("new")) != NULL);
    EXPECT(state_find(&s, KEYS_USER, pdr_str("volatile")) != NULL);
    EXPECT_INT(s.bytes, 3 + 1 + 8 + 1);
    state_release(&s);
}

static void put_reminder(struct state *s, const char *name, uint64_t seq, bool deleted)
{
    struct state_entry *entry = state_entry_new(KEYS_REMINDER, pdr_str(name), pdr_str("row"), deleted);
    entry->seq = seq;
    EXPECT(state_insert(s, entry) == NULL);
}

TEST(reminders_are_dropped_apart)
{
    struct state s;
    state_init(&s, true);
    put(&s, "own", "1", 3);
    put_reminder(&s, "stored", 5, false);
    put_reminder(&s, "new", 6, false);
    put_reminder(&s, "cancelled", 5, true);
    EXPECT_INT(state_count(&s, KEYS_REMINDER), 3);
    EXPECT_INT(state_count(&s, KEYS_EVENT), 0);
    EXPECT_INT(state_count(&s, KEYS_USER), 1);
    EXPECT_INT(state_kind_bytes(&s, KEYS_REMINDER), 6 + 3 + 9 + 3 * 3);
    state_drop_applied(&s, KEYS_REMINDER, 5, drop, NULL);
    EXPECT_INT(state_count(&s, KEYS_REMINDER), 1);
    EXPECT(state_find(&s, KEYS_REMINDER, pdr_str("new")) != NULL);
    EXPECT(!state_has_all(&s, KEYS_REMINDER) && state_has_all(&s, KEYS_EVENT) && state_has_all(&s, KEYS_USER));
    EXPECT_INT(s.bytes, 3 + 3 + 3 + 1);
    state_drop_last(&s, KEYS_USER);
    EXPECT(!state_has_all(&s, KEYS_USER));
    EXPECT_INT(s.count, 1);
    state_release(&s);
}

TEST(gives_room_back)
{
    struct state s;
    state_init(&s, true);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "r%d", i);
        put_reminder(&s, name, (uint64_t)i, false);
    }
    EXPECT_INT(s.capacity, 128);
    state_drop_applied(&s, KEYS_REMINDER, 89, drop, NULL);
    EXPECT_INT(s.count, 10);
    EXPECT_INT(s.capacity, 10);
    EXPECT(state_find(&s, KEYS_REMINDER, pdr_str("r90")) != NULL);
    put_reminder(&s, "s", 100, false); /* and there is room again */
    EXPECT_INT(s.count, 11);
    state_drop_last(&s, KEYS_REMINDER);
    EXPECT_INT(s.count, 0);
    EXPECT_INT(s.capacity, 4);
    state_release(&s);
}

/* Against a plain array of the last value of each of 64 keys. */
TEST(agrees_with_a_model)
{
    struct state s;
    struct rng rng;
    int model[64];
    rng_seed(&rng, test_seed());
    state_init(&s, true);
    memset(model, -1, sizeof model);
    for (int step = 0; step < 20000; step++) {
        char key[16], value[16];
        int k = (int)rng_below(&rng, 64), v = (int)rng_below(&rng, 1000);
        snprintf(key, sizeof key, "key%d", k);
        snprintf(value, sizeof value, "%d", v);
        if (rng_chance(&rng, 70)) {
            mem_free(put(&s, key, value, 1));
            model[k] = v;
        } else {
            struct state_entry *old = state_remove(&s, KEYS_USER, pdr_str(key));
            EXPECT((old != NULL) == (model[k] >= 0));
            mem_free(old);
            model[k] = -1;
        }
    }
    uint32_t present = 0;
    for (int k = 0; k < 64; k++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "key%d", k);
        snprintf(value, sizeof value, "%d", model[k]);
        struct state_entry *entry = state_find(&s, KEYS_USER, pdr_str(key));
        EXPECT((entry != NULL) == (model[k] >= 0));
        present += entry != NULL;
        EXPECT(entry == NULL || pdr_bytes_equal(entry_value(entry), pdr_str(value)));
    }
    EXPECT_INT(s.count, present);
    state_release(&s);
}

TEST_MAIN()
