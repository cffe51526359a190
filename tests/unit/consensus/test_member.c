/* tests/unit/consensus/test_member.c: how a member gets in, when it must end, and whom it follows. */
#include "consensus/member.h"

#include "tests/lib/lone_member.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define RENEW_NO(incarnation, n) (((uint64_t)(incarnation) << 32) + (n))

static struct letter grant(uint64_t renew_no, uint64_t dir_index)
{
    return (struct letter){.kind = LETTER_GRANT, .grant = {renew_no, dir_index, LEASE_NS}};
}

static struct letter refusal(uint64_t renew_no, uint64_t leader, enum letter_refusal why)
{
    return (struct letter){.kind = LETTER_NO, .no = {renew_no, leader, (uint8_t)why}};
}

/* Registration. */

TEST(registers_until_it_is_answered)
{
    struct lone w;
    struct letter first, second;
    struct command command;
    struct fault fault;
    uint32_t since;
    lone_begin(&w);
    lone_run_ms(&w, 10);
    REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &first));
    REQUIRE(command_read(first.propose.command, CLUSTER_FORMAT, &command, &since, &fault) == PDR_OK);
    EXPECT(command.kind == COMMAND_REGISTER && command.register_.node == LONE_ID);
    EXPECT(command.register_.incarnation == LONE_INCARNATION && command.register_.boot == LONE_BOOT);
    EXPECT(command.register_.known == LONE_BOOT - 1);
    lone_run_ms(&w, 350);
    EXPECT(!post_take(&w.post, 2, LETTER_PROPOSE, &second)); /* an answer may come yet */
    directory_apply(w.directory, directory_raft_index(w.directory) + 1, first.propose.command);
    lone_run_ms(&w, 150); /* and is lost */
    REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &second));
    EXPECT(second.propose.no != first.propose.no);
    EXPECT(pdr_bytes_equal(second.propose.command, first.propose.command));
    lone_hears(&w, 2, lone_answer(first.propose.no, LETTER_DONE, 0)); /* late: nobody waits for it */
    EXPECT_INT(w.registered, 0);
    const struct directory_result *result =
        directory_apply(w.directory, directory_raft_index(w.directory) + 1, second.propose.command);
    EXPECT_INT(result->code, DIRECTORY_ALREADY); /* to register twice is safe */
    struct letter already = lone_answer(second.propose.no, LETTER_DONE, 0);
    already.answer.code = DIRECTORY_ALREADY;
    already.answer.dir_index = result->dir_index;
    lone_hears(&w, 2, already);
    EXPECT(w.registered == 1 && w.boot == LONE_BOOT && !member_is_registered(w.member));
    REQUIRE(lone_asks(&w, 2));
    EXPECT(member_is_registered(w.member));
    lone_run_ms(&w, 5000);
    EXPECT_INT(post_drop(&w.post, LETTER_PROPOSE), 0);
    EXPECT(w.registered == 1 && w.ended == 0);
    lone_end(&w);
}

TEST(registers_again_while_its_row_does_not_come)
{
    struct lone w;
    lone_begin(&w);
    lone_run_ms(&w, 10);
    REQUIRE(lone_proposes(&w, 2));
    EXPECT_INT(w.registered, 1);
    lone_run_ms(&w, 450);
    EXPECT_INT(post_drop(&w.post, LETTER_PROPOSE), 0);
    lone_run_ms(&w, 100);
    REQUIRE(lone_proposes(&w, 2));
    EXPECT_INT(w.registered, 2); /* with the same boot, which is all that counts */
    EXPECT(w.boot == LONE_BOOT && w.ended == 0);
    lone_end(&w);
}

TEST(a_cluster_that_is_not_founded_is_asked_again)
{
    struct lone w;
    struct letter propose;
    lone_begin(&w);
    for (int round = 0; round < 3; round++) {
        lone_run_ms(&w, round == 0 ? 10 : 530);
        REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &propose));
        struct letter none = lone_answer(propose.propose.no, LETTER_DONE, 0);
        none.answer.code = DIRECTORY_NO_CLUSTER;
        lone_hears(&w, 2, none);
    }
    EXPECT(w.registered == 0 && w.ended == 0);
    lone_end(&w);
}

