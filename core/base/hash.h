/* core/base/hash.h: an intrusive hash table. The caller hashes and compares; the table never asks for more than a link
 * and a number in each item. It doubles by moving a few buckets with each insertion, so that no insertion among ten
 * million takes long, and never shrinks. Iteration goes by bucket: its order depends on the hashes and on the order of
 * insertion, never on addresses. */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash {
    struct hash_node **buckets;
    uint64_t mask;  /* buckets 0..mask have room */
    uint64_t split; /* buckets below it have given half of their items to their twin in the upper half */
    uint64_t count;
};

void hash_init(struct hash *table);
/** The items are the caller's. */
void hash_release(struct hash *table);

/* Linear hashing (Litwin 1980): a bucket of the lower half that is split already is addressed by one bit more. */
static inline uint64_t hash_bucket(const struct hash *table, uint64_t hash)
{
    uint64_t bucket = hash & (table->mask >> 1);
    return bucket < table->split ? hash & table->mask : bucket;
}

/** The first item with that hash; go on with hash_next. */
static inline struct hash_node *hash_first(const struct hash *table, uint64_t hash)
{
    struct hash_node *node = table->buckets[hash_bucket(table, hash)];
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

static inline struct hash_node *hash_next(const struct hash_node *from)
{
    struct hash_node *node = from->next;
    while (node != NULL && node->hash != from->hash) {
        node = node->next;
    }
    return node;
}

/** Equal items are allowed. */
void hash_insert(struct hash *table, struct hash_node *node, uint64_t hash);
/** The node must be in the table. */
void hash_remove(struct hash *table, struct hash_node *node);
static inline uint64_t hash_count(const struct hash *table)
{
    return table->count;
}

/** Calls `each` for every item until it returns false. It may remove (and free) the item it is given, and no other. */
void hash_each(struct hash *table, bool (*each)(struct hash_node *node, void *user), void *user);

#endif
