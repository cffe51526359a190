/* What a shard knows of sessions: results noted and found, the floor, rows to bytes and back, entries undone, bytes
 * that nobody wrote. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/shard/session.h"
#include "tests/lib/test.h"

static const struct session_id id_a = {7, 3, 41, 0x1234567890abcdefull}, id_b = {7, 3, 42, 0x1234567890abcdefull};

static void table_open(struct session_table *table, uint32_t shard)
{
    struct session_names *names = mem_new(sizeof *names);
    session_names_init(names);
    session_table_init(table, shard, names);
}

static void table_close(struct session_table *table)
{
    struct session_names *names = table->names;
    session_table_release(table);
    EXPECT_INT(names->bytes, 0);
    session_names_release(names);
    mem_free(names);
}

static struct call_session call_of(const struct session_id *id, uint64_t n, uint64_t ack_below)
{
    return (struct call_session){.on = true, .id = *id, .n = n, .ack_below = ack_below, .print = (uint32_t)n * 3};
}

/* As commit does it: the rows of entry `seq` are taken into the table. */
static void commit(struct session_table *table, struct rows *rows, uint64_t seq)
{
    for (const struct row *row = rows->first; row != NULL; row = row->next) {
        EXPECT_INT(row->data[0], KEYS_SESSION);
        EXPECT_INT(session_note(table, pdr_bytes(row->data + 1, row->key_size - 1u), row_value(row), row->deleted, seq),
                   PDR_OK);
    }
    rows_release(rows);
}

static void end(struct session_table *table, const struct session_id *id, uint64_t n, uint64_t ack_below,
                const char *reply, uint64_t seq)
{
    struct rows rows = {0};
    struct call_session call = call_of(id, n, ack_below);
    struct session_outcome outcome = {.reply = pdr_str(reply)};
    session_put_result(&rows, &call, &outcome);
    EXPECT(rows.has_sessions);
    commit(table, &rows, seq);
}

static void begin(struct session_table *table, uint64_t n, uint64_t seq)
{
    struct rows rows = {0};
    struct call_session call = call_of(&id_a, n, 0);
    session_put_result(&rows, &call, NULL);
    commit(table, &rows, seq);
}

static const struct session_record *record(struct session_table *table, const struct session_id *id, uint64_t n)
{
    const struct session *session = session_find(table, id);
    return session != NULL ? session_record(session, n) : NULL;
}

static bool replies(struct session_table *table, uint64_t n, const char *reply)
{
    const struct session_record *r = record(table, &id_a, n);
    return r != NULL && r->ended && pdr_bytes_equal(session_record_outcome(r).reply, pdr_str(reply));
}

TEST(a_result_is_found_by_session_and_number)
{
    struct session_table table;
    table_open(&table, 5);
    end(&table, &id_a, 2, 0, "two", 10);
    end(&table, &id_a, 1, 0, "one", 11);
    end(&table, &id_b, 1, 0, "other", 12);
    EXPECT(replies(&table, 1, "one") && replies(&table, 2, "two"));
    EXPECT(record(&table, &id_a, 3) == NULL);
    EXPECT_INT(record(&table, &id_a, 2)->ended_seq, 10);
    EXPECT_INT(record(&table, &id_a, 2)->print, 6);
    EXPECT_INT(session_find(&table, &id_a)->shard, 5);
    table_close(&table);
}

TEST(a_failure_is_kept_in_its_words)
{
    struct session_table table;
    struct rows rows = {0};
    struct call_session call = call_of(&id_a, 1, 0);
    struct session_outcome outcome = {.code = pdr_str("too_poor"), .text = pdr_str("5 is more than 4")};
    table_open(&table, 0);
    session_put_result(&rows, &call, &outcome);
    commit(&table, &rows, 1);
    struct session_outcome kept = session_record_outcome(record(&table, &id_a, 1));
    EXPECT(pdr_bytes_equal(kept.code, outcome.code) && pdr_bytes_equal(kept.text, outcome.text));
    EXPECT_INT(kept.reply.size, 0);
    table_close(&table);
}

