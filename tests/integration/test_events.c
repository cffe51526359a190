/* tests/integration/test_events.c: numbers of events, where some of them are volatile, across a restart. */
#include "tests/integration/world.h"

static int say(pdr_turn *turn, const pdr_args *args)
{
    return pdr_emit(turn, pdr_bytes("\x01", 1));
}

PDR_ACTOR(mixed, PDR_METHOD("note", say), PDR_METHOD_AS("flash", say, PDR_DURABILITY_VOLATILE))
PDR_ACTOR(plain, PDR_METHOD("note", say))

static const struct pdr_actor_type *const types[] = {&pdr_type_mixed, &pdr_type_plain, NULL};

/* The number of an actor's last event; 0: it has none. */
static uint64_t last_of(struct world *w, const char *address)
{
    uint64_t seq = 0;
    struct pdr_outcome answer = ask(w, "_sys/conn", "watch", 0, "s", address);
    EXPECT(pdr_value_uint(pdr_value_get(answer.result, "seq"), &seq));
    EXPECT(is_nil(ask(w, "_sys/conn", "unwatch", 0, "s", address)));
    return seq;
}

TEST(a_number_is_not_given_twice_though_an_event_is_forgotten)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "mixed/a", "note", 0, "")));
    EXPECT(is_nil(ask(&w, "mixed/a", "flash", 0, "")));
    EXPECT(is_nil(ask(&w, "mixed/a", "flash", 0, "")));
    uint64_t heard = last_of(&w, "mixed/a");
    stop(&w);
    start(&w);
    EXPECT(last_of(&w, "mixed/a") < heard); /* two are gone */
    EXPECT(is_nil(ask(&w, "mixed/a", "note", 0, "")));
    EXPECT(last_of(&w, "mixed/a") > heard);
    stop(&w);
}

TEST(numbers_have_no_gaps_where_all_is_written_down)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "plain/a", "note", 0, "")));
    stop(&w);
    start(&w);
    EXPECT(is_nil(ask(&w, "plain/a", "note", 0, "")));
    EXPECT(last_of(&w, "plain/a") == 2);
    stop(&w);
}

TEST_MAIN()
