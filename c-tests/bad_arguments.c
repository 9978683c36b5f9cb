/* Every function with each wrong argument that is no handle (those are in bad_handles.c): the status, and
 * that nothing runs and nothing is written. */
#include <limits.h>
#include <stddef.h>

#include "check.h"

static pool_t *pool;

static void *never(void *arg) {
    CHECK(0);
    return arg;
}

static void never_range(void *context, size_t begin, size_t end) {
    (void)begin, (void)end;
    never(context);
}

static void never_reduce(void *context, size_t begin, size_t end, void *accumulator) {
    (void)accumulator;
    never_range(context, begin, end);
}

static void never_combine(void *context, void *into, const void *from) {
    (void)into, (void)from;
    never(context);
}

static void *echo(void *arg) {
    return arg;
}

static void code(void) {}

#define REFUSED(call) CHECK_STATUS(call, OFFGIL_EINVAL)

static void each_wrong_argument_to_a_pool_is_refused(void) {
    const int32_t modes[] = {-1, 2, INT32_MIN, INT32_MAX};
    size_t i;
    pool = pool_create(1);
    for (i = 0; i < LENGTH(modes); i++)
        REFUSED(pool_shutdown(pool, modes[i], OFFGIL_FOREVER));
    REFUSED(pool_resize(pool, 4097));
    REFUSED(pool_resize(pool, UINT32_MAX));
    CHECK_REFUSED(pool_create(4097), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_create_with(NULL), OFFGIL_EINVAL);
    CHECK_EQ(pool_thread_count(pool), 1);
    CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool); /* it is open as before */
    CHECK_OK(pool_destroy(pool));
}

static void each_wrong_argument_to_a_submit_is_refused(void) {
    const size_t counts[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / sizeof(void *) + 1};
    void *args[1] = {NULL};
    future_t *futures[1] = {NULL};
    group_t *group;
    size_t i;
    pool = pool_create(1);
    group = group_create(pool, NULL);
    CHECK_REFUSED(pool_submit(pool, NULL, NULL), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_submit_with(pool, NULL, NULL, NULL), OFFGIL_EINVAL);
    REFUSED(pool_spawn(pool, NULL, NULL));
    REFUSED(pool_spawn_with(pool, NULL, NULL, NULL));
    REFUSED(pool_submit_many(pool, NULL, args, 1, futures));
    REFUSED(group_spawn(group, NULL, NULL));
    for (i = 0; i < LENGTH(counts); i++)
        REFUSED(pool_submit_many(pool, never, args, counts[i], futures));
    CHECK_SAME(futures[0], NULL);
    CHECK_OK(group_wait(group, 0));
    CHECK_OK(group_release(group));
    CHECK_OK(pool_destroy(pool));
}

static void each_wrong_argument_to_a_future_or_a_queue_is_refused(void) {
    future_t *futures[2] = {NULL, NULL};
    completion_queue_t *queue = completion_queue_create();
    completion_t completion = {7, 7, NULL};
    size_t index = 7, count = 7;
    int32_t saved_errno = 7;
    pool = pool_create(1);
    futures[0] = check_submit(pool, echo, NULL);
    CHECK_OK(future_wait(futures[0], OFFGIL_FOREVER, NULL));
    REFUSED(future_wait_all(NULL, 1, 0));
    REFUSED(future_wait_all(futures, 2, OFFGIL_FOREVER)); /* a NULL in it */
    REFUSED(future_wait_all(futures, SIZE_MAX, 0));
    REFUSED(future_wait_any(NULL, 1, 0, &index));
    REFUSED(future_wait_any(futures, 0, 0, &index));
    REFUSED(future_wait_any(futures, 2, OFFGIL_FOREVER, &index));
    REFUSED(future_wait_any(futures, SIZE_MAX, 0, &index));
    REFUSED(future_on_done(futures[0], NULL, NULL));
    REFUSED(future_call_result(futures[0], 0, &completion, &saved_errno)); /* of no call */
    CHECK_OK(completion_queue_add(queue, futures[0], 1));
    REFUSED(completion_queue_next(queue, OFFGIL_FOREVER, NULL, 1, &count));
    REFUSED(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 0, &count));
    CHECK(index == 7 && count == 7 && saved_errno == 7 && completion.tag == 7);
    CHECK_OK(future_wait_all(NULL, 0, 0)); /* nothing to wait for: done */
    CHECK_OK(completion_queue_release(queue));
    check_take(futures[0]);
    CHECK_OK(pool_destroy(pool));
}