TEST(large_replies_are_kept_whole)
{
    struct session_table table;
    char *large = malloc(100001);
    memset(large, 'x', 100000);
    large[100000] = 0;
    table_open(&table, 0);
    end(&table, &id_a, 1, 0, large, 1);
    EXPECT(replies(&table, 1, large));
    EXPECT(table.bytes > 100000);
    end(&table, &id_a, 2, 2, "", 2);
    EXPECT(table.bytes < 1000); /* acknowledged: gone */
    free(large);
    table_close(&table);
}

TEST(the_floor_rises_by_acknowledgement_and_span)
{
    struct session_table table;
    table_open(&table, 0);
    for (uint64_t n = 1; n <= 10; n++) {
        end(&table, &id_a, n, 0, "r", n);
    }
    const struct session *session = session_find(&table, &id_a);
    EXPECT_INT(session->floor, 0);
    EXPECT_INT(session_floor(session, 4), 4);
    EXPECT_INT(session->count, 10);
    end(&table, &id_a, 11, 4, "r", 11);
    EXPECT_INT(session->floor, 4);
    EXPECT(record(&table, &id_a, 3) == NULL && record(&table, &id_a, 4) != NULL);
    end(&table, &id_a, 12, 2, "r", 12);
    EXPECT_INT(session->floor, 4); /* never down */
    end(&table, &id_a, 4 + SESSION_SPAN - 1, 0, "r", 13);
    EXPECT_INT(session->floor, 4);
    EXPECT(record(&table, &id_a, 4) != NULL);
    end(&table, &id_a, 4 + SESSION_SPAN, 0, "r", 14);
    EXPECT_INT(session->floor, 5);
    EXPECT(record(&table, &id_a, 4) == NULL);
    end(&table, &id_a, UINT64_MAX, 0, "r", 15);
    EXPECT(session->floor == UINT64_MAX - (SESSION_SPAN - 1));
    EXPECT_INT(session->count, 1);
    table_close(&table);
}

TEST(what_runs_is_kept_and_forgotten_when_nothing_came_of_it)
{
    struct session_table table;
    struct list waiting, node;
    table_open(&table, 0);
    struct call_session call = call_of(&id_a, 1, 0);
    list_init(&waiting);
    session_run_begin(&table, session_get(&table, &id_a), &call);
    session_run_begin(&table, session_get(&table, &id_a), &call);
    REQUIRE(record(&table, &id_a, 1) != NULL);
    EXPECT(record(&table, &id_a, 1)->run != NULL && !record(&table, &id_a, 1)->ended);
    list_push_back(&record(&table, &id_a, 1)->run->waiting, &node);
    session_run_end(&table, session_find(&table, &id_a), 1, &waiting);
    EXPECT(list_pop(&waiting) == &node);
    EXPECT(session_find(&table, &id_a) == NULL); /* it never happened */
    EXPECT_INT(table.bytes, 0);
    session_run_begin(&table, session_get(&table, &id_a), &call);
    end(&table, &id_a, 1, 0, "one", 1);
    EXPECT(record(&table, &id_a, 1)->run != NULL);
    session_run_end(&table, session_find(&table, &id_a), 1, &waiting);
    EXPECT(replies(&table, 1, "one"));
    EXPECT(record(&table, &id_a, 1)->run == NULL);
    table_close(&table);
}

TEST(undone_entries_take_their_results_along)
{
    struct session_table table;
    table_open(&table, 0);
    end(&table, &id_a, 1, 0, "one", 10);
    begin(&table, 2, 11);
    end(&table, &id_a, 2, 0, "two", 12);
    begin(&table, 3, 13);
    end(&table, &id_b, 1, 0, "other", 14);
    EXPECT(record(&table, &id_a, 2)->begun && replies(&table, 2, "two"));
    session_roll_back(&table, 11);
    EXPECT(replies(&table, 1, "one"));
    EXPECT(record(&table, &id_a, 2)->begun && !record(&table, &id_a, 2)->ended);
    EXPECT(record(&table, &id_a, 3) == NULL && record(&table, &id_b, 1) == NULL);
    end(&table, &id_a, 2, 0, "again", 12);
    EXPECT(replies(&table, 2, "again"));
    session_roll_back(&table, 0);
    EXPECT_INT(session_find(&table, &id_a)->count, 0);
    table_close(&table);
}

