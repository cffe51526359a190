/* The builtin type queue on a real node: order, redelivery, dead letters, limits; one larger than memory keeps. */
#include "tests/integration/world.h"

/* {id, value, attempts}; attempts 0: without. */
static bool is_item(struct pdr_outcome o, int64_t id, const char *value, int64_t attempts)
{
    struct pdr_bytes got;
    return number_in(o, "id") == id && pdr_value_bytes(pdr_value_get(o.result, "value"), &got) &&
           pdr_bytes_equal(got, pdr_str(value)) && (attempts == 0 || number_in(o, "attempts") == attempts);
}

static bool is_size(struct world *w, const char *queue, int64_t ready, int64_t taken, int64_t dead)
{
    struct pdr_outcome o = ask(w, queue, "size", 0, "");
    bool is = number_in(o, "ready") == ready && number_in(o, "taken") == taken && number_in(o, "dead") == dead;
    if (!is) {
        fprintf(stderr, "ready %lld taken %lld dead %lld\n", (long long)number_in(o, "ready"),
                (long long)number_in(o, "taken"), (long long)number_in(o, "dead"));
    }
    return is;
}

TEST(first_in_first_out)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT(is_nil(ask(&w, "queue/a", "pop", 0, "")));
    EXPECT(is_nil(ask(&w, "queue/a", "take", 0, "")));
    EXPECT(is_nil(ask(&w, "queue/a", "peek", 0, "")));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "one"), 1));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "two"), 2));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "three"), 3));
    EXPECT(is_item(ask(&w, "queue/a", "peek", 0, ""), 1, "one", 0));
    EXPECT(is_item(ask(&w, "queue/a", "pop", 0, ""), 1, "one", 0));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 2, "two", 1));
    EXPECT(is_size(&w, "queue/a", 1, 1, 0));
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 3), false)); /* was not handed out yet */
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 2), true));
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 2), false));
    stop(&w);
    start(&w);
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 3, "three", 1));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "four"), 4));
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 3), true));
    EXPECT(is_item(ask(&w, "queue/a", "pop", 0, ""), 4, "four", 0));
    EXPECT_INT(number_in(ask(&w, "queue/a", "size", 0, ""), "bytes"), 0);
    stop(&w);
}

TEST(what_is_not_acknowledged_comes_back)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    ask(&w, "queue/a", "push", 0, "s", "one");
    ask(&w, "queue/a", "push", 0, "s", "two");
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 1), 1, "one", 1));
    EVENTUALLY(is_size(&w, "queue/a", 2, 0, 0)); /* by the reminder: nobody has asked */
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 1000), 1, "one", 2));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 2, "two", 1));
    EXPECT(is_true(ask(&w, "queue/a", "nack", 0, "i", 2), true));
    EXPECT(is_true(ask(&w, "queue/a", "nack", 0, "i", 2), false));
    stop(&w);
    start(&w);
    EVENTUALLY(is_size(&w, "queue/a", 2, 0, 0));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 2, "two", 2)); /* came back first */
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 1), true));             /* late, but the work was done */
    EXPECT(is_true(ask(&w, "queue/a", "nack", 0, "i", 2), true));
    EXPECT(is_item(ask(&w, "queue/a", "pop", 0, ""), 2, "two", 0));
    EXPECT(is_size(&w, "queue/a", 0, 0, 0));
    EXPECT(is_nil(ask(&w, "queue/a", "take", 0, "")));
    EXPECT_INT(number_in(ask(&w, "queue/a", "size", 0, ""), "bytes"), 0);
    stop(&w);
}

TEST(what_fails_too_often_is_a_dead_letter)
{
    struct world w = {.options.types = NULL};
    begin(&w);
    EXPECT_INT(number_in(ask(&w, "queue/a", "limits", 0, "iii", 10, 1000, 2), "attempts"), 2);
    for (int i = 0; i < 3; i++) {
        ask(&w, "queue/a", "push", 0, "s", "poison");
        EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), i + 1, "poison", 1));
        EXPECT(is_true(ask(&w, "queue/a", "nack", 0, "i", i + 1), true));
        EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), i + 1, "poison", 2));
        EXPECT(is_true(ask(&w, "queue/a", "nack", 0, "i", i + 1), true));
    }
    EXPECT(is_size(&w, "queue/a", 0, 0, 3));
    struct pdr_outcome o = ask(&w, "queue/a", "dead", 0, "ii", 1, 1); /* one, after id 1 */
    EXPECT_INT(pdr_value_count(o.result), 1);
    int64_t id = 0;
    EXPECT(pdr_value_int(pdr_value_at(pdr_value_at(o.result, 0), 0), &id));
    EXPECT_INT(id, 2);
    EXPECT(is_int(ask(&w, "queue/a", "redrive", 0, "i", 2), 1));
    EXPECT(is_int(ask(&w, "queue/a", "redrive", 0, "i", 2), 0));
    EXPECT(is_int(ask(&w, "queue/a", "redrive", 0, ""), 2));
    EXPECT(is_size(&w, "queue/a", 3, 0, 0));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 2, "poison", 1)); /* counted anew */
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 1), 1, "poison", 1));
    EXPECT(is_item(ask(&w, "queue/a", "pop", 0, ""), 3, "poison", 0));
    EVENTUALLY(is_item(ask(&w, "queue/a", "take", 0, "i", 1), 1, "poison", 2));
    EVENTUALLY(is_size(&w, "queue/a", 0, 1, 1));                 /* by time, too */
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 1), true)); /* a dead letter is dropped so */
    EXPECT(is_size(&w, "queue/a", 0, 1, 0));
    stop(&w);
}

