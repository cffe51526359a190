/* tools/perdure/commands.c: the table of the commands, help, and the way from argv to one of them. */
#include "tools/perdure/commands.h"

#include <perdure/version.h>
#include <stdarg.h>
#include <string.h>

#define REDELIVER_MAX 1000u /* IDs of one command; --all has no such limit */

static const struct flag no_flags[] = {{NULL, NULL, NULL}};

const struct command commands[] = {
    {"start", "start [FLAG...]", "run a node",
     "With nothing else it is a whole platform: one node, ./perdure-data, 127.0.0.1:7077, the builtin types.\n"
     "\n"
     "Prints one line on standard output when it can be called; its log goes to standard error.\n"
     "SIGTERM and SIGINT end it in good order: what runs may end, up to --drain. A second one ends it at once,\n"
     "which loses nothing that was answered: neither does SIGKILL.\n",
     start_flags, 0, 0, cmd_start},
    {"call", "call TYPE/KEY METHOD [ARG...] [FLAG...]", "call an actor; print its answer as JSON",
     "An ARG is JSON where it is JSON, else a string: 5, true, null, '\"5\"', '{\"a\": [1, 2]}', hello. Flags begin\n"
     "with --, so -5 is a number; -- ends the flags. What JSON has no word for is in docs/reference/json.md.\n"
     "\n"
     "    perdure call counter/visits add\n"
     "    perdure call kv/settings put colour '{\"r\": 255}'\n",
     call_flags, 2, 66, cmd_call},
    {"tell", "tell TYPE/KEY METHOD [ARG...] [FLAG...]", "send an actor a message without waiting for its turn",
     "Done means accepted: the node has the message on stable storage, and delivers it once, whatever happens to it.\n"
     "What the turn answers nobody hears; a message whose turns keep failing ends up in `perdure ps --dead`.\n"
     "ARGs are as in `perdure call`.\n"
     "\n"
     "    perdure tell queue/mail push '{\"to\": \"ada\"}'\n",
     tell_flags, 2, 66, cmd_tell},
    {"watch", "watch TYPE/KEY [FLAG...]", "print the events that an actor emits, as they come",
     "One event a line, as JSON, until SIGINT or SIGTERM, which end it with status 0. When the connection is lost it\n"
     "goes on behind the last event that came, as soon as the node is back and as far as it keeps them.\n"
     "\n"
     "    perdure watch topic/news --count 1\n"
     "    perdure watch topic/news --seq --after 41\n",
     watch_flags, 1, 1, cmd_watch},
    {"status", "status [FLAG...]", "how the cluster is: members, leader, counters",
     "A table on a terminal, JSON anywhere else. --metrics: what docs/reference/metrics.md lists.\n", status_flags, 0,
     0, cmd_status},
    {"ps", "ps [TYPE/PREFIX] [FLAG...]", "list actors, in memory or on disk",
     "Those whose address begins with TYPE/PREFIX, or all, in order of their addresses. A table on a terminal,\n"
     "one JSON object a line anywhere else: address, state (active: in memory; passive: on disk), mailbox (calls\n"
     "that wait), turns (since it became active), bytes (of its state).\n"
     "\n"
     "With --dead it lists messages instead, whose turns kept failing: id, from, actor,\n"
     "method, attempts, the code and message of the last failure.\n"
     "`perdure redeliver` tries them anew.\n",
     ps_flags, 0, 1, cmd_ps},
    {"inspect", "inspect TYPE/KEY [FLAG...]", "show all about an actor: its state, what waits, the turn that runs",
     "In lines on a terminal, one line of JSON anywhere else.\n", inspect_flags, 1, 1, cmd_inspect},
    {"cancel", "cancel TYPE/KEY [FLAG...]", "cancel the turn that an actor is stuck in",
     "The call that waits is answered cancelled, and the actor goes on with the next. What the turn has committed\n"
     "before it waited stays. `perdure inspect` shows since when and for what it waits.\n",
     cancel_flags, 1, 1, cmd_cancel},
    {"redeliver", "redeliver [ID...] [FLAG...]", "try dead messages anew",
     "ID is that of `perdure ps --dead`. Prints how many are on their way again: {\"redelivered\": N}.\n"
     "\n"
     "    perdure redeliver --all\n",
     redeliver_flags, 0, REDELIVER_MAX, cmd_redeliver},
    {"types", "types [FLAG...]", "list the actor types of a node, and their methods",
     "A table on a terminal, one JSON object a line anywhere else: name, methods.\n", types_flags, 0, 0, cmd_types},
    {"drain", "drain NODE [FLAG...]", "move all that a node has to others, so that it can be removed",
     "NODE is a name or an id, as `perdure status` has them. Shards go to where they are to be, one copy\n"
     "after the other, and none has fewer copies meanwhile; calls go on. The node gives up its part in the\n"
     "directory, too, and gets nothing new. Waits until it is empty; ended before that, the node drains on.\n"
     "A node that is dead is given up.\n"
     "\n"
     "    perdure drain n3 && perdure remove n3\n"
     "    perdure drain n3 --undo\n",
     drain_flags, 1, 1, cmd_drain},
    {"remove", "remove NODE [FLAG...]", "remove an empty node from the cluster for ever",
     "It must have been drained. Its process ends; with an empty data directory the machine can join as a\n"
     "new node.\n",
     remove_flags, 1, 1, cmd_remove},
    {"move", "move TYPE/KEY NODE [FLAG...]", "move the shard of an actor to a node",
     "The shard, with all actors that it has, is led from NODE from then on, in place of the node that leads\n"
     "it now. It may be moved again to balance the nodes; `perdure pin` holds. Prints where the shard is, and\n"
     "where it is to be.\n"
     "\n"
     "    perdure move counter/visits n2\n"
     "    perdure move 17 n2 --shard\n",
     move_flags, 2, 2, cmd_move},
    {"pin", "pin TYPE/KEY [FLAG...]", "give an actor a shard of its own, and say where it is to be",
     "For all actors of TYPE with the same hash tag: that of KEY, which is what is in its braces, or all of\n"
     "it. With --node they run on that node while it is up, with copies elsewhere; with --label on nodes that\n"
     "have the label. A pin can be changed by another. State that such actors have in the shard they shared\n"
     "until now does not come along: pin a tag before it is used.\n"
     "\n"
     "    perdure pin 'model/{llama}' --label gpu=h100 --empty\n"
     "    perdure pin counter/visits --node n2 --empty\n",
     pin_flags, 1, 1, cmd_pin},
    {"unpin", "unpin TYPE/KEY [FLAG...]", "let a pinned actor be anywhere again",
     "It keeps the shard of its own, with its state, which is placed like any other.\n", unpin_flags, 1, 1, cmd_unpin},
    {"rebalance", "rebalance pause|resume [FLAG...]",
     "pause the moving of shards that is for balance only, or resume it",
     "In a pause shards still move off dead and drained nodes, and to where labels and pins ask for.\n",
     rebalance_flags, 1, 1, cmd_rebalance},
    {"elect", "elect campaign|run|observe|leader|resign ELECTION [-- COMMAND...]",
     "stand in an election of the cluster, run a program while elected, or watch",
     "campaign stands until SIGINT or SIGTERM, then resigns; it prints a line of JSON when it is elected\n"
     "and when it has lost. run waits to be elected and runs COMMAND, with PERDURE_TOKEN and PERDURE_ELECTION\n"
     "in its environment; its exit status is that of COMMAND, or 128 and the number of the signal that ended\n"
     "it. If the lease cannot be renewed COMMAND gets SIGTERM a third of the lease before its end, SIGKILL a\n"
     "sixth before; it dies with `perdure`, too. observe prints who leads, now and at each change; leader\n"
     "prints it once. resign makes the leader with --token resign, at once and whoever it is: it hears of it\n"
     "a moment later.\n"
     "\n"
     "The token is above that of every leader before: whatever only the leader may write should refuse a\n"
     "lower one.\n"
     "\n"
     "    perdure elect run nightly -- ./report.sh\n"
     "    perdure elect campaign scheduler --value '\"10.0.0.7:80\"' --lease 5s\n",
     elect_flags, 2, 256, cmd_elect},
    {"dev", "dev [FLAG...]", "run a cluster on this machine, to try things on",
     "Nodes as processes of their own, on loopback, with their logs in this terminal, and a prompt: kill N,\n"
     "start N, pause N, resume N, cut N M, heal, stop; `help` lists all, and commands such as status and call go\n"
     "to a node that is up. The same lines from a file or a pipe are a script: each begins when the one before\n"
     "is done, the end of them ends all nodes, and the exit status is 1 if one failed. The nodes end with it,\n"
     "however it ends.\n"
     "\n"
     "    perdure dev --nodes 3\n"
     "    printf 'call counter/a add\\nkill 2\\nstatus\\n' | perdure dev --data /tmp/three\n",
     dev_flags, 0, 0, cmd_dev},
    {"backup", "backup DIR [FLAG...]", "have a running node make a copy of its data",
     "DIR is made by the node, on its machine, and must be new or empty. Everything that was acknowledged before the\n"
     "backup began is in it, as of one moment for each actor; callers hardly notice. On the file system of the data\n"
     "directory it takes no room at first, and shares its bytes with it: copy it elsewhere to outlive that disk.\n"
     "Of what fails nothing is left behind. On a terminal, how far it is, twice a second.\n",
     backup_flags, 1, 1, cmd_backup},
    {"restore", "restore DIR [FLAG...]", "make a data directory from a backup",
     "Without a node. The backup is checked; a data directory that is there is not touched.\n"
     "\n"
     "    perdure restore /backup/monday --data ./perdure-data\n"
     "\n"
     "What is restored goes on as a new node of the same cluster: it has forgotten what was\n"
     "written after the backup.\n",
     restore_flags, 1, 1, cmd_restore},
    {"help", "help [COMMAND]", "tell about a command", "The same as `perdure COMMAND --help`.\n", no_flags, 0, 1,
     cmd_help},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL},
};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

