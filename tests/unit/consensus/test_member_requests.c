/* tests/unit/consensus/test_member_requests.c: proposals and reads that are sent, lost, refused and late. */
#include "consensus/member.h"

#include "tests/lib/lone_member.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

struct outcome {
    uint32_t times;
    struct member_answer answer;
    uint64_t at_ns;
    struct lone *world;
};

static void note(void *user, const struct member_answer *answer)
{
    struct outcome *out = user;
    out->times++;
    out->answer = *answer;
    out->at_ns = out->world->clock.now_ns;
}

static void propose_touch(struct lone *w, uint64_t deadline_ms, struct outcome *out)
{
    struct command touch = {.kind = COMMAND_TOUCH, .touch = {.shard = 0, .cv = 99}};
    out->world = w;
    out->at_ns = 0;
    member_propose(w->member, &touch, deadline_ms, note, out);
}

TEST(a_proposal_that_was_sent_is_unknown)
{
    struct lone w;
    struct outcome soon = {0}, later = {0}, told = {0};
    struct letter letter;
    lone_begin(&w);
    lone_is_let_in(&w);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {1}});
    uint64_t from_ns = w.clock.now_ns;
    propose_touch(&w, 100, &soon);
    propose_touch(&w, 5000, &later);
    EXPECT_INT(post_drop(&w.post, LETTER_PROPOSE), 2);
    propose_touch(&w, 5000, &told);
    REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &letter));
    lone_hears(&w, 2, lone_answer(letter.propose.no, LETTER_UNKNOWN, 0));
    EXPECT(told.times == 1 && told.answer.outcome == LETTER_UNKNOWN);
    lone_run_ms(&w, 1000);
    EXPECT(soon.times == 1 && soon.answer.outcome == LETTER_UNKNOWN && soon.at_ns == from_ns + 100 * NS_PER_MS);
    EXPECT(later.times == 1 && later.answer.outcome == LETTER_UNKNOWN && later.at_ns == from_ns + 400 * NS_PER_MS);
    EXPECT_INT(post_drop(&w.post, LETTER_PROPOSE), 0); /* it is its proposer's to make again */
    lone_end(&w);
}

TEST(a_proposal_that_nobody_took_is_nowhere)
{
    struct lone w;
    struct outcome lonely = {0}, sent_around = {0};
    struct letter letter;
    int asked = 0;
    lone_begin_knowing(&w, 0);
    propose_touch(&w, 300, &lonely);
    lone_run_ms(&w, 299);
    EXPECT_INT(lonely.times, 0);
    lone_run_ms(&w, 1);
    EXPECT(lonely.times == 1 && lonely.answer.outcome == LETTER_NOWHERE && lonely.answer.text.size > 0);
    lone_end(&w);
    lone_begin(&w);
    lone_is_let_in(&w);
    propose_touch(&w, 1000, &sent_around);
    for (int i = 0; i < 300; i++) {
        uint64_t node = lone_take_any(&w, LETTER_PROPOSE, &letter);
        if (node != 0) {
            asked++;
            lone_hears(&w, node, lone_answer(letter.propose.no, LETTER_NOWHERE, 0));
        }
        lone_run_ms(&w, 5);
    }
    EXPECT(asked > 10 && asked < 30); /* now and then, not in a loop */
    EXPECT(sent_around.times == 1 && sent_around.answer.outcome == LETTER_NOWHERE);
    lone_end(&w);
}

TEST(a_proposal_follows_the_hint)
{
    struct lone w;
    struct outcome outcome = {0};
    struct letter letter;
    lone_begin(&w);
    lone_is_let_in(&w);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {1}});
    propose_touch(&w, 1000, &outcome);
    REQUIRE(post_take(&w.post, 2, LETTER_PROPOSE, &letter));
    lone_hears(&w, 2, lone_answer(letter.propose.no, LETTER_NOWHERE, 4));
    lone_run_ms(&w, 60);
    REQUIRE(lone_proposes(&w, 4));
    EXPECT(outcome.times == 1 && outcome.answer.outcome == LETTER_DONE);
    EXPECT_INT(outcome.answer.code, DIRECTORY_CV); /* refused is done */
    EXPECT_INT(outcome.answer.dir_index, directory_index(w.directory));
    REQUIRE(lone_asks(&w, 4)); /* the view follows */
    EXPECT(member_view(w.member)->index == outcome.answer.dir_index);
    lone_end(&w);
}

TEST(a_read_is_asked_until_its_deadline)
{
    struct lone w;
    struct outcome lost = {.world = &w}, read = {.world = &w};
    struct letter letter;
    lone_begin(&w);
    lone_is_let_in(&w);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {1}});
    member_read(w.member, 300, note, &lost);
    member_read(w.member, 2000, note, &read);
    REQUIRE(post_take(&w.post, 2, LETTER_READ, &letter) && post_take(&w.post, 2, LETTER_READ, &letter));
    lone_run_ms(&w, 300);
    EXPECT(lost.times == 1 && lost.answer.outcome == LETTER_NOWHERE); /* a read changes nothing: no doubt remains */
    lone_run_ms(&w, 100);
    struct letter again;
    REQUIRE(post_take(&w.post, 2, LETTER_READ, &again));
    EXPECT(again.read.no == letter.read.no);
    struct letter done = lone_answer(again.read.no, LETTER_DONE, 0);
    done.answer.dir_index = 42;
    lone_hears(&w, 2, done);
    lone_hears(&w, 2, done);
    EXPECT(read.times == 1 && read.answer.outcome == LETTER_DONE && read.answer.dir_index == 42);
    lone_end(&w);
}

TEST(requests_have_their_limits)
{
    static uint8_t long_tag[LIMIT_COMMAND_BYTES_MAX];
    struct lone w;
    struct outcome outcome = {.world = &w}, over = {.world = &w}, waiting = {.world = &w};
    lone_begin_knowing(&w, 0);
    struct command pin = {
        .kind = COMMAND_PIN,
        .pin = {.type = pdr_str("t"), .tag = pdr_bytes(long_tag, sizeof long_tag), .labels = no_pairs()}};
    member_propose(w.member, &pin, 1000, note, &outcome);
    EXPECT(outcome.times == 1 && outcome.answer.outcome == LETTER_DONE && outcome.answer.code == DIRECTORY_LIMIT);
    for (uint32_t i = 0; i < MEMBER_REQUESTS_MAX; i++) {
        member_read(w.member, 1000, note, &waiting);
    }
    EXPECT_INT(waiting.times, 0);
    member_read(w.member, 1000, note, &over);
    EXPECT(over.times == 1 && over.answer.outcome == LETTER_NOWHERE);
    lone_run_ms(&w, 1000);
    EXPECT_INT(waiting.times, MEMBER_REQUESTS_MAX);
    member_read(w.member, 1000, note, &over);
    EXPECT_INT(over.times, 1);
    lone_end(&w);
}

TEST_MAIN()
