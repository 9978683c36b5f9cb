/* Waits on completion queues inside tasks, where no thread can be had for what is to come into them. */
#include "check.h"

static pool_t *open_pool(uint32_t threads, uint32_t max_spare_threads) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.max_spare_threads = max_spare_threads;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static pool_t *pool, *other;
static completion_queue_t *queue;
static count_t waits = COUNT_ZERO;

static void open_world(uint32_t threads, uint32_t max_spare_threads) {
    pool = open_pool(threads, max_spare_threads);
    other = pool_create(1);
    queue = completion_queue_create();
    CHECK(other != NULL && queue != NULL);
}

static void close_world(void) {
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
    CHECK_OK(completion_queue_release(queue));
}

static void *nothing(void *arg) {
    return arg;
}

/* A task of the pool whose end comes into the queue. */
static void spawn_for_queue(task_fn fn, void *arg, int32_t priority, future_t *after) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.queue = queue;
    options.priority = priority;
    options.after = &after;
    options.after_count = after != NULL;
    CHECK_OK(pool_spawn_with(pool, &options, fn, arg));
}

static offgil_status next(int64_t timeout_ns) {
    completion_t completion;
    size_t count = 77;
    offgil_status status;
    count_add(&waits, 1);
    status = completion_queue_next(queue, timeout_ns, &completion, 1, &count);
    CHECK_EQ(count, status == OFFGIL_OK ? 1 : status == OFFGIL_ETIMEDOUT ? 0 : 77);
    return status;
}

static void *wait_on_queue(void *unused) {
    (void)unused;
    return pack(next(OFFGIL_FOREVER));
}

/* Returns when the task that says so is blocked, as far as one can tell. */
static future_t *run_until_it_waits(task_fn fn, void *arg) {
    int64_t before = count_get(&waits);
    future_t *future = check_submit(pool, fn, arg);
    count_wait(&waits, before + 1);
    sleep_ns(SOON);
    return future;
}

/* A timed wait outside runs nothing itself. */
static offgil_status said(future_t *future) {
    void *status;
    CHECK_OK(future_wait(future, LONG_ENOUGH, &status));
    CHECK_OK(future_release(future));
    return (offgil_status)unpack(status);
}

static void *wait_for_a_child(void *unused) {
    offgil_status status;
    (void)unused;
    spawn_for_queue(nothing, NULL, TASK_NORMAL, NULL);
    status = next(OFFGIL_FOREVER);
    CHECK(strstr(offgil_last_message(), "max_spare_threads") != NULL);
    return pack(status);
}

static void a_wait_on_a_queue_says_when_no_thread_can_run_what_comes_into_it(void) {
    open_world(1, 0);
    CHECK_STATUS(said(check_submit(pool, wait_for_a_child, NULL)), OFFGIL_ETHREAD);
    CHECK_OK(next(LONG_ENOUGH));
    close_world();
}

static count_t oks = COUNT_ZERO, refused = COUNT_ZERO;

static void *wait_for_a_low_child(void *unused) {
    offgil_status status;
    (void)unused;
    spawn_for_queue(nothing, NULL, TASK_LOW, NULL);
    status = next(OFFGIL_FOREVER);
    CHECK(status == OFFGIL_OK || status == OFFGIL_ETHREAD);
    count_add(status == OFFGIL_OK ? &oks : &refused, 1);
    return NULL;
}

static void more_waits_on_a_queue_than_threads_and_spare_ones_all_end(void) {
    enum { TASKS = 500 };
    int i;
    open_world(2, 6);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(pool_spawn(pool, wait_for_a_low_child, NULL));
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_EQ(count_get(&oks) + count_get(&refused), TASKS);
    CHECK(count_get(&oks) > 0 && count_get(&refused) > 0);
    close_world();
}

static void a_task_that_is_submitted_for_a_queue_when_the_last_thread_waits_on_it_ends_the_wait(void) {
    future_t *waiter;
    open_world(1, 0);
    waiter = run_until_it_waits(wait_on_queue, NULL);
    spawn_for_queue(nothing, NULL, TASK_NORMAL, NULL);
    CHECK_STATUS(said(waiter), OFFGIL_ETHREAD);
    CHECK_OK(next(LONG_ENOUGH));
    close_world();
}

static void a_queued_task_that_is_added_to_a_queue_when_the_last_thread_waits_on_it_ends_the_wait(void) {
    future_t *waiter, *queued;
    open_world(1, 0);
    waiter = run_until_it_waits(wait_on_queue, NULL);
    queued = check_submit(pool, nothing, NULL);
    CHECK_OK(completion_queue_add(queue, queued, 0));
    CHECK_STATUS(said(waiter), OFFGIL_ETHREAD);
    CHECK_OK(next(LONG_ENOUGH));
    CHECK_OK(future_release(queued));
    close_world();
}

static void a_held_task_that_is_queued_when_the_last_thread_waits_on_its_queue_ends_the_wait(void) {
    gate_t gate = GATE_CLOSED;
    future_t *waiter, *first;
    open_world(1, 0);
    first = check_submit(other, gate_task, &gate);
    spawn_for_queue(nothing, NULL, TASK_NORMAL, first);
    waiter = run_until_it_waits(wait_on_queue, NULL);
    CHECK_EQ(future_get_state(waiter), FUTURE_RUNNING);
    gate_open(&gate);
    CHECK_STATUS(said(waiter), OFFGIL_ETHREAD);
    CHECK_OK(next(LONG_ENOUGH));
    check_take(first);
    close_world();
}

