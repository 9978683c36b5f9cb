/* pool_invoke inside tasks: nested forks, whose right halves become tasks only if another thread takes them.
 */
#include "check.h"

static pool_t *pool;

static void in_a_pool_of(uint32_t threads, task_fn body) {
    pool = pool_create(threads);
    CHECK(pool != NULL);
    check_take(check_submit(pool, body, NULL));
    CHECK_OK(pool_destroy(pool));
}

static void *nothing(void *arg) {
    return arg;
}

static void *fails(void *code) {
    CHECK_OK(task_fail((int32_t)unpack(code), "as asked"));
    return NULL;
}

/* Failures: each half's is its own. */

static void *forks_well(void *arg) {
    CHECK_OK(pool_invoke(pool, nothing, NULL, nothing, NULL));
    return arg;
}

static void *fails_and_then_forks_well(void *arg) {
    fails(pack(1));
    CHECK_OK(pool_invoke(pool, forks_well, NULL, forks_well, NULL));
    return arg;
}

static void *forks_in_vain(void *arg) {
    CHECK_STATUS(pool_invoke(pool, fails, pack(2), nothing, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(pool_invoke(pool, nothing, NULL, fails, pack(3)), OFFGIL_EFAILED);
    CHECK_OK(pool_invoke(pool, forks_well, NULL, forks_well, NULL));
    return arg;
}

static void *forks_with_failures(void *arg) {
    CHECK_OK(pool_invoke(pool, forks_in_vain, NULL, forks_in_vain, NULL));
    CHECK_STATUS(pool_invoke(pool, fails_and_then_forks_well, NULL, forks_well, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(pool_invoke(pool, forks_well, NULL, fails_and_then_forks_well, NULL), OFFGIL_EFAILED);
    CHECK_OK(pool_invoke(pool, forks_in_vain, NULL, forks_well, NULL));
    return arg;
}

static void a_failure_belongs_to_the_half_that_called_task_fail(void) {
    in_a_pool_of(1, forks_with_failures);
    in_a_pool_of(2, forks_with_failures);
}

static void *runs_a_task_that_fails(void *arg) {
    future_t *future = check_submit(pool, fails, pack(4));
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_OK(future_release(future));
    return arg;
}

static void *waits_in_halves(void *arg) {
    CHECK_OK(pool_invoke(pool, runs_a_task_that_fails, NULL, runs_a_task_that_fails, NULL));
    return arg;
}

static void *waits_in_halves_of_halves(void *arg) {
    CHECK_OK(pool_invoke(pool, waits_in_halves, NULL, waits_in_halves, NULL));
    return arg;
}

static void a_task_that_a_half_runs_in_a_wait_fails_alone(void) {
    in_a_pool_of(1, waits_in_halves_of_halves);
    in_a_pool_of(2, waits_in_halves_of_halves);
}

/* A half that somebody waits for is taken though its owner never comes by. */

static gate_t gate = GATE_CLOSED;

static void *opens_the_gate(void *arg) {
    gate_open(&gate);
    return arg;
}

static void *forks_beside_the_gate(void *arg) {
    CHECK_OK(pool_invoke(pool, gate_task, &gate, opens_the_gate, NULL));
    return arg;
}

static void *forks_deep_beside_the_gate(void *depth) {
    if (unpack(depth) == 0)
        return forks_beside_the_gate(depth);
    CHECK_OK(pool_invoke(pool, forks_deep_beside_the_gate, pack(unpack(depth) - 1), nothing, NULL));
    return depth;
}

static void the_half_of_a_long_left_one_is_taken(void) {
    in_a_pool_of(2, forks_beside_the_gate);
}

static void so_is_one_below_many(void) {
    pool = pool_create(2);
    check_take(check_submit(pool, forks_deep_beside_the_gate, pack(300)));
    CHECK_OK(pool_destroy(pool));
}

static void *blocks_at_the_gate(void *arg) {
    CHECK_OK(task_block_begin());
    count_wait(&gate.open, 1);
    return arg; /* the end of the half is the end of the block */
}

static void *forks_beside_a_half_that_blocks(void *arg) {
    CHECK_OK(pool_invoke(pool, blocks_at_the_gate, NULL, opens_the_gate, NULL));
    CHECK_OK(pool_invoke(pool, forks_well, NULL, forks_well, NULL));
    CHECK_STATUS(task_block_end(), OFFGIL_EINVAL);
    return arg;
}

static void *forks_once_more(void *arg) {
    CHECK_OK(pool_invoke(pool, forks_beside_a_half_that_blocks, NULL, nothing, NULL));
    return arg;
}

static void so_is_one_in_a_pool_of_one_whose_left_half_blocks(void) {
    in_a_pool_of(1, forks_once_more);
}

/* What is stolen is counted as a task, what is not isn't; and nothing is lost. */

enum { LEAVES = 4096 };
static count_t leaves = COUNT_ZERO;

static void *tree(void *width) {
    intptr_t half = unpack(width) / 2;
    if (half == 0) {
        count_add(&leaves, 1);
        return width;
    }
    CHECK_OK(pool_invoke(pool, tree, pack(half), tree, pack(half)));
    return width;
}

static void each_leaf_is_visited_once_whoever_takes_it(void) {
    uint32_t threads;
    for (threads = 1; threads <= 8; threads++) {
        const count_t zero = COUNT_ZERO;
        pool_stats_t stats;
        int round;
        pool = pool_create(threads);
        for (round = 0; round < 20; round++) {
            leaves = zero;
            check_take(check_submit(pool, tree, pack(LEAVES)));
            CHECK_EQ(count_get(&leaves), LEAVES);
        }
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
        CHECK_EQ(stats.tasks_submitted, stats.tasks_completed);
        CHECK_EQ(stats.tasks_submitted, 20 + stats.tasks_stolen);
        CHECK_OK(pool_destroy(pool));
    }
}

/* A canceled pool. */

static void *forks_until_it_is_canceled(void *depth) {
    offgil_status status = OFFGIL_OK;
    while (status == OFFGIL_OK) {
        if (unpack(depth) > 0)
            status = pool_invoke(pool, forks_until_it_is_canceled, pack(unpack(depth) - 1), nothing, NULL);
        else
            status = pool_invoke(pool, nothing, NULL, nothing, NULL);
        gate_open(&gate);
    }
    CHECK(status == OFFGIL_ECLOSED || status == OFFGIL_ECANCELED);
    return depth;
}

static void forks_end_when_their_pool_is_canceled(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        const gate_t closed = GATE_CLOSED;
        gate = closed;
        pool = pool_create(threads);
        CHECK_OK(pool_spawn(pool, forks_until_it_is_canceled, pack(10)));
        count_wait(&gate.open, 1000);
        CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
        CHECK_OK(pool_destroy(pool));
    }
}

CHECK_MAIN(TEST(a_failure_belongs_to_the_half_that_called_task_fail),
           TEST(a_task_that_a_half_runs_in_a_wait_fails_alone), TEST(the_half_of_a_long_left_one_is_taken),
           TEST(so_is_one_below_many), TEST(so_is_one_in_a_pool_of_one_whose_left_half_blocks),
           TEST(each_leaf_is_visited_once_whoever_takes_it), TEST(forks_end_when_their_pool_is_canceled))
