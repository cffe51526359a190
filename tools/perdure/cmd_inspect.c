/* tools/perdure/cmd_inspect.c: `perdure inspect` and `perdure cancel`: one actor, looked at and helped out. */
#include "tools/perdure/remote.h"

const struct flag inspect_flags[] = {JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};
const struct flag cancel_flags[] = {REMOTE_FLAGS, {NULL, NULL, NULL}};

/* `_sys/node.METHOD [address]`: what the node answers; nothing is printed for nil. */
static int ask_about(const char *name, const char *method, const struct words *words, bool pretty)
{
    const struct command *command = command_find(name);
    struct remote remote;
    struct pdr_outcome outcome;
    pdr_writer args = {0};
    int status = remote_check_address(command, words->arguments[0]);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status != EXIT_DONE) {
        return status;
    }
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, words->arguments[0]);
    status = remote_call(&remote, "_sys/node", method, pdr_written(&args), &outcome);
    if (status == EXIT_DONE && pdr_value_kind(outcome.result) != PDR_KIND_NIL) {
        status = pretty ? remote_print_pretty(outcome.result) : remote_print(outcome.result);
    }
    remote_close(&remote);
    pdr_writer_release(&args);
    return status;
}

int cmd_inspect(const struct words *words)
{
    return ask_about("inspect", "inspect", words, remote_for_people(words));
}

int cmd_cancel(const struct words *words)
{
    return ask_about("cancel", "cancel", words, false);
}
