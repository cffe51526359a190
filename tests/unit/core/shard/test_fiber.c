/* tests/unit/core/shard/test_fiber.c: stacks that can wait: order, registers, limits, guards. Also run by hand under
 * valgrind (docs/internals/fibers.md). */
#include "core/shard/fiber.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/shard/fiber_watch.h"
#include "tests/lib/test.h"

/* Switching. */

struct story {
    char text[64];
    struct fiber *self;
};

static void tell(struct story *story, const char *word)
{
    strncat(story->text, word, sizeof story->text - strlen(story->text) - 1);
}

static void ping(void *user)
{
    struct story *story = user;
    story->self = fiber_current();
    tell(story, "b");
    fiber_wait();
    tell(story, "d");
    fiber_wait();
    tell(story, "f");
}

TEST(ping_pong)
{
    struct story story = {.text = ""};
    struct fiber_pool *pool = fiber_pool_new(4, 1);
    struct fiber *fiber = fiber_new(pool, ping, &story);
    REQUIRE(fiber != NULL);
    EXPECT(fiber_current() == NULL);
    EXPECT_INT(fiber_pool_busy(pool), 1);
    tell(&story, "a");
    EXPECT(!fiber_run(fiber));
    EXPECT(story.self == fiber);
    EXPECT(fiber_current() == NULL);
    tell(&story, "c");
    EXPECT(!fiber_run(fiber));
    tell(&story, "e");
    EXPECT(fiber_run(fiber));
    EXPECT_STR(story.text, "abcdef");
    EXPECT_INT(fiber_pool_busy(pool), 0);
    fiber_pool_free(pool);
}

static void add_up(void *user)
{
    unsigned long *sum = user;
    unsigned long own = *sum;
    fiber_wait();
    *sum = own * 2;
}

/* Each has its own stack: what one left there, another that ran meanwhile did not touch. */
TEST(many_wait)
{
    enum { MANY = 10000 };
    static unsigned long sums[MANY];
    static struct fiber *fibers[MANY];
    struct fiber_pool *pool = fiber_pool_new(MANY, 64);
    size_t begun = 0;
    while (begun < MANY) {
        sums[begun] = begun;
        fibers[begun] = fiber_new(pool, add_up, &sums[begun]);
        if (fibers[begun] == NULL) {
            break; /* TSan knows fewer threads */
        }
        EXPECT(!fiber_run(fibers[begun]));
        begun++;
    }
    REQUIRE(begun == MANY || begun == FIBER_WATCHED_MAX);
    EXPECT_INT(fiber_pool_busy(pool), begun);
    for (size_t i = 0; i < begun; i++) {
        size_t k = i * 7919 % begun; /* any order */
        while (fibers[k] == NULL) {
            k = (k + 1) % begun;
        }
        EXPECT(fiber_run(fibers[k]));
        fibers[k] = NULL;
        EXPECT_INT(sums[k], 2 * k);
    }
    EXPECT_INT(fiber_pool_busy(pool), 0);
    fiber_pool_free(pool);
}

/* A fiber may make others, for the runner to run. */
struct family {
    struct fiber_pool *pool;
    struct fiber *child;
    int born;
};

static void parent(void *user)
{
    struct family *family = user;
    family->born++;
    family->child = family->born < 5 ? fiber_new(family->pool, parent, family) : NULL;
}

TEST(made_on_a_fiber)
{
    struct family family = {.pool = fiber_pool_new(8, 8)};
    struct fiber *next = fiber_new(family.pool, parent, &family);
    while (next != NULL) {
        EXPECT(fiber_run(next));
        next = family.child;
    }
    EXPECT_INT(family.born, 5);
    fiber_pool_free(family.pool);
}

/* Registers. */

/* void hold_registers(void (*call)(void *), void *argument, uint64_t *values): with values[] in the callee-saved
 * registers, calls; then values[] is what they are. */
void hold_registers(void (*call)(void *), void *argument, uint64_t *values);

