/* tests/unit/consensus/test_member_feed.c: pages of the feed, in whatever order they come. */
#include "consensus/member.h"

#include "tests/lib/lone_member.h"
#include "tests/lib/test.h"

TEST(a_page_of_one_who_knows_less_does_not_loop)
{
    struct lone w;
    lone_begin(&w);
    lone_is_let_in(&w);
    uint64_t index = directory_index(w.directory);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_NEWS, .news = {index + 5}});
    EXPECT_INT(post_drop(&w.post, LETTER_ASK), 1);
    for (int i = 0; i < 10; i++) {
        lone_gets_page(&w, 3, i % 2 == 0 ? index : 0, LETTER_PAGE_BYTES); /* nothing that it has not */
        EXPECT_INT(post_drop(&w.post, LETTER_ASK), 0);
    }
    lone_run_ms(&w, 195);
    EXPECT_INT(post_drop(&w.post, LETTER_ASK), 0);
    lone_run_ms(&w, 10);
    EXPECT_INT(post_drop(&w.post, LETTER_ASK), 1); /* somebody said that there is more */
    EXPECT(member_view(w.member)->index == index);
    lone_end(&w);
}

TEST(a_feed_of_many_pages_comes_one_after_the_other)
{
    struct lone w;
    struct letter ask;
    int pages = 0;
    lone_begin(&w);
    lone_run_ms(&w, 10);
    REQUIRE(lone_proposes(&w, 2));
    for (uint64_t whom; (whom = lone_take_any(&w, LETTER_ASK, &ask)) != 0;) {
        EXPECT(ask.ask.since == member_view(w.member)->cursor);
        lone_gets_page(&w, whom, ask.ask.since, 1);
        lone_gets_page(&w, whom, ask.ask.since, 1); /* twice: what is not news asks for nothing */
        pages++;
    }
    EXPECT(pages > 5 && member_is_registered(w.member));
    EXPECT(member_view(w.member)->index == directory_index(w.directory));
    lone_end(&w);
}

TEST(a_page_with_a_gap_is_refused)
{
    struct lone w;
    lone_begin(&w);
    lone_run_ms(&w, 10);
    REQUIRE(lone_proposes(&w, 2));
    post_drop(&w.post, LETTER_ASK);
    lone_gets_page(&w, 2, 3, LETTER_PAGE_BYTES);
    EXPECT(member_view(w.member)->index == 0 && !member_is_registered(w.member));
    EXPECT_INT(post_drop(&w.post, LETTER_ASK), 0);
    lone_hears(&w, 2, (struct letter){.kind = LETTER_PAGE, .page = {pdr_str("no page")}});
    EXPECT(w.rows_changed == 0);
    lone_run_ms(&w, 205);
    REQUIRE(lone_asks(&w, 2));
    EXPECT(member_is_registered(w.member) && w.rows_changed == 1);
    lone_end(&w);
}

TEST_MAIN()
