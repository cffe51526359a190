/* tests/conformance/store_suite.c: the cases. Short keys and values are given as C strings. */
#include "tests/conformance/store_suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/store/keys.h"
#include "tests/lib/test.h"

/* Helpers. */

static void write_batch(struct store *store, struct store_batch *batch)
{
    EXPECT(store->ops->write(store, batch) == PDR_OK);
    store->ops->batch_free(batch);
}

static void put(struct store *store, const char *key, const char *value)
{
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, pdr_str(key), pdr_str(value));
    write_batch(store, batch);
}

static void delete (struct store *store, const char *key)
{
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_delete(batch, pdr_str(key));
    write_batch(store, batch);
}

/* `value` NULL: there is none. */
static bool holds_bytes(struct store *store, struct pdr_bytes key, const struct pdr_bytes *value)
{
    void *got;
    size_t size;
    enum pdr_status status = store->ops->get(store, key, &got, &size);
    if (status != PDR_OK) {
        return value == NULL && status == PDR_NOT_FOUND;
    }
    bool same = value != NULL && pdr_bytes_equal(pdr_bytes(got, size), *value);
    free(got);
    return same;
}

static bool holds(struct store *store, const char *key, const char *value)
{
    struct pdr_bytes bytes = value != NULL ? pdr_str(value) : pdr_bytes(NULL, 0);
    return holds_bytes(store, pdr_str(key), value != NULL ? &bytes : NULL);
}

/* What a scan gave, as "key=value key=value ". */
struct seen {
    char text[4096];
    size_t size;
    unsigned left; /* rows until it says stop */
};

static bool see(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct seen *seen = user;
    seen->size += (size_t)snprintf(seen->text + seen->size, sizeof seen->text - seen->size, "%.*s=%.*s ", (int)key.size,
                                   (const char *)key.data, (int)value.size, (const char *)value.data);
    REQUIRE(seen->size < sizeof seen->text);
    return --seen->left > 0;
}

static const char *scan_some(struct store *store, struct store_cursor *cursor, const char *from, const char *to,
                             unsigned rows, struct seen *seen)
{
    *seen = (struct seen){.left = rows};
    EXPECT(store->ops->cursor_scan(cursor, pdr_str(from), pdr_str(to), see, seen) == PDR_OK);
    return seen->text;
}

static const char *scan(struct store *store, struct store_cursor *cursor, const char *from, const char *to,
                        struct seen *seen)
{
    return scan_some(store, cursor, from, to, UINT32_MAX, seen);
}

/* Single rows. */

void store_suite_gets_what_was_put(struct store_subject *subject)
{
    struct store *store = subject->store;
    EXPECT(holds(store, "a", NULL));
    put(store, "a", "1");
    put(store, "ab", "2");
    EXPECT(holds(store, "a", "1"));
    EXPECT(holds(store, "ab", "2"));
    EXPECT(holds(store, "abc", NULL));
    put(store, "a", "one");
    EXPECT(holds(store, "a", "one"));
    delete (store, "a");
    delete (store, "never there");
    EXPECT(holds(store, "a", NULL));
    EXPECT(holds(store, "ab", "2"));
}

void store_suite_empty_values(struct store_subject *subject)
{
    struct store *store = subject->store;
    put(store, "a", "");
    EXPECT(holds(store, "a", ""));
    EXPECT(store->ops->flush(store) == PDR_OK);
    EXPECT(holds(store, "a", ""));
}

void store_suite_large_values(struct store_subject *subject)
{
    struct store *store = subject->store;
    size_t size = 1u << 20;
    uint8_t *large = mem_new(size);
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (size_t i = 0; i < size; i += 8) {
        put_le64(large + i, rng_next(&rng));
    }
    struct store_batch *batch = store->ops->batch_new(store);
    for (uint8_t i = 0; i < 8; i++) {
        large[0] = i;
        store->ops->batch_put(batch, pdr_bytes(&i, 1), pdr_bytes(large, size));
    }
    write_batch(store, batch);
    for (int pass = 0; pass < 2; pass++) {
        for (uint8_t i = 0; i < 8; i++) {
            struct pdr_bytes want = pdr_bytes(large, size);
            large[0] = i;
            EXPECT(holds_bytes(store, pdr_bytes(&i, 1), &want));
        }
        EXPECT(store->ops->flush(store) == PDR_OK);
    }
    mem_free(large);
}

/* Order, ranges. */

