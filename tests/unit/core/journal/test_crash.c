/* tests/unit/core/journal/test_crash.c: thousands of short random lives that end in power cuts or kill -9.
 *
 * Two homes with two shards each submit batches of entries, take answers, release, run out of space and roll back, the
 * way a core does; the disk loses, keeps and tears what was not synced. After each crash the log must hold every
 * acknowledged entry that was not released, in order, without gaps, as it was submitted, and nothing else. */
#include "tests/unit/core/journal/world.h"

#define HOMES 2
#define SHARDS 2 /* a home */
#define EPOCHS_MAX 256
#define LIVES 4

struct model;

struct shard {
    uint32_t id;
    bool rid_known, epoch_open;
    uint64_t epoch, last_seq, applied_seq;
    uint64_t commit_seq;            /* acknowledged in this life, or found at its beginning */
    uint64_t acked_seq;             /* known to be on disk */
    uint64_t submitted[EPOCHS_MAX]; /* the highest seq submitted in that epoch */
    /* what recovery has seen */
    uint64_t seen_first, seen_last, seen_epoch;
};

struct home {
    struct model *model;
    unsigned index;
    uint32_t outstanding;
    bool refusing;
    uint64_t acked_begin; /* position of the last acknowledged batch */
    struct shard shards[SHARDS];
};

struct flight {
    struct journal_batch batch;
    struct list node;
    struct home *home;
    uint64_t last_seq[SHARDS];
    bool has_rid[SHARDS];
};

struct model {
    struct world *world;
    struct rng rng;
    struct home homes[HOMES];
    struct list flights;
    struct control_table control;
    uint64_t seed, acked, refused, recovered;
    bool bad, trusted;
};

#define MODEL_EXPECT(m, condition)                                                                                     \
    do {                                                                                                               \
        if (!(condition) && !(m)->bad) {                                                                               \
            (m)->bad = true;                                                                                           \
            fprintf(stderr, "seed %llu: ", (unsigned long long)(m)->seed);                                             \
            test_failed(__FILE__, __LINE__, #condition);                                                               \
        }                                                                                                              \
    } while (0)

/* Most records are small, some larger than a segment; the name tells which. */
static uint32_t size_of(const struct model *m, uint32_t shard, uint64_t epoch, uint64_t seq)
{
    struct rng rng;
    rng_seed(&rng, m->seed ^ (uint64_t)shard << 50 ^ epoch << 30 ^ seq);
    uint64_t kind = rng_below(&rng, 100);
    return (uint32_t)rng_below(&rng, kind == 0 ? 100000 : kind < 20 ? 9000 : 300);
}

static void flight_free(struct flight *flight)
{
    list_remove(&flight->node);
    mem_free((void *)(uintptr_t)flight->batch.records);
    mem_free(flight);
}

/* What a core does when all its refused batches have come back (R74). */
static void roll_back(struct home *home)
{
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &home->shards[i];
        s->last_seq = s->commit_seq;
        s->epoch++;
        s->epoch_open = false;
    }
    home->refusing = false;
    journal_resume(home->model->world->journal, &home->model->world->homes[home->index].loop);
}

/* What recovery found is durable as soon as anything later is. */
static void trust_tails(struct model *m)
{
    m->trusted = true;
    for (int h = 0; h < HOMES; h++) {
        for (int i = 0; i < SHARDS; i++) {
            struct shard *s = &m->homes[h].shards[i];
            s->acked_seq = s->acked_seq > s->commit_seq ? s->acked_seq : s->commit_seq;
        }
    }
}

static void done(struct journal_batch *batch, enum pdr_status status)
{
    struct flight *flight = LIST_ITEM(batch, struct flight, batch);
    struct home *home = flight->home;
    struct model *m = home->model;
    MODEL_EXPECT(m, status == PDR_OK || status == PDR_NO_SPACE);
    MODEL_EXPECT(m, status != PDR_OK || !home->refusing); /* nothing is taken behind a refusal */
    MODEL_EXPECT(m, status != PDR_OK || (batch->begin >= home->acked_begin && batch->end > batch->begin));
    for (int i = 0; i < SHARDS; i++) {
        struct shard *s = &home->shards[i];
        if (status == PDR_OK) {
            MODEL_EXPECT(m, flight->last_seq[i] >= s->commit_seq);
            s->commit_seq = flight->last_seq[i];
        } else if (flight->has_rid[i]) {
            s->rid_known = false;
        }
    }
    if (status == PDR_OK) {
        trust_tails(m);
    }
    m->acked += status == PDR_OK;
    m->refused += status != PDR_OK;
    home->acked_begin = status == PDR_OK ? batch->begin : home->acked_begin;
    home->refusing = home->refusing || status != PDR_OK;
    home->outstanding--;
    flight_free(flight);
}

/* Submitting. */

struct records {
    uint8_t *data;
    uint32_t size;
};

