/* What becomes of arguments and results (task_options_t.drop_arg, drop_result). */
#include "check.h"

static void *same(void *arg) {
    return arg;
}

static void *fail(void *arg) {
    task_fail(1, NULL);
    return arg;
}

/* An argument that knows how often it was dropped. */
typedef struct {
    int dropped;
    count_t done;
} arg_t;

static void drop_arg(void *pointer) {
    arg_t *arg = pointer;
    arg->dropped++;
    count_add(&arg->done, 1);
}

static task_options_t with_drop(void) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.drop_arg = drop_arg;
    return options;
}

#define ARG_NEW {0, COUNT_ZERO}

static void an_argument_is_dropped_once_before_the_end_can_be_seen(void) {
    pool_t *pool = pool_create(1);
    task_options_t options = with_drop();
    int i;
    for (i = 0; i < 200; i++) {
        arg_t arg = ARG_NEW;
        future_t *future = pool_submit_with(pool, &options, i % 2 ? same : fail, &arg);
        while (future_wait(future, 0, NULL) == OFFGIL_ETIMEDOUT)
            continue;
        CHECK_EQ(arg.dropped, 1);
        CHECK_OK(future_release(future));
        CHECK_EQ(arg.dropped, 1);
    }
    CHECK_OK(pool_destroy(pool));
}

static void a_canceled_tasks_argument_is_dropped_once(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    task_options_t options = with_drop();
    arg_t canceled = ARG_NEW, late = ARG_NEW, after = ARG_NEW, grouped = ARG_NEW, delayed = ARG_NEW;
    arg_t left = ARG_NEW, blocking = ARG_NEW, lent = ARG_NEW;
    group_t *group = group_create(pool, NULL);
    future_t *future;
    gate_occupy(&gate, pool, 1);
    future = pool_submit_with(pool, &options, same, &canceled);
    options.after = &future;
    options.after_count = 1;
    CHECK_OK(pool_spawn_with(pool, &options, same, &after));
    CHECK_OK(future_cancel(future));
    CHECK_EQ(canceled.dropped, 1);
    CHECK_EQ(after.dropped, 1);
    CHECK_OK(future_release(future));
    options = with_drop();
    options.group = group;
    CHECK_OK(pool_spawn_with(pool, &options, same, &grouped));
    CHECK_OK(group_cancel(group));
    CHECK_EQ(grouped.dropped, 1);
    options = with_drop();
    options.deadline_ns = 1;
    CHECK_OK(pool_spawn_with(pool, &options, same, &late));
    count_wait(&late.done, 1); /* the timer's thread comes by */
    options = with_drop();
    CHECK_OK(pool_spawn_with(pool, &options, same, &left));
    options.delay_ns = 1000 * SECOND;
    CHECK_OK(pool_spawn_with(pool, &options, same, &delayed));
    options = with_drop();
    options.lent_only = 1;
    CHECK_OK(pool_spawn_with(pool, &options, same, &lent));
    options.lent_only = 0;
    options.blocking = 1;
    CHECK_OK(pool_spawn_with(pool, &options, same, &blocking));
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    CHECK_EQ(left.dropped, 1);
    CHECK_EQ(delayed.dropped, 1);
    CHECK_EQ(lent.dropped, 1);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK(canceled.dropped == 1 && after.dropped == 1 && grouped.dropped == 1 && late.dropped == 1);
    CHECK(left.dropped == 1 && delayed.dropped == 1 && lent.dropped == 1 && blocking.dropped == 1);
    CHECK_OK(group_release(group));
}

static void a_submit_that_fails_leaves_the_argument_to_the_caller(void) {
    pool_t *pool = pool_create(1), *other = pool_create(1);
    task_options_t options = with_drop();
    arg_t arg = ARG_NEW;
    group_t *group = group_create(pool, NULL);
    future_t *stale = check_submit(pool, same, NULL);
    check_take(stale);
    options.after = &stale;
    options.after_count = 1;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, &arg), OFFGIL_EHANDLE);
    options = with_drop();
    options.group = group;
    CHECK_REFUSED(pool_submit_with(other, &options, same, &arg), OFFGIL_EINVAL);
    CHECK_OK(group_cancel(group));
    CHECK_REFUSED(pool_submit_with(pool, &options, same, &arg), OFFGIL_ECANCELED);
    options = with_drop();
    CHECK_REFUSED(pool_submit_with(pool, &options, NULL, &arg), OFFGIL_EINVAL);
    options.priority = 9;
    CHECK_REFUSED(pool_submit_with(pool, &options, same, &arg), OFFGIL_EINVAL);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    options = with_drop();
    CHECK_REFUSED(pool_submit_with(pool, &options, same, &arg), OFFGIL_ECLOSED);
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
    CHECK_EQ(arg.dropped, 0);
}

static struct {
    count_t accepted, dropped;
    group_t *group;
} race = {COUNT_ZERO, COUNT_ZERO, NULL};

static void count_drop(void *arg) {
    count_add(&race.dropped, 1);
    free(arg);
}

