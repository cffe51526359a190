/* tests/unit/consensus/test_directory_cluster.c: the beginning, settings, formats, groups, pins, types. */
#include "consensus/directory.h"

#include "core/base/limits.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define EXPECT_CODE(result, want) EXPECT_INT((result)->code, DIRECTORY_##want)

static const uint8_t id[CLUSTER_ID_SIZE] = {1};

static struct command founding(uint32_t shards, uint8_t replicas, uint8_t min_isr, uint8_t voters)
{
    return (struct command){.kind = COMMAND_FOUND,
                            .found = {pdr_bytes(id, sizeof id), shards, replicas, min_isr, voters}};
}

TEST(nothing_before_the_beginning)
{
    struct directory *d = directory_new();
    const struct directory_result *result = tell(d, registration(1, 1));
    EXPECT_CODE(result, NO_CLUSTER);
    EXPECT(result->status == PDR_UNAVAILABLE && result->dir_index == 1 && directory_hash(d) == 0);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TOUCH, .touch = {0, 0}}), NO_CLUSTER);
    EXPECT(directory_fault(d) == NULL);
    directory_free(d);
}

TEST(a_cluster_begins_once_and_with_sense)
{
    struct directory *d = directory_new();
    EXPECT_CODE(tell(d, founding(0, 3, 2, 3)), BAD_VALUE);
    EXPECT_CODE(tell(d, founding(4, 3, 4, 3)), BAD_VALUE);
    EXPECT_CODE(tell(d, founding(4, 3, 0, 3)), BAD_VALUE);
    EXPECT_CODE(tell(d, founding(4, 3, 2, 4)), BAD_VALUE);
    struct command command = founding(4, 3, 2, 3);
    command.found.cluster.size--;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    EXPECT_CODE(tell(d, founding(4, 3, 2, 3)), DONE);
    EXPECT_CODE(tell(d, founding(4, 3, 2, 3)), FOUNDED);
    const struct cluster_info *info = cluster_rows_info(directory_rows(d));
    EXPECT(info->format == 1 && info->next_shard == 4 && info->replicas == 3 && info->min_isr == 2);
    directory_free(d);
}

/* A first assignment takes all copies for empty, and begins with epoch 1: not where the founder brings data. */
TEST(a_founder_with_data_keeps_it)
{
    struct directory *d = directory_new();
    struct command command = founding(4, 3, 2, 3);
    command.found.home = 2;
    command.found.epochs = 7;
    EXPECT_CODE(tell(d, command), DONE);
    EXPECT_CODE(tell(d, registration(1, 1)), DONE);
    EXPECT_CODE(tell(d, registration(2, 1)), DONE);
    command = (struct command){.kind = COMMAND_ASSIGN, .assign = {3, 0, 1, {1, {{1, 11}}}, {1, {1}}, 1}};
    const struct directory_result *result = tell(d, command);
    EXPECT_CODE(result, NOT_IN_SYNC);
    EXPECT_STR(result->text, "node 0000000000000002 has the data of shard 3");
    command.assign = (struct command_assign){3, 0, 2, {2, {{2, 12}, {1, 11}}}, {2, {2, 1}}, 1};
    EXPECT_CODE(tell(d, command), NOT_IN_SYNC);
    command.assign = (struct command_assign){3, 0, 2, {1, {{2, 12}}}, {1, {2}}, 1};
    EXPECT_CODE(tell(d, command), DONE);
    EXPECT(shard_of(d, 3)->epoch == 8);
    directory_free(d);
}

TEST(settings_are_checked)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_SETTINGS, .settings = {2, 3, 3}}), BAD_VALUE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_SETTINGS, .settings = {3, 2, 1}}), BAD_VALUE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_SETTINGS, .settings = {5, 3, 5}}), DONE);
    const struct cluster_info *info = cluster_rows_info(directory_rows(d));
    EXPECT(!info->paused && info->voters == 5 && info->replicas == 5 && info->next_shard == 8);
    directory_free(d);
}

TEST(a_pause_leaves_the_settings_and_they_leave_it)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PAUSE, .pause = {false}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PAUSE, .pause = {true}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_SETTINGS, .settings = {5, 3, 5}}), DONE);
    const struct cluster_info *info = cluster_rows_info(directory_rows(d));
    EXPECT(info->paused && info->voters == 5 && info->next_shard == 8);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PAUSE, .pause = {true}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PAUSE, .pause = {false}}), DONE);
    EXPECT(!cluster_rows_info(directory_rows(d))->paused && cluster_rows_info(directory_rows(d))->voters == 5);
    directory_free(d);
}

/* A command of a later format is refused before it is read; one of a format that this program lacks stops the node. */
TEST(formats_rise_when_all_know_them)
{
    struct directory *d = small_directory();
    static const uint8_t later[] = {0x93, 2, 99, 0xc0}; /* [2, 99, nil] */
    struct pdr_bytes bytes = pdr_bytes(later, sizeof later);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_FORMAT, .format = {1}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_FORMAT, .format = {0}}), BAD_VALUE);
    const struct directory_result *result = tell(d, (struct command){.kind = COMMAND_FORMAT, .format = {2}});
    EXPECT_CODE(result, OLD_FORMAT);
    EXPECT_STR(result->text, "the program of node n1 knows format 1 only");
    result = directory_apply(d, 100, bytes);
    EXPECT_CODE(result, NEWER);
    EXPECT_STR(result->text, "the command needs format 2; the cluster has agreed on format 1");
    for (uint64_t node = 1; node <= 4; node++) {
        struct command command = registration(node, 2);
        command.register_.format = 2;
        EXPECT_CODE(tell(d, command), DONE);
    }
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_FORMAT, .format = {2}}), DONE);
    EXPECT_CODE(tell(d, registration(1, 3)), OLD_FORMAT);
    uint64_t hash = directory_hash(d);
    EXPECT_CODE(directory_apply(d, 200, bytes), BEHIND);
    EXPECT(directory_hash(d) == hash);
    directory_free(d);
}

