/* consensus/letter.h: what nodes write to each other about the directory, one table: frames of PEER_DIRECTORY.
 *
 * Encoded, a letter is the array [kind, fields...]. Letters may be lost, and each is meant to be sent again by whoever
 * misses an answer; between nodes that have proved the cluster's secret (core/env/peer.h), which is no reason to trust
 * a single number of them. */
#ifndef CONSENSUS_LETTER_H
#define CONSENSUS_LETTER_H

#include "core/cluster/fields.h"

#define LETTER_TEXT_MAX 255u
#define LETTER_OWNERS_MAX 4096u        /* renewals of one letter */
#define LETTER_PAGE_BYTES (128u << 10) /* rows of a page, about; one command's rows may be more */
#define LETTER_PAGE_BYTES_MAX (3u << 20)
#define LETTER_HOT_BYTES_MAX (32u * 8u) /* LOAD_HOT_MAX shards */
#define LETTER_LOADS_BYTES_MAX (LIMIT_MEMBERS_MAX * 12u)

/* clang-format off */
/** To who leads: apply this command. `no` is the asker's, and comes back. */
#define LETTER_PROPOSE_FIELDS(F, S)                                                                                    \
    F(S, U64,    no,          UINT64_MAX)                                                                              \
    F(S, BYTES,  command,     LIMIT_COMMAND_BYTES_MAX)
/** To who leads: from which dir_index on does a copy have all that was acknowledged before this was sent? */
#define LETTER_READ_FIELDS(F, S)                                                                                       \
    F(S, U64,    no,          UINT64_MAX)
/** The answer to both. `outcome`: enum letter_outcome; the rest is DONE's. `code`: enum directory_code. */
#define LETTER_ANSWER_FIELDS(F, S)                                                                                     \
    F(S, U64,    no,          UINT64_MAX)                                                                              \
    F(S, U8,     outcome,     LETTER_OUTCOME_COUNT - 1)                                                                \
    F(S, U64,    leader,      UINT64_MAX)                                                                              \
    F(S, U64,    dir_index,   UINT64_MAX)                                                                              \
    F(S, U8,     code,        255)                                                                                     \
    F(S, TEXT,   text,        LETTER_TEXT_MAX)
/** replication.md R3. */
#define LETTER_RENEW_FIELDS(F, S)                                                                                      \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, U64,    renew_no,    UINT64_MAX)                                                                              \
    F(S, U64,    feed_index,  UINT64_MAX)
#define LETTER_GRANT_FIELDS(F, S)                                                                                      \
    F(S, U64,    renew_no,    UINT64_MAX)                                                                              \
    F(S, U64,    dir_index,   UINT64_MAX)                                                                              \
    F(S, U64,    length_ns,   UINT64_MAX)
/** A renewal came to one that does not lead, or its sender is not let in: `why` of enum letter_refusal. */
#define LETTER_NO_FIELDS(F, S)                                                                                         \
    F(S, U64,    renew_no,    UINT64_MAX)                                                                              \
    F(S, U64,    leader,      UINT64_MAX)                                                                              \
    F(S, U8,     why,         LETTER_NO_COUNT - 1)
/** A page of the feed, please: what changed after `since` (core/cluster/view.h). */
#define LETTER_ASK_FIELDS(F, S)                                                                                        \
    F(S, U64,    since,       UINT64_MAX)
#define LETTER_PAGE_FIELDS(F, S)                                                                                       \
    F(S, BYTES,  page,        LETTER_PAGE_BYTES_MAX)
/** Something that concerns you has changed: there is a feed up to here. */
#define LETTER_NEWS_FIELDS(F, S)                                                                                       \
    F(S, U64,    dir_index,   UINT64_MAX)
/** To voters: is `term` still the highest you know? A quorum that says so after a read began makes it linearizable. */
#define LETTER_CONFIRM_FIELDS(F, S)                                                                                    \
    F(S, U64,    round,       UINT64_MAX)                                                                              \
    F(S, U64,    term,        UINT64_MAX)
#define LETTER_CONFIRMED_FIELDS(F, S)                                                                                  \
    F(S, U64,    round,       UINT64_MAX)                                                                              \
    F(S, U64,    term,        UINT64_MAX)
/** State of the sender's directory as of dir_index: equal everywhere, or one of the two is damaged. */
#define LETTER_HASH_FIELDS(F, S)                                                                                       \
    F(S, U64,    dir_index,   UINT64_MAX)                                                                              \
    F(S, U64,    hash,        UINT64_MAX)
/** To who leads: how much this process' shards work (core/shard/load.h): all of them, how many there are, and of the
 * hottest each: its number, its load (both le32), in order of numbers. `no` counts the letters of a process. */
