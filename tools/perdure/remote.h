/* tools/perdure/remote.h: what every command that talks to a node shares: its flags, its connection, its failures. */
#ifndef TOOLS_PERDURE_REMOTE_H
#define TOOLS_PERDURE_REMOTE_H

#include <perdure/client.h>

#include "tools/perdure/commands.h"

#define REMOTE_FLAGS                                                                                                   \
    {"node", "HOST:PORT", "the node to talk to, or several: A,B (default: $PERDURE_NODE, else 127.0.0.1:7077)"},       \
    {                                                                                                                  \
        "deadline", "TIME", "how long the answer may take, such as 500ms or 2min (default: 30s)"                       \
    }
#define JSON_FLAG                                                                                                      \
    {                                                                                                                  \
        "json", NULL, "print JSON on a terminal too"                                                                   \
    }

struct remote {
    pdr_blocking *client;
    struct pdr_client_options options; /* `node` is the one below */
    char node[1024];
};

/** Connects to what the flags say. Anything but EXIT_DONE has been told on standard error. */
int remote_open(struct remote *remote, const struct command *command, const struct words *words);
/** The same, to that node; NULL: $PERDURE_NODE, or the default. For commands whose --node means something else. */
int remote_open_at(struct remote *remote, const struct command *command, const struct words *words, const char *node);
void remote_close(struct remote *remote);
/** TYPE/KEY, before anything is sent; else EXIT_MISUSE, and it has been told. */
int remote_check_address(const struct command *command, const char *address);

/** Calls, and tells a failure on standard error. `outcome` lives until the next call. */
int remote_call(struct remote *remote, const char *to, const char *method, struct pdr_bytes args,
                struct pdr_outcome *outcome);
/** Calls, and leaves it to the caller to tell. */
enum pdr_status remote_ask(struct remote *remote, const char *to, const char *method, struct pdr_bytes args,
                           struct pdr_outcome *outcome);
/** Tells a failure on standard error; returns the exit status for it. */
int remote_failed(const struct pdr_outcome *outcome);

/** Prints a value as one line of JSON on standard output. */
int remote_print(pdr_value value);
/** Prints it in as many lines as it takes, for people. */
int remote_print_pretty(pdr_value value);

/** cmd_watch.c: prints the events of that actor, by the flags of `watch` that are given, until a signal. */
int watch_actor(const struct command *command, const struct words *words, const char *address);

/** Whether to print for people: on a terminal, and not asked for JSON. */
bool remote_for_people(const struct words *words);

#endif
