/* tests/simulation/mutated_leases.c: pdr-leases-mutated MUTATION RUNS: the world of leases with a seeded bug of
 * core/base/mutation.h in it. Exits with 0 if one of the seeds 1 to RUNS noticed. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mutation.h"
#include "tests/simulation/sim_lease.h"

int mutation_chosen;

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: pdr-leases-mutated MUTATION RUNS\n");
        return 2;
    }
    mutation_chosen = (int)strtol(argv[1], NULL, 10);
    uint64_t runs = strtoull(argv[2], NULL, 10);
    for (uint64_t seed = 1; seed <= runs; seed++) {
        struct sim_lease_report report;
        if (!sim_lease_run(seed, &report)) {
            printf("mutation %d was noticed by seed %llu: %s\n", mutation_chosen, (unsigned long long)seed, report.why);
            return 0;
        }
    }
    printf("mutation %d was NOT noticed in %llu seeds\n", mutation_chosen, (unsigned long long)runs);
    return 1;
}
