/* pool_resize: more bodies at once, or fewer, while the pool is at work. */
#include "check.h"

#ifdef __linux__
#include <dirent.h>
#endif

static uint64_t next_random(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 16;
}

static void *echo(void *arg) {
    return arg;
}

static void growing_lets_more_bodies_run_at_once(void) {
    pool_t *pool = pool_create(2);
    gate_t gate = GATE_CLOSED;
    int i;
    for (i = 0; i < 100; i++)
        CHECK_OK(pool_spawn(pool, gate_task, &gate));
    count_wait(&gate.started, 2);
    sleep_ns(SOON);
    CHECK_EQ(count_get(&gate.started), 2);
    CHECK_OK(pool_resize(pool, 90));
    CHECK_EQ(pool_thread_count(pool), 90);
    count_wait(&gate.started, 90);
    sleep_ns(SOON);
    CHECK_EQ(count_get(&gate.started), 90);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&gate.started), 100);
}

static void growing_from_one_runs_what_is_queued_behind_a_long_body(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    future_t *queued;
    gate_occupy(&gate, pool, 1);
    queued = check_submit(pool, echo, pool);
    CHECK_OK(pool_resize(pool, 2));
    CHECK_SAME(check_take(queued), pool);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static void *resize_inside(void *pool) {
    CHECK_OK(pool_resize(pool, 7));
    CHECK_OK(pool_resize(pool, 3));
    return pool;
}

static void a_task_may_resize_its_own_pool(void) {
    pool_t *pool = pool_create(1);
    CHECK_SAME(check_take(check_submit(pool, resize_inside, pool)), pool);
    CHECK_EQ(pool_thread_count(pool), 3);
    CHECK_OK(pool_destroy(pool));
}

static void bad_arguments_and_closed_pools_are_refused(void) {
    pool_t *pool = pool_create(2);
    CHECK_STATUS(pool_resize(NULL, 2), OFFGIL_EINVAL);
    CHECK_STATUS(pool_resize(pool, 4097), OFFGIL_EINVAL);
    CHECK_EQ(pool_thread_count(pool), 2);
    CHECK_OK(pool_resize(pool, 4096));
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
    CHECK_OK(pool_resize(pool, 0));
    CHECK_EQ(pool_thread_count(pool), offgil_cpu_count());
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", "5", 1), 0);
    CHECK_OK(pool_resize(pool, 0));
    CHECK_EQ(pool_thread_count(pool), 5);
    CHECK_EQ(setenv("OFFGIL_NUM_THREADS", "five", 1), 0);
    CHECK_STATUS(pool_resize(pool, 0), OFFGIL_EINVAL);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(pool_resize(pool, 3), OFFGIL_ECLOSED);
    CHECK_EQ(pool_thread_count(pool), 5);
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(pool_resize(pool, 3), OFFGIL_EHANDLE);
}

static void the_default_pool_may_be_resized(void) {
    pool_t *pool = pool_default();
    CHECK_OK(pool_resize(pool, 3));
    CHECK_EQ(pool_thread_count(pool), 3);
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
}

static void no_body_starts_before_enough_have_ended(void) {
    enum { BEFORE = 4, LIMIT = 2 };
    pool_t *pool = pool_create(BEFORE);
    gate_t gates[BEFORE], later = GATE_CLOSED;
    const gate_t closed = GATE_CLOSED;
    int i;
    for (i = 0; i < BEFORE; i++) {
        gates[i] = closed;
        CHECK_OK(pool_spawn(pool, gate_task, &gates[i]));
        count_wait(&gates[i].started, 1);
    }
    CHECK_OK(pool_resize(pool, LIMIT));
    for (i = 0; i < BEFORE; i++)
        CHECK_OK(pool_spawn(pool, gate_task, &later));
    for (i = 0; i < BEFORE; i++) {
        int running = BEFORE - i, room = LIMIT > running ? LIMIT - running : 0;
        count_wait(&later.started, room);
        sleep_ns(SOON);
        CHECK_EQ(count_get(&later.started), room);
        gate_open(&gates[i]);
    }
    count_wait(&later.started, LIMIT);
    gate_open(&later);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&later.started), BEFORE);
}

/* Tasks that notice how many of them run at a time, in which order, and on which places. */
static count_t running = COUNT_ZERO;

