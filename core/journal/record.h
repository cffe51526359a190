/* core/journal/record.h: what the log holds: records, and the groups they are written in (replication.md section 11).
 *
 * A record is a fixed header and a payload. Records of many shards lie in one *group*, which is written and synced as
 * one: a header with the group's place and CRC-32C, then the records, padded to 4 KiB. Integers are little endian.
 * Everything here is a pure function; decoding trusts nothing. */
#ifndef CORE_JOURNAL_RECORD_H
#define CORE_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

enum record_kind {
    RECORD_ENTRY = 1,      /* (epoch, seq): a batch of effects; payload: core/shard/effects.h */
    RECORD_EPOCH = 2,      /* R30: epoch begins; seq = last seq of the log then */
    RECORD_CUT = 3,        /* R32: promised epoch; everything after seq is void */
    RECORD_INSTALLING = 4, /* R63: payload rid u64, gen u16 */
    RECORD_SNAP = 5,       /* R63: (epoch, seq) = applied; payload as of CONTROL: core/journal/control.h */
    RECORD_RID = 6,        /* a copy of the shard is born here; payload rid u64 */
    RECORD_DROP = 7,       /* the copy is gone */
    RECORD_COMMIT = 8,     /* a hint: commit_seq was at least seq */
    RECORD_CONTROL = 9,    /* first in each segment, one a shard: rid, promised, last cut, history: control.h */
    RECORD_COPY = 10,      /* what the copy is from here on: payload rid u64, shared u8 (control.h) */
    RECORD_KIND_COUNT
};

/** A record, decoded; `payload` is borrowed from the bytes it was decoded from. */
struct record {
    enum record_kind kind;
    uint32_t shard;
    uint64_t epoch, seq;
    struct pdr_bytes payload;
};

#define RECORD_HEADER_SIZE 32u
#define RECORD_PAYLOAD_MAX (17u << 20)

/** Bytes of the record with that payload: header + payload, rounded up to 8. */
static inline uint32_t record_size(uint32_t payload_size)
{
    return (RECORD_HEADER_SIZE + payload_size + 7u) & ~7u;
}

/** Writes the header of a record whose payload follows it in place; `at` has RECORD_HEADER_SIZE bytes. What rounds the
 * payload up to 8 bytes must be zero. */
void record_encode_header(void *at, enum record_kind kind, uint32_t shard, uint64_t epoch, uint64_t seq,
                          uint32_t payload_size);
/** Decodes the first record of `bytes`; *used is its size. PDR_INVALID for anything malformed. */
enum pdr_status record_decode(struct pdr_bytes bytes, struct record *out, uint32_t *used);

#define GROUP_BLOCK 4096u /* groups begin and end at multiples of it */
#define GROUP_HEADER_SIZE 64u
#define GROUP_RECORDS_MAX (1u << 30)
#define LOG_ID_SIZE 16u

/** A group, decoded or about to be written; `records` is borrowed from the bytes it was decoded from. */
struct group {
    uint8_t log[LOG_ID_SIZE]; /* the log it belongs to: random, so no bytes of a client's can pass for a group */
    uint64_t segment;         /* number of its segment: a recycled one has another */
    uint64_t position;        /* of its first byte in the log */
    uint64_t durable;         /* everything before was durable when this was written (R71) */
    uint32_t count;           /* records */
    uint32_t size;            /* of the whole group, padding included */
    struct pdr_bytes records;
};

/** Bytes of a group with that many bytes of records, padding included. */
static inline uint32_t group_size(uint32_t records_size)
{
    return (GROUP_HEADER_SIZE + records_size + GROUP_BLOCK - 1) & ~(GROUP_BLOCK - 1);
}

/** Writes the header of a group whose records, `records_size` bytes of them, are in place at `at` + GROUP_HEADER_SIZE,
 * and zeroes the padding: `at` has group_size(records_size) bytes. The CRC covers log, segment and position too. */
void group_seal(void *at, const struct group *group, uint32_t records_size);
/** Decodes the group that `bytes` begin with, except for its CRC: PDR_INVALID unless it looks like one, whole. */
enum pdr_status group_decode(struct pdr_bytes bytes, struct group *out);
/** Whether the CRC is right, of a group decoded from `at`. */
bool group_intact(const void *at, const struct group *group);

#endif
