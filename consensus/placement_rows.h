/* consensus/placement_rows.h: the directory's rows as placement.h wants them: what there is, and what is on its way.
 *
 * A shard's `targets` say where it ought to be, and its primary carries them out (ADD, TRANSFER, REMOVE). So a shard is
 * planned from its targets, and it is *flying* while living nodes have something of that left to do: a target that is
 * up and not in sync, a copy beyond the targets that may go, or another primary than targets[0]. What waits for a node
 * that is down is not flying: there is nothing to wait for.
 *
 * A copy beyond the targets may go when the others are as many as the targets, and as min_isr (R2): not before a new
 * copy has taken its place, and not only when all targets are there, or a shard that is sent to one dying node after
 * the other would come to have as many copies as a row has room for. */
#ifndef CONSENSUS_PLACEMENT_ROWS_H
#define CONSENSUS_PLACEMENT_ROWS_H

#include "consensus/placement.h"
#include "core/cluster/rows.h"

/** A member's share of the whole is in proportion to its label "weight"; that of one without it is this. */
#define PLACEMENT_WEIGHT_DEFAULT 100u
/** One copy less than a row has room for, so that a shard with all its copies can still move. */
#define PLACEMENT_COPIES_MAX (LIMIT_COPIES_MAX - 1u)

/** All borrowed for the call, but the rows: those until placement_rows_release. */
struct placement_rows_options {
    const struct cluster_rows *rows;
    uint8_t copies_max; /* of a shard; 0: as many as its group wants */
    bool homes_only;    /* what has a home stays there: only empty shards are planned */
    const bool *busy;   /* by shard: a proposal about it is under way. NULL: none is */
    uint32_t busy_count;
    /** Of a member that is down: whether it is down for a short time yet. NULL: all are given up. */
    bool (*is_away)(void *user, uint64_t node);
    void *user;
};

struct placement_rows {
    struct placement placement; /* moves_max is the caller's to set */
    struct placement_move *flying;
    uint32_t flying_count;
    uint32_t *staying;                   /* by group: members with its labels that are to stay, up or down */
    const struct cluster_group **groups; /* by their first shard */
    struct placement_member *members;
    struct placement_group *placed_groups;
    struct placement_shard *shards;
    struct placement_label *labels;
    char *texts;
    size_t label_count, text_size; /* that are taken */
};

void placement_rows_read(const struct placement_rows_options *options, struct placement_rows *out);
void placement_rows_release(struct placement_rows *rows);
/** Whether living nodes have something to do before the shard is where its targets say. */
bool placement_rows_flies(const struct cluster_rows *rows, const struct cluster_shard *shard);
/** Whether the member has all labels of the group. */
bool placement_rows_fits(const struct cluster_member *member, const struct cluster_group *group);

#endif
