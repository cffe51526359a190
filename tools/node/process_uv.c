/* tools/node/process_uv.c: threads and loops around a node. */
#include "tools/node/process_uv.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/env/loop_uv.h"

#define CORES_MAX 64u

struct process {
    struct node *node;
    struct node_world world;
    struct loop_uv *cores[CORES_MAX], *control, *journal;
    struct loop *core_loops[CORES_MAX];
    struct transport *transports[CORES_MAX];
    pthread_t threads[CORES_MAX + 1]; /* the last one is the journal's */
    bool started;
};

/* Told to a loop so that its thread ends. */
struct farewell {
    struct message message;
    struct loop_uv *loop;
};

static _Thread_local char process_why[512];

static enum pdr_status make_directory(const char *data, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", data, name);
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        snprintf(process_why, sizeof process_why, "can't make %.200s: %s", path, strerror(errno));
        return PDR_INTERNAL;
    }
    return PDR_OK;
}

static enum pdr_status open_storage(struct process *p, const struct process_options *options, const char **why)
{
    char path[1024];
    enum pdr_status status = make_directory(options->data, "log", path, sizeof path);
    if (status != PDR_OK) {
        *why = process_why;
        return status;
    }
    status = disk_linux_open(path, p->world.journal_loop, p->world.work, &p->world.disk, why);
    if (status != PDR_OK) {
        return status;
    }
    snprintf(path, sizeof path, "%s/store", options->data);
    status = store_rocks_open(path, &options->store, &p->world.store, why);
    if (status != PDR_OK) {
        p->world.disk->ops->close(p->world.disk);
    }
    return status;
}

static bool open_loops(struct process *p)
{
    p->control = loop_uv_new(p->world.clock);
    p->journal = loop_uv_new(p->world.clock);
    if (p->control == NULL || p->journal == NULL) {
        return false;
    }
    p->world.control_loop = loop_uv_loop(p->control);
    p->world.journal_loop = loop_uv_loop(p->journal);
    for (unsigned i = 0; i < p->world.cores; i++) {
        p->cores[i] = loop_uv_new(p->world.clock);
        if (p->cores[i] == NULL) {
            return false;
        }
        p->core_loops[i] = loop_uv_loop(p->cores[i]);
        p->transports[i] = transport_uv_new(p->core_loops[i]);
    }
    return true;
}

static unsigned choose_threads(unsigned asked)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = asked > 0 ? asked : cpus > 1 ? (unsigned)cpus - 1 : 1; /* one for the log and the store */
    return threads > CORES_MAX ? CORES_MAX : threads;
}

static uint64_t random_seed(struct clock *clock)
{
    uint64_t seed = clock_now_ns(clock) ^ ((uint64_t)clock_wall_ms(clock) << 20) ^ (uint64_t)getpid();
    uv_random(NULL, NULL, &seed, sizeof seed, 0, NULL);
    return seed;
}

enum pdr_status process_open(const struct process_options *options, struct process **out, const char **why)
{
    struct process *p = mem_new(sizeof *p);
    p->world = (struct node_world){
        .clock = clock_os(),
        .work = work_uv(),
        .cores = choose_threads(options->threads),
        .core_loops = p->core_loops,
        .transports = p->transports,
        .seed = random_seed(clock_os()),
    };
    enum pdr_status status = PDR_OVERLOADED;
    *why = "the process has no descriptors left for its event loops; raise the limit (ulimit -n)";
    if (open_loops(p)) {
        status = open_storage(p, options, why);
        if (status == PDR_OK) {
            status = node_open(&p->world, &options->node, &p->node, why);
        }
    }
    if (status != PDR_OK) {
        snprintf(process_why, sizeof process_why, "%s", *why);
        *why = process_why;
        process_free(p);
        return status;
    }
    *out = p;
    return PDR_OK;
}

uint16_t process_port(const struct process *p) { return node_port(p->node); }
unsigned process_threads(const struct process *p) { return p->world.cores; }
uv_loop_t *process_control_uv(struct process *p) { return loop_uv_raw(p->control); }

static void *run_loop(void *loop)
{
    loop_uv_run(loop);
    return NULL;
}

void process_run(struct process *p)
{
    for (unsigned i = 0; i < p->world.cores; i++) {
        CHECK(pthread_create(&p->threads[i], NULL, run_loop, p->cores[i]) == 0);
    }
    CHECK(pthread_create(&p->threads[CORES_MAX], NULL, run_loop, p->journal) == 0);
    p->started = true;
    loop_uv_run(p->control);
    for (unsigned i = 0; i < p->world.cores; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_join(p->threads[CORES_MAX], NULL);
}

static void end_loop(struct message *message)
{
    struct farewell *farewell = (struct farewell *)message;
    loop_uv_stop(farewell->loop);
    mem_free(farewell);
}

static void say_farewell(struct loop_uv *loop)
{
    struct farewell *farewell = mem_new(sizeof *farewell);
    *farewell = (struct farewell){{.deliver = end_loop}, loop};
    loop_post(loop_uv_loop(loop), &farewell->message);
}

static void stopped(void *user)
{
    struct process *p = user;
    for (unsigned i = 0; i < p->world.cores; i++) {
        say_farewell(p->cores[i]);
    }
    say_farewell(p->journal);
    loop_uv_stop(p->control);
}

void process_stop(struct process *p, uint64_t drain_ms)
{
    node_stop(p->node, drain_ms, stopped, p);
}

void process_free(struct process *p)
{
    if (p->node != NULL) {
        node_free(p->node);
    }
    for (unsigned i = 0; i < p->world.cores; i++) {
        if (p->cores[i] != NULL) {
            loop_uv_free(p->cores[i]);
            p->transports[i]->ops->free(p->transports[i]);
        }
    }
    if (p->control != NULL) {
        loop_uv_free(p->control);
    }
    if (p->journal != NULL) {
        loop_uv_free(p->journal);
    }
    mem_free(p);
}
