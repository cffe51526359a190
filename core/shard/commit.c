/* core/shard/commit.c: stage 6 of 7 (turn before it, reply after it). Group commit on the core's side: the records of a
 * tick are one journal batch; the journal makes one group, with one sync, of all batches that gathered meanwhile. */
#include "core/shard/commit.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/aside.h"
#include "core/shard/reminders.h"
#include "core/shard/replicas.h"
#include "core/shard/sessions.h"
#include "core/shard/tells.h"

#define RECORDS_MIN 1024u
#define TOUCHED_MIN 4u
#define KEEP_SPARE_MAX (1u << 20)

/* Admission, before the turn runs: what is refused here has not happened. */

enum pdr_status commit_admits(struct core *core, struct shard *shard, struct call *call)
{
    if (core->refusing) {
        call->retry_ms = 500;
        return call_fail(
            call, PDR_NO_SPACE,
            "the disk under the data directory is full: writes are refused, reads go on; free space there");
    }
    if (shard->copy != NULL && !replicas_admit(shard)) {
        core->stats.overloaded++;
        call->retry_ms = 50 + (uint32_t)rng_below(&core->rng, 100);
        return call_fail(call, PDR_OVERLOADED, "the other copies are behind (limit uncommitted_bytes_max)");
    }
    if (shard->last_seq - shard->commit_seq < core->limits.uncommitted_entries_max &&
        core->uncommitted_bytes < core->limits.uncommitted_bytes_max &&
        core->unapplied_bytes < core->limits.unapplied_bytes_max) {
        return PDR_OK;
    }
    core->stats.overloaded++;
    call->retry_ms = 20 + (uint32_t)rng_below(&core->rng, 80);
    if (core->unapplied_bytes >= core->limits.unapplied_bytes_max) {
        return call_fail(call, PDR_OVERLOADED, "the store is behind the log (limit unapplied_bytes_max)");
    }
    bool few = core->uncommitted_bytes >= core->limits.uncommitted_bytes_max;
    return call_fail(call, PDR_OVERLOADED, "the disk is behind (limit uncommitted_%s_max)", few ? "bytes" : "entries");
}

/* Submissions. */

static void durable(struct journal_batch *batch, enum pdr_status status);

static struct submission *open_submission(struct core *core)
{
    struct submission *s = core->open;
    if (s != NULL) {
        return s;
    }
    s = core->spare != NULL ? core->spare : mem_new(sizeof *s);
    core->spare = NULL;
    s->core = core;
    s->size = 0;
    s->touched_count = 0;
    s->batch.entries = 0;
    s->is_shared = s->is_release = false;
    list_init(&s->node);
    core->open = s;
    return s;
}

void submission_free(struct submission *s)
{
    struct core *core = s->core;
    if (core->spare == NULL && s->capacity <= KEEP_SPARE_MAX) {
        core->spare = s;
        return;
    }
    mem_free(s->records);
    mem_free(s->touched);
    mem_free(s);
}

/* A submission is about as large as those before: a larger one is believed at once, a smaller one by and by. It lives
 * until it is applied, so it should not have much more than it needs, nor grow by copying. */
static uint32_t expect_next(uint32_t expected, uint32_t size)
{
    return size > expected ? size : expected - (expected - size) / 8;
}

static uint32_t at_least(uint32_t expected, uint32_t least)
{
    return expected > least ? expected : least;
}

static uint8_t *reserve(struct submission *s, uint32_t size)
{
    if (s->capacity - s->size < size) {
        uint32_t capacity = s->capacity > 0 ? s->capacity : at_least(s->core->size_expected, RECORDS_MIN);
        while (capacity - s->size < size) {
            capacity *= 2;
        }
        s->records = mem_grow(s->records, capacity);
        s->capacity = capacity;
    }
    uint8_t *at = s->records + s->size;
    s->size += size;
    return at;
}

static uint8_t *append(struct submission *s, enum record_kind kind, const struct shard *shard, uint64_t seq,
                       uint32_t payload_size)
{
    uint32_t size = record_size(payload_size);
    uint8_t *at = reserve(s, size);
    memset(at + size - 8, 0, 8); /* padding is on disk too: no stray bytes */
    record_encode_header(at, kind, shard->id, shard->epoch, seq, payload_size);
    return at + RECORD_HEADER_SIZE;
}

