/* tests/simulation/sim_disk.c: each file twice: as it is, and as a crash that lost every unsynced block would leave
 * it. */
#include "tests/simulation/sim_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"

#define SECTOR 512u
#define TYPICAL_NS 100000ull
#define LONG_NS 500000000ull /* a sync takes 2 s at most */
#define CREATE_NS_PER_BLOCK 2000ull
#define NAME_BYTES 64

struct sim_file {
    struct disk_file file;
    struct list node;
    char name[NAME_BYTES];
    uint64_t size;
    uint8_t *now, *durable;
    uint8_t *unsynced; /* one byte a block: they differ, or might */
};

/* What `unsynced` says of a block. What a sync failed for, no later one of this process makes durable (R27). */
enum { SYNCED, WRITTEN, GIVEN_UP };

enum op_kind { OP_SYNC, OP_CREATE, OP_RENAME, OP_REMOVE };

struct op {
    struct list node;
    struct sim_disk *sim;
    enum op_kind kind;
    bool dead; /* nobody waits for it any more */
    bool cancelled;
    struct sim_file *file;
    char name[NAME_BYTES], other[NAME_BYTES];
    uint64_t size, delay_ns;
    disk_synced cb;
    void *user;
};

struct sim_disk {
    struct disk disk;
    struct sim_disk_env env;
    struct list files; /* by name */
    struct list ops;
    uint64_t typical_ns, capacity;
    bool fail_next_sync;
    char error[128];
};

static struct sim_disk *sim_of(struct disk *disk)
{
    return LIST_ITEM(disk, struct sim_disk, disk);
}

static struct sim_file *file_of(struct list *node)
{
    return LIST_ITEM(node, struct sim_file, node);
}

/* Files. */

static struct sim_file *find(const struct sim_disk *sim, const char *name)
{
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        if (strcmp(file_of(node)->name, name) == 0) {
            return file_of(node);
        }
    }
    return NULL;
}

static void insert(struct sim_disk *sim, struct sim_file *file)
{
    struct list *node = sim->files.next;
    while (node != &sim->files && strcmp(file_of(node)->name, file->name) < 0) {
        node = node->next;
    }
    list_push_back(node, &file->node); /* before it */
}

static void file_free(struct sim_file *file)
{
    list_remove(&file->node);
    free(file->now);
    free(file->durable);
    free(file->unsynced);
    mem_free(file);
}

static struct sim_file *file_new(struct sim_disk *sim, const char *name, uint64_t size)
{
    struct sim_file *file = mem_new(sizeof *file);
    file->file.disk = &sim->disk;
    snprintf(file->name, sizeof file->name, "%s", name);
    file->size = size;
    file->now = calloc(1, size + 1); /* pages that nobody touches cost nothing */
    file->durable = calloc(1, size + 1);
    file->unsynced = calloc(1, size / DISK_BLOCK + 1);
    CHECK(file->now != NULL && file->durable != NULL && file->unsynced != NULL);
    insert(sim, file);
    return file;
}

static void sync_file(struct sim_file *file)
{
    for (uint64_t block = 0; block * DISK_BLOCK < file->size; block++) {
        if (file->unsynced[block] == WRITTEN) {
            memcpy(file->durable + block * DISK_BLOCK, file->now + block * DISK_BLOCK, DISK_BLOCK);
            file->unsynced[block] = SYNCED;
        }
    }
}

static void give_up(struct sim_file *file)
{
    for (uint64_t block = 0; block * DISK_BLOCK < file->size; block++) {
        if (file->unsynced[block] != SYNCED) {
            file->unsynced[block] = GIVEN_UP;
        }
    }
}

uint64_t sim_disk_used(const struct sim_disk *sim)
{
    uint64_t used = 0;
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        used += file_of(node)->size;
    }
    return used;
}

/* Operations under way. */

static uint64_t draw_delay(struct sim_disk *sim, uint64_t typical_ns)
{
    uint64_t delay = typical_ns / 2 + rng_below(sim->env.rng, typical_ns + 1);
    while (delay < LONG_NS && rng_below(sim->env.rng, 16) == 0) {
        delay *= 4;
    }
    return delay + 1;
}

