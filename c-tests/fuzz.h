/* What c-tests/fuzz.c draws from: random numbers, and handles of all kinds, live or not. */
#ifndef OFFGIL_FUZZ_H
#define OFFGIL_FUZZ_H

#include "check.h"

enum { THREADS = 4, HANDLES = 64, LENT = 3, MOST_MADE = 1 << 20 };

typedef uint64_t random_t;

/* Handles of all kinds that were live once, and may still be; and all that were ever made. */
static struct {
    pthread_mutex_t lock;
    uintptr_t recent[HANDLES];
    uintptr_t made[MOST_MADE];
    size_t count;
    count_t ran, lent, dropped, accepted;
} bag = {PTHREAD_MUTEX_INITIALIZER, {0}, {0}, 0, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO};

static uint64_t next_random(random_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t below(random_t *state, uint64_t bound) {
    return next_random(state) / 64 % bound;
}

/* A pool that goes out of sight is closed: else thousands of them, and their threads, would be left at the
 * end. */
static void keep(random_t *state, const void *handle) {
    uint64_t place = below(state, HANDLES);
    void *forgotten;
    if (handle == NULL)
        return;
    pthread_mutex_lock(&bag.lock);
    forgotten = (void *)bag.recent[place];
    bag.recent[place] = (uintptr_t)handle;
    if (bag.count < MOST_MADE)
        bag.made[bag.count++] = (uintptr_t)handle;
    pthread_mutex_unlock(&bag.lock);
    pool_shutdown(forgotten, POOL_CANCEL, 0);
    pool_release(forgotten);
}

static void *some(random_t *state) {
    uint64_t random = next_random(state);
    uintptr_t handle;
    pthread_mutex_lock(&bag.lock);
    handle = bag.recent[random / 32 % HANDLES];
    pthread_mutex_unlock(&bag.lock);
    switch (random % 32) {
    case 0:
        return NULL;
    case 1:
        return (void *)(uintptr_t)next_random(state);
    case 2:
        return (void *)(handle ^ (uintptr_t)1 << (random / 4096 % 64));
    case 3:
        return (void *)(handle + random / 4096 % 7);
    case 4:
        return (void *)(uintptr_t)(random / 4096 % 5000);
    default:
        return (void *)handle;
    }
}

#endif
