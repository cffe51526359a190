/* consensus/command.h: the commands of the directory, one table: what Raft replicates, and what directory.h applies.
 *
 * Encoded, a command is the array [since, number, fields...]. `since` is the cluster's format that brought it: a
 * command above the format the cluster has agreed on is refused before anything else of it is looked at, so a node that
 * knows it and one that does not answer alike. FORMAT raises the format, once all members understand it.
 *
 * Those of a shard are CAS on its `cv` (replication.md R1). Who may propose what is not looked at here: that is the
 * business of whoever takes proposals. Numbers 40 to 49 are those of elections. */
#ifndef CONSENSUS_COMMAND_H
#define CONSENSUS_COMMAND_H

#include "core/cluster/row.h"

/* clang-format off */
/** The first of all: the cluster begins, at format 1, with a group "default" of so many shards. `home` and `epochs`:
 * of data that there is already, restored say; 0: there is none. `expect`: nodes to wait for, before shards are spread
 * over those that there are; 0 is 1. */
#define COMMAND_FOUND_FIELDS(F, S)                                                                                     \
    F(S, BYTES,  cluster,     CLUSTER_ID_SIZE)                                                                         \
    F(S, U32,    shards,      LIMIT_SHARDS_MAX)                                                                        \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     voters,      5)                                                                                       \
    F(S, U64,    home,        UINT64_MAX)                                                                              \
    F(S, U64,    epochs,      UINT64_MAX)                                                                              \
    F(S, U32,    expect,      LIMIT_MEMBERS_MAX)
/** All of them. `replicas` and `min_isr` are those of groups to come. */
#define COMMAND_SETTINGS_FIELDS(F, S)                                                                                  \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     voters,      5)
/** Whether shards are moved for balance. A command of its own, so that it and SETTINGS do not undo each other. */
#define COMMAND_PAUSE_FIELDS(F, S)                                                                                     \
    F(S, BOOL,   paused,      1)
#define COMMAND_FORMAT_FIELDS(F, S)                                                                                    \
    F(S, U32,    format,      UINT32_MAX)
/** A process has begun (R12, R70). `boot`: a random number that the node's disk has had since before its first
 * attempt to register, and until one was answered; `known`: that of the last attempt that was answered. The
 * directory's is one of the two, or the disk is older than what the node has acknowledged: put back from an image,
 * say. Incarnations alone would not tell, for a process may end before it has registered. `forgot`: all its copies
 * are LOST. */
#define COMMAND_REGISTER_FIELDS(F, S)                                                                                  \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, U64,    boot,        UINT64_MAX)                                                                              \
    F(S, U64,    known,       UINT64_MAX)                                                                              \
    F(S, TEXT,   name,        LIMIT_LABEL_BYTES_MAX)                                                                   \
    F(S, TEXT,   address,     LIMIT_ADDRESS_BYTES_MAX)                                                                 \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)                                                                        \
    F(S, U32,    format,      UINT32_MAX)                                                                              \
    F(S, BOOL,   forgot,      1)
/** It has a lease again, or: its lease is over (R11). */
#define COMMAND_ALIVE_FIELDS(F, S)                                                                                     \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, BOOL,   alive,       1)
/** By the node itself: this process ends, and uses its lease no more. */
#define COMMAND_LEAVE_FIELDS(F, S)                                                                                     \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)
#define COMMAND_DRAIN_FIELDS(F, S)                                                                                     \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, BOOL,   draining,    1)
#define COMMAND_ROLE_FIELDS(F, S)                                                                                      \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U8,     role,        ROLE_VOTER)
/** Removes a member for ever; it must have nothing left. */
#define COMMAND_EXPEL_FIELDS(F, S)                                                                                     \
    F(S, U64,    node,        UINT64_MAX)
#define COMMAND_GROUP_FIELDS(F, S)                                                                                     \
    F(S, TEXT,   name,        LIMIT_LABEL_BYTES_MAX)                                                                   \
    F(S, U32,    shards,      LIMIT_SHARDS_MAX)                                                                        \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)
/** What of a group may change. A group of one node's is a pin. */
#define COMMAND_REGROUP_FIELDS(F, S)                                                                                   \
    F(S, TEXT,   name,        CLUSTER_GROUP_NAME_MAX)                                                                  \
    F(S, U8,     replicas,    LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)                                                                        \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)                                                                        \
    F(S, U64,    node,        UINT64_MAX)
