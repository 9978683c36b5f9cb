/* Pools: created, asked for their threads, given tasks, waited for until idle. */
#include <dirent.h>

#include "check.h"

static void *increment(void *arg) {
    return pack(unpack(arg) + 1);
}

static void *count_one(void *count) {
    count_add(count, 1);
    return NULL;
}

/* Threads of this process, or -1 where the system has no /proc. */
static int threads_alive(void) {
    DIR *tasks = opendir("/proc/self/task");
    int threads = 0;
    if (tasks == NULL)
        return -1;
    while (readdir(tasks) != NULL)
        threads++;
    closedir(tasks);
    return threads - 2; /* . and .. */
}

static void a_task_gets_its_argument_and_gives_its_result(void) {
    pool_t *pool = pool_create(2);
    intptr_t i;
    for (i = 0; i < 1000; i++)
        CHECK_EQ(unpack(check_take(check_submit(pool, increment, pack(i)))), i + 1);
    CHECK_OK(pool_destroy(pool));
}

static void a_spawned_task_runs(void) {
    pool_t *pool = pool_create(2);
    count_t runs = COUNT_ZERO;
    int i;
    for (i = 0; i < 1000; i++)
        CHECK_OK(pool_spawn(pool, count_one, &runs));
    count_wait(&runs, 1000);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 1000);
}

static void submit_many_gives_one_future_an_argument_in_their_order(void) {
    pool_t *pool = pool_create(2);
    void *args[500];
    future_t *futures[500];
    size_t i;
    for (i = 0; i < LENGTH(args); i++)
        args[i] = pack((intptr_t)i);
    CHECK_OK(pool_submit_many(pool, increment, args, LENGTH(args), futures));
    for (i = 0; i < LENGTH(args); i++)
        CHECK_EQ(unpack(check_take(futures[i])), i + 1);
    CHECK_OK(pool_destroy(pool));
}

static void submit_many_without_arguments_gives_each_null(void) {
    pool_t *pool = pool_create(2);
    future_t *futures[100];
    size_t i;
    CHECK_OK(pool_submit_many(pool, increment, NULL, LENGTH(futures), futures));
    for (i = 0; i < LENGTH(futures); i++)
        CHECK_EQ(unpack(check_take(futures[i])), 1);
    CHECK_OK(pool_destroy(pool));
}

static void submit_many_without_futures_runs_them_all(void) {
    pool_t *pool = pool_create(2);
    count_t runs = COUNT_ZERO;
    void *args[100];
    size_t i;
    for (i = 0; i < LENGTH(args); i++)
        args[i] = &runs;
    CHECK_OK(pool_submit_many(pool, count_one, args, LENGTH(args), NULL));
    CHECK_OK(pool_submit_many(pool, count_one, NULL, 0, NULL));
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&runs), 100);
}

static void thread_count_is_what_was_asked_for(void) {
    const uint32_t counts[] = {1, 2, 7, 64, 4096};
    size_t i;
    for (i = 0; i < LENGTH(counts); i++) {
        pool_t *pool = pool_create(counts[i]);
        CHECK_EQ(pool_thread_count(pool), counts[i]);
        CHECK_OK(pool_destroy(pool));
    }
}

static void zero_threads_means_one_per_usable_cpu(void) {
    pool_t *pool = pool_create(0);
    CHECK_EQ(pool_thread_count(pool), offgil_cpu_count());
    CHECK_OK(pool_destroy(pool));
}

static void the_environment_overrides_zero_threads_and_no_other_number(void) {
    pool_t *pool;
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", "3", 1), 0);
    pool = pool_create(0);
    CHECK_EQ(pool_thread_count(pool), 3);
    CHECK_OK(pool_destroy(pool));
    pool = pool_create(5);
    CHECK_EQ(pool_thread_count(pool), 5);
    CHECK_OK(pool_destroy(pool));
}

static void white_space_around_the_number_in_the_environment_is_ignored(void) {
    pool_t *pool;
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", " 3\n", 1), 0);
    pool = pool_create(0);
    CHECK_EQ(pool_thread_count(pool), 3);
    CHECK_OK(pool_destroy(pool));
}

