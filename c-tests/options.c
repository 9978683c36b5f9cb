/* pool_options_t: its defaults, how it grows, and what each option does to the pool. */
#include <fcntl.h>
#include <stddef.h>

#include "check.h"

static void *nothing(void *arg) {
    return arg;
}

static pool_options_t defaults(void) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    return options;
}

static void refused(const pool_options_t *options) {
    CHECK_REFUSED(pool_create_with(options), OFFGIL_EINVAL);
}

static void works(const pool_options_t *options) {
    pool_t *pool = pool_create_with(options);
    CHECK(pool != NULL);
    CHECK_SAME(check_take(check_submit(pool, nothing, pool)), pool);
    CHECK_OK(pool_destroy(pool));
}

static void init_sets_the_defaults(void) {
    pool_options_t options;
    memset(&options, 0xA5, sizeof options);
    pool_options_init(&options, sizeof options);
    CHECK_EQ(options.size, sizeof options);
    CHECK_EQ(options.threads, 0);
    CHECK_EQ(options.max_spare_threads, 256);
    CHECK_EQ(options.queue_limit, 0);
    CHECK_EQ(options.when_full, POOL_FULL_BLOCK);
    CHECK_EQ(options.full_timeout_ns, OFFGIL_FOREVER);
    CHECK_EQ(options.order, POOL_FIFO);
    CHECK(options.waiters_help != 0);
    CHECK(options.on_thread_start == NULL && options.on_thread_stop == NULL && options.context == NULL);
    works(&options);
}

static void init_writes_no_further_than_it_is_told(void) {
    unsigned char bytes[sizeof(pool_options_t) + 64];
    size_t size, i;
    for (size = sizeof(size_t); size <= sizeof bytes; size += 4) {
        memset(bytes, 0xA5, sizeof bytes);
        pool_options_init((pool_options_t *)(void *)bytes, size);
        for (i = size; i < sizeof bytes; i++)
            CHECK_EQ(bytes[i], 0xA5);
    }
    pool_options_init(NULL, sizeof(pool_options_t));
}

static void a_struct_of_an_older_header_is_filled_up_with_defaults(void) {
    pool_options_t options;
    pool_t *pool;
    memset(&options, 0xA5, sizeof options); /* beyond its size nothing may be looked at */
    options.size = offsetof(pool_options_t, threads) + sizeof options.threads;
    options.threads = 3;
    pool = pool_create_with(&options);
    CHECK_EQ(pool_thread_count(pool), 3);
    CHECK_OK(pool_destroy(pool));
}

typedef struct {
    pool_options_t options;
    unsigned char tail[4096];
} newer_options_t;

static void a_struct_of_a_newer_header_is_taken_as_long_as_the_rest_is_zero(void) {
    static newer_options_t newer;
    size_t sizes[] = {sizeof(pool_options_t) + 1, sizeof(pool_options_t) + 8, 1024, 4096}, i;
    for (i = 0; i < LENGTH(sizes); i++) {
        memset(&newer, 0, sizeof newer);
        newer.options = defaults();
        newer.options.size = sizes[i];
        works(&newer.options);
        ((unsigned char *)&newer)[sizes[i]] = 1; /* beyond the size: not looked at */
        works(&newer.options);
        ((unsigned char *)&newer)[sizes[i] - 1] = 1;
        refused(&newer.options);
    }
}

static void a_struct_of_an_absurd_size_is_refused(void) {
    static newer_options_t newer;
    const size_t sizes[] = {0, 1, sizeof(size_t), offsetof(pool_options_t, threads) + 3, 4097, SIZE_MAX};
    size_t i;
    for (i = 0; i < LENGTH(sizes); i++) {
        newer.options = defaults();
        newer.options.size = sizes[i];
        refused(&newer.options);
    }
    refused(NULL);
}

static void thread_counts_beyond_4096_are_refused(void) {
    const uint32_t absurd[] = {4097, 65536, INT32_MAX, UINT32_MAX};
    size_t i;
    for (i = 0; i < LENGTH(absurd); i++) {
        pool_options_t options = defaults();
        options.threads = absurd[i];
        refused(&options);
        CHECK_REFUSED(pool_create(absurd[i]), OFFGIL_EINVAL);
    }
}

static void unknown_constants_are_refused(void) {
    const int32_t unknown[] = {-1, 3, 1000, INT32_MIN, INT32_MAX};
    size_t i;
    for (i = 0; i < LENGTH(unknown); i++) {
        pool_options_t options = defaults();
        options.when_full = unknown[i];
        refused(&options);
        options = defaults();
        options.order = unknown[i];
        refused(&options);
        options = defaults();
        options.waiters_help = (uint8_t)(2 + i);
        refused(&options);
    }
}

static void *read_thread_name(void *text) {
    int file = open("/proc/thread-self/comm", O_RDONLY);
    ssize_t length;
    if (file < 0)
        return NULL; /* no Linux: nothing to look at */
    length = read(file, text, 31);
    CHECK(length > 0);
    ((char *)text)[length] = 0;
    close(file);
    return text;
}

static void threads_bear_the_name_of_the_pool(void) {
    char name[] = "tester", text[32] = "";
    pool_options_t options = defaults();
    pool_t *pool;
    options.threads = 1;
    options.thread_name = name;
    pool = pool_create_with(&options);
    memset(name, 'x', sizeof name - 1); /* it was copied */
    if (check_take(check_submit(pool, read_thread_name, text)) != NULL) {
        if (strncmp(text, "tester", 6) != 0)
            check_failed(__FILE__, __LINE__, "the name starts with tester", text);
    }
    CHECK_OK(pool_destroy(pool));
}

