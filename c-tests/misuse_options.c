/* Bad input to groups, completion queues and task options: each has its status, and none of it crashes. */
#include <stddef.h>

#include "check.h"

static void *echo(void *arg) {
    return arg;
}

static void ignore(void *context, offgil_status status, void *result) {
    (void)context;
    (void)status;
    (void)result;
}

static void every_group_function_answers(group_t *group, offgil_status expected) {
    CHECK_STATUS(group_spawn(group, echo, NULL), expected);
    CHECK_STATUS(group_wait(group, 0), expected);
    CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), expected);
    CHECK_STATUS(group_cancel(group), expected);
    CHECK_STATUS(group_release(group), expected);
}

static void every_queue_function_answers(completion_queue_t *queue, future_t *future,
                                         offgil_status expected) {
    completion_t completion = {7, 7, NULL};
    size_t count = 7;
    CHECK_STATUS(completion_queue_add(queue, future, 0), expected);
    CHECK_STATUS(completion_queue_next(queue, 0, &completion, 1, &count), expected);
    CHECK_STATUS(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, &count), expected);
    CHECK_EQ(completion_queue_fd(queue), -1);
    CHECK_STATUS(offgil_last_status(), expected);
    CHECK_STATUS(completion_queue_release(queue), expected);
    CHECK(count == 7 && completion.tag == 7); /* nothing was written */
}

/* As a pool, as a future, and in each place of the options where a handle goes. */
static void it_is_refused_everywhere_else(pool_t *live, void *handle, int is_group, int is_queue) {
    task_options_t options;
    future_t *after = handle;
    task_options_init(&options, sizeof options);
    CHECK_REFUSED(pool_submit_with(handle, &options, echo, NULL), OFFGIL_EHANDLE);
    CHECK_REFUSED(group_create(handle, NULL), OFFGIL_EHANDLE);
    CHECK_STATUS(pool_run_worker(handle), OFFGIL_EHANDLE);
    CHECK_STATUS(future_on_done(handle, ignore, NULL), OFFGIL_EHANDLE);
    options.after = &after;
    options.after_count = 1;
    CHECK_REFUSED(pool_submit_with(live, &options, echo, NULL), OFFGIL_EHANDLE);
    task_options_init(&options, sizeof options);
    if (!is_group) {
        CHECK_REFUSED(group_create(live, handle), OFFGIL_EHANDLE);
        options.group = handle;
        CHECK_STATUS(pool_spawn_with(live, &options, echo, NULL), OFFGIL_EHANDLE);
        options.group = NULL;
    }
    if (!is_queue) {
        options.queue = handle;
        CHECK_STATUS(pool_spawn_with(live, &options, echo, NULL), OFFGIL_EHANDLE);
    }
}

