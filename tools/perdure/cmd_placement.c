/* tools/perdure/cmd_placement.c: where actors are: `perdure move`, `pin`, `unpin` and `rebalance`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/perdure/remote.h"

const struct flag move_flags[] = {
    {"shard", NULL, "the first argument is the number of a shard"}, JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};
const struct flag pin_flags[] = {
    {"node", "NODE", "the node that is to run them, by its name or id"},
    {"label", "K=V", "or any node that has the label; may be given again, for those that have all"},
    {"empty", NULL, "these actors have no state yet; the first pin of a tag asks for that"},
    JSON_FLAG,
    {"at", "HOST:PORT", "the node to talk to (default: $PERDURE_NODE, else 127.0.0.1:7077)"},
    {"deadline", "TIME", "how long the answer may take, such as 500ms or 2min (default: 30s)"},
    {NULL, NULL, NULL}};
const struct flag unpin_flags[] = {JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};
const struct flag rebalance_flags[] = {JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};

static void put_names(pdr_value names)
{
    struct pdr_bytes items = pdr_value_items(names), name;
    for (uint32_t i = pdr_value_count(names); i > 0; i--) {
        if (pdr_value_bytes(pdr_value_next(&items), &name)) {
            printf(" %.*s", (int)name.size, (const char *)name.data);
        }
    }
}

static void tell_shard(pdr_value shard)
{
    int64_t number = 0;
    struct pdr_bytes primary = {"nobody", 6};
    pdr_value_int(pdr_value_get(shard, "shard"), &number);
    pdr_value_bytes(pdr_value_get(shard, "primary"), &primary);
    printf("shard %" PRId64 ": led by %.*s, in sync:", number, (int)primary.size, (const char *)primary.data);
    put_names(pdr_value_get(shard, "in_sync"));
    printf("; to be on:");
    put_names(pdr_value_get(shard, "targets"));
    printf("\n");
}

static int ask(struct remote *remote, const struct words *words, const char *method, struct pdr_bytes args)
{
    struct pdr_outcome outcome;
    int status = remote_call(remote, "_sys/directory", method, args, &outcome);
    if (status != EXIT_DONE) {
        return status;
    }
    if (!remote_for_people(words)) {
        return remote_print(outcome.result);
    }
    tell_shard(outcome.result);
    return EXIT_DONE;
}

/* Move. */

static int write_what(const struct command *command, const struct words *words, pdr_writer *args)
{
    const char *what = words->arguments[0];
    char *end;
    if (words_flag(words, "shard") == NULL) {
        pdr_write_cstr(args, what);
        return remote_check_address(command, what);
    }
    unsigned long number = strtoul(what, &end, 10);
    if (*what < '0' || *what > '9' || *end != 0 || number > UINT32_MAX) {
        return command_misused(command, "a shard has a number, not \"%s\"", what);
    }
    pdr_write_uint(args, number);
    return EXIT_DONE;
}

int cmd_move(const struct words *words)
{
    const struct command *command = command_find("move");
    struct remote remote;
    pdr_writer args = {0};
    pdr_write_array(&args, 2);
    int status = write_what(command, words, &args);
    pdr_write_cstr(&args, words->arguments[1]);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status == EXIT_DONE) {
        status = ask(&remote, words, "move", pdr_written(&args));
        remote_close(&remote);
    }
    pdr_writer_release(&args);
    return status;
}

/* Pins. */

static uint32_t count_labels(const struct words *words)
{
    uint32_t count = 0;
    for (size_t i = 0; i < words->flag_count; i++) {
        count += strcmp(words->flags[i].flag->name, "label") == 0;
    }
    return count;
}

static int write_labels(const struct command *command, const struct words *words, pdr_writer *args)
{
    pdr_write_cstr(args, "labels");
    pdr_write_map(args, count_labels(words));
    for (size_t i = 0; i < words->flag_count; i++) {
        const char *label = words->flags[i].value, *equals = strchr(label, '=');
        if (strcmp(words->flags[i].flag->name, "label") != 0) {
            continue;
        }
        if (equals == NULL || equals == label || equals[1] == 0) {
            return command_misused(command, "--label takes K=V, such as gpu=h100, not \"%s\"", label);
        }
        pdr_write_str(args, pdr_bytes(label, (size_t)(equals - label)));
        pdr_write_cstr(args, equals + 1);
    }
    return EXIT_DONE;
}

static int write_pin(const struct command *command, const struct words *words, pdr_writer *args)
{
    const char *node = words_flag(words, "node");
    if (node == NULL && count_labels(words) == 0) {
        return command_misused(command, "where to? It takes --node NODE, or --label K=V");
    }
    pdr_write_array(args, 2);
    pdr_write_cstr(args, words->arguments[0]);
    pdr_write_map(args, node != NULL ? 3 : 2);
    pdr_write_cstr(args, "empty");
    pdr_write_bool(args, words_flag(words, "empty") != NULL);
    if (node != NULL) {
        pdr_write_cstr(args, "node");
        pdr_write_cstr(args, node);
    }
    return write_labels(command, words, args);
}

int cmd_pin(const struct words *words)
{
    const struct command *command = command_find("pin");
    struct remote remote;
    pdr_writer args = {0};
    int status = remote_check_address(command, words->arguments[0]);
    if (status == EXIT_DONE) {
        status = write_pin(command, words, &args);
    }
    if (status == EXIT_DONE) {
        status = remote_open_at(&remote, command, words, words_flag(words, "at"));
    }
    if (status == EXIT_DONE) {
        status = ask(&remote, words, "pin", pdr_written(&args));
        remote_close(&remote);
    }
    pdr_writer_release(&args);
    return status;
}

int cmd_unpin(const struct words *words)
{
    const struct command *command = command_find("unpin");
    struct remote remote;
    pdr_writer args = {0};
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, words->arguments[0]);
    int status = remote_check_address(command, words->arguments[0]);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status == EXIT_DONE) {
        status = ask(&remote, words, "unpin", pdr_written(&args));
        remote_close(&remote);
    }
    pdr_writer_release(&args);
    return status;
}

/* Rebalancing. */

static int rebalance(struct remote *remote, const struct words *words, bool paused)
{
    struct pdr_outcome outcome;
    pdr_writer args = {0};
    pdr_write_array(&args, 1);
    pdr_write_bool(&args, paused);
    int status = remote_call(remote, "_sys/directory", "pause", pdr_written(&args), &outcome);
    if (status == EXIT_DONE && remote_for_people(words)) {
        printf(paused ? "rebalancing is paused; repairs, drains and pins go on\n" : "rebalancing goes on\n");
    } else if (status == EXIT_DONE) {
        printf("{\"paused\":%s}\n", paused ? "true" : "false");
    }
    pdr_writer_release(&args);
    return status;
}

int cmd_rebalance(const struct words *words)
{
    const struct command *command = command_find("rebalance");
    const char *what = words->arguments[0];
    bool pauses = strcmp(what, "pause") == 0;
    struct remote remote;
    if (!pauses && strcmp(what, "resume") != 0) {
        return command_misused(command, "it takes pause or resume, not \"%s\"", what);
    }
    int status = remote_open(&remote, command, words);
    if (status == EXIT_DONE) {
        status = rebalance(&remote, words, pauses);
        remote_close(&remote);
    }
    return status;
}
