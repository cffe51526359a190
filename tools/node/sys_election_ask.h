/* tools/node/sys_election_ask.h: a call to `election/NAME` on its way, for sys_election.c and sys_election_take.c. */
#ifndef TOOLS_NODE_SYS_ELECTION_ASK_H
#define TOOLS_NODE_SYS_ELECTION_ASK_H

#include "tools/node/sys_election_parts.h"

enum stage { ASKS_DIRECTORY, WAITS_FOR_ROWS, WAITS_FOR_CHANGE, RESTS };

struct election_ask;

struct election_method {
    const char *name;
    bool (*take)(struct election_ask *ask); /* arguments; false: call_fail has said why */
    void (*begin)(struct election_ask *ask);
    void (*seen)(struct election_ask *ask); /* the rows are there */
};

struct election_ask {
    struct list all;
    struct list at; /* elections->behind, or interest->waits */
    struct elections *elections;
    struct call *call;
    const struct election_method *method;
    struct interest *interest; /* while WAITS_FOR_CHANGE */
    struct timer timer;
    enum stage stage;
    bool was_kept;      /* the last answer was KEEP's, and granted it */
    bool was_refused;   /* ... and did not */
    bool may_have_made; /* the last answer was CAMPAIGN's, which may have made the candidate of order `dir_index` */
    uint64_t dir_index;
    struct pdr_bytes name;
    uint64_t owner, token; /* token: what the caller knows; 0: nothing */
    bool has_wait;
    uint64_t wait_ns; /* when to answer, though nothing has changed */
    uint32_t lease_ms;
    pdr_value value;
};

/* Arguments. False: call_fail has said what is wrong. */
/** [value, {"id", "lease_ms", "wait_ms", "token"}]; an owner is drawn if none is said. */
bool election_take_campaign(struct election_ask *ask);
/** [{"id"}] */
bool election_take_keep(struct election_ask *ask);
/** [{"id"}] or [{"token"}] */
bool election_take_resign(struct election_ask *ask);
/** [{"token", "wait_ms"}] */
bool election_take_leader(struct election_ask *ask);

#endif
