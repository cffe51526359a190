/* lock and semaphore, alone: who is served when, leases that end, and both against a model by chance. */
#include "actors/builtin/leases.h"

#include "core/base/rng.h"
#include "tests/unit/actors/builtin/small_actor.h"

extern const struct pdr_actor_type pdr_type_lock, pdr_type_semaphore;

static const int64_t minute = 60000;

static const char *ask(small_actor *lock, const char *method, const char *holder, int64_t lease_ms, int64_t wait_ms)
{
    return small_call(lock, method, "sii", holder, lease_ms, wait_ms);
}

TEST(those_who_share_hold_together)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    EXPECT_STR(ask(&lock, "acquire_shared", "ann", minute, 0), "{token: 1, lease_ms: 60000}");
    EXPECT_STR(small_events(&lock), "{event: acquired, holder: ann, token: 1, mode: shared}");
    EXPECT_STR(ask(&lock, "acquire_shared", "bob", minute, 0), "{token: 2, lease_ms: 60000}");
    EXPECT_STR(small_call(&lock, "holder", ""), "nil"); /* nobody has it alone */
    EXPECT_STR(ask(&lock, "acquire", "cyd", minute, 0), "!locked");
    EXPECT_STR(small_call(&lock, "check", "i", 1ll), "true");
    EXPECT_STR(small_call(&lock, "check", "i", 2ll), "true");
    EXPECT_STR(small_call(&lock, "release", "i", 1ll), "true");
    EXPECT_STR(small_call(&lock, "check", "i", 1ll), "false");
    EXPECT_STR(ask(&lock, "acquire", "cyd", minute, 0), "!locked");
    EXPECT_STR(small_call(&lock, "release", "i", 2ll), "true");
    EXPECT_STR(ask(&lock, "acquire", "cyd", minute, 0), "{token: 3, lease_ms: 60000}");
    EXPECT_STR(ask(&lock, "acquire_shared", "ann", minute, 0), "!locked");
    small_close(&lock);
}

TEST(who_waits_to_be_alone_is_not_starved)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    ask(&lock, "acquire_shared", "ann", minute, 0);
    EXPECT_STR(ask(&lock, "acquire", "bob", minute, minute), "{token: nil, place: 1}");
    EXPECT_STR(ask(&lock, "acquire_shared", "cyd", minute, 0), "!locked"); /* bob came first */
    EXPECT_STR(ask(&lock, "acquire_shared", "dan", minute, minute), "{token: nil, place: 2}");
    EXPECT_STR(ask(&lock, "acquire_shared", "eve", minute, minute), "{token: nil, place: 3}");
    EXPECT_STR(ask(&lock, "acquire", "fay", minute, minute), "{token: nil, place: 4}");
    EXPECT_STR(ask(&lock, "acquire_shared", "gus", minute, minute), "{token: nil, place: 5}");
    EXPECT_STR(small_call(&lock, "release", "i", 1ll), "true");
    EXPECT_STR(small_events(&lock), "{event: released, holder: ann, token: 1, mode: shared} "
                                    "{event: acquired, holder: bob, token: 2, mode: exclusive}");
    EXPECT_STR(small_call(&lock, "release", "i", 2ll), "true");
    EXPECT_STR(small_events(&lock),
               "{event: released, holder: bob, token: 2, mode: exclusive} "
               "{event: acquired, holder: dan, token: 3, mode: shared} "
               "{event: acquired, holder: eve, token: 4, mode: shared}"); /* both; fay comes next */
    EXPECT_STR(small_call(&lock, "leave", "s", "fay"), "true");
    EXPECT_STR(small_events(&lock), "{event: acquired, holder: gus, token: 5, mode: shared}");
    EXPECT_STR(small_call(&lock, "holders", ""),
               "{holders: [{holder: dan, token: 3, mode: shared, left_ms: 60000}, "
               "{holder: eve, token: 4, mode: shared, left_ms: 60000}, "
               "{holder: gus, token: 5, mode: shared, left_ms: 60000}], waiting: []}");
    small_close(&lock);
}

/* One that waits, and gives up by time, does not stand in the way of those behind. */
TEST(a_wait_that_is_over_lets_others_pass)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    ask(&lock, "acquire_shared", "ann", minute, 0);
    ask(&lock, "acquire", "bob", minute, 100);
    ask(&lock, "acquire_shared", "cyd", minute, 1000);
    EXPECT(!small_wait(&lock, 99));
    EXPECT(small_wait(&lock, 1));
    EXPECT_STR(small_events(&lock), "{event: acquired, holder: cyd, token: 2, mode: shared}");
    small_close(&lock);
}

