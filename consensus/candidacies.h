/* consensus/candidacies.h: the directory leader's side of candidates' leases: who was heard of when, and whose is over.
 *
 * A candidate lives by the lease of its owner: one renewal keeps all that an owner stands in. Renewals are no entries
 * of Raft's log; they are remembered here alone, by whoever leads. One is made when a node becomes leader: it takes
 * every candidate of the rows for renewed just then, since its predecessor may have renewed it until that moment, and
 * none later (a renewal counts after a quorum round that began behind it, as those of nodes do; leases.md).
 *
 * Told the time in moments of the grantor's counted time (lease_grantor_moment). No I/O, no clock. */
#ifndef CONSENSUS_CANDIDACIES_H
#define CONSENSUS_CANDIDACIES_H

#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/cluster/row.h"

/** Where a candidate stands, and since when as far as this leader counts. */
struct candidacy {
    struct list of_owner, of_slot;
    struct candidacy_owner *owner;
    uint64_t order, since_ns;
    uint32_t slot, lease_ms;
    bool is_ending; /* LAPSE is proposed */
};

struct candidacy_owner {
    struct hash_node by_id;
    struct list node; /* of all, in order of arrival */
    struct list candidacies;
    uint64_t id;
    uint64_t kept_ns; /* moment of the last renewal that was granted; 0: none was */
    uint64_t look_ns; /* no candidacy of it is over before this moment, less the drift */
    uint32_t asked;   /* renewals that wait for a round */
    uint32_t ending;  /* candidacies that are */
};

struct candidacies {
    struct hash owners;
    struct list all;    /* struct candidacy_owner */
    struct list *slots; /* struct candidacy, in order of arrival */
    uint32_t slot_count, slot_capacity;
    uint32_t count;
    uint64_t look_ns; /* none is over before this moment, less the drift */
};

void candidacies_init(struct candidacies *candidacies);
void candidacies_release(struct candidacies *candidacies);

/** The row is this from here; `moment_ns`: now. */
void candidacies_row(struct candidacies *candidacies, uint64_t moment_ns, const struct cluster_election *election);
/** A renewal of that owner's has come, and waits for a round: nothing of it is over meanwhile. */
void candidacies_asked(struct candidacies *candidacies, uint64_t owner);
/** The round is over. `granted`: a quorum said that this leader still led. True: all that it stands in is kept from
 * moment_ns on. False: it was not; the owner is not known, or something of it is being ended, and a renewal that was
 * granted now might be taken for one of that. */
bool candidacies_answered(struct candidacies *candidacies, uint64_t owner, bool granted, uint64_t moment_ns);

/** Whether a lease of that length that was granted at that moment is surely over. */
typedef bool (*candidacies_passed)(void *user, uint64_t moment_ns, uint64_t length_ns);
/** Where a candidate stands. */
struct candidacy_place {
    uint32_t slot;
    uint64_t order;
};
/** Finds up to `max` whose lease is over, and which are being ended from here; how many. */
uint32_t candidacies_over(struct candidacies *candidacies, candidacies_passed passed, void *user,
                          struct candidacy_place *out, uint32_t max);
/** When the first of all leases ends, drift and all, whether or not it is looked at yet, waits for a round or is being
 * ended; UINT64_MAX: there is none. Walks them all: for who judges or shows. */
uint64_t candidacies_first_end_ns(const struct candidacies *candidacies);
/** The LAPSE has had its answer: applied or refused, or perhaps never applied. It may be gone by then. */
void candidacies_ended(struct candidacies *candidacies, uint32_t slot, uint64_t order);

#endif