TEST(who_is_not_let_in_must_end)
{
    struct lone w;
    struct letter letter;
    lone_begin(&w);
    lone_run_ms(&w, 10);
    REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &letter));
    struct letter taken = lone_answer(letter.propose.no, LETTER_DONE, 0);
    taken.answer.code = DIRECTORY_TAKEN;
    taken.answer.text = pdr_str("the name n5 is node 7's");
    lone_hears(&w, 2, taken);
    EXPECT_INT(w.ended, 1);
    EXPECT_STR(w.why, "the cluster does not let this node in: the name n5 is node 7's");
    EXPECT(member_due_ns(w.member) == UINT64_MAX);
    uint32_t sent = w.post.count;
    w.clock.now_ns += 10 * NS_PER_S;
    member_tick(w.member);
    lone_hears(&w, 2, taken);
    EXPECT(w.post.count == sent && w.ended == 1);
    lone_end(&w);
}

/* Leases, and who leads. */

TEST(only_its_own_renewals_end_it)
{
    static const enum letter_refusal whys[] = {LETTER_NO_SUPERSEDED, LETTER_NO_REMOVED};
    static const char *const texts[] = {"another process of this node has registered after this one",
                                        "this node was removed from the cluster"};
    for (int i = 0; i < 2; i++) {
        struct lone w;
        uint64_t to;
        lone_begin(&w);
        lone_is_let_in(&w);
        struct letter renew = lone_renewal(&w, &to);
        EXPECT_INT(renew.renew.incarnation, LONE_INCARNATION);
        lone_hears(&w, to, grant(renew.renew.renew_no, 0));
        EXPECT(member_lease_until(w.member) != 0);
        lone_hears(&w, to, refusal(RENEW_NO(LONE_INCARNATION - 1, 9), 2, whys[i]));
        lone_hears(&w, to, refusal(RENEW_NO(LONE_INCARNATION + 1, 1), 2, whys[i]));
        lone_hears(&w, to, refusal(renew.renew.renew_no + 1, 2, whys[i])); /* not sent yet */
        lone_hears(&w, to, refusal(0, 2, whys[i]));
        EXPECT(w.ended == 0 && member_lease_until(w.member) != 0);
        lone_hears(&w, to, refusal(renew.renew.renew_no, 2, whys[i]));
        EXPECT_INT(w.ended, 1);
        EXPECT_STR(w.why, texts[i]);
        EXPECT(member_lease_until(w.member) == 0);
        lone_end(&w);
    }
}

TEST(a_refusal_that_may_be_out_of_date_ends_nothing)
{
    struct lone w;
    uint64_t to;
    lone_begin(&w);
    lone_is_let_in(&w);
    struct letter renew = lone_renewal(&w, &to);
    lone_hears(&w, to, refusal(renew.renew.renew_no, 2, LETTER_NO_MEMBER)); /* it has not heard of us yet */
    lone_hears(&w, to, refusal(renew.renew.renew_no, 2, LETTER_NO_LEADER));
    lone_run_ms(&w, 600);
    EXPECT(w.ended == 0 && member_is_registered(w.member));
    EXPECT_INT(post_drop(&w.post, LETTER_PROPOSE), 0);
    lone_renewal(&w, &to);
    lone_end(&w);
}

TEST(a_lease_counts_once_the_feed_is_there)
{
    struct lone w;
    uint64_t to;
    lone_begin(&w);
    lone_is_let_in(&w);
    uint64_t index = directory_index(w.directory);
    struct letter renew = lone_renewal(&w, &to);
    EXPECT(renew.renew.feed_index == index);
    set_alive(w.directory, 3, false);
    lone_hears(&w, 2, grant(renew.renew.renew_no, directory_index(w.directory)));
    EXPECT(member_lease_until(w.member) == 0); /* R13 */
    REQUIRE(lone_asks(&w, 2));
    EXPECT(member_lease_until(w.member) > w.clock.now_ns && w.lease_changed == 1);
    lone_hears(&w, 2,
               grant(RENEW_NO(LONE_INCARNATION - 1, renew.renew.renew_no & 0xff), 0)); /* to the process before */
    EXPECT_INT(w.lease_changed, 1);
    lone_end(&w);
}