typedef struct {
    pool_t *pool;
    int threads; /* the count when it was submitted */
    int number;
    int *next;
} noticing_t;

static void *notice(void *arg) {
    noticing_t *task = arg;
    int place = pool_worker_index(task->pool);
    CHECK(count_add(&running, 1) <= task->threads);
    CHECK(place >= 0 && place < task->threads);
    if (task->next != NULL)
        CHECK_EQ(__sync_fetch_and_add(task->next, 1), task->number);
    count_add(&running, -1);
    return task;
}

enum { MANY = 60 };

/* After the resize, so many tasks in a row; all of them have ended when this returns. */
static void submit_and_take(pool_t *pool, int threads, int in_order) {
    noticing_t tasks[MANY];
    future_t *futures[MANY];
    int i, next = 0;
    for (i = 0; i < MANY; i++) {
        tasks[i].pool = pool;
        tasks[i].threads = threads;
        tasks[i].number = i;
        tasks[i].next = in_order ? &next : NULL;
        futures[i] = check_submit(pool, notice, &tasks[i]);
    }
    for (i = MANY - 1; i >= 0; i--)
        CHECK_SAME(check_take(futures[i]), &tasks[i]);
}

static void tasks_that_start_after_a_resize_keep_to_the_new_number_and_its_places(void) {
    pool_t *pool = pool_create(1);
    uint64_t random = 7;
    int round;
    for (round = 0; round < 2000; round++) {
        int threads = 1 + (int)(next_random(&random) % 6);
        CHECK_OK(pool_resize(pool, (uint32_t)threads));
        submit_and_take(pool, threads, 0);
    }
    CHECK_OK(pool_destroy(pool));
}

static void shrinking_to_one_makes_a_pool_that_runs_in_order_one_at_a_time(void) {
    pool_t *pool = pool_create(1);
    int round;
    for (round = 0; round < 2000; round++) {
        CHECK_OK(pool_resize(pool, 4));
        submit_and_take(pool, 4, 0);
        CHECK_OK(pool_resize(pool, 1));
        submit_and_take(pool, 1, 1);
    }
    CHECK_OK(pool_destroy(pool));
}

static void *wait_and_say_where(void *arg) {
    void **pair = arg; /* the pool, and what to wait for */
    CHECK_EQ(pool_worker_index(pair[0]), 3);
    CHECK_OK(future_wait(pair[1], OFFGIL_FOREVER, NULL));
    return pack(pool_worker_index(pair[0]));
}

static uint32_t blocked_in(pool_t *pool) {
    pool_stats_t stats;
    CHECK_OK(pool_stats(pool, &stats, sizeof stats));
    return stats.threads_blocked;
}

static void a_body_that_waited_goes_on_at_a_place_of_the_smaller_pool(void) {
    pool_t *pool = pool_create(4), *other = pool_create(1);
    gate_t gate = GATE_CLOSED, awaited = GATE_CLOSED;
    void *pair[2];
    future_t *waits;
    gate_occupy(&gate, pool, 3);
    pair[0] = pool;
    pair[1] = check_submit(other, gate_task, &awaited);
    count_wait(&awaited.started, 1); /* in the other pool, not by who waits for it */
    waits = check_submit(pool, wait_and_say_where, pair);
    while (blocked_in(pool) != 1) /* who runs the test kills it if that never comes */
        sleep_ns(MILLISECOND);
    CHECK_OK(pool_resize(pool, 2));
    gate_open(&awaited);
    CHECK_STATUS(future_wait(waits, SOON, NULL), OFFGIL_ETIMEDOUT); /* three run */
    gate_open(&gate);
    CHECK(unpack(check_take(waits)) < 2);
    CHECK_OK(future_release(pair[1]));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(pool_destroy(other));
}

/* Threads that resize until they are told to stop. */
static struct {
    pool_t *pool;
    int most, stop;
} resizing;

static void *resize_at_random(void *seed) {
    uint64_t random = (uint64_t)unpack(seed) * 0x9e3779b97f4a7c15u;
    while (!__sync_fetch_and_add(&resizing.stop, 0)) {
        uint32_t threads = 1 + (uint32_t)(next_random(&random) % (unsigned)resizing.most);
        offgil_status status = pool_resize(resizing.pool, threads);
        if (status == OFFGIL_ECLOSED)
            break;
        CHECK_OK(status);
        if (next_random(&random) % 4 == 0)
            sleep_ns((int64_t)(next_random(&random) % 200000));
    }
    return NULL;
}

