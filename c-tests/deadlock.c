/* Waits that could never end: who closes a circle is told so at once, and nobody else is. */
#include "check.h"

/* Up to three tasks that know each other's futures, and start to wait for them when they are told to. */
typedef struct {
    count_t ready; /* the futures are there */
    count_t waits; /* tasks at their wait */
    future_t *futures[3];
    offgil_status answers[3];
    gate_t gate;
} circle_t;

#define CIRCLE {COUNT_ZERO, COUNT_ZERO, {NULL, NULL, NULL}, {OFFGIL_OK, OFFGIL_OK, OFFGIL_OK}, GATE_CLOSED}

static void ask(circle_t *circle, size_t self, size_t other, int64_t timeout_ns) {
    count_wait(&circle->ready, 1);
    count_add(&circle->waits, 1);
    circle->answers[self] = future_wait(circle->futures[other], timeout_ns, NULL);
}

static void *zero_waits_for_zero(void *circle) {
    ask(circle, 0, 0, OFFGIL_FOREVER);
    return NULL;
}

static void *zero_waits_for_one(void *circle) {
    ask(circle, 0, 1, OFFGIL_FOREVER);
    return NULL;
}

static void *one_waits_for_zero(void *circle) {
    ask(circle, 1, 0, OFFGIL_FOREVER);
    return NULL;
}

static void *one_waits_for_two(void *circle) {
    ask(circle, 1, 2, OFFGIL_FOREVER);
    return NULL;
}

static void *two_waits_for_zero(void *circle) {
    ask(circle, 2, 0, OFFGIL_FOREVER);
    return NULL;
}

static void take_all(circle_t *circle, size_t count) {
    size_t i;
    count_add(&circle->ready, 1);
    for (i = 0; i < count; i++)
        CHECK_OK(future_wait(circle->futures[i], OFFGIL_FOREVER, NULL));
    for (i = 0; i < count; i++)
        CHECK_OK(future_release(circle->futures[i]));
}

static void expect_one_deadlock_among(const circle_t *circle, size_t count) {
    size_t i, deadlocks = 0;
    for (i = 0; i < count; i++) {
        deadlocks += circle->answers[i] == OFFGIL_EDEADLK;
        if (circle->answers[i] != OFFGIL_EDEADLK)
            CHECK_OK(circle->answers[i]);
    }
    CHECK_EQ(deadlocks, 1);
}

static void a_task_that_waits_for_itself_is_told(void) {
    uint32_t threads;
    for (threads = 1; threads <= 2; threads++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(threads);
        circle.futures[0] = check_submit(pool, zero_waits_for_zero, &circle);
        take_all(&circle, 1);
        CHECK_STATUS(circle.answers[0], OFFGIL_EDEADLK);
        CHECK_OK(pool_destroy(pool));
    }
}

static void of_two_tasks_that_wait_for_each_other_one_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(1 + (uint32_t)round % 3);
        circle.futures[0] = check_submit(pool, zero_waits_for_one, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_zero, &circle);
        take_all(&circle, 2);
        expect_one_deadlock_among(&circle, 2);
        CHECK_OK(pool_destroy(pool));
    }
}

static void of_three_tasks_in_a_circle_one_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(1 + (uint32_t)round % 4);
        circle.futures[0] = check_submit(pool, zero_waits_for_one, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_two, &circle);
        circle.futures[2] = check_submit(pool, two_waits_for_zero, &circle);
        take_all(&circle, 3);
        expect_one_deadlock_among(&circle, 3);
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_circle_through_two_pools_is_seen(void) {
    int round;
    for (round = 0; round < 100; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(1), *other = pool_create(1);
        circle.futures[0] = check_submit(pool, zero_waits_for_one, &circle);
        circle.futures[1] = check_submit(other, one_waits_for_zero, &circle);
        take_all(&circle, 2);
        expect_one_deadlock_among(&circle, 2);
        CHECK_OK(pool_destroy(pool));
        CHECK_OK(pool_destroy(other));
    }
}

static void *zero_waits_for_all(void *arg) {
    circle_t *circle = arg;
    count_wait(&circle->ready, 1);
    circle->answers[0] = future_wait_all(circle->futures, 3, OFFGIL_FOREVER);
    return NULL;
}

