/* core/store/store_rocks.c: the store on RocksDB (7.8, C API). One database, one column family, no log of its own: what
 * a crash takes from here, the journal has (replication.md section 11, R24). docs/decisions/0003-rocksdb.md has the
 * reasons for the settings, with figures. */
#include "core/store/store.h"

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/store/keys.h"
#include "core/store/store_error.h"

#define CACHE_BYTES_DEFAULT (64u << 20)
#define MEMTABLE_BYTES_DEFAULT (16u << 20)
#define BLOOM_BITS 10
#define MEMTABLE_FILTER 0.02 /* of its size: 8 bits a row of a counter */
#define READ_CACHED 1        /* kBlockCacheTier */
#define INCOMPLETE "Result incomplete"
#define NEVER (1 << 30)
#define L0_FILES_CALM 32u
#define PAUSE_MS_MAX 100u
#define LOG_NOTHING 5 /* InfoLogLevel::HEADER_LEVEL */
#define OPEN_FILES_MAX 512
#define OPEN_FILES_MIN 20

struct store_rocks {
    struct store store;
    rocksdb_t *db;
    rocksdb_writeoptions_t *no_wal;
    rocksdb_readoptions_t *newest;
    rocksdb_flushoptions_t *waiting;
    char *directory;
    pthread_mutex_t error_mutex; /* last_error may be asked on any thread */
    char error[512];
};

struct store_batch {
    rocksdb_writebatch_t *writes;
};

static struct store_rocks *rocks_of(struct store *store)
{
    return (struct store_rocks *)(void *)store;
}

/* Takes `message`, which may be NULL: no error. `directory` is where it happened. */
static enum pdr_status settle_at(struct store_rocks *s, const char *directory, char *message)
{
    if (message == NULL) {
        return PDR_OK;
    }
    enum pdr_status status = store_error_status(message);
    pthread_mutex_lock(&s->error_mutex);
    store_error_sentence(s->error, sizeof s->error, directory, message);
    pthread_mutex_unlock(&s->error_mutex);
    rocksdb_free(message);
    return status;
}

static enum pdr_status settle(struct store_rocks *s, char *message)
{
    return settle_at(s, s->directory, message);
}

static void rocks_last_error(struct store *store, char *text, size_t size)
{
    struct store_rocks *s = rocks_of(store);
    pthread_mutex_lock(&s->error_mutex);
    snprintf(text, size, "%s", s->error);
    pthread_mutex_unlock(&s->error_mutex);
}

/* Settings. */

/* The rows of one actor share a prefix, so a filter over prefixes answers "nothing of this actor is in that file" for a
 * whole scan, and a scan ends where the prefix does, tombstones of neighbours included. */

static char *prefix_transform(void *unused, const char *key, size_t size, size_t *out_size)
{
    size_t prefix = keys_actor_prefix(pdr_bytes(key, size));
    *out_size = prefix > 0 ? prefix : size; /* 7.8 asks this of keys out of the domain too */
    return (char *)(uintptr_t)key;
}

static unsigned char prefix_in_domain(void *unused, const char *key, size_t size)
{
    return keys_actor_prefix(pdr_bytes(key, size)) > 0;
}

static unsigned char prefix_in_range(void *unused, const char *key, size_t size)
{
    return prefix_in_domain(unused, key, size) && keys_actor_prefix(pdr_bytes(key, size)) == size;
}

static const char *prefix_name(void *unused)
{
    return "perdure.actor.1";
} /* kept in every file: changes with the rule */
static void prefix_free(void *unused) {}

