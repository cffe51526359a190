/* consensus/raft_log.c: the log in memory, and the batches that make it durable. raft_log_load.c reads it back. */
#include "consensus/raft_log.h"

#include <stdlib.h>

#include "consensus/raft_log_parts.h"
#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mutation.h"

size_t log_key_entry(uint8_t *out, uint64_t index)
{
    out[0] = 'E';
    put_be64(out + 1, index);
    return 9;
}

size_t log_key_head(uint8_t *out)
{
    out[0] = 'H';
    return 1;
}

size_t log_key_piece(uint8_t *out, uint64_t index, uint32_t piece)
{
    out[0] = 'S';
    put_be64(out + 1, index);
    put_be32(out + 9, piece);
    return 13;
}

/* A row in the wrong place is as bad as one with wrong bytes. */
uint64_t log_sum(struct pdr_bytes key, struct pdr_bytes value)
{
    return hash_bytes(value, hash_bytes(key, 0));
}

size_t log_snapshot_size(const struct raft_log_snapshot *snapshot)
{
    return snapshot->conf.size + snapshot->state.size;
}

void log_hold(struct held_snapshot *held, const struct raft_log_snapshot *snapshot)
{
    CHECK(held->bytes == NULL);
    held->as = *snapshot;
    held->bytes = mem_new(log_snapshot_size(snapshot) + 1);
    memcpy(held->bytes, snapshot->conf.data, snapshot->conf.size);
    if (snapshot->state.size > 0) {
        memcpy(held->bytes + snapshot->conf.size, snapshot->state.data, snapshot->state.size);
    }
    held->as.conf.data = held->bytes;
    held->as.state.data = held->bytes + snapshot->conf.size;
}

void log_let_go(struct held_snapshot *held)
{
    mem_free(held->bytes);
    *held = (struct held_snapshot){0};
}

struct replica_log *replica_log_new(struct raft_disk *disk, void (*durable)(void *user, uint64_t seq), void *user)
{
    struct replica_log *log = mem_new(sizeof *log);
    log->disk = disk;
    log->durable = durable;
    log->user = user;
    log->first = log->disk_first = 1;
    list_init(&log->in_flight);
    return log;
}

static void batch_free(struct raft_batch *batch)
{
    raft_bytes_release(&batch->encoded);
    mem_free(batch);
}

/* Entries from position `at` go. */
static void drop_entries(struct replica_log *log, size_t at)
{
    for (size_t i = at; i < log->count; i++) {
        mem_free((void *)(uintptr_t)log->entries[i].bytes.data);
    }
    log->count = at < log->count ? at : log->count;
}

void replica_log_free(struct replica_log *log)
{
    struct list *node;
    while ((node = list_pop(&log->in_flight)) != NULL) {
        batch_free(LIST_ITEM(node, struct raft_batch, in_flight));
    }
    if (log->open != NULL) {
        batch_free(log->open);
    }
    drop_entries(log, 0);
    mem_free(log->entries);
    log_let_go(&log->snapshot);
    log_let_go(&log->taken);
    mem_free(log);
}

uint64_t replica_log_term(const struct replica_log *log)
{
    return log->term;
}

uint64_t replica_log_vote(const struct replica_log *log)
{
    return log->vote;
}

uint64_t replica_log_life(const struct replica_log *log)
{
    return log->life;
}

uint64_t replica_log_first(const struct replica_log *log)
{
    return log->first;
}

uint64_t replica_log_last(const struct replica_log *log)
{
    return log->first + log->count - 1;
}

const struct raft_log_entry *replica_log_entry(const struct replica_log *log, uint64_t index)
{
    return index >= log->first && index - log->first < log->count ? &log->entries[index - log->first] : NULL;
}

uint64_t replica_log_term_of(const struct replica_log *log, uint64_t index)
{
    const struct raft_log_entry *entry = replica_log_entry(log, index);
    if (entry != NULL) {
        return entry->term;
    }
    return index != 0 && index == log->snapshot.as.index ? log->snapshot.as.term : 0;
}

const struct raft_log_snapshot *replica_log_snapshot(const struct replica_log *log)
{
    return &log->snapshot.as;
}

