/* consensus/leader.c: leases, who is down, and what was proposed. */
#include "consensus/leader.h"

#include "consensus/leader_parts.h"
#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#define HASH_NS NS_PER_S

static void letter_to(struct leader *l, uint64_t to, const struct letter *letter)
{
    l->options.letter(l->options.user, to, letter);
}

/* Errands: what was asked of the server, and who asked. */

struct errand *leader_errand(struct leader *l, enum errand_kind kind, uint64_t about)
{
    struct errand *errand = mem_new(sizeof *errand);
    *errand = (struct errand){.leader = l, .kind = kind, .about = about};
    list_push_back(&l->errands, &errand->node);
    return errand;
}

static bool is_asked(const struct leader *l, enum errand_kind kind, uint64_t about)
{
    for (const struct list *at = l->errands.next; at != &l->errands; at = at->next) {
        const struct errand *errand = LIST_ITEM(at, const struct errand, node);
        if (errand->kind == kind && errand->about == about) {
            return true;
        }
    }
    return false;
}

static void pump_leases(struct leader *l);

static void round_over(void *user, const struct server_answer *answer)
{
    struct errand *errand = user;
    struct leader *l = errand->leader;
    list_remove(&errand->node);
    if (l != NULL) {
        lease_grantor_round_done(&l->grantor, errand->about, answer->outcome == LETTER_DONE);
    }
    mem_free(errand);
    if (l != NULL && answer->outcome == LETTER_DONE) {
        pump_leases(l);
    }
}

static void proposal_over(void *user, const struct server_answer *answer)
{
    struct errand *errand = user;
    struct leader *l = errand->leader;
    list_remove(&errand->node);
    if (l != NULL) {
        l->proposals--;
        l->scan_again = true;
        if (errand->taken) {
            lease_grantor_taken(&l->grantor, errand->about);
        }
        if (errand_has_shard(errand->kind)) {
            l->is_proposed[errand->shard] = false;
        }
        if (errand->kind == ERRAND_LAPSE) {
            candidacies_ended(&l->candidacies, errand->shard, errand->about);
        }
        bool is_done = answer->outcome == LETTER_DONE && answer->result->status == PDR_OK;
        l->options.counts->lapsed += is_done && errand->kind == ERRAND_LAPSE;
        leader_placement_answered(l, errand->kind, is_done);
        if (answer->outcome == LETTER_DONE && answer->result->status != PDR_OK) {
            LOG_DEBUG("directory.refused", "command=%s why=\"%s\"", command_name(answer->result->command),
                      answer->result->text);
        }
    }
    mem_free(errand);
}

bool leader_propose(struct leader *l, const struct command *command, enum errand_kind kind, uint64_t about,
                    uint32_t shard, bool taken)
{
    uint8_t room[512];
    pdr_writer writer;
    if (l->proposals >= l->options.settings.proposals) {
        return false;
    }
    struct errand *errand = leader_errand(l, kind, about);
    errand->shard = shard;
    errand->taken = taken;
    l->proposals++;
    pdr_writer_init(&writer, room, sizeof room, LIMIT_COMMAND_BYTES_MAX);
    command_write(&writer, command);
    CHECK(!writer.failed);
    server_propose(l->options.server, pdr_written(&writer), proposal_over, errand);
    pdr_writer_release(&writer);
    return true;
}

/* Who is down. */

