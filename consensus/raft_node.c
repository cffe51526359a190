/* consensus/raft_node.c: start and end of a server, proposals and reads, and what follows from each event. */
#include "consensus/raft_node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/raft_guard.h"
#include "consensus/raft_parts.h"
#include "core/base/check.h"
#include "core/base/log.h"

#define SUBMIT_COUNT_MAX 256u
#define SUBMIT_BYTES_MAX (1u << 20)
#define UNCOMMITTED_MAX 512u /* entries: those who are late must be able to catch up */
#define WRITES_MAX 4u        /* of entries: what is proposed meanwhile goes along with the next */

void node_fail(struct raft_node *node, const char *format, ...)
{
    va_list arguments;
    if (node->failed) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(node->why, sizeof node->why, format, arguments);
    va_end(arguments);
    node->failed = true;
    LOG_ERROR("raft.failed", "%s", node->why);
    node->hooks.failed(node->hooks.user, node->why);
}

/* Wishes. */

struct raft_wish *wish_new(struct pdr_bytes command, raft_answered answered, void *user)
{
    struct raft_wish *wish = mem_new(sizeof *wish + command.size);
    wish->answered = answered;
    wish->user = user;
    if (command.size > 0) {
        memcpy(wish->bytes, command.data, command.size);
    }
    wish->command = pdr_bytes(wish->bytes, command.size);
    list_init(&wish->node);
    return wish;
}

static uint64_t leader_of(const struct raft_node *node)
{
    const struct raft *raft = &node->raft;
    return raft->state == RAFT_LEADER     ? (uint64_t)raft->id
           : raft->state == RAFT_FOLLOWER ? (uint64_t)raft->follower_state.current_leader.id
                                          : 0;
}

static void answer(struct raft_node *node, struct raft_wish *wish, enum raft_outcome outcome)
{
    uint64_t leader = leader_of(node);
    struct raft_answer answer = {outcome, wish->index, leader == node->id ? 0 : leader};
    list_remove(&wish->node);
    wish->answered(wish->user, answer);
    mem_free(wish);
}

static void answer_all(struct raft_node *node, struct list *wishes, enum raft_outcome outcome)
{
    struct list these;
    list_init(&these);
    list_splice(&these, wishes); /* whoever is answered may wish again */
    while (!list_empty(&these)) {
        answer(node, LIST_ITEM(these.next, struct raft_wish, node), outcome);
    }
}

/* What was appended under a term that we lead no longer may be committed by the next leader, or be lost. */
static void resign(struct raft_node *node)
{
    node->leading = 0;
    node->ready = node->wants_barrier = false;
    node->wishes = 0;
    node->read_index = 0;
    answer_all(node, &node->submitted, RAFT_UNKNOWN);
    answer_all(node, &node->proposals, RAFT_NOT_LEADER);
    answer_all(node, &node->reading, RAFT_NOT_LEADER);
    answer_all(node, &node->reads, RAFT_NOT_LEADER);
    if (node->changing != NULL) {
        struct raft_wish *wish = node->changing;
        node->changing = NULL;
        enum raft_outcome outcome = node->change.base != NULL ? RAFT_NOT_LEADER : RAFT_UNKNOWN;
        raft_free(node->change.base);
        node->change.base = NULL;
        answer(node, wish, outcome);
    }
}

static void note_role(struct raft_node *node)
{
    bool leads = node->raft.state == RAFT_LEADER;
    uint64_t term = raft_current_term(&node->raft);
    if (node->leading != 0 && (!leads || term != node->leading)) {
        resign(node);
    }
    if (leads && node->leading == 0) {
        node->leading = term;
        node->wants_barrier = true;
    }
}

/* Applying. */

static void apply_change(struct raft_node *node, uint64_t index, const struct raft_log_entry *entry)
{
    struct raft_buffer encoded = {(void *)(uintptr_t)entry->bytes.data, entry->bytes.size};
    struct raft_event event = {.type = RAFT_CONFIGURATION, .configuration = {.index = index}};
    CHECK(raft_configuration_decode(&encoded, &event.configuration.conf) == 0);
    if (node->changing != NULL && node->changing->index == index) {
        struct raft_wish *wish = node->changing;
        node->changing = NULL;
        node_step(node, &event); /* it may have removed us */
        answer(node, wish, RAFT_COMMITTED);
        return;
    }
    node_step(node, &event);
}

