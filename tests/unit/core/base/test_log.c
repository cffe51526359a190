/* tests/unit/core/base/test_log.c: what a line looks like, read back from where it was written. */
#include "core/base/log.h"

#include <regex.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"

static char seen[8192];
static int pipe_ends[2], stderr_kept;

static void capture(void)
{
    fflush(stderr);
    REQUIRE(pipe(pipe_ends) == 0);
    stderr_kept = dup(STDERR_FILENO);
    REQUIRE(stderr_kept >= 0 && dup2(pipe_ends[1], STDERR_FILENO) >= 0);
    close(pipe_ends[1]);
}

/* All that was logged since capture(), which is less than a pipe holds. */
static const char *captured(void)
{
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
    ssize_t size, at = 0;
    while ((size = read(pipe_ends[0], seen + at, sizeof seen - 1 - (size_t)at)) > 0) {
        at += size;
    }
    close(pipe_ends[0]);
    seen[at] = '\0';
    return seen;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    REQUIRE(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return found;
}

TEST(a_line_is_time_level_event_pairs)
{
    capture();
    LOG_INFO("journal.opened", "segments=%d dir=%s", 3, "data");
    const char *line = captured();
    if (!matches(line, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info journal\\.opened "
                       "segments=3 dir=data\n$")) {
        EXPECT_STR(line, "(the form of a line)");
    }
}

TEST(levels_below_the_lowest_are_silent)
{
    capture();
    LOG_DEBUG("x", "a=1");
    log_set_level(LOG_ERROR);
    LOG_WARN("x", "a=2");
    LOG_ERROR("x", "a=3");
    log_set_level(LOG_DEBUG);
    LOG_DEBUG("x", "a=4");
    const char *lines = captured();
    EXPECT(strstr(lines, "a=1") == NULL && strstr(lines, "a=2") == NULL);
    EXPECT(strstr(lines, " error x a=3\n") != NULL && strstr(lines, " debug x a=4\n") != NULL);
}

TEST(level_names)
{
    EXPECT_INT(log_level_parse("debug"), LOG_DEBUG);
    EXPECT_INT(log_level_parse("info"), LOG_INFO);
    EXPECT_INT(log_level_parse("warn"), LOG_WARN);
    EXPECT_INT(log_level_parse("error"), LOG_ERROR);
    EXPECT_INT(log_level_parse("loud"), -1);
    EXPECT_INT(log_level_parse(""), -1);
}

TEST(text_from_outside_cannot_begin_a_line)
{
    capture();
    LOG_ERROR("x", "key=%s", "a\nfake error b\r\x1b[31m");
    const char *line = captured();
    EXPECT(strchr(line, '\n') == line + strlen(line) - 1);
    EXPECT(strstr(line, "key=a fake error b  [31m\n") != NULL);
}

TEST(a_long_line_is_cut_and_says_so)
{
    char much[3000];
    memset(much, 'm', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    capture();
    LOG_ERROR("x", "key=%s", much);
    LOG_ERROR(much, "key=%d", 5);
    const char *lines = captured();
    const char *second = strchr(lines, '\n') + 1;
    EXPECT(second - lines <= 1024 && memcmp(second - 5, "m...\n", 5) == 0);
    EXPECT(strlen(second) < 200 && strstr(second, "m key=5\n") != NULL);
}

TEST(json_is_one_object_a_line)
{
    capture();
    log_set_format(LOG_JSON);
    LOG_ERROR("x.y", "why=\"a\\b\" bell=\a");
    log_set_format(LOG_TEXT);
    const char *line = captured();
    if (!matches(line, "^\\{\"time\":\"[0-9T:.-]+Z\",\"level\":\"error\",\"event\":\"x\\.y\",\"text\":"
                       "\"why=\\\\\"a\\\\\\\\b\\\\\" bell= \"\\}\n$")) {
        EXPECT_STR(line, "(the form of a line)");
    }
}

TEST(json_is_utf8_whatever_came)
{
    capture();
    log_set_format(LOG_JSON);
    LOG_ERROR("x", "a=\xc3\xa4 b=\xff c=\xe2\x82 d=\xf0\x9f\x98\x80 e=\xc3");
    log_set_format(LOG_TEXT);
    EXPECT(strstr(captured(), "\"text\":\"a=\xc3\xa4 b=? c=?? d=\xf0\x9f\x98\x80 e=?\"}\n") != NULL);
}

TEST(format_names)
{
    EXPECT_INT(log_format_parse("text"), LOG_TEXT);
    EXPECT_INT(log_format_parse("json"), LOG_JSON);
    EXPECT_INT(log_format_parse("xml"), -1);
}

TEST(what_repeats_is_cut_and_the_rest_is_told)
{
    capture();
    for (int i = 0; i < 25; i++) {
        LOG_WARN("again", "n=%d", i);
    }
    LOG_ERROR("other", "n=1");
    log_flush(true);
    log_flush(true);
    const char *lines = captured();
    EXPECT(strstr(lines, "again n=9\n") != NULL && strstr(lines, "again n=10\n") == NULL);
    EXPECT(strstr(lines, "other n=1\n") != NULL);
    const char *rest = strstr(lines, " warn again 15 more like this were left out");
    EXPECT(rest != NULL && strstr(rest + 1, "left out") == strstr(rest, "left out"));
}

TEST_MAIN()