/* Where it is in `down`, or would be. */
static uint32_t place_of(const struct leader *l, uint64_t node)
{
    uint32_t low = 0, high = l->down_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->down[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_down(const struct leader *l, uint64_t node)
{
    uint32_t at = place_of(l, node);
    return at < l->down_count && l->down[at].node == node;
}

uint64_t leader_down_since(const struct leader *l, uint64_t node)
{
    return is_down(l, node) ? l->down[place_of(l, node)].since_ns : 0;
}

static void note_down(struct leader *l, uint64_t node)
{
    uint32_t place = place_of(l, node);
    if (is_down(l, node)) {
        return;
    }
    if (l->down_count == l->down_capacity) {
        l->down_capacity = l->down_capacity == 0 ? 8 : 2 * l->down_capacity;
        l->down = mem_grow(l->down, l->down_capacity * sizeof *l->down);
    }
    struct leader_down *at = &l->down[place];
    memmove(at + 1, at, (l->down_count - place) * sizeof *at);
    *at = (struct leader_down){node, leader_now(l)};
    l->down_count++;
}

static void note_not_down(struct leader *l, uint64_t node)
{
    struct leader_down *at = l->down + place_of(l, node);
    if (is_down(l, node)) {
        l->down_count--;
        memmove(at, at + 1, (size_t)(l->down + l->down_count - at) * sizeof *at);
    }
}

/* Leases. */

static void pump_leases(struct leader *l)
{
    struct lease_granted granted;
    uint64_t index = directory_index(server_directory(l->options.server));
    while (lease_grantor_grant(&l->grantor, leader_now(l), index, &granted)) {
        struct letter letter = {.kind = LETTER_GRANT,
                                .grant = {granted.grant.renew_no, granted.grant.dir_index, granted.grant.length_ns}};
        letter_to(l, granted.node, &letter);
    }
    uint64_t round = lease_grantor_round(&l->grantor, leader_now(l));
    if (round != 0) {
        server_confirm(l->options.server, round_over, leader_errand(l, ERRAND_ROUND, round));
    }
}

/* It renews, so it lives: the directory had it down. */
static void revive(struct leader *l, uint64_t node, uint64_t incarnation)
{
    if (is_asked(l, ERRAND_ALIVE, node)) {
        return;
    }
    struct command command = {.kind = COMMAND_ALIVE, .alive = {node, incarnation, true}};
    leader_propose(l, &command, ERRAND_ALIVE, node, 0, false);
}

void leader_renew(struct leader *l, uint64_t from, const struct letter_renew *renew)
{
    static const enum letter_refusal whys[] = {[LEASE_RENEWED_UNKNOWN] = LETTER_NO_MEMBER,
                                               [LEASE_RENEWED_SUPERSEDED] = LETTER_NO_SUPERSEDED,
                                               [LEASE_RENEWED_REMOVED] = LETTER_NO_REMOVED};
    struct lease_renew lease = {from, renew->incarnation, renew->renew_no, renew->feed_index};
    enum lease_renewed renewed = lease_grantor_renew(&l->grantor, &lease);
    if (renewed == LEASE_RENEWED_OLD) {
        return;
    }
    if (renewed != LEASE_RENEWED_WAITS) {
        struct letter no = {.kind = LETTER_NO, .no = {renew->renew_no, l->options.id, (uint8_t)whys[renewed]}};
        letter_to(l, from, &no);
        return;
    }
    const struct cluster_member *member = is_down(l, from) ? cluster_rows_member(leader_rows(l), from) : NULL;
    if (member != NULL && member->incarnation == renew->incarnation) {
        revive(l, from, renew->incarnation);
    }
    pump_leases(l);
}

/* Members come and go. */

static void note_member(struct leader *l, const struct cluster_member *member)
{
    if (member->state == MEMBER_REMOVED) {
        lease_grantor_remove(&l->grantor, member->node);
        loads_forget(&l->loads, member->node);
    } else {
        lease_grantor_register(&l->grantor, leader_now(l), member->node, member->incarnation);
    }
    if (member->state == MEMBER_DOWN) {
        note_down(l, member->node);
    } else {
        note_not_down(l, member->node);
    }
}

/* R5: from here until it is applied the node is granted nothing. */
static void propose_down(struct leader *l, const struct cluster_member *member)
{
    struct command command = {.kind = COMMAND_ALIVE, .alive = {member->node, member->incarnation, false}};
    if (!lease_grantor_take(&l->grantor, member->node, member->incarnation)) {
        return;
    }
    if (!leader_propose(l, &command, ERRAND_DOWN, member->node, 0, true)) {
        lease_grantor_taken(&l->grantor, member->node);
    }
}

static void look_for_dead(struct leader *l)
{
    struct lease_over over;
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    while (lease_grantor_next_over(&l->grantor, &over)) { /* what follows is seen from the rows */
    }
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state == MEMBER_UP && lease_grantor_is_over(&l->grantor, member->node, member->incarnation) &&
            !is_asked(l, ERRAND_DOWN, member->node)) {
            propose_down(l, member);
        }
    }
}

/* Whom it concerns hears at once; the others with their next lease. */

static void tell(struct leader *l, uint64_t node)
{
    for (uint32_t i = 0; i < l->news_count; i++) {
        if (l->news[i] == node) {
            return;
        }
    }
    if (l->news_count < LEADER_NEWS_MAX && node != l->options.id) {
        l->news[l->news_count++] = node;
    }
}

/* An election may be watched anywhere. */
static void tell_all(struct leader *l)
{
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count && l->news_count < LEADER_NEWS_MAX; i++) {
        if (members->at[i]->entry.member.state == MEMBER_UP) {
            tell(l, members->at[i]->entry.member.node);
        }
    }
}

static void send_news(struct leader *l)
{
    struct letter letter = {.kind = LETTER_NEWS, .news = {directory_index(server_directory(l->options.server))}};
    for (uint32_t i = 0; i < l->news_count; i++) {
        letter_to(l, l->news[i], &letter);
    }
    l->news_count = 0;
}

