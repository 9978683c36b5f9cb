/* How a process ends that has pools. Each ends in a child, whose status says how. */
#include "check.h"

static pool_t *pool;
static gate_t gate = GATE_CLOSED;

static void *twice(void *arg) {
    return pack(2 * unpack(arg));
}

static void use_pool(void) {
    CHECK_EQ(unpack(check_take(check_submit(pool, twice, pack(21)))), 42);
}

static void *work_for_ever(void *arg) {
    for (;;)
        check_take(check_submit(pool, twice, arg));
    return NULL;
}

static void exit_does_not_wait_for_tasks(void) {
    pid_t child = check_fork();
    if (child == 0) {
        pool = pool_create(3);
        gate_occupy(&gate, pool, 1);
        CHECK_OK(pool_spawn(pool, work_for_ever, NULL));
        use_pool();
        exit(3);
    }
    check_child(child, 3);
}

static void *exit_in_task(void *arg) {
    exit((int)unpack(arg));
    return arg;
}

static void a_task_may_call_exit(void) {
    pid_t child = check_fork();
    if (child == 0) {
        pool = pool_create(2);
        check_take(check_submit(pool, exit_in_task, pack(4)));
        _exit(1);
    }
    check_child(child, 4);
}

static void use_and_destroy_pool(void) {
    use_pool();
    CHECK_OK(pool_destroy(pool));
    pool = pool_create(1);
    use_pool();
    CHECK_OK(pool_release(pool));
}

static void a_function_of_atexit_uses_and_destroys_pools(void) {
    pid_t child = check_fork();
    if (child == 0) {
        pool = pool_create(2);
        use_pool();
        CHECK_EQ(atexit(use_and_destroy_pool), 0);
        exit(5);
    }
    check_child(child, 5);
}

static void *destroy_later(void *main_thread) {
    CHECK_SAME(check_join(*(pthread_t *)main_thread), NULL);
    use_pool();
    CHECK_OK(pool_destroy(pool));
    return NULL;
}

static void pools_outlive_the_main_thread_and_the_process_ends_after_them(void) {
    static pthread_t main_thread;
    pid_t child = check_fork();
    if (child == 0) {
        main_thread = pthread_self();
        pool = pool_create(2);
        use_pool();
        pthread_detach(check_thread(destroy_later, &main_thread));
        pthread_exit(NULL);
    }
    check_child(child, 0);
}

CHECK_MAIN(TEST(exit_does_not_wait_for_tasks), TEST(a_task_may_call_exit),
           TEST(a_function_of_atexit_uses_and_destroys_pools),
           TEST(pools_outlive_the_main_thread_and_the_process_ends_after_them))
