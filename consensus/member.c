/* consensus/member.c: start and end of a member, its letters, its registration and its lease. */
#include "consensus/member.h"

#include <stdio.h>

#include "consensus/member_parts.h"
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define REGISTER_MS 2000u /* a proposal's deadline; then it is made again */
#define REGISTER_NS (500 * NS_PER_MS)
#define REGISTER_AGAIN_NS (50 * NS_PER_MS)
#define SILENCE_NS (3 * LEASE_RENEW_NS) /* of who is thought to lead */
#define LEADER_TICK_NS (LEASE_ROUND_NS / 2)
#define HOLDER_TICK_NS (LEASE_HOLDER_STALL_NS / 4)

void member_end(struct member *m, const char *why)
{
    if (!m->is_ending) {
        m->is_ending = true;
        lease_holder_drop(&m->holder);
        m->hooks.must_end(m->hooks.user, why);
    }
}

/* Letters. */

static void receive(struct member *m, uint64_t from, const struct letter *letter);

void member_send(struct member *m, uint64_t to, const struct letter *letter)
{
    uint8_t room[512];
    pdr_writer writer;
    if (to == m->options.id) {
        receive(m, to, letter);
        return;
    }
    pdr_writer_init(&writer, room, sizeof room, LETTER_PAGE_BYTES_MAX + 64);
    letter_write(&writer, letter);
    CHECK(!writer.failed);
    m->hooks.send(m->hooks.user, to, PEER_DIRECTORY, pdr_written(&writer));
    pdr_writer_release(&writer);
}

/* Servers, or whoever there is: all of them know who leads, or know who knows. Now and then one of those that we were
 * told of at the start, for the rows may be old. */
static uint64_t nth_contact(const struct member *m, uint32_t round)
{
    uint64_t found[RAFT_SERVERS_MAX];
    uint32_t count = 0;
    const struct row_list *members = &m->view.rows.of[ROW_MEMBER];
    for (int servers = 1; servers >= 0 && count == 0; servers--) {
        for (uint32_t i = 0; i < members->count && count < RAFT_SERVERS_MAX; i++) {
            const struct cluster_member *member = &members->at[i]->entry.member;
            bool fits = member->state != MEMBER_REMOVED && member->node != m->options.id;
            if (fits && (servers == 0 || member->role != ROLE_SPARE)) {
                found[count++] = member->node;
            }
        }
    }
    uint32_t seeds = m->options.seed_count;
    if (count == 0) {
        return seeds == 0 ? 0 : m->options.seeds[round % seeds];
    }
    return round % 4 != 3 || seeds == 0 ? found[round % count] : m->options.seeds[round / 4 % seeds];
}

static bool is_voter(const struct member *m)
{
    struct raft_member servers[RAFT_SERVERS_MAX];
    uint32_t count = raft_node_members(server_raft(m->server), servers, RAFT_SERVERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (servers[i].id == m->options.id) {
            return servers[i].role == RAFT_ROLE_VOTER;
        }
    }
    return false;
}

/* A voter notices that its leader is silent. Raft tells the others nothing, and those that were servers remember the
 * last one they had; so they go by what they hear in answer to their renewals. */
uint64_t member_leader(const struct member *m)
{
    struct raft_node_state state = raft_node_state(server_raft(m->server));
    if (state.leader) {
        return m->options.id;
    }
    if (state.leader_id != 0 && is_voter(m)) {
        return state.leader_id;
    }
    return member_now(m) - m->hint_ns < SILENCE_NS ? m->leader_hint : 0;
}

uint64_t member_contact(struct member *m)
{
    return nth_contact(m, m->asked_round++);
}

void member_hint(struct member *m, uint64_t leader)
{
    m->leader_hint = leader == m->options.id ? 0 : leader;
    m->hint_ns = member_now(m);
}

uint64_t member_whom(struct member *m)
{
    uint64_t leader = member_leader(m);
    return leader != 0 ? leader : member_contact(m);
}

