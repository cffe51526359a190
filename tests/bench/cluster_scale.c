/* tests/bench/cluster_scale.c: the control plane of a large cluster in the simulator, measured: how long it takes to
 * found it, what it costs at rest, and how long a dead node's shards are without a route. Simulated time, and real CPU
 * time of what each node does; docs/internals/directory-scale.md has the figures.
 *
 * `bench_cluster_scale [NODES [SHARDS [VOTERS [SEED]]]]`: 1,000, 16,384, 5 and 1. Every node is a real member with a
 * whole copy of the directory: 1,000 of them with 16,384 shards take 10 GB of memory. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"
#include "tests/simulation/run.h"

#define STEP_NS (5 * NS_PER_MS)
#define GIVE_UP_NS (120 * NS_PER_S)
#define REST_NS (2 * NS_PER_S)
#define RESTS 5u
#define DEATHS 5u

static uint64_t *cpu_ns; /* by place of the node */
static uint64_t began_ns, clock_cost_ns;

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void works(struct cluster_host *node, bool begins)
{
    if (begins) {
        began_ns = cpu_now_ns();
    } else {
        uint64_t spent_ns = cpu_now_ns() - began_ns;
        cpu_ns[node->place] += spent_ns > clock_cost_ns ? spent_ns - clock_cost_ns : 0;
    }
}

/* What it takes to read the clock: as much as many a letter does. */
static void weigh_clock(void)
{
    uint64_t from_ns = cpu_now_ns();
    for (uint32_t i = 0; i < 10000; i++) {
        began_ns = cpu_now_ns();
    }
    clock_cost_ns = (cpu_now_ns() - from_ns) / 10000;
}

static struct cluster_host *leader_of(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        if (world->nodes[i].member != NULL && member_leading(world->nodes[i].member) != NULL) {
            return &world->nodes[i];
        }
    }
    return NULL;
}

static const struct cluster_view *view_of(const struct cluster_host *node)
{
    return member_view(node->member);
}

/* Nodes that live and had no lease for a while: what they hold cannot be read meanwhile. */
static bool *has_lapsed;

static void look_for_lapses(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        has_lapsed[i] = has_lapsed[i] ||
                        (node->member != NULL && sim_clock_now_ns(&node->clock) >= member_lease_until(node->member));
    }
}

static uint32_t lapses(const struct cluster_world *world)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < world->size; i++) {
        sum += has_lapsed[i];
    }
    return sum;
}

/* Until it is so; the time that took. */
static double wait_for(struct cluster_world *world, bool (*is_so)(struct cluster_world *world), const char *what)
{
    uint64_t from_ns = world->sim.now_ns;
    while (!is_so(world)) {
        if (!sim_run_until(&world->sim, world->sim.now_ns + STEP_NS) || world->sim.now_ns - from_ns > GIVE_UP_NS) {
            printf("failed: %s: %s\n", what, world->sim.failed ? world->sim.why : "not within two minutes");
            exit(1);
        }
        look_for_lapses(world);
    }
    return (double)(world->sim.now_ns - from_ns) / 1e6;
}

static bool all_are_registered(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        if (world->nodes[i].member == NULL || !member_is_registered(world->nodes[i].member)) {
            return false;
        }
    }
    return true;
}

static bool all_are_assigned(struct cluster_world *world)
{
    const struct cluster_host *leader = leader_of(world);
    return leader != NULL && view_of(leader)->rows.of[ROW_SHARD].count == world->shards;
}

static bool all_know_all(struct cluster_world *world)
{
    const struct cluster_host *leader = leader_of(world);
    for (uint32_t i = 0; leader != NULL && i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        if (node->member != NULL && view_of(node)->index < view_of(leader)->index) {
            return false;
        }
    }
    return leader != NULL;
}

