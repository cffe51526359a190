/* Who may run while a turn waits: chains that come back, interleaved readers; a turn that is stuck is seen and
 * cancelled. On a real node and through real clients. */
#include "tests/integration/world.h"

static const struct pdr_bytes none = {NULL, 0};

static int64_t number(pdr_turn *turn, const char *key)
{
    int64_t n = 0;
    pdr_get_int(turn, key, &n);
    return n;
}

static struct pdr_bytes own_address(pdr_turn *turn, char *room, size_t size)
{
    struct pdr_ref self = pdr_self(turn);
    int length = snprintf(room, size, "%.*s/%.*s", (int)self.type.size, (const char *)self.type.data,
                          (int)self.key.size, (const char *)self.key.data);
    return pdr_bytes(room, (size_t)length);
}

/* Calls args[0].relay(own address, args[1] ms, args[2]...): it comes back after a while. */
static int go_round(pdr_turn *turn, const pdr_args *args, bool once)
{
    uint8_t room[700];
    char own[600];
    pdr_writer out;
    pdr_put_int(turn, "outer", number(turn, "outer") + 1);
    pdr_writer_init(&out, room, sizeof room, sizeof room);
    pdr_write_array(&out, 3);
    pdr_write_str(&out, own_address(turn, own, sizeof own));
    pdr_write_int(&out, pdr_arg_int(args, 1, 0));
    pdr_write_int(&out, pdr_arg_int(args, 2, 0));
    pdr_value reply;
    struct pdr_bytes held = none, to = pdr_arg_bytes(args, 0, none);
    pdr_get(turn, pdr_str("outer"), &held);
    int64_t before = held.size > 0 ? ((const uint8_t *)held.data)[0] : 0;
    int status = once ? pdr_call_reentrant(turn, to, "relay", pdr_written(&out), &reply)
                      : pdr_call(turn, to, "relay", pdr_written(&out), &reply);
    if (status != PDR_OK) {
        return status;
    }
    if (held.size > 0 && ((const uint8_t *)held.data)[0] != before) {
        return pdr_fail(turn, "slice_lost", "a slice did not stay valid over a wait");
    }
    pdr_put_int(turn, "after", number(turn, "inner"));
    return pdr_reply_int(turn, number(turn, "inner"));
}

static int go(pdr_turn *turn, const pdr_args *args)
{
    return go_round(turn, args, false);
}
static int go_once(pdr_turn *turn, const pdr_args *args)
{
    return go_round(turn, args, true);
}

/* Inside: sees what the outer turn has committed, and writes over it; fails (1) or waits (2) if asked. */
static int inside(pdr_turn *turn, const pdr_args *args)
{
    int64_t seen = number(turn, "outer");
    if (pdr_arg_int(args, 0, 0) == 2) {
        int status = pdr_sleep(turn, 60000);
        return status == PDR_OK ? pdr_reply_nil(turn) : status;
    }
    pdr_put_int(turn, "inner", number(turn, "inner") + seen);
    pdr_put_int(turn, "outer", seen);
    return pdr_arg_int(args, 0, 0) != 0 ? pdr_fail(turn, "boom", "inside") : pdr_reply_int(turn, seen);
}

/* Anybody else's: must not run inside of a turn. */
static int stamp(pdr_turn *turn, const pdr_args *args)
{
    pdr_put_int(turn, "stamped_after", number(turn, "after"));
    return pdr_reply_int(turn, number(turn, "after"));
}

static int slow(pdr_turn *turn, const pdr_args *args)
{
    pdr_put_int(turn, "a", 1);
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 0));
    if (status == PDR_OK) {
        pdr_put_int(turn, "a", 2);
        status = pdr_reply_int(turn, 2);
    }
    return status;
}

/* Does not heed that it is cancelled. */
static int stubborn(pdr_turn *turn, const pdr_args *args)
{
    int times = 0;
    for (int i = 0; i < 1000 && times < 3; i++) {
        times += pdr_sleep(turn, 60000) == PDR_CANCELLED;
    }
    return pdr_reply_int(turn, times);
}

