/* tools/node/membership.c: start and end of a membership; frames and time, to the member and from it. */
#include "tools/node/membership.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/raft_disk_shard.h"
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/shard/shard.h"
#include "tools/node/membership_parts.h"
#include "tools/node/sys_election.h"

#define TICKS_MAX 16u /* of the member, in one of the core */

static _Thread_local char membership_why[512];

/* Frames. */

static void send_frame(void *user, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    struct membership *m = user;
    struct peers *peers = node_links_of(m->node, PEER_CORE_CONTROL);
    (void)!peer_send(peers, to, 0, kind, frame); /* whoever misses an answer asks again */
}

static void raft_received(void *user, uint64_t from, uint64_t life, struct pdr_bytes frame)
{
    struct membership *m = user;
    if (m->member != NULL) {
        member_receive(m->member, from, PEER_RAFT, frame);
    }
}

static void letter_received(void *user, uint64_t from, uint64_t life, struct pdr_bytes frame)
{
    struct membership *m = user;
    if (m->member != NULL) {
        member_receive(m->member, from, PEER_DIRECTORY, frame);
    }
}

static const struct peer_handler raft_handler = {.received = raft_received};
static const struct peer_handler letter_handler = {.received = letter_received};

/* The member's hooks. */

static void changed(void *user, bool rows, bool lease)
{
    struct membership *m = user;
    m->rows_changed = m->rows_changed || rows;
    if (rows) {
        carries_changed(m->carries);
    }
    m->lease_changed = m->lease_changed || lease;
}

static void election(void *user, const struct cluster_election *old, const struct cluster_election *now)
{
    elections_changed(((struct membership *)user)->node->elections, old, now);
}

static void must_end(void *user, const char *why)
{
    struct membership *m = user;
    LOG_ERROR("node.must_end", "why=\"%s\"", why);
    m->has_ended = true;
    m->lease_changed = true;
    if (m->options.hooks.must_end != NULL) {
        m->options.hooks.must_end(m->options.hooks.user, why);
    }
}

/* Start. */

struct cluster_map membership_no_map(uint64_t node, uint32_t cores)
{
    return (struct cluster_map){.shard_count = CLUSTER_SHARDS, .cores = cores, .self = node};
}

