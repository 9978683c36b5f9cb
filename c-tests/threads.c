/* When threads can't be started: a pool works with those it got, and with none it says so.
 *
 * RLIMIT_NPROC does not bind root, so each test runs in a child that first becomes a user nobody else is.
 * Where that is not allowed, a limit below what the user already runs still leaves no thread at all. */
#include <sys/types.h>
#include <sys/wait.h>

#include "check.h"

/* Not POSIX, but on every Unix that has the limit. */
#include <sys/resource.h>

static void *nothing(void *arg) {
    return arg;
}

static void *return_at_once(void *unused) {
    return unused;
}

static void limit_threads(rlim_t threads) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &limit), 0);
    limit.rlim_cur = threads;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
}

static int a_thread_can_be_started(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, return_at_once, NULL) != 0)
        return 0;
    check_join(thread);
    return 1;
}

/* Runs `body` in a child that may have that many threads more than the one it has. */
static void in_a_child_with(int more_threads, void (*body)(void)) {
    pid_t child;
    int status = 0;
    if (geteuid() != 0 && more_threads > 0) {
        fputs("skipped: only root can become a user of whom every thread is known\n", stderr);
        return;
    }
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && setuid((uid_t)(20000 + getpid() % 40000)) != 0) {
            fputs("skipped: no such user can be had here\n", stderr);
            _exit(0);
        }
        limit_threads((rlim_t)(1 + more_threads));
        if (more_threads == 0 && a_thread_can_be_started()) {
            fputs("skipped: this system does not enforce RLIMIT_NPROC\n", stderr);
            _exit(0);
        }
        body();
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void every_submit_says_so(void) {
    pool_t *pool = pool_create(4);
    void *args[2] = {NULL, NULL};
    future_t *futures[2] = {NULL, NULL};
    CHECK(pool != NULL);
    CHECK_REFUSED(pool_submit(pool, nothing, NULL), OFFGIL_ETHREAD);
    CHECK_STATUS(pool_spawn(pool, nothing, NULL), OFFGIL_ETHREAD);
    CHECK_STATUS(pool_submit_many(pool, nothing, args, 2, futures), OFFGIL_ETHREAD);
    CHECK(futures[0] == NULL && futures[1] == NULL);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER)); /* nothing was left behind */
    CHECK_OK(pool_destroy(pool));
}

static void without_any_thread_submit_says_so(void) {
    in_a_child_with(0, every_submit_says_so);
}

