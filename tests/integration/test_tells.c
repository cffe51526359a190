/* Durable tells on a real node (loops, TCP, RocksDB, files): accepted, run, retried, given up, delivered again; found
 * again after a stop. That nothing is lost or doubled in a crash is for tests/simulation and tests/e2e. */
#include <perdure/actor.h>
#include <perdure/client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tools/node/process_uv.h"

/* The type under test: what it is told it writes down, one after another. */

static atomic_int failures; /* that `note` has yet to make */
static atomic_int refused;  /* the status of the last tell that was refused */

static int add_to(pdr_turn *turn, const char *key, int64_t by)
{
    int64_t n = 0;
    int status = pdr_get_int(turn, key, &n);
    return status == PDR_OK || status == PDR_NOT_FOUND ? pdr_put_int(turn, key, n + by) : status;
}

/* note [n]: the number must be the next; fails as often as it was asked to, after it has written */
static int note(pdr_turn *turn, const pdr_args *args)
{
    int64_t last = 0, n = pdr_arg_int(args, 0, 0);
    pdr_get_int(turn, "last", &last);
    int status = pdr_put_int(turn, "last", n);
    if (status == PDR_OK && n != last + 1) {
        status = add_to(turn, "disorder", 1);
    }
    if (atomic_load(&failures) > 0) {
        atomic_fetch_sub(&failures, 1);
        return pdr_fail(turn, "boom", "as agreed");
    }
    return status;
}

static int one_arg(pdr_turn *turn, struct pdr_bytes to, const char *method, int64_t n)
{
    uint8_t room[16];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_int(&args, n);
    return pdr_tell(turn, to, method, pdr_written(&args));
}

/* send [to, from, count, size]: as many tells in one turn */
static int send_some(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes to = pdr_arg_bytes(args, 0, pdr_str(""));
    int64_t from = pdr_arg_int(args, 1, 0), count = pdr_arg_int(args, 2, 1);
    for (int64_t n = from; n < from + count; n++) {
        int status = one_arg(turn, to, "note", n);
        if (status != PDR_OK) {
            atomic_store(&refused, status);
            return status;
        }
    }
    return pdr_reply_nil(turn);
}

/* cut [to]: writes, calls, then fails: what it wrote before the call stays, and it must not run again */
static int cut(pdr_turn *turn, const pdr_args *args)
{
    int status = add_to(turn, "begun", 1);
    if (status == PDR_OK) {
        status = pdr_call(turn, pdr_str("echo/e"), "ping", pdr_bytes(NULL, 0), NULL);
    }
    return status == PDR_OK ? pdr_fail(turn, "boom", "after its call") : status;
}

static int get(pdr_turn *turn, const pdr_args *args)
{
    char key[32] = "";
    struct pdr_bytes name = pdr_arg_bytes(args, 0, pdr_str(""));
    int64_t n = 0;
    memcpy(key, name.data, name.size);
    int status = pdr_get_int(turn, key, &n);
    return status == PDR_OK || status == PDR_NOT_FOUND ? pdr_reply_int(turn, n) : status;
}

static int told_reader(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

PDR_ACTOR(notes, PDR_METHOD("note", note), PDR_METHOD("send", send_some), PDR_METHOD("cut", cut),
          PDR_READER("get", get), PDR_READER("hear", told_reader),
          PDR_METHOD_AS("hear_volatile", told_reader, PDR_DURABILITY_VOLATILE),
          PDR_METHOD_AS("note_memory", note, PDR_DURABILITY_MEMORY))

struct world {
    struct process *process;
    pthread_t thread;
    pdr_blocking *client;
    char data[512], node[64];
};

static const struct pdr_actor_type *const types[] = {&pdr_type_notes, NULL};

static void *run(void *process)
{
    process_run(process);
    return NULL;
}

static void start(struct world *w)
{
    const char *why = "";
    struct process_options options = {.data = w->data, .threads = 2};
    options.node.name = "test";
    options.node.listen = "127.0.0.1:0";
    options.node.types = types;
    if (process_open(&options, &w->process, &why) != PDR_OK) {
        fprintf(stderr, "%s\n", why);
        REQUIRE(!"process_open");
    }
    REQUIRE(pthread_create(&w->thread, NULL, run, w->process) == 0);
    snprintf(w->node, sizeof w->node, "127.0.0.1:%u", process_port(w->process));
    struct pdr_client_options client = {.node = w->node};
    REQUIRE(pdr_blocking_open(&client, &w->client, &why) == PDR_OK);
}

static void begin(struct world *w)
{
    snprintf(w->data, sizeof w->data, "%s", test_dir());
    start(w);
}

static void stop(struct world *w)
{
    pdr_blocking_close(w->client);
    process_stop(w->process, 2000);
    pthread_join(w->thread, NULL);
    process_free(w->process);
}

static struct pdr_outcome ask(struct world *w, const char *to, const char *method, const pdr_writer *args)
{
    static const uint8_t none[] = {0x90};
    struct pdr_outcome outcome;
    pdr_blocking_call(w->client, pdr_str(to), method, args != NULL ? pdr_written(args) : pdr_bytes(none, 1), NULL,
                      &outcome);
    return outcome;
}

static int64_t number(struct world *w, const char *of, const char *key)
{
    uint8_t room[64];
    pdr_writer args;
    int64_t n = -1;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, key);
    struct pdr_outcome o = ask(w, of, "get", &args);
    return o.status == PDR_OK && pdr_value_int(o.result, &n) ? n : -1;
}

