/* Waits for a pool to be done that could never end, and what is said of a circle. */
#include "check.h"

/* Tasks of two pools that wait for each other's pool, or for a task there, when they are told to. */
typedef struct {
    count_t begun;
    count_t ready;
    pool_t *pools[3];
    future_t *futures[3];
    offgil_status answers[3];
    char said[200];
} across_t;

#define ACROSS                                                                                               \
    {COUNT_ZERO, COUNT_ZERO, {NULL, NULL, NULL}, {NULL, NULL, NULL}, {OFFGIL_OK, OFFGIL_OK, OFFGIL_OK}, ""}

enum { ZERO, ONE, TWO };

static void begin(across_t *across) {
    count_add(&across->begun, 1);
    count_wait(&across->ready, 1);
}

static void note(across_t *across, int self, offgil_status answer) {
    across->answers[self] = answer;
    if (answer == OFFGIL_EDEADLK)
        strncpy(across->said, offgil_last_message(), sizeof across->said - 1);
}

static void open_pools(across_t *across, uint32_t threads, size_t count) {
    size_t i;
    for (i = 0; i < count; i++) {
        across->pools[i] = pool_create(threads);
        CHECK(across->pools[i] != NULL);
    }
}

/* Waits for all; returns how many were told of a deadlock. */
static int finish(across_t *across, size_t count) {
    int told = 0;
    size_t i;
    count_add(&across->ready, 1);
    for (i = 0; i < count; i++)
        CHECK_OK(future_wait(across->futures[i], OFFGIL_FOREVER, NULL));
    for (i = 0; i < count; i++) {
        CHECK_OK(future_release(across->futures[i]));
        told += across->answers[i] == OFFGIL_EDEADLK;
        if (across->answers[i] != OFFGIL_EDEADLK)
            CHECK_OK(across->answers[i]);
    }
    return told;
}

static void close_pools(across_t *across, size_t count) {
    size_t i;
    for (i = 0; i < count; i++)
        CHECK_OK(pool_destroy(across->pools[i]));
}

static void expect_said(const across_t *across, const char *expected) {
    if (strcmp(across->said, expected) != 0) {
        fprintf(stderr, "it said: %s\n not: %s\n", across->said, expected);
        check_failed(__FILE__, __LINE__, "the message", "");
    }
}

static void *zero_waits_for_idle_one(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ZERO, pool_wait_idle(across->pools[ONE], OFFGIL_FOREVER));
    return NULL;
}

static void *one_waits_for_idle_zero(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, pool_wait_idle(across->pools[ZERO], OFFGIL_FOREVER));
    return NULL;
}

static void *one_waits_for_idle_two(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, pool_wait_idle(across->pools[TWO], OFFGIL_FOREVER));
    return NULL;
}

static void *two_waits_for_zero(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, TWO, future_wait(across->futures[ZERO], OFFGIL_FOREVER, NULL));
    return NULL;
}

static void of_two_tasks_that_wait_for_each_others_pool_to_be_idle_one_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        open_pools(&across, 1 + (uint32_t)round % 2, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_for_idle_zero, &across);
        CHECK_EQ(finish(&across, 2), 1);
        close_pools(&across, 2);
    }
}

static void a_circle_through_three_pools_two_of_them_by_their_idleness_is_seen(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        open_pools(&across, 1 + (uint32_t)round % 2, 3);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_for_idle_two, &across);
        across.futures[TWO] = check_submit(across.pools[TWO], two_waits_for_zero, &across);
        CHECK_EQ(finish(&across, 3), 1);
        close_pools(&across, 3);
    }
}

static void *zero_shuts_down_one(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ZERO, pool_shutdown(across->pools[ONE], POOL_DRAIN, OFFGIL_FOREVER));
    return NULL;
}

static void *one_cancels_zero(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, pool_shutdown(across->pools[ZERO], POOL_CANCEL, OFFGIL_FOREVER));
    return NULL;
}

static void *one_destroys_zero(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, pool_destroy(across->pools[ZERO]));
    return NULL;
}

static void of_two_tasks_that_shut_each_others_pool_down_one_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        open_pools(&across, 1 + (uint32_t)round % 2, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_shuts_down_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_cancels_zero, &across);
        count_wait(&across.begun, 2); /* or zero could be canceled before it begins */
        CHECK_EQ(finish(&across, 2), 1);
        close_pools(&across, 2);
    }
}

