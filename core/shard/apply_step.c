/* core/shard/apply_step.c: when a core applies: what is durable gathers, and goes to the store as one step on the work
 * pool, one step at a time a core, so that steps of a shard keep their order. */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/apply.h"
#include "core/shard/commit.h"
#include "core/shard/replicas.h"

struct apply_step {
    struct core_job job;
    struct list submissions;
    struct session_row *sessions;
    enum pdr_status status;
    uint32_t bytes;
    uint64_t begun_ns;
};

struct checkpoint {
    struct list node;
    uint64_t known, end; /* everything before `end` is to be applied */
    bool impatient;      /* rather hears of a failure than waits until the store takes writes again */
    void (*done)(void *user, uint64_t position);
    void *user;
};

static enum pdr_status fold_records(struct apply *apply, const struct submission *s)
{
    struct pdr_bytes rest = pdr_bytes(s->records, s->size);
    enum pdr_status status = PDR_OK;
    while (rest.size > 0 && status == PDR_OK) {
        struct record record;
        uint32_t used;
        CHECK(record_decode(rest, &record, &used) == PDR_OK); /* our own encoding */
        status = apply_record(apply, &record);
        rest = pdr_bytes((const uint8_t *)rest.data + used, rest.size - used);
    }
    return status;
}

static void step_run(struct job *job)
{
    struct apply_step *step = LIST_ITEM(job, struct apply_step, job.job);
    if (step->status == PDR_OK) { /* else it is tried again, folded already */
        for (struct list *node = step->submissions.next; node != &step->submissions; node = node->next) {
            CHECK(fold_records(step->job.core->apply, LIST_ITEM(node, struct submission, node)) == PDR_OK);
        }
        for (const struct session_row *row = step->sessions; row != NULL; row = row->next) {
            apply_row(step->job.core->apply, row->shard, pdr_bytes(row->key, sizeof row->key),
                      pdr_bytes(row->value, row->value_size));
        }
    }
    step->status = apply_write(step->job.core->apply, step->job.core->world.store);
}

static void free_submissions(struct list *submissions)
{
    struct list *node;
    while ((node = list_pop(submissions)) != NULL) {
        submission_free(LIST_ITEM(node, struct submission, node));
    }
}

static void step_discard(struct core_job *job)
{
    struct apply_step *step = LIST_ITEM(job, struct apply_step, job);
    free_submissions(&step->submissions);
    session_rows_free(step->sessions);
    mem_free(step);
}

/* How far the shard is with a submission applied. A note of a shard that had nothing may be applied when an installed
 * copy has brought it further already; one of a shard whose copy was deleted, when it has nothing any more. */
static uint64_t reached(const struct shard *shard, uint64_t before, uint64_t last_seq)
{
    last_seq = last_seq < shard->last_seq ? last_seq : shard->last_seq;
    return before > last_seq ? before : last_seq;
}

/* Positions of the shards follow what the store has now. */
static void note_applied(const struct apply_step *step)
{
    struct core *core = step->job.core;
    for (struct list *node = step->submissions.next; node != &step->submissions; node = node->next) {
        const struct submission *s = LIST_ITEM(node, struct submission, node);
        for (uint32_t i = 0; i < s->touched_count; i++) {
            struct shard *shard = s->touched[i].shard;
            shard->applied_seq = reached(shard, shard->applied_seq, s->touched[i].last_seq);
        }
    }
    core->unapplied_bytes -= step->bytes;
    core->stats.applies++;
    metrics_time(&core->stats.apply_step_us, core_now_ns(core) - step->begun_ns);
    core->stats.applied_records = apply_stats(core->apply).records;
    core->stats.applied_keys = apply_stats(core->apply).keys;
}

static void answer_checkpoints(struct core *core)
{
    uint64_t oldest = UINT64_MAX;
    if (!list_empty(&core->unapplied)) {
        oldest = LIST_ITEM(core->unapplied.next, struct submission, node)->batch.begin;
    }
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &core->checkpoints);
    struct list *node;
    while ((node = list_pop(&waiting)) != NULL) {
        struct checkpoint *c = LIST_ITEM(node, struct checkpoint, node);
        if ((core->applying || oldest < c->end) && !MUTATION(17)) {
            list_push_back(&core->checkpoints, node);
            continue;
        }
        uint64_t held = replicas_oldest(core); /* by others, for as long as it takes them */
        replicas_move_tails(core, c->known);
        oldest = held < oldest ? held : oldest;
        c->done(c->user, oldest < c->known && !MUTATION(17) ? oldest : c->known);
        mem_free(c);
    }
}

