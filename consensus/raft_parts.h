/* consensus/raft_parts.h: what the files of a raft_node share. Others see raft_node.h. */
#ifndef CONSENSUS_RAFT_PARTS_H
#define CONSENSUS_RAFT_PARTS_H

#include <raft.h>

#include "consensus/raft_log.h"
#include "consensus/raft_node.h"
#include "consensus/raft_wire.h"

/** A server we had letters from, or sent some to. */
struct raft_peer {
    uint64_t id;
    uint64_t life;           /* its newest, as far as we know; 0: none */
    uint64_t received, sent; /* numbers of letters: of that life, and of ours */
    /* Entries that it was sent last, when, and how long until they are sent again. */
    uint64_t append_prev, append_end, append_term;
    uint64_t append_ns, append_wait_ns;
};

/** What is to be told to the core when a batch is durable. */
struct raft_flight {
    struct list node;
    uint64_t seq;
    uint64_t first, last, last_term;        /* entries; last 0: none, or none any more */
    bool installs, takes;                   /* a snapshot: another's, ours */
    struct raft_snapshot_metadata metadata; /* of it; the configuration is the flight's */
};

/** A letter that waits for the term and the vote it was written under. */
struct raft_held {
    struct list node;
    uint64_t seq, to;
    struct raft_bytes bytes;
};

/** A proposal or a read. */
struct raft_wish {
    struct list node;
    raft_answered answered;
    void *user;
    uint64_t index, term; /* when it is appended */
    struct pdr_bytes command;
    uint8_t bytes[];
};

/** A snapshot of which parts have come. */
struct raft_assembly {
    uint64_t from, index, term;
    struct raft_bytes bytes;
};

struct raft_node {
    struct raft raft;
    struct clock *clock;
    struct raft_hooks hooks;
    struct raft_settings settings;
    struct raft_disk *disk;
    struct replica_log *log;
    uint64_t id;

    uint64_t applied;
    uint64_t heard_ns;  /* when a leader was last heard of */
    uint64_t ticked_ns; /* when the core's timeout was last given to it */
    uint64_t leading;   /* the term we lead; 0: none */
    bool ready, wants_barrier, taking;
    bool running, failed; /* running: a hook may be on the stack */
    struct raft_node_state told;

    struct list flights;
    struct list held;
    uint64_t promise_seq, durable_seq; /* batches: the newest with term, vote or life; the newest durable one */

    struct list proposals, submitted; /* struct raft_wish */
    uint32_t wishes;                  /* in both */
    struct list reads, reading;
    uint64_t read_index;       /* of the barrier that `reading` waits for; 0: none is under way */
    struct raft_buffer change; /* encoded, to be submitted; base NULL: none */
    struct raft_wish *changing;

    struct raft_peer peers[RAFT_SERVERS_MAX];
    uint32_t peer_count;
    struct raft_assembly assembly;
    char why[256];
};

/* raft_node.c */
void node_fail(struct raft_node *node, const char *format, ...) PDR_PRINTF(2, 3);
/** Everything that follows from what happened: applies, answers, submits; ends when nothing is left to do. */
void node_settle(struct raft_node *node);
struct raft_wish *wish_new(struct pdr_bytes command, raft_answered answered, void *user);
/* raft_step.c */
/** Gives the core an event, and carries out what it wants. */
void node_step(struct raft_node *node, struct raft_event *event);
void node_durable(void *user, uint64_t seq);
/** Appends entries as the leader; those of commands take their wishes along. */
void node_submit(struct raft_node *node, const struct raft_log_entry *entries, uint32_t count);
/** A snapshot of our own, if it is time. */
void node_consider_snapshot(struct raft_node *node);
/* raft_send.c */
void node_send_message(struct raft_node *node, const struct raft_message *message);
void node_send_letter(struct raft_node *node, struct raft_letter *letter);
void node_send_held(struct raft_node *node);
/** NULL: there are too many. */
struct raft_peer *node_peer(struct raft_node *node, uint64_t id);
/* raft_receive.c */
void node_receive(struct raft_node *node, const struct raft_letter *letter);

#endif
