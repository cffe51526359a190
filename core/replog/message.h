/* core/replog/message.h: what copies of a shard write to each other, one table (replication.md section 2).
 *
 * A frame of PEER_REPLICA is a GROUP: messages one behind another, of all shards that two cores have in common. Each is
 * the array [kind, shard, epoch, fields...]. Reading trusts nothing and asks for no memory; slices are borrowed. The
 * link's frames have a checksum and a tag of their own (net/peer), so messages have none. */
#ifndef CORE_REPLOG_MESSAGE_H
#define CORE_REPLOG_MESSAGE_H

#include "core/cluster/fields.h"
#include "core/journal/control.h"

#define MESSAGE_SEQ_MAX (UINT64_MAX >> 2)     /* of seqs and epochs: none ever comes near, and + 1 does not overflow */
#define MESSAGE_ENTRIES_BYTES_MAX (19u << 20) /* of one APPEND: at least the largest entry */
#define MESSAGE_HISTORY_BYTES_MAX (CONTROL_HISTORY_MAX * 16u)
#define MESSAGE_CHUNK_BYTES_MAX (4u << 20)
#define MESSAGE_ENTRY_HEADER 12u /* u64 epoch, u32 size; little endian */

/* clang-format off */
#define MESSAGE_HEAD(F, S)                                                                                             \
    F(S, U32,    shard,       LIMIT_SHARDS_MAX)                                                                        \
    F(S, U64,    epoch,       MESSAGE_SEQ_MAX)
/** R30: an epoch begins, with a log up to `seq` of this `history`: u64 epoch, u64 first seq of each, ascending. */
#define MESSAGE_NEWEPOCH_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                               \
    F(S, U64,    cv,          MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    seq,         MESSAGE_SEQ_MAX)                                                                         \
    F(S, BYTES,  history,     MESSAGE_HISTORY_BYTES_MAX)
/** R32: the copy `rid` follows the epoch; up to `durable` its log is the primary's, and on disk. */
#define MESSAGE_FOLLOWS_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                                \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U64,    durable,     MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    applied,     MESSAGE_SEQ_MAX)
/** R21: entries `seq` + 1 and on, behind entry (prev_epoch, seq); `entries` as message_entry_next reads them; and what
 * is committed. What is new is acknowledged when it is durable. `asks`: how far the other is, at once. */
#define MESSAGE_APPEND_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                                 \
    F(S, U64,    cv,          MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    prev_epoch,  MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    seq,         MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    committed,   MESSAGE_SEQ_MAX)                                                                         \
    F(S, BOOL,   asks,        1)                                                                                       \
    F(S, BYTES,  entries,     MESSAGE_ENTRIES_BYTES_MAX)
/** R22: on disk; in the store. `cv`: the highest that the primary has told it. */
#define MESSAGE_ACK_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                                    \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U64,    cv,          MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    durable,     MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    applied,     MESSAGE_SEQ_MAX)
/** `epoch`: of what is not taken. */
#define MESSAGE_NACK_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                                   \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U8,     reason,      NACK_REASON_COUNT - 1)                                                                   \
    F(S, U64,    promised,    MESSAGE_SEQ_MAX)                                                                         \
    F(S, U64,    seq,         MESSAGE_SEQ_MAX)
/** R14: is the epoch still the highest that you promised? `round`: the asker's number. */
#define MESSAGE_CONFIRM_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                                \
    F(S, U64,    round,       UINT64_MAX)
/** It is. (If not, a NACK says so.) */
#define MESSAGE_CONFIRMED_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                              \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U64,    round,       UINT64_MAX)
/** R62, R63: to the learner `rid`: all as of entry `seq`, in chunks, the first of which has number 0. */
#define MESSAGE_SNAP_BEGIN_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                             \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U64,    snapshot,    UINT64_MAX)                                                                              \
    F(S, U64,    seq,         MESSAGE_SEQ_MAX)                                                                         \
    F(S, BYTES,  history,     MESSAGE_HISTORY_BYTES_MAX)