static void touch(struct submission *s, struct shard *shard)
{
    bool is_of_epoch = shard->epoch_open || shard->copy != NULL;
    uint64_t epoch = is_of_epoch ? shard->epoch : shard->synced_epoch;
    if (shard->touched_in == s) {
        s->touched[shard->touched_at].last_seq = shard->last_seq;
        s->touched[shard->touched_at].epoch = epoch;
        s->touched[shard->touched_at].notes = shard->notes;
        return;
    }
    if (s->touched_count == s->touched_capacity) {
        uint32_t first = at_least(s->core->touched_expected, TOUCHED_MIN);
        s->touched_capacity = s->touched_capacity == 0 ? first : s->touched_capacity * 2;
        s->touched = mem_grow(s->touched, s->touched_capacity * sizeof *s->touched);
    }
    shard->touched_in = s;
    shard->touched_at = s->touched_count;
    s->touched[s->touched_count++] = (struct touched){shard, epoch, shard->last_seq, shard->notes};
}

/* R34: before its first entry in this life a shard begins a new epoch; the copy's name comes before everything. */
static void open_epoch(struct submission *s, struct shard *shard)
{
    if (shard->epoch_open) {
        return;
    }
    if (!shard->rid_known) {
        uint8_t *payload = append(s, RECORD_RID, shard, 0, sizeof shard->rid);
        put_le64(payload, shard->rid);
        shard->rid_known = true;
    }
    append(s, RECORD_EPOCH, shard, shard->last_seq, 0);
    shard->epoch_open = true;
    if (shard->duty != NULL) { /* of a member; and not the directory's, which nobody copies */
        history_begin(&shard->history, shard->epoch, shard->last_seq + 1);
    }
}

/* A deletion leaves a tombstone where the store may be asked; and where there is too much, for that is about to be
 * trimmed, and need not wait until the store has the deletion. */
static bool leaves_none(const struct activation *a, const struct state_entry *deletion)
{
    enum keys_kind kind = deletion->kind == KEYS_REMINDER ? KEYS_REMINDER : KEYS_USER;
    if (MUTATION(44) && kind == KEYS_REMINDER) {
        return true;
    }
    return state_has_all(&a->values, kind) && (deletion->is_volatile || !activation_is_large(a, kind));
}

/* What was written becomes the actor's state, under the entry's seq. What is replaced is kept for the turns that go on
 * and may have slices of it, that is all but `ended`. */
static void merge(struct activation *a, struct state *writes, uint64_t seq, const struct turn *ended)
{
    struct state *values = &a->values;
    for (uint32_t i = 0; i < writes->count; i++) {
        struct state_entry *entry = state_entry_at(writes, i), *old;
        bool leaves_no_trace = entry->deleted && leaves_none(a, entry);
        entry->seq = entry->is_volatile ? 0 : seq;
        if (leaves_no_trace) {
            old = state_remove(values, entry->kind, entry_key(entry));
            values->removed_seq = entry->is_volatile ? values->removed_seq : seq;
        } else {
            old = state_insert(values, entry);
        }
        turn_keep(a, ended, old);
        turn_keep(a, ended, leaves_no_trace ? entry : NULL);
    }
    state_forget(writes);
}

#ifdef PDR_MUTATIONS
/* The mistake of MUTATION(15): the first write goes ahead, as an entry and a batch of its own. */
static void split(struct turn *turn)
{
    struct state *writes = &turn->writes;
    struct state_entry *first = state_entries(writes)[0];
    uint32_t rest = writes->count - 1;
    struct state_entry **others = mem_new(rest * sizeof *others);
    memcpy(others, state_entries(writes) + 1, rest * sizeof *others);
    state_entries(writes)[0] = first;
    writes->count = 1;
    if (commit_turn(turn, false) == PDR_OK) {
        commit_submit(turn->activation->core);
    }
    memcpy(state_entries(writes) + writes->count, others, rest * sizeof *others);
    writes->count += rest;
    mem_free(others);
}
#else
static void split(struct turn *turn) {}
#endif