static int compare_keys(const void *a, const void *b)
{
    return pdr_bytes_compare(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* Of two of one key the later counts. */
static struct pairs encode(struct pair *pairs, uint32_t count, pdr_writer *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = 0;
        while (at < kept && !pdr_bytes_equal(pairs[at].key, pairs[i].key)) {
            at++;
        }
        pairs[at] = pairs[i];
        kept += at == kept;
    }
    qsort(pairs, kept, sizeof *pairs, compare_keys);
    pdr_write_map(out, kept);
    for (uint32_t i = 0; i < kept; i++) {
        pdr_write_str(out, pairs[i].key);
        pdr_write_str(out, pairs[i].value);
    }
    CHECK(!out->failed);
    return (struct pairs){pdr_written(out)};
}

/* K=V each. */
static struct pairs encode_labels(const char *const *labels, pdr_writer *out)
{
    struct pair pairs[LIMIT_LABELS_MAX];
    uint32_t count = 0;
    for (; labels != NULL && labels[count] != NULL; count++) {
        const char *equals = strchr(labels[count], '=');
        CHECK(equals != NULL && count < LIMIT_LABELS_MAX); /* config_check */
        pairs[count] = (struct pair){pdr_bytes(labels[count], (size_t)(equals - labels[count])), pdr_str(equals + 1)};
    }
    return encode(pairs, count, out);
}

static struct pairs encode_types(const struct registry *registry, pdr_writer *out)
{
    uint32_t count = registry_count(registry) < LIMIT_HOSTED_TYPES_MAX ? registry_count(registry)
                                                                       : LIMIT_HOSTED_TYPES_MAX;
    struct pair *pairs = mem_new((count + 1) * sizeof *pairs);
    for (uint32_t i = 0; i < count; i++) {
        pairs[i] = (struct pair){registry_at(registry, i)->name, pdr_str("")};
    }
    struct pairs types = encode(pairs, count, out);
    mem_free(pairs);
    return types;
}

/* A node that was alone, or was restored, founds its cluster on what it has. */
static void find_data(const struct node *node, struct command_found *found, const struct membership_options *o)
{
    uint64_t epoch = o->epochs;
    bool has_rows = o->epochs > 0;
    for (unsigned i = 0; i < node->world.cores; i++) {
        const struct core *core = node->cores[i];
        for (uint32_t id = 0; id < core->shard_count; id++) {
            const struct shard *shard = core->shards[id];
            has_rows = has_rows || (shard != NULL && shard->last_seq > 0);
            epoch = shard != NULL && shard->epoch > epoch ? shard->epoch : epoch;
        }
    }
    if (has_rows) {
        found->home = o->node;
        found->epochs = epoch;
    }
}

static uint8_t parse_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void parse_cluster(const char *text, char out[CLUSTER_ID_SIZE])
{
    CHECK(strlen(text) == 2 * CLUSTER_ID_SIZE);
    for (uint32_t i = 0; i < CLUSTER_ID_SIZE; i++) {
        out[i] = (char)(parse_digit(text[2 * i]) << 4 | parse_digit(text[2 * i + 1]));
    }
}

static uint8_t or_default(uint8_t value, uint8_t by_default)
{
    return value != 0 ? value : by_default;
}

static enum pdr_status start_member(struct membership *m, const char **why)
{
    const struct membership_options *o = &m->options;
    struct node *node = m->node;
    char cluster[CLUSTER_ID_SIZE];
    pdr_writer labels, types;
    pdr_writer_init(&labels, NULL, 0, 1u << 20);
    pdr_writer_init(&types, NULL, 0, 1u << 20);
    parse_cluster(o->cluster, cluster);
    struct member_options options = {
        .id = o->node,
        .incarnation = o->incarnation,
        .boot = o->boot,
        .known = o->known,
        .name = pdr_str(node->name),
        .address = pdr_str(o->advertise != NULL ? o->advertise : node->address),
        .labels = encode_labels(node->labels, &labels),
        .types = encode_types(node->registry, &types),
        .cluster = o->founds ? cluster : NULL,
        .found = {.shards = CLUSTER_SHARDS,
                  .replicas = or_default(o->replicas, 3),
                  .min_isr = or_default(o->min_isr, 2),
                  .voters = or_default(o->voters, 3),
                  .expect = o->expect},
        .seed_count = o->contact_count,
        .seed = rng_next(&node->control->rng),
        .clock = node->world.clock,
        .disk = m->disk,
        .raft = o->raft,
        .leader = o->leader,
        .hooks = {m, send_frame, changed, contacts_registered, must_end, election},
    };
    for (uint32_t i = 0; i < o->contact_count; i++) {
        options.seeds[i] = o->contacts[i].node;
    }
    find_data(node, &options.found, o);
    enum pdr_status status = member_start(&options, &m->member, why);
    pdr_writer_release(&labels);
    pdr_writer_release(&types);
    return status;
}

static struct core *directory_core(const struct node *node)
{
    unsigned i = 0;
    while (node->cores[i]->directory == NULL) {
        i++;
    }
    return node->cores[i];
}

static void due(struct timer *timer) {} /* membership_tick, at the end of this tick, does it */

enum pdr_status membership_open(struct node *node, const struct membership_options *options, const char **why)
{
    struct membership *m = mem_new(sizeof *m);
    m->node = node;
    m->options = *options;
    m->at = mem_new(node->world.cores * sizeof(struct map_version *));
    m->carries = carries_new(m);
    list_init(&m->versions);
    list_init(&m->proposed);
    timer_init(&m->timer, due);
    CHECK(options->contact_count <= MEMBERSHIP_CONTACTS_MAX && MEMBERSHIP_CONTACTS_MAX <= MEMBER_SEEDS_MAX);
    node->membership = m;
    const struct node_links_options links = {.secret = options->secret,
                                             .cluster = options->cluster,
                                             .address = options->advertise,
                                             .node = options->node,
                                             .incarnation = options->incarnation,
                                             .control_transport = options->control_transport,
                                             .propose = options->replicates ? proposals_send : NULL,
                                             .ask = options->replicates ? proposals_ask : NULL,
                                             .part_bytes = options->part_bytes,
                                             .guest = contacts_guest,
                                             .guest_user = m,
                                             .entropy = options->entropy,
                                             .entropy_user = options->entropy_user};
    node_links_open(node, &links);
    m->disk = raft_disk_shard_new(node->control, directory_core(node), node->store);
    enum pdr_status status = start_member(m, why);
    if (status != PDR_OK) {
        snprintf(membership_why, sizeof membership_why, "%s", *why);
        *why = membership_why;
        return status;
    }
    peer_listen(node_links_of(node, PEER_CORE_CONTROL), PEER_RAFT, &raft_handler, m);
    peer_listen(node_links_of(node, PEER_CORE_CONTROL), PEER_DIRECTORY, &letter_handler, m);
    m->members_changed = true;
    timer_set(&node->control->wheel, &m->timer, clock_now_ns(node->world.clock));
    return PDR_OK;
}

struct member *membership_member(const struct node *node)
{
    return node->membership != NULL ? node->membership->member : NULL;
}

uint64_t membership_self(const struct node *node)
{
    return node->membership != NULL ? node->membership->options.node : 0;
}

const char *membership_address(const struct node *node)
{
    const char *advertise = node->membership != NULL ? node->membership->options.advertise : NULL;
    return advertise != NULL ? advertise : node->address;
}

/* Time. */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t guests_due_ns(const struct membership *m)
{
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < m->guest_count; i++) {
        due_ns = least(due_ns, m->guests[i].until_ns);
    }
    return due_ns;
}

