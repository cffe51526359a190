/* core/shard/session_bytes.c: rows of sessions, encoded and decoded. Decoding trusts nothing. */
#include "core/shard/session_bytes.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"

#define HEAD 9u         /* version, floor */
#define RESULT_HEAD 17u /* n, print, state, size */
#define OUTCOME_HEAD 2u
#define BEGUN 1u
#define ENDED 2u
#define CODE_MAX 255u

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
    uint8_t name[SESSION_KEY_SIZE];
    size_t size = 0;
    if (outcome != NULL) {
        CHECK(outcome->code.size <= CODE_MAX && outcome->text.size <= CODE_MAX);
        size = OUTCOME_HEAD + outcome->code.size + outcome->text.size + outcome->reply.size;
    }
    struct pdr_bytes key = row_name(name, SESSION_ROW_RESULT, &call->id);
    uint8_t *at = rows_reserve(rows, KEYS_SESSION, key, HEAD + RESULT_HEAD + size);
    at = put_result_head(put_head(at, call->ack_below), call->n, call->print, outcome != NULL, size);
    if (outcome != NULL) {
        at[0] = (uint8_t)outcome->code.size;
        at[1] = (uint8_t)outcome->text.size;
        put_bytes(put_bytes(put_bytes(at + OUTCOME_HEAD, outcome->code), outcome->text), outcome->reply);
    }
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

struct session_row *session_bytes_part(const struct session *session, uint64_t seq, bool *is_whole)
{
    size_t size = HEAD;
    *is_whole = true;
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session_record_at(session, i);
        size += saved_of(record, seq).size;
        *is_whole = *is_whole && (!record->ended || record->ended_seq <= seq) &&
                    (!record->begun || record->begun_seq <= seq);
    }
    struct session_row *row = mem_grow(NULL, sizeof *row + size);
    *row = (struct session_row){.shard = session->shard, .value_size = (uint32_t)size, .key = {KEYS_SESSION}};
    row_name(row->key + 1, SESSION_ROW_PART, &session->name->id);
    uint8_t *at = put_head(row->value, session->floor);
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session_record_at(session, i);
        struct saved saved = saved_of(record, seq);
        if (saved.is_left) {
            struct pdr_bytes outcome = pdr_bytes(session_record_bytes(record), saved.is_ended ? record->size : 0);
            at = put_result_head(at, record->n, record->print, saved.is_ended, outcome.size);
            at = put_bytes(at, outcome);
        }
    }
    return row;
}

/* From bytes. */

static bool is_outcome(struct pdr_bytes outcome)
{
    const uint8_t *at = outcome.data;
    return outcome.size >= OUTCOME_HEAD && outcome.size - OUTCOME_HEAD >= (size_t)at[0] + at[1];
}

struct session_outcome session_record_outcome(const struct session_record *record)
{
    const uint8_t *at = session_record_bytes(record);
    size_t code = at[0], text = at[1], rest = OUTCOME_HEAD + code + text;
    CHECK(record->ended);
    return (struct session_outcome){pdr_bytes(at + OUTCOME_HEAD, code), pdr_bytes(at + OUTCOME_HEAD + code, text),
                                    pdr_bytes(at + rest, record->size - rest)};
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
    if (results->rest.size - RESULT_HEAD < size || size > SESSION_OUTCOME_MAX) {
        return false;
    }
    uint8_t state = at[12];
    *out = (struct session_result){get_le64(at), get_le32(at + 8), state == ENDED, pdr_bytes(at + RESULT_HEAD, size)};
    results->rest = pdr_bytes(at + RESULT_HEAD + size, results->rest.size - RESULT_HEAD - size);
    return state == BEGUN ? size == 0 : state == ENDED && is_outcome(out->outcome);
}
