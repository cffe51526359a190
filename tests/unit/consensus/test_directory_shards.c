/* tests/unit/consensus/test_directory_shards.c: each command of a shard: when it is refused, and what it does. */
#include "consensus/directory.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define CAS(KIND, field, ...) tell(d, (struct command){.kind = COMMAND_##KIND, .field = {__VA_ARGS__}})
#define EXPECT_CODE(result, want) EXPECT_INT((result)->code, DIRECTORY_##want)

/* R1: refused, and the answer is the entry as it is. */
TEST(an_older_cv_is_refused_by_all_alike)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(TOUCH, touch, 0, 1), DONE);
    uint64_t hash = directory_hash(d);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 2), CV);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 4, 14), CV);
    EXPECT_CODE(CAS(REMOVE, remove, 0, 3, 13), CV);
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 1, 2), CV);
    EXPECT_CODE(CAS(TOUCH, touch, 0, 0), CV);
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, {1, {1}}), CV);
    EXPECT_CODE(CAS(MIN_ISR, min_isr, 0, 1, 1), CV);
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 12), CV);
    const struct directory_result *result = CAS(FORCE, force, 0, 1, 2, 12);
    EXPECT_CODE(result, CV);
    EXPECT_STR(result->text, "the entry of shard 0 is at cv 2, not 1");
    EXPECT(result->status == PDR_INVALID && result->has_shard && result->shard.cv == 2 && result->changed_count == 0);
    EXPECT(directory_hash(d) == hash);
    directory_free(d);
}

TEST(shards_that_are_not_or_are_empty)
{
    struct directory *d = small_directory();
    const struct directory_result *result = CAS(TOUCH, touch, 8, 0);
    EXPECT_CODE(result, NO_SHARD);
    EXPECT(!result->has_shard);
    result = CAS(TOUCH, touch, 1, 0);
    EXPECT_CODE(result, EMPTY);
    EXPECT(result->has_shard && result->shard.shard == 1 && result->shard.cv == 0);
    directory_free(d);
}

TEST(assign_is_for_empty_shards)
{
    struct directory *d = small_directory();
    struct copies two = {2, {{1, 1}, {2, 2}}};
    struct ids nodes = {2, {1, 2}};
    EXPECT_CODE(CAS(ASSIGN, assign, 0, 1, 1, two, nodes, 2), ASSIGNED);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 1, 1, two, nodes, 2), CV);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, two, nodes, 3), MIN_ISR);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, two, nodes, 0), MIN_ISR);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 3, two, nodes, 2), NOT_IN_SYNC);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, {2, {{1, 1}, {1, 2}}}, nodes, 2), BAD_VALUE);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, {2, {{1, 1}, {2, 1}}}, nodes, 2), BAD_VALUE);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, {1, {{1, 0}}}, nodes, 1), BAD_VALUE);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, {2, {{1, 1}, {9, 2}}}, nodes, 2), NO_MEMBER);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, two, {2, {1, 1}}, 2), BAD_VALUE);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, two, {0, {0}}, 2), BAD_VALUE);
    set_alive(d, 1, false);
    EXPECT_CODE(CAS(ASSIGN, assign, 1, 0, 1, two, nodes, 2), NOT_ALIVE);
    const struct directory_result *result = CAS(ASSIGN, assign, 1, 0, 2, two, nodes, 2);
    EXPECT_CODE(result, DONE);
    EXPECT(result->shard.lineage == 1 && result->shard.epoch == 1 && result->shard.cv == 1);
    EXPECT(result->shard.primary == 2 && result->shard.isr.count == 2 && result->shard.min_isr == 2);
    directory_free(d);
}

/* R40, R11. */
TEST(promote_needs_a_lease_that_is_over)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 2), LEASE);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 4), NOT_IN_SYNC);
    set_alive(d, 1, false);
    set_alive(d, 2, false);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 2), NOT_ALIVE);
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 13), DONE);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 2, 3), COPY_LOST);
    set_alive(d, 2, true);
    const struct directory_result *result = CAS(PROMOTE, promote, 0, 2, 2);
    EXPECT_CODE(result, DONE);
    EXPECT(result->shard.primary == 2 && result->shard.epoch == 2 && result->shard.cv == 3);
    EXPECT(result->shard.isr.count == 2 && !copies_have(&result->shard.isr, 1)); /* R2 allows that it leaves */
    directory_free(d);
}

