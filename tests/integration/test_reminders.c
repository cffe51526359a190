/* Reminders on a real node: they fire once, after a restart and passivation too, repeat, are replaced and cancelled. */
#include "tests/integration/world.h"

/* alarm/NAME: counts how often each reminder rang. */

static int add(pdr_turn *turn, struct pdr_bytes name, int64_t by)
{
    char key[80];
    int64_t n = 0;
    snprintf(key, sizeof key, "%.*s", (int)name.size, (const char *)name.data);
    pdr_get_int(turn, key, &n);
    return pdr_put_int(turn, key, n + by);
}

static int ring(pdr_turn *turn, const pdr_args *args)
{
    return add(turn, pdr_arg_bytes(args, 0, pdr_str("none")), 1);
}

static struct pdr_bytes one(pdr_writer *writer, uint8_t *room, size_t size, struct pdr_bytes text)
{
    pdr_writer_init(writer, room, size, size);
    pdr_write_array(writer, 1);
    pdr_write_str(writer, text);
    return pdr_written(writer);
}

/* set [name, delay_ms, period_ms, method] */
static int set(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes name = pdr_arg_bytes(args, 0, pdr_str("r")), method = pdr_arg_bytes(args, 3, pdr_str("ring"));
    char name_text[80], method_text[80];
    uint8_t room[128];
    pdr_writer writer;
    snprintf(name_text, sizeof name_text, "%.*s", (int)name.size, (const char *)name.data);
    snprintf(method_text, sizeof method_text, "%.*s", (int)method.size, (const char *)method.data);
    int status = pdr_reminder_in(turn, name_text, (uint64_t)pdr_arg_int(args, 1, 0), (uint64_t)pdr_arg_int(args, 2, 0),
                                 method_text, one(&writer, room, sizeof room, name));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int set_then_fail(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_reminder_in(turn, "r", 0, 0, "ring", pdr_bytes(NULL, 0));
    return status == PDR_OK ? pdr_fail(turn, "boom", "nothing is set") : status;
}

static int cron(pdr_turn *turn, const pdr_args *args)
{
    char text[80];
    struct pdr_bytes expression = pdr_arg_bytes(args, 0, pdr_str(""));
    snprintf(text, sizeof text, "%.*s", (int)expression.size, (const char *)expression.data);
    int status = pdr_reminder_cron(turn, "c", text, "ring", pdr_bytes(NULL, 0));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int cancel(pdr_turn *turn, const pdr_args *args)
{
    char name[80];
    struct pdr_bytes text = pdr_arg_bytes(args, 0, pdr_str("r"));
    snprintf(name, sizeof name, "%.*s", (int)text.size, (const char *)text.data);
    int status = pdr_reminder_cancel(turn, name);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int rang(pdr_turn *turn, const pdr_args *args)
{
    char key[80];
    struct pdr_bytes name = pdr_arg_bytes(args, 0, pdr_str("r"));
    int64_t n = 0;
    snprintf(key, sizeof key, "%.*s", (int)name.size, (const char *)name.data);
    pdr_get_int(turn, key, &n);
    return pdr_reply_int(turn, n);
}

/* Fails twice, then counts: by another actor, since a failed turn leaves nothing. */
static int stubborn(pdr_turn *turn, const pdr_args *args)
{
    pdr_value reply;
    int64_t tries = 0;
    int status = pdr_call(turn, pdr_str("counter/tries"), "add", pdr_bytes(NULL, 0), &reply);
    if (status != PDR_OK || !pdr_value_int(reply, &tries)) {
        return status;
    }
    return tries <= 2 ? pdr_fail(turn, "not_yet", "try %lld", (long long)tries) : ring(turn, args);
}

static int reader_sets(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reminder_in(turn, "r", 0, 0, "ring", pdr_bytes(NULL, 0));
}

/* n reminders in one turn, due in `delay_ms`. */
static int many(pdr_turn *turn, const pdr_args *args)
{
    for (int64_t i = 0; i < pdr_arg_int(args, 0, 0); i++) {
        char name[32];
        snprintf(name, sizeof name, "m%lld", (long long)i);
        int status = pdr_reminder_in(turn, name, (uint64_t)pdr_arg_int(args, 1, 0), 0, "ring", pdr_bytes(NULL, 0));
        if (status != PDR_OK) {
            return status;
        }
    }
    return pdr_reply_nil(turn);
}

PDR_ACTOR(alarm, PDR_METHOD("set", set), PDR_METHOD("ring", ring), PDR_METHOD("set_then_fail", set_then_fail),
          PDR_METHOD("cron", cron), PDR_METHOD("cancel", cancel), PDR_READER("rang", rang),
          PDR_METHOD("stubborn", stubborn), PDR_READER("reader_sets", reader_sets), PDR_METHOD("many", many))

static int forgets(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reminder_in(turn, "r", 0, 0, "set", pdr_bytes(NULL, 0));
}
PDR_ACTOR_WITH(forgetful, 0, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD("set", forgets))

static const struct pdr_actor_type *const types[] = {&pdr_type_alarm, &pdr_type_forgetful, NULL};

TEST(fires_once)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0)));
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "later", 50, 0)));
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "later"), 1));
    usleep(50000);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    stop(&w);
}