static uint64_t add_entry(struct core *core, struct shard *shard, struct pdr_bytes address, const struct state *writes,
                          const struct rows *rows, uint32_t size)
{
    struct submission *s = open_submission(core);
    uint32_t before = s->size;
    CHECK(shard_serves(shard));
    open_epoch(s, shard);
    uint64_t seq = ++shard->last_seq;
    uint8_t *payload = append(s, RECORD_ENTRY, shard, seq, size);
    effects_encode(payload, address, writes, rows);
    if (shard->copy != NULL) {
        s->is_shared = true;
        replicas_made(shard, seq, pdr_bytes(payload, size));
    }
    s->batch.entries++;
    touch(s, shard);
    if (shard != core->directory) {
        core->stats.entries++;
        core->stats.entry_bytes += size;
    }
    core->uncommitted_bytes += s->size - before;
    if (rows->has_sessions) {
        sessions_entry(core, shard, rows, seq);
    }
    return seq;
}

void commit_epoch(struct core *core, struct shard *shard)
{
    struct submission *s = open_submission(core);
    uint32_t before = s->size;
    CHECK(!core->refusing && !shard->epoch_open);
    open_epoch(s, shard);
    touch(s, shard);
    core->uncommitted_bytes += s->size - before;
}

uint32_t commit_note(struct core *core, struct shard *shard, enum record_kind kind, uint64_t epoch, uint64_t seq,
                     struct pdr_bytes payload)
{
    struct submission *s = open_submission(core);
    uint32_t before = s->size, size = record_size((uint32_t)payload.size);
    CHECK(!core->refusing && !shard_serves(shard));
    uint8_t *at = reserve(s, size);
    memset(at + size - 8, 0, 8);
    record_encode_header(at, kind, shard->id, epoch, seq, (uint32_t)payload.size);
    memcpy(at + RECORD_HEADER_SIZE, payload.data, payload.size);
    shard->notes++;
    touch(s, shard);
    core->uncommitted_bytes += s->size - before;
    return shard->notes;
}

void commit_record(struct core *core, struct shard *shard, const struct record *record)
{
    struct submission *s = open_submission(core);
    uint32_t before = s->size, size = record_size((uint32_t)record->payload.size);
    uint8_t *at = reserve(s, size);
    memset(at + size - 8, 0, 8);
    record_encode_header(at, record->kind, shard->id, record->epoch, record->seq, (uint32_t)record->payload.size);
    if (record->payload.size > 0) {
        memcpy(at + RECORD_HEADER_SIZE, record->payload.data, record->payload.size);
    }
    s->is_shared = true;
    touch(s, shard);
    if (record->kind == RECORD_ENTRY) {
        s->batch.entries++;
        s->touched[shard->touched_at].last_seq =
            record->seq; /* of several that are written again this is not the last */
    }
    core->uncommitted_bytes += s->size - before;
}

static struct submission *release_at(struct core *core, uint64_t position)
{
    struct list *at = core->unapplied.prev;
    while (at != &core->unapplied && LIST_ITEM(at, struct submission, node)->batch.begin > position) {
        at = at->prev;
    }
    struct submission *s = LIST_ITEM(at, struct submission, node);
    if (at != &core->unapplied && s->is_release && s->batch.begin == position) {
        return s;
    }
    s = mem_new(sizeof *s);
    s->core = core;
    s->is_release = true;
    s->batch.begin = position;
    s->durable_ms = core_now_ns(core) / NS_PER_MS;
    list_init(&s->node);
    list_push_back(at->next, &s->node); /* behind `at`: in the order of the log */
    return s;
}

static void touch_released(struct submission *s, struct shard *shard, uint64_t epoch, uint64_t seq)
{
    uint32_t i = s->touched_count;
    while (i > 0 && s->touched[i - 1].shard != shard) {
        i--;
    }
    if (i == 0) {
        if (s->touched_count == s->touched_capacity) {
            s->touched_capacity = s->touched_capacity == 0 ? 16 : s->touched_capacity * 2;
            s->touched = mem_grow(s->touched, s->touched_capacity * sizeof *s->touched);
        }
        i = ++s->touched_count;
    }
    s->touched[i - 1] = (struct touched){shard, epoch, seq, 0};
}

