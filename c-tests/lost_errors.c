/* Failures that nobody has looked at (pool_options_t.on_lost_error). */
#include "check.h"

static struct {
    count_t told;
    char name[32];
    char message[32];
    offgil_status status;
    int32_t code;
    int context;
} lost = {COUNT_ZERO, "", "", 0, 0, 0};

static void note_lost(void *context, const char *name, offgil_status status, int32_t code,
                      const char *message) {
    CHECK_SAME(context, &lost.context);
    snprintf(lost.name, sizeof lost.name, "%s", name ? name : "(none)");
    snprintf(lost.message, sizeof lost.message, "%s", message);
    lost.status = status;
    lost.code = code;
    count_add(&lost.told, 1);
}

static pool_t *make_pool(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 1;
    options.on_lost_error = note_lost;
    options.context = &lost.context;
    return pool_create_with(&options);
}

static void *same(void *arg) {
    return arg;
}

static void *fail(void *code) {
    task_fail((int32_t)unpack(code), "it failed");
    return code;
}

static void check_told(int64_t times) {
    CHECK_EQ(count_get(&lost.told), times);
}

static void a_spawned_tasks_failure_is_told_once(void) {
    pool_t *pool = make_pool();
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.name = "the name";
    CHECK_OK(pool_spawn_with(pool, &options, fail, pack(7)));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    check_told(1);
    CHECK_EQ(strcmp(lost.name, "the name"), 0);
    CHECK_EQ(strcmp(lost.message, "it failed"), 0);
    CHECK_STATUS(lost.status, OFFGIL_EFAILED);
    CHECK_EQ(lost.code, 7);
    CHECK_OK(pool_spawn(pool, fail, pack(8)));
    CHECK_OK(pool_spawn(pool, same, NULL));
    CHECK_OK(pool_destroy(pool));
    check_told(2);
    CHECK_EQ(strcmp(lost.name, "(none)"), 0);
}

static void a_future_that_nobody_asked_is_told_with_its_last_release(void) {
    pool_t *pool = make_pool();
    gate_t gate = GATE_CLOSED;
    future_t *future = check_submit(pool, fail, pack(1));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    CHECK_EQ(future_get_state(future), FUTURE_DONE); /* that doesn't tell that it failed */
    CHECK_SAME(future_retain(future), future);
    CHECK_OK(future_release(future));
    check_told(0);
    CHECK_OK(future_release(future));
    check_told(1);
    gate_occupy(&gate, pool, 1);
    CHECK_OK(future_release(check_submit(pool, fail, pack(1)))); /* before it ran */
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    check_told(2);
    CHECK_OK(pool_destroy(pool));
}

static void ignore(void *context, offgil_status status, void *result) {
    (void)context;
    (void)result;
    CHECK_STATUS(status, OFFGIL_EFAILED);
}

static void a_failure_that_somebody_looked_at_is_not_told(void) {
    pool_t *pool = make_pool();
    future_t *futures[6];
    completion_queue_t *queue = completion_queue_create();
    group_t *group = group_create(pool, NULL);
    task_options_t options;
    completion_t completion;
    size_t i;
    for (i = 0; i < 5; i++)
        futures[i] = check_submit(pool, fail, pack(1));
    task_options_init(&options, sizeof options);
    options.group = group;
    futures[5] = pool_submit_with(pool, &options, fail, pack(1));
    CHECK_OK(group_spawn(group, fail, pack(1)));
    CHECK_STATUS(future_wait(futures[0], OFFGIL_FOREVER, NULL), OFFGIL_EFAILED);
    CHECK_STATUS(future_wait_all(&futures[1], 1, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_OK(future_on_done(futures[2], ignore, NULL));
    CHECK_OK(completion_queue_add(queue, futures[3], 0));
    CHECK_STATUS(group_wait(group, OFFGIL_FOREVER), OFFGIL_EFAILED);
    CHECK_STATUS(future_error(futures[4], NULL, NULL, 0), OFFGIL_EFAILED);
    CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, NULL));
    for (i = 0; i < 6; i++)
        CHECK_OK(future_release(futures[i]));
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
    check_told(0);
}

static void a_queue_that_is_released_unread_tells(void) {
    pool_t *pool = make_pool();
    completion_queue_t *queue = completion_queue_create();
    gate_t gate = GATE_CLOSED;
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.queue = queue;
    CHECK_OK(pool_spawn_with(pool, &options, fail, pack(1)));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    check_told(0); /* it may still be taken out */
    gate_occupy(&gate, pool, 1);
    CHECK_OK(pool_spawn_with(pool, &options, fail, pack(2)));
    future = check_submit(pool, fail, pack(3));
    CHECK_OK(completion_queue_add(queue, future, 0));
    CHECK_OK(future_release(future));
    CHECK_OK(completion_queue_release(queue));
    check_told(1);
    gate_open(&gate);
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    check_told(3); /* the others come to a queue that is gone */
    CHECK_OK(pool_destroy(pool));
}

static void what_is_canceled_for_a_failure_is_not_told_but_the_failure_is(void) {
    pool_t *pool = make_pool();
    task_options_t options;
    future_t *head = check_submit(pool, fail, pack(1)), *late;
    task_options_init(&options, sizeof options);
    options.after = &head;
    options.after_count = 1;
    CHECK_OK(pool_spawn_with(pool, &options, same, NULL));
    CHECK_OK(pool_wait_idle(pool, OFFGIL_FOREVER));
    late = pool_submit_with(pool, &options, same, NULL); /* the head is done: that is no look at it */
    CHECK_OK(future_release(late));
    check_told(0);
    CHECK_OK(future_release(head));
    check_told(1);
    CHECK_OK(pool_destroy(pool));
    check_told(1);
}

static void a_release_after_the_end_of_the_pool_tells_nobody(void) {
    pool_t *pool = make_pool();
    future_t *future = check_submit(pool, fail, pack(1));
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(future_release(future));
    check_told(0);
}

CHECK_MAIN(TEST(a_spawned_tasks_failure_is_told_once),
           TEST(a_future_that_nobody_asked_is_told_with_its_last_release),
           TEST(a_failure_that_somebody_looked_at_is_not_told), TEST(a_queue_that_is_released_unread_tells),
           TEST(what_is_canceled_for_a_failure_is_not_told_but_the_failure_is),
           TEST(a_release_after_the_end_of_the_pool_tells_nobody))
