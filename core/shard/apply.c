/* core/shard/apply.c: folds log entries into one store batch. Runs on the work pool, and at recovery. */
#include "core/shard/apply.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/effects.h"
#include "core/shard/session.h"

struct fold {
    struct fold *next;        /* of the same bucket */
    struct pdr_bytes address; /* empty: a row of the shard */
    struct pdr_bytes key;     /* with the kind's or the table's byte in front */
    struct pdr_bytes value;
    uint32_t shard;
    bool deleted;
    bool is_new; /* the store can't have it: if it is deleted again, nothing is written at all */
};

struct apply_shard {
    bool known, changed;
    uint16_t gen;
    struct keys_meta meta;
};

#define CHUNK_FOLDS 1024u
struct chunk {
    struct chunk *next;
    uint32_t used;
    struct fold folds[CHUNK_FOLDS];
};

struct apply {
    struct fold **buckets;
    uint32_t bucket_count, fold_count;
    struct chunk *chunks; /* newest first */
    struct apply_stats stats;
    struct apply_shard directory; /* KEYS_SHARD_DIRECTORY */
    uint32_t shard_count;
    struct apply_shard **shards; /* NULL: not known here */
};

static struct apply_shard *shard_of(struct apply *apply, uint32_t id)
{
    if (id == KEYS_SHARD_DIRECTORY) {
        return &apply->directory;
    }
    CHECK(id < apply->shard_count && apply->shards[id] != NULL);
    return apply->shards[id];
}

struct apply *apply_new(uint32_t shard_count)
{
    struct apply *apply = mem_new(sizeof *apply);
    apply_grow(apply, shard_count);
    apply->bucket_count = 1024;
    apply->buckets = mem_new(apply->bucket_count * sizeof *apply->buckets);
    return apply;
}

void apply_grow(struct apply *apply, uint32_t shard_count)
{
    CHECK(shard_count >= apply->shard_count);
    apply->shards = mem_grow(apply->shards, (shard_count + 1) * sizeof(struct apply_shard *));
    memset(apply->shards + apply->shard_count, 0, (shard_count - apply->shard_count) * sizeof(struct apply_shard *));
    apply->shard_count = shard_count;
}

static void forget_folds(struct apply *apply)
{
    while (apply->chunks != NULL) {
        struct chunk *chunk = apply->chunks;
        apply->chunks = chunk->next;
        mem_free(chunk);
    }
    memset(apply->buckets, 0, apply->bucket_count * sizeof *apply->buckets);
    apply->fold_count = 0;
}

void apply_free(struct apply *apply)
{
    forget_folds(apply);
    for (uint32_t id = 0; id < apply->shard_count; id++) {
        mem_free(apply->shards[id]);
    }
    mem_free(apply->shards);
    mem_free(apply->buckets);
    mem_free(apply);
}

void apply_shard(struct apply *apply, uint32_t shard, uint16_t gen, const struct keys_meta *meta)
{
    if (shard != KEYS_SHARD_DIRECTORY && apply->shards[shard] == NULL) {
        apply->shards[shard] = mem_new(sizeof(struct apply_shard));
    }
    *shard_of(apply, shard) = (struct apply_shard){.known = true, .gen = gen, .meta = *meta};
}

static uint64_t hash_of(uint32_t shard, struct pdr_bytes address, struct pdr_bytes key)
{
    return hash_bytes(key, hash_bytes(address, shard));
}

static void widen(struct apply *apply)
{
    mem_free(apply->buckets);
    apply->bucket_count *= 4;
    apply->buckets = mem_new(apply->bucket_count * sizeof *apply->buckets);
    for (struct chunk *chunk = apply->chunks; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->used; i++) {
            struct fold *fold = &chunk->folds[i];
            uint32_t bucket = (uint32_t)hash_of(fold->shard, fold->address, fold->key) & (apply->bucket_count - 1);
            fold->next = apply->buckets[bucket];
            apply->buckets[bucket] = fold;
        }
    }
}

static struct fold *new_fold(struct apply *apply)
{
    if (apply->chunks == NULL || apply->chunks->used == CHUNK_FOLDS) {
        struct chunk *chunk = mem_grow(NULL, sizeof *chunk);
        chunk->used = 0;
        chunk->next = apply->chunks;
        apply->chunks = chunk;
    }
    apply->fold_count++;
    return &apply->chunks->folds[apply->chunks->used++];
}

/* Keys that are numbers given out once: what is put and deleted within a step leaves no trace in the store. */
static bool is_unique(const struct effect *effect)
{
    return effect->kind == EFFECT_ROW_PUT && (effect->space == KEYS_OUTBOX || effect->space == KEYS_PENDING);
}

static void fold_write(struct apply *apply, uint32_t shard, struct pdr_bytes address, const struct effect *effect)
{
    uint32_t bucket = (uint32_t)hash_of(shard, address, effect->whole_key) & (apply->bucket_count - 1);
    struct fold *fold = apply->buckets[bucket];
    while (fold != NULL && !(fold->shard == shard && pdr_bytes_equal(fold->key, effect->whole_key) &&
                             pdr_bytes_equal(fold->address, address))) {
        fold = fold->next;
    }
    if (fold == NULL) {
        if (apply->fold_count >= apply->bucket_count) {
            widen(apply);
            bucket = (uint32_t)hash_of(shard, address, effect->whole_key) & (apply->bucket_count - 1);
        }
        fold = new_fold(apply);
        *fold = (struct fold){.next = apply->buckets[bucket],
                              .address = address,
                              .key = effect->whole_key,
                              .shard = shard,
                              .is_new = is_unique(effect)};
        apply->buckets[bucket] = fold;
    }
    fold->value = effect->value;
    fold->deleted = effect_deletes(effect);
}

