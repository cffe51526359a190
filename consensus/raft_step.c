/* consensus/raft_step.c: events to libraft's core, and what it wants done.
 *
 * Of one update, in this order: term and vote, entries (what is behind their first is dropped), a snapshot: one batch
 * for the disk, and a flight, which tells the core when it is durable. Then messages become letters, which wait for the
 * batch if it has a promise in it. */
#include "core/base/check.h"
#include "core/base/mutation.h"

#include "consensus/raft_guard.h"
#include "consensus/raft_parts.h"

static struct raft_flight *newest_flight(struct raft_node *node)
{
    struct raft_flight *flight = mem_new(sizeof *flight);
    list_push_back(&node->flights, &flight->node);
    return flight;
}

/* Entries from `index` on are about to be replaced: that they were written is no news any more. */
static void forget_written(struct raft_node *node, uint64_t index)
{
    for (struct list *at = node->flights.next; at != &node->flights; at = at->next) {
        struct raft_flight *flight = LIST_ITEM(at, struct raft_flight, node);
        if (flight->last >= index && !MUTATION(95)) {
            flight->last = index > flight->first ? index - 1 : 0;
            flight->last_term = replica_log_term_of(node->log, flight->last);
        }
    }
}

static void carry_out_entries(struct raft_node *node, const struct raft_update *update)
{
    uint64_t index = update->entries.index;
    forget_written(node, index);
    for (unsigned i = 0; i < update->entries.n; i++) {
        const struct raft_entry *from = &update->entries.batch[i];
        struct raft_log_entry entry = {.term = from->term,
                                       .type = (enum raft_log_type)from->type,
                                       .bytes = pdr_bytes(from->buf.base, from->buf.len)};
        replica_log_append(node->log, index + i, &entry);
    }
    raft_free(update->entries.batch[0].batch); /* ours since the core asked for it to be written; all share it */
    struct raft_flight *flight = newest_flight(node);
    flight->first = index;
    flight->last = index + update->entries.n - 1;
    flight->last_term = replica_log_term_of(node->log, flight->last);
}

static void carry_out_snapshot(struct raft_node *node, const struct raft_update *update)
{
    const struct raft_snapshot_metadata *metadata = &update->snapshot.metadata;
    struct pdr_bytes state = pdr_bytes(update->snapshot.chunk.base, update->snapshot.chunk.len);
    struct raft_buffer conf;
    CHECK(raft_configuration_encode(&metadata->configuration, &conf) == 0);
    struct raft_log_snapshot snapshot = {.index = metadata->index,
                                         .term = metadata->term,
                                         .conf_index = metadata->configuration_index,
                                         .conf = pdr_bytes(conf.base, conf.len),
                                         .state = state};
    forget_written(node, 1);
    replica_log_install(node->log, &snapshot);
    raft_free(conf.base);
    raft_free(update->snapshot.chunk.base);
    struct raft_flight *flight = newest_flight(node);
    flight->installs = true;
    flight->metadata = *metadata;
    node->taking = false; /* a snapshot of our own is older */
}

/* As recvBumpCurrentTerm of the core does it, which has no event for it. */
static void begin_term(struct raft_node *node)
{
    struct raft *raft = &node->raft;
    raft->current_term++;
    raft->voted_for = raft->id;
    raft->follower_state.match = 0;
    replica_log_set_vote(node->log, raft->current_term, raft->voted_for);
    node->promise_seq = replica_log_flush(node->log);
}

