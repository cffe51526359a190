/* core/store/store_mem.c: the store in memory, for tests and the simulator.
 *
 * What a power cut would leave is the map at the last flush and a prefix of the batches written since, so both are
 * kept. One mutex guards them and all counts: threads of a real node's pool need it; the simulator, on one thread,
 * never waits for it. Scans read their snapshot without it, so `each` may call the store. */
#include "core/store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/store/mem_map.h"

enum change_kind { CHANGE_PUT, CHANGE_DELETE, CHANGE_DELETE_RANGE };
struct change {
    enum change_kind kind;
    struct blob *key;   /* or `from` */
    struct blob *value; /* or `to`; NULL for a delete */
};

struct store_batch {
    struct list node; /* store_mem.unflushed, once written */
    struct change *changes;
    size_t count, capacity;
};

struct checkpoint {
    struct list node;
    char *directory;
    struct store *copy;
};

struct store_mem {
    struct store store;
    pthread_mutex_t mutex;
    struct map_node *root, *flushed; /* now, and at the last flush */
    struct list unflushed;           /* batches since, in order */
    uint64_t unflushed_count;
    struct list checkpoints;
    unsigned fail_next;
    unsigned cached_asked;
    char error[128];
};

struct store_cursor {
    struct store_mem *store;
    struct map_node *root;
};

static struct store_mem *mem_of(struct store *store)
{
    return (struct store_mem *)(void *)store;
}

/* Batches. */

static struct store_batch *mem_batch_new(struct store *store)
{
    return mem_new(sizeof(struct store_batch));
}

static void batch_add(struct store_batch *batch, enum change_kind kind, struct pdr_bytes key, struct blob *value)
{
    if (batch->count == batch->capacity) {
        batch->capacity = batch->capacity > 0 ? 2 * batch->capacity : 16;
        batch->changes = mem_grow(batch->changes, batch->capacity * sizeof *batch->changes);
    }
    batch->changes[batch->count++] = (struct change){kind, blob_new(key), value};
}

static void mem_batch_put(struct store_batch *batch, struct pdr_bytes key, struct pdr_bytes value)
{
    batch_add(batch, CHANGE_PUT, key, blob_new(value));
}

static void mem_batch_delete(struct store_batch *batch, struct pdr_bytes key)
{
    batch_add(batch, CHANGE_DELETE, key, NULL);
}

static void mem_batch_delete_range(struct store_batch *batch, struct pdr_bytes from, struct pdr_bytes to)
{
    CHECK(pdr_bytes_compare(from, to) < 0);
    batch_add(batch, CHANGE_DELETE_RANGE, from, blob_new(to));
}

static void mem_batch_free(struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        blob_drop(batch->changes[i].key);
        blob_drop(batch->changes[i].value);
    }
    mem_free(batch->changes);
    mem_free(batch);
}

static struct map_node *apply(struct map_node *root, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct change *change = &batch->changes[i];
        if (change->kind == CHANGE_PUT) {
            root = map_put(root, change->key, change->value);
        } else if (change->kind == CHANGE_DELETE) {
            root = map_delete(root, change->key);
        } else {
            root = map_delete_range(root, blob_bytes(change->key), blob_bytes(change->value));
        }
    }
    return root;
}

/* Writing, flushing, crashing. The mutex is held by the caller of the functions without mem_ in their names. */

static bool asked_to_fail(struct store_mem *s)
{
    if (s->fail_next == 0) {
        return false;
    }
    s->fail_next--;
    snprintf(s->error, sizeof s->error, "the store in memory is full: a test asked for it");
    return true;
}

static void write_batch(struct store_mem *s, struct store_batch *batch)
{
    struct store_batch *written = mem_new(sizeof *written);
    *written = *batch;
    memset(batch, 0, sizeof *batch);
    s->root = apply(s->root, written);
    list_push_back(&s->unflushed, &written->node);
    s->unflushed_count++;
}