/* It leads, they say. A lease that the one before granted is running out: it is renewed at once, but for a leader
 * that was known; two who name each other would have us ask them without end. */
static void found(struct member *m, uint64_t leader, bool was_known)
{
    member_hint(m, leader);
    if (leader != 0 && !was_known) {
        lease_holder_hurry(&m->holder);
    }
}

static void refused(struct member *m, uint64_t from, const struct letter_no *no)
{
    if (!lease_holder_sent(&m->holder, no->renew_no)) {
        return; /* an earlier process of this node sent it */
    }
    switch ((enum letter_refusal)no->why) {
    case LETTER_NO_LEADER:
        found(m, no->leader == from ? 0 : no->leader, member_leader(m) != 0);
        break;
    case LETTER_NO_MEMBER:
        m->register_due_ns = 0; /* it may not know yet; to register twice is safe */
        break;
    case LETTER_NO_SUPERSEDED:
        member_end(m, "another process of this node has registered after this one");
        break;
    case LETTER_NO_REMOVED:
        member_end(m, "this node was removed from the cluster");
        break;
    default:
        break;
    }
}

static void compare_state(struct member *m, uint64_t from, const struct letter_hash *theirs)
{
    uint64_t ours;
    if (directory_hash_at(server_directory(m->server), theirs->dir_index, &ours) && ours != theirs->hash) {
        LOG_ERROR("directory.differs", "leader=%016llx dir_index=%llu", (unsigned long long)from,
                  (unsigned long long)theirs->dir_index);
        member_end(m,
                   "this node's copy of the directory differs from the leader's: its data is damaged. Remove the node, "
                   "wipe its data directory, and let it join again");
    }
}

static void renewed(struct member *m, uint64_t from, const struct letter_renew *renew)
{
    if (m->leader != NULL) {
        leader_renew(m->leader, from, renew);
        return;
    }
    uint64_t leader = member_leader(m);
    struct letter no = {.kind = LETTER_NO,
                        .no = {renew->renew_no, leader == m->options.id ? 0 : leader, LETTER_NO_LEADER}};
    member_send(m, from, &no);
}

static void granted(struct member *m, uint64_t from, const struct letter_grant *grant)
{
    struct lease_grant lease = {grant->renew_no, grant->dir_index, grant->length_ns};
    member_hint(m, from);
    if (lease_holder_granted(&m->holder, member_now(m), &lease)) {
        feed_reach(m, grant->dir_index);
        feed_tick(m);
    }
}

static void receive(struct member *m, uint64_t from, const struct letter *letter)
{
    switch (letter->kind) {
    case LETTER_PROPOSE:
    case LETTER_READ:
        requests_serve(m, from, letter);
        break;
    case LETTER_ANSWER:
        requests_answered(m, &letter->answer);
        break;
    case LETTER_RENEW:
        renewed(m, from, &letter->renew);
        break;
    case LETTER_GRANT:
        granted(m, from, &letter->grant);
        break;
    case LETTER_NO:
        refused(m, from, &letter->no);
        break;
    case LETTER_LOAD:
    case LETTER_LOADS_ASK:
    case LETTER_LOADS:
        loads_receive(m, from, letter);
        break;
    case LETTER_ASK:
        feed_serve(m, from, letter->ask.since);
        break;
    case LETTER_PAGE:
        feed_take(m, letter->page.page);
        break;
    case LETTER_NEWS:
        found(m, from, member_leader(m) == from);
        feed_reach(m, letter->news.dir_index);
        break;
    case LETTER_CONFIRM:
    case LETTER_CONFIRMED:
        server_receive(m->server, from, letter);
        break;
    case LETTER_KEEP:
        keeps_serve(m, from, &letter->keep);
        break;
    case LETTER_KEPT:
        keeps_answered(m, &letter->kept);
        break;
    case LETTER_HASH:
        compare_state(m, from, &letter->hash);
        break;
    default:
        break;
    }
}

