/* tests/integration/test_store_rocks.c: the store on real files when the world is unkind: a directory in use, damage,
 * a full disk.
 *
 * The full disk: this program has a write() of its own, which the dynamic linker gives to RocksDB in place of the C
 * library's. While disk_is_full is set, it refuses what would lengthen a file of the store, as a full disk does. */
#include "core/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

static atomic_bool disk_is_full;
static atomic_uint refused;

__attribute__((visibility("default"))) ssize_t write(int fd, const void *data, size_t size);
ssize_t write(int fd, const void *data, size_t size)
{
    struct stat about;
    if (atomic_load(&disk_is_full) && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        atomic_fetch_add(&refused, 1);
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, data, size);
}

static const struct store_rocks_options options = {.memtable_bytes = 256u << 10};

static struct store *open_store(const char *directory)
{
    struct store *store = NULL;
    const char *why = "";
    if (store_rocks_open(directory, &options, &store, &why) != PDR_OK) {
        test_failed(__FILE__, __LINE__, why);
        longjmp(test_stop, 1);
    }
    return store;
}

static const char *refusal(const char *directory)
{
    struct store *store;
    const char *why = NULL;
    EXPECT_INT(store_rocks_open(directory, &options, &store, &why), PDR_INTERNAL);
    REQUIRE(why != NULL);
    EXPECT(strstr(why, directory) != NULL);
    return why;
}

#define ROW_SIZE 1000u

/* Row n has random bytes, so that it takes its place on disk. */
static enum pdr_status put_row(struct store *store, uint32_t n)
{
    uint8_t key[4], value[ROW_SIZE];
    struct rng rng;
    put_be32(key, n);
    rng_seed(&rng, n);
    for (unsigned i = 0; i < ROW_SIZE; i += 8) {
        put_le64(value + i, rng_next(&rng));
    }
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, pdr_bytes(key, 4), pdr_bytes(value, sizeof value));
    enum pdr_status status = store->ops->write(store, batch);
    store->ops->batch_free(batch);
    return status;
}

static bool has_row(struct store *store, uint32_t n)
{
    uint8_t key[4];
    void *value;
    size_t size;
    put_be32(key, n);
    if (store->ops->get(store, pdr_bytes(key, 4), &value, &size) != PDR_OK) {
        return false;
    }
    free(value);
    return size == ROW_SIZE;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

TEST(directory_in_use_by_another_process)
{
    const char *directory = test_dir();
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_t other = fork();
    if (other == 0) {
        const char *why;
        struct store *store;
        bool opened = store_rocks_open(directory, &options, &store, &why) == PDR_OK;
        syscall(SYS_write, ready[1], opened ? "y" : "n", 1);
        pause();
        _exit(0);
    }
    char opened = 0;
    EXPECT_INT(read(ready[0], &opened, 1), 1);
    EXPECT_INT(opened, 'y');
    const char *why = refusal(directory);
    EXPECT(strstr(why, "another process uses ") == why);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    struct store *store = open_store(directory); /* the lock died with it */
    store->ops->close(store);
}

TEST(directory_in_use_by_this_process)
{
    const char *directory = test_dir();
    struct store *store = open_store(directory);
    const char *why = refusal(directory);
    EXPECT(strstr(why, "another process uses ") == why);
    store->ops->close(store);
}

TEST(directory_that_is_a_file)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/file", test_dir());
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    REQUIRE(fd >= 0);
    close(fd);
    refusal(path);
}

TEST(manifest_that_is_damaged)
{
    const char *directory = test_dir();
    struct store *store = open_store(directory);
    for (uint32_t n = 0; n < 100; n++) {
        EXPECT(put_row(store, n) == PDR_OK);
    }
    EXPECT(store->ops->flush(store) == PDR_OK);
    store->ops->close(store);
    char path[4096];
    snprintf(path, sizeof path, "%s/CURRENT", directory);
    int fd = open(path, O_WRONLY | O_TRUNC);
    REQUIRE(fd >= 0);
    EXPECT_INT(syscall(SYS_write, fd, "nonsense\n", 9), 9);
    close(fd);
    const char *why = refusal(directory);
    EXPECT(strstr(why, "is damaged: restore a backup into an empty data directory") != NULL);
}

/* Opening an empty directory is on the way from `perdure start` to the first answer, which has 100 ms for all. */
TEST(opens_quickly)
{
    const char *directory = test_dir();
    char path[4096];
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        struct timespec begin, end;
        snprintf(path, sizeof path, "%s/%d", directory, i);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        struct store *store = open_store(path);
        clock_gettime(CLOCK_MONOTONIC, &end);
        store->ops->close(store);
        int64_t us = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
        best_us = us < best_us ? us : best_us;
    }
    printf("an empty store opened in %.1f ms\n", (double)best_us / 1000);
    EXPECT(best_us < 100000);
}

/* Writes until the disk is found to be full; returns the number of rows written. */
static uint32_t fill(struct store *store, uint32_t n)
{
    enum pdr_status status = PDR_OK;
    for (uint32_t end = n + 20000; n < end && status == PDR_OK; n++) {
        status = put_row(store, n);
    }
    EXPECT_INT(status, PDR_NO_SPACE);
    return n - 1;
}

static void wait_until_it_writes(struct store *store, uint32_t n)
{
    enum pdr_status status;
    int tries = 0;
    while ((status = put_row(store, n)) == PDR_NO_SPACE && tries++ < 300) {
        pause_ms(100);
    }
    EXPECT_INT(status, PDR_OK);
}

TEST(full_disk_is_told_and_ends_by_itself)
{
    const char *directory = test_dir();
    struct store *store = open_store(directory);
    uint32_t rows = 0;
    for (; rows < 500; rows++) {
        EXPECT(put_row(store, rows) == PDR_OK);
    }
    EXPECT(store->ops->flush(store) == PDR_OK);
    for (int pass = 0; pass < 2; pass++) {
        atomic_store(&disk_is_full, true);
        rows = fill(store, rows);
        EXPECT(atomic_load(&refused) > 0);
        char why[512];
        store->ops->last_error(store, why, sizeof why);
        EXPECT(strstr(why, "the disk of ") == why && strstr(why, directory) != NULL);
        EXPECT_INT(store->ops->flush(store), PDR_NO_SPACE);
        EXPECT(has_row(store, 0) && has_row(store, rows - 1)); /* reads go on */
        atomic_store(&disk_is_full, false);
        wait_until_it_writes(store, rows++);
    }
    /* From here on RocksDB's own flush would not wait; ours must. */
    EXPECT(put_row(store, rows++) == PDR_OK);
    EXPECT_INT(store->ops->flush(store), PDR_OK);
    store->ops->close(store);
    store = open_store(directory);
    for (uint32_t n = 0; n < rows; n++) {
        EXPECT(has_row(store, n));
    }
    store->ops->close(store);
}

TEST(closes_on_a_full_disk)
{
    const char *directory = test_dir();
    struct store *store = open_store(directory);
    atomic_store(&disk_is_full, true);
    fill(store, 0);
    store->ops->close(store); /* without waiting for space */
    atomic_store(&disk_is_full, false);
    store = open_store(directory);
    EXPECT(put_row(store, 1) == PDR_OK);
    store->ops->close(store);
}

TEST_MAIN()
