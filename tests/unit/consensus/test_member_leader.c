/* tests/unit/consensus/test_member_leader.c: three members that become a cluster, all letters carried: what its leader
 * knows, and for how long. */
#include "consensus/member.h"

#include "tests/lib/post.h"
#include "tests/lib/raft_memory.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define NODES 3
#define STEP_NS (5 * NS_PER_MS)

struct node {
    struct world *world;
    uint64_t id;
    struct member *member;
    struct raft_memory disk;
    bool is_slow;   /* hears, and comes to nothing else */
    bool no_renews; /* its renewals are lost */
    const char *ended;
};

struct world {
    struct hand_clock clock;
    struct post post;
    uint32_t carried;
    struct leader_settings leader;
    struct node nodes[NODES + 1]; /* by id */
};

static void on_send(void *user, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    struct node *node = user;
    post_put(&node->world->post, node->id, to, kind, frame);
}

static void on_changed(void *user, bool rows, bool lease) {}

static void on_registered(void *user, uint64_t boot) {}

static void on_must_end(void *user, const char *why)
{
    struct node *node = user;
    node->ended = why;
}

static void start(struct world *w, uint64_t id)
{
    static const uint8_t cluster[CLUSTER_ID_SIZE] = {7};
    struct command_register_ self = registration(id, 1).register_;
    struct node *node = &w->nodes[id];
    const char *why = "";
    struct member_options options = {.id = id,
                                     .incarnation = 1,
                                     .boot = self.boot,
                                     .known = self.known,
                                     .name = self.name,
                                     .address = self.address,
                                     .labels = self.labels,
                                     .cluster = id == 1 ? (const char *)cluster : NULL,
                                     .found = {.shards = 4, .replicas = 3, .min_isr = 2, .voters = 3},
                                     .seeds = {1},
                                     .seed_count = 1,
                                     .seed = test_seed() + id,
                                     .clock = &w->clock.clock,
                                     .disk = &node->disk.disk,
                                     .leader = w->leader,
                                     .hooks = {node, on_send, on_changed, on_registered, on_must_end}};
    node->world = w;
    node->id = id;
    raft_memory_init(&node->disk);
    REQUIRE(member_start(&options, &node->member, &why) == PDR_OK);
}

static void carry(struct world *w)
{
    for (; w->carried < w->post.count; w->carried++) {
        struct posted posted = w->post.at[w->carried]; /* it may move */
        struct letter letter;
        struct fault fault;
        bool lost = posted.kind == PEER_DIRECTORY && w->nodes[posted.from].no_renews &&
                    letter_read(posted.frame, &letter, &fault) == PDR_OK && letter.kind == LETTER_RENEW;
        if (!lost) {
            member_receive(w->nodes[posted.to].member, posted.from, posted.kind, posted.frame);
            raft_memory_sync(&w->nodes[posted.to].disk);
        }
    }
}

static void step(struct world *w)
{
    w->clock.now_ns += STEP_NS;
    for (uint64_t id = 1; id <= NODES; id++) {
        struct node *node = &w->nodes[id];
        if (!node->is_slow && member_due_ns(node->member) <= w->clock.now_ns) {
            member_tick(node->member);
            raft_memory_sync(&node->disk);
        }
    }
    carry(w);
}

static void run_ms(struct world *w, uint64_t ms)
{
    for (uint64_t end = w->clock.now_ns + ms * NS_PER_MS; w->clock.now_ns < end;) {
        step(w);
    }
}

static struct raft_node *raft_of(struct world *w, uint64_t id)
{
    return server_raft(member_server(w->nodes[id].member));
}

static uint32_t voters(struct world *w)
{
    struct raft_member members[RAFT_SERVERS_MAX];
    uint32_t count = raft_node_members(raft_of(w, 1), members, RAFT_SERVERS_MAX), found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += members[i].role == RAFT_ROLE_VOTER;
    }
    return found;
}

/* Node 1 founds, the others join, and Raft's group grows to three voters. */
static void begin_with(struct world *w, struct leader_settings leader)
{
    *w = (struct world){.leader = leader};
    hand_clock_init(&w->clock, 100 * NS_PER_S);
    for (uint64_t id = 1; id <= NODES; id++) {
        start(w, id);
    }
    for (int tries = 0; voters(w) < NODES; tries++) {
        REQUIRE(tries < 600);
        run_ms(w, 100);
    }
    run_ms(w, 1000);
    REQUIRE(member_leading(w->nodes[1].member) != NULL);
}

static void begin(struct world *w)
{
    begin_with(w, (struct leader_settings){.moves = false});
}

static void end(struct world *w)
{
    for (uint64_t id = 1; id <= NODES; id++) {
        EXPECT(w->nodes[id].ended == NULL);
        member_free(w->nodes[id].member);
        raft_memory_release(&w->nodes[id].disk);
    }
    post_release(&w->post);
}

static uint64_t down_since(struct world *w, uint64_t leader, uint64_t node)
{
    struct leader_member member = {.down_ns = 0};
    const struct leader *leading = member_leading(w->nodes[leader].member);
    REQUIRE(leading != NULL && leader_member(leading, node, &member));
    return member.down_ns;
}

