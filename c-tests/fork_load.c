/* Forks while every lock of the library may be held: each child finds its parent's pool whole. */
#include "check.h"

#define FORKS 500
#define TASKS 8
#define WATCHED 64

static pool_t *pool;
static future_t *parents_future;
static count_t stop = COUNT_ZERO;
static count_t rounds = COUNT_ZERO;
static gate_t gate = GATE_CLOSED;

static void *twice(void *arg) {
    return pack(2 * unpack(arg));
}

static void *wait_inside(void *arg) {
    return check_take(check_submit(pool, twice, arg));
}

static void ignore_range(void *context, size_t begin, size_t end) {
    (void)context, (void)begin, (void)end;
}

static void *submit_and_wait(void *arg) {
    future_t *futures[TASKS];
    void *args[TASKS] = {NULL};
    size_t i;
    while (count_get(&stop) == 0) {
        CHECK_EQ(unpack(check_take(check_submit(pool, wait_inside, pack(3)))), 6);
        CHECK_OK(pool_submit_many(pool, twice, args, TASKS, futures));
        for (i = 0; i < TASKS; i += 2)
            future_cancel(futures[i]);
        for (i = 0; i < TASKS; i++)
            CHECK_OK(future_release(futures[i]));
        CHECK_OK(pool_for(pool, 0, 64, 1, ignore_range, NULL));
        count_add(&rounds, 1);
    }
    return arg;
}

static void *make_pools(void *arg) {
    while (count_get(&stop) == 0) {
        pool_t *mine = pool_create(2);
        CHECK_EQ(unpack(check_take(check_submit(mine, twice, pack(3)))), 6);
        CHECK_OK(count_get(&rounds) % 2 ? pool_destroy(mine) : pool_release(mine));
        count_add(&rounds, 1);
    }
    return arg;
}

static void use_groups_and_queues(pool_t *mine) {
    task_options_t options;
    completion_t completions[TASKS];
    completion_queue_t *queue = completion_queue_create();
    group_t *group = group_create(mine, NULL), *below = group_create(mine, group);
    size_t i, count, seen = 0;
    CHECK(queue != NULL && group != NULL && below != NULL);
    task_options_init(&options, sizeof options);
    options.group = below;
    options.queue = queue;
    CHECK(completion_queue_fd(queue) >= 0);
    for (i = 0; i < TASKS; i++) {
        options.tag = i;
        options.priority = i % 2 ? TASK_HIGH : TASK_LOW;
        options.blocking = i == 2;
        options.delay_ns = i == 4 ? MILLISECOND / 4 : 0;
        CHECK_OK(pool_spawn_with(mine, &options, twice, pack((intptr_t)i)));
    }
    while (seen < TASKS) {
        CHECK_OK(completion_queue_next(queue, LONG_ENOUGH, completions, TASKS, &count));
        for (i = 0; i < count; i++)
            CHECK_EQ(unpack(completions[i].result), 2 * completions[i].tag);
        seen += count;
    }
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(group_release(below));
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
}

static void *make_groups_and_queues(void *arg) {
    while (count_get(&stop) == 0) {
        use_groups_and_queues(pool);
        count_add(&rounds, 1);
    }
    return arg;
}

static future_t *submit_after(future_t *before) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.after = &before;
    options.after_count = 1;
    return check_submit_with(pool, &options, twice, pack(5));
}

/* Watches tasks all over the table of watchers, and changes the graph of waits. */
static void *wait_in_vain(void *arg) {
    future_t *futures[WATCHED];
    size_t i;
    for (i = 0; i < WATCHED; i++)
        futures[i] = submit_after(parents_future);
    while (count_get(&stop) == 0) {
        for (i = 0; i < 10; i++)
            CHECK_STATUS(future_wait_any(futures, WATCHED, 1, NULL), OFFGIL_ETIMEDOUT);
        for (i = 0; i < WATCHED; i++) {
            CHECK_OK(future_cancel(futures[i]));
            CHECK_OK(future_release(futures[i]));
            futures[i] = submit_after(parents_future);
        }
        count_add(&rounds, 1);
    }
    for (i = 0; i < WATCHED; i++) {
        CHECK_OK(future_cancel(futures[i]));
        CHECK_OK(future_release(futures[i]));
    }
    return arg;
}

