/* tools/node/process_uv.h: a node on the real world: directory, threads, loops on libuv, TCP, the log's disk, RocksDB.
 *
 *     core threads     one loop and transport each
 *     journal thread   writes and syncs the log
 *     control thread   `_sys`, checkpoints; `perdure start` lends its main thread
 *     libuv's pool     what blocks: the store, big chores of the disk
 *
 * Several may live in one process (tests do), each on a directory of its own. */
#ifndef TOOLS_NODE_PROCESS_UV_H
#define TOOLS_NODE_PROCESS_UV_H

#include "tools/node/home.h"
#include "tools/node/node.h"

#define PROCESS_THREADS_MAX 64u

struct process;
struct uv_loop_s;

struct process_options {
    const char *data; /* the directory; made if it is not there */
    unsigned threads; /* core threads; 0: one fewer than the processors, at least 1 */
    struct store_rocks_options store;
    uint32_t expect;          /* membership.h */
    uint8_t copies;           /* of a shard, at most; more than 1: membership.h, replicates */
    struct home_options home; /* its directory and `listen` are those given here */
    struct node_options node; /* name NULL: the host's; cluster and id are the directory's */
};

/**
 * Locks the directory, recovers what is in it, and listens; the core and journal threads run when it returns. Calls are
 * answered from then on, `_sys` once process_run is called. On failure *why is a sentence, valid until the thread's
 * next call, and nothing is left but files.
 */
enum pdr_status process_open(const struct process_options *options, struct process **out, const char **why);

/** One fewer than the processors, 1 to PROCESS_THREADS_MAX: one is left for the log and the store. */
unsigned process_default_threads(void);

uint16_t process_port(const struct process *process);
unsigned process_threads(const struct process *process);
const char *process_name(const struct process *process);
const struct identity *process_identity(const struct process *process);
/** The control loop, for signals and timers of the program's own, before process_run. */
struct uv_loop_s *process_control_uv(struct process *process);

/** Runs the control loop on the calling thread. Returns when process_stop has done all it does. */
void process_run(struct process *process);
/** Any thread; the first call counts. Ends it in good order, as node_stop says. */
void process_stop(struct process *process, uint64_t drain_ms);
/** After process_run: why the node could not stay in its cluster; "": it was told to stop. */
const char *process_ended(const struct process *process);
/** After process_run has returned. Gives everything back. */
void process_free(struct process *process);

#endif
