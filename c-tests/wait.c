/* Who runs what in a wait. */
#include "check.h"

static void *own_thread(void *thread) {
    *(pthread_t *)thread = pthread_self();
    return thread;
}

static pool_t *options_pool(uint32_t threads, uint8_t waiters_help, thread_hook_fn hook) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.waiters_help = waiters_help;
    options.on_thread_start = hook;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static void *wait_on_own_child(void *pool) {
    pthread_t thread;
    check_take(check_submit(pool, own_thread, &thread));
    CHECK(pthread_equal(thread, pthread_self()));
    return pool;
}

static void wait_on_queued_child_in_pool_of_one_runs_it_inline(void) {
    pool_t *pool = pool_create(1);
    int i;
    for (i = 0; i < 200; i++)
        CHECK_SAME(check_take(check_submit(pool, wait_on_own_child, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    pthread_t parent;
    count_t waiting; /* 1 while the parent is in its wait */
    count_t strangers_in_wait;
    count_t strangers;
} family_t;

/* Not waited for by anybody: must not run on the stack of the parent's wait. */
static void *stranger(void *arg) {
    family_t *family = arg;
    if (count_get(&family->waiting) == 1 && pthread_equal(pthread_self(), family->parent)) {
        count_add(&family->strangers_in_wait, 1);
    }
    count_add(&family->strangers, 1);
    return NULL;
}

static void *child_among_strangers(void *arg) {
    family_t *family = arg;
    pthread_t ran_on;
    future_t *child;
    int i;
    family->parent = pthread_self();
    for (i = 0; i < 20; i++)
        CHECK_OK(pool_spawn(family->pool, stranger, family));
    child = check_submit(family->pool, own_thread, &ran_on);
    for (i = 0; i < 20; i++)
        CHECK_OK(pool_spawn(family->pool, stranger, family));
    count_add(&family->waiting, 1);
    check_take(child);
    count_add(&family->waiting, -1);
    return NULL;
}

static void a_wait_runs_nothing_but_what_it_waits_for(void) {
    int round;
    for (round = 0; round < 100; round++) {
        family_t family = {NULL, pthread_self(), COUNT_ZERO, COUNT_ZERO, COUNT_ZERO};
        family.pool = pool_create(1 + (uint32_t)round % 2);
        check_take(check_submit(family.pool, child_among_strangers, &family));
        CHECK_OK(pool_destroy(family.pool));
        CHECK_EQ(count_get(&family.strangers), 40);
        CHECK_EQ(count_get(&family.strangers_in_wait), 0);
    }
}

static void no_help_in(pool_t *pool) {
    int i;
    for (i = 0; i < 300; i++) {
        pthread_t thread = pthread_self();
        check_take(check_submit(pool, own_thread, &thread));
        CHECK(!pthread_equal(thread, pthread_self()));
    }
    CHECK_OK(pool_destroy(pool));
}

static void ignore(void *context) {
    (void)context;
}

static void an_outside_thread_runs_no_task_of_a_pool_of_one(void) {
    no_help_in(pool_create(1));
}

static void an_outside_thread_runs_no_task_of_a_pool_with_hooks(void) {
    no_help_in(options_pool(3, 1, ignore));
}

static void an_outside_thread_runs_no_task_where_waiters_do_not_help(void) {
    no_help_in(options_pool(3, 0, NULL));
}

static void *echo(void *arg) {
    return arg;
}

static void a_timed_wait_outside_runs_no_task(void) {
    pool_t *pool = pool_create(3);
    int i;
    for (i = 0; i < 300; i++) {
        pthread_t thread = pthread_self();
        future_t *future = check_submit(pool, own_thread, &thread);
        CHECK_OK(future_wait(future, LONG_ENOUGH, NULL));
        CHECK(!pthread_equal(thread, pthread_self()));
        CHECK_OK(future_release(future));
    }
    CHECK_OK(pool_destroy(pool));
}

static void wait_any_outside_runs_no_task(void) {
    pool_t *pool = pool_create(3);
    int i;
    for (i = 0; i < 300; i++) {
        pthread_t threads[2] = {pthread_self(), pthread_self()};
        future_t *futures[2];
        futures[0] = check_submit(pool, own_thread, &threads[0]);
        futures[1] = check_submit(pool, own_thread, &threads[1]);
        CHECK_OK(future_wait_any(futures, 2, OFFGIL_FOREVER, NULL));
        CHECK_OK(future_wait(futures[0], LONG_ENOUGH, NULL));
        CHECK_OK(future_wait(futures[1], LONG_ENOUGH, NULL));
        CHECK(!pthread_equal(threads[0], pthread_self()));
        CHECK(!pthread_equal(threads[1], pthread_self()));
        CHECK_OK(future_release(futures[0]));
        CHECK_OK(future_release(futures[1]));
    }
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    gate_t gate;
    future_t *queued;
} taken_t;

static void *open_later(void *arg) {
    taken_t *taken = arg;
    sleep_ns(SOON);
    CHECK_EQ(future_get_state(taken->queued), FUTURE_QUEUED);
    gate_open(&taken->gate);
    return NULL;
}

static void an_outside_thread_does_not_help_while_every_place_is_taken(void) {
    pool_t *pool = pool_create(2);
    taken_t taken = {GATE_CLOSED, NULL};
    pthread_t opener;
    gate_occupy(&taken.gate, pool, 2);
    taken.queued = check_submit(pool, echo, pool);
    opener = check_thread(open_later, &taken);
    CHECK_OK(future_wait(taken.queued, OFFGIL_FOREVER, NULL));
    check_join(opener);
    CHECK_OK(future_release(taken.queued));
    CHECK_OK(pool_destroy(pool));
}

static void an_outside_wait_is_answered_while_all_workers_are_busy_elsewhere(void) {
    pool_t *pool = pool_create(2), *other = pool_create(2);
    gate_t gate = GATE_CLOSED;
    gate_occupy(&gate, pool, 2);
    CHECK_SAME(check_take(check_submit(other, echo, other)), other);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

typedef struct {
    pool_t *pool;
    future_t *children[50];
} many_t;

static void *wait_in_reverse(void *arg) {
    many_t *many = arg;
    size_t i;
    for (i = 0; i < LENGTH(many->children); i++)
        many->children[i] = check_submit(many->pool, echo, pack((intptr_t)i));
    for (i = LENGTH(many->children); i-- > 0;)
        CHECK_EQ(unpack(check_take(many->children[i])), i);
    return NULL;
}

static void *wait_for_all_children(void *arg) {
    many_t *many = arg;
    size_t i;
    for (i = 0; i < LENGTH(many->children); i++)
        many->children[i] = check_submit(many->pool, echo, pack((intptr_t)i));
    CHECK_OK(future_wait_all(many->children, LENGTH(many->children), OFFGIL_FOREVER));
    for (i = 0; i < LENGTH(many->children); i++)
        CHECK_OK(future_release(many->children[i]));
    return NULL;
}

static void children_may_be_waited_for_in_any_order_and_all_at_once(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        many_t many = {NULL, {NULL}};
        int round;
        many.pool = pool_create(threads);
        for (round = 0; round < 50; round++) {
            check_take(check_submit(many.pool, wait_in_reverse, &many));
            check_take(check_submit(many.pool, wait_for_all_children, &many));
        }
        CHECK_OK(pool_destroy(many.pool));
    }
}

CHECK_MAIN(TEST(wait_on_queued_child_in_pool_of_one_runs_it_inline),
           TEST(a_wait_runs_nothing_but_what_it_waits_for),
           TEST(an_outside_thread_runs_no_task_of_a_pool_of_one),
           TEST(an_outside_thread_runs_no_task_of_a_pool_with_hooks),
           TEST(an_outside_thread_runs_no_task_where_waiters_do_not_help),
           TEST(a_timed_wait_outside_runs_no_task), TEST(wait_any_outside_runs_no_task),
           TEST(an_outside_thread_does_not_help_while_every_place_is_taken),
           TEST(an_outside_wait_is_answered_while_all_workers_are_busy_elsewhere),
           TEST(children_may_be_waited_for_in_any_order_and_all_at_once))
