/* core/shard/replicas_end.c: copies that are no more: those that no row names are deleted, and so are those of no use
 * (replication.md R47, R65); and a shard that is alone again needs no machine.
 *
 *     no row names it --a second--> its machine is closed: it acknowledges nothing more --the directory is asked, and
 *     its answer is known here: still not wanted--> all of it is deleted, and with it its name
 *
 * A map alone would not do: the row that it has may be an old one, and the copy be wanted again, and counted. Whatever
 * may come of what was acknowledged before the machine was closed is in the answer to a question asked after that. */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/replicas_parts.h"

#define UNWANTED_NS NS_PER_S    /* so long no row names it, before anything is done */
#define ALONE_NS (5 * NS_PER_S) /* so long a shard is alone before it has no machine any more */
#define ANSWER_NS (3 * NS_PER_S)
#define AGAIN_NS NS_PER_S
#define SOON_NS (100 * NS_PER_MS)

/* Nothing of it is on its way to the disk or to the store, and no job has it. */
static bool is_still(const struct shard_copy *copy)
{
    const struct core *core = copy->core;
    const struct shard *shard = copy->shard;
    bool is_written = shard->durable_seq == shard->last_seq && shard->touched_in == NULL && copy->moving == 0 &&
                      shard->synced_epoch == shard->epoch && shard->notes == shard->notes_synced;
    return is_written && !core->refusing && !core->frozen && shard->duty->install == NULL &&
           copy->incoming.state == INCOMING_NONE && list_empty(&copy->outgoing) && copy->side_jobs == 0 &&
           !copy->row_waits;
}

/* What only the machine knew. */
static void close_machine(struct shard_copy *copy)
{
    if (copy->replica != NULL) {
        replog_history(copy->replica, &copy->shard->history);
        replog_close(copy->replica);
        copy->replica = NULL;
    }
}

/* Deletion. */

static void end_drop(struct shard_copy *copy, enum drop_state state, uint64_t wait_ns)
{
    copy->drop.state = state;
    copy->drop.at_ns = core_now_ns(copy->core) + wait_ns;
}

static void dropped(void *user, uint32_t id, enum pdr_status status)
{
    struct shard_copy *copy = user;
    struct core *core = copy->core;
    core->replicas->is_dropping = false;
    if (status == PDR_OK) {
        LOG_INFO("shard.dropped", "shard=%u; the copy that this node had was %s", id,
                 copy->is_lost ? "of no use" : "not wanted any more");
        copy->is_lost = false;
        end_drop(copy, DROP_NO, 0);
        core->rows_wait = true; /* it may be wanted anew, under the name that it has now */
        return;
    }
    end_drop(copy, DROP_CLOSED, AGAIN_NS);
    if (status != PDR_INVALID) {
        shard_install_abort(core, id);
    }
}

static void drop(struct shard_copy *copy)
{
    struct replicas *r = copy->core->replicas;
    CHECK(copy->replica == NULL);
    if (r->is_dropping || copy->shard->state != DUTY_CLOSED || !is_still(copy)) {
        return; /* one at a time: each flushes the store */
    }
    r->is_dropping = true;
    end_drop(copy, DROP_RUNS, 0);
    shard_drop(copy->core, copy->shard->id, dropped, copy);
}

/* There is something of it, and the map's row has no copy of this node's, nor is to have one. */
static bool is_absent(const struct shard_copy *copy)
{
    const struct cluster_map *map = copy->core->map;
    const struct cluster_owner *owner = cluster_map_owner(map, copy->shard->id);
    return copy->shard->last_seq > 0 && owner != NULL && owner->epoch > 0 &&
           cluster_map_row(map, copy->shard->id) == NULL;
}

static void consider_close(struct shard_copy *copy)
{
    const struct shard *shard = copy->shard;
    bool is_led = copy->replica != NULL && replog_is_primary(copy->replica);
    if (shard->state == DUTY_CLOSED && !is_led && is_still(copy) && shard->applied_seq >= copy->released_seq) {
        close_machine(copy);
        copy->drop.index = 0;
        end_drop(copy, DROP_CLOSED, 0);
    }
}

