/* Groups of tasks. */
#include "check.h"

static void *same(void *arg) {
    return arg;
}

static count_t ran = COUNT_ZERO;

static void *step(void *arg) {
    count_add(&ran, 1);
    return arg;
}

static void *fail(void *code) {
    count_add(&ran, 1);
    task_fail((int32_t)unpack(code), code == pack(2) ? "two" : "another");
    return NULL;
}

static void a_wait_ends_when_all_tasks_have(void) {
    pool_t *pool = pool_create(3);
    group_t *group = group_create(pool, NULL);
    int i, round;
    CHECK_OK(group_wait(group, 0)); /* there is none */
    for (round = 1; round <= 20; round++) {
        for (i = 0; i < 500; i++)
            CHECK_OK(group_spawn(group, step, NULL));
        CHECK_OK(group_wait(group, OFFGIL_FOREVER));
        CHECK_EQ(count_get(&ran), round * 500);
    }
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
}

static void the_status_is_that_of_the_lowest_numbered_one_that_failed(void) {
    pool_t *pool = pool_create(3);
    int round;
    for (round = 0; round < 100; round++) {
        group_t *group = group_create(pool, NULL), *below = group_create(pool, group);
        CHECK_OK(group_spawn(group, step, NULL));
        CHECK_OK(group_spawn(below, fail, pack(2)));
        CHECK_OK(group_spawn(group, fail, pack(3)));
        CHECK_OK(group_spawn(below, step, NULL));
        CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), OFFGIL_EFAILED);
        CHECK_EQ(strcmp(offgil_last_message(), "two"), 0);
        CHECK_STATUS(group_wait(below, OFFGIL_FOREVER), OFFGIL_EFAILED);
        CHECK_EQ(count_get(&ran), 4 * (round + 1)); /* all ran to their end */
        CHECK_OK(group_release(below));
        CHECK_OK(group_release(group));
    }
    CHECK_OK(pool_destroy(pool));
}

static void a_timed_wait_gives_up_and_runs_nothing(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    group_t *group = group_create(pool, NULL);
    gate_occupy(&gate, pool, 1);
    CHECK_OK(group_spawn(group, step, NULL));
    CHECK_STATUS(group_wait(group, 0), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(group_wait(group, SOON), OFFGIL_ETIMEDOUT);
    CHECK_EQ(count_get(&ran), 0);
    gate_open(&gate);
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
}

enum { PARTS = 200 };

static void *spawn_parts_and_wait(void *pool) {
    group_t *group = group_create(pool, NULL);
    int i;
    for (i = 0; i < PARTS; i++)
        CHECK_OK(group_spawn(group, step, NULL));
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(group_release(group));
    return pool;
}

/* No other thread can be had: the wait itself must run them. */
static void a_wait_inside_a_task_of_a_pool_of_one_runs_the_parts(void) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.max_spare_threads = 0;
    pool = pool_create_with(&options);
    CHECK_SAME(check_take(check_submit(pool, spawn_parts_and_wait, pool)), pool);
    CHECK_EQ(count_get(&ran), PARTS);
    CHECK_OK(pool_destroy(pool));
}

static void many_parts_are_run_by_one_waiter_in_good_time(void) {
    enum { MANY = 200000 };
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    group_t *group = group_create(pool, NULL);
    int i;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < MANY; i++)
        CHECK_OK(group_spawn(group, step, NULL));
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&ran), MANY);
    gate_open(&gate);
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
}

static group_t *tree_group;

static void *grow(void *levels) {
    count_add(&ran, 1);
    if (levels != NULL) {
        CHECK_OK(group_spawn(tree_group, grow, pack(unpack(levels) - 1)));
        CHECK_OK(group_spawn(tree_group, grow, pack(unpack(levels) - 1)));
    }
    return NULL;
}

static void tasks_of_the_group_may_spawn_into_it_while_it_is_waited_for(void) {
    pool_t *pool = pool_create(2);
    tree_group = group_create(pool, NULL);
    CHECK_OK(group_spawn(tree_group, grow, pack(10)));
    CHECK_OK(group_wait(tree_group, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&ran), 2047);
    CHECK_OK(group_release(tree_group));
    CHECK_OK(pool_destroy(pool));
}

static void *until_canceled(void *started) {
    count_add(started, 1);
    while (!task_is_canceled())
        sleep_ns(MILLISECOND / 10);
    return started;
}

