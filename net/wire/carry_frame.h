/* net/wire/carry_frame.h: a shard's rows on their way to another node, as bytes: what a frame of PEER_CARRY
 * (core/env/peer.h) holds.
 *
 *     OFFER   from who leads the shard: it stands still, and its rows are to be had     answered by NEXT or OVER
 *     NEXT    from who takes it: that part of that chunk, please; also a sign of life   answered by PART or OVER
 *     PART    of a chunk of core/store/snapshot.h; of no size: there is no such chunk, the one before was the last
 *     DONE    the copy is complete, under that name, and on stable storage              answered by OVER
 *     OVER    nothing of this carry counts any more; with PDR_OK: the DONE was heard
 *
 * Any frame may be lost, and then is sent again; a carry is known by the number that its OFFER had. Integers are little
 * endian: kind u8 | number u64, not 0 | shard u32, then the fields of the kind's table, then u32 size and bytes of
 * its slice, if it has one, and nothing behind.
 *
 * Decoding is a pure function of the bytes and allocates nothing; slices point into what was decoded. */
#ifndef NET_WIRE_CARRY_FRAME_H
#define NET_WIRE_CARRY_FRAME_H

#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

#define CARRY_FRAME_META_MAX 1044u        /* of an encoded struct keys_meta */
#define CARRY_FRAME_PART_MAX (256u << 10) /* bytes: calls of the same link do not wait long behind one */
#define CARRY_FRAME_CHUNK_MAX (18u << 20) /* of a chunk: SNAPSHOT_CHUNK_MAX */
#define CARRY_FRAME_TEXT_MAX 255u

/* clang-format off */
/*    F(field, bits)  S(slice, most) */
#define CARRY_FRAME_OFFER_FIELDS(F, S)                                                                                 \
    F(epoch,   64)    /* in which it was released */                                                                   \
    F(version, 64)    /* of its row then, in the directory's log: of two copies that of the newer row is newer */      \
    S(meta,    CARRY_FRAME_META_MAX)
#define CARRY_FRAME_NEXT_FIELDS(F, S)                                                                                  \
    F(chunk,   32)                                                                                                     \
    F(offset,  32)
#define CARRY_FRAME_PART_FIELDS(F, S)                                                                                  \
    F(chunk,   32)                                                                                                     \
    F(offset,  32)                                                                                                     \
    F(size,    32)    /* of the chunk */                                                                               \
    S(bytes,   CARRY_FRAME_PART_MAX)
#define CARRY_FRAME_DONE_FIELDS(F, S)                                                                                  \
    F(rid,     64)    /* not 0 */
#define CARRY_FRAME_OVER_FIELDS(F, S)                                                                                  \
    F(status,   8)    /* enum pdr_status */                                                                            \
    S(text,    CARRY_FRAME_TEXT_MAX)

/*    number, name, member; numbers are those of the wire: add at the end */
#define CARRY_FRAME_TABLE(X)                                                                                           \
    X(1, OFFER, offer)                                                                                                 \
    X(2, NEXT,  next)                                                                                                  \
    X(3, PART,  part)                                                                                                  \
    X(4, DONE,  done)                                                                                                  \
    X(5, OVER,  over)
/* clang-format on */

#define CARRY_FRAME_ENUM(value, NAME, name) CARRY_FRAME_##NAME = (value),
enum carry_frame_kind { CARRY_FRAME_TABLE(CARRY_FRAME_ENUM) CARRY_FRAME_KIND_COUNT };
#undef CARRY_FRAME_ENUM

#define CARRY_FRAME_FIELD_MEMBER(name, bits) uint##bits##_t name;
#define CARRY_FRAME_SLICE_MEMBER(name, most) struct pdr_bytes name;
#define CARRY_FRAME_STRUCT(value, NAME, name)                                                                          \
    struct carry_frame_##name {                                                                                        \
        CARRY_FRAME_##NAME##_FIELDS(CARRY_FRAME_FIELD_MEMBER, CARRY_FRAME_SLICE_MEMBER)                                \
    };
CARRY_FRAME_TABLE(CARRY_FRAME_STRUCT)
#undef CARRY_FRAME_STRUCT

struct carry_frame {
    enum carry_frame_kind kind;
    uint32_t shard;
    uint64_t number;
    union {
#define CARRY_FRAME_UNION(value, NAME, name) struct carry_frame_##name name;
        CARRY_FRAME_TABLE(CARRY_FRAME_UNION)
#undef CARRY_FRAME_UNION
    };
};

/** Appends it. A slice that is over its limit is our own mistake. */
void carry_frame_put(pdr_writer *out, const struct carry_frame *frame);
/** PDR_INVALID, PDR_TOO_LARGE: *why is a static sentence. Sizes, and that a part lies inside of its chunk, have been
 * looked at; what the meta says has not. */
enum pdr_status carry_frame_get(struct pdr_bytes bytes, struct carry_frame *out, const char **why) PDR_MUST_CHECK;

#endif
