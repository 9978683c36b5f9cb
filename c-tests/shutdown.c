/* The three ways a pool ends: pool_shutdown, pool_destroy, pool_release. */
#include "check.h"

static void *count_one(void *count) {
    count_add(count, 1);
    return count;
}

static void drain_runs_what_is_queued(void) {
    pool_t *pool = pool_create(2);
    count_t runs = COUNT_ZERO;
    gate_t gate = GATE_CLOSED;
    int i;
    gate_occupy(&gate, pool, 2);
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_spawn(pool, count_one, &runs));
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&runs), 100);
    CHECK_OK(pool_destroy(pool));
}

static void shutdown_closes_the_pool_to_outside_submits_at_once(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    void *args[2] = {&gate, &gate};
    future_t *futures[2] = {NULL, NULL};
    gate_occupy(&gate, pool, 1);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    CHECK_REFUSED(pool_submit(pool, gate_task, &gate), OFFGIL_ECLOSED);
    CHECK_STATUS(pool_spawn(pool, gate_task, &gate), OFFGIL_ECLOSED);
    CHECK_STATUS(pool_submit_many(pool, gate_task, args, 2, futures), OFFGIL_ECLOSED);
    CHECK(futures[0] == NULL && futures[1] == NULL);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static void shutdown_may_be_asked_for_again(void) {
    pool_t *pool = pool_create(2);
    count_t runs = COUNT_ZERO;
    check_take(check_submit(pool, count_one, &runs));
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, 0));
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_REFUSED(pool_submit(pool, count_one, &runs), OFFGIL_ECLOSED);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void an_unknown_shutdown_mode_is_refused_and_changes_nothing(void) {
    pool_t *pool = pool_create(1);
    count_t runs = COUNT_ZERO;
    CHECK_STATUS(pool_shutdown(pool, -1, 0), OFFGIL_EINVAL);
    CHECK_STATUS(pool_shutdown(pool, 2, 0), OFFGIL_EINVAL);
    CHECK_STATUS(pool_shutdown(pool, INT32_MAX, OFFGIL_FOREVER), OFFGIL_EINVAL);
    CHECK_SAME(check_take(check_submit(pool, count_one, &runs)), &runs);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    gate_t gate;
    count_t runs;
    offgil_status answer;
} family_t;

#define FAMILY {NULL, GATE_CLOSED, COUNT_ZERO, OFFGIL_OK}

/* Started before the shutdown, goes on after it: submits a child, and the child another. */
static void *parent_of(void *arg);

static void *child_of(void *arg) {
    family_t *family = arg;
    if (count_add(&family->runs, 1) < 10)
        CHECK_OK(pool_spawn(family->pool, child_of, family));
    return NULL;
}

static void *parent_of(void *arg) {
    family_t *family = arg;
    gate_task(&family->gate);
    family->answer = pool_spawn(family->pool, child_of, family);
    return NULL;
}

