/* A bounded queue: queue_limit with each when_full, its timeout, and who is never blocked. */
#include "check.h"

static pool_t *bounded_pool(uint32_t threads, size_t limit, int32_t when_full, int64_t timeout_ns) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.queue_limit = limit;
    options.when_full = when_full;
    options.full_timeout_ns = timeout_ns;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static void *count_one(void *count) {
    count_add(count, 1);
    return count;
}

/* The workers are at the gate and the queue holds as much as it may. */
static void fill(pool_t *pool, int threads, int limit, gate_t *gate, count_t *runs) {
    int i;
    gate_occupy(gate, pool, threads);
    for (i = 0; i < limit; i++)
        CHECK_OK(pool_spawn(pool, count_one, runs));
}

typedef struct {
    pool_t *pool;
    count_t runs;
    count_t asking;
    count_t answered;
    offgil_status answer;
} submitter_t;

#define SUBMITTER {NULL, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO, OFFGIL_OK}

static void *submit_one_more(void *arg) {
    submitter_t *submitter = arg;
    future_t *future;
    count_add(&submitter->asking, 1);
    future = pool_submit(submitter->pool, count_one, &submitter->runs);
    submitter->answer = future == NULL ? offgil_last_status() : OFFGIL_OK;
    count_add(&submitter->answered, 1);
    if (future != NULL)
        CHECK_SAME(check_take(future), &submitter->runs);
    return NULL;
}

static void a_full_queue_blocks_the_submitter_until_there_is_room(void) {
    int round;
    for (round = 0; round < 20; round++) {
        submitter_t submitter = SUBMITTER;
        gate_t gate = GATE_CLOSED;
        pthread_t thread;
        submitter.pool = bounded_pool(1, 3, POOL_FULL_BLOCK, OFFGIL_FOREVER);
        fill(submitter.pool, 1, 3, &gate, &submitter.runs);
        thread = check_thread(submit_one_more, &submitter);
        count_wait(&submitter.asking, 1);
        if (round == 0)
            sleep_ns(SOON);
        CHECK_EQ(count_get(&submitter.answered), 0);
        gate_open(&gate);
        check_join(thread);
        CHECK_OK(submitter.answer);
        CHECK_OK(pool_destroy(submitter.pool));
        CHECK_EQ(count_get(&submitter.runs), 4);
    }
}

static void a_full_queue_that_is_to_fail_fails_at_once(void) {
    pool_t *pool = bounded_pool(1, 2, POOL_FULL_FAIL, OFFGIL_FOREVER);
    count_t runs = COUNT_ZERO;
    gate_t gate = GATE_CLOSED;
    fill(pool, 1, 2, &gate, &runs);
    CHECK_REFUSED(pool_submit(pool, count_one, &runs), OFFGIL_EFULL);
    CHECK_STATUS(pool_spawn(pool, count_one, &runs), OFFGIL_EFULL);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_SAME(check_take(check_submit(pool, count_one, &runs)), &runs);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 3);
}

static void a_blocked_submitter_gives_up_after_its_timeout(void) {
    const int64_t timeouts[] = {0, MILLISECOND, 20 * MILLISECOND};
    size_t i;
    for (i = 0; i < LENGTH(timeouts); i++) {
        pool_t *pool = bounded_pool(1, 1, POOL_FULL_BLOCK, timeouts[i]);
        count_t runs = COUNT_ZERO;
        gate_t gate = GATE_CLOSED;
        int64_t start;
        fill(pool, 1, 1, &gate, &runs);
        start = now_ns();
        CHECK_REFUSED(pool_submit(pool, count_one, &runs), OFFGIL_ETIMEDOUT);
        CHECK(now_ns() - start >= timeouts[i]);
        CHECK_STATUS(pool_spawn(pool, count_one, &runs), OFFGIL_ETIMEDOUT);
        gate_open(&gate);
        CHECK_OK(pool_destroy(pool));
        CHECK_EQ(count_get(&runs), 1);
    }
}

