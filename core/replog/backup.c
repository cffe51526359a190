/* core/replog/backup.c: another copy, as its primary sees it: what it has, and what it is to be told
 * (replication.md R20, R22, R31, R32, R60). */
#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/replog/parts.h"

#define GAP_DOUBLE_NS (100 * NS_PER_MS)

struct backup *backup_find(const struct replica *replica, uint64_t node)
{
    const struct primary *primary = replica->primary;
    for (struct list *at = primary->backups.next; at != &primary->backups; at = at->next) {
        struct backup *backup = LIST_ITEM(at, struct backup, of_primary);
        if (backup->link->id == node) {
            return backup;
        }
    }
    return NULL;
}

static void backup_new(struct replica *replica, uint64_t node)
{
    struct backup *backup = mem_new(sizeof *backup);
    struct primary *primary = replica->primary;
    backup->replica = replica;
    backup->link = link_to(replica->replog, node);
    backup->progress_ns = replica->replog->now_ns;
    list_init(&backup->dirty);
    list_push_back(&primary->backups, &backup->of_primary);
    list_push_back(&backup->link->backups, &backup->of_link);
    if (primary->backup_count++ == 0) {
        list_push_back(&replica->replog->primaries, &primary->node);
    }
    backup_wake(backup);
}

void backup_free(struct backup *backup)
{
    struct primary *primary = backup->replica->primary;
    sending_end(backup);
    list_remove(&backup->dirty);
    list_remove(&backup->of_link);
    list_remove(&backup->of_primary);
    if (--primary->backup_count == 0) {
        list_remove(&primary->node);
    }
    mem_free(backup);
}

/* Those who are in sync, those who should be, and those who may get in by what was proposed. */
static bool is_wanted(const struct replica *replica, uint64_t node)
{
    return node != replica->replog->options.node &&
           (copies_have(&replica->row.isr, node) || copies_have(&replica->primary->set, node) ||
            ids_have(&replica->row.targets, node));
}

static void add_missing(struct replica *replica, uint64_t node)
{
    if (is_wanted(replica, node) && backup_find(replica, node) == NULL) {
        backup_new(replica, node);
    }
}

void backups_sync(struct replica *replica)
{
    struct primary *primary = replica->primary;
    for (struct list *at = primary->backups.next, *next; at != &primary->backups; at = next) {
        struct backup *backup = LIST_ITEM(at, struct backup, of_primary);
        next = at->next;
        if (!is_wanted(replica, backup->link->id)) {
            backup_free(backup);
        }
    }
    for (uint32_t i = 0; i < replica->row.isr.count; i++) {
        add_missing(replica, replica->row.isr.at[i].node);
    }
    for (uint32_t i = 0; i < replica->row.targets.count; i++) {
        add_missing(replica, replica->row.targets.at[i]);
    }
}

void backups_wake(struct replica *replica)
{
    struct primary *primary = replica->primary;
    for (struct list *at = primary->backups.next; at != &primary->backups; at = at->next) {
        backup_wake(LIST_ITEM(at, struct backup, of_primary));
    }
}

bool backup_has_all(const struct backup *backup)
{
    return backup->rid != 0 && backup->acked >= backup->replica->last_seq;
}

/* What it is told. */

static void write_newepoch(struct backup *backup, pdr_writer *out)
{
    struct replica *replica = backup->replica;
    pdr_writer *scratch = &replica->replog->scratch;
    uint64_t seq = replica->primary->start_seq;
    pdr_writer_clear(scratch);
    message_history_write(scratch, replica->history.at, history_until(&replica->history, seq));
    message_write(out, &(struct replog_message){.kind = MESSAGE_NEWEPOCH,
                                                .newepoch = {.shard = replica->shard,
                                                             .epoch = replica->promised,
                                                             .cv = replica->row.cv,
                                                             .seq = seq,
                                                             .history = pdr_written(scratch)}});
    backup->asked_ns = replica->replog->now_ns;
}