/* Whoever gets no future keeps the argument, however close the call. */
static void *submit_until_refused(void *pool) {
    task_options_t options;
    int i, refused = 0;
    for (i = 0; !refused; i++) {
        void *arg = malloc(1);
        task_options_init(&options, sizeof options);
        options.drop_arg = count_drop;
        options.priority = i % 3 - 1;
        options.blocking = i % 7 == 0;
        options.delay_ns = i % 5 ? 0 : i % 1000;
        options.deadline_ns = i % 11 ? OFFGIL_FOREVER : i % 1000;
        options.group = i % 2 ? race.group : NULL;
        refused = pool_spawn_with(pool, &options, same, arg) != OFFGIL_OK;
        if (refused)
            free(arg);
        else
            count_add(&race.accepted, 1);
    }
    return NULL;
}

static void submits_that_race_a_shutdown_drop_what_was_accepted_and_nothing_else(void) {
    int i;
    for (i = 0; i < 60; i++) {
        pool_t *pool = pool_create(2);
        pthread_t threads[2];
        race.group = group_create(pool, NULL);
        threads[0] = check_thread(submit_until_refused, pool);
        threads[1] = check_thread(submit_until_refused, pool);
        sleep_ns(i * MILLISECOND / 30);
        if (i % 3 == 0)
            CHECK_OK(group_cancel(race.group));
        CHECK_OK(pool_shutdown(pool, i % 2 ? POOL_DRAIN : POOL_CANCEL, OFFGIL_FOREVER));
        check_join(threads[0]);
        check_join(threads[1]);
        CHECK_OK(pool_destroy(pool));
        CHECK_OK(group_release(race.group));
        CHECK_EQ(count_get(&race.dropped), count_get(&race.accepted));
    }
}

static count_t results = COUNT_ZERO;

static void drop_result(void *result) {
    count_add(&results, unpack(result));
}

static void ignore(void *context, offgil_status status, void *result) {
    (void)context;
    (void)status;
    (void)result;
}

static void a_result_is_dropped_if_nobody_took_it(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    task_options_t options;
    future_t *future;
    void *result;
    task_options_init(&options, sizeof options);
    options.drop_result = drop_result;
    CHECK_OK(pool_spawn_with(pool, &options, same, pack(1)));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&results), 1);
    future = pool_submit_with(pool, &options, same, pack(10));
    CHECK_SAME(future_retain(future), future);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL)); /* waited for, but not taken */
    CHECK_OK(future_release(future));
    CHECK_EQ(count_get(&results), 1);
    CHECK_OK(future_release(future));
    CHECK_EQ(count_get(&results), 11);
    future = pool_submit_with(pool, &options, same, pack(100));
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, &result));
    CHECK_OK(future_release(future));
    future = pool_submit_with(pool, &options, same, pack(100));
    CHECK_OK(future_on_done(future, ignore, NULL));
    CHECK_OK(future_release(future));
    future = pool_submit_with(pool, &options, fail, pack(100)); /* has none */
    CHECK_OK(future_release(future));
    gate_occupy(&gate, pool, 1);
    future = pool_submit_with(pool, &options, same, pack(100)); /* and neither has this one */
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    future = pool_submit_with(pool, &options, same, pack(1000));
    CHECK_OK(future_release(future)); /* released before it ran */
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&results), 1011);
}

static pool_t *calling;

static void submit_from_a_drop(void *arg) {
    CHECK_OK(pool_spawn(calling, same, NULL));
    CHECK_STATUS(task_fail(1, NULL), OFFGIL_EINVAL); /* the task is over */
    count_add(arg, 1);
}

static void a_drop_function_may_call_the_library(void) {
    count_t done = COUNT_ZERO;
    task_options_t options;
    calling = pool_create(1);
    task_options_init(&options, sizeof options);
    options.drop_arg = submit_from_a_drop;
    options.drop_result = submit_from_a_drop;
    CHECK_OK(pool_spawn_with(calling, &options, same, &done));
    CHECK_OK(pool_destroy(calling));
    CHECK_EQ(count_get(&done), 2);
}

/* While a cancel ends a task, others see that it never runs. */
static void look_at_the_canceled(void *future) {
    CHECK_EQ(future_get_state(*(future_t **)future), FUTURE_CANCELED);
    CHECK_STATUS(future_cancel(*(future_t **)future), OFFGIL_EDONE);
}

static void a_task_that_is_being_canceled_is_no_running_one(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    task_options_t options;
    future_t *future;
    gate_occupy(&gate, pool, 1);
    task_options_init(&options, sizeof options);
    options.drop_arg = look_at_the_canceled;
    future = pool_submit_with(pool, &options, same, &future);
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(an_argument_is_dropped_once_before_the_end_can_be_seen),
           TEST(a_canceled_tasks_argument_is_dropped_once),
           TEST(a_submit_that_fails_leaves_the_argument_to_the_caller),
           TEST(submits_that_race_a_shutdown_drop_what_was_accepted_and_nothing_else),
           TEST(a_result_is_dropped_if_nobody_took_it), TEST(a_drop_function_may_call_the_library),
           TEST(a_task_that_is_being_canceled_is_no_running_one))
