/* tests/lib/raft_memory.c: rows in a store in memory; a batch is there when it is durable. */
#include "tests/lib/raft_memory.h"

#include "core/base/check.h"

static void apply(struct raft_memory *memory, const struct raft_batch *batch)
{
    const struct store_ops *ops = memory->rows->ops;
    struct store_batch *rows = ops->batch_new(memory->rows);
    struct raft_batch_row row;
    size_t at = 0;
    while (raft_batch_next(batch, &at, &row)) {
        if (row.deleted) {
            ops->batch_delete(rows, row.key);
        } else {
            ops->batch_put(rows, row.key, row.value);
        }
    }
    CHECK(ops->write(memory->rows, rows) == PDR_OK);
    ops->batch_free(rows);
}

static void memory_write(struct raft_disk *disk, struct raft_batch *batch)
{
    list_push_back(&LIST_ITEM(disk, struct raft_memory, disk)->pending, &batch->node);
}

static enum pdr_status memory_scan(struct raft_disk *disk, raft_disk_each each, void *user)
{
    struct store *rows = LIST_ITEM(disk, struct raft_memory, disk)->rows;
    struct store_cursor *cursor = rows->ops->cursor_new(rows);
    enum pdr_status status = rows->ops->cursor_scan(cursor, pdr_bytes("", 0), pdr_bytes("", 0), each, user);
    rows->ops->cursor_free(cursor);
    return status;
}

static bool memory_is_full(const struct raft_disk *disk)
{
    return false;
}

void raft_memory_init(struct raft_memory *memory)
{
    static const struct raft_disk_ops ops = {memory_write, memory_scan, memory_is_full};
    *memory = (struct raft_memory){.disk = {&ops}, .rows = store_mem_new()};
    list_init(&memory->pending);
}

void raft_memory_release(struct raft_memory *memory)
{
    memory->rows->ops->close(memory->rows);
}

uint32_t raft_memory_sync(struct raft_memory *memory)
{
    struct list *node;
    uint32_t count = 0;
    while ((node = list_pop(&memory->pending)) != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        apply(memory, batch);
        batch->done(batch, batch->user);
        count++;
    }
    return count;
}

void raft_memory_crash(struct raft_memory *memory)
{
    list_init(&memory->pending);
}