static void append(struct model *m, struct records *records, enum record_kind kind, const struct shard *s, uint64_t seq)
{
    uint32_t payload = kind == RECORD_RID ? 8 : kind == RECORD_ENTRY ? size_of(m, s->id, s->epoch, seq) : 0;
    uint32_t size = record_size(payload);
    records->data = mem_grow(records->data, records->size + size);
    uint8_t *at = records->data + records->size;
    memset(at, 0, size);
    record_encode_header(at, kind, s->id, s->epoch, seq, payload);
    world_fill(at + RECORD_HEADER_SIZE, payload, s->id, kind == RECORD_RID ? 0 : s->epoch, seq);
    records->size += size;
}

static void submit(struct model *m, struct home *home)
{
    if (home->refusing) {
        if (home->outstanding == 0) {
            roll_back(home);
        }
        return;
    }
    struct flight *flight = mem_new(sizeof *flight);
    struct records records = {NULL, 0};
    for (uint64_t n = 1 + rng_below(&m->rng, 4); n > 0; n--) {
        int i = (int)rng_below(&m->rng, SHARDS);
        struct shard *s = &home->shards[i];
        if (!s->rid_known) {
            append(m, &records, RECORD_RID, s, 0);
            s->rid_known = flight->has_rid[i] = true;
        }
        if (!s->epoch_open) {
            append(m, &records, RECORD_EPOCH, s, s->last_seq);
            s->epoch_open = true;
        }
        append(m, &records, RECORD_ENTRY, s, ++s->last_seq);
        s->submitted[s->epoch] = s->last_seq;
    }
    flight->home = home;
    for (int i = 0; i < SHARDS; i++) {
        flight->last_seq[i] = home->shards[i].last_seq;
    }
    flight->batch.home = &m->world->homes[home->index].loop;
    flight->batch.records = records.data;
    flight->batch.size = records.size;
    flight->batch.done = done;
    home->outstanding++;
    list_push_back(&m->flights, &flight->node);
    journal_submit(m->world->journal, &flight->batch);
}

/* All that is acknowledged is in the store; the log may go as far as no answer is on its way. */
static void release(struct model *m)
{
    uint64_t position = world_stats(m->world).position;
    if (!m->trusted) {
        return; /* the store takes only what is certain */
    }
    for (int h = 0; h < HOMES; h++) {
        if (m->homes[h].outstanding > 0 && m->homes[h].acked_begin < position) {
            position = m->homes[h].acked_begin;
        }
        for (int i = 0; i < SHARDS; i++) {
            m->homes[h].shards[i].applied_seq = m->homes[h].shards[i].acked_seq;
        }
    }
    journal_release(m->world->journal, position);
}

/* Recovery. */

static struct shard *shard_of(struct model *m, uint32_t id)
{
    return &m->homes[id / SHARDS].shards[id % SHARDS];
}

static bool payload_is(const struct record *record, uint32_t size)
{
    uint8_t *want = mem_new(size + 1);
    world_fill(want, size, record->shard, record->epoch, record->seq);
    bool same = pdr_bytes_equal(record->payload, pdr_bytes(want, size));
    mem_free(want);
    return same;
}

static void check_entry(struct model *m, struct shard *s, const struct record *record)
{
    MODEL_EXPECT(m, s->seen_first == 0 || record->seq == s->seen_last + 1);
    MODEL_EXPECT(m, record->epoch < EPOCHS_MAX && record->seq <= s->submitted[record->epoch]);
    MODEL_EXPECT(m, record->epoch >= s->seen_epoch);
    MODEL_EXPECT(m, payload_is(record, size_of(m, s->id, record->epoch, record->seq)));
    s->seen_first = s->seen_first == 0 ? record->seq : s->seen_first;
    s->seen_last = record->seq;
    s->seen_epoch = record->epoch;
}

static void each(void *user, const struct record *record, uint64_t position)
{
    struct model *m = user;
    MODEL_EXPECT(m, record->shard < HOMES * SHARDS);
    struct shard *s = shard_of(m, record->shard);
    MODEL_EXPECT(m, control_table_note(&m->control, record));
    s->rid_known = true; /* RECORD_RID comes first, or the control state that has it */
    m->recovered++;
    if (record->kind == RECORD_ENTRY) {
        check_entry(m, s, record);
    } else if (record->kind == RECORD_EPOCH) {
        MODEL_EXPECT(m, s->seen_first == 0 || record->seq == s->seen_last);
    }
}

