/* consensus/raft_receive.c: letters become events, past the guards. Each kind in one function, in the order of
 * enum raft_letter_kind; the wire has seen to it that a letter is well formed (raft_wire.h). */
#include "consensus/raft_guard.h"
#include "consensus/raft_parts.h"
#include "core/base/check.h"

/* What the core does with an address is to compare it; ours are ids (raft_parts.h). */
static const char no_address[] = "";

static void step_message(struct raft_node *node, const struct raft_letter *letter, struct raft_message *message)
{
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = message}};
    message->server_id = letter->from;
    message->server_address = no_address;
    node_step(node, &event);
}

/* The core would answer an old leader with an index it never set. */
static void answer_old_leader(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_letter answer = {.kind = RAFT_LETTER_RESULT,
                                 .to = letter->from,
                                 .term = raft_current_term(&node->raft),
                                 .result = {.rejected = 1}};
    node_send_letter(node, &answer);
}

/* The first `count` entries; the core frees their bytes, or we do when they are written. */
static void append_some(struct raft_node *node, const struct raft_letter *letter, uint32_t count)
{
    struct raft_entry *entries = mem_new((count + 1) * sizeof *entries);
    struct pdr_bytes rest = letter->append.entries;
    struct raft_log_entry entry;
    uint8_t *batch = count == 0 ? NULL : raft_malloc(rest.size + 8), *at = batch;
    CHECK(count == 0 || batch != NULL);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(raft_wire_next_entry(&rest, &entry));
        entries[i] = (struct raft_entry){.term = entry.term,
                                         .type = (enum raft_entry_type)entry.type,
                                         .buf = {at, entry.bytes.size},
                                         .batch = batch};
        if (entry.bytes.size > 0) {
            memcpy(at, entry.bytes.data, entry.bytes.size);
        }
        at += entry.bytes.size;
    }
    uint64_t last = letter->append.prev_index + count;
    struct raft_message message = {
        .type = RAFT_APPEND_ENTRIES,
        .append_entries = {.term = letter->term,
                           .prev_log_index = letter->append.prev_index,
                           .prev_log_term = letter->append.prev_term,
                           .leader_commit = letter->append.commit < last ? letter->append.commit : last,
                           .entries = entries,
                           .n_entries = count}};
    step_message(node, letter, &message);
    mem_free(entries);
}

static void receive_append(struct raft_node *node, const struct raft_letter *whole)
{
    struct raft_letter letter = *whole;
    if (letter.term < raft_current_term(&node->raft)) {
        answer_old_leader(node, &letter);
        return;
    }
    if (!guard_one_leader(&node->raft, &letter)) {
        return;
    }
    node->heard_ns = clock_now_ns(node->clock);
    guard_snapshot_start(node->log, &letter);
    do {
        struct raft_log_entry entry;
        uint32_t count = guard_change_first(letter.append.entries, letter.append.count);
        append_some(node, &letter, count);
        for (uint32_t i = 0; i < count && raft_wire_next_entry(&letter.append.entries, &entry); i++) {
            letter.append.prev_term = entry.term;
        }
        letter.append.prev_index += count;
        letter.append.count -= count;
        node_settle(node); /* a change that is committed is applied before the next one comes */
    } while (letter.append.count > 0 && !node->failed && letter.term == raft_current_term(&node->raft));
}

static void receive_result(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES_RESULT,
                                   .append_entries_result = {.version = 2,
                                                             .term = letter->term,
                                                             .rejected = letter->result.rejected,
                                                             .last_log_index = letter->result.last_index}};
    if (letter->term != raft_current_term(&node->raft) || guard_rejection(&node->raft, letter)) {
        step_message(node, letter, &message);
    }
}

/* A server that asks for pre-votes under a term above ours is ahead of us, and its own pre-votes do not tell us: if we
 * asked it, it would deny us for ever. The two could not elect one of them while a third is down. So we take over its
 * term, with a request that cannot get our vote. */
static void catch_up_term(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE,
        .request_vote = {.version = 2, .term = letter->term - 1, .candidate_id = letter->from}};
    if (letter->term - 1 > raft_current_term(&node->raft) && replica_log_last(node->log) > 0) {
        step_message(node, letter, &message);
    }
}

