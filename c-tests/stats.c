/* What pool_stats tells. */
#include "check.h"

static pool_stats_t stats_of(pool_t *pool) {
    pool_stats_t stats;
    memset(&stats, 0xAA, sizeof stats);
    CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    CHECK_EQ(stats.size, sizeof stats);
    return stats;
}

/* Of a pool that is idle. */
static pool_stats_t check_counts(pool_t *pool, uint64_t completed, uint64_t failed, uint64_t canceled) {
    pool_stats_t stats;
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    stats = stats_of(pool);
    CHECK_EQ(stats.tasks_completed, completed);
    CHECK_EQ(stats.tasks_failed, failed);
    CHECK_EQ(stats.tasks_canceled, canceled);
    CHECK_EQ(stats.tasks_submitted, completed + failed + canceled);
    CHECK_EQ(stats.tasks_queued, 0);
    CHECK_EQ(stats.tasks_held, 0);
    return stats;
}

static uint64_t sum(const uint64_t *buckets) {
    uint64_t all = 0;
    int i;
    for (i = 0; i < 64; i++)
        all += buckets[i];
    return all;
}

static void *same(void *arg) {
    return arg;
}

static void *fail(void *arg) {
    CHECK_OK(task_fail(1, "on purpose"));
    return arg;
}

static void bad_arguments_are_refused_and_write_nothing(void) {
    pool_t *pool = pool_create(1);
    pool_stats_t stats;
    memset(&stats, 0xAA, sizeof stats);
    CHECK_STATUS(pool_stats(NULL, &stats, sizeof stats), OFFGIL_EINVAL);
    CHECK_STATUS(pool_stats((pool_t *)1, &stats, sizeof stats), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_stats(pool, NULL, sizeof stats), OFFGIL_EINVAL);
    CHECK_STATUS(pool_stats(pool, &stats, 0), OFFGIL_EINVAL);
    CHECK_STATUS(pool_stats(pool, &stats, sizeof(size_t)), OFFGIL_EINVAL);
    CHECK_STATUS(pool_stats(pool, &stats, 1 << 20), OFFGIL_EINVAL);
    CHECK_EQ(stats.threads, 0xAAAAAAAA);
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(pool_stats(pool, &stats, sizeof stats), OFFGIL_EHANDLE);
}

static void a_caller_of_another_version_gets_as_much_as_its_struct_holds(void) {
    struct {
        pool_stats_t stats;
        uint64_t later[2];
        uint64_t not_its[1];
    } newer;
    pool_t *pool = pool_create(3);
    memset(&newer, 0xAA, sizeof newer);
    CHECK_OK(pool_stats(pool, &newer.stats, sizeof newer - sizeof newer.not_its));
    CHECK_EQ(newer.stats.size, sizeof(pool_stats_t));
    CHECK_EQ(newer.later[0] | newer.later[1], 0);
    CHECK_EQ(newer.not_its[0], 0xAAAAAAAAAAAAAAAA);

    memset(&newer, 0xAA, sizeof newer);
    CHECK_OK(pool_stats(pool, &newer.stats, offsetof(pool_stats_t, tasks_completed)));
    CHECK_EQ(newer.stats.size, offsetof(pool_stats_t, tasks_completed));
    CHECK_EQ(newer.stats.threads, 3);
    CHECK_EQ(newer.stats.tasks_submitted, 0);
    CHECK_EQ(newer.stats.tasks_completed, 0xAAAAAAAAAAAAAAAA);
    CHECK_OK(pool_destroy(pool));
}

static void a_new_pool_has_done_nothing(void) {
    pool_t *pool = pool_create(2);
    pool_stats_t stats = check_counts(pool, 0, 0, 0);
    CHECK_EQ(stats.threads, 2);
    CHECK_EQ(stats.threads_alive, 0);
    CHECK_EQ(stats.threads_running, 0);
    CHECK_EQ(sum(stats.time_queued) + sum(stats.time_run) + stats.queue_high_water, 0);
    CHECK_OK(pool_destroy(pool));
}

static pool_t *spawning;

static void *spawn_ten(void *arg) {
    int i;
    for (i = 0; i < 10; i++)
        CHECK_OK(pool_spawn(spawning, same, NULL));
    return arg;
}

static void *submit_a_hundred(void *pool) {
    int i;
    for (i = 0; i < 100; i++)
        check_take(check_submit(pool, same, NULL));
    return NULL;
}

static void every_task_is_counted_once_wherever_it_comes_from(void) {
    pthread_t threads[4];
    void *args[50] = {NULL};
    future_t *futures[50];
    int i;
    spawning = pool_create(3);
    for (i = 0; i < 4; i++)
        threads[i] = check_thread(submit_a_hundred, spawning);
    for (i = 0; i < 20; i++)
        CHECK_OK(pool_spawn(spawning, spawn_ten, NULL)); /* each is eleven */
    CHECK_OK(pool_submit_many(spawning, same, args, LENGTH(args), futures));
    for (i = 0; i < 50; i++)
        check_take(futures[i]);
    for (i = 0; i < 4; i++)
        check_join(threads[i]);
    check_counts(spawning, 400 + 220 + 50, 0, 0);
    CHECK_OK(pool_destroy(spawning));
}

