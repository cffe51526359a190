/* core/cluster/view.h: what one node knows of the directory: its rows, from pages of the feed and from rows that it
 * asked for. Newer rows replace older ones, in whatever order they come; only pages without a gap move `index`, up to
 * which everything is known (replication.md R6, R13). One thread. */
#ifndef CORE_CLUSTER_VIEW_H
#define CORE_CLUSTER_VIEW_H

#include "core/cluster/rows.h"
#include "core/cluster_map.h"

/* A page begins with the array [since, dir_index, cursor, complete]; rows follow. */
#define CLUSTER_PAGE_FIELDS 4u

struct cluster_view {
    struct cluster_rows rows;
    uint64_t index;               /* every change up to here is known; what a lease is held against (R13) */
    uint64_t cursor;              /* ask for changes after this next; above `index` between pages of one answer */
    struct cluster_owner *owners; /* by shard */
    uint32_t owner_count;         /* shards that there are */
    uint32_t owner_capacity;
    /** An election's row is another from here: `old` (NULL: there was none) and `now` are borrowed. May be NULL. To be
     * taken note of; the view is not whole again before the page is taken. */
    void (*election)(void *user, const struct cluster_election *old, const struct cluster_election *now);
    void *user;
};

void cluster_view_init(struct cluster_view *view);
void cluster_view_release(struct cluster_view *view);

/**
 * Takes a page of the feed. `*changed` becomes whether any row was news, but for those of elections.
 *
 * PDR_INVALID with *fault for what is not a page, leaves a gap, or is of another cluster: then rows before the fault
 * may have been taken, which does no harm, and neither index nor cursor has moved.
 */
enum pdr_status cluster_view_take(struct cluster_view *view, struct pdr_bytes page, bool *changed, struct fault *fault);
/** Takes one row that was asked for, or came with an answer `moved`; `*changed` becomes true when it was news. Neither
 * index nor cursor moves. */
enum pdr_status cluster_view_put(struct cluster_view *view, struct pdr_bytes row, bool *changed, struct fault *fault);

#endif
