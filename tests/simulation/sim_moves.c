/* tests/simulation/sim_moves.c: draws maps and leases. */
#include "tests/simulation/sim_moves.h"

#include "core/base/mem.h"
#include "core/shard/duty_parts.h"
#include "core/shard/install.h"
#include "core/shard/lease.h"
#include "core/shard/shard.h"
#include "tools/node/node_parts.h"

#define SELF 1u
#define OTHER 2u
#define SESSION_IDLE_MS_MIN 3000u /* of members: connections say several times in it that they are there */
#define SHARDS_MAX (CLUSTER_SHARDS + 8u)

/* A copy for each core: whoever uses one after it was given back is caught by the sanitizer. */
struct moves_map {
    struct list node;
    struct cluster_map map;
    struct cluster_owner owners[SHARDS_MAX];
};

struct sim_moves {
    struct sim *sim;
    struct sim_node *node;
    struct cluster_owner rows[SHARDS_MAX];
    uint32_t count;
    uint64_t version;
    struct list maps;   /* of this life of the node */
    struct list copies; /* the same */
    struct sim_event step, lease;
    uint64_t pause_ns, lease_ns;
    bool calm;
    struct moves_reached reached;
};

static void used(void *user, struct core *core, const struct cluster_map *map)
{
    struct sim_moves *m = user;
    for (struct list *node = m->maps.next; node != &m->maps; node = node->next) {
        struct moves_map *own = LIST_ITEM(node, struct moves_map, node);
        if (&own->map == map) {
            list_remove(node);
            mem_free(own);
            return;
        }
    } /* else it is the node's own first one */
}

/* What is open is so in an epoch that is on disk (R30). */
static void check_cores(struct sim_moves *m)
{
    for (unsigned i = 0; i < m->node->cores && m->node->node != NULL; i++) {
        const struct core *core = m->node->node->cores[i];
        for (uint32_t id = 0; id < core->shard_count; id++) {
            const struct shard *shard = core->shards[id];
            SIM_CHECK(m->sim,
                      shard == NULL || !shard_serves(shard) ||
                          (shard->synced_epoch == shard->epoch && shard->epoch <= m->rows[id].epoch),
                      "shard %u is open in epoch %llu, which is not on disk, or nobody gave to it", id,
                      (unsigned long long)shard->epoch);
        }
    }
}

static bool is_up(const struct sim_moves *m)
{
    return m->node->state != SIM_NODE_DOWN && m->node->node != NULL;
}

static void post_map(struct sim_moves *m)
{
    m->version++;
    for (unsigned i = 0; i < m->node->cores && is_up(m); i++) {
        struct moves_map *copy = mem_new(sizeof *copy);
        copy->map = (struct cluster_map){.version = m->version,
                                         .shard_count = CLUSTER_SHARDS,
                                         .cores = m->node->cores,
                                         .self = SELF,
                                         .owner_count = m->count,
                                         .owners = copy->owners};
        memcpy(copy->owners, m->rows, sizeof copy->owners);
        list_push_back(&m->maps, &copy->node);
        core_post_map(m->node->node->cores[i], &copy->map, used, m);
    }
}

static void post_lease(struct sim_moves *m, uint64_t until_ns)
{
    for (unsigned i = 0; i < m->node->cores && is_up(m); i++) {
        core_post_lease(m->node->node->cores[i], until_ns);
    }
}

static void set_owner(struct sim_moves *m, uint32_t shard, uint64_t node)
{
    m->rows[shard].node = node;
    m->rows[shard].epoch += 1 + sim_draw(m->sim, 3);
    m->rows[shard].cv++;
}

/* A move that is planned. */

struct request {
    struct message message;
    struct sim_moves *moves;
    uint32_t shard;
    bool takes; /* else it is given up when it was released */
};

static void released(void *user, uint32_t shard, enum pdr_status status)
{
    struct request *request = user;
    struct sim_moves *m = request->moves;
    struct core *core = m->node->node->cores[shard % m->node->cores];
    m->reached.released += status == PDR_OK;
    m->reached.too_busy += status == PDR_DEADLINE;
    if (status == PDR_OK) {
        const struct shard *s = core->shards[shard];
        SIM_CHECK(m->sim, s->commit_seq == s->last_seq && list_empty(&s->gate), "shard %u is released, and still busy",
                  shard);
        if (request->takes) {
            set_owner(m, shard, OTHER);
            post_map(m);
        } else {
            m->reached.resumed++;
            shard_resume(core, shard);
        }
    }
    mem_free(request);
}

static void ask_core(struct message *message)
{
    struct request *request = LIST_ITEM(message, struct request, message);
    struct sim_moves *m = request->moves;
    struct core *core = m->node->node->cores[request->shard % m->node->cores];
    if (core->dead || core->frozen) {
        mem_free(request);
    } else {
        shard_release(core, request->shard, released, request);
    }
}

