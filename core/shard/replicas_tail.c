/* core/shard/replicas_tail.c: entries of copies until they are committed, and on their way to the store (R24). Of a
 * copy that is not served sessions' results are folded into a table beside the core's: in the store a result is part of
 * a session's row, and in an entry it is not (session.h). */
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/apply.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/found.h"
#include "core/shard/replicas_parts.h"

static struct tail_entry *entry_at(struct list *node)
{
    return LIST_ITEM(node, struct tail_entry, node);
}

void tail_push(struct shard_copy *copy, uint64_t epoch, uint64_t seq, uint64_t position, struct pdr_bytes payload)
{
    struct tail_entry *entry = mem_grow(NULL, sizeof *entry + payload.size);
    *entry = (struct tail_entry){.epoch = epoch, .seq = seq, .position = position, .size = (uint32_t)payload.size};
    memcpy(entry->bytes, payload.data, payload.size);
    list_init(&entry->node);
    list_push_back(&copy->tail, &entry->node);
    copy->tail_bytes += sizeof *entry + payload.size;
}

static void drop(struct shard_copy *copy, struct tail_entry *entry)
{
    copy->moving -= entry->moved_in != NULL;
    list_remove(&entry->node);
    copy->tail_bytes -= sizeof *entry + entry->size;
    mem_free(entry);
}

void tail_cut(struct shard_copy *copy, uint64_t seq)
{
    while (!list_empty(&copy->tail) && entry_at(copy->tail.prev)->seq > seq) {
        drop(copy, entry_at(copy->tail.prev));
    }
}

void tail_durable(struct shard_copy *copy, uint64_t seq, const void *submission, uint64_t position)
{
    for (struct list *node = copy->tail.prev; node != &copy->tail; node = node->prev) {
        struct tail_entry *entry = entry_at(node);
        if (entry->moved_in != NULL && entry->moved_in == submission) {
            entry->moved_in = NULL;
            entry->position = position;
            copy->moving--;
        } else if (entry->position == UINT64_MAX && entry->seq <= seq) {
            entry->position = position;
        } else if (entry->position != UINT64_MAX && copy->moving == 0) {
            return;
        }
    }
}

void tail_refused(struct shard_copy *copy)
{
    for (struct list *node = copy->tail.next; node != &copy->tail && copy->moving > 0; node = node->next) {
        copy->moving -= entry_at(node)->moved_in != NULL;
        entry_at(node)->moved_in = NULL;
    }
}

/* All of it, so that what follows in the log has no gap, whatever is released before that. */
static void move(struct shard_copy *copy)
{
    for (struct list *node = copy->tail.next; node != &copy->tail; node = node->next) {
        struct tail_entry *entry = entry_at(node);
        struct record record = {RECORD_ENTRY, copy->shard->id, entry->epoch, entry->seq,
                                pdr_bytes(entry->bytes, entry->size)};
        commit_record(copy->core, copy->shard, &record);
        entry->moved_in = copy->core->open;
        copy->moving++;
    }
}

/* Not while the copy is replaced: behind RECORD_SNAP they would be another log's. They are void soon, anyway. */
static bool may_move(const struct shard_copy *copy)
{
    const struct core *core = copy->core;
    return copy->moving == 0 && copy->shard->duty->install == NULL && !core->refusing && !core->frozen;
}

void replicas_move_tails(struct core *core, uint64_t position)
{
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy != NULL && may_move(copy) && !list_empty(&copy->tail) &&
            entry_at(copy->tail.next)->position < position) {
            move(copy);
        }
    }
}

/* Sessions of a copy that is not served: the store's rows first. */

struct side_read {
    struct core_job job;
    struct shard_copy *copy;
    struct found_rows rows;
    uint32_t life;
    enum pdr_status status;
};

static void side_run(struct job *job)
{
    struct side_read *read = LIST_ITEM(job, struct side_read, job.job);
    struct store *store = read->job.core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    read->status = PDR_OVERLOADED;
    if (cursor != NULL) {
        read->status = found_read(&read->rows, store, cursor, read->copy->shard, KEYS_SESSION, KEYS_SESSION);
        store->ops->cursor_free(cursor);
    }
}

static void side_discard(struct core_job *job)
{
    struct side_read *read = LIST_ITEM(job, struct side_read, job);
    found_free(&read->rows);
    mem_free(read);
}

static void side_take(struct shard_copy *copy, const struct found *found)
{
    struct pdr_bytes key = found_key(found);
    key = pdr_bytes((const uint8_t *)key.data + 1, key.size - 1);
    if (session_note(&copy->side, key, found_value(found), false, 0) != PDR_OK) {
        LOG_ERROR("session.malformed", "shard=%u; this row is passed over; was it written by another version?",
                  copy->shard->id);
    }
}