static int see(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, number(turn, "a"));
}

/* A reader that waits while others write, and then finds its slice as it was. */
static int see_slowly(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes held = none;
    pdr_get(turn, pdr_str("a"), &held);
    int64_t before = -1, after = -1;
    pdr_value_int(held, &before);
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 0));
    pdr_value_int(held, &after);
    if (status != PDR_OK) {
        return status;
    }
    return before == after ? pdr_reply_int(turn, 10 * before + number(turn, "a")) : pdr_fail(turn, "slice_lost", "x");
}

static int set(pdr_turn *turn, const pdr_args *args)
{
    pdr_put_int(turn, "a", pdr_arg_int(args, 0, 0));
    return pdr_reply_nil(turn);
}

static int beat(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_reminder_in(turn, "later", 3600000, 0, "see", none);
    status = status == PDR_OK ? pdr_emit(turn, pdr_bytes("\x01", 1)) : status;
    return status == PDR_OK ? pdr_timer_set(turn, "beat", 60000, 1000, "see", none) : status;
}

#define METHODS                                                                                                        \
    PDR_METHOD("go", go), PDR_METHOD("go_once", go_once), PDR_METHOD("inside", inside), PDR_METHOD("stamp", stamp),    \
        PDR_METHOD("slow", slow), PDR_METHOD("stubborn", stubborn), PDR_READER_INTERLEAVED("see", see),                \
        PDR_READER("see_in_turn", see), PDR_READER_INTERLEAVED("see_slowly", see_slowly), PDR_METHOD("set", set),      \
        PDR_METHOD("beat", beat)

PDR_ACTOR_REENTRANT(knot, METHODS)
PDR_ACTOR(plain, METHODS)

/* relay [to, ms, how]: waits, then calls to.inside [how]. */
static int relay(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[32];
    pdr_writer out;
    pdr_value reply;
    int64_t ms = pdr_arg_int(args, 1, 0);
    int status = ms > 0 ? pdr_sleep(turn, (uint64_t)ms) : PDR_OK;
    pdr_writer_init(&out, room, sizeof room, sizeof room);
    pdr_write_array(&out, 1);
    pdr_write_int(&out, pdr_arg_int(args, 2, 0));
    if (status == PDR_OK) {
        status = pdr_call(turn, pdr_arg_bytes(args, 0, none), "inside", pdr_written(&out), &reply);
    }
    return status == PDR_OK ? pdr_reply(turn, reply) : status;
}

PDR_ACTOR(relay, PDR_METHOD("relay", relay))

static const struct pdr_actor_type *const types[] = {&pdr_type_knot, &pdr_type_plain, &pdr_type_relay, NULL};

/* A call in the background: a thread and a client of its own. */
struct asked {
    pthread_t thread;
    pdr_blocking *client;
    char to[64];
    const char *method;
    pdr_writer args;
    struct pdr_outcome outcome;
};

static void *in_background(void *user)
{
    struct asked *a = user;
    pdr_blocking_call(a->client, pdr_str(a->to), a->method, pdr_written(&a->args), NULL, &a->outcome);
    return NULL;
}

/* Arguments as for `ask`. */
static struct asked *later(struct world *w, const char *to, const char *method, const char *format, ...)
{
    struct asked *a = calloc(1, sizeof *a);
    const char *why = "";
    struct pdr_client_options options = {.node = w->node};
    REQUIRE(pdr_blocking_open(&options, &a->client, &why) == PDR_OK);
    snprintf(a->to, sizeof a->to, "%s", to);
    a->method = method;
    va_list values;
    va_start(values, format);
    pdr_write_array(&a->args, (uint32_t)strlen(format));
    for (const char *f = format; *f != 0; f++) {
        if (*f == 'i') {
            pdr_write_int(&a->args, va_arg(values, int));
        } else {
            pdr_write_cstr(&a->args, va_arg(values, const char *));
        }
    }
    va_end(values);
    REQUIRE(pthread_create(&a->thread, NULL, in_background, a) == 0);
    return a;
}