static void a_wait_for_all_with_oneself_among_them_is_told(void) {
    circle_t circle = CIRCLE;
    pool_t *pool = pool_create(2);
    circle.futures[0] = check_submit(pool, zero_waits_for_all, &circle);
    circle.futures[1] = check_submit(pool, gate_task, &circle.gate);
    circle.futures[2] = check_submit(pool, gate_task, &circle.gate);
    count_wait(&circle.gate.started, 1);
    count_add(&circle.ready, 1);
    CHECK_OK(future_wait(circle.futures[0], OFFGIL_FOREVER, NULL)); /* at once: the gate is still closed */
    CHECK_STATUS(circle.answers[0], OFFGIL_EDEADLK);
    gate_open(&circle.gate);
    take_all(&circle, 3);
    CHECK_OK(pool_destroy(pool));
}

static void *zero_waits_for_the_gate_and_one(void *arg) {
    circle_t *circle = arg;
    future_t *futures[2];
    count_wait(&circle->ready, 1);
    futures[0] = circle->futures[2];
    futures[1] = circle->futures[1];
    circle->answers[0] = future_wait_all(futures, 2, OFFGIL_FOREVER);
    count_add(&circle->waits, circle->answers[0] == OFFGIL_EDEADLK);
    return NULL;
}

static void *one_waits_for_zero_and_says_so(void *arg) {
    circle_t *circle = arg;
    count_wait(&circle->ready, 1);
    circle->answers[1] = future_wait(circle->futures[0], OFFGIL_FOREVER, NULL);
    count_add(&circle->waits, circle->answers[1] == OFFGIL_EDEADLK);
    return NULL;
}

static void a_circle_over_the_last_of_a_wait_for_all_is_seen_before_the_first_has_ended(void) {
    int round;
    for (round = 0; round < 200; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(3);
        circle.futures[0] = check_submit(pool, zero_waits_for_the_gate_and_one, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_zero_and_says_so, &circle);
        circle.futures[2] = check_submit(pool, gate_task, &circle.gate);
        count_wait(&circle.gate.started, 1);
        count_add(&circle.ready, 1);
        count_wait(&circle.waits, 1);
        gate_open(&circle.gate);
        take_all(&circle, 3);
        expect_one_deadlock_among(&circle, 2);
        CHECK_OK(pool_destroy(pool));
    }
}

static void what_comes_after_a_stale_handle_in_a_wait_for_all_is_not_looked_at(void) {
    circle_t circle = CIRCLE;
    pool_t *pool = pool_create(2);
    circle.futures[0] = check_submit(pool, zero_waits_for_all, &circle);
    circle.futures[1] = check_submit(pool, gate_task, &circle.gate);
    circle.futures[2] = circle.futures[0];
    circle.futures[0] = check_submit(pool, gate_task, &circle.gate);
    gate_open(&circle.gate);
    CHECK_OK(future_release(circle.futures[1]));
    count_add(&circle.ready, 1);
    CHECK_OK(future_wait(circle.futures[2], OFFGIL_FOREVER, NULL));
    CHECK_STATUS(circle.answers[0], OFFGIL_EHANDLE);
    CHECK_OK(future_release(circle.futures[0]));
    CHECK_OK(future_release(circle.futures[2]));
    CHECK_OK(pool_destroy(pool));
}

static void *zero_waits_for_any(void *arg) {
    circle_t *circle = arg;
    count_wait(&circle->ready, 1);
    count_add(&circle->waits, 1);
    circle->answers[0] = future_wait_any(circle->futures + 1, 2, OFFGIL_FOREVER, NULL);
    return NULL;
}

static void an_any_wait_with_a_way_out_is_no_deadlock(void) {
    int round;
    for (round = 0; round < 50; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(3);
        circle.futures[0] = check_submit(pool, zero_waits_for_any, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_zero, &circle);
        circle.futures[2] = check_submit(pool, gate_task, &circle.gate);
        count_wait(&circle.gate.started, 1);
        count_add(&circle.ready, 1);
        count_wait(&circle.waits, 2);
        if (round < 5)
            sleep_ns(MILLISECOND);
        CHECK_EQ(future_get_state(circle.futures[0]), FUTURE_RUNNING);
        gate_open(&circle.gate);
        take_all(&circle, 3);
        CHECK_OK(circle.answers[0]);
        CHECK_OK(circle.answers[1]);
        CHECK_OK(pool_destroy(pool));
    }
}

static void an_any_wait_with_every_branch_caught_is_a_deadlock(void) {
    int round;
    for (round = 0; round < 100; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(3);
        circle.futures[0] = check_submit(pool, zero_waits_for_any, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_zero, &circle);
        circle.futures[2] = check_submit(pool, two_waits_for_zero, &circle);
        take_all(&circle, 3);
        expect_one_deadlock_among(&circle, 3);
        CHECK_OK(pool_destroy(pool));
    }
}

