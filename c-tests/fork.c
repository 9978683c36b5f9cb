/* What the child of a fork has, what it does not have, and how a child ends that was forked inside a task. */
#include "check.h"

static pool_t *pool;
static gate_t gate = GATE_CLOSED;
static count_t ran = COUNT_ZERO;

static void *twice(void *arg) {
    return pack(2 * unpack(arg));
}

static void *count_run(void *arg) {
    count_add(&ran, 1);
    return arg;
}

static void count_range(void *context, size_t begin, size_t end) {
    count_add(context, (int64_t)(end - begin));
}

static future_t *submit_later(int64_t delay_ns, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.delay_ns = delay_ns;
    return check_submit_with(pool, &options, fn, arg);
}

/* A bit of everything on the pool. */
static void use_pool(void) {
    void *args[64], *results[64];
    count_t seen = COUNT_ZERO;
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, twice, pack(21));
    completion_t completion;
    size_t i, count = 0;
    CHECK_OK(completion_queue_add(queue, future, 7));
    CHECK_EQ(unpack(check_take(future)), 42);
    CHECK_OK(completion_queue_next(queue, LONG_ENOUGH, &completion, 1, &count));
    CHECK(count == 1 && completion.tag == 7 && unpack(completion.result) == 42);
    CHECK_OK(completion_queue_release(queue));
    CHECK_EQ(unpack(check_take(submit_later(MILLISECOND, twice, pack(4)))), 8);
    for (i = 0; i < LENGTH(args); i++)
        args[i] = pack((intptr_t)i);
    CHECK_OK(pool_map(pool, twice, args, results, LENGTH(args)));
    for (i = 0; i < LENGTH(args); i++)
        CHECK_EQ(unpack(results[i]), 2 * i);
    CHECK_OK(pool_for(pool, 0, 1000, 1, count_range, &seen));
    CHECK_EQ(count_get(&seen), 1000);
    for (i = 0; i < 10; i++)
        CHECK_OK(group_spawn(group, count_run, NULL));
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
}

static void make_pool(uint32_t threads) {
    pool = pool_create(threads);
    CHECK(pool != NULL);
    use_pool();
}

static void a_child_uses_the_pools_of_its_parent(void) {
    make_pool(3);
    check_in_child(use_pool);
    use_pool();
    pool = pool_default();
    check_in_child(use_pool);
    use_pool();
    CHECK_SAME(pool_default(), pool);
}

static void check_default(void) {
    CHECK_SAME(pool_default(), pool);
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EINVAL);
    use_pool();
}

static void the_default_pool_is_the_childs_default_pool(void) {
    pool = pool_default();
    check_in_child(check_default);
}

/* Forks, and the child forks. */
static void use_in_grandchild(void) {
    use_pool();
    check_in_child(use_pool);
    use_pool();
}

static void a_child_of_a_child_uses_the_pools_of_both(void) {
    make_pool(2);
    check_in_child(use_in_grandchild);
    use_pool();
}

static void count_start(void *context) {
    count_add(context, 1);
}

static void a_pool_keeps_its_options_in_the_child(void) {
    static count_t started = COUNT_ZERO;
    pool_options_t options;
    pid_t child;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_FAIL;
    options.on_thread_start = count_start;
    options.context = &started;
    pool = pool_create_with(&options);
    check_take(check_submit(pool, twice, NULL));
    CHECK_EQ(count_get(&started), 1);
    child = check_fork();
    if (child == 0) {
        CHECK_EQ(pool_thread_count(pool), 1);
        gate_occupy(&gate, pool, 1);
        CHECK_EQ(count_get(&started), 2);
        CHECK_OK(pool_spawn(pool, twice, NULL));
        CHECK_STATUS(pool_spawn(pool, twice, NULL), OFFGIL_EFULL);
        _exit(0);
    }
    check_child(child, 0);
    CHECK_EQ(count_get(&started), 1);
}

