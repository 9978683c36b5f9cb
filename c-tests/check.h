/* What the C tests share: a table of named tests, CHECK macros, and counts to wait on.
 *
 *   prog --list     names the tests, one a line
 *   prog NAME       runs that one in this process
 *   prog            runs them all, one after the other
 *
 * A test ends the process with status 1 at the first CHECK that does not hold, from whatever thread. The
 * limit on its time is the business of whoever runs it. */
#ifndef OFFGIL_CHECK_H
#define OFFGIL_CHECK_H

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "offgil.h"

/* Times, in nanoseconds. SOON is how long a test looks for something that must not happen: shorter only makes
 * it less sharp. */
#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)
#define SOON (30 * MILLISECOND)
#define LONG_ENOUGH (50 * SECOND)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    const char *name;
    void (*run)(void);
} check_test;

#define TEST(name) {#name, name}

#define CHECK_MAIN(...)                                                                                      \
    static const check_test check_tests[] = {__VA_ARGS__};                                                   \
    int main(int argc, char **argv) {                                                                        \
        return check_main(check_tests, LENGTH(check_tests), argc, argv);                                     \
    }

static inline void check_failed(const char *file, int line, const char *what, const char *values) {
    fprintf(stderr, "%s:%d: CHECK(%s) failed%s%s\n", file, line, what, values[0] ? ": " : "", values);
    fflush(stderr);
    _exit(1);
}

static inline void check_numbers(const char *file, int line, const char *what, int64_t actual,
                                 int64_t expected) {
    if (actual != expected) {
        char values[80];
        snprintf(values, sizeof values, "%" PRId64 " is not %" PRId64, actual, expected);
        check_failed(file, line, what, values);
    }
}

static inline void check_statuses(const char *file, int line, const char *what, offgil_status actual,
                                  offgil_status expected) {
    if (actual != expected) {
        char values[120];
        snprintf(values, sizeof values, "%s (%d) is not %s (%d)", offgil_status_name(actual), (int)actual,
                 offgil_status_name(expected), (int)expected);
        check_failed(file, line, what, values);
    }
}

static inline void check_pointers(const char *file, int line, const char *what, const void *actual,
                                  const void *expected) {
    if (actual != expected) {
        char values[80];
        snprintf(values, sizeof values, "%p is not %p", (void *)(uintptr_t)actual,
                 (void *)(uintptr_t)expected);
        check_failed(file, line, what, values);
    }
}

