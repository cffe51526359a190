/* core/base/hash.c: linear hashing. */
#include "core/base/hash.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define BUCKETS_MIN 64u

void hash_init(struct hash *table)
{
    *table = (struct hash){.buckets = mem_new(BUCKETS_MIN * sizeof(struct hash_node *)), .mask = BUCKETS_MIN - 1};
    table->split = BUCKETS_MIN / 2; /* all of the lower half: nothing to split yet */
}

void hash_release(struct hash *table)
{
    mem_free(table->buckets);
    table->buckets = NULL;
}

/* One bucket more: what of bucket `split` belongs to its new twin moves there. */
static void split_one(struct hash *table)
{
    uint64_t half = (table->mask >> 1) + 1;
    if (table->split == half) {
        uint64_t size = (table->mask + 1) * 2;
        table->buckets = mem_grow(table->buckets, size * sizeof *table->buckets);
        table->mask = size - 1;
        table->split = 0;
        half = size / 2;
    }
    struct hash_node **keep = &table->buckets[table->split], **move = &table->buckets[table->split + half];
    struct hash_node *node = *keep;
    *move = NULL;
    while (node != NULL) {
        struct hash_node *next = node->next;
        if (node->hash & half) {
            *move = node;
            move = &node->next;
            *move = NULL;
        } else {
            *keep = node;
            keep = &node->next;
        }
        node = next;
    }
    *keep = NULL;
    table->split++;
}

void hash_insert(struct hash *table, struct hash_node *node, uint64_t hash)
{
    if (table->count >= (table->mask >> 1) + 1 + table->split) {
        split_one(table);
        split_one(table);
    }
    struct hash_node **bucket = &table->buckets[hash_bucket(table, hash)];
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void hash_remove(struct hash *table, struct hash_node *node)
{
    struct hash_node **at = &table->buckets[hash_bucket(table, node->hash)];
    while (*at != node) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    table->count--;
}

void hash_each(struct hash *table, bool (*each)(struct hash_node *node, void *user), void *user)
{
    uint64_t buckets = (table->mask >> 1) + 1 + table->split;
    for (uint64_t i = 0; i < buckets; i++) {
        struct hash_node *node = table->buckets[i];
        while (node != NULL) {
            struct hash_node *next = node->next;
            if (!each(node, user)) {
                return;
            }
            node = next;
        }
    }
}