/* Waits for the answer; whether it is what is wanted: an int, or (NULL: none) a code. */
static bool ends(struct asked *a, int64_t want, const char *code)
{
    pthread_join(a->thread, NULL);
    bool fits = code != NULL ? is_code(a->outcome, code) : is_int(a->outcome, want);
    pdr_blocking_close(a->client);
    pdr_writer_release(&a->args);
    free(a);
    return fits;
}

static bool ends_int(struct asked *a, int64_t want)
{
    return ends(a, want, NULL);
}

static bool ends_code(struct asked *a, const char *code)
{
    return ends(a, 0, code);
}

static struct pdr_bytes text_of(pdr_value map, const char *key)
{
    struct pdr_bytes text = none;
    pdr_value_bytes(pdr_value_get(map, key), &text);
    return text;
}

static int64_t int_of(pdr_value map, const char *key)
{
    int64_t n = -1;
    pdr_value_int(pdr_value_get(map, key), &n);
    return n;
}

/* `_sys/node.METHOD [address, {option: true}]`; valid until the next call. */
static struct pdr_outcome ask_about(struct world *w, const char *method, const char *address, const char *option)
{
    uint8_t room[256];
    pdr_writer args;
    struct pdr_outcome outcome;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 2);
    pdr_write_cstr(&args, address);
    pdr_write_map(&args, 1);
    pdr_write_cstr(&args, option);
    pdr_write_bool(&args, true);
    if (pdr_blocking_call(w->client, pdr_str("_sys/node"), method, pdr_written(&args), NULL, &outcome) != PDR_OK) {
        fprintf(stderr, "%s %s: %.*s\n", method, address, (int)outcome.message.size,
                (const char *)outcome.message.data);
    }
    return outcome;
}

static pdr_value inspect(struct world *w, const char *address)
{
    return ask_about(w, "inspect", address, "values").result;
}

/* Until the actor has `turns` open turns, of which the newest waits for something that begins so. */
static bool comes_to_wait(struct world *w, const char *address, uint32_t turns, const char *what)
{
    for (int i = 0; i < 1000; i++) {
        pdr_value open = pdr_value_get(inspect(w, address), "open_turns");
        struct pdr_bytes waits = text_of(pdr_value_at(open, turns - 1), "waits_for");
        if (pdr_value_count(open) == turns && waits.size >= strlen(what) &&
            memcmp(waits.data, what, strlen(what)) == 0) {
            return true;
        }
        usleep(5000);
    }
    return false;
}

static int64_t cancelled(struct world *w, const char *address)
{
    return int_of(ask(w, "_sys/node", "cancel", 0, "s", address).result, "cancelled");
}

TEST(a_chain_comes_back_to_a_reentrant_actor)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_int(ask(&w, "knot/a", "go", 0, "sii", "relay/a", 0, 0), 1)); /* the turn inside saw `outer` committed */
    EXPECT(is_int(ask(&w, "knot/a", "go", 0, "sii", "relay/a", 0, 0), 3));
    EXPECT(is_code(ask(&w, "knot/a", "go", 0, "sii", "relay/a", 0, 1), "boom")); /* it failed inside: nothing of it */
    EXPECT(is_int(ask(&w, "knot/a", "inside", 0, ""), 3)); /* three times out, though the third failed later */
    stop(&w);
}

TEST(one_chain_may_come_back_to_an_actor_that_is_not)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_int(ask(&w, "plain/a", "go_once", 0, "sii", "relay/a", 0, 0), 1));
    EXPECT(is_code(ask(&w, "plain/a", "go", 0, "sii", "relay/a", 0, 0), "deadlock"));
    EXPECT(is_int(ask(&w, "plain/a", "go_once", 0, "sii", "relay/a", 0, 0), 4));
    stop(&w);
}

static bool says(struct pdr_outcome o, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "%.*s", (int)o.message.size, (const char *)o.message.data);
    return strstr(text, what) != NULL;
}