static void a_cancel_reaches_the_whole_subtree_and_nothing_else(void) {
    pool_t *pool = pool_create(2);
    count_t started = COUNT_ZERO;
    group_t *root = group_create(pool, NULL), *top = group_create(pool, root);
    group_t *middle = group_create(pool, top), *bottom = group_create(pool, middle), *late;
    CHECK_OK(group_spawn(bottom, until_canceled, &started));
    CHECK_OK(group_spawn(top, until_canceled, &started));
    count_wait(&started, 2);
    CHECK_OK(group_spawn(root, step, NULL));
    CHECK_OK(group_spawn(bottom, same, NULL));
    CHECK_OK(group_spawn(top, same, NULL));
    CHECK_OK(group_release(middle)); /* what is below it is reached all the same */
    CHECK_OK(group_cancel(top));
    CHECK_STATUS(group_wait(bottom, OFFGIL_FOREVER), OFFGIL_ECANCELED);
    CHECK_STATUS(group_wait(top, OFFGIL_FOREVER), OFFGIL_ECANCELED);
    CHECK_STATUS(group_wait(root, OFFGIL_FOREVER), OFFGIL_ECANCELED);
    CHECK_EQ(count_get(&ran), 1);
    CHECK_STATUS(group_spawn(bottom, step, NULL), OFFGIL_ECANCELED);
    CHECK_STATUS(group_spawn(top, step, NULL), OFFGIL_ECANCELED);
    late = group_create(pool, bottom);
    CHECK_STATUS(group_spawn(late, step, NULL), OFFGIL_ECANCELED);
    CHECK_OK(group_spawn(root, step, NULL));
    CHECK_OK(group_release(late));
    CHECK_OK(group_release(bottom));
    CHECK_OK(group_release(top));
    CHECK_OK(group_release(root));
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&ran), 2);
}

static void a_cancel_reaches_tasks_of_a_group_whose_handle_is_gone(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    group_t *root = group_create(pool, NULL), *below = group_create(pool, root);
    gate_occupy(&gate, pool, 1);
    CHECK_OK(group_spawn(below, step, NULL));
    CHECK_OK(group_release(below));
    CHECK_STATUS(group_wait(root, 0), OFFGIL_ETIMEDOUT); /* it counts */
    CHECK_OK(group_cancel(root));
    CHECK_STATUS(group_wait(root, 0), OFFGIL_ECANCELED);
    gate_open(&gate);
    CHECK_OK(group_release(root));
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&ran), 0);
}

static void a_released_groups_tasks_still_run(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    group_t *group = group_create(pool, NULL);
    gate_occupy(&gate, pool, 1);
    CHECK_OK(group_spawn(group, step, NULL));
    CHECK_OK(group_release(group));
    CHECK_STATUS(group_release(group), OFFGIL_EHANDLE);
    CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), OFFGIL_EHANDLE);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&ran), 1);
}

static void *wait_for_group(void *group) {
    offgil_status status = group_wait(group, OFFGIL_FOREVER);
    CHECK(status == OFFGIL_OK || status == OFFGIL_EHANDLE); /* one that comes too late finds no group */
    return NULL;
}

static void several_threads_may_wait_also_when_it_is_released_meanwhile(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    group_t *group = group_create(pool, NULL);
    pthread_t threads[5];
    size_t i;
    CHECK_OK(group_spawn(group, gate_task, &gate));
    count_wait(&gate.started, 1);
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(wait_for_group, group);
    sleep_ns(SOON); /* they wait by now, as a rule */
    CHECK_OK(group_release(group));
    gate_open(&gate);
    for (i = 0; i < LENGTH(threads); i++)
        check_join(threads[i]);
    CHECK_OK(pool_destroy(pool));
}

static void a_group_outlives_its_pool(void) {
    pool_t *pool = pool_create(1), *other = pool_create(1);
    group_t *group = group_create(pool, NULL), *none;
    CHECK_OK(group_spawn(group, fail, pack(2)));
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_STATUS(group_spawn(group, step, NULL), OFFGIL_EHANDLE);
    none = group_create(other, group); /* another pool's */
    CHECK_REFUSED(none, OFFGIL_EINVAL);
    CHECK_OK(group_cancel(group));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(other));
}