#define MESSAGE_SNAP_CHUNK_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                             \
    F(S, U64,    snapshot,    UINT64_MAX)                                                                              \
    F(S, U64,    number,      MESSAGE_SEQ_MAX)                                                                         \
    F(S, BOOL,   last,        1)                                                                                       \
    F(S, BYTES,  bytes,       MESSAGE_CHUNK_BYTES_MAX)
/** So many chunks were taken: go on. */
#define MESSAGE_SNAP_TAKEN_FIELDS(F, S) MESSAGE_HEAD(F, S)                                                             \
    F(S, U64,    rid,         UINT64_MAX)                                                                              \
    F(S, U64,    snapshot,    UINT64_MAX)                                                                              \
    F(S, U64,    chunks,      MESSAGE_SEQ_MAX)

/*    number, name, member; numbers are those of the wire: add at the end */
#define MESSAGE_TABLE(X)                                                                                               \
    X(1,  NEWEPOCH,   newepoch)                                                                                        \
    X(2,  FOLLOWS,    follows)                                                                                         \
    X(3,  APPEND,     append)                                                                                          \
    X(4,  ACK,        ack)                                                                                             \
    X(5,  NACK,       nack)                                                                                            \
    X(6,  CONFIRM,    confirm)                                                                                         \
    X(7,  CONFIRMED,  confirmed)                                                                                       \
    X(8,  SNAP_BEGIN, snap_begin)                                                                                      \
    X(9,  SNAP_CHUNK, snap_chunk)                                                                                      \
    X(10, SNAP_TAKEN, snap_taken)
/* clang-format on */

enum nack_reason {
    NACK_STALE,      /* it promised a higher epoch */
    NACK_GAP,        /* it has nothing there: its log ends at `seq` */
    NACK_NEED_EPOCH, /* it does not follow that epoch yet: NEWEPOCH first */
    NACK_NO_SPACE,   /* its journal is full (R74) */
    NACK_LOST,       /* the copy is damaged, or has nothing in common with the primary's (R32, R47) */
    NACK_LEAVES,     /* its process ends soon; until then it goes on as ever */
    NACK_REASON_COUNT
};

#define MESSAGE_STRUCT(number, NAME, name)                                                                             \
    struct message_##name {                                                                                            \
        MESSAGE_##NAME##_FIELDS(FIELD_DECLARE, _)                                                                      \
    };
MESSAGE_TABLE(MESSAGE_STRUCT)
#undef MESSAGE_STRUCT

/** What all begin with. */
struct message_head {
    MESSAGE_HEAD(FIELD_DECLARE, _)
};

enum message_kind {
#define MESSAGE_ENUM(number, NAME, name) MESSAGE_##NAME = (number),
    MESSAGE_TABLE(MESSAGE_ENUM)
#undef MESSAGE_ENUM
        MESSAGE_KIND_COUNT
};

struct replog_message {
    enum message_kind kind;
    union {
        struct message_head head;
#define MESSAGE_UNION(number, NAME, name) struct message_##name name;
        MESSAGE_TABLE(MESSAGE_UNION)
#undef MESSAGE_UNION
    };
};

/** "APPEND"; static. */
const char *message_name(enum message_kind kind);
/** Appends it. */
void message_write(pdr_writer *writer, const struct replog_message *message);
/** Takes the next message off `frame`. PDR_INVALID with *fault for what message_write does not write. */
enum pdr_status message_next(struct pdr_bytes *frame, struct replog_message *out, struct fault *fault);

/** An entry of an APPEND. */
struct message_entry {
    uint64_t epoch;
    struct pdr_bytes payload;
};
void message_entry_write(pdr_writer *writer, uint64_t epoch, struct pdr_bytes payload);
/** Takes the next entry off; false at the end. All of a message that message_next took can be read. */
bool message_entry_next(struct pdr_bytes *entries, struct message_entry *out);

/** Epochs as bytes, and back: at most CONTROL_HISTORY_MAX; how many. */
void message_history_write(pdr_writer *writer, const struct control_epoch *at, uint32_t count);
uint32_t message_history_read(struct pdr_bytes bytes, struct control_epoch *at);

#endif
