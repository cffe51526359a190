/* core/shard/recover.c: replays the log's tail into the store, shard by shard. */
#include "core/shard/recover.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/journal/control.h"
#include "core/shard/apply.h"
#include "core/shard/duty.h"
#include "core/shard/effects.h"
#include "core/shard/replicas.h"
#include "core/shard/session.h"
#include "core/shard/shard.h"
#include "core/store/snapshot.h"

#define STEP_BYTES (8u << 20)

struct pending {
    uint64_t epoch, seq, position;
    uint32_t size;
    void *payload;
};

struct recovered_shard {
    uint64_t last_seq;
    struct control control; /* rid, promised epoch */
    struct keys_meta meta;
    struct session_table sessions;
    uint16_t gen;            /* whose rows count (R63) */
    bool heard;              /* the log spoke of it, so it says which */
    uint64_t gap_seq;        /* an entry that does not follow; a snapshot that comes later makes up for it. 0: none */
    struct pending *pending; /* what the store lacks, by seq */
    uint32_t pending_count, pending_capacity;
};

struct recovery {
    struct store *store;
    struct apply *apply;
    struct session_names session_names;
    uint64_t entries, epochs_from;
    char why[256];
    bool failed;
    struct recovered_shard directory; /* KEYS_SHARD_DIRECTORY */
    uint32_t shard_count;
    struct recovered_shard **shards; /* by shard id; grows with what store and log speak of */
};

/* NULL: there is none of that id. */
static struct recovered_shard *shard_of(struct recovery *r, uint32_t id)
{
    return id < r->shard_count ? r->shards[id] : id == KEYS_SHARD_DIRECTORY ? &r->directory : NULL;
}

static enum pdr_status fail(struct recovery *r, const char **why)
{
    r->failed = true;
    *why = r->why;
    return PDR_INTERNAL;
}

static enum pdr_status read_meta(struct recovery *r, uint32_t id)
{
    uint8_t key[KEYS_HEAD_SIZE];
    void *value;
    size_t size;
    enum pdr_status status =
        r->store->ops->get(r->store, pdr_bytes(key, keys_meta(key, id, shard_of(r, id)->gen)), &value, &size);
    if (status == PDR_NOT_FOUND) {
        return PDR_OK;
    }
    if (status != PDR_OK) {
        return status;
    }
    status = keys_meta_decode(pdr_bytes(value, size), &shard_of(r, id)->meta);
    free(value);
    return status;
}

/* Sessions: rows of the store, which the log's entries then bring up to date. */

struct session_load {
    struct session_table *table;
    enum pdr_status status;
};

static bool load_session(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct session_load *load = user;
    struct pdr_bytes name = pdr_bytes((const uint8_t *)key.data + KEYS_HEAD_SIZE, key.size - KEYS_HEAD_SIZE);
    load->status = session_note(load->table, name, value, false, 0);
    return load->status == PDR_OK;
}

static enum pdr_status load_sessions(struct recovery *r, uint32_t first, uint32_t end)
{
    struct store_cursor *cursor = r->store->ops->cursor_new(r->store);
    enum pdr_status status = cursor != NULL ? PDR_OK : PDR_OVERLOADED;
    for (uint32_t id = first; id < end && status == PDR_OK; id++) {
        uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
        struct session_load load = {&r->shards[id]->sessions, PDR_OK};
        keys_table_range(from, to, id, r->shards[id]->gen, KEYS_SESSION);
        status = r->store->ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to),
                                            load_session, &load);
        status = load.status != PDR_OK ? load.status : status;
    }
    if (cursor != NULL) {
        r->store->ops->cursor_free(cursor);
    }
    return status;
}

