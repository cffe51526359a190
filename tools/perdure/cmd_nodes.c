/* tools/perdure/cmd_nodes.c: `perdure drain` and `perdure remove`: how a node leaves its cluster. */
#include <inttypes.h>
#include <string.h>
#include <uv.h>

#include "tools/node/units.h"
#include "tools/perdure/progress.h"
#include "tools/perdure/remote.h"

#define LOOK_MS 300u

const struct flag drain_flags[] = {
    {"undo", NULL, "let it have shards again, instead"},
    {"no-wait", NULL, "do not wait until it is empty"},
    {"wait", "TIME", "how long to wait until it is empty, such as 10min (default: as long as it takes)"},
    JSON_FLAG,
    REMOTE_FLAGS,
    {NULL, NULL, NULL}};
const struct flag remove_flags[] = {JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};

static int64_t int_of(pdr_value map, const char *key)
{
    int64_t number = 0;
    pdr_value_int(pdr_value_get(map, key), &number);
    return number;
}

static bool bool_of(pdr_value map, const char *key)
{
    bool value = false;
    pdr_value_bool(pdr_value_get(map, key), &value);
    return value;
}

static struct pdr_bytes text_of(pdr_value map, const char *key)
{
    struct pdr_bytes text = {"", 0};
    pdr_value_bytes(pdr_value_get(map, key), &text);
    return text;
}

/* What became of the node, in a sentence. */
static void tell(pdr_value node, bool undone)
{
    struct pdr_bytes name = text_of(node, "name"), state = text_of(node, "state");
    int size = (int)name.size;
    const char *at = name.data;
    if (pdr_bytes_equal(state, pdr_str("removed"))) {
        printf("%.*s is removed for ever\n", size, at);
    } else if (undone) {
        printf("%.*s stays: it may have shards again\n", size, at);
    } else if (bool_of(node, "empty")) {
        printf("%.*s is empty; `perdure remove %.*s` removes it for ever\n", size, at, size, at);
    } else {
        printf("%.*s drains: %" PRId64 " copies of shards are there yet; it leads %" PRId64 "\n", size, at,
               int_of(node, "copies"), int_of(node, "leads"));
    }
}

static int print_node(const struct words *words, pdr_value node, bool undone)
{
    if (!remote_for_people(words)) {
        return remote_print(node);
    }
    tell(node, undone);
    return EXIT_DONE;
}

static void write_args(pdr_writer *args, const char *node, bool undo)
{
    pdr_writer_clear(args);
    pdr_write_array(args, 2);
    pdr_write_cstr(args, node);
    pdr_write_map(args, 1);
    pdr_write_cstr(args, "undo");
    pdr_write_bool(args, undo);
}

/* Asked again, drain only tells how far it is. A leader that changes meanwhile is no reason to give up. */
static int wait_until_empty(struct remote *remote, struct pdr_bytes args, uint64_t until_ns,
                            struct pdr_outcome *outcome)
{
    struct progress progress;
    int status = EXIT_DONE;
    int64_t first = int_of(outcome->result, "copies");
    progress_begin(&progress, "copies of shards moved away", false);
    while (status == EXIT_DONE && !bool_of(outcome->result, "empty") && bool_of(outcome->result, "draining")) {
        int64_t left = int_of(outcome->result, "copies");
        progress_step(&progress, (uint64_t)(first > left ? first - left : 0), (uint64_t)first);
        if (uv_hrtime() >= until_ns) {
            status = EXIT_DEADLINE;
            break;
        }
        uv_sleep(LOOK_MS);
        enum pdr_status called = remote_ask(remote, "_sys/directory", "drain", args, outcome);
        while (called == PDR_UNAVAILABLE && uv_hrtime() < until_ns) {
            uv_sleep(LOOK_MS);
            called = remote_ask(remote, "_sys/directory", "drain", args, outcome);
        }
        status = called == PDR_OK ? EXIT_DONE : EXIT_FAILED;
    }
    progress_end(&progress);
    return status == EXIT_FAILED ? remote_failed(outcome) : status;
}

static int drain(struct remote *remote, const struct words *words, uint64_t wait_ms)
{
    struct pdr_outcome outcome;
    pdr_writer args = {0};
    bool undo = words_flag(words, "undo") != NULL, waits = !undo && words_flag(words, "no-wait") == NULL;
    uint64_t until_ns = wait_ms == 0 ? UINT64_MAX : uv_hrtime() + wait_ms * 1000000u;
    write_args(&args, words->arguments[0], undo);
    int status = remote_call(remote, "_sys/directory", "drain", pdr_written(&args), &outcome);
    if (status == EXIT_DONE && waits) {
        status = wait_until_empty(remote, pdr_written(&args), until_ns, &outcome);
    }
    if (status == EXIT_DONE || status == EXIT_DEADLINE) {
        int printed = outcome.status == PDR_OK ? print_node(words, outcome.result, undo) : EXIT_DONE;
        status = status == EXIT_DONE ? printed : status;
    }
    pdr_writer_release(&args);
    return status;
}

int cmd_drain(const struct words *words)
{
    const struct command *command = command_find("drain");
    const char *wait = words_flag(words, "wait");
    struct remote remote;
    uint64_t wait_ms = 0;
    if (wait != NULL && (!units_parse_duration(wait, &wait_ms) || wait_ms == 0)) {
        return command_misused(command, "--wait takes a time, such as 10min, not \"%s\"", wait);
    }
    if (words_flag(words, "undo") != NULL && (wait != NULL || words_flag(words, "no-wait") != NULL)) {
        return command_misused(command, "--undo does not wait for anything");
    }
    int status = remote_open(&remote, command, words);
    if (status == EXIT_DONE) {
        status = drain(&remote, words, wait_ms);
        remote_close(&remote);
    }
    return status;
}

int cmd_remove(const struct words *words)
{
    struct remote remote;
    struct pdr_outcome outcome;
    pdr_writer args = {0};
    int status = remote_open(&remote, command_find("remove"), words);
    if (status != EXIT_DONE) {
        return status;
    }
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, words->arguments[0]);
    status = remote_call(&remote, "_sys/directory", "remove", pdr_written(&args), &outcome);
    if (status == EXIT_DONE) {
        status = print_node(words, outcome.result, false);
    }
    pdr_writer_release(&args);
    remote_close(&remote);
    return status;
}
