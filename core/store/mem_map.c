/* core/store/mem_map.c: a persistent treap (Seidel and Aragon 1996, with path copying), by split and merge. */
#include "core/store/mem_map.h"

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

struct map_node {
    uint32_t holders;
    uint64_t rank; /* not below its children's: the hash of the key */
    struct blob *key, *value;
    struct map_node *left, *right;
};

struct blob *blob_new(struct pdr_bytes bytes)
{
    struct blob *blob = mem_new(sizeof *blob + bytes.size + 1);
    blob->holders = 1;
    blob->size = bytes.size;
    if (bytes.size > 0) {
        memcpy(blob->data, bytes.data, bytes.size);
    }
    return blob;
}

static struct blob *blob_hold(struct blob *blob)
{
    blob->holders++;
    return blob;
}

void blob_drop(struct blob *blob)
{
    if (blob != NULL && --blob->holders == 0) {
        mem_free(blob);
    }
}

struct map_node *map_hold(struct map_node *root)
{
    if (root != NULL) {
        root->holders++;
    }
    return root;
}

void map_drop(struct map_node *node)
{
    while (node != NULL && --node->holders == 0) {
        struct map_node *right = node->right;
        map_drop(node->left);
        blob_drop(node->key);
        blob_drop(node->value);
        mem_free(node);
        node = right;
    }
}

/* Takes holds on the children only. */
static struct map_node *node_new(uint64_t rank, struct blob *key, struct blob *value, struct map_node *left,
                                 struct map_node *right)
{
    struct map_node *node = mem_new(sizeof *node);
    *node = (struct map_node){1, rank, blob_hold(key), blob_hold(value), left, right};
    return node;
}

/* A node that is the caller's alone and may be changed. */
static struct map_node *own(struct map_node *node)
{
    if (node->holders == 1) {
        return node;
    }
    struct map_node *copy = node_new(node->rank, node->key, node->value, map_hold(node->left), map_hold(node->right));
    map_drop(node);
    return copy;
}

/* Keys below `key` to *low, the rest to *high. */
static void split(struct map_node *node, struct pdr_bytes key, struct map_node **low, struct map_node **high)
{
    if (node == NULL) {
        *low = *high = NULL;
        return;
    }
    node = own(node);
    if (pdr_bytes_compare(blob_bytes(node->key), key) < 0) {
        *low = node;
        split(node->right, key, &node->right, high);
    } else {
        *high = node;
        split(node->left, key, low, &node->left);
    }
}

/* All keys of `low` are below those of `high`. */
static struct map_node *merge(struct map_node *low, struct map_node *high)
{
    if (low == NULL || high == NULL) {
        return low != NULL ? low : high;
    }
    if (low->rank >= high->rank) {
        low = own(low);
        low->right = merge(low->right, high);
        return low;
    }
    high = own(high);
    high->left = merge(low, high->left);
    return high;
}

struct map_node *map_delete_range(struct map_node *root, struct pdr_bytes from, struct pdr_bytes to)
{
    struct map_node *low, *middle, *high;
    split(root, from, &low, &middle);
    split(middle, to, &middle, &high);
    map_drop(middle);
    return merge(low, high);
}

/* No key is between `key` and `key` with a 0x00 behind it, so these two bound the one. */
static struct pdr_bytes successor(const struct blob *key)
{
    return pdr_bytes(key->data, key->size + 1);
}

struct map_node *map_delete(struct map_node *root, const struct blob *key)
{
    return map_delete_range(root, blob_bytes(key), successor(key));
}

struct map_node *map_put(struct map_node *root, struct blob *key, struct blob *value)
{
    struct map_node *low, *old, *high;
    split(root, blob_bytes(key), &low, &old);
    split(old, successor(key), &old, &high);
    map_drop(old);
    struct map_node *node = node_new(hash_bytes(blob_bytes(key), 0), key, value, NULL, NULL);
    return merge(merge(low, node), high);
}

const struct blob *map_find(const struct map_node *node, struct pdr_bytes key)
{
    while (node != NULL) {
        int order = pdr_bytes_compare(key, blob_bytes(node->key));
        if (order == 0) {
            return node->value;
        }
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

bool map_walk(const struct map_node *node, struct pdr_bytes from, struct pdr_bytes to, store_each each, void *user)
{
    while (node != NULL) {
        struct pdr_bytes key = blob_bytes(node->key);
        bool begun = pdr_bytes_compare(key, from) >= 0;
        bool ended = to.size > 0 && pdr_bytes_compare(key, to) >= 0;
        if (begun && !map_walk(node->left, from, to, each, user)) {
            return false;
        }
        if (begun && !ended && !each(user, key, blob_bytes(node->value))) {
            return false;
        }
        node = ended ? NULL : node->right;
    }
    return true;
}