TEST(one_name_holds_one_way)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    ask(&lock, "acquire_shared", "ann", minute, 0);
    EXPECT_STR(ask(&lock, "acquire", "ann", minute, 0), "!other_mode");
    EXPECT_STR(ask(&lock, "acquire", "ann", minute, minute), "!other_mode");
    EXPECT_STR(ask(&lock, "acquire_shared", "ann", 100, 0), "{token: 1, lease_ms: 100}"); /* the same: renewed */
    EXPECT_STR(ask(&lock, "acquire", "bob", minute, minute), "{token: nil, place: 1}");
    EXPECT_STR(ask(&lock, "acquire_shared", "bob", minute, minute), "{token: 2, lease_ms: 60000}"); /* now it fits */
    EXPECT_STR(ask(&lock, "acquire_shared", "cyd", minute, 0), "{token: 3, lease_ms: 60000}");
    lock.caller = "worker/7"; /* an actor is known by its address */
    EXPECT_STR(small_call(&lock, "acquire_shared", ""), "{token: 4, lease_ms: 30000}");
    EXPECT_STR(small_call(&lock, "acquire_shared", "n"), "{token: 4, lease_ms: 30000}");
    small_close(&lock);
}

TEST(at_most_so_many_share)
{
    small_actor lock;
    char name[32];
    small_open(&lock, &pdr_type_lock);
    for (int i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "r%d", i);
        REQUIRE(ask(&lock, "acquire_shared", name, minute, 0)[0] == '{');
    }
    EXPECT_STR(ask(&lock, "acquire_shared", "one more", minute, 0), "!overloaded");
    EXPECT_STR(ask(&lock, "acquire_shared", "one more", minute, minute), "{token: nil, place: 1}");
    EXPECT_STR(small_call(&lock, "release", "i", 77ll), "true");
    EXPECT_STR(small_call(&lock, "check", "i", 257ll), "true");
    small_close(&lock);
}

/* A lease that is renewed does not move the reminder, which looks again when it comes. */
TEST(a_reminder_that_comes_early_looks_again)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    ask(&lock, "acquire", "ann", 100, 0);
    int64_t due = lock.reminder.due_ms;
    EXPECT(!small_wait(&lock, 60));
    EXPECT_STR(small_call(&lock, "renew", "i", 1ll), "{token: 1, lease_ms: 100}");
    EXPECT_INT(lock.reminder.due_ms, due);
    EXPECT(small_wait(&lock, 40));
    EXPECT_STR(small_call(&lock, "check", "i", 1ll), "true");
    EXPECT(!small_wait(&lock, 59));
    EXPECT_STR(small_call(&lock, "renew", "ii", 1ll, 30ll), "{token: 1, lease_ms: 30}");
    EXPECT(small_wait(&lock, 1)); /* when it would have been over */
    EXPECT(small_wait(&lock, 29));
    EXPECT_STR(small_events(&lock), "{event: expired, holder: ann, token: 1, mode: exclusive}");
    EXPECT(!lock.reminder.is_set);
    small_close(&lock);
}

/* The clock goes back between a reminder's time and its turn: nothing ends, and it comes again. */
TEST(a_clock_that_goes_back_makes_leases_longer)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    ask(&lock, "acquire", "ann", 100, 0);
    lock.now_ms -= 5000;
    lock.reminder.is_set = false;
    EXPECT_STR(small_call(&lock, "expire", ""), "nil");
    EXPECT(lock.reminder.is_set);
    EXPECT_STR(small_call(&lock, "check", "i", 1ll), "true");
    EXPECT(small_wait(&lock, 5100));
    EXPECT_STR(small_call(&lock, "check", "i", 1ll), "false");
    small_close(&lock);
}

/* What a free lock keeps is a row of numbers; a held one, three. */
TEST(what_is_over_leaves_a_row)
{
    small_actor lock;
    small_open(&lock, &pdr_type_lock);
    for (int64_t i = 1; i <= 100; i++) {
        ask(&lock, "acquire", "ann", minute, 0);
        EXPECT_INT(lock.rows.count, 3);
        EXPECT_STR(small_call(&lock, "release", "i", i), "true");
        EXPECT_INT(lock.rows.count, 1);
        EXPECT(!lock.reminder.is_set);
    }
    small_close(&lock);
}

