/* core/store/snapshot.h: the rows of one shard, as they are at one moment, out of a store and into another
 * (replication.md R62, R63).
 *
 * Out: a reader has a snapshot of the store, and in it `applied` and the history of epochs; its chunks are read one
 * by one, when they are wanted, so that whoever sends them sets the pace. In: a writer puts chunks under a
 * generation of its own, which nobody reads; when all have come the meta row is written and the store flushed, and
 * whoever knows which generation counts may name this one. Everything here blocks: on the work pool, one thread at a
 * time a reader or writer.
 *
 * A chunk: crc u32 (CRC-32C of what follows) | number u32, from 0 | shard u32 | rows u32, then as many rows of key
 * size u32 | value size u32 | key, from the table's byte on | value. Little endian. Keys rise. The last chunk has no
 * rows, and behind its head their number, u64. */
#ifndef CORE_STORE_SNAPSHOT_H
#define CORE_STORE_SNAPSHOT_H

#include "core/store/keys.h"

#define SNAPSHOT_CHUNK_BYTES (1u << 20) /* of rows, unless one row alone is larger */
#define SNAPSHOT_CHUNK_MAX (18u << 20)  /* a chunk that is larger is nobody's */
#define SNAPSHOT_KEY_MAX (KEYS_STATE_SIZE_MAX - KEYS_HEAD_SIZE + 1u)

struct snapshot_reader;

/** Of the rows of `shard` under `gen`. PDR_OVERLOADED: no memory; PDR_INTERNAL: the store can't be read. */
enum pdr_status snapshot_open(struct store *store, uint32_t shard, uint16_t gen, struct snapshot_reader **out);
/** What the rows are as of; zero for a shard without entries. */
const struct keys_meta *snapshot_meta(const struct snapshot_reader *reader);
/** The next chunk, borrowed until the next call; empty: there was a last one. */
enum pdr_status snapshot_next(struct snapshot_reader *reader, struct pdr_bytes *chunk);
void snapshot_close(struct snapshot_reader *reader);

/** `why` is a sentence about the last failure. */
struct snapshot_writer {
    struct store *store;
    uint32_t shard;
    uint16_t gen;
    uint32_t next; /* number of the next chunk */
    uint64_t rows;
    bool ended; /* the last chunk came */
    uint32_t last_size;
    uint8_t last[SNAPSHOT_KEY_MAX]; /* the greatest key so far */
    char why[160];
};

/** Empties the generation. */
enum pdr_status snapshot_begin(struct snapshot_writer *writer, struct store *store, uint32_t shard, uint16_t gen);
/** Takes the next chunk, as a whole. One that came before is passed over. PDR_INVALID: it is no chunk, or not the next;
 * PDR_NO_SPACE, PDR_INTERNAL: nothing of it was written, and it may be tried again. */
enum pdr_status snapshot_put(struct snapshot_writer *writer, struct pdr_bytes chunk);
/** After the last chunk: the meta row; on PDR_OK all is on stable storage. PDR_INVALID: chunks are missing. */
enum pdr_status snapshot_end(struct snapshot_writer *writer, const struct keys_meta *meta);

/** The lowest generation under which the shard has rows; 0 if it has none. It is the one that counts, if only one is
 * complete: a copy that is being installed has a higher one, until the rows of the other are deleted. */
enum pdr_status snapshot_generation(struct store *store, struct store_cursor *cursor, uint32_t shard, uint16_t *gen);
/** The meta row under that generation; zero, if there is none. */
enum pdr_status snapshot_current(struct store *store, uint32_t shard, struct keys_meta *meta);
/** Deletes the rows of a shard under one generation; under all others. */
enum pdr_status snapshot_drop(struct store *store, uint32_t shard, uint16_t gen);
enum pdr_status snapshot_drop_others(struct store *store, uint32_t shard, uint16_t gen);

#endif
