/* consensus/placement_throttle.c: which moves of a plan begin now, so that moving never costs more than was allowed. */
#include <stdlib.h>

#include "consensus/placement.h"
#include "core/base/mem.h"

/* A node, and how many moves under way it takes part in. */
struct busy {
    uint64_t node;
    uint32_t moves;
};

struct start {
    const struct placement_throttle *throttle;
    struct busy *nodes; /* sorted; empty slots never */
    uint32_t node_count;
    uint32_t total;
};

static bool has(const uint64_t *nodes, uint32_t count, uint64_t node)
{
    for (uint32_t i = 0; i < count; i++) {
        if (nodes[i] == node) {
            return true;
        }
    }
    return false;
}

/* Who takes part: who gets a copy; the leader, which sends it; and both, where it changes. Returns how many. */
static uint32_t parts_of(const struct placement_move *move, uint64_t *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < move->count; i++) {
        if (!has(move->before, move->before_count, move->replicas[i])) {
            out[count++] = move->replicas[i];
        }
    }
    bool changes = move->count > 0 && (move->before_count == 0 || move->replicas[0] != move->before[0]);
    if (changes && !has(out, count, move->replicas[0])) {
        out[count++] = move->replicas[0];
    }
    if (move->before_count > 0 && (count > 0 || changes)) {
        out[count++] = move->before[0];
    }
    return count;
}

static int by_node(const void *a, const void *b)
{
    uint64_t x = ((const struct busy *)a)->node, y = ((const struct busy *)b)->node;
    return x < y ? -1 : x > y;
}

static struct busy *busy_of(const struct start *s, uint64_t node)
{
    struct busy key = {node, 0};
    return bsearch(&key, s->nodes, s->node_count, sizeof key, by_node);
}

static void note_nodes(struct start *s, const struct placement_move *moves, uint32_t count)
{
    uint64_t parts[PLACEMENT_REPLICAS_MAX + 1];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t part_count = parts_of(&moves[i], parts);
        for (uint32_t j = 0; j < part_count; j++) {
            s->nodes[s->node_count++] = (struct busy){parts[j], 0};
        }
    }
}

static void begin(struct start *s, const struct placement_move *move)
{
    uint64_t parts[PLACEMENT_REPLICAS_MAX + 1];
    uint32_t part_count = parts_of(move, parts);
    for (uint32_t i = 0; i < part_count; i++) {
        busy_of(s, parts[i])->moves++;
    }
    s->total++;
}

static bool may_begin(const struct start *s, const struct placement_move *move)
{
    uint64_t parts[PLACEMENT_REPLICAS_MAX + 1];
    uint32_t part_count = parts_of(move, parts);
    enum placement_pause pause = s->throttle->pause;
    if (s->total >= s->throttle->total || (pause == PLACEMENT_PAUSE_BALANCE && move->reason >= PLACEMENT_ZONE)) {
        return false;
    }
    for (uint32_t i = 0; i < part_count; i++) {
        if (busy_of(s, parts[i])->moves >= s->throttle->per_node) {
            return false;
        }
    }
    return true;
}

static int by_shard(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void init(struct start *s, const struct placement_move *moves, uint32_t count,
                 const struct placement_move *flying, uint32_t flying_count)
{
    s->nodes = mem_new((((size_t)count + flying_count) * (PLACEMENT_REPLICAS_MAX + 1) + 1) * sizeof *s->nodes);
    note_nodes(s, moves, count);
    note_nodes(s, flying, flying_count);
    qsort(s->nodes, s->node_count, sizeof *s->nodes, by_node);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (kept == 0 || s->nodes[kept - 1].node != s->nodes[i].node) {
            s->nodes[kept++] = s->nodes[i];
        }
    }
    s->node_count = kept;
    for (uint32_t i = 0; i < flying_count; i++) {
        begin(s, &flying[i]);
    }
}

uint32_t placement_start(const struct placement_move *moves, uint32_t count, const struct placement_move *flying,
                         uint32_t flying_count, const struct placement_throttle *throttle, uint32_t *start)
{
    struct start s = {.throttle = throttle};
    uint32_t started = 0;
    if (throttle->pause == PLACEMENT_PAUSE_ALL) {
        return 0;
    }
    uint32_t *shards = mem_new(((size_t)flying_count + 1) * sizeof *shards);
    for (uint32_t i = 0; i < flying_count; i++) {
        shards[i] = flying[i].shard;
    }
    qsort(shards, flying_count, sizeof *shards, by_shard);
    init(&s, moves, count, flying, flying_count);
    for (uint32_t i = 0; i < count; i++) {
        bool flies = bsearch(&moves[i].shard, shards, flying_count, sizeof *shards, by_shard) != NULL;
        if (!flies && may_begin(&s, &moves[i])) {
            begin(&s, &moves[i]);
            start[started++] = i;
        }
    }
    mem_free(shards);
    mem_free(s.nodes);
    return started;
}
