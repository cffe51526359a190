/* tools/perdure/remote.c: what every command that talks to a node shares. */
#include "tools/perdure/remote.h"

#include <perdure/ref.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/node/units.h"
#include "tools/perdure/json_pretty.h"
#include "tools/perdure/json_value.h"
#include "tools/perdure/paint.h"
#include "tools/perdure/utf8.h"

#define CONNECT_MS_MAX 5000u

int remote_open(struct remote *remote, const struct command *command, const struct words *words)
{
    return remote_open_at(remote, command, words, words_flag(words, "node"));
}

int remote_open_at(struct remote *remote, const struct command *command, const struct words *words, const char *node)
{
    const char *deadline = words_flag(words, "deadline"), *why = NULL;
    struct pdr_client_options *options = &remote->options;
    /* A few calls are not worth a look at the map. */
    *options = (struct pdr_client_options){.deadline_ms = PDR_DEADLINE_MS_DEFAULT, .one_connection = true};
    if (deadline != NULL && (!units_parse_duration(deadline, &options->deadline_ms) || options->deadline_ms == 0 ||
                             options->deadline_ms > PDR_DEADLINE_MS_MAX)) {
        return command_misused(command, "--deadline takes a time of 1ms to 24h, such as 30s, not \"%s\"", deadline);
    }
    if (node == NULL) {
        node = getenv("PERDURE_NODE");
    }
    snprintf(remote->node, sizeof remote->node, "%s", node != NULL && *node != 0 ? node : "127.0.0.1:7077");
    options->node = remote->node;
    options->connect_timeout_ms = options->deadline_ms < CONNECT_MS_MAX ? options->deadline_ms : CONNECT_MS_MAX;
    enum pdr_status status = pdr_blocking_open(options, &remote->client, &why);
    if (status == PDR_OK) {
        return EXIT_DONE;
    }
    if (status == PDR_INVALID) {
        return command_misused(command, "%s", why);
    }
    fprintf(stderr, "perdure: no node answers at %s: %s\n", remote->node, why != NULL ? why : pdr_status_text(status));
    fprintf(stderr, "`perdure start` runs one; --node HOST:PORT or PERDURE_NODE says where another is\n");
    return EXIT_UNREACHABLE;
}

void remote_close(struct remote *remote)
{
    pdr_blocking_close(remote->client);
}

static void put(pdr_writer *out, const char *text)
{
    pdr_write_raw(out, text, strlen(text));
}

static void put_text(pdr_writer *out, struct pdr_bytes text, const char *otherwise)
{
    json_print_string(text.size > 0 && utf8_is(text) ? text : pdr_str(otherwise), out);
}

static void print_failure(const struct pdr_outcome *outcome)
{
    pdr_writer line = {0};
    put(&line, "{\"code\":");
    put_text(&line, outcome->code, pdr_status_wire(outcome->status));
    put(&line, ",\"message\":");
    put_text(&line, outcome->message, pdr_status_text(outcome->status));
    if (outcome->retry_ms > 0) {
        char number[40];
        snprintf(number, sizeof number, ",\"retry_ms\":%llu", (unsigned long long)outcome->retry_ms);
        put(&line, number);
    }
    put(&line, "}\n");
    fwrite(line.data, 1, line.size, stderr);
    pdr_writer_release(&line);
}

int remote_check_address(const struct command *command, const char *address)
{
    struct pdr_ref ref;
    const char *why;
    if (pdr_ref_parse(pdr_str(address), &ref, &why) != PDR_OK) {
        return command_misused(command, "%s: %s", address, why);
    }
    return EXIT_DONE;
}

enum pdr_status remote_ask(struct remote *remote, const char *to, const char *method, struct pdr_bytes args,
                           struct pdr_outcome *outcome)
{
    return pdr_blocking_call(remote->client, pdr_str(to), method, args, NULL, outcome);
}

int remote_call(struct remote *remote, const char *to, const char *method, struct pdr_bytes args,
                struct pdr_outcome *outcome)
{
    return remote_ask(remote, to, method, args, outcome) == PDR_OK ? EXIT_DONE : remote_failed(outcome);
}

int remote_failed(const struct pdr_outcome *outcome)
{
    print_failure(outcome);
    return command_exit(outcome->status);
}

static int print(pdr_value value, bool pretty)
{
    pdr_writer json = {0}, line = {0};
    bool fine = json_print(value, &json);
    if (fine) {
        if (pretty) {
            json_pretty(pdr_written(&json), paint_on(stdout), &line);
        } else {
            pdr_write_value(&line, pdr_written(&json));
        }
        put(&line, "\n");
        fwrite(line.data, 1, line.size, stdout);
    } else {
        fprintf(stderr, "perdure: the node's answer is no MessagePack value of at most %d levels\n",
                PDR_VALUE_DEPTH_MAX);
    }
    pdr_writer_release(&json);
    pdr_writer_release(&line);
    return fine ? EXIT_DONE : EXIT_FAILED;
}

int remote_print(pdr_value value)
{
    return print(value, false);
}

int remote_print_pretty(pdr_value value)
{
    return print(value, true);
}

bool remote_for_people(const struct words *words)
{
    return words_flag(words, "json") == NULL && isatty(STDOUT_FILENO);
}