static void start_resizing(pthread_t threads[2], pool_t *pool, int most) {
    resizing.pool = pool;
    resizing.most = most;
    resizing.stop = 0;
    threads[0] = check_thread(resize_at_random, pack(1));
    threads[1] = check_thread(resize_at_random, pack(2));
}

static void stop_resizing(pthread_t threads[2]) {
    __sync_fetch_and_add(&resizing.stop, 1);
    check_join(threads[0]);
    check_join(threads[1]);
}

static void resizes_under_load_lose_no_task_and_keep_to_the_largest_limit(void) {
    enum { ROUNDS = 400, LARGEST = 6 };
    pool_t *pool = pool_create(3);
    pthread_t threads[2];
    int i;
    start_resizing(threads, pool, LARGEST);
    for (i = 0; i < ROUNDS; i++) {
        submit_and_take(pool, LARGEST, 0);
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    }
    stop_resizing(threads);
    CHECK_OK(pool_resize(pool, 2));
    submit_and_take(pool, 2, 0);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_t *pool;
    int depth;
    intptr_t leaves;
} tree_t;

static void *grow_tree(void *arg);

static void count_leaves(void *context, size_t begin, size_t end) {
    __sync_fetch_and_add((intptr_t *)context, (intptr_t)(end - begin));
}

/* Two subtrees, by invoke or by futures; at the leaves a range of two. */
static void *grow_tree(void *arg) {
    tree_t *tree = arg, halves[2];
    int i;
    for (i = 0; i < 2; i++) {
        halves[i].pool = tree->pool;
        halves[i].depth = tree->depth - 1;
        halves[i].leaves = 0;
    }
    if (tree->depth == 0) {
        CHECK_OK(pool_for(tree->pool, 0, 2, 1, count_leaves, &tree->leaves));
        return tree;
    }
    if (tree->depth % 2) {
        CHECK_OK(pool_invoke(tree->pool, grow_tree, &halves[0], grow_tree, &halves[1]));
    } else {
        future_t *left = check_submit(tree->pool, grow_tree, &halves[0]);
        future_t *right = check_submit(tree->pool, grow_tree, &halves[1]);
        check_take(left);
        check_take(right);
    }
    tree->leaves = halves[0].leaves + halves[1].leaves;
    return tree;
}

static void nested_waits_end_under_resizes(void) {
    pool_options_t options;
    pthread_t threads[2];
    int round, i;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    for (round = 0; round < 40; round++) {
        pool_t *pool;
        future_t *trees[4];
        tree_t roots[4], mine = {NULL, 5, 0};
        options.waiters_help = round % 2;
        pool = pool_create_with(&options);
        start_resizing(threads, pool, 5);
        for (i = 0; i < 4; i++) {
            roots[i].pool = pool;
            roots[i].depth = 6;
            roots[i].leaves = 0;
            trees[i] = check_submit(pool, grow_tree, &roots[i]);
        }
        mine.pool = pool;
        grow_tree(&mine);
        CHECK_EQ(mine.leaves, 64);
        for (i = 0; i < 4; i++) {
            CHECK_SAME(check_take(trees[i]), &roots[i]);
            CHECK_EQ(roots[i].leaves, 128);
        }
        stop_resizing(threads);
        CHECK_OK(pool_destroy(pool));
    }
}

static void idleness_and_shutdown_are_seen_under_resizes(void) {
    int round;
    for (round = 0; round < 300; round++) {
        pool_t *pool = pool_create(2);
        pthread_t threads[2];
        start_resizing(threads, pool, 5);
        CHECK_OK(pool_spawn(pool, echo, NULL));
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
        CHECK_OK(pool_spawn(pool, echo, NULL));
        CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
        check_join(threads[0]); /* ends by OFFGIL_ECLOSED */
        check_join(threads[1]);
        CHECK_OK(pool_destroy(pool));
    }
}

static pool_t *run_when_full(uint32_t threads) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_RUN;
    return pool_create_with(&options);
}

static pthread_t submitter;
static count_t submits_begun = COUNT_ZERO;

static void *say_whether_on_the_submitter(void *arg) {
    (void)arg;
    return pack(pthread_equal(pthread_self(), submitter));
}