static void *waits_for_itself_for_a_while(void *circle) {
    ask(circle, 0, 0, MILLISECOND);
    return NULL;
}

static void a_timed_wait_for_oneself_times_out(void) {
    circle_t circle = CIRCLE;
    pool_t *pool = pool_create(1);
    circle.futures[0] = check_submit(pool, waits_for_itself_for_a_while, &circle);
    take_all(&circle, 1);
    CHECK_STATUS(circle.answers[0], OFFGIL_ETIMEDOUT);
    CHECK_OK(pool_destroy(pool));
}

static void *one_waits_for_zero_for_a_while(void *circle) {
    ask(circle, 1, 0, MILLISECOND);
    return NULL;
}

static void a_timed_wait_closes_no_circle(void) {
    int round;
    for (round = 0; round < 50; round++) {
        circle_t circle = CIRCLE;
        pool_t *pool = pool_create(2);
        circle.futures[0] = check_submit(pool, zero_waits_for_one, &circle);
        circle.futures[1] = check_submit(pool, one_waits_for_zero_for_a_while, &circle);
        take_all(&circle, 2);
        CHECK_OK(circle.answers[0]);
        CHECK(circle.answers[1] == OFFGIL_ETIMEDOUT || circle.answers[1] == OFFGIL_OK);
        CHECK_OK(pool_destroy(pool));
    }
}

static void part_waits_for_zero(void *arg, size_t begin, size_t end) {
    circle_t *circle = arg;
    for (; begin < end; begin++)
        CHECK_STATUS(future_wait(circle->futures[0], OFFGIL_FOREVER, NULL), OFFGIL_EDEADLK);
}

static void *half_waits_for_zero(void *circle) {
    part_waits_for_zero(circle, 0, 1);
    return NULL;
}

static pool_t *parts_pool;

static void *wait_in_parts(void *circle) {
    count_wait(&((circle_t *)circle)->ready, 1);
    CHECK_OK(pool_for(parts_pool, 0, 8, 1, part_waits_for_zero, circle));
    CHECK_OK(pool_invoke(parts_pool, half_waits_for_zero, circle, half_waits_for_zero, circle));
    return NULL;
}

/* Whether the part runs on the stack of the task or on another thread. */
static void a_part_that_waits_for_the_task_around_it_is_told(void) {
    int round;
    for (round = 0; round < 100; round++) {
        circle_t circle = CIRCLE;
        parts_pool = pool_create(1 + (uint32_t)round % 3);
        circle.futures[0] = check_submit(parts_pool, wait_in_parts, &circle);
        take_all(&circle, 1);
        CHECK_OK(pool_destroy(parts_pool));
    }
}

/* A graph without circles: each task waits for three random ones of lower numbers, in some way. */
enum { NODES = 1500 };

static struct {
    future_t *futures[NODES];
    unsigned ways;
} graph;

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

static void *graph_node(void *number) {
    size_t self = (size_t)unpack(number), i;
    unsigned random = (unsigned)self;
    future_t *lower[3];
    if (self == 0)
        return number;
    for (i = 0; i < LENGTH(lower); i++)
        lower[i] = graph.futures[next_random(&random) % self];
    switch (next_random(&random) % graph.ways) {
    case 0:
        CHECK_OK(future_wait_all(lower, LENGTH(lower), OFFGIL_FOREVER));
        break;
    case 2:
        CHECK_OK(future_wait_any(lower, LENGTH(lower), OFFGIL_FOREVER, NULL));
        break;
    case 3:
        CHECK_OK(future_wait(lower[0], LONG_ENOUGH, NULL));
        break;
    default:
        for (i = 0; i < LENGTH(lower); i++)
            CHECK_OK(future_wait(lower[i], OFFGIL_FOREVER, NULL));
    }
    return number;
}

static void take_graph(void) {
    intptr_t i;
    for (i = 0; i < NODES; i++)
        CHECK_OK(future_wait(graph.futures[i], OFFGIL_FOREVER, NULL));
    for (i = 0; i < NODES; i++)
        CHECK_OK(future_release(graph.futures[i]));
}

/* As children of one task: the newest is taken first, so that what it waits for is still queued. */
static void *submit_graph(void *pool) {
    intptr_t i;
    for (i = 0; i < NODES; i++)
        graph.futures[i] = check_submit(pool, graph_node, pack(i));
    return pool;
}

