/* tools/bench/load_uv.c: threads that generate load, each with a loop and its share of the connections.
 *
 *   open lanes, greet --> [ready] --> [go] --> warm up --> measured part --> close
 *
 * [ready] and [go] are barriers with the main thread, which reads the processor's clocks between them and sets the
 * times of the run; from then on these are constants, so the threads share nothing that changes. Only answers inside
 * the measured part are counted. In the open loop a request that finds all slots taken keeps its due time, so that the
 * wait for a slot is in its latency: a slow node can't hide by slowing the load down. */
#include "tools/bench/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tools/bench/process.h"

#define ONCE_ERRORS_MAX 1000 /* then the node is gone: each further name would take its whole deadline */

enum stage { CONNECTING, LOADING, ENDING };

struct load {
    const struct load_plan *plan;
    pthread_barrier_t ready, go;
    bool void_run;                   /* main's, between the barriers, as are the times */
    uint64_t go_ns, from_ns, end_ns; /* answers in [from, end) count */
};

/** One connection with its slots. */
struct lane {
    struct driver *driver;
    struct channel *channel;
    uint64_t *start_ns; /* by slot */
    uint32_t *free;
    uint32_t free_count, depth;
    uint64_t first_name; /* `fixed`: of slot 0 */
};

/** One thread. */
struct driver {
    struct load *load;
    pthread_t thread;
    unsigned index, lane_count;
    struct lane *lanes;
    uv_loop_t loop;
    uv_timer_t end;
    uv_poll_t pace;
    int pace_fd;
    enum stage stage;
    unsigned greets_missing, in_flight, next_lane;
    uint64_t name, name_end; /* `once`: what is left */
    uint64_t due_count;      /* open loop: requests that were issued */
    struct rng rng;
    uint64_t last_ns;
    char why[256]; /* not empty: failed */
    struct load_result result;
};

static void finish(struct driver *d)
{
    d->stage = ENDING;
    uv_stop(&d->loop);
}

static void fail(struct driver *d, const char *why)
{
    if (d->why[0] == '\0') {
        snprintf(d->why, sizeof d->why, "%s", why);
    }
    finish(d);
}

static bool take_name(struct lane *lane, uint64_t *out)
{
    struct driver *d = lane->driver;
    if (d->load->plan->fixed) {
        *out = lane->first_name + lane->free[lane->free_count - 1];
        return true;
    }
    if (!d->load->plan->once) {
        *out = rng_below(&d->rng, d->load->plan->actors);
        return true;
    }
    if (d->name == d->name_end) {
        return false;
    }
    *out = d->name++;
    return true;
}

/** Sends one request on a lane that has a free slot. */
static void issue(struct lane *lane, uint64_t start_ns)
{
    uint64_t name;
    struct driver *d = lane->driver;
    if (!take_name(lane, &name)) {
        return;
    }
    uint32_t slot = lane->free[--lane->free_count];
    lane->start_ns[slot] = start_ns;
    d->in_flight++;
    if (!lane->channel->ops->send(lane->channel, slot, name)) {
        fail(d, "the client refused to send a request");
    }
}

static void flush_lanes(struct driver *d)
{
    for (unsigned k = 0; k < d->lane_count; k++) {
        d->lanes[k].channel->ops->flush(d->lanes[k].channel);
    }
}

/* Open loop */

static uint64_t due_ns(const struct driver *d)
{
    const struct load_plan *plan = d->load->plan;
    double interval_ns = 1e9 * plan->threads / plan->rate;
    return d->load->go_ns + (uint64_t)(((double)d->due_count + (double)d->index / plan->threads) * interval_ns);
}

static struct lane *free_lane(struct driver *d)
{
    for (unsigned k = 0; k < d->lane_count; k++) {
        struct lane *lane = &d->lanes[(d->next_lane + k) % d->lane_count];
        if (lane->free_count > 0) {
            d->next_lane = (d->next_lane + k + 1) % d->lane_count;
            return lane;
        }
    }
    return NULL;
}