static void *nothing(void *arg) {
    return arg;
}

/* Whoever is told may have been asked to destroy: that pool lives on, open. */
static void a_pool_whose_destroy_could_never_end_is_as_it_was(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        offgil_status destroyed;
        open_pools(&across, 1 + (uint32_t)round % 2, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_destroys_zero, &across);
        CHECK_EQ(finish(&across, 2), 1);
        destroyed = across.answers[ONE];
        if (destroyed == OFFGIL_OK) {
            CHECK_STATUS(pool_destroy(across.pools[ZERO]), OFFGIL_EHANDLE);
        } else {
            CHECK_SAME(check_take(check_submit(across.pools[ZERO], nothing, &across)), &across);
            CHECK_OK(pool_destroy(across.pools[ZERO]));
        }
        CHECK_OK(pool_destroy(across.pools[ONE]));
    }
}

static void *wait_for_own_pool(void *arg) {
    across_t *across = arg;
    pool_t *own = across->pools[ZERO];
    char expected[200];
    count_wait(&across->ready, 1);
    CHECK_STATUS(pool_wait_idle(own, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_shutdown(own, POOL_DRAIN, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_shutdown(own, POOL_CANCEL, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    note(across, ZERO, pool_destroy(own));
    snprintf(expected, sizeof expected,
             "a circle of waits: task 0x%" PRIxPTR " -> pool 0x%" PRIxPTR "'s idleness -> task 0x%" PRIxPTR,
             (uintptr_t)across->futures[ZERO], (uintptr_t)own, (uintptr_t)across->futures[ZERO]);
    expect_said(across, expected);
    /* Nothing was changed: the pool still takes tasks, also from threads outside. */
    across->answers[ZERO] = OFFGIL_OK;
    return NULL;
}

static void a_task_that_waits_for_its_own_pool_is_told_and_nothing_is_changed(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        across_t across = ACROSS;
        open_pools(&across, threads, 1);
        across.futures[ZERO] = check_submit(across.pools[ZERO], wait_for_own_pool, &across);
        CHECK_EQ(finish(&across, 1), 0);
        CHECK_SAME(check_take(check_submit(across.pools[ZERO], nothing, &across)), &across);
        close_pools(&across, 1);
    }
}

static void *drain_own_pool(void *arg) {
    across_t *across = arg;
    count_wait(&across->ready, 1);
    CHECK_OK(pool_spawn(across->pools[ZERO], nothing, NULL));
    CHECK_STATUS(pool_shutdown(across->pools[ZERO], POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    CHECK_OK(pool_spawn(across->pools[ZERO], nothing, NULL));
    return NULL;
}

static void a_pool_that_a_task_of_its_own_begins_to_drain_is_drained(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        across_t across = ACROSS;
        open_pools(&across, threads, 1);
        across.futures[ZERO] = check_submit(across.pools[ZERO], drain_own_pool, &across);
        CHECK_EQ(finish(&across, 1), 0);
        CHECK_OK(pool_shutdown(across.pools[ZERO], POOL_DRAIN, OFFGIL_FOREVER));
        close_pools(&across, 1);
    }
}

/* The task of pool zero can't but wait for its parts, so the part is told, when that has begun to wait
 * before. */
static void part_waits_for_idle_zero(void *arg, size_t first, size_t end) {
    across_t *across = arg;
    for (; first < end; first++)
        CHECK_STATUS(pool_wait_idle(across->pools[ZERO], OFFGIL_FOREVER), OFFGIL_EDEADLK);
}

static void *zero_waits_for_parts_in_one(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ZERO, pool_for(across->pools[ONE], 0, 8, 1, part_waits_for_idle_zero, across));
    return NULL;
}

static void a_part_that_waits_for_the_pool_of_the_task_around_it_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        open_pools(&across, 1 + (uint32_t)round % 3, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_parts_in_one, &across);
        CHECK_EQ(finish(&across, 1), 0);
        close_pools(&across, 2);
    }
}

/* A part that a thread from outside runs is of no task, but its pool is not idle before it is. */
static void part_waits_for_zero(void *arg, size_t first, size_t end) {
    across_t *across = arg;
    CHECK_EQ(end - first, 1);
    count_add(&across->ready, 1);
    note(across, ONE, future_wait(across->futures[ZERO], OFFGIL_FOREVER, NULL));
}

static void *zero_waits_for_the_part(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ZERO, pool_wait_idle(across->pools[ONE], OFFGIL_FOREVER));
    return NULL;
}

