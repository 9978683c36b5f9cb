/* pool_reduce. */
#include "check.h"

enum { NUMBERS = 20011 };

static const size_t grains[] = {0, 1, 7, 100, NUMBERS, SIZE_MAX};

static pool_t *pool_of(uint32_t threads, int waiters_help) {
    pool_options_t options;
    pool_t *pool;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.waiters_help = (uint8_t)waiters_help;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
    return pool;
}

/* The same call, made outside or inside a task. */
typedef struct {
    pool_t *pool;
    size_t begin, end, grain;
    reduce_fn body;
    combine_fn combine;
    void *context, *accumulator;
    size_t size;
} call_t;

static void *reduce_task(void *arg) {
    const call_t *call = arg;
    return pack(pool_reduce(call->pool, call->begin, call->end, call->grain, call->body, call->combine,
                            call->context, call->accumulator, call->size));
}

static offgil_status reduce(const call_t *call, int inside) {
    if (inside)
        return (offgil_status)unpack(
            check_take(check_submit(call->pool, reduce_task, (void *)(uintptr_t)call)));
    return (offgil_status)unpack(reduce_task((void *)(uintptr_t)call));
}

/* Sums, whose last bits depend on the order of the additions. */
static double numbers[NUMBERS];

static void fill_numbers(void) {
    uint64_t random = 88172645463325252u;
    size_t i;
    for (i = 0; i < NUMBERS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        numbers[i] = (double)(int64_t)random / (double)(1 + (random >> 20) % 100003);
    }
}

static void add_numbers(void *context, size_t begin, size_t end, void *accumulator) {
    double *sum = accumulator;
    CHECK_SAME(context, numbers);
    CHECK(begin < end && end <= NUMBERS);
    for (; begin < end; begin++)
        *sum += numbers[begin];
}

static void add_sums(void *context, void *into, const void *from) {
    CHECK_SAME(context, numbers);
    *(double *)into += *(const double *)from;
}

static double sum_on(pool_t *pool, size_t grain, int inside) {
    double sum = 0;
    call_t call = {NULL, 0, NUMBERS, 0, add_numbers, add_sums, numbers, NULL, sizeof sum};
    call.pool = pool;
    call.grain = grain;
    call.accumulator = &sum;
    CHECK_OK(reduce(&call, inside));
    return sum;
}

static void a_sum_is_the_same_to_the_last_bit_for_every_number_of_threads(void) {
    double expected[LENGTH(grains)];
    pool_t *pool = pool_of(1, 1);
    uint32_t threads;
    size_t i;
    int differ = 0;
    fill_numbers();
    for (i = 0; i < LENGTH(grains); i++) {
        expected[i] = sum_on(pool, grains[i], 0);
        differ += expected[i] != expected[0];
    }
    CHECK(differ > 0); /* else these numbers could not show a wrong order */
    CHECK_OK(pool_destroy(pool));
    for (threads = 1; threads <= 8; threads++) {
        int help, inside, round;
        for (help = 0; help <= 1; help++) {
            pool = pool_of(threads, help);
            for (inside = 0; inside <= 1; inside++) {
                for (round = 0; round < 3; round++) {
                    for (i = 0; i < LENGTH(grains); i++) {
                        double sum = sum_on(pool, grains[i], inside);
                        CHECK(memcmp(&sum, &expected[i], sizeof sum) == 0);
                    }
                }
            }
            CHECK_OK(pool_destroy(pool));
        }
    }
}

/* Intervals: only neighbours can be combined, the left one into the right place. */
typedef struct {
    size_t begin, end, indices, parts;
} interval_t;

static const interval_t nothing = {SIZE_MAX, SIZE_MAX, 0, 0};

static void take_interval(void *grain, size_t begin, size_t end, void *accumulator) {
    interval_t *interval = accumulator;
    CHECK(memcmp(interval, &nothing, sizeof nothing) == 0);
    CHECK((uintptr_t)interval % 16 == 0);
    CHECK(begin < end);
    if (grain != NULL)
        CHECK(end - begin <= *(size_t *)grain);
    interval->begin = begin;
    interval->end = end;
    interval->indices = end - begin;
    interval->parts = 1;
}