TEST(what_cannot_be_read_is_refused_and_counted)
{
    struct directory *d = small_directory();
    uint64_t hash = directory_hash(d), index = directory_index(d);
    const struct directory_result *result = directory_apply(d, 50, pdr_str("junk"));
    EXPECT_CODE(result, MALFORMED);
    EXPECT_STR(result->text, "this is not a command");
    EXPECT(result->dir_index == index + 1 && directory_index(d) == index + 1 && directory_raft_index(d) == 50);
    EXPECT_CODE(directory_apply(d, 50, pdr_bytes(NULL, 0)), MALFORMED);
    EXPECT(directory_hash(d) == hash);
    directory_free(d);
}

TEST(groups_never_share_a_shard)
{
    struct directory *d = small_directory();
    struct command command = {.kind = COMMAND_GROUP, .group = {pdr_str("gpus"), 10, 3, 2, no_pairs()}};
    EXPECT_CODE(tell(d, command), DONE);
    EXPECT_CODE(tell(d, command), EXISTS);
    command.group.name = pdr_str("a group");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command.group.name = pdr_str("more");
    command.group.shards = 0;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command.group.shards = LIMIT_SHARDS_MAX - 17;
    EXPECT_CODE(tell(d, command), LIMIT);
    command.group.shards--;
    EXPECT_CODE(tell(d, command), DONE);
    const struct cluster_group *gpus = cluster_rows_group(directory_rows(d), pdr_str("gpus"));
    const struct cluster_group *more = cluster_rows_group(directory_rows(d), pdr_str("more"));
    EXPECT(gpus->first == 8 && more->first == 18 &&
           cluster_rows_info(directory_rows(d))->next_shard == LIMIT_SHARDS_MAX);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_PIN, .pin = {pdr_str("t"), pdr_str("x"), 0, no_pairs()}}),
                LIMIT);
    directory_free(d);
}

TEST(groups_change_but_for_their_shards)
{
    struct directory *d = small_directory();
    pdr_writer labels = {0};
    struct pairs gpu = one_pair(&labels, "gpu", "h100");
    struct command command = {.kind = COMMAND_REGROUP, .regroup = {pdr_str("default"), 5, 3, gpu, 2}};
    EXPECT_CODE(tell(d, command), DONE);
    const struct cluster_group *group = cluster_rows_group(directory_rows(d), pdr_str("default"));
    EXPECT(group->replicas == 5 && group->min_isr == 3 && group->node == 2 && group->shards == 8);
    command.regroup.node = 9;
    EXPECT_CODE(tell(d, command), NO_MEMBER);
    command.regroup.min_isr = 6;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command.regroup.labels = one_pair(&labels, "gpu", "");
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    command.regroup.name = pdr_str("none");
    EXPECT_CODE(tell(d, command), NO_GROUP);
    pdr_writer_release(&labels);
    directory_free(d);
}

TEST(a_pin_is_a_group_of_one_shard)
{
    struct directory *d = small_directory();
    struct command pin = {.kind = COMMAND_PIN, .pin = {pdr_str("counter"), pdr_str("acme"), 2, no_pairs()}};
    EXPECT_CODE(tell(d, pin), DONE);
    const struct cluster_group *group = cluster_rows_group(directory_rows(d), pdr_str("counter/acme"));
    EXPECT(group != NULL && group->shards == 1 && group->first == 8 && group->node == 2);
    EXPECT(pdr_bytes_equal(group->pin_type, pdr_str("counter")) && pdr_bytes_equal(group->pin_tag, pdr_str("acme")));
    EXPECT_CODE(tell(d, pin), EXISTS);
    pin.pin.tag = pdr_str("other");
    pin.pin.node = 9;
    EXPECT_CODE(tell(d, pin), NO_MEMBER);
    pin.pin.tag = pdr_str("a\nb");
    EXPECT_CODE(tell(d, pin), BAD_VALUE);
    pin.pin.tag = pdr_str("");
    EXPECT_CODE(tell(d, pin), BAD_VALUE);
    pin.pin.tag = pdr_str("x");
    pin.pin.type = pdr_str("a/b");
    EXPECT_CODE(tell(d, pin), BAD_VALUE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("t"), pdr_str("counter/acme")}}),
                NO_GROUP);
    directory_free(d);
}

TEST(a_type_stays_in_its_group)
{
    struct directory *d = small_directory();
    tell(d, (struct command){.kind = COMMAND_GROUP, .group = {pdr_str("gpus"), 10, 3, 2, no_pairs()}});
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("model"), pdr_str("none")}}), NO_GROUP);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("Model"), pdr_str("gpus")}}),
                BAD_VALUE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("model"), pdr_str("gpus")}}), DONE);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("model"), pdr_str("gpus")}}), ALREADY);
    EXPECT_CODE(tell(d, (struct command){.kind = COMMAND_TYPE, .type = {pdr_str("model"), pdr_str("default")}}),
                EXISTS);
    directory_free(d);
}

TEST_MAIN()