/* Batches. */

static struct raft_batch *open_batch(struct replica_log *log)
{
    if (log->open == NULL) {
        log->open = mem_new(sizeof *log->open);
        list_init(&log->open->node);
        list_init(&log->open->in_flight);
    }
    return log->open;
}

static void put_row(struct replica_log *log, struct pdr_bytes key, struct raft_bytes *value)
{
    put_le64(value->data, log_sum(key, pdr_bytes(value->data + LOG_SUM_SIZE, value->size - LOG_SUM_SIZE)));
    raft_batch_put(open_batch(log), key, raft_bytes_slice(value));
    raft_bytes_release(value);
}

static void put_head(struct replica_log *log)
{
    uint8_t key[LOG_KEY_SIZE];
    struct raft_bytes value = {0};
    const struct raft_log_snapshot *snapshot = &log->disk_snapshot;
    raft_bytes_reserve(&value, LOG_SUM_SIZE);
    raft_bytes_put_8(&value, 1); /* the format of all rows */
    raft_bytes_put_64(&value, log->term);
    raft_bytes_put_64(&value, log->vote);
    raft_bytes_put_64(&value, log->life);
    raft_bytes_put_64(&value, log->disk_first);
    raft_bytes_put_64(&value, log->disk_last);
    raft_bytes_put_64(&value, snapshot->index);
    raft_bytes_put_64(&value, snapshot->term);
    raft_bytes_put_64(&value, snapshot->conf_index);
    raft_bytes_put_64(&value, snapshot->conf.size);
    raft_bytes_put_64(&value, snapshot->state.size);
    CHECK(value.size == LOG_SUM_SIZE + LOG_HEAD_SIZE);
    put_row(log, pdr_bytes(key, log_key_head(key)), &value);
}

static void delete_entries(struct replica_log *log, uint64_t from, uint64_t to)
{
    uint8_t key[LOG_KEY_SIZE];
    for (uint64_t index = from; index <= to; index++) {
        raft_batch_delete(open_batch(log), pdr_bytes(key, log_key_entry(key, index)));
    }
}

/* The pieces of one snapshot for those of another. */
static void exchange_pieces(struct replica_log *log, const struct held_snapshot *held)
{
    uint8_t key[LOG_KEY_SIZE];
    size_t old = log_snapshot_size(&log->disk_snapshot), size = log_snapshot_size(&held->as);
    for (uint32_t piece = 0; log->disk_snapshot.index != 0 && (size_t)piece * LOG_PIECE_SIZE < old; piece++) {
        raft_batch_delete(open_batch(log), pdr_bytes(key, log_key_piece(key, log->disk_snapshot.index, piece)));
    }
    for (uint32_t piece = 0; (size_t)piece * LOG_PIECE_SIZE < size; piece++) {
        struct raft_bytes value = {0};
        size_t at = (size_t)piece * LOG_PIECE_SIZE;
        raft_bytes_reserve(&value, LOG_SUM_SIZE);
        raft_bytes_put(&value, held->bytes + at, size - at < LOG_PIECE_SIZE ? size - at : LOG_PIECE_SIZE);
        put_row(log, pdr_bytes(key, log_key_piece(key, held->as.index, piece)), &value);
    }
    log->disk_snapshot = held->as;
    log->disk_snapshot.conf.data = log->disk_snapshot.state.data = NULL; /* the sizes alone are of use */
}

static void batch_done(struct raft_batch *batch, void *user)
{
    struct replica_log *log = user;
    uint64_t seq = batch->seq;
    list_remove(&batch->in_flight);
    batch_free(batch);
    log->durable(log->user, seq);
}

uint64_t replica_log_flush(struct replica_log *log)
{
    if (log->open != NULL) {
        put_head(log);
        struct raft_batch *batch = log->open;
        log->open = NULL;
        batch->seq = ++log->seq;
        batch->done = batch_done;
        batch->user = log;
        list_push_back(&log->in_flight, &batch->in_flight);
        log->disk->ops->write(log->disk, batch);
    }
    return log->seq;
}

/* Changes. */

