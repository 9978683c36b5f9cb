/* What a thread outside takes along of the tasks that it waits for: batches, out of the queue of what comes
 * from outside.
 *
 * Both threads of the pool say that they block, so that nobody else runs anything until the gate is open. */
#include "check.h"

enum { TASKS = 200 };

typedef struct {
    pool_t *pool;
    pthread_t waiter;
    count_t blocked, by_waiter, by_others;
    gate_t gate;
    future_t *tasks[TASKS];
    size_t order[TASKS];
} world_t;

typedef struct {
    world_t *world;
    size_t number;
} task_t;

static void *block(void *arg) {
    world_t *world = arg;
    CHECK_OK(task_block_begin());
    count_add(&world->blocked, 1);
    count_wait(&world->gate.open, 1);
    CHECK_OK(task_block_end());
    return NULL;
}

static void open_world(world_t *world) {
    pool_options_t options;
    int i;
    *world = (world_t){
        .blocked = COUNT_ZERO, .by_waiter = COUNT_ZERO, .by_others = COUNT_ZERO, .gate = GATE_CLOSED};
    world->waiter = pthread_self();
    pool_options_init(&options, sizeof(options));
    options.threads = 2;
    options.max_spare_threads = 0; /* the places that are given up stay free */
    world->pool = pool_create_with(&options);
    for (i = 0; i < 2; i++) {
        CHECK_OK(pool_spawn(world->pool, block, world));
        count_wait(&world->blocked, i + 1);
    }
}

static void submit_all(world_t *world, task_fn fn) {
    size_t i;
    for (i = 0; i < TASKS; i++)
        world->tasks[i] = check_submit(world->pool, fn, world);
}

/* Releases the tasks, too, but for those that are NULL. */
static void close_world(world_t *world) {
    size_t i;
    for (i = 0; i < TASKS; i++)
        if (world->tasks[i] != NULL)
            CHECK_OK(future_release(world->tasks[i]));
    gate_open(&world->gate);
    CHECK_OK(pool_destroy(world->pool));
}

static void *note_order(void *arg) {
    task_t *task = arg;
    world_t *world = task->world;
    CHECK(pthread_equal(pthread_self(), world->waiter));
    world->order[count_get(&world->by_waiter)] = task->number;
    count_add(&world->by_waiter, 1);
    return NULL;
}

static void a_waiter_that_runs_all_of_its_tasks_runs_them_in_order(void) {
    static task_t tasks[TASKS];
    world_t world;
    size_t i;
    open_world(&world);
    for (i = 0; i < TASKS; i++) {
        tasks[i] = (task_t){&world, i};
        world.tasks[i] = check_submit(world.pool, note_order, &tasks[i]);
    }
    CHECK_OK(future_wait_all(world.tasks, TASKS, OFFGIL_FOREVER));
    for (i = 0; i < TASKS; i++)
        CHECK_EQ(world.order[i], i);
    close_world(&world);
}

static void *belong_to_nobody(void *arg) {
    world_t *world = arg;
    CHECK(!pthread_equal(pthread_self(), world->waiter));
    count_add(&world->by_others, 1);
    return NULL;
}

/* Of each five tasks one is not waited for. */
static void a_waiter_takes_nothing_along_that_it_does_not_wait_for(void) {
    static task_t tasks[TASKS];
    world_t world;
    size_t i;
    open_world(&world);
    for (i = 0; i < TASKS; i++) {
        if (i % 5 == 3)
            CHECK_OK(pool_spawn(world.pool, belong_to_nobody, &world));
        tasks[i] = (task_t){&world, i};
        world.tasks[i] = check_submit(world.pool, note_order, &tasks[i]);
    }
    CHECK_OK(future_wait_all(world.tasks, TASKS, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&world.by_waiter), TASKS);
    CHECK_EQ(count_get(&world.by_others), 0);
    gate_open(&world.gate);
    count_wait(&world.by_others, TASKS / 5);
    close_world(&world);
}

/* The first that the waiter runs lasts until all others are done. */
static void *wait_for_the_others(void *arg) {
    world_t *world = arg;
    if (!pthread_equal(pthread_self(), world->waiter)) {
        count_add(&world->by_others, 1);
        return NULL;
    }
    count_add(&world->by_waiter, 1);
    gate_open(&world->gate);
    count_wait(&world->by_others, TASKS - 1);
    return NULL;
}

static void what_a_waiter_has_taken_along_others_run_while_it_is_busy(void) {
    world_t world;
    open_world(&world);
    submit_all(&world, wait_for_the_others);
    CHECK_OK(future_wait_all(world.tasks, TASKS, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&world.by_waiter), 1);
    close_world(&world);
}

static void *count_whose(void *arg) {
    world_t *world = arg;
    count_add(pthread_equal(pthread_self(), world->waiter) ? &world->by_waiter : &world->by_others, 1);
    return NULL;
}

static void nothing_behind_a_stale_handle_is_taken_along(void) {
    world_t world;
    open_world(&world);
    submit_all(&world, count_whose);
    CHECK_OK(future_release(world.tasks[2]));
    CHECK_STATUS(future_wait_all(world.tasks, TASKS, OFFGIL_FOREVER), OFFGIL_EHANDLE);
    world.tasks[2] = NULL;
    CHECK_EQ(count_get(&world.by_waiter), 2);
    gate_open(&world.gate);
    count_wait(&world.by_others, TASKS - 2);
    close_world(&world);
}

static void *close_the_pool(void *arg) {
    world_t *world = arg;
    if (pthread_equal(pthread_self(), world->waiter))
        CHECK_STATUS(pool_shutdown(world->pool, POOL_DRAIN, 0), OFFGIL_ETIMEDOUT);
    return count_whose(world);
}

static void *open_the_gate_soon(void *arg) {
    world_t *world = arg;
    count_wait(&world->by_waiter, 1);
    sleep_ns(SOON); /* what the waiter might start in the meantime */
    gate_open(&world->gate);
    return NULL;
}

/* The second is awaited first, so the batch begins behind it, and it is the next one that is still queued. */
static void a_waiter_starts_nothing_more_in_a_pool_that_one_of_its_tasks_has_closed(void) {
    world_t world;
    pthread_t opener;
    future_t *first;
    size_t i;
    open_world(&world);
    for (i = 0; i < TASKS; i++)
        world.tasks[i] = check_submit(world.pool, i == 0 ? close_the_pool : count_whose, &world);
    first = world.tasks[0];
    world.tasks[0] = world.tasks[1];
    world.tasks[1] = first;
    opener = check_thread(open_the_gate_soon, &world);
    CHECK_OK(future_wait_all(world.tasks, TASKS, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&world.by_waiter), 1);
    check_join(opener);
    close_world(&world);
}

CHECK_MAIN(TEST(a_waiter_that_runs_all_of_its_tasks_runs_them_in_order),
           TEST(a_waiter_takes_nothing_along_that_it_does_not_wait_for),
           TEST(what_a_waiter_has_taken_along_others_run_while_it_is_busy),
           TEST(nothing_behind_a_stale_handle_is_taken_along),
           TEST(a_waiter_starts_nothing_more_in_a_pool_that_one_of_its_tasks_has_closed))
