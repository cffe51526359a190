/* tests/unit/core/journal/world.h: a journal over a simulated disk, with three homes that submit and take answers. */
#ifndef TESTS_UNIT_CORE_JOURNAL_WORLD_H
#define TESTS_UNIT_CORE_JOURNAL_WORLD_H

#include <stdlib.h>

#include "core/base/endian.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/journal/control.h"
#include "core/journal/journal.h"
#include "tests/lib/test.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_loop.h"

#define WORLD_HOMES 3
#define WORLD_SENT_MAX 4096
#define WORLD_FOUND_MAX 4096

struct world;

/* A batch of one record, and its answer. */
struct sent {
    struct journal_batch batch;
    struct world *world;
    unsigned home;
    uint64_t seq;
    bool answered;
    uint32_t answer_no; /* how many of this home were answered before */
    enum pdr_status status;
};

/* Something that sim_disk will be called for. */
struct later {
    struct sim_event event;
    struct sim_source source;
    struct list node;
    struct world *world;
    void (*fn)(void *arg);
    void *arg;
};

/* A record that recovery found. */
struct found {
    enum record_kind kind;
    uint32_t shard, size;
    uint64_t epoch, seq, position;
};

struct world {
    struct sim sim;
    struct sim_clock clock;
    struct sim_loop loop;
    struct sim_loop homes[WORLD_HOMES];
    struct sim_disk *disk;
    struct journal *journal;
    struct journal_options options;
    struct journal_recovery recovery;
    struct list laters;
    struct sent *sent[WORLD_SENT_MAX];
    uint32_t sent_count, answered[WORLD_HOMES];
    struct found found[WORLD_FOUND_MAX];
    uint32_t found_count;
    void (*each)(void *user, const struct record *record, uint64_t position); /* besides; NULL: none */
    void *user;
    uint32_t failures, checkpoints, closes;
    char why[512];
};

static inline void world_later(struct sim_source *source)
{
    struct later *later = LIST_ITEM(source, struct later, source);
    void (*fn)(void *) = later->fn;
    void *arg = later->arg;
    list_remove(&later->node);
    mem_free(later);
    fn(arg);
}

static inline void world_due(struct sim_event *event)
{
    struct later *later = LIST_ITEM(event, struct later, event);
    sim_loop_ready(&later->world->loop, &later->source);
}

static inline void world_after(void *user, uint64_t delay_ns, void (*fn)(void *arg), void *arg)
{
    struct world *world = user;
    struct later *later = mem_new(sizeof *later);
    later->world = world;
    later->fn = fn;
    later->arg = arg;
    later->event = (struct sim_event){.fire = world_due, .name = "disk"};
    sim_source_init(&later->source, world_later);
    list_push_back(&world->laters, &later->node);
    sim_after(&world->sim, &later->event, delay_ns);
}

static inline void world_each(void *user, const struct record *record, uint64_t position)
{
    struct world *world = user;
    if (world->each != NULL) {
        world->each(world->user, record, position);
    }
    if (world->found_count < WORLD_FOUND_MAX) {
        world->found[world->found_count++] = (struct found){
            record->kind, record->shard, (uint32_t)record->payload.size, record->epoch, record->seq, position};
    }
}

static inline void world_failed(void *user, const char *why)
{
    struct world *world = user;
    world->failures++;
    snprintf(world->why, sizeof world->why, "%s", why);
}

static inline void world_want_checkpoint(void *user)
{
    ((struct world *)user)->checkpoints++;
}

static inline void world_closed(void *user)
{
    struct world *world = user;
    world->closes++;
    world->journal = NULL;
}

static inline struct sim_disk_env world_env(struct world *world)
{
    return (struct sim_disk_env){world_after, world, &world->sim.rng};
}

/* Small segments, so that a test need not write much. */
static inline struct world *world_new(uint64_t seed)
{
    struct world *world = mem_new(sizeof *world);
    struct sim_disk_env env = world_env(world);
    sim_init(&world->sim, seed, NULL);
    sim_clock_init(&world->clock, &world->sim);
    list_init(&world->laters);
    for (unsigned i = 0; i < WORLD_HOMES; i++) {
        sim_loop_init(&world->homes[i], &world->sim, &world->clock, i + 1);
        sim_loop_run(&world->homes[i]);
    }
    sim_loop_init(&world->loop, &world->sim, &world->clock, 0);
    world->disk = sim_disk_new(&env);
    world->options = (struct journal_options){.segment_bytes = 1u << 20,
                                              .first_segment_bytes = 1u << 20,
                                              .bytes_max = 8u << 20,
                                              .group_bytes_max = 64u << 10,
                                              .log_id = {7}};
    return world;
}

static inline enum pdr_status world_open(struct world *world)
{
    struct journal_hooks hooks = {world, world_failed, world_want_checkpoint};
    world->found_count = 0;
    enum pdr_status status = journal_open(sim_disk_disk(world->disk), &world->loop.loop, &world->options, &hooks,
                                          world_each, world, &world->journal, &world->recovery);
    if (status == PDR_OK) {
        sim_loop_run(&world->loop);
    }
    return status;
}

