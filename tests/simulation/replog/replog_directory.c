/* tests/simulation/replog/replog_directory.c: the directory as one register: its real state machine, and a leader that
 * grants leases with the real lease_grantor.h, says who is down, and promotes whom it likes of those it may. */
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"
#include "tools/node/membership_parts.h"

static struct pairs no_labels(void)
{
    static const uint8_t empty[] = {0x80};
    return (struct pairs){pdr_bytes(empty, sizeof empty)};
}

static void note_change(struct replog_world *world, const struct cluster_shard *row, uint64_t dir_index)
{
    if (world->change_count == world->change_capacity) {
        world->change_capacity = world->change_capacity * 2 + 256;
        world->changes = mem_grow(world->changes, world->change_capacity * sizeof *world->changes);
    }
    world->changes[world->change_count++] = (struct replog_change){dir_index, *row};
    world->judged[row->shard].row = *row;
}

const struct directory_result *replog_directory_apply(struct replog_world *world, const struct command *command)
{
    pdr_writer bytes = {0};
    command_write(&bytes, command);
    const struct directory_result *result =
        directory_apply(world->directory, directory_raft_index(world->directory) + 1, pdr_written(&bytes));
    pdr_writer_release(&bytes);
    for (uint32_t i = 0; i < result->changed_count; i++) {
        const struct entry *entry = &result->changed[i]->entry;
        if (entry->kind == ROW_SHARD) {
            note_change(world, &entry->shard, result->dir_index);
            sim_note(&world->sim, "replog.row", entry->shard.shard, entry->shard.cv);
        }
    }
    sim_tell(&world->sim, "  %s: %s", command_name(command->kind),
             result->code == DIRECTORY_DONE ? "done" : result->text);
    const char *why = directory_fault(world->directory);
    SIM_CHECK(&world->sim, why == NULL, "the directory contradicts itself: %s", why);
    return result;
}

/* Proposals of primaries: late, or never, or without an answer. */

struct asked {
    struct replog_later later;
    struct replog_copy *copy;
    struct replog_proposal proposal;
    uint64_t rid, incarnation, epoch;
    bool answers, done;
    bool late; /* a move that its proposer may have given up */
};

static void count(struct replog_world *world, const struct asked *asked, bool done)
{
    const struct replog_copy *copy = asked->copy;
    bool gone = copy->replica == NULL || copy->node->incarnation != asked->incarnation ||
                replog_state(copy->replica).promised != asked->epoch;
    world->reached.replog_late += done && gone;
    world->reached.replog_refused += !done;
    world->reached.replog_added += done && asked->proposal.kind == REPLOG_ADD;
    world->reached.replog_removed += done && asked->proposal.kind == REPLOG_REMOVE;
    world->reached.replog_transferred += done && asked->proposal.kind == REPLOG_TRANSFER;
    world->reached.replog_touched += done && asked->proposal.kind == REPLOG_TOUCH;
    world->reached.replog_lost += done && asked->proposal.kind == REPLOG_LOST;
}

static void answer(struct replog_later *later)
{
    struct asked *asked = LIST_ITEM(later, struct asked, later);
    if (asked->copy->replica != NULL && asked->copy->rid == asked->rid) {
        replog_proposed(asked->copy->replica, asked->proposal.number, asked->done);
    }
}

static void arrive(struct replog_later *later)
{
    struct asked *asked = LIST_ITEM(later, struct asked, later);
    struct replog_world *world = later->world;
    struct command command = proposals_command(&asked->proposal);
    bool done = replog_directory_apply(world, &command)->code == DIRECTORY_DONE;
    count(world, asked, done);
    if (asked->late && done && !world->healed && sim_chance(&world->sim, 50)) {
        replog_faults_isolate(asked->copy->node); /* when it would matter most that it hears of it */
    }
    if (asked->answers && asked->copy->node->replog != NULL && asked->copy->node->incarnation == asked->incarnation) {
        struct asked *back = mem_new(sizeof *back);
        back->copy = asked->copy;
        back->proposal = asked->proposal;
        back->rid = asked->rid;
        back->done = done;
        back->later.arrive = answer;
        replog_later(world, &back->later, asked->copy->node, sim_delay(&world->sim, world->delay_ns));
    }
}

