/* tests/simulation/sim_loop.h: fills core/env/loop.h: all loops of all nodes in one thread.
 *
 * A turn of a loop is one event: it handles what is ready, in a drawn order (now and then leaving something for the
 * next turn), then calls on_before_sleep. The inbox is one more thing that is ready, a drawn moment after the wake. A
 * turn takes a little time, during which the loop does nothing else; a starved loop does nothing until it is let go. */
#ifndef TESTS_SIMULATION_SIM_LOOP_H
#define TESTS_SIMULATION_SIM_LOOP_H

#include "core/base/list.h"
#include "core/env/loop.h"
#include "tests/simulation/sim_clock.h"

/** Something a loop can find ready: a stream, finished jobs. `handle` runs in a turn, once for each sim_loop_ready. */
struct sim_source {
    struct list node;
    void (*handle)(struct sim_source *source);
};

struct sim_loop {
    struct loop loop;
    struct sim *sim;
    struct sim_clock *clock;
    uint32_t subject;  /* in the trace */
    uint64_t now_ns;   /* the clock, as of this turn */
    uint64_t timer_ns; /* by the clock; LOOP_NEVER */
    bool running;      /* false: what becomes ready waits */
    bool in_turn;
    uint64_t busy_until_ns;    /* true time: the last turn's end */
    uint64_t starved_until_ns; /* true time */
    unsigned postpone_percent; /* how often something that is ready is left for the next turn */
    struct list ready;
    struct sim_source inbox_ready;
    struct sim_event turn, timer, wake;
};

void sim_loop_init(struct sim_loop *loop, struct sim *sim, struct sim_clock *clock, uint32_t subject);
/** Takes its events out of the simulation; what is ready is forgotten. Idempotent. */
void sim_loop_stop(struct sim_loop *loop);
/** From now on turns happen. */
void sim_loop_run(struct sim_loop *loop);
/** No turn before that true time: the thread gets no processor. */
void sim_loop_starve(struct sim_loop *loop, uint64_t until_ns);

void sim_source_init(struct sim_source *source, void (*handle)(struct sim_source *source));
/** The source will be handled in the next turn. Idempotent until then. */
void sim_loop_ready(struct sim_loop *loop, struct sim_source *source);
/** Not ready any more: its owner goes away. */
void sim_source_forget(struct sim_source *source);

#endif
