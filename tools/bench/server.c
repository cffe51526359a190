/* tools/bench/server.c: starts `perdure start --data DIR --listen 127.0.0.1:0` and reads its ready line:
 * `perdure VERSION: node NAME listens on HOST:PORT, data in DIR`. */
#include "tools/bench/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/process.h"

#define READY_MS_MAX 30000
#define STOP_MS_MAX 30000

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat, (void)kind, (void)ftw;
    return remove(path);
}

static void remove_directory(struct server *server)
{
    if (server->directory[0] != '\0') {
        nftw(server->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        server->directory[0] = '\0';
    }
}

/** The last line of the node's log, for the sentence about a node that did not start. */
static void last_log_line(const struct server *server, char *out, size_t size)
{
    char path[4200], line[512];
    snprintf(out, size, "it said nothing");
    snprintf(path, sizeof path, "%s/perdure.log", server->directory);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", line);
    }
    if (file != NULL) {
        fclose(file);
    }
}

/** In the child. */
static _Noreturn void exec_node(const struct server_options *options, const struct server *server, int out,
                                pid_t parent)
{
    char data[4200], log[4200], secret[4200], threads[16], nodes[16];
    snprintf(data, sizeof data, "%s/data", server->directory);
    snprintf(log, sizeof log, "%s/perdure.log", server->directory);
    snprintf(threads, sizeof threads, "%u", options->threads);
    const char *argv[24] = {options->program, "start", "--data", data, "--listen", "127.0.0.1:0"};
    size_t count = 6;
    if (options->threads > 0) {
        argv[count++] = "--threads";
        argv[count++] = threads;
    }
    if (options->plugin != NULL) {
        argv[count++] = "--plugin";
        argv[count++] = options->plugin;
    }
    if (options->nodes > 0) {
        snprintf(nodes, sizeof nodes, "%u", options->nodes);
        argv[count++] = "--expect";
        argv[count++] = nodes;
        argv[count++] = "--name"; /* of each another one */
        argv[count++] = strrchr(server->directory, '.') + 1;
    }
    if (options->founder != NULL) {
        snprintf(secret, sizeof secret, "%s/data/secret", options->founder->directory);
        argv[count++] = "--join";
        argv[count++] = options->founder->node;
        argv[count++] = "--secret";
        argv[count++] = secret;
    }
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || err < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) {
        _exit(127);
    }
    execv(options->program, (char *const *)argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", options->program, strerror(errno));
    _exit(127);
}

/** Takes HOST:PORT and the version out of the ready line. */
static bool parse_ready(const char *line, struct server *server)
{
    const char *at = strstr(line, " listens on "), *end = at == NULL ? NULL : strstr(at, ", data in ");
    if (end == NULL || strncmp(line, "perdure ", 8) != 0) {
        return false;
    }
    at += strlen(" listens on ");
    snprintf(server->node, sizeof server->node, "%.*s", (int)(end - at), at);
    snprintf(server->version, sizeof server->version, "%.*s", (int)strcspn(line + 8, ":"), line + 8);
    return true;
}

/** Waits for the ready line; false when the node ended or was silent for too long. */
static bool await_ready(struct server *server)
{
    char text[8192];
    size_t size = 0;
    uint64_t end = process_now_ns() + READY_MS_MAX * 1000000ull;
    while (size + 1 < sizeof text) {
        int64_t left_ms = ((int64_t)end - (int64_t)process_now_ns()) / 1000000;
        struct pollfd fd = {server->out, POLLIN, 0};
        if (left_ms <= 0 || (poll(&fd, 1, (int)left_ms) <= 0 && errno != EINTR)) {
            return false;
        }
        ssize_t got = read(server->out, text + size, sizeof text - 1 - size);
        if (got <= 0) {
            return false;
        }
        size += (size_t)got;
        text[size] = '\0';
        for (char *line = text, *nl; (nl = strchr(line, '\n')) != NULL; line = nl + 1) {
            *nl = '\0';
            bool ready = parse_ready(line, server);
            *nl = '\n';
            if (ready) {
                return true;
            }
        }
    }
    return false;
}

bool bench_server_start(const struct server_options *options, struct server *server, char *why, size_t why_size)
{
    memset(server, 0, sizeof *server);
    snprintf(server->directory, sizeof server->directory, "%s/perdure-bench.XXXXXX", options->directory);
    if (mkdtemp(server->directory) == NULL) {
        snprintf(why, why_size, "cannot make a directory in %s: %s; name another with --data", options->directory,
                 strerror(errno));
        return false;
    }
    return bench_server_again(options, server, why, why_size);
}

bool bench_server_again(const struct server_options *options, struct server *server, char *why, size_t why_size)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) {
        snprintf(why, why_size, "cannot start %s: pipe: %s", options->program, strerror(errno));
        remove_directory(server);
        return false;
    }
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid == 0) {
        exec_node(options, server, out[1], parent);
    }
    close(out[1]);
    server->out = out[0];
    if (server->pid > 0 && await_ready(server)) {
        return true;
    }
    char line[512];
    last_log_line(server, line, sizeof line);
    snprintf(why, why_size, "`%s start` did not come up: %s", options->program, line);
    bench_server_stop(server);
    return false;
}

void bench_server_halt(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGTERM);
        int waited_ms = 0;
        while (waitpid(server->pid, NULL, WNOHANG) == 0) {
            if (waited_ms++ == STOP_MS_MAX) {
                kill(server->pid, SIGKILL);
            }
            process_sleep_until(process_now_ns() + 1000000);
        }
        server->pid = 0;
        close(server->out);
    }
}

void bench_server_stop(struct server *server)
{
    bench_server_halt(server);
    remove_directory(server);
}

bool bench_server_directory_is_memory(const char *directory)
{
    struct statfs fs;
    return statfs(directory, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}