static void check_shard(struct model *m, struct shard *s)
{
    struct control *control = control_table_find(&m->control, s->id);
    if (s->seen_first == 0) {
        MODEL_EXPECT(m, s->applied_seq >= s->acked_seq);
        s->last_seq = s->acked_seq;
    } else {
        MODEL_EXPECT(m, s->seen_first <= s->applied_seq + 1);
        MODEL_EXPECT(m, s->seen_last >= s->acked_seq);
        MODEL_EXPECT(m, control != NULL && control_epoch_of(control, s->seen_last) == s->seen_epoch);
        s->last_seq = s->seen_last;
    }
    s->commit_seq = s->last_seq;
    if (s->last_seq > 0) {
        uint8_t rid[8];
        world_fill(rid, 8, s->id, 0, 0);
        MODEL_EXPECT(m, control != NULL && control->rid == get_le64(rid));
        MODEL_EXPECT(m, control != NULL && control->promised <= s->epoch);
    }
    s->epoch++;
    MODEL_EXPECT(m, s->epoch < EPOCHS_MAX);
}

static void open_life(struct model *m)
{
    m->trusted = false;
    for (int h = 0; h < HOMES; h++) {
        struct home *home = &m->homes[h];
        home->outstanding = 0;
        home->refusing = false;
        home->acked_begin = 0;
        for (int i = 0; i < SHARDS; i++) {
            struct shard *s = &home->shards[i];
            s->seen_first = s->seen_last = s->seen_epoch = 0;
            s->rid_known = s->epoch_open = false;
        }
    }
    enum pdr_status status = world_open(m->world);
    MODEL_EXPECT(m, status == PDR_OK);
    if (status != PDR_OK) {
        fprintf(stderr, "%s\n", m->world->recovery.corrupt);
        return;
    }
    for (uint32_t id = 0; id < HOMES * SHARDS; id++) {
        check_shard(m, shard_of(m, id));
    }
    control_table_free(&m->control);
}

static void end_life(struct model *m)
{
    world_end(m->world, rng_below(&m->rng, 3) != 0); /* answers that had left arrive */
    while (!list_empty(&m->flights)) {
        flight_free(LIST_ITEM(m->flights.next, struct flight, node));
    }
}

static void steps(struct world *w, uint64_t n)
{
    while (n-- > 0 && sim_step(&w->sim)) {
    }
}

static void live(struct model *m)
{
    struct world *w = m->world;
    uint64_t actions = rng_below(&m->rng, 250);
    unsigned eager = 20 + (unsigned)rng_below(&m->rng, 60);
    for (uint64_t i = 0; i < actions && w->failures == 0 && !m->bad; i++) {
        uint64_t what = rng_below(&m->rng, 1000);
        if (what < 10) {
            sim_disk_set_capacity(w->disk, rng_below(&m->rng, 2) == 0 ? UINT64_MAX : sim_disk_used(w->disk));
        } else if (what < 40) {
            release(m);
        } else if (what < 45) {
            world_run_ms(w, 150); /* idle: a covering group; or the second try for space */
        } else if (what < 47) {
            sim_disk_fail_next_sync(w->disk);
        } else if (rng_chance(&m->rng, eager)) {
            submit(m, &m->homes[rng_below(&m->rng, HOMES)]);
        } else {
            steps(w, rng_below(&m->rng, 40));
        }
    }
    w->failures = 0;
}

static void run(uint64_t seed, uint64_t totals[3])
{
    struct model *m = mem_new(sizeof *m);
    m->seed = seed;
    rng_seed(&m->rng, seed);
    list_init(&m->flights);
    m->world = world_new(seed);
    m->world->options = (struct journal_options){.segment_bytes = 65536,
                                                 .first_segment_bytes = 32768,
                                                 .bytes_max = 1u << 20,
                                                 .group_bytes_max = 16384,
                                                 .log_id = {9}};
    m->world->each = each;
    m->world->user = m;
    for (int h = 0; h < HOMES; h++) {
        m->homes[h].model = m;
        m->homes[h].index = (unsigned)h;
        for (int i = 0; i < SHARDS; i++) {
            m->homes[h].shards[i].id = (uint32_t)(h * SHARDS + i);
        }
    }
    for (int life = 0; life < LIVES && !m->bad; life++) {
        open_life(m);
        if (!m->bad) {
            live(m);
        }
        end_life(m);
    }
    if (!m->bad) {
        open_life(m);
        end_life(m);
    }
    totals[0] += m->acked;
    totals[1] += m->refused;
    totals[2] += m->recovered;
    control_table_free(&m->control);
    world_free(m->world);
    mem_free(m);
}

static void run_seeds(uint64_t first, uint64_t count)
{
    uint64_t totals[3] = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        run(seed, totals);
    }
    printf("%llu lives: %llu batches acknowledged, %llu refused, %llu records recovered\n",
           (unsigned long long)(count * LIVES), (unsigned long long)totals[0], (unsigned long long)totals[1],
           (unsigned long long)totals[2]);
    EXPECT(totals[0] > count * 10 && totals[1] > count && totals[2] > count * 10); /* it is not an idle test */
}

TEST(random_crashes_lose_nothing_acknowledged)
{
    run_seeds(test_seed(), 1000);
}

TEST(random_crashes_lose_nothing_acknowledged_again)
{
    run_seeds(test_seed() + 1000000, 1000);
}

TEST_MAIN()
