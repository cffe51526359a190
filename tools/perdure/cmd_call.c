/* tools/perdure/cmd_call.c: `perdure call` and `perdure tell`. */
#include <perdure/ref.h>
#include <string.h>

#include "tools/perdure/json_value.h"
#include "tools/perdure/remote.h"

const struct flag call_flags[] = {REMOTE_FLAGS, {NULL, NULL, NULL}};
const struct flag tell_flags[] = {REMOTE_FLAGS, {NULL, NULL, NULL}};

/* TYPE/KEY and METHOD, checked before anything is sent: a METHOD with a dot would name another actor. */
static bool check_target(const char *to, const char *method, const char **why)
{
    char text[PDR_TYPE_SIZE_MAX + PDR_KEY_SIZE_MAX + PDR_METHOD_SIZE_MAX + 4];
    struct pdr_ref ref;
    struct pdr_bytes parsed;
    if (pdr_ref_parse(pdr_str(to), &ref, why) != PDR_OK) {
        return false;
    }
    if (strlen(method) > PDR_METHOD_SIZE_MAX) {
        *why = "a method's name has at most 64 bytes";
        return false;
    }
    int size = snprintf(text, sizeof text, "%s.%s", to, method);
    if (pdr_ref_parse_call(pdr_bytes(text, (size_t)size), &ref, &parsed, why) != PDR_OK) {
        return false;
    }
    *why = "a method's name is [A-Za-z_][A-Za-z0-9_-]{0,63}";
    return pdr_bytes_equal(parsed, pdr_str(method));
}

/* The arguments as one MessagePack array. */
static int read_arguments(const struct command *command, const struct words *words, pdr_writer *args)
{
    char why[160];
    const char *because = "";
    if (!check_target(words->arguments[0], words->arguments[1], &because)) {
        return command_misused(command, "%s %s: %s", words->arguments[0], words->arguments[1], because);
    }
    pdr_write_array(args, (uint32_t)words->count - 2);
    for (size_t i = 2; i < words->count; i++) {
        if (!json_read_argument(words->arguments[i], args, why, sizeof why)) {
            return command_misused(command, "ARG %.60s: %s", words->arguments[i], why);
        }
    }
    return EXIT_DONE;
}

int cmd_call(const struct words *words)
{
    const struct command *command = command_find("call");
    struct remote remote;
    struct pdr_outcome outcome;
    pdr_writer args = {0};
    int status = read_arguments(command, words, &args);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status == EXIT_DONE) {
        status = remote_call(&remote, words->arguments[0], words->arguments[1], pdr_written(&args), &outcome);
        if (status == EXIT_DONE) {
            status = remote_print(outcome.result);
        }
        remote_close(&remote);
    }
    pdr_writer_release(&args);
    return status;
}

/* A node of before `_sys/conn.tell` answers not_found to it as well when it is called with nothing. */
static bool accepts_tells(struct remote *remote)
{
    struct pdr_outcome outcome;
    struct pdr_bytes none = {NULL, 0};
    return remote_ask(remote, "_sys/conn", "tell", none, &outcome) != PDR_NOT_FOUND;
}

static int notify(struct remote *remote, const struct words *words, struct pdr_bytes args)
{
    enum pdr_status sent = pdr_blocking_tell(remote->client, pdr_str(words->arguments[0]), words->arguments[1], args);
    if (sent == PDR_OK) {
        fprintf(stderr, "perdure tell: this node is older and accepts no messages durably; it was sent, no more\n");
        return EXIT_DONE;
    }
    struct pdr_outcome outcome = {.status = sent};
    return remote_failed(&outcome);
}

static int tell(struct remote *remote, const struct words *words, struct pdr_bytes args)
{
    struct pdr_outcome outcome;
    pdr_writer message = {0};
    pdr_write_array(&message, 3);
    pdr_write_cstr(&message, words->arguments[0]);
    pdr_write_cstr(&message, words->arguments[1]);
    pdr_write_value(&message, args);
    enum pdr_status status = remote_ask(remote, "_sys/conn", "tell", pdr_written(&message), &outcome);
    int result = EXIT_DONE;
    if (status == PDR_NOT_FOUND) {
        pdr_writer_clear(&message); /* the outcome ends with the next call */
        pdr_write_raw(&message, outcome.message.data, outcome.message.size);
        struct pdr_outcome refused = {.status = status, .message = pdr_written(&message)};
        result = accepts_tells(remote) ? remote_failed(&refused) : notify(remote, words, args);
    } else if (status != PDR_OK) {
        result = remote_failed(&outcome);
    }
    pdr_writer_release(&message);
    return result;
}

int cmd_tell(const struct words *words)
{
    const struct command *command = command_find("tell");
    struct remote remote;
    pdr_writer args = {0};
    int status = read_arguments(command, words, &args);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status == EXIT_DONE) {
        status = tell(&remote, words, pdr_written(&args));
        remote_close(&remote);
    }
    pdr_writer_release(&args);
    return status;
}