static void null_handles_are_bad_arguments(void) {
    pool_t *pool = pool_create(1);
    every_group_function_answers(NULL, OFFGIL_EINVAL);
    every_queue_function_answers(NULL, NULL, OFFGIL_EINVAL);
    CHECK_REFUSED(group_create(NULL, NULL), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_submit_with(NULL, NULL, echo, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_spawn_with(NULL, NULL, echo, NULL), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_submit_with(pool, NULL, NULL, NULL), OFFGIL_EINVAL);
    CHECK_STATUS(pool_spawn_with(pool, NULL, NULL, NULL), OFFGIL_EINVAL);
    CHECK_SAME(check_take(pool_submit_with(pool, NULL, echo, pool)), pool); /* options may be NULL */
    task_options_init(NULL, sizeof(task_options_t));
    CHECK_OK(pool_destroy(pool));
}

static void stale_handles_stay_stale_when_their_slots_are_used_again(void) {
    pool_t *pool = pool_create(1);
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, echo, NULL);
    int i;
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
    for (i = 0; i < 300; i++) {
        group_t *other_group = group_create(pool, NULL);
        completion_queue_t *other_queue = completion_queue_create();
        CHECK(other_group != group && other_queue != queue);
        every_group_function_answers(group, OFFGIL_EHANDLE);
        every_queue_function_answers(queue, future, OFFGIL_EHANDLE);
        it_is_refused_everywhere_else(pool, group, 0, 0);
        it_is_refused_everywhere_else(pool, queue, 0, 0);
        CHECK_OK(group_release(other_group));
        CHECK_OK(completion_queue_release(other_queue));
    }
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static void a_handle_of_another_kind_is_none(void) {
    pool_t *pool = pool_create(1);
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, echo, NULL);
    every_group_function_answers((group_t *)(void *)pool, OFFGIL_EHANDLE);
    every_group_function_answers((group_t *)(void *)queue, OFFGIL_EHANDLE);
    every_group_function_answers((group_t *)(void *)future, OFFGIL_EHANDLE);
    every_queue_function_answers((completion_queue_t *)(void *)pool, future, OFFGIL_EHANDLE);
    every_queue_function_answers((completion_queue_t *)(void *)group, future, OFFGIL_EHANDLE);
    every_queue_function_answers((completion_queue_t *)(void *)future, future, OFFGIL_EHANDLE);
    it_is_refused_everywhere_else(pool, group, 1, 0);
    it_is_refused_everywhere_else(pool, queue, 0, 1);
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static void a_live_handle_with_one_bit_changed_is_none(void) {
    pool_t *pool = pool_create(1);
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *future = check_submit(pool, echo, NULL);
    unsigned bit;
    for (bit = 0; bit < 64; bit++) {
        uintptr_t other_group = (uintptr_t)group ^ (uintptr_t)1 << bit;
        uintptr_t other_queue = (uintptr_t)queue ^ (uintptr_t)1 << bit;
        every_group_function_answers((group_t *)other_group,
                                     other_group == 0 ? OFFGIL_EINVAL : OFFGIL_EHANDLE);
        every_queue_function_answers((completion_queue_t *)other_queue, future,
                                     other_queue == 0 ? OFFGIL_EINVAL : OFFGIL_EHANDLE);
    }
    CHECK_OK(group_release(group));
    CHECK_OK(completion_queue_release(queue));
    check_take(future);
    CHECK_OK(pool_destroy(pool));
}

static void options_that_no_init_has_filled_are_refused(void) {
    pool_t *pool = pool_create(1);
    union {
        task_options_t options;
        unsigned char bytes[sizeof(task_options_t) + 64];
    } room;
    memset(&room, 0, sizeof room);
    CHECK_REFUSED(pool_submit_with(pool, &room.options, echo, NULL), OFFGIL_EINVAL); /* size 0 */
    task_options_init(&room.options, sizeof room.options);
    room.options.size = 5000;
    CHECK_REFUSED(pool_submit_with(pool, &room.options, echo, NULL), OFFGIL_EINVAL);
    task_options_init(&room.options,
                      sizeof room); /* a later version's, all unknown fields at their defaults */
    CHECK_EQ(room.options.size, sizeof room);
    CHECK_SAME(check_take(pool_submit_with(pool, &room.options, echo, pool)), pool);
    room.bytes[sizeof room - 1] = 1;
    CHECK_REFUSED(pool_submit_with(pool, &room.options, echo, NULL), OFFGIL_EINVAL);
    task_options_init(&room.options, offsetof(task_options_t, blocking)); /* an older version's */
    room.options.blocking = 9;
    CHECK_SAME(check_take(pool_submit_with(pool, &room.options, echo, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void the_same_future_may_be_named_twice_to_run_after(void) {
    pool_t *pool = pool_create(1);
    future_t *after[3], *future;
    task_options_t options;
    after[0] = after[1] = after[2] = check_submit(pool, echo, NULL);
    task_options_init(&options, sizeof options);
    options.after = after;
    options.after_count = 3;
    future = pool_submit_with(pool, &options, echo, pool);
    CHECK_SAME(check_take(future), pool);
    check_take(after[0]);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(null_handles_are_bad_arguments),
           TEST(stale_handles_stay_stale_when_their_slots_are_used_again),
           TEST(a_handle_of_another_kind_is_none), TEST(a_live_handle_with_one_bit_changed_is_none),
           TEST(options_that_no_init_has_filled_are_refused),
           TEST(the_same_future_may_be_named_twice_to_run_after))
