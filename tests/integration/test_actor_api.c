/* The functions of perdure/actor.h, on a real node (loops, TCP, RocksDB, files) and through the real client. */
#include <stdatomic.h>

#include "tests/integration/world.h"

/* The type under test. */

struct probe_memory {
    int64_t activated, ticks;
};

static atomic_int passivated;

static int on_activate(pdr_turn *turn)
{
    struct probe_memory *memory = pdr_memory(turn);
    int64_t n = 0;
    int status = pdr_get_int(turn, "seen", &n); /* hooks may read state */
    memory->activated = 100 + n;
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

static int on_passivate(pdr_turn *turn)
{
    atomic_fetch_add(&passivated, 1);
    return PDR_OK;
}

static int put(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_put(turn, pdr_arg_bytes(args, 0, none), pdr_arg_bytes(args, 1, none));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int get(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, value;
    int status = pdr_get(turn, pdr_arg_bytes(args, 0, none), &value);
    if (status == PDR_NOT_FOUND) {
        return pdr_reply_nil(turn);
    }
    return status == PDR_OK ? pdr_reply_bin(turn, value) : status;
}

static int put_then_fail(pdr_turn *turn, const pdr_args *args)
{
    pdr_put(turn, pdr_str("failed"), pdr_str("x"));
    pdr_put_int(turn, "seen", 1);
    return pdr_fail(turn, "boom", "asked to fail %d times", 1);
}

/* Commit before call: `before` survives the failure at the end, `after` does not. */
static int put_call_fail(pdr_turn *turn, const pdr_args *args)
{
    pdr_value reply;
    pdr_put(turn, pdr_str("before"), pdr_str("x"));
    int status = pdr_call(turn, pdr_str("echo/other"), "ping", pdr_bytes(NULL, 0), &reply);
    if (status != PDR_OK) {
        return status;
    }
    pdr_put(turn, pdr_str("after"), pdr_str("x"));
    return pdr_fail(turn, "boom", "at the end");
}

/* Calls args[0].args[1](args[2]) and hands the answer on; on failure the code it saw is kept. */
static int forward(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, method = pdr_arg_bytes(args, 1, none);
    char name[64] = "";
    uint8_t room[512];
    pdr_writer inner;
    pdr_value reply;
    memcpy(name, method.data, method.size);
    pdr_writer_init(&inner, room, sizeof room, 0);
    uint32_t count = pdr_arg_count(args);
    pdr_write_array(&inner, count - 2);
    for (uint32_t i = 2; i < count; i++) {
        pdr_write_value(&inner, pdr_arg(args, i));
    }
    int status = pdr_call(turn, pdr_arg_bytes(args, 0, none), name, pdr_written(&inner), &reply);
    pdr_writer_release(&inner);
    if (status != PDR_OK) {
        return pdr_fail(turn, "saw", "%s", pdr_error_code(turn));
    }
    return pdr_reply(turn, reply);
}

/* Calls echo/other so many times with as many bytes each time, and looks at all replies at the end. */
static int keep_replies(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[1024];
    pdr_value replies[64];
    int64_t calls = pdr_arg_int(args, 0, 0), right = 0;
    pdr_writer inner;
    pdr_writer_init(&inner, NULL, 0, 0);
    for (int64_t i = 0; i < calls; i++) {
        memset(room, (int)i, sizeof room);
        pdr_writer_clear(&inner);
        pdr_write_array(&inner, 1);
        pdr_write_bin(&inner, pdr_bytes(room, (size_t)i * 16)); /* up to 128 they fit the envelope */
        int status = pdr_call(turn, pdr_str("echo/other"), "ping", pdr_written(&inner), &replies[i]);
        if (status != PDR_OK) {
            pdr_writer_release(&inner);
            return status;
        }
    }
    pdr_writer_release(&inner);
    for (int64_t i = 0; i < calls; i++) {
        struct pdr_bytes back;
        memset(room, (int)i, sizeof room);
        right += pdr_value_bytes(replies[i], &back) && pdr_bytes_equal(back, pdr_bytes(room, (size_t)i * 16));
    }
    return pdr_reply_int(turn, right);
}

static int who(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_str(turn, pdr_caller(turn));
}

static int tell_counter(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_tell(turn, pdr_arg_bytes(args, 0, none), "add", none);
    if (status != PDR_OK) {
        return status;
    }
    return pdr_arg_int(args, 1, 0) != 0 ? pdr_fail(turn, "boom", "nothing is told") : pdr_reply_nil(turn);
}

static int start_timer(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_timer_set(turn, "beat", (uint64_t)pdr_arg_int(args, 0, 10), (uint64_t)pdr_arg_int(args, 1, 0),
                               "tick", none);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int stop_timer(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_timer_cancel(turn, "beat");
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int tick(pdr_turn *turn, const pdr_args *args)
{
    ((struct probe_memory *)pdr_memory(turn))->ticks++;
    return pdr_reply_nil(turn);
}

static int ticks(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, ((struct probe_memory *)pdr_memory(turn))->ticks);
}

static int activated(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, ((struct probe_memory *)pdr_memory(turn))->activated);
}

static int nap(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 0));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int reader_put(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_put(turn, pdr_str("k"), pdr_str("v"));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* n rows of `size` bytes from row `first` on. */
static int fill(pdr_turn *turn, const pdr_args *args)
{
    int64_t first = pdr_arg_int(args, 0, 0), n = pdr_arg_int(args, 1, 0);
    size_t size = (size_t)pdr_arg_int(args, 2, 1);
    char *value = calloc(1, size);
    for (int64_t i = first; i < first + n; i++) {
        char key[32];
        snprintf(key, sizeof key, "row%08lld", (long long)i);
        int status = pdr_put(turn, pdr_str(key), pdr_bytes(value, size));
        if (status != PDR_OK) {
            free(value);
            return status;
        }
    }
    free(value);
    return pdr_reply_nil(turn);
}

/* Counts rows of [from, to), checking their order; before that it deletes args[2] and puts args[3] in the same turn. */
static int count(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, key, value;
    struct pdr_bytes gone = pdr_arg_bytes(args, 2, none), added = pdr_arg_bytes(args, 3, none);
    if (gone.size > 0) {
        pdr_delete(turn, gone);
    }
    if (added.size > 0) {
        pdr_put(turn, added, pdr_str("v"));
    }
    pdr_scan *scan = pdr_scan_open(turn, pdr_arg_bytes(args, 0, none), pdr_arg_bytes(args, 1, none));
    char last[64] = "";
    int64_t n = 0;
    int status;
    while ((status = pdr_scan_next(scan, &key, &value)) == PDR_OK) {
        if (pdr_bytes_compare(pdr_str(last), key) >= 0 || key.size >= sizeof last) {
            return pdr_fail(turn, "disorder", "at row %lld", (long long)n);
        }
        memcpy(last, key.data, key.size);
        last[key.size] = 0;
        n++;
    }
    return status == PDR_NOT_FOUND ? pdr_reply_int(turn, n) : status;
}

/* Slices stay valid until the turn ends, whatever is written or waited for meanwhile. */
static int hold_slices(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes first, second;
    pdr_put(turn, pdr_str("h"), pdr_str("one"));
    pdr_get(turn, pdr_str("h"), &first);
    pdr_put(turn, pdr_str("h"), pdr_str("two"));
    pdr_get(turn, pdr_str("h"), &second);
    pdr_sleep(turn, 5); /* commits */
    pdr_put(turn, pdr_str("h"), pdr_str("three"));
    pdr_sleep(turn, 5);
    return pdr_reply_bool(turn, pdr_bytes_equal(first, pdr_str("one")) && pdr_bytes_equal(second, pdr_str("two")));
}

static int own_address(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_str(turn, pdr_self(turn).key);
}
static int deadline_left(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, (int64_t)pdr_deadline_left_ms(turn));
}
static int bad_code(pdr_turn *turn, const pdr_args *args)
{
    return pdr_fail(turn, "Not A Code", "x");
}
static int bad_status(pdr_turn *turn, const pdr_args *args)
{
    return 4711;
}

PDR_ACTOR_WITH(probe, sizeof(struct probe_memory), on_activate, on_passivate, PDR_DURABILITY_SYNC,
               PDR_METHOD("put", put), PDR_READER("get", get), PDR_METHOD("put_then_fail", put_then_fail),
               PDR_METHOD("put_call_fail", put_call_fail), PDR_METHOD("forward", forward),
               PDR_METHOD("keep_replies", keep_replies), PDR_READER("who", who),
               PDR_METHOD("tell_counter", tell_counter), PDR_METHOD("start_timer", start_timer),
               PDR_METHOD("stop_timer", stop_timer), PDR_METHOD("tick", tick), PDR_READER("ticks", ticks),
               PDR_READER("activated", activated), PDR_METHOD("nap", nap), PDR_READER("reader_put", reader_put),
               PDR_METHOD("fill", fill), PDR_METHOD("count", count), PDR_METHOD("hold_slices", hold_slices),
               PDR_METHOD("own_address", own_address), PDR_READER("deadline_left", deadline_left),
               PDR_METHOD("bad_code", bad_code), PDR_METHOD("bad_status", bad_status),
               PDR_METHOD_AS("put_volatile", put, PDR_DURABILITY_VOLATILE),
               PDR_METHOD_AS("put_memory", put, PDR_DURABILITY_MEMORY))

static const struct pdr_actor_type *const types[] = {&pdr_type_probe, NULL};

TEST(a_failed_turn_leaves_nothing)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "probe/a", "put_then_fail", 0, ""), "boom"));
    EXPECT(is_nil(ask(&w, "probe/a", "get", 0, "s", "failed")));
    EXPECT(is_nil(ask(&w, "probe/a", "get", 0, "s", "seen")));
    stop(&w);
}