static void each_wrong_argument_to_a_parallel_call_is_refused(void) {
    void *args[1] = {&pool}, *results[1] = {&pool};
    int64_t sum = 7;
    pool = pool_create(2);
    REFUSED(pool_for(pool, 0, 9, 1, NULL, NULL));
    REFUSED(pool_for(pool, 9, 8, 1, never_range, NULL));
    REFUSED(pool_reduce(pool, 0, 9, 1, NULL, never_combine, NULL, &sum, sizeof sum));
    REFUSED(pool_reduce(pool, 0, 9, 1, never_reduce, NULL, NULL, &sum, sizeof sum));
    REFUSED(pool_reduce(pool, 9, 8, 1, never_reduce, never_combine, NULL, &sum, sizeof sum));
    REFUSED(pool_reduce(pool, 0, 9, 1, never_reduce, never_combine, NULL, NULL, sizeof sum));
    REFUSED(pool_reduce(pool, 0, 9, 1, never_reduce, never_combine, NULL, &sum, SIZE_MAX));
    REFUSED(pool_map(pool, NULL, args, results, 1));
    REFUSED(pool_map(pool, never, NULL, results, 1));
    REFUSED(pool_map(pool, never, args, results, SIZE_MAX));
    REFUSED(pool_invoke(pool, NULL, NULL, never, NULL));
    REFUSED(pool_invoke(pool, never, NULL, NULL, NULL));
    CHECK(sum == 7 && results[0] == &pool);
    CHECK_OK(pool_map(pool, never, NULL, NULL, 0));
    CHECK_OK(pool_destroy(pool));
}

static void each_wrong_argument_to_a_call_is_refused(void) {
    const char *const texts[] = {NULL, "", "f64", "int()", "void(void,i32)", "i32(...)", "i32(i32", "i32()x"};
    const void *args[1] = {NULL};
    signature_t *signature = signature_create("i32(ptr)");
    size_t i;
    pool = pool_create(1);
    for (i = 0; i < LENGTH(texts); i++)
        CHECK_REFUSED(signature_create(texts[i]), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, NULL, args), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, code, NULL), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, code, args), OFFGIL_EINVAL);
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

static void each_wrong_argument_to_stats_and_traces_is_refused(void) {
    const size_t sizes[] = {0, 1, sizeof(size_t), 4097, SIZE_MAX};
    pool_stats_t stats, before;
    size_t i;
    pool = pool_create(1);
    memset(&stats, 0xA5, sizeof stats);
    before = stats;
    REFUSED(pool_stats(pool, NULL, sizeof stats));
    for (i = 0; i < LENGTH(sizes); i++)
        REFUSED(pool_stats(pool, &stats, sizes[i]));
    CHECK_EQ(memcmp(&stats, &before, sizeof stats), 0);
    REFUSED(pool_trace_start(pool, NULL));
    REFUSED(pool_trace_start(pool, ""));
    REFUSED(pool_trace_start(pool, "/"));
    REFUSED(pool_trace_start(pool, "/no/such/directory/file"));
    CHECK_STATUS(pool_trace_stop(pool), OFFGIL_EDONE);
    CHECK_OK(pool_destroy(pool));
}

static void what_is_for_tasks_alone_is_refused_outside(void) {
    CHECK_EQ(task_is_canceled(), 0);
    REFUSED(task_fail(1, "not in a task"));
    REFUSED(task_block_begin());
    REFUSED(task_block_end());
}

static void *end_what_did_not_begin(void *arg) {
    REFUSED(task_block_end());
    CHECK_STATUS(pool_run_worker(pool), OFFGIL_EDEADLK);
    return arg;
}

static void what_a_task_may_not_call_is_refused_inside(void) {
    pool = pool_create(1);
    check_take(check_submit(pool, end_what_did_not_begin, NULL));
    CHECK_OK(pool_destroy(pool));
}

/* Where in the options a field is, how long it is, a value out of its range, and what the message calls it.
 */
typedef struct {
    size_t offset, length;
    int64_t value;
    const char *name;
} field_t;

#define FIELD(type, field, value) {offsetof(type, field), sizeof(((type *)0)->field), value, #field}

static void set(void *options, const field_t *field) {
    int32_t number = (int32_t)field->value;
    uint8_t byte = (uint8_t)field->value;
    const void *value = field->length == 8 ? (const void *)&field->value : &number;
    memcpy((char *)options + field->offset, field->length == 1 ? &byte : value, field->length);
}

static void message_names(const char *name) {
    if (strstr(offgil_last_message(), name) == NULL)
        check_failed(__FILE__, __LINE__, name, offgil_last_message());
}

