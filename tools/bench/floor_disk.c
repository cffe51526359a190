/* tools/bench/floor_disk.c: W0, the disk's floor: what one durable write of one block costs. */
#include "tools/bench/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/process.h"

#define BLOCK_SIZE 4096
#define OVERWRITE_SIZE (64 << 20)

/** The blocks that `overwrite` then writes again: written in full, so that no extent changes any more. */
static bool fill(int fd, const char *block)
{
    for (off_t at = 0; at < OVERWRITE_SIZE; at += BLOCK_SIZE) {
        if (pwrite(fd, block, BLOCK_SIZE, at) != BLOCK_SIZE) {
            return false;
        }
    }
    return fsync(fd) == 0;
}

static bool measure(int fd, const char *block, bool overwrite, double secs, struct histogram *latency,
                    double *took_secs)
{
    uint64_t begin = process_now_ns(), end = begin + (uint64_t)(secs * 1e9), last = begin;
    for (off_t at = 0; last < end; at += BLOCK_SIZE) {
        if (overwrite && at == OVERWRITE_SIZE) {
            at = 0;
        }
        uint64_t before = process_now_ns();
        if (pwrite(fd, block, BLOCK_SIZE, at) != BLOCK_SIZE || fdatasync(fd) != 0) {
            return false;
        }
        last = process_now_ns();
        histogram_record(latency, last - before);
    }
    *took_secs = (double)(last - begin) / 1e9;
    return true;
}

bool floor_disk(const char *directory, bool overwrite, double secs, struct histogram *latency, double *took_secs,
                char *why, size_t why_size)
{
    char path[4096], block[BLOCK_SIZE];
    snprintf(path, sizeof path, "%s/perdure-bench-w0.%d", directory, (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    memset(block, 'x', sizeof block);
    errno = 0;
    bool ok = fd >= 0 && (!overwrite || fill(fd, block)) && measure(fd, block, overwrite, secs, latency, took_secs);
    if (!ok) {
        snprintf(why, why_size, "W0 cannot write %s: %s; give --data a directory with room for 64 MiB", path,
                 strerror(errno == 0 ? EIO : errno));
    }
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return ok;
}
