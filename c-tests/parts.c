/* Parts of parallel calls that run on other threads than the call's: they belong to the task that made it. */
#include "check.h"

static pool_t *pool;

/* Two parts at the same time, so on two threads; then each says whether it was asked to stop. */
typedef struct {
    pthread_t caller;
    count_t started;
    count_t canceled;
    count_t asked;
    count_t asked_elsewhere;
} parts_t;

static parts_t parts;
static const parts_t no_parts = {.started = COUNT_ZERO, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO};

static void *part(void *arg) {
    int asked;
    CHECK_EQ(task_is_canceled(), 0);
    count_add(&parts.started, 1);
    count_wait(&parts.canceled, 1);
    asked = task_is_canceled();
    count_add(&parts.asked, asked);
    if (!pthread_equal(pthread_self(), parts.caller))
        count_add(&parts.asked_elsewhere, asked);
    return arg;
}

static void range_part(void *context, size_t begin, size_t end) {
    CHECK_EQ(end - begin, 1);
    part(context);
}

static void reduce_part(void *context, size_t begin, size_t end, void *accumulator) {
    (void)accumulator;
    range_part(context, begin, end);
}

static void combine(void *context, void *into, const void *from) {
    (void)context, (void)into, (void)from;
}

static void *calls_for(void *on) {
    parts.caller = pthread_self();
    CHECK_OK(pool_for(on, 0, 2, 1, range_part, NULL));
    return NULL;
}

static void *calls_map(void *on) {
    void *args[2] = {NULL, NULL};
    parts.caller = pthread_self();
    CHECK_OK(pool_map(on, part, args, NULL, 2));
    return NULL;
}

static void *calls_reduce(void *on) {
    char sum = 0;
    parts.caller = pthread_self();
    CHECK_OK(pool_reduce(on, 0, 2, 1, reduce_part, combine, NULL, &sum, sizeof sum));
    return NULL;
}

static void *calls_invoke(void *on) {
    parts.caller = pthread_self();
    CHECK_OK(pool_invoke(on, part, NULL, part, NULL));
    return NULL;
}

static const task_fn calls[] = {calls_for, calls_map, calls_reduce, calls_invoke};

static void a_task_that_is_canceled_is_so_in_its_parts_on_other_threads(void) {
    size_t i;
    pool = pool_create(3);
    for (i = 0; i < LENGTH(calls); i++) {
        future_t *future;
        parts = no_parts;
        future = check_submit(pool, calls[i], pool);
        count_wait(&parts.started, 2);
        CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
        count_add(&parts.canceled, 1);
        check_take(future);
        CHECK_EQ(count_get(&parts.asked), 2);
        CHECK_EQ(count_get(&parts.asked_elsewhere), 1);
    }
    CHECK_OK(pool_destroy(pool));
}

static void so_it_is_when_a_group_above_its_own_is_canceled(void) {
    size_t i;
    pool = pool_create(3);
    for (i = 0; i < LENGTH(calls); i++) {
        group_t *above = group_create(pool, NULL), *group = group_create(pool, above);
        parts = no_parts;
        CHECK_OK(group_spawn(group, calls[i], pool));
        count_wait(&parts.started, 2);
        CHECK_OK(group_cancel(above));
        count_add(&parts.canceled, 1);
        CHECK_OK(group_wait(above, OFFGIL_FOREVER));
        CHECK_EQ(count_get(&parts.asked), 2);
        CHECK_EQ(count_get(&parts.asked_elsewhere), 1);
        CHECK_OK(group_release(group));
        CHECK_OK(group_release(above));
    }
    CHECK_OK(pool_destroy(pool));
}

static void so_it_is_in_parts_that_another_pool_runs(void) {
    size_t i;
    for (i = 0; i < 2 * LENGTH(calls); i++) {
        pool_t *on = pool_create(2);
        future_t *future;
        parts = no_parts;
        pool = pool_create(1);
        future = check_submit(pool, calls[i / 2], on);
        count_wait(&parts.started, 2);
        if (i % 2 == 0)
            CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
        else
            CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
        count_add(&parts.canceled, 1);
        check_take(future);
        CHECK_EQ(count_get(&parts.asked), 2);
        CHECK_EQ(count_get(&parts.asked_elsewhere), 2);
        CHECK_OK(pool_destroy(pool));
        CHECK_OK(pool_destroy(on));
    }
}

static void forks_in_range(void *context, size_t begin, size_t end) {
    CHECK_EQ(end - begin, 1);
    CHECK_OK(pool_invoke(pool, part, context, part, context));
}

static void *calls_for_that_forks(void *arg) {
    parts.caller = pthread_self();
    CHECK_OK(pool_for(pool, 0, 2, 1, forks_in_range, NULL));
    return arg;
}