static void disappoint(struct core *core)
{
    struct list waiting, *node;
    list_init(&waiting);
    list_splice(&waiting, &core->checkpoints);
    while ((node = list_pop(&waiting)) != NULL) {
        struct checkpoint *c = LIST_ITEM(node, struct checkpoint, node);
        if (c->impatient) {
            c->done(c->user, CORE_APPLY_REFUSED);
            mem_free(c);
        } else {
            list_push_back(&core->checkpoints, node);
        }
    }
}

static void step_retry(struct core *core, struct apply_step *step)
{
    char why[160];
    core->world.store->ops->last_error(core->world.store, why, sizeof why);
    LOG_ERROR("store.apply_failed", "core=%u why=\"%s\"; trying again", core->index, why);
    if (!core->frozen) { /* then the journal may be closed */
        journal_unreleasable(core->world.journal);
    }
    core->failed_step = &step->job;
    timer_set(&core->wheel, &core->apply_timer, core_now_ns(core) + 500 * NS_PER_MS);
    disappoint(core);
}

static void submit_step(struct core *core, struct core_job *job)
{
    list_push_back(&core->jobs, &job->node);
    work_submit(core->world.work, core->world.loop, &job->job);
}

static void step_done(struct job *job)
{
    struct apply_step *step = LIST_ITEM(job, struct apply_step, job.job);
    struct core *core = step->job.core;
    list_remove(&step->job.node);
    if (step->status != PDR_OK) {
        step_retry(core, step);
        return;
    }
    core->applying = false;
    core->step = NULL;
    note_applied(step);
    replicas_applied(core);
    activation_applied(core);
    step_discard(&step->job);
    answer_checkpoints(core);
    if (core->apply_soon) {
        apply_now(core);
    }
}

/* There is something, and it need not wait. */
static bool may_apply(const struct core *core)
{
    return !list_empty(&core->unapplied) &&
           LIST_ITEM(core->unapplied.next, struct submission, node)->batch.begin < core->apply_until;
}

/* Sessions' rows as of what the step applies. */
static struct session_row *save_sessions(struct core *core)
{
    struct session_row *all = NULL;
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        if (shard == NULL || shard->sessions.dirty_count == 0) {
            continue;
        }
        struct session_row *rows = session_save(&shard->sessions, shard->applying_seq);
        struct session_row **end = &rows;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = all;
        all = rows;
    }
    return replicas_save_sessions(core, all);
}

static void start_step(struct core *core)
{
    struct apply_step *step = mem_new(sizeof *step);
    step->job = (struct core_job){.job = {.run = step_run, .done = step_done}, .core = core, .discard = step_discard};
    list_init(&step->submissions);
    while (may_apply(core)) {
        struct list *node = list_pop(&core->unapplied);
        const struct submission *s = LIST_ITEM(node, struct submission, node);
        step->bytes += s->size;
        for (uint32_t i = 0; i < s->touched_count; i++) {
            struct shard *shard = s->touched[i].shard;
            shard->applying_seq = reached(shard, shard->applying_seq, s->touched[i].last_seq);
        }
        list_push_back(&step->submissions, node);
    }
    step->begun_ns = core_now_ns(core);
    step->sessions = MUTATION(73) && !core->frozen ? NULL : save_sessions(core);
    core->applying = true;
    core->step = step;
    core->apply_soon = false;
    timer_cancel(&core->wheel, &core->apply_timer);
    submit_step(core, &step->job);
}

void apply_again(struct core *core)
{
    if (core->failed_step != NULL) {
        struct core_job *job = core->failed_step;
        core->failed_step = NULL;
        submit_step(core, job);
    } else {
        apply_now(core);
    }
}

void apply_now(struct core *core)
{
    if (core->failed_step != NULL) { /* it has its time: a full disk is not tried whenever somebody waits for it */
        return;
    }
    if (core->applying) {
        core->apply_soon = !list_empty(&core->unapplied);
    } else if (may_apply(core)) {
        start_step(core);
    }
}

/* However few the entries, a step writes a row for each session and shard that changed: more gather, for longer. */
#define GATHER_WITH_SESSIONS 4u

void apply_consider(struct core *core)
{
    if (core->applying || !may_apply(core)) {
        return;
    }
    uint64_t times = core->session_bytes > 0 ? GATHER_WITH_SESSIONS : 1;
    uint64_t enough = core->limits.apply_bytes * times;
    if (core->unapplied_bytes >= enough) {
        apply_now(core);
    } else if (!timer_is_set(&core->apply_timer)) {
        timer_set(&core->wheel, &core->apply_timer,
                  core_now_ns(core) + core->limits.apply_delay_ms * times * NS_PER_MS);
    }
}