static void what_a_task_did_is_counted_before_its_end_is_seen(void) {
    pool_t *pool = pool_create(2);
    int i;
    for (i = 1; i <= 2000; i++) {
        check_take(check_submit(pool, same, NULL));
        CHECK_EQ(stats_of(pool).tasks_completed, i);
        CHECK_EQ(stats_of(pool).tasks_submitted, i);
    }
    CHECK_OK(pool_destroy(pool));
}

static void failed_and_canceled_tasks_are_counted_as_such(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *canceled, *failed;
    pool_stats_t stats;
    gate_occupy(&gate, pool, 1);
    canceled = check_submit(pool, same, NULL);
    failed = check_submit(pool, fail, NULL);
    CHECK_OK(pool_spawn(pool, same, NULL));
    stats = stats_of(pool);
    CHECK_EQ(stats.tasks_queued, 3);
    CHECK_EQ(stats.tasks_completed, 0);
    CHECK_EQ(stats.threads_running, 1);
    CHECK_EQ(stats.threads_alive, 1);
    CHECK(stats.queue_high_water >= 3);
    CHECK_OK(future_cancel(canceled));
    CHECK_EQ(stats_of(pool).tasks_canceled, 1);
    gate_open(&gate);
    CHECK_STATUS(future_wait(failed, OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    check_counts(pool, 2, 1, 1);
    CHECK_OK(future_release(canceled));
    CHECK_OK(future_release(failed));
    CHECK_OK(pool_destroy(pool));
}

static void what_a_shutdown_cancels_is_counted(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    pool_stats_t stats;
    int i;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_spawn(pool, same, NULL));
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(pool_spawn(pool, same, NULL), OFFGIL_ECLOSED);
    stats = check_counts(pool, 1, 0, 100);
    CHECK_EQ(stats.threads_running, 0);
    CHECK_OK(pool_destroy(pool));
}

static void a_task_that_was_refused_is_not_counted(void) {
    pool_options_t options;
    gate_t gate = GATE_CLOSED;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_FAIL;
    pool = pool_create_with(&options);
    gate_occupy(&gate, pool, 1);
    CHECK_OK(pool_spawn(pool, same, NULL));
    CHECK_STATUS(pool_spawn(pool, same, NULL), OFFGIL_EFULL);
    gate_open(&gate);
    check_counts(pool, 2, 0, 0);
    CHECK_OK(pool_destroy(pool));
}

static void held_tasks_count_as_held_until_they_are_queued(void) {
    pool_t *pool = pool_create(1);
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.delay_ns = LONG_ENOUGH;
    future = check_submit_with(pool, &options, same, NULL);
    CHECK_EQ(stats_of(pool).tasks_held, 1);
    CHECK_EQ(stats_of(pool).tasks_queued, 0);
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    options.delay_ns = 0;
    options.after = NULL;
    future = pool_submit_with(pool, &options, same, NULL);
    check_take(future);
    check_counts(pool, 1, 0, 1);
    CHECK_OK(pool_destroy(pool));
}

static void blocked_bodies_spare_threads_and_the_blocking_lane_are_told_apart(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED, sleeping = GATE_CLOSED;
    task_options_t options;
    pool_stats_t stats;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    CHECK_OK(pool_spawn_with(pool, &options, gate_task, &sleeping));
    count_wait(&sleeping.started, 1);
    gate_occupy(&gate, pool, 1);
    do { /* a second thread may have come for the task, and finds nothing */
        sleep_ns(MILLISECOND);
        stats = stats_of(pool);
    } while (stats.threads_blocking - stats.threads_blocking_idle != 1);
    CHECK_EQ(stats.threads_running, 1);
    CHECK_EQ(stats.threads_blocked, 0);
    CHECK_EQ(stats.threads_spare, 0);
    gate_open(&gate);
    gate_open(&sleeping);
    check_counts(pool, 2, 0, 0);
    CHECK_OK(pool_destroy(pool));
}

static pool_t *waiting_in;

static void *wait_for_a_gate(void *gate) {
    future_t *future = check_submit(waiting_in, gate_task, gate);
    CHECK_OK(future_wait(future, LONG_ENOUGH, NULL)); /* timed: so another thread runs it */
    CHECK_OK(future_release(future));
    return NULL;
}

static void a_body_that_waits_is_blocked_and_a_spare_thread_runs_on_its_place(void) {
    gate_t gate = GATE_CLOSED;
    pool_stats_t stats;
    waiting_in = pool_create(1);
    CHECK_OK(pool_spawn(waiting_in, wait_for_a_gate, &gate));
    count_wait(&gate.started, 1);
    stats = stats_of(waiting_in);
    CHECK_EQ(stats.threads_running, 1);
    CHECK_EQ(stats.threads_blocked, 1);
    CHECK_EQ(stats.threads_alive, 2);
    CHECK_EQ(stats.threads_spare, 1);
    gate_open(&gate);
    check_counts(waiting_in, 2, 0, 0);
    CHECK_OK(pool_destroy(waiting_in));
}

static void *sleep_a_moment(void *arg) {
    sleep_ns(2 * MILLISECOND);
    return arg;
}

static void the_times_of_a_new_pools_tasks_are_all_in_the_histograms(void) {
    pool_t *pool = pool_create(1);
    pool_stats_t stats;
    uint64_t shorter = 0;
    int i;
    for (i = 0; i < 10; i++)
        CHECK_OK(pool_spawn(pool, sleep_a_moment, NULL));
    stats = check_counts(pool, 10, 0, 0);
    CHECK_EQ(stats.time_run_count, 10);
    CHECK_EQ(sum(stats.time_run), 10);
    for (i = 0; i < 20; i++)
        shorter += stats.time_run[i]; /* 2^20 ns are less than 2 ms */
    CHECK_EQ(shorter, 0);
    CHECK(stats.time_run_sum_ns >= (uint64_t)(20 * MILLISECOND));
    /* Two tasks may share an entry of the table of those that are queued: then one is not measured. */
    CHECK(stats.time_queued_count >= 8 && stats.time_queued_count <= 10);
    CHECK_EQ(sum(stats.time_queued), stats.time_queued_count);
    CHECK(stats.time_queued_sum_ns >= (uint64_t)(2 * MILLISECOND));
    CHECK_OK(pool_destroy(pool));
}

static void later_only_a_sample_is_timed(void) {
    const uint64_t tasks = 100000;
    pool_t *pool = pool_create(2);
    pool_stats_t stats;
    uint64_t i;
    for (i = 0; i < tasks; i++)
        CHECK_OK(pool_spawn(pool, same, NULL));
    stats = check_counts(pool, tasks, 0, 0);
    CHECK(stats.time_run_count >= tasks / 512);
    CHECK(stats.time_run_count <= tasks / 32 + 4096);
    CHECK(stats.time_queued_count > 0);
    CHECK(stats.queue_high_water <= tasks);
    CHECK_OK(pool_destroy(pool));
}

static void square(void *context, size_t begin, size_t end) {
    count_add(context, (int64_t)(end - begin));
}

static void the_helpers_of_parallel_calls_that_did_not_begin_are_not_counted(void) {
    pool_t *pool = pool_create(4);
    count_t done = COUNT_ZERO;
    pool_stats_t stats;
    int i;
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_for(pool, 0, 100, 1, square, &done));
    CHECK_EQ(count_get(&done), 10000);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    stats = stats_of(pool);
    CHECK_EQ(stats.tasks_canceled, 0);
    CHECK_EQ(stats.tasks_submitted, stats.tasks_completed);
    CHECK(stats.tasks_submitted <= 400);
    CHECK_OK(pool_destroy(pool));
}

