/* future_cancel and task_is_canceled. */
#include "check.h"

static void *count_one(void *count) {
    count_add(count, 1);
    return count;
}

static void a_queued_task_that_is_canceled_never_runs(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    count_t runs = COUNT_ZERO;
    future_t *future;
    void *result = pool;
    gate_occupy(&gate, pool, 1);
    future = check_submit(pool, count_one, &runs);
    CHECK_OK(future_cancel(future));
    CHECK_EQ(future_get_state(future), FUTURE_CANCELED);
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, &result), OFFGIL_ECANCELED);
    CHECK_STATUS(future_wait(future, 0, &result), OFFGIL_ECANCELED);
    CHECK_STATUS(future_cancel(future), OFFGIL_EDONE);
    CHECK_STATUS(future_error(future, NULL, NULL, 0), OFFGIL_ECANCELED);
    CHECK_SAME(result, pool); /* nothing was written */
    gate_open(&gate);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 0);
}

typedef struct {
    count_t started;
    count_t asked;
} polite_t;

static void *until_canceled(void *arg) {
    polite_t *polite = arg;
    CHECK(!task_is_canceled());
    count_add(&polite->started, 1);
    count_wait(&polite->asked, 1);
    return pack(task_is_canceled());
}

static void a_running_task_is_asked_to_stop(void) {
    pool_t *pool = pool_create(1);
    polite_t polite = {COUNT_ZERO, COUNT_ZERO};
    future_t *future = check_submit(pool, until_canceled, &polite);
    count_wait(&polite.started, 1);
    CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
    CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
    CHECK_EQ(future_get_state(future), FUTURE_RUNNING);
    count_add(&polite.asked, 1);
    CHECK_EQ(unpack(check_take(future)), 1); /* it decides itself; what it returns is its result */
    CHECK_OK(pool_destroy(pool));
}

static void only_the_canceled_one_is_asked(void) {
    pool_t *pool = pool_create(2);
    polite_t one = {COUNT_ZERO, COUNT_ZERO}, other = {COUNT_ZERO, COUNT_ZERO};
    future_t *first = check_submit(pool, until_canceled, &one),
             *second = check_submit(pool, until_canceled, &other);
    count_wait(&one.started, 1);
    count_wait(&other.started, 1);
    CHECK_STATUS(future_cancel(second), OFFGIL_EBUSY);
    count_add(&one.asked, 1);
    count_add(&other.asked, 1);
    CHECK_EQ(unpack(check_take(first)), 0);
    CHECK_EQ(unpack(check_take(second)), 1);
    CHECK_OK(pool_destroy(pool));
}

static void a_finished_task_can_not_be_canceled(void) {
    pool_t *pool = pool_create(1);
    count_t runs = COUNT_ZERO;
    future_t *future = check_submit(pool, count_one, &runs);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_STATUS(future_cancel(future), OFFGIL_EDONE);
    CHECK_EQ(future_get_state(future), FUTURE_DONE);
    CHECK_SAME(check_take(future), &runs);
    CHECK_OK(pool_destroy(pool));
}

static void nobody_outside_a_task_was_asked_to_stop(void) {
    CHECK_EQ(task_is_canceled(), 0);
}

static void *expect_canceled(void *future) {
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
    return NULL;
}

static void cancel_wakes_those_who_wait(void) {
    int round;
    for (round = 0; round < 50; round++) {
        pool_t *pool = pool_create(1);
        gate_t gate = GATE_CLOSED;
        count_t runs = COUNT_ZERO;
        pthread_t waiters[3];
        future_t *future;
        size_t i;
        gate_occupy(&gate, pool, 1);
        future = check_submit(pool, count_one, &runs);
        for (i = 0; i < LENGTH(waiters); i++)
            waiters[i] = check_thread(expect_canceled, future);
        CHECK_OK(future_cancel(future));
        for (i = 0; i < LENGTH(waiters); i++)
            check_join(waiters[i]);
        gate_open(&gate);
        CHECK_OK(future_release(future));
        CHECK_OK(pool_destroy(pool));
    }
}