TEST(what_was_written_before_a_call_stays)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "probe/a", "put_call_fail", 0, ""), "boom"));
    EXPECT(is_bytes(ask(&w, "probe/a", "get", 0, "s", "before"), "x"));
    EXPECT(is_nil(ask(&w, "probe/a", "get", 0, "s", "after")));
    stop(&w);
}

TEST(calls_carry_caller_errors_and_results)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_int(ask(&w, "probe/a", "forward", 0, "ssi", "counter/c", "add", 5), 5));
    EXPECT(is_bytes(ask(&w, "probe/a", "forward", 0, "ss", "probe/b", "who"), "probe/a"));
    EXPECT(is_bytes(ask(&w, "probe/a", "who", 0, ""), ""));
    struct pdr_outcome o = ask(&w, "probe/a", "forward", 0, "ss", "probe/b", "put_then_fail");
    EXPECT(is_code(o, "saw") && pdr_bytes_equal(o.message, pdr_str("boom")));
    o = ask(&w, "probe/a", "forward", 0, "ss", "nope/b", "x");
    EXPECT(is_code(o, "saw") && pdr_bytes_equal(o.message, pdr_str("not_found")));
    o = ask(&w, "probe/a", "forward", 0, "ss", "no address", "x");
    EXPECT(is_code(o, "saw") && pdr_bytes_equal(o.message, pdr_str("invalid")));
    stop(&w);
}

