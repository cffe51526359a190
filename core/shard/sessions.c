/* core/shard/sessions.c: calls under a session: answered from the record, or recorded with what they write. */
#include "core/shard/sessions.h"

#include <stdio.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/sessions_parts.h"

/* A table has changed: what it takes is the core's memory. */
void sessions_account(struct core *core, struct shard *shard)
{
    struct session_table *table = &shard->sessions;
    struct session_names *names = &core->session_names;
    core->memory_used += table->bytes - table->charged + names->bytes - names->charged;
    names->charged = names->bytes;
    core->session_bytes += table->record_bytes - table->charged_records;
    table->charged = table->bytes;
    table->charged_records = table->record_bytes;
}

void sessions_entry(struct core *core, struct shard *shard, const struct rows *rows, uint64_t seq)
{
    struct session_table *table = &shard->sessions;
    uint32_t homes = table->homes;
    for (const struct row *row = rows->first; row != NULL; row = row->next) {
        if (row->data[0] == KEYS_SESSION) {
            struct pdr_bytes key = pdr_bytes(row->data + 1, row->key_size - 1u);
            CHECK(session_note(table, key, row_value(row), row->deleted, seq) == PDR_OK); /* our own encoding */
        }
    }
    core->session_homes += table->homes - homes;
    sessions_account(core, shard);
}

struct roll_back {
    struct core *core;
    uint64_t seq;
};

/* It may have been left before it was sure that it was opened: its connection, or the link to that, is lost. */
static void stop_idle(struct session *session, void *user)
{
    const struct roll_back *r = user;
    if (session->home != NULL && session->home->seq > r->seq) {
        timer_cancel(&r->core->wheel, &session->home->idle);
    }
}

void sessions_roll_back(struct core *core, struct shard *shard, uint64_t seq)
{
    uint32_t homes = shard->sessions.homes;
    session_each(&shard->sessions, stop_idle, &(struct roll_back){core, seq});
    session_roll_back(&shard->sessions, seq);
    core->session_homes += shard->sessions.homes - homes;
    sessions_account(core, shard);
}

/* Before a call runs. */

static bool refuse(struct call *call, enum pdr_status status, const char *why)
{
    call_fail(call, status, "%s", why);
    call_finish(call);
    return false;
}

static bool answer_outcome(struct core *core, struct shard *shard, struct call *call,
                           const struct session_record *record, enum pdr_durability durability)
{
    struct session_outcome outcome = session_record_outcome(record);
    pdr_writer_clear(&call->reply);
    call->session.is_final = outcome.code.size > 0;
    if (outcome.code.size > 0) {
        call_fail(call, pdr_status_from_wire(outcome.code.data, outcome.code.size), "%.*s", (int)outcome.text.size,
                  (const char *)outcome.text.data);
        snprintf(call->code, sizeof call->code, "%.*s", (int)outcome.code.size, (const char *)outcome.code.data);
    } else {
        pdr_write_raw(&call->reply, outcome.reply.data, outcome.reply.size);
        if (call->reply.failed) {
            return refuse(call, PDR_OVERLOADED, "the machine has no memory for the answer");
        }
    }
    core->stats.session_answers++;
    turn_answer(shard, call, record->ended_seq, durability);
    return false;
}

static bool answer_begun(struct shard *shard, struct call *call, const struct session_record *record,
                         enum pdr_durability durability)
{
    call_fail(call, PDR_CANCELLED,
              "the call was cut off after a part of it was committed; it is not run again under this number");
    call->session.is_final = true;
    turn_answer(shard, call, record->begun_seq, durability);
    return false;
}

static void wait_expired(struct timer *timer)
{
    struct call *call = LIST_ITEM(timer, struct call, timer);
    list_remove(&call->node);
    call->at->stats.deadlines++;
    call_fail(call, PDR_DEADLINE, "the deadline passed while an earlier copy of the call still ran");
    call_finish(call);
}