/** A group "TYPE/TAG" with one shard, for the actors of that type with that hash tag. `node` 0: any. */
#define COMMAND_PIN_FIELDS(F, S)                                                                                       \
    F(S, TEXT,   type,        PDR_TYPE_SIZE_MAX)                                                                       \
    F(S, TEXT,   tag,         PDR_KEY_SIZE_MAX)                                                                        \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, PAIRS,  labels,      LIMIT_LABELS_MAX)
#define COMMAND_TYPE_FIELDS(F, S)                                                                                      \
    F(S, TEXT,   type,        PDR_TYPE_SIZE_MAX)                                                                       \
    F(S, TEXT,   group,       CLUSTER_GROUP_NAME_MAX)
/** All types a node has, with versions; types that are new belong to the group "default". */
#define COMMAND_PUBLISH_FIELDS(F, S)                                                                                   \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, PAIRS,  types,       LIMIT_HOSTED_TYPES_MAX)

#define COMMAND_CAS(F, S)                                                                                              \
    F(S, U32,    shard,       LIMIT_SHARDS_MAX)                                                                        \
    F(S, U64,    cv,          UINT64_MAX)
/** The first assignment of a shard, whose copies are all empty, and so in sync. */
#define COMMAND_ASSIGN_FIELDS(F, S) COMMAND_CAS(F, S)                                                                  \
    F(S, U64,    primary,     UINT64_MAX)                                                                              \
    F(S, COPIES, isr,         LIMIT_COPIES_MAX)                                                                        \
    F(S, IDS,    targets,     LIMIT_COPIES_MAX)                                                                        \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)
/** Fail-over, by the directory's leader (R40). */
#define COMMAND_PROMOTE_FIELDS(F, S) COMMAND_CAS(F, S)                                                                 \
    F(S, U64,    node,        UINT64_MAX)
/** By the primary (R41, R42). */
#define COMMAND_ADD_FIELDS(F, S) COMMAND_CAS(F, S)                                                                     \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    rid,         UINT64_MAX)
#define COMMAND_REMOVE_FIELDS(F, S) COMMAND_CAS(F, S)                                                                  \
    F(S, U64,    rid,         UINT64_MAX)
/** By the primary, to one in isr (R45, R50). */
#define COMMAND_TRANSFER_FIELDS(F, S) COMMAND_CAS(F, S)                                                                \
    F(S, U64,    node,        UINT64_MAX)
/** Settles what is unanswered (R44). */
#define COMMAND_TOUCH_FIELDS(F, S) COMMAND_CAS(F, S)
#define COMMAND_TARGETS_FIELDS(F, S) COMMAND_CAS(F, S)                                                                 \
    F(S, IDS,    targets,     LIMIT_COPIES_MAX)
/** As a cluster grows from one node, or shrinks to it. */
#define COMMAND_MIN_ISR_FIELDS(F, S) COMMAND_CAS(F, S)                                                                 \
    F(S, U8,     min_isr,     LIMIT_COPIES_MAX)
#define COMMAND_LOST_FIELDS(F, S) COMMAND_CAS(F, S)                                                                    \
    F(S, U64,    rid,         UINT64_MAX)
/** By the operator: this copy alone goes on; what others had and it has not is gone (R46). */
#define COMMAND_FORCE_FIELDS(F, S) COMMAND_CAS(F, S)                                                                   \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U64,    rid,         UINT64_MAX)

/** To stand in an election, at the end of its queue; who stands in it already (`owner`) only says another value.
 * `node`: that it came through. `value`: one encoded value. */
#define COMMAND_CAMPAIGN_FIELDS(F, S)                                                                                  \
    F(S, TEXT,   name,        PDR_KEY_SIZE_MAX)                                                                        \
    F(S, U64,    owner,       UINT64_MAX)                                                                              \
    F(S, U64,    node,        UINT64_MAX)                                                                              \
    F(S, U32,    lease_ms,    LIMIT_CAMPAIGN_LEASE_MS_MAX)                                                             \
    F(S, BYTES,  value,       LIMIT_CAMPAIGN_BYTES_MAX)