#if defined __x86_64__
#define REGISTERS 6 /* rbx, rbp, r12 to r15 */
__asm__(".text\n"
        "hold_registers:\n"
        "    push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; push %rdx\n"
        "    mov %rdi, %rax; mov %rsi, %rdi\n"
        "    mov (%rdx), %rbx; mov 8(%rdx), %rbp; mov 16(%rdx), %r12\n"
        "    mov 24(%rdx), %r13; mov 32(%rdx), %r14; mov 40(%rdx), %r15\n"
        "    call *%rax\n"
        "    pop %rdx\n"
        "    mov %rbx, (%rdx); mov %rbp, 8(%rdx); mov %r12, 16(%rdx)\n"
        "    mov %r13, 24(%rdx); mov %r14, 32(%rdx); mov %r15, 40(%rdx)\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp\n"
        "    ret\n");

/* How the two units round: 0 to the nearest, 1 down, 2 up, 3 to zero; 4 if they are not at one. */
static unsigned rounding(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    unsigned mode = __builtin_ia32_stmxcsr() >> 13 & 3;
    return mode == (unsigned)(x87 >> 10 & 3) ? mode : 4;
}

static void round_by(unsigned mode)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    x87 = (uint16_t)((x87 & ~0xc00u) | mode << 10);
    __asm__ volatile("fldcw %0" : : "m"(x87));
    __builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() & ~0x6000u) | mode << 13);
}

/* What the ABI promises to a new thread; the low six bits of mxcsr only say what has happened. */
static bool control_is_new(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (__builtin_ia32_stmxcsr() & ~0x3fu) == 0x1f80 && x87 == 0x37f;
}

#elif defined __aarch64__
#define REGISTERS 18 /* x19 to x28, d8 to d15 */
__asm__(".text\n"
        "hold_registers:\n"
        "    stp x29, x30, [sp, -176]!\n"
        "    stp x19, x20, [sp, 16]; stp x21, x22, [sp, 32]; stp x23, x24, [sp, 48]; stp x25, x26, [sp, 64]\n"
        "    stp x27, x28, [sp, 80]; stp d8, d9, [sp, 96]; stp d10, d11, [sp, 112]; stp d12, d13, [sp, 128]\n"
        "    stp d14, d15, [sp, 144]; str x2, [sp, 160]\n"
        "    mov x9, x0; mov x0, x1\n"
        "    ldp x19, x20, [x2]; ldp x21, x22, [x2, 16]; ldp x23, x24, [x2, 32]; ldp x25, x26, [x2, 48]\n"
        "    ldp x27, x28, [x2, 64]; ldp d8, d9, [x2, 80]; ldp d10, d11, [x2, 96]; ldp d12, d13, [x2, 112]\n"
        "    ldp d14, d15, [x2, 128]\n"
        "    blr x9\n"
        "    ldr x2, [sp, 160]\n"
        "    stp x19, x20, [x2]; stp x21, x22, [x2, 16]; stp x23, x24, [x2, 32]; stp x25, x26, [x2, 48]\n"
        "    stp x27, x28, [x2, 64]; stp d8, d9, [x2, 80]; stp d10, d11, [x2, 96]; stp d12, d13, [x2, 112]\n"
        "    stp d14, d15, [x2, 128]\n"
        "    ldp x19, x20, [sp, 16]; ldp x21, x22, [sp, 32]; ldp x23, x24, [sp, 48]; ldp x25, x26, [sp, 64]\n"
        "    ldp x27, x28, [sp, 80]; ldp d8, d9, [sp, 96]; ldp d10, d11, [sp, 112]; ldp d12, d13, [sp, 128]\n"
        "    ldp d14, d15, [sp, 144]; ldp x29, x30, [sp], 176\n"
        "    ret\n");

static unsigned rounding(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr >> 22 & 3;
}

static void round_by(unsigned mode)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & ~(3ull << 22)) | (uint64_t)mode << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

static bool control_is_new(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr == 0;
}
#endif

static void fill(uint64_t *values, uint64_t seed)
{
    for (uint64_t i = 0; i < REGISTERS; i++) {
        values[i] = seed + i;
    }
}

static bool filled(const uint64_t *values, uint64_t seed)
{
    for (uint64_t i = 0; i < REGISTERS; i++) {
        if (values[i] != seed + i) {
            return false;
        }
    }
    return true;
}

static void wait_once(void *unused)
{
    fiber_wait();
}

static void run_once(void *fiber)
{
    fiber_run(fiber);
}

