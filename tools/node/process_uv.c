/* tools/node/process_uv.c: a node on the real world. Opened from the directory upwards, closed downwards. */
#include "tools/node/process_uv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/env/loop_uv.h"
#include "tools/node/backup.h"
#include "tools/node/membership.h"

#define TIMER_SLACK_NS 1000ul /* how late a sleep may end; the system's own is 50 us */

static _Thread_local char process_why[1024]; /* of the last failed process_open of this thread */

/* A loop, and the thread that runs it. */
struct runner {
    struct loop_uv *loop;
    pthread_t thread;
    bool running;
    struct message stop; /* on its way once all is over */
};

struct process {
    struct node *node;
    struct disk *disk; /* until the node has them */
    struct store *store;
    struct home home;
    struct transport *control_transport;
    char ended[256];
    struct backup_place *backups;
    int lock; /* -1: not locked */
    unsigned threads;
    struct runner *cores;
    struct transport **transports;
    struct loop **loops; /* of the cores; the node keeps the array */
    struct runner journal, control;
    /* Relaxed: only tells the first process_stop from later ones; what it leads to travels by an inbox. */
    atomic_bool stopping;
    char name[64];
};

PDR_PRINTF(2, 3) static enum pdr_status fail(enum pdr_status status, const char *format, ...)
{
    char text[sizeof process_why];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(process_why, text, sizeof process_why);
    return status;
}

/* Loops and threads */

static void stop_loop(struct message *message)
{
    loop_uv_stop(LIST_ITEM(message, struct runner, stop)->loop);
}

static void *run_loop(void *user)
{
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* of this thread */
    loop_uv_run(((struct runner *)user)->loop);
    log_flush(true);
    return NULL;
}

static enum pdr_status start_thread(struct runner *runner, const char *name)
{
    int error = pthread_create(&runner->thread, NULL, run_loop, runner);
    if (error != 0) {
        return fail(PDR_OVERLOADED, "cannot start a thread: %s", strerror(error));
    }
    runner->running = true;
    pthread_setname_np(runner->thread, name);
    return PDR_OK;
}

static void ask_to_stop(struct runner *runner)
{
    if (runner->running) {
        runner->stop.deliver = stop_loop;
        loop_post(loop_uv_loop(runner->loop), &runner->stop);
    }
}

static void join(struct runner *runner)
{
    if (runner->running) {
        pthread_join(runner->thread, NULL);
        runner->running = false;
    }
}

static void stop_threads(struct process *process)
{
    for (unsigned i = 0; i < process->threads; i++) {
        ask_to_stop(&process->cores[i]);
    }
    ask_to_stop(&process->journal);
    for (unsigned i = 0; i < process->threads; i++) {
        join(&process->cores[i]);
    }
    join(&process->journal);
}

static enum pdr_status start_threads(struct process *process)
{
    enum pdr_status status = start_thread(&process->journal, "pdr-journal");
    for (unsigned i = 0; i < process->threads && status == PDR_OK; i++) {
        char name[24];
        snprintf(name, sizeof name, "pdr-core-%u", i);
        status = start_thread(&process->cores[i], name);
    }
    return status;
}

static enum pdr_status new_loop(struct runner *runner)
{
    runner->loop = loop_uv_new(clock_os());
    if (runner->loop == NULL) {
        return fail(PDR_OVERLOADED, "cannot make an event loop: %s; is the limit of open files (ulimit -n) too low?",
                    strerror(errno));
    }
    return PDR_OK;
}

static enum pdr_status new_loops(struct process *process)
{
    enum pdr_status status = new_loop(&process->control);
    if (status == PDR_OK) {
        status = new_loop(&process->journal);
    }
    for (unsigned i = 0; i < process->threads && status == PDR_OK; i++) {
        status = new_loop(&process->cores[i]);
        if (status == PDR_OK) {
            process->transports[i] = transport_uv_new(loop_uv_loop(process->cores[i].loop));
            if (process->transports[i] == NULL) {
                status = fail(PDR_OVERLOADED, "cannot make a network transport: out of memory");
            }
        }
    }
    if (status == PDR_OK) {
        process->control_transport = transport_uv_new(loop_uv_loop(process->control.loop));
        if (process->control_transport == NULL) {
            status = fail(PDR_OVERLOADED, "cannot make a network transport: out of memory");
        }
    }
    return status;
}