static enum pdr_status note_sessions(struct session_table *table, const struct record *record)
{
    struct pdr_bytes address, rest;
    struct effect effect;
    enum pdr_status status = effects_open(record->payload, &address, &rest);
    while (status == PDR_OK && (status = effects_next(&rest, &effect)) == PDR_OK) {
        if (effect_is_row(&effect) && effect.space == KEYS_SESSION) {
            status = session_note(table, effect.key, effect.value, effect_deletes(&effect), 0);
        }
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* Their rows go into the batch that makes the entries applied. */
static struct session_row *save_sessions(struct recovery *r)
{
    struct session_row *all = NULL;
    for (uint32_t id = 0; id < r->shard_count; id++) {
        struct session_row *rows = session_save(&r->shards[id]->sessions, r->shards[id]->last_seq);
        while (rows != NULL) {
            struct session_row *row = rows;
            rows = row->next;
            row->next = all;
            all = row;
            apply_row(r->apply, row->shard, pdr_bytes(row->key, sizeof row->key),
                      pdr_bytes(row->value, row->value_size));
        }
    }
    return all;
}

/* A crash came between the end of a session and the deletion of what its shards knew of it. */
static void mark_orphan(struct session *session, void *user)
{
    const struct recovery *r = user;
    const struct session_id *id = &session->name->id;
    const struct session *home = id->shard < r->shard_count ? session_find(&r->shards[id->shard]->sessions, id) : NULL;
    session->over = session->has_part && (home == NULL || home->home == NULL);
}

static enum pdr_status begin_shard(struct recovery *r, uint32_t id)
{
    struct recovered_shard *shard = shard_of(r, id);
    if (read_meta(r, id) != PDR_OK) {
        char text[128];
        r->store->ops->last_error(r->store, text, sizeof text);
        snprintf(r->why, sizeof r->why,
                 "the store's row of shard %u can't be read (%s); restore this node's data from a backup", id, text);
        return PDR_INTERNAL;
    }
    shard->last_seq = shard->meta.applied_seq;
    shard->control.shard = id;
    if (shard->control.promised < shard->meta.applied_epoch) {
        shard->control.promised = shard->meta.applied_epoch;
    }
    apply_shard(r->apply, id, shard->gen, &shard->meta);
    return PDR_OK;
}

/* A shard's rows are under one generation; the log knows better, if it knows the shard. */
static enum pdr_status find_generations(struct recovery *r, uint32_t first, uint32_t end)
{
    struct store_cursor *cursor = r->store->ops->cursor_new(r->store);
    enum pdr_status status = cursor != NULL ? PDR_OK : PDR_OVERLOADED;
    for (uint32_t id = first; id < end && status == PDR_OK; id++) {
        status = snapshot_generation(r->store, cursor, id, &r->shards[id]->gen);
    }
    if (cursor != NULL) {
        r->store->ops->cursor_free(cursor);
    }
    if (status != PDR_OK) {
        snprintf(r->why, sizeof r->why, "the store can't be read; restore this node's data from a backup");
    }
    return status;
}

/* There are `count` now. */
static enum pdr_status begin_shards(struct recovery *r, uint32_t count)
{
    uint32_t first = r->shard_count;
    r->shards = mem_grow(r->shards, (count + 1) * sizeof(struct recovered_shard *));
    apply_grow(r->apply, count);
    for (uint32_t id = first; id < count; id++) {
        r->shards[id] = mem_new(sizeof *r->shards[id]);
        session_table_init(&r->shards[id]->sessions, id, &r->session_names);
    }
    r->shard_count = count;
    if (find_generations(r, first, count) != PDR_OK) {
        return PDR_INTERNAL;
    }
    for (uint32_t id = first; id < count; id++) {
        if (begin_shard(r, id) != PDR_OK) {
            return PDR_INTERNAL;
        }
    }
    if (load_sessions(r, first, count) != PDR_OK) {
        snprintf(r->why, sizeof r->why,
                 "the store's rows of sessions can't be read; restore this node's data from a backup");
        return PDR_INTERNAL;
    }
    return PDR_OK;
}

static bool see_shard(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    *(uint32_t *)user = key.size >= KEYS_HEAD_SIZE ? get_be32(key.data) : KEYS_SHARD_NONE;
    return false;
}

/* Placement groups and pins have shards behind those of the default group: the store has rows of those that were ever
 * here. */
static enum pdr_status count_shards(struct recovery *r, uint32_t *count)
{
    const struct store_ops *ops = r->store->ops;
    struct store_cursor *cursor = ops->cursor_new(r->store);
    enum pdr_status status = cursor != NULL ? PDR_OK : PDR_OVERLOADED;
    uint32_t last = 0;
    while (status == PDR_OK && last < CORE_SHARDS_MAX) {
        uint8_t from[KEYS_HEAD_SIZE], unused[KEYS_HEAD_SIZE];
        keys_shard_range(from, unused, *count);
        last = KEYS_SHARD_NONE;
        status = ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(NULL, 0), see_shard, &last);
        *count = last < CORE_SHARDS_MAX ? last + 1 : *count;
    }
    if (cursor != NULL) {
        ops->cursor_free(cursor);
    }
    if (status != PDR_OK) {
        snprintf(r->why, sizeof r->why, "the store can't be read; restore this node's data from a backup");
    }
    return status;
}

enum pdr_status recovery_new(struct store *store, uint32_t shard_count, struct recovery **out, const char **why)
{
    struct recovery *r = mem_new(sizeof *r);
    r->store = store;
    r->apply = apply_new(0);
    *out = r;
    session_names_init(&r->session_names);
    session_table_init(&r->directory.sessions, KEYS_SHARD_DIRECTORY, &r->session_names);
    uint32_t found = shard_count;
    if (count_shards(r, &found) != PDR_OK || begin_shards(r, found) != PDR_OK ||
        begin_shard(r, KEYS_SHARD_DIRECTORY) != PDR_OK) {
        return fail(r, why);
    }
    return PDR_OK;
}

static void add(struct recovered_shard *shard, const struct record *record, uint64_t position)
{
    if (shard->pending_count == shard->pending_capacity) {
        shard->pending_capacity = shard->pending_capacity == 0 ? 64 : shard->pending_capacity * 2;
        shard->pending = mem_grow(shard->pending, shard->pending_capacity * sizeof *shard->pending);
    }
    struct pending *p = &shard->pending[shard->pending_count++];
    *p = (struct pending){record->epoch, record->seq, position, (uint32_t)record->payload.size,
                          mem_grow(NULL, record->payload.size + 1)};
    memcpy(p->payload, record->payload.data, record->payload.size);
    shard->last_seq = record->seq;
}

/* R32: everything after `seq` is void. What the store has came later in the log than that (R24: it was committed). And
 * of what is void the beginning may be gone: nobody holds the log for it. */
static void cut(struct recovered_shard *shard, uint64_t seq)
{
    if (shard->gap_seq > seq) {
        shard->gap_seq = 0;
    }
    while (shard->pending_count > 0 && shard->pending[shard->pending_count - 1].seq > seq) {
        mem_free(shard->pending[--shard->pending_count].payload);
    }
    if (shard->last_seq > seq) {
        shard->last_seq = seq > shard->meta.applied_seq ? seq : shard->meta.applied_seq;
    }
}

/* An entry that waits for long to be committed is written once more, behind what followed it, with all of its tail; and
 * segments before that may be gone, so that the log begins amid what it says twice. */
static bool is_again(struct recovered_shard *shard, const struct record *record, uint64_t position)
{
    if (record->seq == shard->last_seq + 1) {
        shard->gap_seq = 0;
        return false;
    }
    uint64_t behind = shard->last_seq - record->seq; /* the pending ones have no gaps */
    if (record->seq > shard->last_seq || behind >= shard->pending_count) {
        return false;
    }
    struct pending *same = &shard->pending[shard->pending_count - 1 - behind];
    if (same->epoch == record->epoch) {
        same->position = position;
        return true;
    }
    cut(shard, record->seq - 1);
    shard->gap_seq = 0;
    return false;
}

static void recover_entry(struct recovered_shard *shard, const struct record *record, uint64_t position)
{
    if (record->seq <= shard->meta.applied_seq) {
        return; /* the store has it */
    }
    if (shard->control.shared && is_again(shard, record, position)) {
        return;
    }
    if (shard->gap_seq == 0 && record->seq == shard->last_seq + 1) {
        add(shard, record, position);
    } else if (shard->gap_seq == 0) {
        shard->gap_seq = record->seq;
    }
}

/* From here on the rows of another generation count: all that was before is void. */
static void take_generation(struct recovery *r, struct recovered_shard *shard, uint32_t id)
{
    cut(shard, 0);
    shard->gen = shard->control.gen;
    shard->gap_seq = 0;
    shard->meta = (struct keys_meta){0};
    session_table_release(&shard->sessions);
    r->failed = begin_shard(r, id) != PDR_OK;
    if (!r->failed && load_sessions(r, id, id + 1) != PDR_OK) {
        snprintf(r->why, sizeof r->why,
                 "the store's rows of sessions can't be read; restore this node's data from a backup");
        r->failed = true;
    }
}

void recovery_record(void *user, const struct record *record, uint64_t position)
{
    struct recovery *r = user;
    if (r->failed) {
        return;
    }
    if (record->shard >= r->shard_count && record->shard < CORE_SHARDS_MAX) { /* the store has nothing of it yet */
        r->failed = begin_shards(r, record->shard + 1) != PDR_OK;
    }
    struct recovered_shard *shard = shard_of(r, record->shard);
    if (shard == NULL || r->failed) {
        if (!r->failed) {
            snprintf(r->why, sizeof r->why,
                     "the log speaks of shard %u, and ids are below %u; was it written by another version?",
                     record->shard, CORE_SHARDS_MAX);
        }
        r->failed = true;
        return;
    }
    if (!control_note(&shard->control, record)) {
        snprintf(r->why, sizeof r->why,
                 "a record of shard %u at position %llu of the log is malformed though its checksum is right; was it "
                 "written by another version?",
                 record->shard, (unsigned long long)position);
        r->failed = true;
        return;
    }
    if (record->kind == RECORD_SNAP || (shard->control.gen != shard->gen && !shard->heard)) {
        take_generation(r, shard, record->shard);
    }
    shard->heard = true;
    if (record->kind == RECORD_ENTRY) {
        recover_entry(shard, record, position);
    } else if (record->kind == RECORD_CUT) {
        cut(shard, record->seq);
    }
}

static enum pdr_status write_step(struct recovery *r)
{
    struct session_row *sessions = save_sessions(r);
    enum pdr_status status = apply_write(r->apply, r->store);
    if (status == PDR_OK) {
        session_rows_free(sessions);
        return PDR_OK;
    }
    session_rows_free(sessions);
    char text[128];
    r->store->ops->last_error(r->store, text, sizeof text);
    snprintf(r->why, sizeof r->why, "what the log has can't be written to the store: %s", text);
    return PDR_INTERNAL;
}

/* R24, R70: what the store lacks may not be committed. */
static bool keeps_tail(const struct recovered_shard *shard)
{
    return shard->control.shared && !MUTATION(196);
}

static enum pdr_status apply_pending(struct recovery *r, uint32_t id, uint64_t *bytes)
{
    struct recovered_shard *shard = shard_of(r, id);
    for (uint32_t i = 0; i < shard->pending_count && !keeps_tail(shard); i++) {
        const struct pending *p = &shard->pending[i];
        struct record record = {RECORD_ENTRY, id, p->epoch, p->seq, pdr_bytes(p->payload, p->size)};
        if (apply_record(r->apply, &record) != PDR_OK || note_sessions(&shard->sessions, &record) != PDR_OK) {
            snprintf(r->why, sizeof r->why,
                     "entry %llu of shard %u in the log is malformed though its checksum is right; was it written by "
                     "another version?",
                     (unsigned long long)p->seq, id);
            return PDR_INTERNAL;
        }
        r->entries++;
        *bytes += p->size;
        if (*bytes >= STEP_BYTES) {
            *bytes = 0;
            if (write_step(r) != PDR_OK) {
                return PDR_INTERNAL;
            }
        }
    }
    return PDR_OK;
}

static bool has_gap(struct recovery *r, uint32_t id)
{
    const struct recovered_shard *shard = shard_of(r, id);
    if (shard->gap_seq != 0) {
        snprintf(r->why, sizeof r->why,
                 "the log has entry %llu of shard %u after entry %llu: entries are missing, so log and store don't "
                 "belong together; restore this node's data directory as a whole",
                 (unsigned long long)shard->gap_seq, id, (unsigned long long)shard->last_seq);
    }
    return shard->gap_seq != 0;
}

/* R63: what a crash left of copies that were not complete, or are not in use any more. */
static enum pdr_status drop_generations(struct recovery *r, uint32_t id)
{
    const struct recovered_shard *shard = shard_of(r, id);
    if ((shard->gen == 0 && !shard->control.installing) || !shard->heard) {
        return PDR_OK;
    }
    if (snapshot_drop_others(r->store, id, shard->gen) != PDR_OK) {
        snprintf(r->why, sizeof r->why, "what is left of a copy of shard %u can't be deleted from the store", id);
        return PDR_INTERNAL;
    }
    return PDR_OK;
}

enum pdr_status recovery_finish(struct recovery *r, const char **why)
{
    uint64_t bytes = 0;
    r->failed = r->failed || has_gap(r, KEYS_SHARD_DIRECTORY);
    for (uint32_t id = 0; id < r->shard_count && !r->failed; id++) {
        r->failed = has_gap(r, id) || drop_generations(r, id) != PDR_OK;
    }
    for (uint32_t id = 0; id < r->shard_count && !r->failed; id++) {
        r->failed = apply_pending(r, id, &bytes) != PDR_OK;
    }
    r->failed = r->failed || apply_pending(r, KEYS_SHARD_DIRECTORY, &bytes) != PDR_OK;
    if (!r->failed && bytes > 0) {
        r->failed = write_step(r) != PDR_OK;
    }
    for (uint32_t id = 0; id < r->shard_count; id++) {
        session_each(&r->shards[id]->sessions, mark_orphan, r);
    }
    return r->failed ? fail(r, why) : PDR_OK;
}

void recovery_epochs_from(struct recovery *r, uint64_t epoch)
{
    r->epochs_from = epoch;
}

/* What of it is committed others will say. */
static void install_tail(struct core *core, struct shard *shard, const struct recovered_shard *from)
{
    uint64_t applied_seq = from->meta.applied_seq;
    shard->commit_seq = shard->applied_seq = shard->applying_seq = applied_seq;
    replicas_recovered(core, shard, &from->control);
    for (uint32_t i = 0; i < from->pending_count; i++) {
        const struct pending *p = &from->pending[i];
        replicas_recovered_entry(shard, p->epoch, p->seq, p->position, pdr_bytes(p->payload, p->size));
    }
}

static void install_shard(struct recovery *r, struct core *core, struct shard *shard)
{
    struct recovered_shard *from = shard_of(r, shard->id);
    shard->gen = from->gen;
    bool is_alone = !core->is_member || shard == core->directory;
    if (is_alone) { /* else they are read when the shard is opened */
        session_table_release(&shard->sessions);
        session_table_move(&shard->sessions, &from->sessions);
    }
    uint64_t applied_epoch = from->meta.applied_epoch;
    shard->rid_known = from->control.rid != 0;
    shard->rid = shard->rid_known ? from->control.rid : rng_next(&core->rng) | 1;
    shard->epoch = from->control.promised > applied_epoch ? from->control.promised : applied_epoch;
    shard->synced_epoch = shard->rid_known ? shard->epoch : 0; /* the next is not on disk yet, and may be refused */
    if (is_alone) { /* else the directory says when to go on, and in which epoch (R34) */
        shard->epoch++;
        shard->epoch = shard->epoch < r->epochs_from ? r->epochs_from : shard->epoch;
    }
    shard->last_seq = shard->durable_seq = shard->commit_seq = from->last_seq;
    shard->applied_seq = shard->applying_seq = from->last_seq;
    if (shard->duty != NULL) {
        history_set(&shard->history, from->control.history, from->control.history_count);
    }
    if (core->is_member && keeps_tail(from)) {
        install_tail(core, shard, from);
    }
    apply_shard(core->apply, shard->id, shard->gen, apply_meta(r->apply, shard->id));
}

void recovery_install(struct recovery *r, struct core *core)
{
    if (r->shard_count > core->shard_count) {
        shards_grow(core, r->shard_count);
    }
    for (uint32_t id = 0; id < r->shard_count; id++) {
        if (core->shards[id] != NULL) {
            install_shard(r, core, core->shards[id]);
        }
    }
    if (core->directory != NULL) {
        install_shard(r, core, core->directory);
    }
}

uint64_t recovery_entries(const struct recovery *r)
{
    return r->entries;
}

static void release_shard(struct recovered_shard *shard)
{
    for (uint32_t i = 0; i < shard->pending_count; i++) {
        mem_free(shard->pending[i].payload);
    }
    mem_free(shard->pending);
    session_table_release(&shard->sessions);
}

void recovery_free(struct recovery *r)
{
    for (uint32_t id = 0; id < r->shard_count; id++) {
        release_shard(r->shards[id]);
        mem_free(r->shards[id]);
    }
    release_shard(&r->directory);
    session_names_release(&r->session_names);
    mem_free(r->shards);
    apply_free(r->apply);
    mem_free(r);
}
