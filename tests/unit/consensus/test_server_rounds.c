/* tests/unit/consensus/test_server_rounds.c: reads and confirmations wait for a quorum that is asked after
 * they came. */
#include "consensus/server.h"

#include "tests/lib/test.h"
#include "tests/lib/trio.h"

TEST(a_read_waits_for_a_quorum)
{
    struct trio w;
    struct outcome read = {0}, confirmed = {0};
    trio_begin(&w);
    server_read(trio_at(&w, 1), trio_note, &read);
    EXPECT_INT(read.times, 0);
    trio_run_ms(&w, 100); /* appends that are acknowledged are no confirmation */
    EXPECT_INT(read.times, 0);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM));
    EXPECT_INT(read.times, 0);
    REQUIRE(trio_hand(&w, 2, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&read) && !read.has_result);
    REQUIRE(trio_hand(&w, 1, 3, LETTER_CONFIRM));
    REQUIRE(trio_hand(&w, 3, 1, LETTER_CONFIRMED)); /* more than is needed */
    server_confirm(trio_at(&w, 1), trio_note, &confirmed);
    EXPECT_INT(confirmed.times, 0);
    REQUIRE(trio_hand(&w, 1, 3, LETTER_CONFIRM) && trio_hand(&w, 3, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&confirmed) && outcome_is_done(&read));
    trio_end(&w);
}

/* A quorum that was asked before the question came says nothing about it. */
TEST(a_question_during_a_round_waits_for_the_next)
{
    struct trio w;
    struct outcome first = {0}, second = {0}, third = {0};
    trio_begin(&w);
    server_read(trio_at(&w, 1), trio_note, &first);
    server_read(trio_at(&w, 1), trio_note, &second);
    server_read(trio_at(&w, 1), trio_note, &third);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM) && trio_hand(&w, 2, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&first) && second.times == 0 && third.times == 0);
    EXPECT_INT(post_drop(&w.post, LETTER_CONFIRM), 3); /* to 3 in the first round, to both in the second */
    trio_run_ms(&w, 300);
    REQUIRE(trio_hand(&w, 1, 3, LETTER_CONFIRM) && trio_hand(&w, 3, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&second) && outcome_is_done(&third)); /* one round for all who came before it */
    trio_end(&w);
}

/* Of the second round no voter has said anything yet. */
TEST(answers_to_an_older_round_do_not_count)
{
    struct trio w;
    struct outcome first = {0}, second = {0};
    trio_begin(&w);
    server_read(trio_at(&w, 1), trio_note, &first);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM) && trio_hand(&w, 1, 3, LETTER_CONFIRM));
    REQUIRE(trio_hand(&w, 2, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&first));
    server_read(trio_at(&w, 1), trio_note, &second);
    REQUIRE(trio_hand(&w, 3, 1, LETTER_CONFIRMED)); /* late */
    EXPECT_INT(second.times, 0);
    REQUIRE(trio_hand(&w, 1, 3, LETTER_CONFIRM) && trio_hand(&w, 3, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&second));
    trio_end(&w);
}

TEST(only_voters_count_and_each_once)
{
    struct trio w;
    struct outcome read = {0};
    struct letter letter;
    trio_begin(&w);
    uint64_t term = raft_node_state(server_raft(trio_at(&w, 1))).term;
    server_read(trio_at(&w, 1), trio_note, &read);
    REQUIRE(post_take(&w.post, 2, LETTER_CONFIRM, &letter));
    EXPECT(letter.confirm.term == term);
    struct letter yes = {.kind = LETTER_CONFIRMED, .confirmed = {letter.confirm.round, term}};
    struct letter later = {.kind = LETTER_CONFIRMED, .confirmed = {letter.confirm.round, term + 1}};
    for (uint64_t stranger = 100; stranger < 120; stranger++) {
        server_receive(trio_at(&w, 1), stranger, &yes);
    }
    server_receive(trio_at(&w, 1), 1, &yes); /* itself */
    server_receive(trio_at(&w, 1), 2, &later);
    EXPECT_INT(read.times, 0);
    server_receive(trio_at(&w, 1), 2, &yes);
    EXPECT(outcome_is_done(&read));
    server_receive(trio_at(&w, 1), 2, &yes);
    EXPECT_INT(read.times, 1);
    trio_end(&w);
}

/* A leader that stood still believes that it leads. */
TEST(a_voter_that_knows_a_later_term_is_silent)
{
    struct trio w;
    struct outcome read = {0};
    struct letter letter;
    trio_begin(&w);
    uint64_t leader = trio_depose(&w);
    EXPECT(server_is_ready(trio_at(&w, 1)));
    server_read(trio_at(&w, 1), trio_note, &read);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM) && trio_hand(&w, 1, 3, LETTER_CONFIRM));
    EXPECT(!post_take(&w.post, 1, LETTER_CONFIRMED, &letter));
    EXPECT_INT(read.times, 0);
    w.replicas[1].is_still = false;
    trio_run_ms(&w, 500);
    EXPECT(read.times == 1 && read.outcome == LETTER_NOWHERE && (read.leader == leader || read.leader == 0));
    EXPECT(!server_is_ready(trio_at(&w, 1)));
    trio_end(&w);
}

