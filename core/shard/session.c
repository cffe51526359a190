/* core/shard/session.c: what a shard knows of sessions: results noted, found, dropped below the floor, undone. */
#include "core/shard/session.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/shard/session_bytes.h"
#include "core/shard/session_records.h"

void session_table_init(struct session_table *table, uint32_t shard, struct session_names *names)
{
    *table = (struct session_table){.names = names, .shard = shard};
}

/* For one more. */
static struct session **with_room(struct session **array, uint32_t count, uint32_t *capacity)
{
    if (count < *capacity) {
        return array;
    }
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    return mem_grow(array, *capacity * sizeof(struct session *));
}

/* Whose row in the store is old. */

static void mark_dirty(struct session_table *table, struct session *session)
{
    if (session->dirty != 0 || session->over) {
        return;
    }
    table->dirty = with_room(table->dirty, table->dirty_count, &table->dirty_capacity);
    table->dirty[table->dirty_count++] = session;
    session->dirty = table->dirty_count;
}

static void clean(struct session_table *table, struct session *session)
{
    if (session->dirty != 0) {
        struct session *last = table->dirty[--table->dirty_count];
        table->dirty[session->dirty - 1] = last;
        last->dirty = session->dirty;
        session->dirty = 0;
    }
}

/* Sessions. */

struct session *session_find(const struct session_table *table, const struct session_id *id)
{
    return session_names_part(table->names, id, table->shard);
}

struct session *session_get(struct session_table *table, const struct session_id *id)
{
    struct session *session = session_find(table, id);
    if (session == NULL) {
        session = mem_new(sizeof *session);
        session->shard = table->shard;
        list_init(&session->over_node);
        session_records_init(session);
        session_names_add(table->names, id, session);
        table->all = with_room(table->all, table->count, &table->capacity);
        session->place = table->count++;
        table->all[session->place] = session;
        table->bytes += sizeof *session;
    }
    return session;
}

/* The records' bytes were `before`. */
static void account(struct session_table *table, const struct session *session, size_t before)
{
    table->bytes += session->bytes - before;
    table->record_bytes += session->bytes - before;
}

/* What the shard knows of it, but for what runs. */
static void forget_part(struct session_table *table, struct session *session)
{
    size_t before = session->bytes;
    session_records_release(session);
    account(table, session, before);
    session->floor = session->highest = 0;
    session->has_part = session->over = false;
    list_remove(&session->over_node);
    clean(table, session);
}

static void forget_if_empty(struct session_table *table, struct session *session)
{
    if (!session->has_part && session->home == NULL && session->count == 0) {
        forget_part(table, session);
        session_names_remove(table->names, session);
        struct session *last = table->all[--table->count];
        table->all[session->place] = last;
        last->place = session->place;
        table->bytes -= sizeof *session;
        mem_free(session);
    }
}

void session_open(struct session_table *table, struct session *session, uint64_t seq)
{
    if (session->home == NULL) {
        session->home = mem_new(sizeof *session->home);
        session->home->session = session;
        timer_init(&session->home->idle, NULL);
        table->bytes += sizeof *session->home;
        table->homes++;
    }
    session->home->seq = seq;
}

void session_close(struct session_table *table, struct session *session)
{
    if (session->home != NULL) {
        CHECK(!timer_is_set(&session->home->idle));
        mem_free(session->home);
        session->home = NULL;
        table->bytes -= sizeof(struct session_home);
        table->homes--;
    }
    forget_if_empty(table, session);
}

void session_each(struct session_table *table, void (*each)(struct session *session, void *user), void *user)
{
    for (uint32_t i = table->count; i-- > 0;) { /* backwards: the last one takes the place of one that goes */
        each(table->all[i], user);
    }
}

static void release_session(struct session *session, void *user)
{
    struct session_table *table = user;
    forget_part(table, session);
    session_names_remove(table->names, session);
    mem_free(session->home);
    mem_free(session);
}

void session_table_release(struct session_table *table)
{
    session_each(table, release_session, table);
    mem_free(table->all);
    mem_free(table->dirty);
    session_table_init(table, table->shard, table->names);
}

