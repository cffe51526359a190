/* The records of a session in a shard, against an array that is searched from end to end. */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/shard/session_records.h"
#include "tests/lib/test.h"

#define MODEL_MAX 512u

struct model {
    uint64_t n;
    uint32_t size;
    bool is_there, runs;
};

static struct session *new_session(void)
{
    struct session *session = mem_new(sizeof *session);
    session_records_init(session);
    return session;
}

static void set(struct session *session, uint64_t n, uint32_t size)
{
    uint8_t bytes[64];
    memset(bytes, (int)(n & 0xff), sizeof bytes);
    struct session_result result = {n, (uint32_t)n, .ended = true, .outcome = pdr_bytes(bytes, size)};
    session_records_note(session, &result, 1);
    EXPECT(session_record(session, n)->ended && session_record(session, n)->ended_seq == 1);
}

static bool holds(const struct session_record *record, const struct model *m)
{
    const uint8_t *bytes = session_record_bytes(record);
    for (uint32_t i = 0; i < m->size; i++) {
        if (bytes[i] != (uint8_t)m->n) {
            return false;
        }
    }
    return record->size == m->size && record->print == (uint32_t)m->n && (record->run != NULL) == m->runs;
}

static void compare(const struct session *session, const struct model *model)
{
    uint32_t count = 0;
    for (uint64_t n = 0; n < MODEL_MAX; n++) {
        const struct session_record *record = session_record(session, n);
        REQUIRE((record != NULL) == model[n].is_there);
        if (record != NULL) {
            EXPECT(holds(record, &model[n]));
            EXPECT(session_record_at(session, count++) == record);
        }
    }
    EXPECT_INT(session->count, count);
    EXPECT((session->bytes == 0) == (count == 0));
}

static void drop_below(struct session *session, struct model *model, uint64_t floor)
{
    session_records_drop_below(session, floor);
    for (uint64_t n = 0; n < floor; n++) {
        model[n].is_there = model[n].is_there && model[n].runs;
    }
}

static void toggle_run(struct session *session, struct model *m)
{
    struct session_record *record = session_record(session, m->n);
    if (record == NULL) {
        return;
    }
    if (record->run == NULL) {
        record->run = mem_new(sizeof *record->run);
        list_init(&record->run->waiting);
    } else {
        mem_free(record->run);
        record->run = NULL;
    }
    m->runs = record->run != NULL;
}

/* Mostly as clients do it: numbers rise, and the floor follows. */
static void play(struct rng *rng)
{
    struct session *session = new_session();
    struct model model[MODEL_MAX] = {{0}};
    uint64_t floor = 0;
    for (uint64_t n = 0; n < MODEL_MAX; n++) {
        model[n].n = n;
    }
    for (int step = 0; step < 300; step++) {
        uint64_t n = floor + rng_below(rng, 1 + rng_below(rng, 40));
        n = n < MODEL_MAX ? n : MODEL_MAX - 1;
        struct model *m = &model[n];
        switch (rng_below(rng, 8)) {
        case 0:
            floor += rng_below(rng, 8);
            floor = floor < MODEL_MAX ? floor : MODEL_MAX - 1;
            drop_below(session, model, floor);
            break;
        case 1:
            toggle_run(session, m);
            break;
        case 2:
            if (m->is_there) {
                session_records_remove(session, session_record(session, n));
                m->is_there = m->runs = false;
            }
            break;
        default:
            m->size = (uint32_t)rng_below(rng, 3) * (SESSION_OUTCOME_NEAR - 1); /* nothing, near, far */
            set(session, n, m->size);
            m->is_there = true;
            break;
        }
        if (step % 16 == 0) {
            compare(session, model);
        }
    }
    compare(session, model);
    session_records_release(session);
    EXPECT_INT(session->bytes, 0);
    EXPECT(session->records == session->near);
    mem_free(session);
}

TEST(records_are_as_in_a_model)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 200; round++) {
        play(&rng);
    }
}

TEST(a_full_span_is_dropped_from_the_front_one_by_one)
{
    struct session *session = new_session();
    for (uint64_t n = 0; n < SESSION_SPAN; n++) {
        set(session, n, 4);
    }
    for (uint64_t n = 0; n < 4 * SESSION_SPAN; n++) { /* the array is not moved each time, and does not grow */
        session_records_drop_below(session, n + 1);
        set(session, n + SESSION_SPAN, 4);
    }
    EXPECT_INT(session->count, SESSION_SPAN);
    EXPECT(1u << session->bits <= 2 * SESSION_SPAN);
    session_records_drop_below(session, UINT64_MAX);
    EXPECT(session->records == session->near);
    mem_free(session);
}

TEST(ordinary_answers_need_no_memory_of_their_own)
{
    struct session *session = new_session();
    set(session, 7, SESSION_OUTCOME_NEAR);
    EXPECT(session->records == session->near);
    EXPECT(session_record_bytes(session_record(session, 7)) == session->near[0].outcome.near);
    set(session, 7, SESSION_OUTCOME_NEAR + 1);
    EXPECT_INT(session_record_bytes(session_record(session, 7))[SESSION_OUTCOME_NEAR], 7);
    session_records_release(session);
    mem_free(session);
}

TEST_MAIN()
