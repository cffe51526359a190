/* tests/unit/consensus/test_placement_rows.c: how rows are read: states, weights, and what is under way. */
#include "consensus/placement_rows.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static struct directory *d;
static struct placement_rows r;
static uint64_t away; /* the node that is down for a short time yet */

static bool is_away(void *user, uint64_t node)
{
    return node == away;
}

static void read_rows(bool homes_only)
{
    struct placement_rows_options options = {.rows = directory_rows(d), .homes_only = homes_only, .is_away = is_away};
    placement_rows_read(&options, &r);
}

static const struct placement_member *member(uint64_t node)
{
    for (uint32_t i = 0; i < r.placement.member_count; i++) {
        if (r.members[i].node == node) {
            return &r.members[i];
        }
    }
    return NULL;
}

static uint64_t cv_of(uint32_t shard)
{
    return cluster_rows_shard(directory_rows(d), shard)->cv;
}

static void aim(uint32_t shard, struct ids targets)
{
    struct command command = {.kind = COMMAND_TARGETS, .targets = {shard, cv_of(shard), targets}};
    EXPECT(tell(d, command)->code == DIRECTORY_DONE);
}

static void drain_4(void)
{
    struct command command = {.kind = COMMAND_DRAIN, .drain = {4, true}};
    EXPECT(tell(d, command)->code == DIRECTORY_DONE);
}

TEST(states_are_what_members_and_operators_say)
{
    d = small_directory();
    set_alive(d, 2, false);
    set_alive(d, 3, false);
    away = 3;
    drain_4();
    read_rows(false);
    EXPECT(r.placement.member_count == 4 && member(1)->state == PLACEMENT_UP);
    EXPECT(member(2)->state == PLACEMENT_DOWN && member(3)->state == PLACEMENT_AWAY);
    EXPECT(member(4)->state == PLACEMENT_DRAINING && member(1)->weight == PLACEMENT_WEIGHT_DEFAULT);
    EXPECT(r.staying[0] == 3);
    placement_rows_release(&r);
    set_alive(d, 4, false);
    read_rows(false);
    EXPECT(member(4)->state == PLACEMENT_LEFT);
    placement_rows_release(&r);
    directory_free(d);
}

TEST(a_shard_is_planned_from_its_targets)
{
    d = small_directory();
    aim(0, (struct ids){3, {1, 2, 3}});
    read_rows(false);
    EXPECT(r.placement.shard_count == 8 && r.flying_count == 0 && !r.shards[0].moving);
    EXPECT(r.shards[0].count == 3 && r.shards[0].replicas[0] == 1 && r.shards[1].count == 0);
    placement_rows_release(&r);
    aim(0, (struct ids){3, {1, 2, 4}});
    read_rows(false);
    EXPECT(r.shards[0].moving && r.shards[0].replicas[2] == 4);
    EXPECT(r.flying_count == 1 && r.flying[0].before[0] == 1 && r.flying[0].before_count == 3);
    placement_rows_release(&r);
    directory_free(d);
}

TEST(what_flies_to_a_node_that_is_gone_or_leaves_is_planned_anew)
{
    d = small_directory();
    aim(0, (struct ids){3, {1, 2, 3}});
    aim(0, (struct ids){3, {4, 1, 2}});
    drain_4();
    read_rows(false);
    EXPECT(!r.shards[0].moving && r.flying_count == 0);
    placement_rows_release(&r);
    directory_free(d);
}

TEST(what_waits_for_a_node_that_is_down_does_not_fly)
{
    d = small_directory();
    aim(0, (struct ids){3, {1, 2, 3}});
    set_alive(d, 1, false);
    away = 1;
    struct command promote = {.kind = COMMAND_PROMOTE, .promote = {0, cv_of(0), 2}};
    EXPECT(tell(d, promote)->code == DIRECTORY_DONE);
    read_rows(false);
    EXPECT(!r.shards[0].moving && r.flying_count == 0);
    EXPECT(r.shards[0].replicas[0] == 2 && r.shards[0].replicas[1] == 1); /* who took over leads on until it is back */
    placement_rows_release(&r);
    set_alive(d, 1, true);
    read_rows(false);
    EXPECT(r.shards[0].moving && r.shards[0].replicas[0] == 1);
    placement_rows_release(&r);
    directory_free(d);
}

TEST(for_first_homes_what_has_one_stays)
{
    d = small_directory();
    aim(0, (struct ids){3, {1, 2, 3}});
    read_rows(true);
    EXPECT(r.shards[0].moving && r.flying_count == 0 && !r.shards[1].moving);
    placement_rows_release(&r);
    directory_free(d);
}

TEST_MAIN()