static void ask(struct shard_copy *copy)
{
    const struct replicas_options *options = &copy->core->replicas->options;
    struct replicas_question question = {copy->shard->id, ++copy->core->replicas->questions, copy->drop.index};
    copy->drop.number = question.number;
    end_drop(copy, DROP_ASKED, ANSWER_NS);
    options->ask(options->user, copy->core, &question);
}

void copy_consider_drop(struct shard_copy *copy)
{
    struct dropping *d = &copy->drop;
    bool is_due = core_now_ns(copy->core) >= d->at_ns;
    if (d->state == DROP_RUNS) {
        return;
    }
    if (!copy->is_lost && !is_absent(copy)) {
        d->state = DROP_NO; /* if its machine is closed the next map opens it */
        return;
    }
    if (copy->replica != NULL && d->state != DROP_WAITS) {
        d->state = DROP_NO; /* it was wanted for a moment, and is open again */
    }
    if (d->state == DROP_NO) {
        end_drop(copy, DROP_WAITS, copy->is_lost ? 0 : UNWANTED_NS);
    } else if (d->state == DROP_WAITS && is_due) {
        consider_close(copy);
    } else if (d->state == DROP_ASKED && is_due) {
        end_drop(copy, DROP_CLOSED, 0); /* the answer was lost */
    } else if (d->state == DROP_CLOSED && is_due && copy->is_lost) {
        drop(copy);
    } else if (d->state == DROP_CLOSED && is_due) {
        ask(copy);
    }
}

void replicas_asked(struct core *core, const struct replicas_question *question, enum replicas_verdict verdict)
{
    struct shard *shard = question->shard < core->shard_count ? core->shards[question->shard] : NULL;
    struct shard_copy *copy = shard != NULL ? shard->copy : NULL;
    if (copy == NULL || core->dead || copy->drop.state != DROP_ASKED || copy->drop.number != question->number) {
        return;
    }
    copy->drop.index = verdict == REPLICAS_NOT_YET ? question->index : 0;
    end_drop(copy, DROP_CLOSED, verdict == REPLICAS_NOT_YET && question->index != 0 ? SOON_NS : AGAIN_NS);
    if (verdict == REPLICAS_ABSENT && copy->replica == NULL && is_absent(copy)) {
        drop(copy);
    }
}

/* Alone again. */

/* Nobody else has a say, nor will have before the next row: all that there is is committed, and nothing is proposed. */
static bool is_alone(const struct shard_copy *copy)
{
    const struct shard *shard = copy->shard;
    if (copy->replica == NULL || !replog_is_primary(copy->replica) || !copy_row_is_alone(copy)) {
        return false;
    }
    struct replica_state state = replog_state(copy->replica);
    return state.ready && !state.paused && !state.released && !state.proposes && state.cv == copy->row.cv &&
           shard->state == DUTY_OPEN && shard->commit_seq == shard->last_seq && list_empty(&copy->tail);
}

void copy_consider_alone(struct shard_copy *copy)
{
    uint64_t now_ns = core_now_ns(copy->core);
    if (!is_alone(copy)) {
        copy->alone_ns = copy_row_is_alone(copy) ? copy->alone_ns : 0;
        return;
    }
    if (copy->alone_ns == 0) {
        copy->alone_ns = now_ns;
    }
    if (now_ns - copy->alone_ns >= ALONE_NS && is_still(copy)) {
        struct shard *shard = copy->shard;
        copy_write_name(copy, false); /* what is in the log from here on is committed */
        close_machine(copy);
        const struct history *history = &shard->history;
        if (history->count == 0 || history->at[history->count - 1].epoch != shard->epoch) {
            history_begin(&shard->history, shard->epoch, shard->last_seq + 1); /* it has no entries yet */
        }
        copy_free(copy);
        shard->copy = NULL;
    }
}
