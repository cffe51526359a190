/* tests/directory/test_random.c: random commands, checked from the outside. PDR_TEST_SEED=N begins with another
 * seed. */
#include "tests/directory/random_run.h"

#include <stdio.h>

#include "tests/lib/test.h"

#define RUNS 400u
#define STEPS 400u

static struct random_stats stats;

static void run_all(void)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + RUNS; seed++) {
        uint32_t step;
        const char *fault = random_run(seed, STEPS, &stats, &step);
        if (fault != NULL) {
            char what[256];
            snprintf(what, sizeof what, "seed %llu, step %u: %s", (unsigned long long)seed, step, fault);
            test_failed(__FILE__, __LINE__, what);
            return;
        }
    }
}

/* The rules hold, twins stay twins, and a node that follows knows what it says; and all of it did happen. */
TEST(rules_hold)
{
    run_all();
#define HAPPENED(number, since, NAME, name) EXPECT(stats.done[COMMAND_##NAME] > 0 || COMMAND_##NAME == COMMAND_FORMAT);
    COMMAND_TABLE(HAPPENED)
    for (uint32_t code = 0; code <= DIRECTORY_NOT_TARGET; code++) {
        bool is_rare = code == DIRECTORY_NEWER || code == DIRECTORY_BEHIND || code == DIRECTORY_LIMIT ||
                       code == DIRECTORY_MALFORMED;
        if (stats.codes[code] == 0 && !is_rare) {
            char what[64];
            snprintf(what, sizeof what, "code %u never happened", code);
            test_failed(__FILE__, __LINE__, what);
        }
    }
    EXPECT(stats.restores > 100 && stats.whole_pages > 100 && stats.pages > stats.whole_pages);
}

TEST_MAIN()
