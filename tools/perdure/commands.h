/* tools/perdure/commands.h: the commands, one table. `perdure help`, each `--help`, docs/reference/commands.md, the man
 * page and what bash completes are written from it; to add a command, write its file and its row. */
#ifndef TOOLS_PERDURE_COMMANDS_H
#define TOOLS_PERDURE_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include <perdure/status.h>

#include "tools/perdure/words.h"

/* clang-format off */
/*    name          status  when */
#define EXIT_TABLE(X)                                                                                                  \
    X(DONE,        0, "it is done")                                                                                    \
    X(FAILED,      1, "it failed, and the same command would fail again: a node could not start; or the actor or the " \
                      "platform refused, and says why as JSON {\"code\", \"message\"} on standard error. Codes:")  \
    X(MISUSE,      2, "the command line is wrong; nothing was done")                                                   \
    X(UNREACHABLE, 3, "no node answers at that address; nothing was done. It may be tried again")                      \
    X(DEADLINE,    4, "no answer came in time; it may have been applied, or may be yet. It may be tried again if "     \
                      "twice does no harm. Codes:")                                                                    \
    X(AGAIN,       5, "it failed for now, and may be tried again; after unavailable it may have been applied. "        \
                      "JSON as with 1, and \"retry_ms\" where the node asks to wait so long. Codes:")
/*    variable          what it says */
#define ENVIRONMENT_TABLE(X)                                                                                           \
    X("PERDURE_NODE",  "HOST:PORT of the node to talk to, or several with commas, where --node does not say it")       \
    X("NO_COLOR",      "if it is set and not empty, nothing is painted; nothing ever is but on a terminal")
/* clang-format on */

#define COMMAND_EXIT_TEXT_MAX 512

enum exit_status {
#define EXIT_ENUM(name, status, when) EXIT_##name = (status),
    EXIT_TABLE(EXIT_ENUM)
#undef EXIT_ENUM
};

struct command {
    const char *name;
    const char *usage;   /* what follows `perdure`; bash completes TYPE/KEY, METHOD, DIR and so on by these words */
    const char *summary; /* one line, no full stop */
    const char *text;    /* paragraphs; lines as they are to be shown, those of an example behind four blanks */
    const struct flag *flags; /* ends with a NULL name */
    size_t arguments_min, arguments_max;
    int (*run)(const struct words *words); /* an enum exit_status */
};

/** Ends with a NULL name. */
extern const struct command commands[];
const struct command *command_find(const char *name);
/** The exit status of a command whose call ended so. */
int command_exit(enum pdr_status status);
/** What EXIT_TABLE says about a status, with the codes that lead to it: a sentence without a full stop. */
const char *command_exit_text(int status, char *out, size_t size);
/** The one a slip of the pen may have meant; NULL if none is near. */
const struct command *command_near(const char *name);

void commands_print_help(FILE *out);
void command_print_help(const struct command *command, FILE *out);
/** Says what is wrong with the command line, on standard error; returns EXIT_MISUSE. `command` may be NULL. */
int command_misused(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** All that main does. */
int perdure_main(int argc, char **argv);

/* The commands: cmd_*.c */

extern const struct flag start_flags[], call_flags[], tell_flags[], watch_flags[], status_flags[], ps_flags[],
    inspect_flags[], cancel_flags[], redeliver_flags[], types_flags[], backup_flags[], restore_flags[], drain_flags[],
    remove_flags[], move_flags[], pin_flags[], unpin_flags[], rebalance_flags[], dev_flags[], elect_flags[];
int cmd_start(const struct words *words);
int cmd_call(const struct words *words);
int cmd_tell(const struct words *words);
int cmd_watch(const struct words *words);
int cmd_status(const struct words *words);
int cmd_ps(const struct words *words);
int cmd_inspect(const struct words *words);
int cmd_cancel(const struct words *words);
int cmd_redeliver(const struct words *words);
int cmd_types(const struct words *words);
int cmd_backup(const struct words *words);
int cmd_restore(const struct words *words);
int cmd_drain(const struct words *words);
int cmd_remove(const struct words *words);
int cmd_move(const struct words *words);
int cmd_pin(const struct words *words);
int cmd_unpin(const struct words *words);
int cmd_rebalance(const struct words *words);
int cmd_elect(const struct words *words);
int cmd_dev(const struct words *words);
int cmd_help(const struct words *words);

#endif