TEST(replies_stay_until_the_turn_ends)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_int(ask(&w, "probe/a", "keep_replies", 0, "i", 64), 64));
    stop(&w);
}

TEST(a_chain_that_comes_back_is_a_deadlock)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct pdr_outcome o = ask(&w, "probe/a", "forward", 0, "ss", "probe/a", "who");
    EXPECT(is_code(o, "saw") && pdr_bytes_equal(o.message, pdr_str("deadlock")));
    o = ask(&w, "probe/a", "forward", 0, "sssss", "probe/b", "forward", "probe/a", "own_address", "");
    EXPECT(is_code(o, "saw") && pdr_bytes_equal(o.message, pdr_str("saw"))); /* b saw the deadlock, a saw b fail */
    EXPECT(is_bytes(ask(&w, "probe/a", "own_address", 0, ""), "a"));         /* nobody is stuck */
    stop(&w);
}

TEST(tells_leave_when_the_turn_has_committed)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "probe/a", "tell_counter", 0, "s", "counter/told")));
    EVENTUALLY(is_int(ask(&w, "counter/told", "get", 0, ""), 1));
    EXPECT(is_code(ask(&w, "probe/a", "tell_counter", 0, "si", "counter/untold", 1), "boom"));
    EXPECT(is_nil(ask(&w, "probe/a", "tell_counter", 0, "s", "counter/told")));
    EVENTUALLY(is_int(ask(&w, "counter/told", "get", 0, ""), 2));
    EXPECT(is_int(ask(&w, "counter/untold", "get", 0, ""), 0));
    stop(&w);
}