const struct command *command_near(const char *name)
{
    const struct command *near = NULL;
    unsigned best = 99;
    for (const struct command *c = commands; c->name != NULL; c++) {
        unsigned distance = words_distance(name, c->name);
        if (distance < best && words_near(name, distance)) {
            best = distance;
            near = c;
        }
    }
    return near;
}

/* A sentence in lines of at most 100 columns, the first of which has begun at `column`. */
static void print_wrapped(FILE *out, const char *text, int column)
{
    int at = column;
    while (*text != 0) {
        int size = (int)strcspn(text, " ");
        if (at > column && at + 1 + size > 100) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            at += fprintf(out, " ");
        }
        at += fprintf(out, "%.*s", size, text);
        text += size;
        text += strspn(text, " ");
    }
    fprintf(out, "\n");
}

int command_exit(enum pdr_status status)
{
    if (status == PDR_OK) {
        return EXIT_DONE;
    }
    if (status == PDR_DEADLINE) {
        return EXIT_DEADLINE;
    }
    return pdr_status_retry(status) == PDR_RETRY_NEVER ? EXIT_FAILED : EXIT_AGAIN;
}

const char *command_exit_text(int status, char *out, size_t size)
{
    static const struct {
        int status;
        const char *when;
    } rows[] = {
#define EXIT_ROW(name, status, when) {status, when},
        EXIT_TABLE(EXIT_ROW)
#undef EXIT_ROW
    };
    int used = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        used = rows[i].status == status ? snprintf(out, size, "%s", rows[i].when) : used;
    }
    if (out[used - 1] != ':') {
        return out;
    }
    for (enum pdr_status code = PDR_OK + 1; code < PDR_STATUS_COUNT && used < (int)size; code++) {
        if (command_exit(code) == status && code != PDR_ACTOR) {
            used += snprintf(out + used, size - (size_t)used, " %s", pdr_status_wire(code));
        }
    }
    if (status == EXIT_FAILED && used < (int)size) {
        snprintf(out + used, size - (size_t)used, ", and those of actors");
    }
    return out;
}

