/* core/shard/duty_open.c: a shard is opened: its epoch begins on disk, the store catches up, its rows come into
 * memory. */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/found.h"
#include "core/shard/reminders.h"
#include "core/shard/replicas.h"
#include "core/shard/sessions.h"
#include "core/shard/tells.h"

#define AGAIN_MS 500u /* the store could not be read */

struct reading {
    struct core_job job;
    struct duty *duty;
    struct found_rows rows;
    enum pdr_status status;
};

void duty_open(struct duty *duty)
{
    struct shard *shard = duty->shard;
    CHECK(shard->state == DUTY_CLOSED && !duty->reading);
    CHECK(shard->copy != NULL ? duty->epoch == shard->epoch : duty->epoch > shard->epoch);
    shard->state = DUTY_OPENING;
    shard->epoch = duty->epoch;
    shard->epoch_open = shard->copy != NULL; /* its machine has seen to that */
    duty->epoch = 0;
    duty->at_ns = 0;
    if (list_alone(&duty->node)) {
        list_push_back(&duty->core->changing, &duty->node);
    }
}

static void take_session(struct shard *shard, const struct found *found)
{
    struct pdr_bytes key = found_key(found);
    key = pdr_bytes((const uint8_t *)key.data + 1, key.size - 1);
    if (session_note(&shard->sessions, key, found_value(found), false, 0) != PDR_OK) {
        LOG_ERROR("session.malformed", "shard=%u; this row is passed over; was it written by another version?",
                  shard->id);
    }
}

static void opened(struct duty *duty, const struct found_rows *rows)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    list_remove(&duty->node);
    shard->state = DUTY_OPEN;
    shard->life++;
    reminders_open(core, shard);
    for (const struct found *found = rows->first; found != NULL; found = found->next) {
        if (found->data[0] == KEYS_SESSION) {
            take_session(shard, found);
        } else {
            tells_install(core, shard, found_key(found), found_value(found));
        }
    }
    sessions_open(core, shard);
    if (shard->copy != NULL) {
        replicas_opened(shard);
    }
    core->stats.opened_shards++;
    LOG_DEBUG("shard.opened", "shard=%u epoch=%llu seq=%llu", shard->id, (unsigned long long)shard->epoch,
              (unsigned long long)shard->last_seq);
    duty_let_in(duty);
}

static void reading_run(struct job *job)
{
    struct reading *reading = LIST_ITEM(job, struct reading, job.job);
    struct store *store = reading->job.core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        reading->status = PDR_OVERLOADED;
        return;
    }
    reading->status = found_read(&reading->rows, store, cursor, reading->duty->shard, KEYS_SESSION, KEYS_PENDING);
    store->ops->cursor_free(cursor);
}

static void reading_discard(struct core_job *job)
{
    struct reading *reading = LIST_ITEM(job, struct reading, job);
    found_free(&reading->rows);
    mem_free(reading);
}

static void reading_done(struct job *job)
{
    struct reading *reading = LIST_ITEM(job, struct reading, job.job);
    struct duty *duty = reading->duty;
    struct core *core = duty->core;
    list_remove(&reading->job.node);
    duty->reading = false;
    if (duty->shard->state != DUTY_OPENING) {
        reading_discard(&reading->job); /* it is closed again: what was read is of before */
        return;
    }
    if (reading->status == PDR_OK) {
        opened(duty, &reading->rows);
    } else {
        char why[128];
        core->world.store->ops->last_error(core->world.store, why, sizeof why);
        LOG_ERROR("store.read_failed", "shard=%u why=\"%s\"; trying again", duty->shard->id, why);
        duty->at_ns = core_now_ns(core) + AGAIN_MS * NS_PER_MS;
    }
    reading_discard(&reading->job);
}

static void read_rows(struct duty *duty)
{
    struct core *core = duty->core;
    struct reading *reading = mem_new(sizeof *reading);
    reading->job =
        (struct core_job){.job = {.run = reading_run, .done = reading_done}, .core = core, .discard = reading_discard};
    reading->duty = duty;
    duty->reading = true;
    list_push_back(&core->jobs, &reading->job.node);
    work_submit(core->world.work, core->world.loop, &reading->job.job);
}

/* R30, R33: the epoch is on disk, and all that it began with is committed. */
static bool has_begun(struct duty *duty)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    if (shard->copy != NULL) {
        return replicas_is_ready(shard) && shard->commit_seq == shard->last_seq;
    }
    if (!shard->epoch_open) {
        if (shard->durable_seq == shard->last_seq && !core->refusing) {
            commit_epoch(core, shard);
        }
        return false;
    }
    bool is_synced = shard->synced_epoch == shard->epoch || MUTATION(151);
    return is_synced && shard->commit_seq == shard->last_seq;
}

void duty_open_step(struct duty *duty)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    if (duty->reading || !has_begun(duty)) {
        return;
    }
    if (shard->applied_seq < shard->last_seq) {
        apply_now(core);
    } else if (core_now_ns(core) >= duty->at_ns) {
        read_rows(duty);
    } /* else a later tick does: the sweep's comes in time */
}