TEST(homes_open_and_end)
{
    struct session_table table;
    struct rows rows = {0};
    table_open(&table, 7);
    session_put_home(&rows, &id_a);
    commit(&table, &rows, 41);
    session_put_home(&rows, &id_b);
    commit(&table, &rows, 42);
    EXPECT_INT(table.homes, 2);
    EXPECT(session_find(&table, &id_a)->home != NULL && !session_find(&table, &id_a)->has_part);
    session_roll_back(&table, 41);
    EXPECT_INT(table.homes, 1);
    EXPECT(session_find(&table, &id_b) == NULL);
    end(&table, &id_a, 1, 0, "one", 42);
    session_delete_home(&rows, &id_a);
    commit(&table, &rows, 43);
    EXPECT_INT(table.homes, 0);
    EXPECT(replies(&table, 1, "one"));
    session_delete_part(&rows, &id_a);
    commit(&table, &rows, 44);
    EXPECT(session_find(&table, &id_a) == NULL);
    EXPECT_INT(table.bytes, 0);
    table_close(&table);
}

/* Takes the rows as recovery does. */
static void load(struct session_table *table, struct session_row *rows)
{
    for (const struct session_row *row = rows; row != NULL; row = row->next) {
        EXPECT_INT(row->key[0], KEYS_SESSION);
        EXPECT_INT(session_note(table, pdr_bytes(row->key + 1, sizeof row->key - 1),
                                pdr_bytes(row->value, row->value_size), false, 0),
                   PDR_OK);
    }
}

TEST(the_stores_row_is_as_of_an_entry)
{
    struct session_table table, loaded;
    table_open(&table, 3);
    table_open(&loaded, 3);
    EXPECT(session_save(&table, 100) == NULL);
    end(&table, &id_a, 1, 0, "one", 10);
    begin(&table, 2, 11);
    end(&table, &id_a, 2, 0, "two", 12);
    end(&table, &id_a, 3, 0, "three", 13);
    struct session_row *rows = session_save(&table, 11);
    REQUIRE(rows != NULL && rows->next == NULL);
    EXPECT_INT(rows->shard, 3);
    load(&loaded, rows);
    session_rows_free(rows);
    EXPECT(replies(&loaded, 1, "one"));
    EXPECT(record(&loaded, &id_a, 2)->begun && !record(&loaded, &id_a, 2)->ended);
    EXPECT_INT(record(&loaded, &id_a, 2)->print, 6);
    EXPECT(record(&loaded, &id_a, 3) == NULL);
    EXPECT(session_save(&loaded, 100) == NULL); /* it came from there */
    rows = session_save(&table, 13);            /* it was not all */
    REQUIRE(rows != NULL);
    load(&loaded, rows);
    session_rows_free(rows);
    EXPECT(replies(&loaded, 2, "two") && replies(&loaded, 3, "three"));
    EXPECT(session_save(&table, 13) == NULL);
    table_close(&table);
    table_close(&loaded);
}

/* A log that is read on top of the store's row gives what the first life had. */
TEST(row_and_log_make_the_same_table)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 50; round++) {
        struct session_table one, two;
        table_open(&one, 0);
        table_open(&two, 0);
        uint64_t cut = rng_below(&rng, 60), ack = 0, seq;
        for (seq = 1; seq <= 60; seq++) {
            uint64_t n = ack + rng_below(&rng, 30);
            ack += rng_below(&rng, 3);
            n = n < ack ? ack : n;
            struct rows rows = {0};
            struct call_session call = call_of(&id_a, n, ack);
            struct session_outcome outcome = {.reply = pdr_str("reply")};
            session_put_result(&rows, &call, rng_below(&rng, 4) == 0 ? NULL : &outcome);
            if (seq > cut) {
                struct rows copy = rows;
                for (const struct row *row = copy.first; row != NULL; row = row->next) {
                    EXPECT_INT(
                        session_note(&two, pdr_bytes(row->data + 1, row->key_size - 1u), row_value(row), false, 0),
                        PDR_OK);
                }
            }
            commit(&one, &rows, seq);
            if (seq == cut) {
                struct session_row *saved = session_save(&one, seq);
                load(&two, saved);
                session_rows_free(saved);
            }
        }
        const struct session *a = session_find(&one, &id_a), *b = session_find(&two, &id_a);
        REQUIRE(a != NULL && b != NULL);
        EXPECT_INT(a->floor, b->floor);
        REQUIRE(a->count == b->count);
        for (uint32_t i = 0; i < a->count; i++) {
            EXPECT_INT(session_record_at(a, i)->n, session_record_at(b, i)->n);
            EXPECT_INT(session_record_at(a, i)->ended, session_record_at(b, i)->ended);
            EXPECT(i == 0 || session_record_at(a, i - 1)->n < session_record_at(a, i)->n);
        }
        table_close(&one);
        table_close(&two);
    }
}

