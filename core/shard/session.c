/* core/shard/session.c: results of a session's calls: noted, found, dropped below the floor, to bytes and back. */
#include "core/shard/session.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"

#define VERSION 1u
#define HOME 'H'
#define PART 'P'
#define RESULT 'R'
#define HEAD 9u         /* version, floor */
#define RESULT_HEAD 17u /* n, print, state, size */
#define OUTCOME_HEAD 2u
#define BEGUN 1u
#define ENDED 2u
#define CODE_MAX 255u
#define RECORD_OVERHEAD 32u /* its place in the array, the heap's own */

void session_table_init(struct session_table *table, uint32_t shard)
{
    *table = (struct session_table){.shard = shard};
    hash_init(&table->sessions);
    list_init(&table->dirty);
}

/* Sessions. */

struct session *session_find(struct session_table *table, const struct session_id *id)
{
    struct hash_node *node = hash_first(&table->sessions, id->random);
    for (; node != NULL; node = hash_next(node)) {
        struct session *session = LIST_ITEM(node, struct session, by_id);
        if (session_id_equal(&session->id, id)) {
            return session;
        }
    }
    return NULL;
}

struct session *session_get(struct session_table *table, const struct session_id *id)
{
    struct session *session = session_find(table, id);
    if (session == NULL) {
        session = mem_new(sizeof *session);
        session->id = *id;
        session->shard = table->shard;
        list_init(&session->dirty);
        hash_insert(&table->sessions, &session->by_id, id->random);
        table->bytes += sizeof *session;
    }
    return session;
}

static size_t charge(const struct session_record *record)
{
    return sizeof *record + record->size + RECORD_OVERHEAD;
}

static void record_free(struct session_record *record)
{
    if (record->run != NULL) {
        CHECK(list_empty(&record->run->waiting));
        mem_free(record->run);
    }
    mem_free(record);
}

/* What the shard knows of it, but for what runs. */
static void forget_part(struct session_table *table, struct session *session)
{
    for (uint32_t i = 0; i < session->count; i++) {
        record_free(session->records[i]);
    }
    table->bytes -= session->bytes;
    table->record_bytes -= session->bytes;
    mem_free(session->records);
    session->records = NULL;
    session->bytes = session->count = session->capacity = 0;
    session->floor = session->highest = 0;
    session->has_part = session->over = false;
    list_remove(&session->dirty);
}