static enum pdr_status send_to(struct world *w, const char *from, const char *to, int64_t first, int64_t count)
{
    uint8_t room[128];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 3);
    pdr_write_cstr(&args, to);
    pdr_write_int(&args, first);
    pdr_write_int(&args, count);
    return ask(w, from, "send", &args).status;
}

/* `_sys/conn.tell [to, method, [n], options]` */
static struct pdr_outcome tell(struct world *w, const char *to, const char *method, int64_t n, const char *durability)
{
    static uint8_t room[256];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 4);
    pdr_write_cstr(&args, to);
    pdr_write_cstr(&args, method);
    pdr_write_array(&args, 1);
    pdr_write_int(&args, n);
    pdr_write_map(&args, durability != NULL);
    if (durability != NULL) {
        pdr_write_cstr(&args, "durability");
        pdr_write_cstr(&args, durability);
    }
    return ask(w, "_sys/conn", "tell", &args);
}

/* The dead letters of a prefix: how many; the first one's id and code. */
static uint32_t letters(struct world *w, const char *prefix, const char *cursor, int limit, char *id, char *code)
{
    uint8_t room[256];
    pdr_writer args;
    struct pdr_bytes text;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 3);
    pdr_write_cstr(&args, prefix);
    pdr_write_cstr(&args, cursor);
    pdr_write_int(&args, limit);
    struct pdr_outcome o = ask(w, "_sys/node", "dead", &args);
    REQUIRE(o.status == PDR_OK);
    pdr_value list = pdr_value_get(o.result, "letters"), first = pdr_value_at(list, 0);
    if (pdr_value_count(list) > 0 && pdr_value_bytes(pdr_value_get(first, "id"), &text)) {
        snprintf(id, 700, "%.*s", (int)text.size, (const char *)text.data);
        pdr_value_bytes(pdr_value_get(first, "code"), &text);
        snprintf(code, 64, "%.*s", (int)text.size, (const char *)text.data);
    }
    return pdr_value_count(list);
}

static struct pdr_outcome letter(struct world *w, const char *method, const char *id)
{
    uint8_t room[800];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, 1);
    pdr_write_cstr(&args, id);
    return ask(w, "_sys/node", method, &args);
}

TEST(in_order_between_shards_and_within_one)
{
    struct world w = {0};
    begin(&w);
    for (int64_t n = 1; n <= 1000; n += 100) {
        EXPECT_INT(send_to(&w, "notes/a", "notes/b", n, 100), PDR_OK);
        EXPECT_INT(send_to(&w, "notes/{x}1", "notes/{x}2", n, 100), PDR_OK);
    }
    EVENTUALLY(number(&w, "notes/b", "last") == 1000);
    EVENTUALLY(number(&w, "notes/{x}2", "last") == 1000);
    EXPECT_INT(number(&w, "notes/b", "disorder"), 0);
    EXPECT_INT(number(&w, "notes/{x}2", "disorder"), 0);
    stop(&w);
}

TEST(a_failed_turn_is_run_again_and_those_behind_it_wait)
{
    struct world w = {0};
    begin(&w);
    atomic_store(&failures, 3);
    EXPECT_INT(send_to(&w, "notes/a", "notes/b", 1, 50), PDR_OK);
    EXPECT(number(&w, "notes/b", "last") >= 0); /* calls go on */
    EVENTUALLY(number(&w, "notes/b", "last") == 50);
    EXPECT_INT(number(&w, "notes/b", "disorder"), 0);
    EXPECT_INT(atomic_load(&failures), 0);
    stop(&w);
}

TEST(a_client_is_told_when_it_is_accepted)
{
    struct world w = {0};
    begin(&w);
    EXPECT_INT(tell(&w, "notes/b", "note", 1, NULL).status, PDR_OK);
    EXPECT_INT(tell(&w, "notes/b", "note_memory", 2, "memory").status, PDR_OK);
    EXPECT_INT(tell(&w, "notes/b", "hear", 0, NULL).status, PDR_OK);
    EXPECT_INT(tell(&w, "notes/b", "hear_volatile", 0, NULL).status, PDR_OK);
    EXPECT_INT(tell(&w, "notes/b", "note", 3, "sync").status, PDR_OK);
    EVENTUALLY(number(&w, "notes/b", "last") == 3);
    EXPECT_INT(number(&w, "notes/b", "disorder"), 0);
    EXPECT_INT(tell(&w, "notes/b", "nope", 0, NULL).status, PDR_NOT_FOUND);
    EXPECT_INT(tell(&w, "nope/b", "note", 0, NULL).status, PDR_NOT_FOUND);
    EXPECT_INT(tell(&w, "_sys/node", "status", 0, NULL).status, PDR_INVALID);
    EXPECT_INT(tell(&w, "notes/b", "note", 0, "volatile").status, PDR_INVALID);
    EXPECT_INT(tell(&w, "no address", "note", 0, NULL).status, PDR_INVALID);
    stop(&w);
}