TEST(saved_rows_of_many_tables_are_freed_in_any_order)
{
    struct session_row *all = NULL;
    uint32_t count = 0;
    for (uint32_t shard = 0; shard < 4; shard++) {
        struct session_table table;
        table_open(&table, shard);
        end(&table, &id_a, 1, 0, "one, which is long enough to lie elsewhere", 1);
        end(&table, &id_b, 1, 0, "two", 2);
        struct session_row *rows = session_save(&table, shard % 2 == 0 ? 2 : 1);
        while (rows != NULL) { /* turned round, as recover.c does */
            struct session_row *row = rows;
            rows = row->next;
            row->next = all;
            all = row;
            EXPECT(row->shard == shard && row->key[0] == KEYS_SESSION);
            count++;
        }
        table_close(&table);
    }
    EXPECT_INT(count, 8);
    session_rows_free(all);
}

TEST(a_moved_table_is_whole)
{
    struct session_table from, to;
    table_open(&from, 1);
    table_open(&to, 1);
    end(&from, &id_a, 1, 0, "one", 10);
    session_table_release(&to);
    session_table_move(&to, &from);
    EXPECT(replies(&to, 1, "one") && !replies(&from, 1, "one"));
    struct session_row *rows = session_save(&to, 10);
    EXPECT(rows != NULL && session_save(&from, 10) == NULL);
    session_rows_free(rows);
    table_close(&from);
    table_close(&to);
}

TEST(bytes_that_nobody_wrote)
{
    struct rng rng;
    struct session_table table;
    rng_seed(&rng, test_seed());
    table_open(&table, 0);
    end(&table, &id_a, 1, 0, "one", 1);
    end(&table, &id_a, 2, 0, "two", 2);
    struct session_row *row = session_save(&table, 2);
    struct pdr_bytes key = pdr_bytes(row->key + 1, SESSION_KEY_SIZE);
    for (uint32_t size = 0; size < row->value_size; size++) {
        struct session_table other;
        table_open(&other, 0);
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, row->value, size);
        enum pdr_status status = session_note(&other, key, pdr_bytes(copy, size), false, 0);
        EXPECT(status == PDR_INVALID || session_find(&other, &id_a)->count < 2); /* cut between two results */
        free(copy);
        table_close(&other);
    }
    for (int i = 0; i < 20000; i++) {
        struct session_table other;
        uint8_t name[SESSION_KEY_SIZE + 1];
        table_open(&other, 0);
        memcpy(name, key.data, SESSION_KEY_SIZE);
        name[0] = (uint8_t) "HPRx"[rng_below(&rng, 4)];
        uint8_t *copy = malloc(row->value_size);
        memcpy(copy, row->value, row->value_size);
        for (uint64_t k = rng_below(&rng, 4); k > 0; k--) {
            copy[rng_below(&rng, row->value_size)] = (uint8_t)rng_next(&rng);
        }
        size_t key_size = SESSION_KEY_SIZE - (rng_below(&rng, 10) == 0) + (rng_below(&rng, 10) == 0);
        enum pdr_status status = session_note(&other, pdr_bytes(name, key_size),
                                              pdr_bytes(copy, rng_below(&rng, row->value_size + 1)),
                                              rng_below(&rng, 5) == 0, rng_below(&rng, 3));
        EXPECT(status == PDR_OK || status == PDR_INVALID);
        free(copy);
        table_close(&other);
    }
    session_rows_free(row);
    table_close(&table);
}

/* Of 0 to 64 bits, so that small ones and those of each size are as frequent as large ones. */
static uint64_t any_number(struct rng *rng)
{
    uint64_t bits = rng_below(rng, 65);
    return bits == 0 ? 0 : rng_next(rng) >> (64 - bits);
}

