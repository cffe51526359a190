/* Who becomes a server of the directory: the stories by hand, and properties over random clusters. */
#include "consensus/roles.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

#define NODES_MAX 12u

struct cluster {
    struct roles_node nodes[NODES_MAX];
    uint32_t count, wanted;
    uint64_t leader;
};

static void add(struct cluster *c, enum roles_health health, bool is_server, enum raft_role role, uint32_t zone)
{
    struct roles_node *node = &c->nodes[c->count];
    *node = (struct roles_node){c->count + 1, health, is_server, role, zone};
    c->count++;
}

static void voter(struct cluster *c, enum roles_health health)
{
    add(c, health, true, RAFT_ROLE_VOTER, 0);
}

static void outsider(struct cluster *c)
{
    add(c, ROLES_UP, false, RAFT_ROLE_SPARE, 0);
}

static struct roles_node *find(struct cluster *c, uint64_t id)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->nodes[i].id == id) {
            return &c->nodes[i];
        }
    }
    return NULL;
}

static struct roles_step next(const struct cluster *c)
{
    return roles_next(c->nodes, c->count, c->wanted, c->leader);
}

static void carry_out(struct cluster *c, struct roles_step step)
{
    struct roles_node *node = find(c, step.id);
    REQUIRE(node != NULL);
    switch (step.action) {
    case ROLES_ADD:
        EXPECT(!node->is_server && node->health == ROLES_UP);
        node->is_server = true;
        node->role = RAFT_ROLE_SPARE;
        break;
    case ROLES_ASSIGN:
        EXPECT(node->is_server && node->role != step.role && node->id != c->leader);
        node->role = step.role;
        break;
    case ROLES_REMOVE:
        EXPECT(node->is_server && node->id != c->leader);
        node->is_server = false;
        break;
    case ROLES_TRANSFER:
        EXPECT(node->is_server && node->role == RAFT_ROLE_VOTER && node->health == ROLES_UP);
        c->leader = node->id;
        break;
    case ROLES_NOTHING:
        break;
    }
}

static uint32_t voters(const struct cluster *c, bool up_only)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct roles_node *node = &c->nodes[i];
        sum += node->is_server && node->role == RAFT_ROLE_VOTER && (!up_only || node->health == ROLES_UP);
    }
    return sum;
}

/* To the end; each state on the way can elect a leader. Returns how many steps it took. */
static uint32_t settle(struct cluster *c)
{
    for (uint32_t steps = 0;; steps++) {
        struct roles_step step = next(c);
        if (step.action == ROLES_NOTHING) {
            return steps;
        }
        REQUIRE(steps < 8 * NODES_MAX);
        carry_out(c, step);
        EXPECT(voters(c, true) > voters(c, false) / 2);
    }
}

TEST(a_cluster_grows_from_one_node)
{
    static const uint32_t voters_of[] = {1, 1, 3, 3, 3, 3}, servers_of[] = {1, 2, 3, 3, 3, 3};
    struct cluster c = {.wanted = 3, .leader = 1};
    voter(&c, ROLES_UP);
    for (uint32_t n = 0; n < 6; n++) {
        settle(&c);
        uint32_t servers = 0;
        for (uint32_t i = 0; i < c.count; i++) {
            servers += c.nodes[i].is_server;
        }
        EXPECT_INT(voters(&c, false), voters_of[n]);
        EXPECT_INT(servers, servers_of[n]);
        outsider(&c);
    }
    c.wanted = 5;
    settle(&c);
    EXPECT_INT(voters(&c, false), 5);
    c.wanted = 3;
    settle(&c);
    EXPECT_INT(voters(&c, false), 3);
}

TEST(a_lost_voter_is_replaced_before_it_goes)
{
    struct cluster c = {.wanted = 3, .leader = 1};
    voter(&c, ROLES_UP);
    voter(&c, ROLES_UP);
    voter(&c, ROLES_LOST);
    EXPECT_INT(next(&c).action, ROLES_NOTHING); /* nobody could replace it */
    outsider(&c);
    struct roles_step step = next(&c);
    EXPECT(step.action == ROLES_ADD && step.id == 4);
    carry_out(&c, step);
    step = next(&c);
    EXPECT(step.action == ROLES_ASSIGN && step.id == 4 && step.role == RAFT_ROLE_STANDBY); /* it gets the log first */
    carry_out(&c, step);
    step = next(&c);
    EXPECT(step.action == ROLES_ASSIGN && step.id == 4 && step.role == RAFT_ROLE_VOTER);
    carry_out(&c, step);
    step = next(&c);
    EXPECT(step.action == ROLES_REMOVE && step.id == 3);
    carry_out(&c, step);
    EXPECT_INT(next(&c).action, ROLES_NOTHING);
    c.nodes[1].health = ROLES_DOWN; /* it may well come back */
    c.nodes[2].health = ROLES_DOWN;
    EXPECT_INT(next(&c).action, ROLES_NOTHING);
}