static void forget_unflushed(struct store_mem *s)
{
    while (!list_empty(&s->unflushed)) {
        mem_batch_free(LIST_ITEM(list_pop(&s->unflushed), struct store_batch, node));
    }
    s->unflushed_count = 0;
}

static enum pdr_status mem_write(struct store *store, struct store_batch *batch)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    bool failed = asked_to_fail(s);
    if (!failed) {
        write_batch(s, batch);
    }
    pthread_mutex_unlock(&s->mutex);
    return failed ? PDR_NO_SPACE : PDR_OK;
}

static enum pdr_status mem_flush(struct store *store)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    bool failed = asked_to_fail(s);
    if (!failed) {
        forget_unflushed(s);
        map_drop(s->flushed);
        s->flushed = map_hold(s->root);
    }
    pthread_mutex_unlock(&s->mutex);
    return failed ? PDR_NO_SPACE : PDR_OK;
}

void store_mem_crash(struct store *store, unsigned keep_percent)
{
    struct store_mem *s = mem_of(store);
    CHECK(keep_percent <= 100);
    pthread_mutex_lock(&s->mutex);
    for (uint64_t kept = s->unflushed_count * keep_percent / 100; kept > 0; kept--) {
        struct store_batch *batch = LIST_ITEM(list_pop(&s->unflushed), struct store_batch, node);
        s->flushed = apply(s->flushed, batch);
        mem_batch_free(batch);
    }
    forget_unflushed(s);
    map_drop(s->root);
    s->root = map_hold(s->flushed);
    pthread_mutex_unlock(&s->mutex);
}

void store_mem_fail_next(struct store *store, unsigned count)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    s->fail_next = count;
    pthread_mutex_unlock(&s->mutex);
}

/* Reading. */

static enum pdr_status mem_get(struct store *store, struct pdr_bytes key, void **value, size_t *size)
{
    struct store_mem *s = mem_of(store);
    enum pdr_status status = PDR_NOT_FOUND;
    pthread_mutex_lock(&s->mutex);
    const struct blob *found = map_find(s->root, key);
    if (found != NULL) {
        *size = found->size;
        *value = malloc(found->size + 1);
        status = *value != NULL ? PDR_OK : PDR_OVERLOADED;
    }
    if (status == PDR_OK) {
        memcpy(*value, found->data, found->size);
    }
    pthread_mutex_unlock(&s->mutex);
    return status;
}

static struct store_cursor *mem_cursor_new(struct store *store)
{
    struct store_cursor *cursor = mem_try(sizeof *cursor);
    if (cursor != NULL) {
        cursor->store = mem_of(store);
        pthread_mutex_lock(&cursor->store->mutex);
        cursor->root = map_hold(cursor->store->root);
        pthread_mutex_unlock(&cursor->store->mutex);
    }
    return cursor;
}

/* All is in memory; but whoever asks must be able to do without, so every other time there is nothing to be had. */
static struct store_cursor *mem_cursor_new_cached(struct store *store)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    bool none = (s->cached_asked++ & 1) != 0;
    pthread_mutex_unlock(&s->mutex);
    return none ? NULL : mem_cursor_new(store);
}

static enum pdr_status mem_cursor_scan(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                       store_each each, void *user)
{
    map_walk(cursor->root, from, to, each, user);
    return PDR_OK;
}

static void mem_cursor_free(struct store_cursor *cursor)
{
    pthread_mutex_lock(&cursor->store->mutex);
    map_drop(cursor->root);
    pthread_mutex_unlock(&cursor->store->mutex);
    mem_free(cursor);
}

static void mem_last_error(struct store *store, char *text, size_t size)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    snprintf(text, size, "%s", s->error);
    pthread_mutex_unlock(&s->mutex);
}

static bool count_each(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    ++*(uint64_t *)user;
    return true;
}

static bool mem_property(struct store *store, const char *name, uint64_t *value)
{
    if (strcmp(name, "rocksdb.estimate-num-keys") != 0) {
        return false;
    }
    struct store_cursor *cursor = mem_cursor_new(store);
    if (cursor == NULL) {
        return false;
    }
    *value = 0;
    mem_cursor_scan(cursor, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), count_each, value);
    mem_cursor_free(cursor);
    return true;
}

