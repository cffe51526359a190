/* tools/node/sys_election_parts.h: the inside of `election/NAME`, for tools/node/sys_election*.c alone. */
#ifndef TOOLS_NODE_SYS_ELECTION_PARTS_H
#define TOOLS_NODE_SYS_ELECTION_PARTS_H

#include "core/base/hash.h"
#include "core/shard/watch.h"
#include "tools/node/membership.h"
#include "tools/node/sys_election.h"

/** An election that somebody here waits for, or watches. */
struct interest {
    struct hash_node by_name;
    struct list dirty;    /* elections->dirty, or alone */
    struct list waits;    /* struct election_ask */
    struct list watchers; /* struct election_watcher */
    uint64_t told;        /* number of the last event */
    uint64_t token;       /* that it was about */
    uint32_t holds;       /* elections_tick is at it */
    uint16_t name_size;
    char name[];
};

struct elections {
    struct node *node;
    struct hash interests;
    struct list dirty;  /* interests whose election has changed, in order */
    struct list behind; /* asks that wait for this node's rows, by dir_index */
    struct list asks;   /* all */
    struct list keeps;  /* sys_election_keep.c */
    bool is_stopped;
};

/** What an election is like, in this node's rows. Slices are borrowed. */
struct election_state {
    const struct cluster_election *election; /* NULL: nobody stands */
    uint64_t token;                          /* 0: nobody leads */
    pdr_value value;                         /* of the leader; nil */
    uint32_t candidates;
};
void election_state(const struct elections *elections, struct pdr_bytes name, struct election_state *out);
/** {"token", "value", "candidates"}: an event, and the answer of `leader`. */
void election_show(pdr_writer *out, const struct election_state *state);

/* sys_election_interest.c */
struct interest *interest_find_or_make(struct elections *elections, struct pdr_bytes name);
/** It goes when nobody is left. */
void interest_drop_if_idle(struct elections *elections, struct interest *interest);
void interests_free(struct elections *elections);

/* sys_election_keep.c */
/** Takes the call: `keep_all [[id, ...]]`. */
void election_keep_all(struct elections *elections, struct call *call);
/** Of calls whose renewals have no answer: hear that the node stops. */
void election_keeps_stop(struct elections *elections);
void election_keeps_free(struct elections *elections);
/** How long the directory may take, so that the caller hears of it. */
uint64_t election_left_ms(const struct elections *elections, const struct call *call);

/* sys_election_watch.c */
/** Takes the call, which joins a listener. */
void election_watch(struct elections *elections, struct pdr_bytes name, struct call *call);
/** The election has changed: events to all that watch it. */
void election_tell(struct elections *elections, struct interest *interest);
void election_watchers_free(struct interest *interest);

#endif
