/* core/replog/replog.c: the copies of a core, and what is told about them, handed to whoever it concerns. */
#include "core/replog/replog.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/replog/parts.h"

#define WINDOW_BYTES (64u << 20)
#define GROUP_BYTES (1u << 20)
#define SNAPSHOT_WINDOW 4u

struct replog *replog_new(const struct replog_options *options, const struct replog_hooks *hooks, uint64_t now_ns)
{
    struct replog *replog = mem_new(sizeof *replog);
    replog->options = *options;
    replog->options.window_bytes = options->window_bytes != 0 ? options->window_bytes : WINDOW_BYTES;
    replog->options.group_bytes = options->group_bytes != 0 ? options->group_bytes : GROUP_BYTES;
    replog->options.snapshot_window = options->snapshot_window != 0 ? options->snapshot_window : SNAPSHOT_WINDOW;
    replog->hooks = *hooks;
    replog->now_ns = now_ns;
    list_init(&replog->links);
    list_init(&replog->primaries);
    list_init(&replog->confirm);
    list_init(&replog->flush);
    links_listen(replog);
    return replog;
}

void replog_leave(struct replog *replog)
{
    replog->leaves = !MUTATION(206);
    for (uint32_t i = 0; i < replog->count && replog->leaves; i++) {
        follower_leave(replog->replicas[i]);
    }
}

/* The copies, by shard. */

