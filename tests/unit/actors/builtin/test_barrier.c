/* barrier, alone: generations that end once and for all, parties that are lost, and against a model by chance. */
#include "actors/builtin/leases.h"

#include "core/base/rng.h"
#include "tests/unit/actors/builtin/small_actor.h"

extern const struct pdr_actor_type pdr_type_barrier;

static const int64_t minute = 60000;

TEST(the_last_releases_all)
{
    small_actor b;
    small_open(&b, &pdr_type_barrier);
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 1, parties: 0, waiting: []}");
    EXPECT_STR(small_call(&b, "arrive", "s", "ann"), "!invalid"); /* how many? */
    EXPECT_STR(small_call(&b, "arrive", "si", "ann", 3ll), "{generation: 1, outcome: waiting, arrived: 1, parties: 3}");
    EXPECT_STR(small_events(&b), "");
    EXPECT_STR(small_call(&b, "arrive", "si", "ann", 3ll), "{generation: 1, outcome: waiting, arrived: 1, parties: 3}");
    EXPECT_STR(small_call(&b, "arrive", "si", "bob", 2ll), "!other_parties");
    EXPECT_STR(small_call(&b, "arrive", "s", "bob"), "{generation: 1, outcome: waiting, arrived: 2, parties: 3}");
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 1, parties: 3, waiting: [ann, bob]}");
    EXPECT_STR(small_call(&b, "outcome", "i", 1ll), "waiting");
    EXPECT_STR(small_call(&b, "arrive", "s", "cyd"), "{generation: 1, outcome: released, arrived: 3, parties: 3}");
    EXPECT_STR(small_events(&b), "{event: released, generation: 1}");
    EXPECT_STR(small_call(&b, "outcome", "i", 1ll), "released");
    EXPECT_STR(small_call(&b, "outcome", "i", 3ll), "nil");
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 2, parties: 3, waiting: []}");
    EXPECT(!b.reminder.is_set);
    EXPECT_INT(b.rows.count, 2); /* numbers, its own and those of leases */
    /* Between generations it may become one of others. */
    EXPECT_STR(small_call(&b, "arrive", "si", "ann", 1ll),
               "{generation: 2, outcome: released, arrived: 1, parties: 1}");
    small_close(&b);
}

/* Who names its generation may ask again without coming to the next by mistake. */
TEST(one_that_asks_again_late)
{
    small_actor b;
    small_open(&b, &pdr_type_barrier);
    small_call(&b, "arrive", "siii", "ann", 2ll, minute, 1ll);
    small_call(&b, "arrive", "siii", "bob", 2ll, minute, 1ll);
    EXPECT_STR(small_call(&b, "arrive", "siii", "ann", 2ll, minute, 1ll),
               "{generation: 1, outcome: released, arrived: 0, parties: 2}");
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 2, parties: 2, waiting: []}");
    EXPECT_STR(small_call(&b, "arrive", "siii", "ann", 2ll, minute, 3ll), "!no_such_generation");
    EXPECT_STR(small_call(&b, "arrive", "siii", "ann", 2ll, minute, 2ll),
               "{generation: 2, outcome: waiting, arrived: 1, parties: 2}");
    EXPECT_STR(small_call(&b, "leave", "si", "ann", 1ll), "false"); /* of another generation */
    EXPECT_STR(small_call(&b, "break", "i", 1ll), "false");
    EXPECT_STR(small_call(&b, "leave", "si", "ann", 2ll), "true");
    EXPECT_STR(small_events(&b), "{event: left, generation: 2, party: ann, arrived: 0}");
    EXPECT_STR(small_call(&b, "leave", "s", "ann"), "false");
    small_close(&b);
}

TEST(a_party_that_dies_has_not_arrived)
{
    small_actor b;
    small_open(&b, &pdr_type_barrier);
    small_call(&b, "arrive", "sii", "ann", 3ll, 100ll);
    small_call(&b, "arrive", "sii", "bob", 3ll, minute);
    EXPECT(small_wait(&b, 100));
    EXPECT_STR(small_events(&b), "{event: lost, generation: 1, party: ann, arrived: 1}");
    EXPECT_STR(small_call(&b, "arrive", "sii", "cyd", 3ll, minute),
               "{generation: 1, outcome: waiting, arrived: 2, parties: 3}");
    EXPECT_STR(small_call(&b, "arrive", "sii", "dan", 3ll, minute), /* in ann's stead */
               "{generation: 1, outcome: released, arrived: 3, parties: 3}");
    small_call(&b, "arrive", "sii", "ann", 3ll, 100ll);
    b.now_ms += 100; /* the reminder has not come yet */
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 2, parties: 3, waiting: []}");
    EXPECT_STR(small_call(&b, "arrive", "sii", "bob", 2ll, 100ll),
               "{generation: 2, outcome: waiting, arrived: 1, parties: 2}");
    small_close(&b);
}

TEST(one_that_is_broken_is_so_for_all)
{
    small_actor b;
    small_open(&b, &pdr_type_barrier);
    small_call(&b, "arrive", "si", "ann", 3ll);
    small_call(&b, "arrive", "si", "bob", 3ll);
    EXPECT_STR(small_call(&b, "break", "i", 1ll), "true");
    EXPECT_STR(small_events(&b), "{event: broken, generation: 1}");
    EXPECT_STR(small_call(&b, "break", "i", 1ll), "false");
    EXPECT_STR(small_call(&b, "outcome", "i", 1ll), "broken");
    EXPECT_STR(small_call(&b, "arrive", "siii", "cyd", 3ll, minute, 1ll),
               "{generation: 1, outcome: broken, arrived: 0, parties: 3}");
    EXPECT_STR(small_call(&b, "state", ""), "{generation: 2, parties: 3, waiting: []}");
    for (int i = 0; i < 256; i++) { /* so many outcomes are remembered */
        EXPECT_STR(small_call(&b, "outcome", "i", 1ll), "broken");
        EXPECT(small_call(&b, "arrive", "si", "ann", 1ll)[0] == '{');
    }
    EXPECT_STR(small_call(&b, "outcome", "i", 1ll), "nil");
    EXPECT_STR(small_call(&b, "outcome", "i", 2ll), "released");
    EXPECT_INT(b.rows.count, 2);
    small_close(&b);
}