TEST(permits_are_shared_out_in_order)
{
    small_actor s;
    small_open(&s, &pdr_type_semaphore);
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 1, free: 1, waiting: 0, lowest: 1}");
    EXPECT_STR(small_call(&s, "acquire", "si", "ann", 2ll), "!invalid");
    EXPECT_STR(small_call(&s, "resize", "i", 5ll), "{permits: 5, free: 5, waiting: 0, lowest: 1}");
    EXPECT_STR(small_call(&s, "acquire", "si", "ann", 3ll), "{token: 1, lease_ms: 30000}");
    EXPECT_STR(small_events(&s), "{event: acquired, holder: ann, permits: 3, token: 1}");
    EXPECT_STR(small_call(&s, "acquire", "si", "ann", 2ll), "!other_count");
    EXPECT_STR(small_call(&s, "acquire", "si", "bob", 3ll), "!no_permits");
    EXPECT_STR(small_call(&s, "acquire", "siii", "bob", 3ll, minute, minute), "{token: nil, place: 1}");
    EXPECT_STR(small_call(&s, "acquire", "s", "cyd"), "!no_permits"); /* there is one, and bob has come first */
    EXPECT_STR(small_call(&s, "acquire", "siii", "cyd", 1ll, minute, minute), "{token: nil, place: 2}");
    EXPECT_STR(small_call(&s, "acquire", "siii", "dan", 2ll, minute, minute), "{token: nil, place: 3}");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 5, free: 2, waiting: 3, lowest: 1}");
    EXPECT_STR(small_call(&s, "release", "i", 1ll), "true");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 5, free: 1, waiting: 1, lowest: 2}");
    EXPECT_STR(small_call(&s, "resize", "i", 6ll), "{permits: 6, free: 0, waiting: 0, lowest: 2}"); /* dan's turn */
    EXPECT_STR(small_call(&s, "release", "i", 2ll), "true");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 6, free: 3, waiting: 0, lowest: 3}");
    EXPECT(small_wait(&s, 2 * minute));
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 6, free: 6, waiting: 0, lowest: 5}");
    small_close(&s);
}

TEST(fewer_permits_than_are_held)
{
    small_actor s;
    small_open(&s, &pdr_type_semaphore);
    small_call(&s, "resize", "i", 4ll);
    small_call(&s, "acquire", "si", "ann", 2ll);
    small_call(&s, "acquire", "si", "bob", 2ll);
    small_call(&s, "acquire", "siii", "cyd", 3ll, minute, minute);
    small_call(&s, "acquire", "siii", "dan", 1ll, minute, minute);
    EXPECT_STR(small_call(&s, "resize", "i", 2ll), "{permits: 2, free: 0, waiting: 1, lowest: 1}");
    EXPECT_STR(small_events(&s), "{event: refused, holder: cyd, permits: 3}"); /* it could never be served */
    EXPECT_STR(small_call(&s, "release", "i", 1ll), "true");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 2, free: 0, waiting: 1, lowest: 2}");
    EXPECT_STR(small_call(&s, "release", "i", 2ll), "true");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 2, free: 1, waiting: 0, lowest: 3}");
    small_close(&s);
}

TEST(limits_of_a_semaphore)
{
    small_actor s;
    char name[32];
    small_open(&s, &pdr_type_semaphore);
    EXPECT_STR(small_call(&s, "resize", ""), "!invalid");
    EXPECT_STR(small_call(&s, "resize", "i", 0ll), "!invalid");
    EXPECT_STR(small_call(&s, "resize", "i", 1000001ll), "!invalid");
    EXPECT_STR(small_call(&s, "resize", "i", 1000000ll), "{permits: 1000000, free: 1000000, waiting: 0, lowest: 1}");
    for (int i = 0; i < 2048; i++) {
        snprintf(name, sizeof name, "p%d", i);
        REQUIRE(small_call(&s, "acquire", "siii", name, 1ll, minute, minute)[0] == '{');
    }
    EXPECT_STR(small_call(&s, "acquire", "siii", "one more", 1ll, minute, minute), "!overloaded");
    EXPECT_STR(small_call(&s, "acquire", "s", "one more"), "!overloaded");
    EXPECT_STR(small_call(&s, "state", ""), "{permits: 1000000, free: 998976, waiting: 1024, lowest: 1}");
    EXPECT_STR(small_call(&s, "release", "i", 5ll), "true");
    EXPECT_STR(small_call(&s, "check", "i", 1025ll), "true");
    small_close(&s);
}

/* The model: what the header says, in the plainest way. */

#define NAMES 8

struct model_lease {
    int name;
    int64_t token, permits, lease_ms, until_ms;
};

