/* tools/perdure/cmd_backup.c: `perdure backup`: has a node make a backup, and shows how far it is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "tools/node/units.h"
#include "tools/perdure/remote.h"

#define LOOK_MS 500u

const struct flag backup_flags[] = {
    JSON_FLAG,
    {"node", "HOST:PORT", "the node to talk to (default: $PERDURE_NODE, else 127.0.0.1:7077)"},
    {"deadline", "TIME", "how long it may take, such as 30s or 2h (default: 1d)"},
    {NULL, NULL, NULL}};

struct waiting {
    uv_loop_t loop;
    uv_timer_t timer;
    pdr_client *client;
    const struct words *words;
    bool looking, told; /* asked how far it is; a line of progress is on the terminal */
    int status;
};

static void end_line(struct waiting *w)
{
    if (w->told) {
        fprintf(stderr, "\r\033[K");
    }
    w->told = false;
}

static uint64_t uint_of(pdr_value map, const char *key)
{
    int64_t number = 0;
    pdr_value_int(pdr_value_get(map, key), &number);
    return number > 0 ? (uint64_t)number : 0;
}

/* Progress: only where somebody looks. */

static void on_look(void *user, const struct pdr_outcome *outcome)
{
    struct waiting *w = user;
    char bytes[48], of[48];
    w->looking = false;
    if (outcome->status != PDR_OK || pdr_value_count(outcome->result) == 0 || !uv_is_active((uv_handle_t *)&w->timer)) {
        return;
    }
    units_print_bytes_about(uint_of(outcome->result, "bytes"), bytes, sizeof bytes);
    units_print_bytes_about(uint_of(outcome->result, "of_bytes"), of, sizeof of);
    fprintf(stderr, "\r\033[Kcopied %s of %s", bytes, of);
    w->told = true;
}

static void look(uv_timer_t *timer)
{
    struct waiting *w = timer->data;
    struct pdr_bytes none = {NULL, 0};
    if (!w->looking) {
        w->looking = pdr_client_call(w->client, pdr_str("_sys/node"), "backup", none, NULL, on_look, w) == PDR_OK;
    }
}

/* The end. */

static void print_done(pdr_value result)
{
    struct pdr_bytes directory = {"", 0};
    char bytes[48], took[48];
    pdr_value_bytes(pdr_value_get(result, "directory"), &directory);
    units_print_bytes_about(uint_of(result, "bytes"), bytes, sizeof bytes);
    units_print_duration_about(uint_of(result, "took_ms"), took, sizeof took);
    printf("%.*s: %s in %s; `perdure restore` makes a data directory of it\n", (int)directory.size,
           (const char *)directory.data, bytes, took);
}

static void on_done(void *user, const struct pdr_outcome *outcome)
{
    struct waiting *w = user;
    end_line(w);
    w->status = EXIT_DONE;
    if (outcome->status != PDR_OK) {
        w->status = remote_failed(outcome);
    } else if (remote_for_people(w->words)) {
        print_done(outcome->result);
    } else {
        w->status = remote_print(outcome->result);
    }
    uv_close((uv_handle_t *)&w->timer, NULL);
    pdr_client_close(w->client, NULL, NULL);
}

static int run(struct waiting *w, const struct pdr_client_options *options, struct pdr_bytes args)
{
    const char *why;
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->timer);
    w->timer.data = w;
    if (pdr_client_open(&w->loop, options, &w->client, &why) != PDR_OK) {
        uv_close((uv_handle_t *)&w->timer, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        uv_loop_close(&w->loop);
        return command_misused(command_find("backup"), "%s", why);
    }
    if (pdr_client_call(w->client, pdr_str("_sys/node"), "backup", args, NULL, on_done, w) != PDR_OK) {
        fprintf(stderr, "perdure backup: %s\n", pdr_client_refusal(w->client));
        w->status = EXIT_FAILED;
        uv_close((uv_handle_t *)&w->timer, NULL);
        pdr_client_close(w->client, NULL, NULL);
    } else if (isatty(STDERR_FILENO)) {
        uv_timer_start(&w->timer, look, LOOK_MS, LOOK_MS);
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    return w->status;
}

/* As the node will see it: from the root. */
static bool absolute(const char *directory, char *path, size_t size)
{
    char here[4096];
    if (*directory == '/') {
        return (size_t)snprintf(path, size, "%s", directory) < size;
    }
    return getcwd(here, sizeof here) != NULL && (size_t)snprintf(path, size, "%s/%s", here, directory) < size;
}

int cmd_backup(const struct words *words)
{
    struct waiting waiting = {.words = words, .status = EXIT_FAILED};
    struct remote remote;
    struct pdr_client_options options = {.deadline_ms = PDR_DEADLINE_MS_MAX};
    char path[4200];
    pdr_writer args = {0};
    /* first as everybody does, so that a node that is not there is told as by every command */
    int status = remote_open(&remote, command_find("backup"), words);
    if (status != EXIT_DONE) {
        return status;
    }
    remote_close(&remote);
    if (words_flag(words, "deadline") != NULL) {
        units_parse_duration(words_flag(words, "deadline"), &options.deadline_ms);
    }
    if (!absolute(words->arguments[0], path, sizeof path)) {
        return command_misused(command_find("backup"), "%.60s...: the name is too long", words->arguments[0]);
    }
    options.node = remote.node;
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, path);
    status = run(&waiting, &options, pdr_written(&args));
    pdr_writer_release(&args);
    return status;
}