static void join_intervals(void *grain, void *into, const void *from) {
    interval_t *left = into;
    const interval_t *right = from;
    (void)grain;
    CHECK(left->end == right->begin);
    left->end = right->end;
    left->indices += right->indices;
    left->parts += right->parts;
}

static interval_t interval_of(pool_t *pool, size_t begin, size_t end, size_t grain) {
    interval_t interval = nothing;
    CHECK_OK(pool_reduce(pool, begin, end, grain, take_interval, join_intervals, grain ? &grain : NULL,
                         &interval, sizeof interval));
    CHECK(interval.begin == begin && interval.end == end && interval.indices == end - begin);
    return interval;
}

static void parts_are_combined_in_their_order(void) {
    const size_t ends[][2] = {{0, 1}, {0, 2}, {5, 8}, {17, 900}, {0, 1000}, {3, 5000}};
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        pool_t *pool = pool_create(threads);
        size_t i, j;
        for (i = 0; i < LENGTH(ends); i++)
            for (j = 0; j < LENGTH(grains); j++)
                interval_of(pool, ends[i][0], ends[i][1], grains[j]);
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_part_is_a_grain_long(void) {
    pool_t *pool = pool_create(2);
    CHECK_EQ(interval_of(pool, 10, 110, 10).parts, 10);
    CHECK_EQ(interval_of(pool, 10, 111, 10).parts, 11);
    CHECK_EQ(interval_of(pool, 10, 110, SIZE_MAX).parts, 1);
    CHECK(interval_of(pool, 0, 1000000, 0).parts > 8); /* automatic: enough for every thread */
    CHECK_OK(pool_destroy(pool));
}

static void the_largest_range_there_is_works(void) {
    pool_t *pool = pool_create(2);
    interval_of(pool, 0, SIZE_MAX, 0);
    interval_of(pool, 0, SIZE_MAX, SIZE_MAX / 16);
    interval_of(pool, SIZE_MAX - 1000, SIZE_MAX, 1);
    CHECK_OK(pool_destroy(pool));
}

/* Products of matrices: associative, not commutative. */
typedef struct {
    uint32_t at[2][2];
} matrix_t;

static matrix_t times(const matrix_t *left, const matrix_t *right) {
    matrix_t product;
    int i, j;
    for (i = 0; i < 2; i++)
        for (j = 0; j < 2; j++)
            product.at[i][j] = left->at[i][0] * right->at[0][j] + left->at[i][1] * right->at[1][j];
    return product;
}

static void multiply_range(void *context, size_t begin, size_t end, void *accumulator) {
    (void)context;
    for (; begin < end; begin++) {
        matrix_t factor = {{{1, 2}, {3, 5}}};
        factor.at[0][1] = (uint32_t)begin;
        *(matrix_t *)accumulator = times(accumulator, &factor);
    }
}

static void multiply(void *context, void *into, const void *from) {
    (void)context;
    *(matrix_t *)into = times(into, from);
}

static void an_associative_operation_gives_the_same_for_every_grain(void) {
    const matrix_t one = {{{1, 0}, {0, 1}}};
    matrix_t expected = one;
    uint32_t threads;
    multiply_range(NULL, 0, 3000, &expected);
    for (threads = 1; threads <= 4; threads++) {
        pool_t *pool = pool_create(threads);
        size_t i;
        for (i = 0; i < LENGTH(grains); i++) {
            matrix_t product = one;
            CHECK_OK(pool_reduce(pool, 0, 3000, grains[i], multiply_range, multiply, NULL, &product,
                                 sizeof product));
            CHECK(memcmp(&product, &expected, sizeof product) == 0);
        }
        CHECK_OK(pool_destroy(pool));
    }
}

/* A large accumulator. */
enum { BINS = 30000 };

static void count_bins(void *context, size_t begin, size_t end, void *accumulator) {
    (void)context;
    for (; begin < end; begin++)
        ((uint16_t *)accumulator)[begin * 7 % BINS]++;
}

static void add_bins(void *context, void *into, const void *from) {
    size_t i;
    (void)context;
    for (i = 0; i < BINS; i++)
        ((uint16_t *)into)[i] = (uint16_t)(((uint16_t *)into)[i] + ((const uint16_t *)from)[i]);
}

static void a_histogram_counts_each_index_once(void) {
    static uint16_t bins[BINS], expected[BINS];
    pool_t *pool = pool_create(3);
    int round;
    count_bins(NULL, 0, 3 * BINS, expected);
    for (round = 0; round < 3; round++) {
        memset(bins, 0, sizeof bins);
        CHECK_OK(pool_reduce(pool, 0, 3 * BINS, 1000, count_bins, add_bins, NULL, bins, sizeof bins));
        CHECK(memcmp(bins, expected, sizeof bins) == 0);
    }
    CHECK_OK(pool_destroy(pool));
}

/* Nested: the rows of a triangle. */
static void row(void *context, size_t begin, size_t end, void *accumulator) {
    for (; begin < end; begin++) {
        interval_t interval = interval_of(context, 0, begin, 3);
        *(size_t *)accumulator += interval.indices;
    }
}

static void empty_rows_too(void *context, size_t begin, size_t end, void *accumulator) {
    row(context, begin == 0 ? 1 : begin, end, accumulator);
}

static void add_rows(void *context, void *into, const void *from) {
    (void)context;
    *(size_t *)into += *(const size_t *)from;
}

static void reduce_works_inside_reduce(void) {
    uint32_t threads;
    for (threads = 1; threads <= 4; threads++) {
        int help;
        for (help = 0; help <= 1; help++) {
            pool_t *pool = pool_of(threads, help);
            size_t indices = 0;
            CHECK_OK(pool_reduce(pool, 0, 100, 1, empty_rows_too, add_rows, pool, &indices, sizeof indices));
            CHECK_EQ(indices, 99 * 100 / 2);
            CHECK_OK(pool_destroy(pool));
        }
    }
}

/* Failures. */
static struct {
    count_t visited, combined;
    int64_t fail[2]; /* parts of one index that fail */
    int64_t spoilt;  /* a combination that begins with this one fails */
} trial;

static void reset_trial(int64_t first, int64_t second) {
    const count_t zero = COUNT_ZERO;
    trial.visited = trial.combined = zero;
    trial.fail[0] = first;
    trial.fail[1] = second;
    trial.spoilt = -1;
}

static void attempt(void *context, size_t begin, size_t end, void *accumulator) {
    char message[32];
    (void)context;
    (void)end;
    count_add(&trial.visited, 1);
    *(int64_t *)accumulator = (int64_t)begin;
    snprintf(message, sizeof message, "part %d", (int)begin);
    if ((int64_t)begin == trial.fail[0] || (int64_t)begin == trial.fail[1])
        CHECK_OK(task_fail(1, message));
}

static void combine_attempts(void *context, void *into, const void *from) {
    const int64_t left = *(int64_t *)into, right = *(const int64_t *)from;
    (void)context;
    CHECK(left < right);
    CHECK(left != trial.fail[0] && right != trial.fail[0] && left != trial.fail[1] && right != trial.fail[1]);
    count_add(&trial.combined, 1);
    if (left == trial.spoilt)
        CHECK_OK(task_fail(2, "combination"));
}

static void expect_failure(pool_t *pool, int inside, const char *message) {
    int64_t accumulator = -5;
    call_t call = {NULL, 0, 64, 1, attempt, combine_attempts, NULL, NULL, sizeof accumulator};
    call.pool = pool;
    call.accumulator = &accumulator;
    CHECK_STATUS(reduce(&call, inside), OFFGIL_EFAILED);
    CHECK(inside || strcmp(offgil_last_message(), message) == 0);
    CHECK_EQ(count_get(&trial.visited), 64);
    CHECK_EQ(accumulator, -5);
}

static void the_lowest_part_that_failed_is_reported_and_all_run(void) {
    uint32_t threads;
    for (threads = 1; threads <= 4; threads++) {
        int help;
        for (help = 0; help <= 1; help++) {
            pool_t *pool = pool_of(threads, help);
            int inside;
            for (inside = 0; inside <= 1; inside++) {
                reset_trial(40, 7);
                expect_failure(pool, inside, "part 7");
                CHECK_EQ(count_get(&trial.combined), 63 - 6 - 6 + 1); /* not on the ways from 7 and 40 up */
                reset_trial(0, 63);
                expect_failure(pool, inside, "part 0");
                reset_trial(-1, -1);
                trial.spoilt = 32;
                expect_failure(pool, inside, "combination");
            }
            CHECK_OK(pool_destroy(pool));
        }
    }
}

static void a_closed_pool_reduces_nothing(void) {
    int64_t accumulator = -5;
    pool_t *pool = pool_create(2);
    reset_trial(-1, -1);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(
        pool_reduce(pool, 0, 9, 1, attempt, combine_attempts, NULL, &accumulator, sizeof accumulator),
        OFFGIL_ECLOSED);
    CHECK_EQ(count_get(&trial.visited), 0);
    CHECK_EQ(accumulator, -5);
    CHECK_OK(pool_destroy(pool));
}

static void *cancel_pool(void *pool) {
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    return NULL;
}

/* The first part cancels the pool, the others that have begun wait for that: the rest is still queued then.
 */
static void cancel_in_part(void *pool, size_t begin, size_t end, void *accumulator) {
    (void)accumulator;
    (void)end;
    if (begin == 0) {
        check_join(check_thread(cancel_pool, pool));
        count_add(&trial.visited, 1);
    }
    count_wait(&trial.visited, 1);
}

static void combine_nothing(void *context, void *into, const void *from) {
    (void)context;
    CHECK(into != NULL && from != NULL);
}

static void a_pool_that_is_canceled_meanwhile_ends_the_reduction(void) {
    int inside;
    for (inside = 0; inside <= 1; inside++) {
        int64_t accumulator = -5;
        pool_t *pool = pool_create(2);
        call_t call = {NULL, 0, 1000, 1, cancel_in_part, combine_nothing, NULL, NULL, sizeof accumulator};
        reset_trial(-1, -1);
        call.pool = pool;
        call.context = pool;
        call.accumulator = &accumulator;
        CHECK_STATUS(reduce(&call, inside), OFFGIL_ECANCELED);
        CHECK_EQ(accumulator, -5);
        CHECK_OK(pool_destroy(pool));
    }
}

static void a_reduction_that_is_canceled_in_the_queue_says_so(void) {
    static gate_t gate = GATE_CLOSED;
    int64_t accumulator = -5;
    pool_t *pool = pool_of(1, 0);
    call_t call = {NULL, 0, 1000, 1, attempt, combine_attempts, NULL, NULL, sizeof accumulator};
    pthread_t caller;
    reset_trial(-1, -1);
    call.pool = pool;
    call.accumulator = &accumulator;
    gate_occupy(&gate, pool, 1);
    caller = check_thread(reduce_task, &call);
    sleep_ns(SOON); /* so that it is in the queue, or refused: both are failures */
    CHECK_STATUS(pool_shutdown(pool, POOL_CANCEL, 0), OFFGIL_ETIMEDOUT);
    {
        const offgil_status status = (offgil_status)unpack(check_join(caller));
        CHECK(status == OFFGIL_ECANCELED || status == OFFGIL_ECLOSED);
    }
    CHECK_EQ(count_get(&trial.visited), 0);
    CHECK_EQ(accumulator, -5);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static void a_full_queue_refuses_outside_and_not_inside(void) {
    static gate_t gate = GATE_CLOSED;
    double sum = 0;
    pool_options_t options;
    pool_t *pool;
    fill_numbers();
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.waiters_help = 0;
    options.queue_limit = 1;
    options.when_full = POOL_FULL_FAIL;
    pool = pool_create_with(&options);
    sum = sum_on(pool, 7, 1); /* inside: more halves than there is room for */
    CHECK(sum == sum_on(pool, 7, 1));
    gate_occupy(&gate, pool, 2);
    CHECK_OK(pool_spawn(pool, gate_task, &gate));
    sum = 3;
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, add_numbers, add_sums, numbers, &sum, sizeof sum), OFFGIL_EFULL);
    CHECK(sum == 3);
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static void an_empty_range_calls_nothing(void) {
    int64_t accumulator = -5;
    pool_t *pool = pool_create(2);
    reset_trial(-1, -1);
    CHECK_OK(pool_reduce(pool, 0, 0, 0, attempt, combine_attempts, NULL, &accumulator, sizeof accumulator));
    CHECK_OK(pool_reduce(pool, SIZE_MAX, SIZE_MAX, 1, attempt, combine_attempts, NULL, &accumulator,
                         sizeof accumulator));
    CHECK_EQ(count_get(&trial.visited), 0);
    CHECK_EQ(accumulator, -5);
    CHECK_OK(pool_destroy(pool));
}

static void nonsense_is_refused(void) {
    int64_t it = -5;
    pool_t *pool = pool_create(2);
    reset_trial(-1, -1);
    CHECK_STATUS(pool_reduce(NULL, 0, 9, 1, attempt, combine_attempts, NULL, &it, sizeof it), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 9, 0, 1, attempt, combine_attempts, NULL, &it, sizeof it), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, NULL, combine_attempts, NULL, &it, sizeof it), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, attempt, NULL, NULL, &it, sizeof it), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, attempt, combine_attempts, NULL, NULL, 1), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, attempt, combine_attempts, NULL, &it, SIZE_MAX), OFFGIL_EINVAL);
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, attempt, combine_attempts, NULL, &it, SIZE_MAX / 4),
                 OFFGIL_ENOMEM);
    CHECK_OK(pool_destroy(pool));
    CHECK_STATUS(pool_reduce(pool, 0, 9, 1, attempt, combine_attempts, NULL, &it, sizeof it), OFFGIL_EHANDLE);
    CHECK_EQ(count_get(&trial.visited), 0);
    CHECK_EQ(it, -5);
}

