/* Waits inside tasks, ten thousand deep: in a pool of one and of two, on the default stack and on one of 64
 * KiB. */
#include "check.h"

enum { DEPTH = 10000 };

static pool_t *pool;

static void open_pool(uint32_t threads, size_t stack_size) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    if (stack_size != 0)
        options.max_spare_threads = 2000;
    options.stack_size = stack_size;
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
}

/* Waits for a child that waits for a child ...; the result is the depth. */
static void *descend(void *depth) {
    if (depth == NULL)
        return NULL;
    return pack(unpack(check_take(check_submit(pool, descend, pack(unpack(depth) - 1)))) + 1);
}

static void nested(uint32_t threads, size_t stack_size) {
    open_pool(threads, stack_size);
    CHECK_EQ(unpack(check_take(check_submit(pool, descend, pack(DEPTH)))), DEPTH);
    CHECK_OK(pool_destroy(pool));
}

static void waits_nest_ten_thousand_deep_in_a_pool_of_one(void) {
    nested(1, 0);
}

static void waits_nest_ten_thousand_deep_in_a_pool_of_two(void) {
    nested(2, 0);
}

static void waits_nest_ten_thousand_deep_in_a_pool_of_one_on_small_stacks(void) {
    nested(1, 65536);
}

static void waits_nest_ten_thousand_deep_in_a_pool_of_two_on_small_stacks(void) {
    /* Each child that the other thread steals costs a thread: how many, chance decides. */
    nested(2, 65536);
}

/* Tasks from outside that wait for the next one each. Where waits may not pull them forward (a pool of one
 * keeps its order) or others were faster, each wait takes a thread: as long as there are spare ones all goes
 * well. */
static future_t *chain[DEPTH];
static intptr_t chain_length;
static count_t no_thread_left = COUNT_ZERO;

static void *next_in_chain(void *number) {
    intptr_t next = unpack(number) + 1;
    offgil_status status = OFFGIL_OK;
    if (next < chain_length)
        status = future_wait(chain[next], OFFGIL_FOREVER, NULL);
    if (status != OFFGIL_OK) {
        CHECK_STATUS(status, OFFGIL_ETHREAD);
        count_add(&no_thread_left, 1);
    }
    return number;
}

static void chained(uint32_t threads, size_t stack_size, intptr_t length) {
    gate_t gate = GATE_CLOSED;
    intptr_t i;
    open_pool(threads, stack_size);
    chain_length = length;
    gate_occupy(&gate, pool, (int)threads);
    for (i = 0; i < length; i++)
        chain[i] = check_submit(pool, next_in_chain, pack(i));
    gate_open(&gate);
    for (i = 0; i < length; i++)
        CHECK_EQ(unpack(check_take(chain[i])), i);
    CHECK_OK(pool_destroy(pool));
}

static void a_chain_of_two_hundred_tasks_from_outside_takes_no_more_than_the_spare_threads(void) {
    chained(1, 0, 200);
    chained(2, 0, 200);
    chained(1, 65536, 200);
    chained(2, 65536, 200);
    CHECK_EQ(count_get(&no_thread_left), 0);
}

static void a_chain_of_ten_thousand_tasks_from_outside_ends(void) {
    chained(1, 0, DEPTH);
    chained(2, 0, DEPTH);
    chained(1, 65536, DEPTH);
    chained(2, 65536, DEPTH);
}

static void *descend_by_wait_all(void *depth) {
    future_t *children[2];
    if (depth == NULL)
        return NULL;
    children[0] = check_submit(pool, descend_by_wait_all, pack(unpack(depth) - 1));
    children[1] = check_submit(pool, descend_by_wait_all, NULL);
    CHECK_OK(future_wait_all(children, 2, OFFGIL_FOREVER));
    CHECK_OK(future_release(children[1]));
    return pack(unpack(check_take(children[0])) + 1);
}

static void *nothing(void *arg) {
    return arg;
}

static void *descend_by_invoke(void *depth) {
    if (depth != NULL)
        CHECK_OK(pool_invoke(pool, descend_by_invoke, pack(unpack(depth) - 1), nothing, NULL));
    return depth;
}

static void *descend_by_map(void *depth) {
    void *arg = pack(unpack(depth) - 1), *result = NULL;
    if (depth == NULL)
        return NULL;
    CHECK_OK(pool_map(pool, descend_by_map, &arg, &result, 1));
    CHECK_SAME(result, arg);
    return depth;
}

static void descend_range(void *context, size_t begin, size_t end) {
    (void)context;
    for (; begin < end; begin++) {
        if (begin > 0)
            CHECK_OK(pool_for(pool, begin - 1, begin, 1, descend_range, NULL));
    }
}

static void *descend_by_for(void *depth) {
    descend_range(NULL, (size_t)unpack(depth), (size_t)unpack(depth) + 1);
    return depth;
}

static void in_every_pool(task_fn fn, intptr_t depth) {
    uint32_t threads;
    for (threads = 1; threads <= 2; threads++) {
        open_pool(threads, 0);
        CHECK_EQ(unpack(check_take(check_submit(pool, fn, pack(depth)))), depth);
        CHECK_OK(pool_destroy(pool));
        open_pool(threads, 65536);
        CHECK_EQ(unpack(check_take(check_submit(pool, fn, pack(depth / 4)))), depth / 4);
        CHECK_OK(pool_destroy(pool));
    }
}

static void wait_all_nests_ten_thousand_deep(void) {
    in_every_pool(descend_by_wait_all, DEPTH);
}

static void invoke_nests_ten_thousand_deep(void) {
    in_every_pool(descend_by_invoke, DEPTH);
}

static void map_nests_ten_thousand_deep(void) {
    in_every_pool(descend_by_map, DEPTH);
}

static void for_nests_ten_thousand_deep(void) {
    in_every_pool(descend_by_for, DEPTH);
}

static void *fibonacci(void *number) {
    intptr_t n = unpack(number);
    future_t *one, *two;
    intptr_t sum;
    if (n < 2)
        return number;
    one = check_submit(pool, fibonacci, pack(n - 1));
    two = check_submit(pool, fibonacci, pack(n - 2));
    sum = unpack(check_take(one)); /* the older one first: the worst order for a stack of children */
    return pack(sum + unpack(check_take(two)));
}

static void a_tree_of_waits_ends_in_pools_of_any_size(void) {
    uint32_t threads;
    for (threads = 1; threads <= 5; threads++) {
        open_pool(threads, threads % 2 ? 65536 : 0);
        CHECK_EQ(unpack(check_take(check_submit(pool, fibonacci, pack(18)))), 2584);
        CHECK_OK(pool_destroy(pool));
    }
}

CHECK_MAIN(TEST(waits_nest_ten_thousand_deep_in_a_pool_of_one),
           TEST(waits_nest_ten_thousand_deep_in_a_pool_of_two),
           TEST(waits_nest_ten_thousand_deep_in_a_pool_of_one_on_small_stacks),
           TEST(waits_nest_ten_thousand_deep_in_a_pool_of_two_on_small_stacks),
           TEST(a_chain_of_two_hundred_tasks_from_outside_takes_no_more_than_the_spare_threads),
           TEST(a_chain_of_ten_thousand_tasks_from_outside_ends), TEST(wait_all_nests_ten_thousand_deep),
           TEST(invoke_nests_ten_thousand_deep), TEST(map_nests_ten_thousand_deep),
           TEST(for_nests_ten_thousand_deep), TEST(a_tree_of_waits_ends_in_pools_of_any_size))
