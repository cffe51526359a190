/* tests/integration/test_raft_disk.c: the log of the directory's server on a node with threads, files and RocksDB: what
 * was answered is found by the next process. (What crashes and full disks do: simulation.scenarios.raft_disk.) */
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "consensus/raft_disk_shard.h"
#include "consensus/raft_log.h"
#include "core/base/log.h"
#include "core/env/loop_uv.h"
#include "tests/lib/test.h"
#include "tools/node/node_parts.h"

#define CORES 2
#define OUTSTANDING 6 /* batches: some share an entry */
#define ENTRY_SIZE 600u

/* One server, "a", a voter of id 1: consensus/raft_config.h. */
static const uint8_t config[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};

struct runner {
    struct loop_uv *loop;
    pthread_t thread;
    struct message stop;
};

/* A process. The control loop runs on the test's thread. */
struct life {
    struct runner cores[CORES], journal, control;
    struct loop *core_loops[CORES];
    struct transport *transports[CORES];
    struct node *node;
    struct raft_disk *disk;
    struct replica_log *log;
    uint64_t answered, last_entry; /* sequence number of a batch; where to end */
    int outstanding;
};

static void write_one(struct life *l)
{
    uint8_t bytes[ENTRY_SIZE];
    uint64_t index = replica_log_last(l->log) + 1;
    struct raft_log_entry entry = {1, RAFT_LOG_COMMAND, pdr_bytes(bytes, sizeof bytes)};
    memset(bytes, (int)(index & 0xff), sizeof bytes);
    if (index == 1) {
        entry = (struct raft_log_entry){1, RAFT_LOG_CHANGE, pdr_bytes(config, sizeof config)};
    }
    replica_log_set_vote(l->log, 1, 1);
    replica_log_append(l->log, index, &entry);
    replica_log_flush(l->log);
    l->outstanding++;
}

static void stopped(void *user)
{
    loop_uv_stop(((struct life *)user)->control.loop);
}

static void durable(void *user, uint64_t seq)
{
    struct life *l = user;
    EXPECT_INT(seq, l->answered + 1);
    l->answered = seq;
    l->outstanding--;
    while (l->outstanding < OUTSTANDING && replica_log_last(l->log) < l->last_entry) {
        write_one(l);
    }
    if (l->outstanding == 0) {
        node_stop(l->node, 100, stopped, l);
    }
}

static void path_of(char *path, size_t size, const char *directory, const char *name)
{
    snprintf(path, size, "%s/%s", directory, name);
    mkdir(path, 0700);
}

static void new_loop(struct runner *runner)
{
    runner->loop = loop_uv_new(clock_os());
    REQUIRE(runner->loop != NULL);
}

static void open_node(struct life *l, const char *directory)
{
    static const struct store_rocks_options rocks = {0};
    const struct node_options options = {.listen = "127.0.0.1:0"};
    char log[600], store[600];
    const char *why = "";
    for (int i = 0; i < CORES; i++) {
        new_loop(&l->cores[i]);
        l->core_loops[i] = loop_uv_loop(l->cores[i].loop);
        l->transports[i] = transport_uv_new(l->core_loops[i]);
    }
    new_loop(&l->journal);
    new_loop(&l->control);
    struct node_world world = {.clock = clock_os(),
                               .work = work_uv(),
                               .cores = CORES,
                               .core_loops = l->core_loops,
                               .transports = l->transports,
                               .control_loop = loop_uv_loop(l->control.loop),
                               .journal_loop = loop_uv_loop(l->journal.loop),
                               .seed = test_seed()};
    path_of(log, sizeof log, directory, "log");
    path_of(store, sizeof store, directory, "store");
    REQUIRE(disk_linux_open(log, world.journal_loop, world.work, &world.disk, &why) == PDR_OK);
    REQUIRE(store_rocks_open(store, &rocks, &world.store, &why) == PDR_OK);
    REQUIRE(node_open(&world, &options, &l->node, &why) == PDR_OK);
}

static void open_log(struct life *l)
{
    const char *why = "";
    struct core *owner = l->node->cores[0]->directory != NULL ? l->node->cores[0] : l->node->cores[1];
    l->disk = raft_disk_shard_new(l->node->control, owner, l->node->store);
    l->log = replica_log_new(l->disk, durable, l);
    enum pdr_status status = replica_log_load(l->log, &why);
    if (status != PDR_OK) {
        fprintf(stderr, "%s\n", why);
    }
    REQUIRE(status == PDR_OK);
}

static struct life *life_begin(const char *directory)
{
    struct life *l = mem_new(sizeof *l);
    log_set_level(LOG_ERROR);
    open_node(l, directory);
    open_log(l);
    return l;
}

static void *run_loop(void *loop)
{
    loop_uv_run(loop);
    return NULL;
}

static void start(struct runner *runner)
{
    REQUIRE(pthread_create(&runner->thread, NULL, run_loop, runner->loop) == 0);
}

static void stop_loop(struct message *message)
{
    loop_uv_stop(LIST_ITEM(message, struct runner, stop)->loop);
}

static void end(struct runner *runner)
{
    runner->stop.deliver = stop_loop;
    loop_post(loop_uv_loop(runner->loop), &runner->stop);
    pthread_join(runner->thread, NULL);
}

/* Until `last_entry` is answered, and the node has stopped. */
static void life_run(struct life *l, uint64_t last_entry)
{
    l->last_entry = last_entry;
    write_one(l);
    start(&l->journal);
    for (int i = 0; i < CORES; i++) {
        start(&l->cores[i]);
    }
    loop_uv_run(l->control.loop);
    for (int i = 0; i < CORES; i++) {
        end(&l->cores[i]);
    }
    end(&l->journal);
}

static void life_end(struct life *l)
{
    raft_disk_shard_free(l->disk);
    replica_log_free(l->log);
    node_free(l->node);
    for (int i = 0; i < CORES; i++) {
        l->transports[i]->ops->free(l->transports[i]);
        loop_uv_free(l->cores[i].loop);
    }
    loop_uv_free(l->journal.loop);
    loop_uv_free(l->control.loop);
    mem_free(l);
}

static void expect_entries(const struct life *l, uint64_t last)
{
    EXPECT_INT(replica_log_last(l->log), last);
    for (uint64_t index = 2; index <= last; index++) {
        struct pdr_bytes bytes = replica_log_entry(l->log, index)->bytes;
        const uint8_t *at = bytes.data;
        EXPECT(bytes.size == ENTRY_SIZE && at[0] == (uint8_t)index && memcmp(at, at + 1, ENTRY_SIZE - 1) == 0);
    }
}

TEST(the_next_process_finds_what_was_answered)
{
    char directory[512];
    snprintf(directory, sizeof directory, "%s", test_dir());
    for (uint64_t last = 0; last <= 600; last += 200) {
        struct life *l = life_begin(directory);
        expect_entries(l, last);
        life_run(l, last + 200);
        EXPECT_INT(l->answered, 200);
        life_end(l);
    }
}

TEST_MAIN()