static rocksdb_block_based_table_options_t *table_settings(uint64_t cache_bytes)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(cache_bytes != 0 ? cache_bytes : CACHE_BYTES_DEFAULT);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_cache_destroy(cache); /* our reference alone */
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_block_based_options_set_whole_key_filtering(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    /* Filters and indexes live in the cache, so memory is bounded; in pieces, for a whole filter of a large file is
     * larger than a part of the cache, would never stay in it, and be read from disk by each look-up. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_index_type(table, rocksdb_block_based_table_index_type_two_level_index_search);
    rocksdb_block_based_options_set_partition_filters(table, 1);
    rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1);
    return table;
}

static void set_writing(rocksdb_options_t *options, uint64_t memtable_bytes)
{
    rocksdb_options_set_write_buffer_size(options, memtable_bytes != 0 ? memtable_bytes : MEMTABLE_BYTES_DEFAULT);
    rocksdb_options_set_max_write_buffer_number(options, 4);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, MEMTABLE_FILTER);
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_compression(options, rocksdb_lz4_compression);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_bytes_per_sync(options, 1u << 20);
    /* RocksDB's own brake makes `flush` and writers wait without end while a disk too full to compact is not yet full:
     * off. hold_back() is ours. */
    rocksdb_options_set_level0_slowdown_writes_trigger(options, NEVER);
    rocksdb_options_set_level0_stop_writes_trigger(options, NEVER);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(options, 0);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(options, 0);
    /* Forgotten actors leave runs of tombstones, which scans step over one by one: a file with 512 of them among 1,024
     * neighbouring rows is compacted soon, whatever its size. */
    rocksdb_options_add_compact_on_deletion_collector_factory(options, 1024, 512);
}

/* Tables that stay open: a quarter of the descriptors that the process may have. Connections leave room for them. */
static int open_files_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur / 4 >= OPEN_FILES_MAX) {
        return OPEN_FILES_MAX;
    }
    return files.rlim_cur / 4 < OPEN_FILES_MIN ? OPEN_FILES_MIN : (int)(files.rlim_cur / 4);
}

static void set_opening(rocksdb_options_t *options)
{
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_max_open_files(options, open_files_max());
    rocksdb_options_set_max_file_opening_threads(options, 1);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_manifest_preallocation_size(options, 64u << 10);
    /* No lines in its LOG: where the library was built with assertions (Debian 12), a line that meets a full disk
     * aborts the process. Rolling by size would write headers all the same. */
    rocksdb_options_set_info_log_level(options, LOG_NOTHING);
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
}

/* NULL with *message set if RocksDB does not know what we ask for. */
static rocksdb_options_t *settings(const struct store_rocks_options *given, char **message)
{
    rocksdb_options_t *base = rocksdb_options_create(), *options = rocksdb_options_create();
    /* Has no function in C. Closing must not wait for a disk that is full or slow: who wants the data on it has called
     * flush, and the journal has the rest. */
    rocksdb_get_options_from_string(base, "avoid_flush_during_shutdown=true", options, message);
    rocksdb_options_destroy(base);
    if (*message != NULL) {
        rocksdb_options_destroy(options);
        return NULL;
    }
    set_opening(options);
    set_writing(options, given->memtable_bytes);
    rocksdb_block_based_table_options_t *table = table_settings(given->cache_bytes);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_options_set_prefix_extractor(options,
                                         rocksdb_slicetransform_create(NULL, prefix_free, prefix_transform,
                                                                       prefix_in_domain, prefix_in_range, prefix_name));
    return options;
}

/* Batches and writes. */

static struct store_batch *rocks_batch_new(struct store *store)
{
    struct store_batch *batch = mem_new(sizeof *batch);
    batch->writes = rocksdb_writebatch_create();
    return batch;
}

static void rocks_batch_put(struct store_batch *batch, struct pdr_bytes key, struct pdr_bytes value)
{
    rocksdb_writebatch_put(batch->writes, key.data, key.size, value.size > 0 ? value.data : "", value.size);
}

static void rocks_batch_delete(struct store_batch *batch, struct pdr_bytes key)
{
    rocksdb_writebatch_delete(batch->writes, key.data, key.size);
}