TEST(a_failed_turn_sets_nothing)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "alarm/a", "set_then_fail", 0, ""), "boom"));
    usleep(50000);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 0));
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "none"), 0));
    stop(&w);
}

TEST(repeats_until_cancelled)
{
    struct world w = {.options.types = types};
    int64_t n = 0;
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 5, 5)));
    EVENTUALLY((pdr_value_int(ask(&w, "alarm/a", "rang", 0, "s", "r").result, &n), n >= 3));
    EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "r")));
    REQUIRE(pdr_value_int(ask(&w, "alarm/a", "rang", 0, "s", "r").result, &n));
    usleep(50000);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), n));
    EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "none"))); /* there is none */
    stop(&w);
}

TEST(one_of_the_same_name_is_replaced)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 40, 0)));
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 3600000, 0)));
    usleep(100000);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 0));
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0)));
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    stop(&w);
}

TEST(survives_a_restart)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 100, 0)));
    EXPECT(is_nil(ask(&w, "alarm/b", "set", 0, "sii", "r", 0, 0)));
    EVENTUALLY(is_int(ask(&w, "alarm/b", "rang", 0, "s", "r"), 1));
    stop(&w);
    usleep(150000);
    start(&w);
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    usleep(50000);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    EXPECT(is_int(ask(&w, "alarm/b", "rang", 0, "s", "r"), 1));
    stop(&w);
}

TEST(wakes_a_passive_actor)
{
    struct world w = {.options = {.types = types, .idle_ms = 10}};
    begin(&w);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "alarm/p%d", i);
        EXPECT(is_nil(ask(&w, name, "set", 0, "sii", "r", 1500, 0)));
    }
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "alarm/p%d", i);
        EVENTUALLY(is_int(ask(&w, name, "rang", 0, "s", "r"), 1));
    }
    stop(&w);
}

TEST(is_tried_again_until_it_works)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "siis", "r", 0, 0, "stubborn")));
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    EXPECT(is_int(ask(&w, "counter/tries", "get", 0, ""), 3));
    stop(&w);
}

TEST(what_is_refused)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "alarm/a", "reader_sets", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "forgetful/a", "set", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "alarm/a", "cron", 0, "s", "61 * * * *"), "invalid"));
    EXPECT(is_code(ask(&w, "alarm/a", "cron", 0, "s", "0 0 30 2 *"), "invalid")); /* never */
    EXPECT(is_nil(ask(&w, "alarm/a", "cron", 0, "s", "@yearly")));
    EXPECT(is_code(ask(&w, "alarm/a", "set", 0, "sii", "", 0, 0), "invalid"));
    EXPECT(is_code(ask(&w, "alarm/b", "many", 0, "ii", 1025, 3600000), "overloaded"));
    EXPECT(is_nil(ask(&w, "alarm/b", "many", 0, "ii", 1024, 3600000)));
    EXPECT(is_nil(ask(&w, "alarm/b", "many", 0, "ii", 1024, 3600000))); /* the same names */
    EXPECT(is_code(ask(&w, "alarm/b", "set", 0, "sii", "r", 0, 0), "overloaded"));
    stop(&w);
}

static int64_t listed(struct world *w, const char *address)
{
    return pdr_value_count(pdr_value_get(ask(w, "_sys/node", "inspect", 0, "s", address).result, "reminders"));
}

/* More than stay in memory: each is found all the same, and they are counted, whether the actor was loaded or not. */
TEST(many_are_read_as_they_are_needed)
{
    struct world w = {.options = {.types = types}};
    begin(&w);
    EXPECT(is_nil(ask(&w, "alarm/a", "many", 0, "ii", 1024, 3600000)));
    EVENTUALLY(listed(&w, "alarm/a") == 1024);
    for (int life = 0; life < 2; life++) {
        EXPECT(is_code(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0), "overloaded"));
        EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "none")));
        EXPECT(is_code(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0), "overloaded"));
        EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "m7", 3600000, 0)));
        EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "m1000")));
        EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "m1000")));
        EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "m1000", 3600000, 0)));
        EXPECT(is_code(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0), "overloaded"));
        EVENTUALLY(listed(&w, "alarm/a") == 1024);
        stop(&w);
        start(&w);
    }
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "m500", 0, 0)));
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "m500"), 1));
    EXPECT(is_nil(ask(&w, "alarm/a", "set", 0, "sii", "r", 0, 0))); /* one has gone */
    EVENTUALLY(is_int(ask(&w, "alarm/a", "rang", 0, "s", "r"), 1));
    EXPECT(is_nil(ask(&w, "alarm/a", "cancel", 0, "s", "m501")));
    EVENTUALLY(listed(&w, "alarm/a") == 1022);
    EXPECT(is_int(ask(&w, "alarm/a", "rang", 0, "s", "m500"), 1));
    stop(&w);
}

TEST_MAIN()
