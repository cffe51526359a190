/* consensus/directory.h: the directory's state machine: who is in the cluster, and who holds which shard.
 *
 * Raft feeds it the same commands in the same order everywhere, and it comes to the same rows everywhere: no clock, no
 * chance, no I/O, one thread. Each change is a row rewritten whole (core/cluster/row.h) under the next dir_index.
 *
 *     command --apply--> row changes, in order --feed--> each node's copy (core/cluster/view.h) --> cluster_map
 *                        answer to the proposer
 *
 * A command that is refused changes no row and says why. replication.md sections 1, 3 and 6 are the rules;
 * docs/internals/directory-state.md tells how they are carried out. */
#ifndef CONSENSUS_DIRECTORY_H
#define CONSENSUS_DIRECTORY_H

#include "consensus/command.h"
#include "core/cluster/rows.h"

#define DIRECTORY_TEXT_SIZE 200u
/** The group that types belong to unless told otherwise. */
#define DIRECTORY_DEFAULT_GROUP "default"

/* clang-format off */
/*    name           status         default sentence */
#define DIRECTORY_CODE_TABLE(X)                                                                                        \
    X(DONE,          OK,            "done")                                                                            \
    X(ALREADY,       OK,            "it is so already; nothing was changed")                                           \
    X(MALFORMED,     INVALID,       "the command is malformed")                                                        \
    X(NEWER,         UNAVAILABLE,   "the command needs a newer format than the cluster has agreed on")                 \
    X(BEHIND,        INTERNAL,      "this program is older than the cluster's format: stop the node")                  \
    X(NO_CLUSTER,    UNAVAILABLE,   "there is no cluster yet")                                                         \
    X(FOUNDED,       INVALID,       "the cluster exists already")                                                      \
    X(BAD_VALUE,     INVALID,       "a field has a value that makes no sense")                                         \
    X(LIMIT,         OVERLOADED,    "the directory is full")                                                           \
    X(NO_MEMBER,     NOT_FOUND,     "there is no such node")                                                           \
    X(REMOVED,       INVALID,       "the node was removed for ever")                                                   \
    X(INCARNATION,   INVALID,       "the node's incarnation is not the one that follows its last")                     \
    X(TAKEN,         INVALID,       "another node has it")                                                             \
    X(OLD_FORMAT,    INVALID,       "a member's program does not understand that format")                              \
    X(NOT_ALIVE,     INVALID,       "the node is not alive")                                                           \
    X(IN_USE,        INVALID,       "the node still has a part")                                                       \
    X(EXISTS,        INVALID,       "there is one of that name already")                                               \
    X(NO_GROUP,      NOT_FOUND,     "there is no such group")                                                          \
    X(NO_SHARD,      NOT_FOUND,     "there is no such shard")                                                          \
    X(CV,            INVALID,       "the shard's entry has changed meanwhile")                                         \
    X(EMPTY,         INVALID,       "the shard was never assigned")                                                    \
    X(ASSIGNED,      INVALID,       "the shard is assigned already")                                                   \
    X(MIN_ISR,       INVALID,       "it would leave fewer copies in sync than min_isr")                                \
    X(NOT_IN_SYNC,   INVALID,       "the copy is not in sync")                                                         \
    X(IN_SYNC,       INVALID,       "a copy of that node is in sync already")                                          \
    X(COPY_LOST,     INVALID,       "the copy is lost")                                                                \
    X(LEASE,         INVALID,       "the primary's lease is not over")                                                 \
    X(PRIMARY,       INVALID,       "the node is the primary")                                                         \
    X(NOT_TARGET,    INVALID,       "the node is not a target of the shard")                                           \
    X(NOT_STANDING,  NOT_FOUND,     "it does not stand in that election")

enum directory_code {
#define DIRECTORY_ENUM(name, status, text) DIRECTORY_##name,
    DIRECTORY_CODE_TABLE(DIRECTORY_ENUM)
#undef DIRECTORY_ENUM
};
/* clang-format on */

/** What the code comes to for a caller. */
enum pdr_status directory_code_status(enum directory_code code);

/** How a command ended. All of it is the directory's, valid until the next command. */
struct directory_result {
    enum directory_code code;
    enum pdr_status status;         /* of the code */
    char text[DIRECTORY_TEXT_SIZE]; /* a sentence without a full stop; deterministic, like all here */
    enum command_kind command;      /* 0: it could not be read */
    uint64_t dir_index;             /* of this command */
    bool has_shard;                 /* the command was about a shard that there is */
    struct cluster_shard shard;     /* then: its entry afterwards; cv 0 of one never assigned */
    struct cluster_row **changed;   /* rows written, in order of kind and key */
    uint32_t changed_count;
};

struct directory;

struct directory *directory_new(void);
void directory_free(struct directory *directory);

/**
 * Applies the next command: the only thing that changes a directory.
 *
 * `raft_index` is its place in Raft's log, never less than the last one's (several commands may share an entry). Every
 * command has a dir_index of its own, also one that is refused or cannot be read. On DIRECTORY_BEHIND the node must
 * stop: the others go on with what it cannot read.
 */
const struct directory_result *directory_apply(struct directory *directory, uint64_t raft_index,
                                               struct pdr_bytes command);

/** Of the last command; 0 before the first. */
uint64_t directory_index(const struct directory *directory);
uint64_t directory_raft_index(const struct directory *directory);
/** All rows, to be read. A row is valid until a command changes it. */
const struct cluster_rows *directory_rows(const struct directory *directory);
/** Why the rows contradict each other (R2, a primary out of isr, a node that is not a member...), or NULL. O(rows). */
const char *directory_fault(const struct directory *directory);

/** Rolling hash of all states so far; equal for equal histories of changes. A refused command leaves it as it is. */
uint64_t directory_hash(const struct directory *directory);
/** The same as of an earlier dir_index, so that voters may compare; false: too long ago, or not yet. */
bool directory_hash_at(const struct directory *directory, uint64_t index, uint64_t *hash);

/** What a page of the feed says beside its rows; see core/cluster/view.h. */
struct directory_page {
    uint64_t cursor; /* ask for what is after this next */
    bool complete;   /* with this page the node knows all there is */
};
/**
 * Appends a page: rows changed after `since`, in order of their changes, about `bytes_max` of them (never less than all
 * rows of one command). A node that knows nothing asks since 0, so none is ever too far back.
 * False, and nothing is written, if `since` is ahead of this directory: another voter knows more.
 */
bool directory_feed(const struct directory *directory, uint64_t since, size_t bytes_max, pdr_writer *writer,
                    struct directory_page *page);
/** Appends one row, which a node asks for when it misses it: false if there is none. Only the key of `probe` counts. */
bool directory_row(const struct directory *directory, const struct entry *probe, pdr_writer *writer);

/** Appends all of the directory: the same bytes for the same state. */
void directory_snapshot(const struct directory *directory, pdr_writer *writer);
/** A directory in the state of the snapshot. PDR_INVALID with a static sentence for anything else. */
enum pdr_status directory_restore(struct pdr_bytes snapshot, struct directory **out, const char **why);

#endif
