/* Callbacks (future_on_done). */
#include "check.h"

static count_t calls = COUNT_ZERO;

static void *same(void *arg) {
    return arg;
}

static void *fail(void *code) {
    task_fail((int32_t)unpack(code), NULL);
    return code;
}

typedef struct {
    offgil_status status;
    void *result;
    int called;
} seen_t;

static void note(void *context, offgil_status status, void *result) {
    seen_t *seen = context;
    seen->status = status;
    seen->result = result;
    seen->called++;
    count_add(&calls, 1);
}

static void each_end_is_told_with_its_status(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    seen_t seen[3] = {{0, NULL, 0}, {0, NULL, 0}, {0, NULL, 0}};
    future_t *futures[3];
    int i;
    gate_occupy(&gate, pool, 1);
    futures[0] = check_submit(pool, same, pool);
    futures[1] = check_submit(pool, fail, pack(3));
    futures[2] = check_submit(pool, same, pool);
    for (i = 0; i < 3; i++)
        CHECK_OK(future_on_done(futures[i], note, &seen[i]));
    CHECK_EQ(count_get(&calls), 0);
    CHECK_OK(future_cancel(futures[2]));
    CHECK_EQ(seen[2].called, 1); /* by the thread that cancels */
    CHECK_STATUS(seen[2].status, OFFGIL_ECANCELED);
    for (i = 0; i < 3; i++)
        CHECK_OK(future_release(futures[i]));
    gate_open(&gate);
    count_wait(&calls, 3);
    CHECK_OK(seen[0].status);
    CHECK_SAME(seen[0].result, pool);
    CHECK_STATUS(seen[1].status, OFFGIL_EFAILED);
    CHECK_SAME(seen[1].result, NULL);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&calls), 3);
}

static void one_that_has_ended_is_told_at_once(void) {
    pool_t *pool = pool_create(1);
    seen_t seen = {0, NULL, 0};
    future_t *future = check_submit(pool, same, pool);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_on_done(future, note, &seen));
    CHECK_EQ(seen.called, 1);
    CHECK_SAME(seen.result, pool);
    CHECK_OK(future_on_done(future, note, &seen));
    CHECK_EQ(seen.called, 2);
    CHECK_OK(future_release(future));
    CHECK_STATUS(future_on_done(future, note, &seen), OFFGIL_EHANDLE);
    CHECK_STATUS(future_on_done(NULL, note, &seen), OFFGIL_EINVAL);
    CHECK_EQ(seen.called, 2);
    CHECK_OK(pool_destroy(pool));
}

static void a_null_callback_is_refused(void) {
    pool_t *pool = pool_create(1);
    future_t *future = check_submit(pool, same, pool);
    CHECK_STATUS(future_on_done(future, NULL, NULL), OFFGIL_EINVAL);
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

enum { RACES = 4000 };

static future_t *raced[RACES];
static count_t told[2] = {COUNT_ZERO, COUNT_ZERO};

static void count_call(void *context, offgil_status status, void *result) {
    CHECK(status == OFFGIL_OK || status == OFFGIL_ECANCELED);
    CHECK_SAME(result, status == OFFGIL_OK ? &raced : NULL);
    count_add(context, 1);
}

static void *cancel_all(void *unused) {
    int i;
    for (i = RACES - 1; i >= 0; i--)
        future_cancel(raced[i]);
    return unused;
}

static void *watch_all(void *counter) {
    int i;
    for (i = 0; i < RACES; i++)
        CHECK_OK(future_on_done(raced[i], count_call, counter));
    return NULL;
}

static void each_callback_is_called_once_whoever_ends_the_task(void) {
    pool_t *pool = pool_create(2);
    pthread_t threads[3];
    int i;
    task_options_t options;
    task_options_init(&options, sizeof options);
    for (i = 0; i < RACES; i++) {
        options.deadline_ns = i % 3 ? OFFGIL_FOREVER : i * INT64_C(1000);
        raced[i] = pool_submit_with(pool, i % 2 ? &options : NULL, same, &raced);
    }
    threads[0] = check_thread(watch_all, &told[0]);
    threads[1] = check_thread(cancel_all, NULL);
    threads[2] = check_thread(watch_all, &told[1]);
    for (i = 0; i < 3; i++)
        check_join(threads[i]);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&told[0]), RACES);
    CHECK_EQ(count_get(&told[1]), RACES);
    for (i = 0; i < RACES; i++)
        CHECK_OK(future_release(raced[i]));
}

static struct {
    pool_t *pool;
    future_t *future;
    future_t *child;
} all;

static void do_everything(void *context, offgil_status status, void *result) {
    void *again = NULL;
    CHECK_OK(status);
    CHECK_OK(future_wait(all.future, 0, &again)); /* the result can be seen */
    CHECK_SAME(again, result);
    CHECK_EQ(future_get_state(all.future), FUTURE_DONE);
    CHECK_STATUS(future_cancel(all.future), OFFGIL_EDONE);
    CHECK_OK(future_release(all.future));
    all.child = check_submit(all.pool, same, context);
    CHECK_OK(future_on_done(all.child, note, context));
}

static void a_callback_may_release_submit_and_watch(void) {
    gate_t gate = GATE_CLOSED;
    seen_t seen = {0, NULL, 0};
    all.pool = pool_create(1);
    all.future = check_submit(all.pool, gate_task, &gate);
    CHECK_OK(future_on_done(all.future, do_everything, &seen));
    gate_open(&gate);
    count_wait(&calls, 1);
    CHECK_SAME(seen.result, &seen);
    CHECK_STATUS(future_release(all.future), OFFGIL_EHANDLE);
    check_take(all.child);
    CHECK_OK(pool_destroy(all.pool));
}

