/* Forks inside what the library calls: bodies, parts, callbacks, hooks. In the child the thread ends on the
 * return. */
#include "check.h"

static pool_t *pool;
static count_t forked = COUNT_ZERO;
static pid_t parent;

static void *twice(void *arg) {
    return pack(2 * unpack(arg));
}

/* The child goes back to where it came from, which ends it. */
static void fork_and_return(void) {
    pid_t child = check_fork();
    if (child != 0) {
        check_child(child, 0);
        count_add(&forked, 1);
    }
}

static void *fork_in_task(void *arg) {
    fork_and_return();
    return arg;
}

static void fork_in_hook(void *context) {
    (void)context;
    fork_and_return();
}

static void begin(uint32_t threads) {
    parent = getpid();
    pool = pool_create(threads);
    CHECK(pool != NULL);
}

/* So often it was forked; and this is no child. */
static void finish(int64_t times) {
    CHECK_EQ(getpid(), parent);
    CHECK_EQ(count_get(&forked), times);
    CHECK_EQ(unpack(check_take(check_submit(pool, twice, pack(4)))), 8);
    CHECK_OK(pool_destroy(pool));
}

static void a_child_ends_with_status_0_when_its_task_returns(void) {
    begin(1);
    CHECK_EQ(unpack(check_take(check_submit(pool, fork_in_task, pack(3)))), 3);
    CHECK_EQ(unpack(check_take(check_submit(pool, fork_in_task, pack(4)))), 4);
    finish(2);
}

static void *wait_for_fork(void *arg) {
    return check_take(check_submit(pool, fork_in_task, arg));
}

static void so_it_does_in_a_task_that_another_waits_for(void) {
    begin(1);
    CHECK_EQ(unpack(check_take(check_submit(pool, wait_for_fork, pack(3)))), 3);
    finish(1);
}

static void *fork_and_use(void *arg) {
    pid_t child = check_fork();
    if (child == 0) {
        CHECK_STATUS(task_fail(1, NULL), OFFGIL_EINVAL); /* it is in no task any more */
        CHECK_STATUS(task_block_begin(), OFFGIL_EINVAL);
        CHECK_EQ(task_is_canceled(), 0);
        CHECK_EQ(pool_worker_index(pool), -1);
        CHECK_EQ(unpack(check_take(check_submit(pool, twice, pack(5)))), 10);
        CHECK_EQ(unpack(check_take(check_submit(pool, wait_for_fork, pack(6)))), 6);
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER)); /* in the task it would be a circle */
        return arg;
    }
    check_child(child, 0);
    count_add(&forked, 1);
    return arg;
}

static void it_uses_the_pool_before_and_its_threads_do_not_keep_it(void) {
    begin(2);
    check_take(check_submit(pool, fork_and_use, NULL));
    finish(1);
}

static void *use_pool_after_a_while(void *arg) {
    sleep_ns(SOON);
    CHECK_EQ(unpack(check_take(check_submit(pool, twice, pack(5)))), 10);
    _exit(7);
    return arg;
}

static void *fork_with_a_thread(void *arg) {
    pid_t child = check_fork();
    if (child == 0) {
        check_thread(use_pool_after_a_while, NULL);
        return arg;
    }
    check_child(child, 7);
    count_add(&forked, 1);
    return arg;
}

static void a_thread_that_the_child_started_goes_on(void) {
    begin(2);
    check_take(check_submit(pool, fork_with_a_thread, NULL));
    finish(1);
}

static void fork_in_range(void *context, size_t from, size_t to) {
    (void)context;
    for (size_t i = from; i < to && getpid() == parent; i++)
        if (i % 4 == 0)
            fork_and_return();
}

static void so_it_is_in_a_part_of_a_range_a_map_or_an_invoke_on_any_thread(void) {
    void *args[4] = {NULL, NULL, NULL, NULL};
    begin(2);
    CHECK_OK(pool_for(pool, 0, 16, 1, fork_in_range, NULL));
    finish(4);
    begin(2);
    CHECK_OK(pool_map(pool, fork_in_task, args, NULL, 4));
    finish(8);
    begin(2);
    CHECK_OK(pool_invoke(pool, fork_in_task, NULL, fork_in_task, NULL));
    finish(10);
}

static void fork_when_done(void *context, offgil_status status, void *result) {
    (void)context, (void)status, (void)result;
    fork_and_return();
}

static void so_it_is_in_a_callback(void) {
    gate_t gate = GATE_CLOSED;
    future_t *future;
    begin(1);
    gate_occupy(&gate, pool, 1);
    future = check_submit(pool, twice, NULL);
    CHECK_OK(future_on_done(future, fork_when_done, NULL));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&forked), 1);
    CHECK_OK(future_on_done(future, fork_when_done, NULL)); /* at once, here */
    CHECK_OK(future_release(future));
    finish(2);
}

static future_t *submit_with_drops(int64_t deadline_ns) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.drop_arg = fork_in_hook;
    options.drop_result = fork_in_hook;
    options.deadline_ns = deadline_ns;
    return check_submit_with(pool, &options, twice, NULL);
}