#define LETTER_LOAD_FIELDS(F, S)                                                                                       \
    F(S, U64,    incarnation, UINT64_MAX)                                                                              \
    F(S, U64,    no,          UINT64_MAX)                                                                              \
    F(S, U64,    total,       UINT32_MAX)                                                                              \
    F(S, U64,    shards,      UINT32_MAX)                                                                              \
    F(S, BYTES,  hot,         LETTER_HOT_BYTES_MAX)
/** To who leads: what do all do? For people who ask how the cluster is. */
#define LETTER_LOADS_ASK_FIELDS(F, S)                                                                                  \
    F(S, U64,    no,          UINT64_MAX)
/** The answer: of each member that has said it of late its number (le64) and its load (le32). */
#define LETTER_LOADS_FIELDS(F, S)                                                                                      \
    F(S, BYTES,  loads,       LETTER_LOADS_BYTES_MAX)

/** To who leads: these owners of candidacies were heard of before this was sent. `owners`: 8 bytes each, little endian.
 * */
#define LETTER_KEEP_FIELDS(F, S)                                                                                       \
    F(S, U64,    no,          UINT64_MAX)                                                                              \
    F(S, BYTES,  owners,      8 * LETTER_OWNERS_MAX)
/** The answer. LETTER_DONE: all but `refused` are kept from then on, and a copy of the rows that has come to
 * `dir_index` shows what they stood in then. LETTER_NOWHERE: none is; ask `leader`, if it is not 0. */
#define LETTER_KEPT_FIELDS(F, S)                                                                                       \
    F(S, U64,    no,          UINT64_MAX)                                                                              \
    F(S, U8,     outcome,     LETTER_OUTCOME_COUNT - 1)                                                                \
    F(S, U64,    leader,      UINT64_MAX)                                                                              \
    F(S, U64,    dir_index,   UINT64_MAX)                                                                              \
    F(S, BYTES,  refused,     8 * LETTER_OWNERS_MAX)

/*    number, name, member; numbers are those of the wire: add at the end */
#define LETTER_TABLE(X)                                                                                                \
    X(1,  PROPOSE,   propose)                                                                                          \
    X(2,  READ,      read)                                                                                             \
    X(3,  ANSWER,    answer)                                                                                           \
    X(4,  RENEW,     renew)                                                                                            \
    X(5,  GRANT,     grant)                                                                                            \
    X(6,  NO,        no)                                                                                               \
    X(7,  ASK,       ask)                                                                                              \
    X(8,  PAGE,      page)                                                                                             \
    X(9,  NEWS,      news)                                                                                             \
    X(10, CONFIRM,   confirm)                                                                                          \
    X(11, CONFIRMED, confirmed)                                                                                        \
    X(12, HASH,      hash)                                                                                             \
    X(13, LOAD,      load)                                                                                             \
    X(14, LOADS_ASK, loads_ask)                                                                                        \
    X(15, LOADS,     loads)                                                                                            \
    X(16, KEEP,      keep)                                                                                             \
    X(17, KEPT,      kept)
/* clang-format on */

enum letter_outcome {
    LETTER_DONE,    /* applied; `code` says what came of it */
    LETTER_NOWHERE, /* it was not and will not be applied: ask `leader`, if it is not 0, or later */
    LETTER_UNKNOWN, /* it may yet be applied */
    LETTER_OUTCOME_COUNT
};

enum letter_refusal {
    LETTER_NO_LEADER,     /* ask `leader`, if it is not 0 */
    LETTER_NO_MEMBER,     /* this process is not registered */
    LETTER_NO_SUPERSEDED, /* a later process of the node is: the sender must end */
    LETTER_NO_REMOVED,    /* the node was removed for ever: the sender must end */
    LETTER_NO_COUNT
};

#define LETTER_STRUCT(number, NAME, name)                                                                              \
    struct letter_##name {                                                                                             \
        LETTER_##NAME##_FIELDS(FIELD_DECLARE, _)                                                                       \
    };
LETTER_TABLE(LETTER_STRUCT)
#undef LETTER_STRUCT

enum letter_kind {
#define LETTER_ENUM(number, NAME, name) LETTER_##NAME = (number),
    LETTER_TABLE(LETTER_ENUM)
#undef LETTER_ENUM
        LETTER_KIND_COUNT
};

struct letter {
    enum letter_kind kind;
    union {
#define LETTER_UNION(number, NAME, name) struct letter_##name name;
        LETTER_TABLE(LETTER_UNION)
#undef LETTER_UNION
    };
};

/** Appends it. */
void letter_write(pdr_writer *writer, const struct letter *letter);
/** Reads one, and all of it; slices are borrowed. PDR_INVALID with *fault for what letter_write does not write. */
enum pdr_status letter_read(struct pdr_bytes bytes, struct letter *out, struct fault *fault);

#endif
