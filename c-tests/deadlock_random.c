/* Random programs of waits over three pools. A million waits that can end: none is called a deadlock. With a
 * circle planted: somebody is told, and everything ends. */
#include "check.h"

enum { TASKS = 40, POOLS = 3, WAITS = 3 };

/* A wait of a task: for tasks of lower numbers and not higher pools, or for a lower pool to be idle. So no
 * circle can be among them. */
enum { ONE, ALL, ANY, FOR_A_WHILE, IDLE, WAYS };

static struct {
    pool_t *pools[POOLS];
    future_t *futures[TASKS];
    unsigned pool_of[TASKS];
    int planted[TASKS]; /* the task that it waits for first; -1: none */
    unsigned seed;
    int64_t patience; /* of timed waits: those are part of no circle, so they must end by themselves in one */
    count_t ready;
    count_t deadlocks;
} program = {{NULL}, {NULL}, {0}, {0}, 0, 0, COUNT_ZERO, COUNT_ZERO};

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

/* A random task that this one may wait for, and -1 if it found none. */
static int lower_than(int self, unsigned *random) {
    int tries;
    for (tries = 0; self > 0 && tries < 8; tries++) {
        int other = (int)(next_random(random) % (unsigned)self);
        if (program.pool_of[other] <= program.pool_of[self])
            return other;
    }
    return -1;
}

static offgil_status wait_in_a_random_way(int self, unsigned *random) {
    future_t *lower[3];
    unsigned way = next_random(random) % WAYS;
    offgil_status status;
    size_t count;
    for (count = 0; count < LENGTH(lower); count++) {
        int other = lower_than(self, random);
        if (other < 0)
            return OFFGIL_OK;
        lower[count] = program.futures[other];
    }
    switch (way) {
    case ALL:
        return future_wait_all(lower, count, OFFGIL_FOREVER);
    case ANY:
        return future_wait_any(lower, count, OFFGIL_FOREVER, NULL);
    case FOR_A_WHILE:
        status = future_wait(lower[0], program.patience, NULL);
        return status == OFFGIL_ETIMEDOUT && program.patience < LONG_ENOUGH ? OFFGIL_OK : status;
    case IDLE:
        if (program.pool_of[self] > 0)
            return pool_wait_idle(program.pools[next_random(random) % program.pool_of[self]], OFFGIL_FOREVER);
        return future_wait(lower[1], OFFGIL_FOREVER, NULL);
    default:
        return future_wait(lower[0], OFFGIL_FOREVER, NULL);
    }
}

static offgil_status wait_for_planted(int other, unsigned *random) {
    future_t *futures[2];
    futures[0] = program.futures[next_random(random) % TASKS];
    futures[1] = program.futures[other];
    switch (next_random(random) % 4) {
    case 0:
        return future_wait_all(futures, 2, OFFGIL_FOREVER);
    case 1:
        return future_wait_any(futures + 1, 1, OFFGIL_FOREVER, NULL);
    case 2:
        return pool_wait_idle(program.pools[program.pool_of[other]], OFFGIL_FOREVER);
    default:
        return future_wait(futures[1], OFFGIL_FOREVER, NULL);
    }
}

static void *task(void *number) {
    int self = (int)unpack(number), i;
    unsigned random = program.seed + (unsigned)self * 977;
    count_wait(&program.ready, 1);
    if (program.planted[self] >= 0 && wait_for_planted(program.planted[self], &random) == OFFGIL_EDEADLK)
        count_add(&program.deadlocks, 1);
    for (i = 0; i < WAITS; i++) {
        offgil_status status = wait_in_a_random_way(self, &random);
        if (status == OFFGIL_EDEADLK)
            count_add(&program.deadlocks, 1);
        else
            CHECK_OK(status);
    }
    return number;
}

/* A spare thread for each task, should they all be blocked: what matters here are the answers. */
static void open_pools(uint32_t threads, int32_t order) {
    pool_options_t options;
    int i;
    pool_options_init(&options, sizeof options);
    options.order = order;
    options.max_spare_threads = TASKS;
    options.stack_size = 131072;
    for (i = 0; i < POOLS; i++) {
        options.threads = threads + (uint32_t)i % 2;
        program.pools[i] = pool_create_with(&options);
        CHECK(program.pools[i] != NULL);
    }
}

static void close_pools(void) {
    int i;
    for (i = 0; i < POOLS; i++)
        CHECK_OK(pool_destroy(program.pools[i]));
}

/* Runs one program; returns how many of its waits were called deadlocks. */
static int64_t run_program(unsigned seed, int length_of_circle) {
    unsigned random = seed;
    int64_t before = count_get(&program.deadlocks);
    int i, first = (int)(next_random(&random) % (unsigned)(TASKS - length_of_circle + 1));
    program.seed = seed;
    program.patience = length_of_circle > 0 ? MILLISECOND : LONG_ENOUGH;
    for (i = 0; i < TASKS; i++) {
        int place = i - first;
        program.pool_of[i] = next_random(&random) % POOLS;
        program.planted[i] = -1;
        if (place >= 0 && place < length_of_circle)
            program.planted[i] = first + (place + 1) % length_of_circle;
    }
    for (i = 0; i < TASKS; i++)
        program.futures[i] = check_submit(program.pools[program.pool_of[i]], task, pack(i));
    count_add(&program.ready, 1);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(future_wait(program.futures[i], OFFGIL_FOREVER, NULL));
    count_add(&program.ready, -1);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(future_release(program.futures[i]));
    return count_get(&program.deadlocks) - before;
}

static void a_million_waits_that_can_end_raise_no_alarm(void) {
    const int32_t orders[] = {POOL_FIFO, POOL_LIFO};
    uint32_t threads;
    size_t order;
    unsigned seed = 1;
    for (threads = 1; threads <= 2; threads++) {
        for (order = 0; order < LENGTH(orders); order++) {
            unsigned last = seed + 1000000 / (TASKS * WAITS) / 4;
            open_pools(threads, orders[order]);
            for (; seed <= last; seed++)
                CHECK_EQ(run_program(seed, 0), 0);
            close_pools();
        }
    }
}

static void of_a_planted_circle_somebody_is_told_and_everything_ends(void) {
    const int32_t orders[] = {POOL_FIFO, POOL_LIFO};
    uint32_t threads;
    size_t order;
    unsigned seed = 1;
    for (threads = 1; threads <= 2; threads++) {
        for (order = 0; order < LENGTH(orders); order++) {
            int round;
            open_pools(threads, orders[order]);
            for (round = 0; round < 500; round++)
                CHECK(run_program(seed++, 1 + round % 5) >= 1);
            close_pools();
        }
    }
}

CHECK_MAIN(TEST(a_million_waits_that_can_end_raise_no_alarm),
           TEST(of_a_planted_circle_somebody_is_told_and_everything_ends))
