/* net/wire/peer_frame.h: what nodes send one another, as bytes.
 *
 *     magic u8 = 0xc1 | kind u8 | 0 u16 | size u32 | crc32c u32 | payload, `size` bytes | tag, 16 bytes, of a batch
 *
 * Integers are little endian. The magic is the one byte that no MessagePack value begins with, so the first byte of a
 * connection tells a node from a client. The CRC (of the 8 bytes before it, and the payload) says "damaged on the way"
 * where the tag could only say "not from who you think"; and it is there before there is a key.
 *
 * Until both sides have proved themselves a frame is a hello, a proof or a refusal. Afterwards each is a batch: all
 * that its sender had to say in a tick, under one CRC and one tag:
 *
 *     kind u8 | size u32 | `size` bytes      and so on, to the end of the batch
 *
 * Decoding is a pure function of the bytes and allocates nothing. */
#ifndef NET_WIRE_PEER_FRAME_H
#define NET_WIRE_PEER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

#define PEER_MAGIC 0xc1u
#define PEER_FRAME_HEADER_SIZE 12u
#define PEER_TAG_SIZE 16u
#define PEER_BATCH_HEADER_SIZE 5u /* of each frame in a batch */

/** The numbers are those of the wire. */
enum peer_frame_kind {
    PEER_FRAME_HELLO = 1,    /* the first of each side: net/wire/peer_hello.h */
    PEER_FRAME_PROOF = 2,    /* the second of each side: that it knows the cluster's secret */
    PEER_FRAME_REFUSE = 3,   /* the last one: why; in a batch, too */
    PEER_FRAME_BATCH = 4,    /* all others; its tag is net/peer's */
    PEER_FRAME_ALIVE = 5,    /* in a batch: nothing to say; empty */
    PEER_FRAME_CARRIED = 16, /* in a batch, and above: 16 + enum peer_kind of core/env/peer.h */
};

/** Slices of what it was decoded from. */
struct peer_frame {
    unsigned kind;
    struct pdr_bytes payload;
    struct pdr_bytes sealed; /* what the tag is of: all before it */
    const uint8_t *tag;      /* of a batch: PEER_TAG_SIZE bytes; else NULL */
};

/** What is to be expected where a frame begins. */
struct peer_frame_shape {
    uint32_t payload_max; /* bytes */
    bool is_batch;        /* with a tag; else one of the handshake's */
};

/**
 * Takes the first frame off `bytes`, which begin where a frame begins.
 *
 * PDR_OK and *used > 0: one frame. PDR_OK and *used == 0: more bytes are needed; call again with the same bytes and
 * more behind them, at any address. PDR_INVALID, PDR_TOO_LARGE: nothing sensible can follow, so close the
 * connection; *why is a static sentence.
 */
enum pdr_status peer_frame_decode(struct pdr_bytes bytes, const struct peer_frame_shape *shape, struct peer_frame *out,
                                  size_t *used, const char **why) PDR_MUST_CHECK;

/** Appends a frame of the handshake. A writer that fails is the caller's to notice, here and below. */
void peer_frame_encode(pdr_writer *out, unsigned kind, struct pdr_bytes payload);

/** Begins a batch at the end of `out`; returns where, for peer_batch_end. */
size_t peer_batch_begin(pdr_writer *out);
void peer_batch_add(pdr_writer *out, unsigned kind, struct pdr_bytes payload);
/** Fills in the head of the batch that began at `begin` and ends where `out` does. The tag is of all of it. */
void peer_batch_end(pdr_writer *out, size_t begin);
/** Takes the first frame off the rest of a batch, which is not empty: kind and payload alone are set. */
enum pdr_status peer_batch_next(struct pdr_bytes *rest, struct peer_frame *out, const char **why) PDR_MUST_CHECK;

#endif
