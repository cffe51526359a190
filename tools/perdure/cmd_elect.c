/* tools/perdure/cmd_elect.c: `perdure elect`: elections of the cluster's directory; see docs/concepts/elections.md.
 *
 * `run`:   WAITS --elected--> RUNS --lost--> STOPS (SIGTERM) --late--> SIGKILL
 *                              '---- the command ends, whichever way ----> resigns, and ends as it did */
#include <errno.h>
#include <perdure/ref.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "net/client/client.h"
#include "tools/node/units.h"
#include "tools/perdure/json_value.h"
#include "tools/perdure/remote.h"

#define LEASE_MS_DEFAULT 10000u
#define RESIGN_MS 1000u
#define RUN_WORDS_MAX 256u
#define NOT_FOUND_STATUS 127
#define NOT_RUN_STATUS 126

const struct flag elect_flags[] = {
    {"value", "JSON", "of campaign and run: what observers see of this candidate (default: null)"},
    {"lease", "TIME",
     "of campaign and run: how long after it is gone the next one leads, 500ms to 10min (default: 10s)"},
    {"token", "TOKEN", "of resign: the leader's, as leader and observe print it"},
    {"count", "N", "of observe: end after so many lines (default: never)"},
    REMOTE_FLAGS,
    {NULL, NULL, NULL}};

struct standing {
    uv_loop_t loop;
    uv_signal_t interrupt, terminate, child_ended;
    uv_timer_t kill;    /* and, once it resigns, for that */
    pdr_client *client; /* NULL: it is being closed */
    pdr_campaign *campaign;
    const char *name;
    const char *run[RUN_WORDS_MAX + 1]; /* ends with NULL; empty: campaign */
    pid_t child;
    uint32_t lease_ms;
    bool stops;
    int status;
};

/* The end. */

static void on_closed(void *user)
{
    struct standing *s = user;
    uv_close((uv_handle_t *)&s->interrupt, NULL);
    uv_close((uv_handle_t *)&s->terminate, NULL);
    uv_close((uv_handle_t *)&s->child_ended, NULL);
    uv_close((uv_handle_t *)&s->kill, NULL);
}

static void close_client(struct standing *s)
{
    pdr_client *client = s->client;
    s->client = NULL;
    if (client != NULL) {
        pdr_client_close(client, on_closed, s);
    }
}

static void on_resigned(void *user, const struct pdr_outcome *outcome)
{
    close_client(user);
}

static void on_late_answer(uv_timer_t *timer)
{
    close_client(timer->data);
}

/* A node that does not answer is not waited for long: the lease runs out without it. */
static void resign(struct standing *s, int status)
{
    pdr_campaign *campaign = s->campaign;
    s->status = status;
    s->campaign = NULL;
    uv_timer_start(&s->kill, on_late_answer, RESIGN_MS, 0);
    if (campaign == NULL || pdr_campaign_end(campaign, on_resigned, s) != PDR_OK) {
        close_client(s);
    }
}

/* The command. */

__attribute__((noreturn)) static void become(const char *const *argv, const char *election, uint64_t token,
                                             pid_t parent)
{
    char text[24];
    sigset_t none;
    snprintf(text, sizeof text, "%llu", (unsigned long long)token);
    setenv("PERDURE_TOKEN", text, 1);
    setenv("PERDURE_ELECTION", election, 1);
    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would stop it otherwise */
    if (getppid() == parent) {
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "perdure elect: %s: %s\n", argv[0], strerror(errno));
    }
    _exit(errno == ENOENT ? NOT_FOUND_STATUS : NOT_RUN_STATUS);
}

static void begin_command(struct standing *s, uint64_t token)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        perror("perdure elect: fork");
        resign(s, EXIT_FAILED);
        return;
    }
    if (pid == 0) {
        become(s->run, s->name, token, parent);
    }
    setpgid(pid, pid);
    s->child = pid;
}

static void send_signal(const struct standing *s, int number)
{
    if (s->child > 0) {
        kill(-s->child, number);
    }
}