static void apply_command(struct raft_node *node, uint64_t index, const struct raft_log_entry *entry)
{
    node->hooks.apply(node->hooks.user, index, entry->term, entry->bytes);
    if (!list_empty(&node->submitted)) {
        struct raft_wish *wish = LIST_ITEM(node->submitted.next, struct raft_wish, node);
        if (wish->index == index) {
            CHECK(wish->term == entry->term);
            node->wishes--;
            answer(node, wish, RAFT_COMMITTED);
        }
    }
}

/* One entry. False: there is none, or not yet: while a snapshot is being installed its entries are not here. */
static bool apply_next(struct raft_node *node)
{
    uint64_t index = node->applied + 1;
    if (node->failed || node->raft.snapshot.installing || index > raft_commit_index(&node->raft)) {
        return false;
    }
    const struct raft_log_entry *entry = replica_log_entry(node->log, index);
    CHECK(entry != NULL);
    bool ours = node->leading != 0 && entry->term == node->leading;
    node->applied = index;
    if (entry->type == RAFT_LOG_COMMAND) {
        apply_command(node, index, entry);
    } else if (entry->type == RAFT_LOG_CHANGE) {
        apply_change(node, index, entry);
    }
    node->ready = node->ready || (ours && node->leading != 0);
    if (node->read_index == index && node->leading != 0) {
        node->read_index = 0;
        answer_all(node, &node->reading, RAFT_COMMITTED);
    }
    return true;
}

/* Leading. */

static uint64_t submit_one(struct raft_node *node, enum raft_log_type type, struct pdr_bytes bytes)
{
    struct raft_log_entry entry = {.type = type, .bytes = bytes};
    uint64_t index = replica_log_last(node->log) + 1;
    node_submit(node, &entry, 1);
    return index;
}

static uint32_t writes_under_way(const struct raft_node *node)
{
    uint32_t count = 0;
    for (struct list *at = node->flights.next; at != &node->flights; at = at->next) {
        count += LIST_ITEM(at, struct raft_flight, node)->last != 0;
    }
    return count;
}

static bool submit_proposals(struct raft_node *node)
{
    struct raft_log_entry entries[SUBMIT_COUNT_MAX];
    uint64_t index = replica_log_last(node->log);
    uint32_t count = 0;
    size_t bytes = 0;
    if (list_empty(&node->proposals) || writes_under_way(node) >= WRITES_MAX ||
        index - raft_commit_index(&node->raft) >= UNCOMMITTED_MAX) {
        return false;
    }
    while (!list_empty(&node->proposals) && count < SUBMIT_COUNT_MAX) {
        struct raft_wish *wish = LIST_ITEM(node->proposals.next, struct raft_wish, node);
        if (count > 0 && bytes + wish->command.size > SUBMIT_BYTES_MAX) {
            break;
        }
        bytes += wish->command.size;
        entries[count++] = (struct raft_log_entry){.type = RAFT_LOG_COMMAND, .bytes = wish->command};
        wish->index = index + count;
        wish->term = node->leading;
        list_remove(&wish->node);
        list_push_back(&node->submitted, &wish->node);
    }
    node_submit(node, entries, count);
    return true;
}

static void submit_change(struct raft_node *node)
{
    struct raft_buffer change = node->change;
    node->change.base = NULL;
    node->changing->index = replica_log_last(node->log) + 1;
    node->changing->term = node->leading;
    submit_one(node, RAFT_LOG_CHANGE, pdr_bytes(change.base, change.len));
    raft_free(change.base);
}

static bool lead(struct raft_node *node)
{
    static const uint64_t nothing = 0;
    if (node->failed || node->leading == 0) {
        return false;
    }
    if (node->wants_barrier) {
        node->wants_barrier = false;
        submit_one(node, RAFT_LOG_BARRIER, pdr_bytes(&nothing, sizeof nothing));
        return true;
    }
    if (!node->ready || raft_transferee(&node->raft) != 0) {
        return false; /* whoever takes over has to have everything */
    }
    if (node->change.base != NULL && node->raft.configuration_uncommitted_index == 0) {
        submit_change(node);
        return true;
    }
    if (!list_empty(&node->reads) && node->read_index == 0) {
        list_splice(&node->reading, &node->reads);
        node->read_index = replica_log_last(node->log) + 1;
        submit_one(node, RAFT_LOG_BARRIER, pdr_bytes(&nothing, sizeof nothing));
        return true;
    }
    return submit_proposals(node);
}

