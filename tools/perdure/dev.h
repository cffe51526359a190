/* tools/perdure/dev.h: the inside of `perdure dev`: nodes as child processes on loopback, relays between them that can
 * be cut, and a prompt. One thread, one libuv loop; for tools/perdure/dev_*.c and cmd_dev.c.
 *
 *     prompt (dev_prompt.c) --kill 2--> nodes (dev_nodes.c)
 *            \-------cut 1 3--> relays (dev_relay.c): node 3 is known to the others by its relay's address */
#ifndef TOOLS_PERDURE_DEV_H
#define TOOLS_PERDURE_DEV_H

#include <stdio.h>
#include <sys/types.h>
#include <uv.h>

#include "tools/perdure/commands.h"

#define DEV_NODES_MAX 9u
#define DEV_LINE_MAX 4096u
#define DEV_RELAY_PORTS 100u /* a relay's port is so far above its node's */

struct dev;

enum dev_state { DEV_DOWN, DEV_STARTING, DEV_UP, DEV_PAUSED, DEV_ENDING };

/** What a child says, line by line, to where we say it. */
struct dev_lines {
    uv_pipe_t pipe;
    struct dev_node *node;
    bool is_open;
    char room[DEV_LINE_MAX], text[DEV_LINE_MAX];
    size_t size;
};

struct dev_node {
    struct dev *dev;
    unsigned number; /* from 1 */
    enum dev_state state;
    pid_t pid;        /* 0: down */
    bool wanted_down; /* it was told to end */
    char address[32], relay[32];
    struct dev_lines log, ready;
};

struct dev {
    uv_loop_t loop;
    uv_signal_t child, interrupt, terminate;
    uv_timer_t patience; /* with those that do not end */
    struct dev_node nodes[DEV_NODES_MAX];
    unsigned count;
    uint16_t port; /* of the first node */
    char data[900], program[900];
    struct dev_relay *relays; /* dev_relay.c */
    bool cut[DEV_NODES_MAX][DEV_NODES_MAX];
    bool is_ending;  /* everybody is told to end */
    bool has_failed; /* a command of a script failed, or a node did not start */

    /* dev_prompt.c */
    struct dev_prompt *prompt;
    unsigned target; /* whom commands of clients talk to; 0: any that is up */
};

/* dev_nodes.c */

/** Starts it; it is up when it says so. False: it runs already, or cannot be started; told on standard error. */
bool dev_node_start(struct dev_node *node);
/** It is down, and all that it said was heard. */
bool dev_node_is_gone(const struct dev_node *node);
/** SIGTERM, SIGKILL, SIGSTOP, SIGCONT. False: it is down. */
bool dev_node_signal(struct dev_node *node, int number);
/** In answer to SIGCHLD: whoever has ended. */
void dev_nodes_reap(struct dev *dev);
/** How many run. */
unsigned dev_nodes_alive(const struct dev *dev);
/** A program with its standard output ours; dies with us. -1: told on standard error. */
pid_t dev_spawn(const char *const *argv, int out, int err);
const char *dev_state_name(enum dev_state state);

/* dev_relay.c */

/** False: a port is taken; told on standard error. */
bool dev_relays_open(struct dev *dev);
void dev_relays_close(struct dev *dev);
/** dev->cut has changed: what goes between those stops, or goes on. */
void dev_relays_changed(struct dev *dev);

/* dev_prompt.c */

/** Starts the nodes, then does as the lines of standard input say. */
void dev_prompt_open(struct dev *dev);
/** One that does nothing. */
void dev_prompt_open_nothing(struct dev *dev);
void dev_prompt_close(struct dev *dev);
/** Something has happened that a command may have waited for. */
void dev_prompt_look(struct dev *dev);
/** That child was the prompt's: true, and its line is done. */
bool dev_prompt_ended(struct dev *dev, pid_t pid, int status);
/** A line for whoever looks: above the prompt. */
void dev_tell(struct dev *dev, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Ends all nodes; the loop ends when they have. */
void dev_end(struct dev *dev);

#endif
