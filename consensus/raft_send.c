/* consensus/raft_send.c: the core's messages become letters, filled from our log.
 *
 * What a server says binds it, so no letter leaves before the term, the vote and the life it was written under are
 * durable. Letters wait in order: raft_held. */
#include <stdlib.h>

#include "consensus/raft_parts.h"
#include "core/base/check.h"
#include "core/base/mutation.h"

#define RESEND_NS (100 * NS_PER_MS)
#define RESEND_NS_MAX (800 * NS_PER_MS)

static bool is_member(const struct raft_node *node, uint64_t id)
{
    for (unsigned i = 0; i < node->raft.configuration.n; i++) {
        if (node->raft.configuration.servers[i].id == id) {
            return true;
        }
    }
    return false;
}

struct raft_peer *node_peer(struct raft_node *node, uint64_t id)
{
    for (uint32_t i = 0; i < node->peer_count; i++) {
        if (node->peers[i].id == id) {
            return &node->peers[i];
        }
    }
    if (node->peer_count < RAFT_SERVERS_MAX) {
        node->peers[node->peer_count] = (struct raft_peer){.id = id};
        return &node->peers[node->peer_count++];
    }
    for (uint32_t i = 0; i < node->peer_count; i++) {
        if (!is_member(node, node->peers[i].id) && is_member(node, id)) { /* long gone */
            node->peers[i] = (struct raft_peer){.id = id};
            return &node->peers[i];
        }
    }
    return NULL;
}

static bool must_wait(const struct raft_node *node, uint64_t seq)
{
    return seq > node->durable_seq && !MUTATION(90);
}

static void held_free(struct raft_held *held)
{
    raft_bytes_release(&held->bytes);
    mem_free(held);
}

void node_send_held(struct raft_node *node)
{
    while (!list_empty(&node->held)) {
        struct raft_held *held = LIST_ITEM(node->held.next, struct raft_held, node);
        if (must_wait(node, held->seq)) {
            return;
        }
        list_remove(&held->node);
        node->hooks.send(node->hooks.user, held->to, raft_bytes_slice(&held->bytes));
        held_free(held);
    }
}

void node_send_letter(struct raft_node *node, struct raft_letter *letter)
{
    struct raft_peer *peer = node_peer(node, letter->to);
    if (peer == NULL || letter->to == node->id) {
        return;
    }
    letter->from = node->id;
    letter->from_life = replica_log_life(node->log);
    letter->to_life = peer->life;
    letter->number = ++peer->sent;
    struct raft_held *held = mem_new(sizeof *held);
    held->seq = node->promise_seq;
    held->to = letter->to;
    raft_wire_write(&held->bytes, letter);
    list_push_back(&node->held, &held->node);
    node_send_held(node);
}

/* With each heartbeat the core sends all that was not acknowledged once more. Over a slow way that would fill it, so
 * that nothing came through in time: the same entries go again after a while that doubles, and until then only the
 * heartbeat. */
static bool is_resent_early(struct raft_node *node, struct raft_peer *peer, const struct raft_append_entries *append)
{
    uint64_t end = append->prev_log_index + append->n_entries;
    bool is_same = peer->append_term == append->term && peer->append_prev == append->prev_log_index &&
                   end <= peer->append_end;
    if (is_same && node->ticked_ns - peer->append_ns < peer->append_wait_ns) {
        return true;
    }
    bool is_longer = is_same && peer->append_wait_ns < RESEND_NS_MAX;
    peer->append_wait_ns = !is_same ? RESEND_NS : is_longer ? 2 * peer->append_wait_ns : peer->append_wait_ns;
    peer->append_term = append->term;
    peer->append_prev = append->prev_log_index;
    peer->append_end = end;
    peer->append_ns = node->ticked_ns;
    return false;
}

/* A range of our log, in letters of a size that peers take. */
static void send_append(struct raft_node *node, const struct raft_message *message)
{
    const struct raft_append_entries *append = &message->append_entries;
    uint64_t prev = append->prev_log_index, prev_term = append->prev_log_term;
    uint64_t end = prev + append->n_entries;
    struct raft_peer *peer = node_peer(node, message->server_id);
    if (peer != NULL && append->n_entries > 0 && is_resent_early(node, peer, append)) {
        end = prev;
    }
    if (raft_node_match(node, message->server_id) > prev) { /* the core asserts it, in builds we do not have */
        node_fail(node, "the core knows that server %llu has entry %llu, and would send it what is behind entry %llu",
                  message->server_id, (unsigned long long)raft_node_match(node, message->server_id),
                  (unsigned long long)prev);
        return;
    }
    do {
        struct raft_letter letter = {.kind = RAFT_LETTER_APPEND, .to = message->server_id, .term = append->term};
        struct raft_bytes entries = {0};
        letter.append.prev_index = prev;
        letter.append.prev_term = prev_term;
        letter.append.commit = append->leader_commit;
        while (prev < end && letter.append.count < RAFT_LETTER_ENTRIES_MAX) {
            const struct raft_log_entry *entry = replica_log_entry(node->log, prev + 1);
            CHECK(entry != NULL);
            if (entries.size > 0 && entries.size + entry->bytes.size > RAFT_LETTER_BATCH_MAX) {
                break;
            }
            raft_wire_write_entry(&entries, entry);
            letter.append.count++;
            prev++;
            prev_term = entry->term;
        }
        letter.append.entries = raft_bytes_slice(&entries);
        node_send_letter(node, &letter);
        raft_bytes_release(&entries);
    } while (prev < end);
}