static void hold_on_fiber(void *user)
{
    uint64_t *values = user;
    hold_registers(wait_once, NULL, values);
    hold_registers(wait_once, NULL, values);
}

TEST(registers_are_preserved)
{
    uint64_t on_fiber[2][REGISTERS], outside[REGISTERS];
    struct fiber *fibers[2];
    struct fiber_pool *pool = fiber_pool_new(2, 0);
    for (unsigned i = 0; i < 2; i++) {
        fill(on_fiber[i], 1000 * (i + 1));
        fibers[i] = fiber_new(pool, hold_on_fiber, on_fiber[i]);
        REQUIRE(fibers[i] != NULL);
    }
    for (unsigned k = 0; k < 6; k++) { /* to each three times: begins, goes on, ends */
        fill(outside, 77 * (k + 1));
        hold_registers(run_once, fibers[k % 2], outside);
        EXPECT(filled(outside, 77 * (k + 1)));
    }
    EXPECT_INT(fiber_pool_busy(pool), 0);
    EXPECT(filled(on_fiber[0], 1000));
    EXPECT(filled(on_fiber[1], 2000));
    fiber_pool_free(pool);
}

struct rounded {
    bool new_at_begin;
    unsigned after_wait;
};

static void round_up(void *user)
{
    struct rounded *rounded = user;
    rounded->new_at_begin = control_is_new();
    round_by(2);
    fiber_wait();
    rounded->after_wait = rounding();
}

TEST(floating_point_control_is_preserved)
{
    struct rounded rounded = {false, 9};
    struct fiber_pool *pool = fiber_pool_new(1, 1);
    for (int k = 0; k < 2; k++) { /* the second time on the first one's stack */
        struct fiber *fiber = fiber_new(pool, round_up, &rounded);
        REQUIRE(fiber != NULL);
        round_by(1);
        EXPECT(!fiber_run(fiber));
        EXPECT_INT(rounding(), 1);
        round_by(3);
        EXPECT(fiber_run(fiber));
        EXPECT_INT(rounding(), 3);
        round_by(0);
        EXPECT(rounded.new_at_begin); /* whatever the runner did */
        EXPECT_INT(rounded.after_wait, 2);
        rounded = (struct rounded){false, 9};
    }
    fiber_pool_free(pool);
}

/* The stack. */

/* The compiler must believe that somebody looks at these bytes here. */
#define KEEP(bytes) __asm__ volatile("" : : "r"(bytes) : "memory")

__attribute__((noinline)) static unsigned long use_stack(unsigned depth)
{
    unsigned char frame[1024];
    memset(frame, (int)depth, sizeof frame);
    KEEP(frame);
    if (depth == 0) {
        fiber_wait();
        return 0;
    }
    unsigned long below = use_stack(depth - 1);
    for (size_t i = 0; i < sizeof frame; i++) {
        below += frame[i] == (unsigned char)depth;
    }
    return below;
}

static void use_deeply(void *user)
{
    *(unsigned long *)user = use_stack(54);
}

static void use_at_once(void *user)
{
    unsigned char frame[FIBER_STACK_SIZE - 512];
    memset(frame, 1, sizeof frame);
    KEEP(frame);
    *(unsigned long *)user = frame[0] + frame[sizeof frame - 1];
}

TEST(deep_use_of_the_stack)
{
    unsigned long counts[3] = {0};
    struct fiber_pool *pool = fiber_pool_new(3, 3);
    struct fiber *fibers[3] = {
        fiber_new(pool, use_deeply, &counts[0]),
        fiber_new(pool, use_at_once, &counts[1]),
        fiber_new(pool, use_deeply, &counts[2]),
    };
    REQUIRE(fibers[0] != NULL && fibers[1] != NULL && fibers[2] != NULL);
    EXPECT(!fiber_run(fibers[0]));
    EXPECT(!fiber_run(fibers[2]));
    EXPECT(fiber_run(fibers[1]));
    EXPECT(fiber_run(fibers[0]));
    EXPECT(fiber_run(fibers[2]));
    EXPECT_INT(counts[0], 54 * 1024);
    EXPECT_INT(counts[1], 2);
    EXPECT_INT(counts[2], 54 * 1024);
    fiber_pool_free(pool);
}