static void count_done(void *context, offgil_status status, void *result) {
    CHECK_OK(status);
    CHECK_EQ(unpack(result), 10);
    count_add(context, 1);
}

static void watch_in_the_child(void) {
    static count_t done = COUNT_ZERO;
    future_t *futures[WATCHED];
    gate_t inner = GATE_CLOSED;
    future_t *first = check_submit(pool, gate_task, &inner);
    size_t i;
    for (i = 0; i < WATCHED; i++) {
        futures[i] = submit_after(first);
        CHECK_OK(future_on_done(futures[i], count_done, &done));
    }
    gate_open(&inner);
    CHECK_OK(future_wait_all(futures, WATCHED, OFFGIL_FOREVER));
    CHECK_SAME(check_take(first), &inner);
    count_wait(&done, WATCHED);
}

/* The child's work, on the pool of its parent and on one of its own. */
static void work_in_the_child(int number) {
    pool_t *mine = pool_create(2);
    void *args[TASKS], *results[TASKS];
    intptr_t i;
    CHECK(mine != NULL);
    for (i = 0; i < TASKS; i++)
        args[i] = pack(i);
    CHECK_STATUS(future_wait(parents_future, OFFGIL_FOREVER, NULL), OFFGIL_EFORKED);
    CHECK_EQ(unpack(check_take(check_submit(pool, wait_inside, pack(3)))), 6);
    CHECK_OK(pool_map(pool, twice, args, results, TASKS));
    for (i = 0; i < TASKS; i++)
        CHECK_EQ(unpack(results[i]), 2 * i);
    if (number % 4 == 3)
        watch_in_the_child();
    use_groups_and_queues(number % 2 ? pool : mine);
    CHECK_EQ(unpack(check_take(check_submit(mine, twice, pack(number)))), 2 * number);
    CHECK_OK(pool_destroy(mine));
    if (number % 5 == 0)
        CHECK_OK(pool_destroy(pool));
}

static void *fork_and_return(void *arg) {
    pid_t child = check_fork();
    if (child == 0)
        work_in_the_child((int)unpack(arg));
    else
        check_child(child, 0);
    return arg;
}

static void fork_once(int number) {
    pool_t *mine = pool_create(1); /* this thread remembers it, and has the last reference */
    pid_t child;
    check_take(check_submit(mine, twice, NULL));
    CHECK_OK(pool_destroy(mine));
    if (number % 8 == 0) {
        check_take(check_submit(pool, fork_and_return, pack(number)));
        return;
    }
    child = check_fork();
    if (child == 0) {
        if (number % 4 == 1)
            exit(0); /* without any call */
        work_in_the_child(number);
        if (number % 2)
            exit(0); /* the destructors of this thread's locals, too */
        _exit(0);
    }
    check_child(child, 0);
}

static void fork_under_load(int first) {
    void *(*const bodies[])(void *) = {submit_and_wait, wait_in_vain, make_pools, make_groups_and_queues};
    pthread_t threads[LENGTH(bodies)];
    size_t i;
    int number;
    pool = pool_create(3);
    parents_future = check_submit(pool, gate_task, &gate);
    for (i = 0; i < LENGTH(bodies); i++)
        threads[i] = check_thread(bodies[i], NULL);
    for (number = first; number < first + FORKS; number++)
        fork_once(number);
    count_add(&stop, 1);
    for (i = 0; i < LENGTH(bodies); i++)
        check_join(threads[i]);
    CHECK(count_get(&rounds) > 0);
    gate_open(&gate);
    CHECK_SAME(check_take(parents_future), &gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

/* A thousand forks, in two tests so that neither takes long. */
static void each_child_of_a_busy_pool_works_on_it_and_the_parent_goes_on(void) {
    fork_under_load(1);
}

static void so_do_five_hundred_more(void) {
    fork_under_load(1 + FORKS);
}

CHECK_MAIN(TEST(each_child_of_a_busy_pool_works_on_it_and_the_parent_goes_on), TEST(so_do_five_hundred_more))
