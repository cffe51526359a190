/* Actors that stand in elections, on a real node: a turn campaigns by pdr_call, a timer's turns renew, and who is not
 * in memory any more lapses. */
#include "tests/integration/world.h"

#define LEASE_MS 500 /* the shortest */
#define EVERY_MS 150

/* boss/NAME: stands in election/e, its name for a value. */

struct boss_memory {
    int64_t token; /* that it leads under, as the last answer said; 0: it does not */
};

/* {"lease_ms", "wait_ms": 0}: it answers at once */
static struct pdr_bytes campaign_args(pdr_turn *turn, pdr_writer *writer, uint8_t *room, size_t size)
{
    pdr_writer_init(writer, room, size, size);
    pdr_write_array(writer, 2);
    pdr_write_str(writer, pdr_self(turn).key);
    pdr_write_map(writer, 2);
    pdr_write_cstr(writer, "lease_ms");
    pdr_write_int(writer, LEASE_MS);
    pdr_write_cstr(writer, "wait_ms");
    pdr_write_int(writer, 0);
    return pdr_written(writer);
}

/* Stands, renews, and tells the token: all the same call. */
static int campaign(pdr_turn *turn, const pdr_args *args)
{
    struct boss_memory *memory = pdr_memory(turn);
    bool leads = false;
    uint8_t room[128];
    pdr_writer writer;
    pdr_value reply;
    struct pdr_bytes asked = campaign_args(turn, &writer, room, sizeof room);
    int status = pdr_call(turn, pdr_str("election/e"), "campaign", asked, &reply);
    if (status != PDR_OK) {
        memory->token = 0; /* it may lead, but does not know it */
        return status;
    }
    memory->token = 0;
    if (pdr_value_bool(pdr_value_get(reply, "elected"), &leads) && leads) {
        pdr_value_int(pdr_value_get(reply, "token"), &memory->token);
    }
    return pdr_reply_int(turn, memory->token);
}

static int stand(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_timer_set(turn, "renew", EVERY_MS, EVERY_MS, "campaign", pdr_bytes(NULL, 0));
    return status == PDR_OK ? campaign(turn, args) : status;
}

static int stop_renewing(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_timer_cancel(turn, "renew");
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int token(pdr_turn *turn, const pdr_args *args)
{
    const struct boss_memory *memory = pdr_memory(turn);
    return pdr_reply_int(turn, memory->token);
}

PDR_ACTOR_WITH(boss, sizeof(struct boss_memory), NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD("stand", stand),
               PDR_METHOD("campaign", campaign), PDR_METHOD("stop_renewing", stop_renewing), PDR_READER("token", token))

static const struct pdr_actor_type *const types[] = {&pdr_type_boss, NULL};

/* Clients. */

static struct pdr_outcome stands(struct world *w, const char *who)
{
    return ask(w, who, "stand", 5000, "");
}

/* Who leads when it is another than `token`, or after that time. The value lives until the next call. */
struct leader {
    int64_t token, candidates;
    struct pdr_bytes value;
};

static struct leader leader(struct world *w, int64_t token, int wait_ms)
{
    uint8_t room[64];
    pdr_writer args;
    struct pdr_outcome o;
    struct leader found = {.token = -1};
    struct pdr_call_options options = {.deadline_ms = 20000};
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 2);
    pdr_write_cstr(&args, "token");
    pdr_write_int(&args, token);
    pdr_write_cstr(&args, "wait_ms");
    pdr_write_int(&args, wait_ms);
    pdr_blocking_call(w->client, pdr_str("election/e"), "leader", pdr_written(&args), &options, &o);
    EXPECT(o.status == PDR_OK && pdr_value_int(pdr_value_get(o.result, "token"), &found.token) &&
           pdr_value_int(pdr_value_get(o.result, "candidates"), &found.candidates));
    (void)!pdr_value_bytes(pdr_value_get(o.result, "value"), &found.value);
    return found;
}

static int64_t token_of(struct pdr_outcome o)
{
    int64_t token = -1;
    EXPECT(o.status == PDR_OK && pdr_value_int(o.result, &token));
    return token;
}

static bool metrics_have(struct world *w, const char *line)
{
    struct pdr_bytes text;
    struct pdr_outcome o = ask(w, "_sys/node", "metrics", 5000, "");
    if (o.status != PDR_OK || !pdr_value_bytes(o.result, &text)) {
        return false;
    }
    return memmem(text.data, text.size, line, strlen(line)) != NULL;
}

TEST(an_actor_leads_as_long_as_its_turns_renew)
{
    struct world w = {.options.types = types};
    begin(&w);
    int64_t first = token_of(stands(&w, "boss/a"));
    EXPECT(first > 0);
    EXPECT(is_int(stands(&w, "boss/b"), 0));
    EXPECT(is_int(stands(&w, "boss/a"), first)); /* under its address: it is no candidate more */
    struct leader now = leader(&w, first, 4 * LEASE_MS);
    EXPECT(now.token == first && now.candidates == 2 && pdr_bytes_equal(now.value, pdr_str("a")));
    EXPECT(is_int(ask(&w, "boss/a", "token", 0, ""), first));

    EXPECT(is_nil(ask(&w, "boss/a", "stop_renewing", 0, "")));
    now = leader(&w, first, 15000);
    EXPECT(now.token > first && now.candidates == 1 && pdr_bytes_equal(now.value, pdr_str("b")));
    EVENTUALLY(is_int(ask(&w, "boss/b", "token", 0, ""), now.token)); /* its own next turn tells it */
    EXPECT(is_int(stands(&w, "boss/a"), 0));                          /* last in the line again */
    EXPECT_INT(leader(&w, 0, 0).candidates, 2);
    stop(&w);
}

TEST(an_actor_that_is_not_in_memory_any_more_lapses)
{
    struct world w = {.options.types = types};
    begin(&w);
    int64_t first = token_of(stands(&w, "boss/a"));
    stop(&w);
    start(&w);
    struct leader now = leader(&w, first, 15000); /* its candidacy outlived the node, its timer did not */
    EXPECT(now.token == 0 && now.candidates == 0);
    EVENTUALLY(metrics_have(&w, "\nperdure_election_lapses_total 1\n"));
    EXPECT(metrics_have(&w, "\nperdure_election_candidates 0\n"));
    EXPECT(metrics_have(&w, "\nperdure_election_late_ms 0\n"));
    EXPECT(metrics_have(&w, "\nperdure_election_renewals_total 0\n"));
    EXPECT(token_of(stands(&w, "boss/b")) > first);
    EVENTUALLY(!metrics_have(&w, "\nperdure_election_renewals_total 0\n")); /* its timer */
    EXPECT(metrics_have(&w, "\nperdure_election_candidates 1\n"));
    stop(&w);
}

TEST_MAIN()
