/* Tasks that start later, and tasks that must have started by then (delay_ns, deadline_ns). */
#include <dirent.h>
#include <sched.h>

#include "check.h"

enum { PENDING = 100000 };

static void *same(void *arg) {
    return arg;
}

static void *time_now(void *unused) {
    (void)unused;
    return pack((intptr_t)now_ns());
}

static future_t *submit_timed(pool_t *pool, int64_t delay_ns, int64_t deadline_ns, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.delay_ns = delay_ns;
    options.deadline_ns = deadline_ns;
    return check_submit_with(pool, &options, fn, arg);
}

static void a_delayed_task_does_not_start_before_its_time(void) {
    pool_t *pool = pool_create(1);
    int i;
    for (i = 1; i <= 20; i++) {
        int64_t before = now_ns(), delay = i * MILLISECOND;
        future_t *future = submit_timed(pool, delay, OFFGIL_FOREVER, time_now, NULL);
        int32_t state = future_get_state(future);
        if (now_ns() < before + delay)
            CHECK_EQ(state, FUTURE_QUEUED);
        CHECK(unpack(check_take(future)) >= before + delay);
    }
    CHECK_OK(pool_destroy(pool));
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static intptr_t starts;

/* How many have started before it. */
static void *note(void *unused) {
    intptr_t before;
    (void)unused;
    pthread_mutex_lock(&lock);
    before = starts++;
    pthread_mutex_unlock(&lock);
    return pack(before);
}

/* The time of each lies in a span as long as its submit took; spans that overlap say nothing of an order. */
static void delayed_tasks_start_in_the_order_of_their_times(void) {
    const int64_t delays[] = {90, 30, 60, 120};
    int64_t earliest[LENGTH(delays)], latest[LENGTH(delays)];
    intptr_t order[LENGTH(delays)];
    future_t *futures[LENGTH(delays)];
    pool_t *pool = pool_create(1);
    size_t i, j;
    for (i = 0; i < LENGTH(delays); i++) {
        earliest[i] = now_ns() + delays[i] * MILLISECOND;
        futures[i] = submit_timed(pool, delays[i] * MILLISECOND, OFFGIL_FOREVER, note, NULL);
        latest[i] = now_ns() + delays[i] * MILLISECOND;
    }
    for (i = 0; i < LENGTH(delays); i++)
        order[i] = unpack(check_take(futures[i]));
    for (i = 0; i < LENGTH(delays); i++)
        for (j = 0; j < LENGTH(delays); j++)
            if (latest[i] < earliest[j])
                CHECK(order[i] < order[j]);
    CHECK_OK(pool_destroy(pool));
}

static int threads_of_this_process(void) {
    DIR *directory = opendir("/proc/self/task");
    int count = 0;
    if (directory == NULL)
        return -1;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2;
}

static void a_hundred_thousand_pending_tasks_cost_one_thread(void) {
    pool_t *pool = pool_create(2);
    task_options_t options;
    future_t *future;
    int i;
    task_options_init(&options, sizeof options);
    options.delay_ns = 1000 * SECOND;
    for (i = 0; i < PENDING; i++) {
        options.delay_ns += (i * 7919) % 1000;
        CHECK_OK(pool_spawn_with(pool, &options, same, NULL));
    }
    future = submit_timed(pool, 1, OFFGIL_FOREVER, same, pool);
    CHECK_SAME(check_take(future), pool);
    if (threads_of_this_process() > 0)
        CHECK(threads_of_this_process() <= 1 + 2 + 1); /* this one, the pool's, the timer's */
    CHECK_OK(pool_destroy(pool));
}

static void a_task_that_is_not_started_in_time_is_canceled(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *late, *in_time;
    gate_occupy(&gate, pool, 1);
    late = submit_timed(pool, 0, MILLISECOND, same, NULL);
    in_time = submit_timed(pool, 0, 1000 * SECOND, same, pool);
    CHECK_STATUS(future_wait(late, LONG_ENOUGH, NULL), OFFGIL_ECANCELED); /* while the gate is closed */
    CHECK_EQ(future_get_state(late), FUTURE_CANCELED);
    gate_open(&gate);
    CHECK_SAME(check_take(in_time), pool);
    CHECK_OK(future_release(late));
    CHECK_OK(pool_destroy(pool));
}

static void a_deadline_of_zero_cancels(void) {
    pool_t *pool = pool_create(2);
    int i;
    for (i = 0; i < 1000; i++) {
        future_t *future = submit_timed(pool, i % 2, 0, same, NULL);
        CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
        CHECK_OK(future_release(future));
    }
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(pool_destroy(pool));
}

static void a_deadline_before_the_end_of_the_delay_cancels(void) {
    pool_t *pool = pool_create(1);
    future_t *future = submit_timed(pool, 1000 * SECOND, MILLISECOND, same, NULL);
    CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void a_running_task_outlives_its_deadline(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *future = submit_timed(pool, 0, 200 * MILLISECOND, gate_task, &gate);
    offgil_status status;
    while (count_get(&gate.started) == 0 && future_get_state(future) != FUTURE_CANCELED)
        sched_yield(); /* a machine that is too slow to start it tests nothing */
    sleep_ns(250 * MILLISECOND);
    gate_open(&gate);
    status = future_wait(future, OFFGIL_FOREVER, NULL);
    CHECK_STATUS(status, count_get(&gate.started) ? OFFGIL_OK : OFFGIL_ECANCELED);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static struct {
    pool_t *pool;
    future_t *before;
} held;

static void *spawn_held_and_late(void *unused) {
    task_options_t options;
    int i;
    task_options_init(&options, sizeof options);
    options.after = &held.before;
    options.after_count = 1;
    for (i = 0; i < 10000; i++) {
        options.deadline_ns = i % 3;
        CHECK_OK(pool_spawn_with(held.pool, &options, same, NULL));
    }
    return unused;
}

/* The timer's thread, kept awake by several submitters, may be faster than the submit. */
static void held_tasks_whose_deadline_comes_at_once_let_their_pool_end(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *other = pool_create(1);
    pthread_t threads[3];
    size_t i;
    held.pool = pool_create(1);
    held.before = check_submit(other, gate_task, &gate);
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(spawn_held_and_late, NULL);
    for (i = 0; i < LENGTH(threads); i++)
        check_join(threads[i]);
    CHECK_OK(pool_wait_idle(held.pool, LONG_ENOUGH));
    CHECK_OK(pool_destroy(held.pool));
    gate_open(&gate);
    check_take(held.before);
    CHECK_OK(pool_destroy(other));
}

static void a_drain_cancels_what_is_not_due(void) {
    pool_t *pool = pool_create(1);
    future_t *future = submit_timed(pool, 1000 * SECOND, OFFGIL_FOREVER, same, NULL);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(future_wait(future, 0, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_destroy(pool));
}

static void a_drain_runs_what_was_due_and_waits_for_another_task(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = pool_create(1), *other = pool_create(2);
    future_t *before = check_submit(other, gate_task, &gate), *future;
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.after = &before;
    options.after_count = 1;
    options.delay_ns = MILLISECOND;
    future = pool_submit_with(pool, &options, same, pool);
    check_take(submit_timed(other, 2 * MILLISECOND, OFFGIL_FOREVER, same, NULL)); /* times come in order */
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    CHECK_EQ(future_get_state(future), FUTURE_QUEUED);
    gate_open(&gate);
    CHECK_SAME(check_take(future), pool);
    check_take(before);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

static pthread_t closer;
static int told;

static void tell(void *unused) {
    (void)unused;
    CHECK(pthread_equal(closer, pthread_self()));
    told++;
}

static void tell_of(void *unused, offgil_status status, void *result) {
    CHECK_STATUS(status, OFFGIL_ECANCELED);
    CHECK_SAME(result, NULL);
    tell(unused);
}

static void whoever_closes_a_pool_is_told_the_ends_of_what_is_not_due(void) {
    task_options_t options;
    int way;
    task_options_init(&options, sizeof options);
    options.delay_ns = 1000 * SECOND;
    options.drop_arg = tell;
    closer = pthread_self();
    for (way = 0; way < 4; way++) {
        pool_t *pool = pool_create(2);
        future_t *future = check_submit_with(pool, &options, same, NULL);
        CHECK_OK(future_on_done(future, tell_of, NULL));
        told = 0;
        if (way < 2)
            CHECK_OK(pool_shutdown(pool, way == 0 ? POOL_DRAIN : POOL_CANCEL, 0));
        else
            CHECK_OK(way == 2 ? pool_destroy(pool) : pool_release(pool));
        CHECK_EQ(told, 2);
        CHECK_OK(future_release(future));
        if (way < 2)
            CHECK_OK(pool_destroy(pool));
    }
}

static void *spawn_delayed(void *pool) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.delay_ns = 1000 * SECOND;
    while (pool_spawn_with(pool, &options, same, NULL) == OFFGIL_OK)
        continue;
    CHECK_STATUS(offgil_last_status(), OFFGIL_ECLOSED);
    return NULL;
}

static void a_task_that_submits_delayed_ones_while_its_pool_drains_does_not_keep_it(void) {
    int i;
    for (i = 0; i < 20; i++) {
        pool_t *pool = pool_create(2);
        CHECK_OK(pool_spawn(pool, spawn_delayed, pool));
        CHECK_OK(pool_spawn(pool, spawn_delayed, pool));
        sleep_ns(i * MILLISECOND / 10);
        CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_negative_delay_is_refused(void) {
    pool_t *pool = pool_create(1);
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.delay_ns = -1;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pool));
}

static void the_longest_times_there_are_do_no_harm(void) {
    pool_t *pool = pool_create(1);
    future_t *never = submit_timed(pool, INT64_MAX, INT64_MAX, same, NULL);
    CHECK_SAME(check_take(submit_timed(pool, 0, INT64_MAX, same, pool)), pool);
    CHECK_OK(future_cancel(never));
    CHECK_OK(future_release(never));
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_delayed_task_does_not_start_before_its_time),
           TEST(delayed_tasks_start_in_the_order_of_their_times),
           TEST(a_hundred_thousand_pending_tasks_cost_one_thread),
           TEST(a_task_that_is_not_started_in_time_is_canceled), TEST(a_deadline_of_zero_cancels),
           TEST(a_deadline_before_the_end_of_the_delay_cancels), TEST(a_running_task_outlives_its_deadline),
           TEST(held_tasks_whose_deadline_comes_at_once_let_their_pool_end),
           TEST(a_drain_cancels_what_is_not_due), TEST(a_drain_runs_what_was_due_and_waits_for_another_task),
           TEST(whoever_closes_a_pool_is_told_the_ends_of_what_is_not_due),
           TEST(a_task_that_submits_delayed_ones_while_its_pool_drains_does_not_keep_it),
           TEST(a_negative_delay_is_refused), TEST(the_longest_times_there_are_do_no_harm))
