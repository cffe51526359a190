/* core/shard/session_records.c: the records of one session in one shard. Those that are acknowledged go from the front,
 * which costs what they are and not what is left; the first ones lie in the session itself. */
#include "core/shard/session_records.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define FAR_OVERHEAD 16u /* the heap's own */

/* Of an outcome of that size, beside its record. */
static size_t far_charge(size_t size)
{
    return size > SESSION_OUTCOME_NEAR ? size + FAR_OVERHEAD : 0;
}

static void end_record(struct session *session, struct session_record *record)
{
    session->bytes -= sizeof *record + far_charge(record->size);
    if (record->run != NULL) {
        CHECK(list_empty(&record->run->waiting));
        mem_free(record->run);
    }
    if (record->size > SESSION_OUTCOME_NEAR) {
        mem_free(record->outcome.far);
    }
}

void session_records_init(struct session *session)
{
    session->records = session->near;
    session->bits = SESSION_RECORDS_NEAR_BITS;
    session->first = session->count = 0;
}

static void go_near_if_empty(struct session *session)
{
    if (session->count == 0) {
        if (session->records != session->near) {
            mem_free(session->records);
        }
        session_records_init(session);
    }
}

void session_records_release(struct session *session)
{
    for (uint32_t i = 0; i < session->count; i++) {
        end_record(session, session_record_at(session, i));
    }
    session->count = 0;
    go_near_if_empty(session);
}

static uint32_t search(const struct session *session, uint64_t n)
{
    uint32_t low = 0, high = session->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (session_record_at(session, middle)->n < n) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* As a rule it is the newest, and behind all others. */
static inline uint32_t place_of(const struct session *session, uint64_t n)
{
    uint32_t count = session->count;
    return count == 0 || session_record_at(session, count - 1)->n < n ? count : search(session, n);
}

struct session_record *session_record(const struct session *session, uint64_t n)
{
    uint32_t place = place_of(session, n);
    struct session_record *record = place < session->count ? session_record_at(session, place) : NULL;
    return record != NULL && record->n == n ? record : NULL;
}

static void grow(struct session *session)
{
    struct session_record *records = mem_grow(NULL, (2u << session->bits) * sizeof *records);
    memcpy(records, session_record_at(session, 0), session->count * sizeof *records);
    if (session->records != session->near) {
        mem_free(session->records);
    }
    session->records = records;
    session->bits++;
    session->first = 0;
}

/* One more fits at the end. What the front has given up is used again, once it is half of it all. */
static void make_room(struct session *session)
{
    if (session->first + session->count < 1u << session->bits) {
        return;
    }
    if (session->first < 1u << session->bits >> 1) {
        grow(session);
    } else {
        memmove(session->records, session_record_at(session, 0), session->count * sizeof *session->records);
        session->first = 0;
    }
}

static inline struct session_record *insert(struct session *session, uint32_t place, uint64_t n, uint32_t print)
{
    make_room(session);
    struct session_record *at = session_record_at(session, place);
    if (place < session->count) {
        memmove(at + 1, at, (session->count - place) * sizeof *at);
    }
    session->count++;
    *at = (struct session_record){.n = n, .print = print};
    session->bytes += sizeof *at;
    return at;
}

static inline struct session_record *get(struct session *session, uint64_t n, uint32_t print)
{
    uint32_t place = place_of(session, n);
    bool is_there = place < session->count && session_record_at(session, place)->n == n;
    return is_there ? session_record_at(session, place) : insert(session, place, n, print);
}

struct session_record *session_records_get(struct session *session, uint64_t n, uint32_t print)
{
    return get(session, n, print);
}

static void set_outcome(struct session *session, struct session_record *record, struct pdr_bytes outcome)
{
    CHECK(outcome.size <= SESSION_OUTCOME_MAX);
    if (record->size > SESSION_OUTCOME_NEAR) {
        session->bytes -= far_charge(record->size);
        mem_free(record->outcome.far);
    }
    record->size = (uint32_t)outcome.size & SESSION_OUTCOME_MAX;
    uint8_t *at = record->outcome.near;
    if (outcome.size > SESSION_OUTCOME_NEAR) {
        session->bytes += far_charge(outcome.size);
        at = record->outcome.far = mem_grow(NULL, outcome.size);
    }
    if (outcome.size > 0) {
        memcpy(at, outcome.data, outcome.size);
    }
}

void session_records_note(struct session *session, const struct session_result *result, uint64_t seq)
{
    struct session_record *record = get(session, result->n, result->print);
    if (result->ended) {
        record->print = result->print;
        record->ended_seq = seq;
        record->ended = true;
        record->failed = result->failed;
        set_outcome(session, record, result->outcome);
    } else {
        record->begun = true;
        record->begun_seq = seq;
    }
}

void session_records_remove(struct session *session, struct session_record *record)
{
    uint32_t place = (uint32_t)(record - session_record_at(session, 0));
    end_record(session, record);
    memmove(record, record + 1, (session->count - place - 1) * sizeof *record);
    session->count--;
    go_near_if_empty(session);
}

/* As a rule there is one, and nothing of it lies elsewhere. */
static bool drop_only_one(struct session *session, uint64_t floor)
{
    const struct session_record *record = session->near;
    if (session->count != 1 || session_record_at(session, 0) != record || record->n >= floor || record->run != NULL ||
        record->size > SESSION_OUTCOME_NEAR) {
        return false;
    }
    session->count = 0;
    session->bytes -= sizeof *record;
    return true;
}

void session_records_drop_below(struct session *session, uint64_t floor)
{
    uint32_t below = 0;
    if (drop_only_one(session, floor)) {
        return;
    }
    while (below < session->count && session_record_at(session, below)->n < floor) {
        below++;
    }
    uint32_t kept = below; /* those that stay move up to what is above */
    for (uint32_t i = below; i-- > 0;) {
        struct session_record *record = session_record_at(session, i);
        if (record->run == NULL) {
            end_record(session, record);
        } else if (--kept != i) {
            *session_record_at(session, kept) = *record;
        }
    }
    session->first += kept;
    session->count -= kept;
    go_near_if_empty(session);
}
