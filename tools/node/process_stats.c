/* tools/node/process_stats.c: what the operating system says of this process. */
#include "tools/node/process_stats.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/env/clock.h"

static uint64_t resident_bytes(void)
{
    unsigned long long pages, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return UINT64_MAX;
    }
    bool read = fscanf(file, "%llu %llu", &pages, &resident) == 2;
    fclose(file);
    return read ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : UINT64_MAX;
}

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        return UINT64_MAX;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count - 1; /* without the one that looked */
}

void process_stats_read(struct process_stats *stats)
{
    struct rlimit files;
    struct rusage used;
    *stats = (struct process_stats){resident_bytes(), open_files(), UINT64_MAX, UINT64_MAX};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        stats->open_files_max = files.rlim_cur;
    }
    if (getrusage(RUSAGE_SELF, &used) == 0) {
        uint64_t s = (uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec;
        stats->cpu_us = s * 1000000 + (uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec;
    }
}