static void *wait_for_any_child(void *unused) {
    future_t *child = check_submit(pool, nothing, NULL);
    offgil_status status;
    (void)unused;
    count_add(&waits, 1);
    status = future_wait_any(&child, 1, OFFGIL_FOREVER, NULL);
    CHECK_OK(future_release(child));
    return pack(status);
}

static void *wait_on_queue_after_the_gate(void *gate) {
    gate_task(gate);
    return wait_on_queue(NULL);
}

/* Nobody knows who is to end the second wait. It may be the first. */
static void a_wait_for_a_child_is_told_when_the_last_thread_waits_on_an_empty_queue(void) {
    gate_t gate = GATE_CLOSED;
    future_t *second, *first, *done;
    open_world(2, 0);
    second = check_submit(pool, wait_on_queue_after_the_gate, &gate);
    count_wait(&gate.started, 1);
    first = run_until_it_waits(wait_for_any_child, NULL);
    gate_open(&gate);
    CHECK_STATUS(said(first), OFFGIL_ETHREAD);
    done = check_submit(other, nothing, NULL);
    CHECK_OK(completion_queue_add(queue, done, 0));
    CHECK_OK(future_release(done));
    CHECK_OK(said(second));
    close_world();
}

static void what_is_queued_but_does_not_come_into_the_queue_does_not_end_a_wait_on_it(void) {
    gate_t gate = GATE_CLOSED;
    future_t *waiter, *queued, *elsewhere;
    open_world(1, 0);
    elsewhere = check_submit(other, gate_task, &gate);
    waiter = run_until_it_waits(wait_on_queue, NULL);
    queued = check_submit(pool, nothing, NULL);
    CHECK_STATUS(future_wait(waiter, SOON, NULL), OFFGIL_ETIMEDOUT);
    CHECK_OK(completion_queue_add(queue, elsewhere, 0));
    CHECK_STATUS(future_wait(waiter, SOON, NULL), OFFGIL_ETIMEDOUT);
    CHECK_OK(completion_queue_add(queue, queued, 0));
    CHECK_STATUS(future_wait(waiter, SOON, NULL), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(said(waiter));
    check_take(queued);
    check_take(elsewhere);
    CHECK_OK(next(LONG_ENOUGH));
    close_world();
}

static void *wait_on_queue_for_a_while(void *unused) {
    (void)unused;
    CHECK_STATUS(next(SOON), OFFGIL_ETIMEDOUT);
    return NULL;
}

static void a_timed_wait_on_a_queue_is_not_looked_at(void) {
    future_t *waiter;
    open_world(1, 0);
    waiter = check_submit(pool, wait_on_queue_for_a_while, NULL);
    spawn_for_queue(nothing, NULL, TASK_NORMAL, NULL);
    check_take(waiter);
    CHECK_OK(next(LONG_ENOUGH));
    close_world();
}

static void *submit_to_other(void *unused) {
    (void)unused;
    count_add(&waits, 1);
    return pack(pool_spawn(other, nothing, NULL));
}

static void *submit_to_other_after_the_gate(void *gate) {
    gate_task(gate);
    return submit_to_other(NULL);
}

/* Room may come only when the task that waits for its child goes on. */
static void a_wait_for_a_child_is_told_when_the_last_thread_waits_for_room_in_another_pool(void) {
    gate_t gate = GATE_CLOSED, in_other = GATE_CLOSED;
    pool_options_t options;
    future_t *submitter, *waiter, *holder;
    pool = open_pool(2, 0);
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    CHECK((other = pool_create_with(&options)) != NULL);
    holder = check_submit(other, gate_task, &in_other);
    count_wait(&in_other.started, 1);
    CHECK_OK(pool_spawn(other, nothing, NULL)); /* it is full */
    submitter = check_submit(pool, submit_to_other_after_the_gate, &gate);
    count_wait(&gate.started, 1);
    waiter = run_until_it_waits(wait_for_any_child, NULL);
    gate_open(&gate);
    CHECK_STATUS(said(waiter), OFFGIL_ETHREAD);
    gate_open(&in_other);
    CHECK_OK(said(submitter));
    check_take(holder);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

CHECK_MAIN(TEST(a_wait_on_a_queue_says_when_no_thread_can_run_what_comes_into_it),
           TEST(more_waits_on_a_queue_than_threads_and_spare_ones_all_end),
           TEST(a_task_that_is_submitted_for_a_queue_when_the_last_thread_waits_on_it_ends_the_wait),
           TEST(a_queued_task_that_is_added_to_a_queue_when_the_last_thread_waits_on_it_ends_the_wait),
           TEST(a_held_task_that_is_queued_when_the_last_thread_waits_on_its_queue_ends_the_wait),
           TEST(a_wait_for_a_child_is_told_when_the_last_thread_waits_on_an_empty_queue),
           TEST(what_is_queued_but_does_not_come_into_the_queue_does_not_end_a_wait_on_it),
           TEST(a_timed_wait_on_a_queue_is_not_looked_at),
           TEST(a_wait_for_a_child_is_told_when_the_last_thread_waits_for_room_in_another_pool))
