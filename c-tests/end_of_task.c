/* The order of things at the end of a task: drop_arg, result visible, waiters and callbacks, group count. */
#include "check.h"

typedef struct {
    future_t *future;
    group_t *group;
    gate_t gate;
    pthread_t ran_on, dropped_on;
    offgil_status status; /* how it ends */
    int dropped, told;
    count_t waiting, waited;
} task_t;

static const task_t new_task = {NULL, NULL, GATE_CLOSED, 0, 0, OFFGIL_OK, 0, 0, COUNT_ZERO, COUNT_ZERO};

static void *run(void *arg) {
    task_t *task = arg;
    gate_task(&task->gate);
    task->ran_on = pthread_self();
    if (task->status == OFFGIL_EFAILED)
        CHECK_OK(task_fail(9, "on purpose"));
    return task;
}

/* First: nobody can see the end yet. */
static void drop(void *arg) {
    task_t *task = arg;
    void *result = NULL;
    task->dropped_on = pthread_self();
    CHECK_EQ(task->dropped++, 0);
    CHECK_EQ(task->told, 0);
    CHECK_STATUS(future_wait(task->future, 0, &result), OFFGIL_ETIMEDOUT);
    CHECK_SAME(result, NULL);
    CHECK_STATUS(future_error(task->future, NULL, NULL, 0), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(group_wait(task->group, 0), OFFGIL_ETIMEDOUT);
    CHECK_EQ(count_get(&task->waited), 0);
}

/* Last but one: the end can be seen, those who wait have been told, and the group still counts the task. */
static void done(void *context, offgil_status status, void *result) {
    task_t *task = context;
    void *seen = NULL;
    CHECK_EQ(task->dropped, 1);
    CHECK_EQ(task->told++, 0);
    CHECK_STATUS(status, task->status);
    CHECK_SAME(result, status == OFFGIL_OK ? task : NULL);
    CHECK_STATUS(future_wait(task->future, 0, &seen), task->status);
    CHECK_SAME(seen, result);
    CHECK(pthread_equal(task->dropped_on, pthread_self())); /* on the thread that finishes the task */
    if (status != OFFGIL_ECANCELED)
        CHECK(pthread_equal(task->ran_on, pthread_self()));
    CHECK_STATUS(group_wait(task->group, 0), OFFGIL_ETIMEDOUT);
    count_wait(&task->waited, 1); /* would hang if waiters were told afterwards */
}

static void *wait_for_it(void *arg) {
    task_t *task = arg;
    void *result = NULL;
    count_add(&task->waiting, 1);
    CHECK_STATUS(future_wait(task->future, OFFGIL_FOREVER, &result), task->status);
    CHECK_SAME(result, task->status == OFFGIL_OK ? task : NULL);
    CHECK_EQ(task->dropped, 1);
    count_add(&task->waited, 1);
    return NULL;
}

static void ends_in_order(offgil_status status, uint8_t blocking) {
    pool_t *pool = pool_create(1);
    gate_t busy = GATE_CLOSED;
    task_options_t options;
    task_t task = new_task;
    pthread_t waiter;
    task.status = status;
    task.group = group_create(pool, NULL);
    task_options_init(&options, sizeof options);
    options.group = task.group;
    options.drop_arg = drop;
    options.blocking = blocking;
    if (status == OFFGIL_ECANCELED)
        gate_occupy(&busy, pool, 1);
    task.future = pool_submit_with(pool, &options, run, &task);
    CHECK(task.future != NULL);
    CHECK_OK(future_on_done(task.future, done, &task));
    waiter = check_thread(wait_for_it, &task);
    count_wait(&task.waiting, 1);
    sleep_ns(2 * MILLISECOND); /* it waits by now, as a rule */
    if (status == OFFGIL_ECANCELED)
        CHECK_OK(future_cancel(task.future));
    gate_open(&task.gate);
    CHECK_STATUS(group_wait(task.group, OFFGIL_FOREVER), status); /* last */
    CHECK(task.told == 1 && task.dropped == 1 && count_get(&task.waited) == 1);
    check_join(waiter);
    gate_open(&busy);
    CHECK_OK(future_release(task.future));
    CHECK_OK(group_release(task.group));
    CHECK_OK(pool_destroy(pool));
}

static void drop_arg_then_result_then_waiters_and_callbacks_then_the_group_of_a_task_that_returns(void) {
    int round;
    for (round = 0; round < 10; round++)
        ends_in_order(OFFGIL_OK, 0);
    ends_in_order(OFFGIL_OK, 1);
}

static void the_order_is_the_same_for_a_task_that_fails(void) {
    ends_in_order(OFFGIL_EFAILED, 0);
    ends_in_order(OFFGIL_EFAILED, 1);
}

static void the_order_is_the_same_for_a_task_that_is_canceled_on_the_thread_that_cancels(void) {
    ends_in_order(OFFGIL_ECANCELED, 0);
}

CHECK_MAIN(TEST(drop_arg_then_result_then_waiters_and_callbacks_then_the_group_of_a_task_that_returns),
           TEST(the_order_is_the_same_for_a_task_that_fails),
           TEST(the_order_is_the_same_for_a_task_that_is_canceled_on_the_thread_that_cancels))
