/* core/shard/session_bytes.c: rows of sessions, encoded and decoded. Decoding trusts nothing. */
#include "core/shard/session_bytes.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"

#define HEAD 9u         /* of 'P': version, floor */
#define RESULT_HEAD 17u /* n, print, state, size */
#define FAILURE_HEAD 2u
#define CODE_MAX 255u

enum state { BEGUN = 1, FAILED = 2, SUCCEEDED = 3 };

/* To bytes. */

static struct pdr_bytes row_name(uint8_t *out, char kind, const struct session_id *id)
{
    out[0] = (uint8_t)kind;
    session_id_encode(out + 1, id);
    return pdr_bytes(out, SESSION_KEY_SIZE);
}

static uint8_t *put_head(uint8_t *at, uint64_t floor)
{
    *at = SESSION_VERSION;
    put_le64(at + 1, floor);
    return at + HEAD;
}

static uint8_t *put_result_head(uint8_t *at, uint64_t n, uint32_t print, enum state state, size_t size)
{
    put_le64(at, n);
    put_le32(at + 8, print);
    at[12] = (uint8_t)state;
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

/* 'R', in the narrow form or, if some number is too large for that, in the wide one: there is one a call, and fixed
 * places cost it less than a size for each number. */

#define LOG_NARROW 30u
#define LOG_WIDE 50u
#define LOG_IS_WIDE 0x80u

static bool is_narrow(const struct session_id *id, uint64_t n, uint64_t back)
{
    return ((id->epoch | id->seq | n) >> 32 | (id->shard | back) >> 16) == 0;
}

static void put_narrow(uint8_t *at, const struct session_id *id, uint64_t n, uint64_t back, uint32_t print)
{
    put_le16(at + 2, (uint16_t)id->shard);
    put_le16(at + 4, (uint16_t)back);
    put_le32(at + 6, (uint32_t)id->epoch);
    put_le32(at + 10, (uint32_t)id->seq);
    put_le32(at + 14, (uint32_t)n);
    put_le64(at + 18, id->random);
    put_le32(at + 26, print);
}

static void put_wide(uint8_t *at, const struct session_id *id, uint64_t n, uint64_t back, uint32_t print)
{
    put_le32(at + 2, id->shard);
    put_le64(at + 6, back);
    put_le64(at + 14, id->epoch);
    put_le64(at + 22, id->seq);
    put_le64(at + 30, n);
    put_le64(at + 38, id->random);
    put_le32(at + 46, print);
}

static enum state state_of(const struct session_outcome *outcome)
{
    return outcome == NULL ? BEGUN : outcome->code.size > 0 ? FAILED : SUCCEEDED;
}

static size_t outcome_size(const struct session_outcome *outcome, enum state state)
{
    if (state != FAILED) {
        return state == BEGUN ? 0 : outcome->reply.size;
    }
    CHECK(outcome->code.size <= CODE_MAX && outcome->text.size <= CODE_MAX);
    return FAILURE_HEAD + outcome->code.size + outcome->text.size;
}

static void put_outcome(uint8_t *at, const struct session_outcome *outcome, enum state state)
{
    if (state == SUCCEEDED) {
        put_bytes(at, outcome->reply);
    } else if (state == FAILED) {
        at[0] = (uint8_t)outcome->code.size;
        at[1] = (uint8_t)outcome->text.size;
        put_bytes(put_bytes(at + FAILURE_HEAD, outcome->code), outcome->text);
    }
}

void session_put_result(struct rows *rows, const struct call_session *call, const struct session_outcome *outcome)
{
    static const uint8_t kind = SESSION_ROW_RESULT;
    const struct session_id *id = &call->id;
    enum state state = state_of(outcome);
    uint64_t back = call->n - call->ack_below;
    bool is_wide = !is_narrow(id, call->n, back);
    uint32_t head = is_wide ? LOG_WIDE : LOG_NARROW;
    uint8_t *at = rows_reserve(rows, KEYS_SESSION, pdr_bytes(&kind, 1), head + outcome_size(outcome, state));
    at[0] = SESSION_VERSION;
    at[1] = (uint8_t)state | (is_wide ? LOG_IS_WIDE : 0);
    if (is_wide) {
        put_wide(at, id, call->n, back, call->print);
    } else {
        put_narrow(at, id, call->n, back, call->print);
    }
    put_outcome(at + head, outcome, state);
}

void session_put_home(struct rows *rows, const struct session_id *id)
{
    static const uint8_t version = SESSION_VERSION;
    uint8_t name[SESSION_KEY_SIZE];
    rows_put(rows, KEYS_SESSION, row_name(name, SESSION_ROW_HOME, id), pdr_bytes(&version, 1));
}

void session_delete_home(struct rows *rows, const struct session_id *id)
{
    uint8_t name[SESSION_KEY_SIZE];
    rows_delete(rows, KEYS_SESSION, row_name(name, SESSION_ROW_HOME, id));
}

void session_delete_part(struct rows *rows, const struct session_id *id)
{
    uint8_t name[SESSION_KEY_SIZE];
    rows_delete(rows, KEYS_SESSION, row_name(name, SESSION_ROW_PART, id));
}

bool session_is_log_only(struct pdr_bytes key)
{
    return key.size > 0 && *(const uint8_t *)key.data == SESSION_ROW_RESULT;
}

/* For the store. */

struct saved {
    size_t size;
    enum state state;
    bool is_left;
};

/* What the store shall have of a record as of `seq`. */
static struct saved saved_of(const struct session_record *record, uint64_t seq)
{
    if (record->ended && record->ended_seq <= seq) {
        return (struct saved){RESULT_HEAD + record->size, record->failed ? FAILED : SUCCEEDED, true};
    }
    bool is_begun = record->begun && record->begun_seq <= seq;
    return (struct saved){is_begun ? RESULT_HEAD : 0, BEGUN, is_begun};
}

size_t session_bytes_part_size(const struct session *session, uint64_t seq, bool *is_whole)
{
    size_t size = HEAD;
    *is_whole = true;
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session_record_at(session, i);
        size += saved_of(record, seq).size;
        *is_whole = *is_whole && (!record->ended || record->ended_seq <= seq) &&
                    (!record->begun || record->begun_seq <= seq);
    }
    return size;
}

