/* tests/unit/core/base/test_hash.c: the intrusive table against a plain list of what must be in it. */
#include "core/base/hash.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

struct item {
    struct hash_node node;
    uint32_t key;
    bool in;
    uint32_t seen;
};

static struct item *item_of(struct hash_node *node)
{
    return (struct item *)node;
}

static struct item *find(const struct hash *table, uint64_t hash, uint32_t key)
{
    struct hash_node *node = hash_first(table, hash);
    while (node != NULL && item_of(node)->key != key) {
        node = hash_next(node);
    }
    return (struct item *)node;
}

/* Few hashes for many keys, so that chains are long and equal hashes common. */
static uint64_t poor_hash(uint32_t key)
{
    return (key % 1000) * 0x9e3779b97f4a7c15ull;
}

static bool count_one(struct hash_node *node, void *user)
{
    item_of(node)->seen++;
    ++*(uint64_t *)user;
    return true;
}

static void check_all(struct hash *table, struct item *items, uint32_t n, uint64_t (*hash)(uint32_t))
{
    uint64_t in = 0, seen = 0;
    for (uint32_t i = 0; i < n; i++) {
        items[i].seen = 0;
        in += items[i].in;
        REQUIRE(find(table, hash(i), i) == (items[i].in ? &items[i] : NULL));
    }
    hash_each(table, count_one, &seen);
    REQUIRE(seen == in && hash_count(table) == in);
    for (uint32_t i = 0; i < n; i++) {
        REQUIRE(items[i].seen == items[i].in);
    }
}

static void random_inserts_and_removes(uint64_t (*hash)(uint32_t))
{
    enum { N = 5000 };
    struct item *items = calloc(N, sizeof *items);
    struct hash table;
    struct rng rng;
    rng_seed(&rng, test_seed());
    hash_init(&table);
    for (int step = 0; step < 60000; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, N);
        items[i].key = i;
        if (!items[i].in && rng_chance(&rng, 70)) {
            hash_insert(&table, &items[i].node, hash(i));
            items[i].in = true;
        } else if (items[i].in && rng_chance(&rng, 50)) {
            hash_remove(&table, &items[i].node);
            items[i].in = false;
        }
        if (step % 1000 == 0) {
            check_all(&table, items, N, hash);
        }
    }
    check_all(&table, items, N, hash);
    hash_release(&table);
    free(items);
}

static uint64_t good_hash(uint32_t key)
{
    struct rng rng;
    rng_seed(&rng, key);
    return rng_next(&rng);
}

/* clang-format off */
TEST(finds_what_is_in_it) { random_inserts_and_removes(good_hash); }
TEST(finds_among_equal_hashes) { random_inserts_and_removes(poor_hash); }
/* clang-format on */

/* While it grows, at every size, nothing is out of reach, and chains stay short. */
TEST(growing_loses_nothing)
{
    enum { N = 3000 };
    struct item *items = calloc(N, sizeof *items);
    struct hash table;
    hash_init(&table);
    for (uint32_t i = 0; i < N; i++) {
        items[i].key = i;
        hash_insert(&table, &items[i].node, good_hash(i));
        for (uint32_t k = 0; k <= i; k += i < 300 ? 1 : 37) {
            REQUIRE(find(&table, good_hash(k), k) == &items[k]);
        }
        REQUIRE((table.mask >> 1) + 1 + table.split >= table.count); /* at most one item a bucket, on average */
    }
    EXPECT_INT(hash_count(&table), N);
    hash_release(&table);
    free(items);
}

TEST(an_empty_table)
{
    struct hash table;
    uint64_t seen = 0;
    hash_init(&table);
    EXPECT(hash_first(&table, 0) == NULL && hash_first(&table, UINT64_MAX) == NULL);
    hash_each(&table, count_one, &seen);
    EXPECT_INT(seen + hash_count(&table), 0);
    hash_release(&table);
}

static bool remove_and_free(struct hash_node *node, void *user)
{
    hash_remove(user, node);
    free(item_of(node));
    return true;
}

TEST(each_may_remove_its_item)
{
    struct hash table;
    hash_init(&table);
    for (uint32_t i = 0; i < 1000; i++) {
        struct item *item = calloc(1, sizeof *item);
        hash_insert(&table, &item->node, poor_hash(i));
    }
    hash_each(&table, remove_and_free, &table);
    EXPECT_INT(hash_count(&table), 0);
    hash_release(&table);
}

static bool stop_after_ten(struct hash_node *node, void *user)
{
    return ++*(int *)user < 10;
}

TEST(each_ends_when_told)
{
    struct hash table;
    static struct item items[100];
    int seen = 0;
    hash_init(&table);
    for (uint32_t i = 0; i < 100; i++) {
        hash_insert(&table, &items[i].node, good_hash(i));
    }
    hash_each(&table, stop_after_ten, &seen);
    EXPECT_INT(seen, 10);
    hash_release(&table);
}

struct order {
    uint32_t keys[2000];
    uint32_t count;
};

static bool note_order(struct hash_node *node, void *user)
{
    struct order *order = user;
    order->keys[order->count++] = item_of(node)->key;
    return true;
}

/* A simulated run must repeat: the same inserts give the same order, wherever the items lie. */
TEST(order_depends_on_no_address)
{
    static struct order orders[2];
    for (int run = 0; run < 2; run++) {
        struct item *items = calloc(2000, sizeof *items);
        struct hash table;
        hash_init(&table);
        for (uint32_t i = 0; i < 2000; i++) {
            struct item *item = run == 0 ? &items[i] : &items[1999 - i];
            item->key = i;
            hash_insert(&table, &item->node, poor_hash(i));
        }
        hash_each(&table, note_order, &orders[run]);
        hash_release(&table);
        free(items);
    }
    EXPECT_INT(orders[0].count, 2000);
    EXPECT(memcmp(&orders[0], &orders[1], sizeof orders[0]) == 0);
}

TEST_MAIN()
