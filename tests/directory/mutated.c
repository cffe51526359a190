/* tests/directory/mutated.c: the directory with one seeded bug (core/base/mutation.h): `directory-mutated N` ends with
 * 0 when the checker noticed. With 0 there is no bug, and nothing must be noticed. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mutation.h"
#include "tests/directory/random_run.h"

#define RUNS 2000u
#define STEPS 400u

int mutation_chosen;

int main(int argc, char **argv)
{
    struct random_stats stats = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: directory-mutated MUTATION\n");
        return 2;
    }
    mutation_chosen = (int)strtol(argv[1], NULL, 10);
    for (uint64_t seed = 1; seed <= RUNS; seed++) {
        uint32_t step;
        const char *fault = random_run(seed, STEPS, &stats, &step);
        if (fault != NULL) {
            printf("seed %llu, step %u: %s\n", (unsigned long long)seed, step, fault);
            return mutation_chosen == 0;
        }
    }
    printf("nothing was noticed in %u runs\n", RUNS);
    return mutation_chosen != 0;
}
