/* Which signals the library's threads let through. */
#include "check.h"

#include <signal.h>

static pool_t *pool;

/* A task: whether its thread blocks the signal. */
static void *is_blocked(void *signal) {
    sigset_t mask;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    return pack(sigismember(&mask, (int)unpack(signal)));
}

static void *is_blocked_in_nested(void *signal) {
    gate_t gate = GATE_CLOSED;
    future_t *other = check_submit(pool, gate_task, &gate);
    void *blocked;
    count_wait(&gate.started, 1); /* on a second thread */
    CHECK_EQ(unpack(is_blocked(signal)), unpack(check_take(check_submit(pool, is_blocked, signal))));
    gate_open(&gate);
    blocked = is_blocked(signal);
    CHECK_SAME(check_take(other), &gate);
    return blocked;
}

static void change_mask(int how, int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK_EQ(pthread_sigmask(how, &set, NULL), 0);
}

static int here(int signal) {
    return (int)unpack(is_blocked(pack(signal)));
}

static int in_task(int signal) {
    return (int)unpack(check_take(check_submit(pool, is_blocked, pack(signal))));
}

static int in_blocking_task(int signal) {
    task_options_t options;
    future_t *future;
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    future = check_submit_with(pool, &options, is_blocked, pack(signal));
    return (int)unpack(check_take(future));
}

static void make_pool(uint32_t threads) {
    pool_options_t options;
    pool_options_init(&options, sizeof options);
    options.threads = threads;
    options.waiters_help = 0; /* the pool's threads are meant */
    pool = pool_create_with(&options);
    CHECK(pool != NULL);
}

/* SIGUSR1 was blocked when the pool was made, and SIGUSR2 was not; now it is the other way round. */
static void check_all_kinds(void) {
    CHECK(!here(SIGUSR1) && here(SIGUSR2));
    CHECK(in_task(SIGUSR1) && !in_task(SIGUSR2));
    CHECK(in_blocking_task(SIGUSR1) && !in_blocking_task(SIGUSR2));
    CHECK(!here(SIGUSR1) && here(SIGUSR2));
    CHECK_EQ(unpack(check_take(check_submit(pool, is_blocked_in_nested, pack(SIGUSR1)))), 1);
    CHECK_EQ(unpack(check_take(check_submit(pool, is_blocked_in_nested, pack(SIGUSR2)))), 0);
}

static void a_pools_threads_block_what_the_thread_that_made_it_blocked_whoever_starts_them(void) {
    change_mask(SIG_BLOCK, SIGUSR1);
    make_pool(2);
    change_mask(SIG_UNBLOCK, SIGUSR1);
    change_mask(SIG_BLOCK, SIGUSR2);
    check_in_child(check_all_kinds); /* before the parent's threads are there, and after */
    check_all_kinds();
    check_in_child(check_all_kinds);
    CHECK_OK(pool_destroy(pool));
}

static int32_t seen;

static void see_mask(void *signal) {
    seen = (int32_t)unpack(is_blocked(signal));
}

static void the_thread_that_keeps_the_time_lets_nothing_through_but_its_own_faults(void) {
    gate_t gate = GATE_CLOSED;
    int signals[] = {SIGINT, SIGTERM, SIGALRM, SIGCHLD, SIGSEGV, SIGFPE};
    size_t i;
    make_pool(1);
    gate_occupy(&gate, pool, 1);
    for (i = 0; i < LENGTH(signals); i++) {
        task_options_t options;
        future_t *future;
        task_options_init(&options, sizeof options);
        options.deadline_ns = MILLISECOND;
        options.drop_arg = see_mask;
        future = pool_submit_with(pool, &options, is_blocked, pack(signals[i]));
        CHECK_STATUS(future_wait(future, OFFGIL_FOREVER, NULL), OFFGIL_ECANCELED);
        CHECK_EQ(seen, i < 4);
        CHECK_OK(future_release(future));
    }
    gate_open(&gate);
    CHECK_OK(pool_destroy(pool));
}

static volatile sig_atomic_t handled = 0;

static void handle(int signal) {
    (void)signal;
    handled = 1;
}

static void *interrupt(void *thread) {
    sleep_ns(SOON);
    CHECK_EQ(pthread_kill(*(pthread_t *)thread, SIGUSR1), 0);
    sleep_ns(SOON);
    CHECK(handled);
    return pack(5);
}

static void a_wait_goes_on_after_a_signal(void) {
    pthread_t me = pthread_self();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle; /* without SA_RESTART */
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    make_pool(1);
    CHECK_EQ(unpack(check_take(check_submit(pool, interrupt, &me))), 5);
    CHECK_OK(pool_destroy(pool));
}

CHECK_MAIN(TEST(a_pools_threads_block_what_the_thread_that_made_it_blocked_whoever_starts_them),
           TEST(the_thread_that_keeps_the_time_lets_nothing_through_but_its_own_faults),
           TEST(a_wait_goes_on_after_a_signal))
