/* tests/lib/test.h: the test harness. One program a file; each TEST is a ctest case of its own.
 *
 *     TEST(full_is_busy) { EXPECT(mailbox_push(m, c) == PDR_OVERLOADED); }
 *     TEST_MAIN()
 *
 * `PROGRAM` runs all cases and ends with "N passed, N failed"; `PROGRAM CASE` runs one. Exit status 1 on a failure.
 * EXPECT goes on after a failure, REQUIRE ends the case. Each case runs in a child process with a time limit, so one
 * that crashes fails alone (PDR_TEST_INLINE=1 runs them in the same process, for a debugger). */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *test);
int test_main(int argc, char **argv);
void test_failed(const char *file, int line, const char *what);
extern jmp_buf test_stop;

/** A fresh directory on a real disk (below the build tree or $PDR_TEST_DIR), removed when the case has passed. */
const char *test_dir(void);
/** Seed of this run: $PDR_TEST_SEED, else a fixed one. */
uint64_t test_seed(void);

#define TEST(name)                                                                                                     \
    static void test_##name(void);                                                                                     \
    static struct test_case test_case_##name = {#name, test_##name, NULL};                                             \
    __attribute__((constructor)) static void test_register_##name(void)                                                \
    {                                                                                                                  \
        test_register(&test_case_##name);                                                                              \
    }                                                                                                                  \
    static void test_##name(void)

#define TEST_MAIN()                                                                                                    \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return test_main(argc, argv);                                                                                  \
    }

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            test_failed(__FILE__, __LINE__, #condition);                                                               \
        }                                                                                                              \
    } while (0)
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            test_failed(__FILE__, __LINE__, #condition);                                                               \
            longjmp(test_stop, 1);                                                                                     \
        }                                                                                                              \
    } while (0)
#define EXPECT_STR(got, want)                                                                                          \
    do {                                                                                                               \
        const char *got_ = (got), *want_ = (want);                                                                     \
        if (got_ == NULL || strcmp(got_, want_) != 0) {                                                                \
            char what_[1024];                                                                                          \
            snprintf(what_, sizeof what_, "%s is \"%.400s\", not \"%.400s\"", #got, got_ ? got_ : "(null)", want_);    \
            test_failed(__FILE__, __LINE__, what_);                                                                    \
        }                                                                                                              \
    } while (0)
#define EXPECT_INT(got, want)                                                                                          \
    do {                                                                                                               \
        long long got_ = (long long)(got), want_ = (long long)(want);                                                  \
        if (got_ != want_) {                                                                                           \
            char what_[512];                                                                                           \
            snprintf(what_, sizeof what_, "%s is %lld, not %lld", #got, got_, want_);                                  \
            test_failed(__FILE__, __LINE__, what_);                                                                    \
        }                                                                                                              \
    } while (0)
/* Until `want` comes true, at most 15 s: for what happens soon, not at once. */
#define EVENTUALLY(want)                                                                                               \
    do {                                                                                                               \
        int tries_ = 0;                                                                                                \
        while (!(want) && tries_++ < 1500) {                                                                           \
            usleep(10000);                                                                                             \
        }                                                                                                              \
        if (tries_ >= 1500) {                                                                                          \
            test_failed(__FILE__, __LINE__, #want);                                                                    \
        }                                                                                                              \
    } while (0)

#endif
