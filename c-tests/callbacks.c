/* A callback on top of a task (the task waits for, cancels or releases what tells it): it is in no task. */
#include "check.h"

static pool_t *pool;
static int calls;

static void *same(void *arg) {
    return arg;
}

static void *fails(void *arg) {
    CHECK_OK(task_fail(2, "nobody looks"));
    return arg;
}

static void *asks(void *arg) {
    *(int *)arg = task_is_canceled();
    return arg;
}

static void asks_in_range(void *asked, size_t begin, size_t end) {
    (void)begin, (void)end;
    asks(asked);
}

static void *fails_alone(void *arg) {
    future_t *future = check_submit(pool, fails, arg);
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_error(future, NULL, NULL, 0), OFFGIL_EFAILED);
    CHECK_OK(future_release(future));
    return arg;
}

static void is_in_no_task(void) {
    int asked = 7;
    calls++;
    CHECK_STATUS(task_fail(1, "whose?"), OFFGIL_EINVAL);
    CHECK_STATUS(task_block_begin(), OFFGIL_EINVAL);
    CHECK_STATUS(task_block_end(), OFFGIL_EINVAL);
    CHECK_EQ(task_is_canceled(), 0);
    /* What it starts belongs to no task either, and fails alone. */
    CHECK_OK(pool_for(pool, 0, 1, 1, asks_in_range, &asked));
    CHECK_EQ(asked, 0);
    asked = 7;
    CHECK_OK(pool_invoke(pool, asks, &asked, fails_alone, NULL));
    CHECK_EQ(asked, 0);
    CHECK_STATUS(pool_invoke(pool, same, NULL, fails, NULL), OFFGIL_EFAILED);
    fails_alone(NULL);
    CHECK_STATUS(task_fail(1, "whose?"), OFFGIL_EINVAL);
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
}

static void done(void *context, offgil_status status, void *result) {
    (void)context, (void)status, (void)result;
    is_in_no_task();
}

static void drop(void *pointer) {
    (void)pointer;
    is_in_no_task();
}

static void lost(void *context, const char *name, offgil_status status, int32_t code, const char *message) {
    (void)context, (void)name, (void)status, (void)code, (void)message;
    is_in_no_task();
}

static void calls_back(task_fn body) {
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.drop_arg = drop;
    options.drop_result = drop;
    calls = 0;
    future = check_submit_with(pool, &options, body, pool);
    CHECK_OK(future_on_done(future, done, NULL));
    CHECK_STATUS(future_wait_all(&future, 1, OFFGIL_FOREVER), body == same ? OFFGIL_OK : OFFGIL_EFAILED);
    CHECK_OK(future_on_done(future, done, NULL));
    CHECK_EQ(calls, 3);
    CHECK_OK(future_release(future));
}

/* The waits are this thread's: the other worker, if there is one, is at the gate. */
static void *is_called_back(void *gate) {
    future_t *future;
    calls_back(same);
    CHECK_EQ(calls, 3); /* a wait takes the result */
    calls = 0;
    future = check_submit(pool, fails, NULL);
    CHECK_OK(future_on_done(future, done, NULL));
    while (future_get_state(future) == FUTURE_QUEUED)
        CHECK_STATUS(future_wait_all(&future, 1, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_OK(future_release(future)); /* on_lost_error, unless a wait counts as a look */
    CHECK(calls >= 1);
    if (gate != NULL)
        count_wait(&((gate_t *)gate)->open, 1); /* canceled by now */
    calls = 0;
    calls_back(same);
    CHECK_EQ(task_is_canceled(), gate != NULL);
    return pool;
}

static void *is_called_back_in_a_half(void *gate) {
    CHECK_OK(pool_invoke(pool, is_called_back, gate, same, NULL));
    return pool;
}

static void a_callback_on_top_of_a_task_is_in_no_task(void) {
    const task_fn bodies[] = {is_called_back, is_called_back_in_a_half};
    size_t i;
    for (i = 0; i < 2 * LENGTH(bodies); i++) {
        gate_t gate = GATE_CLOSED;
        future_t *future;
        pool_options_t options;
        pool_options_init(&options, sizeof options);
        options.threads = 1;
        options.on_lost_error = lost;
        pool = pool_create_with(&options);
        CHECK(pool != NULL);
        future = check_submit(pool, bodies[i / 2], i % 2 == 0 ? NULL : &gate);
        if (i % 2 == 1) {
            while (future_get_state(future) == FUTURE_QUEUED)
                sleep_ns(MILLISECOND);
            CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
            gate_open(&gate);
        }
        CHECK_SAME(check_take(future), pool); /* it has not failed */
        CHECK_OK(pool_destroy(pool));
    }
}

CHECK_MAIN(TEST(a_callback_on_top_of_a_task_is_in_no_task))