static void carry_out(struct op *op)
{
    struct sim_disk *sim = op->sim;
    struct sim_file *file = find(sim, op->name), *other = find(sim, op->other);
    switch (op->kind) {
    case OP_SYNC:
        sync_file(op->file);
        break;
    case OP_CREATE:
        CHECK(file == NULL);
        file_new(sim, op->name, op->size);
        break;
    case OP_RENAME:
        CHECK(other != NULL);
        if (file != NULL) {
            file_free(file);
        }
        list_remove(&other->node);
        snprintf(other->name, sizeof other->name, "%s", op->name);
        insert(sim, other);
        break;
    case OP_REMOVE:
        CHECK(file != NULL);
        file_free(file);
        break;
    }
}

static enum pdr_status outcome(struct op *op)
{
    struct sim_disk *sim = op->sim;
    if (op->cancelled) {
        return PDR_CANCELLED;
    }
    if (op->kind == OP_CREATE && (op->size > sim->capacity || sim_disk_used(sim) > sim->capacity - op->size)) {
        snprintf(sim->error, sizeof sim->error, "cannot create %s: no space", op->name);
        return PDR_NO_SPACE;
    }
    if (op->kind == OP_SYNC && sim->fail_next_sync) {
        sim->fail_next_sync = false;
        snprintf(sim->error, sizeof sim->error, "cannot sync %s: input/output error", op->file->name);
        return PDR_INTERNAL;
    }
    return PDR_OK;
}

static void fire(void *arg)
{
    struct op *op = arg;
    list_remove(&op->node);
    if (op->dead) {
        mem_free(op);
        return;
    }
    enum pdr_status status = outcome(op);
    if (status == PDR_OK) {
        carry_out(op);
    } else if (op->kind == OP_SYNC) {
        give_up(op->file);
    }
    if (op->kind == OP_SYNC) {
        op->sim->disk.sync_ns = op->delay_ns;
    }
    disk_synced cb = op->cb;
    void *user = op->user;
    mem_free(op);
    cb(user, status);
}

static struct op *begin(struct sim_disk *sim, enum op_kind kind, disk_synced cb, void *user)
{
    for (struct list *node = sim->ops.next; node != &sim->ops; node = node->next) {
        struct op *other = LIST_ITEM(node, struct op, node);
        CHECK(other->dead || (other->kind == OP_SYNC) != (kind == OP_SYNC)); /* one sync, one chore at a time */
    }
    struct op *op = mem_new(sizeof *op);
    op->sim = sim;
    op->kind = kind;
    op->cb = cb;
    op->user = user;
    list_push_back(&sim->ops, &op->node);
    return op;
}

static void set_names(struct op *op, const char *name, const char *other)
{
    snprintf(op->name, sizeof op->name, "%s", name);
    snprintf(op->other, sizeof op->other, "%s", other);
}

static void go(struct op *op, uint64_t typical_ns)
{
    op->delay_ns = draw_delay(op->sim, typical_ns);
    op->sim->env.after(op->sim->env.world, op->delay_ns, fire, op);
}

/* The seam. */

static enum pdr_status sim_list(struct disk *disk, void (*each)(void *user, const char *name), void *user)
{
    struct sim_disk *sim = sim_of(disk);
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        each(user, file_of(node)->name);
    }
    return PDR_OK;
}

static enum pdr_status sim_open(struct disk *disk, const char *name, struct disk_file **out)
{
    struct sim_file *file = find(sim_of(disk), name);
    if (file == NULL) {
        return PDR_NOT_FOUND;
    }
    *out = &file->file;
    return PDR_OK;
}

static uint64_t sim_size(struct disk_file *file)
{
    return LIST_ITEM(file, struct sim_file, file)->size;
}

static enum pdr_status sim_read(struct disk_file *file, uint64_t offset, void *data, uint32_t size)
{
    struct sim_file *f = LIST_ITEM(file, struct sim_file, file);
    CHECK(offset % DISK_BLOCK == 0 && size % DISK_BLOCK == 0 && offset + size <= f->size);
    memcpy(data, f->now + offset, size);
    return PDR_OK;
}

static void sim_close_file(struct disk_file *file) {}

static void sim_write_sync(struct disk_file *file, uint64_t offset, const void *data, uint32_t size, disk_synced cb,
                           void *user)
{
    struct sim_file *f = LIST_ITEM(file, struct sim_file, file);
    struct sim_disk *sim = sim_of(file->disk);
    CHECK(offset % DISK_BLOCK == 0 && size % DISK_BLOCK == 0 && offset + size <= f->size);
    CHECK((uintptr_t)data % DISK_BLOCK == 0);
    if (size > 0) {
        memcpy(f->now + offset, data, size);
        memset(f->unsynced + offset / DISK_BLOCK, WRITTEN, size / DISK_BLOCK);
    }
    struct op *op = begin(sim, OP_SYNC, cb, user);
    op->file = f;
    go(op, sim->typical_ns);
}

