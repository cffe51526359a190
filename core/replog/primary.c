/* core/replog/primary.c: a copy as primary: an epoch begins, entries are committed, the epoch ends
 * (replication.md R14, R20, R23, R30, R33, R43). */
#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/replog/parts.h"

/* What the others have, as far as they follow this epoch. */
static uint32_t collect(const struct replica *replica, struct set_ack *acks)
{
    const struct primary *primary = replica->primary;
    uint32_t count = 0;
    for (struct list *node = primary->backups.next; node != &primary->backups; node = node->next) {
        const struct backup *backup = LIST_ITEM(node, struct backup, of_primary);
        if (backup->rid != 0 && !backup->is_lost) {
            acks[count++] = (struct set_ack){backup->link->id, backup->rid, backup->acked};
        }
    }
    return count;
}

/* R33. No entry of this epoch is needed: that all follow plays that part. */
static void consider_ready(struct replica *replica, const struct set_ack *acks, uint32_t count)
{
    struct primary *primary = replica->primary;
    bool is_ready = primary->opened && replica->commit_seq >= primary->start_seq &&
                    set_follows(&primary->set, replica->replog->options.node, acks, count);
    if (!primary->ready && (is_ready || MUTATION(174))) {
        primary->ready = true;
        replica->replog->hooks.ready(replica->user);
    }
}

/* R23. */
void primary_commit(struct replica *replica)
{
    struct primary *primary = replica->primary;
    struct set_ack acks[2 * LIMIT_COPIES_MAX];
    if (!primary->opened) {
        return;
    }
    uint32_t count = collect(replica, acks);
    uint64_t seq = set_committed(&primary->set, replica->replog->options.node, replica->durable_seq, acks, count);
    if (primary->set.count < replica->row.min_isr) {
        replica->replog->hooks.broken(replica->user, "fewer copies have to acknowledge than min_isr (I7)");
        return;
    }
    if (seq > replica->commit_seq) {
        replica->commit_seq = seq;
        replica->replog->hooks.committed(replica->user, seq);
    }
    consider_ready(replica, acks, count);
}

void primary_durable(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (!primary->opened) {
        primary->opened = true;
        backups_wake(replica); /* R30: NEWEPOCH leaves when the epoch is on disk */
    }
    primary_commit(replica);
}

/* An epoch begins, and ends. */

static void lead(struct replica *replica)
{
    struct primary *primary = mem_new(sizeof *primary);
    replica->primary = primary;
    replica->promised = replica->row.epoch;
    replica->follows = false;
    replica->led = true;
    replica->leader = NULL;
    list_remove(&replica->acks);
    primary->move_ns = replica->replog->now_ns + REPLOG_AGAIN_NS; /* who hands over may be about to leave */
    primary->start_seq = replica->last_seq;
    primary->set = replica->row.isr;
    primary->alone_ns = 0;
    list_init(&primary->node);
    list_init(&primary->confirm);
    primary->replica = replica;
    list_init(&primary->backups);
}

static void begin(struct replica *replica)
{
    struct replog *replog = replica->replog;
    installing_stop(replica);
    lead(replica);
    history_cut(&replica->history, replica->last_seq);
    backups_sync(replica);
    struct record record = {
        .kind = RECORD_EPOCH, .shard = replica->shard, .epoch = replica->promised, .seq = replica->last_seq};
    replog->hooks.began(replica->user, replica->promised);
    replog->hooks.journal(replica->user, &record, replica->promised);
}

void replog_resume(struct replica *replica, const struct cluster_shard *row, uint64_t durable_seq)
{
    CHECK(replica->primary == NULL && row->shard == replica->shard && row->epoch == replica->promised);
    CHECK(durable_seq <= replica->last_seq && durable_seq >= replica->applied_seq);
    replica->row = *row;
    replica->durable_seq = replica->commit_seq = durable_seq;
    lead(replica);
    replica->primary->opened = replica->primary->ready = true;
    backups_sync(replica);
}

void primary_step_down(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (primary == NULL) {
        return;
    }
    while (!list_empty(&primary->backups)) {
        backup_free(LIST_ITEM(primary->backups.next, struct backup, of_primary));
    }
    list_remove(&primary->node);
    list_remove(&primary->confirm);
    replica->primary = NULL;
    mem_free(primary);
    replica->replog->hooks.stepped_down(replica->user);
}

/* R30, R34: promoted by name: this process of the node, and this copy. */
static bool is_promoted(const struct replica *replica)
{
    const struct cluster_shard *row = &replica->row;
    const struct replog_options *options = &replica->replog->options;
    const struct copy *own = copies_of(&row->isr, options->node);
    if (row->primary != options->node || replica->is_lost || replica->is_full) {
        return false;
    }
    if (MUTATION(165) && row->epoch == replica->promised && replica->primary == NULL) {
        return true;
    }
    if (MUTATION(162) && row->epoch > replica->promised) {
        return true;
    }
    return row->epoch > replica->promised && row->incarnation == options->incarnation && own != NULL &&
           set_same(own->rid, replica->rid) && !ids_have(&row->lost, own->rid);
}