static void free_runner(struct runner *runner)
{
    if (runner->loop != NULL) {
        loop_uv_free(runner->loop);
    }
}

/* Files */

static enum pdr_status subdirectory(const char *directory, const char *name, char *path, size_t size)
{
    if ((size_t)snprintf(path, size, "%s/%s", directory, name) >= size) {
        return fail(PDR_INVALID, "%.60s...: the name of the data directory is too long", directory);
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fail(PDR_INTERNAL, "%s: cannot be made: %s", path, strerror(errno));
    }
    return PDR_OK;
}

static enum pdr_status find_home(struct process *process, const struct process_options *options)
{
    enum pdr_status status = identity_lock(options->data, &process->lock, process_why, sizeof process_why);
    if (status == PDR_OK) {
        struct home_options home = options->home;
        static const char *const nobody[] = {NULL};
        home.data = options->data;
        home.listen = options->node.listen;
        home.join = home.join != NULL ? home.join : nobody;
        status = home_open(&process->home, &home, process_why, sizeof process_why);
    }
    return status;
}

static enum pdr_status open_files(struct process *process, const struct process_options *options)
{
    char path[4200];
    const char *why = "";
    backup_files_clean(options->data);
    process->backups = backup_files_new(options->data, &process->home.identity, process->name);
    enum pdr_status status = subdirectory(options->data, "log", path, sizeof path);
    if (status == PDR_OK) {
        status = disk_linux_open(path, loop_uv_loop(process->journal.loop), work_uv(), &process->disk, &why);
        if (status != PDR_OK) {
            return fail(status, "%s", why);
        }
        status = subdirectory(options->data, "store", path, sizeof path);
    }
    if (status == PDR_OK) {
        status = store_rocks_open(path, &options->store, &process->store, &why);
        if (status != PDR_OK) {
            return fail(status, "%s", why);
        }
    }
    return status;
}

/* The node */

static void host_name(char *name, size_t size)
{
    if (gethostname(name, size) != 0 || *name == 0) {
        snprintf(name, size, "node");
    }
    name[size - 1] = 0;
}

static void home_keep_of(void *user, const struct membership_record *record)
{
    home_keep(&((struct process *)user)->home, record);
}

/* Its own loop has to go on: the node stops in good order, as for a signal. */
static void must_end(void *user, const char *why)
{
    struct process *process = user;
    if (process->ended[0] == 0) {
        snprintf(process->ended, sizeof process->ended, "%s", why);
        process_stop(process, 0);
    }
}

static struct membership_options membership_of(struct process *process, const struct process_options *options)
{
    struct home *home = &process->home;
    return (struct membership_options){
        .node = identity_number(home->identity.node),
        .incarnation = home->identity.incarnation,
        .boot = home->identity.boot,
        .known = home->identity.known,
        .epochs = home->identity.epochs,
        .cluster = home->identity.cluster,
        .founds = home->identity.founds && home->identity.known == 0,
        .secret = home->secret,
        .expect = options->expect,
        .advertise = home->advertise[0] != 0 ? home->advertise : NULL,
        .contacts = home->contacts,
        .contact_count = home->contact_count,
        .control_transport = process->control_transport,
        .replicates = options->copies > 1,
        .leader = {.copies_max = options->copies, .moves = true},
        .hooks = {process, home_keep_of, must_end},
    };
}

static enum pdr_status open_node(struct process *process, const struct process_options *options)
{
    struct node_options node = options->node;
    const char *why = "";
    uint64_t seed = 0;
    for (unsigned i = 0; i < process->threads; i++) {
        process->loops[i] = loop_uv_loop(process->cores[i].loop);
    }
    while (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
    }
    node.name = process->name;
    const struct identity *identity = &process->home.identity;
    const struct membership_options membership = membership_of(process, options);
    node.cluster = identity->cluster;
    node.id = identity->node;
    node.epochs = identity->epochs;
    node.membership = &membership;
    struct node_world world = {
        .clock = clock_os(),
        .work = work_uv(),
        .cores = process->threads,
        .core_loops = process->loops,
        .transports = process->transports,
        .control_loop = loop_uv_loop(process->control.loop),
        .journal_loop = loop_uv_loop(process->journal.loop),
        .disk = process->disk,
        .store = process->store,
        .backups = process->backups,
        .seed = seed,
        .process_stats = process_stats_read,
    };
    process->disk = NULL;
    process->store = NULL;
    enum pdr_status status = node_open(&world, &node, &process->node, &why);
    return status == PDR_OK ? PDR_OK : fail(status, "%s", why);
}

