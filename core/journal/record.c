/* core/journal/record.c: records and groups as bytes.
 *
 *     record, 32 bytes and payload             group, 64 bytes and records
 *      0 u8  kind                               0 u32 magic "PDRG"
 *      1 u8[3] zero                             4 u32 CRC-32C of all that follows, padding excluded
 *      4 u32 payload size                       8 u8[16] log
 *      8 u32 shard                             24 u64 segment
 *     12 u32 zero                              32 u64 position
 *     16 u64 epoch                             40 u64 durable
 *     24 u64 seq                               48 u32 records, 52 u32 bytes of records
 *     32 payload, zero to a multiple of 8      56 u32 version, 60 u32 zero
 *                                              64 records, zero to a multiple of 4096 */
#include "core/journal/record.h"

#include <isa-l/crc.h>

#include "core/base/endian.h"

#define GROUP_MAGIC 0x47524450u
#define GROUP_VERSION 1u
#define GROUP_CHECKED_FROM 8u

static bool is_zero(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

void record_encode_header(void *at, enum record_kind kind, uint32_t shard, uint64_t epoch, uint64_t seq,
                          uint32_t payload_size)
{
    uint8_t *to = at;
    put_le32(to, (uint32_t)kind);
    put_le32(to + 4, payload_size);
    put_le32(to + 8, shard);
    put_le32(to + 12, 0);
    put_le64(to + 16, epoch);
    put_le64(to + 24, seq);
}

enum pdr_status record_decode(struct pdr_bytes bytes, struct record *out, uint32_t *used)
{
    const uint8_t *from = bytes.data;
    if (bytes.size < RECORD_HEADER_SIZE) {
        return PDR_INVALID;
    }
    uint32_t kind = get_le32(from), payload_size = get_le32(from + 4);
    if (kind == 0 || kind >= RECORD_KIND_COUNT || payload_size > RECORD_PAYLOAD_MAX || get_le32(from + 12) != 0) {
        return PDR_INVALID;
    }
    uint32_t size = record_size(payload_size), end = RECORD_HEADER_SIZE + payload_size;
    if (size > bytes.size || !is_zero(from + end, size - end)) {
        return PDR_INVALID;
    }
    out->kind = (enum record_kind)kind;
    out->shard = get_le32(from + 8);
    out->epoch = get_le64(from + 16);
    out->seq = get_le64(from + 24);
    out->payload = pdr_bytes(from + RECORD_HEADER_SIZE, payload_size);
    *used = size;
    return PDR_OK;
}

static uint32_t group_crc(const void *at, uint32_t records_size)
{
    const uint8_t *from = (const uint8_t *)at + GROUP_CHECKED_FROM;
    int size = (int)(GROUP_HEADER_SIZE - GROUP_CHECKED_FROM + records_size);
    return ~crc32_iscsi((unsigned char *)(uintptr_t)from, size, 0xffffffffu); /* it only reads */
}

void group_seal(void *at, const struct group *group, uint32_t records_size)
{
    uint8_t *to = at;
    uint32_t end = GROUP_HEADER_SIZE + records_size;
    put_le32(to, GROUP_MAGIC);
    memcpy(to + 8, group->log, LOG_ID_SIZE);
    put_le64(to + 24, group->segment);
    put_le64(to + 32, group->position);
    put_le64(to + 40, group->durable);
    put_le32(to + 48, group->count);
    put_le32(to + 52, records_size);
    put_le32(to + 56, GROUP_VERSION);
    put_le32(to + 60, 0);
    memset(to + end, 0, group_size(records_size) - end);
    put_le32(to + 4, group_crc(to, records_size));
}

enum pdr_status group_decode(struct pdr_bytes bytes, struct group *out)
{
    const uint8_t *from = bytes.data;
    if (bytes.size < GROUP_BLOCK || get_le32(from) != GROUP_MAGIC || get_le32(from + 56) != GROUP_VERSION ||
        get_le32(from + 60) != 0) {
        return PDR_INVALID;
    }
    uint32_t records_size = get_le32(from + 52);
    if (records_size > GROUP_RECORDS_MAX || group_size(records_size) > bytes.size) {
        return PDR_INVALID;
    }
    memcpy(out->log, from + 8, LOG_ID_SIZE);
    out->segment = get_le64(from + 24);
    out->position = get_le64(from + 32);
    out->durable = get_le64(from + 40);
    out->count = get_le32(from + 48);
    out->size = group_size(records_size);
    out->records = pdr_bytes(from + GROUP_HEADER_SIZE, records_size);
    return PDR_OK;
}

bool group_intact(const void *at, const struct group *group)
{
    return get_le32((const uint8_t *)at + 4) == group_crc(at, (uint32_t)group->records.size);
}
