/* core/shard/replicas_leave.c: the process is going to end, and what it leads is handed over first (replication.md
 * R50): turns that run end, the next ones wait and go on elsewhere, and no caller sees it. Who cannot hand over in time
 * ends as if it were killed. */
#include "core/shard/replicas_parts.h"

#define LOOK_NS (5 * NS_PER_MS) /* what is to be short is looked at often */

static void end(struct replicas *r)
{
    void (*left)(void *) = r->left;
    r->left = NULL;
    timer_cancel(&r->core->wheel, &r->leave_timer);
    left(r->left_user);
}

static void look(struct timer *timer)
{
    struct replicas *r = LIST_ITEM(timer, struct replicas, leave_timer);
    struct core *core = r->core;
    uint64_t now_ns = core_now_ns(core);
    replog_tick(r->replog, now_ns);
    replicas_settle(core);
    if (replog_has_left(r->replog) || now_ns >= r->leave_until_ns) {
        end(r);
    } else {
        timer_set(&core->wheel, timer, now_ns + LOOK_NS);
    }
}

void replicas_leave(struct core *core, uint64_t wait_ms, void (*left)(void *user), void *user)
{
    struct replicas *r = core->replicas;
    if (r == NULL || r->replog == NULL || core->frozen) {
        left(user);
        return;
    }
    r->left = left;
    r->left_user = user;
    r->leave_until_ns = core_now_ns(core) + wait_ms * NS_PER_MS;
    replog_leave(r->replog);
    timer_init(&r->leave_timer, look);
    timer_set(&core->wheel, &r->leave_timer, core_now_ns(core));
}
