/* tests/bench/directory_scale.c: a directory of 1,000 nodes and 16,384 shards of three copies: the size of its
 * snapshot, the time to make, restore and apply, and what of it goes to nodes when one dies. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "consensus/directory.h"
#include "core/base/rng.h"
#include "core/cluster/view.h"

#define NODES 1000u
#define SHARDS 16384u
#define COPIES 3u
#define PAGE_BYTES (1u << 20)

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void must(bool condition, const char *what)
{
    if (!condition) {
        printf("failed: %s\n", what);
        exit(1);
    }
}

static void apply(struct directory *directory, const struct command *command)
{
    uint8_t room[4096];
    pdr_writer bytes;
    pdr_writer_init(&bytes, room, sizeof room, 0);
    command_write(&bytes, command);
    const struct directory_result *result =
        directory_apply(directory, directory_index(directory) + 1, pdr_written(&bytes));
    must(result->code == DIRECTORY_DONE, result->text);
    pdr_writer_release(&bytes);
}

static void register_all(struct directory *directory, const uint64_t *nodes)
{
    for (unsigned i = 0; i < NODES; i++) {
        char name[32], address[32], zone[8];
        uint8_t room[64];
        pdr_writer labels;
        snprintf(name, sizeof name, "node-%04u", i);
        snprintf(address, sizeof address, "10.%u.%u.1:7077", i / 250, i % 250);
        snprintf(zone, sizeof zone, "z%u", i % 3);
        pdr_writer_init(&labels, room, sizeof room, sizeof room);
        pdr_write_map(&labels, 1);
        pdr_write_cstr(&labels, "zone");
        pdr_write_cstr(&labels, zone);
        apply(directory, &(struct command){.kind = COMMAND_REGISTER,
                                           .register_ = {.node = nodes[i],
                                                         .incarnation = 1,
                                                         .boot = i + 1,
                                                         .name = pdr_str(name),
                                                         .address = pdr_str(address),
                                                         .labels = {pdr_written(&labels)},
                                                         .format = 1}});
    }
}

static void assign_all(struct directory *directory, const uint64_t *nodes, struct rng *rng)
{
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct command command = {.kind = COMMAND_ASSIGN, .assign = {.shard = shard, .min_isr = 2}};
        for (uint32_t i = 0; i < COPIES; i++) {
            uint64_t node = nodes[(shard + i * 333) % NODES];
            copies_add(&command.assign.isr, (struct copy){node, rng_next(rng) | 1});
            ids_add(&command.assign.targets, node);
        }
        command.assign.primary = command.assign.isr.at[0].node;
        apply(directory, &command);
    }
}

static unsigned touch_all(struct directory *directory)
{
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        uint64_t cv = cluster_rows_shard(directory_rows(directory), shard)->cv;
        apply(directory, &(struct command){.kind = COMMAND_TOUCH, .touch = {shard, cv}});
    }
    return SHARDS;
}

/* What the directory's leader does when a node is dead: its shards get other primaries. */
static unsigned kill_one(struct directory *directory, uint64_t node)
{
    unsigned changes = 1;
    apply(directory, &(struct command){.kind = COMMAND_ALIVE, .alive = {node, 1, false}});
    for (uint32_t id = 0; id < SHARDS; id++) {
        const struct cluster_shard *shard = cluster_rows_shard(directory_rows(directory), id);
        if (shard->primary == node) {
            apply(directory,
                  &(struct command){.kind = COMMAND_PROMOTE, .promote = {id, shard->cv, shard->isr.at[1].node}});
            changes++;
        }
    }
    return changes;
}

static size_t follow(const struct directory *directory, struct cluster_view *view, unsigned *pages)
{
    struct directory_page about = {0, false};
    size_t bytes = 0;
    for (*pages = 0; !about.complete; ++*pages) {
        pdr_writer page = {0};
        struct fault fault;
        bool changed;
        must(directory_feed(directory, view->cursor, PAGE_BYTES, &page, &about), "feed");
        must(cluster_view_take(view, pdr_written(&page), &changed, &fault) == PDR_OK, "take");
        bytes += page.size;
        pdr_writer_release(&page);
    }
    return bytes;
}

static void measure_snapshot(const struct directory *directory)
{
    pdr_writer snapshot = {0};
    struct directory *restored;
    const char *why;
    double began = now_us();
    directory_snapshot(directory, &snapshot);
    double made = now_us();
    must(directory_restore(pdr_written(&snapshot), &restored, &why) == PDR_OK, "restore");
    double done = now_us();
    printf("snapshot: %zu bytes, made in %.1f ms, restored in %.1f ms\n", snapshot.size, (made - began) / 1e3,
           (done - made) / 1e3);
    directory_free(restored);
    pdr_writer_release(&snapshot);
}

static void measure_map(const struct cluster_view *view, uint64_t self)
{
    double began = now_us();
    struct cluster_map *map = cluster_map_new(view, self, 8, false);
    double cut = now_us();
    uint64_t here = 0;
    for (uint64_t i = 0, hash = 1; i < 100000000; i++, hash = hash * 6364136223846793005ull + 1442695040888963407ull) {
        uint32_t shard = cluster_map_shard(map, hash);
        here += cluster_map_is_here(map, shard) ? cluster_map_core(map, shard) : 1;
    }
    printf("map: cut in %.0f us; a look-up %.2f ns (check %llu)\n", cut - began, (now_us() - cut) / 1e5,
           (unsigned long long)here);
    cluster_map_free(map);
}

int main(void)
{
    uint64_t nodes[NODES];
    uint8_t id[CLUSTER_ID_SIZE] = {1};
    struct directory *directory = directory_new();
    struct cluster_view view;
    struct rng rng;
    unsigned pages, changes;
    rng_seed(&rng, 1);
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i] = rng_next(&rng);
    }
    apply(directory, &(struct command){.kind = COMMAND_FOUND, .found = {pdr_bytes(id, sizeof id), SHARDS, 3, 2, 5}});
    double began = now_us();
    register_all(directory, nodes);
    double registered = now_us();
    assign_all(directory, nodes, &rng);
    double assigned = now_us();
    changes = touch_all(directory);
    double touched = now_us();
    printf("apply: %.2f us a registration, %.2f us an assignment, %.2f us a touch (CAS)\n",
           (registered - began) / NODES, (assigned - registered) / SHARDS, (touched - assigned) / changes);
    measure_snapshot(directory);
    cluster_view_init(&view);
    began = now_us();
    size_t bytes = follow(directory, &view, &pages);
    printf("feed of all: %zu bytes in %u pages, %.1f ms to write and take\n", bytes, pages, (now_us() - began) / 1e3);
    changes = kill_one(directory, nodes[7]);
    began = now_us();
    bytes = follow(directory, &view, &pages);
    printf("a node dies: %u changes, %zu bytes to each node that follows (%.0f a change), %.0f us to write and take\n",
           changes, bytes, (double)bytes / changes, now_us() - began);
    measure_map(&view, nodes[0]);
    began = now_us();
    must(directory_fault(directory) == NULL, "fault");
    printf("all rows checked in %.1f ms\n", (now_us() - began) / 1e3);
    cluster_view_release(&view);
    directory_free(directory);
    return 0;
}