static void rocks_batch_delete_range(struct store_batch *batch, struct pdr_bytes from, struct pdr_bytes to)
{
    CHECK(pdr_bytes_compare(from, to) < 0);
    rocksdb_writebatch_delete_range(batch->writes, from.data, from.size, to.data, to.size);
}

static void rocks_batch_free(struct store_batch *batch)
{
    rocksdb_writebatch_destroy(batch->writes);
    mem_free(batch);
}

/* Our own brake: compaction that can't keep up leaves many files for each read to ask. The pause is short, whatever
 * happens, for a full disk must become an error and not a wait. */
static void hold_back(struct store_rocks *s)
{
    char *text = rocksdb_property_value(s->db, "rocksdb.num-files-at-level0");
    unsigned long files = text != NULL ? strtoul(text, NULL, 10) : 0;
    rocksdb_free(text);
    if (files > L0_FILES_CALM) {
        unsigned long pause_ms = files - L0_FILES_CALM;
        pause_ms = pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX;
        nanosleep(&(struct timespec){.tv_nsec = (long)pause_ms * 1000000}, NULL);
    }
}

static enum pdr_status rocks_write(struct store *store, struct store_batch *batch)
{
    struct store_rocks *s = rocks_of(store);
    char *message = NULL;
    hold_back(s);
    rocksdb_write(s->db, s->no_wal, batch->writes, &message);
    if (message == NULL) {
        rocksdb_writebatch_clear(batch->writes);
    }
    return settle(s, message);
}

/* RocksDB 7.8.3 forgets to clear a flag when it recovers from a full disk, and from then on rocksdb_flush returns at
 * once, without an error and without having waited (ErrorHandler::ClearBGError leaves is_db_stopped_ set). What was in
 * memory is queued by then; it is on disk when nothing is queued any more. An empty write tells of a new error. */
static char *wait_for_queued(struct store_rocks *s)
{
    uint64_t errors = 0, queued = 1;
    char *message = NULL;
    rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
    while (rocksdb_property_int(s->db, "rocksdb.background-errors", &errors) == 0 && errors > 0 && message == NULL &&
           rocksdb_property_int(s->db, "rocksdb.num-immutable-mem-table", &queued) == 0 && queued > 0) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        rocksdb_write(s->db, s->no_wal, nothing, &message);
    }
    rocksdb_writebatch_destroy(nothing);
    return message;
}

static enum pdr_status rocks_flush(struct store *store)
{
    struct store_rocks *s = rocks_of(store);
    char *message = NULL;
    rocksdb_flush(s->db, s->waiting, &message);
    return settle(s, message != NULL ? message : wait_for_queued(s));
}

/* Reads. */

static enum pdr_status out_of_memory(struct store_rocks *s)
{
    pthread_mutex_lock(&s->error_mutex);
    snprintf(s->error, sizeof s->error, "the machine has no memory for a value of the store in %s", s->directory);
    pthread_mutex_unlock(&s->error_mutex);
    return PDR_OVERLOADED;
}

static enum pdr_status rocks_get(struct store *store, struct pdr_bytes key, void **value, size_t *size)
{
    struct store_rocks *s = rocks_of(store);
    char *message = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(s->db, s->newest, key.data, key.size, &message);
    if (message != NULL || pinned == NULL) {
        return message != NULL ? settle(s, message) : PDR_NOT_FOUND;
    }
    const char *data = rocksdb_pinnableslice_value(pinned, size);
    *value = malloc(*size > 0 ? *size : 1);
    if (*value != NULL) {
        memcpy(*value, data, *size);
    }
    rocksdb_pinnableslice_destroy(pinned);
    return *value != NULL ? PDR_OK : out_of_memory(s);
}

/* A cursor is a snapshot, and at most one iterator for all scans inside single actors: making one costs as much as a
 * scan, and seeking it again does not. */
struct store_cursor {
    struct store_rocks *s;
    const rocksdb_snapshot_t *snapshot; /* NULL: of what is in memory; its iterator is a snapshot by itself */
    rocksdb_readoptions_t *within_options;
    rocksdb_iterator_t *within;
};

