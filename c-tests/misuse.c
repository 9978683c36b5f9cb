/* Bad input: each has its status, and none of it crashes. */
#include <signal.h>
#include <sys/wait.h>

#include "check.h"

static void *echo(void *arg) {
    return arg;
}

static void range(void *context, size_t begin, size_t end) {
    (void)context;
    (void)begin;
    (void)end;
}

static void every_pool_function_answers(pool_t *pool, offgil_status expected) {
    void *args[2] = {NULL, NULL}, *results[2] = {NULL, NULL};
    future_t *futures[2] = {NULL, NULL};
    CHECK_REFUSED(pool_submit(pool, echo, NULL), expected);
    CHECK_STATUS(pool_spawn(pool, echo, NULL), expected);
    CHECK_STATUS(pool_submit_many(pool, echo, args, 2, futures), expected);
    CHECK(futures[0] == NULL && futures[1] == NULL);
    CHECK_STATUS(pool_for(pool, 0, 10, 1, range, NULL), expected);
    CHECK_STATUS(pool_map(pool, echo, args, results, 2), expected);
    CHECK_STATUS(pool_invoke(pool, echo, NULL, echo, NULL), expected);
    CHECK_STATUS(pool_wait_idle(pool, 0), expected);
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), expected);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), expected);
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER), expected);
    CHECK_EQ(pool_thread_count(pool), 0);
    CHECK_EQ(pool_worker_index(pool), -1);
    CHECK_STATUS(pool_release(pool), expected);
    CHECK_STATUS(pool_destroy(pool), expected);
}

static void every_future_function_answers(future_t *future, offgil_status expected) {
    char message[8] = "before";
    void *result = &message;
    int32_t code = 7;
    size_t index = 7;
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, &result), expected);
    CHECK_STATUS(future_wait(future, 0, &result), expected);
    CHECK_STATUS(future_wait_all(&future, 1, OFFGIL_FOREVER), expected);
    CHECK_STATUS(future_wait_any(&future, 1, OFFGIL_FOREVER, &index), expected);
    CHECK_EQ(future_get_state(future), FUTURE_INVALID);
    CHECK_STATUS(future_cancel(future), expected);
    CHECK_STATUS(future_error(future, &code, message, sizeof message), expected);
    CHECK_REFUSED(future_retain(future), expected);
    CHECK_STATUS(future_release(future), expected);
    CHECK_SAME(result, &message); /* nothing was written */
    CHECK_EQ(strcmp(message, "before"), 0);
    CHECK_EQ(code, 7);
    CHECK_EQ(index, 7);
}

static void null_handles_are_bad_arguments(void) {
    every_pool_function_answers(NULL, OFFGIL_EINVAL);
    every_future_function_answers(NULL, OFFGIL_EINVAL);
}

static void stale_handles_are_known_to_be_stale(void) {
    pool_t *pool = pool_create(1), *released = pool_create(1);
    future_t *future = check_submit(pool, echo, NULL);
    check_take(future);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_release(released));
    every_pool_function_answers(pool, OFFGIL_EHANDLE);
    every_pool_function_answers(released, OFFGIL_EHANDLE);
    every_future_function_answers(future, OFFGIL_EHANDLE);
}

static void a_stale_handle_stays_stale_when_its_slot_is_used_again(void) {
    pool_t *pool = pool_create(1), *live = pool_create(1);
    future_t *stale = check_submit(pool, echo, NULL);
    int i;
    check_take(stale);
    CHECK_OK(pool_destroy(pool));
    for (i = 0; i < 1000; i++) {
        future_t *fresh = check_submit(live, echo, live);
        pool_t *other = pool_create(1);
        CHECK(fresh != stale && other != pool);
        CHECK_STATUS(future_release(stale), OFFGIL_EHANDLE);
        CHECK_STATUS(pool_release(pool), OFFGIL_EHANDLE);
        CHECK_SAME(check_take(fresh), live);
        CHECK_OK(pool_destroy(other));
    }
    CHECK_OK(pool_destroy(live));
}