static void *own_thread(void *thread) {
    *(pthread_t *)thread = pthread_self();
    return thread;
}

typedef struct {
    future_t *awaited;
    count_t waiting;
} blocked_t;

static void *wait_for_other_pool(void *arg) {
    blocked_t *blocked = arg;
    count_add(&blocked->waiting, 1);
    CHECK_OK(future_wait(blocked->awaited, OFFGIL_FOREVER, NULL));
    return NULL;
}

/* Both bodies of the pool are blocked in a wait and there are no spare threads: places are free, the queue
 * stays full. */
static void a_full_queue_that_is_to_run_runs_on_the_submitter(void) {
    pool_options_t options;
    pool_t *pool, *other = pool_create(1);
    blocked_t blocked = {NULL, COUNT_ZERO};
    gate_t gate = GATE_CLOSED;
    count_t runs = COUNT_ZERO;
    task_options_t high;
    pthread_t thread;
    int i;
    task_options_init(&high, sizeof high);
    high.priority = TASK_HIGH;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.max_spare_threads = 0;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_RUN;
    pool = pool_create_with(&options);
    blocked.awaited = check_submit(other, gate_task, &gate);
    count_wait(&gate.started, 1);
    for (i = 1; i <= 2; i++) {
        CHECK_OK(pool_spawn(pool, wait_for_other_pool, &blocked));
        count_wait(&blocked.waiting, i);
    }
    sleep_ns(SOON); /* so that both are in the wait; if not yet, the submits below only take longer */
    CHECK_OK(pool_spawn(pool, count_one, &runs));
    for (i = 0; i < 10; i++) {
        CHECK_OK(pool_spawn(pool, own_thread, &thread));
        CHECK(pthread_equal(thread, pthread_self()));
        CHECK_SAME(check_take(check_submit(pool, own_thread, &thread)), &thread);
        CHECK(pthread_equal(thread, pthread_self()));
        memset(&thread, 0, sizeof thread);
        CHECK_OK(pool_spawn_with(pool, &high, own_thread, &thread));
        CHECK(pthread_equal(thread, pthread_self()));
    }
    CHECK_EQ(count_get(&runs), 0);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 1);
    check_take(blocked.awaited);
    CHECK_OK(pool_destroy(other));
}

static void a_full_queue_that_is_to_run_stays_within_the_bound_on_concurrency(void) {
    submitter_t submitter = SUBMITTER;
    gate_t gate = GATE_CLOSED;
    pthread_t thread;
    submitter.pool = bounded_pool(2, 1, POOL_FULL_RUN, OFFGIL_FOREVER);
    fill(submitter.pool, 2, 1, &gate, &submitter.runs);
    thread = check_thread(submit_one_more, &submitter);
    count_wait(&submitter.asking, 1);
    sleep_ns(SOON);
    CHECK_EQ(count_get(&submitter.runs), 0); /* both places are taken: not on the submitter either */
    gate_open(&gate);
    check_join(thread);
    CHECK_OK(submitter.answer);
    CHECK_OK(pool_destroy(submitter.pool));
    CHECK_EQ(count_get(&submitter.runs), 2);
}

static void run_means_block(pool_t *pool, int threads) {
    submitter_t submitter = SUBMITTER;
    gate_t gate = GATE_CLOSED;
    pthread_t thread, ran_on;
    int i;
    CHECK(pool != NULL);
    submitter.pool = pool;
    fill(submitter.pool, threads, 1, &gate, &submitter.runs);
    thread = check_thread(submit_one_more, &submitter);
    count_wait(&submitter.asking, 1);
    sleep_ns(SOON);
    CHECK_EQ(count_get(&submitter.answered), 0);
    gate_open(&gate);
    check_join(thread);
    CHECK_OK(submitter.answer);
    for (i = 0; i < 200; i++) {
        CHECK_OK(pool_spawn(submitter.pool, count_one, &submitter.runs));
        check_take(check_submit(submitter.pool, own_thread, &ran_on));
        CHECK(!pthread_equal(ran_on, pthread_self()));
    }
    CHECK_OK(pool_destroy(submitter.pool));
    CHECK_EQ(count_get(&submitter.runs), 202);
}