static void on_late(uv_timer_t *timer)
{
    send_signal(timer->data, SIGKILL);
}

static void on_child_ended(uv_signal_t *handle, int number)
{
    struct standing *s = handle->data;
    int how;
    if (s->child <= 0 || waitpid(s->child, &how, WNOHANG) != s->child) {
        return;
    }
    send_signal(s, SIGKILL); /* what it has left behind does not run on without the lease */
    s->child = 0;
    uv_timer_stop(&s->kill);
    resign(s, WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
}

/* What becomes of the candidate. */

static void print_line(struct standing *s, const char *what, uint64_t token)
{
    printf("{\"%s\":true,\"token\":%llu}\n", what, (unsigned long long)token);
    if (fflush(stdout) != 0) {
        perror("perdure elect: standard output");
        resign(s, EXIT_FAILED);
    }
}

static void on_elected(void *user, uint64_t token)
{
    struct standing *s = user;
    if (s->run[0] == NULL) {
        print_line(s, "elected", token);
    } else if (s->child == 0 && !s->stops) {
        begin_command(s, token);
    }
}

static void on_lost(void *user, uint64_t token, const char *why)
{
    struct standing *s = user;
    fprintf(stderr, "perdure elect: %s: lost: %s\n", s->name, why);
    if (s->run[0] == NULL) {
        print_line(s, "lost", token);
        return;
    }
    s->stops = true;
    if (s->child > 0) {
        send_signal(s, SIGTERM);
        uv_timer_start(&s->kill, on_late, s->lease_ms / 6, 0);
    }
}

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    struct standing *s = user;
    s->campaign = NULL;
    if (s->client != NULL) {
        s->status = remote_failed(outcome);
        if (s->child > 0) {
            on_lost(s, 0, "it was refused");
        } else {
            close_client(s);
        }
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct standing *s = handle->data;
    s->stops = true;
    if (s->child > 0) {
        send_signal(s, number);
    } else {
        resign(s, s->run[0] == NULL ? EXIT_DONE : 128 + number);
    }
}

/* The beginning. */

static bool begin(struct standing *s, const struct pdr_client_options *options, pdr_value value, const char **why)
{
    struct pdr_campaign_options campaign = {.lease_ms = s->lease_ms,
                                            .margin_ms = s->run[0] != NULL ? s->lease_ms / 3 : 0};
    struct pdr_campaign_events events = {on_elected, on_lost, on_ended};
    if (pdr_client_open(&s->loop, options, &s->client, why) != PDR_OK) {
        return false;
    }
    if (pdr_campaign_begin(s->client, pdr_str(s->name), value, &campaign, &events, s, &s->campaign) != PDR_OK) {
        *why = pdr_client_refusal(s->client);
        return false;
    }
    return true;
}

static void watch_signal(struct standing *s, uv_signal_t *handle, uv_signal_cb cb, int number)
{
    uv_signal_init(&s->loop, handle);
    handle->data = s;
    uv_signal_start(handle, cb, number);
}

static int stand(struct standing *s, const struct pdr_client_options *options, pdr_value value)
{
    const char *why = "";
    if (uv_loop_init(&s->loop) != 0) {
        fprintf(stderr, "perdure elect: the system has no descriptors for it; raise the limit (ulimit -n)\n");
        return EXIT_FAILED;
    }
    uv_timer_init(&s->loop, &s->kill);
    s->kill.data = s;
    watch_signal(s, &s->interrupt, on_signal, SIGINT);
    watch_signal(s, &s->terminate, on_signal, SIGTERM);
    watch_signal(s, &s->child_ended, on_child_ended, SIGCHLD);
    if (!begin(s, options, value, &why)) {
        fprintf(stderr, "perdure elect: %s\n", why);
        s->status = EXIT_FAILED;
        if (s->client != NULL) {
            close_client(s);
        } else {
            on_closed(s);
        }
    }
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    return s->status;
}

static int campaign(const struct command *command, const struct words *words)
{
    const char *json = words_flag(words, "value"), *lease = words_flag(words, "lease");
    uint64_t lease_ms = LEASE_MS_DEFAULT;
    char why[160];
    pdr_writer value = {0};
    struct remote remote;
    bool runs = strcmp(words->arguments[0], "run") == 0;
    if (runs != (words->count > 2)) {
        return command_misused(command,
                               runs ? "run takes a COMMAND behind --" : "campaign takes nothing behind the name");
    }
    if (lease != NULL && (!units_parse_duration(lease, &lease_ms) || lease_ms < 500 || lease_ms > 600000)) {
        return command_misused(command, "--lease takes 500ms to 10min, not \"%s\"", lease);
    }
    if (json != NULL && !json_read_argument(json, &value, why, sizeof why)) {
        return command_misused(command, "--value %.60s: %s", json, why);
    }
    struct standing s = {.name = words->arguments[1], .lease_ms = (uint32_t)lease_ms};
    memcpy(s.run, words->arguments + 2, (words->count - 2) * sizeof *s.run);
    int status = remote_open(&remote, command, words); /* whether anybody answers, told as by every command */
    if (status == EXIT_DONE) {
        remote_close(&remote);
        remote.options.one_connection = false; /* a candidate outlives the node: it goes on by another member */
        status = stand(&s, &remote.options, pdr_written(&value));
    }
    pdr_writer_release(&value);
    return status;
}

static int observe(const struct command *command, const struct words *words, const char *address)
{
    return watch_actor(command, words, address);
}

static int call_once(const struct command *command, const struct words *words, const char *address, const char *method,
                     struct pdr_bytes args)
{
    struct remote remote;
    struct pdr_outcome outcome;
    int status = remote_open(&remote, command, words);
    if (status != EXIT_DONE) {
        return status;
    }
    status = remote_call(&remote, address, method, args, &outcome);
    if (status == EXIT_DONE) {
        status = remote_print(outcome.result);
    }
    remote_close(&remote);
    return status;
}

static int show_leader(const struct command *command, const struct words *words, const char *address)
{
    return call_once(command, words, address, "leader", pdr_bytes(NULL, 0));
}

static int make_resign(const struct command *command, const struct words *words, const char *address)
{
    const char *token = words_flag(words, "token");
    uint64_t number;
    pdr_writer args = {0};
    if (token == NULL || !units_parse_count(token, &number)) {
        return command_misused(command, "resign takes --token TOKEN, the leader's; `perdure elect leader` prints it");
    }
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 1);
    pdr_write_cstr(&args, "token");
    pdr_write_uint(&args, number);
    int status = call_once(command, words, address, "resign", pdr_written(&args));
    pdr_writer_release(&args);
    return status;
}

int cmd_elect(const struct words *words)
{
    static const struct {
        const char *name;
        int (*run)(const struct command *command, const struct words *words, const char *address);
    } others[] = {{"observe", observe}, {"leader", show_leader}, {"resign", make_resign}};
    const struct command *command = command_find("elect");
    const char *what = words->arguments[0];
    char address[PDR_KEY_SIZE_MAX + 16];
    if (strlen(words->arguments[1]) > PDR_KEY_SIZE_MAX) {
        return command_misused(command, "the name of an election has at most %u bytes", PDR_KEY_SIZE_MAX);
    }
    snprintf(address, sizeof address, "election/%s", words->arguments[1]);
    int status = remote_check_address(command, address);
    if (status != EXIT_DONE) {
        return status;
    }
    if (strcmp(what, "campaign") == 0 || strcmp(what, "run") == 0) {
        return campaign(command, words);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(what, others[i].name) == 0) {
            return words->count > 2 ? command_misused(command, "%s takes nothing behind the name", what)
                                    : others[i].run(command, words, address);
        }
    }
    return command_misused(command, "elect takes campaign, run, observe, leader or resign, not \"%s\"", what);
}