struct model {
    struct model_lease held[NAMES], line[NAMES];
    int holders, waiters;
    int64_t permits, token, now_ms;
};

static int64_t used(const struct model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->holders; i++) {
        sum += m->held[i].permits;
    }
    return sum;
}

static int place_in(const struct model_lease *table, int count, int name)
{
    for (int i = 0; i < count; i++) {
        if (table[i].name == name) {
            return i;
        }
    }
    return -1;
}

static void take_out(struct model_lease *table, int *count, int i)
{
    memmove(table + i, table + i + 1, (size_t)(--*count - i) * sizeof *table);
}

static void hold(struct model *m, struct model_lease lease)
{
    lease.token = ++m->token;
    lease.until_ms = m->now_ms + lease.lease_ms;
    m->held[m->holders++] = lease;
}

static void settle(struct model *m)
{
    for (int i = m->holders - 1; i >= 0; i--) {
        if (m->held[i].until_ms <= m->now_ms) {
            take_out(m->held, &m->holders, i);
        }
    }
    for (int i = m->waiters - 1; i >= 0; i--) {
        if (m->line[i].until_ms <= m->now_ms || m->line[i].permits > m->permits) {
            take_out(m->line, &m->waiters, i);
        }
    }
    while (m->waiters > 0 && used(m) + m->line[0].permits <= m->permits) {
        hold(m, m->line[0]);
        take_out(m->line, &m->waiters, 0);
    }
}

/* What the actor must answer. */
static void model_ask(struct model *m, bool lock, struct model_lease wish, int64_t wait_ms, char *want, size_t size)
{
    int held = place_in(m->held, m->holders, wish.name), place = place_in(m->line, m->waiters, wish.name);
    wish.until_ms = m->now_ms + wait_ms;
    if (held >= 0 && m->held[held].permits != wish.permits) {
        snprintf(want, size, lock ? "!other_mode" : "!other_count");
        return;
    }
    if (held >= 0) {
        m->held[held].lease_ms = wish.lease_ms;
        m->held[held].until_ms = m->now_ms + wish.lease_ms;
    } else if (place >= 0 && wait_ms > 0) {
        m->line[place] = wish;
    } else if (place < 0 && m->waiters == 0 && used(m) + wish.permits <= m->permits) {
        hold(m, wish);
    } else if (place < 0 && wait_ms > 0) {
        m->line[m->waiters++] = wish;
    } else {
        snprintf(want, size, lock ? "!locked" : "!no_permits");
        return;
    }
    settle(m);
    held = place_in(m->held, m->holders, wish.name);
    if (held >= 0) {
        snprintf(want, size, "{token: %lld, lease_ms: %lld}", (long long)m->held[held].token,
                 (long long)m->held[held].lease_ms);
    } else {
        snprintf(want, size, "{token: nil, place: %d}", place_in(m->line, m->waiters, wish.name) + 1);
    }
}

static void model_print(const struct model *m, bool lock, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "{holders: [");
    for (int i = 0; i < m->holders + m->waiters; i++) {
        bool holds = i < m->holders;
        const struct model_lease *lease = holds ? &m->held[i] : &m->line[i - m->holders];
        char token[48] = "", permits[32] = "";
        snprintf(token, sizeof token, holds ? ", token: %lld" : "", (long long)lease->token);
        snprintf(permits, sizeof permits, "%lld", (long long)lease->permits);
        at += (size_t)snprintf(text + at, size - at, "%s%s{holder: n%d%s, %s: %s, left_ms: %lld}",
                               i == m->holders ? "], waiting: [" : "", i == 0 || i == m->holders ? "" : ", ",
                               lease->name, token, lock ? "mode" : "permits",
                               !lock                ? permits
                               : lease->permits > 1 ? "exclusive"
                                                    : "shared",
                               (long long)(lease->until_ms - m->now_ms));
    }
    snprintf(text + at, size - at, "%s]}", m->waiters == 0 ? "], waiting: [" : "");
}

struct play {
    small_actor actor;
    struct model model;
    struct rng rng;
    bool lock;
    char got[4096], want[4096];
};

static int64_t below(struct play *p, uint64_t n)
{
    return (int64_t)rng_below(&p->rng, n);
}

