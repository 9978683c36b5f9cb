/* Threads that the embedder lends (pool_run_worker, pool_options_t.start_worker, task_options_t.lent_only).
 */
#include <sched.h>

#include "check.h"

static __thread int is_lent;

static struct {
    pthread_mutex_t lock;
    pthread_t threads[64];
    int asked;
    pool_t *pool;
} lender = {PTHREAD_MUTEX_INITIALIZER, {0}, 0, NULL};

static void *lend(void *pool) {
    offgil_status status;
    is_lent = 1;
    status = pool_run_worker(pool);
    /* One that was asked for may come when its pool is over already. */
    CHECK(status == OFFGIL_OK || status == OFFGIL_ECLOSED || status == OFFGIL_EHANDLE);
    return pool;
}

static int32_t start_worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&lender.lock);
    CHECK(lender.asked < (int)LENGTH(lender.threads));
    lender.threads[lender.asked++] = check_thread(lend, lender.pool);
    pthread_mutex_unlock(&lender.lock);
    return 0;
}

static int asked(void) {
    int value;
    pthread_mutex_lock(&lender.lock);
    value = lender.asked;
    pthread_mutex_unlock(&lender.lock);
    return value;
}

static pool_t *make_pool(uint32_t threads) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.start_worker = start_worker;
    lender.pool = pool_create_with(&options);
    CHECK(lender.pool != NULL);
    return lender.pool;
}

static void end_pool(void) {
    int i;
    CHECK_OK(pool_destroy(lender.pool));
    for (i = 0; i < asked(); i++)
        CHECK_SAME(check_join(lender.threads[i]), lender.pool);
}

static future_t *submit_lent(pool_t *pool, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.lent_only = 1;
    return check_submit_with(pool, &options, fn, arg);
}

static void *same(void *arg) {
    return arg;
}

static void *where(void *unused) {
    (void)unused;
    return pack(is_lent);
}

static void only_lent_threads_run_lent_only_tasks(void) {
    enum { TASKS = 400 };
    static future_t *lent[TASKS], *normal[TASKS];
    pool_t *pool = make_pool(3);
    int i;
    for (i = 0; i < TASKS; i++) {
        lent[i] = submit_lent(pool, where, NULL);
        normal[i] = check_submit(pool, where, NULL);
    }
    for (i = 0; i < TASKS; i++) {
        CHECK_EQ(unpack(check_take(lent[i])), 1);
        check_take(normal[i]);
    }
    CHECK(asked() >= 1 && asked() <= 3);
    end_pool();
}

static void a_lent_thread_runs_ordinary_tasks_too(void) {
    pool_t *pool = pool_create(1);
    pthread_t thread;
    gate_t gate = GATE_CLOSED;
    future_t *futures[100];
    int i, ran_there = 0;
    lender.pool = pool;
    thread = check_thread(lend, pool);
    /* The lent thread holds the only place, and comes first for what is queued then. */
    check_take(submit_lent(pool, same, NULL));
    {
        future_t *holder = submit_lent(pool, gate_task, &gate);
        count_wait(&gate.started, 1);
        for (i = 0; i < 100; i++)
            futures[i] = check_submit(pool, where, NULL);
        gate_open(&gate);
        check_take(holder);
    }
    for (i = 0; i < 100; i++)
        ran_there += (int)unpack(check_take(futures[i]));
    CHECK(ran_there > 0);
    CHECK_OK(pool_destroy(pool));
    check_join(thread);
}

static void an_idle_lent_thread_is_used_again(void) {
    pool_t *pool = make_pool(4);
    int i;
    for (i = 0; i < 200; i++) {
        CHECK_EQ(unpack(check_take(submit_lent(pool, where, NULL))), 1);
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    }
    CHECK_EQ(asked(), 1);
    end_pool();
}

