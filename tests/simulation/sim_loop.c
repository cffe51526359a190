/* tests/simulation/sim_loop.c: when a loop turns, and in which order it does things. */
#include "tests/simulation/sim_loop.h"

#include "core/base/check.h"

#define TURN_NS_MAX (20 * NS_PER_US)
#define WAKE_NS (5 * NS_PER_US)

/* The next turn: not before the last one is over, nor while the loop is starved. */
static void turn_at(struct sim_loop *loop, uint64_t at_ns)
{
    if (!loop->running || loop->in_turn) {
        return; /* the end of the turn looks again */
    }
    at_ns = at_ns < loop->busy_until_ns ? loop->busy_until_ns : at_ns;
    at_ns = at_ns < loop->starved_until_ns ? loop->starved_until_ns : at_ns;
    if (!sim_is_set(&loop->turn) || at_ns < loop->turn.at_ns) {
        sim_at(loop->sim, &loop->turn, at_ns);
    }
}

void sim_source_init(struct sim_source *source, void (*handle)(struct sim_source *source))
{
    list_init(&source->node);
    source->handle = handle;
}

void sim_source_forget(struct sim_source *source)
{
    list_remove(&source->node);
}

void sim_loop_ready(struct sim_loop *loop, struct sim_source *source)
{
    if (list_alone(&source->node)) {
        list_push_back(&loop->ready, &source->node);
    }
    turn_at(loop, loop->sim->now_ns);
}

/* The seam. */

static uint64_t loop_now(struct loop *loop)
{
    struct sim_loop *own = (struct sim_loop *)loop;
    return own->in_turn ? own->now_ns : sim_clock_now_ns(own->clock);
}

static void wake(struct loop *loop)
{
    struct sim_loop *own = (struct sim_loop *)loop;
    if (!sim_is_set(&own->wake)) {
        sim_after(own->sim, &own->wake, sim_delay(own->sim, WAKE_NS));
    }
}

static void arm(struct sim_loop *loop)
{
    if (loop->timer_ns == LOOP_NEVER || !loop->running || loop->in_turn) {
        sim_cancel(loop->sim, &loop->timer);
    } else {
        sim_at(loop->sim, &loop->timer, sim_clock_true_ns(loop->clock, loop->timer_ns));
    }
}

static void set_timer(struct loop *loop, uint64_t at_ns)
{
    struct sim_loop *own = (struct sim_loop *)loop;
    if (own->timer_ns != at_ns) {
        own->timer_ns = at_ns;
        arm(own);
    }
}

static const struct loop_ops sim_loop_ops = {loop_now, wake, set_timer};

/* A turn. */

static void handle_inbox(struct sim_source *source)
{
    struct sim_loop *loop = LIST_ITEM(source, struct sim_loop, inbox_ready);
    inbox_deliver(&loop->loop.inbox);
}

static struct list *nth(struct list *head, uint64_t n)
{
    struct list *node = head->next;
    while (n-- > 0) {
        node = node->next;
    }
    return node;
}

static uint32_t length(const struct list *head)
{
    uint32_t n = 0;
    for (const struct list *node = head->next; node != head; node = node->next) {
        n++;
    }
    return n;
}

static void handle_ready(struct sim_loop *loop)
{
    struct list now, later;
    list_init(&now);
    list_init(&later);
    list_splice(&now, &loop->ready); /* what becomes ready meanwhile is for the next turn */
    while (!list_empty(&now)) {
        struct list *node = nth(&now, sim_draw(loop->sim, length(&now)));
        list_remove(node);
        if (!list_empty(&now) && sim_chance(loop->sim, loop->postpone_percent)) {
            list_push_back(&later, node);
            continue;
        }
        struct sim_source *source = LIST_ITEM(node, struct sim_source, node);
        source->handle(source);
        if (!loop->running) {
            break; /* a handler stopped the loop */
        }
    }
    list_splice(&later, &now);
    list_splice(&loop->ready, &later);
}

static void fire_timer(struct sim_loop *loop)
{
    if (loop->now_ns >= loop->timer_ns) {
        loop->timer_ns = LOOP_NEVER;
        if (loop->loop.on_timer != NULL) {
            loop->loop.on_timer(loop->loop.user);
        }
    }
}

static void turn(struct sim_event *event)
{
    struct sim_loop *loop = LIST_ITEM(event, struct sim_loop, turn);
    struct sim *sim = loop->sim;
    loop->in_turn = true;
    loop->now_ns = sim_clock_now_ns(loop->clock);
    bool timer_first = sim_draw(sim, 2) == 0;
    if (timer_first) {
        fire_timer(loop);
    }
    handle_ready(loop);
    if (!timer_first) {
        fire_timer(loop);
    }
    bool more = loop->running && loop->loop.on_before_sleep != NULL && loop->loop.on_before_sleep(loop->loop.user);
    loop->in_turn = false;
    if (!loop->running) {
        return;
    }
    loop->busy_until_ns = sim->now_ns + 1 + sim_draw(sim, TURN_NS_MAX);
    arm(loop);
    if (more || !list_empty(&loop->ready)) {
        turn_at(loop, sim->now_ns);
    }
}

static void timer_due(struct sim_event *event)
{
    struct sim_loop *loop = LIST_ITEM(event, struct sim_loop, timer);
    turn_at(loop, loop->sim->now_ns);
}

static void woken(struct sim_event *event)
{
    struct sim_loop *loop = LIST_ITEM(event, struct sim_loop, wake);
    sim_loop_ready(loop, &loop->inbox_ready);
}

void sim_loop_init(struct sim_loop *loop, struct sim *sim, struct sim_clock *clock, uint32_t subject)
{
    *loop = (struct sim_loop){.sim = sim, .clock = clock, .subject = subject, .timer_ns = LOOP_NEVER};
    loop->loop.ops = &sim_loop_ops;
    inbox_init(&loop->loop.inbox);
    list_init(&loop->ready);
    sim_source_init(&loop->inbox_ready, handle_inbox);
    loop->turn = (struct sim_event){.fire = turn, .name = "turn", .subject = subject};
    loop->timer = (struct sim_event){.fire = timer_due, .name = "timer", .subject = subject};
    loop->wake = (struct sim_event){.fire = woken, .name = "wake", .subject = subject};
}

void sim_loop_run(struct sim_loop *loop)
{
    loop->running = true;
    arm(loop);
    turn_at(loop,
            loop->sim->now_ns + sim_draw(loop->sim, TURN_NS_MAX)); /* the first turn: before_sleep must run once */
}

void sim_loop_stop(struct sim_loop *loop)
{
    loop->running = false;
    sim_cancel(loop->sim, &loop->turn);
    sim_cancel(loop->sim, &loop->timer);
    sim_cancel(loop->sim, &loop->wake);
    while (list_pop(&loop->ready) != NULL) {
    }
}

void sim_loop_starve(struct sim_loop *loop, uint64_t until_ns)
{
    loop->starved_until_ns = until_ns;
    if (sim_is_set(&loop->turn) && loop->turn.at_ns < until_ns) {
        sim_at(loop->sim, &loop->turn, until_ns);
    }
}