static inline void world_forget_laters(struct world *world)
{
    while (!list_empty(&world->laters)) {
        struct later *later = LIST_ITEM(list_pop(&world->laters), struct later, node);
        sim_cancel(&world->sim, &later->event);
        sim_source_forget(&later->source);
        mem_free(later);
    }
}

static inline void world_forget_sent(struct world *world)
{
    for (unsigned i = 0; i < WORLD_HOMES; i++) {
        inbox_deliver(&world->homes[i].loop.inbox); /* answers that were on their way */
        world->answered[i] = 0;
    }
    for (uint32_t i = 0; i < world->sent_count; i++) {
        mem_free((void *)(uintptr_t)world->sent[i]->batch.records);
        mem_free(world->sent[i]);
    }
    world->sent_count = 0;
}

/* The process ends, by a power cut or by itself; answers that had left arrive. */
static inline void world_end(struct world *world, bool power_cut)
{
    sim_loop_stop(&world->loop);
    if (world->journal != NULL) {
        journal_free(world->journal);
        world->journal = NULL;
    }
    world_forget_laters(world);
    if (power_cut) {
        sim_disk_crash(world->disk);
    } else {
        sim_disk_kill(world->disk);
    }
    for (unsigned i = 0; i < WORLD_HOMES; i++) {
        inbox_deliver(&world->homes[i].loop.inbox);
    }
}

static inline void world_crash(struct world *world)
{
    world_end(world, true);
}

static inline void world_free(struct world *world)
{
    world_crash(world);
    world_forget_sent(world);
    for (unsigned i = 0; i < WORLD_HOMES; i++) {
        sim_loop_stop(&world->homes[i]);
    }
    sim_disk_free(world->disk);
    sim_release(&world->sim);
    mem_free(world);
}

static inline void world_run_ms(struct world *world, uint64_t ms)
{
    REQUIRE(sim_run_until(&world->sim, world->sim.now_ns + ms * NS_PER_MS));
}

static inline void world_done(struct journal_batch *batch, enum pdr_status status)
{
    struct sent *sent = LIST_ITEM(batch, struct sent, batch);
    EXPECT(!sent->answered);
    sent->answered = true;
    sent->status = status;
    sent->answer_no = sent->world->answered[sent->home]++;
}

/* What a payload of that name must hold. */
static inline void world_fill(uint8_t *payload, uint32_t size, uint32_t shard, uint64_t epoch, uint64_t seq)
{
    for (uint32_t i = 0; i < size; i++) {
        payload[i] = (uint8_t)(shard * 31 + epoch * 17 + seq * 7 + i);
    }
}

static inline struct sent *world_send_record(struct world *world, unsigned home, enum record_kind kind, uint32_t shard,
                                             uint64_t epoch, uint64_t seq, uint32_t payload_size)
{
    REQUIRE(world->sent_count < WORLD_SENT_MAX);
    struct sent *sent = mem_new(sizeof *sent);
    uint32_t size = record_size(payload_size);
    uint8_t *records = mem_new(size);
    record_encode_header(records, kind, shard, epoch, seq, payload_size);
    world_fill(records + RECORD_HEADER_SIZE, payload_size, shard, epoch, seq);
    sent->world = world;
    sent->home = home;
    sent->seq = seq;
    sent->batch.home = &world->homes[home].loop;
    sent->batch.records = records;
    sent->batch.size = size;
    sent->batch.done = world_done;
    world->sent[world->sent_count++] = sent;
    journal_submit(world->journal, &sent->batch);
    return sent;
}

/* An entry of epoch 1 of the shard that has the home's number. */
static inline struct sent *world_send(struct world *world, unsigned home, uint64_t seq, uint32_t payload_size)
{
    return world_send_record(world, home, RECORD_ENTRY, home, 1, seq, payload_size);
}

static inline bool world_all_answered(const struct world *world)
{
    for (uint32_t i = 0; i < world->sent_count; i++) {
        if (!world->sent[i]->answered) {
            return false;
        }
    }
    return true;
}

/* Until nothing waits for an answer, at most 10 s. */
static inline void world_settle(struct world *world)
{
    uint64_t end = world->sim.now_ns + 10 * NS_PER_S;
    while (!world_all_answered(world) && world->sim.now_ns < end && sim_step(&world->sim)) {
    }
}

static inline struct journal_stats world_stats(struct world *world)
{
    struct journal_stats stats;
    journal_stats(world->journal, &stats);
    return stats;
}

/* Entries found of a shard. */
static inline uint32_t world_found(const struct world *world, uint32_t shard)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->found_count; i++) {
        count += world->found[i].kind == RECORD_ENTRY && world->found[i].shard == shard;
    }
    return count;
}

static inline void world_close(struct world *world)
{
    uint32_t closes = world->closes;
    journal_close(world->journal, world_closed, world);
    sim_loop_run(&world->loop); /* a turn comes */
    uint64_t end = world->sim.now_ns + 10 * NS_PER_S;
    while (world->closes == closes && world->sim.now_ns < end && sim_step(&world->sim)) {
    }
    sim_loop_stop(&world->loop);
    REQUIRE(world->closes == closes + 1);
}

#endif
