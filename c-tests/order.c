/* The order of tasks: strict with one worker, for what comes from outside; a worker's own children newest
 * first. */
#include "check.h"

enum { TASKS = 500 };

static struct {
    count_t runs;
    intptr_t order[TASKS];
    pool_t *pool;
} seen = {COUNT_ZERO, {0}, NULL};

static void *note(void *number) {
    seen.order[count_add(&seen.runs, 1) - 1] = unpack(number);
    return NULL;
}

static void pool_of_one(int32_t order) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.order = order;
    seen.pool = pool_create_with(&options);
    CHECK(seen.pool != NULL);
}

static void expect_ascending(void) {
    intptr_t i;
    CHECK_EQ(count_get(&seen.runs), TASKS);
    for (i = 0; i < TASKS; i++)
        CHECK_EQ(seen.order[i], i);
}

static void expect_descending(void) {
    intptr_t i;
    CHECK_EQ(count_get(&seen.runs), TASKS);
    for (i = 0; i < TASKS; i++)
        CHECK_EQ(seen.order[i], TASKS - 1 - i);
}

static void submit_behind_a_gate(void) {
    gate_t gate = GATE_CLOSED;
    intptr_t i;
    gate_occupy(&gate, seen.pool, 1);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(pool_spawn(seen.pool, note, pack(i)));
    gate_open(&gate);
    CHECK_OK(pool_destroy(seen.pool));
}

static void fifo_runs_the_oldest_first(void) {
    pool_of_one(POOL_FIFO);
    submit_behind_a_gate();
    expect_ascending();
}

static void lifo_runs_the_newest_first(void) {
    pool_of_one(POOL_LIFO);
    submit_behind_a_gate();
    expect_descending();
}

static void submit_a_batch_behind_a_gate(void) {
    gate_t gate = GATE_CLOSED;
    void *args[TASKS];
    intptr_t i;
    for (i = 0; i < TASKS; i++)
        args[i] = pack(i);
    gate_occupy(&gate, seen.pool, 1);
    CHECK_OK(pool_submit_many(seen.pool, note, args, TASKS, NULL));
    gate_open(&gate);
    CHECK_OK(pool_destroy(seen.pool));
}

static void a_batch_is_in_order_too(void) {
    pool_of_one(POOL_FIFO);
    submit_a_batch_behind_a_gate();
    expect_ascending();
}

static void a_batch_is_in_reverse_order_in_a_lifo_pool(void) {
    pool_of_one(POOL_LIFO);
    submit_a_batch_behind_a_gate();
    expect_descending();
}

static void fifo_without_a_gate_runs_the_oldest_first(void) {
    intptr_t i;
    pool_of_one(POOL_FIFO);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(pool_spawn(seen.pool, note, pack(i)));
    CHECK_OK(pool_destroy(seen.pool));
    expect_ascending();
}

typedef struct {
    future_t **futures;
    count_t *waiting;
    intptr_t first;
} waiter_t;

static void *wait_backwards(void *arg) {
    const waiter_t *waiter = arg;
    intptr_t i;
    count_add(waiter->waiting, 1);
    for (i = TASKS - 1 - waiter->first; i >= 0; i -= 4)
        CHECK_OK(future_wait(waiter->futures[i], OFFGIL_FOREVER, NULL));
    return NULL;
}

/* Four threads wait for ever, each from the last to the first; nothing may be pulled forward for them. */
static void waits_in_any_order_do_not_change_the_order_in_a_pool_of_one(void) {
    static future_t *futures[TASKS];
    gate_t gate = GATE_CLOSED;
    count_t waiting = COUNT_ZERO;
    pthread_t threads[4];
    waiter_t waiters[4];
    intptr_t i;
    pool_of_one(POOL_FIFO);
    gate_occupy(&gate, seen.pool, 1);
    for (i = 0; i < TASKS; i++)
        futures[i] = check_submit(seen.pool, note, pack(i));
    for (i = 0; i < 4; i++) {
        waiters[i].futures = futures;
        waiters[i].waiting = &waiting;
        waiters[i].first = i;
        threads[i] = check_thread(wait_backwards, &waiters[i]);
    }
    count_wait(&waiting, 4);
    gate_open(&gate);
    for (i = 0; i < 4; i++)
        check_join(threads[i]);
    expect_ascending();
    for (i = 0; i < TASKS; i++)
        CHECK_OK(future_release(futures[i]));
    CHECK_OK(pool_destroy(seen.pool));
}

