/* Cron expressions: what they mean, held against a plain search minute by minute, and what is none. */
#include "core/base/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

static int64_t at(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute};
    return (int64_t)timegm(&tm) * 1000;
}

static int64_t next(const char *text, int64_t after)
{
    struct cron cron;
    const char *why = "";
    REQUIRE(cron_parse(pdr_str(text), &cron, &why) == PDR_OK);
    return cron_next(&cron, after);
}

TEST(examples)
{
    int64_t now = at(2026, 11, 24, 19, 7) + 12345;
    EXPECT_INT(next("* * * * *", now), at(2026, 11, 24, 19, 8));
    EXPECT_INT(next("*/15 * * * *", now), at(2026, 11, 24, 19, 15));
    EXPECT_INT(next("0 3 * * *", now), at(2026, 11, 25, 3, 0));
    EXPECT_INT(next("30 9-17 * * mon-fri", now), at(2026, 11, 25, 9, 30));
    EXPECT_INT(next("0 0 1 jan *", now), at(2027, 1, 1, 0, 0));
    EXPECT_INT(next("@monthly", now), at(2026, 12, 1, 0, 0));
    EXPECT_INT(next("0 12 29 2 *", now), at(2028, 2, 29, 12, 0));
    EXPECT_INT(next("5/20 * * * *", now), at(2026, 11, 24, 19, 25));
    EXPECT_INT(next("0 0 13 * 5", now), at(2026, 11, 27, 0, 0)); /* a Friday, before any 13th: either day counts */
    EXPECT_INT(next("0 0 * * 7", now), next("0 0 * * SUN", now));
    EXPECT(next("0 0 30 2 *", now) == CRON_NEVER);
}

TEST(it_is_strictly_later)
{
    int64_t due = at(2026, 1, 1, 0, 0);
    EXPECT_INT(next("0 0 * * *", due), at(2026, 1, 2, 0, 0));
    EXPECT_INT(next("0 0 * * *", due - 1), due);
}

TEST(before_1970)
{
    EXPECT_INT(next("0 0 * * *", at(1969, 12, 30, 5, 0)), at(1969, 12, 31, 0, 0));
    EXPECT_INT(next("0 0 * * thu", at(1969, 12, 30, 5, 0)), 0);
}

TEST(what_is_none)
{
    static const char *const wrong[] = {"",           "*",           "* * * *",       "* * * * * *",  "60 * * * *",
                                        "* 24 * * *", "* * 0 * *",   "* * 32 * *",    "* * * 13 * ",  "* * * * 8",
                                        "a * * * *",  "5-1 * * * *", "*/0 * * * *",   "1, * * * *",   "1-- * * * *",
                                        "@never",     "* * * foo *", "1-2-3 * * * *", "* * * * mon-", "99999 * * * *"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cron cron;
        const char *why = NULL;
        EXPECT_INT(cron_parse(pdr_str(wrong[i]), &cron, &why), PDR_INVALID);
        EXPECT(why != NULL);
    }
    char longest[CRON_SIZE_MAX + 2];
    memset(longest, ' ', sizeof longest);
    struct cron cron;
    const char *why;
    EXPECT_INT(cron_parse(pdr_bytes(longest, sizeof longest), &cron, &why), PDR_INVALID);
}

static bool names(const struct cron *cron, int64_t minute)
{
    time_t seconds = (time_t)(minute * 60);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    bool day = cron->days >> tm.tm_mday & 1, weekday = cron->weekdays >> tm.tm_wday & 1;
    bool day_fits = cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
    return (cron->minutes >> tm.tm_min & 1) && (cron->hours >> tm.tm_hour & 1) &&
           (cron->months >> (tm.tm_mon + 1) & 1) && day_fits;
}

TEST(random_ones_against_a_plain_search)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 300; i++) {
        char text[128];
        uint64_t step = 1 + rng_below(&rng, 20), hour = rng_below(&rng, 24);
        snprintf(text, sizeof text, "*/%d %d-%d %s * %s", (int)step, (int)(hour / 2), (int)hour,
                 rng_below(&rng, 2) ? "*" : "1-20/3", rng_below(&rng, 2) ? "*" : "1,3");
        struct cron cron;
        const char *why;
        REQUIRE(cron_parse(pdr_str(text), &cron, &why) == PDR_OK);
        int64_t after = (int64_t)rng_below(&rng, 4000000000000ull), found = cron_next(&cron, after);
        int64_t minute = after / 60000 + 1;
        while (!names(&cron, minute)) {
            minute++;
        }
        EXPECT_INT(found, minute * 60000);
    }
}

/* Any bytes: refused, or a time that is later. ASan looks on. */
TEST(hostile_text)
{
    static const char letters[] = "0123456789*/,- monjan@";
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 50000; i++) {
        size_t size = (size_t)rng_below(&rng, 24);
        char *text = malloc(size + 1);
        for (size_t k = 0; k < size; k++) {
            text[k] = letters[rng_below(&rng, sizeof letters - 1)];
        }
        struct cron cron;
        const char *why;
        if (cron_parse(pdr_bytes(text, size), &cron, &why) == PDR_OK) {
            EXPECT(cron_next(&cron, 1000000) > 1000000);
        }
        free(text);
    }
}

TEST_MAIN()
