/* tests/unit/tests/lib/test_harness.c: the harness tells the truth. Fixtures that fail, crash, hang and leave things
 * behind are cases of this very program, registered only when PDR_FIXTURES is set; the real cases run them in a process
 * of their own and read what it says. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

/* Fixtures. */

static void good(void)
{
    EXPECT(1 + 1 == 2);
}

static void bad(void)
{
    EXPECT_INT(1 + 1, 3);
    EXPECT_STR("this", "that");
    EXPECT_STR(NULL, "something");
    REQUIRE(test_seed() == 0);
    fprintf(stderr, "REQUIRE let us pass\n");
}

static void crashes(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void hangs(void)
{
    if (fork() == 0) {
        fprintf(stderr, "child %d\n", (int)getpid());
    }
    for (;;) {
        pause();
    }
}

static void leaves_a_process(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    fprintf(stderr, "child %d\n", (int)pid);
    EXPECT(pid > 0);
}

static void makes_directories(void)
{
    const char *first = test_dir(), *second = test_dir();
    char path[4200];
    snprintf(path, sizeof path, "%s/a/", second);
    EXPECT(strcmp(first, second) != 0 && mkdir(path, 0755) == 0);
    fprintf(stderr, "dir %s\n", second);
}

static void makes_directories_and_fails(void)
{
    makes_directories();
    EXPECT(!"kept for who wants to look");
}

static struct test_case fixtures[] = {
    {"fixture_good", good, NULL},
    {"fixture_bad", bad, NULL},
    {"fixture_crashes", crashes, NULL},
    {"fixture_hangs", hangs, NULL},
    {"fixture_leaves_a_process", leaves_a_process, NULL},
    {"fixture_makes_directories", makes_directories, NULL},
    {"fixture_makes_directories_and_fails", makes_directories_and_fails, NULL},
};

__attribute__((constructor)) static void register_fixtures(void)
{
    if (getenv("PDR_FIXTURES") != NULL) {
        for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
            test_register(&fixtures[i]);
        }
    }
}

/* Cases. */

static char said[16384];

/* Runs one fixture, keeps what it said, and returns its exit status. */
static int run_fixture(const char *name)
{
    char command[4300], self[4096] = "";
    REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(command, sizeof command, "PDR_FIXTURES=1 PDR_TEST_TIMEOUT_S=2 '%s' %s 2>&1", self, name);
    FILE *out = popen(command, "r");
    REQUIRE(out != NULL);
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    int status = pclose(out);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void says(const char *text)
{
    if (strstr(said, text) == NULL) {
        EXPECT_STR(said, text);
    }
}

static void ends_with(const char *text)
{
    size_t size = strlen(said), tail = strlen(text);
    EXPECT_STR(size < tail ? said : said + size - tail, text);
}

/* The number or path behind `word`. */
static const char *behind(const char *word)
{
    char *at = strstr(said, word);
    REQUIRE(at != NULL);
    at += strlen(word);
    at[strcspn(at, "\n")] = '\0';
    return at;
}

/* Dead; whoever is to bury it may take his time. */
static bool is_zombie(pid_t pid)
{
    char path[64], stat[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return true;
    }
    stat[fread(stat, 1, sizeof stat - 1, file)] = '\0';
    fclose(file);
    const char *name_end = strrchr(stat, ')');
    return name_end != NULL && name_end[2] == 'Z';
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 500; i++) {
        if ((kill(pid, 0) != 0 && errno == ESRCH) || is_zombie(pid)) {
            return true;
        }
        usleep(10000);
    }
    return false;
}

TEST(a_pass_says_so)
{
    EXPECT_INT(run_fixture("fixture_good"), 0);
    ends_with("1 passed, 0 failed\n");
}

TEST(a_failure_says_where_and_what)
{
    EXPECT_INT(run_fixture("fixture_bad"), 1);
    says("test_harness.c:");
    says("1 + 1 is 2, not 3");
    says("\"this\" is \"this\", not \"that\"");
    says("is \"(null)\", not \"something\"");
    says("test_seed() == 0");
    says("PDR_TEST_SEED=20261124");
    EXPECT(strstr(said, "let us pass") == NULL);
    ends_with("0 passed, 1 failed\n");
}

TEST(a_crash_fails_alone)
{
    EXPECT_INT(run_fixture("fixture_crashes"), 1);
    says("signal 6");
    ends_with("0 passed, 1 failed\n");
}

TEST(a_hang_ends_with_all_it_started)
{
    EXPECT_INT(run_fixture("fixture_hangs"), 1);
    says("longer than 2 s");
    ends_with("0 passed, 1 failed\n");
    EXPECT(is_gone((pid_t)atoi(behind("child "))));
}

TEST(processes_left_behind_end_with_the_case)
{
    EXPECT_INT(run_fixture("fixture_leaves_a_process"), 0);
    EXPECT(is_gone((pid_t)atoi(behind("child "))));
}

TEST(directories_go_when_the_case_has_passed)
{
    struct stat status;
    EXPECT_INT(run_fixture("fixture_makes_directories"), 0);
    EXPECT(stat(behind("dir "), &status) != 0 && errno == ENOENT);
}

TEST(directories_stay_when_it_has_failed)
{
    struct stat status;
    EXPECT_INT(run_fixture("fixture_makes_directories_and_fails"), 1);
    const char *dir = behind("dir ");
    EXPECT(dir[0] == '/' && stat(dir, &status) == 0 && S_ISDIR(status.st_mode));
    char command[4300];
    snprintf(command, sizeof command, "rm -r '%.*s'", (int)(strlen(dir) - 2), dir); /* without the "/1" */
    EXPECT_INT(system(command), 0);
}

TEST(an_unknown_case_is_a_failure)
{
    EXPECT_INT(run_fixture("no_such_case"), 1);
    says("no_such_case");
    ends_with("0 passed, 1 failed\n");
}

TEST(cases_run_in_the_process_itself_for_a_debugger)
{
    REQUIRE(setenv("PDR_TEST_INLINE", "1", 1) == 0);
    EXPECT_INT(run_fixture("fixture_good"), 0);
    ends_with("1 passed, 0 failed\n");
}

TEST_MAIN()