static void sim_create(struct disk *disk, const char *name, uint64_t size, disk_synced cb, void *user)
{
    struct sim_disk *sim = sim_of(disk);
    struct op *op = begin(sim, OP_CREATE, cb, user);
    set_names(op, name, "");
    op->size = size;
    go(op, sim->typical_ns * 4 + size / DISK_BLOCK * CREATE_NS_PER_BLOCK);
}

static void sim_rename(struct disk *disk, const char *from, const char *to, disk_synced cb, void *user)
{
    struct op *op = begin(sim_of(disk), OP_RENAME, cb, user);
    set_names(op, to, from);
    go(op, op->sim->typical_ns * 4);
}

static void sim_remove(struct disk *disk, const char *name, disk_synced cb, void *user)
{
    struct op *op = begin(sim_of(disk), OP_REMOVE, cb, user);
    set_names(op, name, "");
    go(op, op->sim->typical_ns * 4);
}

/* It has had its chance: when it fires, if it ever does, it is only freed. */
static void void_op(struct op *op)
{
    op->dead = true;
    op->kind = OP_SYNC;
}

static void sim_cancel_create(struct disk *disk)
{
    struct sim_disk *sim = sim_of(disk);
    for (struct list *node = sim->ops.next; node != &sim->ops; node = node->next) {
        struct op *op = LIST_ITEM(node, struct op, node), *sooner;
        if (op->kind == OP_CREATE && !op->dead && !op->cancelled) {
            void_op(op);
            sooner = begin(sim, OP_CREATE, op->cb, op->user);
            sooner->cancelled = true;
            go(sooner, sim->typical_ns);
            return;
        }
    }
}

static void sim_last_error(struct disk *disk, char *text, unsigned long size)
{
    snprintf(text, size, "%s", sim_of(disk)->error);
}

static void sim_close(struct disk *disk)
{
    struct sim_disk *sim = sim_of(disk);
    for (struct list *node = sim->ops.next; node != &sim->ops; node = node->next) {
        LIST_ITEM(node, struct op, node)->dead = true;
    }
}

static const struct disk_ops sim_ops = {
    .list = sim_list,
    .open = sim_open,
    .size = sim_size,
    .read = sim_read,
    .close_file = sim_close_file,
    .write_sync = sim_write_sync,
    .create = sim_create,
    .rename = sim_rename,
    .remove = sim_remove,
    .cancel = sim_cancel_create,
    .last_error = sim_last_error,
    .close = sim_close,
};

struct sim_disk *sim_disk_new(const struct sim_disk_env *env)
{
    struct sim_disk *sim = mem_new(sizeof *sim);
    sim->disk.ops = &sim_ops;
    sim->env = *env;
    sim->typical_ns = TYPICAL_NS;
    sim->capacity = UINT64_MAX;
    list_init(&sim->files);
    list_init(&sim->ops);
    return sim;
}

void sim_disk_free(struct sim_disk *sim)
{
    struct list *node;
    while (!list_empty(&sim->files)) {
        file_free(file_of(sim->files.next));
    }
    while ((node = list_pop(&sim->ops)) != NULL) {
        mem_free(LIST_ITEM(node, struct op, node));
    }
    mem_free(sim);
}

struct disk *sim_disk_disk(struct sim_disk *sim)
{
    return &sim->disk;
}

/* The end of the process, and of the power. */

/* Sectors reach the platter one by one, from either end. */
static void tear(struct sim_disk *sim, uint8_t *durable, const uint8_t *now)
{
    uint64_t sectors = 1 + rng_below(sim->env.rng, DISK_BLOCK / SECTOR - 1);
    uint64_t from = rng_below(sim->env.rng, 2) == 0 ? 0 : DISK_BLOCK - sectors * SECTOR;
    memcpy(durable + from, now + from, sectors * SECTOR);
}

static void crash_block(struct sim_disk *sim, struct sim_file *file, uint64_t block)
{
    uint8_t *durable = file->durable + block * DISK_BLOCK, *now = file->now + block * DISK_BLOCK;
    switch (rng_below(sim->env.rng, 3)) {
    case 0: /* lost */
        break;
    case 1:
        memcpy(durable, now, DISK_BLOCK);
        break;
    default:
        tear(sim, durable, now);
    }
    memcpy(now, durable, DISK_BLOCK);
    file->unsynced[block] = SYNCED;
}

