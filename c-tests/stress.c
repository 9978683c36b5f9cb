/* Everything at once, for about a second each: producers, waiters, cancels, releases, pools that come and go.
 */
#include <sched.h>

#include "check.h"

static unsigned next_random(unsigned *state) {
    *state = *state * 1103515245u + 12345u;
    return *state >> 16;
}

static void *count_one(void *count) {
    count_add(count, 1);
    return count;
}

/* A table of futures that several threads fill, wait for, cancel and empty; a handle may be released under a
 * wait. */
enum { SLOTS = 64, PLAYERS = 6, ROUNDS = 15000 };

typedef struct {
    pool_t *pool;
    pthread_mutex_t lock;
    future_t *slots[SLOTS];
    count_t submitted, canceled, ran;
    unsigned seeds;
} table_t;

static future_t *swap(table_t *table, unsigned slot, future_t *future) {
    future_t *before;
    pthread_mutex_lock(&table->lock);
    before = table->slots[slot];
    table->slots[slot] = future;
    pthread_mutex_unlock(&table->lock);
    return before;
}

static future_t *look(table_t *table, unsigned slot) {
    future_t *future;
    pthread_mutex_lock(&table->lock);
    future = table->slots[slot];
    pthread_mutex_unlock(&table->lock);
    return future;
}

static void let_go(future_t *future) {
    if (future != NULL)
        CHECK_OK(future_release(future));
}

static void produce(table_t *table, unsigned slot) {
    count_add(&table->submitted, 1);
    let_go(swap(table, slot, check_submit(table->pool, count_one, &table->ran)));
}

static void wait_somehow(table_t *table, unsigned slot, unsigned random) {
    const int64_t timeouts[] = {OFFGIL_FOREVER, 0, MILLISECOND / 20};
    future_t *futures[2];
    int64_t timeout_ns = timeouts[random % 3];
    offgil_status status;
    futures[0] = look(table, slot);
    futures[1] = look(table, (slot + 1) % SLOTS);
    if (futures[0] == NULL || futures[1] == NULL)
        return;
    switch (random / 3 % 3) {
    case 0:
        status = future_wait(futures[0], timeout_ns, NULL);
        break;
    case 1:
        status = future_wait_all(futures, 2, timeout_ns);
        break;
    default:
        status = future_wait_any(futures, 2, timeout_ns, NULL);
    }
    CHECK(status == OFFGIL_OK || status == OFFGIL_ECANCELED || status == OFFGIL_EHANDLE ||
          (status == OFFGIL_ETIMEDOUT && timeout_ns >= 0));
}

static void cancel(table_t *table, unsigned slot) {
    future_t *future = look(table, slot);
    offgil_status status;
    if (future == NULL)
        return;
    status = future_cancel(future);
    CHECK(status == OFFGIL_OK || status == OFFGIL_EBUSY || status == OFFGIL_EDONE ||
          status == OFFGIL_EHANDLE);
    if (status == OFFGIL_OK)
        count_add(&table->canceled, 1);
}

static void *play(void *arg) {
    table_t *table = arg;
    unsigned random, round;
    pthread_mutex_lock(&table->lock);
    random = ++table->seeds;
    pthread_mutex_unlock(&table->lock);
    for (round = 0; round < ROUNDS; round++) {
        unsigned slot = next_random(&random) % SLOTS;
        switch (next_random(&random) % 8) {
        case 0:
        case 1:
        case 2:
            produce(table, slot);
            break;
        case 3:
            cancel(table, slot);
            break;
        case 4:
            let_go(swap(table, slot, NULL));
            break;
        default:
            wait_somehow(table, slot, next_random(&random));
        }
    }
    return NULL;
}

static void producers_waiters_cancels_and_releases_at_once_lose_no_task(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        table_t table = {NULL, PTHREAD_MUTEX_INITIALIZER, {NULL}, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO, 0};
        pthread_t players[PLAYERS];
        unsigned i;
        table.pool = pool_create(threads);
        for (i = 0; i < PLAYERS; i++)
            players[i] = check_thread(play, &table);
        for (i = 0; i < PLAYERS; i++)
            check_join(players[i]);
        CHECK_OK(pool_destroy(table.pool));
        for (i = 0; i < SLOTS; i++)
            let_go(swap(&table, i, NULL));
        CHECK_EQ(count_get(&table.ran) + count_get(&table.canceled), count_get(&table.submitted));
    }
}

/* A wait that is under way when its handle is released. */
typedef struct {
    future_t *future;
    count_t waiting;
    int way;
} wait_t;

static void *wait_until_released(void *arg) {
    wait_t *wait = arg;
    offgil_status status = OFFGIL_OK;
    count_add(&wait->waiting, 1);
    if (wait->way == 0)
        status = future_wait(wait->future, OFFGIL_FOREVER, NULL);
    if (wait->way == 1)
        status = future_wait(wait->future, LONG_ENOUGH, NULL);
    if (wait->way == 2)
        status = future_wait_all(&wait->future, 1, OFFGIL_FOREVER);
    if (wait->way == 3)
        status = future_wait_any(&wait->future, 1, OFFGIL_FOREVER, NULL);
    CHECK_STATUS(status, OFFGIL_EHANDLE);
    return NULL;
}