static void as_many_are_asked_for_as_are_needed(void) {
    enum { THREADS = 3 };
    future_t *futures[2 * THREADS];
    gate_t gate = GATE_CLOSED;
    pool_t *pool = make_pool(THREADS);
    int i;
    for (i = 0; i < 2 * THREADS; i++)
        futures[i] = submit_lent(pool, gate_task, &gate);
    count_wait(&gate.started, THREADS);
    CHECK_EQ(asked(), THREADS);
    gate_open(&gate);
    for (i = 0; i < 2 * THREADS; i++)
        check_take(futures[i]);
    CHECK_EQ(asked(), THREADS);
    end_pool();
}

static void *submit_and_wait(void *pool) {
    return check_take(submit_lent(pool, where, NULL));
}

static void a_lent_task_may_wait_for_another_in_a_pool_of_one(void) {
    pool_t *pool = make_pool(1);
    CHECK_EQ(unpack(check_take(submit_lent(pool, submit_and_wait, pool))), 1);
    CHECK_EQ(unpack(check_take(check_submit(pool, submit_and_wait, pool))), 1);
    end_pool();
}

static void check_is_lent(void *unused) {
    (void)unused;
    CHECK(is_lent);
}

static void a_pool_of_lent_threads_only_starts_none_of_its_own(void) {
    pool_options_t options;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.start_worker = start_worker;
    options.on_thread_start = check_is_lent;
    lender.pool = pool_create_with(&options);
    for (i = 0; i < 50; i++)
        CHECK_EQ(unpack(check_take(submit_lent(lender.pool, where, NULL))), 1);
    end_pool();
}

static pthread_t submitter;

static int32_t start_worker_here(void *context) {
    CHECK(pthread_equal(submitter, pthread_self()));
    return start_worker(context);
}

static void a_held_lent_task_asks_in_its_submit_and_never_on_a_worker(void) {
    pool_options_t options;
    task_options_t late;
    gate_t gate = GATE_CLOSED;
    future_t *before, *after, *delayed;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.start_worker = start_worker_here;
    submitter = pthread_self();
    lender.pool = pool_create_with(&options);
    before = check_submit(lender.pool, gate_task, &gate);
    task_options_init(&late, sizeof late);
    late.lent_only = 1;
    late.after = &before;
    late.after_count = 1;
    after = pool_submit_with(lender.pool, &late, where, NULL);
    task_options_init(&late, sizeof late);
    late.lent_only = 1;
    late.delay_ns = MILLISECOND;
    delayed = pool_submit_with(lender.pool, &late, where, NULL);
    gate_open(&gate);
    CHECK_EQ(unpack(check_take(after)), 1);
    CHECK_EQ(unpack(check_take(delayed)), 1);
    check_take(before);
    end_pool();
}

static void a_thread_comes_back_at_the_shutdown(void) {
    pool_t *pool = pool_create(2);
    pthread_t threads[3];
    int i;
    for (i = 0; i < 3; i++)
        threads[i] = check_thread(lend, pool);
    check_take(submit_lent(pool, same, NULL));
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    for (i = 0; i < 3; i++)
        check_join(threads[i]);
    CHECK_OK(pool_destroy(pool));
}

static void a_thread_comes_back_when_its_pool_was_released(void) {
    pool_t *pool = pool_create(1);
    pthread_t thread = check_thread(lend, pool);
    check_take(submit_lent(pool, same, NULL));
    CHECK_OK(pool_release(pool));
    check_join(thread);
}

static void lending_to_a_pool_that_is_over_is_refused(void) {
    pool_t *pool = pool_create(1);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(pool_run_worker(pool), OFFGIL_ECLOSED);
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(pool_run_worker(pool), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_run_worker(NULL), OFFGIL_EINVAL);
}

static void *lend_inside(void *pool) {
    CHECK_STATUS(pool_run_worker(pool), OFFGIL_EDEADLK);
    return pool;
}

