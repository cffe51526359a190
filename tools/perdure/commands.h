/* tools/perdure/commands.h: the commands, one table. `perdure help`, each `--help` and docs/reference/commands.md are
 * written from it; to add a command, write its file and its row. */
#ifndef TOOLS_PERDURE_COMMANDS_H
#define TOOLS_PERDURE_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/perdure/words.h"

/* clang-format off */
/*    name          status  when */
#define EXIT_TABLE(X)                                                                                                  \
    X(DONE,        0, "it is done")                                                                                    \
    X(FAILED,      1, "it failed: the actor or the platform says why, as JSON {\"code\", \"message\"} on "             \
                      "standard error; or a node could not start")                                                     \
    X(MISUSE,      2, "the command line is wrong")                                                                     \
    X(UNREACHABLE, 3, "no node answers at that address; nothing was done")                                             \
    X(DEADLINE,    4, "no answer came in time; the call may have been applied, or may be yet")
/* clang-format on */

enum exit_status {
#define EXIT_ENUM(name, status, when) EXIT_##name = (status),
    EXIT_TABLE(EXIT_ENUM)
#undef EXIT_ENUM
};

struct command {
    const char *name;
    const char *usage;        /* what follows `perdure` */
    const char *summary;      /* one line, no full stop */
    const char *text;         /* paragraphs; lines as they are to be shown */
    const struct flag *flags; /* ends with a NULL name */
    size_t arguments_min, arguments_max;
    int (*run)(const struct words *words); /* an enum exit_status */
};

/** Ends with a NULL name. */
extern const struct command commands[];
const struct command *command_find(const char *name);
/** The one a slip of the pen may have meant; NULL if none is near. */
const struct command *command_near(const char *name);

void commands_print_help(FILE *out);
void command_print_help(const struct command *command, FILE *out);
/** Says what is wrong with the command line, on standard error; returns EXIT_MISUSE. `command` may be NULL. */
int command_misused(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** All that main does. */
int perdure_main(int argc, char **argv);

/* The commands: cmd_*.c */

extern const struct flag start_flags[], call_flags[], tell_flags[], status_flags[], ps_flags[], types_flags[];
int cmd_start(const struct words *words);
int cmd_call(const struct words *words);
int cmd_tell(const struct words *words);
int cmd_status(const struct words *words);
int cmd_ps(const struct words *words);
int cmd_types(const struct words *words);
int cmd_help(const struct words *words);

#endif
