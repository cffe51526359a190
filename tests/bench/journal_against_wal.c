/* tests/bench/journal_against_wal.c: a group commit through our log against the same through RocksDB's WAL, in one run.
 * Not part of ctest: a figure is looked at, not tested. docs/internals/journal.md says what it said.
 *
 *     journal_against_wal DIRECTORY [GROUPS]      DIRECTORY on the disk in question; is made, and removed at the end
 *
 * A group is 32 entries of 200 bytes. All ways take turns, 500 groups each, so that they see the same noise.
 *
 * On one thread, which may block:
 *   journal   the entries are a batch for the journal; when it answers, they are written to a RocksDB without WAL, and
 *             now and then that is flushed and the log released, as a node does
 *   wal       one RocksDB write batch with its WAL, synced
 *   recycled  the same with recycled WAL files
 *   floor     pwrite and fdatasync of as many bytes in a zero-filled file, and nothing else
 * From a core thread, which may not:
 *   journal   the journal has its own thread
 *   wal       the synced write is a job on the work pool
 * Latency is until the group is durable; groups/s counts the writing to RocksDB too. */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rocksdb/c.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/list.h"
#include "core/env/clock.h"
#include "core/env/loop_uv.h"
#include "core/env/work.h"
#include "core/journal/journal.h"

#define ENTRIES 32u
#define VALUE_SIZE 200u
#define KEYS 1000u
#define ROUND 500u
#define GROUPS_DEFAULT 8000u
#define FLOOR_FILE_BYTES (16u << 20)

struct sample {
    const char *name;
    uint64_t *ns; /* latency of each group */
    uint32_t count;
    uint64_t total_ns;
};

/* A node as small as can be: the main thread is a core, another one the journal's. A round runs on either. */
struct node {
    struct loop_uv *core, *journal_loop;
    struct loop *home; /* of this round */
    struct journal *journal;
    pthread_t thread;
    struct message begin, end, close, checkpoint;
    struct journal_batch batch;
    struct job job;
    uint8_t records[ENTRIES * 232];
    uint64_t seq, wal_seq, begin_ns, checkpoints;
    uint32_t left; /* groups of this round */
    rocksdb_t *db, *wal_db;
    struct sample *sample;
};

static rocksdb_writeoptions_t *unlogged, *synced;

static uint64_t now_ns(void)
{
    return clock_now_ns(clock_os());
}

static void must(char *error)
{
    if (error != NULL) {
        fprintf(stderr, "journal_against_wal: %s\n", error);
        exit(1);
    }
}

static rocksdb_t *open_db(const char *directory, const char *name, size_t recycled_logs)
{
    char path[512], *error = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_write_buffer_size(options, 8u << 20);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_recycle_log_file_num(options, recycled_logs);
    rocksdb_t *db = rocksdb_open(options, path, &error);
    must(error);
    rocksdb_options_destroy(options);
    return db;
}

static void fill_value(uint8_t *value, uint64_t seq)
{
    for (uint32_t i = 0; i < VALUE_SIZE; i += 8) {
        put_le64(value + i, seq * 0x9e3779b97f4a7c15u + i);
    }
}

/* The entries of one group, as a node's apply would write them. */
static void write_db(rocksdb_t *db, uint64_t first_seq, rocksdb_writeoptions_t *options)
{
    rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
    char *error = NULL;
    for (uint64_t seq = first_seq; seq < first_seq + ENTRIES; seq++) {
        uint8_t key[16] = {0}, value[VALUE_SIZE];
        put_be64(key, seq * 7919 % KEYS);
        fill_value(value, seq);
        rocksdb_writebatch_put(batch, (char *)key, sizeof key, (char *)value, sizeof value);
    }
    rocksdb_write(db, options, batch, &error);
    must(error);
    rocksdb_writebatch_destroy(batch);
}

static void keep(struct sample *sample, uint64_t ns)
{
    sample->ns[sample->count++] = ns;
}