static void a_task_cannot_lend_its_thread(void) {
    pool_t *pool = pool_create(1), *other = pool_create(1);
    CHECK_SAME(check_take(check_submit(other, lend_inside, pool)), pool);
    CHECK_SAME(check_take(check_submit(other, lend_inside, other)), other);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

/* No thread is lent: nobody will ever come by what was canceled. */
static void canceled_lent_tasks_do_not_keep_the_pool_busy(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *future, *holder;
    future = submit_lent(pool, same, NULL);
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    CHECK_OK(future_cancel(future));
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(future_release(future));
    holder = check_submit(pool, gate_task, &gate);
    count_wait(&gate.started, 1);
    future = submit_lent(pool, same, NULL);
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    check_take(holder);
    CHECK_OK(pool_destroy(pool));
}

static void a_canceling_shutdown_cancels_lent_tasks_that_nobody_came_for(void) {
    pool_t *pool = pool_create(1);
    future_t *future = submit_lent(pool, same, NULL);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, SOON), OFFGIL_ETIMEDOUT);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(future_wait(future, 0, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void *submit_lent_until_closed(void *pool) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.lent_only = 1;
    while (pool_spawn_with(pool, &options, same, NULL) == OFFGIL_OK)
        continue;
    CHECK_STATUS(offgil_last_status(), OFFGIL_ECLOSED);
    return NULL;
}

static void submits_that_race_a_shutdown_neither_hang_nor_get_lost(void) {
    int i;
    for (i = 0; i < 60; i++) {
        pool_t *pool = pool_create(1);
        pthread_t threads[3];
        threads[0] = check_thread(lend, pool);
        threads[1] = check_thread(submit_lent_until_closed, pool);
        threads[2] = check_thread(submit_lent_until_closed, pool);
        check_take(submit_lent(pool, same, NULL)); /* the lent thread is there */
        sleep_ns(i * MILLISECOND / 50);
        CHECK_OK(pool_shutdown(pool, i % 2 ? POOL_DRAIN : POOL_CANCEL, OFFGIL_FOREVER));
        check_join(threads[1]);
        check_join(threads[2]);
        check_join(threads[0]);
        CHECK_OK(pool_destroy(pool));
    }
}

static count_t inside = COUNT_ZERO;

static void *enter(void *arg) {
    count_add(&inside, 1);
    sched_yield();
    count_add(&inside, -1);
    return arg;
}

static void lent_threads_keep_the_bound_on_concurrency(void) {
    enum { TASKS = 300 };
    static future_t *futures[TASKS];
    pool_t *pool = pool_create(2);
    pthread_t threads[4];
    int i;
    for (i = 0; i < 4; i++)
        threads[i] = check_thread(lend, pool);
    for (i = 0; i < TASKS; i++)
        futures[i] = i % 2 ? submit_lent(pool, enter, NULL) : check_submit(pool, enter, NULL);
    for (i = 0; i < TASKS; i++)
        check_take(futures[i]);
    CHECK(inside.highest <= 2);
    CHECK_OK(pool_destroy(pool));
    for (i = 0; i < 4; i++)
        check_join(threads[i]);
}

static void *hold_place(void *gate) {
    while (!__atomic_load_n((int *)gate, __ATOMIC_ACQUIRE))
        sleep_ns(1000000);
    return NULL;
}

static void lent_threads_that_stand_in_line_for_the_only_place_all_get_it(void) {
    enum { LENT = 40, ROUNDS = 5 };
    pool_t *pool = pool_create(1);
    pthread_t threads[LENT];
    int round, i;
    for (i = 0; i < LENT; i++)
        threads[i] = check_thread(lend, pool);
    for (round = 0; round < ROUNDS; round++) {
        int gate = 0;
        future_t *holds = check_submit(pool, hold_place, &gate), *lent[LENT];
        for (i = 0; i < LENT; i++)
            lent[i] = submit_lent(pool, where, NULL);
        sleep_ns(5000000); /* they are in line by now */
        __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
        check_take(holds);
        for (i = 0; i < LENT; i++)
            CHECK_EQ(unpack(check_take(lent[i])), 1);
    }
    CHECK_OK(pool_destroy(pool));
    for (i = 0; i < LENT; i++)
        check_join(threads[i]);
}

static int32_t can_start = 0;

static int32_t start_worker_if_it_can(void *context) {
    return can_start ? start_worker(context) : 1;
}

static offgil_status spawn_lent(pool_t *pool, completion_queue_t *queue, group_t *group) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.lent_only = 1;
    options.queue = queue;
    options.group = group;
    return pool_spawn_with(pool, &options, same, NULL);
}