static bool is_next(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct pdr_bytes **next = user;
    EXPECT(pdr_bytes_equal(key, **next));
    EXPECT(pdr_bytes_equal(value, **next));
    ++*next;
    return true;
}

void store_suite_keys_are_bytes_in_order(struct store_subject *subject)
{
    struct store *store = subject->store;
    struct pdr_bytes keys[] = {pdr_bytes("\0", 1),     pdr_bytes("\0\0", 2),    pdr_bytes("\0\1", 2),
                               pdr_bytes("\1", 1),     pdr_bytes("a", 1),       pdr_bytes("a\0", 2),
                               pdr_bytes("a\0b", 3),   pdr_bytes("aa", 2),      pdr_bytes("b", 1),
                               pdr_bytes("\177", 1),   pdr_bytes("\200", 1),    pdr_bytes("\377", 1),
                               pdr_bytes("\377\0", 2), pdr_bytes("\377\377", 2)};
    unsigned count = sizeof keys / sizeof keys[0];
    for (unsigned i = 0; i < count; i++) {
        unsigned k = i * 5 % count; /* 5 and 14 share no divisor */
        struct store_batch *batch = store->ops->batch_new(store);
        store->ops->batch_put(batch, keys[k], keys[k]);
        write_batch(store, batch);
    }
    struct pdr_bytes *next = keys, all = pdr_bytes(NULL, 0);
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT(store->ops->cursor_scan(cursor, all, all, is_next, &next) == PDR_OK);
    EXPECT_INT(next - keys, count);
    store->ops->cursor_free(cursor);
}

void store_suite_last_change_in_a_batch_wins(struct store_subject *subject)
{
    struct store *store = subject->store;
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, pdr_str("a"), pdr_str("1"));
    store->ops->batch_put(batch, pdr_str("b"), pdr_str("1"));
    store->ops->batch_put(batch, pdr_str("c"), pdr_str("1"));
    store->ops->batch_put(batch, pdr_str("a"), pdr_str("2"));
    store->ops->batch_delete(batch, pdr_str("b"));
    store->ops->batch_delete_range(batch, pdr_str("c"), pdr_str("d"));
    store->ops->batch_put(batch, pdr_str("cc"), pdr_str("2"));
    write_batch(store, batch);
    struct seen seen;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT_STR(scan(store, cursor, "", "", &seen), "a=2 cc=2 ");
    store->ops->cursor_free(cursor);
}

void store_suite_batch_is_empty_after_a_write(struct store_subject *subject)
{
    struct store *store = subject->store;
    struct store_batch *batch = store->ops->batch_new(store);
    EXPECT(store->ops->write(store, batch) == PDR_OK); /* of nothing */
    store->ops->batch_put(batch, pdr_str("a"), pdr_str("1"));
    EXPECT(store->ops->write(store, batch) == PDR_OK);
    delete (store, "a");
    store->ops->batch_put(batch, pdr_str("b"), pdr_str("2"));
    write_batch(store, batch);
    EXPECT(holds(store, "a", NULL));
    EXPECT(holds(store, "b", "2"));
}

void store_suite_range_delete(struct store_subject *subject)
{
    struct store *store = subject->store;
    const char *keys[] = {"a", "b", "ba", "c", "ca", "d"};
    for (int i = 0; i < 6; i++) {
        put(store, keys[i], keys[i]);
    }
    EXPECT(store->ops->flush(store) == PDR_OK);
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_delete_range(batch, pdr_str("b"), pdr_str("ca"));
    write_batch(store, batch);
    put(store, "bb", "later");
    for (int pass = 0; pass < 2; pass++) {
        struct seen seen;
        struct store_cursor *cursor = store->ops->cursor_new(store);
        EXPECT_STR(scan(store, cursor, "", "", &seen), "a=a bb=later ca=ca d=d ");
        store->ops->cursor_free(cursor);
        EXPECT(holds(store, "b", NULL));
        EXPECT(holds(store, "ca", "ca"));
        EXPECT(store->ops->flush(store) == PDR_OK);
    }
}