static bool wait_for_first(struct core *core, struct call *call, struct session_record *record)
{
    list_push_back(&record->run->waiting, &call->node);
    timer_init(&call->timer, wait_expired);
    timer_set(&core->wheel, &call->timer, call->deadline_ns);
    return false;
}

static bool is_full(const struct core *core, const struct session *session)
{
    return core->session_bytes >= core->limits.session_bytes_max ||
           (session != NULL && session->bytes >= LIMIT_SESSION_SHARD_BYTES_MAX);
}

/* A shard hears what is acknowledged with the next result; when bytes are short all of them hear at once. */
static void acknowledge(struct core *core, const struct call_session *call)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        struct session *session = shard != NULL ? session_find(&shard->sessions, &call->id) : NULL;
        if (session != NULL) {
            session_acknowledge(&shard->sessions, session, call->ack_below);
            sessions_account(core, shard);
        }
    }
}

/* It is looked at before the call runs, for one that has run can't be refused any more. The oldest that a client has no
 * answer to is always let in: else nothing behind it could ever be acknowledged. */
static bool has_room(struct core *core, const struct session *session, struct call *call)
{
    if (!is_full(core, session) || call->session.n == call->session.ack_below) {
        return true;
    }
    acknowledge(core, &call->session);
    if (!is_full(core, session)) {
        return true;
    }
    core->stats.overloaded++;
    call->retry_ms = 100;
    return refuse(call, PDR_OVERLOADED,
                  "too many answers are kept for retries (limit session_bytes): acknowledge some (\"ack_below\")");
}

void sessions_expect(struct core *core, const struct call *call)
{
    const char *shard = (const char *)core->shards[call->shard];
    session_names_prefetch(&core->session_names, &call->session.id, call->shard);
    for (size_t line = 0; shard != NULL && line < sizeof(struct shard); line += 64) {
        __builtin_prefetch(shard + line, 1);
    }
}

bool sessions_admit(struct core *core, struct shard *shard, struct call *call, enum pdr_durability durability)
{
    struct session *session = session_names_part(&core->session_names, &call->session.id, call->shard);
    struct session_record *record = session != NULL ? session_record(session, call->session.n) : NULL;
    uint64_t floor = session != NULL ? session_floor(session, call->session.ack_below) : call->session.ack_below;
    if (call->session.n < floor && !MUTATION(72)) {
        return refuse(call, PDR_INVALID,
                      "the answer to this number was acknowledged already (\"ack_below\", or 4,096 "
                      "numbers further): it is not run again");
    }
    if (record == NULL) {
        return has_room(core, session, call);
    }
    if (record->print != call->session.print) {
        return refuse(call, PDR_INVALID,
                      "another call was made under this number of the session: numbers are used once");
    }
    if (record->run != NULL) {
        return wait_for_first(core, call, record);
    }
    return record->ended ? answer_outcome(core, shard, call, record, durability)
                         : answer_begun(shard, call, record, durability);
}

/* While it runs. */

static bool is_recorded(const struct turn *turn)
{
    return turn->kind == TURN_CALL && turn->call->session.on && !turn->reader;
}

void sessions_put_begun(struct turn *turn)
{
    if (is_recorded(turn) && !turn->begun) {
        turn->begun = true;
        session_put_result(&turn->rows, &turn->call->session, NULL);
    }
}

void sessions_wait(struct turn *turn)
{
    if (is_recorded(turn)) {
        struct shard *shard = turn->activation->shard;
        session_run_begin(&shard->sessions, session_get(&shard->sessions, &turn->call->session.id),
                          &turn->call->session);
        sessions_account(turn->activation->core, shard);
        turn->has_waited = true;
    }
}

void sessions_ended(struct core *core, struct shard *shard, const struct call *call)
{
    struct session *session = session_find(&shard->sessions, &call->session.id);
    struct list waiting, *node;
    list_init(&waiting);
    if (session != NULL) {
        session_run_end(&shard->sessions, session, call->session.n, &waiting);
        sessions_account(core, shard);
    }
    while ((node = list_pop(&waiting)) != NULL) {
        struct call *copy = LIST_ITEM(node, struct call, node);
        timer_cancel(&core->wheel, &copy->timer);
        core_deliver(core, copy);
    }
}

