/* What a thread hook may call. */
#include "check.h"

static pool_t *pool;
static count_t calls = COUNT_ZERO;

static void destroy_own_pool(void *context) {
    (void)context;
    CHECK_STATUS(pool_destroy(pool), OFFGIL_EDEADLK);
    CHECK_STATUS(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_EDEADLK);
    CHECK_EQ(pool_worker_index(pool), -1);
    count_add(&calls, 1);
}

static void *same(void *arg) {
    return arg;
}

static void with_hooks(thread_hook_fn start, thread_hook_fn stop) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = 2;
    options.on_thread_start = start;
    options.on_thread_stop = stop;
    pool = pool_create_with(&options);
    CHECK_EQ(unpack(check_take(check_submit(pool, same, pack(7)))), 7);
}

static void a_start_hook_that_would_wait_for_its_own_pool_is_told(void) {
    with_hooks(destroy_own_pool, NULL);
    CHECK_OK(pool_destroy(pool));
    CHECK(count_get(&calls) >= 1);
}

static void a_stop_hook_that_would_wait_for_its_own_pool_is_told(void) {
    with_hooks(NULL, destroy_own_pool);
    CHECK_OK(pool_shutdown(pool, POOL_DRAIN, OFFGIL_FOREVER));
    count_wait(&calls, 1); /* the handle is live as long as the pool isn't destroyed */
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_start_hook_that_would_wait_for_its_own_pool_is_told),
           TEST(a_stop_hook_that_would_wait_for_its_own_pool_is_told))