TEST(a_leader_that_is_drained_hands_over_and_goes)
{
    struct cluster c = {.wanted = 3, .leader = 1};
    voter(&c, ROLES_LEAVING);
    voter(&c, ROLES_UP);
    voter(&c, ROLES_UP);
    EXPECT(next(&c).action == ROLES_TRANSFER && next(&c).id == 2);
    settle(&c);
    EXPECT(!c.nodes[0].is_server);
    EXPECT_INT(voters(&c, false), 1); /* of two nodes */
    struct cluster one = {.wanted = 3, .leader = 1};
    voter(&one, ROLES_LEAVING);
    EXPECT_INT(next(&one).action, ROLES_NOTHING); /* somebody must be left */
}

TEST(zones_differ_where_they_can)
{
    struct cluster c = {.wanted = 3, .leader = 1};
    add(&c, ROLES_UP, true, RAFT_ROLE_VOTER, 1);
    add(&c, ROLES_UP, false, RAFT_ROLE_SPARE, 1);
    add(&c, ROLES_UP, false, RAFT_ROLE_SPARE, 2);
    add(&c, ROLES_UP, false, RAFT_ROLE_SPARE, 2);
    add(&c, ROLES_UP, false, RAFT_ROLE_SPARE, 3);
    settle(&c);
    EXPECT(c.nodes[0].is_server && c.nodes[2].is_server && c.nodes[4].is_server);
    EXPECT(!c.nodes[1].is_server && !c.nodes[3].is_server);
}

static void draw(struct rng *rng, struct cluster *c)
{
    *c = (struct cluster){.wanted = 1 + 2 * (uint32_t)rng_below(rng, 3)};
    uint32_t count = 1 + (uint32_t)rng_below(rng, NODES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        enum roles_health health = rng_chance(rng, 60) ? ROLES_UP : (enum roles_health)rng_below(rng, 5);
        add(c, health, rng_chance(rng, 50), (enum raft_role)rng_below(rng, 3), (uint32_t)rng_below(rng, 4));
    }
    uint32_t leader = (uint32_t)rng_below(rng, count);
    c->leader = leader + 1;
    c->nodes[leader].is_server = true;
    c->nodes[leader].role = RAFT_ROLE_VOTER;
    c->nodes[leader].health = rng_chance(rng, 20) ? ROLES_LEAVING : ROLES_UP;
}

static bool can_lead(const struct cluster *c)
{
    uint32_t up = 0, all = 0;
    for (uint32_t i = 0; i < c->count; i++) { /* one that is drained still votes */
        const struct roles_node *node = &c->nodes[i];
        bool is_voter = node->is_server && node->role == RAFT_ROLE_VOTER;
        all += is_voter;
        up += is_voter && (node->health == ROLES_UP || node->health == ROLES_LEAVING);
    }
    return up > all / 2;
}

static void check_end(const struct cluster *c)
{
    uint32_t staying = 0, up = 0, leaving = 0, down = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        const struct roles_node *node = &c->nodes[i];
        staying += node->health != ROLES_LEAVING && node->health != ROLES_GONE;
        up += node->health == ROLES_UP;
        down += node->health == ROLES_DOWN && node->is_server;
        leaving += (node->health == ROLES_LEAVING || node->health == ROLES_GONE) && node->is_server;
    }
    uint32_t wanted = roles_voters(staying, c->wanted);
    if (down > 0) {
        return; /* whoever waits for it waits */
    }
    EXPECT(voters(c, true) == (wanted < up ? wanted : up) || voters(c, true) > wanted);
    EXPECT(up < wanted || leaving == 0); /* else it is needed still */
    EXPECT(up < wanted || voters(c, true) == wanted || voters(c, true) == wanted + 1);
}

TEST(any_cluster_comes_to_rest_and_can_elect_all_the_way)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 20000; round++) {
        struct cluster c, turned;
        draw(&rng, &c);
        uint32_t steps = 0;
        if (!can_lead(&c)) {
            continue; /* nobody would ask */
        }
        for (struct roles_step step = next(&c); step.action != ROLES_NOTHING; step = next(&c)) {
            REQUIRE(steps++ < 8 * NODES_MAX);
            turned = c;
            for (uint32_t i = 0; i < c.count; i++) {
                turned.nodes[i] = c.nodes[c.count - 1 - i];
            }
            struct roles_step other = next(&turned);
            EXPECT(other.action == step.action && other.id == step.id && other.role == step.role);
            carry_out(&c, step);
            EXPECT(can_lead(&c));
        }
        check_end(&c);
    }
}

TEST_MAIN()