/* The journal's way. */

static void failed(void *user, const char *why)
{
    fprintf(stderr, "journal_against_wal: %s\n", why);
    exit(1);
}

static void do_checkpoint(struct message *message)
{
    struct node *node = LIST_ITEM(message, struct node, checkpoint);
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    char *error = NULL;
    rocksdb_flushoptions_set_wait(options, 1);
    rocksdb_flush(node->db, options, &error);
    must(error);
    rocksdb_flushoptions_destroy(options);
    node->checkpoints++;
    journal_release(node->journal, node->batch.begin);
}

static void want_checkpoint(void *user)
{
    struct node *node = user;
    node->checkpoint.deliver = do_checkpoint;
    loop_post(node->home, &node->checkpoint);
}

static void submit(struct node *node);

static void stop_core(struct message *message)
{
    loop_uv_stop(LIST_ITEM(message, struct node, end)->core);
}

static void end_round(struct node *node)
{
    node->end.deliver = stop_core;
    loop_post(loop_uv_loop(node->core), &node->end);
}

static void durable(struct journal_batch *batch, enum pdr_status status)
{
    struct node *node = LIST_ITEM(batch, struct node, batch);
    CHECK(status == PDR_OK);
    keep(node->sample, now_ns() - node->begin_ns);
    write_db(node->db, node->seq - ENTRIES + 1, unlogged);
    if (--node->left > 0) {
        submit(node);
    } else {
        end_round(node);
    }
}

static void submit(struct node *node)
{
    uint8_t *at = node->records;
    for (uint32_t i = 0; i < ENTRIES; i++, at += record_size(VALUE_SIZE)) {
        record_encode_header(at, RECORD_ENTRY, i, 1, ++node->seq, VALUE_SIZE);
        fill_value(at + RECORD_HEADER_SIZE, node->seq);
    }
    node->begin_ns = now_ns();
    node->batch.home = node->home;
    node->batch.records = node->records;
    node->batch.size = (uint32_t)(at - node->records);
    node->batch.done = durable;
    journal_submit(node->journal, &node->batch);
}

static void ignore(void *user, const struct record *record, uint64_t position) {}

static void *run_journal(void *user)
{
    loop_uv_run(((struct node *)user)->journal_loop);
    return NULL;
}

static void open_journal(struct node *node, const char *directory)
{
    char path[512];
    const char *why = NULL;
    struct disk *disk;
    struct journal_recovery recovery;
    struct journal_options options = {.first_segment_bytes = 64u << 20}; /* as in the long run */
    struct journal_hooks hooks = {node, failed, want_checkpoint};
    snprintf(path, sizeof path, "%s/log", directory);
    CHECK(mkdir(path, 0700) == 0);
    node->core = loop_uv_new(clock_os());
    node->journal_loop = loop_uv_new(clock_os());
    struct loop *loop = loop_uv_loop(node->journal_loop);
    if (disk_linux_open(path, loop, work_uv(), &disk, &why) != PDR_OK) {
        failed(NULL, why);
    }
    CHECK(journal_open(disk, loop, &options, &hooks, ignore, NULL, &node->journal, &recovery) == PDR_OK);
    pthread_create(&node->thread, NULL, run_journal, node);
}

static void closed(void *user)
{
    loop_uv_stop(((struct node *)user)->journal_loop);
}

static void begin_close(struct message *message)
{
    struct node *node = LIST_ITEM(message, struct node, close);
    journal_close(node->journal, closed, node);
}

static void close_journal(struct node *node)
{
    node->close.deliver = begin_close;
    loop_post(loop_uv_loop(node->journal_loop), &node->close);
    pthread_join(node->thread, NULL);
    loop_uv_free(node->journal_loop);
    loop_uv_free(node->core);
}

