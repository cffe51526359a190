/* core/store/store.h: an ordered map of bytes to bytes on disk, as a seam. Production: store_rocks.c. Tests and
 * simulator: store_mem.c.
 *
 * Every function blocks and is called on a pool thread (core/env/work.h), any number at a time, except `write`, whose
 * callers keep writes of one shard in order. Writes are atomic per batch and visible to reads that begin after `write`
 * returned; they reach the disk in order, at the latest when `flush` returns: after a crash the store is exactly as of
 * some prefix of the writes (replication.md section 11: RocksDB without WAL). */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

struct store;
struct store_batch;

/** false stops the iteration. Slices are borrowed until it returns. */
typedef bool (*store_each)(void *user, struct pdr_bytes key, struct pdr_bytes value);

/** An iterator over a snapshot of the store; cheap to re-seek, so a batch of reads shares one. One thread at a time. */
struct store_cursor;

struct store_ops {
    struct store_batch *(*batch_new)(struct store *store);
    void (*batch_put)(struct store_batch *batch, struct pdr_bytes key, struct pdr_bytes value);
    void (*batch_delete)(struct store_batch *batch, struct pdr_bytes key);
    void (*batch_delete_range)(struct store_batch *batch, struct pdr_bytes from, struct pdr_bytes to); /* from < to */
    void (*batch_free)(struct store_batch *batch);

    /** Applies and empties `batch`. PDR_NO_SPACE, PDR_INTERNAL: nothing was applied; the batch is as it was. After
     * PDR_NO_SPACE writing goes on by itself, some seconds after space has come back. */
    enum pdr_status (*write)(struct store *store, struct store_batch *batch);
    /** Everything written before is on stable storage when it returns PDR_OK; after a failure it may be or not. */
    enum pdr_status (*flush)(struct store *store);
    /** PDR_NOT_FOUND, PDR_OVERLOADED (no memory), PDR_INTERNAL; else *value is the caller's to free(). */
    enum pdr_status (*get)(struct store *store, struct pdr_bytes key, void **value, size_t *size);
    /** NULL out of memory. Sees all writes that returned before. */
    struct store_cursor *(*cursor_new)(struct store *store);
    /** Calls `each` for keys in [from, to) in order (`to` empty: to the end) until it returns false. All scans of a
     * cursor see the same: what was written when it was made, and nothing later. */
    enum pdr_status (*cursor_scan)(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                   store_each each, void *user);
    /** Of what is in memory: it never waits for the disk, so core threads may use it. Where it would have to wait,
     * cursor_scan returns PDR_UNAVAILABLE (`each` may have been called before). NULL: ask the other one. */
    struct store_cursor *(*cursor_new_cached)(struct store *store);
    void (*cursor_free)(struct store_cursor *cursor);
    /** A consistent copy, to be opened as a store, in `directory`; PDR_INVALID if that exists. */
    enum pdr_status (*checkpoint)(struct store *store, const char *directory);
    /** A sentence about the last failure of this store; "" if there was none. Any thread. */
    void (*last_error)(struct store *store, char *text, size_t size);
    /** "rocksdb.estimate-num-keys" and the like; false if unknown. */
    bool (*property)(struct store *store, const char *name, uint64_t *value);
    /** What was not flushed is lost, as in a crash. No batch or cursor of the store is left. */
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
};

struct store_rocks_options {
    uint64_t cache_bytes;    /* block cache; 0: 64 MiB */
    uint64_t memtable_bytes; /* 0: 16 MiB */
};

/** Opens or creates. On failure *why is a sentence that names `directory`, valid until the thread's next call. */
enum pdr_status store_rocks_open(const char *directory, const struct store_rocks_options *options, struct store **out,
                                 const char **why);

/** In memory. Same writes, same order: the same store, bit by bit. */
struct store *store_mem_new(void);
/** A power cut: goes back to the last flush and keep_percent (0..100) of the batches since, oldest first. */
void store_mem_crash(struct store *store, unsigned keep_percent);
/** The next `count` writes and flushes fail with PDR_NO_SPACE. */
void store_mem_fail_next(struct store *store, unsigned count);
/** Hands over the store that `checkpoint` made under this name; NULL if there is none. */
struct store *store_mem_open_checkpoint(struct store *store, const char *directory);

#endif