static void invented_handles_are_known_to_be_none(void) {
    int local = 0;
    const uintptr_t invented[] = {1,
                                  2,
                                  8,
                                  0x1234567,
                                  UINTPTR_MAX,
                                  INTPTR_MAX,
                                  4096,
                                  65536,
                                  (uintptr_t)&local,
                                  (uintptr_t)echo,
                                  UINTPTR_MAX - 1,
                                  0xdeadbeef,
                                  0x55555555,
                                  (uintptr_t)stdin,
                                  0x80000000};
    size_t i;
    for (i = 0; i < LENGTH(invented); i++) {
        every_pool_function_answers((pool_t *)invented[i], OFFGIL_EHANDLE);
        every_future_function_answers((future_t *)invented[i], OFFGIL_EHANDLE);
    }
}

static void a_live_handle_with_one_bit_changed_is_none(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, echo, pool);
    unsigned bit;
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    for (bit = 0; bit < 8 * sizeof(uintptr_t); bit++) {
        uintptr_t other_pool = (uintptr_t)pool ^ (uintptr_t)1 << bit;
        uintptr_t other_future = (uintptr_t)future ^ (uintptr_t)1 << bit;
        every_pool_function_answers((pool_t *)other_pool, other_pool == 0 ? OFFGIL_EINVAL : OFFGIL_EHANDLE);
        every_future_function_answers((future_t *)other_future,
                                      other_future == 0 ? OFFGIL_EINVAL : OFFGIL_EHANDLE);
    }
    CHECK_SAME(check_take(future), pool);
    CHECK_OK(pool_destroy(pool));
}

static void a_handle_of_another_kind_is_none(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, echo, pool);
    every_pool_function_answers((pool_t *)(void *)future, OFFGIL_EHANDLE);
    every_future_function_answers((future_t *)(void *)pool, OFFGIL_EHANDLE);
    CHECK_SAME(check_take(future), pool);
    CHECK_OK(pool_destroy(pool));
}

static void handles_released_twice_are_known(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    future_t *running = check_submit(pool, gate_task, &gate), *queued = check_submit(pool, gate_task, &gate),
             *done;
    count_wait(&gate.started, 1);
    CHECK_OK(future_release(running));
    CHECK_STATUS(future_release(running), OFFGIL_EHANDLE);
    CHECK_OK(future_release(queued));
    CHECK_STATUS(future_release(queued), OFFGIL_EHANDLE);
    gate_open(&gate);
    done = check_submit(pool, echo, NULL);
    check_take(done);
    CHECK_STATUS(future_release(done), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EHANDLE);
}

