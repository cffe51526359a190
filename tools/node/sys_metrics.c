/* tools/node/sys_metrics.c: `_sys/node.metrics`: what the cores, the journal, the store and the process count, as the
 * text that Prometheus reads: each core copies its own (a survey), a job looks at the rest.
 *
 * What a core or its connections count is a row of their own tables; what the node has once, or a core at the moment,
 * is a row of the tables below and a line that fills it in. */
#include "tools/node/sys_metrics.h"

#include <perdure/version.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/shard/replicas.h"
#include "core/shard/replicas_stats.h"
#include "net/carry/carry.h"
#include "net/forward/forward.h"
#include "tools/node/membership.h"
#include "tools/node/survey.h"
#include "tools/node/sys_node.h"

/* clang-format off */
/*    name                          kind     what it is */
#define NODE_METRICS(X)                                                                                                \
    X(uptime_ms,                    GAUGE,   "since the node was opened")                                              \
    X(journal_bytes,                COUNTER, "bytes written to the journal")                                           \
    X(journal_groups,               COUNTER, "groups written to the journal")                                          \
    X(journal_syncs,                COUNTER, "times that the journal was synced")                                      \
    X(journal_batches,              COUNTER, "batches of cores that became durable")                                   \
    X(journal_kept_bytes,           GAUGE,   "bytes of the journal that the store does not have for good yet")         \
    X(journal_held_bytes,           GAUGE,   "... of them those kept for entries that are not known to be committed")  \
    X(journal_segments,             GAUGE,   "files of the journal")                                                   \
    X(store_keys,                   GAUGE,   "keys in the store, an estimate")                                         \
    X(store_files_bytes,            GAUGE,   "bytes of the store's files")                                             \
    X(store_memtable_bytes,         GAUGE,   "memory that gathers what the store will write")                          \
    X(store_cache_bytes,            GAUGE,   "memory that keeps what was read from the store")                         \
    X(store_compaction_bytes,       GAUGE,   "bytes that the store has yet to rewrite, an estimate")                   \
    X(store_background_errors,      GAUGE,   "failures of the store's own threads since it was opened")                \
    X(directory_leads,              GAUGE,   "1 while this node leads the directory")                                  \
    X(directory_term,               GAUGE,   "Raft's term, as this node knows it")                                     \
    X(directory_index,              GAUGE,   "change of the directory up to which this node knows all")                \
    X(directory_members,            GAUGE,   "nodes of the cluster, but for those that were removed")                  \
    X(directory_members_up,         GAUGE,   "... of them those that are up, or draining")                             \
    X(lease_left_ms,                GAUGE,   "how long this node may still answer reads by its lease")                 \
    X(election_candidates,          GAUGE,   "who stands in elections; told by who leads the directory")               \
    X(election_late_ms,             GAUGE,   "... since when the lease of one of them is over that stands yet")        \
    X(election_renewals,            COUNTER, "renewals of candidates that this node granted, leading the directory")   \
    X(election_refusals,            COUNTER, "... and did not: they stand no more, or no majority heard this node")    \
    X(election_lapses,              COUNTER, "candidates that this node ended with their lease, while it led it")      \
    X(process_resident_bytes,       GAUGE,   "memory of the process")                                                  \
    X(process_open_files,           GAUGE,   "descriptors in use, connections among them")                             \
    X(process_open_files_max,       GAUGE,   "descriptors there may be")                                               \
    X(process_cpu_us,               COUNTER, "processor time of the process, user and system")

/*    name                          what it is, of each core */
#define CORE_GAUGES(X)                                                                                                 \
    X(actors,                       "actors in memory")                                                                \
    X(queued_calls,                 "calls that wait in mailboxes")                                                    \
    X(open_turns,                   "turns that run or wait")                                                          \
    X(memory_bytes,                 "memory of actors and of what waits for them (limit --memory, shared by cores)")   \
    X(connections,                  "connections of clients")                                                          \
    X(uncommitted_bytes,            "bytes on their way to the journal")                                               \
    X(unapplied_bytes,              "bytes that are durable and not yet in the store")                                 \
    X(refuses_writes,               "1 while the disk is full and writes are answered no_space")

