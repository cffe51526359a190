/* tools/node/home.h: what a data directory says of the node's cluster, and what is found out before the node opens.
 *
 *     DIR/identity   identity.h
 *     DIR/secret     the cluster's secret, if --secret names no other file; made by the node that founds it
 *     DIR/contacts   where other members were last, a line each: id, address; written anew as they change */
#ifndef TOOLS_NODE_HOME_H
#define TOOLS_NODE_HOME_H

#include "tools/node/identity.h"
#include "tools/node/membership_record.h"

struct secret;

/** Borrowed. */
struct home_options {
    const char *data;      /* the directory, which is locked */
    const char *secret;    /* a file; NULL: DIR/secret */
    const char *advertise; /* HOST:PORT; NULL: `listen`, or this host's name if that is any address */
    const char *listen;    /* HOST:PORT */
    const char *const
        *join; /* HOST:PORT,HOST:PORT,... each; NULL-terminated. Empty: the cluster is founded, if there is none yet */
};

struct home {
    const char *data;
    struct identity identity;
    struct secret *secret;
    char advertise[MEMBERSHIP_ADDRESS_SIZE]; /* "": where it listens */
    struct membership_contact contacts[MEMBERSHIP_CONTACTS_MAX];
    uint32_t contact_count;
};

/** Reads, and on a first start makes, what is above; the next incarnation has begun when it returns. A node that is to
 * join asks those it is given, and waits until one answers. On failure `why` is a sentence; home_release all the
 * same. */
enum pdr_status home_open(struct home *home, const struct home_options *options, char *why, size_t why_size);
void home_release(struct home *home);
/** membership_hooks.keep. A disk that does not take it is logged: what is kept is old then, and the node still starts
 * from it (replication.md R70 asks no more). */
void home_keep(void *home, const struct membership_record *record);

enum discover_how {
    DISCOVER,          /* until somebody answers */
    DISCOVER_OR_FOUND, /* ... for ten seconds: then there is no cluster yet, and this node is to found it */
    DISCOVER_ONCE,     /* whoever answers at once */
};

/** discover.c: the cluster, and contacts, from whichever of `join` answers first; `own` is not asked. PDR_NOT_FOUND:
 * nobody has answered. */
enum pdr_status discover(const char *const *join, const char *own, enum discover_how how, struct home *home,
                         char cluster[IDENTITY_CLUSTER_SIZE]);

#endif
