/* What a wait for all runs itself meanwhile, and what it leaves alone. */
#include "check.h"

typedef struct {
    pool_t *pool;
    gate_t elsewhere;
    pthread_t waiter, ran_behind;
} behind_t;

static void *open_the_gate(void *arg) {
    behind_t *behind = arg;
    behind->ran_behind = pthread_self();
    gate_open(&behind->elsewhere);
    return NULL;
}

static void *wait_for_the_gate_and_who_opens_it(void *arg) {
    behind_t *behind = arg;
    future_t *futures[2];
    size_t i;
    behind->waiter = pthread_self();
    futures[0] = check_submit(behind->pool, gate_task, &behind->elsewhere);
    count_wait(&behind->elsewhere.started, 1); /* the other thread has it: there are two */
    futures[1] = check_submit(behind->pool, open_the_gate, behind);
    CHECK_OK(future_wait_all(futures, 2, OFFGIL_FOREVER));
    for (i = 0; i < 2; i++)
        CHECK_OK(future_release(futures[i]));
    return NULL;
}

static void a_wait_for_all_runs_what_is_queued_behind_a_task_that_runs_elsewhere(void) {
    behind_t behind = {NULL, GATE_CLOSED, 0, 0};
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.max_spare_threads = 0; /* nobody else can come for it */
    CHECK((behind.pool = pool_create_with(&options)) != NULL);
    check_take(check_submit(behind.pool, wait_for_the_gate_and_who_opens_it, &behind));
    CHECK(pthread_equal(behind.waiter, behind.ran_behind));
    CHECK_OK(pool_destroy(behind.pool));
}

typedef struct {
    pool_t *pool;
    future_t *waiter, *other, *child;
    count_t ready, inside;
    gate_t gate;
    offgil_status of_waiter, of_child;
} world_t;

#define WORLD {NULL, NULL, NULL, NULL, COUNT_ZERO, COUNT_ZERO, GATE_CLOSED, OFFGIL_OK, OFFGIL_OK}

static void *same(void *arg) {
    return arg;
}

static void *hold_a_place(void *world) {
    count_add(&((world_t *)world)->inside, 1);
    count_wait(&((world_t *)world)->gate.open, 1);
    return NULL;
}

static void *child_that_waits_for_the_waiter(void *arg) {
    world_t *world = arg;
    world->of_child = future_wait(world->waiter, OFFGIL_FOREVER, NULL);
    return NULL;
}

static void *wait_past_a_stale_handle(void *arg) {
    world_t *world = arg;
    future_t *both[2];
    count_wait(&world->ready, 1);
    both[0] = check_submit(world->pool, same, NULL);
    check_take(both[0]);
    both[1] = world->child = check_submit(world->pool, child_that_waits_for_the_waiter, world);
    world->of_waiter = future_wait_all(both, 2, OFFGIL_FOREVER);
    gate_open(&world->gate);
    return NULL;
}

/* Of two tasks, each with a thread of its own, one waits for all of two others. */
static void run_both(world_t *world, task_fn waiter, task_fn other) {
    const world_t zero = WORLD;
    *world = zero;
    world->pool = pool_create(2);
    world->waiter = check_submit(world->pool, waiter, world);
    world->other = check_submit(world->pool, other, world);
    count_wait(&world->inside, 1);
    count_add(&world->ready, 1);
    CHECK_OK(future_wait(world->waiter, OFFGIL_FOREVER, NULL));
    check_take(world->child);
    check_take(world->other);
    CHECK_OK(future_release(world->waiter));
    CHECK_OK(pool_destroy(world->pool));
}

/* The wait ends at the stale handle, so the child waits for somebody who goes on. */
static void what_lies_behind_a_stale_handle_is_not_run_on_top_of_the_waiter(void) {
    world_t world;
    run_both(&world, wait_past_a_stale_handle, hold_a_place);
    CHECK_STATUS(world.of_waiter, OFFGIL_EHANDLE);
    CHECK_OK(world.of_child);
}

static void *wait_for_the_waiter(void *arg) {
    world_t *world = arg;
    count_add(&world->inside, 1);
    CHECK_OK(future_wait(world->waiter, OFFGIL_FOREVER, NULL));
    return NULL;
}