/* A refusal of the platform's that left nothing behind: the call has not happened. */
static bool has_not_happened(const struct turn *turn, enum pdr_status status)
{
    bool is_ours = status != PDR_OK && status != PDR_ACTOR && pdr_status_retry(status) != PDR_RETRY_NEVER;
    return is_ours && !turn->begun;
}

bool sessions_put_outcome(struct turn *turn, enum pdr_status status)
{
    struct session_outcome outcome = {0};
    if (!is_recorded(turn) || has_not_happened(turn, status)) {
        return false;
    }
    if (status == PDR_OK) {
        outcome.reply = pdr_written(&turn->call->reply);
    } else {
        const char *text = turn->error_text[0] != 0 ? turn->error_text : pdr_status_text(status);
        outcome.code = pdr_str(status == PDR_ACTOR ? turn->error_code : pdr_status_wire(status));
        outcome.text = pdr_str(text);
    }
    session_put_result(&turn->rows, &turn->call->session, &outcome);
    return true;
}

/* A shard is given up. */

struct closing {
    struct core *core;
    struct list copies;
};

static void close_session(struct session *session, void *user)
{
    struct closing *closing = user;
    if (session->home != NULL) {
        timer_cancel(&closing->core->wheel, &session->home->idle);
    }
    list_remove(&session->over_node);
    for (uint32_t i = 0; i < session->count; i++) {
        struct session_run *run = session_record_at(session, i)->run;
        if (run != NULL) {
            list_splice(&closing->copies, &run->waiting);
        }
    }
}

void sessions_close(struct core *core, struct shard *shard)
{
    struct closing closing = {.core = core};
    struct list *node;
    list_init(&closing.copies);
    session_each(&shard->sessions, close_session, &closing);
    while ((node = list_pop(&closing.copies)) != NULL) {
        struct call *call = LIST_ITEM(node, struct call, node);
        timer_cancel(&core->wheel, &call->timer);
        turn_abandon(call, false);
        call_finish(call);
    }
}

void sessions_forget(struct core *core, struct shard *shard)
{
    struct closing closing = {.core = core};
    list_init(&closing.copies);
    session_each(&shard->sessions, close_session, &closing); /* turns that ended since may have set timers */
    CHECK(list_empty(&closing.copies));
    core->session_homes -= shard->sessions.homes;
    core->memory_used -= shard->sessions.charged;
    core->session_bytes -= shard->sessions.charged_records;
    session_table_release(&shard->sessions);
    sessions_account(core, shard);
}

/* The tables of a core. */

void sessions_init(struct core *core)
{
    session_names_init(&core->session_names);
    list_init(&core->sessions_over);
    timer_init(&core->session_timer, sessions_drop);
    core->session_secret = rng_next(&core->rng);
}

static void discard_waiting(struct session *session, void *user)
{
    struct core *core = user;
    if (session->home != NULL) {
        timer_cancel(&core->wheel, &session->home->idle);
    }
    for (uint32_t i = 0; i < session->count; i++) {
        struct session_run *run = session_record_at(session, i)->run;
        struct list *item;
        while (run != NULL && (item = list_pop(&run->waiting)) != NULL) {
            struct call *call = LIST_ITEM(item, struct call, node);
            timer_cancel(&core->wheel, &call->timer);
            call_discard(call);
        }
    }
}

void sessions_free(struct core *core)
{
    sessions_ask_free(core);
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL) {
            session_each(&core->shards[id]->sessions, discard_waiting, core);
        }
    }
    for (uint32_t id = 0; id < core->shard_count; id++) { /* no timer has a neighbour any more */
        if (core->shards[id] != NULL) {
            session_table_release(&core->shards[id]->sessions);
        }
    }
    if (core->directory != NULL) {
        session_table_release(&core->directory->sessions);
    }
    session_names_release(&core->session_names);
}