static struct store_cursor *rocks_cursor_new(struct store *store)
{
    struct store_cursor *cursor = mem_try(sizeof *cursor);
    if (cursor != NULL) {
        *cursor = (struct store_cursor){.s = rocks_of(store)};
        cursor->snapshot = rocksdb_create_snapshot(cursor->s->db);
    }
    return cursor;
}

/* No snapshot here: taking one locks the database's mutex, which a core thread must not wait for. */
static struct store_cursor *rocks_cursor_new_cached(struct store *store)
{
    struct store_cursor *cursor = mem_try(sizeof *cursor);
    if (cursor != NULL) {
        *cursor = (struct store_cursor){.s = rocks_of(store)};
    }
    return cursor;
}

static void rocks_cursor_free(struct store_cursor *cursor)
{
    if (cursor->within != NULL) {
        rocksdb_iter_destroy(cursor->within);
        rocksdb_readoptions_destroy(cursor->within_options);
    }
    if (cursor->snapshot != NULL) {
        rocksdb_release_snapshot(cursor->s->db, cursor->snapshot);
    }
    mem_free(cursor);
}

static enum pdr_status scan(struct store_rocks *s, rocksdb_iterator_t *at, struct pdr_bytes from, struct pdr_bytes to,
                            store_each each, void *user)
{
    for (rocksdb_iter_seek(at, from.size > 0 ? from.data : "", from.size); rocksdb_iter_valid(at);
         rocksdb_iter_next(at)) {
        struct pdr_bytes key, value;
        key.data = rocksdb_iter_key(at, &key.size);
        if (to.size > 0 && pdr_bytes_compare(key, to) >= 0) {
            return PDR_OK;
        }
        value.data = rocksdb_iter_value(at, &value.size);
        if (!each(user, key, value)) {
            return PDR_OK;
        }
    }
    char *message = NULL;
    rocksdb_iter_get_error(at, &message);
    if (message != NULL && strncmp(message, INCOMPLETE, strlen(INCOMPLETE)) == 0) {
        rocksdb_free(message);
        return PDR_UNAVAILABLE; /* READ_CACHED: the rest is on disk */
    }
    return settle(s, message);
}

/* Do all keys in [from, to) share the prefix of one actor? `to` then begins with it, or is the prefix plus one. */
static bool is_within_actor(struct pdr_bytes from, struct pdr_bytes to)
{
    size_t prefix = keys_actor_prefix(from);
    if (prefix == 0 || to.size < prefix || memcmp(from.data, to.data, prefix - 1) != 0) {
        return false;
    }
    const uint8_t *last_from = (const uint8_t *)from.data + prefix - 1,
                  *last_to = (const uint8_t *)to.data + prefix - 1;
    return *last_to == *last_from || (*last_to == *last_from + 1 && to.size == prefix);
}

static enum pdr_status scan_within_actor(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                         store_each each, void *user)
{
    if (cursor->within == NULL) {
        cursor->within_options = rocksdb_readoptions_create();
        if (cursor->snapshot != NULL) {
            rocksdb_readoptions_set_snapshot(cursor->within_options, cursor->snapshot);
        } else {
            rocksdb_readoptions_set_read_tier(cursor->within_options, READ_CACHED);
        }
        rocksdb_readoptions_set_prefix_same_as_start(cursor->within_options, 1);
        cursor->within = rocksdb_create_iterator(cursor->s->db, cursor->within_options);
    }
    return scan(cursor->s, cursor->within, from, to, each, user);
}

/* The bound cannot be changed under an iterator, so each of these scans, which are long ones, makes its own. */
static enum pdr_status scan_range(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                  store_each each, void *user)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(options, cursor->snapshot);
    rocksdb_readoptions_set_total_order_seek(options, 1);
    if (to.size > 0) {
        rocksdb_readoptions_set_iterate_upper_bound(options, to.data, to.size);
    }
    rocksdb_iterator_t *at = rocksdb_create_iterator(cursor->s->db, options);
    enum pdr_status status = scan(cursor->s, at, from, to, each, user);
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(options);
    return status;
}