static void note_address(void *user)
{
    *(const void **)user = __builtin_frame_address(0);
}

TEST(last_stack_is_reused_first)
{
    const void *first = NULL, *second = NULL;
    struct fiber_pool *pool = fiber_pool_new(2, 2);
    struct fiber *fibers[2] = {fiber_new(pool, note_address, &first), fiber_new(pool, note_address, &second)};
    REQUIRE(fibers[0] != NULL && fibers[1] != NULL);
    EXPECT(fiber_run(fibers[0]));
    EXPECT(fiber_run(fibers[1]));
    EXPECT(first != second);
    const void *again = NULL;
    EXPECT(fiber_run(fiber_new(pool, note_address, &again)));
    EXPECT(again == second);
    fiber_pool_free(pool);
}

static long mapped_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    REQUIRE(file != NULL);
    int fields = fscanf(file, "%ld", &pages);
    fclose(file);
    REQUIRE(fields == 1);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void wait_then_end(void *unused)
{
    fiber_wait();
}

/* Spares and more than spares; ended and abandoned. */
static void live_and_die(unsigned rounds)
{
    for (unsigned k = 0; k < rounds; k++) {
        struct fiber *fibers[4];
        struct fiber_pool *pool = fiber_pool_new(4, k % 3);
        for (unsigned n = 0; n < 3; n++) {
            for (unsigned i = 0; i < 4; i++) {
                fibers[i] = fiber_new(pool, wait_then_end, NULL);
                REQUIRE(fibers[i] != NULL);
                EXPECT(!fiber_run(fibers[i]));
            }
            for (unsigned i = 0; n < 2 && i < 4; i++) {
                EXPECT(fiber_run(fibers[i]));
            }
        }
        EXPECT_INT(fiber_pool_busy(pool), 4);
        fiber_pool_free(pool);
    }
}

TEST(nothing_leaks)
{
    live_and_die(20);
    long before = mapped_kib();
    live_and_die(200); /* 800 stacks abandoned, 1,600 ended: more than 150 MiB, were they kept */
    EXPECT(mapped_kib() - before < 16 * 1024);
}

/* Limits. */

TEST(limit_is_null)
{
    struct fiber_pool *pool = fiber_pool_new(2, 2);
    struct fiber *first = fiber_new(pool, wait_then_end, NULL);
    struct fiber *second = fiber_new(pool, wait_then_end, NULL);
    REQUIRE(first != NULL && second != NULL);
    EXPECT(fiber_new(pool, wait_then_end, NULL) == NULL);
    EXPECT(!fiber_run(first));
    EXPECT(fiber_new(pool, wait_then_end, NULL) == NULL);
    EXPECT(fiber_run(first));
    EXPECT_INT(fiber_pool_busy(pool), 1);
    EXPECT(fiber_new(pool, wait_then_end, NULL) != NULL);
    EXPECT_INT(fiber_pool_busy(pool), 2);
    fiber_pool_free(pool);
}

TEST(no_address_space_is_null)
{
    struct fiber *fibers[10];
    struct fiber_pool *pool = fiber_pool_new(1000, 0);
    struct rlimit old, none = {.rlim_cur = 0};
    unsigned count = 0;
    REQUIRE(getrlimit(RLIMIT_AS, &old) == 0);
    for (; count < 10; count++) {
        fibers[count] = fiber_new(pool, wait_then_end, NULL);
        REQUIRE(fibers[count] != NULL);
    }
    none.rlim_max = old.rlim_max;
    REQUIRE(setrlimit(RLIMIT_AS, &none) == 0);
    struct fiber *fiber = fiber_new(pool, wait_then_end, NULL);
    REQUIRE(setrlimit(RLIMIT_AS, &old) == 0);
    EXPECT(fiber == NULL);
    EXPECT_INT(fiber_pool_busy(pool), count);
    for (unsigned i = 0; i < count; i++) { /* those that are there go on */
        EXPECT(!fiber_run(fibers[i]));
        EXPECT(fiber_run(fibers[i]));
    }
    fiber_pool_free(pool);
}

/* What kills: in a child process, whose signal is returned. */

