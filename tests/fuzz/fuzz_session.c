/* tests/fuzz/fuzz_session.c: hostile rows of sessions, as a store or a log could hold them (core/shard/session.c). The
 * first byte is the row's kind, or 'D' for a deletion; the rest its value, which for an 'R' names the session. What is
 * taken is written again, and read back the same. */
#include "core/shard/session.h"
#include "tests/fuzz/fuzz.h"

static const struct session_id id = {1, 2, 3, 4};

static struct pdr_bytes name_of(uint8_t *out, uint8_t kind)
{
    out[0] = kind;
    session_id_encode(out + 1, &id);
    return pdr_bytes(out, kind == 'R' ? 1 : SESSION_KEY_SIZE);
}

static void check_order(const struct session *session)
{
    for (uint32_t i = 0; i < session->count; i++) {
        const struct session_record *record = session_record_at(session, i);
        FUZZ_CHECK(i == 0 || session_record_at(session, i - 1)->n < record->n);
        FUZZ_CHECK(record->n >= session->floor || record->run != NULL);
        FUZZ_CHECK(record->ended || record->begun);
        FUZZ_CHECK(session_record(session, record->n) == record);
        if (record->ended) {
            struct session_outcome outcome = session_record_outcome(record);
            struct pdr_bytes all = pdr_bytes(session_record_bytes(record), record->size);
            FUZZ_CHECK(fuzz_inside(outcome.code, all) && fuzz_inside(outcome.text, all));
            FUZZ_CHECK(fuzz_inside(outcome.reply, all));
        }
    }
}

static void check_again(struct session *session, void *user)
{
    struct session_table *table = user, again;
    struct session_names names;
    struct session_row *row = session_save(table, UINT64_MAX);
    check_order(session);
    if (row == NULL) {
        return; /* an 'P': the store has it */
    }
    session_names_init(&names);
    session_table_init(&again, 0, &names);
    FUZZ_CHECK(session_note(&again, pdr_bytes(row->key + 1, SESSION_KEY_SIZE), pdr_bytes(row->value, row->value_size),
                            false, 0) == PDR_OK);
    const struct session *copy = session_find(&again, &session->name->id);
    FUZZ_CHECK(copy != NULL && copy->count == session->count && copy->floor == session->floor);
    for (uint32_t i = 0; i < copy->count; i++) {
        const struct session_record *a = session_record_at(copy, i), *b = session_record_at(session, i);
        FUZZ_CHECK(a->n == b->n && a->print == b->print && a->ended == b->ended && a->failed == b->failed);
        FUZZ_CHECK(
            pdr_bytes_equal(pdr_bytes(session_record_bytes(a), a->size), pdr_bytes(session_record_bytes(b), b->size)));
    }
    session_rows_free(row);
    session_table_release(&again);
    session_names_release(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session_names names;
    struct session_table table;
    uint8_t name[SESSION_KEY_SIZE];
    if (size == 0) {
        return 0;
    }
    bool deletes = data[0] == 'D';
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    session_names_init(&names);
    session_table_init(&table, 0, &names);
    enum pdr_status status =
        session_note(&table, name_of(name, deletes ? 'P' : data[0]), pdr_bytes(copy, size - 1), deletes, 1);
    FUZZ_CHECK(status == PDR_OK || status == PDR_INVALID);
    if (status == PDR_OK) {
        session_each(&table, check_again, &table); /* there is one at most */
    }
    session_roll_back(&table, 0);
    session_table_release(&table);
    session_names_release(&names);
    free(copy);
    return 0;
}