static void a_random_graph_without_circles_raises_no_false_alarm(void) {
    uint32_t threads;
    graph.ways = 2; /* endless waits alone */
    for (threads = 1; threads <= 4; threads++) {
        pool_t *pool = pool_create(threads);
        CHECK_SAME(check_take(check_submit(pool, submit_graph, pool)), pool);
        take_graph();
        CHECK_OK(pool_destroy(pool));
    }
}

/* A spare thread for each node, should they all be blocked: what matters here are the answers. */
static pool_t *pool_with_room_for_all(uint32_t threads) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.max_spare_threads = NODES;
    options.stack_size = 65536;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static void a_random_graph_over_two_pools_raises_no_false_alarm(void) {
    uint32_t threads;
    graph.ways = 4;
    for (threads = 1; threads <= 3; threads++) {
        pool_t *pools[2];
        gate_t gates[2] = {GATE_CLOSED, GATE_CLOSED};
        intptr_t i;
        for (i = 0; i < 2; i++) {
            pools[i] = pool_with_room_for_all(threads);
            gate_occupy(&gates[i], pools[i], (int)threads);
        }
        for (i = 0; i < NODES; i++)
            graph.futures[i] = check_submit(pools[i / 8 % 2], graph_node, pack(i));
        gate_open(&gates[0]);
        gate_open(&gates[1]);
        take_graph();
        CHECK_OK(pool_destroy(pools[0]));
        CHECK_OK(pool_destroy(pools[1]));
    }
}

typedef struct {
    pool_t *pool;
    future_t *first, *me, *other, *held;
    gate_t gate, other_gate;
    count_t ready;
} held_by_waiter_t;

static void *wait_for_all_at_once(void *arg) {
    held_by_waiter_t *test = arg;
    future_t *both[2];
    count_wait(&test->ready, 1);
    both[0] = test->first;
    both[1] = test->held;
    CHECK_STATUS(future_wait_all(both, 2, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    return NULL;
}

/* The wait is for a task that is still at its gate, and for one that comes after the waiter or another; when
 * that other has ended well, the wait can't end any more. */
static void a_wait_for_all_learns_of_a_circle_while_it_waits_for_an_earlier_one(void) {
    held_by_waiter_t test = {NULL, NULL, NULL, NULL, NULL, GATE_CLOSED, GATE_CLOSED, COUNT_ZERO};
    task_options_t options;
    future_t *after[2];
    CHECK((test.pool = pool_create(4)) != NULL);
    test.first = check_submit(test.pool, gate_task, &test.gate);
    test.other = check_submit(test.pool, gate_task, &test.other_gate);
    test.me = check_submit(test.pool, wait_for_all_at_once, &test);
    after[0] = test.me;
    after[1] = test.other;
    task_options_init(&options, sizeof options);
    options.after = after;
    options.after_count = 2;
    CHECK((test.held = pool_submit_with(test.pool, &options, gate_task, &test.gate)) != NULL);
    count_wait(&test.gate.started, 1);
    count_add(&test.ready, 1);
    sleep_ns(SOON);
    gate_open(&test.other_gate);
    check_take(test.me);
    gate_open(&test.gate);
    check_take(test.first);
    check_take(test.other);
    check_take(test.held);
    CHECK_OK(pool_destroy(test.pool));
}

CHECK_MAIN(TEST(a_wait_for_all_learns_of_a_circle_while_it_waits_for_an_earlier_one),
           TEST(a_task_that_waits_for_itself_is_told),
           TEST(of_two_tasks_that_wait_for_each_other_one_is_told),
           TEST(of_three_tasks_in_a_circle_one_is_told), TEST(a_circle_through_two_pools_is_seen),
           TEST(a_wait_for_all_with_oneself_among_them_is_told),
           TEST(a_circle_over_the_last_of_a_wait_for_all_is_seen_before_the_first_has_ended),
           TEST(what_comes_after_a_stale_handle_in_a_wait_for_all_is_not_looked_at),
           TEST(an_any_wait_with_a_way_out_is_no_deadlock),
           TEST(an_any_wait_with_every_branch_caught_is_a_deadlock), TEST(a_timed_wait_for_oneself_times_out),
           TEST(a_timed_wait_closes_no_circle), TEST(a_part_that_waits_for_the_task_around_it_is_told),
           TEST(a_random_graph_without_circles_raises_no_false_alarm),
           TEST(a_random_graph_over_two_pools_raises_no_false_alarm))
