/* tests/unit/core/journal/test_disk_linux.c: the disk on real files, and a journal on it with real threads. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/env/clock.h"
#include "core/env/loop_uv.h"
#include "core/env/work.h"
#include "core/journal/journal.h"
#include "tests/lib/test.h"

/* A disk on a loop that runs until something is done. */
struct bench {
    struct loop_uv *loop;
    struct disk *disk;
    int done;
    enum pdr_status status;
};

static struct bench open_bench(const char *directory)
{
    struct bench b = {.loop = loop_uv_new(clock_os())};
    const char *why = NULL;
    REQUIRE(b.loop != NULL);
    REQUIRE(disk_linux_open(directory, loop_uv_loop(b.loop), work_uv(), &b.disk, &why) == PDR_OK);
    return b;
}

static void close_bench(struct bench *b)
{
    b->disk->ops->close(b->disk);
    loop_uv_free(b->loop);
}

static void synced(void *user, enum pdr_status status)
{
    struct bench *b = user;
    b->done++;
    b->status = status;
}

static void done(void *user, enum pdr_status status)
{
    struct bench *b = user;
    synced(b, status);
    loop_uv_stop(b->loop);
}

static enum pdr_status create(struct bench *b, const char *name, uint64_t size)
{
    b->disk->ops->create(b->disk, name, size, done, b);
    loop_uv_run(b->loop);
    return b->status;
}

static void collect(void *user, const char *name)
{
    strcat(user, name);
    strcat(user, " ");
}

static void expect_names(struct bench *b, const char *want)
{
    char names[512] = "";
    EXPECT_INT(b->disk->ops->list(b->disk, collect, names), PDR_OK);
    EXPECT_STR(names, want);
}

static bool exists(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void touch(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    REQUIRE(fd >= 0 && write(fd, "stump", 5) == 5);
    close(fd);
}

TEST(files_are_made_whole_and_zero)
{
    struct bench b = open_bench(test_dir());
    const uint32_t size = (1u << 20) + 4096;
    EXPECT_INT(create(&b, "b", size), PDR_OK);
    EXPECT_INT(create(&b, "a", 4096), PDR_OK);
    expect_names(&b, "a b ");
    struct disk_file *file;
    REQUIRE(b.disk->ops->open(b.disk, "b", &file) == PDR_OK);
    EXPECT_INT(b.disk->ops->size(file), size);
    uint8_t *bytes = aligned_alloc(DISK_BLOCK, size);
    memset(bytes, 1, size);
    EXPECT_INT(b.disk->ops->read(file, 0, bytes, size), PDR_OK);
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            EXPECT_INT(i, -1);
            break;
        }
    }
    EXPECT_INT(b.disk->ops->read(file, size, bytes, 4096), PDR_INTERNAL); /* beyond its end */
    free(bytes);
    b.disk->ops->close_file(file);
    close_bench(&b);
}

TEST(what_is_written_is_read)
{
    struct bench b = open_bench(test_dir());
    REQUIRE(create(&b, "a", 65536) == PDR_OK);
    struct disk_file *file;
    REQUIRE(b.disk->ops->open(b.disk, "a", &file) == PDR_OK);
    uint8_t *bytes = aligned_alloc(DISK_BLOCK, 8192);
    memset(bytes, 0x5a, 8192);
    b.done = 0;
    b.disk->ops->write_sync(file, 4096, bytes, 8192, synced, &b);
    EXPECT(b.done == 1 && b.status == PDR_OK);
    EXPECT(b.disk->sync_ns > 0);
    b.disk->ops->write_sync(file, 0, NULL, 0, synced, &b); /* only syncs */
    EXPECT(b.done == 2 && b.status == PDR_OK);
    memset(bytes, 0, 8192);
    EXPECT_INT(b.disk->ops->read(file, 8192, bytes, 8192), PDR_OK);
    EXPECT(bytes[0] == 0x5a && bytes[4095] == 0x5a && bytes[4096] == 0);
    EXPECT_INT(b.disk->ops->size(file), 65536);
    free(bytes);
    b.disk->ops->close_file(file);
    close_bench(&b);
}

TEST(files_are_renamed_and_removed)
{
    struct bench b = open_bench(test_dir());
    REQUIRE(create(&b, "a", 4096) == PDR_OK);
    REQUIRE(create(&b, "b", 8192) == PDR_OK);
    b.disk->ops->rename(b.disk, "b", "c", done, &b);
    loop_uv_run(b.loop);
    EXPECT_INT(b.status, PDR_OK);
    expect_names(&b, "a c ");
    b.disk->ops->remove(b.disk, "a", done, &b);
    loop_uv_run(b.loop);
    EXPECT_INT(b.status, PDR_OK);
    expect_names(&b, "c ");
    b.disk->ops->remove(b.disk, "a", done, &b);
    loop_uv_run(b.loop);
    EXPECT_INT(b.status, PDR_NOT_FOUND);
    close_bench(&b);
}

