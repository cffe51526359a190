/* tools/node/membership.h: a node's part in its cluster: consensus/member on the control core, over the node's own disk
 * and links; and what comes of it for all cores: maps to route by, leases to read by, members to be linked with.
 *
 *     control core   frames, timers --> member --> view has changed   --> struct cluster_map  --> each core
 *                                              --> lease was renewed  --> until when          --> each core
 *                                              --> members            --> net/peer of each core, and the disk
 *
 * A node without one is alone: it owns every shard, and nobody joins it (tests, most of the simulator). */
#ifndef TOOLS_NODE_MEMBERSHIP_H
#define TOOLS_NODE_MEMBERSHIP_H

#include "consensus/member.h"
#include "tools/node/links.h"
#include "tools/node/membership_record.h"

struct membership;

struct membership_hooks {
    void *user;
    /** Writes it to stable storage. In the work pool; one at a time. May be NULL. */
    void (*keep)(void *user, const struct membership_record *record);
    /** On the control core: the process must end, for this reason. The node goes on, but serves nothing. */
    void (*must_end)(void *user, const char *why);
};

/** Strings are borrowed until node_free. */
struct membership_options {
    uint64_t node, incarnation; /* not 0 */
    uint64_t boot, known;       /* identity.h */
    uint64_t epochs;            /* identity.h: of data that was restored */
    const char *cluster;        /* id, in hexadecimal */
    bool founds;                /* if there is nothing on disk, the cluster begins here */
    const struct secret *secret;
    const char *advertise; /* where others reach this node, HOST:PORT; NULL: where it listens */
    const struct membership_contact *contacts;
    uint32_t contact_count;            /* at most MEMBERSHIP_CONTACTS_MAX */
    uint8_t voters, replicas, min_isr; /* as it is founded; 0: 3, 3, 2 */
    bool replicates;     /* a log goes between copies (core/shard/replicas.h); else a shard has one, and is carried */
    uint32_t part_bytes; /* struct replicas_options; 0: its default */
    uint32_t expect;     /* ... and how many nodes share its first shards; 0: 1 */
    struct transport *control_transport;                 /* links.h */
    void (*entropy)(void *user, void *out, size_t size); /* links.h */
    void *entropy_user;
    struct raft_settings raft;
    struct leader_settings leader;
    struct membership_hooks hooks;
};

/** The map before there is any: this node is a member, and owns nothing yet. */
struct cluster_map membership_no_map(uint64_t node, uint32_t cores);

/** Within node_open, behind recovery and before the loops run: reads what is on disk. On failure *why is a sentence,
 * valid until the thread's next call; node_free takes back what there is. */
enum pdr_status membership_open(struct node *node, const struct membership_options *options, const char **why);
/** NULL: the node is alone, or takes part no more. On the control core. */
struct member *membership_member(const struct node *node);
/** The node's number; 0: it is alone. */
uint64_t membership_self(const struct node *node);
/** Where others reach the node. */
const char *membership_address(const struct node *node);
/** At the end of each tick of the control core: what is due, and what cores have to hear. */
void membership_tick(struct node *node);
/** Within node_stop, when no turn runs any more: others hear that this process ends, and need not wait for its lease;
 * calls node_stop_step when they have, or FAREWELL_MS later. */
#define MEMBERSHIP_FAREWELL_MS 500u
void membership_leave(struct node *node);
/** Within node_stop: it takes part no more. */
void membership_close(struct node *node);
/** Within node_free, when all inboxes are drained. */
void membership_free(struct node *node);

#endif