static void receive_vote(struct raft_node *node, const struct raft_letter *letter)
{
    bool pre_vote = (letter->vote.flags & RAFT_LETTER_PRE_VOTE) != 0;
    struct raft_message message = {.type = RAFT_REQUEST_VOTE,
                                   .request_vote = {.version = 2,
                                                    .term = letter->term,
                                                    .candidate_id = letter->from,
                                                    .last_log_index = letter->vote.last_index,
                                                    .last_log_term = letter->vote.last_term,
                                                    .disrupt_leader = (letter->vote.flags & RAFT_LETTER_DISRUPT) != 0,
                                                    .pre_vote = pre_vote}};
    if (pre_vote) {
        catch_up_term(node, letter);
    }
    uint64_t silence_ns = clock_now_ns(node->clock) - node->heard_ns;
    int role = guard_vote_begin(&node->raft, silence_ns >= node->settings.election_ms * NS_PER_MS);
    step_message(node, letter, &message);
    guard_vote_end(&node->raft, role);
}

static void receive_vote_result(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_message message = {
        .type = RAFT_REQUEST_VOTE_RESULT,
        .request_vote_result = {.version = 2,
                                .term = letter->term,
                                .vote_granted = (letter->vote.flags & RAFT_LETTER_GRANTED) != 0,
                                .pre_vote = (letter->vote.flags & RAFT_LETTER_PRE_VOTE) != 0}};
    if (guard_candidate(&node->raft, letter)) {
        step_message(node, letter, &message);
    }
}

/* Parts come in order or not at all, for the link keeps it (guard_order). True: it is whole. */
static bool assemble(struct raft_assembly *assembly, const struct raft_letter *letter)
{
    if (letter->snapshot.offset == 0) {
        raft_bytes_release(&assembly->bytes);
        *assembly = (struct raft_assembly){.from = letter->from, .index = letter->snapshot.index, .term = letter->term};
    }
    if (assembly->from != letter->from || assembly->index != letter->snapshot.index || assembly->term != letter->term ||
        assembly->bytes.size != letter->snapshot.offset) {
        return false;
    }
    raft_bytes_put(&assembly->bytes, letter->snapshot.part.data, letter->snapshot.part.size);
    return assembly->bytes.size == letter->snapshot.total;
}

static void install(struct raft_node *node, const struct raft_letter *letter, struct pdr_bytes whole)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)whole.data;
    size_t conf_size = letter->snapshot.conf_size, state_size = whole.size - conf_size;
    struct raft_buffer conf = {bytes, conf_size}, state = {raft_malloc(state_size + 1), state_size};
    struct raft_message message = {.type = RAFT_INSTALL_SNAPSHOT,
                                   .install_snapshot = {.term = letter->term,
                                                        .last_index = letter->snapshot.index,
                                                        .last_term = letter->snapshot.index_term,
                                                        .conf_index = letter->snapshot.conf_index,
                                                        .data = state}};
    if (!raft_config_check(pdr_bytes(bytes, conf_size)) ||
        raft_configuration_decode(&conf, &message.install_snapshot.conf) != 0) {
        raft_free(state.base);
        return;
    }
    CHECK(state.base != NULL && bytes != NULL);
    memcpy(state.base, bytes + conf_size, state_size);
    step_message(node, letter, &message); /* takes both, or frees them */
}

static void receive_snapshot(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_assembly *assembly = &node->assembly;
    if (letter->term < raft_current_term(&node->raft)) {
        answer_old_leader(node, letter);
        return;
    }
    if (guard_one_leader(&node->raft, letter) && guard_install(&node->raft, node->log, node->applied, letter) &&
        assemble(assembly, letter)) {
        install(node, letter, raft_bytes_slice(&assembly->bytes));
        raft_bytes_release(&assembly->bytes);
    }
}

static void receive_timeout_now(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_message message = {.type = RAFT_TIMEOUT_NOW,
                                   .timeout_now = {.term = letter->term,
                                                   .last_log_index = letter->vote.last_index,
                                                   .last_log_term = letter->vote.last_term}};
    step_message(node, letter, &message);
}

void node_receive(struct raft_node *node, const struct raft_letter *letter)
{
    struct raft_peer *peer = node_peer(node, letter->from);
    struct raft_letter hello = {.kind = RAFT_LETTER_HELLO, .to = letter->from};
    enum guard_order order = peer == NULL ? GUARD_DROP : guard_order(peer, replica_log_life(node->log), letter);
    if (order != GUARD_TAKE) {
        if (order == GUARD_HELLO) {
            node_send_letter(node, &hello);
        }
        return;
    }
    switch (letter->kind) {
    case RAFT_LETTER_APPEND:
        receive_append(node, letter);
        break;
    case RAFT_LETTER_RESULT:
        receive_result(node, letter);
        break;
    case RAFT_LETTER_VOTE:
        receive_vote(node, letter);
        break;
    case RAFT_LETTER_VOTE_RESULT:
        receive_vote_result(node, letter);
        break;
    case RAFT_LETTER_SNAPSHOT:
        receive_snapshot(node, letter);
        break;
    default:
        receive_timeout_now(node, letter);
    }
}