void replog_host_propose(struct replog_copy *copy, const struct replog_proposal *proposal)
{
    struct replog_world *world = copy->node->world;
    bool lost = copy->node->dir_cut || sim_chance(&world->sim, world->answer_loss_percent);
    if (lost && sim_chance(&world->sim, 50)) {
        return; /* else it gets there, and the answer does not come back */
    }
    struct asked *asked = mem_new(sizeof *asked);
    asked->copy = copy;
    asked->proposal = *proposal;
    asked->rid = copy->rid;
    asked->incarnation = copy->node->incarnation;
    asked->epoch = copy->replica != NULL ? replog_state(copy->replica).promised : 0;
    asked->answers = !lost;
    asked->later.arrive = arrive;
    bool late = !world->healed && sim_chance(&world->sim, 20);
    uint64_t typical_ns = late ? world->late_ns : 2 * world->delay_ns + NS_PER_MS;
    uint64_t delay_ns = sim_delay(&world->sim, typical_ns);
    if (world->late_moves && !world->healed && proposal->kind == REPLOG_TRANSFER && sim_chance(&world->sim, 50)) {
        delay_ns = sim_between(&world->sim, NS_PER_S, 2 * NS_PER_S);
        asked->late = true;
    }
    replog_later(world, &asked->later, NULL, delay_ns);
}

/* Registration, and leases. */

static void registered(struct replog_node *node)
{
    node->registered = true;
    node->forgot = false;
    node->known = node->boot;
    lease_grantor_register(&node->world->grantor, sim_clock_now_ns(&node->world->leader_clock), node->id,
                           node->incarnation);
}

void replog_directory_register(struct replog_node *node)
{
    struct replog_world *world = node->world;
    static const char *const names[] = {"n0", "n1", "n2", "n3", "n4"};
    static const char *const addresses[] = {"h0:1", "h1:1", "h2:1", "h3:1", "h4:1"};
    if (node->dir_cut) {
        return;
    }
    struct command command = {.kind = COMMAND_REGISTER,
                              .register_ = {.node = node->id,
                                            .incarnation = node->incarnation,
                                            .boot = node->boot,
                                            .known = node->known,
                                            .name = pdr_str(names[node->place]),
                                            .address = pdr_str(addresses[node->place]),
                                            .labels = no_labels(),
                                            .format = CLUSTER_FORMAT,
                                            .forgot = node->forgot}};
    enum directory_code code = replog_directory_apply(world, &command)->code;
    SIM_CHECK(&world->sim, code == DIRECTORY_DONE || code == DIRECTORY_ALREADY, "node %u cannot register", node->place);
    registered(node);
}

struct letter_of_lease {
    struct replog_later later;
    struct replog_node *node;
    struct lease_renew renew;
    struct lease_grant grant;
};

static void granted(struct replog_later *later)
{
    struct letter_of_lease *letter = LIST_ITEM(later, struct letter_of_lease, later);
    lease_holder_granted(&later->to->lease, sim_clock_now_ns(&later->to->clock), &letter->grant);
}

static void renewed(struct replog_later *later)
{
    struct letter_of_lease *letter = LIST_ITEM(later, struct letter_of_lease, later);
    if (!letter->node->dir_cut) {
        lease_grantor_renew(&later->world->grantor, &letter->renew);
    }
}

void replog_directory_renew(struct replog_node *node)
{
    struct replog_world *world = node->world;
    struct lease_renew renew;
    if (!node->registered ||
        !lease_holder_renew(&node->lease, sim_clock_now_ns(&node->clock), node->feed_index, &renew) || node->dir_cut) {
        return;
    }
    struct letter_of_lease *letter = mem_new(sizeof *letter);
    letter->node = node;
    letter->renew = renew;
    letter->later.arrive = renewed;
    replog_later(world, &letter->later, NULL, sim_delay(&world->sim, world->delay_ns));
}

