/* core/replog/change.c: what a primary asks of the directory: who gets in, who goes, who leads next
 * (replication.md R41 to R46, R50, R51). One proposal at a time; what is not answered is settled by a TOUCH. */
#include "core/base/mutation.h"
#include "core/replog/parts.h"

static void pause_turns(struct replica *replica, bool paused)
{
    struct primary *primary = replica->primary;
    if (primary->paused != paused) {
        primary->paused = paused;
        primary->paused_ns = replica->replog->now_ns;
        replica->replog->hooks.paused(replica->user, paused);
    }
}

/* Either way: the commit set is the row's again, and who gave up the shard and still has it goes on. */
void change_settled(struct replica *replica)
{
    struct primary *primary = replica->primary;
    primary->proposed = (struct proposed){0};
    primary->set = replica->row.isr;
    primary->released = false;
    pause_turns(replica, false);
    backups_sync(replica);
}

static void propose(struct replica *replica, enum replog_proposal_kind kind, uint64_t node, uint64_t rid)
{
    struct primary *primary = replica->primary;
    struct replog *replog = replica->replog;
    primary->proposed =
        (struct proposed){.proposal = {kind, replica->shard, replica->row.cv, node, rid, ++replog->numbers},
                          .sent_ns = replog->now_ns,
                          .patience_ns = REPLOG_ANSWER_NS};
    replog->hooks.propose(replica->user, &primary->proposed.proposal);
}

/* R44, R51: the proposal may still apply, unless a CAS that changes nothing else comes before it. Where many shards
 * wait for a slow way to the directory, each TOUCH makes it slower: so they come ever more rarely. */
static void settle(struct replica *replica)
{
    struct replog *replog = replica->replog;
    struct primary *primary = replica->primary;
    struct proposed *proposed = &primary->proposed;
    const struct backup *learner = proposed->proposal.kind == REPLOG_ADD ? backup_find(replica, proposed->proposal.node)
                                                                         : NULL;
    bool died = learner != NULL && (learner->link->life == 0 || learner->rid != proposed->proposal.rid);
    uint64_t now_ns = replog->now_ns;
    if (now_ns - proposed->sent_ns < (died ? REPLOG_RETRY_NS : REPLOG_ANSWER_NS) ||
        (proposed->touched_ns != 0 && now_ns - proposed->touched_ns < proposed->patience_ns)) {
        return;
    }
    if (proposed->touched_ns != 0) {
        proposed->patience_ns = earlier_of(2 * proposed->patience_ns, REPLOG_PATIENCE_NS);
    }
    primary->move_ns = later_of(primary->move_ns, now_ns + REPLOG_AGAIN_NS);
    if (MUTATION(172) && proposed->proposal.kind == REPLOG_TRANSFER) {
        change_settled(replica);
        return;
    }
    struct replog_proposal touch = {REPLOG_TOUCH, replica->shard, replica->row.cv, 0, 0, ++replog->numbers};
    proposed->touch_number = touch.number;
    proposed->touched_ns = now_ns;
    replog->hooks.propose(replica->user, &touch);
}

/* R41. That it has all that is committed is not enough: what this epoch began with may be committed elsewhere. */
static bool is_caught_up(const struct replica *replica, const struct backup *backup)
{
    bool has_start = backup->acked >= replica->primary->start_seq || MUTATION(169);
    return backup->phase == BACKUP_STREAMED && backup->rid != 0 && backup->link->life != 0 && !backup->is_full &&
           !backup->is_lost && backup->acked >= replica->commit_seq && has_start;
}

static bool may_be_added(const struct replica *replica, const struct backup *backup)
{
    const struct cluster_shard *row = &replica->row;
    const struct copies *set = &replica->primary->set;
    const struct copy *old = copies_of(&row->isr, backup->link->id);
    return copies_find(set, backup->rid) == NULL && ids_have(&row->targets, backup->link->id) &&
           set->count < LIMIT_COPIES_MAX && (old == NULL || ids_have(&row->lost, old->rid)) &&
           is_caught_up(replica, backup);
}

/* R65: what it acknowledged before it may have been thrown away since, by a row that this node has not seen. So it
 * must have answered after it was told of the very row that the proposal is about. */
static bool consider_add(struct replica *replica, struct backup *backup)
{
    if (!may_be_added(replica, backup)) {
        return false;
    }
    if (backup->cv < replica->row.cv) {
        backup->is_poked = backup->is_poked || backup->asked_cv < replica->row.cv;
        backup->asked_cv = replica->row.cv;
        backup_wake(backup);
        return false;
    }
    if (!MUTATION(170)) { /* from before the proposal leaves */
        copies_add(&replica->primary->set, (struct copy){backup->link->id, backup->rid});
    }
    propose(replica, REPLOG_ADD, backup->link->id, backup->rid);
    return true;
}

static bool targets_are_in(const struct cluster_shard *row)
{
    for (uint32_t i = 0; i < row->targets.count; i++) {
        if (!copies_have(&row->isr, row->targets.at[i])) {
            return false;
        }
    }
    return true;
}