TEST(an_old_primary_stays_where_min_isr_needs_it)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(REMOVE, remove, 0, 1, 13), DONE);
    set_alive(d, 1, false);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 2, 2), DONE);
    EXPECT(shard_of(d, 0)->isr.count == 2 && copies_have(&shard_of(d, 0)->isr, 1));
    directory_free(d);
}

/* R12, R34: the process is gone, so its lease is; it may be promoted again, in a new epoch. */
TEST(a_primary_that_has_restarted_is_promoted_anew)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 1), LEASE);
    EXPECT_CODE(tell(d, registration(1, 2)), DONE);
    EXPECT_CODE(CAS(PROMOTE, promote, 0, 1, 1), DONE);
    const struct cluster_shard *shard = shard_of(d, 0);
    EXPECT(shard->primary == 1 && shard->incarnation == 2 && shard->epoch == 2 && shard->isr.count == 3);
    directory_free(d);
}

/* R41, R65. */
TEST(add_takes_targets_that_are_alive)
{
    struct directory *d = small_directory();
    EXPECT_CODE(tell(d, registration(5, 1)), DONE);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 5, 15), NOT_TARGET);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 4, 0), IN_SYNC);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 4, 13), IN_SYNC);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 3, 99), IN_SYNC);
    set_alive(d, 4, false);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 4, 14), NOT_ALIVE);
    set_alive(d, 4, true);
    EXPECT_CODE(CAS(ADD, add, 0, 1, 4, 14), DONE);
    EXPECT(shard_of(d, 0)->isr.count == 4 && copies_find(&shard_of(d, 0)->isr, 14)->node == 4);
    directory_free(d);
}

TEST(copies_are_bounded)
{
    struct directory *d = small_directory();
    struct ids targets = {0};
    for (uint64_t node = 5; node <= LIMIT_COPIES_MAX + 1; node++) {
        EXPECT_CODE(tell(d, registration(node, 1)), DONE);
    }
    for (uint64_t node = 2; node <= LIMIT_COPIES_MAX + 1; node++) {
        ids_add(&targets, node);
    }
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, targets), DONE);
    for (uint64_t node = 4; node <= LIMIT_COPIES_MAX; node++) {
        EXPECT_CODE(CAS(ADD, add, 0, shard_of(d, 0)->cv, node, 10 + node), DONE);
    }
    EXPECT_CODE(CAS(ADD, add, 0, shard_of(d, 0)->cv, LIMIT_COPIES_MAX + 1, 99), LIMIT);
    directory_free(d);
}

/* R46: a node whose disk was wiped comes back with a new copy, also where nothing can be removed. */
TEST(a_new_copy_takes_the_place_of_a_lost_one)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(REMOVE, remove, 0, 1, 13), DONE);
    EXPECT_CODE(CAS(LOST, lost, 0, 2, 12), DONE);
    EXPECT_CODE(CAS(REMOVE, remove, 0, 3, 12), MIN_ISR);
    EXPECT_CODE(CAS(ADD, add, 0, 3, 2, 22), DONE);
    const struct cluster_shard *shard = shard_of(d, 0);
    EXPECT(shard->isr.count == 2 && copies_of(&shard->isr, 2)->rid == 22 && shard->lost.count == 0);
    EXPECT_CODE(CAS(LOST, lost, 0, 4, 11), DONE);
    EXPECT_CODE(CAS(ADD, add, 0, 5, 1, 21), IN_SYNC); /* not in place of the primary's */
    directory_free(d);
}

/* R2, R42. */
TEST(remove_leaves_min_isr_and_the_primary)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(REMOVE, remove, 0, 1, 99), NOT_IN_SYNC);
    EXPECT_CODE(CAS(REMOVE, remove, 0, 1, 11), PRIMARY);
    EXPECT_CODE(CAS(REMOVE, remove, 0, 1, 13), DONE);
    const struct directory_result *result = CAS(REMOVE, remove, 0, 2, 12);
    EXPECT_CODE(result, MIN_ISR);
    EXPECT_STR(result->text, "2 copies are in sync, and min_isr is 2: add one first");
    directory_free(d);
}