static void play_ask(struct play *p)
{
    bool shared = below(p, 2) > 0;
    struct model_lease wish = {.name = (int)below(p, NAMES), .lease_ms = 1 + below(p, below(p, 2) ? 50 : 1000)};
    int64_t wait_ms = below(p, 3) == 0 ? 0 : below(p, 500);
    char name[16];
    wish.permits = !p->lock ? 1 + below(p, (uint64_t)p->model.permits) : shared ? 1 : p->model.permits;
    snprintf(name, sizeof name, "n%d", wish.name);
    const char *got = p->lock ? ask(&p->actor, shared ? "acquire_shared" : "acquire", name, wish.lease_ms, wait_ms)
                              : small_call(&p->actor, "acquire", "siii", name, wish.permits, wish.lease_ms, wait_ms);
    snprintf(p->got, sizeof p->got, "%s", got);
    model_ask(&p->model, p->lock, wish, wait_ms, p->want, sizeof p->want);
}

/* renew or release, by a token that may be old. */
static void play_token(struct play *p)
{
    int64_t token = p->model.token - below(p, 6), lease_ms = 1 + below(p, 300);
    bool renews = below(p, 2) > 0;
    const char *got = renews ? small_call(&p->actor, "renew", "ii", token, lease_ms)
                             : small_call(&p->actor, "release", "i", token);
    int i = 0;
    snprintf(p->got, sizeof p->got, "%s", got);
    while (i < p->model.holders && p->model.held[i].token != token) {
        i++;
    }
    if (i == p->model.holders) {
        snprintf(p->want, sizeof p->want, "!stale_token");
    } else if (renews) {
        snprintf(p->want, sizeof p->want, "{token: %lld, lease_ms: %lld}", (long long)token, (long long)lease_ms);
        p->model.held[i].lease_ms = lease_ms;
        p->model.held[i].until_ms = p->model.now_ms + lease_ms;
    } else {
        snprintf(p->want, sizeof p->want, "true");
        take_out(p->model.held, &p->model.holders, i);
    }
}

static void play_leave(struct play *p)
{
    int name = (int)below(p, NAMES), place = place_in(p->model.line, p->model.waiters, name);
    char text[16];
    snprintf(text, sizeof text, "n%d", name);
    snprintf(p->got, sizeof p->got, "%s", small_call(&p->actor, "leave", "s", text));
    snprintf(p->want, sizeof p->want, "%s", place >= 0 ? "true" : "false");
    if (place >= 0) {
        take_out(p->model.line, &p->model.waiters, place);
    }
}

static void play(bool lock, uint64_t seed)
{
    static struct play p;
    memset(&p, 0, sizeof p);
    p.lock = lock;
    p.model.permits = lock ? 256 : 5;
    rng_seed(&p.rng, seed);
    small_open(&p.actor, lock ? &pdr_type_lock : &pdr_type_semaphore);
    if (!lock) {
        small_call(&p.actor, "resize", "i", p.model.permits);
    }
    p.model.now_ms = p.actor.now_ms;
    for (int i = 0; i < 2000; i++) {
        uint64_t what = rng_below(&p.rng, 100);
        p.model.now_ms += below(&p, 40);
        if (below(&p, 3) == 0) {
            p.actor.now_ms = p.model.now_ms; /* the call comes before the reminder */
        } else {
            small_wait(&p.actor, p.model.now_ms - p.actor.now_ms);
        }
        settle(&p.model);
        if (!lock && what < 3) {
            p.model.permits = 1 + below(&p, 8);
            settle(&p.model);
            snprintf(p.got, sizeof p.got, "%s", small_call(&p.actor, "resize", "i", p.model.permits));
            snprintf(p.want, sizeof p.want, "%s", p.got);
        } else {
            what < 60 ? play_ask(&p) : what < 90 ? play_token(&p) : play_leave(&p);
        }
        settle(&p.model);
        small_wait(&p.actor, 0);
        bool as_wanted = strcmp(p.got, p.want) == 0;
        if (as_wanted) {
            model_print(&p.model, lock, p.want, sizeof p.want);
            snprintf(p.got, sizeof p.got, "%s", small_call(&p.actor, "holders", ""));
        }
        if (strcmp(p.got, p.want) != 0) {
            fprintf(stderr, "seed %llu step %d (%s):\n%s\nis not\n%s\n", (unsigned long long)seed, i,
                    as_wanted ? "who holds" : "the answer", p.got, p.want);
            REQUIRE(!"as the model");
        }
    }
    small_close(&p.actor);
}

TEST(a_lock_is_as_the_model)
{
    for (uint64_t k = 0; k < 20; k++) {
        play(true, test_seed() + k);
    }
}

TEST(a_semaphore_is_as_the_model)
{
    for (uint64_t k = 0; k < 20; k++) {
        play(false, test_seed() + k);
    }
}

TEST_MAIN()