/*    name                          kind  what is measured, by the journal */
#define JOURNAL_HISTOGRAMS(X)                                                                                          \
    X(sync_us,                      TIME, "one write and sync of a group: the disk")                                   \
    X(group_bytes,                  SIZE, "bytes of a group")                                                          \
    X(group_batches,                SIZE, "batches that shared a group, and so its sync")
/* clang-format on */

#define UNKNOWN UINT64_MAX /* left out */

struct core_report {
    struct core_stats stats;
    struct conn_stats conns;
    struct peers_stats peers;
    struct forward_stats forward;
    struct carry_stats carry;
    struct replicas_stats copies;
    uint64_t oldest; /* position of what is not known to be committed */
#define MEMBER(name, text) uint64_t name;
    CORE_GAUGES(MEMBER)
#undef MEMBER
    struct type_stats *types;
    uint32_t type_count;
};

struct metrics_survey {
    struct survey survey;
    struct core_job job;
#define MEMBER(name, kind, text) uint64_t name;
    NODE_METRICS(MEMBER)
#undef MEMBER
    struct journal_stats journal;
    struct peers_stats control_peers;
    struct core_report cores[];
};

/* The rows: what a metric is, and where its value lies. */

enum from { FROM_CORE, FROM_CORES_SUM, FROM_ERRORS, FROM_TYPES, FROM_NODE, FROM_JOURNAL, FROM_PEERS };

struct metric {
    struct metrics_row row;
    enum from from;
    size_t offset;
};

