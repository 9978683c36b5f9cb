/* signature_create, pool_call and future_call_result. */
#include "check.h"

#include <math.h>

typedef void (*code_t)(void);

static signature_t *signature_of(const char *text) {
    signature_t *signature = signature_create(text);
    if (signature == NULL)
        check_failed(__FILE__, __LINE__, text, offgil_last_message());
    return signature;
}

static future_t *call(pool_t *pool, signature_t *signature, code_t fn, const void *const *args) {
    future_t *future = pool_call(pool, NULL, signature, fn, args);
    if (future == NULL)
        check_failed(__FILE__, __LINE__, "pool_call", offgil_last_message());
    return future;
}

/* Calls, and checks that exactly `size` bytes of result are written, which are `expected`. */
static void expect(pool_t *pool, const char *text, code_t fn, const void *const *args, const void *expected,
                   size_t size) {
    unsigned char room[48], untouched[48];
    int32_t saved = -1;
    signature_t *signature = signature_of(text);
    future_t *future = call(pool, signature, fn, args);
    memset(room, 0xA5, sizeof room);
    memset(untouched, 0xA5, sizeof untouched);
    CHECK_OK(signature_release(signature));
    CHECK_OK(future_call_result(future, OFFGIL_FOREVER, room + 16, &saved));
    CHECK_OK(future_release(future));
    if (memcmp(room + 16, expected, size) != 0)
        check_failed(__FILE__, __LINE__, text, "another result");
    CHECK(memcmp(room, untouched, 16) == 0);
    CHECK(memcmp(room + 16 + size, untouched, 32 - size) == 0);
    CHECK_EQ(saved, 0);
}

/* Each type in each of many positions, and as result. */
enum { POSITIONS = 13 };

#define PICK(name, type)                                                                                     \
    static type pick_##name(type a, type b, type c, type d, type e, type f, type g, type h, type i, type j,  \
                            type k, type l, type m, int32_t which) {                                         \
        const type all[POSITIONS] = {a, b, c, d, e, f, g, h, i, j, k, l, m};                                 \
        return all[which];                                                                                   \
    }                                                                                                        \
    static void expect_##name(pool_t *pool, const type *values, size_t count) {                              \
        int32_t which;                                                                                       \
        size_t value;                                                                                        \
        for (which = 0; which < POSITIONS; which++) {                                                        \
            for (value = 0; value < count; value++) {                                                        \
                type all[POSITIONS];                                                                         \
                const void *args[POSITIONS + 1];                                                             \
                int position;                                                                                \
                for (position = 0; position < POSITIONS; position++) {                                       \
                    all[position] = values[(size_t)(position == which ? (int)value : position) % count];     \
                    args[position] = &all[position];                                                         \
                }                                                                                            \
                args[POSITIONS] = &which;                                                                    \
                expect(pool,                                                                                 \
                       #name "(" #name "," #name "," #name "," #name "," #name "," #name "," #name "," #name \
                             "," #name "," #name "," #name "," #name "," #name ",i32)",                      \
                       (code_t)pick_##name, args, &values[value], sizeof(type));                             \
            }                                                                                                \
        }                                                                                                    \
    }

typedef void *pointer_t;
PICK(i8, int8_t)
PICK(i16, int16_t)
PICK(i32, int32_t)
PICK(i64, int64_t)
PICK(u8, uint8_t)
PICK(u16, uint16_t)
PICK(u32, uint32_t)
PICK(u64, uint64_t)
PICK(f32, float)
PICK(f64, double)
PICK(ptr, pointer_t)

