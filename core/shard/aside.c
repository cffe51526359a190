/* core/shard/aside.c: stage 4 of 7, its side door: who may enter an actor whose turn waits. */
#include "core/shard/aside.h"

#include "core/base/mutation.h"
#include "core/shard/mailbox.h"

static bool interleaves(const struct activation *a, const struct call *call)
{
    if (!a->cls->has_interleaved || call->is_reminder || call->is_watch) { /* they run no reader */
        return false;
    }
    const struct class_method *method = turn_find_method(a->cls, call->method);
    return method != NULL && method->interleaves;
}

/* The innermost turn that waits for this very call, by way of others. */
static const struct turn *waiting_for(const struct activation *a, const struct call *call)
{
    for (const struct turn *turn = a->turn; turn != NULL; turn = turn->older) {
        for (uint32_t i = 0; i < call->chain_count && !turn->beside && turn->link != 0; i++) {
            if (call->chain[i] == turn->link) {
                return turn;
            }
        }
    }
    return NULL;
}

enum aside_door aside_door(const struct activation *a, const struct call *call)
{
    if (turn_innermost(a) == NULL) {
        return DOOR_MAILBOX;
    }
    if (interleaves(a, call)) {
        return DOOR_ASIDE;
    }
    const struct turn *turn = waiting_for(a, call);
    if (turn == NULL || MUTATION(16)) {
        return MUTATION(21) && a->cls->reentrant ? DOOR_ASIDE : DOOR_MAILBOX;
    }
    return turn->admits ? DOOR_ASIDE : DOOR_DEADLOCK;
}

/* Is this a place where others may look in? Not a read that happens to need the disk: what the method wrote is not
 * committed there, and what it keeps in memory may be half done. (A method that interleaves itself is no such risk.) */
static bool is_open(const struct turn *inner)
{
    if (inner == NULL || inner->kind != TURN_CALL || inner->waits == TURN_RUNS) {
        return false;
    }
    return inner->waits != TURN_WAITS_DISK || inner->method->interleaves || MUTATION(20);
}

static bool may_enter(const struct activation *a, const struct turn *inner, const struct call *call)
{
    if (a->doomed) {
        return waiting_for(a, call) != NULL; /* it is waited for: it must hear that it can't */
    }
    return interleaves(a, call) || waiting_for(a, call) == inner || MUTATION(21);
}

static struct call *next_to_enter(const struct activation *a)
{
    const struct turn *inner = turn_innermost(a);
    if (a->extra == NULL || !is_open(inner)) {
        return NULL;
    }
    for (struct list *node = a->extra->aside.next; node != &a->extra->aside; node = node->next) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (may_enter(a, inner, call)) {
            return call;
        }
    }
    return NULL;
}

void aside_consider(struct activation *a)
{
    if (a->extra != NULL && list_alone(&a->extra->node) && next_to_enter(a) != NULL) {
        list_push_back(&a->core->asides, &a->extra->node);
    }
}

void aside_turn_waits(struct turn *turn)
{
    struct activation *a = turn->activation;
    if (a->cls->has_interleaved && !turn->beside && !turn->looked) {
        turn->looked = true; /* what arrives from now on is asked at the door */
        for (struct list *node = a->mailbox.next, *next; node != &a->mailbox; node = next) {
            next = node->next;
            if (interleaves(a, LIST_ITEM(node, struct call, node))) {
                list_remove(node);
                list_push_back(&activation_extra(a)->aside, node);
            }
        }
    }
    aside_consider(a);
}

void aside_turn_ended(struct activation *a)
{
    struct turn *inner = turn_innermost(a);
    if (inner != NULL) {
        aside_wake(inner);
        aside_consider(a);
    } else if (a->turn == NULL && a->state == ACTIVATION_BUSY && !a->worked && list_alone(&a->node)) {
        activation_rest(a); /* the last reader outlived the turn it ran beside */
    }
}

bool aside_may_go_on(const struct turn *turn)
{
    bool is_innermost = turn->beside || turn_innermost(turn->activation) == turn || MUTATION(22);
    return (turn->answer != NULL || turn->cancelled) && is_innermost;
}

void aside_wake(struct turn *turn)
{
    if (turn->waits == TURN_WAITS_CALL && aside_may_go_on(turn)) {
        turn_wake(turn);
    }
}

void aside_run(struct activation *a)
{
    struct core *core = a->core;
    struct call *call;
    while (core->budget > 0 && (call = next_to_enter(a)) != NULL) {
        core->budget--;
        if (!mailbox_take(a, call)) {
            continue;
        }
        if (a->doomed) {
            if (a->shard->state == DUTY_CLOSING) {
                turn_abandon(call, false);
            } else {
                call_fail(call, PDR_NO_SPACE,
                          "the disk is full: what the actor that is called again built on was undone");
            }
            call_finish(call);
        } else {
            turn_run_call(a, call, interleaves(a, call));
        }
    }
    aside_consider(a);
}

void aside_shed(struct activation *a)
{
    struct call *call;
    while ((call = next_to_enter(a)) != NULL) {
        if (mailbox_take(a, call)) {
            a->core->stats.overloaded++;
            call->retry_ms = 50;
            call_fail(call, PDR_OVERLOADED, "too many turns wait on this core (limit fibers)");
            call_finish(call);
        }
    }
}
