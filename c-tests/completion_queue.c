/* Completion queues. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>

#include "check.h"

enum { MANY = 10000 };

static void *same(void *arg) {
    return arg;
}

static void *fail(void *code) {
    task_fail((int32_t)unpack(code), NULL);
    return code;
}

static void add(completion_queue_t *queue, future_t *future, uint64_t tag) {
    CHECK_OK(completion_queue_add(queue, future, tag));
    CHECK_OK(future_release(future)); /* the queue has a share of its own */
}

static void completions_come_in_the_order_of_the_ends(void) {
    static completion_t completions[MANY];
    pool_t *pool = pool_create(1);
    completion_queue_t *queue = completion_queue_create();
    size_t done = 0, count = 0, i;
    for (i = 0; i < MANY; i++)
        add(queue, check_submit(pool, same, pack((intptr_t)i)), i);
    while (done < MANY) {
        CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, completions, MANY, &count));
        CHECK(count >= 1 && count <= MANY - done);
        for (i = 0; i < count; i++) {
            CHECK_EQ(completions[i].tag, done + i);
            CHECK_OK(completions[i].status);
            CHECK_EQ(unpack(completions[i].result), done + i);
        }
        done += count;
    }
    CHECK_STATUS(completion_queue_next(queue, 0, completions, MANY, &count), OFFGIL_ETIMEDOUT);
    CHECK_EQ(count, 0);
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

static void a_small_array_takes_the_oldest_and_leaves_the_others(void) {
    completion_t completions[3];
    pool_t *pool = pool_create(1);
    completion_queue_t *queue = completion_queue_create();
    size_t count, i;
    for (i = 0; i < 7; i++)
        add(queue, check_submit(pool, same, NULL), i);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_OK(completion_queue_next(queue, 0, completions, 3, &count));
    CHECK_EQ(count, 3);
    CHECK_OK(completion_queue_next(queue, 0, completions, 3, NULL));
    CHECK_EQ(completions[2].tag, 5);
    CHECK_OK(completion_queue_next(queue, 0, completions, 3, &count));
    CHECK_EQ(count, 1);
    CHECK_EQ(completions[0].tag, 6);
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

static completion_t take_one(completion_queue_t *queue) {
    completion_t completion;
    size_t count = 0;
    CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, &count));
    CHECK_EQ(count, 1);
    return completion;
}

static void each_end_has_its_status(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    completion_queue_t *queue = completion_queue_create();
    completion_t completion;
    future_t *canceled;
    gate_occupy(&gate, pool, 1);
    canceled = check_submit(pool, same, NULL);
    CHECK_OK(completion_queue_add(queue, canceled, UINT64_MAX));
    CHECK_OK(future_cancel(canceled));
    CHECK_OK(future_release(canceled));
    completion = take_one(queue);
    CHECK_EQ(completion.tag, UINT64_MAX);
    CHECK_STATUS(completion.status, OFFGIL_ECANCELED);
    CHECK_SAME(completion.result, NULL);
    add(queue, check_submit(pool, fail, pack(3)), 2);
    gate_open(&gate);
    completion = take_one(queue);
    CHECK_EQ(completion.tag, 2);
    CHECK_STATUS(completion.status, OFFGIL_EFAILED);
    CHECK_SAME(completion.result, NULL);
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

static void a_task_that_is_done_comes_at_once_into_every_queue_it_is_added_to(void) {
    pool_t *pool = pool_create(1);
    completion_queue_t *queues[2];
    future_t *future = check_submit(pool, same, pool);
    uint64_t tag;
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, NULL));
    queues[0] = completion_queue_create();
    queues[1] = completion_queue_create();
    for (tag = 0; tag < 4; tag++)
        CHECK_OK(completion_queue_add(queues[tag % 2], future, tag));
    for (tag = 0; tag < 4; tag++) {
        completion_t completion = take_one(queues[tag % 2]);
        CHECK_EQ(completion.tag, tag);
        CHECK_SAME(completion.result, pool);
    }
    CHECK_SAME(check_take(future), pool);
    CHECK_OK(completion_queue_release(queues[0]));
    CHECK_OK(completion_queue_release(queues[1]));
    CHECK_OK(pool_destroy(pool));
}