/* Checkpoints: copies under the name of a directory that is nowhere. */

static bool copy_each(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    mem_batch_put(user, key, value);
    return true;
}

/* Counts belong to one mutex, so a copy shares nothing with what it was made from. */
static struct store *copy_of(struct map_node *root)
{
    struct store *copy = store_mem_new();
    struct store_batch *batch = mem_batch_new(copy);
    map_walk(root, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), copy_each, batch);
    mem_write(copy, batch);
    mem_batch_free(batch);
    mem_flush(copy);
    return copy;
}

static struct checkpoint *find_checkpoint(struct store_mem *s, const char *directory)
{
    for (struct list *at = s->checkpoints.next; at != &s->checkpoints; at = at->next) {
        struct checkpoint *checkpoint = LIST_ITEM(at, struct checkpoint, node);
        if (strcmp(checkpoint->directory, directory) == 0) {
            return checkpoint;
        }
    }
    return NULL;
}

static void add_checkpoint(struct store_mem *s, const char *directory)
{
    struct checkpoint *checkpoint = mem_new(sizeof *checkpoint);
    checkpoint->directory = mem_new(strlen(directory) + 1);
    memcpy(checkpoint->directory, directory, strlen(directory));
    checkpoint->copy = copy_of(s->root);
    list_push_back(&s->checkpoints, &checkpoint->node);
}

/* Hands its copy over. */
static struct store *take_checkpoint(struct checkpoint *checkpoint)
{
    struct store *copy = checkpoint->copy;
    list_remove(&checkpoint->node);
    mem_free(checkpoint->directory);
    mem_free(checkpoint);
    return copy;
}

static enum pdr_status mem_checkpoint(struct store *store, const char *directory)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    bool exists = find_checkpoint(s, directory) != NULL;
    if (exists) {
        snprintf(s->error, sizeof s->error, "%.80s exists: give a directory that does not", directory);
    } else {
        add_checkpoint(s, directory);
    }
    pthread_mutex_unlock(&s->mutex);
    return exists ? PDR_INVALID : PDR_OK;
}

struct store *store_mem_open_checkpoint(struct store *store, const char *directory)
{
    struct store_mem *s = mem_of(store);
    pthread_mutex_lock(&s->mutex);
    struct checkpoint *checkpoint = find_checkpoint(s, directory);
    struct store *copy = checkpoint != NULL ? take_checkpoint(checkpoint) : NULL;
    pthread_mutex_unlock(&s->mutex);
    return copy;
}

/* Life. */

static void mem_close(struct store *store)
{
    struct store_mem *s = mem_of(store);
    while (!list_empty(&s->checkpoints)) {
        mem_close(take_checkpoint(LIST_ITEM(s->checkpoints.next, struct checkpoint, node)));
    }
    forget_unflushed(s);
    map_drop(s->root);
    map_drop(s->flushed);
    pthread_mutex_destroy(&s->mutex);
    mem_free(s);
}

static const struct store_ops mem_ops = {
    .batch_new = mem_batch_new,
    .batch_put = mem_batch_put,
    .batch_delete = mem_batch_delete,
    .batch_delete_range = mem_batch_delete_range,
    .batch_free = mem_batch_free,
    .write = mem_write,
    .flush = mem_flush,
    .get = mem_get,
    .cursor_new = mem_cursor_new,
    .cursor_new_cached = mem_cursor_new_cached,
    .cursor_scan = mem_cursor_scan,
    .cursor_free = mem_cursor_free,
    .checkpoint = mem_checkpoint,
    .last_error = mem_last_error,
    .property = mem_property,
    .close = mem_close,
};

struct store *store_mem_new(void)
{
    struct store_mem *s = mem_new(sizeof *s);
    s->store.ops = &mem_ops;
    list_init(&s->unflushed);
    list_init(&s->checkpoints);
    pthread_mutex_init(&s->mutex, NULL);
    return &s->store;
}
