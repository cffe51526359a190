/* tools/node/membership_parts.h: the inside of a membership, for tools/node/membership*.c alone. */
#ifndef TOOLS_NODE_MEMBERSHIP_PARTS_H
#define TOOLS_NODE_MEMBERSHIP_PARTS_H

#include "tools/node/carry.h"
#include "tools/node/membership.h"
#include "tools/node/node_parts.h"

#define GUESTS_MAX 64u

/** A map, until no core uses it any more. */
struct map_version {
    struct list node;
    struct cluster_map *map;
    uint32_t users; /* cores, and messages to them */
};

/** A node that has proved the secret, and that the directory does not know yet. */
struct guest {
    struct membership_contact who;
    uint64_t incarnation, until_ns;
};

struct membership {
    struct node *node;
    struct membership_options options;
    struct raft_disk *disk;
    struct member *member; /* NULL: it takes part no more */
    struct timer timer;    /* its next tick */
    bool has_ended;        /* and must end the process */

    struct carries *carries; /* carry.c */
    struct list proposed;    /* membership_proposals.c: those that have no answer yet */

    /* membership_maps.c */
    bool rows_changed, lease_changed; /* and the cores do not know yet */
    struct list versions;             /* the newest is the last */
    struct map_version **at;          /* of each core, on its own thread; NULL: none yet */
    uint64_t told_ns;

    /* membership_load.c */
    struct load_report load; /* of the cores that have answered */
    uint32_t load_awaited;   /* the others */
    uint64_t load_asked_ns;

    /* membership_contacts.c */
    bool members_changed;
    uint64_t members_index; /* of the newest row of a member that links know */
    struct guest guests[GUESTS_MAX];
    uint32_t guest_count;
    struct membership_record wanted, kept; /* on disk; what is to be */
    struct core_job job;                   /* the one that writes `writing` */
    struct membership_record writing;
    bool is_writing, must_keep;
};

/* membership_maps.c */
/** Tells the cores what has changed, if it is time. */
void maps_tell(struct membership *m);
/** When to look again; UINT64_MAX: nothing is left to tell. */
uint64_t maps_due_ns(const struct membership *m);
void maps_free(struct membership *m);

/* membership_load.c */
/** Asks the cores, if it is time; what they say goes to the directory's leader. */
void loads_tick(struct membership *m);
uint64_t loads_due_ns(const struct membership *m);
/* membership_proposals.c */
struct replog_proposal;
/** What it asks of the directory (R1). */
struct command proposals_command(const struct replog_proposal *proposal);
/** On a core's thread, for struct replicas_options: `node` is one. */
void proposals_send(void *node, struct core *core, const struct replog_proposal *proposal);
struct replicas_question;
/** The same: whether a copy that no row names is wanted. */
void proposals_ask(void *node, struct core *core, const struct replicas_question *question);
void proposals_free(struct membership *m);

/* membership_contacts.c */
bool contacts_guest(void *membership, const struct handshake_peer *who);
void contacts_registered(void *membership, uint64_t boot);
/** Links and disk learn who is there. */
void contacts_tell(struct membership *m);

#endif