/* More pools than a thread remembers at a time. */
static void counts_survive_that_a_thread_forgets_the_pool(void) {
    pool_t *pools[40];
    int i, round;
    for (i = 0; i < 40; i++)
        pools[i] = pool_create(1);
    for (round = 0; round < 3; round++)
        for (i = 0; i < 40; i++)
            check_take(check_submit(pools[i], same, NULL));
    for (i = 0; i < 40; i++) {
        check_counts(pools[i], 3, 0, 0);
        CHECK_OK(pool_destroy(pools[i]));
    }
}

CHECK_MAIN(TEST(bad_arguments_are_refused_and_write_nothing),
           TEST(a_caller_of_another_version_gets_as_much_as_its_struct_holds),
           TEST(a_new_pool_has_done_nothing), TEST(every_task_is_counted_once_wherever_it_comes_from),
           TEST(what_a_task_did_is_counted_before_its_end_is_seen),
           TEST(failed_and_canceled_tasks_are_counted_as_such), TEST(what_a_shutdown_cancels_is_counted),
           TEST(a_task_that_was_refused_is_not_counted), TEST(held_tasks_count_as_held_until_they_are_queued),
           TEST(blocked_bodies_spare_threads_and_the_blocking_lane_are_told_apart),
           TEST(a_body_that_waits_is_blocked_and_a_spare_thread_runs_on_its_place),
           TEST(the_times_of_a_new_pools_tasks_are_all_in_the_histograms), TEST(later_only_a_sample_is_timed),
           TEST(the_helpers_of_parallel_calls_that_did_not_begin_are_not_counted),
           TEST(counts_survive_that_a_thread_forgets_the_pool))
