/* consensus/raft_disk_shard.c: batches become entries of the directory's shard, parcel by parcel.
 *
 *     control core                                    core with the shard
 *     waiting --fill--> parcel -----message----->     arrived: entries of one submission (commit_rows)
 *        ^                                               | its gate opens: durable, or rolled back
 *        |                                               v
 *        +--put_back--- returned <----message--------- send_back
 *                          +--> answered, in order
 *
 * Refused for lack of space (R74), before or after it was an entry, a parcel waits and goes again; so do all behind it,
 * and nothing overtakes. The parcel is one: whoever has it may touch it, and the messages hand it over. */
#include "consensus/raft_disk_shard.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"

#define PARCEL_BYTES_MAX (4u << 20) /* of several batches; one may be as large as it likes */
/* Of the rows of one entry. The log takes RECORD_PAYLOAD_MAX, which a snapshot and a megabyte of entries may exceed:
 * then it is several entries of one submission, which is written, and applied, as a whole or not at all. */
#define ENTRY_BYTES_MAX (16u << 20)
#define ROW_OVERHEAD 16u /* bytes, or fewer, that a row takes in an entry beside key and value */
/* Calls are refused when so much is not in the store yet; the directory, which takes little, goes on a while. Behind
 * that the store takes nothing at all, and what it lacks lies in memory. */
#define UNAPPLIED_BEYOND (64u << 20)
#define SETTLE_NS (5 * NS_PER_MS)
#define REFUSED_NS (100 * NS_PER_MS)

/* Rows for one entry. */
struct part {
    struct list node;
    struct rows rows;
    size_t bytes;
};

struct raft_disk_shard {
    struct raft_disk disk;
    struct core *control, *owner;
    struct store *store;
    /* On the control core. */
    struct list waiting; /* struct raft_batch, in order */
    struct list packed;  /* ... those in the parcel; older than all that wait */
    struct timer again;
    bool under_way; /* the parcel is at the owner, or on its way */
    bool full, over;
    bool is_left; /* raft_disk_shard_free came while the parcel was under way, whose return frees this */
    /* The parcel. */
    struct message message;
    struct gate_wait gate;
    struct list parts;
    enum pdr_status status; /* OVERLOADED: not now; CANCELLED: never more */
};

static void drop_parts(struct raft_disk_shard *disk)
{
    struct list *node;
    while ((node = list_pop(&disk->parts)) != NULL) {
        struct part *part = LIST_ITEM(node, struct part, node);
        rows_release(&part->rows);
        mem_free(part);
    }
}

static void free_disk(struct raft_disk_shard *disk)
{
    drop_parts(disk);
    mem_free(disk);
}

/* The node is taken down: nobody is told, and one thread is left. */
static void parcel_lost(struct raft_disk_shard *disk)
{
    disk->under_way = false;
    disk->over = true;
    if (disk->is_left) {
        free_disk(disk);
    }
}

/* On the core with the shard. */

static void returned(struct message *message);

static void send_back(struct raft_disk_shard *disk, enum pdr_status status)
{
    disk->status = status;
    disk->message.deliver = returned;
    loop_post(disk->control->world.loop, &disk->message);
}

static void gate_opened(struct gate_wait *wait, enum pdr_status status)
{
    struct raft_disk_shard *disk = LIST_ITEM(wait, struct raft_disk_shard, gate);
    if (disk->owner->dead) {
        parcel_lost(disk);
    } else {
        send_back(disk, disk->owner->frozen ? PDR_CANCELLED : status);
    }
}

/* Limits of what waits for the disk are for calls: who refuses them can't refuse a server's vote. */
static enum pdr_status admit(const struct core *owner)
{
    if (owner->frozen) {
        return PDR_CANCELLED;
    }
    if (!owner->settled) { /* a batch that is refused before is not rolled back: core.c, settled */
        return PDR_OVERLOADED;
    }
    bool stuck = owner->unapplied_bytes >= (uint64_t)owner->limits.unapplied_bytes_max + UNAPPLIED_BEYOND;
    return owner->refusing || stuck ? PDR_NO_SPACE : PDR_OK;
}

static void arrived(struct message *message)
{
    struct raft_disk_shard *disk = LIST_ITEM(message, struct raft_disk_shard, message);
    struct core *owner = disk->owner;
    if (owner->dead) {
        parcel_lost(disk);
        return;
    }
    enum pdr_status status = admit(owner);
    if (status != PDR_OK) {
        send_back(disk, status);
        return;
    }
    uint64_t seq = 0;
    struct list *node;
    while ((node = list_pop(&disk->parts)) != NULL) {
        struct part *part = LIST_ITEM(node, struct part, node);
        seq = commit_rows(owner, owner->directory, NULL, NULL, &part->rows);
        mem_free(part);
    }
    if (MUTATION(131) || !commit_gate(owner->directory, &disk->gate, seq)) {
        gate_opened(&disk->gate, PDR_OK);
    }
}

/* On the control core. */

/* The last one, or a new one behind it. */
static struct part *part_with_room(struct raft_disk_shard *disk, size_t bytes)
{
    if (!list_empty(&disk->parts)) {
        struct part *last = LIST_ITEM(disk->parts.prev, struct part, node);
        if (last->bytes + bytes <= ENTRY_BYTES_MAX) {
            last->bytes += bytes;
            return last;
        }
    }
    struct part *part = mem_new(sizeof *part);
    part->bytes = bytes;
    list_push_back(&disk->parts, &part->node);
    return part;
}

