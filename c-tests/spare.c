/* Spare threads: what a wait inside a task can't run itself, another thread does, up to max_spare_threads. */
#include "check.h"

static pool_t *open_pool(uint32_t threads, uint32_t max_spare_threads, size_t stack_size) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.max_spare_threads = max_spare_threads;
    options.stack_size = stack_size;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static void *own_thread(void *thread) {
    *(pthread_t *)thread = pthread_self();
    return thread;
}

static void *timed_wait_for_child(void *pool) {
    pthread_t thread;
    future_t *child = check_submit(pool, own_thread, &thread);
    CHECK_OK(future_wait(child, LONG_ENOUGH, NULL));
    CHECK(!pthread_equal(thread, pthread_self()));
    CHECK_OK(future_release(child));
    return pool;
}

static void a_timed_wait_in_a_pool_of_one_leaves_the_child_to_a_spare_thread(void) {
    pool_t *pool = pool_create(1);
    int i;
    for (i = 0; i < 100; i++)
        CHECK_SAME(check_take(check_submit(pool, timed_wait_for_child, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void *wait_for_any_child(void *pool) {
    pthread_t threads[2] = {pthread_self(), pthread_self()};
    future_t *children[2];
    size_t index = 99, i;
    for (i = 0; i < 2; i++)
        children[i] = check_submit(pool, own_thread, &threads[i]);
    CHECK_OK(future_wait_any(children, 2, OFFGIL_FOREVER, &index));
    CHECK(index < 2);
    CHECK(!pthread_equal(threads[index], pthread_self()));
    for (i = 0; i < 2; i++)
        check_take(children[i]);
    return pool;
}

static void wait_any_in_a_pool_of_one_leaves_the_children_to_a_spare_thread(void) {
    pool_t *pool = pool_create(1);
    int i;
    for (i = 0; i < 100; i++)
        CHECK_SAME(check_take(check_submit(pool, wait_for_any_child, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

/* Two pools of one whose tasks wait for each other's: each level blocks a thread for good, so each needs a
 * spare one. */
static struct {
    pool_t *pools[2];
    count_t refused;
    count_t ended;
} ping_pong = {{NULL, NULL}, COUNT_ZERO, COUNT_ZERO};

static void *ping(void *depth) {
    intptr_t below = unpack(depth) - 1;
    void *result = pack(-1);
    if (depth != NULL) {
        future_t *future = check_submit(ping_pong.pools[below % 2], ping, pack(below));
        offgil_status status = future_wait(future, OFFGIL_FOREVER, &result);
        if (status != OFFGIL_OK) {
            CHECK_STATUS(status, OFFGIL_ETHREAD);
            count_add(&ping_pong.refused, 1);
        }
        CHECK_OK(future_release(future));
    }
    count_add(&ping_pong.ended, 1);
    return pack(unpack(result) + 1);
}

static intptr_t play(intptr_t depth, uint32_t max_spare_threads) {
    int64_t ended = count_get(&ping_pong.ended) + depth + 1;
    intptr_t result;
    ping_pong.pools[0] = open_pool(1, max_spare_threads, 65536);
    ping_pong.pools[1] = open_pool(1, max_spare_threads, 65536);
    result = unpack(check_take(check_submit(ping_pong.pools[0], ping, pack(depth))));
    count_wait(&ping_pong.ended, ended); /* those too that nobody could wait for */
    CHECK_OK(pool_destroy(ping_pong.pools[0]));
    CHECK_OK(pool_destroy(ping_pong.pools[1]));
    return result;
}

static void tasks_of_two_pools_may_wait_for_each_other_two_hundred_deep(void) {
    CHECK_EQ(play(200, 256), 200);
    CHECK_EQ(count_get(&ping_pong.refused), 0);
}

static void beyond_the_last_spare_thread_a_wait_says_so_and_does_not_hang(void) {
    play(1000, 16);
    CHECK(count_get(&ping_pong.refused) >= 1);
}

static void without_spare_threads_two_pools_still_answer(void) {
    play(2, 0); /* main -> pool 0 -> pool 1 -> pool 0, whose only thread is taken */
    play(50, 0);
    CHECK(count_get(&ping_pong.refused) >= 1);
}

static void *expect_no_thread_for_any(void *pool) {
    pthread_t thread;
    future_t *child = check_submit(pool, own_thread, &thread);
    CHECK_STATUS(future_wait_any(&child, 1, OFFGIL_FOREVER, NULL), OFFGIL_ETHREAD);
    check_take(child); /* this wait may run it itself */
    CHECK(pthread_equal(thread, pthread_self()));
    return pool;
}

static void wait_any_says_when_no_thread_can_run_a_child(void) {
    pool_t *pool = open_pool(1, 0, 0);
    CHECK_SAME(check_take(check_submit(pool, expect_no_thread_for_any, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void *expect_no_thread_in_time(void *pool) {
    pthread_t thread;
    future_t *child = check_submit(pool, own_thread, &thread);
    offgil_status status = future_wait(child, SOON, NULL);
    CHECK(status == OFFGIL_ETHREAD || status == OFFGIL_ETIMEDOUT);
    check_take(child);
    return pool;
}

static void a_timed_wait_comes_back_when_no_thread_can_run_a_child(void) {
    pool_t *pool = open_pool(1, 0, 0);
    CHECK_SAME(check_take(check_submit(pool, expect_no_thread_in_time, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static count_t too_deep = COUNT_ZERO;
static pool_t *deep_pool;

static void *descend(void *depth) {
    future_t *child;
    offgil_status status;
    if (depth == NULL)
        return NULL;
    child = check_submit(deep_pool, descend, pack(unpack(depth) - 1));
    status = future_wait(child, OFFGIL_FOREVER, NULL);
    if (status != OFFGIL_OK) {
        CHECK_STATUS(status, OFFGIL_ETHREAD);
        count_add(&too_deep, 1);
    }
    CHECK_OK(future_release(child));
    return NULL;
}

static void without_spare_threads_a_short_stack_is_an_answer_and_no_crash(void) {
    deep_pool = open_pool(1, 0, 65536);
    check_take(check_submit(deep_pool, descend, pack(10000)));
    CHECK_OK(pool_destroy(deep_pool));
    CHECK(count_get(&too_deep) >= 1);
}

static void *wait_for_two_children(void *pool) {
    pthread_t threads[2];
    future_t *children[2];
    children[0] = check_submit(pool, own_thread, &threads[0]);
    children[1] = check_submit(pool, own_thread, &threads[1]);
    CHECK_OK(future_wait_all(children, 2, OFFGIL_FOREVER));
    CHECK(pthread_equal(threads[0], pthread_self()) && pthread_equal(threads[1], pthread_self()));
    CHECK_OK(future_release(children[0]));
    CHECK_OK(future_release(children[1]));
    return pool;
}

static void without_spare_threads_children_still_run_inline(void) {
    pool_t *pool = open_pool(1, 0, 0);
    int i;
    for (i = 0; i < 100; i++)
        CHECK_SAME(check_take(check_submit(pool, wait_for_two_children, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    future_t *awaited;
    count_t waiting;
} blocked_t;

static void *wait_for_other_pool(void *arg) {
    blocked_t *blocked = arg;
    count_add(&blocked->waiting, 1);
    CHECK_OK(future_wait(blocked->awaited, OFFGIL_FOREVER, NULL));
    return blocked;
}

/* Sixty bodies of a pool of two blocked at the same time: sixty-two threads, none of them in the way of new
 * work. */
static void many_blocked_bodies_leave_a_pool_of_two_working(void) {
    enum { BLOCKED = 60 };
    pool_t *other = pool_create(1);
    gate_t gate = GATE_CLOSED;
    blocked_t blocked = {NULL, NULL, COUNT_ZERO};
    future_t *futures[BLOCKED];
    pthread_t thread;
    int i;
    blocked.pool = open_pool(2, 256, 65536);
    blocked.awaited = check_submit(other, gate_task, &gate);
    count_wait(&gate.started, 1);
    for (i = 0; i < BLOCKED; i++)
        futures[i] = check_submit(blocked.pool, wait_for_other_pool, &blocked);
    count_wait(&blocked.waiting, BLOCKED);
    for (i = 0; i < 100; i++)
        check_take(check_submit(blocked.pool, own_thread, &thread));
    gate_open(&gate);
    for (i = 0; i < BLOCKED; i++)
        CHECK_SAME(check_take(futures[i]), &blocked);
    check_take(blocked.awaited);
    CHECK_OK(pool_destroy(blocked.pool));
    CHECK_OK(pool_destroy(other));
}

/* What the tests below share: a pool of one without spare threads, a task of its blocking lane at a gate, and
 * how the wait of a body ended. */
typedef struct {
    pool_t *pool;
    group_t *group;
    future_t *at_gate;
    gate_t gate;
    count_t waits;
    offgil_status status;
} last_thread_t;

static void last_thread_init(last_thread_t *last) {
    const last_thread_t zero = {NULL, NULL, NULL, GATE_CLOSED, COUNT_ZERO, OFFGIL_EINVAL};
    task_options_t options;
    *last = zero;
    last->pool = open_pool(1, 0, 0);
    CHECK((last->group = group_create(last->pool, NULL)) != NULL);
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    CHECK((last->at_gate = pool_submit_with(last->pool, &options, gate_task, &last->gate)) != NULL);
    count_wait(&last->gate.started, 1);
}

/* Runs the body, and opens the gate when it is about to wait. */
static void last_thread_run(last_thread_t *last, task_fn body) {
    future_t *future = check_submit(last->pool, body, last);
    count_wait(&last->waits, 1);
    sleep_ns(SOON / 10);
    gate_open(&last->gate);
    check_take(future);
    CHECK_STATUS(last->status, OFFGIL_ETHREAD);
    check_take(last->at_gate);
    CHECK_OK(group_wait(last->group, OFFGIL_FOREVER));
    CHECK_OK(group_release(last->group));
    CHECK_OK(pool_destroy(last->pool));
}

static void *nothing(void *arg) {
    return arg;
}

static void *wait_for_what_comes_after_the_gate(void *arg) {
    last_thread_t *last = arg;
    task_options_t options;
    future_t *after;
    task_options_init(&options, sizeof options);
    options.after = &last->at_gate;
    options.after_count = 1;
    CHECK((after = pool_submit_with(last->pool, &options, nothing, NULL)) != NULL);
    count_add(&last->waits, 1);
    last->status = future_wait(after, OFFGIL_FOREVER, NULL);
    CHECK_OK(future_release(after));
    return NULL;
}

static void a_held_task_that_is_queued_when_the_last_thread_waits_for_it_ends_the_wait(void) {
    last_thread_t last;
    last_thread_init(&last);
    last_thread_run(&last, wait_for_what_comes_after_the_gate);
}

static void *wait_for_the_group_after_the_gate(void *arg) {
    last_thread_t *last = arg;
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.after = &last->at_gate;
    options.after_count = 1;
    options.group = last->group;
    CHECK_OK(pool_spawn_with(last->pool, &options, nothing, NULL));
    count_add(&last->waits, 1);
    last->status = group_wait(last->group, OFFGIL_FOREVER);
    return NULL;
}

static void a_held_task_that_is_queued_when_the_last_thread_waits_for_its_group_ends_the_wait(void) {
    last_thread_t last;
    last_thread_init(&last);
    last_thread_run(&last, wait_for_the_group_after_the_gate);
}

static void *wait_for_the_group_where_nothing_can_be_run(void *arg) {
    last_thread_t *last = arg;
    CHECK_OK(task_block_begin());
    CHECK_OK(group_spawn(last->group, nothing, NULL));
    count_add(&last->waits, 1);
    last->status = group_wait(last->group, OFFGIL_FOREVER);
    CHECK_OK(task_block_end());
    return NULL;
}

static void a_wait_for_a_group_says_when_no_thread_can_run_its_tasks(void) {
    last_thread_t last;
    last_thread_init(&last);
    last_thread_run(&last, wait_for_the_group_where_nothing_can_be_run);
}

static void *lend(void *pool) {
    CHECK_OK(pool_run_worker(pool));
    return NULL;
}

static void *wait_where_nothing_can_be_run(void *pool) {
    future_t *child = check_submit(pool, nothing, NULL);
    CHECK_OK(task_block_begin());
    CHECK_OK(future_wait(child, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_release(child));
    CHECK_OK(task_block_end());
    return NULL;
}

static void a_lent_thread_is_one_that_can_be_waited_for(void) {
    pool_t *pool = open_pool(1, 0, 0);
    pthread_t lent;
    pool_stats_t stats;
    int i;
    for (i = 0; i < 2; i++)
        check_take(check_submit(pool, nothing, NULL));
    lent = check_thread(lend, pool);
    do
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    while (stats.threads_lent == 0);
    for (i = 0; i < 100; i++)
        check_take(check_submit(pool, wait_where_nothing_can_be_run, pool));
    CHECK_OK(pool_destroy(pool));
    check_join(lent);
}

/* A pool of two without spare threads. A task waits for two others, is blocked at the first, and when that
 * has ended runs the second on top of itself. That one blocks, too, and then the pool's other thread: nobody
 * may count on the wait below, which goes on only when the second returns. */
typedef struct {
    pool_t *pool;
    future_t *both[2];
    gate_t first;
    count_t waits, second_runs;
    offgil_status of_waiter, of_second, of_other;
} on_top_t;

static offgil_status block_at_a_child(pool_t *pool) {
    future_t *child = check_submit(pool, nothing, NULL);
    offgil_status status = future_wait_any(&child, 1, OFFGIL_FOREVER, NULL);
    CHECK(status == OFFGIL_OK || status == OFFGIL_ETHREAD);
    CHECK_OK(future_release(child));
    return status;
}

static void *wait_for_both(void *arg) {
    on_top_t *on_top = arg;
    count_add(&on_top->waits, 1);
    on_top->of_waiter = future_wait_all(on_top->both, 2, OFFGIL_FOREVER);
    return NULL;
}

static void *run_on_top(void *arg) {
    on_top_t *on_top = arg;
    count_add(&on_top->second_runs, 1);
    on_top->of_second = block_at_a_child(on_top->pool);
    return NULL;
}

static void *be_the_last(void *arg) {
    on_top_t *on_top = arg;
    int i;
    /* Now and then the waiter finds the second one not queued yet, and leaves it to this thread. */
    for (i = 0; i < 10 && count_get(&on_top->second_runs) == 0; i++)
        sleep_ns(SOON);
    sleep_ns(SOON); /* until it is blocked */
    on_top->of_other = block_at_a_child(on_top->pool);
    return NULL;
}

static void the_last_to_block_is_told_though_what_a_wait_below_another_body_was_blocked_at_has_ended(void) {
    on_top_t on_top = {NULL,       {NULL, NULL}, GATE_CLOSED, COUNT_ZERO,
                       COUNT_ZERO, OFFGIL_OK,    OFFGIL_OK,   OFFGIL_OK};
    task_options_t options;
    future_t *waiter, *other;
    on_top.pool = open_pool(2, 0, 0);
    on_top.both[0] = check_submit(on_top.pool, gate_task, &on_top.first);
    count_wait(&on_top.first.started, 1);
    task_options_init(&options, sizeof options);
    options.after = on_top.both;
    options.after_count = 1;
    on_top.both[1] = check_submit_with(on_top.pool, &options, run_on_top, &on_top);
    waiter = check_submit(on_top.pool, wait_for_both, &on_top);
    count_wait(&on_top.waits, 1);
    sleep_ns(SOON); /* until it is blocked at the first */
    task_options_init(&options, sizeof options);
    options.priority = TASK_HIGH; /* what the first one's thread does next */
    other = check_submit_with(on_top.pool, &options, be_the_last, &on_top);
    gate_open(&on_top.first);
    CHECK_OK(future_wait(waiter, LONG_ENOUGH, NULL)); /* a timed wait runs nothing itself */
    CHECK_OK(future_wait(other, LONG_ENOUGH, NULL));
    CHECK(on_top.of_waiter == OFFGIL_ETHREAD || on_top.of_second == OFFGIL_ETHREAD ||
          on_top.of_other == OFFGIL_ETHREAD);
    CHECK_OK(future_release(waiter));
    CHECK_OK(future_release(other));
    check_take(on_top.both[0]);
    check_take(on_top.both[1]);
    CHECK_OK(pool_destroy(on_top.pool));
}

CHECK_MAIN(TEST(a_timed_wait_in_a_pool_of_one_leaves_the_child_to_a_spare_thread),
           TEST(wait_any_in_a_pool_of_one_leaves_the_children_to_a_spare_thread),
           TEST(tasks_of_two_pools_may_wait_for_each_other_two_hundred_deep),
           TEST(beyond_the_last_spare_thread_a_wait_says_so_and_does_not_hang),
           TEST(without_spare_threads_two_pools_still_answer),
           TEST(wait_any_says_when_no_thread_can_run_a_child),
           TEST(a_timed_wait_comes_back_when_no_thread_can_run_a_child),
           TEST(without_spare_threads_a_short_stack_is_an_answer_and_no_crash),
           TEST(without_spare_threads_children_still_run_inline),
           TEST(many_blocked_bodies_leave_a_pool_of_two_working),
           TEST(a_held_task_that_is_queued_when_the_last_thread_waits_for_it_ends_the_wait),
           TEST(a_held_task_that_is_queued_when_the_last_thread_waits_for_its_group_ends_the_wait),
           TEST(a_wait_for_a_group_says_when_no_thread_can_run_its_tasks),
           TEST(a_lent_thread_is_one_that_can_be_waited_for),
           TEST(the_last_to_block_is_told_though_what_a_wait_below_another_body_was_blocked_at_has_ended))
