/* pool_for, pool_map and pool_invoke. */
#include "check.h"

enum { CELLS = 1000 };

static struct {
    count_t touched[CELLS];
    count_t calls;
    pool_t *pool;
    int32_t fail_at[2];
} grid;

static void reset(uint32_t threads) {
    const count_t zero = COUNT_ZERO;
    size_t i;
    for (i = 0; i < CELLS; i++)
        grid.touched[i] = zero;
    grid.calls = zero;
    grid.fail_at[0] = grid.fail_at[1] = -1;
    if (grid.pool != NULL)
        CHECK_OK(pool_destroy(grid.pool));
    grid.pool = pool_create(threads);
}

static void touch(void *context, size_t begin, size_t end) {
    size_t i;
    CHECK_SAME(context, &grid);
    CHECK(begin < end && end <= CELLS);
    count_add(&grid.calls, 1);
    for (i = begin; i < end; i++) {
        count_add(&grid.touched[i], 1);
        if ((int32_t)i == grid.fail_at[0] || (int32_t)i == grid.fail_at[1])
            CHECK_OK(task_fail((int32_t)i, "this cell"));
    }
}

static void expect_touched_once(size_t begin, size_t end) {
    size_t i;
    for (i = 0; i < CELLS; i++)
        CHECK_EQ(count_get(&grid.touched[i]), i >= begin && i < end);
}

static void for_touches_each_index_once(void) {
    const size_t ends[][2] = {{0, CELLS}, {0, 1}, {999, 1000}, {17, 900}, {1, 3}};
    const size_t grains[] = {0, 1, 7, 100, CELLS, SIZE_MAX};
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        size_t i, j;
        for (i = 0; i < LENGTH(ends); i++) {
            for (j = 0; j < LENGTH(grains); j++) {
                reset(threads);
                CHECK_OK(pool_for(grid.pool, ends[i][0], ends[i][1], grains[j], touch, &grid));
                expect_touched_once(ends[i][0], ends[i][1]);
            }
        }
    }
}

static void an_empty_range_calls_nothing(void) {
    reset(2);
    CHECK_OK(pool_for(grid.pool, 0, 0, 0, touch, &grid));
    CHECK_OK(pool_for(grid.pool, SIZE_MAX, SIZE_MAX, 1, touch, &grid));
    CHECK_EQ(count_get(&grid.calls), 0);
}

static void a_range_that_ends_before_it_begins_is_refused(void) {
    reset(2);
    CHECK_STATUS(pool_for(grid.pool, 1, 0, 0, touch, &grid), OFFGIL_EINVAL);
    CHECK_STATUS(pool_for(grid.pool, SIZE_MAX, 0, 1, touch, &grid), OFFGIL_EINVAL);
    CHECK_EQ(count_get(&grid.calls), 0);
}

typedef struct {
    pthread_mutex_t lock;
    size_t indices;
} sum_t;

static void measure(void *context, size_t begin, size_t end) {
    sum_t *sum = context;
    CHECK(begin < end);
    pthread_mutex_lock(&sum->lock);
    sum->indices += end - begin;
    pthread_mutex_unlock(&sum->lock);
}

static void the_largest_range_there_is_works(void) {
    sum_t sum = {PTHREAD_MUTEX_INITIALIZER, 0};
    reset(2);
    CHECK_OK(pool_for(grid.pool, 0, SIZE_MAX, SIZE_MAX / 16, measure, &sum));
    CHECK(sum.indices == SIZE_MAX);
    sum.indices = 0;
    CHECK_OK(pool_for(grid.pool, 0, SIZE_MAX, 0, measure, &sum));
    CHECK(sum.indices == SIZE_MAX);
    sum.indices = 0;
    CHECK_OK(pool_for(grid.pool, SIZE_MAX - 1000, SIZE_MAX, 1, measure, &sum));
    CHECK_EQ(sum.indices, 1000);
}