static void ask_for(struct sim_moves *m, uint32_t shard)
{
    struct request *request = mem_new(sizeof *request);
    *request =
        (struct request){.message = {.deliver = ask_core}, .moves = m, .shard = shard, .takes = sim_chance(m->sim, 60)};
    if (is_up(m)) {
        loop_post(m->node->node->cores[shard % m->node->cores]->world.loop, &request->message);
    } else {
        mem_free(request);
    }
}

/* A shard that is away is read as a snapshot, and installed again: as if it had come from elsewhere. */

struct copying {
    struct message message;
    struct list node; /* moves->copies */
    struct sim_moves *moves;
    struct core *core;
    uint32_t shard, life;
    uint16_t gen;
    struct shard_export *from;
    struct keys_meta meta;
    uint8_t **chunks;
    size_t *sizes;
    uint32_t count, next;
};

static void copying_free(struct copying *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        mem_free(c->chunks[i]);
    }
    list_remove(&c->node);
    mem_free(c->chunks);
    mem_free(c->sizes);
    mem_free(c);
}

static void installed(void *user, uint32_t shard, enum pdr_status status)
{
    struct copying *c = user;
    struct sim_moves *m = c->moves;
    SIM_CHECK(m->sim, status != PDR_INVALID || c->core->frozen, "shard %u: its own rows are refused: %s", shard,
              shard_install_why(c->core, shard));
    if (status != PDR_OK || sim_chance(m->sim, 3)) {
        m->reached.dropped++;
        shard_install_abort(c->core, shard);
        copying_free(c);
    } else if (c->next < c->count) {
        c->next++;
        shard_install_chunk(c->core, shard, pdr_bytes(c->chunks[c->next - 1], c->sizes[c->next - 1]), installed, c);
    } else if (c->next == c->count) {
        c->next++;
        shard_install_end(c->core, shard, &c->meta, installed, c);
    } else {
        m->reached.copied++;
        copying_free(c);
    }
}

static void read_on(void *user, struct pdr_bytes chunk, enum pdr_status status)
{
    struct copying *c = user;
    const struct shard *shard = c->core->shards[c->shard];
    if (status == PDR_OK && chunk.size > 0) {
        c->chunks = mem_grow(c->chunks, (c->count + 1) * sizeof *c->chunks);
        c->sizes = mem_grow(c->sizes, (c->count + 1) * sizeof *c->sizes);
        c->chunks[c->count] = mem_grow(NULL, chunk.size);
        memcpy(c->chunks[c->count], chunk.data, chunk.size);
        c->sizes[c->count++] = chunk.size;
        shard_export_next(c->from, read_on, c);
        return;
    }
    c->meta = *shard_export_meta(c->from);
    shard_export_end(c->from);
    bool is_same = status == PDR_OK && shard->state == DUTY_CLOSED && shard->life == c->life && shard->gen == c->gen &&
                   shard->duty->install == NULL && !c->core->frozen;
    SIM_CHECK(c->moves->sim, !is_same || c->meta.applied_seq == shard->last_seq,
              "shard %u is closed, but its rows are as of %llu, not %llu", c->shard,
              (unsigned long long)c->meta.applied_seq, (unsigned long long)shard->last_seq);
    if (is_same) {
        shard_install(c->core, c->shard, rng_next(&c->moves->sim->rng) | 1, installed, c);
    } else {
        copying_free(c);
    }
}

static void opened(void *user, struct shard_export *e, enum pdr_status status)
{
    struct copying *c = user;
    c->from = e;
    if (status == PDR_OK) {
        shard_export_next(e, read_on, c);
    } else {
        copying_free(c);
    }
}

static void begin_copy(struct message *message)
{
    struct copying *c = LIST_ITEM(message, struct copying, message);
    const struct shard *shard = c->shard < c->core->shard_count ? c->core->shards[c->shard] : NULL;
    if (c->core->dead || c->core->frozen || shard == NULL || shard->state != DUTY_CLOSED) {
        copying_free(c);
        return;
    }
    c->life = shard->life;
    c->gen = shard->gen;
    shard_export(c->core, c->shard, opened, c);
}

static void copy(struct sim_moves *m, uint32_t shard)
{
    if (!is_up(m)) {
        return;
    }
    struct copying *c = mem_new(sizeof *c);
    *c = (struct copying){.message = {.deliver = begin_copy},
                          .moves = m,
                          .core = m->node->node->cores[shard % m->node->cores],
                          .shard = shard};
    list_push_back(&m->copies, &c->node);
    loop_post(c->core->world.loop, &c->message);
}

/* Steps. */

