/* tests/simulation/raft/raft_media.c: rows in a store in memory; a batch is there when it is durable. */
#include "tests/simulation/raft/raft_media.h"

#include "core/base/check.h"

static void arm(struct raft_media *media)
{
    if (!list_empty(&media->pending) && !media->full && !sim_is_set(&media->next)) {
        sim_after(media->sim, &media->next, sim_delay(media->sim, media->write_ns));
    }
}

static void apply(struct raft_media *media, const struct raft_batch *batch)
{
    const struct store_ops *ops = media->rows->ops;
    struct store_batch *rows = ops->batch_new(media->rows);
    struct raft_batch_row row;
    size_t at = 0;
    while (raft_batch_next(batch, &at, &row)) {
        if (row.deleted) {
            ops->batch_delete(rows, row.key);
        } else {
            ops->batch_put(rows, row.key, row.value);
        }
        sim_fold(media->sim, row.key);
    }
    CHECK(ops->write(media->rows, rows) == PDR_OK);
    ops->batch_free(rows);
}

static void next_fired(struct sim_event *event)
{
    struct raft_media *media = LIST_ITEM(event, struct raft_media, next);
    uint64_t later = media->asleep_until(media->user);
    if (later != 0) {
        sim_at(media->sim, &media->next, later);
        return;
    }
    struct list *node = list_pop(&media->pending);
    if (node != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        apply(media, batch);
        batch->done(batch, batch->user);
        media->answered(media->user);
        arm(media);
    }
}

static void media_write(struct raft_disk *disk, struct raft_batch *batch)
{
    struct raft_media *media = LIST_ITEM(disk, struct raft_media, disk);
    list_push_back(&media->pending, &batch->node);
    arm(media);
    media->given(media->user);
}

static enum pdr_status media_scan(struct raft_disk *disk, raft_disk_each each, void *user)
{
    struct raft_media *media = LIST_ITEM(disk, struct raft_media, disk);
    const struct store_ops *ops = media->rows->ops;
    struct store_cursor *cursor = ops->cursor_new(media->rows);
    enum pdr_status status = ops->cursor_scan(cursor, pdr_bytes("", 0), pdr_bytes("", 0), each, user);
    ops->cursor_free(cursor);
    return status;
}

static bool media_is_full(const struct raft_disk *disk)
{
    const struct raft_media *media = LIST_ITEM(disk, const struct raft_media, disk);
    return media->full && !media->stalls;
}

static const struct raft_disk_ops media_ops = {media_write, media_scan, media_is_full};

void raft_media_init(struct raft_media *media, struct sim *sim, uint32_t subject, uint64_t write_ns)
{
    *media = (struct raft_media){.disk = {&media_ops}, .sim = sim, .rows = store_mem_new(), .write_ns = write_ns};
    media->next = (struct sim_event){.fire = next_fired, .name = "raft.written", .subject = subject};
    list_init(&media->pending);
}

void raft_media_release(struct raft_media *media)
{
    sim_cancel(media->sim, &media->next);
    media->rows->ops->close(media->rows);
}

void raft_media_crash(struct raft_media *media)
{
    struct list *node;
    bool keeps = true;
    sim_cancel(media->sim, &media->next);
    while ((node = list_pop(&media->pending)) != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        keeps = keeps && sim_chance(media->sim, 50);
        if (keeps) {
            apply(media, batch);
        }
    }
}

void raft_media_wipe(struct raft_media *media)
{
    CHECK(list_empty(&media->pending));
    media->rows->ops->close(media->rows);
    media->rows = store_mem_new();
}

void raft_media_set_full(struct raft_media *media, bool full, bool stalls)
{
    media->full = full;
    media->stalls = stalls;
    if (full) {
        sim_cancel(media->sim, &media->next);
    }
    arm(media);
}