static void *child_that_waits_for_the_other(void *arg) {
    world_t *world = arg;
    world->of_child = future_wait(world->other, OFFGIL_FOREVER, NULL);
    return NULL;
}

static void *close_a_circle(void *arg) {
    world_t *world = arg;
    future_t *both[2];
    count_wait(&world->ready, 1);
    sleep_ns(SOON); /* until the other is blocked */
    CHECK_OK(pool_spawn(world->pool, hold_a_place, world));
    count_wait(&world->inside, 2);
    both[0] = world->other;
    both[1] = world->child = check_submit(world->pool, child_that_waits_for_the_other, world);
    world->of_waiter = future_wait_all(both, 2, OFFGIL_FOREVER);
    gate_open(&world->gate);
    return NULL;
}

/* Were the child run first, it would close a circle of its own. */
static void who_closes_a_circle_is_told_before_any_child_is_run(void) {
    world_t world;
    run_both(&world, close_a_circle, wait_for_the_waiter);
    CHECK_STATUS(world.of_waiter, OFFGIL_EDEADLK);
    CHECK_OK(world.of_child);
}

enum { CHILDREN = 100 };

typedef struct {
    pool_t *pool;
    pthread_t visitor;
    count_t ready, inside, resized, after;
    gate_t gate;
    future_t *children[CHILDREN];
} visit_t;

static void *run_by_whom(void *arg) {
    visit_t *visit = arg;
    if (!pthread_equal(pthread_self(), visit->visitor))
        return NULL;
    if (count_get(&visit->resized) > 0) {
        count_add(&visit->after, 1);
        return NULL;
    }
    CHECK_OK(pool_resize(visit->pool, 1));
    count_add(&visit->resized, 1);
    sleep_ns(SOON); /* until the others have given their places back */
    return NULL;
}

static void *give_the_place_up(void *arg) {
    visit_t *visit = arg;
    count_add(&visit->inside, 1);
    count_wait(&visit->ready, 1);
    CHECK_OK(task_block_begin());
    count_add(&visit->inside, 1);
    count_wait(&visit->gate.open, 1);
    CHECK_OK(task_block_end());
    return NULL;
}

static void *submit_children(void *arg) {
    visit_t *visit = arg;
    size_t i;
    for (i = 0; i < CHILDREN; i++)
        visit->children[CHILDREN - 1 - i] = check_submit(visit->pool, run_by_whom, visit);
    count_add(&visit->ready, 1);
    count_wait(&visit->resized, 1);
    return NULL;
}

static void an_outside_thread_that_stays_for_several_tasks_leaves_a_pool_of_one(void) {
    visit_t visit = {NULL,       pthread_self(), COUNT_ZERO,  COUNT_ZERO,
                     COUNT_ZERO, COUNT_ZERO,     GATE_CLOSED, {NULL}};
    pool_options_t options;
    size_t i;
    pool_options_init(&options, sizeof(options));
    options.threads = 2;
    options.max_spare_threads = 0; /* the place that is given up stays free */
    visit.pool = pool_create_with(&options);
    CHECK_OK(pool_spawn(visit.pool, give_the_place_up, &visit));
    count_wait(&visit.inside, 1);
    CHECK_OK(pool_spawn(visit.pool, submit_children, &visit));
    count_wait(&visit.inside, 2);
    CHECK_OK(future_wait_all(visit.children, CHILDREN, OFFGIL_FOREVER));
    gate_open(&visit.gate);
    CHECK_EQ(count_get(&visit.resized), 1);
    CHECK_EQ(count_get(&visit.after), 0);
    for (i = 0; i < CHILDREN; i++)
        CHECK_OK(future_release(visit.children[i]));
    CHECK_OK(pool_destroy(visit.pool));
}

CHECK_MAIN(TEST(a_wait_for_all_runs_what_is_queued_behind_a_task_that_runs_elsewhere),
           TEST(what_lies_behind_a_stale_handle_is_not_run_on_top_of_the_waiter),
           TEST(who_closes_a_circle_is_told_before_any_child_is_run),
           TEST(an_outside_thread_that_stays_for_several_tasks_leaves_a_pool_of_one))