static enum pdr_status apply_entry(struct apply *apply, const struct record *record)
{
    struct pdr_bytes address, rest;
    struct effect effect;
    enum pdr_status status = effects_open(record->payload, &address, &rest);
    while (status == PDR_OK && (status = effects_next(&rest, &effect)) == PDR_OK) {
        bool is_row = effect_is_row(&effect);
        if (!is_row && address.size == 0) {
            return PDR_INVALID;
        }
        if (is_row && effect.space == KEYS_SESSION && session_is_log_only(effect.key)) {
            continue;
        }
        fold_write(apply, record->shard, is_row ? pdr_bytes(NULL, 0) : address, &effect);
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

enum pdr_status apply_record(struct apply *apply, const struct record *record)
{
    struct apply_shard *shard = shard_of(apply, record->shard);
    CHECK(shard->known);
    if (record->kind != RECORD_ENTRY) {
        return PDR_OK;
    }
    CHECK(record->seq == shard->meta.applied_seq + 1); /* no gaps: the log's order is the shard's */
    keys_meta_advance(&shard->meta, record->epoch, record->seq);
    shard->changed = true;
    apply->stats.records++;
    return apply_entry(apply, record);
}

void apply_row(struct apply *apply, uint32_t shard, struct pdr_bytes key, struct pdr_bytes value)
{
    struct effect effect = {
        .kind = EFFECT_ROW_PUT, .space = *(const uint8_t *)key.data, .whole_key = key, .value = value};
    fold_write(apply, shard, pdr_bytes(NULL, 0), &effect);
}

static void put_meta(struct apply_shard *shard, uint32_t id, struct store *store, struct store_batch *batch)
{
    if (shard->changed && !MUTATION(3)) {
        uint8_t key[KEYS_HEAD_SIZE], value[KEYS_META_SIZE_MAX];
        size_t size = keys_meta_encode(value, &shard->meta);
        store->ops->batch_put(batch, pdr_bytes(key, keys_meta(key, id, shard->gen)), pdr_bytes(value, size));
    }
}

static void put_metas(struct apply *apply, struct store *store, struct store_batch *batch)
{
    for (uint32_t id = 0; id < apply->shard_count; id++) {
        if (apply->shards[id] != NULL) {
            put_meta(apply->shards[id], id, store, batch);
        }
    }
    put_meta(&apply->directory, KEYS_SHARD_DIRECTORY, store, batch);
}

static size_t put_key(uint8_t *out, uint16_t gen, const struct fold *fold)
{
    const uint8_t *at = fold->key.data;
    struct pdr_bytes key = pdr_bytes(at + 1, fold->key.size - 1);
    return fold->address.size > 0 ? keys_state(out, fold->shard, gen, fold->address, (enum keys_kind) * at, key)
                                  : keys_row(out, fold->shard, gen, (enum keys_table) * at, key);
}

/* The order of the keys in the store, whose memtable then finds each one's place beside the last one's. (In the store
 * an address ends with what is less than any of its bytes: there as here the shorter of two that begin alike is first.)
 */
static int by_key(const void *a, const void *b)
{
    const struct fold *x = *(const struct fold *const *)a, *y = *(const struct fold *const *)b;
    if (x->shard != y->shard) {
        return x->shard < y->shard ? -1 : 1;
    }
    int order = pdr_bytes_compare(x->address, y->address);
    return order != 0 ? order : pdr_bytes_compare(x->key, y->key);
}

static const struct fold **sorted_folds(const struct apply *apply)
{
    const struct fold **sorted = mem_grow(NULL, (apply->fold_count + 1) * sizeof *sorted);
    uint32_t count = 0;
    for (const struct chunk *chunk = apply->chunks; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < chunk->used; i++) {
            sorted[count++] = &chunk->folds[i];
        }
    }
    qsort(sorted, count, sizeof(const struct fold *), by_key);
    return sorted;
}

static void put_folds(struct apply *apply, struct store *store, struct store_batch *batch)
{
    const struct fold **sorted = sorted_folds(apply);
    uint8_t key[KEYS_STATE_SIZE_MAX];
    for (uint32_t i = 0; i < apply->fold_count; i++) {
        const struct fold *fold = sorted[i];
        size_t size = put_key(key, shard_of(apply, fold->shard)->gen, fold);
        if (fold->deleted && fold->is_new) {
            continue;
        }
        if (fold->deleted) {
            store->ops->batch_delete(batch, pdr_bytes(key, size));
        } else {
            store->ops->batch_put(batch, pdr_bytes(key, size), fold->value);
        }
    }
    mem_free(sorted);
}

enum pdr_status apply_write(struct apply *apply, struct store *store)
{
    struct store_batch *batch = store->ops->batch_new(store);
    put_folds(apply, store, batch);
    put_metas(apply, store, batch);
    enum pdr_status status = store->ops->write(store, batch);
    store->ops->batch_free(batch);
    if (status == PDR_OK) {
        apply->stats.keys += apply->fold_count;
        for (uint32_t id = 0; id < apply->shard_count; id++) {
            if (apply->shards[id] != NULL) {
                apply->shards[id]->changed = false;
            }
        }
        apply->directory.changed = false;
        forget_folds(apply);
    }
    return status;
}

const struct keys_meta *apply_meta(struct apply *apply, uint32_t shard)
{
    return &shard_of(apply, shard)->meta;
}

struct apply_stats apply_stats(const struct apply *apply)
{
    return apply->stats;
}
