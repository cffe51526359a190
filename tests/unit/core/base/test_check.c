/* tests/unit/core/base/test_check.c: a mistake of ours ends the process, with place and sentence. */
#include "core/base/check.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

TEST(what_holds_passes)
{
    int evaluated = 0;
    CHECK(++evaluated == 1);
    EXPECT_INT(evaluated, 1);
}

TEST(what_does_not_hold_aborts_and_says_where)
{
    int ends[2], status = 0;
    char said[512] = "";
    REQUIRE(pipe(ends) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    close(ends[1]);
    EXPECT(read(ends[0], said, sizeof said - 1) > 0);
    REQUIRE(waitpid(pid, &status, 0) == pid);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    EXPECT(strstr(said, "test_check.c:") != NULL && strstr(said, "1 + 1 == 3") != NULL);
    close(ends[0]);
}

TEST_MAIN()
