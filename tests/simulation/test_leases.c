/* tests/simulation/test_leases.c: many seeds of the world of leases; sim_lease.h says what is in it. */
#include "tests/simulation/sim_lease.h"

#include "tests/lib/test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RUNS 100
#else
#define RUNS 400
#endif

TEST(seeds_hold_the_invariants)
{
    struct sim_lease_report sum = {.why = ""};
    uint64_t calm = 0, slow = 0;
    for (uint64_t seed = test_seed(); seed < test_seed() + RUNS; seed++) {
        struct sim_lease_report r;
        if (!sim_lease_run(seed, &r)) {
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, r.why);
        }
        REQUIRE(r.why[0] == 0);
        sum.grants += r.grants;
        sum.takes += r.takes;
        sum.elections += r.elections;
        sum.ended += r.ended;
        sum.stalls += r.stalls;
        sum.fenced += r.fenced;
        sum.deposed += r.deposed;
        calm += r.calm;
        slow += r.slow;
    }
    printf("%d runs: %llu grants, %llu takes, %llu elections, %llu leases ended, %llu stalls, %llu fenced ms\n", RUNS,
           (unsigned long long)sum.grants, (unsigned long long)sum.takes, (unsigned long long)sum.elections,
           (unsigned long long)sum.ended, (unsigned long long)sum.stalls, (unsigned long long)sum.fenced);
    EXPECT(sum.grants > 0 && sum.takes > 0 && sum.elections > RUNS && sum.ended > 0);
    EXPECT(sum.stalls > 0 && sum.fenced > 0 && sum.deposed > 0 && calm > 0 && slow > 0);
}

TEST(a_seed_is_a_run)
{
    struct sim_lease_report one, two;
    sim_lease_run(test_seed(), &one);
    sim_lease_run(test_seed(), &two);
    EXPECT(one.grants > 0 && one.grants == two.grants && one.fenced == two.fenced && one.takes == two.takes);
}

TEST_MAIN()
