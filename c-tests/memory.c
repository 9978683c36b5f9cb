/* What a burst took is given back when it is over, and no handle of the burst ever looks live again.
 *
 * Most handles are of tasks that ran and were released; the memory of their cells is given back and used
 * again. */
#include "check.h"

#include <sys/mman.h>

#define BURST 1000000
#define ROUNDS 3
/* Longer than it takes by far: a loaded machine may need it. */
#define PATIENCE (40 * SECOND)

static future_t *futures[BURST];

static void *nothing(void *arg) {
    return arg;
}

static int64_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long long pages = 0, resident = 0;
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lld %lld", &pages, &resident), 2);
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

/* Waits until no more than this is resident. */
static void expect_at_most(int64_t bytes) {
    int64_t begun = now_ns();
    while (resident_bytes() > bytes) {
        CHECK(now_ns() - begun < PATIENCE);
        sleep_ns(10 * MILLISECOND);
    }
}

/* What is resident after 90 % of what was taken between the two has been given back. */
static int64_t a_tenth_above(int64_t before, int64_t at_most) {
    CHECK(at_most - before > BURST * INT64_C(24));
    return before + (at_most - before) / 10;
}

static void submit_all(pool_t *pool) {
    size_t i;
    for (i = 0; i < BURST; i++)
        futures[i] = check_submit(pool, nothing, pack((intptr_t)i));
}

static void wait_for_all(void) {
    size_t i;
    void *result = NULL;
    for (i = 0; i < BURST; i++) {
        CHECK_OK(future_wait(futures[i], OFFGIL_FOREVER, &result));
        CHECK_EQ(unpack(result), i);
    }
}

static void expect_stale(future_t *future) {
    void *result = NULL;
    CHECK_STATUS(future_wait(future, 0, &result), OFFGIL_EHANDLE);
    CHECK_STATUS(future_cancel(future), OFFGIL_EHANDLE);
    CHECK_REFUSED(future_retain(future), OFFGIL_EHANDLE);
    CHECK_STATUS(future_release(future), OFFGIL_EHANDLE);
}

static void expect_all_stale(void) {
    size_t i;
    for (i = 0; i < BURST; i++)
        expect_stale(futures[i]);
}

/* So that a later look finds its pages there already. */
static void touch_futures(void) {
    memset(futures, 0, sizeof futures);
}

static void
what_a_burst_took_is_given_back_and_its_handles_are_stale_before_and_after_their_slots_are_used_again(void) {
    pool_t *pool = pool_create(2);
    static future_t *old[BURST];
    int64_t before, most;
    size_t round, i;
    memset(old, 0, sizeof old);
    touch_futures();
    check_take(check_submit(pool, nothing, NULL));
    before = resident_bytes();
    for (round = 0; round < ROUNDS; round++) {
        submit_all(pool);
        if (round > 0) {
            for (i = 0; i < BURST; i++)
                expect_stale(old[i]); /* while others have their slots */
        }
        wait_for_all();
        most = resident_bytes();
        for (i = 0; i < BURST; i++)
            CHECK_OK(future_release(futures[i]));
        expect_all_stale();
        expect_at_most(a_tenth_above(before, most));
        expect_all_stale();
        memcpy(old, futures, sizeof old);
    }
    CHECK_OK(pool_destroy(pool));
}

static void a_burst_that_is_released_after_its_pool_is_gone_is_given_back(void) {
    pool_t *pool = pool_create(2);
    int64_t before, most;
    size_t i;
    touch_futures();
    before = resident_bytes();
    submit_all(pool);
    wait_for_all();
    most = resident_bytes();
    CHECK_OK(pool_destroy(pool));
    for (i = 0; i < BURST; i++)
        CHECK_OK(future_release(futures[(i * 7919) % BURST])); /* in no order */
    expect_at_most(a_tenth_above(before, most));
    expect_all_stale();
}

static void *spawn_many(void *pool) {
    size_t i;
    for (i = 0; i < BURST; i++)
        CHECK_OK(pool_spawn(pool, nothing, NULL));
    return NULL;
}

static void *spawn_many_and_look(void *pool) {
    spawn_many(pool);
    return pack((intptr_t)resident_bytes());
}

static void what_a_burst_took_that_was_submitted_by_a_task_is_given_back(void) {
    pool_t *pool = pool_create(1); /* nobody steals: all of it is queued */
    int64_t before, most;
    size_t round;
    check_take(check_submit(pool, nothing, NULL));
    before = resident_bytes();
    for (round = 0; round < ROUNDS; round++) {
        most = unpack(check_take(check_submit(pool, spawn_many_and_look, pool)));
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
        expect_at_most(a_tenth_above(before, most));
    }
    CHECK_OK(pool_destroy(pool));
}

static void what_waited_in_a_queue_for_outside_tasks_is_given_back(void) {
    const int32_t priorities[] = {TASK_NORMAL, TASK_HIGH};
    pool_t *pool = pool_create(2);
    size_t i, j;
    for (i = 0; i < LENGTH(priorities); i++) {
        gate_t gate = GATE_CLOSED;
        task_options_t options;
        int64_t before, most;
        task_options_init(&options, sizeof options);
        options.priority = priorities[i];
        touch_futures();
        before = resident_bytes();
        gate_occupy(&gate, pool, 2);
        for (j = 0; j < BURST; j++)
            CHECK_OK(future_release(check_submit_with(pool, &options, nothing, NULL)));
        most = resident_bytes();
        gate_open(&gate);
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
        expect_at_most(a_tenth_above(before, most));
    }
    CHECK_OK(pool_destroy(pool));
}

static void *one_burst(void *pool) {
    spawn_many(pool);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    return NULL;
}

