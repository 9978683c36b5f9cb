/* The blocking lane (task_options_t.blocking, pool_options_t.max_blocking_threads, keep_alive_ns). */
#include "check.h"

static void *same(void *arg) {
    return arg;
}

static pool_t *make_pool(uint32_t threads, uint32_t blocking, int64_t keep_alive_ns) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.max_blocking_threads = blocking;
    options.keep_alive_ns = keep_alive_ns;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static future_t *submit_blocking(pool_t *pool, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    return pool_submit_with(pool, &options, fn, arg);
}

static void five_hundred_sleeping_tasks_do_not_stop_a_pool_of_one(void) {
    enum { SLEEPERS = 500 };
    static future_t *futures[SLEEPERS];
    gate_t gate = GATE_CLOSED;
    pool_t *pool = make_pool(1, 512, SECOND);
    int i;
    for (i = 0; i < SLEEPERS; i++)
        CHECK((futures[i] = submit_blocking(pool, gate_task, &gate)) != NULL);
    count_wait(&gate.started, SLEEPERS);
    for (i = 0; i < 100; i++)
        CHECK_SAME(check_take(check_submit(pool, same, pool)), pool);
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    for (i = 0; i < SLEEPERS; i++)
        CHECK_SAME(check_take(futures[i]), &gate);
    CHECK_OK(pool_destroy(pool));
}

static count_t inside = COUNT_ZERO;

static void *stay_a_while(void *arg) {
    count_add(&inside, 1);
    sleep_ns(MILLISECOND);
    count_add(&inside, -1);
    return arg;
}

static void no_more_run_at_once_than_max_blocking_threads(void) {
    enum { TASKS = 100 };
    future_t *futures[TASKS];
    pool_t *pool = make_pool(1, 3, SECOND);
    int i;
    for (i = 0; i < TASKS; i++)
        futures[i] = submit_blocking(pool, stay_a_while, NULL);
    for (i = 0; i < TASKS; i++)
        check_take(futures[i]);
    CHECK(inside.highest <= 3 && inside.highest >= 1);
    CHECK_OK(pool_destroy(pool));
}

