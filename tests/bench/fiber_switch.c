/* tests/bench/fiber_switch.c: what a switch, a new fiber and a waiting one cost. Not part of ctest: a figure is looked
 * at, not tested. docs/internals/fibers.md says how to build it by hand, and what it said. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/shard/fiber.h"

#define ROUNDS 5000000u
#define REPEATS 7 /* the best is shown: what the machine does besides only ever adds */
#define WAITING_MAX 10000u

static struct fiber *fibers[WAITING_MAX];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double best_of(double (*measure)(unsigned n), unsigned n)
{
    double best = measure(n);
    for (int i = 1; i < REPEATS; i++) {
        double next = measure(n);
        best = next < best ? next : best;
    }
    return best;
}

/* Fibers that wait again and again, run in turn: ns a switch, of which each run makes two. */

static void wait_until_told(void *user)
{
    const bool *stop = user;
    while (!*stop) {
        fiber_wait();
    }
}

static double measure_switch(unsigned n)
{
    bool stop = false;
    struct fiber_pool *pool = fiber_pool_new(n, 0);
    for (unsigned i = 0; i < n; i++) {
        fibers[i] = fiber_new(pool, wait_until_told, &stop);
        if (fibers[i] == NULL) {
            fprintf(stderr, "fiber_switch: no memory for fiber %u of %u\n", i + 1, n);
            exit(1);
        }
        fiber_run(fibers[i]);
    }
    unsigned rounds = ROUNDS / n;
    double begin = now_ns();
    for (unsigned k = 0; k < rounds; k++) {
        for (unsigned i = 0; i < n; i++) {
            fiber_run(fibers[i]);
        }
    }
    double taken = now_ns() - begin;
    stop = true;
    for (unsigned i = 0; i < n; i++) {
        fiber_run(fibers[i]);
    }
    fiber_pool_free(pool);
    return taken / (2.0 * rounds * n);
}

/* A fiber that only ends: ns from fiber_new to its end. */

static void count(void *user)
{
    ++*(unsigned *)user;
}

static double measure_new(unsigned rounds)
{
    unsigned done = 0;
    struct fiber_pool *pool = fiber_pool_new(1, 1);
    double begin = now_ns();
    for (unsigned i = 0; i < rounds; i++) {
        fiber_run(fiber_new(pool, count, &done));
    }
    double taken = now_ns() - begin;
    fiber_pool_free(pool);
    return taken / done;
}

/* The same where no stack is spare: all are there before the first one ends. */

static double measure_mapped(unsigned n)
{
    unsigned done = 0;
    struct fiber_pool *pool = fiber_pool_new(n, 0);
    double begin = now_ns();
    for (unsigned i = 0; i < n; i++) {
        fibers[i] = fiber_new(pool, count, &done);
    }
    for (unsigned i = 0; i < n; i++) {
        fiber_run(fibers[i]);
    }
    fiber_pool_free(pool);
    return (now_ns() - begin) / done;
}

/* The same ping-pong by what the C library has. */

static ucontext_t runner, other;

static void wait_forever(void)
{
    for (;;) {
        swapcontext(&other, &runner);
    }
}

static double measure_ucontext(unsigned rounds)
{
    static char stack[64 << 10];
    getcontext(&other);
    other.uc_stack.ss_sp = stack;
    other.uc_stack.ss_size = sizeof stack;
    makecontext(&other, wait_forever, 0);
    double begin = now_ns();
    for (unsigned i = 0; i < rounds; i++) {
        swapcontext(&runner, &other);
    }
    return (now_ns() - begin) / (2.0 * rounds);
}

/* Bytes of memory that a fiber holds while it waits. */

static long resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &total, &resident) != 2) {
        perror("fiber_switch: /proc/self/statm");
        exit(1);
    }
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static double measure_memory(unsigned n)
{
    bool stop = false;
    struct fiber_pool *pool = fiber_pool_new(n, 0);
    long before = resident_bytes();
    for (unsigned i = 0; i < n; i++) {
        fiber_run(fiber_new(pool, wait_until_told, &stop));
    }
    double each = (double)(resident_bytes() - before) / n;
    fiber_pool_free(pool); /* they never run again */
    return each;
}

int main(void)
{
    printf("switch, 1 fiber          %8.1f ns\n", best_of(measure_switch, 1));
    printf("switch, 8 fibers         %8.1f ns\n", best_of(measure_switch, 8));
    printf("switch, 64 fibers        %8.1f ns\n", best_of(measure_switch, 64));
    printf("switch, 1,000 fibers     %8.1f ns\n", best_of(measure_switch, 1000));
    printf("switch, 10,000 fibers    %8.1f ns\n", best_of(measure_switch, 10000));
    printf("switch, ucontext         %8.1f ns\n", best_of(measure_ucontext, 500000));
    printf("fiber, spare stack       %8.1f ns\n", best_of(measure_new, ROUNDS));
    printf("fiber, stack mapped anew %8.1f ns\n", best_of(measure_mapped, 1000));
    printf("memory of a waiting one  %8.0f bytes\n", measure_memory(WAITING_MAX));
    return 0;
}
