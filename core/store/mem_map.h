/* core/store/mem_map.h: a sorted map of bytes to bytes whose old versions stay readable; the body of store_mem.c.
 *
 * A treap of immutable, counted nodes: a change copies the path to what it changes, so a snapshot is a pointer to a
 * root. A node's place depends on its key alone, never on addresses or chance: the same contents make the same tree.
 * NULL is the empty map. Counts are not atomic: whoever holds roots of one family guards them all with one mutex.
 * Reading a held root needs none. */
#ifndef CORE_STORE_MEM_MAP_H
#define CORE_STORE_MEM_MAP_H

#include <stdint.h>

#include "core/store/store.h"

/** Bytes, shared by maps and batches. A 0x00 that is not counted follows them. */
struct blob {
    uint32_t holders;
    size_t size;
    uint8_t data[];
};

struct blob *blob_new(struct pdr_bytes bytes);
void blob_drop(struct blob *blob); /* NULL is nothing */
static inline struct pdr_bytes blob_bytes(const struct blob *blob)
{
    return pdr_bytes(blob->data, blob->size);
}

struct map_node;

struct map_node *map_hold(struct map_node *root);
void map_drop(struct map_node *root);

/* These take the hold on `root` and return a held root. They take holds of their own on the blobs. */

struct map_node *map_put(struct map_node *root, struct blob *key, struct blob *value);
struct map_node *map_delete(struct map_node *root, const struct blob *key);
struct map_node *map_delete_range(struct map_node *root, struct pdr_bytes from, struct pdr_bytes to);

/** NULL if there is none. */
const struct blob *map_find(const struct map_node *root, struct pdr_bytes key);
/** Keys in [from, to) in order, `to` empty: to the end. False once `each` returned false. */
bool map_walk(const struct map_node *root, struct pdr_bytes from, struct pdr_bytes to, store_each each, void *user);

#endif