void store_suite_scan_bounds(struct store_subject *subject)
{
    struct store *store = subject->store;
    const char *keys[] = {"a", "b", "bb", "c"};
    for (int i = 0; i < 4; i++) {
        put(store, keys[i], "");
    }
    struct seen seen;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT_STR(scan(store, cursor, "", "", &seen), "a= b= bb= c= ");
    EXPECT_STR(scan(store, cursor, "b", "", &seen), "b= bb= c= ");
    EXPECT_STR(scan(store, cursor, "b", "c", &seen), "b= bb= ");
    EXPECT_STR(scan(store, cursor, "", "b", &seen), "a= ");
    EXPECT_STR(scan(store, cursor, "ba", "bc", &seen), "bb= ");
    EXPECT_STR(scan(store, cursor, "b", "b", &seen), "");
    EXPECT_STR(scan(store, cursor, "c", "a", &seen), "");
    EXPECT_STR(scan(store, cursor, "d", "", &seen), "");
    EXPECT_STR(scan(store, cursor, "a", "b", &seen), "a= "); /* back again */
    store->ops->cursor_free(cursor);
}

void store_suite_scan_ends_when_told(struct store_subject *subject)
{
    struct store *store = subject->store;
    put(store, "a", "1");
    put(store, "b", "2");
    put(store, "c", "3");
    struct seen seen;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT_STR(scan_some(store, cursor, "", "", 1, &seen), "a=1 ");
    EXPECT_STR(scan_some(store, cursor, "a", "", 2, &seen), "a=1 b=2 ");
    store->ops->cursor_free(cursor);
}

/* Actors: the keys that the platform uses, for which a filling may have a way of its own. */

#define ACTORS 300u

static struct pdr_bytes actor_address(char *out, unsigned actor)
{
    return pdr_bytes(out, (size_t)sprintf(out, "kv/%u", actor));
}

static struct pdr_bytes actor_row(uint8_t *out, unsigned actor, const char *user_key)
{
    char address[32];
    return pdr_bytes(out, keys_state(out, actor % 3, 0, actor_address(address, actor), KEYS_USER, pdr_str(user_key)));
}

static bool see_user_key(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct keys_state_parts parts;
    REQUIRE(keys_state_parse(key, &parts));
    return see(user, parts.user_key, value);
}

static enum pdr_status try_actor(struct store *store, struct store_cursor *cursor, unsigned actor, const char *from,
                                 const char *to, struct seen *seen)
{
    uint8_t low[KEYS_STATE_SIZE_MAX], high[KEYS_STATE_SIZE_MAX];
    char address[32];
    struct pdr_bytes end = pdr_bytes(high, keys_state_end(high, actor % 3, 0, actor_address(address, actor)));
    *seen = (struct seen){.left = UINT32_MAX};
    return store->ops->cursor_scan(cursor, actor_row(low, actor, from), *to != '\0' ? actor_row(high, actor, to) : end,
                                   see_user_key, seen);
}

static const char *scan_actor(struct store *store, struct store_cursor *cursor, unsigned actor, const char *from,
                              const char *to, struct seen *seen)
{
    EXPECT(try_actor(store, cursor, actor, from, to, seen) == PDR_OK);
    return seen->text;
}

static bool has_rows(unsigned actor)
{
    return actor % 2 == 0 && actor % 6 != 0;
}

/* Actors 0, 2, 4 ... get rows; every third of those is deleted, its neighbours are not. */
static void write_actors(struct store *store)
{
    static const char *const user_keys[] = {"a", "b", "c"};
    uint8_t row[KEYS_STATE_SIZE_MAX];
    for (unsigned actor = 0; actor < ACTORS; actor += 2) {
        struct store_batch *batch = store->ops->batch_new(store);
        for (int k = 0; k < 3; k++) {
            store->ops->batch_put(batch, actor_row(row, actor, user_keys[k]), pdr_str(user_keys[k]));
        }
        write_batch(store, batch);
    }
    EXPECT(store->ops->flush(store) == PDR_OK);
    for (unsigned actor = 0; actor < ACTORS; actor += 6) {
        struct store_batch *batch = store->ops->batch_new(store);
        for (int k = 0; k < 3; k++) {
            store->ops->batch_delete(batch, actor_row(row, actor, user_keys[k]));
        }
        write_batch(store, batch);
    }
}

