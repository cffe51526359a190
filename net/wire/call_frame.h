/* net/wire/call_frame.h: calls between nodes, as bytes: what a frame of PEER_CALL (core/env/peer.h) holds.
 *
 *     CALL    a call, to the node that owns its shard      answered by ANSWER or MOVED with the same number, in the
 *     ANSWER  how it ended                                 same life of the link; a life that ends leaves it unknown
 *     MOVED   nothing ran: a newer row says who owns it
 *     EVENT   an actor that is watched has emitted         as many as there are, to who joined by a CALL
 *     LEAVE   the watcher hears enough                     answered by LEFT
 *     LEFT    no event comes any more                      also of its own accord: join again
 *     TAKEN   a session is another connection's now        nothing; it may be lost
 *
 * Integers are little endian; each frame begins with its kind (u8), then come the fields of its table, then what they
 * measure, and nothing behind. `known` and `version` are positions in the directory's log: of two rows of a shard the
 * one that was written later is newer, so a call can be sent on only by who knows something newer than its sender.
 *
 * Decoding is a pure function of the bytes and allocates nothing; slices point into what was decoded. */
#ifndef NET_WIRE_CALL_FRAME_H
#define NET_WIRE_CALL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

#include "core/base/limits.h"

#define CALL_FRAME_SESSION_SIZE 28u   /* of an encoded session id */
#define CALL_FRAME_FOREVER UINT64_MAX /* left_us: there is no deadline */
#define CALL_FRAME_PATH_MAX 2048u     /* bytes; core/call.h cuts it earlier */
#define CALL_FRAME_TEXT_MAX 255u

/** The numbers are those of the wire. */
enum call_frame_kind {
    CALL_FRAME_CALL = 1,
    CALL_FRAME_ANSWER = 2,
    CALL_FRAME_MOVED = 3,
    CALL_FRAME_EVENT = 4,
    CALL_FRAME_LEAVE = 5,
    CALL_FRAME_LEFT = 6,
    CALL_FRAME_TAKEN = 7,
};

enum call_frame_flag {
    CALL_FRAME_IS_READ = 1,    /* asking again is safe */
    CALL_FRAME_IS_WATCH = 2,   /* CALL: it joins; its events bear its number */
    CALL_FRAME_IS_FINAL = 4,   /* ANSWER: a copy would hear the same failure */
    CALL_FRAME_IN_SESSION = 8, /* CALL: the session's fields are there */
};

/* clang-format off */
/*    field           bits   of a CALL. `what`, `role` and `durability` are enums of core/call.h and perdure/actor.h */
#define CALL_FRAME_CALL_FIELDS(X)                                                                                      \
    X(number,         64)    /* names it in this life, to both; never 0 */                                             \
    X(known,          64)    /* the sender knows what the directory said of the shard up to there */                   \
    X(left_us,        64)    /* until the deadline, when it was sent */                                                \
    X(shard,          32)                                                                                              \
    X(flags,           8)                                                                                              \
    X(what,            8)                                                                                              \
    X(role,            8)                                                                                              \
    X(durability,      8)                                                                                              \
    X(n,              64)    /* its number in the session */                                                           \
    X(ack_below,      64)                                                                                              \
    X(print,          32)                                                                                              \
    X(tell_number,    64)                                                                                              \
    X(tell_from,      32)    /* a shard */                                                                             \
    X(chain_count,     8)    /* links, of 8 bytes each */                                                              \
    X(caller_size,    16)    /* the last bytes of path */

/*    field           bits   of an ANSWER */
#define CALL_FRAME_ANSWER_FIELDS(X)                                                                                    \
    X(number,         64)                                                                                              \
    X(status,          8)    /* enum pdr_status */                                                                     \
    X(flags,           8)                                                                                              \
    X(retry_ms,       32)

/*    field           bits   of a MOVED: the row, and up to where who answers knows the directory's log */
#define CALL_FRAME_MOVED_FIELDS(X)                                                                                     \
    X(number,         64)                                                                                              \
    X(node,           64)    /* 0: the row does not say; wait for `version` */                                         \
    X(epoch,          64)                                                                                              \
    X(cv,             64)                                                                                              \
    X(version,        64)

