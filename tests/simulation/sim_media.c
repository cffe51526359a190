/* tests/simulation/sim_media.c: disk and store behind a door that the process's death shuts. */
#include "tests/simulation/sim_media.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"

#define OF_DISK(at) LIST_ITEM(at, struct sim_media, disk)
#define OF_STORE(at) LIST_ITEM(at, struct sim_media, store)

/* True: the operation happens. The one at which the power goes has begun, or not. */
static bool alive(struct sim_media *media)
{
    if (media->dead || ++media->operations < media->dies_at) {
        return !media->dead;
    }
    bool begins = sim_chance(media->sim, 60);
    sim_note(media->sim, "media.dies", media->subject, media->operations);
    media->dead = true;
    if (media->died != NULL) {
        media->died(media->user);
    }
    return begins;
}

/* Completions of the disk come as events of the journal's loop. */

struct completion {
    struct list node;
    struct sim_event event;
    struct sim_source source;
    struct sim_media *media;
    void (*fn)(void *arg);
    void *arg;
};

static void completion_free(struct completion *c)
{
    list_remove(&c->node);
    sim_cancel(c->media->sim, &c->event);
    sim_source_forget(&c->source);
    mem_free(c);
}

static void complete(struct sim_source *source)
{
    struct completion *c = LIST_ITEM(source, struct completion, source);
    void (*fn)(void *) = c->fn;
    void *arg = c->arg;
    completion_free(c);
    fn(arg);
}

static void is_over(struct sim_event *event)
{
    struct completion *c = LIST_ITEM(event, struct completion, event);
    sim_loop_ready(c->media->loop, &c->source);
}

static void after(void *world, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    struct sim_media *media = world;
    struct completion *c = mem_new(sizeof *c);
    c->media = media;
    c->fn = fn;
    c->arg = arg;
    c->event = (struct sim_event){.fire = is_over, .name = "disk.over", .subject = media->subject};
    sim_source_init(&c->source, complete);
    list_push_back(&media->pending, &c->node);
    sim_after(media->sim, &c->event, delay_ns);
}

/* The disk. */

struct media_file {
    struct disk_file file;
    struct disk_file *inner;
};

static struct disk_file *inner_file(struct disk_file *file)
{
    return ((struct media_file *)file)->inner;
}

static enum pdr_status disk_list(struct disk *disk, void (*each)(void *user, const char *name), void *user)
{
    struct disk *inner = OF_DISK(disk)->inner_disk;
    return OF_DISK(disk)->dead ? PDR_INTERNAL : inner->ops->list(inner, each, user);
}

static enum pdr_status disk_open(struct disk *disk, const char *name, struct disk_file **out)
{
    struct sim_media *media = OF_DISK(disk);
    struct disk_file *inner;
    enum pdr_status status = media->inner_disk->ops->open(media->inner_disk, name, &inner);
    if (status == PDR_OK) {
        struct media_file *file = mem_new(sizeof *file);
        *file = (struct media_file){{disk}, inner};
        *out = &file->file;
    }
    return status;
}

static uint64_t disk_size(struct disk_file *file)
{
    return inner_file(file)->disk->ops->size(inner_file(file));
}

static enum pdr_status disk_read(struct disk_file *file, uint64_t offset, void *data, uint32_t size)
{
    if (OF_DISK(file->disk)->dead) {
        return PDR_INTERNAL;
    }
    return inner_file(file)->disk->ops->read(inner_file(file), offset, data, size);
}

static void disk_close_file(struct disk_file *file)
{
    inner_file(file)->disk->ops->close_file(inner_file(file));
    mem_free(file);
}

static void disk_write_sync(struct disk_file *file, uint64_t offset, const void *data, uint32_t size, disk_synced cb,
                            void *user)
{
    struct sim_media *media = OF_DISK(file->disk);
    if (!alive(media)) {
        return;
    }
    sim_note(media->sim, "disk.write", media->subject, offset);
    sim_fold(media->sim, pdr_bytes(data, size));
    inner_file(file)->disk->ops->write_sync(inner_file(file), offset, data, size, cb, user);
}

static void disk_create(struct disk *disk, const char *name, uint64_t size, disk_synced cb, void *user)
{
    struct sim_media *media = OF_DISK(disk);
    if (alive(media)) {
        sim_note(media->sim, "disk.create", media->subject, size);
        media->inner_disk->ops->create(media->inner_disk, name, size, cb, user);
    }
}

