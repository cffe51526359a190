/* tests/simulation/sim.c: the heap of events, the trace, the first failure. */
#include "tests/simulation/sim.h"

#include <stdarg.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

void sim_init(struct sim *sim, uint64_t seed, FILE *story)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->story = story;
    rng_seed(&sim->rng, seed);
}

void sim_release(struct sim *sim)
{
    mem_free(sim->heap);
    sim->heap = NULL;
    sim->heap_count = sim->heap_capacity = 0;
}

/* A binary heap; places count from 1. */

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns;
    }
    return a->tie != b->tie ? a->tie < b->tie : a->sequence < b->sequence;
}

static void put(struct sim *sim, uint32_t place, struct sim_event *event)
{
    sim->heap[place - 1] = event;
    event->place = place;
}

static void rise(struct sim *sim, struct sim_event *event, uint32_t place)
{
    while (place > 1 && is_before(event, sim->heap[place / 2 - 1])) {
        put(sim, place, sim->heap[place / 2 - 1]);
        place /= 2;
    }
    put(sim, place, event);
}

static void sink(struct sim *sim, struct sim_event *event, uint32_t place)
{
    for (;;) {
        uint32_t child = place * 2;
        if (child > sim->heap_count) {
            break;
        }
        if (child < sim->heap_count && is_before(sim->heap[child], sim->heap[child - 1])) {
            child++;
        }
        if (!is_before(sim->heap[child - 1], event)) {
            break;
        }
        put(sim, place, sim->heap[child - 1]);
        place = child;
    }
    put(sim, place, event);
}

void sim_cancel(struct sim *sim, struct sim_event *event)
{
    uint32_t place = event->place;
    if (place == 0) {
        return;
    }
    CHECK(place <= sim->heap_count && sim->heap[place - 1] == event);
    event->place = 0;
    struct sim_event *last = sim->heap[--sim->heap_count];
    if (last == event) {
        return;
    }
    if (place > 1 && is_before(last, sim->heap[place / 2 - 1])) {
        rise(sim, last, place);
    } else {
        sink(sim, last, place);
    }
}

void sim_at(struct sim *sim, struct sim_event *event, uint64_t at_ns)
{
    sim_cancel(sim, event);
    if (sim->heap_count == sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity == 0 ? 256 : sim->heap_capacity * 2;
        sim->heap = mem_grow(sim->heap, sim->heap_capacity * sizeof *sim->heap);
    }
    event->at_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
    event->tie = rng_next(&sim->rng);
    event->sequence = sim->sequence++;
    rise(sim, event, ++sim->heap_count);
}

bool sim_step(struct sim *sim)
{
    if (sim->failed || sim->heap_count == 0) {
        return false;
    }
    struct sim_event *event = sim->heap[0];
    sim_cancel(sim, event);
    sim->now_ns = event->at_ns;
    sim->steps++;
    sim_note(sim, event->name, event->subject, 0);
    event->fire(event);
    return !sim->failed;
}

bool sim_run_until(struct sim *sim, uint64_t until_ns)
{
    while (!sim->failed && sim->heap_count > 0 && sim->heap[0]->at_ns <= until_ns) {
        sim_step(sim);
    }
    if (sim->failed) {
        return false;
    }
    sim->now_ns = until_ns > sim->now_ns ? until_ns : sim->now_ns;
    return true;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + sim_draw(sim, high - low + 1);
}

uint64_t sim_delay(struct sim *sim, uint64_t typical_ns)
{
    uint64_t delay = typical_ns / 2 + sim_draw(sim, typical_ns + 1);
    for (int longer = 0; longer < 3 && sim_draw(sim, 16) == 0; longer++) {
        delay *= 4; /* each step rarer: a tail like a log-normal's, without floating point */
    }
    return delay + 1;
}

void sim_fold(struct sim *sim, struct pdr_bytes bytes)
{
    sim->trace = hash_bytes(bytes, sim->trace);
}

void sim_note(struct sim *sim, const char *name, uint32_t subject, uint64_t value)
{
    uint64_t words[3] = {sim->now_ns, subject, value};
    sim_fold(sim, pdr_str(name));
    sim_fold(sim, pdr_bytes(words, sizeof words));
    sim_tell(sim, "%s %u %llu", name, subject, (unsigned long long)value);
}

void sim_tell(struct sim *sim, const char *format, ...)
{
    if (sim->story == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    fprintf(sim->story, "%12.6f  ", (double)sim->now_ns / 1e9);
    vfprintf(sim->story, format, args);
    fputc('\n', sim->story);
    va_end(args);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed) {
        return;
    }
    sim->failed = true;
    int used = snprintf(sim->why, sizeof sim->why, "at %.6f s: ", (double)sim->now_ns / 1e9);
    va_list args;
    va_start(args, format);
    vsnprintf(sim->why + used, sizeof sim->why - (size_t)used, format, args);
    va_end(args);
    sim_tell(sim, "FAILED %s", sim->why);
}
