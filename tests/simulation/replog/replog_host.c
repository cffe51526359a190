/* tests/simulation/replog/replog_host.c: what core/shard is to core/replog: the hooks. State is the list of the numbers
 * that were written; applying is copying them. */
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"

static struct replog_copy *copy_of(void *user)
{
    return user;
}

static struct replog_world *world_of(void *user)
{
    return copy_of(user)->node->world;
}

static void note(void *user, const char *name, uint64_t value)
{
    struct replog_copy *copy = user;
    sim_note(&copy->node->world->sim, name, copy->node->place * 16 + copy->shard, value);
}

static void hook_journal(void *user, const struct record *record, uint64_t promised)
{
    struct replog_copy *copy = user;
    struct disk_record out = {
        .kind = record->kind, .shard = record->shard, .epoch = record->epoch, .seq = record->seq, .promised = promised};
    if (record->kind == RECORD_ENTRY) {
        out.number = get_le64(record->payload.data);
        if (record->seq > copy->live.count || written_at(&copy->live, record->seq)->number != out.number) {
            written_cut(&copy->live, record->seq - 1);
            written_put(&copy->live, record->seq, record->epoch, out.number);
        }
    }
    replog_disk_submit(copy->node, &out);
}

static void hook_committed(void *user, uint64_t seq)
{
    struct replog_copy *copy = user;
    bool primary = replog_is_primary(copy->replica);
    copy->committed = seq;
    replog_judge_committed(copy, seq, primary);
    if (primary) {
        replog_clients_committed(copy);
    }
}

static void hook_began(void *user, uint64_t epoch)
{
    note(user, "replog.began", epoch);
    world_of(user)->reached.replog_began++;
}

static void hook_ready(void *user)
{
    note(user, "replog.ready", 0);
    world_of(user)->reached.replog_ready++;
}

static void hook_stepped_down(void *user)
{
    note(user, "replog.stepped_down", 0);
    world_of(user)->reached.replog_deposed++;
    replog_clients_dropped(user);
}

static void hook_cut(void *user, uint64_t seq)
{
    struct replog_copy *copy = user;
    if (seq < copy->live.count) {
        world_of(user)->reached.replog_cut++;
        note(user, "replog.cut", seq);
    }
    SIM_CHECK(&world_of(user)->sim, seq >= copy->applied, "node %u cuts shard %u to %llu and has applied %llu (I6)",
              copy->node->place, copy->shard, (unsigned long long)seq, (unsigned long long)copy->applied);
    written_cut(&copy->live, seq);
    if (replog_is_primary(copy->replica)) {
        replog_clients_dropped(copy); /* no room in the journal: what waited was not written */
        struct replog_judged *judged = &world_of(user)->judged[copy->shard];
        uint64_t epoch = replog_state(copy->replica).promised;
        if (epoch < judged->made_count && judged->made[epoch] > seq) {
            judged->made[epoch] = seq; /* nobody else has seen them, and they are on no disk */
        }
    }
}

static void hook_paused(void *user, bool paused)
{
    world_of(user)->reached.replog_paused_turns += paused;
}

static bool hook_is_quiet(void *user)
{
    return sim_chance(&world_of(user)->sim, 80);
}

static void hook_propose(void *user, const struct replog_proposal *proposal)
{
    note(user, "replog.propose", proposal->kind);
    replog_host_propose(user, proposal);
}

static void hook_confirmed(void *user, uint64_t round)
{
    replog_clients_confirmed(user, round);
}

static void hook_broken(void *user, const char *why)
{
    struct replog_copy *copy = user;
    sim_fail(&world_of(user)->sim, "node %u stops, of shard %u: %s", copy->node->place, copy->shard, why);
}

/* Nobody was FORCEd here, so no two logs ever contradict each other. */
static void hook_lost(void *user, const char *why)
{
    struct replog_copy *copy = user;
    sim_fail(&world_of(user)->sim, "node %u has lost shard %u: %s", copy->node->place, copy->shard, why);
}