/* A parent in a pool of one whose child stays queued: it can cancel the child, and wait for it. */
static void *cancel_own_child(void *pool) {
    count_t runs = COUNT_ZERO;
    future_t *child = check_submit(pool, count_one, &runs);
    CHECK_OK(future_cancel(child));
    CHECK(!task_is_canceled());
    CHECK_STATUS(future_wait(child, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(child));
    CHECK_EQ(count_get(&runs), 0);
    return pool;
}

static void a_task_may_cancel_its_child_and_wait_for_it(void) {
    pool_t *pool = pool_create(1);
    CHECK_SAME(check_take(check_submit(pool, cancel_own_child, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    polite_t polite;
    intptr_t seen_by_child;
} nested_t;

static void *ask_inside(void *arg) {
    ((nested_t *)arg)->seen_by_child = task_is_canceled();
    return NULL;
}

static void *run_child_inline_when_asked(void *arg) {
    nested_t *nested = arg;
    until_canceled(&nested->polite);
    check_take(check_submit(nested->pool, ask_inside, nested));
    return pack(task_is_canceled());
}

static void to_be_asked_is_a_matter_of_one_task_and_not_of_its_thread(void) {
    nested_t nested = {NULL, {COUNT_ZERO, COUNT_ZERO}, 7};
    future_t *future;
    nested.pool = pool_create(1);
    future = check_submit(nested.pool, run_child_inline_when_asked, &nested);
    count_wait(&nested.polite.started, 1);
    CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
    count_add(&nested.polite.asked, 1);
    CHECK_EQ(unpack(check_take(future)), 1);
    CHECK_EQ(nested.seen_by_child, 0);
    CHECK_OK(pool_destroy(nested.pool));
}

static void a_race_of_cancel_and_start_has_one_winner(void) {
    enum { TASKS = 20000 };
    static future_t *futures[TASKS];
    static void *args[TASKS];
    pool_t *pool = pool_create(2);
    count_t runs = COUNT_ZERO;
    int64_t canceled = 0;
    size_t i;
    for (i = 0; i < TASKS; i++)
        args[i] = &runs;
    CHECK_OK(pool_submit_many(pool, count_one, args, TASKS, futures));
    for (i = TASKS; i-- > 0;) {
        offgil_status status = future_cancel(futures[i]);
        CHECK(status == OFFGIL_OK || status == OFFGIL_EBUSY || status == OFFGIL_EDONE);
        canceled += status == OFFGIL_OK;
    }
    for (i = 0; i < TASKS; i++) {
        offgil_status status = future_wait(futures[i], OFFGIL_FOREVER, NULL);
        CHECK(status == OFFGIL_OK || status == OFFGIL_ECANCELED);
        CHECK_OK(future_release(futures[i]));
    }
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs) + canceled, TASKS);
}

static void canceled_tasks_never_run_however_many_lie_in_the_queue(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    count_t runs = COUNT_ZERO;
    int i;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < 300000; i++) {
        future_t *future = check_submit(pool, count_one, &runs);
        CHECK_OK(future_cancel(future));
        CHECK_OK(future_release(future));
    }
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&runs), 0);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_queued_task_that_is_canceled_never_runs), TEST(a_running_task_is_asked_to_stop),
           TEST(only_the_canceled_one_is_asked), TEST(a_finished_task_can_not_be_canceled),
           TEST(nobody_outside_a_task_was_asked_to_stop), TEST(cancel_wakes_those_who_wait),
           TEST(a_task_may_cancel_its_child_and_wait_for_it),
           TEST(to_be_asked_is_a_matter_of_one_task_and_not_of_its_thread),
           TEST(a_race_of_cancel_and_start_has_one_winner),
           TEST(canceled_tasks_never_run_however_many_lie_in_the_queue))