void replica_log_set_life(struct replica_log *log, uint64_t life)
{
    log->life = life;
    open_batch(log);
}

void replica_log_set_vote(struct replica_log *log, uint64_t term, uint64_t vote)
{
    CHECK(term >= log->term && term < RAFT_NUMBER_MAX);
    log->term = term;
    log->vote = vote;
    open_batch(log);
}

void log_push(struct replica_log *log, const struct raft_log_entry *entry)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 64 : log->capacity * 2;
        log->entries = mem_grow(log->entries, log->capacity * sizeof *log->entries);
    }
    uint8_t *copy = mem_new(entry->bytes.size + 1);
    if (entry->bytes.size > 0) {
        memcpy(copy, entry->bytes.data, entry->bytes.size);
    }
    log->entries[log->count] = *entry;
    log->entries[log->count++].bytes.data = copy;
}

void replica_log_append(struct replica_log *log, uint64_t index, const struct raft_log_entry *entry)
{
    uint8_t key[LOG_KEY_SIZE];
    struct raft_bytes value = {0};
    CHECK(index >= log->first && index <= replica_log_last(log) + 1 && entry->bytes.size <= RAFT_ENTRY_SIZE_MAX);
    drop_entries(log, index - log->first);
    log_push(log, entry);
    delete_entries(log, index + 1, log->disk_last);
    raft_bytes_reserve(&value, LOG_SUM_SIZE);
    raft_bytes_put_64(&value, entry->term);
    raft_bytes_put_8(&value, (uint8_t)entry->type);
    raft_bytes_put(&value, entry->bytes.data, entry->bytes.size);
    put_row(log, pdr_bytes(key, log_key_entry(key, index)), &value);
    log->disk_last = index;
}

/* Guard "exchange": the old log stays until the snapshot is durable, for both are rows of one batch. After a crash
 * between two there would be neither. */
void replica_log_install(struct replica_log *log, const struct raft_log_snapshot *snapshot)
{
    CHECK(log_snapshot_size(snapshot) <= RAFT_SNAPSHOT_SIZE_MAX);
    log_let_go(&log->taken);
    delete_entries(log, log->disk_first, log->disk_last);
    log->disk_first = snapshot->index + 1;
    log->disk_last = snapshot->index;
    if (MUTATION(96)) {
        replica_log_flush(log);
    }
    drop_entries(log, 0);
    log->first = snapshot->index + 1;
    log_let_go(&log->snapshot);
    log_hold(&log->snapshot, snapshot);
    exchange_pieces(log, &log->snapshot);
}

void replica_log_take(struct replica_log *log, const struct raft_log_snapshot *snapshot, uint64_t trailing)
{
    CHECK(log->taken.bytes == NULL && log_snapshot_size(snapshot) <= RAFT_SNAPSHOT_SIZE_MAX);
    CHECK(replica_log_term_of(log, snapshot->index) == snapshot->term && snapshot->index > log->snapshot.as.index);
    log_hold(&log->taken, snapshot);
    /* As libraft's TrailSnapshot: nothing goes if there are not as many. */
    bool enough = snapshot->index > trailing && replica_log_term_of(log, snapshot->index - trailing) != 0;
    log->taken_first = enough ? snapshot->index - trailing + 1 : log->first;
    delete_entries(log, log->disk_first, log->taken_first - 1);
    log->disk_first = log->taken_first > log->disk_first ? log->taken_first : log->disk_first;
    exchange_pieces(log, &log->taken);
}

void replica_log_snapshot_done(struct replica_log *log)
{
    CHECK(log->taken.bytes != NULL);
    size_t gone = (size_t)(log->taken_first - log->first);
    CHECK(gone <= log->count);
    for (size_t i = 0; i < gone; i++) {
        mem_free((void *)(uintptr_t)log->entries[i].bytes.data);
    }
    log->count -= gone;
    if (log->count > 0 && gone > 0) {
        memmove(log->entries, log->entries + gone, log->count * sizeof *log->entries);
    }
    log->first = log->taken_first;
    log_let_go(&log->snapshot);
    log->snapshot = log->taken;
    log->taken = (struct held_snapshot){0};
}