/* What it would have answered: the new leader has acknowledged something since. */
TEST(a_read_sees_what_another_leader_acknowledged)
{
    struct trio w;
    struct outcome proposed = {0}, stale = {0}, read = {0};
    trio_begin(&w);
    uint64_t leader = trio_depose(&w);
    trio_propose(&w, leader, trio_founding(), &proposed);
    trio_run_ms(&w, 200);
    REQUIRE(outcome_is_done(&proposed));
    server_read(trio_at(&w, 1), trio_note, &stale);
    while (trio_hand(&w, 1, 2, LETTER_CONFIRM) || trio_hand(&w, 1, 3, LETTER_CONFIRM)) {
    }
    while (trio_hand(&w, 2, 1, LETTER_CONFIRMED)) {
    }
    EXPECT_INT(stale.times, 0); /* its directory is empty */
    server_read(trio_at(&w, leader), trio_note, &read);
    uint64_t other = leader == 2 ? 3 : 2;
    REQUIRE(trio_hand(&w, leader, other, LETTER_CONFIRM) && trio_hand(&w, other, leader, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&read) && directory_index(server_directory(trio_at(&w, leader))) == 1);
    trio_end(&w);
}

TEST(a_round_without_a_quorum_is_asked_again)
{
    struct trio w;
    struct outcome read = {0};
    trio_begin(&w);
    server_read(trio_at(&w, 1), trio_note, &read);
    uint64_t due_ns = w.clock.now_ns + SERVER_ROUND_NS;
    EXPECT_INT(post_drop(&w.post, LETTER_CONFIRM), 2); /* both are lost */
    while (w.clock.now_ns + TRIO_STEP_NS < due_ns) {
        EXPECT(server_due_ns(trio_at(&w, 1)) <= due_ns);
        trio_run_ms(&w, TRIO_STEP_NS / NS_PER_MS);
    }
    EXPECT_INT(post_drop(&w.post, LETTER_CONFIRM), 0);
    trio_run_ms(&w, TRIO_STEP_NS / NS_PER_MS);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM));
    EXPECT_INT(post_drop(&w.post, LETTER_CONFIRMED), 1); /* lost, too */
    trio_run_ms(&w, SERVER_ROUND_NS / NS_PER_MS);
    EXPECT_INT(read.times, 0);
    REQUIRE(trio_hand(&w, 1, 2, LETTER_CONFIRM) && trio_hand(&w, 2, 1, LETTER_CONFIRMED));
    EXPECT(outcome_is_done(&read));
    post_drop(&w.post, LETTER_CONFIRM);
    trio_run_ms(&w, 2 * SERVER_ROUND_NS / NS_PER_MS);
    EXPECT_INT(post_drop(&w.post, LETTER_CONFIRM), 0); /* it is over */
    trio_end(&w);
}

TEST(lost_leadership_answers_all_who_wait)
{
    struct trio w;
    struct outcome asked = {0}, asking = {0}, again = {0};
    trio_begin(&w);
    asked.again = trio_at(&w, 1);
    asked.next = &again;
    server_read(trio_at(&w, 1), trio_note, &asked);
    server_confirm(trio_at(&w, 1), trio_note, &asking);
    trio_depose(&w);
    w.replicas[1].is_still = false;
    trio_run_ms(&w, 500);
    EXPECT(asked.times == 1 && asked.outcome == LETTER_NOWHERE);
    EXPECT(asking.times == 1 && asking.outcome == LETTER_NOWHERE);
    EXPECT(again.times == 1 && again.outcome == LETTER_NOWHERE); /* it asked from within the answer */
    trio_end(&w);
}

/* A round that waits for somebody who is no voter any more would wait for ever, and all others behind it. */
TEST(a_voter_that_goes_is_not_waited_for)
{
    struct trio w;
    struct outcome read = {0};
    trio_begin(&w);
    trio_change(&w, &(struct raft_membership){RAFT_ASSIGN, 3, NULL, RAFT_ROLE_SPARE});
    server_read(trio_at(&w, 1), trio_note, &read);
    EXPECT(post_drop(&w.post, LETTER_CONFIRM) == 1 && read.times == 0);
    trio_change(&w, &(struct raft_membership){RAFT_ASSIGN, 2, NULL, RAFT_ROLE_SPARE});
    trio_run_ms(&w, 2 * SERVER_ROUND_NS / NS_PER_MS);
    EXPECT(outcome_is_done(&read));
    trio_end(&w);
}

/* Alone it is a quorum: the answer comes at once, and asking from within it does not confuse the rounds. */
TEST(the_only_voter_needs_nobody)
{
    struct trio w;
    struct outcome first = {0}, second = {0}, proposed = {0};
    trio_init(&w);
    trio_start(&w, 1);
    trio_run_ms(&w, 1000);
    first.again = trio_at(&w, 1);
    first.next = &second;
    server_read(trio_at(&w, 1), trio_note, &first);
    EXPECT(outcome_is_done(&first) && outcome_is_done(&second));
    trio_propose(&w, 1, trio_founding(), &proposed);
    EXPECT_INT(proposed.times, 0); /* not before it is durable */
    raft_memory_sync(&w.replicas[1].disk);
    EXPECT(outcome_is_done(&proposed) && proposed.code == DIRECTORY_DONE);
    trio_end(&w);
}

TEST_MAIN()