TEST(timers_beat_and_stop)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "probe/a", "start_timer", 0, "ii", 5, 5)));
    int64_t n = 0;
    EVENTUALLY((pdr_value_int(ask(&w, "probe/a", "ticks", 0, "").result, &n), n >= 3));
    EXPECT(is_nil(ask(&w, "probe/a", "stop_timer", 0, "")));
    struct pdr_outcome o = ask(&w, "probe/a", "ticks", 0, "");
    REQUIRE(pdr_value_int(o.result, &n));
    usleep(50000);
    EXPECT(is_int(ask(&w, "probe/a", "ticks", 0, ""), n));
    EXPECT(is_nil(ask(&w, "probe/b", "start_timer", 0, "ii", 5, 0))); /* once */
    EVENTUALLY(is_int(ask(&w, "probe/b", "ticks", 0, ""), 1));
    usleep(30000);
    EXPECT(is_int(ask(&w, "probe/b", "ticks", 0, ""), 1));
    stop(&w);
}

TEST(readers_cannot_write)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "probe/a", "reader_put", 0, ""), "invalid"));
    stop(&w);
}

TEST(deadlines_travel_and_end_waits)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_nil(ask(&w, "probe/a", "nap", 0, "i", 1)) &&
           is_nil(ask(&w, "probe/b", "nap", 0, "i", 1))); /* both shards are open */
    EXPECT(is_code(ask(&w, "probe/a", "nap", 50, "i", 5000), "deadline_exceeded"));
    struct pdr_outcome o = ask(&w, "probe/a", "forward", 100, "ssi", "probe/b", "nap", 5000);
    EXPECT(o.status == PDR_DEADLINE || is_code(o, "saw"));
    o = ask(&w, "probe/a", "forward", 2000, "ss", "probe/b", "deadline_left");
    int64_t left = 0;
    EXPECT(o.status == PDR_OK && pdr_value_int(o.result, &left) && left > 0 && left <= 2000);
    EXPECT(is_nil(ask(&w, "probe/a", "nap", 0, "i", 1)));
    stop(&w);
}

TEST(faulty_methods_are_internal_errors)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_code(ask(&w, "probe/a", "bad_code", 0, ""), "internal"));
    EXPECT(is_code(ask(&w, "probe/a", "bad_status", 0, ""), "internal"));
    stop(&w);
}

TEST(slices_live_until_the_turn_ends)
{
    struct world w = {.options.types = types};
    begin(&w);
    struct pdr_outcome o = ask(&w, "probe/a", "hold_slices", 0, "");
    bool held = false;
    EXPECT(o.status == PDR_OK && pdr_value_bool(o.result, &held) && held);
    EXPECT(is_bytes(ask(&w, "probe/a", "get", 0, "s", "h"), "three"));
    stop(&w);
}

TEST(idle_actors_are_passivated_and_come_back)
{
    struct world w = {.options = {.types = types, .idle_ms = 100}};
    begin(&w);
    atomic_store(&passivated, 0);
    EXPECT(is_int(ask(&w, "probe/a", "activated", 0, ""), 100));
    EXPECT(is_nil(ask(&w, "probe/a", "put", 0, "ss", "seen", "\x07"))); /* MessagePack 7 */
    EXPECT(is_nil(ask(&w, "probe/a", "put_volatile", 0, "ss", "vol", "x")));
    EXPECT(is_bytes(ask(&w, "probe/a", "get", 0, "s", "vol"), "x"));
    EVENTUALLY(atomic_load(&passivated) >= 1);
    EXPECT(is_int(ask(&w, "probe/a", "activated", 0, ""), 107)); /* the hook read what was kept */
    EXPECT(is_nil(ask(&w, "probe/a", "get", 0, "s", "vol")));    /* and what was not, is gone */
    stop(&w);
}