static const struct metric metrics[] = {
#define ROW(name, text) {{#name, METRICS_COUNTER, "core", text}, FROM_CORE, offsetof(struct core_report, stats.name)},
    CORE_COUNTERS(ROW)
#undef ROW
#define ROW(field, name, text)                                                                                         \
    {{name, METRICS_COUNTER, "core", text}, FROM_CORE, offsetof(struct core_report, conns.field)},
        CONN_COUNTERS(ROW)
#undef ROW
#define ROW(field, name, text) {{name, METRICS_COUNTER, "core", text}, FROM_PEERS, offsetof(struct peers_stats, field)},
            PEER_COUNTERS(ROW)
#undef ROW
#define ROW(field, name, text)                                                                                         \
    {{name, METRICS_COUNTER, "core", text}, FROM_CORE, offsetof(struct core_report, forward.field)},
                FORWARD_COUNTERS(ROW)
#undef ROW
#define ROW(field, name, text)                                                                                         \
    {{name, METRICS_COUNTER, "core", text}, FROM_CORE, offsetof(struct core_report, carry.field)},
                    CARRY_COUNTERS(ROW)
#undef ROW
#define ROW(field, kind, name, text)                                                                                   \
    {{name, METRICS_##kind, "core", text}, FROM_CORE, offsetof(struct core_report, copies.field)},
                        REPLICAS_METRICS(ROW)
#undef ROW
#define ROW(name, text) {{#name, METRICS_GAUGE, "core", text}, FROM_CORE, offsetof(struct core_report, name)},
                            CORE_GAUGES(ROW)
#undef ROW
                                {{"errors", METRICS_COUNTER, "code",
                                  "calls that ended with an error, those of turns among them"},
                                 FROM_ERRORS,
                                 0},
#define ROW(name, text) {{"type_" #name, METRICS_COUNTER, "type", text}, FROM_TYPES, offsetof(struct type_stats, name)},
    TYPE_COUNTERS(ROW)
#undef ROW
#define ROW(name, kind, text)                                                                                          \
    {{#name, METRICS_##kind, NULL, text}, FROM_CORES_SUM, offsetof(struct core_report, stats.name)},
        CORE_HISTOGRAMS(ROW)
#undef ROW
#define ROW(name, kind, text)                                                                                          \
    {{"journal_" #name, METRICS_##kind, NULL, text}, FROM_JOURNAL, offsetof(struct journal_stats, name)},
            JOURNAL_HISTOGRAMS(ROW)
#undef ROW
#define ROW(name, kind, text) {{#name, METRICS_##kind, NULL, text}, FROM_NODE, offsetof(struct metrics_survey, name)},
                NODE_METRICS(ROW)
#undef ROW
                    {{"build_info", METRICS_GAUGE, "version", "always 1; its label is the program's version"},
                     FROM_NODE,
                     0},
};

#define METRIC_COUNT (sizeof metrics / sizeof *metrics)

const struct metrics_row *metrics_row_at(size_t i)
{
    return i < METRIC_COUNT ? &metrics[i].row : NULL;
}

/* Asking */

static struct metrics_survey *self(struct survey *survey)
{
    return LIST_ITEM(survey, struct metrics_survey, survey);
}

static struct forward_stats forward_stats_of(const struct forward *forward)
{
    return forward != NULL ? *forward_stats(forward) : (struct forward_stats){0}; /* NULL: the node is alone */
}

static struct carry_stats carry_stats_of(const struct node *node, unsigned index)
{
    const struct carrier *carrier = node_links_carrier(node, index);
    return carrier != NULL ? *carrier_stats(carrier) : (struct carry_stats){0};
}

static void ask(struct survey *survey, struct core *core, unsigned index)
{
    const struct conns *conns = &survey->owner->parts[index].conns;
    struct core_report *report = &self(survey)->cores[index];
    *report = (struct core_report){
        .stats = core->stats,
        .conns = conns->stats,
        .peers = node_links_stats(survey->owner, index),
        .forward = forward_stats_of(survey->owner->parts[index].forward),
        .carry = carry_stats_of(survey->owner, index),
        .actors = hash_count(&core->activations),
        .queued_calls = core->queued,
        .open_turns = core->turns_open,
        .memory_bytes = core->memory_used,
        .connections = conns->count,
        .uncommitted_bytes = core->uncommitted_bytes,
        .unapplied_bytes = core->unapplied_bytes,
        .refuses_writes = core->refusing,
        .type_count = core->type_count,
    };
    replicas_stats(core, &report->copies);
    report->oldest = replicas_oldest(core);
    if (core->type_count > 0) {
        report->types = mem_new(core->type_count * sizeof *report->types);
        memcpy(report->types, core->types, core->type_count * sizeof *report->types);
    }
}

static void look_at_elections(struct metrics_survey *survey, const struct member *member)
{
    const struct leader_counts *counts = member_counts(member);
    survey->election_renewals = counts->renewed;
    survey->election_refusals = counts->not_renewed;
    survey->election_lapses = counts->lapsed;
    survey->election_candidates = survey->election_late_ms = UNKNOWN;
    if (member_leading(member) != NULL) {
        struct leader_candidates candidates = leader_candidates(member_leading(member));
        survey->election_candidates = candidates.count;
        survey->election_late_ms = candidates.late_ns / NS_PER_MS;
    }
}

static void look_at_directory(struct metrics_survey *survey)
{
    const struct node *node = survey->survey.owner;
    struct member *member = membership_member(node);
    if (member == NULL) {
        survey->directory_leads = survey->directory_term = survey->directory_index = UNKNOWN;
        survey->directory_members = survey->directory_members_up = survey->lease_left_ms = UNKNOWN;
        survey->election_candidates = survey->election_late_ms = UNKNOWN;
        survey->election_renewals = survey->election_refusals = survey->election_lapses = UNKNOWN;
        return;
    }
    const struct row_list *members = &member_view(member)->rows.of[ROW_MEMBER];
    uint64_t now = clock_now_ns(node->world.clock), until = member_lease_until(member);
    look_at_elections(survey, member);
    survey->directory_leads = member_leading(member) != NULL;
    survey->directory_term = raft_node_state(server_raft(member_server(member))).term;
    survey->directory_index = member_view(member)->index;
    survey->lease_left_ms = until > now ? (until - now) / NS_PER_MS : 0;
    for (uint32_t i = 0; i < members->count; i++) {
        survey->directory_members += members->at[i]->entry.member.state != MEMBER_REMOVED;
        survey->directory_members_up += members->at[i]->entry.member.state == MEMBER_UP;
    }
}

static void look_at_node(struct metrics_survey *survey)
{
    const struct node *node = survey->survey.owner;
    survey->uptime_ms = (core_now_ns(node->control) - node->started_ns) / NS_PER_MS;
    journal_stats(node->journal, &survey->journal);
    survey->journal_bytes = survey->journal.bytes;
    survey->journal_groups = survey->journal.groups;
    survey->journal_syncs = survey->journal.syncs;
    survey->journal_batches = survey->journal.batches;
    survey->journal_kept_bytes = survey->journal.position - survey->journal.released;
    for (unsigned i = 0; i < node->world.cores; i++) {
        uint64_t oldest = survey->cores[i].oldest, position = survey->journal.position;
        uint64_t held = oldest < position ? position - oldest : 0; /* none is UINT64_MAX */
        survey->journal_held_bytes = held > survey->journal_held_bytes ? held : survey->journal_held_bytes;
    }
    survey->journal_segments = survey->journal.segments;
    survey->control_peers = node_links_stats(node, PEER_CORE_CONTROL);
    look_at_directory(survey);
}

static uint64_t property(struct store *store, const char *name)
{
    uint64_t value;
    return store->ops->property(store, name, &value) ? value : UNKNOWN;
}

/* On the pool: it may block. */
static void look_outside(struct job *job)
{
    struct metrics_survey *survey = LIST_ITEM(job, struct metrics_survey, job.job);
    const struct node *node = survey->survey.owner;
    struct store *store = node->store;
    struct process_stats process = {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN};
    survey->store_keys = property(store, "rocksdb.estimate-num-keys");
    survey->store_files_bytes = property(store, "rocksdb.total-sst-files-size");
    survey->store_memtable_bytes = property(store, "rocksdb.cur-size-all-mem-tables");
    survey->store_cache_bytes = property(store, "rocksdb.block-cache-usage");
    survey->store_compaction_bytes = property(store, "rocksdb.estimate-pending-compaction-bytes");
    survey->store_background_errors = property(store, "rocksdb.background-errors");
    if (node->world.process_stats != NULL) {
        node->world.process_stats(&process);
    }
    survey->process_resident_bytes = process.resident_bytes;
    survey->process_open_files = process.open_files;
    survey->process_open_files_max = process.open_files_max;
    survey->process_cpu_us = process.cpu_us;
}

/* Answering */

static uint64_t number_at(const void *base, size_t offset)
{
    return *(const uint64_t *)((const char *)base + offset);
}

static void write_cores(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    for (unsigned k = 0; k < survey->survey.owner->world.cores; k++) {
        char label[16];
        snprintf(label, sizeof label, "%u", k);
        metrics_write_value(out, &m->row, label, number_at(&survey->cores[k], m->offset));
    }
}

/* Links of the control core come behind those of the others. */
static void write_peers(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    for (unsigned k = 0; k < survey->survey.owner->world.cores; k++) {
        char label[16];
        snprintf(label, sizeof label, "%u", k);
        metrics_write_value(out, &m->row, label, number_at(&survey->cores[k].peers, m->offset));
    }
    metrics_write_value(out, &m->row, "control", number_at(&survey->control_peers, m->offset));
}

static void write_sum(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    struct metrics_histogram sum = {0};
    for (unsigned k = 0; k < survey->survey.owner->world.cores; k++) {
        metrics_merge(&sum, (const void *)((const char *)&survey->cores[k] + m->offset));
    }
    metrics_write_histogram(out, &m->row, &sum);
}

static void write_errors(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    for (int status = 0; status < PDR_STATUS_COUNT; status++) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < survey->survey.owner->world.cores; k++) {
            sum += survey->cores[k].stats.errors[status];
        }
        if (status != PDR_OK) {
            const char *code = status == PDR_ACTOR ? "(the actor's own)" : pdr_status_wire((enum pdr_status)status);
            metrics_write_value(out, &m->row, code, sum);
        }
    }
}

static void write_types(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    const struct registry *registry = survey->survey.owner->registry;
    for (uint32_t at = 0; at < registry_count(registry); at++) {
        const struct actor_class *cls = registry_at(registry, at);
        uint64_t sum = 0;
        char name[PDR_TYPE_SIZE_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)cls->name.size, (const char *)cls->name.data);
        for (unsigned k = 0; k < survey->survey.owner->world.cores; k++) {
            const struct core_report *report = &survey->cores[k];
            sum += cls->index < report->type_count ? number_at(&report->types[cls->index], m->offset) : 0;
        }
        metrics_write_value(out, &m->row, name, sum);
    }
}

static void write_row(pdr_writer *out, const struct metrics_survey *survey, const struct metric *m)
{
    switch (m->from) {
    case FROM_CORE:
        write_cores(out, survey, m);
        break;
    case FROM_PEERS:
        write_peers(out, survey, m);
        break;
    case FROM_CORES_SUM:
        write_sum(out, survey, m);
        break;
    case FROM_ERRORS:
        write_errors(out, survey, m);
        break;
    case FROM_TYPES:
        write_types(out, survey, m);
        break;
    case FROM_JOURNAL:
        metrics_write_histogram(out, &m->row, (const void *)((const char *)&survey->journal + m->offset));
        break;
    case FROM_NODE:
        if (m->row.label != NULL) {
            metrics_write_value(out, &m->row, PDR_VERSION, 1);
        } else {
            metrics_write_value(out, &m->row, NULL, number_at(survey, m->offset));
        }
        break;
    }
}

static bool is_known(const struct metrics_survey *survey, const struct metric *m)
{
    return m->from != FROM_NODE || m->row.label != NULL || number_at(survey, m->offset) != UNKNOWN;
}

static void write_all(pdr_writer *reply, const struct metrics_survey *survey)
{
    pdr_writer text = {0};
    for (const struct metric *m = metrics; m < metrics + METRIC_COUNT; m++) {
        if (is_known(survey, m)) {
            metrics_write_head(&text, &m->row);
            write_row(&text, survey, m);
        }
    }
    pdr_write_str(reply, pdr_written(&text));
    pdr_writer_release(&text);
}

/* The method */

static void looked(struct job *job)
{
    struct metrics_survey *survey = LIST_ITEM(job, struct metrics_survey, job.job);
    struct node *node = survey->survey.owner;
    list_remove(&survey->job.node);
    write_all(&survey->survey.call->reply, survey);
    survey_finish(&survey->survey);
    node_job_over(node);
}

static void discard(struct core_job *job) {} /* sys_node_free has the survey */

static void conclude(struct survey *survey)
{
    struct core *control = survey->owner->control;
    struct metrics_survey *own = self(survey);
    look_at_node(own);
    own->job = (struct core_job){.job = {look_outside, looked, {0}}, .core = control, .discard = discard};
    list_push_back(&control->jobs, &own->job.node);
    work_submit(control->world.work, control->world.loop, &own->job.job);
}

static void release(struct survey *survey)
{
    for (unsigned i = 0; i < survey->owner->world.cores; i++) {
        mem_free(self(survey)->cores[i].types);
    }
    mem_free(self(survey));
}

void sys_metrics(struct node *node, struct call *call)
{
    static const struct survey_kind kind = {ask, conclude, release};
    struct metrics_survey *survey = mem_new(sizeof *survey + node->world.cores * sizeof survey->cores[0]);
    survey_start(&survey->survey, &kind, node, call);
}
