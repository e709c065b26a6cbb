#ifndef OPS_TEST_CHANCE_H
#define OPS_TEST_CHANCE_H
/* Random numbers that a seed repeats everywhere: it is printed, and taken from SEED when given. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long long seed, random_state;

static inline void chance_seed(void)
{
    const char *given = getenv("SEED");

    seed = given ? strtoull(given, NULL, 10) : (unsigned long long)time(NULL) * 2654435761u;
    random_state = seed | 1;
    (void)printf("SEED=%llu\n", seed);
}

/* From 0 to n - 1, by xorshift64*. */
static inline unsigned pick(unsigned n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)(random_state * 2685821657736338717ULL >> 33) % n;
}

/* From 0 to 1. */
static inline double chance(void)
{
    return pick(1000000) / 1000000.0;
}

#endif