static void disk_rename(struct disk *disk, const char *from, const char *to, disk_synced cb, void *user)
{
    struct sim_media *media = OF_DISK(disk);
    if (alive(media)) {
        sim_note(media->sim, "disk.rename", media->subject, 0);
        media->renames++;
        media->inner_disk->ops->rename(media->inner_disk, from, to, cb, user);
    }
}

static void disk_remove(struct disk *disk, const char *name, disk_synced cb, void *user)
{
    struct sim_media *media = OF_DISK(disk);
    if (alive(media)) {
        sim_note(media->sim, "disk.remove", media->subject, 0);
        media->inner_disk->ops->remove(media->inner_disk, name, cb, user);
    }
}

static void disk_cancel(struct disk *disk)
{
    if (!OF_DISK(disk)->dead) {
        OF_DISK(disk)->inner_disk->ops->cancel(OF_DISK(disk)->inner_disk);
    }
}

static void disk_last_error(struct disk *disk, char *text, unsigned long size)
{
    OF_DISK(disk)->inner_disk->ops->last_error(OF_DISK(disk)->inner_disk, text, size);
}

static void disk_close(struct disk *disk)
{
    OF_DISK(disk)->inner_disk->ops->close(OF_DISK(disk)->inner_disk);
}

static const struct disk_ops media_disk_ops = {
    .list = disk_list,
    .open = disk_open,
    .size = disk_size,
    .read = disk_read,
    .close_file = disk_close_file,
    .write_sync = disk_write_sync,
    .create = disk_create,
    .rename = disk_rename,
    .remove = disk_remove,
    .cancel = disk_cancel,
    .last_error = disk_last_error,
    .close = disk_close,
};

/* The store. */

struct store_batch {
    struct sim_media *media;
    struct store_batch *inner;
};

struct store_cursor {
    struct sim_media *media;
    bool cached;
    struct store_cursor *inner;
};

static const struct store_ops *inner_ops(const struct sim_media *media)
{
    return media->inner_store->ops;
}

static struct store_batch *batch_new(struct store *store)
{
    struct store_batch *batch = mem_new(sizeof *batch);
    batch->media = OF_STORE(store);
    batch->inner = inner_ops(batch->media)->batch_new(batch->media->inner_store);
    return batch;
}

static void batch_put(struct store_batch *batch, struct pdr_bytes key, struct pdr_bytes value)
{
    sim_fold(batch->media->sim, key);
    sim_fold(batch->media->sim, value);
    inner_ops(batch->media)->batch_put(batch->inner, key, value);
}

static void batch_delete(struct store_batch *batch, struct pdr_bytes key)
{
    sim_fold(batch->media->sim, key);
    inner_ops(batch->media)->batch_delete(batch->inner, key);
}

static void batch_delete_range(struct store_batch *batch, struct pdr_bytes from, struct pdr_bytes to)
{
    inner_ops(batch->media)->batch_delete_range(batch->inner, from, to);
}

static void batch_free(struct store_batch *batch)
{
    inner_ops(batch->media)->batch_free(batch->inner);
    mem_free(batch);
}

static enum pdr_status store_write(struct store *store, struct store_batch *batch)
{
    struct sim_media *media = OF_STORE(store);
    if (!alive(media)) {
        return PDR_INTERNAL;
    }
    sim_note(media->sim, "store.write", media->subject, media->store_fails);
    media->refusals += media->store_fails;
    media->sim->lacks_space |= media->store_fails;
    return media->store_fails ? PDR_NO_SPACE : inner_ops(media)->write(media->inner_store, batch->inner);
}

static enum pdr_status store_flush(struct store *store)
{
    struct sim_media *media = OF_STORE(store);
    if (!alive(media)) {
        return PDR_INTERNAL;
    }
    sim_note(media->sim, "store.flush", media->subject, media->store_fails);
    media->sim->lacks_space |= media->store_fails;
    return media->store_fails ? PDR_NO_SPACE : inner_ops(media)->flush(media->inner_store);
}

static enum pdr_status store_get(struct store *store, struct pdr_bytes key, void **value, size_t *size)
{
    struct sim_media *media = OF_STORE(store);
    return media->dead ? PDR_INTERNAL : inner_ops(media)->get(media->inner_store, key, value, size);
}

