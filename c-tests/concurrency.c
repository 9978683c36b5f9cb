/* The bound on concurrency, seen from outside: at most `threads` bodies at a time, whatever waits and whoever
 * helps. */
#include <sched.h>

#include "check.h"

/* `running` counts bodies; a body steps out of it around every wait. */
typedef struct {
    pool_t *pool;
    count_t running;
    count_t bodies;
} bound_t;

#define BOUND {NULL, COUNT_ZERO, COUNT_ZERO}

static void enter(bound_t *bound) {
    count_add(&bound->running, 1);
    sched_yield(); /* gives a second body the time to be seen */
}

static void leave(bound_t *bound) {
    count_add(&bound->running, -1);
}

static void *leaf(void *arg) {
    enter(arg);
    leave(arg);
    return NULL;
}

static void wait_in_some_way(future_t **children, size_t count, int64_t way) {
    size_t i;
    if (way == 0)
        CHECK_OK(future_wait_all(children, count, OFFGIL_FOREVER));
    if (way == 1)
        CHECK_OK(future_wait_any(children, count, OFFGIL_FOREVER, NULL));
    for (i = 0; i < count; i++)
        CHECK_OK(future_wait(children[i], way == 2 ? LONG_ENOUGH : OFFGIL_FOREVER, NULL));
    for (i = 0; i < count; i++)
        CHECK_OK(future_release(children[i]));
}

typedef struct {
    bound_t *bound;
    int depth;
} node_t;

static void *node(void *arg) {
    const node_t *self = arg;
    bound_t *bound = self->bound;
    enter(bound);
    if (self->depth > 0) {
        node_t child = {NULL, 0};
        future_t *children[3];
        size_t i;
        child.bound = bound;
        child.depth = self->depth - 1;
        for (i = 0; i < LENGTH(children); i++)
            children[i] = check_submit(bound->pool, node, &child);
        leave(bound);
        wait_in_some_way(children, LENGTH(children), count_add(&bound->bodies, 1) % 4);
        enter(bound);
    }
    leave(bound);
    return NULL;
}

static void *wait_for_trees(void *bound) {
    int round;
    for (round = 0; round < 5; round++) {
        node_t root = {NULL, 4};
        root.bound = bound;
        check_take(check_submit(root.bound->pool, node, &root));
    }
    return NULL;
}

static void trees_of_waits(uint32_t threads) {
    bound_t bound = BOUND;
    pthread_t waiters[4];
    size_t i;
    bound.pool = pool_create(threads);
    for (i = 0; i < LENGTH(waiters); i++)
        waiters[i] = check_thread(wait_for_trees, &bound);
    for (i = 0; i < LENGTH(waiters); i++)
        check_join(waiters[i]);
    CHECK_OK(pool_destroy(bound.pool));
    CHECK(bound.running.highest >= 1);
    CHECK(bound.running.highest <= (int64_t)threads);
}

static void trees_of_waits_in_a_pool_of_one_run_one_body_at_a_time(void) {
    trees_of_waits(1);
}

static void trees_of_waits_in_a_pool_of_two_run_two_bodies_at_a_time(void) {
    trees_of_waits(2);
}

static void trees_of_waits_in_a_pool_of_three_run_three_bodies_at_a_time(void) {
    trees_of_waits(3);
}

static void *wait_for_leaves(void *arg) {
    bound_t *bound = arg;
    int i;
    for (i = 0; i < 2000; i++)
        check_take(check_submit(bound->pool, leaf, bound));
    return NULL;
}

static void helping_waiters_stay_within_the_bound(void) {
    bound_t bound = BOUND;
    pthread_t waiters[6];
    size_t i;
    bound.pool = pool_create(2);
    for (i = 0; i < LENGTH(waiters); i++)
        waiters[i] = check_thread(wait_for_leaves, &bound);
    for (i = 0; i < LENGTH(waiters); i++)
        check_join(waiters[i]);
    CHECK_OK(pool_destroy(bound.pool));
    CHECK(bound.running.highest <= 2);
}

static void range(void *arg, size_t begin, size_t end) {
    for (; begin < end; begin++)
        leaf(arg);
}

static void *call_pool_for(void *arg) {
    bound_t *bound = arg;
    int i;
    for (i = 0; i < 50; i++)
        CHECK_OK(pool_for(bound->pool, 0, 40, 1, range, bound));
    for (i = 0; i < 200; i++)
        CHECK_OK(pool_invoke(bound->pool, leaf, bound, leaf, bound));
    return NULL;
}

