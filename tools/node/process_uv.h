/* tools/node/process_uv.h: a node in the real world: loops on threads, TCP, RocksDB, files.
 *
 * DATA/log is the journal's, DATA/store RocksDB's. Whoever opens a process holds the lock on DATA (cmd_start does). */
#ifndef TOOLS_NODE_PROCESS_UV_H
#define TOOLS_NODE_PROCESS_UV_H

#include <uv.h>

#include "tools/node/node.h"

struct process;

struct process_options {
    const char *data;   /* an existing directory */
    unsigned threads;   /* core threads; 0: one fewer than the machine has, at least one */
    struct store_rocks_options store;
    struct node_options node;
};

/** Opens a node and its world; nothing runs yet. On failure *why is a sentence, valid until the thread's next call. */
enum pdr_status process_open(const struct process_options *options, struct process **out, const char **why);
uint16_t process_port(const struct process *process);
unsigned process_threads(const struct process *process);
/** The loop of the control thread, for signal handlers; before process_run. */
uv_loop_t *process_control_uv(struct process *process);
/** Starts the other threads and runs the control loop on this one, until process_stop is over. */
void process_run(struct process *process);
/** Any thread, once: drains (at most drain_ms), commits, flushes; then process_run returns. */
void process_stop(struct process *process, uint64_t drain_ms);
/** After process_run has returned, or instead of it. */
void process_free(struct process *process);

#endif