static void each_option_of_a_pool_out_of_its_range_is_refused_and_named(void) {
    static const field_t fields[] = {
        FIELD(pool_options_t, size, 0),
        FIELD(pool_options_t, size, 4097),
        FIELD(pool_options_t, size, -1),
        FIELD(pool_options_t, threads, 4097),
        FIELD(pool_options_t, threads, -1),
        FIELD(pool_options_t, stack_size, 1),
        FIELD(pool_options_t, stack_size, 65535),
        FIELD(pool_options_t, stack_size, INT64_C(1) << 47),
        FIELD(pool_options_t, stack_size, INT64_C(1) << 60),
        FIELD(pool_options_t, stack_size, -1),
        FIELD(pool_options_t, when_full, -1),
        FIELD(pool_options_t, when_full, 3),
        FIELD(pool_options_t, order, -1),
        FIELD(pool_options_t, order, 2),
        FIELD(pool_options_t, waiters_help, 2),
        FIELD(pool_options_t, waiters_help, 255),
        FIELD(pool_options_t, max_blocking_threads, 32768),
        FIELD(pool_options_t, max_blocking_threads, -1),
        FIELD(pool_options_t, pin, 2),
        FIELD(pool_options_t, pin, 255),
    };
    size_t i;
    for (i = 0; i < LENGTH(fields); i++) {
        pool_options_t options;
        pool_options_init(&options, sizeof options);
        set(&options, &fields[i]);
        CHECK_REFUSED(pool_create_with(&options), OFFGIL_EINVAL);
        message_names(fields[i].name);
    }
}

static void each_option_of_a_task_out_of_its_range_is_refused_and_named(void) {
    static const field_t fields[] = {
        FIELD(task_options_t, size, 0),         FIELD(task_options_t, size, 4097),
        FIELD(task_options_t, size, -1),        FIELD(task_options_t, priority, 2),
        FIELD(task_options_t, priority, -2),    FIELD(task_options_t, priority, INT32_MIN),
        FIELD(task_options_t, blocking, 2),     FIELD(task_options_t, blocking, 255),
        FIELD(task_options_t, lent_only, 2),    FIELD(task_options_t, lent_only, 255),
        FIELD(task_options_t, delay_ns, -1),    FIELD(task_options_t, delay_ns, INT64_MIN),
        FIELD(task_options_t, after_count, -1), FIELD(task_options_t, after_count, 1),
    };
    signature_t *signature = signature_create("void()");
    size_t i;
    pool = pool_create(1);
    for (i = 0; i < LENGTH(fields); i++) {
        task_options_t options;
        task_options_init(&options, sizeof options);
        set(&options, &fields[i]);
        CHECK_REFUSED(pool_submit_with(pool, &options, never, NULL), OFFGIL_EINVAL);
        if (fields[i].offset != offsetof(task_options_t, after_count))
            message_names(fields[i].name);
        REFUSED(pool_spawn_with(pool, &options, never, NULL));
        CHECK_REFUSED(pool_call(pool, &options, signature, code, NULL), OFFGIL_EINVAL);
    }
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

/* What is odd, but no mistake. */
static void the_ends_of_each_range_are_fine(void) {
    static const field_t fields[] = {
        FIELD(pool_options_t, threads, 4096),
        FIELD(pool_options_t, max_spare_threads, 0),
        FIELD(pool_options_t, max_spare_threads, -1),
        FIELD(pool_options_t, stack_size, 65536),
        FIELD(pool_options_t, queue_limit, -1),
        FIELD(pool_options_t, full_timeout_ns, INT64_MIN),
        FIELD(pool_options_t, full_timeout_ns, 0),
        FIELD(pool_options_t, full_timeout_ns, INT64_MAX),
        FIELD(pool_options_t, max_blocking_threads, 0),
        FIELD(pool_options_t, max_blocking_threads, 32767),
        FIELD(pool_options_t, keep_alive_ns, 0),
        FIELD(pool_options_t, keep_alive_ns, INT64_MIN),
        FIELD(pool_options_t, keep_alive_ns, INT64_MAX),
    };
    size_t i;
    for (i = 0; i < LENGTH(fields); i++) {
        pool_options_t options;
        pool_options_init(&options, sizeof options);
        options.threads = 2;
        set(&options, &fields[i]);
        pool = pool_create_with(&options);
        CHECK(pool != NULL);
        CHECK_SAME(check_take(check_submit(pool, echo, pool)), pool);
        CHECK_OK(pool_destroy(pool));
    }
}

CHECK_MAIN(TEST(each_wrong_argument_to_a_pool_is_refused), TEST(each_wrong_argument_to_a_submit_is_refused),
           TEST(each_wrong_argument_to_a_future_or_a_queue_is_refused),
           TEST(each_wrong_argument_to_a_parallel_call_is_refused),
           TEST(each_wrong_argument_to_a_call_is_refused),
           TEST(each_wrong_argument_to_stats_and_traces_is_refused),
           TEST(what_is_for_tasks_alone_is_refused_outside), TEST(what_a_task_may_not_call_is_refused_inside),
           TEST(each_option_of_a_pool_out_of_its_range_is_refused_and_named),
           TEST(each_option_of_a_task_out_of_its_range_is_refused_and_named),
           TEST(the_ends_of_each_range_are_fine))