static void *calls_both(void *arg) {
    CHECK_OK(pool_invoke(pool, calls_for_that_forks, arg, calls_for_that_forks, arg));
    return arg;
}

static void so_it_is_in_parts_of_parts(void) {
    future_t *future;
    pool = pool_create(8);
    parts = no_parts;
    future = check_submit(pool, calls_both, NULL);
    count_wait(&parts.started, 8);
    CHECK_STATUS(future_cancel(future), OFFGIL_EBUSY);
    count_add(&parts.canceled, 1);
    check_take(future);
    CHECK_EQ(count_get(&parts.asked), 8);
    CHECK_OK(pool_destroy(pool));
}

/* A task that another one's half runs in a wait, and whose own half is stolen. */

typedef struct {
    gate_t gate;
    future_t *inner;
    int asked_after;
} nested_t;

static nested_t nested;

static void *forks_when_there_is_a_thief(void *arg) {
    parts.caller = pthread_self();
    gate_open(&nested.gate);
    CHECK_OK(pool_invoke(pool, part, NULL, part, NULL));
    return arg;
}

static void *runs_an_inner_task(void *arg) {
    nested.inner = check_submit(pool, forks_when_there_is_a_thief, arg);
    CHECK_OK(future_wait(nested.inner, OFFGIL_FOREVER, NULL));
    nested.asked_after = task_is_canceled();
    return arg;
}

static void *nothing(void *arg) {
    return arg;
}

static void *runs_an_inner_task_in_a_half(void *arg) {
    CHECK_OK(pool_invoke(pool, runs_an_inner_task, arg, nothing, arg));
    return arg;
}

static void a_half_belongs_to_the_inner_of_two_tasks_on_a_stack(void) {
    int cancel_inner;
    for (cancel_inner = 0; cancel_inner <= 1; cancel_inner++) {
        const nested_t closed = {GATE_CLOSED, NULL, 0};
        future_t *outer;
        nested = closed;
        parts = no_parts;
        pool = pool_create(2);
        gate_occupy(&nested.gate, pool, 1);
        outer = check_submit(pool, runs_an_inner_task_in_a_half, NULL);
        count_wait(&parts.started, 2);
        CHECK_STATUS(future_cancel(cancel_inner ? nested.inner : outer), OFFGIL_EBUSY);
        count_add(&parts.canceled, 1);
        check_take(outer);
        CHECK_EQ(count_get(&parts.asked), cancel_inner ? 2 : 0);
        CHECK_EQ(nested.asked_after, !cancel_inner);
        CHECK_OK(future_release(nested.inner));
        CHECK_OK(pool_destroy(pool));
    }
}

/* Failures. */

static void *part_that_fails(void *arg) {
    count_add(&parts.started, 1);
    count_wait(&parts.started, 2);
    if (!pthread_equal(pthread_self(), parts.caller))
        CHECK_OK(task_fail(7, "elsewhere"));
    return arg;
}

static void range_that_fails(void *context, size_t begin, size_t end) {
    CHECK_EQ(end - begin, 1);
    part_that_fails(context);
}

static void reduce_that_fails(void *context, size_t begin, size_t end, void *accumulator) {
    (void)accumulator;
    range_that_fails(context, begin, end);
}

static void *calls_in_vain(void *which) {
    void *args[2] = {NULL, NULL};
    char sum = 0;
    offgil_status status;
    parts.caller = pthread_self();
    switch (unpack(which)) {
    case 0:
        status = pool_for(pool, 0, 2, 1, range_that_fails, NULL);
        break;
    case 1:
        status = pool_map(pool, part_that_fails, args, NULL, 2);
        break;
    case 2:
        status = pool_reduce(pool, 0, 2, 1, reduce_that_fails, combine, NULL, &sum, sizeof sum);
        break;
    default:
        status = pool_invoke(pool, part_that_fails, NULL, part_that_fails, NULL);
    }
    CHECK_STATUS(status, OFFGIL_EFAILED);
    CHECK_EQ(strcmp(offgil_last_message(), "elsewhere"), 0);
    return which;
}

static void a_part_that_fails_on_another_thread_fails_the_call_and_not_the_task(void) {
    intptr_t i;
    pool = pool_create(3);
    for (i = 0; i < 4; i++) {
        parts = no_parts;
        CHECK_EQ(unpack(check_take(check_submit(pool, calls_in_vain, pack(i)))), i);
    }
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_task_that_is_canceled_is_so_in_its_parts_on_other_threads),
           TEST(so_it_is_when_a_group_above_its_own_is_canceled),
           TEST(so_it_is_in_parts_that_another_pool_runs), TEST(so_it_is_in_parts_of_parts),
           TEST(a_half_belongs_to_the_inner_of_two_tasks_on_a_stack),
           TEST(a_part_that_fails_on_another_thread_fails_the_call_and_not_the_task))