static void every_type_arrives_in_every_position_and_comes_back(void) {
    const int8_t i8[] = {INT8_MIN, -1, 0, 1, INT8_MAX};
    const int16_t i16[] = {INT16_MIN, -1, 0, 1, INT16_MAX};
    const int32_t i32[] = {INT32_MIN, -1, 0, 1, INT32_MAX};
    const int64_t i64[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    const uint8_t u8[] = {0, 1, 127, 128, UINT8_MAX};
    const uint16_t u16[] = {0, 1, 32767, 32768, UINT16_MAX};
    const uint32_t u32[] = {0, 1, 2147483648u, UINT32_MAX};
    const uint64_t u64[] = {0, 1, UINT64_C(1) << 63, UINT64_MAX};
    const float f32[] = {0.0f, -0.0f, 0.1f, -1e30f, 3.0e-39f};
    const double f64[] = {0.0, -0.0, 0.1, -1e300, 3.0e-310};
    pointer_t ptr[3];
    pool_t *pool = pool_create(2);
    ptr[0] = NULL;
    ptr[1] = &pool;
    ptr[2] = (void *)UINTPTR_MAX;
    expect_i8(pool, i8, LENGTH(i8));
    expect_i16(pool, i16, LENGTH(i16));
    expect_i32(pool, i32, LENGTH(i32));
    expect_i64(pool, i64, LENGTH(i64));
    expect_u8(pool, u8, LENGTH(u8));
    expect_u16(pool, u16, LENGTH(u16));
    expect_u32(pool, u32, LENGTH(u32));
    expect_u64(pool, u64, LENGTH(u64));
    expect_f32(pool, f32, LENGTH(f32));
    expect_f64(pool, f64, LENGTH(f64));
    expect_ptr(pool, (const pointer_t *)ptr, LENGTH(ptr));
    CHECK_OK(pool_destroy(pool));
}

/* What a narrow argument is when the function widens it, and a narrow result when the caller does. */
static int64_t widen_all(int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f) {
    return (int64_t)a + b * INT64_C(1000) + c * INT64_C(1000000) + d * INT64_C(10000000000) + e + f;
}

static void narrow_arguments_keep_their_sign(void) {
    const int8_t a = -1;
    const uint8_t b = 255;
    const int16_t c = -2;
    const uint16_t d = 65535;
    const int32_t e = -3;
    const uint32_t f = UINT32_MAX;
    const void *args[] = {&a, &b, &c, &d, &e, &f};
    const int64_t expected = widen_all(a, b, c, d, e, f);
    pool_t *pool = pool_create(2);
    expect(pool, "i64(i8,u8,i16,u16,i32,u32)", (code_t)widen_all, args, &expected, sizeof expected);
    CHECK_OK(pool_destroy(pool));
}

/* Mixed arguments, in registers and on the stack. */
static int32_t describe(char *to, int8_t a, float b, uint8_t c, double d, int16_t e, float f, uint16_t g,
                        double h, int32_t i, float j, uint32_t k, double l, int64_t m, float n, uint64_t o,
                        double p, const char *q, float r, int8_t s, double t, uint16_t u, float v, int64_t w,
                        double x) {
    return snprintf(to, 600,
                    "%d %.9g %u %.17g %d %.9g %u %.17g %" PRId32 " %.9g %" PRIu32 " %.17g %" PRId64
                    " %.9g %" PRIu64 " %.17g %s %.9g %d %.17g %u %.9g %" PRId64 " %.17g",
                    a, (double)b, c, d, e, (double)f, g, h, i, (double)j, k, l, m, (double)n, o, p, q,
                    (double)r, s, t, u, (double)v, w, x);
}

static void many_mixed_arguments_arrive(void) {
    char direct[600], called[600];
    char *to = called;
    const char *q = "text";
    const int8_t a = -100, s = 100;
    const uint8_t c = 200;
    const int16_t e = -30000;
    const uint16_t g = 60000, u = 61000;
    const int32_t i = INT32_MIN;
    const uint32_t k = UINT32_MAX;
    const int64_t m = INT64_MIN, w = -7;
    const uint64_t o = UINT64_MAX;
    const float b = 1.1f, f = -2.2f, j = 3.3f, n = -4.4f, r = 5.5f, v = -6.6f;
    const double d = 1e100, h = -2e200, l = 0.1, p = -0.3, t = 7e-300, x = 8.8;
    const void *args[] = {&to, &a, &b, &c, &d, &e, &f, &g, &h, &i, &j, &k, &l,
                          &m,  &n, &o, &p, &q, &r, &s, &t, &u, &v, &w, &x};
    pool_t *pool = pool_create(2);
    const int32_t length =
        describe(direct, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x);
    expect(pool,
           "i32(ptr, i8,f32,u8,f64, i16,f32,u16,f64, i32,f32,u32,f64, i64,f32,u64,f64, ptr,f32,i8,f64, "
           "u16,f32,i64,f64)",
           (code_t)describe, args, &length, sizeof length);
    CHECK(strcmp(direct, called) == 0);
    CHECK_OK(pool_destroy(pool));
}

static count_t calls = COUNT_ZERO;

static void count_call(void) {
    count_add(&calls, 1);
}

static void a_void_result_writes_nothing_and_no_arguments_need_no_array(void) {
    const int64_t before = count_get(&calls);
    const void *none[] = {NULL};
    pool_t *pool = pool_create(2);
    expect(pool, "void()", count_call, NULL, "", 0);
    expect(pool, " void ( void ) ", count_call, none, "", 0);
    CHECK_EQ(count_get(&calls), before + 2);
    CHECK_OK(pool_destroy(pool));
}

/* Functions of the C library. */
static int compare_numbers(const void *left, const void *right) {
    const int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static void functions_of_the_c_library_are_called(void) {
    int32_t numbers[] = {5, -1, 9, 0, 3};
    void *base = numbers;
    const uint64_t count = LENGTH(numbers), size = sizeof numbers[0], length = 6;
    int (*compare)(const void *, const void *) = compare_numbers;
    const void *for_qsort[] = {&base, &count, &size, &compare};
    const char *text = "offgil";
    const void *for_strlen[] = {&text};
    const double two = 2.0, ten = 10.0, power = pow(two, ten), root = sqrt(two);
    const void *for_pow[] = {&two, &ten};
    const float half = 0.5f, sine = sinf(half);
    const void *for_sinf[] = {&half};
    pool_t *pool = pool_create(2);
    int i;
    expect(pool, "void(ptr,u64,u64,ptr)", (code_t)qsort, for_qsort, "", 0);
    for (i = 1; i < (int)count; i++)
        CHECK(numbers[i - 1] < numbers[i]);
    expect(pool, "u64(ptr)", (code_t)strlen, for_strlen, &length, sizeof length);
    expect(pool, "f64(f64,f64)", (code_t)pow, for_pow, &power, sizeof power);
    expect(pool, "f64(f64)", (code_t)sqrt, for_pow, &root, sizeof root);
    expect(pool, "f32(f32)", (code_t)sinf, for_sinf, &sine, sizeof sine);
    CHECK_OK(pool_destroy(pool));
}

/* errno. */
static int32_t set_errno(int32_t value) {
    if (value >= 0)
        errno = value;
    return errno;
}

static void errno_is_0_before_a_call_and_saved_after_it(void) {
    const int32_t values[] = {0, EDOM, -1, ERANGE, EINTR, -1, 1000000};
    signature_t *signature = signature_of("i32(i32)");
    uint32_t threads;
    for (threads = 1; threads <= 2; threads++) {
        pool_t *pool = pool_create(threads);
        size_t i;
        for (i = 0; i < LENGTH(values); i++) {
            const void *args[] = {&values[i]};
            const int32_t expected = values[i] < 0 ? 0 : values[i];
            int32_t result = -1, saved = -1;
            future_t *future = call(pool, signature, (code_t)set_errno, args);
            CHECK_OK(future_call_result(future, OFFGIL_FOREVER, &result, &saved));
            CHECK_EQ(result, expected);
            CHECK_EQ(saved, expected);
            CHECK_OK(future_call_result(future, 0, NULL, NULL));
            result = saved = -1;
            CHECK_OK(future_call_result(future, 0, &result, NULL)); /* any number of times */
            CHECK_OK(future_call_result(future, 0, NULL, &saved));
            CHECK_EQ(result, expected);
            CHECK_EQ(saved, expected);
            CHECK_OK(future_release(future));
        }
        CHECK_OK(pool_destroy(pool));
    }
    CHECK_OK(signature_release(signature));
}

static uint64_t square(uint64_t number) {
    return number * number;
}

static void arguments_are_copied_at_the_call(void) {
    enum { CALLS = 1000 };
    static future_t *futures[CALLS];
    signature_t *signature = signature_of("u64(u64)");
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        pool_t *pool = pool_create(threads);
        uint64_t i, result;
        for (i = 0; i < CALLS; i++) {
            uint64_t number = i;
            const void *args[] = {&number};
            futures[i] = call(pool, signature, (code_t)square, args);
            number = UINT64_MAX;
            args[0] = NULL;
        }
        for (i = 0; i < CALLS; i++) {
            CHECK_OK(future_call_result(futures[i], OFFGIL_FOREVER, &result, NULL));
            CHECK_EQ(result, i * i);
            CHECK_OK(future_release(futures[i]));
        }
        CHECK_OK(pool_destroy(pool));
    }
    CHECK_OK(signature_release(signature));
}

/* Calls that don't end well. */
static int32_t fail(int32_t code) {
    CHECK_OK(task_fail(code, "this call"));
    return code;
}

static void a_call_may_fail_as_any_task(void) {
    const int32_t code = 7;
    const void *args[] = {&code};
    int32_t result = -1, saved = -1, told = 0;
    signature_t *signature = signature_of("i32(i32)");
    pool_t *pool = pool_create(2);
    future_t *future = call(pool, signature, (code_t)fail, args);
    CHECK_STATUS(future_call_result(future, OFFGIL_FOREVER, &result, &saved), OFFGIL_EFAILED);
    CHECK(strcmp(offgil_last_message(), "this call") == 0);
    CHECK_STATUS(future_error(future, &told, NULL, 0), OFFGIL_EFAILED);
    CHECK_EQ(told, 7);
    CHECK(result == -1 && saved == -1);
    CHECK_OK(future_release(future));
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

static void a_call_that_is_canceled_or_not_asked_for_leaves_nothing_behind(void) {
    static gate_t gate = GATE_CLOSED;
    const int64_t before = count_get(&calls);
    int32_t saved = -1;
    signature_t *signature = signature_of("void()");
    pool_t *pool = pool_create(1);
    future_t *canceled, *unasked, *late;
    gate_occupy(&gate, pool, 1);
    canceled = call(pool, signature, count_call, NULL);
    unasked = call(pool, signature, count_call, NULL);
    late = call(pool, signature, count_call, NULL);
    CHECK_OK(signature_release(signature)); /* calls on their way keep it */
    CHECK_STATUS(future_call_result(late, 0, NULL, &saved), OFFGIL_ETIMEDOUT);
    CHECK_STATUS(future_call_result(late, MILLISECOND, NULL, &saved), OFFGIL_ETIMEDOUT);
    CHECK_OK(future_cancel(canceled));
    CHECK_STATUS(future_call_result(canceled, OFFGIL_FOREVER, NULL, &saved), OFFGIL_ECANCELED);
    CHECK_EQ(saved, -1);
    CHECK_OK(future_release(canceled));
    CHECK_OK(future_release(unasked));
    gate_open(&gate);
    CHECK_OK(future_call_result(late, OFFGIL_FOREVER, NULL, &saved));
    CHECK_OK(future_release(late));
    CHECK_STATUS(future_call_result(late, 0, NULL, NULL), OFFGIL_EHANDLE);
    CHECK_OK(pool_destroy(pool));
    CHECK_EQ(count_get(&calls), before + 2);
}

static void *return_arg(void *arg) {
    return arg;
}

static void a_future_of_another_task_has_no_call_to_ask_for(void) {
    void *result = &result;
    int32_t saved = -1;
    signature_t *signature = signature_of("void()");
    pool_t *pool = pool_create(2);
    future_t *future = check_submit(pool, return_arg, pool);
    CHECK_STATUS(future_call_result(future, OFFGIL_FOREVER, NULL, &saved), OFFGIL_EINVAL);
    CHECK_SAME(check_take(future), pool);
    CHECK_STATUS(future_call_result(future, OFFGIL_FOREVER, NULL, &saved), OFFGIL_EHANDLE);
    CHECK_STATUS(future_call_result(NULL, OFFGIL_FOREVER, NULL, &saved), OFFGIL_EINVAL);
    CHECK_EQ(saved, -1);
    future = call(pool, signature, count_call, NULL);
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, &result));
    CHECK_SAME(result, NULL); /* what a call returns is not a task's result */
    CHECK_OK(future_call_result(future, 0, NULL, &saved));
    CHECK_OK(future_release(future));
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

static void *release_it(void *future) {
    CHECK_OK(future_release(future));
    return NULL;
}

static void a_result_may_be_read_while_another_thread_releases_the_future(void) {
    signature_t *signature = signature_of("u64(u64)");
    pool_t *pool = pool_create(2);
    uint64_t i;
    for (i = 0; i < 300; i++) {
        const void *args[] = {&i};
        uint64_t result = 0;
        future_t *future = call(pool, signature, (code_t)square, args);
        pthread_t other = check_thread(release_it, future);
        const offgil_status status = future_call_result(future, OFFGIL_FOREVER, &result, NULL);
        if (status == OFFGIL_OK)
            CHECK_EQ(result, i * i);
        else
            CHECK_STATUS(status, OFFGIL_EHANDLE);
        check_join(other);
    }
    CHECK_OK(signature_release(signature));
    CHECK_OK(pool_destroy(pool));
}

/* Misuse. */
static void what_is_wrong_with_a_call_is_said_before_anything_runs(void) {
    const int64_t before = count_get(&calls);
    const uint64_t number = 3;
    const void *args[] = {&number}, *missing[] = {NULL};
    signature_t *signature = signature_of("u64(u64)"), *stale = signature_of("void()");
    pool_t *pool = pool_create(2);
    future_t *future = check_submit(pool, return_arg, NULL);
    CHECK_REFUSED(pool_call(NULL, NULL, signature, (code_t)square, args), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, NULL, (code_t)square, args), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, NULL, args), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, (code_t)square, NULL), OFFGIL_EINVAL);
    CHECK_REFUSED(pool_call(pool, NULL, signature, (code_t)square, missing), OFFGIL_EINVAL);
    CHECK(strstr(offgil_last_message(), "argument 0") != NULL);
    CHECK_OK(signature_release(stale));
    CHECK_REFUSED(pool_call(pool, NULL, stale, count_call, NULL), OFFGIL_EHANDLE);
    CHECK_REFUSED(pool_call(pool, NULL, (signature_t *)pool, count_call, NULL), OFFGIL_EHANDLE);
    CHECK_STATUS(future_release((future_t *)signature), OFFGIL_EHANDLE);
    CHECK_OK(future_release(future));
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_REFUSED(pool_call(pool, NULL, signature, (code_t)square, args), OFFGIL_ECLOSED);
    CHECK_OK(pool_destroy(pool));
    CHECK_REFUSED(pool_call(pool, NULL, signature, (code_t)square, args), OFFGIL_EHANDLE);
    CHECK_OK(signature_release(signature));
    CHECK_EQ(count_get(&calls), before);
}

CHECK_MAIN(TEST(every_type_arrives_in_every_position_and_comes_back), TEST(narrow_arguments_keep_their_sign),
           TEST(many_mixed_arguments_arrive),
           TEST(a_void_result_writes_nothing_and_no_arguments_need_no_array),
           TEST(functions_of_the_c_library_are_called), TEST(errno_is_0_before_a_call_and_saved_after_it),
           TEST(arguments_are_copied_at_the_call), TEST(a_call_may_fail_as_any_task),
           TEST(a_call_that_is_canceled_or_not_asked_for_leaves_nothing_behind),
           TEST(a_future_of_another_task_has_no_call_to_ask_for),
           TEST(a_result_may_be_read_while_another_thread_releases_the_future),
           TEST(what_is_wrong_with_a_call_is_said_before_anything_runs))
