/* core/cluster/row.h: what the directory knows, as rows: the cluster, its members, groups, shards, types, and which
 * node has which type. A row is whole: whoever has the newest one needs no earlier one (replication.md R6). Rows are
 * never deleted: what is removed leaves a row that says so.
 *
 * Encoded, a row is the array [kind, changed, fields...]; a node that was let in understands all of them, for the
 * cluster's format is raised only when all members do (consensus/command.h). */
#ifndef CORE_CLUSTER_ROW_H
#define CORE_CLUSTER_ROW_H

#include "core/base/list.h"
#include "core/cluster/fields.h"

/** The newest format of rows and commands that this program understands. */
#define CLUSTER_FORMAT 1u
#define CLUSTER_ID_SIZE 16u
#define CLUSTER_GROUP_NAME_MAX (PDR_TYPE_SIZE_MAX + 1 + PDR_KEY_SIZE_MAX)

enum member_state {
    MEMBER_UP = 1,      /* it may have a lease */
    MEMBER_DOWN = 2,    /* its lease is over (R11) */
    MEMBER_REMOVED = 3, /* for ever: a tombstone, so that its id is never taken again */
};
enum member_role { /* in the Raft group of the directory, as wanted */
                   ROLE_SPARE = 0,
                   ROLE_STANDBY = 1,
                   ROLE_VOTER = 2,
};

/* clang-format off */
/** The one row about the whole. `voters`: wanted, 3 or 5. `next_shard`: the first id that no group has. `home`: the
 * node that founded it on data of its own; what is in the default group is its alone until it has copies. `epochs`: no
 * shard is assigned in an epoch below or equal. `expect`: no shard has a home before so many nodes are up. */
#define CLUSTER_INFO_FIELDS(F, S)                                                                                      \
    F(S, BYTES,  cluster,     CLUSTER_ID_SIZE)                                                                         \
    F(S, U32,    format,      UINT32_MAX)                                                                              \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     voters,      5)                                                                                       \
    F(S, BOOL,   paused,      1)                                                                                       \
    F(S, U32,    next_shard,  LIMIT_SHARDS_MAX)                                                                        \
    F(S, U64,    home,        UINT64_MAX)                                                                              \
    F(S, U64,    epochs,      UINT64_MAX)                                                                              \
    F(S, U32,    expect,      LIMIT_MEMBERS_MAX)

/** `boot`: a random number of the process that registered; tells its repeated registration from another's. `format`:
 * the newest it understands. `registered`: dir_index then. The zone is the label "zone". */
#define CLUSTER_MEMBER_FIELDS(F, S)                                                                                    \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, U64,    boot,        UINT64_MAX)                                                                              \
    F(S, TEXT,   name,        LIMIT_LABEL_BYTES_MAX)                                                                   \
    F(S, TEXT,   address,     LIMIT_ADDRESS_BYTES_MAX)                                                                 \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)                                                                        \
    F(S, U8,     state,       MEMBER_REMOVED)                                                                          \
    F(S, BOOL,   draining,    1)                                                                                       \
    F(S, U8,     role,        ROLE_VOTER)                                                                              \
    F(S, U32,    format,      UINT32_MAX)                                                                              \
    F(S, U64,    registered,  UINT64_MAX)

/** A placement group has the shards `first` to `first` + `shards` - 1. `labels`: a node that holds one of them has all
 * of these. A pin is a group of one shard, for the actors of one type with one hash tag, perhaps on one `node`. */
#define CLUSTER_GROUP_FIELDS(F, S)                                                                                     \
    F(S, TEXT,   name,        CLUSTER_GROUP_NAME_MAX)                                                                  \
    F(S, U32,    first,       LIMIT_SHARDS_MAX)                                                                        \
    F(S, U32,    shards,      LIMIT_SHARDS_MAX)                                                                        \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)                                                                        \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, TEXT,   pin_type,    PDR_TYPE_SIZE_MAX)                                                                       \
    F(S, TEXT,   pin_tag,     PDR_KEY_SIZE_MAX)

/** replication.md section 1. `incarnation`: of the primary when it was promoted; a later one must be promoted again
 * (R34). A shard that was never assigned has no row. */