TEST(a_deadlock_names_its_chain)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct pdr_outcome a = ask(&w, "plain/one", "go", 0, "sii", "relay/two", 0, 0);
    EXPECT(is_code(a, "deadlock"));
    EXPECT(says(a, "plain/one -> relay/two -> plain/one"));
    a = ask(&w, "plain/one", "go", 0, "sii", "plain/one", 0, 0); /* itself */
    EXPECT(is_code(a, "deadlock"));
    EXPECT(says(a, "plain/one -> plain/one"));
    stop(&w);
}

TEST(nobody_else_gets_in)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *outer = later(&w, "knot/a", "go", "sii", "relay/a", 150, 0);
    EXPECT(comes_to_wait(&w, "knot/a", 1, "call relay/a.relay"));
    EXPECT(is_int(ask(&w, "knot/a", "stamp", 0, ""), 1)); /* only when the turn had written `after` */
    EXPECT(ends_int(outer, 1));
    stop(&w);
}

TEST(an_interleaved_reader_does_not_wait)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *writer = later(&w, "plain/a", "slow", "i", 60000);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    struct asked *reader = later(&w, "plain/a", "see_in_turn", "");
    EXPECT(is_int(ask(&w, "plain/a", "see", 0, ""), 1)); /* the part that is committed */
    EXPECT(is_int(ask(&w, "plain/a", "see", 0, ""), 1));
    EVENTUALLY(int_of(pdr_value_get(inspect(&w, "plain/a"), "mailbox"), "count") == 1); /* `reader`, from its thread */
    EXPECT_INT(cancelled(&w, "plain/a"), 1);
    EXPECT(ends_code(writer, "cancelled"));
    EXPECT(ends_int(reader, 1)); /* nothing of the last part */
    stop(&w);
}

TEST(an_interleaved_reader_that_was_in_the_mailbox_first)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *first = later(&w, "plain/a", "slow", "i", 300);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    struct asked *second = later(&w, "plain/a", "slow", "i", 300); /* they wait, and so would what comes behind them */
    struct asked *third = later(&w, "plain/a", "slow", "i", 300);
    EXPECT(is_int(ask(&w, "plain/a", "see", 0, ""), 1));
    EXPECT(ends_int(first, 2) && ends_int(second, 2) && ends_int(third, 2));
    stop(&w);
}

/* What a reader holds stays valid while others write, and when it outlives the turn that it ran beside. */
TEST(a_reader_that_waits)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *writer = later(&w, "plain/a", "slow", "i", 60000);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    struct asked *reader = later(&w, "plain/a", "see_slowly", "i", 400);
    EXPECT(comes_to_wait(&w, "plain/a", 2, "sleep"));
    struct asked *reader_2 = later(&w, "plain/a", "see_slowly", "i", 600);
    EXPECT(comes_to_wait(&w, "plain/a", 3, "sleep"));
    pdr_value oldest = pdr_value_at(pdr_value_get(inspect(&w, "plain/a"), "open_turns"), 0);
    EXPECT(pdr_bytes_equal(text_of(oldest, "role"), pdr_str("turn")));
    EXPECT(cancelled(&w, "plain/a") == 3); /* all of them */
    EXPECT(ends_code(writer, "cancelled") && ends_code(reader, "cancelled") && ends_code(reader_2, "cancelled"));

    writer = later(&w, "plain/a", "slow", "i", 300);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    reader = later(&w, "plain/a", "see_slowly", "i", 900);
    EXPECT(comes_to_wait(&w, "plain/a", 2, "sleep"));
    EXPECT(ends_int(writer, 2));
    EXPECT(ask(&w, "plain/a", "set", 0, "i", 5).status == PDR_OK); /* it keeps nobody out */
    EXPECT(ask(&w, "plain/a", "set", 0, "i", 7).status == PDR_OK);
    EXPECT(ends_int(reader, 17));
    EXPECT(is_int(ask(&w, "plain/a", "see", 0, ""), 7));
    stop(&w);
}