void session_table_move(struct session_table *to, struct session_table *from)
{
    struct session_names *names = to->names;
    *to = *from;
    to->names = names;
    for (uint32_t i = 0; i < to->count; i++) {
        struct session_id id = to->all[i]->name->id;
        session_names_remove(from->names, to->all[i]);
        session_names_add(to->names, &id, to->all[i]);
    }
    session_table_init(from, from->shard, from->names);
}

/* The floor. */

static uint64_t span_floor(uint64_t highest)
{
    return highest >= SESSION_SPAN ? highest - (SESSION_SPAN - 1) : 0;
}

uint64_t session_floor(const struct session *session, uint64_t ack_below)
{
    return ack_below > session->floor ? ack_below : session->floor;
}

static void raise_highest(struct session *session, uint64_t n)
{
    session->highest = n > session->highest ? n : session->highest;
}

static void raise_floor(struct session *session, uint64_t floor)
{
    uint64_t least = span_floor(session->highest);
    floor = floor > least ? floor : least;
    session->floor = session_floor(session, floor);
    if (session->count > 0 && session_record_at(session, 0)->n < session->floor) {
        session_records_drop_below(session, session->floor);
    }
}

void session_acknowledge(struct session_table *table, struct session *session, uint64_t ack_below)
{
    if (ack_below > session->floor && session->has_part) {
        size_t before = session->bytes;
        raise_floor(session, ack_below);
        account(table, session, before);
        mark_dirty(table, session);
    }
}

/* A call that runs. */

void session_run_begin(struct session_table *table, struct session *session, const struct call_session *call)
{
    size_t before = session->bytes;
    struct session_record *record = session_records_get(session, call->n, call->print);
    account(table, session, before);
    if (record->run == NULL) {
        record->run = mem_new(sizeof *record->run);
        list_init(&record->run->waiting);
    }
}

void session_run_end(struct session_table *table, struct session *session, uint64_t n, struct list *waiting)
{
    struct session_record *record = session_record(session, n);
    if (record == NULL || record->run == NULL) {
        return;
    }
    size_t before = session->bytes;
    list_splice(waiting, &record->run->waiting);
    mem_free(record->run);
    record->run = NULL;
    if (!record->ended && !record->begun) {
        session_records_remove(session, record);
    } else if (n < session->floor) {
        session_records_drop_below(session, session->floor);
    }
    account(table, session, before);
    forget_if_empty(table, session);
}

/* Rows. */

static enum pdr_status note_part(struct session_table *table, const struct session_id *id, struct pdr_bytes value,
                                 uint64_t seq)
{
    struct session_results results;
    struct session_result result;
    if (!session_bytes_results(value, &results)) {
        return PDR_INVALID;
    }
    struct session *session = session_get(table, id);
    size_t before = session->bytes;
    enum pdr_status status = PDR_OK;
    session->has_part = true;
    raise_floor(session, results.floor);
    while (results.rest.size > 0 && status == PDR_OK) {
        status = session_bytes_next(&results, &result) ? PDR_OK : PDR_INVALID;
        if (status == PDR_OK) {
            session_records_note(session, &result, seq);
            raise_highest(session, result.n);
        }
    }
    raise_floor(session, 0);
    account(table, session, before);
    return status;
}

/* The floor goes first, so that the record that it drops makes room for the next. */
static enum pdr_status note_logged(struct session_table *table, struct pdr_bytes value, uint64_t seq)
{
    struct session_logged logged;
    if (!session_bytes_result(value, &logged)) {
        return PDR_INVALID;
    }
    struct session *session = session_get(table, &logged.id);
    size_t before = session->bytes;
    session->has_part = true;
    raise_highest(session, logged.result.n);
    raise_floor(session, logged.floor);
    session_records_note(session, &logged.result, seq);
    if (logged.result.n < session->floor) { /* it ran while the floor rose */
        session_records_drop_below(session, session->floor);
    }
    mark_dirty(table, session);
    account(table, session, before);
    return PDR_OK;
}