void commit_release(struct core *core, struct shard *shard, const struct record *record, uint64_t position)
{
    struct submission *s = release_at(core, position);
    uint32_t size = record_size((uint32_t)record->payload.size);
    uint8_t *at = reserve(s, size);
    memset(at + size - 8, 0, 8);
    record_encode_header(at, RECORD_ENTRY, shard->id, record->epoch, record->seq, (uint32_t)record->payload.size);
    memcpy(at + RECORD_HEADER_SIZE, record->payload.data, record->payload.size);
    touch_released(s, shard, record->epoch, record->seq);
    core->unapplied_bytes += size;
}

enum pdr_status commit_turn(struct turn *turn, bool final)
{
    if (MUTATION(15) && turn->writes.count > 1) {
        split(turn);
    }
    struct activation *a = turn->activation;
    const struct turn *ended = final ? turn : NULL;
    uint32_t operations;
    if (tells_write(turn, final) != PDR_OK) {
        return PDR_NO_SPACE;
    }
    if (turn->writes.count == 0 && turn->rows.count == 0) {
        return PDR_OK;
    }
    uint32_t size = effects_size(activation_address(a), &turn->writes, &turn->rows, &operations);
    if (operations == 0) {
        merge(a, &turn->writes, 0, ended);
        return PDR_OK;
    }
    if (a->core->refusing) {
        return turn_fail(turn, PDR_NO_SPACE, NULL, "the disk under the data directory is full");
    }
    if (!a->cls->logged && operations == turn->rows.count) {
        /* a volatile actor: its state must not depend on an entry that may be undone */
        merge(a, &turn->writes, 0, ended);
        commit_rows(a->core, a->shard, NULL, NULL, &turn->rows);
        turn->is_entry = true;
        return PDR_OK;
    }
    uint64_t seq = add_entry(a->core, a->shard, activation_address(a), &turn->writes, &turn->rows, size);
    a->last_seq = seq;
    turn->is_entry = true;
    merge(a, &turn->writes, seq, ended);
    a->reminder_count = (uint16_t)(a->reminder_count + turn->reminders_more);
    turn->reminders_more = 0;
    reminders_note(a->core, a->shard, &turn->rows);
    rows_release(&turn->rows);
    return PDR_OK;
}

uint64_t commit_rows(struct core *core, struct shard *shard, struct activation *a, struct state *writes,
                     struct rows *rows)
{
    struct pdr_bytes address = a != NULL ? activation_address(a) : pdr_bytes(NULL, 0);
    struct state none;
    uint32_t operations;
    state_init(&none, true);
    uint32_t size = effects_size(address, writes != NULL ? writes : &none, rows, &operations);
    CHECK(!core->refusing && operations > 0);
    uint64_t seq = add_entry(core, shard, address, writes != NULL ? writes : &none, rows, size);
    if (a != NULL) {
        a->last_seq = seq;
        merge(a, writes, seq, NULL);
    }
    rows_release(rows);
    return seq;
}

void commit_submit(struct core *core)
{
    struct submission *s = core->open;
    if (s == NULL) {
        return;
    }
    core->open = NULL;
    for (uint32_t i = 0; i < s->touched_count; i++) {
        s->touched[i].shard->touched_in = NULL;
    }
    core->size_expected = expect_next(core->size_expected, s->size);
    core->touched_expected = expect_next(core->touched_expected, s->touched_count);
    metrics_size(&core->stats.batch_bytes, s->size);
    s->batch.home = core->world.loop;
    s->batch.records = s->records;
    s->batch.size = s->size;
    s->batch.done = durable;
    list_push_back(&core->in_flight, &s->node);
    journal_submit(core->world.journal, &s->batch);
}

/* The gate (R25). */

bool commit_gate(struct shard *shard, struct gate_wait *wait, uint64_t seq)
{
    if (seq <= shard->commit_seq) {
        return false;
    }
    wait->seq = seq;
    list_push_back(&shard->gate, &wait->node);
    return true;
}

/* Nearly in order of seq: a reader may stand behind a later writer, and then only waits a little longer. */
void commit_open_gate(struct shard *shard)
{
    while (!list_empty(&shard->gate)) {
        struct gate_wait *wait = LIST_ITEM(shard->gate.next, struct gate_wait, node);
        if (wait->seq > (MUTATION(195) ? shard->durable_seq : shard->commit_seq)) {
            return;
        }
        list_remove(&wait->node);
        wait->open(wait, PDR_OK);
    }
}