static enum pdr_status rocks_cursor_scan(struct store_cursor *cursor, struct pdr_bytes from, struct pdr_bytes to,
                                         store_each each, void *user)
{
    if (cursor->snapshot == NULL && !is_within_actor(from, to)) {
        return PDR_UNAVAILABLE; /* long scans are for the pool */
    }
    return is_within_actor(from, to) ? scan_within_actor(cursor, from, to, each, user)
                                     : scan_range(cursor, from, to, each, user);
}

/* The rest. */

static enum pdr_status rocks_checkpoint(struct store *store, const char *directory)
{
    struct store_rocks *s = rocks_of(store);
    enum pdr_status status = rocks_flush(store); /* the checkpoint's own flush may be one that does not wait */
    if (status != PDR_OK) {
        return status;
    }
    char *message = NULL;
    rocksdb_checkpoint_t *maker = rocksdb_checkpoint_object_create(s->db, &message);
    if (message == NULL) {
        rocksdb_checkpoint_create(maker, directory, 0, &message); /* 0: what is in memory is flushed first */
        rocksdb_checkpoint_object_destroy(maker);
    }
    return settle_at(s, directory, message);
}

static bool rocks_property(struct store *store, const char *name, uint64_t *value)
{
    return rocksdb_property_int(rocks_of(store)->db, name, value) == 0;
}

static void rocks_close(struct store *store)
{
    struct store_rocks *s = rocks_of(store);
    rocksdb_close(s->db);
    rocksdb_writeoptions_destroy(s->no_wal);
    rocksdb_readoptions_destroy(s->newest);
    rocksdb_flushoptions_destroy(s->waiting);
    pthread_mutex_destroy(&s->error_mutex);
    mem_free(s->directory);
    mem_free(s);
}

static const struct store_ops rocks_ops = {
    .batch_new = rocks_batch_new,
    .batch_put = rocks_batch_put,
    .batch_delete = rocks_batch_delete,
    .batch_delete_range = rocks_batch_delete_range,
    .batch_free = rocks_batch_free,
    .write = rocks_write,
    .flush = rocks_flush,
    .get = rocks_get,
    .cursor_new = rocks_cursor_new,
    .cursor_new_cached = rocks_cursor_new_cached,
    .cursor_scan = rocks_cursor_scan,
    .cursor_free = rocks_cursor_free,
    .checkpoint = rocks_checkpoint,
    .last_error = rocks_last_error,
    .property = rocks_property,
    .close = rocks_close,
};

static struct store_rocks *rocks_new(rocksdb_t *db, const char *directory)
{
    struct store_rocks *s = mem_new(sizeof *s);
    s->store.ops = &rocks_ops;
    s->db = db;
    s->no_wal = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(s->no_wal, 1);
    s->newest = rocksdb_readoptions_create();
    s->waiting = rocksdb_flushoptions_create(); /* waits by default */
    pthread_mutex_init(&s->error_mutex, NULL);
    s->directory = mem_new(strlen(directory) + 1);
    memcpy(s->directory, directory, strlen(directory));
    return s;
}

enum pdr_status store_rocks_open(const char *directory, const struct store_rocks_options *given, struct store **out,
                                 const char **why)
{
    static _Thread_local char text[512];
    char *message = NULL;
    rocksdb_options_t *options = settings(given, &message);
    rocksdb_t *db = NULL;
    if (options != NULL) {
        db = rocksdb_open(options, directory, &message);
        rocksdb_options_destroy(options);
    }
    if (message != NULL) {
        enum pdr_status status = store_error_status(message);
        store_error_sentence(text, sizeof text, directory, message);
        rocksdb_free(message);
        *why = text;
        return status;
    }
    *out = &rocks_new(db, directory)->store;
    return PDR_OK;
}