/* The newest snapshot we have: it may be newer than the one the core had in mind, and serves as well. */
static void send_snapshot(struct raft_node *node, const struct raft_message *message)
{
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(node->log);
    CHECK(snapshot->index >= message->install_snapshot.last_index);
    const uint8_t *bytes = snapshot->conf.data; /* the state lies behind it */
    size_t total = snapshot->conf.size + snapshot->state.size;
    for (size_t at = 0; at < total; at += RAFT_LETTER_PART_MAX) {
        struct raft_letter letter = {
            .kind = RAFT_LETTER_SNAPSHOT, .to = message->server_id, .term = message->install_snapshot.term};
        letter.snapshot.index = snapshot->index;
        letter.snapshot.index_term = snapshot->term;
        letter.snapshot.conf_index = snapshot->conf_index;
        letter.snapshot.conf_size = (uint32_t)snapshot->conf.size;
        letter.snapshot.total = (uint32_t)total;
        letter.snapshot.offset = (uint32_t)at;
        letter.snapshot.part =
            pdr_bytes(bytes + at, total - at < RAFT_LETTER_PART_MAX ? total - at : RAFT_LETTER_PART_MAX);
        node_send_letter(node, &letter);
    }
}

static void send_vote(struct raft_node *node, const struct raft_message *message)
{
    struct raft_letter letter = {.kind = RAFT_LETTER_VOTE, .to = message->server_id};
    const struct raft_request_vote *vote = &message->request_vote;
    letter.term = vote->term;
    letter.vote.last_index = vote->last_log_index;
    letter.vote.last_term = vote->last_log_term;
    letter.vote.flags =
        (uint8_t)((vote->pre_vote ? RAFT_LETTER_PRE_VOTE : 0) | (vote->disrupt_leader ? RAFT_LETTER_DISRUPT : 0));
    node_send_letter(node, &letter);
}

/* Who is asked for a pre-vote under a term below its own answers with the term of the question, so that the asker never
 * learns of the newer one, and asks in vain for ever. A denial says it; the core takes it up from there. */
static void send_vote_result(struct raft_node *node, const struct raft_message *message)
{
    const struct raft_request_vote_result *result = &message->request_vote_result;
    struct raft_letter letter = {.kind = RAFT_LETTER_VOTE_RESULT, .to = message->server_id, .term = result->term};
    if (result->pre_vote && !result->vote_granted && raft_current_term(&node->raft) > letter.term) {
        letter.term = raft_current_term(&node->raft);
    }
    letter.vote.flags =
        (uint8_t)((result->pre_vote ? RAFT_LETTER_PRE_VOTE : 0) | (result->vote_granted ? RAFT_LETTER_GRANTED : 0));
    node_send_letter(node, &letter);
}

void node_send_message(struct raft_node *node, const struct raft_message *message)
{
    struct raft_letter letter = {.to = message->server_id};
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        send_append(node, message);
        return;
    case RAFT_INSTALL_SNAPSHOT:
        send_snapshot(node, message);
        return;
    case RAFT_REQUEST_VOTE:
        send_vote(node, message);
        return;
    case RAFT_REQUEST_VOTE_RESULT:
        send_vote_result(node, message);
        return;
    case RAFT_APPEND_ENTRIES_RESULT:
        letter.kind = RAFT_LETTER_RESULT;
        letter.term = message->append_entries_result.term;
        letter.result.rejected = message->append_entries_result.rejected;
        letter.result.last_index = message->append_entries_result.last_log_index;
        break;
    default: /* RAFT_TIMEOUT_NOW */
        letter.kind = RAFT_LETTER_TIMEOUT_NOW;
        letter.term = message->timeout_now.term;
        letter.vote.last_index = message->timeout_now.last_log_index;
        letter.vote.last_term = message->timeout_now.last_log_term;
    }
    node_send_letter(node, &letter);
}
