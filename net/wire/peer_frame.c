/* net/wire/peer_frame.c: frames of nodes, to bytes and back. Built into pdr_net: clients have no use for it, and it is
 * the second place that asks ISA-L for a CRC-32C (the log is the first). */
#include "net/wire/peer_frame.h"

#include <isa-l/crc.h>

#include "core/base/check.h"
#include "core/base/endian.h"

#define CRC_AT 8u

static uint32_t crc_of(const uint8_t *header, struct pdr_bytes payload)
{
    uint32_t crc = crc32_iscsi((unsigned char *)header, CRC_AT, UINT32_MAX);
    if (payload.size > 0) {
        crc = crc32_iscsi((unsigned char *)payload.data, (int)payload.size, crc);
    }
    return ~crc;
}

/* As soon as its bytes are there, each field is looked at: who sends none of ours is told so by the first byte. */
static enum pdr_status check_header(struct pdr_bytes bytes, const struct peer_frame_shape *shape, const char **why)
{
    const uint8_t *at = bytes.data;
    if (bytes.size >= 1 && at[0] != PEER_MAGIC) {
        *why = "not a frame of a node: it must begin with 0xc1";
        return PDR_INVALID;
    }
    if (bytes.size >= 2 && (at[1] == 0 || at[1] > PEER_FRAME_BATCH || (at[1] == PEER_FRAME_BATCH) != shape->is_batch)) {
        *why = "a frame of a node has a kind that cannot come here";
        return PDR_INVALID;
    }
    if (bytes.size >= 4 && get_le16(at + 2) != 0) {
        *why = "a frame of a node has bits set that must be 0";
        return PDR_INVALID;
    }
    if (bytes.size >= 8 && get_le32(at + 4) > shape->payload_max) {
        *why =
            "a frame of a node is longer than it may be (limit peer_frame_bytes_max; peer_hello_bytes_max before its "
            "proof)";
        return PDR_TOO_LARGE;
    }
    return PDR_OK;
}

enum pdr_status peer_frame_decode(struct pdr_bytes bytes, const struct peer_frame_shape *shape, struct peer_frame *out,
                                  size_t *used, const char **why)
{
    const uint8_t *at = bytes.data;
    *used = 0;
    enum pdr_status status = check_header(bytes, shape, why);
    if (status != PDR_OK || bytes.size < PEER_FRAME_HEADER_SIZE) {
        return status;
    }
    size_t size = PEER_FRAME_HEADER_SIZE + (size_t)get_le32(at + 4);
    size_t whole = size + (shape->is_batch ? PEER_TAG_SIZE : 0);
    if (bytes.size < whole) {
        return PDR_OK;
    }
    *out = (struct peer_frame){.kind = at[1],
                               .payload = pdr_bytes(at + PEER_FRAME_HEADER_SIZE, size - PEER_FRAME_HEADER_SIZE),
                               .sealed = pdr_bytes(at, size),
                               .tag = shape->is_batch ? at + size : NULL};
    if (crc_of(at, out->payload) != get_le32(at + CRC_AT)) {
        *why = "a frame of a node was damaged on the way: its CRC-32C is wrong";
        return PDR_INVALID;
    }
    *used = whole;
    return PDR_OK;
}

static void fill_header(uint8_t *header, unsigned kind, struct pdr_bytes payload)
{
    memset(header, 0, PEER_FRAME_HEADER_SIZE);
    header[0] = PEER_MAGIC;
    header[1] = (uint8_t)kind;
    put_le32(header + 4, (uint32_t)payload.size);
    put_le32(header + CRC_AT, crc_of(header, payload));
}

void peer_frame_encode(pdr_writer *out, unsigned kind, struct pdr_bytes payload)
{
    uint8_t header[PEER_FRAME_HEADER_SIZE];
    fill_header(header, kind, payload);
    pdr_write_raw(out, header, sizeof header);
    pdr_write_raw(out, payload.data, payload.size);
}

/* Batches. */

size_t peer_batch_begin(pdr_writer *out)
{
    static const uint8_t room[PEER_FRAME_HEADER_SIZE];
    size_t begin = out->size;
    pdr_write_raw(out, room, sizeof room);
    return begin;
}

void peer_batch_add(pdr_writer *out, unsigned kind, struct pdr_bytes payload)
{
    uint8_t header[PEER_BATCH_HEADER_SIZE] = {(uint8_t)kind};
    CHECK(kind <= UINT8_MAX && payload.size <= INT32_MAX);
    put_le32(header + 1, (uint32_t)payload.size);
    pdr_write_raw(out, header, sizeof header);
    pdr_write_raw(out, payload.data, payload.size);
}

void peer_batch_end(pdr_writer *out, size_t begin)
{
    if (!out->failed) {
        uint8_t *header = out->data + begin;
        size_t size = out->size - begin - PEER_FRAME_HEADER_SIZE;
        fill_header(header, PEER_FRAME_BATCH, pdr_bytes(header + PEER_FRAME_HEADER_SIZE, size));
    }
}

enum pdr_status peer_batch_next(struct pdr_bytes *rest, struct peer_frame *out, const char **why)
{
    const uint8_t *at = rest->data;
    size_t size = rest->size >= PEER_BATCH_HEADER_SIZE ? get_le32(at + 1) : SIZE_MAX;
    if (rest->size < PEER_BATCH_HEADER_SIZE || size > rest->size - PEER_BATCH_HEADER_SIZE) {
        *why = "a frame reaches beyond the batch that it is in";
        return PDR_INVALID;
    }
    *out = (struct peer_frame){.kind = at[0], .payload = pdr_bytes(at + PEER_BATCH_HEADER_SIZE, size)};
    *rest = pdr_bytes(at + PEER_BATCH_HEADER_SIZE + size, rest->size - PEER_BATCH_HEADER_SIZE - size);
    return PDR_OK;
}