static void grant(struct replog_world *world, uint64_t now_ns)
{
    struct lease_granted granted_to;
    uint64_t round = lease_grantor_round(&world->grantor, now_ns);
    if (round != 0) {
        lease_grantor_round_done(&world->grantor, round, true);
    }
    while (lease_grantor_grant(&world->grantor, now_ns, directory_index(world->directory), &granted_to)) {
        struct replog_node *node = replog_world_node(world, granted_to.node);
        if (node->dir_cut || node->incarnation != granted_to.incarnation) {
            continue;
        }
        struct letter_of_lease *letter = mem_new(sizeof *letter);
        letter->grant = granted_to.grant;
        letter->later.arrive = granted;
        replog_later(world, &letter->later, node, sim_delay(&world->sim, world->delay_ns));
    }
}

/* The leader. */

static const struct cluster_member *member_of(const struct replog_world *world, uint64_t node)
{
    return cluster_rows_member(directory_rows(world->directory), node);
}

static void set_alive(struct replog_world *world, uint64_t node, uint64_t incarnation, bool alive)
{
    struct command command = {.kind = COMMAND_ALIVE, .alive = {node, incarnation, alive}};
    replog_directory_apply(world, &command);
}

/* Down: its lease is over. Up again: it renews. */
static void judge_members(struct replog_world *world)
{
    struct lease_over over;
    while (lease_grantor_next_over(&world->grantor, &over)) {
        const struct cluster_member *member = member_of(world, over.node);
        if (member != NULL && member->incarnation == over.incarnation && member->state == MEMBER_UP) {
            set_alive(world, over.node, over.incarnation, false);
        }
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct replog_node *node = &world->nodes[i];
        const struct cluster_member *member = member_of(world, node->id);
        if (member != NULL && member->state == MEMBER_DOWN &&
            !lease_grantor_is_over(&world->grantor, node->id, member->incarnation)) {
            set_alive(world, node->id, member->incarnation, true);
        }
    }
}

struct promotion {
    struct replog_later later;
    struct command command;
    uint64_t old;
    uint64_t leader; /* who proposed */
    bool took;
};

static void promote_arrives(struct replog_later *later)
{
    struct promotion *promotion = LIST_ITEM(later, struct promotion, later);
    struct replog_world *world = later->world;
    bool done = replog_directory_apply(world, &promotion->command)->code == DIRECTORY_DONE;
    world->reached.replog_promoted += done;
    if (promotion->took && promotion->leader == world->reached.replog_leaders) {
        lease_grantor_taken(&world->grantor, promotion->old);
    }
}

/* R40: one in isr, alive, not lost; which one is left to chance. A hasty leader proposes anybody, at any time, and is
 * refused: the directory is to be trusted, not the leader. */
static void fail_over(struct replog_world *world, const struct cluster_shard *row)
{
    struct sim *sim = &world->sim;
    const struct cluster_member *old = member_of(world, row->primary);
    uint64_t node = world->nodes[sim_draw(sim, world->node_count)].id;
    bool is_over = old->incarnation > row->incarnation || old->state != MEMBER_UP;
    bool is_hasty = world->hasty && !world->healed && sim_chance(sim, 3);
    if (!is_hasty && (!is_over || !copies_have(&row->isr, node))) {
        return;
    }
    struct promotion *promotion = mem_new(sizeof *promotion);
    promotion->took = old->incarnation == row->incarnation &&
                      lease_grantor_take(&world->grantor, row->primary, row->incarnation);
    promotion->old = row->primary;
    promotion->leader = world->reached.replog_leaders;
    promotion->command = (struct command){.kind = COMMAND_PROMOTE, .promote = {row->shard, row->cv, node}};
    promotion->later.arrive = promote_arrives;
    replog_later(world, &promotion->later, NULL, sim_delay(sim, 2 * NS_PER_MS));
}