static void visit(void *context, size_t begin, size_t end, void *accumulator) {
    CHECK(accumulator != NULL);
    count_add(context, (int64_t)(end - begin));
}

static void an_accumulator_may_be_empty(void) {
    count_t visited = COUNT_ZERO;
    pool_t *pool = pool_create(2);
    CHECK_OK(pool_reduce(pool, 0, 100, 3, visit, combine_nothing, &visited, NULL, 0));
    CHECK_EQ(count_get(&visited), 100);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_sum_is_the_same_to_the_last_bit_for_every_number_of_threads),
           TEST(parts_are_combined_in_their_order), TEST(a_part_is_a_grain_long),
           TEST(the_largest_range_there_is_works),
           TEST(an_associative_operation_gives_the_same_for_every_grain),
           TEST(a_histogram_counts_each_index_once), TEST(reduce_works_inside_reduce),
           TEST(the_lowest_part_that_failed_is_reported_and_all_run), TEST(a_closed_pool_reduces_nothing),
           TEST(a_pool_that_is_canceled_meanwhile_ends_the_reduction),
           TEST(a_reduction_that_is_canceled_in_the_queue_says_so),
           TEST(a_full_queue_refuses_outside_and_not_inside), TEST(an_empty_range_calls_nothing),
           TEST(nonsense_is_refused), TEST(an_accumulator_may_be_empty))
