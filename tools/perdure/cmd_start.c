/* tools/perdure/cmd_start.c: `perdure start`: a node from its flags, until a signal ends it. */
#include <errno.h>
#include <malloc.h>
#include <perdure/version.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uv.h>

#include "actors/native/plugin.h"
#include "core/base/log.h"
#include "tools/node/config.h"
#include "tools/node/process_uv.h"
#include "tools/perdure/commands.h"
#include "tools/perdure/service.h"

#define LARGE_BLOCK (512 << 10)
#define KEPT_FREE (2 << 20)

const struct flag start_flags[] = {
#define START_FLAG(field, flag, kind, argument, otherwise, least, most, text)                                          \
    {flag, argument, (otherwise)[0] != 0 ? text " (default: " otherwise ")" : text},
    CONFIG_TABLE(START_FLAG)
#undef START_FLAG
        {NULL, NULL, NULL}};

/* What SIGINT and SIGTERM do. They are read from a descriptor: no handler runs in the middle of anything, and a tool
 * that wants handlers to wait for their moment (ThreadSanitizer) has none to lose. */
struct ending {
    uv_poll_t signals;
    int fd;
    struct process *process;
    uint64_t drain_ms;
    bool begun;
};

static void end(struct ending *ending, int number)
{
    if (ending->begun) {
        LOG_WARN("node.ended", "signal=%d; at once: what was answered is safe", number);
        _exit(128 + number);
    }
    ending->begun = true;
    LOG_INFO("node.stopping", "signal=%d drain_ms=%llu", number, (unsigned long long)ending->drain_ms);
    service_tell("STOPPING=1");
    process_stop(ending->process, ending->drain_ms);
}

static void on_signals(uv_poll_t *handle, int status, int events)
{
    struct ending *ending = handle->data;
    struct signalfd_siginfo info;
    while (read(ending->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        end(ending, (int)info.ssi_signo);
    }
}

static void end_on_signals(struct ending *ending, struct process *process, uint64_t drain_ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    *ending = (struct ending){.process = process, .drain_ms = drain_ms};
    ending->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    ending->signals.data = ending;
    if (ending->fd < 0 || uv_poll_init(process_control_uv(process), &ending->signals, ending->fd) != 0 ||
        uv_poll_start(&ending->signals, UV_READABLE, on_signals) != 0) {
        fprintf(stderr, "perdure start: cannot listen to signals: %s\n", strerror(errno));
        _exit(EXIT_FAILED); /* nothing was promised yet */
    }
}

/* Every connection is a descriptor, and so is every file of the store. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* glibc learns from the first large block that is freed to keep blocks of that size, up to 32 MiB a thread. Ours come
 * with a burst of writes (batches for the store, records of the log) and go: so they go back to the system. What a turn
 * took and gave back a thread may keep, or each turn of many calls would have its pages cleared by the kernel anew. */
static void tune_heap(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    mallopt(M_TRIM_THRESHOLD, KEPT_FREE);
}

/* libuv's pool reads and flushes the store and makes files of the log: one long job must not hold up the others. */
static void size_pool(uint64_t core_threads)
{
    char threads[24];
    unsigned cores = core_threads > 0 ? (unsigned)core_threads : process_default_threads();
    snprintf(threads, sizeof threads, "%u", cores + 4); /* each core may have a step at the store; four for the rest */
    setenv("UV_THREADPOOL_SIZE", threads, 0);
}

static int read_flags(const struct words *words, struct config *config)
{
    const struct command *command = command_find("start");
    char why[256];
    config_init(config);
    for (size_t i = 0; i < words->flag_count; i++) {
        const struct word_flag *given = &words->flags[i];
        if (config_set(config, given->flag->name, given->value, why, sizeof why) != PDR_OK) {
            return command_misused(command, "%s", why);
        }
    }
    if (config_check(config, why, sizeof why) != PDR_OK) {
        return command_misused(command, "%s", why);
    }
    return EXIT_DONE;
}

static int load_plugins(const struct config *config, struct plugins *plugins)
{
    const char *why;
    for (size_t i = 0; i < config->plugin.count; i++) {
        if (plugins_load(plugins, config->plugin.items[i], &why) != PDR_OK) {
            fprintf(stderr, "perdure start: %s\n", why);
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

/* The ready line: scripts read it, so its form stays. */
static void print_ready(const struct process *process, const struct config *config)
{
    int host = (int)(strrchr(config->listen, ':') - config->listen);
    printf("perdure %s: node %s listens on %.*s:%u, data in %s\n", PDR_VERSION, process_name(process), host,
           config->listen, (unsigned)process_port(process), config->data);
    fflush(stdout);
}

static int run_node(const struct config *config, const struct plugins *plugins)
{
    struct process_options options;
    struct process *process;
    struct ending ending;
    const char *why;
    config_process(config, plugins_types(plugins), &options);
    if (process_open(&options, &process, &why) != PDR_OK) {
        fprintf(stderr, "perdure start: %s\n", why);
        return EXIT_FAILED;
    }
    end_on_signals(&ending, process, config->drain);
    print_ready(process, config);
    service_tell("READY=1");
    process_run(process);
    int status = EXIT_DONE;
    if (*process_ended(process) != 0) {
        fprintf(stderr, "perdure start: %s\n", process_ended(process));
        status = EXIT_FAILED;
    }
    process_free(process);
    LOG_INFO("node.stopped", "data=%s", config->data);
    return status;
}

int cmd_start(const struct words *words)
{
    struct config config;
    int status = read_flags(words, &config);
    if (status != EXIT_DONE) {
        return status;
    }
    log_set_level((enum log_level)config.log_level);
    log_set_format((enum log_format)config.log_format);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    tune_heap();
    size_pool(config.threads);
    struct plugins *plugins = plugins_new();
    status = load_plugins(&config, plugins);
    if (status == EXIT_DONE) {
        status = run_node(&config, plugins);
    }
    plugins_free(plugins);
    return status;
}