static void carry_out(struct raft_node *node, const struct raft_update *update)
{
    bool promise = (update->flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) != 0;
    struct list *before = node->flights.prev;
    if (promise) {
        replica_log_set_vote(node->log, raft_current_term(&node->raft), raft_voted_for(&node->raft));
    }
    if (update->flags & (RAFT_UPDATE_ENTRIES)) {
        /* A change is a promise, too: it is durable where it was made, at a voter of it, before another server has it.
         * Else one that it removes may have it alone: it does not stand for election, and denies its vote to all
         * others. */
        promise = promise || (update->entries.batch[0].type == RAFT_CHANGE && node->leading != 0);
        carry_out_entries(node, update);
    }
    if (update->flags & (RAFT_UPDATE_SNAPSHOT)) {
        carry_out_snapshot(node, update);
    }
    uint64_t seq = replica_log_flush(node->log);
    for (struct list *at = before->next; at != &node->flights; at = at->next) {
        LIST_ITEM(at, struct raft_flight, node)->seq = seq;
    }
    if (promise) {
        node->promise_seq = seq;
    }
    if (update->flags & (RAFT_UPDATE_MESSAGES)) {
        for (unsigned i = 0; i < update->messages.n; i++) {
            node_send_message(node, &update->messages.batch[i]);
        }
    }
}

/* Of entries whose first is on its way to the disk none counts as stored: what the core believes of that, others are
 * told. */
static bool is_honest(const struct raft_node *node)
{
    for (const struct list *at = node->flights.next; at != &node->flights; at = at->next) {
        const struct raft_flight *flight = LIST_ITEM(at, const struct raft_flight, node);
        if (flight->last != 0 && node->raft.last_stored >= flight->first) {
            return false;
        }
    }
    return true;
}

/* The core's own record of the log, which is of terms alone, must agree with ours: a log that went wrong is known by
 * the step that did it. */
static void audit(struct raft_node *node)
{
    uint64_t last = replica_log_last(node->log);
    if (!is_honest(node)) {
        node_fail(node, "the core believes that entry %llu is stored, and it is not", node->raft.last_stored);
    }
    if (raft_last_index(&node->raft) != last || node->raft.last_stored > last ||
        (raft_commit_index(&node->raft) > last && !node->raft.snapshot.installing)) {
        node_fail(node,
                  "the core's log ends at entry %llu, of which %llu are stored and %llu committed, and ours at %llu",
                  raft_last_index(&node->raft), node->raft.last_stored, raft_commit_index(&node->raft),
                  (unsigned long long)last);
    }
}

void node_step(struct raft_node *node, struct raft_event *event)
{
    struct raft_update update;
    if (guard_alone(&node->raft, event)) {
        begin_term(node);
    }
    event->time = clock_now_ns(node->clock) / NS_PER_MS;
    event->capacity = 0;
    int error = raft_step(&node->raft, event, &update);
    if (error != 0) {
        node_fail(node, "the core gave up: %s",
                  error == RAFT_SHUTDOWN ? "a committed entry conflicts with a leader's" : raft_strerror(error));
        return;
    }
    carry_out(node, &update);
    audit(node);
    if (MUTATION(91)) {
        for (struct list *at = node->flights.next; at != &node->flights; at = at->next) {
            struct raft_flight *flight = LIST_ITEM(at, struct raft_flight, node);
            if (flight->last != 0 && guard_persisted(&node->raft, node->log, flight)) {
                struct raft_event early = {.type = RAFT_PERSISTED_ENTRIES, .persisted_entries.index = flight->last};
                flight->last = 0;
                node_step(node, &early);
                return;
            }
        }
    }
}

void node_submit(struct raft_node *node, const struct raft_log_entry *entries, uint32_t count)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += (entries[i].bytes.size + 7) & ~(size_t)7;
    }
    struct raft_entry *batch = mem_new(count * sizeof *batch);
    uint8_t *bytes = raft_malloc(size + 8);
    CHECK(bytes != NULL);
    uint8_t *at = bytes;
    for (uint32_t i = 0; i < count; i++) {
        batch[i] = (struct raft_entry){.term = raft_current_term(&node->raft),
                                       .type = (enum raft_entry_type)entries[i].type,
                                       .buf = {at, entries[i].bytes.size},
                                       .batch = bytes};
        if (entries[i].bytes.size > 0) {
            memcpy(at, entries[i].bytes.data, entries[i].bytes.size);
        }
        at += (entries[i].bytes.size + 7) & ~(size_t)7;
    }
    struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = batch, .n = count}};
    node_step(node, &event);
    mem_free(batch);
}

/* Durable. */