TEST(a_stop_leaves_them_for_the_next_start)
{
    struct world w = {0};
    char id[700], code[64];
    begin(&w);
    atomic_store(&failures, 4); /* the first is between two attempts when the node stops */
    EXPECT_INT(send_to(&w, "notes/a", "notes/b", 1, 200), PDR_OK);
    EXPECT_INT(send_to(&w, "notes/{x}1", "notes/{x}2", 1, 200), PDR_OK);
    stop(&w);
    start(&w);
    EVENTUALLY(number(&w, "notes/b", "last") == 200);
    EVENTUALLY(number(&w, "notes/{x}2", "last") == 200);
    EXPECT_INT(number(&w, "notes/b", "disorder") + number(&w, "notes/{x}2", "disorder"), 0);
    EXPECT_INT(letters(&w, "", "", 10, id, code), 0);
    stop(&w);
    start(&w); /* numbers go on where they were, though no row of the outbox is left */
    EXPECT_INT(send_to(&w, "notes/a", "notes/b", 201, 1), PDR_OK);
    EVENTUALLY(number(&w, "notes/b", "last") == 201);
    stop(&w);
}

TEST(given_up_then_delivered_again_or_discarded)
{
    struct world w = {0};
    char id[700], code[64];
    begin(&w);
    atomic_store(&failures, 1000);
    EXPECT_INT(send_to(&w, "notes/a", "notes/b", 1, 1), PDR_OK);
    EVENTUALLY(letters(&w, "notes/", "", 10, id, code) == 1);
    EXPECT(strcmp(code, "boom") == 0);
    EXPECT_INT(letters(&w, "notes/c", "", 10, id, code), 0);
    atomic_store(&failures, 0);
    EXPECT_INT(number(&w, "notes/b", "last"), 0);
    stop(&w);
    start(&w); /* they stay */
    REQUIRE(letters(&w, "notes/b", "", 10, id, code) == 1);
    EVENTUALLY(letter(&w, "redeliver", id).status == PDR_OK); /* when its shard is open again */
    EVENTUALLY(number(&w, "notes/b", "last") == 1);
    EXPECT_INT(letter(&w, "redeliver", id).status, PDR_INVALID); /* once */
    EXPECT_INT(letter(&w, "discard", id).status, PDR_INVALID);
    EXPECT_INT(number(&w, "notes/b", "disorder"), 0);
    atomic_store(&failures, 6);
    EXPECT_INT(send_to(&w, "notes/a", "notes/b", 2, 2), PDR_OK);
    EVENTUALLY(letters(&w, "", "", 10, id, code) == 1);
    EVENTUALLY(number(&w, "notes/b", "last") == 3); /* the channel and the queue go on */
    EXPECT_INT(letter(&w, "discard", id).status, PDR_OK);
    EVENTUALLY(letters(&w, "", "", 10, id, code) == 0);
    EXPECT_INT(letter(&w, "redeliver", "nonsense").status, PDR_INVALID);
    EXPECT_INT(letter(&w, "redeliver", "notes/b#").status, PDR_INVALID);
    EXPECT_INT(letter(&w, "redeliver", "notes/b#99999999999999999999999").status, PDR_INVALID);
    stop(&w);
}

TEST(no_type_or_no_method_is_given_up_at_once)
{
    struct world w = {0};
    char id[700] = "", code[64] = "", first[700];
    begin(&w);
    EXPECT_INT(send_to(&w, "notes/a", "nope/b", 1, 3), PDR_OK);
    EXPECT_INT(send_to(&w, "notes/a", "counter/b", 1, 2), PDR_OK); /* it has no method `note` */
    EVENTUALLY(letters(&w, "", "", 100, id, code) == 5);
    EXPECT(strcmp(code, "not_found") == 0);
    EXPECT_INT(letters(&w, "nope/", "", 2, id, code), 2); /* page by page */
    snprintf(first, sizeof first, "%s", id);
    EXPECT_INT(letters(&w, "nope/", first, 100, id, code), 2);
    EXPECT(strcmp(first, id) != 0);
    stop(&w);
}

TEST(a_turn_that_began_does_not_begin_again)
{
    struct world w = {0};
    char id[700], code[64];
    begin(&w);
    EXPECT_INT(tell(&w, "notes/b", "cut", 0, NULL).status, PDR_OK);
    EVENTUALLY(letters(&w, "notes/b", "", 10, id, code) == 1);
    EXPECT(strcmp(code, "boom") == 0);
    EXPECT_INT(number(&w, "notes/b", "begun"), 1);
    stop(&w);
}

TEST_MAIN()
