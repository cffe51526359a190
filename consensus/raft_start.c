/* consensus/raft_start.c: from the rows of a disk to a running server, and its end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/raft_parts.h"
#include "core/base/check.h"
#include "core/base/log.h"

static struct raft_settings with_defaults(struct raft_settings s)
{
    s.heartbeat_ms = s.heartbeat_ms == 0 ? 50 : s.heartbeat_ms;
    s.election_ms = s.election_ms == 0 ? 300 : s.election_ms;
    s.snapshot_retry_ms = s.snapshot_retry_ms == 0 ? 5000 : s.snapshot_retry_ms;
    s.snapshot_threshold = s.snapshot_threshold == 0 ? 8192 : s.snapshot_threshold;
    s.snapshot_trailing = s.snapshot_trailing == 0 ? 4096 : s.snapshot_trailing;
    s.in_flight_max = s.in_flight_max == 0 ? 1024 : s.in_flight_max;
    CHECK(s.heartbeat_ms * 3 <= s.election_ms);
    return s;
}

static struct raft_node *node_new(const struct raft_node_options *options)
{
    struct raft_node *node = mem_new(sizeof *node);
    CHECK(options->id != 0 && strlen(options->address) <= RAFT_ADDRESS_MAX);
    node->id = options->id;
    node->clock = options->clock;
    node->hooks = options->hooks;
    node->settings = with_defaults(options->settings);
    node->disk = options->disk;
    node->log = replica_log_new(options->disk, node_durable, node);
    list_init(&node->flights);
    list_init(&node->held);
    list_init(&node->proposals);
    list_init(&node->submitted);
    list_init(&node->reads);
    list_init(&node->reading);
    CHECK(raft_init(&node->raft, NULL, NULL, options->id, options->address) == 0);
    node->raft.tracer = NULL;
    raft_seed(&node->raft, (unsigned)options->seed);
    raft_set_heartbeat_timeout(&node->raft, node->settings.heartbeat_ms);
    raft_set_election_timeout(&node->raft, node->settings.election_ms);
    raft_set_install_snapshot_timeout(&node->raft, node->settings.snapshot_retry_ms);
    raft_set_max_inflight_entries(&node->raft, node->settings.in_flight_max);
    raft_set_pre_vote(&node->raft, !node->settings.no_pre_vote);
    return node;
}

/* The first entry of every log, and the same in each: who founds the cluster. */
static void found(struct raft_node *node, const struct raft_node_options *options)
{
    struct raft_configuration configuration;
    struct raft_buffer encoded;
    raft_configuration_init(&configuration);
    for (uint32_t i = 0; i < options->founder_count; i++) {
        const struct raft_member *member = &options->founders[i];
        CHECK(raft_configuration_add(&configuration, member->id, member->address, (int)member->role) == 0);
    }
    CHECK(raft_configuration_encode(&configuration, &encoded) == 0);
    raft_configuration_close(&configuration);
    struct raft_log_entry entry = {.term = 1, .type = RAFT_LOG_CHANGE, .bytes = pdr_bytes(encoded.base, encoded.len)};
    CHECK(raft_config_check(entry.bytes));
    replica_log_set_vote(node->log, 1, 0);
    replica_log_append(node->log, 1, &entry);
    raft_free(encoded.base);
}

static void load_metadata(const struct raft_log_snapshot *snapshot, struct raft_snapshot_metadata *out)
{
    struct raft_buffer conf = {(void *)(uintptr_t)snapshot->conf.data, snapshot->conf.size};
    out->index = snapshot->index;
    out->term = snapshot->term;
    out->configuration_index = snapshot->conf_index;
    CHECK(raft_configuration_decode(&conf, &out->configuration) == 0);
}

/* The core looks at the entries' terms, and at configurations; it keeps none of them. */
static void step_start(struct raft_node *node)
{
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(node->log);
    struct raft_snapshot_metadata metadata = {0};
    uint64_t first = replica_log_first(node->log), last = replica_log_last(node->log);
    unsigned count = (unsigned)(last + 1 - first);
    struct raft_entry *entries = raft_calloc(count + 1, sizeof *entries);
    void *batch = raft_malloc(1);
    CHECK(entries != NULL && batch != NULL);
    for (unsigned i = 0; i < count; i++) {
        const struct raft_log_entry *entry = replica_log_entry(node->log, first + i);
        entries[i] = (struct raft_entry){.term = entry->term,
                                         .type = (enum raft_entry_type)entry->type,
                                         .buf = {(void *)(uintptr_t)entry->bytes.data, entry->bytes.size},
                                         .batch = batch};
    }
    struct raft_event event = {.type = RAFT_START,
                               .start = {.term = replica_log_term(node->log),
                                         .voted_for = replica_log_vote(node->log),
                                         .start_index = first,
                                         .entries = count == 0 ? NULL : entries,
                                         .n_entries = count}};
    if (snapshot->index != 0) {
        load_metadata(snapshot, &metadata);
        event.start.metadata = &metadata;
    }
    node_step(node, &event);
    raft_free(entries);
    raft_free(batch);
}