static int signal_of(void (*run)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL); /* sanitizers have handlers that exit */
        signal(SIGABRT, SIG_DFL);
        alarm(20);
        run();
        _exit(0);
    }
    int status = 0;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Down to a little below the end of the stack, where nothing but the guard is. Next are mappings of other fibers. */
#define STACK_BYTES ((size_t)FIBER_STACK_SIZE * FIBER_STACK_FACTOR)
#define SINK_BYTES 1024u
#define LEAP_BYTES 20000u

__attribute__((noinline)) static unsigned sink(unsigned depth)
{
    unsigned char frame[SINK_BYTES];
    frame[0] = (unsigned char)depth;
    KEEP(frame);
    unsigned below = depth > 0 ? sink(depth - 1) : 0;
    KEEP(frame);
    return below + frame[0];
}

/* Frames far larger than a page, of which only the lowest byte is touched. */
__attribute__((noinline)) static unsigned leap(unsigned depth)
{
    unsigned char frame[LEAP_BYTES];
    frame[0] = (unsigned char)depth;
    KEEP(frame);
    unsigned below = depth > 0 ? leap(depth - 1) : 0;
    KEEP(frame);
    return below + frame[0];
}

static void overflow_by_frames(void *unused)
{
    sink((STACK_BYTES + (24u << 10)) / SINK_BYTES);
}

static void overflow_by_leaps(void *unused)
{
    leap((unsigned)(STACK_BYTES / LEAP_BYTES));
}

static void run_overflow(void (*overflow)(void *))
{
    struct fiber *fibers[3];
    struct fiber_pool *pool = fiber_pool_new(3, 0);
    for (int i = 0; i < 3; i++) {
        fibers[i] = fiber_new(pool, overflow, NULL);
    }
    fiber_run(fibers[1]); /* the kernel maps upwards or downwards; the one in the middle has a neighbour below */
}

static void run_sink(void)
{
    run_overflow(overflow_by_frames);
}

static void run_leap(void)
{
    run_overflow(overflow_by_leaps);
}

TEST(overflow_hits_the_guard)
{
    EXPECT_INT(signal_of(run_sink), SIGSEGV);
    EXPECT_INT(signal_of(run_leap), SIGSEGV);
}

static void *run_elsewhere(void *fiber)
{
    fiber_run(fiber);
    return NULL;
}

static void run_on_another_thread(void)
{
    struct fiber_pool *pool = fiber_pool_new(1, 0);
    struct fiber *fiber = fiber_new(pool, wait_then_end, NULL);
    pthread_t thread;
    fiber_run(fiber);
    pthread_create(&thread, NULL, run_elsewhere, fiber);
    pthread_join(thread, NULL);
}

static void run_self(void *user)
{
    fiber_run(fiber_current());
}

static void run_on_a_fiber(void)
{
    struct fiber_pool *pool = fiber_pool_new(1, 0);
    fiber_run(fiber_new(pool, run_self, NULL));
}

TEST(misuse_aborts)
{
    EXPECT_INT(signal_of(run_on_another_thread), SIGABRT);
    EXPECT_INT(signal_of(run_on_a_fiber), SIGABRT);
    EXPECT_INT(signal_of(fiber_wait), SIGABRT);
}

/* Threads. */

struct race {
    struct fiber_pool *pool;
    unsigned long sum;
};

static void step(void *user)
{
    struct race *race = user;
    for (int i = 0; i < 100; i++) {
        race->sum++;
        fiber_wait();
    }
}

static void *run_many(void *user)
{
    struct race *race = user;
    struct fiber *fibers[20];
    for (int i = 0; i < 20; i++) {
        fibers[i] = fiber_new(race->pool, step, race);
    }
    for (int k = 0; k <= 100; k++) {
        for (int i = 0; i < 20; i++) {
            fiber_run(fibers[i]);
        }
    }
    return NULL;
}

/* Made here, used by a thread each, freed here: as a node does it. */
TEST(a_pool_a_thread)
{
    struct race races[3] = {{NULL, 0}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        races[i].pool = fiber_pool_new(20, 5);
        REQUIRE(pthread_create(&threads[i], NULL, run_many, &races[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(races[i].sum, 2000);
        EXPECT_INT(fiber_pool_busy(races[i].pool), 0);
        fiber_pool_free(races[i].pool);
    }
}

TEST_MAIN()
