/* The option `pin`: regular threads are bound to one CPU each. */
#ifdef __linux__
#define _GNU_SOURCE 1
#include <sched.h>
#endif

#include "check.h"

static pool_t *pinned(uint32_t threads) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    CHECK_EQ(options.pin, 0);
    options.threads = threads;
    options.pin = 1;
    options.waiters_help = 0; /* who waits here is not bound */
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

static void other_values_are_refused(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.pin = 2;
    CHECK_REFUSED(pool_create_with(&options), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pinned(1)));
}

#ifdef __linux__
enum { MOST = 64 };

static cpu_set_t usable;

static void look_at_the_process(void) {
    CHECK_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
}

/* The CPU to which the calling thread is bound; -1: it may use all that the process may. */
static int bound_to(void) {
    cpu_set_t mine;
    int cpu = 0;
    CHECK_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
    if (CPU_EQUAL(&mine, &usable))
        return -1;
    CHECK_EQ(CPU_COUNT(&mine), 1);
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    CHECK(CPU_ISSET(cpu, &usable));
    return cpu;
}

typedef struct {
    count_t *arrived;
    int all, cpu;
} guest_t;

/* Stays until all are there: each on a thread of its own. */
static void *meet(void *arg) {
    guest_t *guest = arg;
    guest->cpu = bound_to();
    count_add(guest->arrived, 1);
    count_wait(guest->arrived, guest->all);
    return guest;
}

/* So many threads at once are bound, and to each CPU no more than that. */
static void expect_bound(pool_t *pool, int threads, int most_a_cpu) {
    count_t arrived = COUNT_ZERO;
    future_t *futures[MOST];
    guest_t guests[MOST];
    int on[CPU_SETSIZE] = {0}, i;
    for (i = 0; i < threads; i++) {
        guests[i].arrived = &arrived;
        guests[i].all = threads;
        futures[i] = check_submit(pool, meet, &guests[i]);
    }
    for (i = 0; i < threads; i++)
        check_take(futures[i]);
    if (CPU_COUNT(&usable) == 1)
        return; /* bound or not looks the same */
    for (i = 0; i < threads; i++) {
        CHECK(guests[i].cpu >= 0);
        CHECK(++on[guests[i].cpu] <= most_a_cpu);
    }
}

static void expect_spread(pool_t *pool, int threads) {
    int cpus = CPU_COUNT(&usable);
    expect_bound(pool, threads, (threads + cpus - 1) / cpus);
}

static void threads_are_spread_over_the_cpus_of_the_process_also_after_resizes(void) {
    pool_t *pool = pinned(5);
    look_at_the_process();
    expect_spread(pool, 5);
    CHECK_OK(pool_resize(pool, 9));
    expect_spread(pool, 9);
    CHECK_OK(pool_resize(pool, 2));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_resize(pool, 7)); /* some are about to end, at any place */
    expect_bound(pool, 7, 7);
    CHECK_OK(pool_destroy(pool));
}

static void *say_where(void *unused) {
    (void)unused;
    return pack(bound_to());
}

static void threads_of_other_pools_are_not_bound(void) {
    pool_t *pool = pool_create(2);
    look_at_the_process();
    CHECK_EQ(unpack(check_take(check_submit(pool, say_where, NULL))), -1);
    CHECK_OK(pool_destroy(pool));
}

static void *ask_another_pool(void *pool) {
    CHECK(bound_to() >= 0 || CPU_COUNT(&usable) == 1);
    return check_take(check_submit(pool, say_where, NULL));
}

static void threads_started_by_a_bound_one_are_not_bound_with_it(void) {
    pool_t *bound = pinned(1), *other = pool_create(1);
    look_at_the_process();
    CHECK_EQ(unpack(check_take(check_submit(bound, ask_another_pool, other))), -1);
    CHECK_OK(pool_destroy(bound));
    CHECK_OK(pool_destroy(other));
}

static void *make_a_bound_pool(void *unused) {
    pool_t *pool = pinned(4);
    (void)unused;
    expect_spread(pool, 4);
    CHECK_OK(pool_destroy(pool));
    return NULL;
}

static void a_bound_task_makes_bound_pools_of_all_cpus(void) {
    pool_t *pool = pinned(2);
    look_at_the_process();
    check_take(check_submit(pool, make_a_bound_pool, NULL));
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    future_t *awaited;
    count_t may_wait;
} waiting_t;

static void *wait_for_it(void *arg) {
    waiting_t *waiting = arg;
    count_wait(&waiting->may_wait, 1);
    return check_take(waiting->awaited);
}

static void spare_threads_may_use_all_cpus(void) {
    pool_t *pool = pinned(1);
    waiting_t waiting = {NULL, COUNT_ZERO};
    future_t *waits;
    look_at_the_process();
    waits = check_submit(pool, wait_for_it, &waiting);
    waiting.awaited = check_submit(pool, say_where, NULL);
    count_add(&waiting.may_wait, 1);
    CHECK_EQ(unpack(check_take(waits)), -1);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(other_values_are_refused),
           TEST(threads_are_spread_over_the_cpus_of_the_process_also_after_resizes),
           TEST(threads_of_other_pools_are_not_bound),
           TEST(threads_started_by_a_bound_one_are_not_bound_with_it),
           TEST(a_bound_task_makes_bound_pools_of_all_cpus), TEST(spare_threads_may_use_all_cpus))
#else
CHECK_MAIN(TEST(other_values_are_refused))
#endif