void leader_applied(struct leader *l, const struct directory_result *result)
{
    for (uint32_t i = 0; i < result->changed_count; i++) {
        const struct entry *entry = &result->changed[i]->entry;
        l->plan.moves_stale = l->plan.moves_stale || entry->kind != ROW_ELECTION;
        l->plan.homes_stale = l->plan.homes_stale || (entry->kind != ROW_SHARD && entry->kind != ROW_ELECTION);
        if (entry->kind == ROW_MEMBER) {
            note_member(l, &entry->member);
            if (result->command == COMMAND_LEAVE) {
                lease_grantor_left(&l->grantor, entry->member.node, entry->member.incarnation);
            }
            tell(l, entry->member.node);
            l->look_at_all = true;
        } else if (entry->kind == ROW_ELECTION) {
            leader_elections_changed(l, &entry->election);
            tell_all(l);
        } else if (entry->kind == ROW_GROUP) {
            l->look_at_all = true;
        } else if (entry->kind == ROW_SHARD) {
            leader_shards_changed(l, &entry->shard);
            leader_placement_changed(l, result->command);
            for (uint32_t k = 0; k < entry->shard.isr.count; k++) {
                tell(l, entry->shard.isr.at[k].node);
            }
            for (uint32_t k = 0; k < entry->shard.targets.count; k++) {
                tell(l, entry->shard.targets.at[k]);
            }
        }
    }
    l->scan_again = true;
}

/* All servers must come to the same state by the same commands: whoever did not is damaged. */
static void send_hash(struct leader *l, uint64_t now_ns)
{
    struct raft_member servers[RAFT_SERVERS_MAX];
    const struct directory *directory = server_directory(l->options.server);
    if (now_ns - l->hash_ns < HASH_NS) {
        return;
    }
    l->hash_ns = now_ns;
    struct letter letter = {.kind = LETTER_HASH, .hash = {directory_index(directory), directory_hash(directory)}};
    uint32_t count = raft_node_members(server_raft(l->options.server), servers, RAFT_SERVERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (servers[i].id != l->options.id) {
            letter_to(l, servers[i].id, &letter);
        }
    }
}

/* Their leases are the predecessor's, and end soon: who had to look for the new leader might find it too late. */
static void announce(struct leader *l)
{
    struct letter letter = {.kind = LETTER_NEWS, .news = {directory_index(server_directory(l->options.server))}};
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    l->is_announced = true;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state != MEMBER_REMOVED && member->node != l->options.id) {
            letter_to(l, member->node, &letter);
        }
    }
}

void leader_tick(struct leader *l)
{
    uint64_t now_ns = leader_now(l);
    if (!l->is_announced) {
        announce(l);
    }
    lease_grantor_tick(&l->grantor, now_ns);
    pump_leases(l);
    look_for_dead(l);
    leader_shards_tick(l);
    leader_placement_tick(l);
    leader_roles_tick(l);
    leader_elections_tick(l);
    send_hash(l, now_ns);
    send_news(l);
}

struct leader *leader_new(const struct leader_options *options)
{
    struct leader *l = mem_new(sizeof *l);
    *l = (struct leader){.options = *options,
                         .look_at_all = true,
                         .scan_again = true,
                         .plan = {.moves_stale = true, .homes_stale = true}};
    struct leader_settings *settings = &l->options.settings;
    settings->repair_ms = settings->repair_ms == 0 ? 30000 : settings->repair_ms;
    settings->proposals = settings->proposals == 0 ? 512 : settings->proposals;
    settings->away_ms = settings->away_ms == 0 ? 300000 : settings->away_ms;
    settings->moves_total = settings->moves_total == 0 ? 64 : settings->moves_total;
    settings->moves_per_node = settings->moves_per_node == 0 ? 8 : settings->moves_per_node;
    settings->load_rest_ms = settings->load_rest_ms == 0 ? 15000 : settings->load_rest_ms;
    l->plan.moved_ns = leader_now(l);
    list_init(&l->errands);
    lease_grantor_init(&l->grantor, leader_now(l));
    const struct row_list *members = &leader_rows(l)->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count; i++) {
        note_member(l, &members->at[i]->entry.member);
    }
    lease_grantor_ready(&l->grantor);
    leader_elections_init(l);
    return l;
}

void leader_free(struct leader *l)
{
    for (struct list *at = l->errands.next; at != &l->errands; at = at->next) {
        LIST_ITEM(at, struct errand, node)->leader = NULL; /* its answer frees it */
    }
    list_splice(l->options.orphans, &l->errands);
    lease_grantor_release(&l->grantor);
    leader_elections_release(l);
    leader_placement_release(l);
    loads_release(&l->loads);
    mem_free(l->is_proposed);
    mem_free(l->is_waiting);
    mem_free(l->waiting);
    mem_free(l->down);
    mem_free(l);
}

void leader_free_orphans(struct list *orphans)
{
    struct list *node;
    while ((node = list_pop(orphans)) != NULL) {
        mem_free(LIST_ITEM(node, struct errand, node));
    }
}

bool leader_member(const struct leader *l, uint64_t node, struct leader_member *out)
{
    const struct lease_node *lease = lease_grantor_node(&l->grantor, node);
    if (lease == NULL) {
        return false;
    }
    *out = (struct leader_member){!lease_grantor_is_over(&l->grantor, node, lease->incarnation), lease->feed_index,
                                  leader_down_since(l, node)};
    return true;
}
