/* tests/simulation/sim.h: the engine of the simulator: one thread, one queue of events, one seed.
 *
 * Everything that happens is a `sim_event` in one heap, ordered by (time, drawn tie break, sequence): one step is one
 * event. Time stands still while an event runs. All chance comes from sim->rng, and every event and every byte that is
 * sent or written is folded into sim->trace; so a seed is a whole run, and two runs of a seed have the same trace. */
#ifndef TESTS_SIMULATION_SIM_H
#define TESTS_SIMULATION_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <perdure/bytes.h>
#include <perdure/export.h>

#include "core/base/rng.h"
#include "core/env/clock.h"

struct sim_event;

struct sim {
    uint64_t seed;
    uint64_t now_ns; /* true time: what no simulated clock shows */
    uint64_t trace;
    uint64_t steps;
    uint32_t lives; /* how often a node was started; an operation that ended before a start is settled after it */
    struct rng rng;
    FILE *story; /* --trace: a line an event; NULL: none */

    struct sim_event **heap;
    uint32_t heap_count, heap_capacity;
    uint64_t sequence;

    bool lacks_space; /* disk or store refused something, or a node stops: calls may be answered `no_space` */
    bool has_orphans; /* a turn may go on though the turn that waited for it has ended with a link: two such may wait
                         crosswise, until their deadlines */
    bool failed;
    char why[640]; /* the first failure */
};

/** Something that will happen. Embed it; zero it before its first use, then set `fire` and `name`. */
struct sim_event {
    void (*fire)(struct sim_event *event);
    const char *name; /* for the story and the trace */
    uint32_t subject; /* which node, link, client: for the same */
    uint32_t place;   /* in the heap, from 1; 0: it is not waiting */
    uint64_t at_ns, tie, sequence;
};

void sim_init(struct sim *sim, uint64_t seed, FILE *story);
void sim_release(struct sim *sim);

/** At that time, or now if it is past; replaces an earlier time. */
void sim_at(struct sim *sim, struct sim_event *event, uint64_t at_ns);
static inline void sim_after(struct sim *sim, struct sim_event *event, uint64_t delay_ns)
{
    sim_at(sim, event, sim->now_ns + delay_ns);
}
void sim_cancel(struct sim *sim, struct sim_event *event);
static inline bool sim_is_set(const struct sim_event *event)
{
    return event->place != 0;
}

/** Runs the next event; false if there is none or something failed. */
bool sim_step(struct sim *sim);
/** Runs events until `until_ns`; the clock then stands there. False as sim_step, except that no event is needed. */
bool sim_run_until(struct sim *sim, uint64_t until_ns);

/* Chance. */

static inline uint64_t sim_draw(struct sim *sim, uint64_t below)
{
    return rng_below(&sim->rng, below);
}
static inline bool sim_chance(struct sim *sim, unsigned percent)
{
    return rng_chance(&sim->rng, percent) != 0;
}
/** Uniform in [low, high]. */
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
/** Mostly near `typical_ns`, now and then many times as long: what networks and disks are like. Never 0. */
uint64_t sim_delay(struct sim *sim, uint64_t typical_ns);

/* The trace. */

/** Something worth telling: folded into the trace, and a line of the story. `name` is a constant; its text is folded.
 */
void sim_note(struct sim *sim, const char *name, uint32_t subject, uint64_t value);
void sim_fold(struct sim *sim, struct pdr_bytes bytes);
/** A line of the story alone. */
void sim_tell(struct sim *sim, const char *format, ...) PDR_PRINTF(2, 3);

/** The run is over: something that must be true was not. The first one counts. */
void sim_fail(struct sim *sim, const char *format, ...) PDR_PRINTF(2, 3);

#define SIM_CHECK(sim, condition, ...)                                                                                 \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            sim_fail(sim, __VA_ARGS__);                                                                                \
        }                                                                                                              \
    } while (0)

#endif