unsigned process_default_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors <= 2                          ? 1
           : processors > (long)PROCESS_THREADS_MAX ? PROCESS_THREADS_MAX
                                                    : (unsigned)processors - 1;
}

static struct process *new_process(const struct process_options *options)
{
    struct process *process = mem_new(sizeof *process);
    process->lock = -1;
    process->threads = options->threads == 0 ? process_default_threads() : options->threads;
    CHECK(process->threads <= PROCESS_THREADS_MAX);
    process->cores = mem_new(process->threads * sizeof *process->cores);
    process->transports = mem_new(process->threads * sizeof(struct transport *));
    process->loops = mem_new(process->threads * sizeof(struct loop *));
    if (options->node.name != NULL) {
        snprintf(process->name, sizeof process->name, "%s", options->node.name);
    } else {
        host_name(process->name, sizeof process->name);
    }
    return process;
}

/* Signals to the process are for the caller's thread: those that begin here (cores, journal, libuv's pool, the store's)
 * inherit the mask. What comes meanwhile is delivered at the end. */
static void hold_signals(sigset_t *before)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &held, before);
}

enum pdr_status process_open(const struct process_options *options, struct process **out, const char **why)
{
    sigset_t before;
    struct process *process = new_process(options);
    enum pdr_status status = new_loops(process);
    *why = process_why;
    if (status == PDR_OK) {
        status = find_home(process, options); /* may wait for others: not for a signal */
    }
    hold_signals(&before);
    if (status == PDR_OK) {
        status = open_files(process, options);
    }
    if (status == PDR_OK) {
        status = open_node(process, options);
    }
    if (status == PDR_OK) {
        status = start_threads(process);
    }
    if (status != PDR_OK) {
        stop_threads(process);
        process_free(process);
    } else {
        *out = process;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

uint16_t process_port(const struct process *process)
{
    return node_port(process->node);
}

unsigned process_threads(const struct process *process)
{
    return process->threads;
}

const char *process_name(const struct process *process)
{
    return process->name;
}

const struct identity *process_identity(const struct process *process)
{
    return &process->home.identity;
}

struct uv_loop_s *process_control_uv(struct process *process)
{
    return loop_uv_raw(process->control.loop);
}

const char *process_ended(const struct process *process)
{
    return process->ended;
}

void process_run(struct process *process)
{
    loop_uv_run(process->control.loop);
    stop_threads(process);
}

static void stopped(void *user)
{
    loop_uv_stop(((struct process *)user)->control.loop);
}

void process_stop(struct process *process, uint64_t drain_ms)
{
    if (!atomic_exchange_explicit(&process->stopping, true, memory_order_relaxed)) {
        node_stop(process->node, drain_ms, stopped, process);
    }
}

void process_free(struct process *process)
{
    if (process->node != NULL) {
        node_free(process->node);
    }
    if (process->disk != NULL) {
        process->disk->ops->close(process->disk);
    }
    if (process->store != NULL) {
        process->store->ops->close(process->store);
    }
    for (unsigned i = 0; i < process->threads; i++) {
        if (process->transports[i] != NULL) {
            process->transports[i]->ops->free(process->transports[i]);
        }
        free_runner(&process->cores[i]);
    }
    if (process->control_transport != NULL) {
        process->control_transport->ops->free(process->control_transport);
    }
    free_runner(&process->journal);
    free_runner(&process->control);
    home_release(&process->home);
    if (process->lock >= 0) {
        close(process->lock);
    }
    backup_files_free(process->backups);
    mem_free(process->transports);
    mem_free(process->loops);
    mem_free(process->cores);
    mem_free(process);
}
