/* Figures that offgil promises of itself, with no peer beside it: promises NAME prints one JSON object.
 *
 *   handle      what checking a handle costs a call: a look through it against one that takes none
 *   completions wake-ups of an event loop for 10,000 tasks that come back through one descriptor
 *   blocking    throughput of the CPU lane with 512 sleeping tasks of the blocking lane, against without
 *   timers      100,000 delayed tasks: threads while they wait, and how late they start */
#define _GNU_SOURCE
#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "offgil.h"

#define SECOND INT64_C(1000000000)

static void must(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "promises: %s: %s\n", what, offgil_last_message());
        exit(1);
    }
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void *nothing(void *arg) {
    return arg;
}

/* handle */

#define LOOKS 50000000

#define NS_A_CALL(expression)                                                                                \
    __extension__({                                                                                          \
        int64_t begin = now_ns();                                                                            \
        for (int look = 0; look < LOOKS; look++)                                                             \
            sink += (uint32_t)(expression);                                                                  \
        (double)(now_ns() - begin) / LOOKS;                                                                  \
    })

static void handle(void) {
    static volatile uint32_t sink;
    pool_t *pool = pool_create(2);
    future_t *future = pool_submit(pool, nothing, NULL);
    double bare, by_pool, by_future;
    must(future_wait(future, OFFGIL_FOREVER, NULL) == OFFGIL_OK, "future_wait");
    bare = NS_A_CALL(offgil_version());
    by_pool = NS_A_CALL(pool_thread_count(pool));
    by_future = NS_A_CALL(future_get_state(future));
    printf("{\"call_ns\": %.2f, \"pool_check_ns\": %.2f, \"future_check_ns\": %.2f}\n", bare, by_pool - bare,
           by_future - bare);
    must(future_release(future) == OFFGIL_OK, "future_release");
    must(pool_destroy(pool) == OFFGIL_OK, "pool_destroy");
}

/* completions */

#define COMPLETIONS 10000

static void completions(void) {
    pool_t *pool = pool_create(2);
    completion_queue_t *queue = completion_queue_create();
    struct pollfd loop = {completion_queue_fd(queue), POLLIN, 0};
    static completion_t batch[COMPLETIONS];
    size_t taken = 0, wakeups = 0, batches = 0, largest = 0;
    task_options_t options;
    task_options_init(&options, sizeof options);
    options.queue = queue;
    for (size_t index = 0; index < COMPLETIONS; index++) {
        options.tag = index;
        must(pool_spawn_with(pool, &options, nothing, NULL) == OFFGIL_OK, "pool_spawn_with");
    }
    while (taken < COMPLETIONS) {
        size_t count = 0;
        must(poll(&loop, 1, 10000) == 1, "the descriptor");
        wakeups++;
        if (completion_queue_next(queue, 0, batch, COMPLETIONS, &count) == OFFGIL_OK) {
            taken += count;
            batches++;
            largest = count > largest ? count : largest;
        }
    }
    must(poll(&loop, 1, 0) == 0, "the descriptor of an empty queue");
    printf("{\"completions\": %d, \"wakeups\": %zu, \"batches\": %zu, \"largest_batch\": %zu}\n", COMPLETIONS,
           wakeups, batches, largest);
    must(completion_queue_release(queue) == OFFGIL_OK, "completion_queue_release");
    must(pool_destroy(pool) == OFFGIL_OK, "pool_destroy");
}

/* blocking */

#define SLEEPERS 512
#define WORK_NS 20000
#define MEASURE (2 * SECOND)

static atomic_long done_work;
static atomic_int asleep;
static int sleepers_end[2];

static void *spin(void *arg) {
    int64_t end = now_ns() + WORK_NS;
    while (now_ns() < end)
        ;
    atomic_fetch_add(&done_work, 1);
    return arg;
}

static void *sleep_in_a_read(void *arg) {
    char byte;
    atomic_fetch_add(&asleep, 1);
    while (read(sleepers_end[0], &byte, 1) < 0)
        ;
    return arg;
}