/* R45, R50: to one in sync, without waiting; the old primary stays. */
TEST(transfer_goes_to_a_copy_in_sync)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 1, 1), PRIMARY);
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 1, 4), NOT_IN_SYNC);
    set_alive(d, 2, false);
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 1, 2), NOT_ALIVE);
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 13), DONE);
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 2, 3), COPY_LOST);
    set_alive(d, 2, true);
    EXPECT_CODE(CAS(TRANSFER, transfer, 0, 2, 2), DONE);
    EXPECT(shard_of(d, 0)->primary == 2 && shard_of(d, 0)->epoch == 2 && shard_of(d, 0)->isr.count == 3);
    directory_free(d);
}

TEST(targets_are_members_and_once_each)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, {0, {0}}), BAD_VALUE);
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, {2, {4, 4}}), BAD_VALUE);
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, {2, {4, 9}}), NO_MEMBER);
    EXPECT_CODE(CAS(TARGETS, targets, 0, 1, {2, {4, 1}}), DONE);
    EXPECT(shard_of(d, 0)->targets.count == 2 && shard_of(d, 0)->isr.count == 3);
    directory_free(d);
}

TEST(min_isr_follows_what_is_in_sync)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(MIN_ISR, min_isr, 0, 1, 0), MIN_ISR);
    EXPECT_CODE(CAS(MIN_ISR, min_isr, 0, 1, 4), MIN_ISR);
    EXPECT_CODE(CAS(MIN_ISR, min_isr, 0, 1, 3), DONE);
    EXPECT_INT(shard_of(d, 0)->min_isr, 3);
    directory_free(d);
}

/* R47. */
TEST(lost_copies_count_and_are_never_promoted)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 99), NOT_IN_SYNC);
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 12), DONE);
    EXPECT_CODE(CAS(LOST, lost, 0, 2, 12), COPY_LOST);
    EXPECT(shard_of(d, 0)->isr.count == 3 && ids_have(&shard_of(d, 0)->lost, 12));
    EXPECT_CODE(CAS(REMOVE, remove, 0, 2, 12), DONE);
    EXPECT_INT(shard_of(d, 0)->lost.count, 0);
    directory_free(d);
}

/* R46. */
TEST(force_begins_another_lineage_from_one_copy)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(FORCE, force, 0, 1, 2, 0), BAD_VALUE);
    EXPECT_CODE(CAS(FORCE, force, 0, 1, 2, 13), NOT_IN_SYNC); /* that copy is on another node */
    EXPECT_CODE(CAS(FORCE, force, 0, 1, 2, 12), LEASE);
    EXPECT_CODE(CAS(LOST, lost, 0, 1, 13), DONE);
    EXPECT_CODE(CAS(FORCE, force, 0, 2, 3, 13), COPY_LOST);
    set_alive(d, 1, false);
    EXPECT_CODE(CAS(FORCE, force, 0, 2, 2, 12), DONE);
    const struct cluster_shard *shard = shard_of(d, 0);
    EXPECT(shard->lineage == 2 && shard->epoch == 2 && shard->cv == 3 && shard->primary == 2);
    EXPECT(shard->isr.count == 1 && shard->isr.at[0].rid == 12 && shard->min_isr == 1 && shard->lost.count == 0);
    set_alive(d, 2, false);
    EXPECT_CODE(CAS(FORCE, force, 0, 3, 4, 44), DONE); /* the copy need not have been in sync, when none else is left */
    directory_free(d);
}

/* The lease of the primary, if it is forced to itself, goes on. */
TEST(force_may_name_the_primary)
{
    struct directory *d = small_directory();
    EXPECT_CODE(CAS(FORCE, force, 0, 1, 1, 11), DONE);
    EXPECT(shard_of(d, 0)->primary == 1 && shard_of(d, 0)->isr.count == 1);
    directory_free(d);
}

TEST_MAIN()