void node_settle(struct raft_node *node)
{
    bool outer = !node->running;
    if (node->failed) {
        return;
    }
    node->running = true;
    note_role(node);
    while (apply_next(node) || lead(node)) {
        note_role(node);
        node_consider_snapshot(node);
    }
    if (outer) {
        node->running = false;
    }
    struct raft_node_state state = raft_node_state(node), *told = &node->told;
    if (!node->failed && outer &&
        (state.leader != told->leader || state.ready != told->ready || state.term != told->term ||
         state.leader_id != told->leader_id || state.candidate != told->candidate)) {
        node->told = state;
        node->hooks.changed(node->hooks.user);
    }
}

/* From outside. */

enum pdr_status raft_node_receive(struct raft_node *node, struct pdr_bytes letter, const char **why)
{
    struct raft_letter read;
    struct raft_wire_reader self = {node->id, raft_current_term(&node->raft)};
    CHECK(!node->running);
    *why = "";
    if (node->failed) {
        return PDR_OK;
    }
    enum pdr_status status = raft_wire_read(&self, letter, &read, why);
    if (status == PDR_OK) {
        node->running = true;
        node_receive(node, &read);
        node->running = false;
        node_settle(node);
    }
    return status;
}

uint64_t raft_node_due_ns(const struct raft_node *node)
{
    /* The core's time may lie in the past for good: it counts a spare that was a standby among those to send to. */
    uint64_t due = raft_timeout(&node->raft) * NS_PER_MS,
             again = node->ticked_ns + node->settings.heartbeat_ms * NS_PER_MS / 4;
    return node->failed ? UINT64_MAX : due > again ? due : again;
}

void raft_node_tick(struct raft_node *node)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};
    CHECK(!node->running);
    if (!node->failed && clock_now_ns(node->clock) >= raft_node_due_ns(node)) {
        node->ticked_ns = clock_now_ns(node->clock);
        node_step(node, &event);
        node_settle(node);
    }
}

void raft_node_propose(struct raft_node *node, struct pdr_bytes command, raft_answered answered, void *user)
{
    CHECK(command.size > 0 && command.size <= RAFT_COMMAND_SIZE_MAX);
    struct raft_wish *wish = wish_new(command, answered, user);
    if (node->leading == 0 || node->failed) {
        answer(node, wish, RAFT_NOT_LEADER);
        return;
    }
    if (node->wishes >= RAFT_PROPOSALS_MAX || node->disk->ops->is_full(node->disk)) {
        answer(node, wish, RAFT_REFUSED);
        return;
    }
    node->wishes++;
    list_push_back(&node->proposals, &wish->node);
    if (!node->running) {
        node_settle(node);
    }
}

void raft_node_read(struct raft_node *node, raft_answered answered, void *user)
{
    struct raft_wish *wish = wish_new(pdr_bytes(NULL, 0), answered, user);
    if (node->leading == 0 || node->failed) {
        answer(node, wish, RAFT_NOT_LEADER);
        return;
    }
    list_push_back(&node->reads, &wish->node);
    if (!node->running) {
        node_settle(node);
    }
}

struct raft_node_state raft_node_state(const struct raft_node *node)
{
    const struct raft *raft = &node->raft;
    struct raft_node_state state = {.leader = raft->state == RAFT_LEADER,
                                    .ready = node->ready,
                                    .candidate = raft->state == RAFT_CANDIDATE,
                                    .failed = node->failed,
                                    .full = node->disk->ops->is_full(node->disk),
                                    .term = raft->current_term,
                                    .leader_id = leader_of(node),
                                    .last_index = replica_log_last(node->log),
                                    .stored_index = raft->last_stored,
                                    .commit_index = raft->commit_index,
                                    .applied_index = node->applied,
                                    .snapshot_index = replica_log_snapshot(node->log)->index,
                                    .life = replica_log_life(node->log),
                                    .changing = raft->configuration_uncommitted_index != 0 || node->changing != NULL};
    return state;
}