TEST(cancelled_create_leaves_nothing)
{
    const char *directory = test_dir();
    struct bench b = open_bench(directory);
    b.disk->ops->create(b.disk, "a", 1ull << 30, done, &b);
    b.disk->ops->cancel(b.disk);
    loop_uv_run(b.loop);
    EXPECT_INT(b.status, PDR_CANCELLED);
    expect_names(&b, "");
    EXPECT(!exists(directory, "a.new"));
    EXPECT_INT(create(&b, "a", 4096), PDR_OK); /* a later one is not affected */
    close_bench(&b);
}

TEST(stumps_of_a_crash_are_removed)
{
    const char *directory = test_dir();
    touch(directory, "0000000000000007.log.new");
    struct bench b = open_bench(directory);
    expect_names(&b, "");
    EXPECT(!exists(directory, "0000000000000007.log.new"));
    close_bench(&b);
}

TEST(errors_name_the_file)
{
    const char *directory = test_dir();
    struct bench b = open_bench(directory);
    struct disk_file *file;
    char error[256], want[256];
    EXPECT_INT(b.disk->ops->open(b.disk, "nowhere", &file), PDR_NOT_FOUND);
    b.disk->ops->last_error(b.disk, error, sizeof error);
    snprintf(want, sizeof want, "cannot open %s/nowhere: No such file or directory", directory);
    EXPECT_STR(error, want);
    close_bench(&b);
}

TEST(directory_that_cannot_be_used)
{
    struct disk *disk;
    const char *why = NULL;
    struct loop_uv *loop = loop_uv_new(clock_os());
    EXPECT_INT(disk_linux_open("/nonexistent/dir", loop_uv_loop(loop), work_uv(), &disk, &why), PDR_NOT_FOUND);
    EXPECT_STR(why, "cannot use /nonexistent/dir for the log: No such file or directory");
    EXPECT(disk_linux_open("/proc/self", loop_uv_loop(loop), work_uv(), &disk, &why) != PDR_OK);
    loop_uv_free(loop);
}

/* A file system of 3 MiB, in a mount namespace of its own; false where that is not allowed. */
static bool mount_small(const char *directory)
{
    return unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", directory, "tmpfs", 0, "size=3m") == 0;
}

TEST(full_disk_is_no_space)
{
    const char *directory = test_dir();
    if (!mount_small(directory)) {
        printf("skipped: no right to mount a small file system here (%s)\n", strerror(errno));
        return;
    }
    struct bench b = open_bench(directory);
    EXPECT_INT(create(&b, "a", 2u << 20), PDR_OK);
    EXPECT_INT(create(&b, "b", 2u << 20), PDR_NO_SPACE);
    char error[256];
    b.disk->ops->last_error(b.disk, error, sizeof error);
    EXPECT(strstr(error, "/b: No space left on device") != NULL);
    expect_names(&b, "a ");
    EXPECT(!exists(directory, "b.new"));
    struct statvfs stat;
    REQUIRE(statvfs(directory, &stat) == 0);
    EXPECT(stat.f_bfree * stat.f_bsize > 900u << 10); /* nothing is left behind */
    EXPECT_INT(create(&b, "b", 512u << 10), PDR_OK);
    close_bench(&b);
    umount(directory);
}

/* A journal in a thread of its own, and cores in theirs. */

#define CORES 3
#define BATCHES 400

struct core;

struct entry {
    struct journal_batch batch;
    struct core *core;
    uint64_t seq;
    uint8_t records[240];
};

struct core {
    struct loop_uv *loop;
    struct journal *journal;
    uint32_t shard;
    pthread_t thread;
    uint64_t sent, answered, wrong;
    uint64_t last_end;
    struct entry entries[BATCHES];
};

struct host {
    struct loop_uv *loop;
    struct journal *journal;
    pthread_t thread;
    struct message close;
    uint64_t found[CORES], gaps, checkpoints;
    char failed[256];
};

static void host_failed(void *user, const char *why)
{
    struct host *host = user;
    snprintf(host->failed, sizeof host->failed, "%s", why);
}

static void host_checkpoint(void *user)
{
    struct host *host = user;
    host->checkpoints++;
    struct journal_stats stats;
    journal_stats(host->journal, &stats);
    journal_release(host->journal, 0);
}

static void host_each(void *user, const struct record *record, uint64_t position)
{
    struct host *host = user;
    if (record->kind == RECORD_ENTRY && record->shard < CORES) {
        host->gaps += record->seq != ++host->found[record->shard];
    }
}

