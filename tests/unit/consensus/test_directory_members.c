/* tests/unit/consensus/test_directory_members.c: registering (R12, R70), leases, roles, leaving. */
#include "consensus/directory.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define EXPECT_CODE(result, want) EXPECT_INT((result)->code, DIRECTORY_##want)

static const struct cluster_member *member_of(const struct directory *d, uint64_t node)
{
    return cluster_rows_member(directory_rows(d), node);
}

TEST(incarnations_go_up)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, registration(5, 0)), INCARNATION);
    EXPECT_CODE(tell(d, registration(5, 2)), DONE); /* the first process ended before it could register */
    const struct directory_result *result = tell(d, registration(5, 1));
    EXPECT_CODE(result, INCARNATION);
    EXPECT_STR(
        result->text,
        "node 0000000000000005 comes as incarnation 1 and does not know of 2, the last one: its disk is older than "
        "what it has acknowledged; all its copies are lost");
    EXPECT_CODE(tell(d, registration(5, 3)), DONE);
    EXPECT(member_of(d, 5)->incarnation == 3 && member_of(d, 5)->state == MEMBER_UP);
    directory_free(d);
}

/* A disk that was put back has neither the number of the last registration nor the one it was tried with, however often
 * its process starts. */
TEST(a_disk_that_is_older_than_the_last_registration_is_found_out)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, registration(5, 1)), DONE);
    EXPECT_CODE(tell(d, registration(5, 2)), DONE);
    struct command command = registration(5, 9);
    command.register_.known = registration(5, 1).register_.boot;
    EXPECT_CODE(tell(d, command), INCARNATION);
    command.register_.forgot = true;
    EXPECT_CODE(tell(d, command), DONE);
    command = registration(5, 10); /* the answer to the last one did not come: it tries with the same number */
    command.register_.boot = registration(5, 9).register_.boot;
    command.register_.known = 0;
    EXPECT_CODE(tell(d, command), DONE);
    directory_free(d);
}

/* The same process may say it twice, for the first answer may not have come; another may not. */
TEST(a_registration_may_be_repeated_by_its_process)
{
    struct directory *d = small_directory();
    uint64_t hash = directory_hash(d);
    EXPECT_CODE(tell(d, registration(1, 1)), ALREADY);
    EXPECT(directory_hash(d) == hash);
    struct command other = registration(1, 1);
    other.register_.boot++;
    EXPECT_CODE(tell(d, other), INCARNATION);
    directory_free(d);
}

/* R70: what the disk may have forgotten is lost, wherever it was in sync; nothing is lost by a registration alone. */
TEST(a_node_that_forgot_loses_its_copies)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, registration(2, 2)), DONE);
    EXPECT_INT(shard_of(d, 0)->lost.count, 0);
    struct command command = registration(2, 3);
    command.register_.forgot = true;
    const struct directory_result *result = tell(d, command);
    EXPECT_CODE(result, DONE);
    EXPECT_INT(result->changed_count, 2);
    EXPECT(ids_have(&shard_of(d, 0)->lost, 12) && shard_of(d, 0)->cv == 2 && shard_of(d, 0)->isr.count == 3);
    command = registration(2, 4);
    command.register_.forgot = true;
    EXPECT_INT(tell(d, command)->changed_count, 1); /* it is lost already */
    directory_free(d);
}

TEST(names_and_addresses_are_of_one_living_node)
{
    struct directory *d = small_directory();
    struct command command = registration(5, 1);
    command.register_.name = pdr_str("n1");
    const struct directory_result *result = tell(d, command);
    EXPECT_CODE(result, TAKEN);
    EXPECT_STR(result->text, "the name n1 is that of node 0000000000000001; remove that node first");
    command = registration(5, 1);
    command.register_.address = pdr_str("h4:1");
    EXPECT_CODE(tell(d, command), TAKEN);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TARGETS, .targets = {0, 1, {1, {1}}}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_EXPEL, .expel = {4}}), DONE);
    EXPECT_CODE(tell(d, command), DONE);
    directory_free(d);
}

TEST(nonsense_is_refused)
{
    struct directory *d = small_directory();
    pdr_writer labels = {0};
    struct command command = registration(5, 1);
    command.register_.node = 0;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command = registration(5, 1);
    command.register_.boot = 0;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command = registration(5, 1);
    command.register_.name = pdr_str("a name");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command.register_.name = pdr_str("");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command = registration(5, 1);
    command.register_.address = pdr_str("h:1\n");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command = registration(5, 1);
    command.register_.labels = one_pair(&labels, "gpu", "h 100");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command = registration(5, 1);
    command.register_.format = 0;
    EXPECT_CODE(tell(d, command), OLD_FORMAT);
    pdr_writer_release(&labels);
    directory_free(d);
}

TEST(leases_are_of_a_process)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ALIVE, .alive = {1, 2, false}}), INCARNATION);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ALIVE, .alive = {9, 1, false}}), NO_MEMBER);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ALIVE, .alive = {1, 1, true}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ALIVE, .alive = {1, 1, false}}), DONE);
    EXPECT_INT(member_of(d, 1)->state, MEMBER_DOWN);
    EXPECT_CODE(tell(d, registration(1, 2)), DONE);
    EXPECT_INT(member_of(d, 1)->state, MEMBER_UP);
    directory_free(d);
}

