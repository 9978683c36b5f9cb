/* The lanes of a pool (task_options_t.priority). */
#include "check.h"

enum { EACH = 20, LOAD = 1000 };

static struct {
    pthread_mutex_t lock;
    intptr_t ran[4 * LOAD];
    int count;
} list = {PTHREAD_MUTEX_INITIALIZER, {0}, 0};

static void *note(void *number) {
    pthread_mutex_lock(&list.lock);
    list.ran[list.count++] = unpack(number);
    pthread_mutex_unlock(&list.lock);
    return number;
}

static void spawn(pool_t *pool, int32_t priority, task_fn fn, void *arg) {
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.priority = priority;
    CHECK_OK(pool_spawn_with(pool, &options, fn, arg));
}

static void high_before_normal_before_low_each_in_its_order(void) {
    const int32_t priorities[] = {TASK_LOW, TASK_NORMAL, TASK_HIGH};
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    int i, j;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < EACH; i++)
        for (j = 0; j < 3; j++)
            spawn(pool, priorities[j], note, pack((2 - j) * EACH + i));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(list.count, 3 * EACH);
    for (i = 0; i < 3 * EACH; i++)
        CHECK_EQ(list.ran[i], i);
    CHECK_OK(pool_destroy(pool));
}

static void the_newest_comes_first_in_each_lane_of_a_lifo_pool(void) {
    pool_options_t options;
    pool_t *pool;
    gate_t gate = GATE_CLOSED;
    int i;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.order = POOL_LIFO;
    pool = pool_create_with(&options);
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < EACH; i++) {
        spawn(pool, TASK_LOW, note, pack(2 * EACH - 1 - i));
        spawn(pool, TASK_HIGH, note, pack(EACH - 1 - i));
    }
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    for (i = 0; i < 2 * EACH; i++)
        CHECK_EQ(list.ran[i], i);
    CHECK_OK(pool_destroy(pool));
}

static void *spawn_a_child_and_a_high_one(void *pool) {
    CHECK_OK(pool_spawn(pool, note, pack(2)));
    spawn(pool, TASK_LOW, note, pack(3));
    spawn(pool, TASK_HIGH, note, pack(1));
    return NULL;
}

static void high_comes_before_a_workers_own_children_and_low_after(void) {
    pool_t *pool = pool_create(1);
    int i;
    CHECK_OK(pool_spawn(pool, spawn_a_child_and_a_high_one, pool));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(list.count, 3);
    for (i = 0; i < 3; i++)
        CHECK_EQ(list.ran[i], i + 1);
    CHECK_OK(pool_destroy(pool));
}

static int low_ran;

static void *end_the_load(void *unused) {
    __atomic_store_n(&low_ran, 1, __ATOMIC_RELAXED);
    return unused;
}

static int32_t load_priority;

/* There is always another one before the low one: without its turn it would never run. */
static void *go_on(void *pool) {
    if (!__atomic_load_n(&low_ran, __ATOMIC_RELAXED))
        spawn(pool, load_priority, go_on, pool);
    return NULL;
}

static void low_runs_under_constant_load(int32_t priority) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    load_priority = priority;
    gate_occupy(&gate, pool, 1);
    spawn(pool, TASK_LOW, end_the_load, NULL);
    spawn(pool, priority, go_on, pool);
    spawn(pool, priority, go_on, pool);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void low_still_runs_under_a_constant_load_of_normal_tasks(void) {
    low_runs_under_constant_load(TASK_NORMAL);
}

static void low_still_runs_under_a_constant_load_of_high_tasks(void) {
    low_runs_under_constant_load(TASK_HIGH);
}

static void normal_still_runs_among_many_high_tasks(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    int i, place = 0;
    gate_occupy(&gate, pool, 1);
    spawn(pool, TASK_NORMAL, note, pack(-1));
    for (i = 0; i < LOAD; i++)
        spawn(pool, TASK_HIGH, note, pack(i));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(list.count, LOAD + 1);
    while (list.ran[place] != -1)
        place++;
    CHECK(place > 0 && place <= 60);
    CHECK_OK(pool_destroy(pool));
}

static void low_waits_for_its_turn(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    int i, lows = 0, first = 0;
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < LOAD; i++)
        CHECK_OK(pool_spawn(pool, note, pack(0)));
    for (i = 0; i < LOAD; i++)
        spawn(pool, TASK_LOW, note, pack(1));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(list.count, 2 * LOAD);
    while (list.ran[first] == 0)
        first++;
    for (i = 0; i < LOAD; i++)
        lows += (int)list.ran[i];
    CHECK(first >= 50);           /* one that has just come is not before the others, */
    CHECK(lows > 0 && lows < 25); /* and one that has waited doesn't bring all the others along */
    CHECK_OK(pool_destroy(pool));
}

static void canceled_tasks_of_a_lane_leave_the_others_in_order(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    static future_t *futures[LOAD];
    task_options_t options;
    int i;
    task_options_init(&options, sizeof options);
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < LOAD; i++) {
        options.priority = i % 2 ? TASK_HIGH : TASK_LOW;
        futures[i] = pool_submit_with(pool, &options, note, pack(i));
    }
    for (i = 0; i < LOAD; i++)
        if (i % 10 > 1)
            CHECK_OK(future_cancel(futures[i]));
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(list.count, LOAD / 5);
    for (i = 1; i < list.count; i++)
        CHECK(list.ran[i - 1] % 2 != list.ran[i] % 2 || list.ran[i - 1] < list.ran[i]);
    for (i = 0; i < LOAD; i++)
        CHECK_OK(future_release(futures[i]));
    CHECK_OK(pool_destroy(pool));
}

static void a_priority_that_there_is_not_is_refused(void) {
    pool_t *pool = pool_create(1);
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.priority = 2;
    CHECK_REFUSED(pool_submit_with(pool, &options, note, NULL), OFFGIL_EINVAL);
    options.priority = -2;
    CHECK_STATUS(pool_spawn_with(pool, &options, note, NULL), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(high_before_normal_before_low_each_in_its_order),
           TEST(the_newest_comes_first_in_each_lane_of_a_lifo_pool),
           TEST(high_comes_before_a_workers_own_children_and_low_after),
           TEST(low_still_runs_under_a_constant_load_of_normal_tasks),
           TEST(low_still_runs_under_a_constant_load_of_high_tasks),
           TEST(normal_still_runs_among_many_high_tasks), TEST(low_waits_for_its_turn),
           TEST(canceled_tasks_of_a_lane_leave_the_others_in_order),
           TEST(a_priority_that_there_is_not_is_refused))