static void lead(struct sim_event *event)
{
    struct replog_world *world = LIST_ITEM(event, struct replog_world, lead);
    uint64_t now_ns = sim_clock_now_ns(&world->leader_clock);
    lease_grantor_tick(&world->grantor, now_ns);
    grant(world, now_ns);
    judge_members(world);
    for (uint32_t i = 0; i < world->shards; i++) {
        if (world->judged[i].row.cv != 0) {
            fail_over(world, &world->judged[i].row);
        }
    }
    replog_judge_all(world);
    sim_after(&world->sim, event, sim_between(&world->sim, 30 * NS_PER_MS, 60 * NS_PER_MS));
}

/* Operators want copies elsewhere: the first target is to lead. */
static struct ids draw_targets(struct replog_world *world)
{
    struct ids targets = {0};
    while (targets.count < world->copies_wanted) {
        uint64_t node = world->nodes[sim_draw(&world->sim, world->node_count)].id;
        if (!ids_have(&targets, node)) {
            ids_add(&targets, node);
        }
    }
    return targets;
}

static void operate(struct sim_event *event)
{
    struct replog_world *world = LIST_ITEM(event, struct replog_world, operate);
    struct sim *sim = &world->sim;
    uint64_t shard = sim_draw(sim, world->shards);
    bool back = world->undecided && world->judged[shard].wanted_before.count > 0 && sim_chance(sim, 50);
    struct replog_judged *judged = &world->judged[shard];
    const struct cluster_shard *row = &judged->row;
    struct ids targets = back ? judged->wanted_before : draw_targets(world);
    struct command command = {.kind = COMMAND_TARGETS, .targets = {row->shard, row->cv, targets}};
    if (row->cv != 0) {
        judged->wanted_before = row->targets;
        replog_directory_apply(world, &command);
        replog_judge_all(world);
    }
    bool soon = world->undecided && sim_chance(sim, 50);
    sim_after(sim, event, sim_delay(sim, soon ? 2 * world->late_ns / 10 : world->moves_every_ns));
}

/* The first homes: empty copies, whose names their nodes have said. */
static void assign(struct replog_world *world, uint32_t shard)
{
    struct command_assign assign = {.shard = shard, .min_isr = world->min_isr};
    for (uint32_t i = 0; i < world->copies_wanted; i++) {
        struct replog_node *node = &world->nodes[(shard + i) % world->node_count];
        replog_copy_open(&node->copies[shard]);
        replog_disk_settle(node); /* nobody says a name that he may forget */
        copies_add(&assign.isr, (struct copy){node->id, node->copies[shard].rid});
        ids_add(&assign.targets, node->id);
    }
    assign.primary = assign.isr.at[0].node;
    struct command command = {.kind = COMMAND_ASSIGN, .assign = assign};
    SIM_CHECK(&world->sim, replog_directory_apply(world, &command)->code == DIRECTORY_DONE, "no first homes");
}

void replog_directory_init(struct replog_world *world)
{
    static const uint8_t cluster[CLUSTER_ID_SIZE] = {7};
    struct sim *sim = &world->sim;
    sim_clock_init(&world->leader_clock, sim);
    world->directory = directory_new();
    struct command found = {
        .kind = COMMAND_FOUND,
        .found = {pdr_bytes(cluster, sizeof cluster), world->shards, world->copies_wanted, world->min_isr, 3}};
    replog_directory_apply(world, &found);
    lease_grantor_init(&world->grantor, sim_clock_now_ns(&world->leader_clock));
    lease_grantor_ready(&world->grantor);
    for (uint32_t i = 0; i < world->node_count; i++) {
        replog_node_start(&world->nodes[i]);
        replog_directory_register(&world->nodes[i]);
    }
    for (uint32_t shard = 0; shard < world->shards; shard++) {
        assign(world, shard);
    }
    world->lead = (struct sim_event){.fire = lead, .name = "replog.lead"};
    sim_after(sim, &world->lead, NS_PER_MS);
    world->operate = (struct sim_event){.fire = operate, .name = "replog.operate"};
    if (world->moves_every_ns != 0) {
        sim_after(sim, &world->operate, sim_delay(sim, world->moves_every_ns));
    }
}

void replog_directory_release(struct replog_world *world)
{
    lease_grantor_release(&world->grantor);
    directory_free(world->directory);
    mem_free(world->changes);
}
