/* group, alone: who joins, leaves and is lost, the views between, and that events tell all of it. */
#include "actors/builtin/leases.h"

#include "core/base/rng.h"
#include "tests/unit/actors/builtin/small_actor.h"

extern const struct pdr_actor_type pdr_type_group;

static const int64_t minute = 60000;

TEST(views_count_who_comes_and_goes)
{
    small_actor g;
    small_open(&g, &pdr_type_group);
    EXPECT_STR(small_call(&g, "members", ""), "{view: 0, members: []}");
    EXPECT_STR(small_call(&g, "join", "sis", "ann", minute, "10.0.0.1"), "{token: 1, view: 1, lease_ms: 60000}");
    EXPECT_STR(small_events(&g), "{event: joined, member: ann, token: 1, view: 1}");
    EXPECT_STR(small_call(&g, "join", "s", "bob"), "{token: 2, view: 2, lease_ms: 30000}");
    EXPECT_STR(small_call(&g, "heartbeat", "i", 1ll), "{view: 2, lease_ms: 60000}");
    EXPECT_STR(small_events(&g), "");
    EXPECT_STR(small_call(&g, "members", ""), "{view: 2, members: [[ann, 1, 10.0.0.1], [bob, 2, nil]]}");
    EXPECT_STR(small_call(&g, "leave", "i", 1ll), "true");
    EXPECT_STR(small_events(&g), "{event: left, member: ann, token: 1, view: 3}");
    EXPECT_STR(small_call(&g, "leave", "i", 1ll), "!stale_token");
    EXPECT_STR(small_call(&g, "heartbeat", "i", 1ll), "!stale_token");
    EXPECT_STR(small_call(&g, "check", "i", 1ll), "false");
    EXPECT_STR(small_call(&g, "check", "i", 2ll), "true");
    EXPECT_STR(small_call(&g, "join", "s", "ann"), "{token: 3, view: 4, lease_ms: 30000}"); /* anew, without data */
    EXPECT_STR(small_call(&g, "members", ""), "{view: 4, members: [[bob, 2, nil], [ann, 3, nil]]}");
    small_close(&g);
}

TEST(one_that_joins_again_is_as_it_is)
{
    small_actor g;
    small_open(&g, &pdr_type_group);
    small_call(&g, "join", "sis", "ann", minute, "a");
    EXPECT_STR(small_call(&g, "join", "sis", "ann", minute, "a"), "{token: 1, view: 1, lease_ms: 60000}");
    EXPECT_STR(small_events(&g), "");
    EXPECT_STR(small_call(&g, "join", "sis", "ann", minute, "b"), "{token: 1, view: 2, lease_ms: 60000}");
    EXPECT_STR(small_events(&g), "{event: changed, member: ann, token: 1, view: 2}");
    EXPECT_STR(small_call(&g, "join", "s", "ann"), "{token: 1, view: 3, lease_ms: 30000}");
    EXPECT_STR(small_call(&g, "members", ""), "{view: 3, members: [[ann, 1, nil]]}");
    EXPECT_STR(small_call(&g, "join", "sn", "ann"), "{token: 1, view: 3, lease_ms: 30000}");
    small_close(&g);
}

TEST(without_heartbeats_a_member_is_lost)
{
    small_actor g;
    small_open(&g, &pdr_type_group);
    small_call(&g, "join", "sis", "ann", 100ll, "a");
    small_call(&g, "join", "si", "bob", 100ll);
    EXPECT(!small_wait(&g, 90));
    EXPECT_STR(small_call(&g, "heartbeat", "i", 2ll), "{view: 2, lease_ms: 100}");
    EXPECT(small_wait(&g, 10));
    EXPECT_STR(small_events(&g), "{event: lost, member: ann, token: 1, view: 3}");
    EXPECT_STR(small_call(&g, "heartbeat", "i", 1ll), "!stale_token");
    g.now_ms += 90; /* bob's is over too; nobody has ended it yet */
    EXPECT_STR(small_call(&g, "members", ""), "{view: 3, members: [[bob, 2, nil]]}");
    EXPECT_STR(small_call(&g, "check", "i", 2ll), "false");
    g.now_ms += 10;
    EXPECT_STR(small_call(&g, "heartbeat", "i", 2ll), "!stale_token");
    EXPECT(small_wait(&g, 0));
    EXPECT_STR(small_events(&g), "{event: lost, member: bob, token: 2, view: 4}");
    EXPECT_INT(g.rows.count, 1);
    small_close(&g);
}

