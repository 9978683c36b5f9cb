/* Futures: waiting for one, for all, for any; states, errors, retaining and releasing. */
#include <signal.h>

#include "check.h"

static void *echo(void *arg) {
    return arg;
}

static void *fail_with(void *code) {
    CHECK_OK(task_fail((int32_t)unpack(code), "went wrong"));
    return code;
}

static void a_future_may_be_waited_for_again_and_again(void) {
    pool_t *pool = pool_create(2);
    future_t *future = check_submit(pool, echo, pool);
    int i;
    for (i = 0; i < 10; i++) {
        void *result = NULL;
        CHECK_OK(future_wait(future, i % 2 ? OFFGIL_FOREVER : LONG_ENOUGH, &result));
        CHECK_SAME(result, pool);
    }
    CHECK_OK(future_wait(future, 0, NULL));
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void *wait_for(void *future) {
    void *result = NULL;
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, &result));
    return result;
}

static void many_threads_may_wait_for_one_future(void) {
    int round;
    for (round = 0; round < 30; round++) {
        pool_t *pool = pool_create(2);
        gate_t gate = GATE_CLOSED;
        future_t *future = check_submit(pool, gate_task, &gate);
        pthread_t threads[8];
        size_t i;
        for (i = 0; i < LENGTH(threads); i++)
            threads[i] = check_thread(wait_for, future);
        gate_open(&gate);
        for (i = 0; i < LENGTH(threads); i++)
            CHECK_SAME(check_join(threads[i]), &gate);
        CHECK_OK(future_release(future));
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_timed_wait_times_out_and_writes_no_result(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *future = check_submit(pool, gate_task, &gate);
    void *result = pool;
    int64_t start = now_ns();
    CHECK_STATUS(future_wait(future, 0, &result), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(future_error(future, NULL, NULL, 0), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(future_wait(future, 20 * MILLISECOND, &result), OFFGIL_ETIMEDOUT);
    CHECK(now_ns() - start >= 20 * MILLISECOND);
    CHECK_SAME(result, pool);
    gate_open(&gate);
    CHECK_OK(future_wait(future, LONG_ENOUGH, &result));
    CHECK_SAME(result, &gate);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void very_long_timeouts_are_no_overflow(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *future = check_submit(pool, gate_task, &gate);
    pthread_t waiter;
    count_wait(&gate.started, 1);
    waiter = check_thread(wait_for, future);
    gate_open(&gate);
    CHECK_OK(future_wait(future, INT64_MAX, NULL));
    CHECK_OK(future_wait(future, INT64_MIN, NULL)); /* negative is for ever */
    check_join(waiter);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void the_state_goes_from_queued_to_running_to_done(void) {
    pool_t *pool = pool_create(1);
    gate_t before = GATE_CLOSED, gate = GATE_CLOSED;
    future_t *future;
    gate_occupy(&before, pool, 1);
    future = check_submit(pool, gate_task, &gate);
    CHECK_EQ(future_get_state(future), FUTURE_QUEUED);
    gate_open(&before);
    count_wait(&gate.started, 1);
    CHECK_EQ(future_get_state(future), FUTURE_RUNNING);
    gate_open(&gate);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_EQ(future_get_state(future), FUTURE_DONE);
    CHECK_OK(future_release(future));
    CHECK_EQ(future_get_state(future), FUTURE_INVALID);
    CHECK_EQ(future_get_state(NULL), FUTURE_INVALID);
    CHECK_OK(pool_destroy(pool));
}

static void wait_all_waits_for_every_one(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    future_t *futures[65];
    size_t i;
    for (i = 0; i < 64; i++)
        futures[i] = check_submit(pool, echo, pool);
    futures[64] = check_submit(pool, gate_task, &gate);
    CHECK_STATUS(future_wait_all(futures, 65, 10 * MILLISECOND), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(future_wait_all(futures, 65, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(future_wait_all(futures, 65, OFFGIL_FOREVER));
    for (i = 0; i < 65; i++) {
        CHECK_EQ(future_get_state(futures[i]), FUTURE_DONE);
        CHECK_OK(future_release(futures[i]));
    }
    CHECK_OK(future_wait_all(NULL, 0, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void wait_all_answers_the_failure_of_the_lowest_number(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *futures[4];
    size_t i;
    gate_occupy(&gate, pool, 1);
    futures[0] = check_submit(pool, echo, NULL);
    futures[1] = check_submit(pool, fail_with, pack(3));
    futures[2] = check_submit(pool, echo, NULL);
    futures[3] = check_submit(pool, echo, NULL);
    CHECK_OK(future_cancel(futures[2]));
    gate_open(&gate);
    CHECK_STATUS(future_wait_all(futures, 4, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_EQ(future_get_state(futures[3]), FUTURE_DONE);
    CHECK_STATUS(future_wait_all(futures + 2, 2, OFFGIL_FOREVER), OFFGIL_ECANCELED);
    CHECK_OK(future_wait_all(futures + 3, 1, OFFGIL_FOREVER));
    for (i = 0; i < 4; i++)
        CHECK_OK(future_release(futures[i]));
    CHECK_OK(pool_destroy(pool));
}

static void wait_any_names_one_that_is_done(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    future_t *futures[3];
    size_t index = 99, i;
    futures[0] = check_submit(pool, gate_task, &gate);
    count_wait(&gate.started, 1);
    futures[1] = check_submit(pool, gate_task, &gate);
    count_wait(&gate.started, 2);
    futures[2] = check_submit(pool, echo, NULL);
    CHECK_STATUS(future_wait_any(futures, 3, 0, &index), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(future_wait_any(futures, 3, MILLISECOND, &index), OFFGIL_ETIMEDOUT);
    CHECK_EQ(index, 99);
    CHECK_OK(future_cancel(futures[2]));
    CHECK_OK(future_wait_any(futures, 3, OFFGIL_FOREVER, &index)); /* however it ended */
    CHECK_EQ(index, 2);
    gate_open(&gate);
    CHECK_OK(future_wait_any(futures, 2, OFFGIL_FOREVER, &index));
    CHECK(index < 2);
    CHECK_OK(future_wait_all(futures, 2, OFFGIL_FOREVER));
    CHECK_OK(future_wait_any(futures + 1, 1, LONG_ENOUGH, NULL));
    for (i = 0; i < 3; i++)
        CHECK_OK(future_release(futures[i]));
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    future_t *futures[2];
    count_t waiting;
} any_t;

static void *wait_any_of(void *arg) {
    any_t *any = arg;
    size_t index = 99;
    count_add(&any->waiting, 1);
    CHECK_OK(future_wait_any(any->futures, 2, OFFGIL_FOREVER, &index));
    return pack((intptr_t)index);
}

static void wait_any_wakes_at_the_first_that_finishes(void) {
    int round;
    for (round = 0; round < 50; round++) {
        pool_t *pool = pool_create(2);
        gate_t gates[2] = {GATE_CLOSED, GATE_CLOSED};
        any_t any = {{NULL, NULL}, COUNT_ZERO};
        pthread_t waiter;
        int first = round % 2;
        any.futures[0] = check_submit(pool, gate_task, &gates[0]);
        any.futures[1] = check_submit(pool, gate_task, &gates[1]);
        waiter = check_thread(wait_any_of, &any);
        count_wait(&any.waiting, 1);
        gate_open(&gates[first]);
        CHECK_EQ(unpack(check_join(waiter)), first);
        gate_open(&gates[!first]);
        check_take(any.futures[0]);
        check_take(any.futures[1]);
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_failed_task_tells_its_code_and_message(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, fail_with, pack(-77)), *good = check_submit(pool, echo, NULL);
    char message[32], little[5];
    int32_t code = 0;
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_wait(future, 0, NULL), OFFGIL_EFAILED);
    CHECK_EQ(future_get_state(future), FUTURE_DONE);
    memset(message, 'x', sizeof message);
    CHECK_STATUS(future_error(future, &code, message, sizeof message), OFFGIL_EFAILED);
    CHECK_EQ(code, -77);
    CHECK_EQ(strcmp(message, "went wrong"), 0);
    memset(little, 'x', sizeof little);
    CHECK_STATUS(future_error(future, NULL, little, sizeof little - 1), OFFGIL_EFAILED);
    CHECK_EQ(memcmp(little, "wen\0x", 5), 0); /* cut to fit, with its end, and no byte more */
    CHECK_STATUS(future_error(future, &code, NULL, 0), OFFGIL_EFAILED);
    CHECK_OK(future_wait(good, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_error(good, NULL, NULL, 0));
    CHECK_OK(future_release(good));
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void *fail_oddly(void *which) {
    static char long_message[100000];
    if (unpack(which) == 0)
        return pack(task_fail(0, NULL));
    memset(long_message, 'm', sizeof long_message - 1);
    return pack(task_fail(INT32_MIN, unpack(which) == 1 ? long_message : "\xff\xfe\x80 not text"));
}

static void any_code_and_any_message_will_do(void) {
    pool_t *pool = pool_create(1);
    intptr_t which;
    for (which = 0; which < 3; which++) {
        future_t *future = check_submit(pool, fail_oddly, pack(which));
        char message[64];
        int32_t code = 1;
        CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
        CHECK_STATUS(future_error(future, &code, message, sizeof message), OFFGIL_EFAILED);
        CHECK_EQ(code, which == 0 ? 0 : INT32_MIN);
        CHECK(memchr(message, 0, sizeof message) != NULL);
        if (which == 1)
            CHECK_EQ(strlen(message), sizeof message - 1);
        CHECK_OK(future_release(future));
    }
    CHECK_OK(pool_destroy(pool));
}

static void task_fail_outside_a_task_is_refused(void) {
    CHECK_STATUS(task_fail(1, "nobody"), OFFGIL_EINVAL);
}

static void retain_gives_the_same_handle_and_asks_for_one_more_release(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, echo, pool);
    CHECK_SAME(future_retain(future), future);
    CHECK_OK(future_release(future));
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_release(future));
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EHANDLE);
    CHECK_REFUSED(future_retain(future), OFFGIL_EHANDLE);
    CHECK_STATUS(future_release(future), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(pool));
}

static void of_one_future_65535_releases_may_be_due_and_no_more(void) {
    enum { MOST = 65535 };
    pool_t *pool = pool_create(1);
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, echo, pool);
    completion_t completion;
    int i;
    CHECK_OK(completion_queue_add(queue, future, 1));
    for (i = 2; i < MOST; i++) /* the submit's and the queue's are two */
        CHECK_SAME(future_retain(future), future);
    CHECK_REFUSED(future_retain(future), OFFGIL_EINVAL);
    CHECK_STATUS(completion_queue_add(queue, future, 2), OFFGIL_EINVAL);
    CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, NULL));
    CHECK_OK(completion_queue_add(queue, future, 3)); /* there is room for one again */
    CHECK_OK(completion_queue_release(queue));
    for (i = 1; i < MOST; i++)
        CHECK_OK(future_release(future));
    CHECK_STATUS(future_release(future), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(pool));
}

static void *count_one(void *count) {
    count_add(count, 1);
    return NULL;
}

static void a_task_whose_future_is_released_still_runs(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    count_t runs = COUNT_ZERO;
    int i;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < 100; i++) {
        future_t *future = check_submit(pool, count_one, &runs);
        CHECK_OK(future_release(future));
        CHECK_STATUS(future_release(future), OFFGIL_EHANDLE);
    }
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 100);
}

static void a_future_outlives_its_pool(void) {
    pool_t *pool = pool_create(2);
    future_t *futures[3];
    void *result = NULL;
    size_t index = 99, i;
    int32_t code = 0;
    for (i = 0; i < 2; i++)
        futures[i] = check_submit(pool, echo, pool);
    futures[2] = check_submit(pool, fail_with, pack(5));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(future_wait_any(futures, 2, OFFGIL_FOREVER, &index));
    CHECK_STATUS(future_wait_all(futures, 3, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_EQ(future_get_state(futures[1]), FUTURE_DONE);
    CHECK_STATUS(future_cancel(futures[1]), OFFGIL_EDONE);
    CHECK_OK(future_wait(futures[0], OFFGIL_FOREVER, &result));
    CHECK_SAME(result, pool);
    CHECK_STATUS(future_error(futures[2], &code, NULL, 0), OFFGIL_EFAILED);
    CHECK_EQ(code, 5);
    for (i = 0; i < 3; i++)
        CHECK_OK(future_release(futures[i]));
}

static volatile sig_atomic_t signals;

static void on_signal(int number) {
    (void)number;
    signals++;
}

static void a_wait_goes_on_after_a_signal(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *future = check_submit(pool, gate_task, &gate);
    struct sigaction action;
    pthread_t waiter;
    int i;
    memset(&action, 0, sizeof action); /* without SA_RESTART */
    action.sa_handler = on_signal;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    count_wait(&gate.started, 1);
    waiter = check_thread(wait_for, future);
    for (i = 0; i < 20; i++) {
        CHECK_EQ(pthread_kill(waiter, SIGUSR1), 0);
        while (signals <= i)
            sleep_ns(MILLISECOND);
    }
    gate_open(&gate);
    CHECK_SAME(check_join(waiter), &gate);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_future_may_be_waited_for_again_and_again), TEST(many_threads_may_wait_for_one_future),
           TEST(a_timed_wait_times_out_and_writes_no_result), TEST(very_long_timeouts_are_no_overflow),
           TEST(the_state_goes_from_queued_to_running_to_done), TEST(wait_all_waits_for_every_one),
           TEST(wait_all_answers_the_failure_of_the_lowest_number), TEST(wait_any_names_one_that_is_done),
           TEST(wait_any_wakes_at_the_first_that_finishes), TEST(a_failed_task_tells_its_code_and_message),
           TEST(any_code_and_any_message_will_do), TEST(task_fail_outside_a_task_is_refused),
           TEST(retain_gives_the_same_handle_and_asks_for_one_more_release),
           TEST(of_one_future_65535_releases_may_be_due_and_no_more),
           TEST(a_task_whose_future_is_released_still_runs), TEST(a_future_outlives_its_pool),
           TEST(a_wait_goes_on_after_a_signal))