/** To stand no more: of the owner, or (`owner` is 0) who leads under that token. */
#define COMMAND_RESIGN_FIELDS(F, S)                                                                                    \
    F(S, TEXT,   name,        PDR_KEY_SIZE_MAX)                                                                        \
    F(S, U64,    owner,       UINT64_MAX)                                                                              \
    F(S, U64,    token,       UINT64_MAX)
/** By the directory's leader: the lease of that candidate is over. */
#define COMMAND_LAPSE_FIELDS(F, S)                                                                                     \
    F(S, U32,    slot,        LIMIT_ELECTIONS_MAX - 1)                                                                 \
    F(S, U64,    order,       UINT64_MAX)

/*    number, since, name, field in struct command */
#define COMMAND_TABLE(X)                                                                                               \
    X(1,  1, FOUND,    found)                                                                                          \
    X(2,  1, SETTINGS, settings)                                                                                       \
    X(3,  1, FORMAT,   format)                                                                                         \
    X(4,  1, REGISTER, register_)                                                                                      \
    X(5,  1, ALIVE,    alive)                                                                                          \
    X(6,  1, DRAIN,    drain)                                                                                          \
    X(7,  1, ROLE,     role)                                                                                           \
    X(8,  1, EXPEL,    expel)                                                                                          \
    X(9,  1, PAUSE,    pause)                                                                                          \
    X(10, 1, GROUP,    group)                                                                                          \
    X(11, 1, REGROUP,  regroup)                                                                                        \
    X(12, 1, PIN,      pin)                                                                                            \
    X(13, 1, TYPE,     type)                                                                                           \
    X(14, 1, PUBLISH,  publish)                                                                                        \
    X(18, 1, LEAVE,    leave)                                                                                          \
    X(20, 1, ASSIGN,   assign)                                                                                         \
    X(21, 1, PROMOTE,  promote)                                                                                        \
    X(22, 1, ADD,      add)                                                                                            \
    X(23, 1, REMOVE,   remove)                                                                                         \
    X(24, 1, TRANSFER, transfer)                                                                                       \
    X(25, 1, TOUCH,    touch)                                                                                          \
    X(26, 1, TARGETS,  targets)                                                                                        \
    X(27, 1, MIN_ISR,  min_isr)                                                                                        \
    X(28, 1, LOST,     lost)                                                                                           \
    X(29, 1, FORCE,    force)                                                                                          \
    X(40, 1, CAMPAIGN, campaign)                                                                                       \
    X(41, 1, RESIGN,   resign)                                                                                         \
    X(42, 1, LAPSE,    lapse)
/* clang-format on */

#define COMMAND_STRUCT(number, since, NAME, name)                                                                      \
    struct command_##name {                                                                                            \
        COMMAND_##NAME##_FIELDS(FIELD_DECLARE, _)                                                                      \
    };
COMMAND_TABLE(COMMAND_STRUCT)
#undef COMMAND_STRUCT

/** What the commands of a shard begin with. */
struct command_cas {
    COMMAND_CAS(FIELD_DECLARE, _)
};

enum command_kind {
#define COMMAND_ENUM(number, since, NAME, name) COMMAND_##NAME = (number),
    COMMAND_TABLE(COMMAND_ENUM)
#undef COMMAND_ENUM
        COMMAND_KIND_COUNT
};

/** A command, decoded: slices are borrowed from the bytes it was decoded from. */
struct command {
    enum command_kind kind;
    union {
        struct command_cas cas; /* for kinds that command_is_cas */
#define COMMAND_UNION(number, since, NAME, name) struct command_##name name;
        COMMAND_TABLE(COMMAND_UNION)
#undef COMMAND_UNION
    };
};

static inline bool command_is_cas(enum command_kind kind)
{
    return kind >= COMMAND_ASSIGN && kind <= COMMAND_FORCE;
}

/** "PROMOTE"; static. */
const char *command_name(enum command_kind kind);
/** Appends the command. */
void command_write(pdr_writer *writer, const struct command *command);
/**
 * Reads a command, and all of it. `format` is the cluster's; 0 before there is one.
 *
 * PDR_OK; PDR_UNAVAILABLE if it needs a newer format, which is then *since; PDR_TOO_LARGE beyond COMMAND_BYTES_MAX;
 * PDR_INVALID with *fault for anything that command_write does not write.
 */
enum pdr_status command_read(struct pdr_bytes bytes, uint32_t format, struct command *out, uint32_t *since,
                             struct fault *fault);

#endif
