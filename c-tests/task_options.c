/* Task options together with bounded queues, and with one another. */
#include "check.h"

enum { LIMIT = 4, KINDS = 6 };

static void *same(void *arg) {
    return arg;
}

static pool_t *bounded(uint32_t threads, int32_t when_full) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.queue_limit = LIMIT;
    options.when_full = when_full;
    options.max_blocking_threads = 1;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static future_t *never; /* what the last kind is to run after */

/* A task that stays queued, or held, while the pool's worker and its blocking thread are busy. */
static task_options_t of_kind(int kind) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    switch (kind) {
    case 0:
        options.priority = TASK_LOW;
        break;
    case 1:
        options.priority = TASK_HIGH;
        break;
    case 2:
        options.blocking = 1;
        break;
    case 3:
        options.lent_only = 1;
        break;
    case 4:
        options.delay_ns = 1000 * SECOND;
        break;
    default:
        options.after = &never;
        options.after_count = 1;
    }
    return options;
}

static void submit_until_started(pool_t *pool, gate_t *gate, int blocking) {
    task_options_t options;
    int64_t before = count_get(&gate->started);
    task_options_init(&options, sizeof options);
    options.blocking = (uint8_t)blocking;
    CHECK_OK(pool_spawn_with(pool, &options, gate_task, gate));
    count_wait(&gate->started, before + 1);
}

static void every_kind_of_task_counts_in_a_bounded_queue_until_it_is_canceled(void) {
    gate_t gate = GATE_CLOSED, other_gate = GATE_CLOSED;
    pool_t *pool = bounded(1, POOL_FULL_FAIL), *other = pool_create(1);
    future_t *futures[LIMIT];
    int kind, i;
    never = check_submit(other, gate_task, &other_gate);
    submit_until_started(pool, &gate, 0);
    submit_until_started(pool, &gate, 1);
    for (kind = 0; kind < KINDS; kind++) {
        task_options_t options = of_kind(kind);
        for (i = 0; i < LIMIT; i++)
            CHECK((futures[i] = pool_submit_with(pool, &options, same, NULL)) != NULL);
        CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EFULL);
        CHECK_OK(future_cancel(futures[0]));
        CHECK_OK(future_release(futures[0]));
        CHECK((futures[0] = pool_submit_with(pool, &options, same, NULL)) != NULL);
        CHECK_REFUSED(pool_submit(pool, same, NULL), OFFGIL_EFULL);
        for (i = 0; i < LIMIT; i++) {
            CHECK_OK(future_cancel(futures[i]));
            CHECK_OK(future_release(futures[i]));
        }
    }
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    gate_open(&other_gate);
    check_take(never);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

static void *submit_each_kind(void *pool) {
    int kind, i;
    for (kind = 0; kind < KINDS; kind++) {
        task_options_t options = of_kind(kind);
        for (i = 0; i < 2 * LIMIT; i++)
            CHECK_OK(pool_spawn_with(pool, &options, same, NULL));
    }
    return pool;
}

static void a_task_of_the_pool_is_never_blocked_or_refused(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = bounded(1, POOL_FULL_BLOCK), *other = pool_create(1);
    never = check_submit(other, gate_task, &gate);
    CHECK_SAME(check_take(check_submit(pool, submit_each_kind, pool)), pool);
    CHECK_OK(pool_shutdown(pool, POOL_CANCEL, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
    gate_open(&gate);
    check_take(never);
    CHECK_OK(pool_destroy(other));
}

static count_t dropped = COUNT_ZERO;

static void drop(void *arg) {
    (void)arg;
    count_add(&dropped, 1);
}

static void *submit_into_full(void *pool) {
    int kind;
    for (kind = 0; kind < KINDS; kind++) {
        task_options_t options = of_kind(kind);
        options.drop_arg = drop;
        CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_ECLOSED);
    }
    return NULL;
}

static void a_shutdown_wakes_who_waits_for_room(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = bounded(1, POOL_FULL_BLOCK);
    pthread_t thread;
    int i;
    never = check_submit(pool, gate_task, &gate);
    count_wait(&gate.started, 1);
    for (i = 0; i < LIMIT; i++)
        CHECK_OK(pool_spawn(pool, same, NULL));
    thread = check_thread(submit_into_full, pool);
    sleep_ns(SOON); /* it waits by now, as a rule */
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    check_join(thread);
    CHECK_EQ(count_get(&dropped), 0);
    gate_open(&gate);
    check_take(never);
    CHECK_OK(pool_destroy(pool));
}

static void room_comes_back_when_deadlines_pass(void) {
    gate_t gate = GATE_CLOSED;
    pool_t *pool = bounded(1, POOL_FULL_BLOCK);
    task_options_t options;
    int i;
    submit_until_started(pool, &gate, 0);
    task_options_init(&options, sizeof options);
    for (i = 0; i < 50 * LIMIT; i++) {
        options.deadline_ns = MILLISECOND / 10;
        options.delay_ns = i % 3 ? 0 : 1000 * SECOND;
        CHECK_OK(pool_spawn_with(pool, &options, same, NULL)); /* blocks until one of the others is late */
    }
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(pool_destroy(pool));
}

static void everything_at_once_works_together(void) {
    enum { TASKS = 600 };
    pool_t *pool = pool_create(2);
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *before = check_submit(pool, same, NULL);
    completion_t completion;
    task_options_t options;
    intptr_t i;
    int seen[TASKS] = {0};
    task_options_init(&options, sizeof options);
    options.name = "everything";
    options.after = &before;
    options.group = group;
    options.queue = queue;
    options.drop_arg = drop;
    options.deadline_ns = 1000 * SECOND;
    for (i = 0; i < TASKS; i++) {
        options.priority = (int32_t)(i % 3) - 1;
        options.blocking = i % 7 == 0;
        options.delay_ns = i % 5 * MILLISECOND / 10;
        options.after_count = i % 2;
        options.tag = (uint64_t)i;
        CHECK_OK(pool_spawn_with(pool, &options, same, pack(i)));
    }
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&dropped), TASKS);
    for (i = 0; i < TASKS; i++) { /* the queue comes before the group's count */
        CHECK_OK(completion_queue_next(queue, 0, &completion, 1, NULL));
        CHECK_EQ(unpack(completion.result), completion.tag);
        CHECK_EQ(seen[completion.tag]++, 0);
    }
    check_take(before);
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(every_kind_of_task_counts_in_a_bounded_queue_until_it_is_canceled),
           TEST(a_task_of_the_pool_is_never_blocked_or_refused), TEST(a_shutdown_wakes_who_waits_for_room),
           TEST(room_comes_back_when_deadlines_pass), TEST(everything_at_once_works_together))