TEST(three_nodes_become_a_cluster)
{
    struct world w;
    begin(&w);
    for (uint64_t id = 1; id <= NODES; id++) {
        struct member *member = w.nodes[id].member;
        EXPECT(member_is_registered(member) && member_leader(member) == 1);
        EXPECT(member_lease_until(member) > w.clock.now_ns);
        EXPECT(directory_hash(server_directory(member_server(member))) ==
               directory_hash(server_directory(member_server(w.nodes[1].member))));
        EXPECT(down_since(&w, 1, id) == 0);
    }
    end(&w);
}

/* What a leader has counted of leases says nothing about those that another has granted since: whoever leads again
 * begins anew, also when it had no time to notice that it did not lead for a while. */
TEST(each_term_has_a_leader_of_its_own)
{
    struct world w;
    const char *why = "";
    uint64_t other = 0;
    begin(&w);
    w.nodes[3].no_renews = true;
    run_ms(&w, 2000);
    uint64_t down_ns = down_since(&w, 1, 3), term = raft_node_state(raft_of(&w, 1)).term;
    EXPECT(down_ns != 0);
    w.nodes[1].is_slow = true;
    for (int tries = 0; other == 0; tries++) {
        REQUIRE(tries < 1000);
        step(&w);
        other = raft_node_state(raft_of(&w, 2)).ready ? 2 : raft_node_state(raft_of(&w, 3)).ready ? 3 : 0;
    }
    EXPECT(!raft_node_state(raft_of(&w, 1)).leader);
    for (int tries = 0; !raft_node_state(raft_of(&w, 1)).ready; tries++) {
        REQUIRE(tries < 1000);
        if (raft_node_state(raft_of(&w, other)).leader) {
            enum pdr_status status =
                raft_node_transfer(raft_of(&w, other), 1, &why); /* PDR_UNAVAILABLE: it is under way */
            EXPECT(status == PDR_OK || status == PDR_UNAVAILABLE);
        }
        step(&w);
    }
    EXPECT(raft_node_state(raft_of(&w, 1)).term > term + 1);
    uint64_t again_ns = w.clock.now_ns;
    w.nodes[1].is_slow = false;
    run_ms(&w, 50);
    EXPECT(down_since(&w, 1, 3) >= again_ns);
    run_ms(&w, 1000);
    end(&w);
}

static void on_left(void *user, const struct member_answer *answer)
{
    EXPECT(answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE);
    *(bool *)user = true;
}

/* Its lease is over at once: nobody waits for it, and nothing that was under way gives it another. */
TEST(who_leaves_is_gone)
{
    struct world w;
    bool left = false;
    begin(&w);
    EXPECT(member_lease_until(w.nodes[3].member) > w.clock.now_ns);
    member_leave(w.nodes[3].member, 1000, on_left, &left);
    EXPECT(member_lease_until(w.nodes[3].member) == 0);
    for (int tries = 0; !left; tries++) {
        REQUIRE(tries < 40);
        step(&w);
    }
    struct leader_member member;
    REQUIRE(leader_member(member_leading(w.nodes[1].member), 3, &member));
    EXPECT(!member.has_lease && member.down_ns != 0);
    run_ms(&w, 2000);
    REQUIRE(leader_member(member_leading(w.nodes[1].member), 3, &member));
    EXPECT(!member.has_lease && member_lease_until(w.nodes[3].member) == 0);
    end(&w);
}

/* Load. */

static const struct cluster_shard *shard_row(struct world *w, uint32_t shard)
{
    return cluster_rows_shard(&member_view(w->nodes[1].member)->rows, shard);
}

/* Each node says what it leads, every shard as hot as `heat` has it; node `silent` says nothing. */
static void say(struct world *w, const uint32_t *heat, uint64_t silent)
{
    for (uint64_t id = 1; id <= NODES; id++) {
        struct load_report report = {.total = 0};
        for (uint32_t shard = 0; shard < 4; shard++) {
            struct load_report one = {heat[shard], 1, heat[shard] > 0, {{shard, heat[shard]}}};
            if (shard_row(w, shard)->primary == id) {
                load_report_add(&report, &one);
            }
        }
        if (id != silent) {
            member_load(w->nodes[id].member, &report);
        }
    }
}

static uint32_t on_the_move(struct world *w)
{
    uint32_t count = 0;
    for (uint32_t shard = 0; shard < 4; shard++) {
        count += shard_row(w, shard)->targets.at[0] != shard_row(w, shard)->primary;
    }
    return count;
}

static void say_for_ms(struct world *w, const uint32_t *heat, uint64_t silent, uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms && on_the_move(w) == 0; passed += 500) {
        say(w, heat, silent);
        run_ms(w, 500);
    }
}

/* Of four shards on three nodes two have one leader: these are hot. */
static uint64_t heat_two(struct world *w, uint32_t *heat)
{
    uint32_t leads[NODES + 1] = {0};
    uint64_t twice = 0;
    for (uint32_t shard = 0; shard < 4; shard++) {
        uint64_t primary = shard_row(w, shard)->primary;
        twice = ++leads[primary] == 2 ? primary : twice;
    }
    for (uint32_t shard = 0; shard < 4; shard++) {
        heat[shard] = shard_row(w, shard)->primary == twice ? 400000 : 100;
    }
    return twice;
}