static bool all_have_leases(struct cluster_world *world)
{
    for (uint32_t i = 0; i < world->size; i++) {
        if (sim_clock_now_ns(&world->nodes[i].clock) >= member_lease_until(world->nodes[i].member)) {
            return false;
        }
    }
    return true;
}

static bool is_settled(struct cluster_world *world)
{
    return cluster_judge_unsettled(world) == NULL;
}

static void answered(void *user, const struct member_answer *answer)
{
    *(bool *)user = answer->outcome == LETTER_DONE;
}

static void ask_for_shards(struct cluster_world *world)
{
    struct command command = {.kind = COMMAND_GROUP,
                              .group = {.name = pdr_str("wide"),
                                        .shards = world->shards - 1,
                                        .replicas = 3,
                                        .min_isr = 1,
                                        .labels = {{(const uint8_t *)"\x80", 1}}}};
    bool done = false;
    struct cluster_host *leader = leader_of(world);
    member_propose(leader->member, &command, 5000, answered, &done);
    cluster_host_arm(leader);
    sim_run_until(&world->sim, world->sim.now_ns + 50 * NS_PER_MS);
    if (!done) {
        printf("failed: the group was not made\n");
        exit(1);
    }
}

/* What was sent and computed between two moments. */
struct account {
    struct cluster_traffic leader, all;
    uint64_t leader_cpu_ns, voter_cpu_ns, node_cpu_ns;
    uint32_t voters, nodes;
};

static void add(struct cluster_traffic *sum, const struct cluster_traffic *traffic)
{
    for (uint32_t i = 0; i < LETTER_KIND_COUNT; i++) {
        sum->frames[i] += traffic->frames[i];
        sum->bytes[i] += traffic->bytes[i];
    }
}

static void begin_account(struct cluster_world *world)
{
    memset(cpu_ns, 0, world->size * sizeof *cpu_ns);
    for (uint32_t i = 0; i < world->size; i++) {
        world->nodes[i].traffic = (struct cluster_traffic){{0}, {0}};
    }
}

static struct account end_account(struct cluster_world *world)
{
    struct account account = {0};
    const struct cluster_host *leader = leader_of(world);
    for (uint32_t i = 0; i < world->size; i++) {
        const struct cluster_host *node = &world->nodes[i];
        const struct cluster_member *row = cluster_rows_member(&view_of(leader)->rows, node->id);
        add(&account.all, &node->traffic);
        if (node == leader) {
            account.leader = node->traffic;
            account.leader_cpu_ns = cpu_ns[i];
        } else if (row != NULL && row->role == ROLE_VOTER) {
            account.voter_cpu_ns += cpu_ns[i];
            account.voters++;
        } else {
            account.node_cpu_ns += cpu_ns[i];
            account.nodes++;
        }
    }
    return account;
}

static uint64_t bytes_of(const struct cluster_traffic *traffic)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < LETTER_KIND_COUNT; i++) {
        sum += traffic->bytes[i];
    }
    return sum;
}

static void print_traffic(const struct cluster_traffic *traffic, double seconds)
{
    static const char *const kinds[LETTER_KIND_COUNT] = {"Raft",
#define LETTER_NAME(number, NAME, name) [number] = #name,
                                                         LETTER_TABLE(LETTER_NAME)
#undef LETTER_NAME
    };
    for (uint32_t i = 0; i < LETTER_KIND_COUNT; i++) {
        if (traffic->frames[i] > 0) {
            printf("    %-10s %10.1f frames/s %12.0f bytes/s\n", kinds[i], (double)traffic->frames[i] / seconds,
                   (double)traffic->bytes[i] / seconds);
        }
    }
}

static void print_cpu(const struct account *account, double seconds)
{
    printf("  CPU a second: leader %.2f ms, a voter %.3f ms, another node %.3f ms\n",
           (double)account->leader_cpu_ns / 1e6 / seconds,
           account->voters == 0 ? 0 : (double)account->voter_cpu_ns / 1e6 / seconds / account->voters,
           account->nodes == 0 ? 0 : (double)account->node_cpu_ns / 1e6 / seconds / account->nodes);
}

