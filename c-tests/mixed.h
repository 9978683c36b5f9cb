/* What random programs are made of: the round that is played, demands on it that name it, and random numbers.
 */
#ifndef OFFGIL_MIXED_H
#define OFFGIL_MIXED_H

#include "check.h"

#ifndef MIXED_SEED
#define MIXED_SEED 2
#define MIXED_ROUNDS 500
#endif

enum { TASKS = 2000, MOST_THREADS = 4, MOST_POOLS = 3, VISITORS = 3, DEEPEST = 6, HANDFUL = 6 };

/* Nobody can ask a pool that was released whether it is over. So no batch is submitted to one: of a batch
 * that comes too late tasks may be on their way to run, and nobody has a future of them. */
enum { RELEASE = 2 };

typedef enum { REFUSED, ACCEPTED, PERHAPS } fate_t;

typedef struct {
    uint64_t random;
    int home, depth, began, ended, canceled; /* the last three: how often */
    fate_t fate;
    future_t *kept; /* until the end of the round */
} task_t;

/* The round that is played: one pool or three, and all that happens in them. */
static struct {
    char title[160];
    pool_options_t options;
    pthread_mutex_t lock; /* for what follows, but for the pools */
    struct {
        pool_t *pool;
        int running, owned[MOST_THREADS]; /* bodies that aren't blocked in a wait, and their places */
    } homes[MOST_POOLS];
    int pools, for_ever;
    int way; /* how the first pool ends: below RELEASE it is shut down before it is destroyed */
    int closing, canceling, dying;
    int began, ended; /* bodies of any kind, also parts of ranges */
    int count;
    task_t tasks[TASKS];
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Who calls: a body, which is at home in a pool, or a thread outside (-1). */
typedef struct {
    uint64_t random;
    int home, depth, place;
} caller_t;

static inline void demand_failed(int line, const char *what, offgil_status status) {
    char values[300];
    snprintf(values, sizeof values, "%s (%s), %s", offgil_status_name(status), offgil_last_message(),
             world.title);
    check_failed(__FILE__, line, what, values);
}

#define DEMAND(truth, status) ((truth) ? (void)0 : demand_failed(__LINE__, #truth, status))

/* A set of statuses; OFFGIL_OK is in each. */
#define BIT(status) (1u << -(status))
#define EXPECT(status, set)                                                                                  \
    DEMAND((status) <= 0 && (status) >= OFFGIL_EDONE && ((set) | 1) >> -(status) & 1, status)

static inline uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A number from 0 up to, not including, `limit`. */
static inline int some(uint64_t *state, int limit) {
    return (int)((next_random(state) >> 32) % (unsigned)limit);
}

static inline int add(int *number, int step) {
    int value;
    pthread_mutex_lock(&world.lock);
    value = *number += step;
    pthread_mutex_unlock(&world.lock);
    return value;
}

#endif