static const struct leader_settings moving = {.moves = true, .load_rest_ms = 3000};

TEST(one_of_two_hot_shards_is_handed_on)
{
    struct world w;
    uint32_t heat[4];
    begin_with(&w, moving);
    uint64_t twice = heat_two(&w, heat);
    REQUIRE(twice != 0);
    say_for_ms(&w, heat, 0, 20000);
    EXPECT(on_the_move(&w) == 1);
    for (uint32_t shard = 0; shard < 4; shard++) {
        EXPECT(shard_row(&w, shard)->targets.at[0] == shard_row(&w, shard)->primary || heat[shard] == 400000);
    }
    end(&w);
}

TEST(who_says_nothing_may_do_much)
{
    struct world w;
    uint32_t heat[4];
    begin_with(&w, moving);
    uint64_t twice = heat_two(&w, heat), silent = twice % NODES + 1;
    say_for_ms(&w, heat, silent, 20000);
    EXPECT(on_the_move(&w) == 0);
    say_for_ms(&w, heat, 0, 20000);
    EXPECT(on_the_move(&w) == 1);
    end(&w);
}

static void on_done(void *user, const struct member_answer *answer)
{
    EXPECT(answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE);
    *(uint32_t *)user += 1;
}

static void move(struct world *w, uint32_t shard, uint64_t node, uint32_t *done)
{
    const struct cluster_shard *row = shard_row(w, shard);
    struct command targets = {.kind = COMMAND_TARGETS, .targets = {.shard = shard, .cv = row->cv}};
    struct command transfer = {.kind = COMMAND_TRANSFER, .transfer = {shard, row->cv + 1, node}};
    ids_add(&targets.targets.targets, node);
    for (uint64_t id = 1; id <= NODES; id++) {
        if (id != node) {
            ids_add(&targets.targets.targets, id);
        }
    }
    member_propose(w->nodes[1].member, &targets, 1000, on_done, done);
    member_propose(w->nodes[1].member, &transfer, 1000, on_done, done);
}

/* The two that are cold change their nodes, so fast that nobody who looks sees them on their way. */
static void exchange_cold(struct world *w, const uint32_t *heat)
{
    uint32_t cold[4], count = 0, done = 0;
    for (uint32_t shard = 0; shard < 4; shard++) {
        cold[count] = shard;
        count += heat[shard] == 100;
    }
    uint64_t one = shard_row(w, cold[0])->primary, other = shard_row(w, cold[1])->primary;
    REQUIRE(count == 2 && one != other);
    move(w, cold[0], other, &done);
    move(w, cold[1], one, &done);
    for (int tries = 0; done < 4 || shard_row(w, cold[1])->primary != one; tries++) {
        REQUIRE(tries < 10);
        step(w);
    }
    EXPECT(on_the_move(w) == 0);
}

TEST(what_has_moved_unseen_has_moved)
{
    struct world w;
    uint32_t heat[4];
    static const uint32_t none[4] = {0};
    begin_with(&w, moving);
    say_for_ms(&w, none, 0, 10000);
    heat_two(&w, heat);
    say(&w, heat, 0);
    exchange_cold(&w, heat);
    run_ms(&w, 2500);
    EXPECT(on_the_move(&w) == 0);
    say_for_ms(&w, heat, 0, 20000);
    EXPECT(on_the_move(&w) == 1);
    end(&w);
}

TEST(what_is_not_worth_it_stays)
{
    struct world w;
    uint32_t heat[4];
    begin_with(&w, moving);
    heat_two(&w, heat);
    for (uint32_t shard = 0; shard < 4; shard++) {
        heat[shard] /= 40; /* as uneven, and next to nothing of a core */
    }
    say_for_ms(&w, heat, 0, 20000);
    EXPECT(on_the_move(&w) == 0);
    end(&w);
}

/* Whoever is asked shows what the leader knows. */
TEST(what_all_do_is_seen_everywhere)
{
    struct world w;
    static const uint32_t heat[4] = {1000, 20000, 300000, 4000000};
    uint64_t load, sum = 0;
    begin(&w);
    say(&w, heat, 0);
    run_ms(&w, 50);
    EXPECT(!member_load_of(w.nodes[2].member, 1, &load)); /* nobody has asked there */
    member_ask_loads(w.nodes[2].member);
    run_ms(&w, 50);
    for (uint64_t id = 1; id <= NODES; id++) {
        uint64_t at_leader;
        EXPECT(member_load_of(w.nodes[2].member, id, &load) && member_load_of(w.nodes[1].member, id, &at_leader));
        EXPECT(load == at_leader);
        sum += load;
    }
    EXPECT(sum == 4321000 && !member_load_of(w.nodes[2].member, 9, &load));
    run_ms(&w, 6000);
    EXPECT(!member_load_of(w.nodes[2].member, 1, &load) &&
           !member_load_of(w.nodes[1].member, 1, &load)); /* it is old */
    end(&w);
}

TEST_MAIN()
