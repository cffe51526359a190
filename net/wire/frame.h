/* net/wire/frame.h: stage 2 of 7. From bytes to a frame of borrowed slices, or a reason to close the connection.
 *
 * A frame is a message of MessagePack-RPC, as its public spec has it: [0, msgid, method, [args]], [1, msgid, error,
 * result], [2, method, [args]]. Decoding is a pure function of the bytes and the scan; it allocates nothing. */
#ifndef NET_WIRE_FRAME_H
#define NET_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>
#include <perdure/value.h>

/** The numbers are those of the wire. */
enum frame_kind { FRAME_REQUEST = 0, FRAME_RESPONSE = 1, FRAME_NOTIFICATION = 2 };

struct frame {
    enum frame_kind kind;
    uint64_t msgid;          /* request, response: 0..2^32-1 */
    struct pdr_bytes target; /* request, notification: inside of the method string */
    struct pdr_bytes args;   /* request, notification: an encoded array */
    pdr_value error, result; /* response */
};

/** How far a frame that arrives in pieces has been looked at, so that no byte is looked at for every piece anew.
 * Zero-initialise it; frame_decode zeroes it again after each frame. */
struct frame_scan {
    uint32_t need;                          /* bytes without which nothing more can be said; 0: the frame begins */
    uint32_t at;                            /* bytes of the frame that have been walked; 0: its head is not known yet */
    uint32_t depth;                         /* open containers, the frame itself included */
    uint32_t left[PDR_VALUE_DEPTH_MAX + 1]; /* values still to come in each */
};

/**
 * Takes the first frame off `bytes`, which begin where a frame begins.
 *
 * PDR_OK and *used > 0: one frame; its slices point into `bytes`. PDR_OK and *used == 0: more bytes are needed; call
 * again with the same bytes and more behind them, at any address. PDR_INVALID, PDR_TOO_LARGE: nothing sensible can
 * follow, so close the connection; *why is a static sentence.
 */
enum pdr_status frame_decode(struct frame_scan *scan, struct pdr_bytes bytes, struct frame *out, size_t *used,
                             const char **why);

#endif