static void a_part_of_no_task_and_one_that_waits_for_its_pool_are_a_circle(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        open_pools(&across, 2, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_the_part, &across);
        CHECK_OK(pool_for(across.pools[ONE], 0, 1, 1, part_waits_for_zero, &across));
        CHECK_EQ(finish(&across, 1) + (across.answers[ONE] == OFFGIL_EDEADLK), 1);
        close_pools(&across, 2);
    }
}

/* Another pool's idleness is waited for while its tasks wait for this one's: no circle, whatever is queued
 * behind. */
static gate_t late;

static void *one_waits_for_the_late_one(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, future_wait(across->futures[TWO], OFFGIL_FOREVER, NULL));
    return NULL;
}

static void a_wait_for_a_pool_whose_tasks_can_end_is_no_deadlock(void) {
    int round;
    for (round = 0; round < 100; round++) {
        across_t across = ACROSS;
        gate_t closed = GATE_CLOSED;
        late = closed;
        open_pools(&across, 2, 2);
        across.futures[TWO] = check_submit(across.pools[ZERO], gate_task, &late);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_for_the_late_one, &across);
        count_add(&across.ready, 1);
        if (round < 5)
            sleep_ns(MILLISECOND);
        gate_open(&late);
        CHECK_EQ(finish(&across, 3), 0);
        close_pools(&across, 2);
    }
}

static void *one_waits_for_zero(void *arg) {
    across_t *across = arg;
    begin(across);
    note(across, ONE, future_wait(across->futures[ZERO], OFFGIL_FOREVER, NULL));
    return NULL;
}

static void a_wait_for_an_idle_pool_that_is_over_but_has_no_place_yet_closes_no_circle(void) {
    across_t across = ACROSS;
    gate_t first = GATE_CLOSED, second = GATE_CLOSED;
    int blocked;
    open_pools(&across, 1, 2);
    gate_occupy(&first, across.pools[ONE], 1);
    across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
    count_add(&across.ready, 1);
    gate_occupy(&second, across.pools[ZERO], 1); /* it blocks, and this one has its place */
    gate_open(&first);
    do {
        /* If it is told, it came before the other had seen that pool one was idle: at the next one it will
         * have. */
        across.answers[ONE] = OFFGIL_OK;
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_for_zero, &across);
        check_take(check_submit(across.pools[ONE], nothing, NULL)); /* begins when that is told, or blocked */
        blocked = future_get_state(across.futures[ONE]) == FUTURE_RUNNING;
        if (blocked)
            gate_open(&second);
        check_take(across.futures[ONE]);
        CHECK_OK(pool_wait_idle(across.pools[ONE], OFFGIL_FOREVER));
    } while (!blocked);
    CHECK_OK(across.answers[ONE]);
    check_take(across.futures[ZERO]);
    CHECK_OK(across.answers[ZERO]);
    close_pools(&across, 2);
}

static void *zero_waits_for_the_task_in_one(void *arg) {
    across_t *across = arg;
    begin(across);
    across->answers[ZERO] = future_wait(across->futures[TWO], OFFGIL_FOREVER, NULL);
    return NULL;
}

static void *one_waits_until_zero_is_idle(void *arg) {
    across_t *across = arg;
    begin(across);
    across->answers[ONE] = pool_wait_idle(across->pools[ZERO], OFFGIL_FOREVER);
    return NULL;
}

/* Pool one has a single thread and may have no other: blocked, nobody runs what the task of pool zero waits
 * for. */
static void of_a_task_and_one_that_waits_for_its_pool_the_last_to_need_a_thread_is_told(void) {
    int round;
    for (round = 0; round < 200; round++) {
        across_t across = ACROSS;
        pool_options_t options;
        int i, told = 0;
        pool_options_init(&options, sizeof options);
        options.threads = 1;
        options.max_spare_threads = 0;
        across.pools[ZERO] = pool_create(1);
        across.pools[ONE] = pool_create_with(&options);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_the_task_in_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_until_zero_is_idle, &across);
        count_wait(&across.begun, 2);
        across.futures[TWO] = check_submit(across.pools[ONE], nothing, NULL);
        count_add(&across.ready, 1);
        check_take(across.futures[ZERO]);
        check_take(across.futures[ONE]);
        check_take(across.futures[TWO]);
        for (i = ZERO; i <= ONE; i++) {
            told += across.answers[i] == OFFGIL_ETHREAD;
            if (across.answers[i] != OFFGIL_ETHREAD)
                CHECK_OK(across.answers[i]);
        }
        CHECK(told >= 1); /* both, if they ask at the same moment */
        close_pools(&across, 2);
    }
}

