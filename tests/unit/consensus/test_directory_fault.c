/* tests/unit/consensus/test_directory_fault.c: rows that contradict each other, written past all commands, are
 * noticed. */
#include "consensus/directory.h"

#include "consensus/directory_parts.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static void expect_fault(struct entry entry, const char *want)
{
    struct directory *d = small_directory();
    EXPECT(directory_fault(d) == NULL);
    d->index++;
    directory_put(d, &entry);
    EXPECT_STR(directory_fault(d), want);
    directory_free(d);
}

/* Shard 0 as it is in a small directory. */
static struct entry good_shard(void)
{
    struct directory *d = small_directory();
    struct entry entry = {.kind = ROW_SHARD, .shard = *shard_of(d, 0)};
    directory_free(d);
    return entry;
}

TEST(shards)
{
    struct entry bad = good_shard();
    bad.shard.shard = 8;
    expect_fault(bad, "a shard is in no group");
    bad = good_shard();
    bad.shard.min_isr = 4;
    expect_fault(bad, "a shard has fewer copies in sync than its min_isr");
    bad.shard.min_isr = 0;
    expect_fault(bad, "a shard has fewer copies in sync than its min_isr");
    bad = good_shard();
    bad.shard.primary = 4;
    expect_fault(bad, "a shard's primary is not in sync");
    bad.shard.primary = 9;
    expect_fault(bad, "a shard's primary is not in sync");
    bad = good_shard();
    bad.shard.incarnation = 2; /* no process of it was that */
    expect_fault(bad, "a shard's lineage, epoch, cv or incarnation cannot be");
    bad = good_shard();
    bad.shard.cv = 0;
    expect_fault(bad, "a shard's lineage, epoch, cv or incarnation cannot be");
}

TEST(copies)
{
    struct entry bad = good_shard();
    bad.shard.isr.at[2].node = 9;
    expect_fault(bad, "a copy is on a node that is not a member");
    bad.shard.isr.at[2].node = 2;
    expect_fault(bad, "two copies of a shard are on one node, or have one name");
    bad = good_shard();
    bad.shard.isr.at[2].rid = 11;
    expect_fault(bad, "two copies of a shard are on one node, or have one name");
    bad = good_shard();
    ids_add(&bad.shard.lost, 99);
    expect_fault(bad, "a lost copy is not in sync");
    bad = good_shard();
    bad.shard.targets.at[0] = 9;
    expect_fault(bad, "a target is not a member");
}

TEST(members)
{
    struct cluster_member member = {.node = 5, .incarnation = 1, .name = pdr_str("n5"), .address = pdr_str("h5:1")};
    expect_fault((struct entry){.kind = ROW_MEMBER, .member = member},
                 "a member has no state, no incarnation or no id");
    member.state = MEMBER_DOWN;
    member.name = pdr_str("n1");
    expect_fault((struct entry){.kind = ROW_MEMBER, .member = member}, "two members have one name or one address");
    member.name = pdr_str("n5");
    member.address = pdr_str("h1:1");
    expect_fault((struct entry){.kind = ROW_MEMBER, .member = member}, "two members have one name or one address");
    member = (struct cluster_member){.node = 4, .incarnation = 1, .state = MEMBER_REMOVED};
    expect_fault((struct entry){.kind = ROW_MEMBER, .member = member}, "a target is not a member");
}

TEST(groups_and_types)
{
    struct cluster_group group = {.name = pdr_str("g"), .first = 4, .shards = 1};
    expect_fault((struct entry){.kind = ROW_GROUP, .group = group},
                 "the groups' shards overlap, or some are in no group");
    group.first = 8;
    expect_fault((struct entry){.kind = ROW_GROUP, .group = group},
                 "the groups' shards overlap, or some are in no group");
    expect_fault((struct entry){.kind = ROW_TYPE, .type = {pdr_str("t"), pdr_str("none")}},
                 "a type is in a group that there is not");
    expect_fault((struct entry){.kind = ROW_HOSTS, .hosts = {9, no_pairs()}},
                 "types are on a node that is not a member");
}

TEST(the_cluster)
{
    expect_fault((struct entry){.kind = ROW_INFO, .info = {.next_shard = 8}}, "the cluster has no id, or no format");
    struct directory *d = directory_new();
    d->index++;
    directory_put(d, &(struct entry){.kind = ROW_HOSTS, .hosts = {9, no_pairs()}});
    EXPECT_STR(directory_fault(d), "there are rows, and no cluster");
    directory_free(d);
}

TEST_MAIN()