static void *submit_one(void *pool) {
    submitter = pthread_self();
    count_add(&submits_begun, 1);
    return check_submit(pool, say_whether_on_the_submitter, NULL);
}

/* A thread whose submit has begun, and has had some time to find the queue full. */
static pthread_t start_submitter(pool_t *pool, int64_t patience_ns) {
    int64_t before = count_get(&submits_begun);
    pthread_t thread = check_thread(submit_one, pool);
    count_wait(&submits_begun, before + 1);
    sleep_ns(patience_ns);
    return thread;
}

static int submitter_gets_a_new_place(int64_t patience_ns) {
    pool_t *pool = run_when_full(2);
    gate_t gate = GATE_CLOSED;
    pthread_t thread;
    intptr_t gets_it;
    gate_occupy(&gate, pool, 2);
    CHECK_OK(pool_spawn(pool, gate_task, &gate)); /* the queue is full */
    thread = start_submitter(pool, patience_ns);
    CHECK_OK(pool_resize(pool, 4));
    gets_it = unpack(check_take(check_join(thread)));
    count_wait(&gate.started, 3);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
    return gets_it == 1;
}

/* One that is too late to wait finds room in the queue. */
static void a_submitter_that_waits_to_run_its_task_gets_a_new_place(void) {
    int64_t patience_ns = SOON;
    while (!submitter_gets_a_new_place(patience_ns)) {
        CHECK(patience_ns < 10 * SECOND);
        patience_ns *= 2;
    }
}

static void a_submitter_does_not_run_its_task_in_a_pool_that_has_become_a_serializer(void) {
    pool_t *pool = run_when_full(2);
    gate_t gate = GATE_CLOSED;
    pthread_t thread;
    gate_occupy(&gate, pool, 2);
    CHECK_OK(pool_spawn(pool, gate_task, &gate));
    thread = start_submitter(pool, SOON);
    CHECK_OK(pool_resize(pool, 1));
    gate_open(&gate);
    CHECK(unpack(check_take(check_join(thread))) == 0);
    CHECK_OK(pool_destroy(pool));
}

#ifdef __linux__
static int threads_of_this_process(void) {
    DIR *directory = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    CHECK_EQ(closedir(directory), 0);
    return count;
}

static void wait_for_threads(int count) {
    while (threads_of_this_process() != count) /* who runs the test kills it if that never comes */
        sleep_ns(MILLISECOND);
}
#endif

static void threads_that_are_too_many_end_whether_they_sleep_or_work(void) {
#ifdef __linux__
    pool_t *pool = pool_create(12);
    gate_t first = GATE_CLOSED, second = GATE_CLOSED;
    gate_occupy(&first, pool, 12);
    CHECK_EQ(threads_of_this_process(), 13);
    gate_open(&first);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(pool_resize(pool, 7)); /* all sleep, or are about to */
    wait_for_threads(8);
    gate_occupy(&second, pool, 7);
    CHECK_OK(pool_resize(pool, 2)); /* all are busy */
    gate_open(&second);
    wait_for_threads(3);
    CHECK_OK(pool_resize(pool, 5));
    submit_and_take(pool, 5, 0);
    CHECK_OK(pool_destroy(pool));
#endif
}

CHECK_MAIN(TEST(growing_lets_more_bodies_run_at_once),
           TEST(growing_from_one_runs_what_is_queued_behind_a_long_body),
           TEST(a_task_may_resize_its_own_pool), TEST(bad_arguments_and_closed_pools_are_refused),
           TEST(the_default_pool_may_be_resized), TEST(no_body_starts_before_enough_have_ended),
           TEST(tasks_that_start_after_a_resize_keep_to_the_new_number_and_its_places),
           TEST(shrinking_to_one_makes_a_pool_that_runs_in_order_one_at_a_time),
           TEST(a_body_that_waited_goes_on_at_a_place_of_the_smaller_pool),
           TEST(resizes_under_load_lose_no_task_and_keep_to_the_largest_limit),
           TEST(nested_waits_end_under_resizes), TEST(idleness_and_shutdown_are_seen_under_resizes),
           TEST(a_submitter_that_waits_to_run_its_task_gets_a_new_place),
           TEST(a_submitter_does_not_run_its_task_in_a_pool_that_has_become_a_serializer),
           TEST(threads_that_are_too_many_end_whether_they_sleep_or_work))