#define CHECK(truth) ((truth) ? (void)0 : check_failed(__FILE__, __LINE__, #truth, ""))
#define CHECK_EQ(actual, expected)                                                                           \
    check_numbers(__FILE__, __LINE__, #actual " == " #expected, (int64_t)(actual), (int64_t)(expected))
#define CHECK_STATUS(actual, expected)                                                                       \
    check_statuses(__FILE__, __LINE__, #actual " == " #expected, (actual), (expected))
#define CHECK_OK(actual) CHECK_STATUS(actual, OFFGIL_OK)
#define CHECK_SAME(actual, expected)                                                                         \
    check_pointers(__FILE__, __LINE__, #actual " == " #expected, (actual), (expected))
/* For a function that answers with a handle: it answered NULL, and the reason is this one. */
#define CHECK_REFUSED(handle, expected)                                                                      \
    do {                                                                                                     \
        CHECK_SAME((handle), NULL);                                                                          \
        CHECK_STATUS(offgil_last_status(), (expected));                                                      \
    } while (0)

static inline int check_main(const check_test *tests, size_t count, int argc, char **argv) {
    size_t i;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (i = 0; i < count; i++)
            puts(tests[i].name);
        return 0;
    }
    unsetenv("OFFGIL_NUM_THREADS"); /* the tests say themselves how many threads they want */
    for (i = 0; i < count; i++) {
        if (argc == 1)
            fprintf(stderr, "%s\n", tests[i].name);
        if (argc == 1 || strcmp(argv[1], tests[i].name) == 0) {
            tests[i].run();
            if (argc > 1)
                return 0;
        }
    }
    if (argc > 1)
        fprintf(stderr, "%s: no test named %s\n", argv[0], argv[1]);
    return argc > 1 ? 2 : 0;
}

/* A number that threads step and wait for; it knows the highest value it had. Event, semaphore and gauge in
 * one. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t value;
    int64_t highest;
} count_t;

#define COUNT_ZERO {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0}

static inline int64_t count_add(count_t *count, int64_t step) {
    int64_t value;
    pthread_mutex_lock(&count->lock);
    value = count->value += step;
    if (value > count->highest)
        count->highest = value;
    pthread_cond_broadcast(&count->changed);
    pthread_mutex_unlock(&count->lock);
    return value;
}

static inline int64_t count_get(count_t *count) {
    return count_add(count, 0);
}

static inline void count_wait(count_t *count, int64_t at_least) {
    pthread_mutex_lock(&count->lock);
    while (count->value < at_least)
        pthread_cond_wait(&count->changed, &count->lock);
    pthread_mutex_unlock(&count->lock);
}

static inline void sleep_ns(int64_t ns) {
    struct timespec left;
    left.tv_sec = (time_t)(ns / SECOND);
    left.tv_nsec = (long)(ns % SECOND);
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static inline int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* Numbers as arguments and results of tasks. */
static inline void *pack(intptr_t number) {
    return (void *)number;
}

static inline intptr_t unpack(const void *pointer) {
    return (intptr_t)pointer;
}

/* Submits, or ends the test. */
static inline future_t *check_submit(pool_t *pool, task_fn fn, void *arg) {
    future_t *future = pool_submit(pool, fn, arg);
    if (future == NULL)
        check_failed(__FILE__, __LINE__, "pool_submit", offgil_last_message());
    return future;
}

static inline future_t *check_submit_with(pool_t *pool, const task_options_t *options, task_fn fn,
                                          void *arg) {
    future_t *future = pool_submit_with(pool, options, fn, arg);
    if (future == NULL)
        check_failed(__FILE__, __LINE__, "pool_submit_with", offgil_last_message());
    return future;
}

/* Waits for ever, checks that the task succeeded, and lets go of the future. */
static inline void *check_take(future_t *future) {
    void *result = NULL;
    CHECK_OK(future_wait(future, OFFGIL_FOREVER, &result));
    CHECK_OK(future_release(future));
    return result;
}

static inline pthread_t check_thread(void *(*body)(void *), void *arg) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, body, arg), 0);
    return thread;
}

static inline void *check_join(pthread_t thread) {
    void *result = NULL;
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

/* Forks. A child that hangs is ended by SIGALRM, which its parent sees. */
#define CHILD_SECONDS 30

static inline pid_t check_fork(void) {
    pid_t child;
    fflush(NULL); /* what is in the buffers is the parent's to write */
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        alarm(CHILD_SECONDS);
    return child;
}

/* Waits for a child, which ended by itself and with this status. */
static inline void check_child(pid_t child, int expected) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    if (WIFSIGNALED(status))
        CHECK_EQ(WTERMSIG(status), 0); /* SIGALRM: it hung */
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), expected);
}

/* Does something in a child, and waits until that has gone well. */
static inline void check_in_child(void (*body)(void)) {
    pid_t child = check_fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    check_child(child, 0);
}

/* A task that says it has started, and then stays until it is let go. */
typedef struct {
    count_t started;
    count_t open;
} gate_t;

#define GATE_CLOSED {COUNT_ZERO, COUNT_ZERO}

static inline void *gate_task(void *gate) {
    count_add(&((gate_t *)gate)->started, 1);
    count_wait(&((gate_t *)gate)->open, 1);
    return gate;
}

static inline void gate_open(gate_t *gate) {
    count_add(&gate->open, 1);
}

/* Makes `threads` workers of the pool busy at the gate; what is submitted from now on stays queued until
 * gate_open. */
static inline void gate_occupy(gate_t *gate, pool_t *pool, int threads) {
    int i;
    for (i = 1; i <= threads; i++) {
        CHECK_OK(pool_spawn(pool, gate_task, gate));
        count_wait(&gate->started, i); /* one by one: a bounded queue never gets full by it */
    }
}

#endif
