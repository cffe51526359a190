/* The builtin type bully on a real node: a round message by message, deaths in mid-round, recovery, heartbeats. */
#include "tests/integration/world.h"

struct party {
    struct world *world;
    const char *name;
    int count, timeout_ms, heartbeat_ms;
};

static struct pdr_outcome call(const struct party *g, int number, const char *method, pdr_writer *args)
{
    struct pdr_outcome outcome;
    char address[64];
    snprintf(address, sizeof address, "bully/%s.%d", g->name, number);
    pdr_blocking_call(g->world->client, pdr_str(address), method, args != NULL ? pdr_written(args) : pdr_bytes(NULL, 0),
                      NULL, &outcome);
    return outcome;
}

/* Coordinator 0: it is not told who, and starts an election. */
static struct pdr_outcome join_as(const struct party *g, int number, int coordinator, bool durable)
{
    uint8_t room[128];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 2);
    pdr_write_int(&args, g->count);
    pdr_write_map(&args, coordinator > 0 ? 4 : 3);
    pdr_write_cstr(&args, "timeout_ms");
    pdr_write_int(&args, g->timeout_ms);
    pdr_write_cstr(&args, "heartbeat_ms");
    pdr_write_int(&args, g->heartbeat_ms);
    pdr_write_cstr(&args, "durable");
    pdr_write_bool(&args, durable);
    if (coordinator > 0) {
        pdr_write_cstr(&args, "coordinator");
        pdr_write_int(&args, coordinator);
    }
    return call(g, number, "join", &args);
}

static bool have(const struct party *g, int first, int last, int coordinator)
{
    int64_t got = 0;
    for (int number = first; number <= last; number++) {
        struct pdr_outcome o = call(g, number, "coordinator", NULL);
        if (o.status != PDR_OK || !pdr_value_int(o.result, &got) || got != coordinator) {
            return false;
        }
    }
    return true;
}

static int64_t figure(const struct party *g, int number, const char *key)
{
    int64_t n = -1;
    struct pdr_outcome o = call(g, number, "status", NULL);
    EXPECT(o.status == PDR_OK && pdr_value_int(pdr_value_get(o.result, key), &n));
    return n;
}

static bool is_state(const struct party *g, int number, const char *want)
{
    struct pdr_bytes state;
    struct pdr_outcome o = call(g, number, "status", NULL);
    return o.status == PDR_OK && pdr_value_bytes(pdr_value_get(o.result, "state"), &state) &&
           pdr_bytes_equal(state, pdr_str(want));
}

TEST(worst_case_round_message_by_message)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "worst", 40, 1000, 0};
    const int n = g.count;
    int64_t sent = 0, received = 0;
    begin(&w);
    for (int number = 1; number < n; number++) {
        EXPECT(is_nil(join_as(&g, number, n, false)));
    }
    EXPECT(have(&g, 1, n - 1, n));
    EXPECT_INT(call(&g, 1, "elect", NULL).status, PDR_OK);
    EVENTUALLY(have(&g, 1, n - 1, n - 1));
    for (int number = 1; number < n; number++) {
        sent += figure(&g, number, "sent");
        received += figure(&g, number, "received");
        EXPECT_INT(figure(&g, number, "epoch"), 1);
    }
    /* election of each to all higher ones; answers of all but the dead one; three phases and their acknowledgements */
    EXPECT_INT(sent, n * (n - 1) / 2 + (n - 1) * (n - 2) / 2 + 6 * (n - 2));
    EXPECT_INT(received, sent - (n - 1));
    stop(&w);
}

TEST(who_dies_in_mid_round_is_not_waited_for)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "mid", 5, 300, 200};
    begin(&w);
    for (int number = 1; number <= 4; number++) {
        EXPECT(is_nil(join_as(&g, number, 5, false)));
    }
    call(&g, 1, "elect", NULL);
    EXPECT(is_nil(call(&g, 4, "leave", NULL))); /* it has answered all, or is about to */
    EVENTUALLY(have(&g, 1, 3, 3));
    EXPECT(is_state(&g, 4, "out"));
    stop(&w);
}

TEST(the_highest_takes_over_when_it_recovers)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "back", 4, 50, 0};
    begin(&w);
    for (int number = 1; number <= 3; number++) {
        EXPECT(is_nil(join_as(&g, number, 0, false)));
    }
    EVENTUALLY(have(&g, 1, 3, 3));
    int64_t epoch = figure(&g, 1, "epoch");
    EXPECT(is_nil(join_as(&g, 4, 0, false)));
    EVENTUALLY(have(&g, 1, 4, 4));
    EXPECT(figure(&g, 1, "epoch") > epoch);
    stop(&w);
}

TEST(heartbeats_notice_a_dead_coordinator)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "beat", 4, 50, 50};
    begin(&w);
    for (int number = 1; number <= 4; number++) {
        EXPECT(is_nil(join_as(&g, number, 4, false)));
    }
    EXPECT(have(&g, 1, 4, 4));
    EXPECT(is_nil(call(&g, 4, "leave", NULL)));
    EVENTUALLY(have(&g, 1, 3, 3));
    stop(&w);
}

TEST(no_two_coordinators_stay)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "two", 4, 50, 50};
    begin(&w);
    EXPECT(is_nil(join_as(&g, 1, 3, false))); /* each half has its own, and both are alive */
    EXPECT(is_nil(join_as(&g, 3, 3, false)));
    EXPECT(is_nil(join_as(&g, 2, 4, false)));
    EXPECT(is_nil(join_as(&g, 4, 4, false)));
    EVENTUALLY(have(&g, 1, 4, 4));
    stop(&w);
}

TEST(durable_participants_recover_after_a_restart)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "again", 3, 50, 0};
    begin(&w);
    EXPECT(is_nil(join_as(&g, 1, 3, true)));
    EXPECT(is_nil(join_as(&g, 2, 3, false)));
    EXPECT(is_nil(join_as(&g, 3, 3, true)));
    stop(&w);
    start(&w);
    EVENTUALLY(have(&g, 1, 1, 3)); /* whoever is asked wakes the others */
    EXPECT(is_state(&g, 2, "out"));
    EXPECT(is_nil(call(&g, 1, "leave", NULL)));
    stop(&w);
    start(&w);
    EXPECT(is_state(&g, 1, "out"));
    stop(&w);
}

TEST(nonsense_is_refused_or_not_heard)
{
    struct world w = {.options.types = NULL};
    struct party g = {&w, "odd", 3, 50, 0};
    begin(&w);
    EXPECT(is_code(ask(&w, "bully/odd.1", "join", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.1", "join", 0, "i", 0), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.1", "join", 0, "i", 8193), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.4", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.0", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.01", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(ask(&w, "bully/.1", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(ask(&w, "bully/1", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd", "join", 0, "i", 3), "invalid"));
    EXPECT(is_code(join_as(&g, 1, 4, false), "invalid"));
    EXPECT(is_code(ask(&w, "bully/odd.1", "elect", 0, ""), "out"));
    EXPECT(is_nil(join_as(&g, 1, 0, false)));
    static const char *const messages[] = {"election", "answer", "halt", "newcoord", "ready", "ack", "ping", "pong"};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        EXPECT_INT(ask(&w, "bully/odd.1", messages[i], 0, "").status, PDR_OK);
        EXPECT_INT(ask(&w, "bully/odd.1", messages[i], 0, "sii", "x", -1, -1).status, PDR_OK);
    }
    EXPECT_INT(figure(&g, 1, "received"), 0);
    EVENTUALLY(have(&g, 1, 1, 1)); /* nobody else is there */
    stop(&w);
}

TEST_MAIN()
