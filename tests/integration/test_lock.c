/* The builtin type lock on a real node: one holder, growing tokens, leases that end, who waits comes next. */
#include "tests/integration/world.h"

static bool is_held_by(struct pdr_outcome o, const char *want)
{
    struct pdr_bytes who;
    return o.status == PDR_OK && pdr_value_bytes(pdr_value_get(o.result, "holder"), &who) &&
           pdr_bytes_equal(who, pdr_str(want));
}

TEST(one_holder_and_growing_tokens)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT(is_nil(ask(&w, "lock/a", "holder", 0, "")));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 60000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 50000), "token"), 1);
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "s", "bob"), "locked"));
    EXPECT(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "ann"));
    EXPECT(is_true(ask(&w, "lock/a", "check", 0, "i", 1), true));
    EXPECT_INT(number_in(ask(&w, "lock/a", "renew", 0, "i", 1), "lease_ms"), 50000);
    EXPECT_INT(number_in(ask(&w, "lock/a", "renew", 0, "ii", 1, 40000), "lease_ms"), 40000);
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 1), true));
    EXPECT(is_true(ask(&w, "lock/a", "check", 0, "i", 1), false));
    EXPECT(is_code(ask(&w, "lock/a", "release", 0, "i", 1), "stale_token"));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "s", "ann"), "token"), 2); /* a new lease, a new token */
    EXPECT(is_code(ask(&w, "lock/a", "renew", 0, "i", 1), "stale_token"));
    EXPECT(is_code(ask(&w, "lock/a", "renew", 0, "i", 3), "stale_token"));
    stop(&w);
}

TEST(tokens_grow_across_restarts)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 60000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/b", "acquire", 0, "si", "ann", 60000), "token"), 1);
    EXPECT(is_true(ask(&w, "lock/b", "release", 0, "i", 1), true));
    stop(&w);
    start(&w);
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "s", "bob"), "locked"));
    EXPECT(is_true(ask(&w, "lock/a", "check", 0, "i", 1), true));
    EXPECT_INT(number_in(ask(&w, "lock/b", "acquire", 0, "s", "bob"), "token"), 2);
    stop(&w);
}

TEST(a_lease_ends_by_itself)
{
    struct world w = {.options.idle_ms = 10};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 30), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/b", "acquire", 0, "si", "ann", 30), "token"), 1);
    EVENTUALLY(is_true(ask(&w, "lock/a", "check", 0, "i", 1), false));
    EXPECT(is_code(ask(&w, "lock/a", "renew", 0, "i", 1), "stale_token"));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "s", "bob"), "token"), 2);
    stop(&w);
    start(&w);
    EXPECT(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "bob"));
    EXPECT(is_nil(ask(&w, "lock/b", "holder", 0, "")));
    stop(&w);
}

TEST(who_waits_comes_next_in_order)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 60000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "bob", 60000, 60000), "place"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "cyd", 60000, 60000), "place"), 2);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "dan", 60000, 60000), "place"), 3);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "bob", 60000, 60000), "place"), 1); /* asks again */
    EXPECT(is_true(ask(&w, "lock/a", "leave", 0, "s", "cyd"), true));
    EXPECT(is_true(ask(&w, "lock/a", "leave", 0, "s", "cyd"), false));
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 1), true));
    EXPECT(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "bob"));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "bob", 60000, 60000), "token"), 2);
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 2), true));
    EXPECT(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "dan"));
    EXPECT(is_true(ask(&w, "lock/a", "release", 0, "i", 3), true));
    EXPECT(is_nil(ask(&w, "lock/a", "holder", 0, "")));
    stop(&w);
}

TEST(the_dead_hold_nobody_up)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 1000), "token"), 1);
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "bob", 1, 60000), "place"), 1); /* its lease will end */
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "cyd", 60000, 1), "place"), 2); /* waits no longer */
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "dan", 60000, 60000), "place") >= 2, 1);
    stop(&w); /* the reminder comes in the next life */
    start(&w);
    EVENTUALLY(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "dan"));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "s", "dan"), "token"), 3);
    stop(&w);
}

TEST(anybody_may_call_expire_and_nothing_happens)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT(is_nil(ask(&w, "lock/a", "expire", 0, "")));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", "ann", 60000), "token"), 1);
    EXPECT(is_nil(ask(&w, "lock/a", "expire", 0, "")));
    EXPECT(is_held_by(ask(&w, "lock/a", "holder", 0, ""), "ann"));
    stop(&w);
}

TEST(what_is_refused)
{
    struct world w = {.options.types = NULL};
    char name[140] = "";
    begin(&w);
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "i", 7), "invalid"));
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "ss", "ann", "long"), "invalid"));
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "si", "ann", 0), "invalid"));
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "sii", "ann", 1, -1), "invalid"));
    EXPECT(is_code(ask(&w, "lock/a", "release", 0, "s", "ann"), "invalid"));
    memset(name, 'x', 129);
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "s", name), "invalid"));
    name[128] = 0;
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "si", name, 86400000), "token"), 1);
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "w%d", i);
        EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", name, 1, 86400000), "place"), i + 1);
    }
    EXPECT(is_code(ask(&w, "lock/a", "acquire", 0, "sii", "one more", 1, 1), "overloaded"));
    EXPECT_INT(number_in(ask(&w, "lock/a", "acquire", 0, "sii", "w255", 1, 86400000), "place"), 256);
    stop(&w);
}

TEST_MAIN()