static void a_pool_without_the_lane_refuses(void) {
    pool_t *pool = make_pool(1, 0, SECOND);
    CHECK_REFUSED(submit_blocking(pool, same, NULL), OFFGIL_ETHREAD);
    CHECK_SAME(check_take(check_submit(pool, same, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static count_t started = COUNT_ZERO, stopped = COUNT_ZERO;

static void note_start(void *unused) {
    (void)unused;
    count_add(&started, 1);
}

static void note_stop(void *unused) {
    (void)unused;
    count_add(&stopped, 1);
}

static void an_idle_thread_ends_after_its_keep_alive_and_another_comes(void) {
    pool_options_t options;
    pool_t *pool;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.keep_alive_ns = MILLISECOND;
    options.on_thread_start = note_start;
    options.on_thread_stop = note_stop;
    pool = pool_create_with(&options);
    for (i = 1; i <= 5; i++) {
        CHECK_SAME(check_take(submit_blocking(pool, same, pool)), pool);
        count_wait(&stopped, i);
    }
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&stopped), count_get(&started));
}

static void a_keep_alive_of_zero_loses_no_task(void) {
    enum { TASKS = 3000 };
    static future_t *futures[TASKS];
    pool_t *pool = make_pool(1, 4, 0);
    int i;
    for (i = 0; i < TASKS; i++)
        CHECK((futures[i] = submit_blocking(pool, same, pool)) != NULL);
    for (i = 0; i < TASKS; i++)
        CHECK_SAME(check_take(futures[i]), pool);
    CHECK_OK(pool_destroy(pool));
}

static pthread_t here;

static void *check_other_thread(void *pool) {
    CHECK(!pthread_equal(here, pthread_self()));
    CHECK_EQ(pool_worker_index(pool), -1);
    return pool;
}

static void a_waiter_never_runs_one_itself(void) {
    pool_t *pool = make_pool(4, 1, SECOND);
    int i;
    here = pthread_self();
    for (i = 0; i < 500; i++)
        CHECK_SAME(check_take(submit_blocking(pool, check_other_thread, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    gate_t gate;
    count_t ran;
} late_t;

static void *count_one(void *late) {
    count_add(&((late_t *)late)->ran, 1);
    return late;
}

static void *submit_late(void *arg) {
    late_t *late = arg;
    int i;
    gate_task(&late->gate);
    for (i = 0; i < 20; i++) {
        CHECK_SAME(check_take(check_submit(late->pool, count_one, late)), late);
        CHECK_SAME(check_take(submit_blocking(late->pool, count_one, late)), late);
    }
    return late;
}

static void a_blocking_body_may_submit_while_its_pool_drains(void) {
    late_t late = {NULL, GATE_CLOSED, COUNT_ZERO};
    future_t *future;
    late.pool = make_pool(1, 2, SECOND);
    future = submit_blocking(late.pool, submit_late, &late);
    count_wait(&late.gate.started, 1);
    CHECK_STATUS(pool_shutdown(late.pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    CHECK_REFUSED(pool_submit(late.pool, same, NULL), OFFGIL_ECLOSED);
    gate_open(&late.gate);
    CHECK_OK(pool_destroy(late.pool));
    CHECK_EQ(count_get(&late.ran), 40);
    check_take(future);
}

static void *submit_past_the_limit(void *arg) {
    late_t *late = arg;
    int i;
    for (i = 0; i < 10; i++)
        CHECK_OK(pool_spawn(late->pool, count_one, late));
    return late;
}

static void a_blocking_body_may_submit_into_a_full_queue(void) {
    pool_options_t options;
    late_t late = {NULL, GATE_CLOSED, COUNT_ZERO};
    future_t *future;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_FAIL;
    late.pool = pool_create_with(&options);
    gate_occupy(&late.gate, late.pool, 1);
    while ((future = submit_blocking(late.pool, submit_past_the_limit, &late)) == NULL)
        CHECK_STATUS(offgil_last_status(), OFFGIL_EFULL); /* the gate's task has just left the queue */
    CHECK_SAME(check_take(future), &late);
    CHECK_REFUSED(pool_submit(late.pool, same, NULL), OFFGIL_EFULL);
    gate_open(&late.gate);
    CHECK_OK(pool_wait_idle(late.pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&late.ran), 10);
    CHECK_OK(pool_destroy(late.pool));
}

static void *destroy_and_note(void *arg) {
    late_t *late = arg;
    CHECK_OK(pool_destroy(late->pool));
    count_add(&late->ran, 1);
    return NULL;
}

static void destroying_waits_for_blocking_tasks(void) {
    late_t late = {NULL, GATE_CLOSED, COUNT_ZERO};
    future_t *running, *queued;
    pthread_t thread;
    late.pool = make_pool(1, 1, SECOND);
    running = submit_blocking(late.pool, gate_task, &late.gate);
    queued = submit_blocking(late.pool, same, &late);
    count_wait(&late.gate.started, 1);
    thread = check_thread(destroy_and_note, &late);
    sleep_ns(SOON);
    CHECK_EQ(count_get(&late.ran), 0);
    gate_open(&late.gate);
    check_join(thread);
    check_take(running);
    CHECK_SAME(check_take(queued), &late); /* a drain runs it */
}

static void *until_canceled(void *started) {
    count_add(started, 1);
    while (!task_is_canceled())
        sleep_ns(MILLISECOND / 10);
    return started;
}

static void a_canceling_shutdown_cancels_the_queue_and_asks_what_runs(void) {
    count_t started = COUNT_ZERO;
    pool_t *pool = make_pool(1, 1, SECOND);
    future_t *running = submit_blocking(pool, until_canceled, &started), *queued;
    count_wait(&started, 1);
    queued = submit_blocking(pool, same, NULL);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(future_wait(queued, 0, NULL), OFFGIL_ECANCELED);
    CHECK_SAME(check_take(running), &started);
    CHECK_OK(future_release(queued));
    CHECK_OK(pool_destroy(pool));
}

static void canceled_blocking_tasks_do_not_keep_the_pool_busy(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = make_pool(1, 1, SECOND);
    future_t *running = submit_blocking(pool, gate_task, &gate);
    int i;
    count_wait(&gate.started, 1);
    for (i = 0; i < 1000; i++) {
        future_t *future = submit_blocking(pool, same, NULL);
        CHECK_OK(future_cancel(future));
        CHECK_OK(future_release(future));
    }
    gate_open(&gate);
    check_take(running);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(pool_destroy(pool));
}

static void *wait_for_a_blocking_task(void *pool) {
    return check_take(submit_blocking(pool, same, pool));
}

static void a_task_may_wait_for_a_blocking_one_where_there_is_no_spare_thread(void) {
    pool_options_t options;
    pool_t *pool;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.max_spare_threads = 0;
    pool = pool_create_with(&options);
    for (i = 0; i < 200; i++)
        CHECK_SAME(check_take(check_submit(pool, wait_for_a_blocking_task, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static pool_t *make_pool_with_spares(uint32_t blocking, uint32_t spare) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.max_blocking_threads = blocking;
    options.max_spare_threads = spare;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

typedef struct {
    pool_t *pool;
    int left; /* so many more are to follow */
    uint8_t blocking, every_other;
    count_t *ended, *refused;
} nest_t;

/* Waits for the next of a row of tasks, which does the same. */
static void *nest(void *arg) {
    nest_t *me = arg, *next = me + 1;
    offgil_status status;
    future_t *future;
    if (me->left > 0) {
        *next = *me;
        next->left--;
        next->blocking = me->every_other ? !me->blocking : 1;
        future = next->blocking ? submit_blocking(me->pool, nest, next) : pool_submit(me->pool, nest, next);
        CHECK(future != NULL);
        status = future_wait(future, OFFGIL_FOREVER, NULL);
        if (status != OFFGIL_OK) {
            CHECK_STATUS(status, OFFGIL_ETHREAD);
            count_add(me->refused, 1);
        }
        CHECK_OK(future_release(future));
    }
    count_add(me->ended, 1);
    return arg;
}

enum { ROW = 21 };

static void run_row(pool_t *pool, uint8_t every_other, count_t *refused) {
    count_t ended = COUNT_ZERO;
    nest_t row[ROW];
    nest_t first = {pool, ROW - 1, 1, 0, NULL, NULL};
    first.every_other = every_other;
    first.ended = &ended;
    first.refused = refused;
    row[0] = first;
    CHECK_SAME(check_take(submit_blocking(pool, nest, row)), row);
    count_wait(&ended, ROW);
}

static void blocking_tasks_wait_for_each_other_in_a_lane_of_one(void) {
    count_t refused = COUNT_ZERO;
    pool_t *pool = make_pool_with_spares(1, 32);
    run_row(pool, 0, &refused);
    run_row(pool, 1, &refused);
    CHECK_EQ(count_get(&refused), 0);
    CHECK_OK(pool_destroy(pool));
}

static void a_wait_for_a_blocking_task_that_no_thread_is_left_for_says_so(void) {
    count_t refused = COUNT_ZERO;
    pool_t *pool = make_pool_with_spares(2, 2);
    run_row(pool, 0, &refused);
    CHECK(count_get(&refused) > 0);
    CHECK_OK(pool_destroy(pool));
}

static void *run_row_and_stay(void *pool) {
    count_t refused = COUNT_ZERO;
    run_row(pool, 0, &refused);
    CHECK_EQ(count_get(&refused), 0);
    return stay_a_while(pool);
}

static void after_its_waits_the_lane_has_no_more_threads_than_max_blocking_threads(void) {
    enum { TASKS = 10 };
    future_t *futures[TASKS];
    pool_t *pool = make_pool_with_spares(1, 256);
    pool_stats_t stats;
    int i;
    for (i = 0; i < TASKS; i++)
        CHECK((futures[i] = submit_blocking(pool, run_row_and_stay, pool)) != NULL);
    for (i = 0; i < TASKS; i++)
        CHECK_SAME(check_take(futures[i]), pool);
    CHECK_SAME(check_take(submit_blocking(pool, same, pool)), pool);
    do
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    while (stats.threads_blocking > 1);
    CHECK_OK(pool_destroy(pool));
}

static void *count_lane_threads(void *pool) {
    pool_stats_t stats;
    CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    return (void *)(uintptr_t)stats.threads_blocking;
}

/* One is started before the first task goes in, to be sure that there can be one: it comes for that task. */
static void a_first_blocking_task_starts_one_thread(void) {
    int i;
    for (i = 0; i < 100; i++) {
        pool_t *pool = make_pool(1, 8, SECOND);
        future_t *first = submit_blocking(pool, count_lane_threads, pool);
        void *result;
        CHECK_OK(future_wait(first, OFFGIL_FOREVER, &result));
        CHECK_EQ((uintptr_t)result, 1);
        CHECK_OK(future_release(first));
        CHECK_OK(pool_destroy(pool));
    }
}

static void blocking_and_lent_only_together_are_refused(void) {
    pool_t *pool = make_pool(1, 1, SECOND);
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.blocking = options.lent_only = 1;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EINVAL);
    options.blocking = 2;
    options.lent_only = 0;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pool));
}

static void *submit_until_closed(void *pool) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    while (pool_spawn_with(pool, &options, same, NULL) == OFFGIL_OK)
        continue;
    return NULL;
}

/* Nothing of the pool, its hooks least of all, may run once it is destroyed. */
static void submits_that_race_a_shutdown_leave_no_thread_behind(void) {
    int i;
    for (i = 0; i < 50; i++) {
        pool_options_t options;
        pthread_t threads[2];
        pool_t *pool;
        pool_options_init(&options, sizeof options);
        options.threads = 1;
        options.keep_alive_ns = i % 2 ? 0 : SECOND;
        options.on_thread_start = note_start;
        options.on_thread_stop = note_stop;
        pool = pool_create_with(&options);
        threads[0] = check_thread(submit_until_closed, pool);
        threads[1] = check_thread(submit_until_closed, pool);
        sleep_ns(i * MILLISECOND / 20);
        CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
        CHECK_OK(pool_destroy(pool));
        CHECK_EQ(count_get(&stopped), count_get(&started));
        check_join(threads[0]);
        check_join(threads[1]);
    }
}

CHECK_MAIN(TEST(five_hundred_sleeping_tasks_do_not_stop_a_pool_of_one),
           TEST(no_more_run_at_once_than_max_blocking_threads), TEST(a_pool_without_the_lane_refuses),
           TEST(an_idle_thread_ends_after_its_keep_alive_and_another_comes),
           TEST(a_keep_alive_of_zero_loses_no_task), TEST(a_waiter_never_runs_one_itself),
           TEST(a_blocking_body_may_submit_while_its_pool_drains),
           TEST(a_blocking_body_may_submit_into_a_full_queue), TEST(destroying_waits_for_blocking_tasks),
           TEST(a_canceling_shutdown_cancels_the_queue_and_asks_what_runs),
           TEST(canceled_blocking_tasks_do_not_keep_the_pool_busy),
           TEST(a_task_may_wait_for_a_blocking_one_where_there_is_no_spare_thread),
           TEST(blocking_tasks_wait_for_each_other_in_a_lane_of_one),
           TEST(a_wait_for_a_blocking_task_that_no_thread_is_left_for_says_so),
           TEST(after_its_waits_the_lane_has_no_more_threads_than_max_blocking_threads),
           TEST(a_first_blocking_task_starts_one_thread), TEST(blocking_and_lent_only_together_are_refused),
           TEST(submits_that_race_a_shutdown_leave_no_thread_behind))
