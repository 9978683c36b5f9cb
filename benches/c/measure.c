/* The tasks that count themselves, and the instruments. */
#include "driver.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, CACHE_LINE = 64 };

/* ---- the tasks ---- */

/* Two lines apart, because the hardware fetches lines in pairs. */
typedef struct {
    _Alignas(2 * CACHE_LINE) _Atomic size_t ran;
} counter_t;

static counter_t counters[MAX_THREADS];
static _Atomic size_t counters_used;
static _Thread_local counter_t *counter;

__attribute__((noinline, cold)) static counter_t *take_counter(void) {
    size_t index = atomic_fetch_add(&counters_used, 1);
    if (index >= MAX_THREADS)
        die("more threads ran tasks than there are counters");
    return &counters[index];
}

void count_tasks(size_t many) {
    if (counter == NULL)
        counter = take_counter();
    /* Only this thread writes it: a load and a store, no locked instruction. */
    size_t ran = atomic_load_explicit(&counter->ran, memory_order_relaxed);
    atomic_store_explicit(&counter->ran, ran + many, memory_order_relaxed);
}

void *task(void *argument) {
    count_tasks(1);
    return argument;
}

size_t tasks_run(void) {
    size_t sum = 0;
    for (size_t i = 0; i < MAX_THREADS; i++)
        sum += atomic_load_explicit(&counters[i].ran, memory_order_relaxed);
    return sum;
}

void must_have_run(size_t expected, size_t before) {
    size_t ran = tasks_run() - before;
    if (ran != expected)
        die("ran %zu of %zu tasks", ran, expected);
}

void await_tasks(size_t many, size_t before) {
    while (tasks_run() - before < many)
        sleep_ns(100000);
}

void *allocate(size_t bytes) {
    void *room = malloc(bytes);
    if (room == NULL)
        die("out of memory");
    return memset(room, 0xff, bytes);
}

batch_t batch_create(size_t count, void *(*task)(void *)) {
    return (batch_t){.count = count, .task = task, .slots = allocate(count * sizeof(void *))};
}

/* ---- the instruments ---- */

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double cpu_seconds(void) {
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double cpu_seconds_of_others(void) {
    double own = seconds(CLOCK_THREAD_CPUTIME_ID);
    return seconds(CLOCK_PROCESS_CPUTIME_ID) - own;
}

void sleep_ns(int64_t ns) {
    struct timespec left = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

size_t resident_bytes(void) {
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*u %zu", &pages) != 1)
        die("can't read /proc/self/statm");
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t threads_alive(void) {
    DIR *threads = opendir("/proc/self/task");
    size_t entries = 0;
    if (threads == NULL)
        die("can't read /proc/self/task");
    while (readdir(threads) != NULL)
        entries++;
    closedir(threads);
    return entries - 2; /* without . and .. */
}

static int by_value(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

int64_t median(int64_t *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}
