/* pool_call with options, and in the child of a fork. */
#include "check.h"

#include <sys/wait.h>

typedef void (*code_t)(void);

static count_t calls = COUNT_ZERO;

static void count_call(void) {
    count_add(&calls, 1);
}

static uint64_t square(uint64_t number) {
    return number * number;
}

/* Options. */
static void a_call_takes_the_options_of_tasks(void) {
    const uint64_t number = 12;
    const void *args[] = {&number};
    uint64_t result = 0;
    size_t count = 0;
    completion_t completion;
    signature_t *signature = signature_create("u64(u64)");
    pool_t *pool = pool_create(2);
    group_t *group = group_create(pool, NULL);
    completion_queue_t *queue = completion_queue_create();
    future_t *first, *second;
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.name = "square";
    options.group = group;
    options.delay_ns = MILLISECOND;
    first = pool_call(pool, &options, signature, (code_t)square, args);
    options.delay_ns = 0;
    options.after = &first;
    options.after_count = 1;
    options.queue = queue;
    options.tag = 99;
    second = pool_call(pool, &options, signature, (code_t)square, args);
    CHECK(first != NULL && second != NULL);
    CHECK_OK(group_wait(group, OFFGIL_FOREVER));
    CHECK_OK(future_call_result(first, 0, &result, NULL));
    CHECK_EQ(result, 144);
    CHECK_OK(completion_queue_next(queue, OFFGIL_FOREVER, &completion, 1, &count));
    CHECK_EQ(completion.tag, 99);
    CHECK_OK(completion.status);
    CHECK_SAME(completion.result, NULL);
    result = 0;
    CHECK_OK(future_call_result(second, 0, &result, NULL)); /* also after its completion was taken */
    CHECK_EQ(result, 144);
    CHECK_OK(future_release(first));
    CHECK_OK(future_release(second));
    CHECK_OK(completion_queue_release(queue));
    CHECK_OK(group_release(group));
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

static void never(void *pointer) {
    (void)pointer;
    CHECK(0);
}

static void a_call_has_nothing_to_drop(void) {
    signature_t *signature = signature_create("void()");
    pool_t *pool = pool_create(2);
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.drop_arg = never;
    CHECK_REFUSED(pool_call(pool, &options, signature, count_call, NULL), OFFGIL_EINVAL);
    options.drop_arg = NULL;
    options.drop_result = never;
    CHECK_REFUSED(pool_call(pool, &options, signature, count_call, NULL), OFFGIL_EINVAL);
    options.drop_result = NULL;
    options.priority = 77;
    CHECK_REFUSED(pool_call(pool, &options, signature, count_call, NULL), OFFGIL_EINVAL);
    CHECK_OK(pool_destroy(pool));
    CHECK_OK(signature_release(signature));
    CHECK_EQ(count_get(&calls), 0);
}

/* Forks. */
static void a_signature_is_as_good_in_the_child_of_a_fork(void) {
    const uint64_t number = 5;
    const void *args[] = {&number};
    uint64_t result = 0;
    int status = -1;
    signature_t *signature = signature_create("u64(u64)");
    pool_t *pool = pool_create(2);
    future_t *parents = pool_call(pool, NULL, signature, (code_t)square, args);
    pid_t child;
    CHECK_OK(future_call_result(parents, OFFGIL_FOREVER, &result, NULL));
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        future_t *own = pool_call(pool, NULL, signature, (code_t)square, args);
        CHECK_STATUS(future_call_result(parents, 0, &result, NULL), OFFGIL_EFORKED);
        result = 0;
        CHECK_OK(future_call_result(own, OFFGIL_FOREVER, &result, NULL));
        CHECK_EQ(result, 25);
        CHECK_OK(signature_release(signature));
        CHECK_STATUS(signature_release(signature), OFFGIL_EHANDLE);
        CHECK_REFUSED(pool_call(pool, NULL, signature, (code_t)square, args), OFFGIL_EHANDLE);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(future_release(parents));
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_call_takes_the_options_of_tasks), TEST(a_call_has_nothing_to_drop),
           TEST(a_signature_is_as_good_in_the_child_of_a_fork))