TEST(memory_limit_evicts_the_longest_idle)
{
    struct world w = {.options = {.types = types, .memory_max = 256 << 10}};
    begin(&w);
    for (int i = 0; i < 3000; i++) {
        char to[32];
        snprintf(to, sizeof to, "counter/%d", i);
        struct pdr_outcome o = ask(&w, to, "add", 0, "i", i);
        for (int tries = 0; o.status == PDR_OVERLOADED && tries < 100; tries++) { /* the store has to catch up */
            usleep(20000);
            o = ask(&w, to, "add", 0, "i", i);
        }
        EXPECT(is_int(o, i));
    }
    for (int i = 0; i < 3000; i += 97) {
        char to[32];
        snprintf(to, sizeof to, "counter/%d", i);
        EXPECT(is_int(ask(&w, to, "get", 0, ""), i));
    }
    struct pdr_outcome o = ask(&w, "_sys/node", "status", 0, "");
    int64_t evictions = 0;
    EXPECT(pdr_value_int(pdr_value_get(o.result, "evictions"), &evictions) && evictions > 0);
    stop(&w);
}

/* More state than stays in memory: reads and scans go to the store, merged with what is newer. */
TEST(large_state_is_read_piece_by_piece)
{
    struct world w = {.options = {.types = types, .idle_ms = 50}};
    begin(&w);
    for (int i = 0; i < 8; i++) {
        EXPECT(is_nil(ask(&w, "probe/big", "fill", 0, "iii", i * 500, 500, 200)));
    }
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "ss", "row", ""), 4000));
    usleep(600000); /* passivated, or trimmed: either way most is in the store alone */
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "ss", "row", ""), 4000));
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "ss", "row00001000", "row00001100"), 100));
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "ssss", "row", "", "row00000007", "row00000007a"), 4000));
    EXPECT(is_nil(ask(&w, "probe/big", "get", 0, "s", "row00000007")));
    EXPECT(is_bytes(ask(&w, "probe/big", "get", 0, "s", "row00000007a"), "v"));
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "sss", "row", "", "row00003999"), 3999));
    stop(&w);
    start(&w);
    EXPECT(is_int(ask(&w, "probe/big", "count", 0, "ss", "row", ""), 3999));
    EXPECT(is_nil(ask(&w, "probe/big", "get", 0, "s", "row00003999")));
    stop(&w);
}

TEST(limits_say_which)
{
    struct world w = {.options.types = types};
    begin(&w);
    char *large = calloc(1, 2000);
    memset(large, 'k', 1999);
    struct pdr_outcome o = ask(&w, "probe/a", "put", 0, "ss", large, "v");
    EXPECT(is_code(o, "too_large"));
    EXPECT(memmem(o.message.data, o.message.size, "key_bytes_max", 13) != NULL);
    EXPECT(is_code(ask(&w, "probe/a", "put", 0, "ss", "", "v"), "invalid"));
    free(large);
    stop(&w);
}

TEST(everything_is_there_after_a_clean_restart)
{
    struct world w = {.options.types = types};
    begin(&w);
    EXPECT(is_int(ask(&w, "counter/a", "add", 0, "i", 41), 41));
    EXPECT(is_nil(ask(&w, "probe/a", "put_memory", 0, "ss", "m", "kept")));
    stop(&w);
    start(&w);
    EXPECT(is_int(ask(&w, "counter/a", "add", 0, ""), 42));
    EXPECT(is_bytes(ask(&w, "probe/a", "get", 0, "s", "m"), "kept"));
    stop(&w);
}

TEST_MAIN()
