/* tools/bench/process.c: clocks of the kernel, which count nanoseconds also for another process. */
#include "tools/bench/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static double seconds(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) != 0 ? -1 : (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

uint64_t process_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void process_sleep_until(uint64_t time_ns)
{
    struct timespec t = {(time_t)(time_ns / 1000000000u), (long)(time_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/** user, nice and system, then irq, softirq and steal: what /proc/stat counts and is not idleness. */
static double machine_seconds(void)
{
    unsigned long long f[8];
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) {
        return 0;
    }
    int got = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &f[0], &f[1], &f[2], &f[3], &f[4], &f[5],
                     &f[6], &f[7]);
    fclose(file);
    return got == 8 ? (double)(f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) / (double)sysconf(_SC_CLK_TCK) : 0;
}

struct process_usage process_usage(pid_t server)
{
    clockid_t clock;
    struct process_usage usage = {
        .wall_s = seconds(CLOCK_MONOTONIC),
        .own_s = seconds(CLOCK_PROCESS_CPUTIME_ID),
        .server_s = server > 0 && clock_getcpuclockid(server, &clock) == 0 ? seconds(clock) : -1,
        .machine_s = machine_seconds(),
    };
    return usage;
}

uint64_t process_resident(pid_t process)
{
    char path[64];
    unsigned long long size = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)process);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    int got = fscanf(file, "%llu %llu", &size, &resident);
    fclose(file);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

void process_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool process_interrupted(void)
{
    return interrupted != 0;
}
