/* Tasks that say that they are about to block (task_block_begin, task_block_end). */
#include <sched.h>

#include "check.h"

static void *same(void *arg) {
    return arg;
}

typedef struct {
    pool_t *pool;
    gate_t gate;
} blocked_t;

static void *block_at_the_gate(void *arg) {
    blocked_t *blocked = arg;
    CHECK_EQ(pool_worker_index(blocked->pool), 0);
    CHECK_OK(task_block_begin());
    CHECK_EQ(pool_worker_index(blocked->pool), -1);
    gate_task(&blocked->gate);
    CHECK_OK(task_block_end());
    CHECK_EQ(pool_worker_index(blocked->pool), 0);
    return blocked;
}

static void the_place_is_anothers_meanwhile(void) {
    blocked_t blocked = {NULL, GATE_CLOSED};
    future_t *future;
    int i;
    blocked.pool = pool_create(1);
    future = check_submit(blocked.pool, block_at_the_gate, &blocked);
    count_wait(&blocked.gate.started, 1);
    for (i = 0; i < 50; i++)
        CHECK_SAME(check_take(check_submit(blocked.pool, same, &blocked)), &blocked);
    CHECK_STATUS(pool_wait_idle(blocked.pool, 0), OFFGIL_ETIMEDOUT);
    gate_open(&blocked.gate);
    CHECK_SAME(check_take(future), &blocked);
    CHECK_OK(pool_destroy(blocked.pool));
}

static count_t inside = COUNT_ZERO;

static void enter(void) {
    count_add(&inside, 1);
    sched_yield();
    count_add(&inside, -1);
}

static void *in_and_out(void *rounds) {
    intptr_t i;
    for (i = 0; i < unpack(rounds); i++) {
        enter();
        CHECK_OK(task_block_begin());
        sched_yield();
        CHECK_OK(task_block_end());
        enter();
    }
    return NULL;
}

static void the_bound_on_concurrency_holds(void) {
    enum { TASKS = 200 };
    static future_t *futures[TASKS];
    pool_t *pool = pool_create(2);
    int i;
    for (i = 0; i < TASKS; i++)
        futures[i] = check_submit(pool, in_and_out, pack(10));
    for (i = 0; i < TASKS; i++)
        check_take(futures[i]);
    CHECK(inside.highest <= 2);
    CHECK_OK(pool_destroy(pool));
}

static void *nest(void *pool) {
    CHECK_STATUS(task_block_end(), OFFGIL_EINVAL);
    CHECK_OK(task_block_begin());
    CHECK_OK(task_block_begin());
    CHECK_OK(task_block_end());
    CHECK_EQ(pool_worker_index(pool), -1);
    CHECK_OK(task_block_end());
    CHECK_EQ(pool_worker_index(pool), 0);
    CHECK_STATUS(task_block_end(), OFFGIL_EINVAL);
    return pool;
}

static void calls_nest(void) {
    pool_t *pool = pool_create(1);
    CHECK_SAME(check_take(check_submit(pool, nest, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void *never_end(void *arg) {
    CHECK_OK(task_block_begin());
    CHECK_OK(task_block_begin());
    return arg;
}

static void a_task_that_returns_ends_it(void) {
    enum { TASKS = 300 };
    static future_t *futures[TASKS];
    pool_t *pool = pool_create(2);
    int i;
    for (i = 0; i < TASKS; i++)
        futures[i] = check_submit(pool, never_end, pool);
    for (i = 0; i < TASKS; i++)
        CHECK_SAME(check_take(futures[i]), pool); /* some on this thread */
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void leave_open(void *context, size_t begin, size_t end) {
    (void)context;
    (void)begin;
    (void)end;
    enter();
    CHECK_OK(task_block_begin());
}

static void *leave_open_in_a_task(void *pool) {
    CHECK_OK(pool_for(pool, 0, 100, 1, leave_open, NULL));
    CHECK(pool_worker_index(pool) >= 0);
    return pool;
}

static void a_part_of_a_range_that_returns_ends_it(void) {
    pool_t *pool = pool_create(2);
    CHECK_OK(pool_for(pool, 0, 100, 1, leave_open, NULL));
    CHECK_SAME(check_take(check_submit(pool, leave_open_in_a_task, pool)), pool);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK(inside.highest <= 2);
    CHECK_OK(pool_destroy(pool));
}

static void outside_a_task_it_is_refused(void) {
    CHECK_STATUS(task_block_begin(), OFFGIL_EINVAL);
    CHECK_STATUS(task_block_end(), OFFGIL_EINVAL);
}

static void *submit_and_wait_while_blocked(void *arg) {
    blocked_t *blocked = arg;
    CHECK_OK(task_block_begin());
    gate_task(&blocked->gate);
    CHECK_SAME(check_take(check_submit(blocked->pool, same, arg)), arg);
    CHECK_EQ(pool_worker_index(blocked->pool), -1);
    CHECK_OK(task_block_end());
    return arg;
}

static void a_blocked_task_may_submit_and_wait_while_its_pool_drains(void) {
    blocked_t blocked = {NULL, GATE_CLOSED};
    future_t *future;
    blocked.pool = pool_create(1);
    future = check_submit(blocked.pool, submit_and_wait_while_blocked, &blocked);
    count_wait(&blocked.gate.started, 1);
    CHECK_STATUS(pool_shutdown(blocked.pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    gate_open(&blocked.gate);
    CHECK_OK(pool_destroy(blocked.pool));
    check_take(future);
}

static void *in_the_lane(void *arg) {
    CHECK_OK(task_block_begin());
    CHECK_OK(task_block_end());
    CHECK_OK(task_block_begin());
    return arg;
}

static void in_the_blocking_lane_it_does_nothing(void) {
    pool_t *pool = pool_create(1);
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    CHECK_SAME(check_take(pool_submit_with(pool, &options, in_the_lane, pool)), pool);
    CHECK_SAME(check_take(pool_submit_with(pool, &options, in_the_lane, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(the_place_is_anothers_meanwhile), TEST(the_bound_on_concurrency_holds), TEST(calls_nest),
           TEST(a_task_that_returns_ends_it), TEST(a_part_of_a_range_that_returns_ends_it),
           TEST(outside_a_task_it_is_refused), TEST(a_blocked_task_may_submit_and_wait_while_its_pool_drains),
           TEST(in_the_blocking_lane_it_does_nothing))