void member_receive(struct member *m, uint64_t from, enum peer_kind kind, struct pdr_bytes frame)
{
    struct letter letter;
    struct fault fault;
    if (m->is_ending) {
        return;
    }
    if (kind == PEER_RAFT) {
        server_receive_raft(m->server, from, frame);
    } else if (letter_read(frame, &letter, &fault) == PDR_OK) {
        receive(m, from, &letter);
    } else {
        LOG_DEBUG("directory.letter_refused", "from=%016llx field=%s what=\"%s\"", (unsigned long long)from,
                  fault.field != NULL ? fault.field : "-", fault.what);
    }
}

/* Registration. */

bool member_is_registered(const struct member *m)
{
    return m->is_registered;
}

static void registered(void *user, const struct member_answer *answer)
{
    struct member *m = user;
    char why[DIRECTORY_TEXT_SIZE + 64];
    m->registering = false;
    if (answer->outcome != LETTER_DONE) {
        m->register_due_ns = member_now(m) + REGISTER_AGAIN_NS;
        return;
    }
    if (answer->code == DIRECTORY_NO_CLUSTER) {
        m->register_due_ns = member_now(m) + (m->options.cluster != NULL ? 0 : REGISTER_AGAIN_NS);
        return;
    }
    m->register_due_ns = member_now(m) + REGISTER_NS; /* by then the row says so */
    if (answer->code == DIRECTORY_DONE || answer->code == DIRECTORY_ALREADY) {
        m->hooks.registered(m->hooks.user, m->options.boot);
        feed_reach(m, answer->dir_index);
        return;
    }
    snprintf(why, sizeof why, "the cluster does not let this node in: %.*s", (int)answer->text.size,
             (const char *)answer->text.data);
    member_end(m, why);
}

static void propose_register(struct member *m)
{
    const struct member_options *o = &m->options;
    struct command command = {.kind = COMMAND_REGISTER,
                              .register_ = {.node = o->id,
                                            .incarnation = o->incarnation,
                                            .boot = o->boot,
                                            .known = o->known,
                                            .name = o->name,
                                            .address = o->address,
                                            .labels = o->labels,
                                            .format = CLUSTER_FORMAT,
                                            .forgot = o->forgot}};
    m->registering = true;
    member_propose(m, &command, REGISTER_MS, registered, m);
}

static void published(void *user, const struct member_answer *answer)
{
    struct member *m = user;
    m->publishing = false;
    m->register_due_ns = member_now(m) + REGISTER_NS;
}

static void founded(void *user, const struct member_answer *answer)
{
    struct member *m = user;
    m->founding = false;
    m->register_due_ns = 0;
}

/* The types that it has, once it is known itself. */
static void publish(struct member *m)
{
    const struct cluster_hosts *hosts = cluster_rows_hosts(&m->view.rows, m->options.id);
    if (m->publishing || m->options.types.map.size == 0 ||
        (hosts != NULL && pdr_bytes_equal(hosts->types.map, m->options.types.map))) {
        return;
    }
    struct command command = {.kind = COMMAND_PUBLISH,
                              .publish = {m->options.id, m->options.incarnation, m->options.types}};
    m->publishing = true;
    member_propose(m, &command, REGISTER_MS, published, m);
}

static bool has_no_cluster(const struct member *m)
{
    return m->leader != NULL && cluster_rows_info(directory_rows(server_directory(m->server))) == NULL;
}

static void take_part(struct member *m)
{
    if (member_now(m) < m->register_due_ns || m->registering || m->founding || m->is_leaving) {
        return;
    }
    if (has_no_cluster(m) && m->options.cluster != NULL) {
        struct command command = {.kind = COMMAND_FOUND, .found = m->options.found};
        command.found.cluster = pdr_bytes(m->options.cluster, CLUSTER_ID_SIZE);
        m->founding = true;
        member_propose(m, &command, REGISTER_MS, founded, m);
    } else if (!member_is_registered(m)) {
        propose_register(m);
    } else {
        publish(m);
    }
}