/*    field           bits   of EVENT, LEAVE and LEFT (number alone), and of TAKEN (number: the connection's) */
#define CALL_FRAME_WATCH_FIELDS(X)                                                                                     \
    X(number,         64)                                                                                              \
    X(seq,            64)

/*    slice           least  most                      what follows the fields: u32 size each, then their bytes */
#define CALL_FRAME_CALL_SLICES(X)                                                                                      \
    X(session,        0,     CALL_FRAME_SESSION_SIZE)                                                                  \
    X(chain,          0,     LIMIT_CHAIN_MAX * 8)                                                                      \
    X(address,        3,     PDR_TYPE_SIZE_MAX + 1 + PDR_KEY_SIZE_MAX)                                                 \
    X(method,         1,     PDR_METHOD_SIZE_MAX)                                                                      \
    X(path,           0,     CALL_FRAME_PATH_MAX)                                                                      \
    X(args,           0,     LIMIT_PAYLOAD_BYTES_MAX)

#define CALL_FRAME_ANSWER_SLICES(X)                                                                                    \
    X(code,           0,     PDR_METHOD_SIZE_MAX)                                                                      \
    X(text,           0,     CALL_FRAME_TEXT_MAX)                                                                      \
    X(reply,          0,     LIMIT_FRAME_BYTES_MAX)

#define CALL_FRAME_MOVED_SLICES(X)

#define CALL_FRAME_WATCH_SLICES(X)                                                                                     \
    X(data,           0,     LIMIT_EVENT_BYTES_MAX)    /* the event; of TAKEN the session's id */
/* clang-format on */

#define CALL_FRAME_FIELD_MEMBER(name, bits) uint##bits##_t name;
#define CALL_FRAME_SLICE_MEMBER(name, least, most) struct pdr_bytes name;

struct call_frame_call {
    CALL_FRAME_CALL_FIELDS(CALL_FRAME_FIELD_MEMBER)
    CALL_FRAME_CALL_SLICES(CALL_FRAME_SLICE_MEMBER)
};

struct call_frame_answer {
    CALL_FRAME_ANSWER_FIELDS(CALL_FRAME_FIELD_MEMBER)
    CALL_FRAME_ANSWER_SLICES(CALL_FRAME_SLICE_MEMBER)
};

struct call_frame_moved {
    CALL_FRAME_MOVED_FIELDS(CALL_FRAME_FIELD_MEMBER)
};

struct call_frame_watch {
    CALL_FRAME_WATCH_FIELDS(CALL_FRAME_FIELD_MEMBER)
    CALL_FRAME_WATCH_SLICES(CALL_FRAME_SLICE_MEMBER)
};

/** The kind of a frame, as far as its first byte says; 0: it is empty. */
static inline unsigned call_frame_kind(struct pdr_bytes frame)
{
    return frame.size > 0 ? *(const uint8_t *)frame.data : 0;
}
/** The number of a frame that may be otherwise damaged, so that it can be answered; 0: not even that is there. */
uint64_t call_frame_number(struct pdr_bytes frame);

/* Encoding appends to `out`. A slice that is over its limit is our own mistake. */

void call_frame_put_call(pdr_writer *out, const struct call_frame_call *call);
void call_frame_put_answer(pdr_writer *out, const struct call_frame_answer *answer);
void call_frame_put_moved(pdr_writer *out, const struct call_frame_moved *moved);
/** `kind` is EVENT, LEAVE, LEFT or TAKEN. */
void call_frame_put_watch(pdr_writer *out, enum call_frame_kind kind, const struct call_frame_watch *watch);

/* PDR_INVALID, PDR_TOO_LARGE: *why is a static sentence. Sizes, flags and what the fields say of one another have been
 * looked at; address, arguments and enums of others have not. */

enum pdr_status call_frame_get_call(struct pdr_bytes frame, struct call_frame_call *out,
                                    const char **why) PDR_MUST_CHECK;
enum pdr_status call_frame_get_answer(struct pdr_bytes frame, struct call_frame_answer *out,
                                      const char **why) PDR_MUST_CHECK;
enum pdr_status call_frame_get_moved(struct pdr_bytes frame, struct call_frame_moved *out,
                                     const char **why) PDR_MUST_CHECK;
enum pdr_status call_frame_get_watch(struct pdr_bytes frame, struct call_frame_watch *out,
                                     const char **why) PDR_MUST_CHECK;

#endif