void session_bytes_part(const struct session *session, uint64_t seq, struct session_row *row)
{
    row->key[0] = KEYS_SESSION;
    row_name(row->key + 1, SESSION_ROW_PART, &session->name->id);
    uint8_t *at = put_head(row->value, session->floor);
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session_record_at(session, i);
        struct saved saved = saved_of(record, seq);
        if (saved.is_left) {
            struct pdr_bytes outcome = pdr_bytes(session_record_bytes(record), saved.size - RESULT_HEAD);
            at = put_result_head(at, record->n, record->print, saved.state, outcome.size);
            at = put_bytes(at, outcome);
        }
    }
    row->value_size = (uint32_t)(at - row->value);
}

/* From bytes. */

static bool is_outcome(enum state state, struct pdr_bytes outcome)
{
    const uint8_t *at = outcome.data;
    if (state != FAILED) {
        return state == SUCCEEDED || (state == BEGUN && outcome.size == 0);
    }
    return outcome.size >= FAILURE_HEAD && at[0] > 0 && outcome.size == FAILURE_HEAD + at[0] + at[1];
}

struct session_outcome session_record_outcome(const struct session_record *record)
{
    const uint8_t *at = session_record_bytes(record);
    CHECK(record->ended);
    if (!record->failed) {
        return (struct session_outcome){.reply = pdr_bytes(at, record->size)};
    }
    return (struct session_outcome){.code = pdr_bytes(at + FAILURE_HEAD, at[0]),
                                    .text = pdr_bytes(at + FAILURE_HEAD + at[0], at[1])};
}

static bool take_outcome(struct session_result *out, enum state state, struct pdr_bytes outcome)
{
    out->ended = state != BEGUN;
    out->failed = state == FAILED;
    out->outcome = outcome;
    return outcome.size <= SESSION_OUTCOME_MAX && is_outcome(state, outcome);
}

bool session_bytes_results(struct pdr_bytes value, struct session_results *out)
{
    const uint8_t *at = value.data;
    if (value.size < HEAD || at[0] != SESSION_VERSION) {
        return false;
    }
    *out = (struct session_results){get_le64(at + 1), pdr_bytes(at + HEAD, value.size - HEAD)};
    return true;
}

bool session_bytes_next(struct session_results *results, struct session_result *out)
{
    const uint8_t *at = results->rest.data;
    if (results->rest.size < RESULT_HEAD) {
        return false;
    }
    size_t size = get_le32(at + 13);
    if (results->rest.size - RESULT_HEAD < size) {
        return false;
    }
    out->n = get_le64(at);
    out->print = get_le32(at + 8);
    results->rest = pdr_bytes(at + RESULT_HEAD + size, results->rest.size - RESULT_HEAD - size);
    return take_outcome(out, (enum state)at[12], pdr_bytes(at + RESULT_HEAD, size));
}

static void take_narrow(const uint8_t *at, struct session_logged *out)
{
    out->id = (struct session_id){get_le16(at + 2), get_le32(at + 6), get_le32(at + 10), get_le64(at + 18)};
    out->result.n = get_le32(at + 14);
    out->floor = out->result.n - get_le16(at + 4);
    out->result.print = get_le32(at + 26);
}

static void take_wide(const uint8_t *at, struct session_logged *out)
{
    out->id = (struct session_id){get_le32(at + 2), get_le64(at + 14), get_le64(at + 22), get_le64(at + 38)};
    out->result.n = get_le64(at + 30);
    out->floor = out->result.n - get_le64(at + 6);
    out->result.print = get_le32(at + 46);
}

bool session_bytes_result(struct pdr_bytes value, struct session_logged *out)
{
    const uint8_t *at = value.data;
    if (value.size < LOG_NARROW || at[0] != SESSION_VERSION) {
        return false;
    }
    bool is_wide = at[1] & LOG_IS_WIDE;
    uint32_t head = is_wide ? LOG_WIDE : LOG_NARROW;
    if (value.size < head) {
        return false;
    }
    if (is_wide) {
        take_wide(at, out);
    } else {
        take_narrow(at, out);
    }
    return take_outcome(&out->result, (enum state)(at[1] & ~LOG_IS_WIDE), pdr_bytes(at + head, value.size - head));
}