static void so_it_is_in_a_function_that_drops(void) {
    gate_t gate = GATE_CLOSED;
    future_t *future;
    begin(1);
    future = submit_with_drops(OFFGIL_FOREVER);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_EQ(count_get(&forked), 1); /* the argument, by the worker */
    CHECK_OK(future_release(future));
    CHECK_EQ(count_get(&forked), 2); /* the result, here */
    gate_occupy(&gate, pool, 1);
    future = submit_with_drops(OFFGIL_FOREVER);
    CHECK_OK(future_cancel(future));
    CHECK_EQ(count_get(&forked), 3);
    CHECK_OK(future_release(future));
    future = submit_with_drops(MILLISECOND); /* by the thread that keeps the time */
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(future));
    gate_open(&gate);
    finish(4);
}

static void fork_and_wait_for_the_pool(void *context) {
    pid_t child = check_fork();
    (void)context;
    if (child == 0) {
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER)); /* where the task was held it would be a circle */
        CHECK_OK(pool_destroy(pool));
        return;
    }
    check_child(child, 0);
    count_add(&forked, 1);
}

static void the_child_of_one_who_is_told_of_a_cancel_of_a_held_task_may_wait_for_the_pool(void) {
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.drop_arg = fork_and_wait_for_the_pool;
    options.delay_ns = LONG_ENOUGH;
    begin(1);
    future = check_submit_with(pool, &options, twice, NULL);
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    finish(1);
}

static void fork_when_lost(void *context, const char *name, offgil_status status, int32_t code,
                           const char *message) {
    (void)context, (void)name, (void)status, (void)code, (void)message;
    fork_and_return();
}

static void *fail(void *arg) {
    CHECK_OK(task_fail(1, "lost"));
    return arg;
}

static int32_t fork_instead(void *context) {
    (void)context;
    fork_and_return();
    return 1; /* no thread comes */
}

static void so_it_is_in_a_hook_of_the_pools(void) {
    pool_options_t options;
    task_options_t lent;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.on_thread_start = fork_in_hook;
    options.on_thread_stop = fork_in_hook;
    options.on_lost_error = fork_when_lost;
    options.start_worker = fork_instead;
    parent = getpid();
    pool = pool_create_with(&options);
    CHECK_OK(pool_spawn(pool, fail, NULL));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&forked), 2);
    task_options_init(&lent, sizeof lent);
    lent.lent_only = 1;
    CHECK_STATUS(pool_spawn_with(pool, &lent, twice, NULL), OFFGIL_ETHREAD);
    CHECK_EQ(count_get(&forked), 3);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&forked), 4);
    CHECK_EQ(getpid(), parent);
}

static void so_it_is_in_the_blocking_lane(void) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    begin(1);
    CHECK_OK(pool_spawn_with(pool, &options, fork_and_use, NULL));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    finish(1);
}

static count_t blocked = COUNT_ZERO;

/* It gives its place up for good, and no spare thread may come. */
static void *leave_the_place_free(void *arg) {
    CHECK_OK(task_block_begin());
    count_add(&blocked, 1);
    count_wait(&blocked, 3);
    return arg;
}

static void *block_for_a_moment(void *thread) {
    CHECK(pthread_equal(pthread_self(), *(pthread_t *)thread));
    CHECK_OK(task_block_begin());
    CHECK_OK(task_block_end());
    return thread;
}

static void *fail_and_fork(void *arg) {
    pid_t child;
    CHECK_OK(task_fail(7, "the parent's"));
    child = check_fork();
    if (child == 0) {
        pthread_t me = pthread_self();
        int i;
        for (i = 1; i <= 2; i++) {
            CHECK_OK(pool_spawn(pool, leave_the_place_free, NULL));
            count_wait(&blocked, i);
        }
        CHECK_SAME(check_take(check_submit(pool, block_for_a_moment, &me)), &me);
        _exit(0);
    }
    check_child(child, 0);
    count_add(&forked, 1);
    return arg;
}

static void a_failure_of_the_task_that_forked_is_the_parents(void) {
    pool_options_t options;
    future_t *future;
    int32_t code = 0;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.max_spare_threads = 0;
    parent = getpid();
    pool = pool_create_with(&options);
    future = check_submit(pool, fail_and_fork, NULL);
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_error(future, &code, NULL, 0), OFFGIL_EFAILED);
    CHECK_EQ(code, 7);
    CHECK_OK(future_release(future));
    finish(1);
}

CHECK_MAIN(TEST(a_child_ends_with_status_0_when_its_task_returns),
           TEST(so_it_does_in_a_task_that_another_waits_for),
           TEST(it_uses_the_pool_before_and_its_threads_do_not_keep_it),
           TEST(a_thread_that_the_child_started_goes_on),
           TEST(so_it_is_in_a_part_of_a_range_a_map_or_an_invoke_on_any_thread), TEST(so_it_is_in_a_callback),
           TEST(so_it_is_in_a_function_that_drops),
           TEST(the_child_of_one_who_is_told_of_a_cancel_of_a_held_task_may_wait_for_the_pool),
           TEST(so_it_is_in_a_hook_of_the_pools), TEST(so_it_is_in_the_blocking_lane),
           TEST(a_failure_of_the_task_that_forked_is_the_parents))