/* Overlay: for actors that are read anew after a roll-back while the store takes nothing (a full disk): reads go on. */

static void overlay_effect(struct activation *a, const struct effect *effect, uint64_t seq)
{
    struct state *values = &a->values;
    enum keys_kind kind = (enum keys_kind)effect->space;
    bool deleted = effect_deletes(effect);
    if (effect_is_row(effect)) {
        return;
    }
    if (deleted && (kind == KEYS_REMINDER || values->complete)) { /* all reminders are here: loader.c sees to it */
        mem_free(state_remove(values, kind, effect->key));
        values->removed_seq = seq;
        return;
    }
    struct state_entry *entry = state_entry_new(kind, effect->key, effect->value, deleted);
    CHECK(entry != NULL); /* without it this actor would answer with what is old */
    entry->seq = seq;
    mem_free(state_insert(values, entry));
}

static void overlay_record(struct activation *a, const struct record *record)
{
    struct pdr_bytes address, rest;
    struct effect effect;
    if (record->kind != RECORD_ENTRY || record->shard != a->shard->id || record->seq > a->shard->commit_seq ||
        effects_open(record->payload, &address, &rest) != PDR_OK || !pdr_bytes_equal(address, activation_address(a))) {
        return;
    }
    while (effects_next(&rest, &effect) == PDR_OK) {
        overlay_effect(a, &effect, record->seq);
    }
    a->last_seq = record->seq;
}

static void overlay_submissions(struct activation *a, const struct list *submissions)
{
    for (const struct list *node = submissions->next; node != submissions; node = node->next) {
        const struct submission *s = LIST_ITEM(node, struct submission, node);
        struct pdr_bytes rest = pdr_bytes(s->records, s->size);
        while (rest.size > 0) {
            struct record record;
            uint32_t used;
            CHECK(record_decode(rest, &record, &used) == PDR_OK);
            overlay_record(a, &record);
            rest = pdr_bytes((const uint8_t *)rest.data + used, rest.size - used);
        }
    }
}

void apply_overlay(struct activation *a)
{
    CHECK(a->values.all_reminders);
    if (a->core->step != NULL) {
        overlay_submissions(a, &a->core->step->submissions);
    }
    overlay_submissions(a, &a->core->unapplied);
    a->reminder_count = (uint16_t)state_count(&a->values, KEYS_REMINDER);
}

void core_checkpoint(struct core *core, uint64_t known, void (*done)(void *user, uint64_t position), void *user)
{
    if (core->frozen && core->failed_step != NULL) {
        done(user, 0);
        return;
    }
    struct checkpoint *c = mem_new(sizeof *c);
    *c = (struct checkpoint){.known = known, .end = known, .done = done, .user = user};
    list_push_back(&core->checkpoints, &c->node);
    apply_now(core);
    answer_checkpoints(core);
}

void core_apply_until(struct core *core, uint64_t position, void (*done)(void *user, uint64_t position), void *user)
{
    core->apply_until = MUTATION(60) ? UINT64_MAX : position;
    if (done != NULL && core->failed_step != NULL) {
        done(user, CORE_APPLY_REFUSED);
        return;
    }
    if (done != NULL) {
        struct checkpoint *c = mem_new(sizeof *c);
        *c = (struct checkpoint){.known = position, .end = position, .impatient = true, .done = done, .user = user};
        list_push_back(&core->checkpoints, &c->node);
    }
    apply_now(core);
    answer_checkpoints(core);
}

bool apply_is_done(const struct core *core)
{
    return list_empty(&core->unapplied) && !core->applying;
}

void apply_give_up(struct core *core)
{
    struct list *node;
    timer_cancel(&core->wheel, &core->apply_timer);
    while ((node = list_pop(&core->checkpoints)) != NULL) {
        struct checkpoint *c = LIST_ITEM(node, struct checkpoint, node);
        c->done(c->user, c->impatient ? CORE_APPLY_REFUSED : 0);
        mem_free(c);
    }
}

void apply_release(struct core *core)
{
    struct list *node;
    while ((node = list_pop(&core->checkpoints)) != NULL) {
        mem_free(LIST_ITEM(node, struct checkpoint, node));
    }
    if (core->failed_step != NULL) {
        core->failed_step->discard(core->failed_step);
    }
    if (core->apply != NULL) {
        apply_free(core->apply);
    }
}