void member_leave(struct member *m, uint64_t deadline_ms, member_answered answered, void *user)
{
    struct command command = {.kind = COMMAND_LEAVE, .leave = {m->options.id, m->options.incarnation}};
    m->is_leaving = true;
    lease_holder_drop(&m->holder);
    member_propose(m, &command, deadline_ms, answered, user);
}

/* Lease. */

static void renew(struct member *m)
{
    struct lease_renew lease;
    if (!member_is_registered(m) || m->is_leaving ||
        !lease_holder_renew(&m->holder, member_now(m), m->view.index, &lease)) {
        return;
    }
    struct letter letter = {.kind = LETTER_RENEW, .renew = {lease.incarnation, lease.renew_no, lease.feed_index}};
    uint64_t whom = member_whom(m);
    if (whom != 0) {
        member_send(m, whom, &letter);
    }
}

/* The server's hooks. */

static void server_sends_raft(void *user, uint64_t to, struct pdr_bytes letter)
{
    struct member *m = user;
    m->hooks.send(m->hooks.user, to, PEER_RAFT, letter);
}

static void server_sends(void *user, uint64_t to, const struct letter *letter)
{
    member_send(user, to, letter);
}

static void server_applied(void *user, const struct directory_result *result)
{
    struct member *m = user;
    if (m->leader != NULL && result != NULL) {
        leader_applied(m->leader, result);
        m->leader_due_ns = 0; /* what follows from it is not to wait for the next tick */
    }
    m->wants_leader_look = true; /* member_tick: our copy follows, all changes of a batch together */
}

static void server_changed(void *user)
{
    struct member *m = user;
    m->wants_leader_look = true;
}

static void server_failed(void *user, const char *why)
{
    member_end(user, why);
}

/* A leader is of one term: what it has counted of leases says nothing about those that another has granted since. It
 * may have been another's turn between two looks. */
static void look_at_role(struct member *m)
{
    bool leads = server_is_ready(m->server);
    uint64_t term = raft_node_state(server_raft(m->server)).term;
    if (m->leader != NULL && (!leads || term != m->leader_term)) {
        leader_free(m->leader);
        m->leader = NULL;
    }
    if (leads && m->leader == NULL) {
        struct leader_options options = {.id = m->options.id,
                                         .server = m->server,
                                         .clock = m->clock,
                                         .rng = &m->rng,
                                         .settings = m->options.leader,
                                         .orphans = &m->orphans,
                                         .counts = &m->counts,
                                         .user = m,
                                         .letter = server_sends};
        m->leader = leader_new(&options);
        m->leader_term = term;
        m->leader_due_ns = 0;
    }
    if (member_leader(m) != 0) {
        requests_hurry(m);
        m->keep_again_ns = 0;
    }
}

/* Time. */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t member_due_ns(const struct member *m)
{
    if (m->is_ending) {
        return UINT64_MAX;
    }
    uint64_t due = least(server_due_ns(m->server), requests_due_ns(m));
    due = least(due, least(feed_due_ns(m), keeps_due_ns(m)));
    due = least(due, m->leader != NULL ? m->leader_due_ns : UINT64_MAX);
    due = least(due, m->ticked_ns + HOLDER_TICK_NS);
    return m->wants_leader_look ? member_now(m) : due;
}

void member_tick(struct member *m)
{
    if (m->is_ending) {
        return;
    }
    m->ticked_ns = member_now(m);
    struct lease_notice notice = lease_holder_check(&m->holder, member_now(m), m->view.index);
    if (notice.stalled_ns > 0) {
        LOG_WARN("node.stalled", "for_ms=%llu", (unsigned long long)(notice.stalled_ns / NS_PER_MS));
    }
    server_tick(m->server);
    if (m->wants_leader_look) {
        m->wants_leader_look = false;
        look_at_role(m);
        feed_own(m);
    }
    if (m->leader != NULL && member_now(m) >= m->leader_due_ns) {
        m->leader_due_ns = member_now(m) + LEADER_TICK_NS;
        leader_tick(m->leader);
    }
    requests_tick(m);
    keeps_tick(m);
    feed_tick(m);
    take_part(m);
    renew(m);
}