static void print_exits(FILE *out)
{
    char text[COMMAND_EXIT_TEXT_MAX];
    fprintf(out, "\nExit status\n");
#define EXIT_LINE(name, status, when)                                                                                  \
    fprintf(out, "  %d  ", status);                                                                                    \
    print_wrapped(out, command_exit_text(status, text, sizeof text), 5);
    EXIT_TABLE(EXIT_LINE)
#undef EXIT_LINE
}

void commands_print_help(FILE *out)
{
    fprintf(out, "perdure %s: actors that are called by name and outlive their processes\n\n", PDR_VERSION);
    for (const struct command *c = commands; c->name != NULL; c++) {
        fprintf(out, "  perdure %-9s %s\n", c->name, c->summary);
    }
    fprintf(out, "\nperdure COMMAND --help tells all about one; perdure --version names the version.\n");
    print_exits(out);
    fprintf(out, "\nEnvironment\n");
#define ENVIRONMENT_LINE(name, text)                                                                                   \
    fprintf(out, "  %-12s  ", name);                                                                                   \
    print_wrapped(out, text, 16);
    ENVIRONMENT_TABLE(ENVIRONMENT_LINE)
#undef ENVIRONMENT_LINE
}

void command_print_help(const struct command *command, FILE *out)
{
    fprintf(out, "usage: perdure %s\n\n%s: %s.\n\n%s", command->usage, command->name, command->summary, command->text);
    if (command->flags->name != NULL) {
        fprintf(out, "\nFlags\n");
    }
    for (const struct flag *f = command->flags; f->name != NULL; f++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", f->name, f->argument != NULL ? " " : "",
                 f->argument != NULL ? f->argument : "");
        fprintf(out, "  %-22s ", left);
        print_wrapped(out, f->help, 25);
    }
}

