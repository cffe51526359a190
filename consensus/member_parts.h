/* consensus/member_parts.h: the inside of a member, for consensus/member*.c alone. */
#ifndef CONSENSUS_MEMBER_PARTS_H
#define CONSENSUS_MEMBER_PARTS_H

#include "consensus/member.h"

#include "core/base/list.h"

enum request_kind { REQUEST_PROPOSE, REQUEST_READ };

/** A proposal or a read on its way. */
struct request {
    struct list node;
    struct member *member;
    uint64_t no;
    enum request_kind kind;
    uint64_t deadline_ns;
    uint64_t due_ns;  /* when to ask somebody, or to give up on an answer */
    bool is_sent;     /* an answer may come */
    bool may_be_done; /* a proposal was sent to somebody, and no answer came */
    bool is_here;     /* our own server has it, and will answer */
    member_answered answered;
    void *user;
    uint32_t size;
    uint8_t command[];
};

struct member {
    struct member_options options; /* slices that were borrowed are gone, but for those below */
    struct member_hooks hooks;
    struct clock *clock;
    struct rng rng;
    struct server *server;
    struct leader *leader; /* while the server is ready, in ... */
    uint64_t leader_term;  /* ... this term */
    struct cluster_view view;
    struct lease_holder holder;
    pdr_writer strings; /* owns name, address, labels and types of options */
    bool is_ending, is_leaving, wants_leader_look;
    bool is_registered; /* by the rows of the view; asked for at every tick */

    uint64_t leader_hint, hint_ns; /* and since when nothing was heard of it */
    uint32_t asked_round;          /* whom to ask next while nobody is known to lead */
    uint64_t leader_due_ns;
    uint64_t ticked_ns;

    struct list requests; /* in order of `no` */
    uint32_t request_count;
    uint64_t last_no;
    struct list services; /* member_requests.c: of other nodes, at our server */
    struct list orphans;  /* leader.h */
    struct leader_counts counts;

    struct list keeps;             /* member_keeps.c: renewals that wait for a letter ... */
    struct list kept;              /* ... and that are in the one under way */
    uint64_t keep_no, keep_due_ns; /* of that one; 0: none is */
    uint64_t keep_again_ns;        /* nobody was known to lead: not before then */

    bool registering, publishing, founding;
    uint64_t register_due_ns;

    uint64_t target;       /* dir_index that somebody said there is */
    uint64_t feed_due_ns;  /* an ASK is under way until then; 0: none is */
    uint64_t feed_wait_ns; /* ... and was waited for so long from the beginning */
    uint64_t feed_asked;   /* whom */
    uint64_t lease_until;

    uint64_t load_no;  /* of the last report of load */
    pdr_writer loads;  /* what all do, as the leader said ... */
    uint64_t loads_ns; /* ... then */
};

static inline uint64_t member_now(const struct member *m)
{
    return clock_now_ns(m->clock);
}

/** To another node, or (the leader itself) to ourselves. */
void member_send(struct member *m, uint64_t to, const struct letter *letter);
/** Whom to ask for what a leader does; 0: nobody is known. Goes around while none is known to lead. */
uint64_t member_whom(struct member *m);
/** The next one of those that may know the cluster; 0: nobody is known. */
uint64_t member_contact(struct member *m);
/** Somebody says that this node leads; 0: nobody does. */
void member_hint(struct member *m, uint64_t leader);
void member_end(struct member *m, const char *why);

/* member_requests.c */
void requests_tick(struct member *m);
void requests_answered(struct member *m, const struct letter_answer *answer);
uint64_t requests_due_ns(const struct member *m);
/** The leader is another: those that nobody has are sent at once. */
void requests_hurry(struct member *m);
void requests_free(struct member *m);
/** Of another node: a proposal or a read, for our server. */
void requests_serve(struct member *m, uint64_t from, const struct letter *letter);

/* member_keeps.c */
void keeps_tick(struct member *m);
uint64_t keeps_due_ns(const struct member *m);
void keeps_answered(struct member *m, const struct letter_kept *kept);
/** Of another node's, or our own: at our leader, if it is here. */
void keeps_serve(struct member *m, uint64_t from, const struct letter_keep *keep);
void keeps_free(struct member *m);

/* member_feed.c */
void feed_tick(struct member *m);
uint64_t feed_due_ns(const struct member *m);
/** There are changes up to dir_index. */
void feed_reach(struct member *m, uint64_t dir_index);
void feed_take(struct member *m, struct pdr_bytes page);
void feed_serve(struct member *m, uint64_t from, uint64_t since);
/** Our own server has applied something. */
void feed_own(struct member *m);

/* member_load.c: LOAD, LOADS_ASK, LOADS */
void loads_receive(struct member *m, uint64_t from, const struct letter *letter);

#endif
