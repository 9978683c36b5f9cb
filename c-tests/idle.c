/* An idle pool uses no CPU time. The bounds are generous: one thread that spins would use all of PAUSE. */
#include <sys/time.h>

#include <sys/resource.h>

#include "check.h"

#define PAUSE (400 * MILLISECOND)
#define ALLOWED (80 * MILLISECOND)

static int64_t cpu_ns(void) {
    struct rusage usage;
    CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SECOND +
           ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void expect_no_work_while_asleep(void) {
    int64_t before = cpu_ns();
    sleep_ns(PAUSE);
    CHECK(cpu_ns() - before < ALLOWED);
}

static void *echo(void *arg) {
    return arg;
}

static void a_pool_that_has_run_everything_is_idle(void) {
    pool_t *pool = pool_create(4);
    gate_t gate = GATE_CLOSED;
    int i;
    gate_occupy(&gate, pool, 4); /* every thread was up */
    gate_open(&gate);
    for (i = 0; i < 10000; i++)
        check_take(check_submit(pool, echo, NULL));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    expect_no_work_while_asleep();
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void twenty_pools_are_idle(void) {
    pool_t *pools[20];
    size_t i;
    for (i = 0; i < LENGTH(pools); i++) {
        pools[i] = pool_create(2);
        check_take(check_submit(pools[i], echo, NULL));
    }
    expect_no_work_while_asleep();
    for (i = 0; i < LENGTH(pools); i++)
        CHECK_OK(pool_destroy(pools[i]));
}

typedef struct {
    pool_t *pool;
    future_t *awaited;
    gate_t gate;
    count_t waiting;
} waits_t;

static void *wait_forever(void *arg) {
    waits_t *waits = arg;
    count_add(&waits->waiting, 1);
    CHECK_OK(future_wait(waits->awaited, OFFGIL_FOREVER, NULL));
    return NULL;
}

static void *wait_for_any_and_idle(void *arg) {
    waits_t *waits = arg;
    count_add(&waits->waiting, 1);
    CHECK_OK(future_wait_any(&waits->awaited, 1, OFFGIL_FOREVER, NULL));
    CHECK_OK(pool_wait_idle(waits->pool, LONG_ENOUGH));
    return NULL;
}

/* Waiters outside and inside, by every kind of wait, and a spare thread that found nothing to do. */
static void those_who_wait_are_idle(void) {
    waits_t waits = {NULL, NULL, GATE_CLOSED, COUNT_ZERO};
    pool_t *other = pool_create(2);
    pthread_t outside[2];
    future_t *inside;
    waits.pool = pool_create(2);
    waits.awaited = check_submit(waits.pool, gate_task, &waits.gate);
    count_wait(&waits.gate.started, 1);
    outside[0] = check_thread(wait_forever, &waits);
    outside[1] = check_thread(wait_for_any_and_idle, &waits);
    inside = check_submit(waits.pool, wait_forever, &waits);
    count_wait(&waits.waiting, 3);
    check_take(check_submit(waits.pool, echo, NULL));
    check_take(check_submit(other, echo, NULL));
    expect_no_work_while_asleep();
    gate_open(&waits.gate);
    check_join(outside[0]);
    check_join(outside[1]);
    check_take(inside);
    check_take(waits.awaited);
    CHECK_OK(pool_destroy(waits.pool));
    CHECK_OK(pool_destroy(other));
}

typedef struct {
    pool_t *pool;
    count_t asking;
} submitter_t;

static void *submit_one(void *arg) {
    submitter_t *submitter = arg;
    count_add(&submitter->asking, 1);
    check_take(check_submit(submitter->pool, echo, NULL));
    return NULL;
}

static void a_submitter_before_a_full_queue_is_idle(void) {
    const int32_t modes[] = {POOL_FULL_BLOCK, POOL_FULL_RUN};
    size_t i;
    for (i = 0; i < LENGTH(modes); i++) {
        submitter_t submitter = {NULL, COUNT_ZERO};
        gate_t gate = GATE_CLOSED;
        pool_options_t options;
        pthread_t thread;
        pool_options_init(&options, sizeof options);
        options.threads = 2;
        options.queue_limit = 1;
        options.when_full = modes[i];
        submitter.pool = pool_create_with(&options);
        gate_occupy(&gate, submitter.pool, 2);
        CHECK_OK(pool_spawn(submitter.pool, echo, NULL));
        thread = check_thread(submit_one, &submitter);
        count_wait(&submitter.asking, 1);
        expect_no_work_while_asleep();
        gate_open(&gate);
        check_join(thread);
        CHECK_OK(pool_destroy(submitter.pool));
    }
}

/* Several look for idleness, others take the last tasks away: each who waits is told. */
typedef struct {
    pool_t *pool;
    count_t wanted, seen;
    int64_t rounds;
} watch_t;

static void *nothing(void *arg) {
    return arg;
}

static void *wait_each_round(void *arg) {
    watch_t *watch = arg;
    int64_t round;
    for (round = 1; round <= watch->rounds; round++) {
        count_wait(&watch->wanted, round);
        CHECK_OK(pool_wait_idle(watch->pool, OFFGIL_FOREVER));
        count_add(&watch->seen, 1);
    }
    return NULL;
}

static void *look_all_the_time(void *arg) {
    watch_t *watch = arg;
    while (count_get(&watch->seen) < watch->rounds) {
        offgil_status status = pool_wait_idle(watch->pool, 0);
        CHECK(status == OFFGIL_OK || status == OFFGIL_ETIMEDOUT);
    }
    return NULL;
}

static void who_waits_for_idleness_is_told_though_tasks_are_canceled_and_others_look(void) {
    watch_t watch = {NULL, COUNT_ZERO, COUNT_ZERO, 10000};
    pthread_t waiter, looker;
    int64_t round;
    watch.pool = pool_create(1);
    waiter = check_thread(wait_each_round, &watch);
    looker = check_thread(look_all_the_time, &watch);
    for (round = 1; round <= watch.rounds; round++) {
        future_t *futures[4];
        size_t i;
        for (i = 0; i < LENGTH(futures); i++)
            futures[i] = check_submit(watch.pool, nothing, NULL);
        count_add(&watch.wanted, 1);
        for (i = 0; i < LENGTH(futures); i++) {
            offgil_status status = future_cancel(futures[i]);
            CHECK(status == OFFGIL_OK || status == OFFGIL_EBUSY || status == OFFGIL_EDONE);
            CHECK_OK(future_release(futures[i]));
        }
        count_wait(&watch.seen, round);
    }
    check_join(waiter);
    check_join(looker);
    CHECK_OK(pool_destroy(watch.pool));
}

CHECK_MAIN(TEST(a_pool_that_has_run_everything_is_idle), TEST(twenty_pools_are_idle),
           TEST(those_who_wait_are_idle), TEST(a_submitter_before_a_full_queue_is_idle),
           TEST(who_waits_for_idleness_is_told_though_tasks_are_canceled_and_others_look))
