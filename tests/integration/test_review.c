/* What clients and actors do at the edges, on a real node in this process: memory that a peer could make grow, timers
 * of hooks, names without end. Each case was a fault once. */
#include <perdure/actor.h>
#include <perdure/client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tools/node/process_uv.h"

static atomic_int passivated;

struct edge_memory {
    int64_t ticks;
};

static int on_activate(pdr_turn *turn)
{
    return pdr_timer_set(turn, "hook", 5, 0, "tick", pdr_bytes(NULL, 0));
}

static int on_passivate(pdr_turn *turn)
{
    atomic_fetch_add(&passivated, 1);
    return PDR_OK;
}

static int tick(pdr_turn *turn, const pdr_args *args)
{
    ((struct edge_memory *)pdr_memory(turn))->ticks++;
    return pdr_reply_nil(turn);
}

static int ticks(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, ((struct edge_memory *)pdr_memory(turn))->ticks);
}

/* delay, period: a timer; hours are for good. */
static int start_timer(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_timer_set(turn, "own", (uint64_t)pdr_arg_int(args, 0, 0), (uint64_t)pdr_arg_int(args, 1, 0),
                               "tick", pdr_bytes(NULL, 0));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* n timers in one turn. */
static int many_timers(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = pdr_arg_int(args, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "t%lld", (long long)i);
        int status = pdr_timer_set(turn, name, 3600000, 0, "tick", pdr_bytes(NULL, 0));
        if (status != PDR_OK) {
            return status;
        }
    }
    return pdr_reply_nil(turn);
}

static int bad_timer(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_timer_set(turn, "bad", 1, 0, "tick", pdr_str("no array"));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int nap(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 0));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int no_code(pdr_turn *turn, const pdr_args *args)
{
    return PDR_ACTOR;
}

PDR_ACTOR_WITH(edge, sizeof(struct edge_memory), NULL, on_passivate, PDR_DURABILITY_SYNC, PDR_METHOD("tick", tick),
               PDR_READER("ticks", ticks), PDR_METHOD("start_timer", start_timer),
               PDR_METHOD("many_timers", many_timers), PDR_METHOD("bad_timer", bad_timer), PDR_METHOD("nap", nap),
               PDR_METHOD("no_code", no_code))
PDR_ACTOR_WITH(hooked, sizeof(struct edge_memory), on_activate, NULL, PDR_DURABILITY_SYNC, PDR_METHOD("tick", tick),
               PDR_READER("ticks", ticks))

/* A node and a client. */

struct world {
    struct process *process;
    pthread_t thread;
    pdr_blocking *client;
    char node[64];
    struct node_options options;
};

static const struct pdr_actor_type *const types[] = {&pdr_type_edge, &pdr_type_hooked, NULL};

static void *run(void *process)
{
    process_run(process);
    return NULL;
}

static void begin(struct world *w)
{
    const char *why = "";
    struct process_options options = {.data = test_dir(), .threads = 1, .node = w->options};
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

static void stop(struct world *w)
{
    pdr_blocking_close(w->client);
    process_stop(w->process, 1000);
    pthread_join(w->thread, NULL);
    process_free(w->process);
}

static struct pdr_outcome ask(struct world *w, const char *to, const char *method, const pdr_writer *args)
{
    struct pdr_outcome outcome;
    struct pdr_call_options options = {0};
    pdr_blocking_call(w->client, pdr_str(to), method, args != NULL ? pdr_written(args) : pdr_bytes(NULL, 0), &options,
                      &outcome);
    return outcome;
}

static struct pdr_outcome ask_ints(struct world *w, const char *to, const char *method, int64_t a, int64_t b)
{
    uint8_t room[64];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 2);
    pdr_write_int(&args, a);
    pdr_write_int(&args, b);
    return ask(w, to, method, &args);
}

static struct pdr_outcome put(struct world *w, const char *to, const char *key, size_t size)
{
    pdr_writer args;
    char *value = calloc(1, size);
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_write_array(&args, 2);
    pdr_write_cstr(&args, key);
    pdr_write_bin(&args, pdr_bytes(value, size));
    struct pdr_outcome o = ask(w, to, "put", &args);
    pdr_writer_release(&args);
    free(value);
    return o;
}