static void a_release_during_another_threads_wait_ends_that_wait(void) {
    int round;
    for (round = 0; round < 80; round++) {
        pool_t *pool = pool_create(2), *other = pool_create(1);
        gate_t gate = GATE_CLOSED;
        wait_t wait = {NULL, COUNT_ZERO, 0};
        pthread_t threads[3];
        future_t *inside;
        size_t i;
        wait.way = round % 4;
        wait.future = check_submit(pool, gate_task, &gate);
        count_wait(&gate.started, 1);
        for (i = 0; i < LENGTH(threads); i++)
            threads[i] = check_thread(wait_until_released, &wait);
        inside = check_submit(other, wait_until_released, &wait);
        count_wait(&wait.waiting, 4);
        if (round % 8 < 4)
            sleep_ns(MILLISECOND); /* in half of the rounds they are surely in the wait */
        CHECK_OK(future_release(wait.future));
        for (i = 0; i < LENGTH(threads); i++)
            check_join(threads[i]); /* while the gate is closed */
        check_take(inside);
        gate_open(&gate);
        CHECK_OK(pool_destroy(pool));
        CHECK_OK(pool_destroy(other));
    }
}

static void *wait_to_the_end(void *arg) {
    wait_t *wait = arg;
    count_add(&wait->waiting, 1);
    CHECK_OK(future_wait(wait->future, OFFGIL_FOREVER, NULL));
    return NULL;
}

static void a_release_of_one_of_two_handles_ends_no_wait(void) {
    int round;
    for (round = 0; round < 50; round++) {
        pool_t *pool = pool_create(1);
        gate_t gate = GATE_CLOSED;
        wait_t wait = {NULL, COUNT_ZERO, 0};
        pthread_t thread;
        wait.future = future_retain(check_submit(pool, gate_task, &gate));
        thread = check_thread(wait_to_the_end, &wait);
        count_wait(&wait.waiting, 1);
        CHECK_OK(future_release(wait.future));
        gate_open(&gate);
        check_join(thread);
        CHECK_OK(future_release(wait.future));
        CHECK_OK(pool_destroy(pool));
    }
}

/* Pools that are destroyed, released and shut down while others still submit to them. */
enum { POOLS = 4, VISITORS = 4, VISITS = 4000 };

typedef struct {
    pthread_mutex_t lock;
    pool_t *pools[POOLS];
    count_t accepted, ran;
    unsigned seeds;
} fair_t;

static void visit(fair_t *fair, pool_t *pool, int stay) {
    future_t *future = pool_submit(pool, count_one, &fair->ran);
    offgil_status status;
    if (future == NULL) {
        status = offgil_last_status();
        CHECK(status == OFFGIL_EHANDLE || status == OFFGIL_ECLOSED);
        return;
    }
    count_add(&fair->accepted, 1);
    if (stay)
        CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    CHECK_OK(future_release(future));
}

static void replace(fair_t *fair, unsigned place, unsigned way) {
    pool_t *fresh = pool_create(1 + way % 2), *old;
    CHECK(fresh != NULL);
    pthread_mutex_lock(&fair->lock);
    old = fair->pools[place];
    fair->pools[place] = fresh;
    pthread_mutex_unlock(&fair->lock);
    if (way % 3 == 0)
        CHECK_OK(pool_shutdown(old, POOL_DRAIN, OFFGIL_FOREVER));
    if (way % 3 == 1) {
        CHECK_OK(pool_release(old));
    } else {
        CHECK_OK(pool_destroy(old));
    }
}

static void *walk_about(void *arg) {
    fair_t *fair = arg;
    unsigned random, i;
    pthread_mutex_lock(&fair->lock);
    random = ++fair->seeds;
    pthread_mutex_unlock(&fair->lock);
    for (i = 0; i < VISITS; i++) {
        unsigned place = next_random(&random) % POOLS;
        pool_t *pool;
        pthread_mutex_lock(&fair->lock);
        pool = fair->pools[place];
        pthread_mutex_unlock(&fair->lock);
        if (next_random(&random) % 16 == 0)
            sched_yield(); /* time for the pool to go */
        visit(fair, pool, next_random(&random) % 2);
        if (next_random(&random) % 16 == 0)
            replace(fair, place, next_random(&random));
    }
    return NULL;
}