static void side_done(struct job *job)
{
    struct side_read *read = LIST_ITEM(job, struct side_read, job.job);
    struct shard_copy *copy = read->copy;
    list_remove(&read->job.node);
    copy->side_jobs--;
    if (copy->side_state == SIDE_LOADING && copy->side_life == read->life) {
        copy->side_state = read->status == PDR_OK ? SIDE_LOADED : SIDE_NONE; /* else a later tick tries again */
        for (const struct found *found = read->rows.first; found != NULL && read->status == PDR_OK;
             found = found->next) {
            side_take(copy, found);
        }
        tail_release(copy);
    }
    side_discard(&read->job);
}

static void side_load(struct shard_copy *copy)
{
    struct core *core = copy->core;
    if (copy->side_state == SIDE_LOADING) {
        return;
    }
    if (copy->shard->applied_seq < copy->released_seq || copy->shard->applying_seq > copy->shard->applied_seq) {
        apply_now(core); /* then again */
        return;
    }
    struct side_read *read = mem_new(sizeof *read);
    read->job = (struct core_job){.job = {.run = side_run, .done = side_done}, .core = core, .discard = side_discard};
    read->copy = copy;
    read->life = ++copy->side_life;
    copy->side_state = SIDE_LOADING;
    copy->side_jobs++;
    list_push_back(&core->jobs, &read->job.node);
    work_submit(core->world.work, core->world.loop, &read->job.job);
}

void side_drop(struct shard_copy *copy)
{
    session_table_release(&copy->side);
    copy->side_state = SIDE_NONE;
    copy->side_life++;
}

static void side_note(struct shard_copy *copy, const struct tail_entry *entry)
{
    struct pdr_bytes address, rest;
    struct effect effect;
    enum pdr_status status = effects_open(pdr_bytes(entry->bytes, entry->size), &address, &rest);
    while (status == PDR_OK && (status = effects_next(&rest, &effect)) == PDR_OK) {
        if (effect_is_row(&effect) && effect.space == KEYS_SESSION) {
            status = session_note(&copy->side, effect.key, effect.value, effect_deletes(&effect), entry->seq);
        }
    }
    CHECK(status == PDR_NOT_FOUND); /* a copy whose primary writes what nobody can read is of no use to anybody */
}

struct session_row *replicas_save_sessions(struct core *core, struct session_row *rows)
{
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        if (shard == NULL || shard->copy == NULL || copy_of(shard)->side.dirty_count == 0) {
            continue;
        }
        struct session_row *more = session_save(&copy_of(shard)->side, shard->applying_seq);
        struct session_row **end = &more;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = rows;
        rows = more;
    }
    return rows;
}

/* To the store. */

static bool may_release(struct shard_copy *copy)
{
    const struct shard *shard = copy->shard;
    if (list_empty(&copy->tail) || entry_at(copy->tail.next)->seq > shard->commit_seq) {
        return false;
    }
    if (shard->state == DUTY_CLOSING || copy->incoming.state != INCOMING_NONE) {
        return false; /* sessions' table is the core's until all that it knows is in the store; a snapshot has it all */
    }
    if (!shard_serves(shard) && copy->side_state != SIDE_LOADED) {
        side_load(copy);
        return false;
    }
    return true;
}

void tail_release(struct shard_copy *copy)
{
    struct shard *shard = copy->shard;
    if (!may_release(copy)) {
        return;
    }
    while (!list_empty(&copy->tail) && entry_at(copy->tail.next)->seq <= shard->commit_seq) {
        struct tail_entry *entry = entry_at(copy->tail.next);
        CHECK(entry->position != UINT64_MAX); /* R24: nothing is committed that is not on the own disk */
        if (!shard_serves(shard) && !MUTATION(197)) {
            side_note(copy, entry);
        }
        struct record record = {RECORD_ENTRY, shard->id, entry->epoch, entry->seq,
                                pdr_bytes(entry->bytes, entry->size)};
        commit_release(copy->core, shard, &record, entry->position);
        copy->released_seq = entry->seq;
        drop(copy, entry);
    }
}

void replicas_applied(struct core *core)
{
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy == NULL) {
            continue;
        }
        if (copy->replica != NULL) {
            replog_applied(copy->replica, copy->shard->applied_seq);
        }
        tail_release(copy);
        outgoing_consider(copy);
    }
}

uint64_t replicas_oldest(const struct core *core)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        const struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy != NULL && !list_empty(&copy->tail) && entry_at(copy->tail.next)->position < oldest) {
            oldest = entry_at(copy->tail.next)->position;
        }
    }
    return oldest;
}

uint64_t replicas_released(const struct shard *shard)
{
    return copy_of(shard)->released_seq;
}