void commit_abandon(struct shard *shard)
{
    struct list waits, *node;
    list_init(&waits);
    list_splice(&waits, &shard->gate);
    while ((node = list_pop(&waits)) != NULL) {
        struct gate_wait *wait = LIST_ITEM(node, struct gate_wait, node);
        bool leaves = wait->seq <= shard->commit_seq || MUTATION(150);
        wait->open(wait, leaves ? PDR_OK : PDR_MOVED);
    }
}

/* R23 with a commit set of one: committed is what is durable here. */
static void advance(struct shard *shard, uint64_t durable_seq)
{
    CHECK(durable_seq >= shard->durable_seq && durable_seq <= shard->last_seq);
    shard->durable_seq = durable_seq;
    shard->commit_seq = durable_seq;
    commit_open_gate(shard);
}

/* Roll-back: the journal had no room (R74). What was not durable is undone: the positions go back, the epoch ends, and
 * actors that saw any of it are read anew, behind what is still to be applied. */

static void roll_back_shard(struct core *core, struct shard *shard)
{
    uint64_t kept = replicas_kept(shard);
    if (shard->copy != NULL ? !replicas_was_cut(shard) : shard->last_seq == kept) {
        return;
    }
    shard->last_seq = kept;
    if (!core->is_member) {
        shard->epoch++; /* so (epoch, seq) never names two batches (I9) */
        shard->epoch_open = false;
        shard->rid_known = shard->rid_known && shard->commit_seq > 0; /* the name went with the first entry */
    } /* else epochs are the directory's to give; and nobody but this core has seen what was undone */
    shard->load_barrier = kept;
    if (shard != core->directory) { /* which has neither */
        reminders_forget(core, shard);
        sessions_roll_back(core, shard, kept);
    }
    struct list waits;
    list_init(&waits);
    list_splice(&waits, &shard->gate);
    struct list *node;
    while ((node = list_pop(&waits)) != NULL) {
        struct gate_wait *wait = LIST_ITEM(node, struct gate_wait, node);
        if (wait->seq > shard->commit_seq && wait->seq <= kept) { /* others have it: it is not undone */
            list_push_back(&shard->gate, &wait->node);
        } else {
            wait->open(wait, wait->seq <= kept ? PDR_OK : PDR_NO_SPACE); /* it may only stand behind others */
        }
    }
}

static bool roll_back_activation(struct hash_node *node, void *user)
{
    struct activation *a = LIST_ITEM(node, struct activation, by_address);
    if (a->last_seq <= replicas_kept(a->shard)) {
        return true;
    }
    if (a->state == ACTIVATION_IDLE) {
        activation_reload(a);
    } else {
        a->doomed = true; /* when its turns have ended, or the scheduler comes by */
        aside_consider(a);
    }
    return true;
}

static void resume(struct timer *timer)
{
    struct core *core = LIST_ITEM(timer, struct core, resume_timer);
    if (!list_empty(&core->in_flight)) {
        timer_set(&core->wheel, timer, core_now_ns(core) + 100 * NS_PER_MS);
        return;
    }
    core->refusing = false; /* the next write tells whether there is room */
    journal_resume(core->world.journal, core->world.loop);
    replicas_space(core);
    replicas_settle(core);
}

void commit_refuse(struct core *core)
{
    if (core->refusing) {
        return;
    }
    core->refusing = true;
    LOG_WARN("journal.no_space", "core=%u; writes are refused until there is room", core->index);
    timer_init(&core->resume_timer, resume);
    timer_set(&core->wheel, &core->resume_timer, core_now_ns(core) + 500 * NS_PER_MS);
}

/* What was refused began epochs of shards that are being opened (duty.h): they begin again. */
static void forget_epochs(const struct submission *s)
{
    for (uint32_t i = 0; i < s->touched_count && s->core->is_member; i++) {
        struct shard *shard = s->touched[i].shard;
        shard->notes = shard->notes_synced;
        if (shard->copy == NULL && shard->synced_epoch != shard->epoch) {
            shard->epoch_open = false;
            /* The name went with the first epoch, and is written once. That of an installed copy is in RECORD_SNAP: a
             * RECORD_RID behind it would begin another copy, without its generation. */
            shard->rid_known = shard->synced_epoch != 0 || (shard->gen != 0 && !MUTATION(154));
        }
    }
}