static void ranges_and_invokes_from_inside_and_outside_stay_within_the_bound(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        bound_t bound = BOUND;
        pthread_t callers[3];
        future_t *inside[3];
        size_t i;
        bound.pool = pool_create(threads);
        for (i = 0; i < LENGTH(inside); i++)
            inside[i] = check_submit(bound.pool, call_pool_for, &bound);
        for (i = 0; i < LENGTH(callers); i++)
            callers[i] = check_thread(call_pool_for, &bound);
        for (i = 0; i < LENGTH(callers); i++)
            check_join(callers[i]);
        for (i = 0; i < LENGTH(inside); i++)
            check_take(inside[i]);
        CHECK_OK(pool_destroy(bound.pool));
        CHECK(bound.running.highest <= (int64_t)threads);
    }
}

static void all_places_are_used(void) {
    pool_t *pool = pool_create(5);
    gate_t gate = GATE_CLOSED;
    gate_occupy(&gate, pool, 5); /* comes back only when five bodies run at the same time */
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    future_t *awaited;
    count_t waiting;
    count_t running; /* bodies outside of a wait */
} place_t;

static void *blocked_in_a_wait(void *arg) {
    place_t *place = arg;
    count_add(&place->waiting, 1);
    CHECK_OK(future_wait(place->awaited, OFFGIL_FOREVER, NULL));
    CHECK_EQ(count_add(&place->running, 1), 1);
    return NULL;
}

static void *echo(void *arg) {
    return arg;
}

static void a_body_blocked_in_a_wait_gives_its_place_to_another(void) {
    pool_t *other = pool_create(2);
    gate_t gate = GATE_CLOSED;
    place_t place = {NULL, NULL, COUNT_ZERO, COUNT_ZERO};
    future_t *blocked;
    int i;
    place.pool = pool_create(1);
    place.awaited = check_submit(other, gate_task, &gate);
    count_wait(&gate.started, 1);
    blocked = check_submit(place.pool, blocked_in_a_wait, &place);
    count_wait(&place.waiting, 1);
    for (i = 0; i < 100; i++)
        CHECK_SAME(check_take(check_submit(place.pool, echo, other)), other);
    CHECK_EQ(future_get_state(blocked), FUTURE_RUNNING);
    gate_open(&gate);
    check_take(blocked);
    check_take(place.awaited);
    CHECK_OK(pool_destroy(place.pool));
    CHECK_OK(pool_destroy(other));
}

typedef struct {
    place_t *place;
    gate_t gate;
} guest_t;

/* Takes the place of the blocked body, and is still in it when that one's wait could return. */
static void *guest(void *arg) {
    guest_t *self = arg;
    CHECK_EQ(count_add(&self->place->running, 1), 1);
    gate_task(&self->gate);
    CHECK_EQ(count_add(&self->place->running, -1), 0);
    return NULL;
}

static void a_wait_returns_only_when_its_body_has_its_place_back(void) {
    pool_t *other = pool_create(2);
    gate_t gate = GATE_CLOSED;
    place_t place = {NULL, NULL, COUNT_ZERO, COUNT_ZERO};
    guest_t visitor = {NULL, GATE_CLOSED};
    future_t *blocked, *second;
    place.pool = pool_create(1);
    place.awaited = check_submit(other, gate_task, &gate);
    count_wait(&gate.started, 1);
    blocked = check_submit(place.pool, blocked_in_a_wait, &place);
    count_wait(&place.waiting, 1);
    visitor.place = &place;
    second = check_submit(place.pool, guest, &visitor);
    count_wait(&visitor.gate.started, 1);
    gate_open(&gate); /* what is waited for gets ready, but the place is taken */
    CHECK_OK(future_wait(place.awaited, OFFGIL_FOREVER, NULL));
    sleep_ns(SOON);
    CHECK_EQ(count_get(&place.running), 1);
    gate_open(&visitor.gate);
    check_take(second);
    check_take(blocked);
    check_take(place.awaited);
    CHECK_OK(pool_destroy(place.pool));
    CHECK_OK(pool_destroy(other));
}

CHECK_MAIN(TEST(trees_of_waits_in_a_pool_of_one_run_one_body_at_a_time),
           TEST(trees_of_waits_in_a_pool_of_two_run_two_bodies_at_a_time),
           TEST(trees_of_waits_in_a_pool_of_three_run_three_bodies_at_a_time),
           TEST(helping_waiters_stay_within_the_bound),
           TEST(ranges_and_invokes_from_inside_and_outside_stay_within_the_bound), TEST(all_places_are_used),
           TEST(a_body_blocked_in_a_wait_gives_its_place_to_another),
           TEST(a_wait_returns_only_when_its_body_has_its_place_back))