/* Entries from `next` on, as many as fit a group, or none; true if there are more. */
static bool write_append(struct backup *backup, pdr_writer *out)
{
    struct replica *replica = backup->replica;
    pdr_writer *scratch = &replica->replog->scratch;
    uint64_t seq = backup->next - 1;
    const struct window_entry *entry;
    pdr_writer_clear(scratch);
    while ((entry = window_get(&replica->window, backup->next)) != NULL &&
           (scratch->size == 0 || scratch->size + entry->size < replica->replog->options.group_bytes)) {
        message_entry_write(scratch, entry->epoch, pdr_bytes(entry->bytes, entry->size));
        backup->next++;
    }
    bool asks = backup->is_poked;
    backup->told = replica->commit_seq;
    backup->is_poked = false;
    message_write(out, &(struct replog_message){.kind = MESSAGE_APPEND,
                                                .append = {.shard = replica->shard,
                                                           .epoch = replica->promised,
                                                           .cv = replica->row.cv,
                                                           .prev_epoch = history_epoch_of(&replica->history, seq),
                                                           .seq = seq,
                                                           .committed = replica->commit_seq,
                                                           .asks = asks,
                                                           .entries = pdr_written(scratch)}});
    return backup->next <= replica->last_seq;
}

static void write_confirm(struct backup *backup, pdr_writer *out)
{
    struct replica *replica = backup->replica;
    message_write(
        out, &(struct replog_message){
                 .kind = MESSAGE_CONFIRM,
                 .confirm = {.shard = replica->shard, .epoch = replica->promised, .round = replica->primary->round}});
    backup->asked_round = replica->primary->round;
}

bool backup_write(struct backup *backup, pdr_writer *out)
{
    struct replica *replica = backup->replica;
    const struct primary *primary = replica->primary;
    uint64_t now_ns = replica->replog->now_ns;
    bool is_due = backup->asked_ns == 0 || now_ns - backup->asked_ns >= REPLOG_RETRY_NS;
    if (!primary->opened || backup->is_lost) {
        return false;
    }
    if (backup->phase == BACKUP_ASKED) {
        if (is_due) {
            write_newepoch(backup, out);
        }
        return false;
    }
    if (primary->confirming && backup->confirmed < primary->round &&
        (backup->asked_round < primary->round || backup->is_poked)) {
        write_confirm(backup, out);
    }
    if (backup->phase == BACKUP_INSTALLING) {
        sending_write_begin(backup, out);
        return false;
    }
    if (backup->next <= replica->last_seq && window_get(&replica->window, backup->next) == NULL) {
        sending_begin(backup); /* R60: the log in memory does not go back so far */
        return false;
    }
    if (backup->next <= replica->last_seq || backup->told < replica->commit_seq || backup->is_poked) {
        return write_append(backup, out);
    }
    return false;
}

/* What it says. */

/* Never before what it acknowledged: it has that, whatever a late answer says. */
static void stream_from(struct backup *backup, uint64_t seq)
{
    const struct replica *replica = backup->replica;
    sending_end(backup);
    backup->phase = BACKUP_STREAMED;
    seq = later_of(seq, backup->acked);
    backup->next = (seq < replica->last_seq ? seq : replica->last_seq) + 1;
    backup->told = 0;
    backup_wake(backup);
}

static void ask(struct backup *backup)
{
    sending_end(backup);
    backup->phase = BACKUP_ASKED;
    backup->asked_ns = 0;
    backup_wake(backup);
}

static void progressed(struct backup *backup, uint64_t durable, uint64_t applied)
{
    if (durable > backup->acked || durable >= backup->replica->last_seq) {
        backup->progress_ns = backup->replica->replog->now_ns;
    }
    backup->acked = later_of(backup->acked, durable);
    backup->next = later_of(backup->next, backup->acked + 1);
    backup->applied = later_of(backup->applied, applied);
    backup->is_full = false;
}

/* R32: its log is ours up to there. Of a copy that was made anew, what the old one had is forgotten. */
void backup_follows(struct backup *backup, const struct message_follows *message)
{
    bool is_new = backup->rid == 0 || !set_same(backup->rid, message->rid);
    uint64_t durable = message->durable < backup->replica->last_seq ? message->durable : backup->replica->last_seq;
    if (is_new) {
        backup->rid = message->rid;
        backup->acked = backup->applied = backup->confirmed = backup->cv = 0;
        backup->is_lost = false;
    }
    progressed(backup, durable, message->applied);
    if (is_new || backup->phase == BACKUP_ASKED) {
        stream_from(backup, durable);
    }
}

