/* core/replog/follower.c: a copy as backup or learner: it promises an epoch, cuts what is not its primary's, takes
 * entries, and applies what it is told is committed (replication.md R14, R21, R22, R24, R31, R32, R34). */
#include "core/base/mutation.h"
#include "core/replog/parts.h"

static void say_leaves(struct replica *replica, struct link *to)
{
    if (replica->replog->leaves) {
        follower_refuse(replica, to, replica->promised, NACK_LEAVES);
    }
}

static void say_follows(struct replica *replica, struct link *to)
{
    link_say(to, &(struct replog_message){.kind = MESSAGE_FOLLOWS,
                                          .follows = {.shard = replica->shard,
                                                      .epoch = replica->promised,
                                                      .rid = replica->rid,
                                                      .durable = replica->durable_seq,
                                                      .applied = replica->applied_seq}});
    say_leaves(replica, to);
}

void follower_leave(struct replica *replica)
{
    if (replica->follows && replica->leader != NULL) {
        say_leaves(replica, replica->leader);
    }
}

void follower_refuse(struct replica *replica, struct link *to, uint64_t epoch, enum nack_reason reason)
{
    link_say(to, &(struct replog_message){.kind = MESSAGE_NACK,
                                          .nack = {.shard = replica->shard,
                                                   .epoch = epoch,
                                                   .rid = replica->rid,
                                                   .reason = (uint8_t)reason,
                                                   .promised = replica->promised,
                                                   .seq = replica->last_seq}});
}

void replica_lost(struct replica *replica, const char *why)
{
    if (!replica->is_lost) {
        replica->is_lost = true;
        replica->replog->hooks.lost(replica->user, why);
    }
}

static void follow(struct replica *replica, struct link *leader)
{
    if (replica->leader != leader) {
        list_remove(&replica->acks);
        replica->leader = leader;
    }
}

/* R24: what is on the own disk and known to be committed. */
static void commit(struct replica *replica)
{
    uint64_t own = MUTATION(175) ? replica->last_seq : replica->durable_seq;
    uint64_t known = replica->told_seq < own ? replica->told_seq : own;
    if (replica->follows && known > replica->commit_seq) {
        replica->commit_seq = known;
        replica->replog->hooks.committed(replica->user, known);
    }
}

void follower_durable(struct replica *replica, bool more)
{
    if (!replica->follows && !replica->led) {
        replica->follows = true;
        if (replica->leader != NULL) {
            say_follows(replica, replica->leader);
        }
    } else if (replica->follows && more) {
        replica_ack(replica);
    }
    commit(replica);
}

/* R31, R32: a higher epoch. */

static void cut(struct replica *replica, uint64_t seq)
{
    replica->last_seq = seq;
    replica->durable_seq = seq < replica->durable_seq ? seq : replica->durable_seq;
    history_cut(&replica->history, seq);
    window_cut(&replica->window, seq);
    replica->replog->hooks.cut(replica->user, seq);
}

static bool find_match(struct replica *replica, const struct message_newepoch *message, uint64_t *out)
{
    struct control_epoch at[CONTROL_HISTORY_MAX];
    struct history theirs = {.at = at, .count = message_history_read(message->history, at)};
    if (MUTATION(164)) { /* Kafka's, before KIP-101: what it knows to be committed */
        *out = replica->commit_seq < message->seq ? replica->commit_seq : message->seq;
        return true;
    }
    return history_match(&replica->history, replica->last_seq, &theirs, message->seq, replica->commit_seq, out) &&
           *out >= replica->commit_seq;
}

static void promise(struct replica *replica, struct link *from, const struct message_newepoch *message)
{
    uint64_t seq;
    replica->leader_cv = later_of(replica->leader_cv, message->cv);
    if (!find_match(replica, message, &seq)) {
        follower_refuse(replica, from, message->epoch, NACK_LOST);
        replica_lost(replica, "its log and the primary's contradict each other below what was applied (R32)");
        return;
    }
    primary_step_down(replica);
    installing_stop(replica);
    follow(replica, from);
    replica->promised = message->epoch;
    replica->follows = replica->led = false;
    replica->told_seq = replica->commit_seq;
    cut(replica, seq);
    struct record record = {.kind = RECORD_CUT, .shard = replica->shard, .epoch = replica->promised, .seq = seq};
    replica->replog->hooks.journal(replica->user, &record, replica->promised);
}

static void take_newepoch(struct replica *replica, struct link *from, const struct message_newepoch *message)
{
    if (message->epoch < replica->promised) {
        follower_refuse(replica, from, message->epoch, NACK_STALE);
    } else if (replica->is_full || (replica->installing != NULL && replica->installing->last)) {
        return; /* it is asked again when the record can be written, or the copy is switched */
    } else if (message->epoch > replica->promised) {
        promise(replica, from, message);
    } else if (replica->primary != NULL || replica->led) {
        replica->replog->hooks.broken(replica->user, "two nodes are primary in one epoch (I5)");
    } else if (replica->follows) { /* R32c: late or doubled, it cuts nothing */
        follow(replica, from);
        installing_stop(replica); /* whoever asks has given it up */
        if (MUTATION(168) && replica->last_seq > message->seq) {
            cut(replica, message->seq);
        }
        say_follows(replica, from);
    }
}

