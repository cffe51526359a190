/* tests/unit/consensus/test_server.c: what becomes of proposals, with a leader, without one, and with another. */
#include "consensus/server.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"
#include "tests/lib/trio.h"

TEST(a_proposal_is_answered_with_its_result)
{
    struct trio w;
    struct outcome outcomes[4] = {0};
    trio_begin(&w);
    trio_propose(&w, 1, trio_founding(), &outcomes[0]);
    trio_propose(&w, 1, trio_founding(), &outcomes[1]);
    trio_propose(&w, 1, registration(1, 1), &outcomes[2]);
    server_propose(trio_at(&w, 1), pdr_str("not a command"), trio_note, &outcomes[3]);
    EXPECT_INT(outcomes[0].times, 0); /* nobody has it yet */
    trio_run_ms(&w, 200);
    for (int i = 0; i < 4; i++) {
        EXPECT(outcome_is_done(&outcomes[i]) && outcomes[i].has_result);
        EXPECT_INT(outcomes[i].dir_index, i + 1);
    }
    EXPECT_INT(outcomes[0].code, DIRECTORY_DONE);
    EXPECT_INT(outcomes[1].code, DIRECTORY_FOUNDED);
    EXPECT_INT(outcomes[2].code, DIRECTORY_DONE);
    EXPECT_INT(outcomes[3].code, DIRECTORY_MALFORMED);
    for (uint64_t id = 1; id <= TRIO_SERVERS; id++) {
        EXPECT_INT(w.replicas[id].applied, 4);
        EXPECT(directory_hash(server_directory(trio_at(&w, id))) == directory_hash(server_directory(trio_at(&w, 1))));
    }
    trio_end(&w);
}

TEST(who_does_not_lead_names_the_leader)
{
    struct trio w;
    struct outcome proposed = {0}, read = {0}, confirmed = {0};
    trio_begin(&w);
    trio_propose(&w, 2, trio_founding(), &proposed);
    server_read(trio_at(&w, 3), trio_note, &read);
    server_confirm(trio_at(&w, 3), trio_note, &confirmed);
    EXPECT(outcome_is_nowhere(&proposed, 1) && outcome_is_nowhere(&read, 1) && outcome_is_nowhere(&confirmed, 1));
    EXPECT(!proposed.has_result);
    trio_run_ms(&w, 100);
    EXPECT_INT(directory_index(server_directory(trio_at(&w, 1))), 0);
    EXPECT_INT(proposed.times, 1);
    trio_end(&w);
}

TEST(nobody_leads_before_the_first_election)
{
    struct trio w;
    struct outcome proposed = {0}, read = {0};
    trio_init(&w);
    trio_start(&w, 2);
    trio_propose(&w, 2, trio_founding(), &proposed);
    server_read(trio_at(&w, 2), trio_note, &read);
    EXPECT(outcome_is_nowhere(&proposed, 0) && outcome_is_nowhere(&read, 0));
    trio_end(&w);
}

TEST(a_deposed_leader_does_not_know_what_came_of_it)
{
    struct trio w;
    struct outcome proposed = {0}, late = {0};
    trio_begin(&w);
    trio_propose(&w, 1, trio_founding(), &proposed);
    uint64_t leader = trio_depose(&w);
    EXPECT_INT(proposed.times, 0);
    w.replicas[1].is_still = false;
    trio_run_ms(&w, 500);
    EXPECT(proposed.times == 1 && proposed.outcome == LETTER_UNKNOWN);
    trio_propose(&w, 1, trio_founding(), &late);
    EXPECT(outcome_is_nowhere(&late, leader));
    trio_run_ms(&w, 200);
    EXPECT(proposed.times == 1 && late.times == 1);
    trio_end(&w);
}

/* Its entry got through, and is committed by the next leader: whoever proposed it has been told that nobody knows. */
TEST(an_answer_comes_once)
{
    struct trio w;
    struct outcome proposed = {0};
    trio_begin(&w);
    trio_propose(&w, 1, trio_founding(), &proposed);
    w.replicas[2].is_mute = w.replicas[3].is_mute =
        true; /* they hear of it, and that is the last that is heard of them */
    trio_run_ms(&w, 100);
    w.replicas[2].is_mute = w.replicas[3].is_mute = false;
    uint64_t leader = trio_depose(&w);
    EXPECT_INT(directory_index(server_directory(trio_at(&w, leader))), 1);
    EXPECT_INT(proposed.times, 0);
    w.replicas[1].is_still = false;
    trio_run_ms(&w, 500);
    EXPECT_INT(directory_index(server_directory(trio_at(&w, 1))), 1);
    EXPECT(proposed.times == 1 && proposed.outcome == LETTER_UNKNOWN);
    trio_end(&w);
}

/* A crash loses what was not durable, and nothing that was answered. */
TEST(starts_again_from_its_disk)
{
    struct trio w;
    struct outcome proposed = {0}, lost = {0};
    trio_init(&w);
    trio_start(&w, 1);
    trio_run_ms(&w, 1000);
    trio_propose(&w, 1, trio_founding(), &proposed);
    trio_run_ms(&w, 100);
    REQUIRE(outcome_is_done(&proposed));
    uint64_t hash = directory_hash(server_directory(trio_at(&w, 1)));
    trio_propose(&w, 1, registration(1, 1), &lost);
    trio_stop(&w, 1);
    trio_start(&w, 1);
    trio_run_ms(&w, 1000);
    EXPECT_INT(lost.times, 0); /* whoever waited is gone as well */
    EXPECT(server_is_ready(trio_at(&w, 1)));
    EXPECT(directory_hash(server_directory(trio_at(&w, 1))) == hash);
    trio_end(&w);
}

TEST_MAIN()