/* The newest configuration of the log, committed or not, has no other voter: the core will elect this server at once.
 */
static bool is_alone(const struct raft_node *node)
{
    struct pdr_bytes newest = replica_log_snapshot(node->log)->conf;
    struct raft_configuration configuration;
    unsigned voters = 0, ours = 0;
    for (uint64_t index = replica_log_first(node->log); index <= replica_log_last(node->log); index++) {
        const struct raft_log_entry *entry = replica_log_entry(node->log, index);
        newest = entry->type == RAFT_LOG_CHANGE ? entry->bytes : newest;
    }
    struct raft_buffer encoded = {(void *)(uintptr_t)newest.data, newest.size};
    if (newest.size == 0) {
        return false;
    }
    CHECK(raft_configuration_decode(&encoded, &configuration) == 0);
    for (unsigned i = 0; i < configuration.n; i++) {
        voters += configuration.servers[i].role == RAFT_VOTER;
        ours += configuration.servers[i].role == RAFT_VOTER && configuration.servers[i].id == node->id;
    }
    raft_configuration_close(&configuration);
    return voters == 1 && ours == 1;
}

static enum pdr_status load(struct raft_node *node, const struct raft_node_options *options, const char **why)
{
    enum pdr_status status = replica_log_load(node->log, why);
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(node->log);
    if (status != PDR_OK) {
        return status;
    }
    if (snapshot->index != 0) {
        if (!node->hooks.restore(node->hooks.user, snapshot->index, snapshot->state)) {
            *why = "the snapshot of the directory cannot be read by this program";
            return PDR_INTERNAL;
        }
        node->applied = snapshot->index;
    }
    if (replica_log_term(node->log) == 0 && replica_log_last(node->log) == 0 && options->founder_count > 0) {
        found(node, options);
    }
    if (is_alone(node)) { /* guard_alone, before the core has anything */
        replica_log_set_vote(node->log, replica_log_term(node->log) + 1, node->id);
    }
    /* A life begins: nobody hears of it before it is durable, so none is begun twice. */
    replica_log_set_life(node->log, replica_log_life(node->log) + 1);
    node->promise_seq = replica_log_flush(node->log);
    return PDR_OK;
}

enum pdr_status raft_node_start(const struct raft_node_options *options, struct raft_node **out, const char **why)
{
    static _Thread_local char text[512];
    struct raft_node *node = node_new(options);
    const char *reason = "";
    enum pdr_status status = load(node, options, &reason);
    if (status != PDR_OK) {
        snprintf(text, sizeof text, "%s", reason);
        *why = text;
        raft_node_free(node);
        return status;
    }
    step_start(node);
    LOG_INFO("raft.started", "id=%" PRIu64 " life=%" PRIu64 " term=%" PRIu64 " last=%" PRIu64, node->id,
             replica_log_life(node->log), replica_log_term(node->log), replica_log_last(node->log));
    *out = node;
    node_settle(node);
    return PDR_OK;
}

static void free_wishes(struct list *wishes)
{
    struct list *at;
    while ((at = list_pop(wishes)) != NULL) {
        mem_free(LIST_ITEM(at, struct raft_wish, node));
    }
}

static void free_flights(struct raft_node *node)
{
    struct list *at;
    while ((at = list_pop(&node->flights)) != NULL) {
        struct raft_flight *flight = LIST_ITEM(at, struct raft_flight, node);
        if (flight->installs || flight->takes) {
            raft_configuration_close(&flight->metadata.configuration);
        }
        mem_free(flight);
    }
}

void raft_node_free(struct raft_node *node)
{
    struct list *at;
    free_wishes(&node->proposals);
    free_wishes(&node->submitted);
    free_wishes(&node->reads);
    free_wishes(&node->reading);
    free_flights(node);
    while ((at = list_pop(&node->held)) != NULL) {
        struct raft_held *held = LIST_ITEM(at, struct raft_held, node);
        raft_bytes_release(&held->bytes);
        mem_free(held);
    }
    mem_free(node->changing);
    raft_free(node->change.base);
    raft_bytes_release(&node->assembly.bytes);
    replica_log_free(node->log);
    raft_close(&node->raft, NULL);
    mem_free(node);
}
