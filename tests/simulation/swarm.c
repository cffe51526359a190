/* tests/simulation/swarm.c: draws the world of a seed: sizes, limits, delays. Tiny limits are drawn often, since that
 * is where the rare lines are: segments that roll and are recycled, actors that come and go, queues that are full. */
#include "tests/simulation/run.h"

#define KIB 1024ull

static uint64_t pick(struct sim *sim, const uint64_t *from, size_t count)
{
    return from[sim_draw(sim, count)];
}
#define PICK(sim, ...) pick(sim, (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void draw_journal(struct sim *sim, struct journal_options *journal)
{
    journal->segment_bytes = PICK(sim, 32 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB);
    journal->first_segment_bytes = PICK(sim, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB);
    journal->bytes_max = journal->segment_bytes * PICK(sim, 4, 16, 64) + journal->first_segment_bytes + 512 * KIB;
    journal->group_bytes_max = (uint32_t)PICK(sim, 4 * KIB, 4 * KIB, 8 * KIB, 64 * KIB, 0);
    for (size_t i = 0; i < LOG_ID_SIZE; i++) {
        journal->log_id[i] = (uint8_t)(1 + sim_draw(sim, 255));
    }
}

void swarm_draw_node(struct sim *sim, struct node_options *options, unsigned *cores)
{
    *cores = 1 + (unsigned)sim_draw(sim, 3);
    options->idle_ms = PICK(sim, 1, 20, 300, 2000, 0);
    options->memory_max = PICK(sim, 256 * KIB, 512 * KIB, 4096 * KIB, 0);
    options->mailbox_max = (uint32_t)PICK(sim, 2, 8, 64, 0);
    options->queued_max = (uint32_t)PICK(sim, 16, 64, 0);
    options->tells_max = (uint32_t)PICK(sim, 16, 64, 0);
    options->outbox_max = (uint32_t)PICK(sim, 64, 0);
    options->resident_reminders_max = (uint32_t)PICK(sim, 1, 2, 0);
    options->connections_max = (uint32_t)PICK(sim, 24, 0);
    options->outstanding_max = (uint32_t)PICK(sim, 2, 8, 64, 0);
    options->fibers_max = (uint32_t)PICK(sim, 6, 16, 0);
    options->session_idle_ms = PICK(sim, 1, 20, 300, 3000, 0);
    draw_journal(sim, &options->journal);
}

void swarm_draw_net(struct sim *sim, struct sim_net *net)
{
    struct sim_net_shape *shape = sim_net_shape(net);
    shape->window_max = (uint32_t)PICK(sim, 256, 4 * KIB, 64 * KIB, 256 * KIB);
    shape->chunk_max = (uint32_t)PICK(sim, 3, 100, 1460, 64 * KIB);
    uint64_t typical_ns = PICK(sim, 20, 100, 1000, 10000) * NS_PER_US;
    uint32_t least = (uint32_t)(typical_ns / NS_PER_US) * 8; /* small windows on long ways would only be slow */
    shape->window_max = shape->window_max < least ? least : shape->window_max;
    for (uint32_t a = 0; a < SIM_HOSTS_MAX; a++) {
        for (uint32_t b = 0; b < SIM_HOSTS_MAX; b++) {
            sim_net_link(net, a, b)->typical_ns = typical_ns;
        }
    }
}
