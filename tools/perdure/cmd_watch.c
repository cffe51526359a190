/* tools/perdure/cmd_watch.c: `perdure watch`: events of an actor, a line each, for as long as one likes. */
#include <perdure/ref.h>
#include <signal.h>
#include <uv.h>

#include "net/client/client.h"
#include "tools/node/units.h"
#include "tools/perdure/remote.h"

const struct flag watch_flags[] = {
    {"after", "SEQ", "begin behind the event of this number (default: with the next one)"},
    {"count", "N", "end after so many events (default: never)"},
    {"seq", NULL, "print {\"seq\", \"event\"}, so that another watch can go on behind it"},
    REMOTE_FLAGS,
    {NULL, NULL, NULL}};

struct watching {
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    pdr_client *client; /* NULL: it is being closed */
    const char *address, *node;
    uint64_t after, left;
    bool has_after, numbers, connected;
    int status;
};

/* The end. */

static void on_closed(void *user)
{
    struct watching *w = user;
    uv_close((uv_handle_t *)&w->interrupt, NULL);
    uv_close((uv_handle_t *)&w->terminate, NULL);
}

static void end(struct watching *w, int status)
{
    if (w->client != NULL) {
        pdr_client *client = w->client;
        w->status = status;
        w->client = NULL;
        pdr_client_close(client, on_closed, w);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    end(handle->data, EXIT_DONE); /* it has done what it was asked to: watch until then */
}

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    struct watching *w = user;
    if (w->client != NULL) {
        end(w, remote_failed(outcome));
    }
}

/* Events. */

static int print_event(const struct watching *w, pdr_value event, uint64_t seq)
{
    pdr_writer line = {0};
    if (!w->numbers) {
        return remote_print(event);
    }
    pdr_write_map(&line, 2);
    pdr_write_cstr(&line, "seq");
    pdr_write_uint(&line, seq);
    pdr_write_cstr(&line, "event");
    pdr_write_value(&line, event);
    int status = remote_print(pdr_written(&line));
    pdr_writer_release(&line);
    return status;
}

static void on_event(void *user, pdr_value event, uint64_t seq)
{
    struct watching *w = user;
    int status = print_event(w, event, seq);
    if (fflush(stdout) != 0) {
        perror("perdure watch: standard output");
        status = EXIT_FAILED;
    }
    if (status != EXIT_DONE || --w->left == 0) {
        end(w, status);
    }
}

/* The connection: that it was lost is told once, and so is that it is back. */
static void on_change(void *user)
{
    struct watching *w = user;
    bool connected = w->client != NULL && client_is_connected(w->client);
    if (w->client == NULL || connected == w->connected) {
        return;
    }
    w->connected = connected;
    if (connected) {
        fprintf(stderr, "perdure watch: connected to %s\n", w->node);
    } else {
        fprintf(stderr, "perdure watch: the connection to %s was lost (%s); trying again\n", w->node,
                client_why(w->client));
    }
}

static bool begin(struct watching *w, const struct pdr_client_options *options, const char **why)
{
    struct pdr_watch_options watch = {.after = w->has_after ? &w->after : NULL};
    if (pdr_client_open(&w->loop, options, &w->client, why) != PDR_OK) {
        return false;
    }
    client_on_change(w->client, on_change, w);
    if (pdr_client_watch(w->client, pdr_str(w->address), &watch, on_event, on_ended, w) != PDR_OK) {
        *why = pdr_client_refusal(w->client);
        return false;
    }
    return true;
}

static int run(struct watching *w, const struct pdr_client_options *options)
{
    const char *why = "";
    if (uv_loop_init(&w->loop) != 0) {
        fprintf(stderr, "perdure watch: the system has no descriptors for it; raise the limit (ulimit -n)\n");
        return EXIT_FAILED;
    }
    uv_signal_init(&w->loop, &w->interrupt);
    uv_signal_init(&w->loop, &w->terminate);
    w->interrupt.data = w->terminate.data = w;
    uv_signal_start(&w->interrupt, on_signal, SIGINT);
    uv_signal_start(&w->terminate, on_signal, SIGTERM);
    if (!begin(w, options, &why)) {
        fprintf(stderr, "perdure watch: %s\n", why);
        w->status = EXIT_FAILED;
        if (w->client != NULL) {
            end(w, EXIT_FAILED);
        } else {
            on_closed(w);
        }
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    return w->status;
}

int watch_actor(const struct command *command, const struct words *words, const char *address)
{
    const char *after = words_flag(words, "after"), *count = words_flag(words, "count");
    struct watching w = {.address = address,
                         .left = UINT64_MAX,
                         .has_after = after != NULL,
                         .numbers = words_flag(words, "seq") != NULL,
                         .connected = true};
    struct remote remote;
    if (after != NULL && !units_parse_count(after, &w.after)) {
        return command_misused(command, "--after takes the number of an event, not \"%s\"", after);
    }
    if (count != NULL && (!units_parse_count(count, &w.left) || w.left == 0)) {
        return command_misused(command, "--count takes a number of 1 or more, not \"%s\"", count);
    }
    int status = remote_check_address(command, w.address);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words); /* whether anybody answers, told as by every command */
    }
    if (status == EXIT_DONE) {
        remote_close(&remote);
        w.node = remote.node;
        remote.options.one_connection = false; /* a watch outlives the node: it goes on by another member */
        status = run(&w, &remote.options);
    }
    return status;
}

int cmd_watch(const struct words *words)
{
    return watch_actor(command_find("watch"), words, words->arguments[0]);
}