/* Log files are read and written past the system's cache, so what the next process reads, its first sync makes
 * durable. */
static void take_back(struct sim_file *file)
{
    for (uint64_t block = 0; block * DISK_BLOCK < file->size; block++) {
        if (file->unsynced[block] == GIVEN_UP) {
            file->unsynced[block] = WRITTEN;
        }
    }
}

void sim_disk_kill(struct sim_disk *sim)
{
    struct list ops;
    list_init(&ops);
    list_splice(&ops, &sim->ops);
    while (!list_empty(&ops)) {
        struct op *op = LIST_ITEM(list_pop(&ops), struct op, node);
        if (op->kind != OP_SYNC && !op->cancelled && rng_below(sim->env.rng, 2) == 0 && outcome(op) == PDR_OK) {
            carry_out(op);
        }
        void_op(op);
        list_push_back(&sim->ops, &op->node);
    }
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        take_back(file_of(node));
    }
    sim->fail_next_sync = false;
}

void sim_disk_crash(struct sim_disk *sim)
{
    sim_disk_kill(sim);
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        struct sim_file *file = file_of(node);
        for (uint64_t block = 0; block * DISK_BLOCK < file->size; block++) {
            if (file->unsynced[block] != SYNCED) {
                crash_block(sim, file, block);
            }
        }
    }
}

/* Faults and hand work. */

void sim_disk_set_delay(struct sim_disk *sim, uint64_t typical_ns)
{
    sim->typical_ns = typical_ns == 0 ? TYPICAL_NS : typical_ns;
}

void sim_disk_set_capacity(struct sim_disk *sim, uint64_t bytes)
{
    sim->capacity = bytes;
}

void sim_disk_fail_next_sync(struct sim_disk *sim)
{
    sim->fail_next_sync = true;
}

static bool may_flip(const struct sim_file *file, uint64_t block)
{
    static const uint8_t zeros[DISK_BLOCK];
    return file->unsynced[block] == SYNCED && memcmp(file->durable + block * DISK_BLOCK, zeros, DISK_BLOCK) != 0;
}

bool sim_disk_flip(struct sim_disk *sim, const char **name, uint64_t *offset)
{
    struct sim_file *chosen = NULL;
    uint64_t seen = 0, at = 0;
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        struct sim_file *file = file_of(node);
        for (uint64_t block = 0; block * DISK_BLOCK < file->size; block++) {
            if (may_flip(file, block) && rng_below(sim->env.rng, ++seen) == 0) {
                chosen = file;
                at = block * DISK_BLOCK;
            }
        }
    }
    if (chosen == NULL) {
        return false;
    }
    at += rng_below(sim->env.rng, DISK_BLOCK);
    chosen->durable[at] ^= (uint8_t)(1u << rng_below(sim->env.rng, 8));
    chosen->now[at] = chosen->durable[at];
    *name = chosen->name;
    *offset = at;
    return true;
}

uint8_t *sim_disk_bytes(struct sim_disk *sim, const char *name, uint64_t *size)
{
    struct sim_file *file = find(sim, name);
    if (file != NULL && size != NULL) {
        *size = file->size;
    }
    return file == NULL ? NULL : file->now;
}

void sim_disk_changed(struct sim_disk *sim, const char *name)
{
    struct sim_file *file = find(sim, name);
    CHECK(file != NULL);
    memcpy(file->durable, file->now, file->size);
    memset(file->unsynced, 0, file->size / DISK_BLOCK);
}

void sim_disk_put(struct sim_disk *sim, const char *name, const void *data, uint64_t size)
{
    CHECK(find(sim, name) == NULL);
    struct sim_file *file = file_new(sim, name, size);
    memcpy(file->now, data, size);
    memcpy(file->durable, data, size);
}

void sim_disk_truncate(struct sim_disk *sim, const char *name, uint64_t size)
{
    struct sim_file *file = find(sim, name);
    CHECK(file != NULL && size <= file->size);
    file->size = size;
}

struct sim_disk *sim_disk_copy(const struct sim_disk *sim, const struct sim_disk_env *env)
{
    struct sim_disk *copy = sim_disk_new(env);
    for (struct list *node = sim->files.next; node != &sim->files; node = node->next) {
        const struct sim_file *file = file_of(node);
        sim_disk_put(copy, file->name, file->now, file->size);
    }
    return copy;
}