static void move_some(struct sim_moves *m)
{
    uint32_t many = sim_chance(m->sim, 20) ? m->count : 1 + (uint32_t)sim_draw(m->sim, 40);
    for (uint32_t i = 0; i < many; i++) {
        uint32_t shard = (uint32_t)sim_draw(m->sim, m->count);
        bool comes = m->rows[shard].node == OTHER || sim_chance(m->sim, 30);
        set_owner(m, shard, comes ? SELF : OTHER);
    }
}

static void come_back(struct sim_moves *m)
{
    for (uint32_t shard = 0; shard < m->count; shard++) {
        if (m->rows[shard].node == OTHER) {
            set_owner(m, shard, SELF);
        }
    }
}

static void step(struct sim_event *event)
{
    struct sim_moves *m = LIST_ITEM(event, struct sim_moves, step);
    struct sim *sim = m->sim;
    uint64_t kind = sim_draw(sim, 10);
    check_cores(m);
    if (kind < 4) {
        come_back(m);
    } else if (kind < 7) {
        move_some(m);
    } else if (kind < 8) {
        for (uint64_t n = 1 + sim_draw(sim, 40); n > 0; n--) {
            copy(m, (uint32_t)sim_draw(sim, m->count));
        }
    } else {
        for (uint64_t n = 1 + sim_draw(sim, 20); n > 0; n--) {
            ask_for(m, (uint32_t)sim_draw(sim, m->count));
        }
    }
    if (m->count == CLUSTER_SHARDS && sim_chance(sim, 2)) {
        m->reached.grown++;
        m->count = SHARDS_MAX;
    }
    post_map(m);
    sim_after(sim, event, sim_delay(sim, m->pause_ns));
}

static void lease(struct sim_event *event)
{
    struct sim_moves *m = LIST_ITEM(event, struct sim_moves, lease);
    struct sim *sim = m->sim;
    uint64_t length_ns = sim_chance(sim, 10) ? 0 : sim_draw(sim, 2 * m->lease_ns);
    post_lease(m, sim_chance(sim, 5) ? 0 : sim_clock_now_ns(&m->node->clock) + length_ns);
    sim_after(sim, event, sim_delay(sim, m->lease_ns));
}

static void forget_copies(struct sim_moves *m)
{
    while (!list_empty(&m->copies)) {
        copying_free(LIST_ITEM(m->copies.next, struct copying, node));
    }
}

void sim_moves_started(struct sim_moves *m)
{
    forget_copies(m); /* of the life before */
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++) {
        set_owner(m, shard, m->calm || sim_chance(m->sim, 80) ? SELF : OTHER);
    }
    post_map(m);
    if (m->calm) {
        post_lease(m, UINT64_MAX);
    } else {
        sim_after(m->sim, &m->step, sim_delay(m->sim, m->pause_ns));
        sim_after(m->sim, &m->lease, 1);
    }
}

void sim_moves_calm(struct sim_moves *m)
{
    m->calm = true;
    sim_cancel(m->sim, &m->step);
    sim_cancel(m->sim, &m->lease);
    for (uint32_t shard = 0; shard < SHARDS_MAX; shard++) {
        set_owner(m, shard, SELF); /* also those that are released, or on their way there */
    }
    post_map(m);
    post_lease(m, UINT64_MAX);
}

void sim_moves_count(struct sim_moves *m)
{
    check_cores(m);
    for (unsigned i = 0; i < m->node->cores && m->node->node != NULL; i++) {
        const struct core_stats *stats = &m->node->node->cores[i]->stats;
        m->reached.opened += stats->opened_shards;
        m->reached.closed += stats->closed_shards;
        m->reached.unleased += stats->unleased;
    }
}

struct moves_reached sim_moves_reached(const struct sim_moves *m)
{
    return m->reached;
}

struct sim_moves *sim_moves_new(struct sim *sim, struct sim_node *node)
{
    struct sim_moves *m = mem_new(sizeof *m);
    m->sim = sim;
    m->node = node;
    m->count = CLUSTER_SHARDS;
    m->pause_ns = sim_between(sim, 5 * NS_PER_MS, 400 * NS_PER_MS);
    m->lease_ns = sim_between(sim, 10 * NS_PER_MS, 400 * NS_PER_MS);
    list_init(&m->maps);
    list_init(&m->copies);
    m->step = (struct sim_event){.fire = step, .name = "moves"};
    m->lease = (struct sim_event){.fire = lease, .name = "lease"};
    node->options.self = SELF;
    if (node->options.session_idle_ms != 0 && node->options.session_idle_ms < SESSION_IDLE_MS_MIN) {
        node->options.session_idle_ms = SESSION_IDLE_MS_MIN;
    }
    return m;
}

void sim_moves_free(struct sim_moves *m)
{
    struct list *node;
    sim_cancel(m->sim, &m->step);
    sim_cancel(m->sim, &m->lease);
    forget_copies(m);
    while ((node = list_pop(&m->maps)) != NULL) {
        mem_free(LIST_ITEM(node, struct moves_map, node));
    }
    mem_free(m);
}