void backup_acked(struct backup *backup, const struct message_ack *message)
{
    if (!set_same(message->rid, backup->rid)) {
        if (backup->phase != BACKUP_ASKED) {
            ask(backup); /* another copy: whom does it follow? */
        }
        return;
    }
    if (message->durable > backup->replica->last_seq) {
        backup->replica->replog->hooks.broken(backup->replica->user, "a copy has more than its primary sent");
        return;
    }
    backup->cv = later_of(backup->cv, message->cv);
    progressed(backup, message->durable, message->applied);
    sending_consider(backup);
}

static void gap(struct backup *backup, uint64_t seq)
{
    uint64_t now_ns = backup->replica->replog->now_ns;
    bool is_double = seq == backup->gap_seq && now_ns - backup->gap_ns < GAP_DOUBLE_NS;
    if (backup->phase != BACKUP_STREAMED || seq + 1 >= backup->next || is_double) {
        return; /* what was sent meanwhile came behind the same gap */
    }
    backup->gap_seq = seq;
    backup->gap_ns = now_ns;
    stream_from(backup, seq);
}

void backup_refused(struct backup *backup, const struct message_nack *message)
{
    switch ((enum nack_reason)message->reason) {
    case NACK_GAP:
        if (message->rid == backup->rid) {
            gap(backup, message->seq);
        }
        break;
    case NACK_NEED_EPOCH:
        if (backup->phase != BACKUP_ASKED) {
            ask(backup);
        }
        break;
    case NACK_NO_SPACE:
        backup->is_full = true;
        break;
    case NACK_LOST:
        backup->is_lost = backup->rid == 0 || backup->rid == message->rid;
        backup->rid = message->rid;
        break;
    case NACK_LEAVES:
        backup->is_leaving = true;
        break;
    case NACK_STALE: /* the directory will say so, too */
    case NACK_REASON_COUNT:
        break;
    }
    change_consider(backup->replica);
}

/* The link, and time. */

void backup_up(struct backup *backup)
{
    if (backup->phase == BACKUP_STREAMED) {
        stream_from(backup, backup->acked);
        backup->is_poked = true;
    } else {
        ask(backup);
    }
}

void backup_gone(struct backup *backup)
{
    list_remove(&backup->dirty);
    sending_end(backup);
    backup->is_leaving = false; /* whoever comes back is another process, or has changed its mind */
    if (backup->phase == BACKUP_INSTALLING) {
        backup->phase = BACKUP_ASKED; /* R61: from the beginning */
    }
}

/* A copy that was given up, because it is damaged, may have been made anew. */
void backup_tick(struct backup *backup)
{
    const struct replica *replica = backup->replica;
    const struct primary *primary = replica->primary;
    uint64_t now_ns = replica->replog->now_ns;
    bool waits = backup->phase == BACKUP_ASKED || !backup_has_all(backup) || backup->is_full ||
                 (primary->confirming && backup->confirmed < primary->round);
    if (backup->link->life == 0) {
        return; /* progress_ns stands */
    }
    if (backup->told < replica->commit_seq) {
        backup_wake(backup); /* there was nothing to send it with (R24) */
    }
    if (!waits) {
        backup->progress_ns = now_ns;
        return;
    }
    if (backup->phase == BACKUP_INSTALLING && backup->sending.begun &&
        now_ns - backup->progress_ns >= REPLOG_SILENT_NS) {
        ask(backup); /* some of the snapshot was lost: from the beginning */
    }
    if (now_ns - backup->asked_ns >= REPLOG_RETRY_NS) {
        if (backup->is_lost) {
            backup->is_lost = false;
            backup->rid = 0;
            ask(backup);
        }
        backup->is_poked = true;
        backup_wake(backup);
        if (backup->phase != BACKUP_ASKED) {
            backup->asked_ns = now_ns;
        }
    }
}