static void measure_founding(struct cluster_world *world)
{
    double registered = wait_for(world, all_are_registered, "registration");
    printf("founding: all %u nodes registered, and know it, after %.0f ms\n", world->size, registered);
    printf("  all have leases %.0f ms later\n", wait_for(world, all_have_leases, "leases"));
    begin_account(world);
    uint64_t from_ns = world->sim.now_ns;
    ask_for_shards(world);
    double assigned = wait_for(world, all_are_assigned, "assignment");
    printf("  %u shards assigned in %.0f ms, known to all %.0f ms later\n", world->shards, assigned + 50,
           wait_for(world, all_know_all, "feed"));
    struct account account = end_account(world);
    printf("  sent by the leader meanwhile: %.1f MB (%.1f MB of it pages)\n", (double)bytes_of(&account.leader) / 1e6,
           (double)account.leader.bytes[LETTER_PAGE] / 1e6);
    print_cpu(&account, (double)(world->sim.now_ns - from_ns) / 1e9);
    printf("  settled (voters) after another %.0f ms\n", wait_for(world, is_settled, "settling"));
}

static void measure_snapshot(struct cluster_world *world)
{
    pdr_writer writer = {0};
    directory_snapshot(server_directory(member_server(leader_of(world)->member)), &writer);
    printf("snapshot: %zu bytes\n", writer.size);
    pdr_writer_release(&writer);
}

static void measure_rest(struct cluster_world *world)
{
    double seconds = (double)REST_NS / 1e9;
    struct account account = {0};
    sim_run_until(&world->sim, world->sim.now_ns + 2 * NS_PER_S);
    uint64_t index = view_of(leader_of(world))->index;
    for (uint32_t i = 0; i < RESTS; i++) {
        begin_account(world);
        sim_run_until(&world->sim, world->sim.now_ns + REST_NS);
        struct account again = end_account(world);
        account = i == 0 || again.leader_cpu_ns < account.leader_cpu_ns ? again : account;
    }
    printf("at rest (%llu changes meanwhile), the quietest %.0f s of %.0f:\n",
           (unsigned long long)(view_of(leader_of(world))->index - index), seconds, seconds * RESTS);
    print_cpu(&account, seconds);
    printf("  sent by the leader: %.0f bytes/s\n", (double)bytes_of(&account.leader) / seconds);
    print_traffic(&account.leader, seconds);
    printf("  sent by all: %.0f bytes/s\n", (double)bytes_of(&account.all) / seconds);
}

/* One change of one shard, and all hear of it. */
static void measure_change(struct cluster_world *world)
{
    struct cluster_host *leader = leader_of(world);
    uint32_t shard = world->shards / 2;
    bool done = false;
    struct command command = {.kind = COMMAND_TOUCH,
                              .touch = {shard, cluster_rows_shard(&view_of(leader)->rows, shard)->cv}};
    begin_account(world);
    uint64_t from_ns = world->sim.now_ns;
    member_propose(leader->member, &command, 5000, answered, &done);
    cluster_host_arm(leader);
    while (!done && world->sim.now_ns - from_ns < NS_PER_S) {
        sim_run_until(&world->sim, world->sim.now_ns + STEP_NS / 5);
    }
    double decided = (double)(world->sim.now_ns - from_ns) / 1e6;
    double known = wait_for(world, all_know_all, "feed");
    struct account account = end_account(world);
    printf(
        "a change: decided after %.0f ms, known everywhere %.0f ms later; pages %llu bytes, asks %llu bytes, news %llu "
        "bytes\n",
        decided, known, (unsigned long long)account.leader.bytes[LETTER_PAGE],
        (unsigned long long)account.all.bytes[LETTER_ASK], (unsigned long long)account.leader.bytes[LETTER_NEWS]);
}

/* Death. */

static uint64_t dead_id;