static void arm_pace(struct driver *d, uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {(time_t)(at_ns / 1000000000u), (long)(at_ns % 1000000000u)}};
    CHECK(timerfd_settime(d->pace_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

/** Issues what is due. Out of slots, the next answer comes back here. */
static void pump(struct driver *d)
{
    uint64_t now = uv_hrtime(), due = due_ns(d);
    while (d->stage == LOADING && due <= now) {
        struct lane *lane = free_lane(d);
        if (lane == NULL) {
            return;
        }
        issue(lane, due);
        d->due_count++;
        due = due_ns(d);
    }
    if (d->stage == LOADING) {
        flush_lanes(d);
        arm_pace(d, due);
    }
}

static void on_pace(uv_poll_t *poll, int status, int events)
{
    struct driver *d = poll->data;
    uint64_t expirations;
    (void)status, (void)events;
    if (read(d->pace_fd, &expirations, sizeof expirations) == sizeof expirations) {
        pump(d);
    }
}

/* Answers */

static void count(struct driver *d, uint64_t now, uint64_t start_ns, const char *error)
{
    struct load_result *r = &d->result;
    d->last_ns = now;
    if (now < d->load->from_ns || now >= d->load->end_ns) {
        return;
    }
    if (error == NULL) {
        uint32_t hits = d->load->plan->hits;
        r->ops += hits > 0 ? 2 * hits : 1;
        histogram_record(&r->latency, (now - start_ns) / (hits > 0 ? hits : 1));
        return;
    }
    if (r->errors++ == 0) {
        snprintf(r->first_error, sizeof r->first_error, "%s", error);
    }
    if (d->load->plan->once && r->errors == ONCE_ERRORS_MAX) {
        d->name = d->name_end;
    }
}

static void greeted(struct driver *d, const char *error)
{
    if (error != NULL) {
        fail(d, error);
    } else if (--d->greets_missing == 0) {
        uv_stop(&d->loop);
    }
}

static void answered(void *user, uint32_t slot, const char *error)
{
    struct lane *lane = user;
    struct driver *d = lane->driver;
    if (d->stage == ENDING) {
        return;
    }
    if (slot == CHANNEL_BROKEN) {
        fail(d, error);
        return;
    }
    if (d->stage == CONNECTING) {
        greeted(d, error);
        return;
    }
    uint64_t now = uv_hrtime();
    count(d, now, lane->start_ns[slot], error);
    lane->free[lane->free_count++] = slot;
    d->in_flight--;
    if (now >= d->load->end_ns) {
        finish(d);
    } else if (d->load->plan->rate > 0) {
        pump(d);
    } else {
        issue(lane, now);
    }
    if (d->load->plan->once && d->in_flight == 0 && d->name == d->name_end) {
        finish(d);
    }
}

static void on_end(uv_timer_t *timer)
{
    finish(timer->data); /* nothing was answered since the end, which is when it usually shows */
}

/* A thread's life */

static bool open_lane(struct driver *d, struct lane *lane, unsigned slots)
{
    const struct load_plan *plan = d->load->plan;
    const char *why = NULL;
    struct channel_options options = {plan->op,       plan->node,     plan->prefix, slots, plan->hits,
                                      plan->sessions, plan->one_node, answered,     lane};
    lane->driver = d;
    lane->depth = lane->free_count = slots;
    lane->start_ns = mem_new(slots * sizeof lane->start_ns[0]);
    lane->free = mem_new(slots * sizeof lane->free[0]);
    for (uint32_t k = 0; k < slots; k++) {
        lane->free[k] = slots - 1 - k;
    }
    lane->channel = plan->op == CHANNEL_ECHO ? channel_open_raw(&d->loop, &options, &why)
                                             : channel_open_client(&d->loop, &options, &why);
    if (lane->channel == NULL) {
        fail(d, why);
        return false;
    }
    return true;
}

/** Connects; returns when every lane was answered once, or when the driver failed. */
static void driver_connect(struct driver *d)
{
    const struct load_plan *plan = d->load->plan;
    unsigned share = plan->outstanding / plan->connections, more = plan->outstanding % plan->connections;
    for (unsigned k = d->index; k < plan->connections; k += plan->threads) {
        struct lane *lane = &d->lanes[d->lane_count];
        lane->first_name = (uint64_t)k * share + (k < more ? k : more);
        if (!open_lane(d, lane, share + (k < more))) {
            return;
        }
        d->lane_count++;
        d->greets_missing++;
        if (!lane->channel->ops->greet(lane->channel)) {
            fail(d, "the client refused to send a request");
            return;
        }
    }
    uv_run(&d->loop, UV_RUN_DEFAULT);
}

static void driver_start_pace(struct driver *d)
{
    d->pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(d->pace_fd >= 0);
    CHECK(uv_poll_init(&d->loop, &d->pace, d->pace_fd) == 0);
    d->pace.data = d;
    uv_poll_start(&d->pace, UV_READABLE, on_pace);
    pump(d);
}

static void driver_fill_lanes(struct driver *d)
{
    for (unsigned k = 0; k < d->lane_count; k++) {
        for (unsigned n = d->lanes[k].depth; n > 0; n--) {
            issue(&d->lanes[k], uv_hrtime());
        }
    }
    flush_lanes(d);
}

static void driver_load(struct driver *d)
{
    const struct load *load = d->load;
    d->stage = LOADING;
    if (!load->plan->once) {
        uv_update_time(&d->loop);
        uv_timer_start(&d->end, on_end, (load->end_ns - uv_hrtime()) / 1000000 + 2, 0);
    } else if (d->name == d->name_end) {
        return; /* more threads than names */
    }
    if (load->plan->rate > 0) {
        driver_start_pace(d);
    } else {
        driver_fill_lanes(d);
    }
    if (d->stage == LOADING) {
        uv_run(&d->loop, UV_RUN_DEFAULT);
    }
}

static void driver_close(struct driver *d)
{
    d->stage = ENDING;
    for (unsigned k = 0; k < d->lane_count; k++) {
        d->lanes[k].channel->ops->close(d->lanes[k].channel);
    }
    uv_close((uv_handle_t *)&d->end, NULL);
    if (d->pace_fd >= 0) {
        uv_close((uv_handle_t *)&d->pace, NULL);
    }
    while (uv_run(&d->loop, UV_RUN_DEFAULT) != 0) { /* twice if a stop is still pending */
    }
    CHECK(uv_loop_close(&d->loop) == 0);
    if (d->pace_fd >= 0) {
        close(d->pace_fd);
    }
}

static void driver_init(struct driver *d, struct load *load, unsigned index)
{
    const struct load_plan *plan = load->plan;
    d->load = load;
    d->index = index;
    d->pace_fd = -1;
    d->lanes = mem_new((plan->connections / plan->threads + 1) * sizeof d->lanes[0]);
    d->name = plan->actors * index / plan->threads;
    d->name_end = plan->actors * (index + 1) / plan->threads;
    rng_seed(&d->rng, plan->seed + index);
    CHECK(uv_loop_init(&d->loop) == 0);
    uv_timer_init(&d->loop, &d->end);
    d->end.data = d;
}

static void driver_release(struct driver *d)
{
    /* One more than was counted: a lane that could not be opened has its arrays too. */
    for (unsigned k = 0; k <= d->load->plan->connections / d->load->plan->threads; k++) {
        mem_free(d->lanes[k].start_ns);
        mem_free(d->lanes[k].free);
    }
    mem_free(d->lanes);
    mem_free(d);
}

static void *driver_main(void *user)
{
    struct driver *d = user;
    driver_connect(d);
    pthread_barrier_wait(&d->load->ready);
    pthread_barrier_wait(&d->load->go);
    if (!d->load->void_run) {
        driver_load(d);
    }
    driver_close(d);
    return NULL;
}

/* The main thread's side */

/** The times of the run; for `once` it is the whole of it. */
static void set_times(struct load *load)
{
    const struct load_plan *plan = load->plan;
    load->go_ns = load->from_ns = process_now_ns();
    load->end_ns = UINT64_MAX;
    if (!plan->once) {
        load->from_ns += (uint64_t)(plan->warm_s * 1e9);
        load->end_ns = load->from_ns + (uint64_t)(plan->secs * 1e9);
    }
}

static void merge(struct load_result *into, const struct load_result *from)
{
    histogram_merge(&into->latency, &from->latency);
    into->ops += from->ops;
    into->errors += from->errors;
    if (into->first_error[0] == '\0') {
        snprintf(into->first_error, sizeof into->first_error, "%s", from->first_error);
    }
}

static void note_usage(struct load_result *result, struct process_usage before, struct process_usage after)
{
    result->secs = after.wall_s - before.wall_s;
    result->own_cpu_s = after.own_s - before.own_s;
    result->server_cpu_s = before.server_s < 0 || after.server_s < 0 ? -1 : after.server_s - before.server_s;
    double ours = result->own_cpu_s + (result->server_cpu_s < 0 ? 0 : result->server_cpu_s);
    double other = after.machine_s - before.machine_s - ours;
    result->other_cpu_s = other < 0 ? 0 : other;
}

/** Between [go] and the end of the threads; *last_ns: the last answer of all. */
static void watch(struct load *load, struct driver **drivers, struct load_result *result, uint64_t *last_ns)
{
    const struct load_plan *plan = load->plan;
    struct process_usage before, after;
    if (plan->once || load->void_run) {
        before = process_usage(plan->server);
        pthread_barrier_wait(&load->go);
    } else {
        pthread_barrier_wait(&load->go);
        process_sleep_until(load->from_ns);
        before = process_usage(plan->server);
        process_sleep_until(load->end_ns);
    }
    after = process_usage(plan->server);
    for (unsigned k = 0; k < plan->threads; k++) {
        pthread_join(drivers[k]->thread, NULL);
        *last_ns = drivers[k]->last_ns > *last_ns ? drivers[k]->last_ns : *last_ns;
    }
    note_usage(result, before, plan->once ? process_usage(plan->server) : after);
}

static void run_drivers(struct load *load, struct driver **drivers, struct load_result *result, char *why, size_t size)
{
    uint64_t last_ns = 0;
    for (unsigned k = 0; k < load->plan->threads; k++) {
        drivers[k] = mem_new(sizeof *drivers[k]);
        driver_init(drivers[k], load, k);
        CHECK(pthread_create(&drivers[k]->thread, NULL, driver_main, drivers[k]) == 0);
    }
    pthread_barrier_wait(&load->ready);
    for (unsigned k = 0; k < load->plan->threads; k++) {
        load->void_run = load->void_run || drivers[k]->why[0] != '\0';
    }
    set_times(load);
    watch(load, drivers, result, &last_ns);
    for (unsigned k = 0; k < load->plan->threads; k++) {
        merge(result, &drivers[k]->result);
        if (why[0] == '\0') {
            snprintf(why, size, "%s", drivers[k]->why);
        }
        driver_release(drivers[k]);
    }
    if (load->plan->once) {
        result->secs = last_ns > load->go_ns ? (double)(last_ns - load->go_ns) / 1e9 : 0;
    }
}

bool load_run(const struct load_plan *asked, struct load_result *result, char *why, size_t why_size)
{
    struct load_plan plan = *asked;
    if (plan.connections > plan.outstanding) {
        plan.connections = plan.outstanding;
    }
    if (plan.threads > plan.connections) {
        plan.threads = plan.connections;
    }
    struct load load = {.plan = &plan};
    struct driver **drivers = mem_new(plan.threads * sizeof *drivers);
    memset(result, 0, sizeof *result);
    why[0] = '\0';
    CHECK(pthread_barrier_init(&load.ready, NULL, plan.threads + 1) == 0);
    CHECK(pthread_barrier_init(&load.go, NULL, plan.threads + 1) == 0);
    run_drivers(&load, drivers, result, why, why_size);
    pthread_barrier_destroy(&load.ready);
    pthread_barrier_destroy(&load.go);
    mem_free(drivers);
    return why[0] == '\0';
}