TEST(who_led_is_forgotten_when_it_is_silent)
{
    struct lone w;
    uint64_t to;
    lone_begin(&w);
    lone_is_let_in(&w);
    EXPECT_INT(member_leader(w.member), 0);
    lone_hears(&w, 3, grant(lone_renewal(&w, &to).renew.renew_no, 0));
    EXPECT_INT(member_leader(w.member), 3);
    lone_renewal(&w, &to);
    EXPECT_INT(to, 3);
    lone_run_ms(&w, 3 * LEASE_RENEW_NS / NS_PER_MS);
    EXPECT_INT(member_leader(w.member), 0);
    bool others = false;
    post_drop(&w.post, LETTER_RENEW);
    for (int i = 0; i < 4; i++) {
        lone_renewal(&w, &to);
        others = others || to != 3;
    }
    EXPECT(others); /* it goes around */
    lone_end(&w);
}

TEST(who_leads_is_hearsay)
{
    struct lone w;
    uint64_t to;
    lone_begin(&w);
    lone_is_let_in(&w);
    struct letter renew = lone_renewal(&w, &to);
    lone_hears(&w, 2, refusal(RENEW_NO(LONE_INCARNATION - 1, 3), 4, LETTER_NO_LEADER));
    EXPECT_INT(member_leader(w.member), 0); /* an answer to the process before */
    lone_hears(&w, 2, refusal(renew.renew.renew_no, 4, LETTER_NO_LEADER));
    EXPECT_INT(member_leader(w.member), 4);
    lone_hears(&w, 4,
               refusal(renew.renew.renew_no, 4, LETTER_NO_LEADER)); /* says that it leads, and that it does not */
    EXPECT_INT(member_leader(w.member), 0);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {1}});
    EXPECT_INT(member_leader(w.member), 2);
    lone_hears(&w, 2, refusal(renew.renew.renew_no, LONE_ID, LETTER_NO_LEADER)); /* we would know */
    EXPECT_INT(member_leader(w.member), 0);
    lone_end(&w);
}

/* What others ask of it. */

TEST(who_does_not_lead_says_so)
{
    struct lone w;
    struct letter letter;
    uint64_t to;
    lone_begin(&w);
    lone_is_let_in(&w);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {1}});
    lone_hears(&w, 3, (struct letter){.kind = LETTER_PROPOSE, .propose = {77, pdr_str("?")}});
    REQUIRE(post_take(&w.post, 3, LETTER_ANSWER, &letter));
    EXPECT(letter.answer.no == 77 && letter.answer.outcome == LETTER_NOWHERE);
    lone_hears(&w, 3, (struct letter){.kind = LETTER_READ, .read = {78}});
    REQUIRE(post_take(&w.post, 3, LETTER_ANSWER, &letter));
    EXPECT(letter.answer.no == 78 && letter.answer.outcome == LETTER_NOWHERE);
    lone_hears(&w, 3, (struct letter){.kind = LETTER_RENEW, .renew = {1, RENEW_NO(1, 5), 0}});
    REQUIRE(post_take(&w.post, 3, LETTER_NO, &letter));
    EXPECT(letter.no.renew_no == RENEW_NO(1, 5) && letter.no.leader == 2 && letter.no.why == LETTER_NO_LEADER);
    lone_hears(&w, 3, (struct letter){.kind = LETTER_ASK, .ask = {1000}}); /* ahead of us */
    EXPECT(!post_take(&w.post, 3, LETTER_PAGE, &letter));
    lone_hears(&w, 3, (struct letter){.kind = LETTER_CONFIRM, .confirm = {1, 1000}});
    EXPECT(!post_take(&w.post, 3, LETTER_CONFIRMED, &letter));
    lone_renewal(&w, &to);
    EXPECT_INT(to, 2);
    lone_end(&w);
}

TEST(what_is_no_letter_changes_nothing)
{
    struct lone w;
    lone_begin(&w);
    lone_is_let_in(&w);
    uint32_t sent = w.post.count;
    for (uint8_t byte = 0; byte < 255; byte++) {
        uint8_t frame[] = {byte, (uint8_t)(byte * 7), 0xc1, byte};
        member_receive(w.member, 3, PEER_DIRECTORY, pdr_bytes(frame, sizeof frame));
        member_receive(w.member, 3, PEER_RAFT, pdr_bytes(frame, sizeof frame));
    }
    lone_hears(&w, 3, lone_answer(1, LETTER_DONE, 0));                       /* to what nobody asked */
    lone_hears(&w, 3, (struct letter){.kind = LETTER_HASH, .hash = {1, 1}}); /* of what it does not have */
    EXPECT(w.post.count == sent && w.ended == 0 && member_is_registered(w.member));
    lone_end(&w);
}

TEST_MAIN()