static void a_failing_part_fails_the_range_and_the_rest_still_runs(void) {
    uint32_t threads;
    for (threads = 1; threads <= 2; threads++) {
        reset(threads);
        grid.fail_at[0] = 300;
        grid.fail_at[1] = 2;
        CHECK_STATUS(pool_for(grid.pool, 0, CELLS, 10, touch, &grid), OFFGIL_EFAILED);
        expect_touched_once(0, CELLS);
    }
}

static void *for_inside(void *context) {
    CHECK_OK(pool_for(grid.pool, 0, CELLS, 3, touch, context));
    return context;
}

static void for_works_inside_a_task(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        reset(threads);
        CHECK_SAME(check_take(check_submit(grid.pool, for_inside, &grid)), &grid);
        expect_touched_once(0, CELLS);
    }
}

static void row(void *context, size_t begin, size_t end) {
    for (; begin < end; begin++)
        CHECK_OK(pool_for(grid.pool, begin * 25, begin * 25 + 25, 2, touch, context));
}

static void for_works_inside_for(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        reset(threads);
        CHECK_OK(pool_for(grid.pool, 0, CELLS / 25, 1, row, &grid));
        expect_touched_once(0, CELLS);
    }
}

static void nobody(void *context, size_t begin, size_t end) {
    (void)context;
    (void)begin;
    (void)end;
}

static void *increment(void *arg) {
    return pack(unpack(arg) + 1);
}

static void a_closed_pool_runs_no_range_no_map_and_no_invoke(void) {
    void *arg = NULL, *result = &arg;
    reset(2);
    CHECK_OK(pool_shutdown(grid.pool, POOL_DRAIN, OFFGIL_FOREVER));
    CHECK_STATUS(pool_for(grid.pool, 0, 10, 1, nobody, NULL), OFFGIL_ECLOSED);
    CHECK_STATUS(pool_map(grid.pool, increment, &arg, &result, 1), OFFGIL_ECLOSED);
    CHECK_STATUS(pool_invoke(grid.pool, increment, NULL, increment, NULL), OFFGIL_ECLOSED);
    CHECK_SAME(result, &arg);
}

static void map_stores_each_result_in_its_place(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        void *args[CELLS], *results[CELLS];
        intptr_t i;
        reset(threads);
        for (i = 0; i < CELLS; i++)
            args[i] = pack(i);
        CHECK_OK(pool_map(grid.pool, increment, args, results, CELLS));
        for (i = 0; i < CELLS; i++)
            CHECK_EQ(unpack(results[i]), i + 1);
        CHECK_OK(pool_map(grid.pool, increment, args, args, CELLS)); /* in place */
        for (i = 0; i < CELLS; i++)
            CHECK_EQ(unpack(args[i]), i + 1);
        CHECK_OK(pool_map(grid.pool, increment, args, NULL, CELLS));
        CHECK_OK(pool_map(grid.pool, increment, NULL, NULL, 0));
    }
}

static void *count_and_fail_odd(void *number) {
    count_add(&grid.touched[unpack(number)], 1);
    if (unpack(number) % 2)
        CHECK_OK(task_fail(1, "odd"));
    return number;
}

static void a_failing_element_fails_the_map_and_the_rest_still_runs(void) {
    void *args[CELLS], *results[CELLS];
    intptr_t i;
    reset(2);
    for (i = 0; i < CELLS; i++)
        args[i] = pack(i);
    CHECK_STATUS(pool_map(grid.pool, count_and_fail_odd, args, results, CELLS), OFFGIL_EFAILED);
    expect_touched_once(0, CELLS);
    for (i = 0; i < CELLS; i += 2)
        CHECK_EQ(unpack(results[i]), i);
}

static void *count_one(void *count) {
    count_add(count, 1);
    return NULL;
}

static void invoke_runs_both_sides_once(void) {
    uint32_t threads;
    for (threads = 1; threads <= 3; threads++) {
        count_t left = COUNT_ZERO, right = COUNT_ZERO;
        int i;
        reset(threads);
        for (i = 1; i <= 500; i++) {
            CHECK_OK(pool_invoke(grid.pool, count_one, &left, count_one, &right));
            CHECK_EQ(count_get(&left), i);
            CHECK_EQ(count_get(&right), i);
        }
    }
}