static void the_message_names_the_circle_from_who_closes_it_back_to_him(void) {
    int round;
    for (round = 0; round < 100; round++) {
        across_t across = ACROSS;
        char expected[200];
        uintptr_t zero, one;
        open_pools(&across, 1, 2);
        across.futures[ZERO] = check_submit(across.pools[ZERO], zero_waits_for_idle_one, &across);
        across.futures[ONE] = check_submit(across.pools[ONE], one_waits_for_zero, &across);
        zero = (uintptr_t)across.futures[ZERO];
        one = (uintptr_t)across.futures[ONE];
        CHECK_EQ(finish(&across, 2), 1);
        if (across.answers[ZERO] == OFFGIL_EDEADLK)
            snprintf(expected, sizeof expected,
                     "a circle of waits: task 0x%" PRIxPTR " -> pool 0x%" PRIxPTR
                     "'s idleness -> task 0x%" PRIxPTR " -> task 0x%" PRIxPTR,
                     zero, (uintptr_t)across.pools[ONE], one, zero);
        else
            snprintf(expected, sizeof expected,
                     "a circle of waits: task 0x%" PRIxPTR " -> task 0x%" PRIxPTR " -> pool 0x%" PRIxPTR
                     "'s idleness -> task 0x%" PRIxPTR,
                     one, zero, (uintptr_t)across.pools[ONE], one);
        expect_said(&across, expected);
        close_pools(&across, 2);
    }
}

static struct {
    pool_t *outer;
    pool_t *inner;
    count_t done;
} told = {NULL, NULL, COUNT_ZERO};

static void *waits_for_one_of_the_outer_pool(void *arg) {
    check_take(check_submit(told.outer, nothing, NULL));
    return arg;
}

static void wait_for_one_of_the_inner_pool(void *context, offgil_status status, void *result) {
    (void)context;
    (void)result;
    CHECK_OK(status);
    check_take(check_submit(told.inner, waits_for_one_of_the_outer_pool, NULL));
    count_add(&told.done, 1);
}

static void a_callback_on_a_place_of_one_pool_runs_nothing_of_another_that_could_wait_for_that_place(void) {
    gate_t gate = GATE_CLOSED;
    future_t *first;
    told.outer = pool_create(1);
    told.inner = pool_create(2);
    check_take(check_submit(told.inner, nothing, NULL)); /* its threads are up */
    first = check_submit(told.outer, gate_task, &gate);
    CHECK_OK(future_on_done(first, wait_for_one_of_the_inner_pool, NULL));
    gate_open(&gate);
    count_wait(&told.done, 1);
    CHECK_OK(future_release(first));
    CHECK_OK(pool_destroy(told.outer));
    CHECK_OK(pool_destroy(told.inner));
}

CHECK_MAIN(TEST(of_two_tasks_that_wait_for_each_others_pool_to_be_idle_one_is_told),
           TEST(a_circle_through_three_pools_two_of_them_by_their_idleness_is_seen),
           TEST(of_two_tasks_that_shut_each_others_pool_down_one_is_told),
           TEST(a_pool_whose_destroy_could_never_end_is_as_it_was),
           TEST(a_task_that_waits_for_its_own_pool_is_told_and_nothing_is_changed),
           TEST(a_pool_that_a_task_of_its_own_begins_to_drain_is_drained),
           TEST(a_part_that_waits_for_the_pool_of_the_task_around_it_is_told),
           TEST(a_part_of_no_task_and_one_that_waits_for_its_pool_are_a_circle),
           TEST(a_wait_for_a_pool_whose_tasks_can_end_is_no_deadlock),
           TEST(a_wait_for_an_idle_pool_that_is_over_but_has_no_place_yet_closes_no_circle),
           TEST(of_a_task_and_one_that_waits_for_its_pool_the_last_to_need_a_thread_is_told),
           TEST(the_message_names_the_circle_from_who_closes_it_back_to_him),
           TEST(a_callback_on_a_place_of_one_pool_runs_nothing_of_another_that_could_wait_for_that_place))
