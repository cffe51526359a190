/* core/shard/actor_timer.c: timers of an activation: when due, a call into the actor's own mailbox. */
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/shard/activation.h"
#include "core/shard/mailbox.h"

#define TIMER_MS_MAX ((uint64_t)LIMIT_TIMER_DAYS_MAX * 24 * 3600 * 1000)

struct actor_timer {
    struct list node;
    struct timer timer;
    struct activation *activation;
    uint64_t period_ms;
    struct pdr_bytes name, method, args;
    uint8_t data[];
};

static struct actor_timer *find(struct activation *a, struct pdr_bytes name, uint32_t *count)
{
    *count = 0;
    if (a->extra == NULL) {
        return NULL;
    }
    for (struct list *node = a->extra->timers.next; node != &a->extra->timers; node = node->next, ++*count) {
        struct actor_timer *t = LIST_ITEM(node, struct actor_timer, node);
        if (pdr_bytes_equal(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

static uint32_t size_of(const struct actor_timer *t)
{
    return (uint32_t)(sizeof *t + t->name.size + t->method.size + t->args.size);
}

static void drop(struct actor_timer *t)
{
    t->activation->extra->timer_bytes -= size_of(t);
    timer_cancel(&t->activation->core->wheel, &t->timer);
    list_remove(&t->node);
    mem_free(t);
}

static void timer_answered(struct call *call)
{
    call_free(&call->home->calls, call);
}

static void deliver(struct actor_timer *t)
{
    static const uint8_t no_args[] = {0x90};
    struct activation *a = t->activation;
    struct core *core = a->core;
    struct pdr_bytes address = activation_address(a);
    struct pdr_ref ref = {pdr_bytes(a->address, a->type_size),
                          pdr_bytes(a->address + a->type_size + 1, a->address_size - a->type_size - 1u)};
    struct call *call = call_new(&core->calls, core, &ref, address, t->method,
                                 t->args.size > 0 ? t->args : pdr_bytes(no_args, sizeof no_args), address, NULL, 0, 0);
    if (call == NULL) {
        return; /* as if the mailbox were full: this beat is missed */
    }
    call->finish = timer_answered;
    call->deadline_ns = core_now_ns(core) + 30000 * NS_PER_MS;
    call->shard = a->shard->id;
    if (mailbox_push(a, call) == PDR_OK) {
        activation_schedule(a);
    } else {
        call_finish(call);
    }
}

/* A beat that has not been heard yet is enough: a slow actor's mailbox must not fill with them. */
static bool is_waiting(const struct actor_timer *t)
{
    const struct call *call = NULL;
    while ((call = mailbox_next(t->activation, call)) != NULL) {
        if (call->finish == timer_answered && pdr_bytes_equal(call->method, t->method)) {
            return true;
        }
    }
    return false;
}

static void due(struct timer *timer)
{
    struct actor_timer *t = LIST_ITEM(timer, struct actor_timer, timer);
    if (!t->activation->core->stopping && !is_waiting(t)) {
        deliver(t);
    }
    if (t->period_ms > 0) {
        timer_set(&t->activation->core->wheel, &t->timer, core_now_ns(t->activation->core) + t->period_ms * NS_PER_MS);
    } else {
        drop(t);
    }
}

static struct pdr_bytes copy(uint8_t **at, struct pdr_bytes from)
{
    struct pdr_bytes slice = pdr_bytes(*at, from.size);
    if (from.size > 0) {
        memcpy(*at, from.data, from.size);
    }
    *at += from.size;
    return slice;
}

enum pdr_status actor_timer_set(struct activation *a, struct pdr_bytes name, uint64_t delay_ms, uint64_t period_ms,
                                struct pdr_bytes method, struct pdr_bytes args)
{
    uint32_t count;
    struct actor_timer *old = find(a, name, &count);
    if (old != NULL) {
        drop(old);
    } else if (count >= ACTOR_TIMERS_MAX) {
        return PDR_OVERLOADED;
    }
    struct actor_timer *t = mem_new(sizeof *t + name.size + method.size + args.size);
    uint8_t *at = t->data;
    t->activation = a;
    t->period_ms = period_ms > TIMER_MS_MAX ? TIMER_MS_MAX : period_ms;
    t->name = copy(&at, name);
    t->method = copy(&at, method);
    t->args = copy(&at, args);
    activation_extra(a)->timer_bytes += size_of(t); /* charged when the turn that sets it has ended: activation_rest */
    timer_init(&t->timer, due);
    list_push_back(&activation_extra(a)->timers, &t->node);
    delay_ms = delay_ms > TIMER_MS_MAX ? TIMER_MS_MAX : delay_ms;
    timer_set(&a->core->wheel, &t->timer, core_now_ns(a->core) + delay_ms * NS_PER_MS);
    return PDR_OK;
}

uint32_t actor_timer_count(struct activation *a)
{
    uint32_t count;
    find(a, pdr_bytes(NULL, 0), &count); /* no timer has an empty name */
    return count;
}

uint32_t actor_timers_each(const struct activation *a, void (*see)(void *user, const struct actor_timer_info *timer),
                           void *user)
{
    uint32_t count = 0;
    if (a->extra == NULL) {
        return 0;
    }
    for (const struct list *node = a->extra->timers.next; node != &a->extra->timers; node = node->next, count++) {
        const struct actor_timer *t = LIST_ITEM(node, struct actor_timer, node);
        struct actor_timer_info info = {t->name, t->method, t->timer.at_ms * NS_PER_MS, t->period_ms};
        if (see != NULL) {
            see(user, &info);
        }
    }
    return count;
}

bool actor_timer_exists(struct activation *a, struct pdr_bytes name)
{
    uint32_t count;
    return find(a, name, &count) != NULL;
}

void actor_timer_cancel(struct activation *a, struct pdr_bytes name)
{
    uint32_t count;
    struct actor_timer *t = find(a, name, &count);
    if (t != NULL) {
        drop(t);
    }
}

void actor_timers_free(struct activation *a)
{
    while (activation_has_timers(a)) {
        drop(LIST_ITEM(a->extra->timers.next, struct actor_timer, node));
    }
}