void store_suite_scans_of_actors(struct store_subject *subject)
{
    struct store *store = subject->store;
    write_actors(store);
    for (int pass = 0; pass < 2; pass++) {
        struct store_cursor *cursor = store->ops->cursor_new(store);
        for (unsigned actor = 0; actor < ACTORS; actor++) {
            bool has = has_rows(actor);
            struct seen seen;
            EXPECT_STR(scan_actor(store, cursor, actor, "", "", &seen), has ? "a=a b=b c=c " : "");
            EXPECT_STR(scan_actor(store, cursor, actor, "b", "", &seen), has ? "b=b c=c " : "");
            EXPECT_STR(scan_actor(store, cursor, actor, "aa", "c", &seen), has ? "b=b " : "");
            EXPECT_STR(scan_actor(store, cursor, actor, "d", "", &seen), "");
        }
        store->ops->cursor_free(cursor);
        EXPECT(store->ops->flush(store) == PDR_OK);
    }
}

/* How many actors a cursor of what is in memory knows. It may know of none, but it may not be wrong. */
static unsigned known_in_memory(struct store *store)
{
    unsigned known = 0;
    for (unsigned actor = 0; actor < ACTORS; actor++) {
        struct store_cursor *cursor = store->ops->cursor_new_cached(store);
        if (cursor == NULL) {
            continue;
        }
        struct seen seen;
        enum pdr_status status = try_actor(store, cursor, actor, "", "", &seen);
        EXPECT(status == PDR_OK || status == PDR_UNAVAILABLE);
        if (status == PDR_OK) {
            EXPECT_STR(seen.text, has_rows(actor) ? "a=a b=b c=c " : "");
            known++;
        }
        store->ops->cursor_free(cursor);
    }
    return known;
}

void store_suite_cursor_of_what_is_in_memory(struct store_subject *subject)
{
    struct store *store = subject->store;
    write_actors(store);
    known_in_memory(store); /* some rows in a file, their deletion in memory */
    EXPECT(store->ops->flush(store) == PDR_OK);
    subject->crash(subject);
    store = subject->store;
    known_in_memory(store); /* all on disk */
    struct store_cursor *cursor = store->ops->cursor_new(store);
    for (unsigned actor = 0; actor < ACTORS; actor++) {
        struct seen seen;
        scan_actor(store, cursor, actor, "", "", &seen);
    }
    store->ops->cursor_free(cursor);
    EXPECT(known_in_memory(store) >= ACTORS / 2); /* just read */
}

/* The end of a range may look like the beginning, and yet belong to another actor. */
void store_suite_scans_from_one_actor_to_another(struct store_subject *subject)
{
    struct store *store = subject->store;
    static const char *const addresses[] = {"kv/1", "kv/1\1A", "kv/1\1a", "kv/10", "kv/12"};
    uint8_t keys[5][KEYS_STATE_SIZE_MAX];
    struct pdr_bytes rows[5];
    for (unsigned i = 0; i < 5; i++) {
        rows[i] = pdr_bytes(keys[i], keys_state(keys[i], 1, 0, pdr_str(addresses[i]), KEYS_USER, pdr_str("k")));
        struct store_batch *batch = store->ops->batch_new(store);
        store->ops->batch_put(batch, rows[i], pdr_str(addresses[i]));
        write_batch(store, batch);
    }
    static const char *const wants[] = {"", "k=kv/1 ", "k=kv/1 k=kv/1\1A ", "k=kv/1 k=kv/1\1A k=kv/1\1a ",
                                        "k=kv/1 k=kv/1\1A k=kv/1\1a k=kv/10 "};
    struct store_cursor *cursor = store->ops->cursor_new(store);
    for (unsigned i = 0; i < 5; i++) {
        struct seen seen = {.left = UINT32_MAX};
        EXPECT(store->ops->cursor_scan(cursor, rows[0], rows[i], see_user_key, &seen) == PDR_OK);
        EXPECT_STR(seen.text, wants[i]);
    }
    store->ops->cursor_free(cursor);
}

/* Cursors. */

void store_suite_cursor_is_a_snapshot(struct store_subject *subject)
{
    struct store *store = subject->store;
    put(store, "a", "1");
    put(store, "b", "1");
    struct store_cursor *before = store->ops->cursor_new(store);
    put(store, "a", "2");
    delete (store, "b");
    put(store, "c", "2");
    EXPECT(store->ops->flush(store) == PDR_OK);
    put(store, "d", "3");
    struct store_cursor *after = store->ops->cursor_new(store);
    struct seen seen;
    for (int pass = 0; pass < 2; pass++) {
        EXPECT_STR(scan(store, before, "", "", &seen), "a=1 b=1 ");
        EXPECT_STR(scan(store, after, "", "", &seen), "a=2 c=2 d=3 ");
        put(store, "e", "4");
    }
    store->ops->cursor_free(before);
    EXPECT_STR(scan(store, after, "", "", &seen), "a=2 c=2 d=3 ");
    store->ops->cursor_free(after);
}