static void roll_back(struct core *core)
{
    commit_refuse(core);
    core->stats.rollbacks++;
    if (core->open != NULL) {
        struct submission *s = core->open;
        core->open = NULL;
        for (uint32_t i = 0; i < s->touched_count; i++) {
            s->touched[i].shard->touched_in = NULL;
        }
        forget_epochs(s);
        core->uncommitted_bytes -= s->size;
        submission_free(s);
    }
    replicas_no_space(core);
    /* activations first: a gate that opens may run nothing, but the next tick must not see undone state */
    if (!MUTATION(14)) {
        hash_each(&core->activations, roll_back_activation, NULL);
    }
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL) {
            roll_back_shard(core, core->shards[id]);
        }
    }
    if (core->directory != NULL) {
        roll_back_shard(core, core->directory);
    }
}

/* Entries of copies that are not the only ones go to the store when they are committed: from the tail, and not from
 * here. Those made before there were others do. */
static void leave_out_shared(struct submission *s)
{
    for (uint32_t at = 0; at < s->size;) {
        struct record record;
        uint32_t used;
        CHECK(record_decode(pdr_bytes(s->records + at, s->size - at), &record, &used) == PDR_OK);
        const struct shard *shard = record.shard < s->core->shard_count ? s->core->shards[record.shard] : NULL;
        if (record.kind == RECORD_ENTRY && shard != NULL && shard->copy != NULL &&
            replicas_is_shared(shard, record.seq)) {
            record_encode_header(s->records + at, RECORD_COMMIT, record.shard, record.epoch, record.seq,
                                 (uint32_t)record.payload.size);
        }
        at += used;
    }
}

static void note_durable(struct submission *s)
{
    for (uint32_t i = 0; i < s->touched_count; i++) {
        struct touched *touched = &s->touched[i];
        struct shard *shard = touched->shard;
        shard->synced_epoch = touched->epoch;
        shard->notes_synced = touched->notes;
        if (shard->copy != NULL) {
            replicas_durable(shard, touched, s);
        } else {
            advance(shard, touched->last_seq);
        }
    }
}

/* What was refused is not on disk, nor will be: also of shards that wrote after the first refusal. */
static void note_refused(struct submission *s)
{
    for (uint32_t i = 0; i < s->touched_count; i++) {
        if (s->touched[i].shard->copy != NULL) {
            replicas_refused(s->touched[i].shard);
        }
    }
    forget_epochs(s);
}

/* The journal's answer, in the order submitted. */
static void durable(struct journal_batch *batch, enum pdr_status status)
{
    struct submission *s = LIST_ITEM(batch, struct submission, batch);
    struct core *core = s->core;
    list_remove(&s->node);
    if (core->dead) {
        submission_free(s);
        return;
    }
    core->uncommitted_bytes -= s->size;
    if (status != PDR_OK) {
        if (!core->refusing) {
            roll_back(core);
        }
        note_refused(s);
        submission_free(s);
        replicas_settle(core);
        return;
    }
    if (s->is_shared) {
        leave_out_shared(s);
    }
    s->durable_ms = core_now_ns(core) / NS_PER_MS;
    core->unapplied_bytes += s->size;
    list_push_back(&core->unapplied, &s->node);
    note_durable(s);
    replicas_settle(core);
}

void commit_free(struct core *core)
{
    struct list *const lists[] = {&core->in_flight, &core->unapplied};
    for (int i = 0; i < 2; i++) {
        struct list *node;
        while ((node = list_pop(lists[i])) != NULL) {
            submission_free(LIST_ITEM(node, struct submission, node));
        }
    }
    if (core->open != NULL) {
        submission_free(core->open);
    }
    if (core->spare != NULL) {
        struct submission *spare = core->spare;
        mem_free(spare->records);
        mem_free(spare->touched);
        mem_free(spare);
        core->spare = NULL;
    }
}