void replog_copy_forget(struct replog_copy *copy)
{
    replog_clients_dropped(copy);
    replog_close(copy->replica);
    copy->replica = NULL;
    copy->installing = copy->switching = copy->switch_lost = false;
    for (uint32_t i = 0; i < REPLOG_NODES_MAX; i++) {
        copy->outgoing[i].number = 0;
        written_release(&copy->outgoing[i].content);
    }
}

/* Snapshots, at the primary. */

struct chunk {
    struct replog_later later;
    struct replog_copy *copy;
    uint64_t number;
};

static struct outgoing *outgoing_of(struct replog_copy *copy, uint64_t number)
{
    for (uint32_t i = 0; i < REPLOG_NODES_MAX; i++) {
        if (copy->outgoing[i].number == number) {
            return &copy->outgoing[i];
        }
    }
    return NULL;
}

static void hook_snapshot_open(void *user, uint64_t snapshot, uint64_t at_least)
{
    struct outgoing *outgoing = outgoing_of(user, 0);
    note(user, "replog.snapshot_open", at_least);
    if (outgoing != NULL) {
        outgoing->number = snapshot;
        outgoing->at_least = at_least;
        outgoing->sent = 0;
        outgoing->opened = outgoing->wanted = false;
    }
}

static void hook_snapshot_close(void *user, uint64_t snapshot)
{
    struct outgoing *outgoing = outgoing_of(user, snapshot);
    if (outgoing != NULL) {
        outgoing->number = 0;
        written_release(&outgoing->content);
    }
}

static void send_chunk(struct replog_later *later)
{
    struct chunk *chunk = LIST_ITEM(later, struct chunk, later);
    struct outgoing *outgoing = outgoing_of(chunk->copy, chunk->number);
    uint8_t bytes[64 * 16];
    uint32_t count = 0;
    if (outgoing == NULL || !outgoing->opened || chunk->copy->replica == NULL) {
        return;
    }
    while (count < later->world->chunk_entries && outgoing->sent < outgoing->content.count) {
        const struct written *written = written_at(&outgoing->content, ++outgoing->sent);
        put_le64(bytes + 16u * count, written->epoch);
        put_le64(bytes + 16u * count + 8, written->number);
        count++;
    }
    replog_snapshot_chunk(chunk->copy->replica, chunk->number, pdr_bytes(bytes, 16u * count),
                          outgoing->sent == outgoing->content.count);
}

static void hook_snapshot_read(void *user, uint64_t snapshot)
{
    struct chunk *chunk = mem_new(sizeof *chunk);
    chunk->later.arrive = send_chunk;
    chunk->copy = user;
    chunk->number = snapshot;
    replog_later(world_of(user), &chunk->later, copy_of(user)->node, sim_delay(&world_of(user)->sim, 100 * NS_PER_US));
}

/* The store has what was asked for. */
static void open_snapshots(struct replog_copy *copy)
{
    for (uint32_t i = 0; i < REPLOG_NODES_MAX && copy->replica != NULL; i++) {
        struct outgoing *outgoing = &copy->outgoing[i];
        if (outgoing->number != 0 && !outgoing->opened && copy->applied >= outgoing->at_least && copy->applied > 0) {
            outgoing->opened = true;
            written_copy(&outgoing->content, &copy->live, copy->applied);
            replog_snapshot_opened(copy->replica, outgoing->number, copy->applied);
        }
    }
}

/* At the learner. */

static void hook_install_begin(void *user, uint64_t seq, const struct control_epoch *history, uint32_t history_count)
{
    struct replog_copy *copy = user;
    written_cut(&copy->incoming, 0);
    copy->installing = true;
    copy->incoming_seq = seq;
    copy->incoming_control = (struct control){.shard = copy->shard, .rid = copy->rid, .history_count = history_count};
    memcpy(copy->incoming_control.history, history, history_count * sizeof *history);
}