static void *fail(void *count) {
    count_add(count, 1);
    CHECK_OK(task_fail(7, "side"));
    return NULL;
}

static void invoke_runs_both_sides_though_one_fails(void) {
    count_t runs = COUNT_ZERO;
    reset(2);
    CHECK_STATUS(pool_invoke(grid.pool, fail, &runs, count_one, &runs), OFFGIL_EFAILED);
    CHECK_EQ(count_get(&runs), 2);
    CHECK_STATUS(pool_invoke(grid.pool, count_one, &runs, fail, &runs), OFFGIL_EFAILED);
    CHECK_EQ(count_get(&runs), 4);
    CHECK_STATUS(pool_invoke(grid.pool, fail, &runs, fail, &runs), OFFGIL_EFAILED);
    CHECK_EQ(count_get(&runs), 6);
}

static void *invoke_with_a_failing_side(void *count) {
    CHECK_STATUS(pool_invoke(grid.pool, fail, count, fail, count), OFFGIL_EFAILED);
    return count;
}

static void a_failing_side_does_not_fail_the_task_that_invoked_it(void) {
    count_t runs = COUNT_ZERO;
    reset(1);
    CHECK_SAME(check_take(check_submit(grid.pool, invoke_with_a_failing_side, &runs)), &runs);
    CHECK_EQ(count_get(&runs), 2);
}

typedef struct {
    intptr_t number;
    intptr_t result;
} fibonacci_t;

static void *fibonacci(void *arg) {
    fibonacci_t *self = arg, left, right;
    self->result = self->number;
    if (self->number < 2)
        return NULL;
    left.number = self->number - 1;
    right.number = self->number - 2;
    CHECK_OK(pool_invoke(grid.pool, fibonacci, &left, fibonacci, &right));
    self->result = left.result + right.result;
    return NULL;
}

static void a_tree_of_invokes_gives_the_right_sum(void) {
    uint32_t threads;
    for (threads = 1; threads <= 4; threads++) {
        fibonacci_t root = {20, 0};
        reset(threads);
        fibonacci(&root); /* from outside */
        CHECK_EQ(root.result, 6765);
        root.number = 20;
        check_take(check_submit(grid.pool, fibonacci, &root));
        CHECK_EQ(root.result, 6765);
    }
}

static void *call_for(void *context) {
    int i;
    for (i = 0; i < 50; i++)
        CHECK_OK(pool_for(grid.pool, 0, CELLS, 50, touch, context));
    return NULL;
}

static void several_threads_share_a_pool_for_their_ranges(void) {
    pthread_t threads[4];
    size_t i;
    reset(2);
    for (i = 0; i < LENGTH(threads); i++)
        threads[i] = check_thread(call_for, &grid);
    for (i = 0; i < LENGTH(threads); i++)
        check_join(threads[i]);
    for (i = 0; i < CELLS; i++)
        CHECK_EQ(count_get(&grid.touched[i]), 200);
}

CHECK_MAIN(TEST(for_touches_each_index_once), TEST(an_empty_range_calls_nothing),
           TEST(a_range_that_ends_before_it_begins_is_refused), TEST(the_largest_range_there_is_works),
           TEST(a_failing_part_fails_the_range_and_the_rest_still_runs), TEST(for_works_inside_a_task),
           TEST(for_works_inside_for), TEST(a_closed_pool_runs_no_range_no_map_and_no_invoke),
           TEST(map_stores_each_result_in_its_place),
           TEST(a_failing_element_fails_the_map_and_the_rest_still_runs), TEST(invoke_runs_both_sides_once),
           TEST(invoke_runs_both_sides_though_one_fails),
           TEST(a_failing_side_does_not_fail_the_task_that_invoked_it),
           TEST(a_tree_of_invokes_gives_the_right_sum), TEST(several_threads_share_a_pool_for_their_ranges))