static int is_readable(int fd, int timeout_ms) {
    struct pollfd entry;
    entry.fd = fd;
    entry.events = POLLIN;
    entry.revents = 0;
    CHECK(poll(&entry, 1, timeout_ms) >= 0);
    return entry.revents == POLLIN;
}

static void the_descriptor_is_readable_while_there_is_something(void) {
    completion_t completions[MANY];
    pool_t *pool = pool_create(1);
    completion_queue_t *queue = completion_queue_create();
    int fd = completion_queue_fd(queue), round;
    size_t count, i;
    CHECK(fd >= 0);
    CHECK_EQ(completion_queue_fd(queue), fd);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    for (round = 0; round < 3; round++) {
        CHECK(!is_readable(fd, 0));
        for (i = 0; i < 100; i++)
            add(queue, check_submit(pool, same, NULL), i);
        CHECK(is_readable(fd, 50000));
        CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
        CHECK_OK(completion_queue_next(queue, 0, completions, 60, &count));
        CHECK_EQ(count, 60);
        CHECK(is_readable(fd, 0));
        CHECK_OK(completion_queue_next(queue, 0, completions, MANY, &count));
        CHECK_EQ(count, 40); /* a hundred ends were one wake-up */
    }
    CHECK(!is_readable(fd, 0));
    CHECK_OK(completion_queue_release(queue));
    CHECK(fcntl(fd, F_GETFD) < 0); /* closed with it */
    CHECK_OK(pool_destroy(pool));
}

static void a_descriptor_that_is_asked_for_late_is_readable_at_once(void) {
    pool_t *pool = pool_create(1);
    completion_queue_t *queue = completion_queue_create();
    add(queue, check_submit(pool, same, NULL), 0);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK(is_readable(completion_queue_fd(queue), 0));
    take_one(queue);
    CHECK(!is_readable(completion_queue_fd(queue), 0));
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

static void *next_until_released(void *queue) {
    completion_t completion;
    size_t count = 7;
    CHECK_STATUS(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, &count), OFFGIL_EHANDLE);
    CHECK_EQ(count, 7);
    return NULL;
}

static void a_release_ends_the_waits(void) {
    completion_queue_t *queue = completion_queue_create();
    pthread_t threads[3];
    int i;
    for (i = 0; i < 3; i++)
        threads[i] = check_thread(next_until_released, queue);
    sleep_ns(SOON);
    CHECK_OK(completion_queue_release(queue));
    for (i = 0; i < 3; i++)
        check_join(threads[i]);
    CHECK_STATUS(completion_queue_release(queue), OFFGIL_EHANDLE);
    CHECK_EQ(completion_queue_fd(queue), -1);
    CHECK_STATUS(offgil_last_status(), OFFGIL_EHANDLE);
}

static count_t dropped = COUNT_ZERO;

static void drop(void *result) {
    count_add(&dropped, unpack(result));
}

static void a_queue_that_is_released_early_keeps_no_task_and_no_result(void) {
    pool_t *pool = pool_create(1);
    gate_t gate = GATE_CLOSED;
    completion_queue_t *queue = completion_queue_create();
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.queue = queue;
    options.drop_result = drop;
    CHECK_OK(pool_spawn_with(pool, &options, same, pack(1)));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER)); /* one is in it, */
    gate_occupy(&gate, pool, 1);
    CHECK_OK(pool_spawn_with(pool, &options, same, pack(10))); /* the others are to come */
    future = pool_submit_with(pool, &options, same, pack(100));
    CHECK_OK(completion_queue_release(queue));
    CHECK_EQ(count_get(&dropped), 1);
    CHECK_REFUSED(pool_submit_with(pool, &options, same, NULL), OFFGIL_EHANDLE);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(count_get(&dropped), 11);
    check_take(future); /* taken: not dropped */
    CHECK_EQ(count_get(&dropped), 11);
    CHECK_OK(pool_destroy(pool));
}