static void switch_copy(struct replog_copy *copy)
{
    struct disk_record record = {.kind = RECORD_SNAP,
                                 .shard = copy->shard,
                                 .epoch = written_at(&copy->incoming, copy->incoming_seq)->epoch,
                                 .seq = copy->incoming_seq,
                                 .promised = replog_state(copy->replica).promised,
                                 .control = copy->incoming_control};
    written_copy(&record.content, &copy->incoming, copy->incoming_seq);
    copy->switching = true;
    copy->switch_lost = false;
    replog_disk_submit(copy->node, &record);
}

struct taken {
    struct replog_later later;
    struct replog_copy *copy;
};

static void take_next(struct replog_later *later)
{
    struct replog_copy *copy = LIST_ITEM(later, struct taken, later)->copy;
    if (copy->replica != NULL && copy->installing) {
        replog_install_taken(copy->replica);
    }
}

static void hook_install_chunk(void *user, struct pdr_bytes bytes, bool last)
{
    struct replog_copy *copy = user;
    const uint8_t *at = bytes.data;
    for (uint32_t i = 0; i < bytes.size / 16; i++) {
        written_put(&copy->incoming, copy->incoming.count + 1, get_le64(at + 16u * i), get_le64(at + 16u * i + 8));
    }
    if (last) {
        SIM_CHECK(&world_of(user)->sim, copy->incoming.count == copy->incoming_seq,
                  "a snapshot of %llu entries has %llu", (unsigned long long)copy->incoming_seq,
                  (unsigned long long)copy->incoming.count);
        copy->installing = false;
        if (!world_of(user)->sim.failed) {
            switch_copy(copy);
        }
        return;
    }
    struct taken *taken = mem_new(sizeof *taken);
    taken->later.arrive = take_next;
    taken->copy = copy;
    replog_later(world_of(user), &taken->later, copy->node, sim_delay(&world_of(user)->sim, 100 * NS_PER_US));
}

static void hook_install_stop(void *user)
{
    copy_of(user)->installing = false;
    world_of(user)->reached.replog_stopped++;
}

const struct replog_hooks replog_host_hooks = {.journal = hook_journal,
                                               .committed = hook_committed,
                                               .began = hook_began,
                                               .ready = hook_ready,
                                               .stepped_down = hook_stepped_down,
                                               .cut = hook_cut,
                                               .paused = hook_paused,
                                               .is_quiet = hook_is_quiet,
                                               .propose = hook_propose,
                                               .confirmed = hook_confirmed,
                                               .lost = hook_lost,
                                               .broken = hook_broken,
                                               .snapshot_open = hook_snapshot_open,
                                               .snapshot_read = hook_snapshot_read,
                                               .snapshot_close = hook_snapshot_close,
                                               .install_begin = hook_install_begin,
                                               .install_chunk = hook_install_chunk,
                                               .install_stop = hook_install_stop};

/* Time passes. */

/* R24: what is committed goes to the store, now or later; the store's memory to its disk later still. */
void replog_host_apply(struct replog_node *node)
{
    struct sim *sim = &node->world->sim;
    for (uint32_t i = 0; i < node->world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        if (copy->replica == NULL || copy->switching) {
            continue;
        }
        if (copy->committed > copy->applied) {
            copy->applied += sim_between(sim, 1, copy->committed - copy->applied);
            replog_applied(copy->replica, copy->applied);
        }
        if (sim_chance(sim, 20) && copy->applied > copy->flushed) {
            copy->flushed += sim_between(sim, 0, copy->applied - copy->flushed);
        }
        open_snapshots(copy);
    }
}

/* The journal has room again. */
void replog_host_space(struct replog_node *node)
{
    for (uint32_t i = 0; i < node->world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        if (copy->replica == NULL) {
            continue;
        }
        if (copy->control.rid != copy->rid) { /* its name comes before all else */
            replog_disk_submit(node, &(struct disk_record){.kind = RECORD_RID, .shard = i, .number = copy->rid});
        }
        if (copy->switch_lost) {
            switch_copy(copy);
        }
        replog_space(copy->replica);
    }
    replog_node_worked(node);
}