TEST(limits_of_a_barrier)
{
    small_actor b;
    char name[140] = "";
    small_open(&b, &pdr_type_barrier);
    EXPECT_STR(small_call(&b, "arrive", "si", "ann", 1025ll), "!invalid");
    EXPECT_STR(small_call(&b, "arrive", "si", "ann", 0ll), "!invalid");
    EXPECT_STR(small_call(&b, "arrive", ""), "!invalid");
    EXPECT_STR(small_call(&b, "arrive", "sii", "ann", 2ll, 86400001ll), "!invalid");
    EXPECT_STR(small_call(&b, "outcome", "i", 0ll), "!invalid");
    for (int i = 1; i < 1024; i++) {
        snprintf(name, sizeof name, "p%0127d", i);
        REQUIRE(small_call(&b, "arrive", "si", name, 1024ll)[0] == '{');
    }
    EXPECT_STR(small_call(&b, "arrive", "si", "last", 1024ll),
               "{generation: 1, outcome: released, arrived: 1024, parties: 1024}");
    EXPECT_INT(b.rows.count, 2);
    small_close(&b);
}

/* The model. */

#define NAMES 6

struct play {
    small_actor actor;
    struct rng rng;
    int64_t generation, parties, now_ms;
    int64_t until_ms[NAMES]; /* 0: has not arrived */
    bool broken[10000];
};

static int64_t below(struct play *p, uint64_t n)
{
    return (int64_t)rng_below(&p->rng, n);
}

static int settle(struct play *p)
{
    int there = 0;
    for (int i = 0; i < NAMES; i++) {
        p->until_ms[i] = p->until_ms[i] <= p->now_ms ? 0 : p->until_ms[i];
        there += p->until_ms[i] > 0;
    }
    return there;
}

static void end_generation(struct play *p, bool broken)
{
    p->broken[p->generation++] = broken;
    memset(p->until_ms, 0, sizeof p->until_ms);
}

static const char *outcome_of(const struct play *p, int64_t generation)
{
    return generation == p->generation ? "waiting" : p->broken[generation] ? "broken" : "released";
}

static void play_arrive(struct play *p, const char *name, int k, char *want, size_t size)
{
    int64_t generation = p->generation - (below(p, 8) == 0 && p->generation > 1), lease_ms = 1 + below(p, 200);
    int64_t parties = below(p, 10) == 0 ? 2 + below(p, NAMES - 1) : p->parties;
    int there = settle(p);
    small_call(&p->actor, "arrive", "siii", name, parties, lease_ms, generation);
    if (generation < p->generation) {
        there = 0;
    } else if (parties != p->parties && there > 0) {
        snprintf(want, size, "!other_parties");
        return;
    } else {
        p->parties = parties;
        there += p->until_ms[k] == 0;
        p->until_ms[k] = p->now_ms + lease_ms;
        if (there == parties) {
            end_generation(p, false);
        }
    }
    snprintf(want, size, "{generation: %lld, outcome: %s, arrived: %d, parties: %lld}", (long long)generation,
             outcome_of(p, generation), there, (long long)p->parties);
}

static void play(uint64_t seed)
{
    static struct play p;
    char want[256], name[16];
    memset(&p, 0, sizeof p);
    rng_seed(&p.rng, seed);
    small_open(&p.actor, &pdr_type_barrier);
    p.generation = 1;
    p.parties = 3;
    p.now_ms = p.actor.now_ms;
    for (int i = 0; i < 3000; i++) {
        int k = (int)below(&p, NAMES);
        uint64_t what = rng_below(&p.rng, 100);
        p.now_ms += below(&p, 30);
        if (below(&p, 2) == 0) {
            p.actor.now_ms = p.now_ms;
        } else {
            small_wait(&p.actor, p.now_ms - p.actor.now_ms);
        }
        settle(&p);
        snprintf(name, sizeof name, "n%d", k);
        if (what < 80) {
            play_arrive(&p, name, k, want, sizeof want);
        } else if (what < 90) {
            small_call(&p.actor, "leave", "s", name);
            snprintf(want, sizeof want, "%s", p.until_ms[k] > 0 ? "true" : "false");
            p.until_ms[k] = 0;
        } else if (what < 93) {
            small_call(&p.actor, "break", "i", p.generation);
            snprintf(want, sizeof want, "true");
            end_generation(&p, true);
        } else {
            int64_t generation = p.generation - below(&p, p.generation < 200 ? (uint64_t)p.generation : 200);
            small_call(&p.actor, "outcome", "i", generation);
            snprintf(want, sizeof want, "%s", outcome_of(&p, generation));
        }
        if (strcmp(p.actor.text, want) != 0) {
            fprintf(stderr, "seed %llu step %d:\n%s\nis not\n%s\n", (unsigned long long)seed, i, p.actor.text, want);
            REQUIRE(!"as the model");
        }
    }
    EXPECT(p.generation > 100);
    small_close(&p.actor);
}

TEST(a_barrier_is_as_the_model)
{
    for (uint64_t k = 0; k < 20; k++) {
        play(test_seed() + k);
    }
}

TEST_MAIN()