static future_t *last_of_all;

static void *wait_for_the_last(void *number) {
    note(number);
    CHECK_OK(future_wait(last_of_all, OFFGIL_FOREVER, NULL));
    return NULL;
}

static void a_wait_inside_a_task_does_not_change_the_order_in_a_pool_of_one(void) {
    gate_t gate = GATE_CLOSED;
    intptr_t i;
    pool_of_one(POOL_FIFO);
    gate_occupy(&gate, seen.pool, 1);
    CHECK_OK(pool_spawn(seen.pool, wait_for_the_last, pack(0)));
    for (i = 1; i < TASKS - 1; i++)
        CHECK_OK(pool_spawn(seen.pool, note, pack(i)));
    last_of_all = check_submit(seen.pool, note, pack(TASKS - 1));
    gate_open(&gate);
    CHECK_OK(future_wait(last_of_all, OFFGIL_FOREVER, NULL));
    CHECK_OK(pool_destroy(seen.pool));
    CHECK_OK(future_release(last_of_all));
    expect_ascending();
}

static void *have_children(void *unused) {
    intptr_t i;
    (void)unused;
    for (i = 0; i < TASKS; i++)
        CHECK_OK(pool_spawn(seen.pool, note, pack(i)));
    return NULL;
}

static void children_run_newest_first(void) {
    pool_of_one(POOL_FIFO);
    CHECK_OK(pool_spawn(seen.pool, have_children, NULL));
    CHECK_OK(pool_destroy(seen.pool));
    expect_descending();
}

static void *wait_for_children(void *unused) {
    static future_t *futures[TASKS];
    intptr_t i;
    (void)unused;
    for (i = 0; i < TASKS; i++)
        futures[i] = check_submit(seen.pool, note, pack(i));
    CHECK_OK(future_wait_all(futures, TASKS, OFFGIL_FOREVER));
    for (i = 0; i < TASKS; i++)
        CHECK_OK(future_release(futures[i]));
    return NULL;
}

static void run_a_wait_for_all(void) {
    future_t *parent = check_submit(seen.pool, wait_for_children, NULL);
    CHECK_OK(future_wait(parent, 60 * SECOND, NULL));
    CHECK_OK(future_release(parent));
}

static void a_wait_for_all_children_runs_the_newest_first(void) {
    gate_t gate = GATE_CLOSED;
    seen.pool = pool_create(2);
    CHECK(seen.pool != NULL);
    gate_occupy(&gate, seen.pool, 1);
    run_a_wait_for_all();
    gate_open(&gate);
    CHECK_OK(pool_destroy(seen.pool));
    expect_descending();
}

static void a_wait_for_all_children_is_in_order_in_a_pool_of_one(void) {
    pool_of_one(POOL_FIFO);
    run_a_wait_for_all();
    CHECK_OK(pool_destroy(seen.pool));
    expect_ascending();
}

CHECK_MAIN(TEST(fifo_runs_the_oldest_first), TEST(lifo_runs_the_newest_first), TEST(a_batch_is_in_order_too),
           TEST(a_batch_is_in_reverse_order_in_a_lifo_pool), TEST(fifo_without_a_gate_runs_the_oldest_first),
           TEST(waits_in_any_order_do_not_change_the_order_in_a_pool_of_one),
           TEST(a_wait_inside_a_task_does_not_change_the_order_in_a_pool_of_one),
           TEST(children_run_newest_first), TEST(a_wait_for_all_children_runs_the_newest_first),
           TEST(a_wait_for_all_children_is_in_order_in_a_pool_of_one))
