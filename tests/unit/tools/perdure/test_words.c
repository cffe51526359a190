/* tests/unit/tools/perdure/test_words.c: a command line taken apart. */
#include "tools/perdure/words.h"

#include "tests/lib/test.h"

static const struct flag table[] = {
    {"node", "HOST:PORT", ""}, {"json", NULL, ""}, {"limit", "N", ""}, {NULL, NULL, NULL}};
static char why[256];

static int count_of(char **argv)
{
    int argc = 0;
    while (argv[argc] != NULL) {
        argc++;
    }
    return argc;
}

#define PARSE(words, ...)                                                                                              \
    char *argv[] = {__VA_ARGS__, NULL};                                                                                \
    struct words words;                                                                                                \
    bool fine = words_parse(&words, table, count_of(argv), argv, why, sizeof why)

TEST(flags_may_stand_anywhere)
{
    PARSE(words, "counter/a", "--node", "h:1", "add", "--json", "-5", "--limit=7");
    EXPECT(fine);
    REQUIRE(words.count == 3);
    EXPECT_STR(words.arguments[0], "counter/a");
    EXPECT_STR(words.arguments[1], "add");
    EXPECT_STR(words.arguments[2], "-5");
    EXPECT_STR(words_flag(&words, "node"), "h:1");
    EXPECT_STR(words_flag(&words, "json"), "");
    EXPECT_STR(words_flag(&words, "limit"), "7");
    words_release(&words);
}

TEST(the_last_of_a_flag_counts_and_all_are_kept)
{
    PARSE(words, "--node", "a:1", "--node=b:2");
    EXPECT(fine && words.flag_count == 2 && words.count == 0);
    EXPECT_STR(words_flag(&words, "node"), "b:2");
    EXPECT(words_flag(&words, "json") == NULL);
    words_release(&words);
}

TEST(two_dashes_end_the_flags)
{
    PARSE(words, "a", "--", "--json", "--", "--help");
    EXPECT(fine);
    EXPECT(!words.help);
    REQUIRE(words.count == 4);
    EXPECT_STR(words.arguments[1], "--json");
    EXPECT_STR(words.arguments[3], "--help");
    words_release(&words);
}

TEST(help_counts_before_mistakes)
{
    PARSE(words, "--nonsense", "--help");
    EXPECT(fine && words.help);
    words_release(&words);
}

TEST(an_unknown_flag_is_named_with_its_neighbour)
{
    PARSE(words, "--jsno");
    EXPECT(!fine);
    EXPECT_STR(why, "there is no flag --jsno; did you mean --json?");
    words_release(&words);
}

TEST(an_unknown_flag_without_a_neighbour)
{
    PARSE(words, "--zzzzzzz=1");
    EXPECT(!fine);
    EXPECT_STR(why, "there is no flag --zzzzzzz");
    words_release(&words);
}

TEST(a_flag_that_lacks_its_value)
{
    PARSE(words, "a", "--node");
    EXPECT(!fine);
    EXPECT_STR(why, "--node needs a value: --node HOST:PORT");
    words_release(&words);
}

TEST(a_switch_with_a_value)
{
    PARSE(words, "--json=yes");
    EXPECT(!fine);
    EXPECT_STR(why, "--json takes no value");
    words_release(&words);
}

TEST(distance_counts_slips)
{
    EXPECT_INT(words_distance("start", "start"), 0);
    EXPECT_INT(words_distance("strat", "start"), 1);
    EXPECT_INT(words_distance("stat", "start"), 1);
    EXPECT_INT(words_distance("starts", "start"), 1);
    EXPECT_INT(words_distance("stbrt", "start"), 1);
    EXPECT_INT(words_distance("", "start"), 5);
    EXPECT_INT(words_distance("kitten", "sitting"), 3);
    char wide[200];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    EXPECT_INT(words_distance(wide, "start"), 99);
    EXPECT(words_near("strat", 1) && !words_near("ps", 2) && !words_near("status", 3));
}

TEST_MAIN()
