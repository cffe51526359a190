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

/* All commands were done some time, and all refusals given that do not need a full directory or another format. */
static bool all_happened(void)
{
    static const enum command_kind kinds[] = {
#define KIND(number, since, NAME, name) COMMAND_##NAME,
        COMMAND_TABLE(KIND)};
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (stats.done[kinds[i]] == 0 && kinds[i] != COMMAND_FORMAT) {
            fprintf(stderr, "%s was never done\n", command_name(kinds[i]));
            return false;
        }
    }
    for (uint32_t code = DIRECTORY_NO_CLUSTER; code <= DIRECTORY_NOT_STANDING; code++) {
        if (stats.codes[code] == 0 && code != DIRECTORY_LIMIT) {
            fprintf(stderr, "code %u was never given\n", code);
            return false;
        }
    }
    return stats.restores > 100 && stats.whole_pages > 100 && stats.pages > stats.whole_pages;
}

/* Twins stay twins, and a node that follows knows what it says; and all of it did happen. */
TEST(rules_hold)
{
    run_all();
    EXPECT(all_happened());
}

TEST_MAIN()
