/* tests/simulation/forward/moves.c: a shard goes from one site to another, with all that it has, while it is called.
 *
 * The directory's row says so first, and everybody hears of it some time; only the new owner does not, until its copy
 * is complete. The old one closes the shard when it hears; then its rows go over, chunk by chunk
 * (core/shard/install.h), as messages between the two cores. If either site goes down meanwhile it is begun again. */
#include <string.h>

#include "core/base/mem.h"
#include "core/shard/core.h"
#include "core/shard/install.h"
#include "core/shard/shard.h"
#include "tests/simulation/forward/world.h"
#include "tools/node/node_parts.h"

#define LOOK_NS (5 * NS_PER_MS)

/* One step of a copy, on the thread of one of the two cores. */
struct errand {
    struct message message;
    struct mover *mover;
    struct core *core;
    uint64_t attempt;
    void (*run)(struct mover *m, struct core *core, struct pdr_bytes chunk);
    size_t size;
    uint8_t chunk[];
};

static void run_errand(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    if (!errand->core->dead && errand->attempt == errand->mover->attempt) {
        errand->run(errand->mover, errand->core, pdr_bytes(errand->chunk, errand->size));
    }
    mem_free(errand);
}

static struct core *core_of(const struct mover *m, uint32_t site)
{
    const struct sim_node *n = &m->world->sites[site].node;
    return n->state == SIM_NODE_UP ? n->node->cores[m->shard % n->cores] : NULL;
}

static void send(struct mover *m, uint32_t site, struct pdr_bytes chunk,
                 void (*run)(struct mover *m, struct core *core, struct pdr_bytes chunk))
{
    struct core *core = core_of(m, site);
    if (core == NULL) {
        return; /* `look` finds it out */
    }
    struct errand *errand = mem_new(sizeof *errand + chunk.size);
    *errand = (struct errand){.message = {.deliver = run_errand}, .mover = m, .core = core, .attempt = m->attempt};
    errand->run = run;
    errand->size = chunk.size;
    if (chunk.size > 0) {
        memcpy(errand->chunk, chunk.data, chunk.size);
    }
    loop_post(core->world.loop, &errand->message);
}

static void begin_again(struct mover *m)
{
    m->attempt++;
    m->phase = MOVER_CLOSING;
    m->copy = NULL;
    m->asking = false;
}

/* Chunks. */

static void ask_next(struct mover *m, struct core *core, struct pdr_bytes unused);

static void put_step(void *user, uint32_t shard, enum pdr_status status)
{
    struct mover *m = user;
    if (status != PDR_OK) {
        m->failed = true;
        return;
    }
    send(m, m->from, pdr_bytes(NULL, 0), ask_next);
}

static void ended(void *user, uint32_t shard, enum pdr_status status)
{
    struct mover *m = user;
    m->failed = status != PDR_OK;
    m->installed = status == PDR_OK;
}

static void end_install(struct mover *m, struct core *core, struct pdr_bytes unused)
{
    shard_install_end(core, m->shard, &m->meta, ended, m);
}

static void put_chunk(struct mover *m, struct core *core, struct pdr_bytes chunk)
{
    pdr_writer_clear(&m->chunk);
    pdr_write_raw(&m->chunk, chunk.data, chunk.size);
    shard_install_chunk(core, m->shard, pdr_written(&m->chunk), put_step, m);
}

static void chunk_read(void *user, struct pdr_bytes chunk, enum pdr_status status)
{
    struct mover *m = user;
    m->asking = false;
    if (status != PDR_OK) {
        m->failed = true;
    } else if (chunk.size == 0) {
        shard_export_end(m->copy);
        m->copy = NULL;
        send(m, m->to, chunk, end_install);
    } else {
        send(m, m->to, chunk, put_chunk);
    }
}

static void ask_next(struct mover *m, struct core *core, struct pdr_bytes unused)
{
    if (m->copy != NULL && !m->asking) { /* else an earlier attempt's step was answered late */
        m->asking = true;
        shard_export_next(m->copy, chunk_read, m);
    }
}

static void begin_install(struct mover *m, struct core *core, struct pdr_bytes unused)
{
    shard_install(core, m->shard, rng_next(&m->world->sim.rng) | 1, put_step, m);
}