static void submits_again_when_threads_can_be_had(void) {
    pool_t *pool = pool_create(2);
    struct rlimit limit;
    CHECK_REFUSED(pool_submit(pool, nothing, NULL), OFFGIL_ETHREAD);
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &limit), 0);
    limit_threads(limit.rlim_max);
    CHECK_SAME(check_take(check_submit(pool, nothing, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void a_pool_recovers_when_threads_can_be_had_again(void) {
    in_a_child_with(0, submits_again_when_threads_can_be_had);
}

static void count_range(void *count, size_t begin, size_t end) {
    count_add(count, (int64_t)(end - begin));
}

static void *count_one(void *count) {
    count_add(count, 1);
    return count;
}

/* A caller that may help needs no thread; a pool of one has nobody but its thread. */
static void calls_that_wait(void) {
    pool_t *pool = pool_create(4), *one = pool_create(1);
    count_t runs = COUNT_ZERO;
    offgil_status status = pool_for(pool, 0, 100, 1, count_range, &runs);
    CHECK(status == OFFGIL_OK || status == OFFGIL_ETHREAD);
    CHECK_EQ(count_get(&runs), status == OFFGIL_OK ? 100 : 0);
    status = pool_invoke(pool, count_one, &runs, count_one, &runs);
    CHECK(status == OFFGIL_OK || status == OFFGIL_ETHREAD);
    CHECK_STATUS(pool_for(one, 0, 100, 1, count_range, &runs), OFFGIL_ETHREAD);
    CHECK_STATUS(pool_invoke(one, count_one, &runs, count_one, &runs), OFFGIL_ETHREAD);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(one));
}

static void without_any_thread_a_range_ends_too(void) {
    in_a_child_with(0, calls_that_wait);
}

static struct {
    pthread_t threads[16];
    pthread_mutex_t lock;
    int count;
} met = {{0}, PTHREAD_MUTEX_INITIALIZER, 0};

static void *meet(void *unused) {
    int i;
    pthread_mutex_lock(&met.lock);
    for (i = 0; i < met.count && !pthread_equal(met.threads[i], pthread_self()); i++)
        continue;
    CHECK(i < (int)LENGTH(met.threads));
    if (i == met.count)
        met.threads[met.count++] = pthread_self();
    pthread_mutex_unlock(&met.lock);
    return unused;
}

static void two_threads_do_the_work_of_eight(void) {
    pool_t *pool = pool_create(8);
    future_t *futures[500];
    size_t i;
    for (i = 0; i < LENGTH(futures); i++)
        futures[i] = check_submit(pool, meet, pool);
    for (i = 0; i < LENGTH(futures); i++)
        CHECK_OK(future_wait(futures[i], LONG_ENOUGH, NULL)); /* main does not help */
    for (i = 0; i < LENGTH(futures); i++)
        CHECK_OK(future_release(futures[i]));
    CHECK(met.count >= 1 && met.count <= 2);
    CHECK_EQ(pool_thread_count(pool), 8);
    CHECK_OK(pool_destroy(pool));
}

static void a_pool_works_with_the_threads_it_got(void) {
    in_a_child_with(2, two_threads_do_the_work_of_eight);
}

static pool_t *tree_pool;

static void *tree(void *depth) {
    future_t *one, *two;
    intptr_t sum;
    if (depth == NULL)
        return pack(1);
    one = check_submit(tree_pool, tree, pack(unpack(depth) - 1));
    two = check_submit(tree_pool, tree, pack(unpack(depth) - 1));
    sum = unpack(check_take(one));
    return pack(sum + unpack(check_take(two)));
}

static void a_tree_of_waits_on_one_thread(void) {
    tree_pool = pool_create(8);
    CHECK_EQ(unpack(check_take(check_submit(tree_pool, tree, pack(10)))), 1024);
    CHECK_OK(pool_destroy(tree_pool));
}

static void waits_nest_on_a_single_thread(void) {
    in_a_child_with(1, a_tree_of_waits_on_one_thread);
}

static void *wait_for_any(void *pool) {
    future_t *child = check_submit(pool, nothing, pool);
    offgil_status status = future_wait_any(&child, 1, OFFGIL_FOREVER, NULL);
    CHECK_STATUS(status, OFFGIL_ETHREAD);
    CHECK_OK(future_release(child));
    return pool;
}

static void no_spare_thread(void) {
    pool_t *pool = pool_create(1);
    CHECK_SAME(check_take(check_submit(pool, wait_for_any, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void without_a_spare_thread_a_wait_says_so_and_does_not_hang(void) {
    in_a_child_with(1, no_spare_thread);
}

static void use_the_pool(void *pool) {
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_OK(pool_spawn(pool, nothing, NULL)); /* in the room of the one that is canceled */
}

static pool_t *full_with_one(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_BLOCK;
    options.keep_alive_ns = MILLISECOND;
    return pool_create_with(&options);
}

/* When its turn comes the blocking lane has no thread any more. */
static void a_dependent_has_no_thread(void) {
    pool_t *pool = full_with_one(), *other = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *first = check_submit(other, gate_task, &gate), *dependent;
    task_options_t options;
    pool_stats_t stats;
    task_options_init(&options, sizeof options);
    options.after = &first;
    options.after_count = 1;
    options.blocking = 1;
    options.drop_arg = use_the_pool;
    check_take(check_submit(pool, nothing, NULL));
    dependent = check_submit_with(pool, &options, nothing, pool);
    do {
        sleep_ns(MILLISECOND);
        CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    } while (stats.threads_blocking > 0);
    limit_threads(1);
    gate_open(&gate);
    CHECK_STATUS(future_wait(dependent, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
    CHECK_OK(future_release(dependent));
    check_take(first);
    CHECK_OK(pool_destroy(other));
    CHECK_OK(pool_destroy(pool));
}

static void who_is_told_that_a_task_got_no_thread_has_its_room_and_cannot_wait_for_its_pool(void) {
    in_a_child_with(3, a_dependent_has_no_thread);
}

CHECK_MAIN(TEST(without_any_thread_submit_says_so), TEST(a_pool_recovers_when_threads_can_be_had_again),
           TEST(without_any_thread_a_range_ends_too), TEST(a_pool_works_with_the_threads_it_got),
           TEST(waits_nest_on_a_single_thread), TEST(without_a_spare_thread_a_wait_says_so_and_does_not_hang),
           TEST(who_is_told_that_a_task_got_no_thread_has_its_room_and_cannot_wait_for_its_pool))