TEST(a_cancelled_call)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *outer = later(&w, "plain/a", "go", "sii", "relay/a", 500, 0);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "call relay/a.relay"));
    EXPECT_INT(cancelled(&w, "plain/a"), 1);
    EXPECT(ends_code(outer, "cancelled"));
    EXPECT_INT(cancelled(&w, "plain/a"), 0);
    EXPECT(is_int(ask(&w, "plain/a", "inside", 0, ""), 1)); /* the part before the call stands; the actor is free */
    EXPECT(comes_to_wait(&w, "relay/a", 1, "sleep")); /* what it called goes on, and calls a free actor: no deadlock */
    outer = later(&w, "relay/a", "relay", "sii", "plain/a", 0, 0);
    EXPECT(ends_int(outer, 1));
    EXPECT(is_int(ask(&w, "plain/a", "inside", 0, ""), 1));
    stop(&w);
}

/* A turn that is cancelled while another is inside of its wait goes on when that has ended. */
TEST(cancelled_with_a_turn_inside)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *outer = later(&w, "knot/a", "go", "sii", "relay/a", 0, 2);
    EXPECT(comes_to_wait(&w, "knot/a", 2, "sleep"));
    EXPECT_INT(cancelled(&w, "relay/a"), 1); /* so the outer turn has an answer, and the inner one is nobody's */
    for (int i = 0; i < 1000; i++) {
        pdr_value turns = pdr_value_get(inspect(&w, "knot/a"), "open_turns");
        struct pdr_bytes waits = text_of(pdr_value_at(turns, 0), "waits_for");
        if (pdr_bytes_equal(waits, pdr_str("turns inside of it"))) {
            break;
        }
        REQUIRE(i < 999);
        usleep(5000);
    }
    EXPECT(comes_to_wait(&w, "knot/a", 2, "sleep"));
    EXPECT_INT(cancelled(&w, "knot/a"), 2);
    EXPECT(ends_code(outer, "cancelled"));
    EXPECT(is_int(ask(&w, "knot/a", "inside", 0, ""), 1));
    stop(&w);
}

TEST(one_that_does_not_heed_it_waits_no_more)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *turn = later(&w, "plain/a", "stubborn", "");
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    EXPECT_INT(cancelled(&w, "plain/a"), 1);
    EXPECT(ends_int(turn, 3));
    stop(&w);
}

TEST(queued_calls_are_dropped_if_asked)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct asked *turn = later(&w, "plain/a", "slow", "i", 60000);
    EXPECT(comes_to_wait(&w, "plain/a", 1, "sleep"));
    struct asked *queued = later(&w, "plain/a", "set", "i", 9);
    for (int i = 0; i < 1000 && int_of(pdr_value_get(inspect(&w, "plain/a"), "mailbox"), "count") != 1; i++) {
        usleep(5000);
    }
    struct pdr_outcome a = ask_about(&w, "cancel", "plain/a", "queued");
    EXPECT_INT(int_of(a.result, "cancelled"), 1);
    EXPECT_INT(int_of(a.result, "dropped"), 1);
    EXPECT(ends_code(turn, "cancelled"));
    EXPECT(ends_code(queued, "cancelled"));
    EXPECT(is_int(ask(&w, "plain/a", "see", 0, ""), 1));
    stop(&w);
}