/* What is asked of a node outlives its process. */
TEST(draining_and_role_outlive_a_restart)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_DRAIN, .drain = {4, true}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_DRAIN, .drain = {4, true}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_DRAIN, .drain = {9, true}}), NO_MEMBER);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ROLE, .role = {4, ROLE_VOTER}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ROLE, .role = {4, ROLE_VOTER}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ROLE, .role = {9, ROLE_VOTER}}), NO_MEMBER);
    EXPECT_CODE(tell(d, registration(4, 2)), DONE);
    EXPECT(member_of(d, 4)->draining && member_of(d, 4)->role == ROLE_VOTER);
    directory_free(d);
}

TEST(a_node_leaves_when_nothing_names_it_and_never_comes_back)
{
    struct directory *d = small_directory();
    struct command expel = {.kind = COMMAND_EXPEL, .expel = {4}};
    const struct directory_result *result = tell(d, expel);
    EXPECT_CODE(result, IN_USE); /* a target */
    EXPECT_STR(result->text, "1 shards have a copy on the node; drain it first");
    tell(d, (struct command){.kind = COMMAND_TARGETS, .targets = {0, 1, {3, {1, 2, 3}}}});
    tell(d, (struct command){.kind = COMMAND_ROLE, .role = {4, ROLE_STANDBY}});
    EXPECT_CODE(tell(d, expel), IN_USE);
    tell(d, (struct command){.kind = COMMAND_ROLE, .role = {4, ROLE_SPARE}});
    tell(d, (struct command){.kind = COMMAND_PIN, .pin = {pdr_str("t"), pdr_str("x"), 4, no_pairs()}});
    EXPECT_CODE(tell(d, expel), IN_USE);
    tell(d, (struct command){.kind = COMMAND_REGROUP, .regroup = {pdr_str("t/x"), 1, 1, no_pairs(), 0}});
    EXPECT_CODE(tell(d, expel), DONE);
    EXPECT(member_of(d, 4)->state == MEMBER_REMOVED && member_of(d, 4)->address.size == 0);
    EXPECT_CODE(tell(d, expel), REMOVED);
    EXPECT_CODE(tell(d, registration(4, 2)), REMOVED);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_ALIVE, .alive = {4, 1, true}}), REMOVED);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TARGETS, .targets = {0, 2, {1, {4}}}}), REMOVED);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_EXPEL, .expel = {1}}), IN_USE);
    directory_free(d);
}

/* Its types go with it. */
TEST(a_removed_node_has_no_types)
{
    struct directory *d = small_directory();
    pdr_writer types = {0};
    struct pairs one = one_pair(&types, "counter", "1");
    tell(d, registration(5, 1));
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {5, 1, one}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_EXPEL, .expel = {5}}), DONE);
    EXPECT_INT(pairs_count(cluster_rows_hosts(directory_rows(d), 5)->types), 0);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {5, 1, one}}), REMOVED);
    pdr_writer_release(&types);
    directory_free(d);
}

TEST(members_are_bounded)
{
    struct directory *d = small_directory();
    char name[16];
    for (uint64_t node = 5; node <= LIMIT_MEMBERS_MAX + 1; node++) {
        struct command command = registration(node, 1);
        snprintf(name, sizeof name, "m%u", (unsigned)node);
        command.register_.name = command.register_.address = pdr_str(name);
        const struct directory_result *result = tell(d, command);
        if (node <= LIMIT_MEMBERS_MAX) {
            REQUIRE(result->code == DIRECTORY_DONE);
        } else {
            EXPECT_CODE(result, LIMIT);
            EXPECT(result->status == PDR_OVERLOADED && strstr(result->text, "(limit members_max)") != NULL);
        }
    }
    EXPECT_CODE(tell(d, registration(1, 2)), DONE); /* who is in may come back */
    directory_free(d);
}

TEST(types_are_published_by_a_process)
{
    struct directory *d = small_directory();
    pdr_writer types = {0};
    struct pairs one = one_pair(&types, "counter", "1.2");
    struct pdr_bytes version;
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {1, 2, one}}), INCARNATION);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {9, 1, one}}), NO_MEMBER);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {1, 1, one}}), DONE);
    EXPECT(pairs_get(cluster_rows_hosts(directory_rows(d), 1)->types, pdr_str("counter"), &version) &&
           pdr_bytes_equal(version, pdr_str("1.2")));
    EXPECT(pdr_bytes_equal(cluster_rows_type(directory_rows(d), pdr_str("counter"))->group,
                           pdr_str(DIRECTORY_DEFAULT_GROUP)));
    EXPECT_INT(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {2, 1, one}})->changed_count, 1);
    one = one_pair(&types, "Counter", "1.2");
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PUBLISH, .publish = {1, 1, one}}), BAD_VALUE);
    pdr_writer_release(&types);
    directory_free(d);
}

TEST_MAIN()
