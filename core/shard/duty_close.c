/* core/shard/duty_close.c: a shard is given up (R43): nothing of it begins, what runs is cut, and nothing leaves
 * that is not committed.
 *
 * First its activations are doomed and their turns cancelled, then those that wait are told, so that nothing that is
 * told begins anything anew. What is left then goes by itself: turns end, the journal answers, the store catches up.
 * Only after that the sessions' table goes, for the steps of the store write from it. */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/lease.h"
#include "core/shard/mailbox.h"
#include "core/shard/reminders.h"
#include "core/shard/replicas.h"
#include "core/shard/sessions.h"
#include "core/shard/tells.h"
#include "core/shard/watch.h"

/* The activations of the shards that are closed now: one pass over all there are, however many shards. They stay until
 * the next tick, whatever is called meanwhile. */
struct residents {
    struct activation **all;
    uint32_t count, capacity;
};

static bool collect(struct hash_node *node, void *user)
{
    struct residents *r = user;
    struct activation *a = LIST_ITEM(node, struct activation, by_address);
    if (!a->shard->duty->closes) {
        return true;
    }
    if (r->count == r->capacity) {
        r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
        r->all = mem_grow(r->all, r->capacity * sizeof(struct activation *));
    }
    r->all[r->count++] = a;
    a->shard->duty->left++;
    return true;
}

static void doom(struct activation *a)
{
    a->doomed = true;
    actor_timers_free(a);
    bool is_read = a->state == ACTIVATION_LOADING && list_alone(&a->node); /* by a job, which has it */
    if (a->turn == NULL && !is_read) {
        duty_leave(a);
    }
    for (struct turn *turn = a->turn; turn != NULL; turn = turn->older) {
        turn_cancel(turn);
    }
}

static void send_away(struct activation *a)
{
    struct call *call;
    while ((call = mailbox_pop(a)) != NULL) {
        turn_abandon(call, false);
        call_finish(call);
    }
}

static void begin(struct duty *duty)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    duty->graceful = shard->state == DUTY_RELEASED && shard->commit_seq == shard->last_seq;
    duty->closes = true;
    duty->left = 0;
    shard->state = DUTY_CLOSING;
    list_push_back(&core->changing, &duty->node);
    core->stats.closed_shards++;
    LOG_DEBUG("shard.closing", "shard=%u epoch=%llu", shard->id, (unsigned long long)shard->epoch);
}

static void end(struct duty *duty)
{
    struct core *core = duty->core;
    void (*released)(void *, uint32_t, enum pdr_status) = duty->released;
    duty->closes = false;
    duty->released = NULL;
    sessions_close(core, duty->shard);
    if (duty->epoch == 0) { /* else they wait until it is open again */
        duty_send_away(duty, false);
    }
    if (released != NULL) {
        released(duty->released_user, duty->shard->id, PDR_MOVED);
    }
}

void duty_close(struct core *core, struct list *duties)
{
    struct residents r = {0};
    struct list *node;
    for (node = duties->next; node != duties; node = duties->next) {
        list_remove(node);
        begin(LIST_ITEM(node, struct duty, node));
    }
    hash_each(&core->activations, collect, &r);
    for (uint32_t i = 0; i < r.count; i++) {
        doom(r.all[i]);
    }
    for (node = core->changing.next; node != &core->changing; node = node->next) {
        struct duty *duty = LIST_ITEM(node, struct duty, node);
        if (duty->closes) {
            commit_abandon(duty->shard);
        }
    }
    lease_close(core);
    watch_close(core); /* behind the answers to who just joined */
    tells_close(core);
    for (node = core->changing.next; node != &core->changing; node = node->next) {
        struct duty *duty = LIST_ITEM(node, struct duty, node);
        if (duty->closes) {
            tells_out_close(core, duty->shard);
            reminders_close(core, duty->shard);
        }
    }
    for (uint32_t i = 0; i < r.count; i++) {
        send_away(r.all[i]);
    }
    mem_free(r.all);
    for (struct list *next = core->changing.next; next != &core->changing;) {
        struct duty *duty = LIST_ITEM(next, struct duty, node);
        next = next->next;
        if (duty->closes) {
            end(duty);
        }
    }
}

/* Hooks run where the shard was released first: then there is time. */
static bool says_goodbye(const struct duty *duty, const struct activation *a)
{
    return duty->graceful && a->activated && a->cls->has_passivate && a->state == ACTIVATION_IDLE;
}

static void free_leaving(struct duty *duty)
{
    struct list leaving, *node;
    list_init(&leaving);
    list_splice(&leaving, &duty->leaving);
    while ((node = list_pop(&leaving)) != NULL) {
        struct activation *a = LIST_ITEM(node, struct activation, node);
        CHECK(a->mailbox_count == 0);
        if (says_goodbye(duty, a)) {
            activation_passivate(a);
        } else {
            activation_free(a);
        }
    }
}

bool duty_close_step(struct duty *duty)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    bool is_written = shard->copy != NULL || (shard->durable_seq == shard->last_seq && shard->touched_in == NULL);
    if (duty->reading || !is_written || !reminders_are_idle(shard)) {
        return false;
    }
    if (shard->applied_seq < (shard->copy != NULL ? replicas_released(shard) : shard->last_seq)) {
        apply_now(core);
        return false;
    }
    free_leaving(duty); /* not before: who looks for an actor here or in the store must find it (sys_ps.c) */
    if (duty->left > 0) {
        return false;
    }
    CHECK(list_empty(&shard->gate) && shard->tells == NULL);
    sessions_forget(core, shard);
    shard->state = DUTY_CLOSED;
    list_remove(&duty->node);
    if (shard->copy != NULL) {
        replicas_closed(shard);
    }
    return true;
}
