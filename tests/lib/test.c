/* tests/lib/test.c: runs the cases of one test program (test.h).
 *
 * The parent forks a child for each case and waits for it, at most PDR_TEST_TIMEOUT_S seconds (60). The child leads a
 * process group, so that whatever the case started ends with it, however it ends. A case has passed when its child
 * exits with 0: a leak that a sanitizer finds at exit is a failure too. */
#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/tmpdir.h"

#define TIMEOUT_S 60
#define SEED 20261124

jmp_buf test_stop;

static struct test_case *first, **last = &first;
static const char *program;
static atomic_int failures; /* of the running case; EXPECT may be used on any thread */
static atomic_bool seed_used;

void test_register(struct test_case *test)
{
    *last = test;
    last = &test->next;
}

void test_failed(const char *file, int line, const char *what)
{
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

uint64_t test_seed(void)
{
    const char *text = getenv("PDR_TEST_SEED");
    atomic_store(&seed_used, true);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : SEED;
}

const char *test_dir(void)
{
    return tmpdir_new();
}

static bool run_here(const struct test_case *test)
{
    atomic_store(&failures, 0);
    atomic_store(&seed_used, false);
    if (setjmp(test_stop) == 0) {
        test->run();
    }
    if (atomic_load(&failures) > 0 && atomic_load(&seed_used)) {
        fprintf(stderr, "again: PDR_TEST_SEED=%llu %s %s\n", (unsigned long long)test_seed(), program, test->name);
    }
    return atomic_load(&failures) == 0;
}

/* What the parent waits for: the child's end, the time limit, or its own end by Ctrl-C or a test driver. */
static sigset_t awaited(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

static _Noreturn void child(const struct test_case *test, const sigset_t *mask, pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) { /* it ended before prctl */
        _exit(1);
    }
    sigprocmask(SIG_SETMASK, mask, NULL);
    exit(run_here(test) ? 0 : 1);
}

static long timeout_s(void)
{
    const char *text = getenv("PDR_TEST_TIMEOUT_S");
    long seconds = text == NULL ? 0 : strtol(text, NULL, 10);
    return seconds > 0 ? seconds : TIMEOUT_S;
}

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* True once `pid` has ended, its status in *status; false when the time is over. Never returns on Ctrl-C. */
static bool wait_for(pid_t pid, const sigset_t *set, int *status)
{
    int64_t end_ms = clock_ms() + timeout_s() * 1000;
    while (waitpid(pid, status, WNOHANG) == 0) {
        int64_t left_ms = end_ms - clock_ms();
        if (left_ms <= 0) {
            return false;
        }
        struct timespec left = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000};
        int got = sigtimedwait(set, NULL, &left);
        if (got == SIGINT || got == SIGTERM) {
            kill(-pid, SIGKILL);
            signal(got, SIG_DFL);
            sigprocmask(SIG_UNBLOCK, set, NULL);
            raise(got);
        }
    }
    return true;
}

static bool judge(const struct test_case *test, bool ended, int status)
{
    if (!ended) {
        fprintf(stderr, "%s: took longer than %ld s\n", test->name, timeout_s());
        return false;
    }
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "%s: ended by signal %d (%s)\n", test->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
        return false;
    }
    return WEXITSTATUS(status) == 0;
}

static bool run_forked(const struct test_case *test)
{
    sigset_t set = awaited(), before;
    sigprocmask(SIG_BLOCK, &set, &before);
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        child(test, &before, parent);
    }
    if (pid < 0) {
        fprintf(stderr, "%s: cannot fork: %s\n", test->name, strerror(errno));
        return false;
    }
    setpgid(pid, pid); /* the child does so too; whoever comes first, it is done before it is relied on */
    int status = 0;
    bool ended = wait_for(pid, &set, &status);
    kill(-pid, SIGKILL);
    if (!ended) {
        waitpid(pid, &status, 0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return judge(test, ended, status);
}

static bool run(const struct test_case *test)
{
    const char *in_place = getenv("PDR_TEST_INLINE");
    tmpdir_begin(program, test->name);
    bool passed = in_place != NULL && *in_place == '1' ? run_here(test) : run_forked(test);
    if (passed) {
        tmpdir_remove();
    }
    printf("%s %s\n", passed ? "ok    " : "FAILED", test->name);
    return passed;
}

int test_main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *wanted = argc > 1 ? argv[1] : NULL;
    int passed = 0, failed = 0;
    program = slash != NULL ? slash + 1 : argv[0];
    for (const struct test_case *test = first; test != NULL; test = test->next) {
        if (wanted == NULL || strcmp(wanted, test->name) == 0) {
            *(run(test) ? &passed : &failed) += 1;
        }
    }
    if (passed + failed == 0) {
        fprintf(stderr, "%s: %s%s\n", program, wanted == NULL ? "there is no case here" : "there is no case ",
                wanted == NULL ? "" : wanted);
        failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