static void run_round(struct node *node, struct sample *sample, struct loop *home,
                      void (*begin)(struct message *message))
{
    uint64_t begin_ns = now_ns();
    node->sample = sample;
    node->home = home;
    node->left = ROUND;
    node->begin.deliver = begin;
    loop_post(home, &node->begin);
    loop_uv_run(node->core);
    sample->total_ns += now_ns() - begin_ns;
}

static void begin_journal(struct message *message)
{
    submit(LIST_ITEM(message, struct node, begin));
}

/* RocksDB's WAL from a core thread. */

static void wal_run(struct job *job)
{
    struct node *node = LIST_ITEM(job, struct node, job);
    write_db(node->wal_db, node->wal_seq, synced);
}

static void wal_done(struct job *job)
{
    struct node *node = LIST_ITEM(job, struct node, job);
    keep(node->sample, now_ns() - node->begin_ns);
    node->wal_seq += ENTRIES;
    if (--node->left == 0) {
        end_round(node);
        return;
    }
    node->begin_ns = now_ns();
    work_submit(work_uv(), node->home, &node->job);
}

static void begin_wal(struct message *message)
{
    struct node *node = LIST_ITEM(message, struct node, begin);
    node->job.run = wal_run;
    node->job.done = wal_done;
    node->begin_ns = now_ns();
    work_submit(work_uv(), node->home, &node->job);
}

/* On one thread. */

static void wal_round(rocksdb_t *db, struct sample *sample, uint64_t *seq)
{
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ROUND; i++, *seq += ENTRIES) {
        uint64_t one = now_ns();
        write_db(db, *seq, synced);
        keep(sample, now_ns() - one);
    }
    sample->total_ns += now_ns() - begin;
}

struct raw {
    int fd;
    off_t offset;
    void *block;
};

static void open_raw(struct raw *raw, const char *directory)
{
    char path[512];
    snprintf(path, sizeof path, "%s/floor", directory);
    raw->fd = open(path, O_CREAT | O_RDWR | O_DIRECT, 0600);
    if (raw->fd < 0) {
        raw->fd = open(path, O_CREAT | O_RDWR, 0600);
    }
    raw->block = aligned_alloc(4096, 1u << 20);
    memset(raw->block, 0, 1u << 20);
    for (uint32_t at = 0; at < FLOOR_FILE_BYTES; at += 1u << 20) {
        CHECK(pwrite(raw->fd, raw->block, 1u << 20, at) == 1 << 20);
    }
    CHECK(fsync(raw->fd) == 0);
}

static void floor_round(struct raw *raw, struct sample *sample)
{
    uint32_t size = group_size(ENTRIES * record_size(VALUE_SIZE));
    uint64_t begin = now_ns();
    for (uint32_t i = 0; i < ROUND; i++) {
        uint64_t one = now_ns();
        CHECK(pwrite(raw->fd, raw->block, size, raw->offset) == (ssize_t)size && fdatasync(raw->fd) == 0);
        keep(sample, now_ns() - one);
        raw->offset = (raw->offset + size) % (FLOOR_FILE_BYTES - (1u << 20)) / 4096 * 4096;
    }
    sample->total_ns += now_ns() - begin;
}

/* What it says. */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

enum way { ONE_JOURNAL, ONE_WAL, ONE_RECYCLED, ONE_FLOOR, CORE_JOURNAL, CORE_WAL, WAYS };

static double median_us(const struct sample *s)
{
    return (double)s->ns[s->count / 2] / 1e3;
}

static void compare(const struct sample *ours, const struct sample *theirs)
{
    printf("%s against %s: latency %.2f times lower, %.2f times the groups/s\n", ours->name, theirs->name,
           median_us(theirs) / median_us(ours), (double)theirs->total_ns / (double)ours->total_ns);
}