#define CLUSTER_SHARD_FIELDS(F, S)                                                                                     \
    F(S, U32,    shard,       LIMIT_SHARDS_MAX)                                                                        \
    F(S, U64,    lineage,     UINT64_MAX)                                                                              \
    F(S, U64,    epoch,       UINT64_MAX)                                                                              \
    F(S, U64,    cv,          UINT64_MAX)                                                                              \
    F(S, U64,    primary,     UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, COPIES, isr,         LIMIT_COPIES_MAX)                                                                        \
    F(S, IDS,    targets,     LIMIT_COPIES_MAX)                                                                        \
    F(S, IDS,    lost,        LIMIT_COPIES_MAX)

#define CLUSTER_TYPE_FIELDS(F, S)                                                                                      \
    F(S, TEXT,   type,        PDR_TYPE_SIZE_MAX)                                                                       \
    F(S, TEXT,   group,       CLUSTER_GROUP_NAME_MAX)

/** What a node has: type to version. */
#define CLUSTER_HOSTS_FIELDS(F, S)                                                                                     \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, PAIRS,  types,       LIMIT_HOSTED_TYPES_MAX)

/** An election that somebody stands in, or (no name, nobody) the room of one that is over, for the next: rows are never
 * deleted, and names come and go. `token`: dir_index at which the first of them became its leader. */
#define CLUSTER_ELECTION_FIELDS(F, S)                                                                                  \
    F(S, U32,        slot,       LIMIT_ELECTIONS_MAX - 1)                                                              \
    F(S, TEXT,       name,       PDR_KEY_SIZE_MAX)                                                                     \
    F(S, U64,        token,      UINT64_MAX)                                                                           \
    F(S, CANDIDATES, candidates, LIMIT_CANDIDATES_MAX)

/*    number, name, key and the rest */
#define CLUSTER_ROW_TABLE(X)                                                                                           \
    X(1, INFO,   info)                                                                                                 \
    X(2, MEMBER, member)                                                                                               \
    X(3, GROUP,  group)                                                                                                \
    X(4, SHARD,  shard)                                                                                                \
    X(5, TYPE,   type)                                                                                                 \
    X(6, HOSTS,  hosts)                                                                                                \
    X(7, ELECTION, election)
/* clang-format on */

#define CLUSTER_STRUCT(number, NAME, name)                                                                             \
    struct cluster_##name {                                                                                            \
        CLUSTER_##NAME##_FIELDS(FIELD_DECLARE, _)                                                                      \
    };
CLUSTER_ROW_TABLE(CLUSTER_STRUCT)
#undef CLUSTER_STRUCT

enum row_kind {
#define CLUSTER_ENUM(number, NAME, name) ROW_##NAME = (number),
    CLUSTER_ROW_TABLE(CLUSTER_ENUM)
#undef CLUSTER_ENUM
        ROW_KIND_COUNT
};

/** A row's content. `changed`: dir_index of the command that wrote it. */
struct entry {
    enum row_kind kind;
    uint64_t changed;
    union {
#define CLUSTER_UNION(number, NAME, name) struct cluster_##name name;
        CLUSTER_ROW_TABLE(CLUSTER_UNION)
#undef CLUSTER_UNION
    };
};

/** A row in memory: never changed, only replaced. Slices of `entry` point into `bytes`, its encoding. */
struct cluster_row {
    struct list by_change; /* the directory's, for the feed */
    uint64_t hash;         /* of `bytes` */
    struct entry entry;
    uint32_t size;
    uint8_t bytes[];
};

/** "up", "down", "draining" or "removed", as a person is told; static. */
const char *cluster_member_state(const struct cluster_member *member);
/** The label "zone"; empty if it has none. */
struct pdr_bytes cluster_member_zone(const struct cluster_member *member);

/** By kind, then by key: < 0, 0, > 0. */
int entry_compare(const struct entry *a, const struct entry *b);
/** Whether `a` replaces `b`, of the same key: shards by cv, all others by `changed`. */
bool entry_is_newer(const struct entry *a, const struct entry *b);

/** Encodes. Never fails: an entry over its limits is a mistake of ours. The caller's, to cluster_row_free. */
struct cluster_row *cluster_row_new(const struct entry *entry);
/** Reads one value that is a row, and all of it. PDR_INVALID with *fault for anything else. */
enum pdr_status cluster_row_read(struct pdr_bytes bytes, struct cluster_row **out, struct fault *fault);
void cluster_row_free(struct cluster_row *row);
static inline struct pdr_bytes cluster_row_bytes(const struct cluster_row *row)
{
    return pdr_bytes(row->bytes, row->size);
}

#endif
