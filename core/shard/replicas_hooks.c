/* core/shard/replicas_hooks.c: what a machine wants of its host. What may call machines is only noted: replicas_settle
 * does it when they have returned. */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/replicas_parts.h"

static void on_journal(void *user, const struct record *record, uint64_t promised)
{
    struct shard_copy *copy = user;
    struct shard *shard = copy->shard;
    if (record->kind == RECORD_EPOCH || record->kind == RECORD_CUT) {
        copy->led = record->kind == RECORD_EPOCH;
        shard->epoch = promised;
        shard->epoch_open = true;
    } else if (record->seq > shard->last_seq) { /* another's; else it is written once more */
        CHECK(record->seq == shard->last_seq + 1);
        tail_push(copy, record->epoch, record->seq, UINT64_MAX, record->payload);
        shard->last_seq = record->seq;
    }
    commit_record(copy->core, shard, record);
}

static void on_committed(void *user, uint64_t seq)
{
    struct shard_copy *copy = user;
    CHECK(seq >= copy->shard->commit_seq && seq <= copy->shard->last_seq);
    copy->shard->commit_seq = seq;
    copy->committed = true;
    copy_note(copy);
}

static void on_began(void *user, uint64_t epoch)
{
    struct shard_copy *copy = user;
    copy->shard->duty->epoch = epoch;
    copy->began = true;
    copy_note(copy);
}

static void on_ready(void *user)
{
    copy_note(user);
}

static void on_stepped_down(void *user)
{
    struct shard_copy *copy = user;
    copy->shard->duty->epoch = 0;
    copy->stepped_down = true;
    copy->began = copy->is_paused = false;
    copy_note(copy);
}

static void on_cut(void *user, uint64_t seq)
{
    struct shard_copy *copy = user;
    struct shard *shard = copy->shard;
    CHECK((seq >= copy->released_seq && seq >= shard->applied_seq) || MUTATION(196)); /* I6 */
    copy->was_cut = copy->was_cut || seq < shard->last_seq;
    tail_cut(copy, seq);
    shard->last_seq = seq < shard->last_seq ? seq : shard->last_seq;
    shard->durable_seq = seq < shard->durable_seq ? seq : shard->durable_seq;
    copy->from_seq = seq < copy->from_seq ? seq : copy->from_seq;
}

static void on_paused(void *user, bool paused)
{
    struct shard_copy *copy = user;
    copy->is_paused = paused;
    copy_note(copy);
}

static bool is_quiet(void *user)
{
    const struct shard_copy *copy = user;
    return copy->shard->state != DUTY_OPENING && !duty_has_turns(copy->core, copy->shard);
}

static void on_propose(void *user, const struct replog_proposal *proposal)
{
    struct shard_copy *copy = user;
    const struct replicas_options *options = &copy->core->replicas->options;
    options->propose(options->user, copy->core, proposal);
}

static void on_confirmed(void *user, uint64_t round)
{
    struct shard_copy *copy = user;
    copy->confirmed = round;
    copy_note(copy);
}

static void on_lost(void *user, const char *why)
{
    struct shard_copy *copy = user;
    copy->is_lost = true;
    copy->core->replicas->stats.lost++;
    LOG_ERROR("shard.lost", "shard=%u why=\"%s\"; this copy is of no use any more, and is made anew", copy->shard->id,
              why);
}

static void on_broken(void *user, const char *why)
{
    const struct shard_copy *copy = user;
    LOG_ERROR("shard.broken", "shard=%u why=\"%s\"", copy->shard->id, why);
    CHECK(MUTATION(196) || !"a rule of replication is broken (I4 to I7): see shard.broken in the log");
}

static void on_snapshot_open(void *user, uint64_t snapshot, uint64_t at_least)
{
    outgoing_open(user, snapshot, at_least);
}

static void on_snapshot_read(void *user, uint64_t snapshot)
{
    outgoing_read(user, snapshot);
}

static void on_snapshot_close(void *user, uint64_t snapshot)
{
    outgoing_close(user, snapshot);
}

static void on_install_begin(void *user, uint64_t seq, const struct control_epoch *history, uint32_t count)
{
    incoming_begin(user, seq, history, count);
}

static void on_install_chunk(void *user, struct pdr_bytes bytes, bool last)
{
    incoming_chunk(user, bytes, last);
}

static void on_install_stop(void *user)
{
    incoming_stop(user);
}

const struct replog_hooks replicas_hooks = {.journal = on_journal,
                                            .committed = on_committed,
                                            .began = on_began,
                                            .ready = on_ready,
                                            .stepped_down = on_stepped_down,
                                            .cut = on_cut,
                                            .paused = on_paused,
                                            .is_quiet = is_quiet,
                                            .propose = on_propose,
                                            .confirmed = on_confirmed,
                                            .lost = on_lost,
                                            .broken = on_broken,
                                            .snapshot_open = on_snapshot_open,
                                            .snapshot_read = on_snapshot_read,
                                            .snapshot_close = on_snapshot_close,
                                            .install_begin = on_install_begin,
                                            .install_chunk = on_install_chunk,
                                            .install_stop = on_install_stop};