/* Start and end. */

static struct pdr_bytes keep(struct member *m, struct pdr_bytes bytes)
{
    size_t at = pdr_written(&m->strings).size;
    pdr_write_raw(&m->strings, bytes.data, bytes.size);
    CHECK(!m->strings.failed);
    return pdr_bytes((const char *)pdr_written(&m->strings).data + at, bytes.size);
}

/* The caller's strings, in one piece that does not move. */
static void keep_strings(struct member *m)
{
    struct member_options *o = &m->options;
    size_t size = o->name.size + o->address.size + o->labels.map.size + o->types.map.size + CLUSTER_ID_SIZE;
    pdr_writer_init(&m->loads, NULL, 0, LETTER_LOADS_BYTES_MAX);
    pdr_writer_init(&m->strings, mem_grow(NULL, size), size, size);
    o->name = keep(m, o->name);
    o->address = keep(m, o->address);
    struct pdr_bytes labels = keep(m, o->labels.map), types = keep(m, o->types.map);
    o->labels.map = labels;
    o->types.map = types;
    o->cluster = o->cluster == NULL ? NULL : keep(m, pdr_bytes(o->cluster, CLUSTER_ID_SIZE)).data;
}

enum pdr_status member_start(const struct member_options *options, struct member **out, const char **why)
{
    struct member *m = mem_new(sizeof *m);
    char address[LIMIT_ADDRESS_BYTES_MAX + 1];
    m->options = *options;
    m->hooks = options->hooks;
    m->clock = options->clock;
    rng_seed(&m->rng, options->seed);
    m->last_no = rng_next(&m->rng) >> 1; /* no answer to an earlier process is taken for one to this */
    list_init(&m->requests);
    list_init(&m->services);
    list_init(&m->orphans);
    list_init(&m->keeps);
    list_init(&m->kept);
    cluster_view_init(&m->view);
    m->view.election = options->hooks.election;
    m->view.user = options->hooks.user;
    keep_strings(m);
    lease_holder_init(&m->holder, options->id, options->incarnation, member_now(m));
    snprintf(address, sizeof address, "%.*s", (int)options->address.size, (const char *)options->address.data);
    struct server_options server = {
        .id = options->id,
        .life = rng_next(&m->rng),
        .address = address,
        .seed = rng_next(&m->rng),
        .clock = options->clock,
        .disk = options->disk,
        .settings = options->raft,
        .founds = options->cluster != NULL,
        .hooks = {m, server_sends_raft, server_sends, server_applied, server_changed, server_failed},
    };
    enum pdr_status status = server_start(&server, &m->server, why);
    if (status != PDR_OK) {
        member_free(m);
        return status;
    }
    m->wants_leader_look = true;
    *out = m;
    return PDR_OK;
}

void member_free(struct member *m)
{
    if (m->leader != NULL) {
        leader_free(m->leader);
    }
    if (m->server != NULL) {
        server_free(m->server);
    }
    leader_free_orphans(&m->orphans);
    requests_free(m);
    keeps_free(m);
    cluster_view_release(&m->view);
    mem_free(m->strings.data);
    pdr_writer_release(&m->loads);
    mem_free(m);
}

const struct cluster_view *member_view(const struct member *m)
{
    return &m->view;
}

uint64_t member_lease_until(const struct member *m)
{
    return m->is_ending || m->is_leaving ? 0 : m->lease_until;
}

struct server *member_server(struct member *m)
{
    return m->server;
}

const struct leader *member_leading(const struct member *m)
{
    return m->leader;
}

const struct leader_counts *member_counts(const struct member *m)
{
    return &m->counts;
}