static void take_set(struct replica *replica)
{
    struct primary *primary = replica->primary;
    const struct copy *own = copies_of(&replica->row.isr, replica->replog->options.node);
    if (own == NULL || !set_same(own->rid, replica->rid)) {
        replica->replog->hooks.broken(replica->user, "the directory has the primary's copy out of isr");
        return;
    }
    primary->set = replica->row.isr;
    change_settled(replica);
    backups_sync(replica);
    primary_commit(replica);
    primary_confirm_consider(replica);
}

void primary_consider(struct replica *replica)
{
    const struct cluster_shard *row = &replica->row;
    if (replica->primary != NULL && row->epoch > replica->promised) {
        primary_step_down(replica); /* R43 */
    } else if (replica->primary != NULL && row->epoch == replica->promised) {
        take_set(replica);
    }
    if (replica->primary == NULL && is_promoted(replica)) {
        begin(replica);
    }
}

/* R14: one round of questions serves all reads that wait. */

static bool all_confirmed(const struct primary *primary, uint64_t self)
{
    for (uint32_t i = 0; i < primary->set.count; i++) {
        const struct copy *copy = &primary->set.at[i];
        bool has = copy->node == self;
        for (struct list *node = primary->backups.next; node != &primary->backups && !has; node = node->next) {
            const struct backup *backup = LIST_ITEM(node, struct backup, of_primary);
            has = backup->link->id == copy->node && set_same(backup->rid, copy->rid) &&
                  backup->confirmed >= primary->round;
        }
        if (!has) {
            return false;
        }
    }
    return true;
}

static void begin_round(struct replica *replica)
{
    struct primary *primary = replica->primary;
    primary->round++;
    primary->confirming = true;
    if (list_alone(&primary->confirm)) { /* there may be nobody to ask */
        list_push_back(&replica->replog->confirm, &primary->confirm);
    }
    backups_wake(replica);
}

void primary_confirm_consider(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (!primary->confirming || !primary->ready || !all_confirmed(primary, replica->replog->options.node)) {
        return;
    }
    primary->confirming = false;
    uint64_t round = primary->round;
    if (primary->rounds_wanted > round) {
        begin_round(replica);
    }
    replica->replog->hooks.confirmed(replica->user, round);
}

uint64_t replog_confirm(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (primary == NULL || !primary->ready) {
        return 0;
    }
    if (primary->confirming) { /* the one that runs began before this read */
        return primary->rounds_wanted = primary->round + 1;
    }
    primary->rounds_wanted = primary->round + 1;
    begin_round(replica);
    return primary->round;
}

/* What the others say. */

static void confirmed(struct replica *replica, struct backup *backup, const struct message_confirmed *message)
{
    if (backup->rid == message->rid && message->round <= replica->primary->round) {
        backup->confirmed = later_of(backup->confirmed, message->round);
        primary_confirm_consider(replica);
    }
}

static void take(struct replica *replica, struct backup *backup, const struct replog_message *message)
{
    switch (message->kind) {
    case MESSAGE_FOLLOWS:
        backup_follows(backup, &message->follows);
        break;
    case MESSAGE_ACK:
        backup_acked(backup, &message->ack);
        break;
    case MESSAGE_NACK:
        backup_refused(backup, &message->nack);
        return;
    case MESSAGE_CONFIRMED:
        confirmed(replica, backup, &message->confirmed);
        return;
    case MESSAGE_SNAP_TAKEN:
        sending_taken(backup, &message->snap_taken);
        return;
    default:
        return;
    }
    primary_commit(replica);
    primary_confirm_consider(replica);
    change_consider(replica);
}

static bool is_answer(enum message_kind kind)
{
    return kind == MESSAGE_FOLLOWS || kind == MESSAGE_ACK || kind == MESSAGE_NACK || kind == MESSAGE_CONFIRMED ||
           kind == MESSAGE_SNAP_TAKEN;
}

/* False: it is for one who follows. */
bool primary_receive(struct replica *replica, struct link *from, const struct replog_message *message)
{
    if (!is_answer(message->kind)) {
        return false;
    }
    struct backup *backup = replica->primary != NULL ? backup_find(replica, from->id) : NULL;
    if (backup != NULL && message->head.epoch == replica->promised) {
        take(replica, backup, message);
    }
    return true;
}

void primary_tick(struct replica *replica)
{
    struct primary *primary = replica->primary;
    bool reached = false;
    for (struct list *node = primary->backups.next; node != &primary->backups; node = node->next) {
        struct backup *backup = LIST_ITEM(node, struct backup, of_primary);
        reached = reached || backup->link->life != 0;
        backup_tick(backup);
    }
    if (reached) {
        primary->alone_ns = 0;
    } else if (primary->alone_ns == 0) {
        primary->alone_ns = replica->replog->now_ns;
    }
    change_consider(replica);
}
