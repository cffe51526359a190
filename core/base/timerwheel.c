/* core/base/timerwheel.c: hierarchical wheels of 64 slots: 64 ms, 4 s, 4 min, 4.6 h, 12 d, 2 years, 139, 8,900.
 *
 * A timer waits on the level of the highest digit (base 64) in which its time differs from now, in the slot of that
 * digit; so what is on a level comes before all that is on a higher one, and the slot of now's own digit is empty. When
 * time reaches the first ms of a slot, its timers move to lower levels, and from level 0 they fire. They move before
 * anything can be set there directly, and to the end of a list, which keeps equal times in order. */
#include "core/base/timerwheel.h"

#include <stdbool.h>
#include <string.h>

#define BITS 6
#define MASK (TIMERWHEEL_SLOTS - 1)

static uint64_t to_ms(uint64_t ns)
{
    return ns / 1000000 + (ns % 1000000 != 0);
}

void timerwheel_init(struct timerwheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->now_ms = now_ns / 1000000;
    for (int level = 0; level < TIMERWHEEL_LEVELS; level++) {
        for (int slot = 0; slot < TIMERWHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    list_init(&timer->node);
    timer->at_ms = 0;
    timer->fire = fire;
}

static void place(struct timerwheel *wheel, struct timer *timer)
{
    uint64_t at = timer->at_ms > wheel->now_ms ? timer->at_ms : wheel->now_ms + 1;
    int level = (63 - __builtin_clzll(at ^ wheel->now_ms)) / BITS;
    unsigned slot = (at >> (BITS * level)) & MASK;
    wheel->occupied[level] |= 1ull << slot;
    list_push_back(&wheel->slots[level][slot], &timer->node);
}

void timer_set(struct timerwheel *wheel, struct timer *timer, uint64_t at_ns)
{
    timer_cancel(wheel, timer);
    timer->at_ms = to_ms(at_ns);
    wheel->count++;
    place(wheel, timer);
}

/* The slot that `head` is the head of has become empty: nobody need wake up for it. */
static void forget_slot(struct timerwheel *wheel, const struct list *head)
{
    size_t n = ((uintptr_t)head - (uintptr_t)wheel->slots) / sizeof *head;
    if (n < TIMERWHEEL_LEVELS * TIMERWHEEL_SLOTS) { /* else it is open_slot's own list */
        wheel->occupied[n / TIMERWHEEL_SLOTS] &= ~(1ull << n % TIMERWHEEL_SLOTS);
    }
}

void timer_cancel(struct timerwheel *wheel, struct timer *timer)
{
    if (timer_is_set(timer)) {
        const struct list *next = timer->node.next;
        list_remove(&timer->node);
        wheel->count--;
        if (list_empty(next)) {
            forget_slot(wheel, next);
        }
    }
}

/* The next ms at which a slot must be opened: to fire (level 0) or to spread it over the lower levels. */
static uint64_t next_ms(const struct timerwheel *wheel)
{
    for (int level = 0; level < TIMERWHEEL_LEVELS; level++) {
        unsigned digit = (wheel->now_ms >> (BITS * level)) & MASK;
        uint64_t later = digit == MASK ? 0 : wheel->occupied[level] & (~0ull << (digit + 1));
        if (later != 0) {
            uint64_t base = wheel->now_ms >> (BITS * (level + 1)) << (BITS * (level + 1));
            return base + ((uint64_t)__builtin_ctzll(later) << (BITS * level));
        }
    }
    return UINT64_MAX;
}

static void open_slot(struct timerwheel *wheel, int level, unsigned slot)
{
    struct list due;
    list_init(&due);
    list_splice(&due, &wheel->slots[level][slot]);
    wheel->occupied[level] &= ~(1ull << slot);
    struct list *node;
    while ((node = list_pop(&due)) != NULL) {
        struct timer *timer = LIST_ITEM(node, struct timer, node);
        if (timer->at_ms > wheel->now_ms) {
            place(wheel, timer);
        } else {
            wheel->count--;
            timer->fire(timer);
        }
    }
}

static bool is_first_of_slot(uint64_t ms, int level)
{
    return (ms & ((1ull << (BITS * level)) - 1)) == 0;
}

void timerwheel_advance(struct timerwheel *wheel, uint64_t now_ns)
{
    uint64_t target = now_ns / 1000000;
    for (uint64_t next = next_ms(wheel); next <= target; next = next_ms(wheel)) {
        wheel->now_ms = next;
        for (int level = 0; level < TIMERWHEEL_LEVELS && is_first_of_slot(next, level); level++) {
            open_slot(wheel, level, (next >> (BITS * level)) & MASK);
        }
    }
    wheel->now_ms = target > wheel->now_ms ? target : wheel->now_ms;
}

uint64_t timerwheel_next_ns(const struct timerwheel *wheel)
{
    uint64_t next = wheel->count == 0 ? UINT64_MAX : next_ms(wheel);
    return next == UINT64_MAX ? UINT64_MAX : next * 1000000;
}