static void written(struct raft_node *node, const struct raft_flight *flight)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES, .persisted_entries.index = flight->last};
    if (guard_persisted(&node->raft, node->log, flight) ||
        (MUTATION(95) && flight->last > node->raft.last_stored && !node->raft.snapshot.installing &&
         node->raft.state != RAFT_CANDIDATE)) {
        node_step(node, &event);
    }
}

static void installed(struct raft_node *node, struct raft_flight *flight)
{
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT,
                               .persisted_snapshot = {.metadata = flight->metadata, .last = true}};
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(node->log);
    flight->installs = false; /* the configuration is the core's */
    node_step(node, &event);
    if (!node->hooks.restore(node->hooks.user, snapshot->index, snapshot->state)) {
        node_fail(node, "the snapshot of entry %llu, from another server, cannot be read",
                  (unsigned long long)snapshot->index);
        return;
    }
    node->applied = snapshot->index;
}

static void taken(struct raft_node *node, struct raft_flight *flight)
{
    struct raft_event event = {
        .type = RAFT_SNAPSHOT,
        .snapshot = {.metadata = flight->metadata, .trailing = node->settings.snapshot_trailing}};
    flight->takes = false;
    if (!node->taking || node->raft.snapshot.installing) {
        raft_configuration_close(&flight->metadata.configuration); /* one that was installed has taken its place */
        return;
    }
    node->taking = false;
    replica_log_snapshot_done(node->log);
    node_step(node, &event);
}

void node_durable(void *user, uint64_t seq)
{
    struct raft_node *node = user;
    CHECK(!node->running);
    node->running = true;
    node->durable_seq = seq;
    while (!node->failed && !list_empty(&node->flights)) {
        struct raft_flight *flight = LIST_ITEM(node->flights.next, struct raft_flight, node);
        if (flight->seq > seq) {
            break;
        }
        list_remove(&flight->node);
        if (flight->last != 0) {
            written(node, flight);
        }
        if (flight->installs) {
            installed(node, flight);
        } else if (flight->takes) {
            taken(node, flight);
        }
        mem_free(flight);
    }
    node->running = false;
    if (!node->failed) {
        node_send_held(node);
        node_settle(node);
    }
}

/* Snapshots of our own. */

static void copy_configuration(const struct raft_configuration *from, struct raft_configuration *to)
{
    raft_configuration_init(to);
    for (unsigned i = 0; i < from->n; i++) {
        CHECK(raft_configuration_add(to, from->servers[i].id, from->servers[i].address, from->servers[i].role) == 0);
    }
}

void node_consider_snapshot(struct raft_node *node)
{
    struct raft *raft = &node->raft;
    if (node->taking || node->applied < replica_log_snapshot(node->log)->index + node->settings.snapshot_threshold ||
        !guard_snapshot(raft, node->log, node->applied)) {
        return;
    }
    struct raft_bytes state = {0};
    struct raft_buffer conf;
    bool open = MUTATION(97) && raft->configuration_uncommitted_index != 0;
    const struct raft_configuration *configuration = open ? &raft->configuration : &raft->configuration_committed;
    node->hooks.snapshot(node->hooks.user, &state);
    CHECK(raft_configuration_encode(configuration, &conf) == 0);
    struct raft_log_snapshot snapshot = {.index = node->applied,
                                         .term = replica_log_term_of(node->log, node->applied),
                                         .conf_index = open ? raft->configuration_uncommitted_index
                                                            : raft->configuration_committed_index,
                                         .conf = pdr_bytes(conf.base, conf.len),
                                         .state = raft_bytes_slice(&state)};
    replica_log_take(node->log, &snapshot, node->settings.snapshot_trailing);
    struct raft_flight *flight = newest_flight(node);
    flight->takes = node->taking = true;
    flight->metadata.index = snapshot.index;
    flight->metadata.term = snapshot.term;
    flight->metadata.configuration_index = snapshot.conf_index;
    copy_configuration(configuration, &flight->metadata.configuration);
    flight->seq = replica_log_flush(node->log);
    raft_free(conf.base);
    raft_bytes_release(&state);
}