static void cancel_another(void *other, offgil_status status, void *result) {
    (void)result;
    CHECK_STATUS(status, OFFGIL_ECANCELED);
    CHECK_OK(future_cancel(((future_t **)other)[0]));
    /* What that brings about has been done: nothing of it is left to this thread's later steps. */
    CHECK_STATUS(future_wait(((future_t **)other)[1], LONG_ENOUGH, NULL), OFFGIL_ECANCELED);
}

static void a_callback_may_cancel_and_wait_for_what_that_cancels(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *head, *middle, *other[2];
    task_options_t options;
    task_options_init(&options, sizeof options);
    gate_occupy(&gate, pool, 1);
    head = check_submit(pool, same, NULL);
    options.after = &head;
    options.after_count = 1;
    middle = pool_submit_with(pool, &options, same, NULL);
    other[0] = check_submit(pool, same, NULL);
    options.after = &other[0];
    other[1] = pool_submit_with(pool, &options, same, NULL);
    CHECK_OK(future_on_done(middle, cancel_another, other));
    CHECK_OK(future_cancel(head));
    CHECK_EQ(future_get_state(other[1]), FUTURE_CANCELED);
    gate_open(&gate);
    CHECK_OK(future_release(head));
    CHECK_OK(future_release(middle));
    CHECK_OK(future_release(other[0]));
    CHECK_OK(future_release(other[1]));
    CHECK_OK(pool_destroy(pool));
}

static void slow(void *context, offgil_status status, void *result) {
    (void)status;
    (void)result;
    sleep_ns(SOON);
    ((seen_t *)context)->called = 1;
}

static void a_pool_is_not_idle_before_its_callbacks_are_over(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    seen_t seen = {0, NULL, 0};
    future_t *future = check_submit(pool, gate_task, &gate);
    CHECK_OK(future_on_done(future, slow, &seen));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(seen.called, 1);
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static pool_t *submit_late(pool_options_t *options, int64_t deadline_ns, drop_fn drop, done_fn done,
                           future_t **late) {
    pool_t *pool = pool_create_with(options);
    task_options_t terms;
    task_options_init(&terms, sizeof terms);
    terms.delay_ns = 3600 * SECOND;
    terms.deadline_ns = deadline_ns;
    terms.drop_arg = drop;
    *late = check_submit_with(pool, &terms, same, pool);
    CHECK_OK(future_on_done(*late, done, pool));
    return pool;
}

static void submit_another(void *pool, offgil_status status, void *result) {
    (void)result;
    CHECK_STATUS(status, OFFGIL_ECANCELED);
    all.child = check_submit(pool, same, NULL);
    count_add(&calls, 1);
}

static void who_is_told_of_a_cancel_finds_the_room_of_the_task_free(void) {
    pool_options_t options;
    gate_t gate = GATE_CLOSED;
    future_t *future;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_BLOCK;
    all.pool = pool_create_with(&options);
    gate_occupy(&gate, all.pool, 1);
    future = check_submit(all.pool, same, NULL);
    CHECK_OK(future_on_done(future, submit_another, all.pool));
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    gate_open(&gate);
    check_take(all.child);
    CHECK_OK(pool_destroy(all.pool));
    all.pool = submit_late(&options, OFFGIL_FOREVER, NULL, submit_another, &future);
    CHECK_OK(future_cancel(future));
    CHECK_OK(future_release(future));
    check_take(all.child);
    CHECK_OK(pool_destroy(all.pool));
}

static void find_no_way_to_wait(void *pool) {
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    count_add(&calls, 1);
}

static void wait_for_the_pool(void *pool, offgil_status status, void *result) {
    (void)result;
    CHECK_STATUS(status, OFFGIL_ECANCELED);
    find_no_way_to_wait(pool);
}

static pthread_t watcher;

/* A deadline that has passed before future_on_done is told there: whoever that is may wait. */
static void wait_for_the_pool_elsewhere(void *pool, offgil_status status, void *result) {
    if (pthread_equal(watcher, pthread_self()))
        count_add(&calls, 1);
    else
        wait_for_the_pool(pool, status, result);
}

static void who_is_told_of_a_cancel_of_a_delayed_task_cannot_wait_for_its_pool(void) {
    pool_options_t options;
    future_t *late;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    watcher = pthread_self();
    pool = submit_late(&options, OFFGIL_FOREVER, find_no_way_to_wait, wait_for_the_pool, &late);
    CHECK_OK(future_cancel(late)); /* here */
    CHECK_EQ(count_get(&calls), 2);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(future_release(late));
    pool = submit_late(&options, MILLISECOND, find_no_way_to_wait, wait_for_the_pool_elsewhere, &late);
    count_wait(&calls, 4); /* on the thread of the timers */
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(future_release(late));
    pool = submit_late(&options, OFFGIL_FOREVER, find_no_way_to_wait, wait_for_the_pool, &late);
    CHECK_OK(pool_destroy(pool)); /* in the destroy */
    CHECK_EQ(count_get(&calls), 6);
    CHECK_OK(future_release(late));
}

CHECK_MAIN(TEST(each_end_is_told_with_its_status), TEST(one_that_has_ended_is_told_at_once),
           TEST(a_null_callback_is_refused), TEST(each_callback_is_called_once_whoever_ends_the_task),
           TEST(a_callback_may_release_submit_and_watch),
           TEST(a_callback_may_cancel_and_wait_for_what_that_cancels),
           TEST(a_pool_is_not_idle_before_its_callbacks_are_over),
           TEST(who_is_told_of_a_cancel_finds_the_room_of_the_task_free),
           TEST(who_is_told_of_a_cancel_of_a_delayed_task_cannot_wait_for_its_pool))