static struct store_cursor *cursor_new(struct store *store)
{
    struct store_cursor *cursor = mem_new(sizeof *cursor);
    cursor->media = OF_STORE(store);
    cursor->inner = inner_ops(cursor->media)->cursor_new(cursor->media->inner_store);
    return cursor;
}

/* Now and then everything is in memory. */
static struct store_cursor *cursor_new_cached(struct store *store)
{
    struct store_cursor *cursor = cursor_new(store);
    cursor->cached = true;
    return cursor;
}

struct few {
    store_each each;
    void *user;
    uint64_t left; /* rows that are in memory */
};

static bool each_of_few(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct few *few = user;
    return few->left > 0 && few->left-- > 0 && few->each(few->user, key, value);
}

static enum pdr_status cursor_scan(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                   store_each each, void *user)
{
    const struct store_ops *ops = inner_ops(cursor->media);
    if (!cursor->cached || sim_chance(cursor->media->sim, 40)) {
        return ops->cursor_scan(cursor->inner, from, to, each, user);
    }
    struct few few = {each, user, sim_draw(cursor->media->sim, 3)};
    ops->cursor_scan(cursor->inner, from, to, each_of_few, &few);
    return PDR_UNAVAILABLE;
}

static void cursor_free(struct store_cursor *cursor)
{
    inner_ops(cursor->media)->cursor_free(cursor->inner);
    mem_free(cursor);
}

static enum pdr_status store_checkpoint(struct store *store, const char *directory)
{
    return inner_ops(OF_STORE(store))->checkpoint(OF_STORE(store)->inner_store, directory);
}

static void store_last_error(struct store *store, char *text, size_t size)
{
    struct sim_media *media = OF_STORE(store);
    if (media->dead || media->store_fails) {
        snprintf(text, size, "%s", media->dead ? "the simulated machine is dead" : "the simulated disk is full");
    } else {
        inner_ops(media)->last_error(media->inner_store, text, size);
    }
}

static bool store_property(struct store *store, const char *name, uint64_t *value)
{
    return inner_ops(OF_STORE(store))->property(OF_STORE(store)->inner_store, name, value);
}

static void store_close(struct store *store) {}

static const struct store_ops media_store_ops = {
    .batch_new = batch_new,
    .batch_put = batch_put,
    .batch_delete = batch_delete,
    .batch_delete_range = batch_delete_range,
    .batch_free = batch_free,
    .write = store_write,
    .flush = store_flush,
    .get = store_get,
    .cursor_new = cursor_new,
    .cursor_new_cached = cursor_new_cached,
    .cursor_scan = cursor_scan,
    .cursor_free = cursor_free,
    .checkpoint = store_checkpoint,
    .last_error = store_last_error,
    .property = store_property,
    .close = store_close,
};

/* Lives. */

void sim_media_init(struct sim_media *media, struct sim *sim, uint32_t subject)
{
    *media = (struct sim_media){.sim = sim, .subject = subject, .dies_at = UINT64_MAX};
    media->disk.ops = &media_disk_ops;
    media->store.ops = &media_store_ops;
    list_init(&media->pending);
    struct sim_disk_env env = {after, media, &sim->rng};
    media->sim_disk = sim_disk_new(&env);
    media->inner_disk = sim_disk_disk(media->sim_disk);
    media->inner_store = store_mem_new();
}

static void forget_pending(struct sim_media *media)
{
    while (!list_empty(&media->pending)) {
        completion_free(LIST_ITEM(media->pending.next, struct completion, node));
    }
}

void sim_media_release(struct sim_media *media)
{
    forget_pending(media);
    sim_disk_free(media->sim_disk);
    media->inner_store->ops->close(media->inner_store);
}

void sim_media_begin(struct sim_media *media, struct sim_loop *loop)
{
    media->loop = loop;
    media->dead = false;
    media->operations = media->renames = media->refusals = 0;
}

void sim_media_die(struct sim_media *media)
{
    media->dead = true;
    media->dies_at = UINT64_MAX;
    forget_pending(media);
}

void sim_media_crash(struct sim_media *media, bool power)
{
    if (power) {
        sim_disk_crash(media->sim_disk);
    } else {
        sim_disk_kill(media->sim_disk);
    }
    store_mem_crash(media->inner_store, (unsigned)sim_draw(media->sim, 101));
}