void membership_tick(struct node *node)
{
    struct membership *m = node->membership;
    if (m == NULL || m->member == NULL) {
        return;
    }
    for (unsigned i = 0; i < TICKS_MAX && member_due_ns(m->member) <= clock_now_ns(node->world.clock); i++) {
        member_tick(m->member);
    }
    contacts_tell(m);
    maps_tell(m);
    if (!m->options.replicates) {
        carries_tick(m->carries);
    }
    loads_tick(m);
    elections_tick(node->elections);
    uint64_t next = least(member_due_ns(m->member), least(maps_due_ns(m), guests_due_ns(m)));
    next = least(next, loads_due_ns(m));
    next = m->options.replicates ? next : least(next, carries_due_ns(m->carries));
    timer_set(&node->control->wheel, &m->timer, next);
}

/* End. */

static void left(void *user, const struct member_answer *answer)
{
    node_to_control(((struct membership *)user)->node, 0, node_stop_step);
}

/* Who would hear it? */
static bool has_others(const struct membership *m)
{
    const struct row_list *members = &member_view(m->member)->rows.of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->node != m->options.node && member->state == MEMBER_UP) {
            return true;
        }
    }
    return false;
}

/* Another of Raft's voters leads from here, so that nobody waits for an election. */
static void hand_over(struct membership *m)
{
    const struct row_list *members = &member_view(m->member)->rows.of[ROW_MEMBER];
    const char *why;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->node != m->options.node && member->state == MEMBER_UP && member->role == ROLE_VOTER &&
            raft_node_transfer(server_raft(member_server(m->member)), member->node, &why) == PDR_OK) {
            return;
        }
    }
}

void membership_leave(struct node *node)
{
    struct membership *m = node->membership;
    elections_stop(node->elections, false);
    if (m == NULL || m->has_ended || !member_is_registered(m->member) || !has_others(m)) {
        node_to_control(node, 0, node_stop_step);
        return;
    }
    member_leave(m->member, MEMBERSHIP_FAREWELL_MS, left, m);
    if (member_leading(m->member) != NULL) {
        hand_over(m);
    }
    m->lease_changed = true;
}

void membership_close(struct node *node)
{
    struct membership *m = node->membership;
    if (m != NULL && m->member != NULL) {
        timer_cancel(&node->control->wheel, &m->timer);
        elections_stop(node->elections, true);
        member_free(m->member);
        m->member = NULL;
    }
}

void membership_free(struct node *node)
{
    struct membership *m = node->membership;
    if (m == NULL) {
        return;
    }
    membership_close(node);
    if (m->disk != NULL) {
        raft_disk_shard_free(m->disk);
    }
    maps_free(m);
    proposals_free(m);
    carries_free(m->carries);
    mem_free(m->at);
    mem_free(m);
    node->membership = NULL;
}