static void exported(void *user, struct shard_export *e, enum pdr_status status)
{
    struct mover *m = user;
    m->failed = status != PDR_OK;
    if (status == PDR_OK) {
        m->copy = e;
        m->meta = *shard_export_meta(e);
        send(m, m->to, pdr_bytes(NULL, 0), begin_install);
    }
}

static void begin_export(struct mover *m, struct core *core, struct pdr_bytes unused)
{
    shard_export(core, m->shard, exported, m);
}

static void abort_install(struct mover *m, struct core *core, struct pdr_bytes unused)
{
    shard_install_abort(core, m->shard);
}

/* The whole. */

static bool is_closed(const struct core *core, uint32_t id)
{
    const struct shard *shard = core->shards[id];
    return shard->state == DUTY_CLOSED && shard->applied_seq == shard->last_seq && core->settled;
}

/* Both sites are those that it was begun with. */
static bool is_intact(const struct mover *m)
{
    return m->world->sites[m->from].node.starts == m->from_start && m->world->sites[m->to].node.starts == m->to_start &&
           core_of(m, m->from) != NULL && core_of(m, m->to) != NULL;
}

void mover_lets_go(struct mover *m, uint32_t site)
{
    const struct sim_node *n = &m->world->sites[site].node;
    if (m->copy != NULL && m->from == site && n->node != NULL && n->starts == m->from_start) {
        shard_export_end(m->copy);
        m->copy = NULL;
    }
}

static void give_up(struct mover *m)
{
    mover_lets_go(m, m->from);
    begin_again(m);
    send(m, m->to, pdr_bytes(NULL, 0), abort_install);
}

static void try_closing(struct mover *m)
{
    struct core *from = core_of(m, m->from), *to = core_of(m, m->to);
    if (from == NULL || to == NULL || !is_closed(from, m->shard) || !is_closed(to, m->shard)) {
        return;
    }
    m->phase = MOVER_COPYING;
    m->failed = m->installed = false;
    m->from_start = m->world->sites[m->from].node.starts;
    m->to_start = m->world->sites[m->to].node.starts;
    send(m, m->from, pdr_bytes(NULL, 0), begin_export);
}

static void look(struct sim_event *event)
{
    struct mover *m = LIST_ITEM(event, struct mover, event);
    if (m->phase == MOVER_CLOSING) {
        try_closing(m);
    } else if (m->installed) {
        m->phase = MOVER_IDLE;
        m->world->moves++;
        sim_note(&m->world->sim, "moved", m->shard, m->to);
        world_tell_maps(m->world, 300);
        return;
    } else if (m->failed || !is_intact(m)) {
        give_up(m);
    }
    sim_after(&m->world->sim, event, LOOK_NS);
}

void mover_init(struct mover *m, struct world *w)
{
    m->world = w;
    m->event = (struct sim_event){.fire = look, .name = "mover"};
    pdr_writer_init(&m->chunk, NULL, 0, 0);
}

/* One that has something, if one can be found. */
static uint32_t draw_shard(struct mover *m)
{
    uint32_t shard = 0;
    for (int tries = 0; tries < 60; tries++) {
        shard = m->shard = (uint32_t)sim_draw(&m->world->sim, CLUSTER_SHARDS);
        const struct core *core = core_of(m, m->world->owner[shard]);
        if (core != NULL && core->shards[shard]->last_seq > 0) {
            break;
        }
    }
    return shard;
}

void mover_begin(struct mover *m)
{
    struct world *w = m->world;
    if (m->phase != MOVER_IDLE) {
        return;
    }
    uint32_t shard = draw_shard(m), to = (uint32_t)sim_draw(&w->sim, w->site_count);
    if (to == w->owner[shard]) {
        return;
    }
    sim_note(&w->sim, "move", shard, to);
    m->from = w->owner[shard];
    m->to = to;
    begin_again(m);
    w->owner[shard] = to;
    w->epoch[shard]++;
    w->cv[shard] = ++w->version;
    world_tell_maps(w, 100);
    sim_after(&w->sim, &m->event, LOOK_NS);
}

bool mover_hides(const struct mover *m, uint32_t site, uint32_t shard)
{
    return m->phase != MOVER_IDLE && m->shard == shard && m->to == site;
}

void mover_release(struct mover *m)
{
    m->attempt++;
    sim_cancel(&m->world->sim, &m->event);
    pdr_writer_release(&m->chunk);
}
