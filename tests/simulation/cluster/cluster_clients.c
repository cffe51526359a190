/* tests/simulation/cluster/cluster_clients.c: whoever asks the directory through any node: TOUCH of a shard, whose cv
 * then rises by one, and reads, which must see the highest cv that anybody was told of before they began. */
#include "tests/simulation/cluster/cluster_world.h"

#define DEADLINE_MS 3000u

static struct cluster_asked *new_asked(struct cluster_host *node)
{
    struct cluster_world *world = node->world;
    for (uint32_t i = 0; i < CLUSTER_WORLD_ASKED; i++) {
        if (!world->asked[i].used) {
            world->asked[i] = (struct cluster_asked){
                .world = world, .used = true, .place = node->place, .life = (uint32_t)node->incarnation};
            return &world->asked[i];
        }
    }
    return NULL;
}

static void touched(void *user, const struct member_answer *answer)
{
    struct cluster_asked *asked = user;
    struct cluster_world *world = asked->world;
    uint64_t *highest = &world->acknowledged_cv[asked->shard];
    asked->used = false;
    if (answer->outcome == LETTER_NOWHERE) {
        world->reached.cluster_nowhere++;
    } else if (answer->outcome == LETTER_UNKNOWN) {
        world->reached.cluster_unknown++;
    } else if (answer->code != DIRECTORY_DONE) {
        world->reached.cluster_refused++;
    } else {
        world->reached.cluster_touched++;
        *highest = asked->cv + 1 > *highest ? asked->cv + 1 : *highest;
    }
}

/* The view may have to come to it. */
static void judge_read(struct cluster_asked *asked)
{
    struct cluster_world *world = asked->world;
    const struct cluster_view *view = member_view(world->nodes[asked->place].member);
    if (asked->dir_index == 0 || view->index < asked->dir_index) {
        return;
    }
    const struct cluster_shard *shard = cluster_rows_shard(&view->rows, asked->shard);
    uint64_t cv = shard != NULL ? shard->cv : 0;
    SIM_CHECK(&world->sim, cv >= asked->cv, "node %u read cv %llu of shard %u at %llu; %llu was acknowledged before",
              asked->place, (unsigned long long)cv, asked->shard, (unsigned long long)asked->dir_index,
              (unsigned long long)asked->cv);
    world->reached.cluster_reads++;
    asked->used = false;
}

static void ignore(void *user, const struct member_answer *answer) {}

static void was_read(void *user, const struct member_answer *answer)
{
    struct cluster_asked *asked = user;
    if (answer->outcome != LETTER_DONE) {
        asked->used = false;
        return;
    }
    asked->dir_index = answer->dir_index;
    judge_read(asked);
}

void cluster_clients_changed(struct cluster_host *node)
{
    for (uint32_t i = 0; i < CLUSTER_WORLD_ASKED; i++) {
        struct cluster_asked *asked = &node->world->asked[i];
        if (asked->used && asked->place == node->place) {
            judge_read(asked);
        }
    }
}

void cluster_clients_forget(struct cluster_host *node)
{
    for (uint32_t i = 0; i < CLUSTER_WORLD_ASKED; i++) {
        struct cluster_asked *asked = &node->world->asked[i];
        asked->used = asked->used && asked->place != node->place;
    }
}

static void ask_node(struct cluster_host *node)
{
    struct cluster_world *world = node->world;
    struct cluster_asked *asked = new_asked(node);
    if (asked == NULL) {
        return;
    }
    asked->shard = (uint32_t)sim_draw(&world->sim, world->shards);
    if (sim_chance(&world->sim, 50)) {
        asked->cv = world->acknowledged_cv[asked->shard];
        member_read(node->member, DEADLINE_MS, was_read, asked);
    } else {
        const struct cluster_shard *shard = cluster_rows_shard(&member_view(node->member)->rows, asked->shard);
        asked->cv = shard != NULL ? shard->cv : 0;
        struct command command = {.kind = COMMAND_TOUCH, .touch = {asked->shard, asked->cv}};
        member_propose(node->member, &command, DEADLINE_MS, touched, asked);
    }
    cluster_host_arm(node);
}

/* The shards that there are from the beginning have one copy, for there was one node. A group that comes later has
 * more, and they can fail over. */
static void ask_for_group(struct cluster_host *node)
{
    struct command command = {.kind = COMMAND_GROUP,
                              .group = {.name = pdr_str("wide"),
                                        .shards = node->world->shards - 1,
                                        .replicas = 3,
                                        .min_isr = node->world->min_isr,
                                        .labels = {{(const uint8_t *)"\x80", 1}}}};
    member_propose(node->member, &command, DEADLINE_MS, ignore, NULL);
    cluster_host_arm(node);
}

static void ask(struct sim_event *event)
{
    struct cluster_world *world = LIST_ITEM(event, struct cluster_world, ask);
    struct cluster_host *node = &world->nodes[sim_draw(&world->sim, world->node_count)];
    if (node->member != NULL && node->asleep_until_ns <= world->sim.now_ns) {
        bool has_all = cluster_rows_group(&member_view(node->member)->rows, pdr_str("wide")) != NULL;
        if (has_all || world->shards == 1) {
            ask_node(node);
        } else {
            ask_for_group(node);
        }
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->asks_every_ns));
}

void cluster_clients_init(struct cluster_world *world)
{
    world->ask = (struct sim_event){.fire = ask, .name = "cluster.ask"};
    sim_after(&world->sim, &world->ask, NS_PER_S);
}