static void check_closed(void) {
    CHECK_STATUS(pool_spawn(pool, twice, NULL), OFFGIL_ECLOSED);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void a_pool_that_was_shut_down_is_shut_down_in_the_child(void) {
    make_pool(2);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    check_in_child(check_closed);
    /* And one that the parent has not finished draining, which is nothing to the child. */
    make_pool(2);
    gate_occupy(&gate, pool, 1);
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    check_in_child(check_closed);
}

static void check_dead(void) {
    pool_t *other = pool_create(1); /* not under the same number */
    CHECK_REFUSED(pool_submit(pool, twice, NULL), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(other));
}

static void a_destroyed_pool_is_dead_in_the_child_too(void) {
    make_pool(2);
    CHECK_OK(pool_destroy(pool));
    check_in_child(check_dead);
}

static void destroy_pool(void) {
    CHECK_OK(pool_destroy(pool));
    check_dead();
}

static void use_and_destroy_pool(void) {
    use_pool();
    destroy_pool();
}

static void shut_down_and_release_pool(void) {
    use_pool();
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_OK(pool_release(pool));
    check_dead();
}

static void release_pool(void) {
    CHECK_OK(pool_release(pool));
    check_dead();
}

static void the_child_destroys_and_releases_pools_of_its_own_copy(void) {
    make_pool(2);
    gate_occupy(&gate, pool, 2); /* in the parent it could not be destroyed now */
    check_in_child(destroy_pool);
    check_in_child(use_and_destroy_pool);
    check_in_child(shut_down_and_release_pool);
    check_in_child(release_pool);
    gate_open(&gate);
    use_pool();
    CHECK_OK(pool_destroy(pool));
}

static void check_nothing_ran(void) {
    use_pool();
    CHECK_EQ(count_get(&ran), 20); /* those of use_pool, here and in the parent before */
}

static void what_is_queued_running_or_delayed_is_the_parents_alone(void) {
    future_t *queued[10], *delayed;
    size_t i;
    make_pool(2);
    gate_occupy(&gate, pool, 2);
    for (i = 0; i < LENGTH(queued); i++)
        queued[i] = check_submit(pool, count_run, NULL);
    delayed = submit_later(MILLISECOND, count_run, NULL);
    check_in_child(check_nothing_ran);
    gate_open(&gate);
    CHECK_OK(future_wait_all(queued, LENGTH(queued), OFFGIL_FOREVER));
    CHECK_OK(future_wait(delayed, OFFGIL_FOREVER, NULL));
    CHECK_EQ(count_get(&ran), 10 + LENGTH(queued) + 1);
}

static void when_done(void *context, offgil_status status, void *result) {
    (void)status, (void)result;
    count_add(context, 1);
}

static future_t *parents_future;
static group_t *parents_group;
static completion_queue_t *parents_queue;

static void *task_in_parents_group(void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.group = parents_group;
    CHECK_REFUSED(pool_submit_with(pool, &options, twice, arg), OFFGIL_EFORKED);
    options.group = NULL;
    options.queue = parents_queue;
    CHECK_STATUS(pool_spawn_with(pool, &options, twice, arg), OFFGIL_EFORKED);
    options.queue = NULL;
    options.after = &parents_future;
    options.after_count = 1;
    CHECK_REFUSED(pool_submit_with(pool, &options, twice, arg), OFFGIL_EFORKED);
    return arg;
}

static void check_futures_are_the_parents(void) {
    void *result = &result;
    size_t index = 7;
    int32_t code = 7;
    CHECK_STATUS(future_wait(parents_future, OFFGIL_FOREVER, &result), OFFGIL_EFORKED);
    CHECK_SAME(result, &result);
    CHECK_STATUS(future_wait_all(&parents_future, 1, OFFGIL_FOREVER), OFFGIL_EFORKED);
    CHECK_STATUS(future_wait_any(&parents_future, 1, OFFGIL_FOREVER, &index), OFFGIL_EFORKED);
    CHECK_EQ(index, 7);
    CHECK_EQ(future_get_state(parents_future), FUTURE_INVALID);
    CHECK_STATUS(offgil_last_status(), OFFGIL_EFORKED);
    CHECK_STATUS(future_cancel(parents_future), OFFGIL_EFORKED);
    CHECK_STATUS(future_on_done(parents_future, when_done, &ran), OFFGIL_EFORKED);
    CHECK_STATUS(future_error(parents_future, &code, NULL, 0), OFFGIL_EFORKED);
    CHECK_EQ(code, 7);
    CHECK_STATUS(future_call_result(parents_future, OFFGIL_FOREVER, NULL, NULL), OFFGIL_EFORKED);
    CHECK_REFUSED(future_retain(parents_future), OFFGIL_EFORKED);
    CHECK_STATUS(future_release(parents_future), OFFGIL_EFORKED);
}

static void check_parents_handles(void) {
    completion_queue_t *mine = completion_queue_create();
    completion_t completion;
    size_t count = 7;
    check_futures_are_the_parents();
    CHECK_STATUS(group_spawn(parents_group, twice, NULL), OFFGIL_EFORKED);
    CHECK_STATUS(group_wait(parents_group, OFFGIL_FOREVER), OFFGIL_EFORKED);
    CHECK_STATUS(group_cancel(parents_group), OFFGIL_EFORKED);
    CHECK_REFUSED(group_create(pool, parents_group), OFFGIL_EFORKED);
    CHECK_STATUS(group_release(parents_group), OFFGIL_EFORKED);
    CHECK_STATUS(completion_queue_add(parents_queue, parents_future, 1), OFFGIL_EFORKED);
    CHECK_STATUS(completion_queue_add(mine, parents_future, 1), OFFGIL_EFORKED);
    CHECK_STATUS(completion_queue_next(parents_queue, OFFGIL_FOREVER, &completion, 1, &count),
                 OFFGIL_EFORKED);
    CHECK_EQ(completion_queue_fd(parents_queue), -1);
    CHECK_STATUS(offgil_last_status(), OFFGIL_EFORKED);
    CHECK_STATUS(completion_queue_release(parents_queue), OFFGIL_EFORKED);
    check_take(check_submit(pool, task_in_parents_group, NULL));
    use_pool();
    check_futures_are_the_parents(); /* also when the child has tasks of its own */
}

static void every_function_on_a_task_a_group_or_a_queue_of_the_parents_answers_eforked(void) {
    completion_t completion;
    make_pool(2);
    gate_occupy(&gate, pool, 2);
    parents_group = group_create(pool, NULL);
    parents_queue = completion_queue_create();
    parents_future = check_submit(pool, twice, pack(3));
    CHECK_OK(group_spawn(parents_group, count_run, NULL));
    CHECK_OK(completion_queue_add(parents_queue, parents_future, 1));
    CHECK(completion_queue_fd(parents_queue) >= 0);
    check_in_child(check_parents_handles);
    gate_open(&gate);
    CHECK_OK(future_wait(parents_future, OFFGIL_FOREVER, NULL));
    check_in_child(check_parents_handles); /* of one that has ended, too */
    CHECK_OK(group_wait(parents_group, OFFGIL_FOREVER));
    CHECK_OK(completion_queue_next(parents_queue, OFFGIL_FOREVER, &completion, 1, NULL));
    CHECK_EQ(unpack(completion.result), 6);
    CHECK_OK(future_release(parents_future));
}

static void check_queue_is_the_parents(void) {
    CHECK_STATUS(completion_queue_release(parents_queue), OFFGIL_EFORKED);
}

static void a_fork_before_the_first_pool_is_noticed(void) {
    parents_queue = completion_queue_create();
    check_in_child(check_queue_is_the_parents);
    CHECK_OK(completion_queue_release(parents_queue));
}

CHECK_MAIN(TEST(a_child_uses_the_pools_of_its_parent), TEST(the_default_pool_is_the_childs_default_pool),
           TEST(a_child_of_a_child_uses_the_pools_of_both), TEST(a_pool_keeps_its_options_in_the_child),
           TEST(a_pool_that_was_shut_down_is_shut_down_in_the_child),
           TEST(a_destroyed_pool_is_dead_in_the_child_too),
           TEST(the_child_destroys_and_releases_pools_of_its_own_copy),
           TEST(what_is_queued_running_or_delayed_is_the_parents_alone),
           TEST(every_function_on_a_task_a_group_or_a_queue_of_the_parents_answers_eforked),
           TEST(a_fork_before_the_first_pool_is_noticed))
