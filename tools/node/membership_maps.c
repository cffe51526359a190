/* tools/node/membership_maps.c: maps and leases, to each core as a message. A core gets its maps in order, and never a
 * lease before the rows that it was granted against (replication.md R13). A map goes when the last core that used it
 * has said so. */
#include "core/base/mem.h"
#include "core/shard/duty.h"
#include "core/shard/lease.h"
#include "core/shard/lease.h"
#include "tools/node/membership_parts.h"

#define MAP_NS (2 * NS_PER_MS) /* between two maps: many rows change together */

struct tidings {
    struct message message;
    struct membership *from;
    uint32_t core;
    struct map_version *version; /* there: to be used; back: not used any more. NULL: none */
    uint64_t lease_until_ns;
};

static void let_go(struct map_version *version)
{
    if (version != NULL && --version->users == 0) {
        list_remove(&version->node);
        cluster_map_free(version->map);
        mem_free(version);
    }
}

static void come_back(struct message *message)
{
    struct tidings *tidings = LIST_ITEM(message, struct tidings, message);
    let_go(tidings->version);
    mem_free(tidings);
}

/* On the core's thread. */
static void arrive(struct message *message)
{
    struct tidings *tidings = LIST_ITEM(message, struct tidings, message);
    struct membership *m = tidings->from;
    struct core *core = m->node->cores[tidings->core];
    if (core->dead) {
        mem_free(tidings); /* maps_free has all versions */
        return;
    }
    struct map_version *old = NULL;
    if (tidings->version != NULL) {
        old = m->at[tidings->core];
        m->at[tidings->core] = tidings->version;
        core_take_map(core, tidings->version->map);
    }
    core_take_lease(core, tidings->lease_until_ns);
    tidings->version = old;
    tidings->message.deliver = come_back;
    loop_post(m->node->world.control_loop, &tidings->message);
}

static void tell(struct membership *m, struct map_version *version)
{
    struct node *node = m->node;
    for (uint32_t i = 0; i < node->world.cores; i++) {
        struct tidings *tidings = mem_new(sizeof *tidings);
        *tidings = (struct tidings){.message = {.deliver = arrive},
                                    .from = m,
                                    .core = i,
                                    .version = version,
                                    .lease_until_ns = member_lease_until(m->member)};
        loop_post(node->world.core_loops[i], &tidings->message);
    }
}

/* The control core uses the newest. */
static struct map_version *new_version(struct membership *m)
{
    struct core *control = m->node->control;
    struct map_version *last = list_empty(&m->versions) ? NULL : LIST_ITEM(m->versions.prev, struct map_version, node);
    struct map_version *version = mem_new(sizeof *version);
    version->map =
        cluster_map_new(member_view(m->member), m->options.node, m->node->world.cores, m->options.replicates);
    if (last != NULL) {
        cluster_map_keep_owners(version->map, last->map);
    }
    version->users = m->node->world.cores + 1;
    list_push_back(&m->versions, &version->node);
    control->map = version->map;
    let_go(last);
    return version;
}

/* Before that nobody can tell where anything is. */
static bool has_map(const struct membership *m)
{
    const struct cluster_view *view = member_view(m->member);
    return member_is_registered(m->member) && view->owner_count >= CLUSTER_SHARDS;
}

uint64_t maps_due_ns(const struct membership *m)
{
    return m->rows_changed && has_map(m) ? m->told_ns + MAP_NS : UINT64_MAX;
}

void maps_tell(struct membership *m)
{
    uint64_t now = clock_now_ns(m->node->world.clock);
    bool rows = m->rows_changed && has_map(m);
    if (!m->lease_changed && (!rows || now < m->told_ns + MAP_NS)) {
        return;
    }
    if (rows) {
        m->told_ns = now;
        m->rows_changed = false;
    }
    m->lease_changed = false;
    tell(m, rows ? new_version(m) : NULL);
}

void maps_free(struct membership *m)
{
    struct list *node;
    while ((node = list_pop(&m->versions)) != NULL) {
        struct map_version *version = LIST_ITEM(node, struct map_version, node);
        cluster_map_free(version->map);
        mem_free(version);
    }
}
