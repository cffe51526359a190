/* The builtin types semaphore, barrier and group, and a lock that is shared, on a real node: their leases end by real
 * time, and what was answered is there after a restart. (What they do in every case: tests/unit/actors/builtin.) */
#include "tests/integration/world.h"

static uint32_t count(struct pdr_outcome o, const char *key)
{
    return pdr_value_count(pdr_value_get(o.result, key));
}

TEST(those_who_share_a_lock_do_so_after_a_restart)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire_shared", 0, "si", "ann", 60000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire_shared", 0, "si", "bob", 60000), "token"), 2);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "cyd", 60000, 60000), "place"), 1);
    stop(&w);
    start(&w);
    EXPECT_INT(count(ask(&w, "lock/a", "holders", 0, ""), "holders"), 2);
    EXPECT(is_code(ask(&w, "lock/a", "acquire_shared", 0, "s", "dan"), "locked"));
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 1), true));
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 2), true));
    EXPECT(is_true(ask(&w, "lock/a", "check", 0, "i", 3), true));
    stop(&w);
}

TEST(permits_come_back_by_themselves)
{
    struct world w = {.options.idle_ms = 10};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "semaphore/a", "resize", 0, "i", 3), "permits"), 3);
    EXPECT_INT(number_in(ask(&w, "semaphore/a", "acquire", 0, "sii", "ann", 2, 1000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "semaphore/a", "acquire", 0, "siii", "bob", 2, 60000, 60000), "place"), 1);
    EXPECT(is_code(ask(&w, "semaphore/a", "acquire", 0, "s", "cyd"), "no_permits"));
    stop(&w); /* ann's lease ends in the next life, or has ended before it */
    start(&w);
    EVENTUALLY(is_true(ask(&w, "semaphore/a", "check", 0, "i", 2), true));
    EXPECT_INT(number_in(ask(&w, "semaphore/a", "state", 0, ""), "free"), 1);
    EXPECT_INT(number_in(ask(&w, "semaphore/a", "acquire", 0, "sii", "bob", 2, 60000), "token"), 2);
    stop(&w);
}

TEST(parties_meet_across_a_restart)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "barrier/a", "arrive", 0, "siii", "ann", 3, 60000, 1), "arrived"), 1);
    EXPECT_INT(number_in(ask(&w, "barrier/a", "arrive", 0, "siii", "bob", 3, 60000, 1), "arrived"), 2);
    stop(&w);
    start(&w);
    EXPECT_INT(count(ask(&w, "barrier/a", "state", 0, ""), "waiting"), 2);
    EXPECT_INT(number_in(ask(&w, "barrier/a", "arrive", 0, "siii", "cyd", 3, 60000, 1), "arrived"), 3);
    EXPECT(is_bytes(ask(&w, "barrier/a", "outcome", 0, "i", 1), "released"));
    EXPECT(is_true(ask(&w, "barrier/a", "break", 0, "i", 2), true));
    stop(&w);
    start(&w);
    EXPECT(is_bytes(ask(&w, "barrier/a", "outcome", 0, "i", 1), "released"));
    EXPECT(is_bytes(ask(&w, "barrier/a", "outcome", 0, "i", 2), "broken"));
    EXPECT_INT(number_in(ask(&w, "barrier/a", "state", 0, ""), "generation"), 3);
    stop(&w);
}

TEST(a_party_is_lost_by_time)
{
    struct world w = {.options.idle_ms = 10};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "barrier/a", "arrive", 0, "sii", "ann", 2, 30), "arrived"), 1);
    EVENTUALLY(count(ask(&w, "barrier/a", "state", 0, ""), "waiting") == 0);
    EXPECT_INT(number_in(ask(&w, "barrier/a", "arrive", 0, "sii", "bob", 2, 60000), "arrived"), 1);
    stop(&w);
}

TEST(members_are_lost_by_time)
{
    struct world w = {.options.idle_ms = 10};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "group/a", "join", 0, "sis", "ann", 60000, "10.0.0.1:80"), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "group/a", "join", 0, "si", "bob", 50), "view"), 2);
    EVENTUALLY(number_in(ask(&w, "group/a", "members", 0, ""), "view") == 3);
    EXPECT(is_code(ask(&w, "group/a", "heartbeat", 0, "i", 2), "stale_token"));
    stop(&w);
    start(&w);
    EXPECT_INT(count(ask(&w, "group/a", "members", 0, ""), "members"), 1);
    EXPECT_INT(number_in(ask(&w, "group/a", "heartbeat", 0, "i", 1), "view"), 3);
    EXPECT_INT(number_in(ask(&w, "group/a", "join", 0, "s", "bob"), "token"), 3);
    stop(&w);
}

/* The largest group there may be is one answer. */
TEST(all_members_fit_an_answer)
{
    struct world w = {.options.types = NULL};
    char name[140], data[512];
    memset(data, 'x', sizeof data);
    data[509] = 0;
    begin(&w);
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof name, "m%0127d", i);
        struct pdr_outcome o = ask(&w, "group/a", "join", 0, "sis", name, 86400000, data);
        REQUIRE(o.status == PDR_OK);
    }
    EXPECT_INT(count(ask(&w, "group/a", "members", 0, ""), "members"), 1024);
    EXPECT(is_code(ask(&w, "group/a", "join", 0, "s", "one more"), "overloaded"));
    stop(&w);
}

TEST_MAIN()