static int64_t status_of(struct world *w, const char *key)
{
    int64_t n = -1;
    struct pdr_outcome o = ask(w, "_sys/node", "status", NULL);
    pdr_value_int(pdr_value_get(o.result, key), &n);
    return n;
}

static int64_t int_of(struct pdr_outcome o)
{
    int64_t n = -1;
    return o.status == PDR_OK && pdr_value_int(o.result, &n) ? n : -1;
}

/* A connection of bytes, for what the client would not send or not read. */
static int dial(struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(process_port(w->process))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static void send_all(int fd, struct pdr_bytes bytes)
{
    size_t done = 0;
    while (done < bytes.size) {
        ssize_t n = send(fd, (const char *)bytes.data + done, bytes.size - done, MSG_NOSIGNAL);
        REQUIRE(n > 0);
        done += (size_t)n;
    }
}

static void write_request(pdr_writer *out, uint32_t msgid, const char *target)
{
    pdr_write_array(out, 4);
    pdr_write_int(out, 0);
    pdr_write_uint(out, msgid);
    pdr_write_cstr(out, target);
}

static void set_timeout(int fd, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
}

/* An actor with a timer far away stays, and must not keep those in memory that became idle after it. */
TEST(a_far_timer_keeps_its_own_actor_only)
{
    struct world w = {.options = {.idle_ms = 100}};
    begin(&w);
    atomic_store(&passivated, 0);
    EXPECT(ask_ints(&w, "edge/timer", "start_timer", 3600000, 0).status == PDR_OK);
    usleep(20000);
    EXPECT(int_of(ask(&w, "edge/a", "ticks", NULL)) == 0);
    EXPECT(int_of(ask(&w, "edge/b", "ticks", NULL)) == 0);
    EVENTUALLY(atomic_load(&passivated) >= 2);
    EXPECT(atomic_load(&passivated) == 2);
    EXPECT(status_of(&w, "actors") == 1);
    stop(&w);
}

TEST(a_timer_of_the_activate_hook_fires)
{
    struct world w = {0};
    begin(&w);
    EXPECT(int_of(ask(&w, "hooked/a", "ticks", NULL)) >= 0);
    EVENTUALLY(int_of(ask(&w, "hooked/a", "ticks", NULL)) == 1);
    stop(&w);
}

TEST(timers_beyond_the_limit_are_refused_aloud)
{
    struct world w = {0};
    begin(&w);
    EXPECT(ask_ints(&w, "edge/a", "many_timers", 64, 0).status == PDR_OK);
    EXPECT(ask_ints(&w, "edge/a", "many_timers", 64, 0).status == PDR_OK); /* the same names */
    EXPECT(ask_ints(&w, "edge/a", "start_timer", 3600000, 0).status == PDR_OVERLOADED);
    EXPECT(ask_ints(&w, "edge/b", "many_timers", 65, 0).status == PDR_OVERLOADED);
    EXPECT(ask_ints(&w, "edge/a", "bad_timer", 0, 0).status == PDR_INVALID);
    stop(&w);
}

/* A period beyond all measure is a long one, not one that wraps round to nothing. */
TEST(a_period_without_end_does_not_beat)
{
    struct world w = {0};
    begin(&w);
    EXPECT(ask_ints(&w, "edge/a", "start_timer", 1, 18446744073710).status == PDR_OK);
    usleep(300000);
    EXPECT(int_of(ask(&w, "edge/a", "ticks", NULL)) == 1);
    stop(&w);
}

TEST(a_code_that_nobody_set_is_internal)
{
    struct world w = {0};
    begin(&w);
    EXPECT(ask(&w, "edge/a", "no_code", NULL).status == PDR_INTERNAL);
    stop(&w);
}

/* An actor that is written without pause keeps in memory what the store lacks, not all that it ever wrote. */
TEST(a_large_actor_in_constant_use_is_trimmed)
{
    struct world w = {0};
    begin(&w);
    int64_t most = 0;
    for (int i = 0; i < 300; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%04d", i);
        struct pdr_outcome o = put(&w, "kv/hot", key, 500000);
        EXPECT(o.status == PDR_OK);
        int64_t now = i % 10 == 9 ? status_of(&w, "memory_bytes") : 0;
        most = now > most ? now : most;
    }
    EXPECT(most < 75 << 20);
    stop(&w);
}

/* 600 small questions, each with a large answer, from a peer that reads none of them. */
TEST(answers_that_nobody_reads_are_bounded)
{
    struct world w = {0};
    begin(&w);
    EXPECT(put(&w, "kv/a", "k", 1000000).status == PDR_OK);
    int fd = dial(&w);
    pdr_writer out;
    pdr_writer_init(&out, NULL, 0, 0);
    for (uint32_t i = 0; i < 600; i++) {
        write_request(&out, i, "kv/a.get");
        pdr_write_array(&out, 1);
        pdr_write_cstr(&out, "k");
    }
    send_all(fd, pdr_written(&out));
    pdr_writer_release(&out);
    EXPECT(put(&w, "kv/b", "k", 1).status == PDR_OK); /* others go on */
    EVENTUALLY(status_of(&w, "turns") >= 602);        /* all of them ran */
    char *answers = malloc(1 << 20);
    size_t total = 0;
    ssize_t n;
    set_timeout(fd, 1000);
    while ((n = recv(fd, answers, 1 << 20, 0)) > 0) {
        total += (size_t)n;
    }
    free(answers);
    EXPECT(total > 20 << 20 && total < 64 << 20); /* of 600 MB */
    EXPECT(status_of(&w, "connections") == 2);    /* only reads were refused: the connection stays */
    close(fd);
    stop(&w);
}

/* Arguments that wait in a mailbox are memory as well. */
TEST(waiting_arguments_are_bounded_by_the_memory_limit)
{
    struct world w = {.options = {.memory_max = 32 << 20}};
    begin(&w);
    int fd = dial(&w);
    char *value = calloc(1, 500000);
    pdr_writer out;
    pdr_writer_init(&out, NULL, 0, 0);
    write_request(&out, 0, "edge/a.nap");
    pdr_write_array(&out, 1);
    pdr_write_int(&out, 3000);
    for (uint32_t i = 1; i < 200; i++) {
        write_request(&out, i, "edge/a.tick");
        pdr_write_array(&out, 1);
        pdr_write_bin(&out, pdr_bytes(value, 500000));
    }
    send_all(fd, pdr_written(&out));
    pdr_writer_release(&out);
    free(value);
    usleep(500000);
    int64_t memory = status_of(&w, "memory_bytes");
    EXPECT(memory > 8 << 20 && memory < 40 << 20);
    EXPECT(status_of(&w, "overloaded") > 50);
    EXPECT(int_of(ask(&w, "counter/small", "add", NULL)) == 1 || status_of(&w, "overloaded") > 0);
    close(fd);
    stop(&w);
}

TEST(a_method_name_without_end_is_invalid)
{
    struct world w = {0};
    begin(&w);
    int fd = dial(&w);
    char *name = malloc(100000);
    memset(name, 0xff, 100000);
    pdr_writer out;
    pdr_writer_init(&out, NULL, 0, 0);
    write_request(&out, 7, "_sys/conn.call");
    pdr_write_array(&out, 2);
    pdr_write_cstr(&out, "kv/a");
    pdr_write_str(&out, pdr_bytes(name, 100000));
    send_all(fd, pdr_written(&out));
    pdr_writer_release(&out);
    free(name);
    char answer[512];
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    REQUIRE(n > 0);
    EXPECT(memmem(answer, (size_t)n, "invalid", 7) != NULL);
    close(fd);
    stop(&w);
}

/* A sentence that names a long address is cut between characters. */
TEST(a_sentence_is_cut_between_characters)
{
    struct world w = {0};
    begin(&w);
    for (int shift = 0; shift < 3; shift++) {
        char to[600] = "edge/";
        memset(to + 5, 'x', (size_t)shift);
        for (int i = 0; i < 150; i++) {
            memcpy(to + 5 + shift + 3 * i, "\xe2\x82\xac", 4); /* the euro sign */
        }
        struct pdr_outcome o = ask(&w, to, "no_code", NULL);
        EXPECT(o.status == PDR_INTERNAL && o.message.size > 180);
        EXPECT(((const uint8_t *)o.message.data)[o.message.size - 1] == 0xac);
    }
    stop(&w);
}

TEST_MAIN()