TEST(limits_of_a_group)
{
    small_actor g;
    char text[600] = "";
    small_open(&g, &pdr_type_group);
    memset(text, 'x', 510);
    EXPECT_STR(small_call(&g, "join", "sis", "ann", minute, text), "!too_large");
    text[509] = 0; /* with the three bytes of its head: 512 */
    EXPECT_STR(small_call(&g, "join", "sis", "ann", minute, text), "{token: 1, view: 1, lease_ms: 60000}");
    memset(text, 'x', 129);
    text[129] = 0;
    EXPECT_STR(small_call(&g, "join", "s", text), "!invalid");
    text[128] = 0;
    EXPECT_STR(small_call(&g, "join", "s", text), "{token: 2, view: 2, lease_ms: 30000}");
    EXPECT_STR(small_call(&g, "join", "si", "bob", 0ll), "!invalid");
    EXPECT_STR(small_call(&g, "heartbeat", "s", "ann"), "!invalid");
    for (int i = 2; i < 1024; i++) {
        snprintf(text, sizeof text, "m%d", i);
        REQUIRE(small_call(&g, "join", "s", text)[0] == '{');
    }
    EXPECT_STR(small_call(&g, "join", "s", "one more"), "!overloaded");
    EXPECT_STR(small_call(&g, "join", "s", "m7"), "{token: 8, view: 1024, lease_ms: 30000}");
    EXPECT_STR(small_call(&g, "leave", "i", 8ll), "true");
    EXPECT_STR(small_call(&g, "join", "s", "one more"), "{token: 1025, view: 1026, lease_ms: 30000}");
    small_close(&g);
}

/* A watcher that reads `members` once, and then does what events say, has the list of every view. */

#define NAMES 8

struct watcher {
    int64_t view, tokens[NAMES]; /* of each member; 0: not there */
};

static void hear(struct watcher *watcher, struct pdr_bytes events)
{
    while (events.size > 0) {
        pdr_value event = pdr_value_next(&events);
        struct pdr_bytes what, member;
        int64_t view = 0, token = 0;
        REQUIRE(pdr_value_bytes(pdr_value_get(event, "event"), &what));
        REQUIRE(pdr_value_bytes(pdr_value_get(event, "member"), &member));
        REQUIRE(pdr_value_int(pdr_value_get(event, "view"), &view));
        REQUIRE(pdr_value_int(pdr_value_get(event, "token"), &token));
        int64_t *known = &watcher->tokens[((const char *)member.data)[1] - '0'];
        EXPECT_INT(view, watcher->view + 1);
        watcher->view = view;
        if (pdr_bytes_equal(what, pdr_str("joined"))) {
            EXPECT_INT(*known, 0);
            *known = token;
        } else {
            EXPECT_INT(*known, token);
            *known = pdr_bytes_equal(what, pdr_str("changed")) ? token : 0;
        }
    }
}

static void compare(struct watcher *watcher, small_actor *g)
{
    int64_t tokens[NAMES] = {0}, view = 0;
    small_call(g, "members", "");
    pdr_value all = pdr_value_get(pdr_written(&g->reply), "members");
    pdr_value_int(pdr_value_get(pdr_written(&g->reply), "view"), &view);
    EXPECT_INT(view, watcher->view);
    for (uint32_t i = 0; i < pdr_value_count(all); i++) {
        struct pdr_bytes name;
        REQUIRE(pdr_value_bytes(pdr_value_at(pdr_value_at(all, i), 0), &name));
        pdr_value_int(pdr_value_at(pdr_value_at(all, i), 1), &tokens[((const char *)name.data)[1] - '0']);
    }
    EXPECT(memcmp(tokens, watcher->tokens, sizeof tokens) == 0);
}

static void play(uint64_t seed)
{
    static small_actor g;
    struct watcher watcher = {.view = 0};
    struct rng rng;
    rng_seed(&rng, seed);
    small_open(&g, &pdr_type_group);
    for (int i = 0; i < 2000; i++) {
        char name[16];
        uint64_t what = rng_below(&rng, 10);
        int64_t token = watcher.tokens[rng_below(&rng, NAMES)];
        snprintf(name, sizeof name, "n%d", (int)rng_below(&rng, NAMES));
        if (small_wait(&g, (int64_t)rng_below(&rng, 30))) {
            hear(&watcher, pdr_written(&g.events));
        }
        if (what < 5) {
            small_call(&g, "join", what < 2 ? "si" : "sis", name, (int64_t)(1 + rng_below(&rng, 300)),
                       rng_below(&rng, 2) ? "here" : "there");
        } else if (what < 8) {
            small_call(&g, "heartbeat", "i", token);
        } else {
            small_call(&g, "leave", "i", token);
        }
        hear(&watcher, pdr_written(&g.events));
        compare(&watcher, &g);
    }
    EXPECT(watcher.view > 500);
    small_close(&g);
}

TEST(events_tell_every_view)
{
    for (uint64_t k = 0; k < 20; k++) {
        play(test_seed() + k);
    }
}

TEST_MAIN()