/* Tasks of WORK_NS a second, two CPUs busy. */
static double throughput(pool_t *pool) {
    int64_t begin = now_ns();
    long first = atomic_load(&done_work);
    while (now_ns() - begin < MEASURE) {
        enum { BATCH = 64 };
        void *none[BATCH] = {NULL};
        future_t *futures[BATCH];
        must(pool_submit_many(pool, spin, none, BATCH, futures) == OFFGIL_OK, "pool_submit_many");
        must(future_wait_all(futures, BATCH, OFFGIL_FOREVER) == OFFGIL_OK, "future_wait_all");
        for (int index = 0; index < BATCH; index++)
            must(future_release(futures[index]) == OFFGIL_OK, "future_release");
    }
    return (double)(atomic_load(&done_work) - first) * SECOND / (double)(now_ns() - begin);
}

static void blocking(void) {
    pool_t *pool = pool_create(2);
    task_options_t options;
    double without, with;
    must(pipe(sleepers_end) == 0, "pipe");
    without = throughput(pool);
    task_options_init(&options, sizeof options);
    options.blocking = 1;
    for (int sleeper = 0; sleeper < SLEEPERS; sleeper++)
        must(pool_spawn_with(pool, &options, sleep_in_a_read, NULL) == OFFGIL_OK, "pool_spawn_with");
    while (atomic_load(&asleep) < SLEEPERS)
        usleep(1000);
    with = throughput(pool);
    printf("{\"tasks_per_s\": %.0f, \"tasks_per_s_with_sleepers\": %.0f, \"ratio\": %.3f}\n", without, with,
           with / without);
    close(sleepers_end[1]);
    must(pool_destroy(pool) == OFFGIL_OK, "pool_destroy");
}

/* timers */

#define TIMERS 100000

static int64_t due[TIMERS], late[TIMERS];

static void *start(void *index) {
    late[(uintptr_t)index] = now_ns() - due[(uintptr_t)index];
    return NULL;
}

static int by_value(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int threads_alive(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* . and .. */
    must(tasks != NULL, "/proc/self/task");
    while (readdir(tasks) != NULL)
        count++;
    closedir(tasks);
    return count;
}

static void timers(void) {
    pool_t *pool = pool_create(2);
    task_options_t options;
    int64_t begin = now_ns();
    int threads;
    srand(1);
    task_options_init(&options, sizeof options);
    for (uintptr_t index = 0; index < TIMERS; index++) {
        int64_t now = now_ns();
        due[index] = begin + SECOND + (int64_t)((double)rand() / RAND_MAX * 3 * SECOND);
        options.delay_ns = due[index] > now ? due[index] - now : 1;
        must(pool_spawn_with(pool, &options, start, (void *)index) == OFFGIL_OK, "pool_spawn_with");
    }
    threads = threads_alive();
    must(pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK, "pool_wait_idle");
    qsort(late, TIMERS, sizeof late[0], by_value);
    printf("{\"threads\": %d, \"earliest_us\": %.1f, \"late_p50_us\": %.1f, \"late_p99_us\": %.1f, "
           "\"late_max_us\": %.1f}\n",
           threads, (double)late[0] / 1e3, (double)late[TIMERS / 2] / 1e3,
           (double)late[TIMERS / 100 * 99] / 1e3, (double)late[TIMERS - 1] / 1e3);
    must(pool_destroy(pool) == OFFGIL_OK, "pool_destroy");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"handle", handle}, {"completions", completions}, {"blocking", blocking}, {"timers", timers}};
    for (size_t index = 0; argc == 2 && index < sizeof all / sizeof all[0]; index++) {
        if (strcmp(argv[1], all[index].name) == 0) {
            all[index].run();
            return 0;
        }
    }
    fprintf(stderr, "usage: promises handle|completions|blocking|timers\n");
    return 2;
}