void store_suite_cursor_sees_what_was_written(struct store_subject *subject)
{
    struct store *store = subject->store;
    for (int i = 0; i < 500; i++) {
        char value[16], want[32];
        sprintf(value, "%d", i);
        sprintf(want, "a=%d ", i);
        put(store, "a", value);
        struct seen seen;
        struct store_cursor *cursor = store->ops->cursor_new(store);
        EXPECT_STR(scan(store, cursor, "", "", &seen), want);
        store->ops->cursor_free(cursor);
    }
}

/* Threads: one writes 1, 2, 3 ... to two rows at once; others must never see the rows differ or the number fall. */

struct crowd {
    struct store *store;
    atomic_bool over;
    atomic_uint reads;
};

static bool see_number(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    uint64_t *numbers = user;
    EXPECT_INT(value.size, 8);
    numbers[((const char *)key.data)[0] == 'b'] = get_le64(value.data);
    return true;
}

static uint64_t read_both(struct store *store)
{
    uint64_t numbers[2] = {0, 0};
    struct store_cursor *cursor = store->ops->cursor_new(store);
    EXPECT(store->ops->cursor_scan(cursor, pdr_str("a"), pdr_str("c"), see_number, numbers) == PDR_OK);
    store->ops->cursor_free(cursor);
    EXPECT_INT(numbers[0], numbers[1]);
    return numbers[0];
}

static void *reader(void *user)
{
    struct crowd *crowd = user;
    uint64_t newest = 0;
    while (!atomic_load(&crowd->over)) {
        uint64_t number = read_both(crowd->store);
        EXPECT(number >= newest);
        newest = number;
        void *value;
        size_t size;
        if (crowd->store->ops->get(crowd->store, pdr_str("b"), &value, &size) == PDR_OK) {
            number = get_le64(value);
            EXPECT(number >= newest);
            newest = number;
            free(value);
        }
        atomic_fetch_add(&crowd->reads, 1);
    }
    return NULL;
}

void store_suite_readers_beside_a_writer(struct store_subject *subject)
{
    struct store *store = subject->store;
    struct crowd crowd = {.store = store};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, reader, &crowd) == 0);
    }
    uint64_t number = 0;
    while (number < 2000 || atomic_load(&crowd.reads) < 2000) {
        uint8_t value[8];
        put_le64(value, ++number);
        struct store_batch *batch = store->ops->batch_new(store);
        store->ops->batch_put(batch, pdr_str("a"), pdr_bytes(value, 8));
        store->ops->batch_put(batch, pdr_str("b"), pdr_bytes(value, 8));
        write_batch(store, batch);
        if (number % 500 == 0) {
            EXPECT(store->ops->flush(store) == PDR_OK);
        }
    }
    atomic_store(&crowd.over, true);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_INT(read_both(store), number);
}

/* Crashes. */

void store_suite_flushed_survives_a_crash(struct store_subject *subject)
{
    put(subject->store, "a", "1");
    put(subject->store, "b", "1");
    EXPECT(subject->store->ops->flush(subject->store) == PDR_OK);
    delete (subject->store, "b");
    EXPECT(subject->store->ops->flush(subject->store) == PDR_OK);
    subject->crash(subject);
    EXPECT(holds(subject->store, "a", "1"));
    EXPECT(holds(subject->store, "b", NULL));
    subject->crash(subject); /* and nothing was written since */
    EXPECT(holds(subject->store, "a", "1"));
}

#define CRASH_BATCHES 400u
#define CRASH_FLUSHED 100u
#define CRASH_FILL 1500u

/* Batch n puts rows x/n and y/n, and n to the row "newest". */
static void write_numbered(struct store *store, uint32_t n)
{
    uint8_t key[5], number[4], fill[CRASH_FILL];
    struct rng rng;
    rng_seed(&rng, n);
    for (size_t i = 0; i + 8 <= sizeof fill; i += 8) {
        put_le64(fill + i, rng_next(&rng)); /* so that compression does not keep all of it in memory */
    }
    put_be32(number, n);
    memcpy(key + 1, number, 4);
    struct store_batch *batch = store->ops->batch_new(store);
    for (int half = 0; half < 2; half++) {
        key[0] = half == 0 ? 'x' : 'y';
        store->ops->batch_put(batch, pdr_bytes(key, 5), pdr_bytes(fill, sizeof fill));
    }
    store->ops->batch_put(batch, pdr_str("newest"), pdr_bytes(number, 4));
    write_batch(store, batch);
}