static void ignore(void *context) {
    (void)context;
}

static void where_outside_threads_may_run_nothing_to_run_means_to_block(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.queue_limit = 1;
    options.when_full = POOL_FULL_RUN;
    options.threads = 1;
    run_means_block(pool_create_with(&options), 1);
    options.threads = 2;
    options.waiters_help = 0;
    run_means_block(pool_create_with(&options), 2);
    options.waiters_help = 1;
    options.on_thread_stop = ignore;
    run_means_block(pool_create_with(&options), 2);
}

typedef struct {
    pool_t *pool;
    count_t runs;
} children_t;

static void *have_many_children(void *arg) {
    children_t *children = arg;
    void *args[50];
    future_t *futures[50];
    size_t i;
    for (i = 0; i < LENGTH(args); i++) {
        CHECK_OK(pool_spawn(children->pool, count_one, &children->runs));
        futures[i] = check_submit(children->pool, count_one, &children->runs);
        args[i] = &children->runs;
    }
    CHECK_OK(pool_submit_many(children->pool, count_one, args, LENGTH(args), NULL));
    CHECK_OK(future_wait_all(futures, LENGTH(futures), OFFGIL_FOREVER));
    for (i = 0; i < LENGTH(args); i++)
        CHECK_OK(future_release(futures[i]));
    return NULL;
}

static void the_workers_of_a_pool_are_never_blocked_or_refused(void) {
    const int32_t modes[] = {POOL_FULL_BLOCK, POOL_FULL_FAIL, POOL_FULL_RUN};
    size_t i;
    for (i = 0; i < 9; i++) {
        children_t children = {NULL, COUNT_ZERO};
        children.pool = bounded_pool(1 + (uint32_t)i / 3, 2, modes[i % 3], i % 2 ? OFFGIL_FOREVER : 0);
        check_take(check_submit(children.pool, have_many_children, &children));
        CHECK_OK(pool_destroy(children.pool));
        CHECK_EQ(count_get(&children.runs), 150);
    }
}

typedef offgil_status (*ending)(pool_t *pool);

static offgil_status by_drain(pool_t *pool) {
    return pool_shutdown(pool, POOL_DRAIN, 0) == OFFGIL_ETIMEDOUT ? OFFGIL_OK : OFFGIL_EINVAL;
}

static offgil_status by_cancel(pool_t *pool) {
    return pool_shutdown(pool, POOL_CANCEL, 0) == OFFGIL_ETIMEDOUT ? OFFGIL_OK : OFFGIL_EINVAL;
}

static void wakes_the_submitter(ending end, int32_t when_full) {
    submitter_t submitter = SUBMITTER;
    gate_t gate = GATE_CLOSED;
    pthread_t thread;
    submitter.pool = bounded_pool(1, 2, when_full, OFFGIL_FOREVER);
    fill(submitter.pool, 1, 2, &gate, &submitter.runs);
    thread = check_thread(submit_one_more, &submitter);
    count_wait(&submitter.asking, 1);
    sleep_ns(5 * MILLISECOND); /* so that it is blocked; if not yet, the answer is the same */
    CHECK_EQ(count_get(&submitter.answered), 0);
    CHECK_OK(end(submitter.pool));
    check_join(thread); /* while the gate is closed: it was the end that woke it */
    if (end == pool_release && submitter.answer == OFFGIL_EHANDLE)
        submitter.answer = OFFGIL_ECLOSED; /* it came late */
    CHECK_STATUS(submitter.answer, OFFGIL_ECLOSED);
    gate_open(&gate);
    if (end == pool_release) {
        count_wait(&submitter.runs, 2);
    } else {
        CHECK_OK(pool_destroy(submitter.pool));
    }
}

