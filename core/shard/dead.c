/* core/shard/dead.c: a dead letter (KEYS_DEAD) goes back into its actor's queue, or is forgotten, in one entry. It is
 * read from the store, so first the store must have all that is committed: else one could be redelivered twice. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/shard/commit.h"
#include "core/shard/tells_parts.h"
#include "core/store/keys.h"

#define LOOK_MS 5u /* how often we look whether the store is there */

struct letter {
    struct core_job job;
    struct timer timer;
    struct call *call;
    uint64_t seq; /* the store must have it */
    enum pdr_status status;
    void *value;
    size_t size, key_size;
    uint8_t key[KEYS_HEAD_SIZE + KEYS_ROW_KEY_MAX];
};

static void letter_over(struct letter *letter, enum pdr_status status, const char *why)
{
    struct call *call = letter->call;
    letter->job.core->tells->dead_busy = false;
    free(letter->value);
    mem_free(letter);
    if (why != NULL) {
        call->retry_ms = status == PDR_OVERLOADED || status == PDR_UNAVAILABLE ? 100 : 0;
        call_fail(call, status, "%s", why);
    }
    if (why != NULL) {
        call_finish(call);
    }
}

/* From here on nothing waits. */
static void decide(struct core *core, struct call *call, struct pdr_bytes value)
{
    struct shard *shard = core->shards[call->shard];
    struct rows rows = {0};
    struct tell_row row;
    uint8_t key[TELL_NUMBER_KEY_MAX];
    rows_delete(&rows, KEYS_DEAD, tell_dead_key(key, call->address, call->tell.number));
    if (call->tell.role == TELL_DISCARD) {
        turn_answer(shard, call, commit_rows(core, shard, NULL, NULL, &rows), PDR_DURABILITY_SYNC);
        return;
    }
    struct pdr_ref ref = tell_ref(call->address, call->type_size);
    struct call *pending = NULL;
    uint64_t number = tell_number(shard, 0);
    if (tell_row_read(value, &row) == PDR_OK) {
        pending = call_new(&core->calls, core, &ref, call->address, row.method, row.args, row.sender, NULL, 0, 0);
    }
    if (pending == NULL) {
        rows_release(&rows);
        call_fail(call, PDR_INTERNAL, "the dead letter can't be read");
        call_finish(call);
        return;
    }
    pending->shard = call->shard;
    tell_enlist(tell_queue_of(core, call->address), pending, number);
    tell_put_pending(&rows, pending, number, false);
    tell_accepted(core, call, pending, commit_rows(core, shard, NULL, NULL, &rows));
}

static void read_run(struct job *job)
{
    struct letter *letter = LIST_ITEM(job, struct letter, job.job);
    struct store *store = letter->job.core->world.store;
    letter->status = store->ops->get(store, pdr_bytes(letter->key, letter->key_size), &letter->value, &letter->size);
}

static void read_done(struct job *job)
{
    struct letter *letter = LIST_ITEM(job, struct letter, job.job);
    struct core *core = letter->job.core;
    struct call *call = letter->call;
    list_remove(&letter->job.node);
    if (core->shards[call->shard]->state != DUTY_OPEN) {
        turn_abandon(call, false);
        letter_over(letter, PDR_OK, NULL);
        call_finish(call);
    } else if (letter->status == PDR_NOT_FOUND) {
        letter_over(letter, PDR_INVALID, "there is no such dead letter; `perdure ps --dead` lists them");
    } else if (letter->status != PDR_OK) {
        letter_over(letter, letter->status, "the store could not be read");
    } else if (tell_may_accept(core, call) != PDR_OK) {
        letter_over(letter, PDR_OK, NULL);
        call_finish(call);
    } else {
        decide(core, call, pdr_bytes(letter->value, letter->size));
        letter_over(letter, PDR_OK, NULL);
    }
}

static void letter_discard(struct core_job *job)
{
    struct letter *letter = LIST_ITEM(job, struct letter, job);
    call_discard(letter->call);
    free(letter->value);
    mem_free(letter);
}

static void look(struct timer *timer)
{
    struct letter *letter = LIST_ITEM(timer, struct letter, timer);
    struct core *core = letter->job.core;
    const struct shard *shard = core->shards[letter->call->shard];
    list_remove(&letter->job.node);
    if (core->frozen || core->stopping) {
        letter_over(letter, PDR_UNAVAILABLE, "the node is stopping");
    } else if (core_now_ns(core) >= letter->call->deadline_ns) {
        letter_over(letter, PDR_DEADLINE, "the store is behind the log; nothing was changed");
    } else if (shard->applied_seq < letter->seq) {
        apply_now(core);
        list_push_back(&core->jobs, &letter->job.node);
        timer_set(&core->wheel, timer, core_now_ns(core) + LOOK_MS * NS_PER_MS);
    } else {
        const struct call *call = letter->call;
        uint8_t name[TELL_NUMBER_KEY_MAX];
        letter->key_size = keys_row(letter->key, call->shard, shard->gen, KEYS_DEAD,
                                    tell_dead_key(name, call->address, call->tell.number));
        list_push_back(&core->jobs, &letter->job.node);
        work_submit(core->world.work, core->world.loop, &letter->job.job);
    }
}

void dead_deliver(struct core *core, struct call *call)
{
    if (core->tells->dead_busy || tell_may_accept(core, call) != PDR_OK) {
        if (call->status == PDR_OK) {
            call->retry_ms = 50;
            call_fail(call, PDR_OVERLOADED,
                      "another dead letter is under way on this core (limit letters_at_once = 1)");
        }
        call_finish(call);
        return;
    }
    struct letter *letter = mem_new(sizeof *letter);
    letter->job = (struct core_job){.job = {read_run, read_done, {0}}, .core = core, .discard = letter_discard};
    letter->call = call;
    letter->seq = core->shards[call->shard]->last_seq; /* with what is not committed yet: it may be this letter */
    core->tells->dead_busy = true;
    timer_init(&letter->timer, look);
    list_push_back(&core->jobs, &letter->job.node); /* while it waits, too: so that a dead core frees it */
    look(&letter->timer);
}