int command_misused(const struct command *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "perdure%s%s: ", command != NULL ? " " : "", command != NULL ? command->name : "");
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    if (command != NULL) {
        fprintf(stderr, "usage: perdure %s; perdure %s --help tells all\n", command->usage, command->name);
    } else {
        fprintf(stderr, "perdure --help lists the commands\n");
    }
    return EXIT_MISUSE;
}

static int unknown_command(const char *name)
{
    const struct command *near = command_near(name);
    if (near != NULL) {
        return command_misused(NULL, "there is no command \"%s\"; did you mean \"%s\"?", name, near->name);
    }
    return command_misused(NULL, "there is no command \"%s\"", name);
}

int cmd_help(const struct words *words)
{
    const struct command *command = words->count == 0 ? NULL : command_find(words->arguments[0]);
    if (words->count > 0 && command == NULL) {
        return unknown_command(words->arguments[0]);
    }
    if (command == NULL) {
        commands_print_help(stdout);
    } else {
        command_print_help(command, stdout);
    }
    return EXIT_DONE;
}

static int run(const struct command *command, const struct words *words)
{
    if (words->help) {
        command_print_help(command, stdout);
        return EXIT_DONE;
    }
    if (words->count < command->arguments_min) {
        return command_misused(command, "something is missing");
    }
    if (words->count > command->arguments_max) {
        return command_misused(command, "\"%s\" is too much", words->arguments[command->arguments_max]);
    }
    return command->run(words);
}

int perdure_main(int argc, char **argv)
{
    if (argc < 2) {
        commands_print_help(stderr);
        return EXIT_MISUSE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("perdure %s\n", PDR_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        commands_print_help(stdout);
        return EXIT_DONE;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(argv[1]);
    }
    struct words words;
    char why[256];
    int status = EXIT_MISUSE;
    if (words_parse(&words, command->flags, argc - 2, argv + 2, why, sizeof why)) {
        status = run(command, &words);
    } else {
        command_misused(command, "%s", why);
    }
    words_release(&words);
    return status;
}