TEST(limits_at_the_edge)
{
    struct world w = {.options.types = NULL};
    static char text[(1 << 20) + 1];
    begin(&w);
    ask(&w, "queue/a", "limits", 0, "ii", 2, 10);
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "1234"), 1)); /* 5 bytes */
    EXPECT(is_code(ask(&w, "queue/a", "push", 0, "s", "12345"), "overloaded"));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", "1234"), 2));
    EXPECT(is_code(ask(&w, "queue/a", "push", 0, "s", ""), "overloaded"));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), 1, "1234", 1));
    EXPECT(is_code(ask(&w, "queue/a", "push", 0, "s", ""), "overloaded")); /* taken ones count */
    EXPECT(is_true(ask(&w, "queue/a", "ack", 0, "i", 1), true));
    EXPECT(is_int(ask(&w, "queue/a", "push", 0, "s", ""), 3));
    EXPECT(is_code(ask(&w, "queue/a", "limits", 0, "i", 0), "invalid"));
    EXPECT(is_code(ask(&w, "queue/a", "limits", 0, "i", 1000001), "invalid"));
    EXPECT(is_code(ask(&w, "queue/a", "push", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "queue/a", "push_many", 0, "s", "x"), "invalid"));
    EXPECT(is_code(ask(&w, "queue/a", "take", 0, "i", 0), "invalid"));
    EXPECT(is_code(ask(&w, "queue/a", "ack", 0, "s", "x"), "invalid"));
    memset(text, 'x', (1 << 20) - 64 - 5 + 1);
    EXPECT(is_code(ask(&w, "queue/b", "push", 0, "s", text), "too_large"));
    text[(1 << 20) - 64 - 5] = 0;
    EXPECT(is_int(ask(&w, "queue/b", "push", 0, "s", text), 1));
    ask(&w, "queue/b", "limits", 0, "iii", 1, 1 << 20, 1);
    EXPECT(is_item(ask(&w, "queue/b", "peek", 0, ""), 1, text, 0));
    EXPECT(is_item(ask(&w, "queue/b", "take", 0, "i", 60000), 1, text, 1));
    EXPECT(is_true(ask(&w, "queue/b", "nack", 0, "i", 1), true));
    EXPECT_INT(pdr_value_count(ask(&w, "queue/b", "dead", 0, "").result), 1);
    stop(&w);
}

static struct pdr_outcome push_many(struct world *w, const char *to, int count, const char *text)
{
    struct pdr_outcome outcome;
    struct pdr_call_options options = {.deadline_ms = 0};
    pdr_writer args;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_write_array(&args, 1);
    pdr_write_array(&args, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        pdr_write_cstr(&args, text);
    }
    pdr_blocking_call(w->client, pdr_str(to), "push_many", pdr_written(&args), &options, &outcome);
    pdr_writer_release(&args);
    return outcome;
}

TEST(larger_than_what_stays_in_memory)
{
    struct world w = {.options = {.idle_ms = 20}};
    char text[201];
    memset(text, 'x', 200);
    text[200] = 0;
    begin(&w);
    for (int i = 0; i < 5; i++) {
        EXPECT_INT(pdr_value_count(push_many(&w, "queue/a", 1000, text).result), 1000);
    }
    EXPECT(is_code(push_many(&w, "queue/a", 1001, text), "invalid"));
    for (int i = 1; i <= 2500; i++) {
        REQUIRE(is_item(ask(&w, "queue/a", "take", 0, "i", 60000), i, text, 1));
        REQUIRE(is_true(ask(&w, "queue/a", i % 5 == 0 ? "nack" : "ack", 0, "i", i), true));
        if (i % 5 == 0) {
            REQUIRE(is_item(ask(&w, "queue/a", "pop", 0, ""), i, text, 0));
        }
    }
    stop(&w);
    start(&w);
    EXPECT(is_size(&w, "queue/a", 2500, 0, 0));
    EXPECT(is_item(ask(&w, "queue/a", "take", 0, ""), 2501, text, 1));
    stop(&w);
}

TEST_MAIN()