static void forget_if_empty(struct session_table *table, struct session *session)
{
    if (!session->has_part && session->home == NULL && session->count == 0) {
        forget_part(table, session);
        hash_remove(&table->sessions, &session->by_id);
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

static bool release_session(struct hash_node *node, void *user)
{
    struct session_table *table = user;
    struct session *session = LIST_ITEM(node, struct session, by_id);
    forget_part(table, session);
    hash_remove(&table->sessions, node);
    mem_free(session->home);
    mem_free(session);
    return true;
}

void session_table_release(struct session_table *table)
{
    hash_each(&table->sessions, release_session, table);
    hash_release(&table->sessions);
}

void session_table_move(struct session_table *to, struct session_table *from)
{
    *to = *from;
    list_init(&to->dirty);
    list_splice(&to->dirty, &from->dirty);
    session_table_init(from, from->shard);
}

/* Records, in order of n. */

static uint32_t place_of(const struct session *session, uint64_t n)
{
    uint32_t low = 0, high = session->count;
    if (high == 0 || session->records[high - 1]->n < n) {
        return high; /* as a rule it is the newest */
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (session->records[middle]->n < n) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct session_record *session_record(const struct session *session, uint64_t n)
{
    uint32_t place = place_of(session, n);
    bool is_there = place < session->count && session->records[place]->n == n;
    return is_there ? session->records[place] : NULL;
}

static void discharge(struct session_table *table, struct session *session, struct session_record *record)
{
    session->bytes -= charge(record);
    table->bytes -= charge(record);
    table->record_bytes -= charge(record);
    record_free(record);
}

/* In place of the one with its n, whose past it takes over. */
static void insert(struct session_table *table, struct session *session, struct session_record *record)
{
    uint32_t place = place_of(session, record->n);
    if (place < session->count && session->records[place]->n == record->n) {
        struct session_record *old = session->records[place];
        record->run = old->run;
        record->begun = old->begun;
        record->begun_seq = old->begun_seq;
        old->run = NULL;
        discharge(table, session, old);
    } else {
        if (session->count == session->capacity) {
            session->capacity = session->capacity == 0 ? 4 : session->capacity * 2;
            session->records = mem_grow(session->records, session->capacity * sizeof *session->records);
        }
        struct session_record **at = &session->records[place];
        memmove(at + 1, at, (session->count - place) * sizeof *at);
        session->count++;
    }
    session->records[place] = record;
    session->bytes += charge(record);
    table->bytes += charge(record);
    table->record_bytes += charge(record);
}

static struct session_record *record_new(uint64_t n, uint32_t print, struct pdr_bytes outcome)
{
    struct session_record *record = mem_grow(NULL, sizeof *record + outcome.size);
    *record = (struct session_record){.n = n, .print = print, .size = (uint32_t)outcome.size};
    if (outcome.size > 0) {
        memcpy(record->outcome, outcome.data, outcome.size);
    }
    return record;
}

/* Keeps what runs, and what `keep` says. */
static void sift(struct session_table *table, struct session *session,
                 bool (*keep)(const struct session *session, struct session_record *record, uint64_t limit),
                 uint64_t limit)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < session->count; i++) {
        struct session_record *record = session->records[i];
        if (keep(session, record, limit) || record->run != NULL) {
            session->records[kept++] = record;
        } else {
            discharge(table, session, record);
        }
    }
    session->count = kept;
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

static bool is_above(const struct session *session, struct session_record *record, uint64_t floor)
{
    return record->n >= floor;
}

static void raise_floor(struct session_table *table, struct session *session, uint64_t floor)
{
    uint64_t least = span_floor(session->highest);
    floor = floor > least ? floor : least;
    if (floor > session->floor) {
        session->floor = floor;
        if (session->count > 0 && session->records[0]->n < floor) {
            sift(table, session, is_above, floor);
        }
    }
}

/* A call that runs. */

void session_run_begin(struct session_table *table, struct session *session, const struct call_session *call)
{
    struct session_record *record = session_record(session, call->n);
    if (record == NULL) {
        record = record_new(call->n, call->print, pdr_bytes(NULL, 0));
        insert(table, session, record);
    }
    if (record->run == NULL) {
        record->run = mem_new(sizeof *record->run);
        list_init(&record->run->waiting);
    }
}

static bool is_known(const struct session *session, struct session_record *record, uint64_t unused)
{
    return record->ended || record->begun;
}

void session_run_end(struct session_table *table, struct session *session, uint64_t n, struct list *waiting)
{
    struct session_record *record = session_record(session, n);
    if (record == NULL || record->run == NULL) {
        return;
    }
    list_splice(waiting, &record->run->waiting);
    mem_free(record->run);
    record->run = NULL;
    if (!record->ended && !record->begun) {
        sift(table, session, is_known, 0);
    } else if (n < session->floor) {
        sift(table, session, is_above, session->floor);
    }
    forget_if_empty(table, session);
}

/* To bytes. */

static struct pdr_bytes row_name(uint8_t *out, char kind, const struct session_id *id)
{
    out[0] = (uint8_t)kind;
    session_id_encode(out + 1, id);
    return pdr_bytes(out, SESSION_KEY_SIZE);
}

static uint8_t *put_head(uint8_t *at, uint64_t floor)
{
    *at = VERSION;
    put_le64(at + 1, floor);
    return at + HEAD;
}

static uint8_t *put_result_head(uint8_t *at, uint64_t n, uint32_t print, bool ended, size_t size)
{
    put_le64(at, n);
    put_le32(at + 8, print);
    at[12] = ended ? ENDED : BEGUN;
    put_le32(at + 13, (uint32_t)size);
    return at + RESULT_HEAD;
}

static uint8_t *put_bytes(uint8_t *at, struct pdr_bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

void session_put_result(struct rows *rows, const struct call_session *call, const struct session_outcome *outcome)
{
    uint8_t name[SESSION_KEY_SIZE], room[512];
    size_t size = 0;
    if (outcome != NULL) {
        CHECK(outcome->code.size <= CODE_MAX && outcome->text.size <= CODE_MAX);
        size = OUTCOME_HEAD + outcome->code.size + outcome->text.size + outcome->reply.size;
    }
    size_t whole = HEAD + RESULT_HEAD + size;
    uint8_t *value = whole <= sizeof room ? room : mem_grow(NULL, whole);
    uint8_t *at = put_result_head(put_head(value, call->ack_below), call->n, call->print, outcome != NULL, size);
    if (outcome != NULL) {
        at[0] = (uint8_t)outcome->code.size;
        at[1] = (uint8_t)outcome->text.size;
        put_bytes(put_bytes(put_bytes(at + OUTCOME_HEAD, outcome->code), outcome->text), outcome->reply);
    }
    rows_put(rows, KEYS_SESSION, row_name(name, RESULT, &call->id), pdr_bytes(value, whole));
    if (value != room) {
        mem_free(value);
    }
}

void session_put_home(struct rows *rows, const struct session_id *id)
{
    static const uint8_t version = VERSION;
    uint8_t name[SESSION_KEY_SIZE];
    rows_put(rows, KEYS_SESSION, row_name(name, HOME, id), pdr_bytes(&version, 1));
}

void session_delete_home(struct rows *rows, const struct session_id *id)
{
    uint8_t name[SESSION_KEY_SIZE];
    rows_delete(rows, KEYS_SESSION, row_name(name, HOME, id));
}

void session_delete_part(struct rows *rows, const struct session_id *id)
{
    uint8_t name[SESSION_KEY_SIZE];
    rows_delete(rows, KEYS_SESSION, row_name(name, PART, id));
}

bool session_is_log_only(struct pdr_bytes key)
{
    return key.size > 0 && *(const uint8_t *)key.data == RESULT;
}

/* From bytes. */

static bool is_outcome(struct pdr_bytes outcome)
{
    const uint8_t *at = outcome.data;
    return outcome.size >= OUTCOME_HEAD && outcome.size - OUTCOME_HEAD >= (size_t)at[0] + at[1];
}

struct session_outcome session_record_outcome(const struct session_record *record)
{
    const uint8_t *at = record->outcome;
    size_t code = at[0], text = at[1], rest = OUTCOME_HEAD + code + text;
    CHECK(record->ended);
    return (struct session_outcome){pdr_bytes(at + OUTCOME_HEAD, code), pdr_bytes(at + OUTCOME_HEAD + code, text),
                                    pdr_bytes(at + rest, record->size - rest)};
}

struct result {
    uint64_t n;
    uint32_t print;
    uint8_t state;
    struct pdr_bytes outcome;
};

static bool take_result(struct pdr_bytes *rest, struct result *out)
{
    const uint8_t *at = rest->data;
    if (rest->size < RESULT_HEAD) {
        return false;
    }
    size_t size = get_le32(at + 13);
    if (rest->size - RESULT_HEAD < size) {
        return false;
    }
    *out = (struct result){get_le64(at), get_le32(at + 8), at[12], pdr_bytes(at + RESULT_HEAD, size)};
    *rest = pdr_bytes(at + RESULT_HEAD + size, rest->size - RESULT_HEAD - size);
    return out->state == BEGUN ? size == 0 : out->state == ENDED && is_outcome(out->outcome);
}

static void mark_dirty(struct session_table *table, struct session *session)
{
    if (list_alone(&session->dirty) && !session->over) {
        list_push_back(&table->dirty, &session->dirty);
    }
}

static void note_result(struct session_table *table, struct session *session, const struct result *result, uint64_t seq)
{
    if (result->state == BEGUN) {
        struct session_record *record = session_record(session, result->n);
        if (record == NULL) {
            record = record_new(result->n, result->print, result->outcome);
            insert(table, session, record);
        }
        record->begun = true;
        record->begun_seq = seq;
    } else {
        struct session_record *record = record_new(result->n, result->print, result->outcome);
        insert(table, session, record);
        record->ended = true;
        record->ended_seq = seq;
    }
    session->highest = result->n > session->highest ? result->n : session->highest;
}

void session_acknowledge(struct session_table *table, struct session *session, uint64_t ack_below)
{
    if (ack_below > session->floor && session->has_part) {
        raise_floor(table, session, ack_below);
        mark_dirty(table, session);
    }
}

static enum pdr_status note_results(struct session_table *table, const struct session_id *id, struct pdr_bytes value,
                                    bool only_one, uint64_t seq)
{
    const uint8_t *at = value.data;
    struct result result;
    if (value.size < HEAD || at[0] != VERSION) {
        return PDR_INVALID;
    }
    struct pdr_bytes rest = pdr_bytes(at + HEAD, value.size - HEAD);
    if (only_one && (!take_result(&rest, &result) || rest.size > 0)) {
        return PDR_INVALID;
    }
    struct session *session = session_get(table, id);
    session->has_part = true;
    if (only_one) {
        note_result(table, session, &result, seq);
        mark_dirty(table, session);
    }
    while (rest.size > 0) {
        if (!take_result(&rest, &result)) {
            return PDR_INVALID;
        }
        note_result(table, session, &result, seq);
    }
    raise_floor(table, session, get_le64(at + 1));
    return PDR_OK;
}

static enum pdr_status note_home(struct session_table *table, const struct session_id *id, struct pdr_bytes value,
                                 uint64_t seq)
{
    if (value.size != 1 || *(const uint8_t *)value.data != VERSION) {
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
    if (kind == HOME) {
        session_close(table, session);
    } else {
        forget_part(table, session);
        forget_if_empty(table, session);
    }
}

enum pdr_status session_note(struct session_table *table, struct pdr_bytes key, struct pdr_bytes value, bool deleted,
                             uint64_t seq)
{
    struct session_id id;
    if (key.size != SESSION_KEY_SIZE) {
        return PDR_INVALID;
    }
    const uint8_t *at = key.data;
    CHECK(session_id_decode(pdr_bytes(at + 1, SESSION_ID_SIZE), &id));
    if (deleted) {
        if (*at != HOME && *at != PART) {
            return PDR_INVALID;
        }
        note_deleted(table, &id, (char)*at);
        return PDR_OK;
    }
    switch (*at) {
    case HOME:
        return note_home(table, &id, value, seq);
    case PART:
        return note_results(table, &id, value, false, seq);
    case RESULT:
        return note_results(table, &id, value, true, seq);
    default:
        return PDR_INVALID;
    }
}

/* Undone. */

static bool is_left(const struct session *session, struct session_record *record, uint64_t seq)
{
    record->ended = record->ended && record->ended_seq <= seq;
    record->begun = record->begun && record->begun_seq <= seq;
    return record->ended || record->begun;
}

struct undo {
    struct session_table *table;
    uint64_t seq;
};

static bool undo_session(struct hash_node *node, void *user)
{
    struct undo *undo = user;
    struct session *session = LIST_ITEM(node, struct session, by_id);
    sift(undo->table, session, is_left, undo->seq);
    if (session->home != NULL && session->home->seq > undo->seq) {
        session_close(undo->table, session);
    } else {
        forget_if_empty(undo->table, session);
    }
    return true;
}

void session_roll_back(struct session_table *table, uint64_t seq)
{
    struct undo undo = {table, seq};
    hash_each(&table->sessions, undo_session, &undo);
}

/* For the store. */

struct saved {
    size_t size;
    bool is_ended, is_left;
};

/* What the store shall have of a record as of `seq`. */
static struct saved saved_of(const struct session_record *record, uint64_t seq)
{
    if (record->ended && record->ended_seq <= seq) {
        return (struct saved){RESULT_HEAD + record->size, true, true};
    }
    bool is_begun = record->begun && record->begun_seq <= seq;
    return (struct saved){is_begun ? RESULT_HEAD : 0, false, is_begun};
}

static struct session_row *save_one(const struct session *session, uint64_t seq, bool *is_whole)
{
    size_t size = HEAD;
    *is_whole = true;
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session->records[i];
        size += saved_of(record, seq).size;
        *is_whole = *is_whole && (!record->ended || record->ended_seq <= seq) &&
                    (!record->begun || record->begun_seq <= seq);
    }
    struct session_row *row = mem_grow(NULL, sizeof *row + size);
    *row = (struct session_row){.shard = session->shard, .value_size = (uint32_t)size, .key = {KEYS_SESSION}};
    row_name(row->key + 1, PART, &session->id);
    uint8_t *at = put_head(row->value, session->floor);
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session->records[i];
        struct saved saved = saved_of(record, seq);
        if (saved.is_left) {
            struct pdr_bytes outcome = pdr_bytes(record->outcome, saved.is_ended ? record->size : 0);
            at = put_result_head(at, record->n, record->print, saved.is_ended, outcome.size);
            at = put_bytes(at, outcome);
        }
    }
    return row;
}

struct session_row *session_save(struct session_table *table, uint64_t seq)
{
    struct session_row *rows = NULL;
    struct list dirty;
    struct list *node;
    list_init(&dirty);
    list_splice(&dirty, &table->dirty);
    while ((node = list_pop(&dirty)) != NULL) {
        struct session *session = LIST_ITEM(node, struct session, dirty);
        bool is_whole;
        struct session_row *row = save_one(session, seq, &is_whole);
        row->next = rows;
        rows = row;
        if (!is_whole) {
            list_push_back(&table->dirty, node);
        }
    }
    return rows;
}

void session_rows_free(struct session_row *rows)
{
    while (rows != NULL) {
        struct session_row *row = rows;
        rows = row->next;
        mem_free(row);
    }
}