static uint32_t place_of(const struct replog *replog, uint32_t shard)
{
    uint32_t low = 0, high = replog->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (replog->replicas[middle]->shard < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct replica *replog_find(const struct replog *replog, uint32_t shard)
{
    uint32_t place = place_of(replog, shard);
    return place < replog->count && replog->replicas[place]->shard == shard ? replog->replicas[place] : NULL;
}

static void insert(struct replog *replog, struct replica *replica)
{
    uint32_t place = place_of(replog, replica->shard);
    if (replog->count == replog->capacity) {
        replog->capacity = replog->capacity == 0 ? 16 : replog->capacity * 2;
        replog->replicas = mem_grow(replog->replicas, replog->capacity * sizeof *replog->replicas);
    }
    memmove(replog->replicas + place + 1, replog->replicas + place, (replog->count - place) * sizeof *replog->replicas);
    replog->replicas[place] = replica;
    replog->count++;
}

struct replica *replog_open(struct replog *replog, const struct replica_options *options)
{
    CHECK(replog_find(replog, options->shard) == NULL && options->rid != 0);
    struct replica *replica = mem_new(sizeof *replica);
    replica->replog = replog;
    replica->shard = options->shard;
    replica->user = options->user;
    replica->rid = options->rid;
    replica->promised = options->promised;
    replica->led = options->led;
    replica->follows = options->promised > 0 && !options->led;
    replica->last_seq = replica->durable_seq = options->last_seq;
    replica->applied_seq = replica->commit_seq = options->applied_seq;
    replica->told_seq = options->applied_seq;
    replica->window.total = &replog->window_bytes;
    history_set(&replica->history, options->history, options->history_count);
    list_init(&replica->acks);
    insert(replog, replica);
    return replica;
}

void replog_recovered(struct replica *replica, uint64_t epoch, uint64_t seq, struct pdr_bytes payload)
{
    CHECK(seq > replica->applied_seq && seq <= replica->last_seq);
    window_push(&replica->window, epoch, seq, payload);
}

static void release(struct replica *replica)
{
    installing_stop(replica);
    primary_step_down(replica);
    list_remove(&replica->acks);
    mem_free(replica->installing);
    history_release(&replica->history);
    window_release(&replica->window);
    mem_free(replica);
}

void replog_close(struct replica *replica)
{
    struct replog *replog = replica->replog;
    uint32_t place = place_of(replog, replica->shard);
    replog->count--;
    memmove(replog->replicas + place, replog->replicas + place + 1, (replog->count - place) * sizeof *replog->replicas);
    release(replica);
}

/* The process ends, or the simulator's does: nobody is told. */
static void nothing(void *user) {}
static void no_snapshot(void *user, uint64_t snapshot) {}

void replog_free(struct replog *replog)
{
    replog->hooks.stepped_down = nothing;
    replog->hooks.install_stop = nothing;
    replog->hooks.snapshot_close = no_snapshot;
    for (uint32_t i = 0; i < replog->count; i++) {
        release(replog->replicas[i]);
    }
    struct list *node;
    while ((node = list_pop(&replog->links)) != NULL) {
        struct link *link = LIST_ITEM(node, struct link, node);
        pdr_writer_release(&link->out);
        mem_free(link);
    }
    pdr_writer_release(&replog->scratch);
    mem_free(replog->replicas);
    mem_free(replog);
}

void replog_tick(struct replog *replog, uint64_t now_ns)
{
    replog->now_ns = later_of(replog->now_ns, now_ns);
    for (struct list *node = replog->primaries.next, *next; node != &replog->primaries; node = next) {
        next = node->next;
        primary_tick(LIST_ITEM(node, struct primary, node)->replica);
    }
}

/* What happens. */

void replog_row(struct replica *replica, const struct cluster_shard *row)
{
    if (row->shard != replica->shard || row->cv <= replica->row.cv) {
        return;
    }
    replica->row = *row;
    primary_consider(replica);
}

/* While all shards together have too much, each that gets more keeps no more than its share, and what it may need. */
static void trim(struct replica *replica)
{
    const struct replog *replog = replica->replog;
    uint64_t most = replog->options.window_bytes;
    if (replog->window_bytes > most) {
        window_trim(&replica->window, replica->commit_seq, most / replog->count);
    }
}

/* The newest entry of the log, in memory too for whoever may ask. A node that has the only copy has nobody: what it
 * does not keep nobody was ever sent. */
void replica_append(struct replica *replica, uint64_t epoch, struct pdr_bytes payload)
{
    struct window *window = &replica->window;
    const struct cluster_shard *row = &replica->row;
    bool alone = replica->primary != NULL && replica->primary->backup_count == 0 && row->isr.count <= 1;
    uint64_t seq = ++replica->last_seq;
    if (replica->history.count == 0 || replica->history.at[replica->history.count - 1].epoch != epoch) {
        history_begin(&replica->history, epoch, seq);
    }
    if (alone) {
        window_trim(window, replica->durable_seq, 0);
    }
    if (!alone || window->count > 0) {
        window_push(window, epoch, seq, payload);
        trim(replica);
    }
}

uint64_t replog_made(struct replica *replica, struct pdr_bytes payload)
{
    CHECK(replica->primary != NULL && !replica->primary->released);
    replica_append(replica, replica->promised, payload);
    backups_wake(replica);
    return replica->last_seq;
}

void replog_durable(struct replica *replica, uint64_t promised, uint64_t seq)
{
    if (promised != replica->promised) {
        return; /* what came after voids it, or says it again */
    }
    uint64_t before = replica->durable_seq;
    replica->durable_seq = later_of(before, seq < replica->last_seq ? seq : replica->last_seq);
    if (replica->primary != NULL) {
        primary_durable(replica);
    } else {
        follower_durable(replica, replica->durable_seq > before);
    }
}

void replog_applied(struct replica *replica, uint64_t seq)
{
    replica->applied_seq = later_of(replica->applied_seq, seq);
}

void replog_proposed(struct replica *replica, uint64_t number, bool done)
{
    struct primary *primary = replica->primary;
    if (primary == NULL) {
        return;
    }
    struct proposed *proposed = &primary->proposed;
    if (proposed->touch_number == number) {
        proposed->touch_number = 0; /* done: the row will say so; refused: another row will */
        proposed->patience_ns = REPLOG_PATIENCE_NS;
    } else if (proposed->proposal.kind != REPLOG_NONE && proposed->proposal.number == number && !done) {
        /* R1: refused, so that it never applies. What it was waited for with goes back to the row. */
        primary->again_ns = replica->replog->now_ns + REPLOG_AGAIN_NS;
        change_settled(replica);
    }
}

static void forget_tail(struct replica *replica)
{
    replica->last_seq = replica->durable_seq;
    history_cut(&replica->history, replica->last_seq);
    window_cut(&replica->window, replica->last_seq);
    replica->replog->hooks.cut(replica->user, replica->last_seq);
}

/* R74. What was not written and never acknowledged is forgotten; who still has it sends it again. But a primary may not
 * make what it has sent a second time, with another content (I9): it keeps that, and writes it when there is room. What
 * is not in the window nobody was sent, nor anything behind it. */
void replog_no_space(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (!replica->is_full) {
        replica->is_full = true;
        replica->full_ns = replica->replog->now_ns;
    }
    if (primary != NULL && primary->opened && window_get(&replica->window, replica->durable_seq + 1) != NULL) {
        return;
    }
    forget_tail(replica);
    if (primary != NULL && !primary->opened) {
        primary->start_seq = replica->last_seq;
    }
    if (primary == NULL && replica->follows && replica->leader != NULL) {
        follower_refuse(replica, replica->leader, replica->promised, NACK_NO_SPACE);
    }
}

static void write_again(struct replica *replica)
{
    const struct replog_hooks *hooks = &replica->replog->hooks;
    const struct primary *primary = replica->primary;
    struct record record = {.shard = replica->shard, .epoch = replica->promised, .seq = replica->last_seq};
    if (primary != NULL && !primary->opened) {
        record.kind = RECORD_EPOCH;
        hooks->journal(replica->user, &record, replica->promised);
    } else if (primary == NULL && !replica->follows && !replica->led && replica->promised > 0) {
        record.kind = RECORD_CUT;
        hooks->journal(replica->user, &record, replica->promised);
    }
    for (uint64_t seq = replica->durable_seq + 1; seq <= replica->last_seq; seq++) {
        const struct window_entry *entry = window_get(&replica->window, seq);
        CHECK(entry != NULL); /* or it had been forgotten */
        record = (struct record){RECORD_ENTRY, replica->shard, entry->epoch, seq, pdr_bytes(entry->bytes, entry->size)};
        hooks->journal(replica->user, &record, replica->promised);
    }
}

void replog_space(struct replica *replica)
{
    if (replica->is_full) {
        replica->is_full = false;
        write_again(replica);
        if (replica->primary == NULL && replica->follows && replica->leader != NULL) {
            follower_refuse(replica, replica->leader, replica->promised, NACK_GAP);
        }
        if (replica->primary == NULL || MUTATION(176)) {
            primary_consider(replica); /* a promotion may have waited for that */
        }
    }
}

/* Questions. */

bool replog_is_primary(const struct replica *replica)
{
    return replica->primary != NULL;
}

bool replog_admits(const struct replica *replica)
{
    const struct primary *primary = replica->primary;
    return primary != NULL && !primary->paused && !primary->released && !replica->is_full;
}

bool replog_may_read(const struct replica *replica)
{
    const struct primary *primary = replica->primary;
    return primary != NULL && primary->ready && !primary->released;
}

static uint64_t lag_of(const struct replica *replica)
{
    const struct primary *primary = replica->primary;
    uint64_t slowest = replica->last_seq;
    for (struct list *node = primary->backups.next; node != &primary->backups; node = node->next) {
        const struct backup *backup = LIST_ITEM(node, struct backup, of_primary);
        if (copies_have(&primary->set, backup->link->id) && backup->acked < slowest) {
            slowest = backup->acked;
        }
    }
    return replica->last_seq - slowest;
}

struct replica_state replog_state(const struct replica *replica)
{
    const struct primary *primary = replica->primary;
    struct replica_state state = {.rid = replica->rid,
                                  .promised = replica->promised,
                                  .last_seq = replica->last_seq,
                                  .durable_seq = replica->durable_seq,
                                  .commit_seq = replica->commit_seq,
                                  .applied_seq = replica->applied_seq,
                                  .primary = primary != NULL,
                                  .follows = replica->follows,
                                  .lost = replica->is_lost,
                                  .full = replica->is_full,
                                  .cv = replica->row.cv,
                                  .leader_cv = replica->leader_cv};
    if (primary != NULL) {
        state.ready = primary->ready;
        state.released = primary->released;
        state.paused = primary->paused;
        state.set = primary->set;
        state.proposes = primary->proposed.proposal.kind != REPLOG_NONE;
        state.lag = lag_of(replica);
    }
    return state;
}

void replog_history(const struct replica *replica, struct history *out)
{
    history_set(out, replica->history.at, replica->history.count);
}