static void shutdown_and_release_wake_a_blocked_submitter(void) {
    int round;
    for (round = 0; round < 10; round++) {
        wakes_the_submitter(by_drain, POOL_FULL_BLOCK);
        wakes_the_submitter(by_cancel, POOL_FULL_BLOCK);
        wakes_the_submitter(pool_release, POOL_FULL_BLOCK);
        wakes_the_submitter(by_drain, POOL_FULL_RUN);
    }
}

static void a_canceled_task_makes_room(void) {
    pool_t *pool = bounded_pool(1, 2, POOL_FULL_FAIL, OFFGIL_FOREVER);
    count_t runs = COUNT_ZERO;
    gate_t gate = GATE_CLOSED;
    future_t *future;
    int i;
    fill(pool, 1, 1, &gate, &runs);
    for (i = 0; i < 1000; i++) {
        future = check_submit(pool, count_one, &runs);
        CHECK_REFUSED(pool_submit(pool, count_one, &runs), OFFGIL_EFULL);
        CHECK_OK(future_cancel(future));
        CHECK_OK(future_release(future));
    }
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 1);
}

static void *submit_many_small(void *arg) {
    submitter_t *submitter = arg;
    int i;
    for (i = 0; i < 2000; i++)
        CHECK_OK(pool_spawn(submitter->pool, count_one, &submitter->runs));
    return NULL;
}

static void several_submitters_squeeze_through_a_queue_of_one(void) {
    const int32_t modes[] = {POOL_FULL_BLOCK, POOL_FULL_RUN};
    size_t i, mode;
    for (mode = 0; mode < 4; mode++) {
        submitter_t submitter = SUBMITTER;
        pthread_t threads[4];
        submitter.pool = bounded_pool(1 + (uint32_t)mode / 2, 1, modes[mode % 2], OFFGIL_FOREVER);
        for (i = 0; i < LENGTH(threads); i++)
            threads[i] = check_thread(submit_many_small, &submitter);
        for (i = 0; i < LENGTH(threads); i++)
            check_join(threads[i]);
        CHECK_OK(pool_destroy(submitter.pool));
        CHECK_EQ(count_get(&submitter.runs), 8000);
    }
}

static void a_batch_larger_than_the_queue_gets_through_when_blocking(void) {
    pool_t *pool = bounded_pool(2, 4, POOL_FULL_BLOCK, OFFGIL_FOREVER);
    count_t runs = COUNT_ZERO;
    void *args[300];
    future_t *futures[300];
    size_t i;
    for (i = 0; i < LENGTH(args); i++)
        args[i] = &runs;
    CHECK_OK(pool_submit_many(pool, count_one, args, LENGTH(args), futures));
    for (i = 0; i < LENGTH(args); i++)
        CHECK_SAME(check_take(futures[i]), &runs);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 300);
}

CHECK_MAIN(TEST(a_full_queue_blocks_the_submitter_until_there_is_room),
           TEST(a_full_queue_that_is_to_fail_fails_at_once),
           TEST(a_blocked_submitter_gives_up_after_its_timeout),
           TEST(a_full_queue_that_is_to_run_runs_on_the_submitter),
           TEST(a_full_queue_that_is_to_run_stays_within_the_bound_on_concurrency),
           TEST(where_outside_threads_may_run_nothing_to_run_means_to_block),
           TEST(the_workers_of_a_pool_are_never_blocked_or_refused),
           TEST(shutdown_and_release_wake_a_blocked_submitter), TEST(a_canceled_task_makes_room),
           TEST(several_submitters_squeeze_through_a_queue_of_one),
           TEST(a_batch_larger_than_the_queue_gets_through_when_blocking))