static void pack(struct raft_disk_shard *disk, const struct raft_batch *batch)
{
    struct raft_batch_row row;
    for (size_t at = 0; raft_batch_next(batch, &at, &row);) {
        struct part *part = part_with_room(disk, row.key.size + row.value.size + ROW_OVERHEAD);
        if (row.deleted) {
            rows_delete(&part->rows, KEYS_RAFT, row.key);
        } else {
            rows_put(&part->rows, KEYS_RAFT, row.key, row.value);
        }
    }
}

static void fill(struct raft_disk_shard *disk)
{
    size_t bytes = 0;
    while (!list_empty(&disk->waiting)) {
        struct raft_batch *batch = LIST_ITEM(disk->waiting.next, struct raft_batch, node);
        if (bytes > 0 && bytes + batch->encoded.size > PARCEL_BYTES_MAX) {
            return;
        }
        bytes += batch->encoded.size;
        pack(disk, batch);
        list_remove(&batch->node);
        list_push_back(&disk->packed, &batch->node);
    }
}

static void send_next(struct raft_disk_shard *disk)
{
    if (disk->under_way || disk->over || timer_is_set(&disk->again)) {
        return;
    }
    if (list_empty(&disk->parts)) { /* else it was refused as it is, and its batches are packed */
        fill(disk);
    }
    if (!list_empty(&disk->parts)) {
        disk->under_way = true;
        disk->message.deliver = arrived;
        loop_post(disk->owner->world.loop, &disk->message);
    }
}

static void go_again(struct timer *timer)
{
    send_next(LIST_ITEM(timer, struct raft_disk_shard, again));
}

static void wait_for(struct raft_disk_shard *disk, uint64_t delay_ns)
{
    timer_set(&disk->control->wheel, &disk->again, core_now_ns(disk->control) + delay_ns);
}

static void answer(struct raft_disk_shard *disk)
{
    struct list answered, *node;
    list_init(&answered);
    list_splice(&answered, &disk->packed);
    disk->full = false;
    send_next(disk); /* first, so that what `done` writes gathers behind it */
    while ((node = list_pop(&answered)) != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        batch->done(batch, batch->user);
    }
}

/* Rolled back, its rows are gone with the entry: it is packed anew, before those that came meanwhile. */
static void put_back(struct raft_disk_shard *disk)
{
    if (list_empty(&disk->parts)) {
        if (!MUTATION(132)) {
            list_splice(&disk->packed, &disk->waiting);
        }
        list_splice(&disk->waiting, &disk->packed);
    }
}

static void returned(struct message *message)
{
    struct raft_disk_shard *disk = LIST_ITEM(message, struct raft_disk_shard, message);
    if (disk->control->dead || disk->is_left) {
        parcel_lost(disk);
        return;
    }
    disk->under_way = false;
    switch (disk->status) {
    case PDR_OK:
        answer(disk);
        break;
    case PDR_CANCELLED:
        disk->over = true;
        break;
    case PDR_OVERLOADED:
        wait_for(disk, SETTLE_NS);
        break;
    default:
        CHECK(disk->status == PDR_NO_SPACE);
        disk->full = true;
        put_back(disk);
        wait_for(disk, REFUSED_NS);
        break;
    }
}

/* The seam. */

static struct raft_disk_shard *of(const struct raft_disk *disk)
{
    return LIST_ITEM(disk, struct raft_disk_shard, disk);
}

static void disk_write(struct raft_disk *base, struct raft_batch *batch)
{
    struct raft_disk_shard *disk = of(base);
    CHECK(batch->rows > 0);
    list_push_back(&disk->waiting, &batch->node);
    send_next(disk);
}

struct scanning {
    raft_disk_each each;
    void *user;
};

static bool scan_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    const struct scanning *s = user;
    return s->each(s->user, pdr_bytes((const uint8_t *)key.data + KEYS_HEAD_SIZE, key.size - KEYS_HEAD_SIZE), value);
}

static enum pdr_status disk_scan(struct raft_disk *base, raft_disk_each each, void *user)
{
    struct raft_disk_shard *disk = of(base);
    const struct store_ops *ops = disk->store->ops;
    struct scanning s = {each, user};
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    struct store_cursor *cursor = ops->cursor_new(disk->store);
    if (cursor == NULL) {
        return PDR_OVERLOADED;
    }
    keys_table_range(from, to, KEYS_SHARD_DIRECTORY, disk->owner->directory->gen, KEYS_RAFT);
    enum pdr_status status =
        ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to), scan_row, &s);
    ops->cursor_free(cursor);
    return status;
}

static bool disk_is_full(const struct raft_disk *base)
{
    return of(base)->full;
}

static const struct raft_disk_ops disk_ops = {disk_write, disk_scan, disk_is_full};

struct raft_disk *raft_disk_shard_new(struct core *control, struct core *owner, struct store *store)
{
    CHECK(owner->directory != NULL);
    struct raft_disk_shard *disk = mem_new(sizeof *disk);
    *disk = (struct raft_disk_shard){.disk = {&disk_ops}, .control = control, .owner = owner, .store = store};
    list_init(&disk->waiting);
    list_init(&disk->packed);
    list_init(&disk->parts);
    list_init(&disk->gate.node);
    disk->gate.open = gate_opened;
    timer_init(&disk->again, go_again);
    return &disk->disk;
}

void raft_disk_shard_free(struct raft_disk *base)
{
    struct raft_disk_shard *disk = of(base);
    timer_cancel(&disk->control->wheel, &disk->again);
    if (disk->under_way) {
        disk->is_left = true;
    } else {
        free_disk(disk);
    }
}
