/* core/base/rng.h: seeded random numbers (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64). */
#ifndef CORE_BASE_RNG_H
#define CORE_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/** Uniform in [0, n); 0 for n = 0. */
uint64_t rng_below(struct rng *rng, uint64_t n);
/** True with probability `percent` of 100. */
int rng_chance(struct rng *rng, unsigned percent);

#endif
