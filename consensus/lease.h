/* consensus/lease.h: what the two sides of a lease share: its numbers and its two messages.
 *
 * A lease is a node's, not a shard's (replication.md R3): while it lasts, the node may answer reads of the shards that
 * it leads without asking its backups. lease_holder.h is the node's side, lease_grantor.h that of the directory's
 * leader. Both are told the time and never ask for it; docs/internals/leases.md says why this is safe. */
#ifndef CONSENSUS_LEASE_H
#define CONSENSUS_LEASE_H

#include <stdint.h>

#include "core/env/clock.h"

#define LEASE_NS (750 * NS_PER_MS)      /* L of R3; GRANT says it, so a later version may choose another */
#define LEASE_RENEW_NS (LEASE_NS / 4)   /* between two renewals of a node */
#define LEASE_ROUND_NS (50 * NS_PER_MS) /* between two rounds to a quorum (R4): one serves all nodes */
#define LEASE_DRIFT_PERCENT 1u          /* RHO: a clock runs at 1 +- RHO of true time; real ones at less than 0.1 % */

/** LEASE_RENEW, a node to the directory's leader. */
struct lease_renew {
    uint64_t node;
    uint64_t incarnation; /* of the process: its lease dies with it (R12) */
    uint64_t renew_no;    /* names this one; rising, and never the same from two processes of a node */
    uint64_t feed_index;  /* the node has applied the directory's feed up to here */
};

/** GRANT, the answer. */
struct lease_grant {
    uint64_t renew_no;
    uint64_t dir_index; /* the lease counts only at a node that has applied the feed up to here (R13) */
    uint64_t length_ns; /* by the holder's clock, from when it sent that renewal; less the drift (R10) */
};

#endif