static void null_functions_are_bad_arguments(void) {
    pool_t *pool = pool_create(1);
    void *args[1] = {NULL};
    future_t *futures[1] = {NULL};
    CHECK_REFUSED(pool_submit(pool, NULL, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_spawn(pool, NULL, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_submit_many(pool, NULL, args, 1, futures), OFFGIL_EINVAL);
    CHECK_STATUS(pool_for(pool, 0, 1, 1, NULL, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_map(pool, NULL, args, args, 1), OFFGIL_EINVAL);
    CHECK_STATUS(pool_invoke(pool, NULL, NULL, echo, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_invoke(pool, echo, NULL, NULL, NULL), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pool));
}

static void arrays_that_are_not_there_are_bad_arguments(void) {
    pool_t *pool = pool_create(1);
    size_t index;
    CHECK_STATUS(pool_map(pool, echo, NULL, NULL, 3), OFFGIL_EINVAL);
    CHECK_STATUS(future_wait_all(NULL, 3, 0), OFFGIL_EINVAL);
    CHECK_STATUS(future_wait_any(NULL, 3, 0, &index), OFFGIL_EINVAL);
    CHECK_STATUS(future_wait_any(NULL, 0, OFFGIL_FOREVER, &index), OFFGIL_EINVAL); /* nothing to wait for */
    CHECK_OK(pool_destroy(pool));
}

static void absurd_counts_are_refused(void) {
    const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8, SIZE_MAX / 8 + 1, SIZE_MAX / 16 + 1};
    pool_t *pool = pool_create(1);
    void *args[1] = {NULL};
    future_t *future = check_submit(pool, echo, NULL), *futures[1] = {NULL};
    size_t index, i;
    for (i = 0; i < LENGTH(counts); i++) {
        CHECK_STATUS(pool_submit_many(pool, echo, args, counts[i], futures), OFFGIL_EINVAL);
        CHECK_STATUS(pool_map(pool, echo, args, args, counts[i]), OFFGIL_EINVAL);
        CHECK_STATUS(future_wait_all(&future, counts[i], 0), OFFGIL_EINVAL);
        CHECK_STATUS(future_wait_any(&future, counts[i], 0, &index), OFFGIL_EINVAL);
    }
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static void one_bad_future_among_good_ones_is_found(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *futures[3];
    size_t index = 7;
    futures[0] = check_submit(pool, gate_task, &gate);
    futures[1] = NULL;
    futures[2] = check_submit(pool, echo, NULL);
    CHECK_STATUS(future_wait_all(futures, 3, OFFGIL_FOREVER), OFFGIL_EINVAL);
    CHECK_STATUS(future_wait_any(futures, 3, OFFGIL_FOREVER, &index), OFFGIL_EINVAL);
    futures[1] = (future_t *)(void *)pool;
    CHECK_STATUS(future_wait_all(futures, 3, OFFGIL_FOREVER), OFFGIL_EHANDLE);
    CHECK_STATUS(future_wait_any(futures, 3, OFFGIL_FOREVER, &index), OFFGIL_EHANDLE);
    CHECK_EQ(index, 7);
    gate_open(&gate);
    check_take(futures[0]);
    check_take(futures[2]);
    CHECK_OK(pool_destroy(pool));
}

static void the_same_future_may_stand_in_a_list_twice(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, echo, NULL), *futures[4];
    size_t index = 7, i;
    for (i = 0; i < LENGTH(futures); i++)
        futures[i] = future;
    CHECK_OK(future_wait_all(futures, LENGTH(futures), OFFGIL_FOREVER));
    CHECK_OK(future_wait_any(futures, LENGTH(futures), OFFGIL_FOREVER, &index));
    CHECK(index < LENGTH(futures));
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static void null_where_the_caller_does_not_care_is_fine(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, echo, NULL);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_wait_any(&future, 1, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_error(future, NULL, NULL, 0));
    CHECK_OK(future_error(future, NULL, NULL, 100));
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void *leave_by_pthread_exit(void *unused) {
    pthread_exit(unused);
}

/* In a child whose standard error is the pipe. */
static void submit_task_that_leaves(int pipe_end) {
    pool_t *pool = pool_create(1);
    CHECK(dup2(pipe_end, STDERR_FILENO) >= 0);
    future_wait(check_submit(pool, leave_by_pthread_exit, NULL), LONG_ENOUGH, NULL);
    _exit(0);
}

static void a_task_that_is_left_by_pthread_exit_ends_the_process_with_a_message(void) {
    char message[1000] = "";
    size_t length = 0;
    ssize_t got;
    int ends[2], status = 0;
    pid_t child;
    CHECK_EQ(pipe(ends), 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        submit_task_that_leaves(ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], message + length, sizeof message - 1 - length)) > 0)
        length += (size_t)got;
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
    CHECK(strstr(message, "offgil") != NULL && strstr(message, "pthread_exit") != NULL);
}

CHECK_MAIN(TEST(null_handles_are_bad_arguments), TEST(stale_handles_are_known_to_be_stale),
           TEST(a_stale_handle_stays_stale_when_its_slot_is_used_again),
           TEST(invented_handles_are_known_to_be_none), TEST(a_live_handle_with_one_bit_changed_is_none),
           TEST(a_handle_of_another_kind_is_none), TEST(handles_released_twice_are_known),
           TEST(null_functions_are_bad_arguments), TEST(arrays_that_are_not_there_are_bad_arguments),
           TEST(absurd_counts_are_refused), TEST(one_bad_future_among_good_ones_is_found),
           TEST(the_same_future_may_stand_in_a_list_twice), TEST(null_where_the_caller_does_not_care_is_fine),
           TEST(a_task_that_is_left_by_pthread_exit_ends_the_process_with_a_message))
