/* tests/simulation/workload.h: what simulated clients do, and what must be true of the answers.
 *
 * A workload belongs to one client. In phase 1 it keeps a few operations going, each once; an answer is `done`, `not`
 * (certainly nothing happened) or `unknown`. In phase 2, when the faults are over, it finishes: it waits for what is
 * outstanding and then reads until it was answered once. What several clients of a class do to the same actors is
 * judged against a *ledger*, which they share. Rules are checked with each answer, so that a run ends at the first
 * lie. */
#ifndef TESTS_SIMULATION_WORKLOAD_H
#define TESTS_SIMULATION_WORKLOAD_H

#include "tests/simulation/sim_client.h"
#include "tests/simulation/sim_node.h"

struct workload;
struct op;

enum fate { FATE_DONE, FATE_NOT, FATE_UNKNOWN };

struct workload_class {
    const char *name;
    size_t size;             /* of the class's struct, which begins with struct workload */
    size_t ledger_size;      /* shared by all of the class in a run; zeroed; 0: none */
    size_t op_size;          /* of the class's struct, which begins with struct op */
    bool raw_only;           /* needs a raw client */
    bool alone;              /* has the client for itself: its connection is under a session */
    bool is_cancelled;       /* `ended` hears of PDR_CANCELLED too, which may be the client's own end */
    uint64_t final_pause_ns; /* in phase 2, between an answer and the next operation */
    void (*open)(struct workload *w);
    /** Begins one operation (op_begin ... op_call); may do nothing. */
    void (*step)(struct workload *w);
    /** An operation has ended. */
    void (*ended)(struct workload *w, struct op *op, enum fate fate, const struct pdr_outcome *outcome);
    /** Phase 2, nothing is outstanding: begins the next final operation, or returns true: all is read. */
    bool (*finish)(struct workload *w);
    /** The end, once a ledger. */
    void (*judge)(struct workload *w);
    void (*close)(struct workload *w);  /* frees what open allocated; may be NULL */
    void (*close_ledger)(void *ledger); /* may be NULL */
};

struct workload {
    const struct workload_class *cls;
    struct sim *sim;
    struct sim_client *client;
    const struct sim_node *node; /* to look into, where answers can't tell */
    void *ledger;
    uint32_t index;   /* of the client, from 0 */
    uint32_t clients; /* that have this class */
    uint32_t outstanding, outstanding_max;
    uint64_t think_ns; /* typical pause between operations */
    bool finishing, finished;
    struct sim_source source;
    struct sim_event think;
    uint64_t done, not_done, unknown; /* operations by fate */
    uint64_t codes[PDR_STATUS_COUNT]; /* by enum pdr_status */
};

/** One call. */
struct op {
    struct workload *workload;
    bool is_final; /* begun when the faults were over */
    uint64_t begun_ns;
    uint64_t deadline_ms;   /* 0: the node's */
    const char *durability; /* NULL: the method's; raw clients only */
    pdr_writer args;
    uint8_t room[128];
};

extern const struct workload_class workload_counter, workload_cached, workload_bank, workload_step, workload_kv,
    workload_echo, workload_chain, workload_overload, workload_hostile, workload_admin, workload_memory, workload_beat,
    workload_alarm, workload_backup, workload_once, workload_ledger, workload_knot, workload_lock, workload_queue,
    workload_news, workload_order, workload_raft, workload_semaphore, workload_barrier, workload_group, workload_bully;
extern const struct workload_class *const workload_classes[]; /* of these; NULL-terminated */

struct workload *workload_open(const struct workload_class *cls, struct sim_client *client, void *ledger,
                               uint32_t index, uint32_t clients);
void workload_close(struct workload *w);
/** Phase 2. */
void workload_finish(struct workload *w);

/** In step or finish: an operation whose `args` are to be written as one array. */
void *op_begin(struct workload *w);
/** Takes `op`. False: there is no connection; it never happened. */
bool op_call(struct op *op, struct pdr_bytes to, const char *method);

#endif