static void running_tasks_may_submit_more_while_it_drains(void) {
    family_t family = FAMILY;
    family.pool = pool_create(2);
    CHECK_OK(pool_spawn(family.pool, parent_of, &family));
    count_wait(&family.gate.started, 1);
    CHECK_STATUS(pool_shutdown(family.pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    gate_open(&family.gate);
    CHECK_OK(pool_shutdown(family.pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_OK(family.answer);
    CHECK_EQ(count_get(&family.runs), 10);
    CHECK_OK(pool_destroy(family.pool));
}

static void a_pool_shut_down_by_cancel_refuses_children_too(void) {
    family_t family = FAMILY;
    family.pool = pool_create(2);
    CHECK_OK(pool_spawn(family.pool, parent_of, &family));
    count_wait(&family.gate.started, 1);
    CHECK_STATUS(pool_shutdown(family.pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    gate_open(&family.gate);
    CHECK_OK(pool_shutdown(family.pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(family.answer, OFFGIL_ECLOSED);
    CHECK_EQ(count_get(&family.runs), 0);
    CHECK_OK(pool_destroy(family.pool));
}

static void cancel_cancels_what_is_queued(void) {
    pool_t *pool = pool_create(1);
    count_t runs = COUNT_ZERO;
    gate_t gate = GATE_CLOSED;
    future_t *futures[50];
    size_t i;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < LENGTH(futures); i++)
        futures[i] = check_submit(pool, count_one, &runs);
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    for (i = 0; i < LENGTH(futures); i++) {
        CHECK_STATUS(future_wait(futures[i], OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
        CHECK_EQ(future_get_state(futures[i]), FUTURE_CANCELED);
        CHECK_OK(future_release(futures[i]));
    }
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 0);
}

static void *until_canceled(void *started) {
    count_add(started, 1);
    while (!task_is_canceled())
        sleep_ns(MILLISECOND / 10);
    return started;
}

static void cancel_asks_what_runs_to_stop(void) {
    pool_t *pool = pool_create(2);
    count_t started = COUNT_ZERO;
    future_t *one = check_submit(pool, until_canceled, &started),
             *other = check_submit(pool, until_canceled, &started);
    count_wait(&started, 2);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_SAME(check_take(one), &started); /* it ran to its end, and its result is there */
    CHECK_SAME(check_take(other), &started);
    CHECK_OK(pool_destroy(pool));
}

static void a_drain_may_be_turned_into_a_cancel(void) {
    pool_t *pool = pool_create(1);
    count_t started = COUNT_ZERO;
    future_t *queued;
    CHECK_OK(pool_spawn(pool, until_canceled, &started));
    count_wait(&started, 1);
    queued = check_submit(pool, until_canceled, &started);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, MILLISECOND), OFFGIL_ETIMEDOUT);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_STATUS(future_wait(queued, 0, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(queued));
    CHECK_OK(pool_destroy(pool));
}

static void destroy_drains(void) {
    int round;
    for (round = 0; round < 100; round++) {
        pool_t *pool = pool_create(2);
        count_t runs = COUNT_ZERO;
        int i;
        for (i = 0; i < 100; i++)
            CHECK_OK(pool_spawn(pool, count_one, &runs));
        CHECK_OK(pool_destroy(pool));
        CHECK_EQ(count_get(&runs), 100);
        CHECK_STATUS(pool_destroy(pool), OFFGIL_EHANDLE);
    }
}

static void *destroy_from_inside(void *pool) {
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    return pool;
}

static void destroy_and_endless_waits_for_its_pool_from_a_worker_are_deadlocks(void) {
    const uint32_t threads[] = {1, 2};
    size_t i;
    for (i = 0; i < LENGTH(threads); i++) {
        pool_t *pool = pool_create(threads[i]);
        CHECK_SAME(check_take(check_submit(pool, destroy_from_inside, pool)), pool);
        CHECK_OK(pool_destroy(pool));
    }
}

static void *shut_down_from_inside(void *pool) {
    CHECK_STATUS(pool_wait_idle(pool, MILLISECOND), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    return pool;
}

static void a_timed_shutdown_from_a_worker_closes_the_pool_and_times_out(void) {
    pool_t *pool = pool_create(1);
    CHECK_SAME(check_take(check_submit(pool, shut_down_from_inside, pool)), pool);
    CHECK_STATUS(pool_spawn(pool, shut_down_from_inside, pool), OFFGIL_ECLOSED);
    CHECK_OK(pool_destroy(pool));
}

static void *destroy_other(void *pool) {
    CHECK_OK(pool_destroy(pool));
    return NULL;
}

static void a_worker_may_destroy_another_pool(void) {
    pool_t *pool = pool_create(1), *other = pool_create(2);
    count_t runs = COUNT_ZERO;
    int i;
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_spawn(other, count_one, &runs));
    check_take(check_submit(pool, destroy_other, other));
    CHECK_EQ(count_get(&runs), 100);
    CHECK_OK(pool_destroy(pool));
}

/* Until the last body has ended, the handle is alive for the bodies. */
static void running_tasks_may_submit_more_while_the_pool_is_destroyed_or_released(void) {
    int released;
    for (released = 0; released < 2; released++) {
        family_t family = FAMILY;
        family.pool = pool_create(1);
        CHECK_OK(pool_spawn(family.pool, parent_of, &family));
        count_wait(&family.gate.started, 1);
        if (released) {
            CHECK_OK(pool_release(family.pool));
            gate_open(&family.gate);
        } else {
            gate_open(&family.gate);
            CHECK_OK(pool_destroy(family.pool));
        }
        count_wait(&family.runs, 10);
        CHECK_OK(family.answer);
    }
}

static void release_does_not_wait_and_everything_still_runs(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    count_t runs = COUNT_ZERO;
    future_t *futures[13]; /* two at the gate, the others behind it */
    size_t i;
    for (i = 0; i < LENGTH(futures); i++) {
        futures[i] = i < 2 ? check_submit(pool, gate_task, &gate) : check_submit(pool, count_one, &runs);
        if (i == 1)
            count_wait(&gate.started, 2);
    }
    CHECK_OK(pool_release(pool)); /* comes back while the gate is still closed */
    CHECK_EQ(count_get(&runs), 0);
    CHECK_REFUSED(pool_submit(pool, count_one, &runs), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_release(pool), OFFGIL_EHANDLE);
    gate_open(&gate);
    for (i = 0; i < LENGTH(futures); i++)
        check_take(futures[i]);
    CHECK_EQ(count_get(&runs), 11);
}

static void *release_own(void *pool) {
    CHECK_OK(pool_release(pool));
    return pool;
}

static void a_worker_may_release_its_own_pool(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, release_own, pool);
    CHECK_SAME(check_take(future), pool);
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EHANDLE);
}

static void *shut_down(void *pool) {
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    return NULL;
}

static void several_threads_may_shut_a_pool_down(void) {
    int round;
    for (round = 0; round < 50; round++) {
        pool_t *pool = pool_create(2);
        count_t runs = COUNT_ZERO;
        pthread_t threads[4];
        size_t i;
        for (i = 0; i < 50; i++)
            CHECK_OK(pool_spawn(pool, count_one, &runs));
        for (i = 0; i < LENGTH(threads); i++)
            threads[i] = check_thread(shut_down, pool);
        for (i = 0; i < LENGTH(threads); i++)
            check_join(threads[i]);
        CHECK_EQ(count_get(&runs), 50);
        CHECK_OK(pool_destroy(pool));
    }
}

typedef struct {
    pool_t *pool;
    count_t stopped;
    int64_t stopped_by_then;
    offgil_status status;
} destroyer_t;

static void *sleep_a_while(void *arg) {
    sleep_ns(MILLISECOND);
    return arg;
}

static void stop_slowly(void *stopped) {
    sleep_ns(SOON);
    count_add(stopped, 1);
}

static void *destroy_and_count(void *arg) {
    destroyer_t *destroyer = arg;
    offgil_status status = pool_destroy(destroyer->pool);
    if (status == OFFGIL_OK) {
        destroyer->status = status;
        destroyer->stopped_by_then = count_get(&destroyer->stopped);
    }
    return NULL;
}

static void of_two_that_destroy_a_pool_the_one_who_is_told_ok_has_joined_its_threads(void) {
    destroyer_t destroyer = {NULL, COUNT_ZERO, 0, OFFGIL_EBUSY};
    pool_options_t options;
    pthread_t first, second;
    pool_options_init(&options, sizeof(options));
    options.threads = 1;
    options.on_thread_stop = stop_slowly;
    options.context = &destroyer.stopped;
    destroyer.pool = pool_create_with(&options);
    CHECK_OK(pool_spawn(destroyer.pool, sleep_a_while, NULL));
    first = check_thread(destroy_and_count, &destroyer);
    second = check_thread(destroy_and_count, &destroyer);
    check_join(first);
    check_join(second);
    CHECK_OK(destroyer.status);
    CHECK_EQ(destroyer.stopped_by_then, 1);
}

static void *destroy_until_released(void *pool) {
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EHANDLE);
    return NULL;
}

/* The task ends only after the destroy has returned. */
static void a_release_ends_another_threads_destroy(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *held = check_submit(pool, gate_task, &gate);
    pthread_t destroyer = check_thread(destroy_until_released, pool);
    while (pool_spawn(pool, sleep_a_while, NULL) == OFFGIL_OK)
        sleep_ns(MILLISECOND);
    CHECK_OK(pool_release(pool));
    check_join(destroyer);
    gate_open(&gate);
    check_take(held);
}

/* What is canceled, and what keeps the threads busy until it is out of the queues. */
typedef struct {
    pool_t *pool;
    gate_t gate;
    count_t told;
} canceled_t;

/* The end of the last body has been noted, too. */
static void wait_until_no_body_is_left(pool_t *pool) {
    pool_stats_t stats;
    do {
        sleep_ns(MILLISECOND);
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    } while (stats.threads_running > 0 || stats.threads_blocked > 0 ||
             stats.threads_blocking_idle < stats.threads_blocking);
}

static void *find_it_busy(void *pool) {
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    return NULL;
}

static void expect_a_busy_pool(void *arg) {
    canceled_t *canceled = arg;
    if (count_add(&canceled->told, 1) == 1) {
        gate_open(&canceled->gate);
        wait_until_no_body_is_left(canceled->pool);
    }
    CHECK_STATUS(pool_wait_idle(canceled->pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_destroy(canceled->pool), OFFGIL_EDEADLK);
    check_join(check_thread(find_it_busy, canceled->pool));
}

static void cancel_five(task_options_t *options) {
    canceled_t canceled = {NULL, GATE_CLOSED, COUNT_ZERO};
    task_options_t blocking;
    pool_options_t pool_options;
    int i;
    task_options_init(&blocking, sizeof blocking);
    blocking.blocking = 1;
    pool_options_init(&pool_options, sizeof pool_options);
    pool_options.threads = 1;
    pool_options.max_blocking_threads = 1;
    canceled.pool = pool_create_with(&pool_options);
    gate_occupy(&canceled.gate, canceled.pool, 1);
    CHECK_OK(pool_spawn_with(canceled.pool, &blocking, gate_task, &canceled.gate));
    count_wait(&canceled.gate.started, 2);
    options->drop_arg = expect_a_busy_pool;
    for (i = 0; i < 5; i++)
        CHECK_OK(pool_spawn_with(canceled.pool, options, count_one, &canceled));
    CHECK_OK(pool_shutdown(canceled.pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&canceled.told), 5);
    CHECK_OK(pool_destroy(canceled.pool));
}

static void nobody_sees_a_pool_idle_before_all_that_a_cancel_took_out_has_been_told(void) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    cancel_five(&options);
    options.priority = TASK_HIGH;
    cancel_five(&options);
    options.priority = TASK_LOW;
    cancel_five(&options);
    options.priority = TASK_NORMAL;
    options.blocking = 1;
    cancel_five(&options);
    options.blocking = 0;
    options.lent_only = 1;
    cancel_five(&options);
}

CHECK_MAIN(TEST(drain_runs_what_is_queued), TEST(shutdown_closes_the_pool_to_outside_submits_at_once),
           TEST(shutdown_may_be_asked_for_again),
           TEST(an_unknown_shutdown_mode_is_refused_and_changes_nothing),
           TEST(running_tasks_may_submit_more_while_it_drains),
           TEST(a_pool_shut_down_by_cancel_refuses_children_too), TEST(cancel_cancels_what_is_queued),
           TEST(cancel_asks_what_runs_to_stop), TEST(a_drain_may_be_turned_into_a_cancel),
           TEST(destroy_drains), TEST(destroy_and_endless_waits_for_its_pool_from_a_worker_are_deadlocks),
           TEST(a_timed_shutdown_from_a_worker_closes_the_pool_and_times_out),
           TEST(a_worker_may_destroy_another_pool),
           TEST(running_tasks_may_submit_more_while_the_pool_is_destroyed_or_released),
           TEST(release_does_not_wait_and_everything_still_runs), TEST(a_worker_may_release_its_own_pool),
           TEST(several_threads_may_shut_a_pool_down),
           TEST(of_two_that_destroy_a_pool_the_one_who_is_told_ok_has_joined_its_threads),
           TEST(a_release_ends_another_threads_destroy),
           TEST(nobody_sees_a_pool_idle_before_all_that_a_cancel_took_out_has_been_told))