static void pools_that_come_and_go_run_all_that_they_accepted(void) {
    fair_t fair = {PTHREAD_MUTEX_INITIALIZER, {NULL}, COUNT_ZERO, COUNT_ZERO, 0};
    pthread_t visitors[VISITORS];
    size_t i;
    for (i = 0; i < POOLS; i++)
        fair.pools[i] = pool_create(2);
    for (i = 0; i < VISITORS; i++)
        visitors[i] = check_thread(walk_about, &fair);
    for (i = 0; i < VISITORS; i++)
        check_join(visitors[i]);
    for (i = 0; i < POOLS; i++)
        CHECK_OK(pool_destroy(fair.pools[i]));
    count_wait(&fair.ran, count_get(&fair.accepted)); /* those of released pools too */
    CHECK_EQ(count_get(&fair.ran), count_get(&fair.accepted));
}

/* Families in a pool that is shut down in the middle of it: every future ends, by its result or as canceled.
 */
typedef struct {
    pool_t *pool;
    count_t ran;
} house_t;

static void *have_children(void *arg) {
    house_t *house = arg;
    future_t *children[3];
    size_t i, count = 0;
    if (count_add(&house->ran, 1) > 300)
        return house;
    for (i = 0; i < LENGTH(children); i++) {
        children[count] = pool_submit(house->pool, have_children, house);
        if (children[count] == NULL) {
            CHECK_STATUS(offgil_last_status(), OFFGIL_ECLOSED);
        } else {
            count++;
        }
    }
    for (i = 0; i < count; i++) {
        offgil_status status = future_wait(children[i], OFFGIL_FOREVER, NULL);
        CHECK(status == OFFGIL_OK || status == OFFGIL_ECANCELED);
        CHECK_OK(future_release(children[i]));
    }
    return house;
}

static void a_shutdown_in_the_middle_of_families_ends_every_wait(void) {
    int round;
    for (round = 0; round < 200; round++) {
        house_t house = {NULL, COUNT_ZERO};
        future_t *roots[4];
        size_t i;
        house.pool = pool_create(1 + (uint32_t)round % 3);
        for (i = 0; i < LENGTH(roots); i++)
            roots[i] = check_submit(house.pool, have_children, &house);
        count_wait(&house.ran, round % 40);
        CHECK_OK(pool_shutdown(house.pool, round % 2 ? POOL_CANCEL : POOL_DRAIN, OFFGIL_FOREVER));
        for (i = 0; i < LENGTH(roots); i++) {
            offgil_status status = future_wait(roots[i], 0, NULL);
            CHECK(status == OFFGIL_OK || (status == OFFGIL_ECANCELED && round % 2));
            CHECK_OK(future_release(roots[i]));
        }
        CHECK_OK(pool_destroy(house.pool));
    }
}

/* Ranges and invokes of outside threads that meet the end of their pool: done or refused, and the end is not
 * held up. */
typedef struct {
    pool_t *pool;
    count_t begun, ran, spawned;
} meeting_t;

static void *count_child(void *arg) {
    count_add(&((meeting_t *)arg)->ran, 1);
    return NULL;
}

static void range_with_children(void *arg, size_t begin, size_t end) {
    meeting_t *meeting = arg;
    (void)begin;
    (void)end;
    if (pool_spawn(meeting->pool, count_child, meeting) == OFFGIL_OK)
        count_add(&meeting->spawned, 1);
}

static void *visit_until_closed(void *arg) {
    meeting_t *meeting = arg;
    offgil_status status = OFFGIL_OK;
    while (status == OFFGIL_OK) {
        count_add(&meeting->begun, 1);
        status = pool_for(meeting->pool, 0, 6, 1, range_with_children, meeting);
        if (status == OFFGIL_OK)
            status = pool_invoke(meeting->pool, count_one, &meeting->begun, count_one, &meeting->begun);
    }
    CHECK(status == OFFGIL_ECLOSED || status == OFFGIL_EHANDLE);
    return NULL;
}

static void ranges_that_meet_the_end_of_their_pool_lose_nothing_and_end(void) {
    int round;
    for (round = 0; round < 500; round++) {
        meeting_t meeting = {NULL, COUNT_ZERO, COUNT_ZERO, COUNT_ZERO};
        pthread_t visitors[2];
        size_t i;
        meeting.pool = pool_create(2 + (uint32_t)round % 2);
        for (i = 0; i < LENGTH(visitors); i++)
            visitors[i] = check_thread(visit_until_closed, &meeting);
        count_wait(&meeting.begun, 1 + round % 5);
        CHECK_OK(pool_destroy(meeting.pool));
        for (i = 0; i < LENGTH(visitors); i++)
            check_join(visitors[i]);
        CHECK_EQ(count_get(&meeting.ran), count_get(&meeting.spawned));
    }
}

CHECK_MAIN(TEST(producers_waiters_cancels_and_releases_at_once_lose_no_task),
           TEST(a_release_during_another_threads_wait_ends_that_wait),
           TEST(a_release_of_one_of_two_handles_ends_no_wait),
           TEST(pools_that_come_and_go_run_all_that_they_accepted),
           TEST(a_shutdown_in_the_middle_of_families_ends_every_wait),
           TEST(ranges_that_meet_the_end_of_their_pool_lose_nothing_and_end))
