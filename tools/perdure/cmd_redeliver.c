/* tools/perdure/cmd_redeliver.c: `perdure redeliver`: messages of `perdure ps --dead` are tried anew. */
#include "tools/perdure/json_value.h"
#include "tools/perdure/pages.h"
#include "tools/perdure/progress.h"

const struct flag redeliver_flags[] = {
    {"all", NULL, "all that are dead when the command begins"}, REMOTE_FLAGS, {NULL, NULL, NULL}};

/* Ids of messages, one encoded value behind the other. */
struct ids {
    pdr_writer values;
    uint64_t count;
};

static int add_row(void *user, pdr_value row)
{
    struct ids *ids = user;
    pdr_write_value(&ids->values, pdr_value_get(row, "id"));
    ids->count++;
    return EXIT_DONE;
}

static int read_ids(const struct command *command, const struct words *words, struct ids *ids)
{
    char why[160];
    for (size_t i = 0; i < words->count; i++) {
        if (!json_read_argument(words->arguments[i], &ids->values, why, sizeof why)) {
            return command_misused(command, "ID %.60s: %s", words->arguments[i], why);
        }
        ids->count++;
    }
    return EXIT_DONE;
}

/* One that is not dead any more is told, and the others go on; a node that can't do it now won't do the next either. */
static int redeliver(struct remote *remote, const struct ids *ids)
{
    struct pdr_bytes rest = pdr_written(&ids->values);
    struct pdr_outcome outcome;
    struct progress progress;
    pdr_writer args = {0};
    int first = EXIT_DONE;
    uint64_t done = 0;
    progress_begin(&progress, "messages on their way again", false);
    for (uint64_t i = 0; i < ids->count && first != EXIT_DEADLINE && first != EXIT_AGAIN; i++) {
        pdr_writer_clear(&args);
        pdr_write_array(&args, 1);
        pdr_write_value(&args, pdr_value_next(&rest));
        int status = remote_call(remote, "_sys/node", "redeliver", pdr_written(&args), &outcome);
        done += status == EXIT_DONE;
        first = first == EXIT_DONE ? status : first;
        progress_step(&progress, i + 1, ids->count);
    }
    progress_end(&progress);
    printf("{\"redelivered\":%llu}\n", (unsigned long long)done);
    pdr_writer_release(&args);
    return first;
}

int cmd_redeliver(const struct words *words)
{
    const struct command *command = command_find("redeliver");
    bool all = words_flag(words, "all") != NULL;
    struct ids ids = {{0}, 0};
    struct remote remote;
    if (all == (words->count > 0)) {
        return command_misused(command, "it takes the ID of each message, or --all");
    }
    int status = read_ids(command, words, &ids);
    if (status == EXIT_DONE) {
        status = remote_open(&remote, command, words);
    }
    if (status == EXIT_DONE) {
        struct pages dead = {
            .method = "dead", .list = "letters", .prefix = "", .limit = UINT64_MAX, .row = add_row, .user = &ids};
        status = all ? pages_walk(&remote, &dead) : EXIT_DONE;
        status = status == EXIT_DONE ? redeliver(&remote, &ids) : status;
        remote_close(&remote);
    }
    pdr_writer_release(&ids.values);
    return status;
}