static bool is_decided(struct cluster_world *world)
{
    const struct cluster_host *leader = leader_of(world);
    return leader != NULL && cluster_rows_member(&view_of(leader)->rows, dead_id)->state == MEMBER_DOWN;
}

/* But for the founder's first shard, which has one copy. */
static bool has_no_shard(struct cluster_world *world)
{
    const struct row_list *shards = &view_of(leader_of(world))->rows.of[ROW_SHARD];
    for (uint32_t i = 0; i < shards->count; i++) {
        if (shards->at[i]->entry.shard.primary == dead_id && shards->at[i]->entry.shard.isr.count > 1) {
            return false;
        }
    }
    return true;
}

static bool has_leader(struct cluster_world *world)
{
    return leader_of(world) != NULL;
}

static void measure_death(struct cluster_world *world, struct cluster_host *node)
{
    const struct cluster_host *leader = leader_of(world);
    uint32_t own = 0;
    double elected = 0;
    const struct row_list *shards = &view_of(leader)->rows.of[ROW_SHARD];
    for (uint32_t i = 0; i < shards->count; i++) {
        own += shards->at[i]->entry.shard.primary == node->id;
    }
    double lease_ms = ((double)member_lease_until(node->member) - (double)sim_clock_now_ns(&node->clock)) / 1e6;
    dead_id = node->id;
    begin_account(world);
    memset(has_lapsed, 0, world->size * sizeof *has_lapsed);
    cluster_host_crash(node);
    if (node == leader) {
        elected = wait_for(world, has_leader, "election");
        printf("the leader dies: another leads %.0f ms later; then:\n", elected);
    }
    double down = wait_for(world, is_decided, "death");
    double promoted = wait_for(world, has_no_shard, "promotion");
    double known = wait_for(world, all_know_all, "feed");
    struct account account = end_account(world);
    double before_ms = (double)LEASE_NS * (100 - LEASE_DRIFT_PERCENT) / 100 / 1e6 - lease_ms;
    printf(
        "a node dies, primary of %u shards, %.0f ms after its last renewal: down after %.0f ms, all promoted %.0f ms "
        "later, known everywhere %.0f ms later: %.0f ms in all; leader sent %llu bytes of pages; %u other nodes were "
        "without "
        "a lease for a while\n",
        own, before_ms, down, promoted, known, before_ms + elected + down + promoted + known,
        (unsigned long long)account.leader.bytes[LETTER_PAGE], lapses(world));
    cluster_host_start(node);
    wait_for(world, is_settled, "settling");
}

static uint32_t size_of(int argc, char **argv, int nth, uint32_t fallback)
{
    return argc > nth ? (uint32_t)strtoul(argv[nth], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    struct run_options options = {.nodes = size_of(argc, argv, 1, 1000),
                                  .shards = size_of(argc, argv, 2, 16384),
                                  .voters = size_of(argc, argv, 3, 5),
                                  .seed = size_of(argc, argv, 4, 1),
                                  .no_faults = true,
                                  .no_moves = true};
    log_set_level((enum log_level)(LOG_ERROR + 1));
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct cluster_world *world = cluster_world_open(&options);
    cpu_ns = mem_new(world->size * sizeof *cpu_ns);
    has_lapsed = mem_new(world->size * sizeof *has_lapsed);
    world->works = works;
    weigh_clock();
    sim_cancel(&world->sim, &world->look); /* for its cost: nothing goes wrong here */
    sim_cancel(&world->sim, &world->ask);
    measure_founding(world);
    measure_snapshot(world);
    measure_rest(world);
    measure_change(world);
    for (uint32_t i = 0; i < DEATHS; i++) {
        measure_death(world, &world->nodes[(i + 1) * world->size / (DEATHS + 1)]);
    }
    measure_death(world, leader_of(world));
    cluster_world_close(world);
    mem_free(cpu_ns);
    mem_free(has_lapsed);
    return 0;
}