static uint32_t newest_of(struct store *store)
{
    void *value;
    size_t size;
    REQUIRE(store->ops->get(store, pdr_str("newest"), &value, &size) == PDR_OK);
    uint32_t newest = get_be32(value);
    free(value);
    return newest;
}

static bool has_row(struct store *store, char half, uint32_t n)
{
    uint8_t key[5] = {(uint8_t)half};
    put_be32(key + 1, n);
    return !holds_bytes(store, pdr_bytes(key, 5), NULL);
}

void store_suite_crash_keeps_a_prefix(struct store_subject *subject)
{
    for (uint32_t n = 1; n <= CRASH_BATCHES; n++) {
        write_numbered(subject->store, n);
        if (n == CRASH_FLUSHED) {
            EXPECT(subject->store->ops->flush(subject->store) == PDR_OK);
        }
    }
    subject->crash(subject);
    uint32_t newest = newest_of(subject->store);
    EXPECT(newest >= CRASH_FLUSHED && newest <= CRASH_BATCHES);
    for (uint32_t n = 1; n <= CRASH_BATCHES; n++) {
        EXPECT_INT(has_row(subject->store, 'x', n), n <= newest);
        EXPECT_INT(has_row(subject->store, 'y', n), n <= newest);
    }
}

/* The rest. */

static const char *checkpoint_path(struct store_subject *subject)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/checkpoint", subject->directory);
    return path;
}

void store_suite_checkpoint_is_a_copy(struct store_subject *subject)
{
    struct store *store = subject->store;
    put(store, "a", "1");
    EXPECT(store->ops->flush(store) == PDR_OK);
    put(store, "b", "not flushed");
    REQUIRE(store->ops->checkpoint(store, checkpoint_path(subject)) == PDR_OK);
    put(store, "a", "2");
    delete (store, "b");
    struct store *copy = subject->open_checkpoint(subject, checkpoint_path(subject));
    REQUIRE(copy != NULL);
    struct seen seen;
    struct store_cursor *cursor = copy->ops->cursor_new(copy);
    EXPECT_STR(scan(copy, cursor, "", "", &seen), "a=1 b=not flushed ");
    copy->ops->cursor_free(cursor);
    put(copy, "a", "3");
    EXPECT(holds(store, "a", "2"));
    EXPECT(holds(copy, "a", "3"));
    copy->ops->close(copy);
}

void store_suite_checkpoint_wants_a_new_directory(struct store_subject *subject)
{
    struct store *store = subject->store;
    put(store, "a", "1");
    EXPECT(store->ops->checkpoint(store, checkpoint_path(subject)) == PDR_OK);
    EXPECT_INT(store->ops->checkpoint(store, checkpoint_path(subject)), PDR_INVALID);
    char why[512];
    store->ops->last_error(store, why, sizeof why);
    EXPECT(strstr(why, "exists: give a directory that does not") != NULL);
}

void store_suite_counts_keys(struct store_subject *subject)
{
    uint64_t count = 77;
    struct store *store = subject->store;
    put(store, "a", "1");
    put(store, "b", "1");
    EXPECT(store->ops->property(store, "rocksdb.estimate-num-keys", &count));
    EXPECT_INT(count, 2);
    EXPECT(!store->ops->property(store, "no such property", &count));
}

void store_suite_no_error_at_first(struct store_subject *subject)
{
    char why[64] = "x";
    subject->store->ops->last_error(subject->store, why, sizeof why);
    EXPECT_STR(why, "");
}

void store_suite_format_is_checked(struct store_subject *subject)
{
    const char *why = NULL;
    EXPECT_INT(keys_check_format(subject->store, &why), PDR_OK);
    EXPECT_INT(keys_check_format(subject->store, &why), PDR_OK);
    EXPECT(subject->store->ops->flush(subject->store) == PDR_OK);
    subject->crash(subject);
    EXPECT_INT(keys_check_format(subject->store, &why), PDR_OK);
}

/* A sorted array, and the store, are given the same random changes; they must agree after each. */

#define MODEL_KEYS 60u
#define MODEL_STEPS 1500u