static void no_thread_name_is_too_odd(void) {
    char long_name[1000];
    const char *names[] = {"", "a name longer than the fifteen bytes of Linux", "\xff\xfe\x80", long_name,
                           NULL};
    size_t i;
    memset(long_name, '%', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    for (i = 0; i < LENGTH(names); i++) {
        pool_options_t options = defaults();
        options.threads = 1;
        options.thread_name = names[i];
        works(&options);
    }
}

static void *use_stack(void *bytes) {
    volatile unsigned char block[12 * 1024 * 1024];
    size_t i;
    for (i = 0; i < sizeof block; i += 1024)
        block[i] = (unsigned char)unpack(bytes);
    return pack(block[1024]);
}

static void a_task_may_use_the_stack_that_was_asked_for(void) {
    pool_options_t options = defaults();
    pool_t *pool;
    options.threads = 1;
    options.stack_size = 16 * 1024 * 1024;
    pool = pool_create_with(&options);
    CHECK_EQ(unpack(check_take(check_submit(pool, use_stack, pack(7)))), 7);
    CHECK_OK(pool_destroy(pool));
}

static void stack_sizes_need_not_be_round(void) {
    const size_t sizes[] = {65536, 65537, 100003};
    size_t i;
    for (i = 0; i < LENGTH(sizes); i++) {
        pool_options_t options = defaults();
        options.threads = 2;
        options.stack_size = sizes[i];
        works(&options);
    }
}

static void an_absurd_stack_size_is_an_answer_and_no_crash(void) {
    const size_t sizes[] = {
        1, 65535, ((size_t)1 << 47) - 4096, (size_t)1 << 60, SIZE_MAX / 2, SIZE_MAX - 4096, SIZE_MAX};
    size_t i;
    for (i = 0; i < LENGTH(sizes); i++) {
        pool_options_t options = defaults();
        pool_t *pool;
        options.threads = 1;
        options.stack_size = sizes[i];
        pool = pool_create_with(&options);
        if (pool == NULL) {
            CHECK_STATUS(offgil_last_status(), OFFGIL_EINVAL);
        } else {
            CHECK_REFUSED(pool_submit(pool, nothing, NULL), OFFGIL_ETHREAD);
            CHECK_OK(pool_destroy(pool));
        }
    }
}

typedef struct {
    count_t starts;
    count_t stops;
    pthread_key_t mark; /* set on the threads that on_thread_start has seen */
} hooks_t;

static void on_start(void *context) {
    hooks_t *hooks = context;
    CHECK(pthread_getspecific(hooks->mark) == NULL);
    CHECK_EQ(pthread_setspecific(hooks->mark, hooks), 0);
    count_add(&hooks->starts, 1);
}

static void on_stop(void *context) {
    hooks_t *hooks = context;
    CHECK_SAME(pthread_getspecific(hooks->mark), hooks);
    count_add(&hooks->stops, 1);
}

static void *expect_mark(void *hooks) {
    CHECK_SAME(pthread_getspecific(((hooks_t *)hooks)->mark), hooks);
    return NULL;
}

static void hooks_run_once_on_each_thread_around_its_tasks(void) {
    hooks_t hooks = {COUNT_ZERO, COUNT_ZERO, 0};
    pool_options_t options = defaults();
    pool_t *pool;
    int i;
    CHECK_EQ(pthread_key_create(&hooks.mark, NULL), 0);
    options.threads = 3;
    options.on_thread_start = on_start;
    options.on_thread_stop = on_stop;
    options.context = &hooks;
    pool = pool_create_with(&options);
    for (i = 0; i < 1000; i++)
        check_take(check_submit(pool, expect_mark, &hooks));
    CHECK(count_get(&hooks.starts) >= 1 && count_get(&hooks.starts) <= 3);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&hooks.stops), count_get(&hooks.starts));
}

static void one_hook_alone_will_do(void) {
    hooks_t hooks = {COUNT_ZERO, COUNT_ZERO, 0};
    pool_options_t options = defaults();
    CHECK_EQ(pthread_key_create(&hooks.mark, NULL), 0);
    options.threads = 1;
    options.on_thread_start = on_start;
    options.context = &hooks;
    works(&options);
    CHECK_EQ(count_get(&hooks.starts), 1);
}

CHECK_MAIN(TEST(init_sets_the_defaults), TEST(init_writes_no_further_than_it_is_told),
           TEST(a_struct_of_an_older_header_is_filled_up_with_defaults),
           TEST(a_struct_of_a_newer_header_is_taken_as_long_as_the_rest_is_zero),
           TEST(a_struct_of_an_absurd_size_is_refused), TEST(thread_counts_beyond_4096_are_refused),
           TEST(unknown_constants_are_refused), TEST(threads_bear_the_name_of_the_pool),
           TEST(no_thread_name_is_too_odd), TEST(a_task_may_use_the_stack_that_was_asked_for),
           TEST(stack_sizes_need_not_be_round), TEST(an_absurd_stack_size_is_an_answer_and_no_crash),
           TEST(hooks_run_once_on_each_thread_around_its_tasks), TEST(one_hook_alone_will_do))