static void report(struct sample *samples)
{
    printf("%-24s %10s %10s %10s\n", "", "median us", "p99 us", "groups/s");
    for (int i = 0; i < WAYS; i++) {
        struct sample *s = &samples[i];
        qsort(s->ns, s->count, sizeof *s->ns, by_size);
        printf("%-24s %10.1f %10.1f %10.0f\n", s->name, median_us(s), (double)s->ns[s->count / 100 * 99] / 1e3,
               (double)s->count * 1e9 / (double)s->total_ns);
    }
    compare(&samples[ONE_JOURNAL], &samples[ONE_WAL]);
    compare(&samples[ONE_JOURNAL], &samples[ONE_RECYCLED]);
    compare(&samples[CORE_JOURNAL], &samples[CORE_WAL]);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    return remove(path);
}

static void round_of_all(struct node *node, struct raw *raw, rocksdb_t **dbs, uint64_t *seqs, struct sample *samples)
{
    run_round(node, &samples[ONE_JOURNAL], loop_uv_loop(node->journal_loop), begin_journal);
    wal_round(dbs[0], &samples[ONE_WAL], &seqs[0]);
    wal_round(dbs[1], &samples[ONE_RECYCLED], &seqs[1]);
    floor_round(raw, &samples[ONE_FLOOR]);
    run_round(node, &samples[CORE_JOURNAL], loop_uv_loop(node->core), begin_journal);
    run_round(node, &samples[CORE_WAL], loop_uv_loop(node->core), begin_wal);
}

static void run_all(struct node *node, struct raw *raw, rocksdb_t **dbs, struct sample *samples, uint32_t groups)
{
    uint64_t seqs[2] = {1, 1};
    for (int i = 0; i < WAYS; i++) {
        samples[i].ns = calloc(groups + 2 * ROUND, sizeof *samples[i].ns);
    }
    round_of_all(node, raw, dbs, seqs, samples);
    sleep(2); /* the journal's second segment is made meanwhile; this was to warm up */
    for (int i = 0; i < WAYS; i++) {
        samples[i].count = 0;
        samples[i].total_ns = 0;
    }
    for (uint32_t done = 0; done < groups; done += ROUND) {
        round_of_all(node, raw, dbs, seqs, samples);
    }
}

int main(int argc, char **argv)
{
    uint32_t groups = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : GROUPS_DEFAULT;
    if (argc < 2 || groups < ROUND || mkdir(argv[1], 0700) != 0) {
        fprintf(stderr, "usage: journal_against_wal NEW-DIRECTORY [GROUPS, at least %u]\n", ROUND);
        return 2;
    }
    static struct node node;
    static struct raw raw;
    struct sample samples[WAYS] = {{.name = "one thread: journal"},  {.name = "one thread: wal"},
                                   {.name = "one thread: recycled"}, {.name = "one thread: floor"},
                                   {.name = "core thread: journal"}, {.name = "core thread: wal"}};
    unlogged = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(unlogged, 1);
    synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(synced, 1);
    rocksdb_t *dbs[] = {open_db(argv[1], "wal", 0), open_db(argv[1], "recycled", 4)};
    node.db = open_db(argv[1], "store", 0);
    node.wal_db = open_db(argv[1], "core-wal", 0);
    open_journal(&node, argv[1]);
    open_raw(&raw, argv[1]);
    run_all(&node, &raw, dbs, samples, groups);
    struct journal_stats stats;
    journal_stats(node.journal, &stats);
    report(samples);
    printf("journal: %llu groups, %llu syncs of %.1f us on average, %llu segments, %llu checkpoints\n",
           (unsigned long long)stats.groups, (unsigned long long)stats.syncs,
           (double)stats.sync_ns_total / 1e3 / (double)stats.syncs, (unsigned long long)stats.segments,
           (unsigned long long)node.checkpoints);
    close_journal(&node);
    rocksdb_close(node.db);
    rocksdb_close(node.wal_db);
    rocksdb_close(dbs[0]);
    rocksdb_close(dbs[1]);
    return nftw(argv[1], remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