/* R21: entries. */

/* Those it has already are skipped; with another epoch there, or a lower one behind, the logs contradict. */
static bool take_entries(struct replica *replica, const struct message_append *message)
{
    const struct history *history = &replica->history;
    struct pdr_bytes entries = message->entries;
    struct message_entry entry;
    uint64_t seq = message->seq;
    while (message_entry_next(&entries, &entry)) {
        seq++;
        if (seq <= replica->last_seq) {
            uint64_t own = history_epoch_of(&replica->history, seq);
            if (own != 0 && own != entry.epoch && !MUTATION(160)) {
                return false;
            }
            continue;
        }
        if (history->count > 0 && entry.epoch < history->at[history->count - 1].epoch) {
            return false;
        }
        struct record record = {RECORD_ENTRY, replica->shard, entry.epoch, seq, entry.payload};
        replica_append(replica, entry.epoch, entry.payload);
        replica->replog->hooks.journal(replica->user, &record, replica->promised);
    }
    return true;
}

/* Whether what is before the entries is here, and the same. */
static enum nack_reason check_append(const struct replica *replica, const struct message_append *message, bool *ok)
{
    *ok = false;
    if (message->epoch < replica->promised && !MUTATION(160)) {
        return NACK_STALE;
    }
    if (message->epoch > replica->promised || !(replica->follows || MUTATION(160))) {
        return NACK_NEED_EPOCH;
    }
    if (replica->is_full) {
        return NACK_NO_SPACE;
    }
    if (message->seq > replica->last_seq) {
        return NACK_GAP;
    }
    uint64_t own = history_epoch_of(&replica->history, message->seq);
    *ok = own == message->prev_epoch || own == 0 || message->prev_epoch == 0 || MUTATION(160);
    return NACK_LOST;
}

#ifdef PDR_MUTATIONS
/* The mistake of MUTATION(160): whatever the epoch, a known seq counts as a double, and is acknowledged. */
static void acknowledge_stale(struct replica *replica, struct link *from, const struct message_append *message)
{
    link_say(from, &(struct replog_message){.kind = MESSAGE_ACK,
                                            .ack = {.shard = replica->shard,
                                                    .epoch = message->epoch,
                                                    .rid = replica->rid,
                                                    .durable = replica->durable_seq,
                                                    .applied = replica->applied_seq}});
}
#else
static void acknowledge_stale(struct replica *replica, struct link *from, const struct message_append *message) {}
#endif

static void take_append(struct replica *replica, struct link *from, const struct message_append *message)
{
    bool ok;
    uint64_t last_seq = replica->last_seq;
    enum nack_reason reason = check_append(replica, message, &ok);
    if (ok || message->asks) {
        installing_stop(replica); /* whoever sends entries that fit, or asks, has given it up */
    }
    if (replica->installing != NULL) {
        return;
    }
    if (ok && !take_entries(replica, message)) {
        ok = false;
    }
    if (ok && message->epoch != replica->promised) {
        acknowledge_stale(replica, from, message);
        return;
    }
    if (!ok) {
        follower_refuse(replica, from, message->epoch, reason);
        if (reason == NACK_LOST) {
            replica_lost(replica, "it has another entry where its primary has one, in the epoch that it follows (R21)");
        }
        return;
    }
    follow(replica, from);
    replica->leader_cv = later_of(replica->leader_cv, message->cv);
    replica->told_seq = later_of(replica->told_seq, message->committed);
    commit(replica);
    if (message->asks || (message->entries.size > 0 && replica->last_seq == last_seq)) {
        replica_ack(replica); /* else when what is new is durable */
    }
}

/* R14. */
static void take_confirm(struct replica *replica, struct link *from, const struct message_confirm *message)
{
    if (message->epoch != replica->promised || !replica->follows) {
        follower_refuse(replica, from, message->epoch,
                        message->epoch < replica->promised ? NACK_STALE : NACK_NEED_EPOCH);
        return;
    }
    link_say(from, &(struct replog_message){.kind = MESSAGE_CONFIRMED,
                                            .confirmed = {.shard = replica->shard,
                                                          .epoch = replica->promised,
                                                          .rid = replica->rid,
                                                          .round = message->round}});
}

void follower_receive(struct replica *replica, struct link *from, const struct replog_message *message)
{
    switch (message->kind) {
    case MESSAGE_NEWEPOCH:
        take_newepoch(replica, from, &message->newepoch);
        break;
    case MESSAGE_APPEND:
        if (replica->primary != NULL && message->append.epoch == replica->promised) {
            replica->replog->hooks.broken(replica->user, "two nodes are primary in one epoch (I5)");
            break;
        }
        take_append(replica, from, &message->append);
        break;
    case MESSAGE_CONFIRM:
        take_confirm(replica, from, &message->confirm);
        break;
    case MESSAGE_SNAP_BEGIN:
        installing_begin(replica, from, &message->snap_begin);
        break;
    case MESSAGE_SNAP_CHUNK:
        installing_chunk(replica, from, &message->snap_chunk);
        break;
    default:
        break;
    }
}
