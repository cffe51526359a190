/* core/base/timerwheel.h: many timers, few of which fire (Varghese and Lauck 1987, hierarchical). It is told the time
 * and never asks for it. Set and cancel are O(1); equal times fire in the order they were set. Resolution 1 ms,
 * rounded up: a timer never fires early, and less than 1 ms late as far as advance is told of time. */
#ifndef CORE_BASE_TIMERWHEEL_H
#define CORE_BASE_TIMERWHEEL_H

#include <stdint.h>

#include "core/base/list.h"

#define TIMERWHEEL_LEVELS 8 /* of 6 bits: 8,900 years of ms, more than a uint64 of ns can say */
#define TIMERWHEEL_SLOTS 64

struct timer {
    struct list node; /* alone when it is not set */
    uint64_t at_ms;
    void (*fire)(struct timer *timer);
};

struct timerwheel {
    uint64_t now_ms;
    uint64_t count;
    uint64_t occupied[TIMERWHEEL_LEVELS]; /* a bit a slot */
    struct list slots[TIMERWHEEL_LEVELS][TIMERWHEEL_SLOTS];
};

void timerwheel_init(struct timerwheel *wheel, uint64_t now_ns);
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
/** Replaces an earlier time. A time that is past, or is now, fires at the first advance to a later ms: a timer that
 * sets itself for "now" each time it fires cannot hold the loop. */
void timer_set(struct timerwheel *wheel, struct timer *timer, uint64_t at_ns);
void timer_cancel(struct timerwheel *wheel, struct timer *timer);
static inline int timer_is_set(const struct timer *timer)
{
    return !list_alone(&timer->node);
}
/** Fires all that is due. A timer may set or cancel any timer, itself included, while it fires. */
void timerwheel_advance(struct timerwheel *wheel, uint64_t now_ns);
/** A time not after the next timer's, to sleep until; UINT64_MAX when there is none. */
uint64_t timerwheel_next_ns(const struct timerwheel *wheel);

#endif
