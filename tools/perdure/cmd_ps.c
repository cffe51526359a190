/* tools/perdure/cmd_ps.c: `perdure ps`: actors, or with --dead the messages that nobody could deliver. */
#include <unistd.h>

#include "tools/node/units.h"
#include "tools/perdure/pages.h"
#include "tools/perdure/progress.h"
#include "tools/perdure/table.h"

const struct flag ps_flags[] = {{"dead", NULL, "list the messages to those actors whose turns kept failing"},
                                {"limit", "N", "at most so many (default: all)"},
                                JSON_FLAG,
                                REMOTE_FLAGS,
                                {NULL, NULL, NULL}};

static const char *const actor_titles[] = {"ADDRESS", "STATE", "MAILBOX", "TURNS", "BYTES", NULL};
static const char *const actor_keys[] = {"address", "state", "mailbox", "turns", "bytes", NULL};
static const char *const dead_titles[] = {"ID", "FROM", "TO", "METHOD", "ATTEMPTS", "CODE", "MESSAGE", NULL};
static const char *const dead_keys[] = {"id", "from", "actor", "method", "attempts", "code", "message", NULL};

/* Where rows go. */
struct rows {
    const char *const *keys;
    struct table *table; /* NULL: JSON lines */
    struct progress progress;
    uint64_t count;
};

static int put_row(void *user, pdr_value row)
{
    struct rows *rows = user;
    progress_step(&rows->progress, ++rows->count, 0);
    if (rows->table == NULL) {
        return remote_print(row);
    }
    for (unsigned k = 0; rows->keys[k] != NULL; k++) {
        table_value(rows->table, pdr_value_get(row, rows->keys[k]));
    }
    return EXIT_DONE;
}

static int list(struct remote *remote, const struct pages *pages, bool for_people, bool dead)
{
    struct table table;
    struct rows rows = {.keys = dead ? dead_keys : actor_keys};
    struct pages all = *pages;
    all.row = put_row;
    all.user = &rows;
    if (for_people) {
        table_init(&table, dead ? dead_titles : actor_titles);
        rows.table = &table;
    }
    progress_begin(&rows.progress, dead ? "messages listed" : "actors listed", !for_people && isatty(STDOUT_FILENO));
    int status = pages_walk(remote, &all);
    progress_end(&rows.progress);
    if (for_people) {
        table_print(&table, 0, stdout);
        table_release(&table);
    }
    return status;
}

int cmd_ps(const struct words *words)
{
    const struct command *command = command_find("ps");
    const char *limit = words_flag(words, "limit");
    bool dead = words_flag(words, "dead") != NULL;
    struct pages pages = {.method = dead ? "dead" : "ps",
                          .list = dead ? "letters" : "actors",
                          .prefix = words->count > 0 ? words->arguments[0] : "",
                          .limit = UINT64_MAX};
    struct remote remote;
    if (limit != NULL && (!units_parse_count(limit, &pages.limit) || pages.limit == 0)) {
        return command_misused(command, "--limit takes a number of 1 or more, not \"%s\"", limit);
    }
    int status = remote_open(&remote, command, words);
    if (status == EXIT_DONE) {
        status = list(&remote, &pages, remote_for_people(words), dead);
        remote_close(&remote);
    }
    return status;
}
