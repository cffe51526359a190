/* tools/node/sys_node.c: `_sys/node`, the node's own actor, on the control core: its methods, and two of them: status,
 * types. A method with more to it has a file of its own; what only a core knows is asked by a survey. */
#include "tools/node/sys_node.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/shard/replicas_stats.h"
#include "tools/node/show.h"
#include "tools/node/survey.h"
#include "tools/node/sys_dead.h"
#include "tools/node/sys_directory.h"
#include "tools/node/sys_directory_ask.h"
#include "tools/node/sys_election.h"
#include "tools/node/sys_inspect.h"
#include "tools/node/sys_map.h"

/* Status. */

struct answer {
    struct core_stats stats;
    struct conn_stats conns;
    struct replicas_stats copies;
    uint64_t active, queued, memory, connections, unapplied;
};

struct status_survey {
    struct survey survey;
    struct answer answers[]; /* by core */
};

static void ask_status(struct survey *survey, struct core *core, unsigned index)
{
    struct answer *answer = &LIST_ITEM(survey, struct status_survey, survey)->answers[index];
    const struct conns *conns = &survey->owner->parts[index].conns;
    answer->stats = core->stats;
    answer->conns = conns->stats;
    answer->connections = conns->count;
    answer->active = hash_count(&core->activations);
    answer->queued = core->queued;
    answer->memory = core->memory_used;
    answer->unapplied = core->unapplied_bytes;
    replicas_stats(core, &answer->copies);
}

static void put_status(pdr_writer *out, const struct status_survey *survey)
{
    const struct node *node = survey->survey.owner;
    struct answer sum = {0};
    for (unsigned i = 0; i < node->world.cores; i++) {
        const struct answer *a = &survey->answers[i];
        sum.active += a->active;
        sum.queued += a->queued;
        sum.memory += a->memory;
        sum.connections += a->connections;
        sum.unapplied += a->unapplied;
        sum.copies.copies += a->copies.copies;
        sum.copies.led += a->copies.led;
        sum.copies.lacking += a->copies.lacking;
        sum.copies.lag = a->copies.lag > sum.copies.lag ? a->copies.lag : sum.copies.lag;
        sum.stats.calls += a->stats.calls;
        sum.stats.turns += a->stats.turns;
        sum.stats.entries += a->stats.entries;
        sum.stats.overloaded += a->stats.overloaded;
        sum.stats.deadlines += a->stats.deadlines;
        sum.stats.passivations += a->stats.passivations;
        sum.stats.evictions += a->stats.evictions;
        sum.conns.garbage += a->conns.garbage;
    }
    struct journal_stats journal;
    journal_stats(node->journal, &journal);
    pdr_write_map(out, 28);
    put_str(out, "cluster", node->cluster);
    pdr_write_cstr(out, "leader");
    show_leader(out, node);
    put_str(out, "node", node->name);
    put_str(out, "version", node->identity.version);
    put_uint(out, "uptime_ms", (core_now_ns(node->control) - node->started_ns) / NS_PER_MS);
    pdr_write_cstr(out, "members");
    show_members(out, node);
    put_uint(out, "shards", show_shards(node));
    put_uint(out, "copies", sum.copies.copies);
    put_uint(out, "copies_led", sum.copies.led);
    put_uint(out, "copies_short", sum.copies.lacking);
    put_uint(out, "lag", sum.copies.lag);
    put_uint(out, "cores", node->world.cores);
    put_uint(out, "actors", sum.active);
    put_uint(out, "calls", sum.stats.calls);
    put_uint(out, "turns", sum.stats.turns);
    put_uint(out, "entries", sum.stats.entries);
    put_uint(out, "waiting", sum.queued);
    put_uint(out, "overloaded", sum.stats.overloaded);
    put_uint(out, "deadlines", sum.stats.deadlines);
    put_uint(out, "passivations", sum.stats.passivations);
    put_uint(out, "evictions", sum.stats.evictions);
    put_uint(out, "memory_bytes", sum.memory);
    put_uint(out, "connections", sum.connections);
    put_uint(out, "garbage", sum.conns.garbage);
    put_uint(out, "unapplied_bytes", sum.unapplied);
    put_uint(out, "log_bytes", journal.bytes);
    put_uint(out, "log_groups", journal.groups);
    put_uint(out, "log_syncs", journal.syncs);
}

static void conclude_status(struct survey *survey)
{
    put_status(&survey->call->reply, LIST_ITEM(survey, struct status_survey, survey));
    survey_finish(survey);
}

static void release_status(struct survey *survey)
{
    mem_free(LIST_ITEM(survey, struct status_survey, survey));
}

static void status(struct node *node, struct call *call)
{
    static const struct survey_kind kind = {ask_status, conclude_status, release_status};
    struct status_survey *s = mem_new(sizeof *s + node->world.cores * sizeof s->answers[0]);
    survey_start(&s->survey, &kind, node, call);
}

/* Types. */

static void types(struct node *node, struct call *call)
{
    pdr_writer *out = &call->reply;
    uint32_t count = registry_count(node->registry);
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct actor_class *cls = registry_at(node->registry, i);
        pdr_write_map(out, 2);
        pdr_write_cstr(out, "name");
        pdr_write_str(out, cls->name);
        pdr_write_cstr(out, "methods");
        pdr_write_array(out, cls->method_count);
        for (uint32_t k = 0; k < cls->method_count; k++) {
            pdr_write_str(out, cls->methods[k].name);
        }
    }
    call_finish(call);
}

/* The actor. */

static const struct {
    const char *name;
    void (*run)(struct node *node, struct call *call); /* takes the call */
} methods[] = {{"status", status},           {"ps", sys_ps},           {"types", types},       {"backup", sys_backup},
               {"metrics", sys_metrics},     {"inspect", sys_inspect}, {"cancel", sys_cancel}, {"dead", sys_dead},
               {"redeliver", sys_redeliver}, {"discard", sys_discard}};

static void handle(void *user, struct call *call)
{
    char names[256] = "";
    size_t size = 0;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (pdr_bytes_equal(call->method, pdr_str(methods[i].name))) {
            methods[i].run(user, call);
            return;
        }
        size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", i == 0 ? "" : ", ", methods[i].name);
    }
    call_fail(call, PDR_NOT_FOUND, "_sys/node has %s", names);
    call_finish(call);
}

void sys_node_init(struct node *node)
{
    list_init(&node->surveys);
    directory_asks_init(node);
    sys_dead_init(node);
    elections_init(node);
    node->router.elections = (struct system_actor){"", sys_election, node};
    node->system[0] = (struct system_actor){"node", handle, node};
    node->system[1] = (struct system_actor){"directory", sys_directory, node};
    node->system[2] = (struct system_actor){NULL, NULL, NULL};
}

void sys_node_free(struct node *node)
{
    while (!list_empty(&node->surveys)) {
        struct survey *survey = LIST_ITEM(node->surveys.next, struct survey, node);
        list_remove(&survey->node);
        call_discard(survey->call);
        survey->kind->release(survey);
    }
    directory_asks_free(node);
    elections_free(node);
    sys_dead_free(node);
    sys_map_free(node);
    backup_abandon(node);
}