static void nonsense_in_the_environment_is_refused_where_it_counts(void) {
    const char *nonsense[] = {"0", "-1", "many", "4097", "99999999999999999999", "3 4", " "};
    pool_t *pool;
    size_t i;
    for (i = 0; i < LENGTH(nonsense); i++) {
        CHECK_EQ(setenv("OFFGIL_NUM_THREADS", nonsense[i], 1), 0);
        CHECK_REFUSED(pool_create(0), OFFGIL_EINVAL);
        CHECK_OK(pool_destroy(pool_create(1)));
    }
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", "", 1), 0); /* as if it were not set */
    pool = pool_create(0);
    CHECK_EQ(pool_thread_count(pool), offgil_cpu_count());
    CHECK_OK(pool_destroy(pool));
}

static void creating_a_pool_starts_no_thread(void) {
    int before = threads_alive();
    pool_t *pool = pool_create(4096);
    CHECK_EQ(threads_alive(), before);
    CHECK_OK(pool_destroy(pool));
}

static void destroy_leaves_no_thread_behind(void) {
    int before = threads_alive(), round;
    for (round = 0; round < 20; round++) {
        pool_t *pool = pool_create(4);
        count_t runs = COUNT_ZERO;
        int i;
        for (i = 0; i < 40; i++)
            CHECK_OK(pool_spawn(pool, count_one, &runs));
        CHECK_OK(pool_destroy(pool));
        CHECK_EQ(count_get(&runs), 40);
    }
    /* A joined thread may stay in /proc for a moment; one that lives on stays for ever. */
    while (threads_alive() != before)
        sleep_ns(MILLISECOND);
}

static void *default_pool(void *unused) {
    (void)unused;
    return pool_default();
}

static void the_default_pool_is_the_same_for_every_thread(void) {
    pthread_t threads[8];
    size_t i;
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(default_pool, NULL);
    for (i = 0; i < LENGTH(threads); i++)
        CHECK_SAME(check_join(threads[i]), pool_default());
    CHECK(pool_default() != NULL);
    CHECK_EQ(pool_thread_count(pool_default()), offgil_cpu_count());
    CHECK_EQ(unpack(check_take(check_submit(pool_default(), increment, pack(41)))), 42);
}

static void the_default_pool_can_not_be_closed(void) {
    pool_t *pool = pool_default();
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EINVAL);
    CHECK_STATUS(pool_release(pool), OFFGIL_EINVAL);
    CHECK_STATUS(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER), OFFGIL_EINVAL);
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_EINVAL);
    CHECK_EQ(unpack(check_take(check_submit(pool, increment, pack(1)))), 2);
}