TEST(what_inspect_shows)
{
    struct world w = {.options = {.types = types, .idle_ms = 100}};
    begin(&w);
    ask(&w, "plain/a", "set", 0, "i", 42);
    pdr_value shown = inspect(&w, "plain/a");
    EXPECT(pdr_bytes_equal(text_of(shown, "address"), pdr_str("plain/a")));
    EXPECT(pdr_bytes_equal(text_of(shown, "type"), pdr_str("plain")));
    pdr_value data = pdr_value_get(shown, "data"), row = pdr_value_at(pdr_value_get(data, "rows"), 0);
    EXPECT_INT(int_of(data, "count"), 1);
    EXPECT_INT(int_of(data, "bytes"), 2);
    EXPECT(pdr_bytes_equal(text_of(row, "key"), pdr_str("a")));
    EXPECT_INT(int_of(row, "size"), 1);
    EXPECT(pdr_bytes_equal(text_of(row, "value"), pdr_str("*"))); /* 42 */

    bool is_passive = false;
    for (int i = 0; i < 1000 && !is_passive; i++) {
        usleep(5000);
        is_passive = pdr_bytes_equal(text_of(inspect(&w, "plain/a"), "state"), pdr_str("passive"));
    }
    EXPECT(is_passive); /* and looking at it did not wake it */
    shown = inspect(&w, "plain/a");
    data = pdr_value_get(shown, "data");
    EXPECT_INT(int_of(data, "count"), 1);
    EXPECT_INT(int_of(data, "bytes"), 2);
    EXPECT(pdr_bytes_equal(text_of(pdr_value_at(pdr_value_get(data, "rows"), 0), "value"), pdr_str("*")));

    ask(&w, "plain/b", "beat", 0, "");
    pdr_value timers = pdr_value_get(inspect(&w, "plain/b"), "timers");
    EXPECT_INT(pdr_value_count(timers), 1);
    EXPECT(pdr_bytes_equal(text_of(pdr_value_at(timers, 0), "name"), pdr_str("beat")));
    EXPECT_INT(int_of(pdr_value_at(timers, 0), "period_ms"), 1000);
    shown = inspect(&w, "plain/b");
    EXPECT_INT(pdr_value_count(pdr_value_get(shown, "reminders")), 1);
    pdr_value reminder = pdr_value_at(pdr_value_get(shown, "reminders"), 0);
    EXPECT(pdr_bytes_equal(text_of(reminder, "name"), pdr_str("later")));
    EXPECT(pdr_bytes_equal(text_of(reminder, "method"), pdr_str("see")));
    EXPECT_INT(int_of(pdr_value_get(shown, "sessions_of_shard"), "results"), 0);
    EXPECT_INT(int_of(pdr_value_get(shown, "events"), "kept"), 1);
    EXPECT_INT(int_of(pdr_value_get(shown, "events"), "watchers"), 0);

    EXPECT_INT(int_of(pdr_value_get(inspect(&w, "plain/never"), "data"), "count"), 0);
    EXPECT(is_code(ask(&w, "_sys/node", "inspect", 0, "s", "nothing/a"), "not_found"));
    EXPECT(is_code(ask(&w, "_sys/node", "inspect", 0, "i", 7), "invalid"));
    EXPECT(is_code(ask(&w, "_sys/node", "cancel", 0, "s", "no address"), "invalid"));
    EXPECT_INT(cancelled(&w, "plain/never"), 0);
    stop(&w);
}

TEST(the_directory)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT_INT(ask(&w, "plain/a", "see", 0, "").status,
               PDR_OK); /* the directory knows this node, and its shard is open */
    struct pdr_outcome a = ask(&w, "_sys/directory", "members", 0, "");
    pdr_value answer = a.result;
    EXPECT_INT(pdr_value_count(answer), 1);
    EXPECT(pdr_bytes_equal(text_of(pdr_value_at(answer, 0), "name"), pdr_str("test")));
    EXPECT(pdr_bytes_equal(text_of(pdr_value_at(answer, 0), "state"), pdr_str("up")));
    a = ask(&w, "_sys/directory", "shard", 0, "s", "plain/a");
    answer = a.result;
    EXPECT(int_of(answer, "shard") >= 0 && int_of(answer, "epoch") > 0);
    EXPECT(pdr_bytes_equal(text_of(answer, "primary"), pdr_str("test")));
    EXPECT(pdr_bytes_equal(text_of(answer, "address"), pdr_str(w.node)));
    EXPECT_INT(pdr_value_count(pdr_value_get(answer, "in_sync")), 1);
    a = ask(&w, "_sys/directory", "types", 0, "");
    EXPECT(pdr_value_count(a.result) >= 6);
    EXPECT(is_code(ask(&w, "_sys/directory", "shard", 0, ""), "invalid"));
    EXPECT(is_code(ask(&w, "_sys/directory", "nonsense", 0, ""), "not_found"));
    stop(&w);
}

TEST_MAIN()