/* R42, R46, R47. */
static bool consider_remove(struct replica *replica, const struct backup *backup)
{
    const struct cluster_shard *row = &replica->row;
    const struct copy *copy = copies_of(&row->isr, backup->link->id);
    if (copy == NULL) {
        return false;
    }
    uint64_t silent_ns = replica->replog->now_ns - backup->progress_ns;
    bool is_other = backup->rid != 0 && backup->rid != copy->rid; /* a new disk: the copy in sync is gone */
    bool is_gone = is_other || (backup->is_lost && backup->rid == copy->rid);
    bool is_extra = !ids_have(&row->targets, copy->node) && targets_are_in(row);
    if (!is_gone && silent_ns < REPLOG_SILENT_NS && !backup->is_full && !is_extra) {
        return false;
    }
    if (row->isr.count > row->min_isr) {
        uint64_t rid = copy->rid;
        if (MUTATION(171)) { /* it stops waiting before the directory agreed */
            copies_drop(&replica->primary->set, rid);
        }
        propose(replica, REPLOG_REMOVE, copy->node, rid);
        return true;
    }
    if (is_gone && !ids_have(&row->lost, copy->rid)) {
        propose(replica, REPLOG_LOST, copy->node, copy->rid);
        return true;
    }
    return false;
}

/* R50: from here no read is answered by a lease, whatever becomes of the proposal (R51). */
static void transfer(struct replica *replica, uint64_t node)
{
    replica->primary->released = true;
    replica->primary->move_ns = replica->replog->now_ns + REPLOG_AGAIN_NS;
    pause_turns(replica, true);
    propose(replica, REPLOG_TRANSFER, node, 0);
}

/* The node that should lead, if it could take over now. */
static struct backup *successor(const struct replica *replica)
{
    const struct cluster_shard *row = &replica->row;
    uint64_t node = row->targets.count > 0 ? row->targets.at[0] : 0;
    const struct copy *copy = copies_of(&row->isr, node);
    struct backup *backup = copy != NULL ? backup_find(replica, node) : NULL;
    bool can = backup != NULL && backup->link->life != 0 && backup->phase == BACKUP_STREAMED &&
               backup->rid == copy->rid && !backup->is_full && !ids_have(&row->lost, copy->rid);
    return can ? backup : NULL;
}

/* R50: pause, drain, release, propose. */
static bool consider_move(struct replica *replica)
{
    struct primary *primary = replica->primary;
    uint64_t now_ns = replica->replog->now_ns;
    const struct backup *to = successor(replica);
    if (to == NULL || !primary->ready) {
        pause_turns(replica, false);
        return false;
    }
    if (!primary->paused) {
        if (now_ns >= primary->move_ns && to->acked + REPLOG_NEAR >= replica->last_seq) {
            pause_turns(replica, true);
        }
        return primary->paused;
    }
    if (replica->commit_seq == replica->last_seq && replica->replog->hooks.is_quiet(replica->user)) {
        transfer(replica, to->link->id);
    } else if (now_ns - primary->paused_ns > REPLOG_DRAIN_NS) {
        primary->move_ns = now_ns + REPLOG_AGAIN_NS;
        pause_turns(replica, false);
    }
    return primary->paused;
}

/* R45: nobody else can be reached, or the own disk is full: perhaps another member does better. */
static bool consider_give_up(struct replica *replica)
{
    struct primary *primary = replica->primary;
    const struct cluster_shard *row = &replica->row;
    uint64_t now_ns = replica->replog->now_ns, self = replica->replog->options.node;
    bool is_alone = primary->alone_ns != 0 && now_ns - primary->alone_ns >= 2 * REPLOG_SILENT_NS &&
                    replica->commit_seq < replica->last_seq;
    bool is_stuck = replica->is_full && now_ns - replica->full_ns >= REPLOG_SILENT_NS;
    if ((!is_alone && !is_stuck) || now_ns < primary->move_ns || row->isr.count < 2 ||
        !replica->replog->hooks.is_quiet(replica->user)) {
        return false;
    }
    uint32_t at = 0;
    uint64_t turn = now_ns / REPLOG_SILENT_NS; /* not always the same one, which may be dead */
    while (row->isr.at[(turn + at) % row->isr.count].node == self) {
        at++;
    }
    const struct copy *copy = &row->isr.at[(turn + at) % row->isr.count];
    if (ids_have(&row->lost, copy->rid)) {
        return false;
    }
    transfer(replica, copy->node);
    return true;
}

void change_consider(struct replica *replica)
{
    struct primary *primary = replica->primary;
    if (!primary->opened || replica->row.epoch != replica->promised) {
        return;
    }
    if (primary->proposed.proposal.kind != REPLOG_NONE) {
        settle(replica);
        return;
    }
    if (replica->replog->now_ns < primary->again_ns) {
        return;
    }
    for (struct list *node = primary->backups.next; node != &primary->backups; node = node->next) {
        if (consider_add(replica, LIST_ITEM(node, struct backup, of_primary))) {
            return;
        }
    }
    for (struct list *node = primary->backups.next; node != &primary->backups; node = node->next) {
        if (consider_remove(replica, LIST_ITEM(node, struct backup, of_primary))) {
            return;
        }
    }
    if (!consider_move(replica)) {
        consider_give_up(replica);
    }
}

bool replog_misplaced(const struct cluster_shard *row, uint64_t node, uint64_t incarnation, uint64_t rid,
                      struct replog_proposal *out)
{
    const struct copy *copy = copies_of(&row->isr, node);
    *out = (struct replog_proposal){.shard = row->shard, .cv = row->cv};
    if (copy == NULL || (copy->rid == rid && rid != 0)) {
        return false;
    }
    if (!ids_have(&row->lost, copy->rid)) {
        out->kind = REPLOG_LOST;
        out->node = node;
        out->rid = copy->rid;
        return true;
    }
    for (uint32_t i = 0; i < row->isr.count && row->primary == node && row->incarnation == incarnation; i++) {
        const struct copy *other = &row->isr.at[(i + row->cv) % row->isr.count];
        if (other->node != node && !ids_have(&row->lost, other->rid)) {
            out->kind = REPLOG_TRANSFER;
            out->node = other->node;
            return true;
        }
    }
    return false;
}