static void a_new_pool_is_idle(void) {
    pool_t *pool = pool_create(2);
    CHECK_OK(pool_wait_idle(pool, 0));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static void wait_idle_times_out_while_a_task_runs(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    gate_occupy(&gate, pool, 1);
    CHECK_STATUS(pool_wait_idle(pool, 0), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(pool_wait_idle(pool, MILLISECOND), OFFGIL_ETIMEDOUT);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_destroy(pool));
}

static pool_t *offspring_pool;
static count_t offspring = COUNT_ZERO;

static void *have_children(void *generations) {
    if (generations != NULL) {
        CHECK_OK(pool_spawn(offspring_pool, have_children, pack(unpack(generations) - 1)));
        CHECK_OK(pool_spawn(offspring_pool, have_children, pack(unpack(generations) - 1)));
    }
    count_add(&offspring, 1);
    return NULL;
}

static void wait_idle_waits_for_children_of_children_too(void) {
    int round;
    offspring_pool = pool_create(2);
    for (round = 1; round <= 50; round++) {
        CHECK_OK(pool_spawn(offspring_pool, have_children, pack(5)));
        CHECK_OK(pool_wait_idle(offspring_pool, OFFGIL_FOREVER));
        CHECK_EQ(count_get(&offspring), 63 * round);
    }
    CHECK_OK(pool_destroy(offspring_pool));
}

typedef struct {
    pool_t *pool;
    pool_t *other;
    count_t busy[3];
    count_t bodies;
} scratch_t;

static void *use_scratch(void *arg) {
    scratch_t *scratch = arg;
    int32_t index = pool_worker_index(scratch->pool);
    CHECK(index >= 0 && index < 3);
    CHECK_EQ(pool_worker_index(scratch->other), -1);
    CHECK_EQ(count_add(&scratch->busy[index], 1), 1); /* nobody else has this index now */
    if (count_add(&scratch->bodies, 1) % 16 == 0)
        sleep_ns(MILLISECOND / 10);
    CHECK_EQ(pool_worker_index(scratch->pool), index);
    CHECK_EQ(count_add(&scratch->busy[index], -1), 0);
    return NULL;
}

static void use_scratch_for(void *scratch, size_t begin, size_t end) {
    for (; begin < end; begin++)
        use_scratch(scratch);
}

static void *submit_and_wait(void *scratch) {
    int i;
    CHECK_OK(pool_for(((scratch_t *)scratch)->pool, 0, 500, 1, use_scratch_for, scratch));
    for (i = 0; i < 500; i++)
        check_take(check_submit(((scratch_t *)scratch)->pool, use_scratch, scratch));
    return NULL;
}

static void worker_index_is_unique_among_running_bodies(void) {
    scratch_t scratch = {NULL, NULL, {COUNT_ZERO, COUNT_ZERO, COUNT_ZERO}, COUNT_ZERO};
    pthread_t threads[4]; /* they wait for ever, so that some bodies run on them */
    size_t i;
    scratch.pool = pool_create(3);
    scratch.other = pool_create(3);
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(submit_and_wait, &scratch);
    for (i = 0; i < LENGTH(threads); i++)
        check_join(threads[i]);
    CHECK_EQ(pool_worker_index(scratch.pool), -1);
    CHECK_EQ(count_get(&scratch.bodies), 4000);
    CHECK_OK(pool_destroy(scratch.pool));
    CHECK_OK(pool_destroy(scratch.other));
}

static void two_hundred_pools_live_at_once(void) {
    pool_t *pools[200];
    future_t *futures[200];
    size_t i;
    for (i = 0; i < LENGTH(pools); i++) {
        pools[i] = pool_create(2);
        futures[i] = check_submit(pools[i], increment, pack((intptr_t)i));
    }
    for (i = 0; i < LENGTH(pools); i++) {
        CHECK_EQ(unpack(check_take(futures[i])), i + 1);
        CHECK_OK(pool_destroy(pools[i]));
    }
}

static void ten_thousand_pools_in_a_row_take_no_more_than_one(void) {
    int i;
    for (i = 0; i < 10000; i++)
        CHECK_OK(pool_destroy(pool_create(2)));
    CHECK_EQ(unpack(check_take(check_submit(pool_default(), increment, pack(6)))), 7);
}

CHECK_MAIN(TEST(a_task_gets_its_argument_and_gives_its_result), TEST(a_spawned_task_runs),
           TEST(submit_many_gives_one_future_an_argument_in_their_order),
           TEST(submit_many_without_futures_runs_them_all),
           TEST(submit_many_without_arguments_gives_each_null), TEST(thread_count_is_what_was_asked_for),
           TEST(zero_threads_means_one_per_usable_cpu),
           TEST(the_environment_overrides_zero_threads_and_no_other_number),
           TEST(white_space_around_the_number_in_the_environment_is_ignored),
           TEST(nonsense_in_the_environment_is_refused_where_it_counts),
           TEST(creating_a_pool_starts_no_thread), TEST(destroy_leaves_no_thread_behind),
           TEST(the_default_pool_is_the_same_for_every_thread), TEST(the_default_pool_can_not_be_closed),
           TEST(a_new_pool_is_idle), TEST(wait_idle_times_out_while_a_task_runs),
           TEST(wait_idle_waits_for_children_of_children_too),
           TEST(worker_index_is_unique_among_running_bodies), TEST(two_hundred_pools_live_at_once),
           TEST(ten_thousand_pools_in_a_row_take_no_more_than_one))