struct model {
    int values[MODEL_KEYS]; /* -1: none. Key k is actor k / 6, user key k % 6: rows of ten actors in two shards */
};

static struct pdr_bytes model_key(uint8_t *out, uint32_t k)
{
    char address[32], user_key = (char)('0' + k % 6);
    int size = sprintf(address, "m/%03u", k / 6);
    return pdr_bytes(out,
                     keys_state(out, k / 30, 0, pdr_bytes(address, (size_t)size), KEYS_USER, pdr_bytes(&user_key, 1)));
}

static void model_change(struct store *store, struct store_batch *batch, struct model *model, struct rng *rng)
{
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX];
    uint32_t k = (uint32_t)rng_below(rng, MODEL_KEYS), end = k + 1 + (uint32_t)rng_below(rng, 8);
    if (rng_chance(rng, 60)) {
        model->values[k] = (int)rng_below(rng, 1000000);
        store->ops->batch_put(batch, model_key(from, k), pdr_bytes(&model->values[k], sizeof(int)));
    } else if (rng_chance(rng, 70)) {
        model->values[k] = -1;
        store->ops->batch_delete(batch, model_key(from, k));
    } else if (end < MODEL_KEYS) {
        for (uint32_t gone = k; gone < end; gone++) {
            model->values[gone] = -1;
        }
        store->ops->batch_delete_range(batch, model_key(from, k), model_key(to, end));
    }
}

struct model_scan {
    const struct model *model;
    uint32_t next, end;
};

static bool model_each(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct model_scan *at = user;
    uint8_t want[KEYS_STATE_SIZE_MAX];
    while (at->next < at->end && at->model->values[at->next] < 0) {
        at->next++;
    }
    REQUIRE(at->next < at->end);
    EXPECT(pdr_bytes_equal(key, model_key(want, at->next)));
    EXPECT(pdr_bytes_equal(value, pdr_bytes(&at->model->values[at->next], sizeof(int))));
    at->next++;
    return true;
}

static void model_check_scan(struct store *store, struct store_cursor *cursor, const struct model *model, uint32_t from,
                             uint32_t end)
{
    uint8_t low[KEYS_STATE_SIZE_MAX], high[KEYS_STATE_SIZE_MAX];
    struct model_scan at = {model, from, end};
    EXPECT(store->ops->cursor_scan(cursor, model_key(low, from), model_key(high, end), model_each, &at) == PDR_OK);
    while (at.next < at.end && model->values[at.next] < 0) {
        at.next++;
    }
    EXPECT_INT(at.next, at.end); /* the scan left nothing out */
}

static void model_check(struct store *store, struct store_cursor *cursor, const struct model *model, struct rng *rng)
{
    uint32_t k = (uint32_t)rng_below(rng, MODEL_KEYS - 1);
    model_check_scan(store, cursor, model, k, k + 1 + (uint32_t)rng_below(rng, MODEL_KEYS - 1 - k)); /* across actors */
    model_check_scan(store, cursor, model, k, k - k % 6 + 5 > k ? k - k % 6 + 5 : k + 1); /* within one, mostly */
}

void store_suite_agrees_with_a_model(struct store_subject *subject)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    struct store *store = subject->store;
    struct model now, then;
    memset(&now, 0xff, sizeof now);
    then = now;
    struct store_cursor *old = store->ops->cursor_new(store);
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        struct store_batch *batch = store->ops->batch_new(store);
        for (uint64_t changes = 1 + rng_below(&rng, 5); changes > 0; changes--) {
            model_change(store, batch, &now, &rng);
        }
        write_batch(store, batch);
        struct store_cursor *cursor = store->ops->cursor_new(store);
        model_check(store, cursor, &now, &rng);
        model_check(store, old, &then, &rng);
        if (rng_chance(&rng, 5)) {
            store->ops->cursor_free(old);
            old = cursor;
            then = now;
        } else {
            store->ops->cursor_free(cursor);
        }
        uint8_t key[KEYS_STATE_SIZE_MAX];
        uint32_t k = (uint32_t)rng_below(&rng, MODEL_KEYS);
        struct pdr_bytes want = pdr_bytes(&now.values[k], sizeof(int));
        EXPECT(holds_bytes(store, model_key(key, k), now.values[k] < 0 ? NULL : &want));
        if (rng_chance(&rng, 3)) {
            EXPECT(store->ops->flush(store) == PDR_OK);
        }
    }
    store->ops->cursor_free(old);
}