static void a_submit_that_fails_is_no_failure_of_the_group(void) {
    pool_t *pool = pool_create(1), *closed = pool_create(1);
    group_t *group = group_create(closed, NULL), *mine = group_create(pool, NULL);
    task_options_t options;
    future_t *none = NULL;
    task_options_init(&options, sizeof options);
    options.group = group;
    CHECK_REFUSED(pool_submit_with(pool, &options, step, NULL), OFFGIL_EINVAL); /* another pool's */
    options.group = mine;
    options.after = &none;
    options.after_count = 1;
    CHECK_REFUSED(pool_submit_with(pool, &options, step, NULL), OFFGIL_EINVAL);
    CHECK_OK(group_wait(mine, 0));
    CHECK_OK(pool_shutdown(closed, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(group_spawn(group, step, NULL), OFFGIL_ECLOSED);
    CHECK_OK(group_wait(group, 0));
    CHECK_OK(group_release(group));
    CHECK_OK(group_release(mine));
    CHECK_OK(pool_destroy(closed));
    CHECK_OK(pool_destroy(pool));
}

static group_t *raced;

static void *spawn_until_canceled(void *unused) {
    while (group_spawn(raced, same, NULL) == OFFGIL_OK)
        continue;
    CHECK(offgil_last_status() == OFFGIL_ECANCELED || offgil_last_status() == OFFGIL_ECLOSED);
    return unused;
}

static void spawns_that_race_a_cancel_are_all_ended(void) {
    int i;
    for (i = 0; i < 100; i++) {
        pool_t *pool = pool_create(2);
        pthread_t threads[2];
        offgil_status status;
        raced = group_create(pool, NULL);
        threads[0] = check_thread(spawn_until_canceled, NULL);
        threads[1] = check_thread(spawn_until_canceled, NULL);
        sleep_ns(i * MILLISECOND / 100);
        CHECK_OK(i % 2 ? group_cancel(raced) : pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
        check_join(threads[0]);
        check_join(threads[1]);
        status = group_wait(raced, OFFGIL_FOREVER);
        CHECK(status == OFFGIL_OK || (i % 2 && status == OFFGIL_ECANCELED));
        CHECK_OK(group_release(raced));
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_tree_deeper_than_the_stack_is_canceled_and_released(void) {
    enum { DEPTH = 200000 };
    static group_t *groups[DEPTH];
    pool_t *pool = pool_create(1);
    int i;
    for (i = 0; i < DEPTH; i++)
        CHECK((groups[i] = group_create(pool, i ? groups[i - 1] : NULL)) != NULL);
    CHECK_OK(group_cancel(groups[0]));
    CHECK_STATUS(group_spawn(groups[DEPTH - 1], step, NULL), OFFGIL_ECANCELED);
    for (i = 0; i < DEPTH; i++)
        CHECK_OK(group_release(groups[i])); /* the last one brings all the others along */
    CHECK_OK(pool_destroy(pool));
}

static void options_put_a_task_into_a_group(void) {
    pool_t *pool = pool_create(2);
    group_t *group = group_create(pool, NULL);
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.group = group;
    options.delay_ns = MILLISECOND;
    future = pool_submit_with(pool, &options, fail, pack(2));
    CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_STATUS(future_wait(future, 0, NULL), OFFGIL_EFAILED);
    options.delay_ns = 1000 * SECOND;
    CHECK_OK(pool_spawn_with(pool, &options, step, NULL));
    CHECK_OK(group_cancel(group)); /* a held one, too */
    CHECK_STATUS(group_wait(group, 0), OFFGIL_EFAILED);
    CHECK_OK(pool_wait_idle(pool, LONG_ENOUGH));
    CHECK_OK(future_release(future));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(
    TEST(a_wait_ends_when_all_tasks_have), TEST(the_status_is_that_of_the_lowest_numbered_one_that_failed),
    TEST(a_timed_wait_gives_up_and_runs_nothing), TEST(a_wait_inside_a_task_of_a_pool_of_one_runs_the_parts),
    TEST(many_parts_are_run_by_one_waiter_in_good_time),
    TEST(tasks_of_the_group_may_spawn_into_it_while_it_is_waited_for),
    TEST(a_cancel_reaches_the_whole_subtree_and_nothing_else),
    TEST(a_cancel_reaches_tasks_of_a_group_whose_handle_is_gone), TEST(a_released_groups_tasks_still_run),
    TEST(several_threads_may_wait_also_when_it_is_released_meanwhile), TEST(a_group_outlives_its_pool),
    TEST(a_submit_that_fails_is_no_failure_of_the_group), TEST(spawns_that_race_a_cancel_are_all_ended),
    TEST(a_tree_deeper_than_the_stack_is_canceled_and_released), TEST(options_put_a_task_into_a_group))