static enum pdr_status note_home(struct session_table *table, const struct session_id *id, struct pdr_bytes value,
                                 uint64_t seq)
{
    if (value.size != 1 || *(const uint8_t *)value.data != SESSION_VERSION) {
        return PDR_INVALID;
    }
    session_open(table, session_get(table, id), seq);
    return PDR_OK;
}

static void note_deleted(struct session_table *table, const struct session_id *id, char kind)
{
    struct session *session = session_find(table, id);
    if (session == NULL) {
        return;
    }
    if (kind == SESSION_ROW_HOME) {
        session_close(table, session);
    } else {
        forget_part(table, session);
        forget_if_empty(table, session);
    }
}

enum pdr_status session_note(struct session_table *table, struct pdr_bytes key, struct pdr_bytes value, bool deleted,
                             uint64_t seq)
{
    const uint8_t *at = key.data;
    struct session_id id;
    if (key.size == 1 && *at == SESSION_ROW_RESULT && !deleted) {
        return note_logged(table, value, seq);
    }
    if (key.size != SESSION_KEY_SIZE || (*at != SESSION_ROW_HOME && *at != SESSION_ROW_PART)) {
        return PDR_INVALID;
    }
    CHECK(session_id_decode(pdr_bytes(at + 1, SESSION_ID_SIZE), &id));
    if (deleted) {
        note_deleted(table, &id, (char)*at);
        return PDR_OK;
    }
    return *at == SESSION_ROW_HOME ? note_home(table, &id, value, seq) : note_part(table, &id, value, seq);
}

/* Undone. */

static void undo_records(struct session *session, uint64_t seq)
{
    for (uint32_t i = session->count; i-- > 0;) {
        struct session_record *record = session_record_at(session, i);
        record->ended = record->ended && record->ended_seq <= seq;
        record->begun = record->begun && record->begun_seq <= seq;
        if (!record->ended && !record->begun && record->run == NULL) {
            session_records_remove(session, record);
        }
    }
}

struct undo {
    struct session_table *table;
    uint64_t seq;
};

static void undo_session(struct session *session, void *user)
{
    const struct undo *undo = user;
    size_t before = session->bytes;
    undo_records(session, undo->seq);
    account(undo->table, session, before);
    if (session->home != NULL && session->home->seq > undo->seq) {
        session_close(undo->table, session);
    } else {
        forget_if_empty(undo->table, session);
    }
}

void session_roll_back(struct session_table *table, uint64_t seq)
{
    struct undo undo = {table, seq};
    session_each(table, undo_session, &undo);
}

/* For the store. */

void session_is_over(struct session_table *table, struct session *session)
{
    session->over = true;
    clean(table, session);
}

static size_t row_size(size_t value_size)
{
    size_t unit = _Alignof(struct session_row);
    return (sizeof(struct session_row) + value_size + unit - 1) / unit * unit;
}

/* What is not whole stays dirty, the others' places are taken by those. */
struct session_row *session_save(struct session_table *table, uint64_t seq)
{
    struct session_row *rows = NULL;
    uint32_t left = 0;
    size_t size = 0;
    bool is_whole;
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        size += row_size(session_bytes_part_size(table->dirty[i], seq, &is_whole));
    }
    uint8_t *at = size > 0 ? mem_grow(NULL, size) : NULL;
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        struct session *session = table->dirty[i];
        struct session_row *row = (struct session_row *)at;
        at += row_size(session_bytes_part_size(session, seq, &is_whole));
        *row = (struct session_row){.next = rows, .is_block = i == 0, .shard = table->shard};
        session_bytes_part(session, seq, row);
        rows = row;
        session->dirty = 0;
        if (!is_whole) {
            table->dirty[left++] = session;
            session->dirty = left;
        }
    }
    table->dirty_count = left;
    return rows;
}

void session_rows_free(struct session_row *rows)
{
    struct session_row *blocks = NULL;
    while (rows != NULL) { /* in any order: nothing is freed before all were looked at */
        struct session_row *row = rows;
        rows = row->next;
        if (row->is_block) {
            row->next = blocks;
            blocks = row;
        }
    }
    while (blocks != NULL) {
        struct session_row *block = blocks;
        blocks = block->next;
        mem_free(block);
    }
}