static void options_bring_a_task_into_a_queue_without_a_future(void) {
    pool_t *pool = pool_create(2);
    completion_queue_t *queue = completion_queue_create();
    task_options_t options;
    int i, seen[100] = {0};
    task_options_init(&options, sizeof options);
    options.queue = queue;
    for (i = 0; i < 100; i++) {
        options.tag = (uint64_t)i;
        CHECK_OK(pool_spawn_with(pool, &options, same, pack(i)));
    }
    for (i = 0; i < 100; i++) {
        completion_t completion = take_one(queue);
        CHECK_EQ(unpack(completion.result), completion.tag);
        CHECK_EQ(seen[completion.tag]++, 0);
    }
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(pool_destroy(pool));
}

static completion_queue_t *shared;
static count_t taken = COUNT_ZERO;

static void *take_many(void *unused) {
    completion_t completions[16];
    size_t count;
    while (completion_queue_next(shared, OFFGIL_FOREVER, completions, 16, &count) == OFFGIL_OK)
        count_add(&taken, (int64_t)count);
    CHECK_STATUS(offgil_last_status(), OFFGIL_EHANDLE);
    return unused;
}

static void each_completion_goes_to_one_of_several_threads(void) {
    pool_t *pool = pool_create(2);
    pthread_t threads[4];
    int i;
    shared = completion_queue_create();
    for (i = 0; i < 4; i++)
        threads[i] = check_thread(take_many, NULL);
    for (i = 0; i < MANY; i++)
        add(shared, check_submit(pool, same, NULL), 0);
    count_wait(&taken, MANY);
    CHECK_STATUS(completion_queue_next(shared, 0, &(completion_t){0, 0, NULL}, 1, NULL), OFFGIL_ETIMEDOUT);
    CHECK_OK(completion_queue_release(shared));
    for (i = 0; i < 4; i++)
        check_join(threads[i]);
    CHECK_EQ(count_get(&taken), MANY);
    CHECK_OK(pool_destroy(pool));
}

static void *add_and_release(void *pool) {
    int i;
    for (i = 0; i < 2000; i++) {
        completion_queue_t *queue = completion_queue_create();
        future_t *future = check_submit(pool, same, NULL);
        CHECK_OK(completion_queue_add(queue, future, 0));
        CHECK_OK(completion_queue_release(queue));
        check_take(future);
    }
    return NULL;
}

static void releases_that_race_the_ends_lose_no_task(void) {
    pool_t *pool = pool_create(2);
    pthread_t threads[2];
    threads[0] = check_thread(add_and_release, pool);
    threads[1] = check_thread(add_and_release, pool);
    check_join(threads[0]);
    check_join(threads[1]);
    CHECK_OK(pool_destroy(pool));
}

static void bad_arguments_are_refused(void) {
    completion_queue_t *queue = completion_queue_create();
    completion_t completion;
    CHECK_STATUS(completion_queue_next(queue, 0, NULL, 1, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(completion_queue_next(queue, 0, &completion, 0, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(completion_queue_next(queue, MILLISECOND, &completion, 1, NULL), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(completion_queue_add(queue, NULL, 0), OFFGIL_EINVAL);
    CHECK_STATUS(completion_queue_add(NULL, NULL, 0), OFFGIL_EINVAL);
    CHECK_OK(completion_queue_release(queue));
}

CHECK_MAIN(TEST(completions_come_in_the_order_of_the_ends),
           TEST(a_small_array_takes_the_oldest_and_leaves_the_others), TEST(each_end_has_its_status),
           TEST(a_task_that_is_done_comes_at_once_into_every_queue_it_is_added_to),
           TEST(the_descriptor_is_readable_while_there_is_something),
           TEST(a_descriptor_that_is_asked_for_late_is_readable_at_once), TEST(a_release_ends_the_waits),
           TEST(a_queue_that_is_released_early_keeps_no_task_and_no_result),
           TEST(options_bring_a_task_into_a_queue_without_a_future),
           TEST(each_completion_goes_to_one_of_several_threads),
           TEST(releases_that_race_the_ends_lose_no_task), TEST(bad_arguments_are_refused))
