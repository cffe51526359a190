/* core/shard/install.c: the rows of a shard come, chunk by chunk, under a generation of their own. */
#include "core/shard/install.h"

#include <stdio.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/journal/control.h"
#include "core/shard/apply.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/replicas.h"

/* What is under way; READY: nothing is. */
enum install_state {
    INSTALL_ANNOUNCES, /* RECORD_INSTALLING is on its way */
    INSTALL_EMPTIES,
    INSTALL_READY,
    INSTALL_PUTS,
    INSTALL_FLUSHES,
    INSTALL_FLUSHED, /* and RECORD_SNAP is still to be made, or on its way */
    INSTALL_CLEANS,  /* the shard is the new one: the old rows go */
    INSTALL_DROPS,   /* it was given up */
};

struct install {
    struct core_job job; /* for the blocking steps */
    struct duty *duty;
    enum install_state state;
    bool running, aborted;
    bool is_drop;  /* nothing comes: the copy has no rows, and is as of no entry */
    bool is_noted; /* the record of this state was submitted, as number `note` of the shard */
    uint32_t note;
    uint16_t gen;
    uint64_t rid;
    struct snapshot_writer writer;
    struct pdr_bytes chunk;
    struct keys_meta meta;
    enum pdr_status status;
    install_done done;
    void *user;
};

/* Blocking. */

static void run(struct job *job)
{
    struct install *i = LIST_ITEM(job, struct install, job.job);
    struct store *store = i->job.core->world.store;
    uint32_t shard = i->duty->shard->id;
    switch (i->state) {
    case INSTALL_EMPTIES:
        i->status = snapshot_begin(&i->writer, store, shard, i->gen);
        break;
    case INSTALL_PUTS:
        i->status = snapshot_put(&i->writer, i->chunk);
        break;
    case INSTALL_FLUSHES:
        i->status = snapshot_end(&i->writer, &i->meta);
        break;
    case INSTALL_CLEANS:
        i->status = snapshot_drop_others(store, shard, i->gen);
        break;
    case INSTALL_DROPS:
        i->status = snapshot_drop(store, shard, i->gen);
        break;
    default:
        break;
    }
}

static void answer(struct install *i, enum pdr_status status)
{
    install_done done = i->done;
    i->done = NULL;
    if (done != NULL) {
        done(i->user, i->duty->shard->id, status);
    }
}

static void submit(struct install *i)
{
    struct core *core = i->job.core;
    i->running = true;
    list_push_back(&core->jobs, &i->job.node);
    work_submit(core->world.work, core->world.loop, &i->job.job);
}

static void over(struct install *i)
{
    struct duty *duty = i->duty;
    duty->install = NULL;
    list_remove(&duty->node);
    mem_free(i);
    bool has_epoch = duty->shard->copy != NULL ? duty->epoch > 0 : duty->epoch > duty->shard->epoch;
    if (has_epoch) { /* a map came meanwhile */
        duty_open(duty);
    }
}

static void ran(struct job *job)
{
    struct install *i = LIST_ITEM(job, struct install, job.job);
    list_remove(&i->job.node);
    i->running = false;
    if (i->state == INSTALL_CLEANS || i->state == INSTALL_DROPS) {
        over(i); /* rows that could not be deleted are so at the next start */
    } else if (i->aborted) {
        i->state = INSTALL_DROPS;
        submit(i);
    } else if (i->state == INSTALL_FLUSHES && i->status == PDR_OK) {
        i->state = INSTALL_FLUSHED; /* goes on with the next tick */
    } else if (i->state == INSTALL_EMPTIES && i->status == PDR_OK && i->is_drop) {
        i->writer.ended = true;
        i->state = INSTALL_FLUSHES;
        submit(i);
    } else {
        bool is_empty = i->state != INSTALL_EMPTIES || i->status == PDR_OK;
        i->state = is_empty ? INSTALL_READY : INSTALL_ANNOUNCES;
        answer(i, i->status);
    }
}

static void discard(struct core_job *job)
{
    LIST_ITEM(job, struct install, job)->running = false; /* install_discard frees it */
}

/* Records. */

static void announce(struct install *i)
{
    uint8_t payload[10];
    put_le64(payload, i->rid);
    put_le16(payload + 8, i->gen);
    i->note = commit_note(i->job.core, i->duty->shard, RECORD_INSTALLING, i->duty->shard->epoch, 0,
                          pdr_bytes(payload, sizeof payload));
}

static void conclude(struct install *i)
{
    struct control control = {.rid = i->rid, .gen = i->gen, .history_count = i->meta.history_count};
    uint8_t payload[2048];
    for (uint32_t k = 0; k < i->meta.history_count; k++) {
        control.history[k] = (struct control_epoch){i->meta.history[k].epoch, i->meta.history[k].first_seq};
    }
    uint32_t size = control_payload_size(&control);
    CHECK(size <= sizeof payload);
    control_encode(&control, payload);
    i->note = commit_note(i->job.core, i->duty->shard, RECORD_SNAP, i->meta.applied_epoch, i->meta.applied_seq,
                          pdr_bytes(payload, size));
}

