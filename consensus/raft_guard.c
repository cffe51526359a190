/* consensus/raft_guard.c: one function a guard. Each is asked in one place. */
#include "consensus/raft_guard.h"

#include "core/base/mutation.h"

enum guard_order guard_order(struct raft_peer *peer, uint64_t our_life, const struct raft_letter *letter)
{
    bool answers = letter->kind == RAFT_LETTER_RESULT || letter->kind == RAFT_LETTER_VOTE_RESULT;
    if (MUTATION(94)) {
        peer->life = letter->from_life;
        return letter->kind == RAFT_LETTER_HELLO ? GUARD_DROP : GUARD_TAKE;
    }
    if (letter->from_life < peer->life || (letter->from_life == peer->life && letter->number <= peer->received)) {
        return GUARD_DROP;
    }
    peer->life = letter->from_life;
    peer->received = letter->number;
    if (letter->kind == RAFT_LETTER_HELLO || (answers && letter->to_life != our_life)) {
        return GUARD_DROP;
    }
    return letter->to_life == our_life || letter->to_life == 0 ? GUARD_TAKE : GUARD_HELLO;
}

bool guard_candidate(const struct raft *raft, const struct raft_letter *letter)
{
    bool granted = (letter->vote.flags & RAFT_LETTER_GRANTED) != 0;
    return raft->state == RAFT_CANDIDATE && !(granted && letter->term > raft->current_term + 1);
}

bool guard_one_leader(const struct raft *raft, const struct raft_letter *letter)
{
    return raft->state != RAFT_LEADER || letter->term != raft->current_term;
}

bool guard_rejection(const struct raft *raft, const struct raft_letter *letter)
{
    raft_index match = 0;
    uint64_t rejected = letter->result.rejected, last = letter->result.last_index;
    if (MUTATION(94) || rejected == 0 || raft_match_index(raft, letter->from, &match) != 0) {
        return true;
    }
    return (rejected < last + 1 ? rejected : last + 1) > match;
}

void guard_snapshot_start(const struct replica_log *log, struct raft_letter *letter)
{
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(log);
    struct raft_log_entry entry;
    if (MUTATION(93) || letter->append.prev_index >= snapshot->index) {
        return;
    }
    while (letter->append.prev_index < snapshot->index && raft_wire_next_entry(&letter->append.entries, &entry)) {
        letter->append.prev_index++;
        letter->append.count--;
    }
    letter->append.prev_index = snapshot->index;
    letter->append.prev_term = snapshot->term;
}

uint32_t guard_change_first(struct pdr_bytes entries, uint32_t count)
{
    struct raft_log_entry entry;
    for (uint32_t i = 0; i < count && raft_wire_next_entry(&entries, &entry); i++) {
        if (i > 0 && entry.type == RAFT_LOG_CHANGE && !MUTATION(92)) {
            return i;
        }
    }
    return count;
}

static struct raft_server *ourselves(struct raft *raft)
{
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        if (raft->configuration.servers[i].id == raft->id) {
            return &raft->configuration.servers[i];
        }
    }
    return NULL;
}

int guard_vote_begin(struct raft *raft, bool silent)
{
    struct raft_server *server = ourselves(raft);
    if (server == NULL || server->role == RAFT_VOTER || raft->state != RAFT_FOLLOWER) {
        return RAFT_VOTER;
    }
    if (silent) {
        raft_free(raft->follower_state.current_leader.address);
        raft->follower_state.current_leader.address = NULL;
        raft->follower_state.current_leader.id = 0;
    }
    int role = server->role;
    server->role = RAFT_VOTER;
    return role;
}

void guard_vote_end(struct raft *raft, int role)
{
    struct raft_server *server = ourselves(raft);
    if (server != NULL) {
        server->role = role == RAFT_VOTER ? server->role : role;
    }
}

bool guard_alone(const struct raft *raft, const struct raft_event *event)
{
    bool elects = event->type == RAFT_TIMEOUT ||
                  (event->type == RAFT_RECEIVE && event->receive.message->type == RAFT_TIMEOUT_NOW);
    bool alone = false;
    for (unsigned i = 0; i < raft->configuration.n; i++) {
        const struct raft_server *server = &raft->configuration.servers[i];
        if (server->role == RAFT_VOTER && server->id != raft->id) {
            return false;
        }
        alone = alone || server->role == RAFT_VOTER;
    }
    return elects && alone && raft->state == RAFT_FOLLOWER;
}

bool guard_persisted(const struct raft *raft, const struct replica_log *log, const struct raft_flight *flight)
{
    return flight->last > raft->last_stored && !raft->snapshot.installing && raft->state != RAFT_CANDIDATE &&
           replica_log_term_of(log, flight->last) == flight->last_term;
}

bool guard_snapshot(const struct raft *raft, const struct replica_log *log, uint64_t applied)
{
    return applied > replica_log_snapshot(log)->index && applied <= raft->last_stored && !raft->snapshot.installing &&
           (raft->configuration_uncommitted_index == 0 || MUTATION(97)) && replica_log_entry(log, applied) != NULL;
}

bool guard_install(const struct raft *raft, const struct replica_log *log, uint64_t applied,
                   const struct raft_letter *letter)
{
    uint64_t index = letter->snapshot.index, term = replica_log_term_of(log, index);
    return !raft->snapshot.installing &&
           (index > applied || index <= replica_log_snapshot(log)->index || term == letter->snapshot.index_term);
}