static struct host *open_host(const char *directory)
{
    struct host *host = mem_new(sizeof *host);
    struct disk *disk;
    const char *why = NULL;
    struct journal_recovery recovery;
    struct journal_options options = {.segment_bytes = 2u << 20, .first_segment_bytes = 1u << 20};
    struct journal_hooks hooks = {host, host_failed, host_checkpoint};
    host->loop = loop_uv_new(clock_os());
    REQUIRE(disk_linux_open(directory, loop_uv_loop(host->loop), work_uv(), &disk, &why) == PDR_OK);
    REQUIRE(journal_open(disk, loop_uv_loop(host->loop), &options, &hooks, host_each, host, &host->journal,
                         &recovery) == PDR_OK);
    return host;
}

static void *run_host(void *user)
{
    struct host *host = user;
    loop_uv_run(host->loop);
    return NULL;
}

static void closed(void *user)
{
    struct host *host = user;
    host->journal = NULL;
    loop_uv_stop(host->loop);
}

static void begin_close(struct message *message)
{
    struct host *host = LIST_ITEM(message, struct host, close);
    journal_close(host->journal, closed, host);
}

static void close_host(struct host *host)
{
    host->close.deliver = begin_close;
    loop_post(loop_uv_loop(host->loop), &host->close);
    pthread_join(host->thread, NULL);
    EXPECT_STR(host->failed, "");
    loop_uv_free(host->loop);
    mem_free(host);
}

static void send_next(struct core *core);

static void answered(struct journal_batch *batch, enum pdr_status status)
{
    struct entry *entry = LIST_ITEM(batch, struct entry, batch);
    struct core *core = entry->core;
    core->wrong += status != PDR_OK || entry->seq != ++core->answered || batch->end < core->last_end;
    core->last_end = batch->end;
    if (core->answered == BATCHES) {
        loop_uv_stop(core->loop);
    } else if (core->sent < BATCHES) {
        send_next(core);
    }
}

static void send_next(struct core *core)
{
    struct entry *entry = &core->entries[core->sent++];
    entry->core = core;
    entry->seq = core->sent;
    record_encode_header(entry->records, RECORD_ENTRY, core->shard, 1, entry->seq, 200);
    entry->batch.home = loop_uv_loop(core->loop);
    entry->batch.records = entry->records;
    entry->batch.size = record_size(200);
    entry->batch.done = answered;
    journal_submit(core->journal, &entry->batch);
}

static bool asleep(void *user)
{
    return false;
}

static void no_timer(void *user) {}

static void *run_core(void *user)
{
    struct core *core = user;
    loop_own(loop_uv_loop(core->loop), core, no_timer, asleep);
    for (int i = 0; i < 8; i++) { /* eight in flight */
        send_next(core);
    }
    loop_uv_run(core->loop);
    return NULL;
}

/* Something else could not be opened, so the loop never runs. */
TEST(journal_that_never_ran_is_freed)
{
    const char *directory = test_dir();
    for (int i = 0; i < 2; i++) {
        struct host *host = open_host(directory);
        journal_free(host->journal);
        loop_uv_free(host->loop);
        mem_free(host);
    }
    char names[512] = "";
    struct bench b = open_bench(directory);
    EXPECT_INT(b.disk->ops->list(b.disk, collect, names), PDR_OK);
    EXPECT_STR(names, ""); /* not begun */
    close_bench(&b);
}

TEST(threads_share_groups_and_nothing_is_lost)
{
    const char *directory = test_dir();
    struct host *host = open_host(directory);
    static struct core cores[CORES];
    pthread_create(&host->thread, NULL, run_host, host);
    for (uint32_t i = 0; i < CORES; i++) {
        cores[i].loop = loop_uv_new(clock_os());
        cores[i].journal = host->journal;
        cores[i].shard = i;
        pthread_create(&cores[i].thread, NULL, run_core, &cores[i]);
    }
    for (uint32_t i = 0; i < CORES; i++) {
        pthread_join(cores[i].thread, NULL);
        EXPECT_INT(cores[i].answered, BATCHES);
        EXPECT_INT(cores[i].wrong, 0);
        loop_uv_free(cores[i].loop);
    }
    struct journal_stats stats;
    EVENTUALLY((journal_stats(host->journal, &stats), stats.batches == CORES * BATCHES)); /* counted once answered */
    EXPECT_INT(stats.groups, stats.syncs);
    EXPECT(stats.groups < CORES * BATCHES);
    close_host(host);
    host = open_host(directory);
    for (uint32_t i = 0; i < CORES; i++) {
        EXPECT_INT(host->found[i], BATCHES);
    }
    EXPECT_INT(host->gaps, 0);
    pthread_create(&host->thread, NULL, run_host, host);
    close_host(host);
}

TEST_MAIN()