static struct pdr_bytes any_text(struct rng *rng, uint8_t *room, uint64_t size_max)
{
    uint64_t size = rng_below(rng, size_max + 1);
    for (uint64_t i = 0; i < size; i++) {
        room[i] = (uint8_t)rng_next(rng);
    }
    return pdr_bytes(room, size);
}

/* What the log has of a result is what was put there, whatever the size of its numbers. */
TEST(a_logged_result_is_whole)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 20000; i++) {
        struct session_table table;
        struct rows rows = {0};
        uint8_t code[255], text[255], reply[300];
        struct session_id id = {(uint32_t)any_number(&rng), any_number(&rng), any_number(&rng), rng_next(&rng)};
        uint64_t n = any_number(&rng), back = any_number(&rng);
        struct call_session call = {.id = id, .n = n, .ack_below = back <= n ? n - back : 0};
        struct session_outcome outcome = {.reply = any_text(&rng, reply, sizeof reply)};
        bool is_begun = rng_below(&rng, 4) == 0;
        call.print = (uint32_t)rng_next(&rng);
        if (rng_below(&rng, 3) == 0) {
            outcome = (struct session_outcome){.code = pdr_bytes(code, 1 + any_text(&rng, code, 254).size),
                                               .text = any_text(&rng, text, sizeof text)};
        }
        session_put_result(&rows, &call, is_begun ? NULL : &outcome);
        EXPECT(session_is_log_only(pdr_bytes(rows.first->data + 1, rows.first->key_size - 1u)));
        table_open(&table, 0);
        commit(&table, &rows, 5);
        const struct session *session = session_find(&table, &id);
        const struct session_record *r = record(&table, &id, n);
        REQUIRE(r != NULL);
        EXPECT(session->floor >= call.ack_below && session->floor <= n && r->print == call.print);
        EXPECT(r->begun == is_begun && r->ended == !is_begun);
        if (!is_begun) {
            struct session_outcome kept = session_record_outcome(r);
            EXPECT(r->ended_seq == 5 && pdr_bytes_equal(kept.code, outcome.code));
            EXPECT(pdr_bytes_equal(kept.text, outcome.text) && pdr_bytes_equal(kept.reply, outcome.reply));
        }
        table_close(&table);
    }
}

/* As the log could hold it, damaged. */
TEST(a_logged_result_that_nobody_wrote)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 20000; i++) {
        struct session_table table;
        struct rows rows = {0};
        uint8_t bytes[40];
        struct call_session call = {.id = {7, 3, any_number(&rng), 1}, .n = 9, .ack_below = 2};
        struct session_outcome outcome = {.reply = any_text(&rng, bytes, sizeof bytes)};
        if (rng_below(&rng, 2) == 0) {
            outcome = (struct session_outcome){.code = pdr_str("no"), .text = pdr_str("it is late")};
        }
        session_put_result(&rows, &call, rng_below(&rng, 4) == 0 ? NULL : &outcome);
        struct pdr_bytes value = row_value(rows.first);
        uint8_t *copy = malloc(value.size + 1); /* of its exact size: reads beyond are found */
        memcpy(copy, value.data, value.size);
        for (uint64_t k = rng_below(&rng, 3); k > 0; k--) {
            copy[rng_below(&rng, rng_below(&rng, 2) == 0 ? 2 : value.size)] = (uint8_t)rng_next(&rng);
        }
        size_t size = rng_below(&rng, 3) == 0 ? rng_below(&rng, value.size + 1) : value.size;
        uint8_t *cut = malloc(size + 1);
        memcpy(cut, copy, size);
        table_open(&table, 0);
        enum pdr_status status = session_note(&table, pdr_str("R"), pdr_bytes(cut, size), rng_below(&rng, 9) == 0, 1);
        EXPECT(status == PDR_OK || (status == PDR_INVALID && table.count == 0));
        rows_release(&rows);
        free(copy);
        free(cut);
        table_close(&table);
    }
}

TEST(an_id_is_its_bytes)
{
    uint8_t bytes[SESSION_ID_SIZE];
    struct session_id id;
    session_id_encode(bytes, &id_a);
    EXPECT(session_id_decode(pdr_bytes(bytes, sizeof bytes), &id) && session_id_equal(&id, &id_a));
    EXPECT(!session_id_decode(pdr_bytes(bytes, sizeof bytes - 1), &id));
    EXPECT(!session_id_equal(&id_a, &id_b));
}

TEST_MAIN()