static void burst_in_child(void) {
    pool_t *pool = pool_create(2);
    int64_t before, most;
    size_t i;
    touch_futures();
    check_take(check_submit(pool, nothing, NULL));
    before = resident_bytes();
    submit_all(pool);
    wait_for_all();
    most = resident_bytes();
    for (i = 0; i < BURST; i++)
        CHECK_OK(future_release(futures[i]));
    expect_at_most(a_tenth_above(before, most));
    expect_all_stale();
    CHECK_OK(pool_destroy(pool));
}

static void a_child_that_is_forked_while_its_parent_is_about_to_give_memory_back_gives_its_own_back(void) {
    pool_t *pool = pool_create(2);
    one_burst(pool);
    check_in_child(burst_in_child);
    CHECK_OK(pool_destroy(pool));
}

/* Threads that ask for handles of tasks that are over, all the time. */
typedef struct {
    future_t *old[4096];
    pthread_mutex_t lock;
    count_t over, asked;
} old_t;

static void *ask_all_the_time(void *arg) {
    old_t *old = arg;
    unsigned random = 1;
    int64_t asked = 0;
    while (count_get(&old->over) == 0) {
        size_t i;
        for (i = 0; i < 1000; i++) {
            future_t *future;
            random = random * 1103515245u + 12345u;
            pthread_mutex_lock(&old->lock);
            future = old->old[(random >> 16) % LENGTH(old->old)];
            pthread_mutex_unlock(&old->lock);
            if (future != NULL) {
                expect_stale(future);
                asked++;
            }
        }
    }
    count_add(&old->asked, asked);
    return NULL;
}

static void handles_are_stale_for_who_asks_while_memory_is_given_back_and_used_again(void) {
    static old_t old = {{NULL}, PTHREAD_MUTEX_INITIALIZER, COUNT_ZERO, COUNT_ZERO};
    pool_t *pool = pool_create(2);
    pthread_t threads[2];
    int64_t before, most;
    size_t round, i;
    touch_futures();
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(ask_all_the_time, &old);
    sleep_ns(SOON);
    before = resident_bytes();
    for (round = 0; round < ROUNDS; round++) {
        submit_all(pool);
        wait_for_all();
        most = resident_bytes();
        for (i = 0; i < BURST; i++)
            CHECK_OK(future_release(futures[i]));
        for (i = 0; i < LENGTH(old.old); i++) {
            pthread_mutex_lock(&old.lock);
            old.old[i] = futures[i * (BURST / LENGTH(old.old))];
            pthread_mutex_unlock(&old.lock);
        }
        expect_at_most(a_tenth_above(before, most));
    }
    count_add(&old.over, 1);
    for (i = 0; i < LENGTH(threads); i++)
        check_join(threads[i]);
    CHECK(count_get(&old.asked) > 0);
    CHECK_OK(pool_destroy(pool));
}

static int64_t cpu_ns(void) {
    struct timespec used;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (int64_t)used.tv_sec * SECOND + used.tv_nsec;
}

static void who_has_given_memory_back_uses_no_more_cpu_time(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    int64_t before, used;
    check_take(check_submit(pool, nothing, NULL));
    before = resident_bytes();
    gate_occupy(&gate, pool, 2);
    spawn_many(pool);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    expect_at_most(before + BURST * INT64_C(4));
    sleep_ns(SOON);
    used = cpu_ns();
    sleep_ns(SECOND);
    CHECK(cpu_ns() - used < 80 * MILLISECOND);
    CHECK_OK(pool_destroy(pool));
}

/* Some of each page's tasks are kept when its memory is to be given back for the second time. */
static void live_tasks_keep_their_cells_where_the_system_takes_no_memory_back(void) {
    enum { TASKS = 100000, PAGE = 128, KEPT = 20 };
    static future_t *more[TASKS];
    pool_t *pool = pool_create(2);
    size_t round, i;
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        fputs("not tested: this process may not lock its memory\n", stderr);
        return;
    }
    for (round = 0; round < 2; round++) {
        for (i = 0; i < TASKS; i++)
            futures[i] = check_submit(pool, nothing, pack((intptr_t)i));
        CHECK_OK(future_wait_all(futures, TASKS, OFFGIL_FOREVER));
        for (i = 0; i < TASKS; i++)
            if (round == 0 || i % PAGE >= KEPT)
                CHECK_OK(future_release(futures[i]));
        sleep_ns(SECOND); /* it is given back meanwhile */
    }
    for (i = 0; i < TASKS; i++)
        more[i] = check_submit(pool, nothing, NULL);
    CHECK_OK(future_wait_all(more, TASKS, OFFGIL_FOREVER));
    for (i = 0; i < TASKS; i++)
        if (i % PAGE < KEPT)
            CHECK_EQ(unpack(check_take(futures[i])), i);
    for (i = 0; i < TASKS; i++)
        CHECK_OK(future_release(more[i]));
    CHECK_EQ(munlockall(), 0);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(
    TEST(
        what_a_burst_took_is_given_back_and_its_handles_are_stale_before_and_after_their_slots_are_used_again),
    TEST(a_burst_that_is_released_after_its_pool_is_gone_is_given_back),
    TEST(what_a_burst_took_that_was_submitted_by_a_task_is_given_back),
    TEST(what_waited_in_a_queue_for_outside_tasks_is_given_back),
    TEST(a_child_that_is_forked_while_its_parent_is_about_to_give_memory_back_gives_its_own_back),
    TEST(handles_are_stale_for_who_asks_while_memory_is_given_back_and_used_again),
    TEST(who_has_given_memory_back_uses_no_more_cpu_time),
    TEST(live_tasks_keep_their_cells_where_the_system_takes_no_memory_back))
