/* core/replog/snapshot.c: all of a shard for a learner that is too far behind (replication.md R60 to R63): chunk by
 * chunk, so many on the way, and from the beginning if anything comes between. */
#include "core/base/mem.h"
#include "core/replog/parts.h"

/* At the primary. */

void sending_begin(struct backup *backup)
{
    struct replica *replica = backup->replica;
    uint64_t at_least = replica->window.count > 0 ? replica->window.first_seq - 1 : replica->last_seq;
    const struct copy *copy = copies_find(&replica->primary->set, backup->rid);
    if (copy != NULL) { /* its log has all that is committed, and the window all that is not */
        replica->replog->hooks.broken(replica->user, "a copy in sync lacks entries that were acknowledged (I1)");
        return;
    }
    backup->phase = BACKUP_INSTALLING;
    backup->sending = (struct sending){.number = ++replica->replog->numbers};
    replica->replog->hooks.snapshot_open(replica->user, backup->sending.number, at_least);
}

void sending_end(struct backup *backup)
{
    if (backup->sending.number != 0) {
        backup->replica->replog->hooks.snapshot_close(backup->replica->user, backup->sending.number);
        backup->sending.number = 0;
    }
}

static struct backup *backup_sending(const struct replica *replica, uint64_t snapshot)
{
    struct list *backups = replica->primary != NULL ? &replica->primary->backups : NULL;
    for (struct list *node = backups != NULL ? backups->next : NULL; node != backups; node = node->next) {
        struct backup *backup = LIST_ITEM(node, struct backup, of_primary);
        if (backup->sending.number == snapshot) {
            return backup;
        }
    }
    return NULL;
}

static void read_on(struct backup *backup)
{
    struct sending *sending = &backup->sending;
    if (!sending->reading && !sending->read && sending->begun &&
        sending->sent - sending->taken < backup->replica->replog->options.snapshot_window) {
        sending->reading = true;
        backup->replica->replog->hooks.snapshot_read(backup->replica->user, sending->number);
    }
}

void replog_snapshot_opened(struct replica *replica, uint64_t snapshot, uint64_t seq)
{
    struct backup *backup = backup_sending(replica, snapshot);
    if (backup != NULL) {
        backup->sending.seq = seq;
        backup_wake(backup);
    }
}

void sending_write_begin(struct backup *backup, pdr_writer *out)
{
    struct replica *replica = backup->replica;
    struct sending *sending = &backup->sending;
    pdr_writer *scratch = &replica->replog->scratch;
    if (sending->seq == 0 || sending->begun) {
        return;
    }
    pdr_writer_clear(scratch);
    message_history_write(scratch, replica->history.at, history_until(&replica->history, sending->seq));
    message_write(out, &(struct replog_message){.kind = MESSAGE_SNAP_BEGIN,
                                                .snap_begin = {.shard = replica->shard,
                                                               .epoch = replica->promised,
                                                               .rid = backup->rid,
                                                               .snapshot = sending->number,
                                                               .seq = sending->seq,
                                                               .history = pdr_written(scratch)}});
    sending->begun = true;
    read_on(backup);
}

void replog_snapshot_chunk(struct replica *replica, uint64_t snapshot, struct pdr_bytes bytes, bool last)
{
    struct backup *backup = backup_sending(replica, snapshot);
    if (backup == NULL) {
        return;
    }
    struct sending *sending = &backup->sending;
    sending->reading = false;
    sending->read = last;
    link_say(backup->link, &(struct replog_message){.kind = MESSAGE_SNAP_CHUNK,
                                                    .snap_chunk = {.shard = replica->shard,
                                                                   .epoch = replica->promised,
                                                                   .snapshot = snapshot,
                                                                   .number = sending->sent++,
                                                                   .last = last,
                                                                   .bytes = bytes}});
    read_on(backup);
}

void sending_taken(struct backup *backup, const struct message_snap_taken *message)
{
    struct sending *sending = &backup->sending;
    if (sending->number != message->snapshot || backup->rid != message->rid || message->chunks > sending->sent) {
        return;
    }
    if (message->chunks > sending->taken) {
        sending->taken = message->chunks;
        backup->progress_ns = backup->replica->replog->now_ns;
    }
    read_on(backup);
}

/* An ACK with all of it: installed. Nothing for a while: some of it was lost, and it begins again. */
void sending_consider(struct backup *backup)
{
    struct sending *sending = &backup->sending;
    if (sending->number != 0 && sending->seq != 0 && backup->acked >= sending->seq) {
        uint64_t seq = backup->acked;
        sending_end(backup);
        backup->phase = BACKUP_STREAMED;
        backup->next = seq + 1;
        backup->told = 0;
        backup_wake(backup);
    }
}

/* At the learner. */

void installing_stop(struct replica *replica)
{
    struct installing *installing = replica->installing;
    if (installing != NULL && !installing->last) {
        mem_free(installing);
        replica->installing = NULL;
        replica->replog->hooks.install_stop(replica->user);
    }
}

void installing_begin(struct replica *replica, struct link *from, const struct message_snap_begin *message)
{
    if (message->epoch != replica->promised || !replica->follows || message->rid != replica->rid || replica->is_full ||
        message->seq <= replica->durable_seq) {
        return;
    }
    struct control_epoch history[CONTROL_HISTORY_MAX];
    uint32_t count = message_history_read(message->history, history);
    if (count == 0 || history[count - 1].first_seq > message->seq) {
        return; /* nobody has entries that no epoch wrote */
    }
    installing_stop(replica);
    if (replica->installing != NULL) {
        return; /* the host is switching to another */
    }
    struct installing *installing = replica->installing = mem_new(sizeof *installing);
    installing->number = message->snapshot;
    installing->seq = message->seq;
    installing->history_count = count;
    memcpy(installing->history, history, count * sizeof history[0]);
    replica->replog->hooks.install_begin(replica->user, message->seq, installing->history, installing->history_count);
}

void installing_chunk(struct replica *replica, struct link *from, const struct message_snap_chunk *message)
{
    struct installing *installing = replica->installing;
    if (installing == NULL || installing->number != message->snapshot || installing->last ||
        message->epoch != replica->promised || message->number != installing->next) {
        return;
    }
    installing->next++;
    installing->last = message->last;
    replica->leader = from;
    replica->replog->hooks.install_chunk(replica->user, message->bytes, message->last);
}

void replog_install_taken(struct replica *replica)
{
    struct installing *installing = replica->installing;
    if (installing != NULL && replica->leader != NULL) {
        link_say(replica->leader, &(struct replog_message){.kind = MESSAGE_SNAP_TAKEN,
                                                           .snap_taken = {.shard = replica->shard,
                                                                          .epoch = replica->promised,
                                                                          .rid = replica->rid,
                                                                          .snapshot = installing->number,
                                                                          .chunks = installing->next}});
    }
}

void replog_installed(struct replica *replica)
{
    struct installing *installing = replica->installing;
    uint64_t seq = installing->seq;
    history_set(&replica->history, installing->history, installing->history_count);
    window_cut(&replica->window, 0);
    replica->last_seq = replica->durable_seq = replica->commit_seq = replica->applied_seq = seq;
    replica->told_seq = later_of(replica->told_seq, seq);
    mem_free(installing);
    replica->installing = NULL;
    replica_ack(replica);
}