/* The shard is what the snapshot says. */
static void become(struct install *i)
{
    struct shard *shard = i->duty->shard;
    const struct keys_meta *meta = &i->meta;
    shard->gen = i->gen;
    shard->rid = i->rid;
    shard->rid_known = true;
    shard->epoch = shard->epoch > meta->applied_epoch ? shard->epoch : meta->applied_epoch;
    shard->synced_epoch = shard->epoch;
    shard->last_seq = shard->durable_seq = shard->commit_seq = meta->applied_seq;
    shard->applied_seq = shard->applying_seq = shard->load_barrier = meta->applied_seq;
    apply_shard(i->job.core->apply, shard->id, shard->gen, meta);
    history_release(&shard->history);
    for (uint32_t k = 0; k < meta->history_count; k++) {
        history_begin(&shard->history, meta->history[k].epoch, meta->history[k].first_seq);
    }
    if (shard->copy != NULL) {
        replicas_became(shard);
    }
    LOG_INFO("shard.installed", "shard=%u gen=%u epoch=%llu seq=%llu rows=%llu", shard->id, shard->gen,
             (unsigned long long)meta->applied_epoch, (unsigned long long)meta->applied_seq,
             (unsigned long long)i->writer.rows);
}

/* True when the record of this state is durable. */
static bool is_written(struct install *i, void (*note)(struct install *i))
{
    struct core *core = i->job.core;
    struct shard *shard = i->duty->shard;
    if (i->is_noted && shard->notes_synced >= i->note) {
        i->is_noted = false;
        return true;
    }
    i->is_noted = i->is_noted && shard->notes >= i->note; /* else it was refused, for want of space */
    if (!i->is_noted && !core->refusing) {
        note(i);
        i->is_noted = true;
    }
    return false;
}

void install_step(struct duty *duty)
{
    struct install *i = duty->install;
    struct core *core = duty->core;
    if (i->running) {
        return;
    }
    if (i->state == INSTALL_ANNOUNCES && (i->done != NULL || i->aborted)) {
        if (i->aborted && !i->is_noted) {
            over(i);
        } else if (is_written(i, announce)) {
            i->state = i->aborted ? INSTALL_DROPS : INSTALL_EMPTIES;
            submit(i);
        }
    } else if (i->state == INSTALL_FLUSHED && !core->applying && (MUTATION(153) || is_written(i, conclude))) {
        become(i);
        i->state = INSTALL_CLEANS;
        submit(i);
        answer(i, PDR_OK);
    }
}

/* Steps. */

static struct install *ready(struct core *core, uint32_t id, install_done done, void *user)
{
    struct shard *shard = id < core->shard_count ? core->shards[id] : NULL;
    struct install *i = shard != NULL && shard->duty != NULL ? shard->duty->install : NULL;
    if (i == NULL || i->state != INSTALL_READY || i->aborted || core->frozen) {
        done(user, id, PDR_INVALID);
        return NULL;
    }
    i->done = done;
    i->user = user;
    i->writer.why[0] = 0;
    return i;
}

static void begin(struct core *core, uint32_t id, uint64_t rid, bool is_drop, install_done done, void *user)
{
    struct shard *shard = id < core->shard_count ? core->shards[id] : NULL;
    struct duty *duty = shard != NULL ? shard->duty : NULL;
    if (duty == NULL || shard->state != DUTY_CLOSED || core->frozen || rid == 0 ||
        (duty->install != NULL &&
         (duty->install->state != INSTALL_ANNOUNCES || duty->install->done != NULL || duty->install->aborted))) {
        done(user, id, PDR_INVALID);
        return;
    }
    struct install *i = duty->install;
    if (i == NULL) {
        i = mem_new(sizeof *i);
        i->job = (struct core_job){.job = {.run = run, .done = ran}, .core = core, .discard = discard};
        list_init(&i->job.node);
        i->duty = duty;
        i->gen = (uint16_t)(shard->gen + 1);
        duty->install = i;
        list_push_back(&core->changing, &duty->node);
    }
    i->rid = rid;
    i->is_drop = is_drop;
    i->done = done;
    i->user = user;
}

void shard_install(struct core *core, uint32_t id, uint64_t rid, install_done done, void *user)
{
    begin(core, id, rid, false, done, user);
}

void shard_drop(struct core *core, uint32_t id, install_done done, void *user)
{
    begin(core, id, rng_next(&core->rng) | 1, true, done, user);
}

void shard_install_chunk(struct core *core, uint32_t id, struct pdr_bytes chunk, install_done done, void *user)
{
    struct install *i = ready(core, id, done, user);
    if (i != NULL) {
        i->chunk = chunk;
        i->state = INSTALL_PUTS;
        submit(i);
    }
}

void shard_install_end(struct core *core, uint32_t id, const struct keys_meta *meta, install_done done, void *user)
{
    struct install *i = ready(core, id, done, user);
    if (i != NULL) {
        i->meta = *meta;
        i->state = INSTALL_FLUSHES;
        submit(i);
    }
}

void shard_install_abort(struct core *core, uint32_t id)
{
    struct shard *shard = id < core->shard_count ? core->shards[id] : NULL;
    struct install *i = shard != NULL && shard->duty != NULL ? shard->duty->install : NULL;
    if (i == NULL) {
        return;
    }
    i->done = NULL;
    i->aborted = i->state != INSTALL_FLUSHED && i->state != INSTALL_CLEANS; /* else it is all there, and stays */
    if (i->state == INSTALL_READY && !core->frozen) {                       /* else the next start does it */
        i->state = INSTALL_DROPS;
        submit(i);
    }
}

const char *shard_install_why(const struct core *core, uint32_t id)
{
    const struct install *i = core->shards[id]->duty->install;
    return i != NULL ? i->writer.why : "";
}

void install_discard(struct duty *duty)
{
    mem_free(duty->install);
    duty->install = NULL;
}