static void a_submit_for_which_no_thread_is_lent_and_none_can_be_started_is_refused(void) {
    pool_options_t options;
    pool_t *pool;
    group_t *group;
    completion_queue_t *queue = completion_queue_create();
    completion_t completion;
    future_t *holder;
    gate_t gate = GATE_CLOSED;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.queue_limit = 2;
    options.when_full = POOL_FULL_FAIL;
    options.start_worker = start_worker_if_it_can;
    CHECK((pool = pool_create_with(&options)) != NULL);
    CHECK((group = group_create(pool, NULL)) != NULL);
    lender.pool = pool;
    can_start = 0;
    for (i = 0; i < 5; i++) /* it takes no room in the queue */
        CHECK_STATUS(spawn_lent(pool, queue, group), OFFGIL_ETHREAD);
    CHECK(strstr(offgil_last_message(), "start_worker") != NULL);
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_STATUS(completion_queue_next(queue, 0, &completion, 1, NULL), OFFGIL_ETIMEDOUT);
    can_start = 1;
    holder = submit_lent(pool, gate_task, &gate);
    can_start = 0;
    count_wait(&gate.started, 1);
    CHECK_OK(spawn_lent(pool, queue, group)); /* for the one that is there */
    gate_open(&gate);
    check_take(holder);
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(completion_queue_next(queue, LONG_ENOUGH, &completion, 1, NULL));
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
    end_pool();
}

static void without_start_worker_lent_tasks_wait_for_a_thread_and_a_drain_for_them(void) {
    pool_t *pool = pool_create(1);
    pthread_t thread;
    future_t *future = submit_lent(pool, where, NULL);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, SOON), OFFGIL_ETIMEDOUT);
    thread = check_thread(lend, pool);
    CHECK_EQ(unpack(check_take(future)), 1);
    CHECK_OK(pool_destroy(pool));
    check_join(thread);
}

CHECK_MAIN(TEST(only_lent_threads_run_lent_only_tasks), TEST(a_lent_thread_runs_ordinary_tasks_too),
           TEST(an_idle_lent_thread_is_used_again), TEST(as_many_are_asked_for_as_are_needed),
           TEST(a_lent_task_may_wait_for_another_in_a_pool_of_one),
           TEST(a_pool_of_lent_threads_only_starts_none_of_its_own),
           TEST(a_held_lent_task_asks_in_its_submit_and_never_on_a_worker),
           TEST(a_thread_comes_back_at_the_shutdown), TEST(a_thread_comes_back_when_its_pool_was_released),
           TEST(lending_to_a_pool_that_is_over_is_refused), TEST(a_task_cannot_lend_its_thread),
           TEST(canceled_lent_tasks_do_not_keep_the_pool_busy),
           TEST(a_canceling_shutdown_cancels_lent_tasks_that_nobody_came_for),
           TEST(submits_that_race_a_shutdown_neither_hang_nor_get_lost),
           TEST(lent_threads_keep_the_bound_on_concurrency),
           TEST(lent_threads_that_stand_in_line_for_the_only_place_all_get_it),
           TEST(a_submit_for_which_no_thread_is_lent_and_none_can_be_started_is_refused),
           TEST(without_start_worker_lent_tasks_wait_for_a_thread_and_a_drain_for_them))
