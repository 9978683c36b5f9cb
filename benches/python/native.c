/* The native tasks of the Python rows, and what a C programmer would write instead of a pool.
 *
 * Each task counts itself, in a counter of its thread: the driver looks whether all have run. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

enum { MAX_COUNTERS = 1024, MAX_THREADS = 64, CACHE_LINE = 64, RESULT = 7 };

/* Two lines apart, because the hardware fetches lines in pairs. */
typedef struct {
    _Alignas(2 * CACHE_LINE) atomic_long ran;
} counter_t;

static counter_t counters[MAX_COUNTERS];
static atomic_size_t counters_used;
static _Thread_local counter_t *counter;

/* Threads beyond MAX_COUNTERS share the last one. */
static void count(void) {
    if (counter == NULL) {
        size_t index = atomic_fetch_add(&counters_used, 1);
        counter = &counters[index < MAX_COUNTERS ? index : MAX_COUNTERS - 1];
    }
    if (counter == &counters[MAX_COUNTERS - 1])
        atomic_fetch_add_explicit(&counter->ran, 1, memory_order_relaxed);
    else /* only this thread writes it: no locked instruction */
        atomic_store_explicit(&counter->ran, atomic_load_explicit(&counter->ran, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/* How many tasks have run in this process. */
long tasks_run(void) {
    long sum = 0;
    for (size_t i = 0; i < MAX_COUNTERS; i++)
        sum += atomic_load_explicit(&counters[i].ran, memory_order_relaxed);
    return sum;
}

long noop(void) {
    count();
    return RESULT;
}

/* For maps: what comes out shows what went in. */
long odd(long number) {
    return 2 * number + 1;
}

long nap_10_ms(void) {
    struct timespec left = {.tv_nsec = 10 * 1000 * 1000};
    while (nanosleep(&left, &left) != 0) {
    }
    count();
    return RESULT;
}

/* ---- work of a known length ---- */

static long steps_a_task = 1;

static double step_by_step(long steps) {
    volatile double start = 1.0;
    double x = start;
    for (long i = 0; i < steps; i++)
        x = x * 0.999999 + 1e-6;
    return x;
}

long work(void) {
    double x = step_by_step(steps_a_task);
    count();
    return x > 2.0 ? 0 : RESULT;
}

void set_steps(long steps) {
    steps_a_task = steps;
}

static double thread_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* How many steps take `us` microseconds of a processor that does nothing else: the best of many trials. */
long steps_of(double us) {
    enum { TRIALS = 200, STEPS = 50000 };
    double least = INFINITY;
    volatile double kept;
    for (int i = 0; i < TRIALS; i++) {
        double began = thread_us();
        kept = step_by_step(STEPS);
        least = fmin(least, thread_us() - began);
    }
    (void)kept;
    return (long)(us * STEPS / least);
}

/* ---- threads that never touch Python ---- */

static void *work_for_ever(void *nothing) {
    for (;;)
        work();
    return nothing;
}

/* `work` after `work` on threads of their own, until the process ends. Returns 0, or an error number. */
int start_working(size_t threads) {
    pthread_t thread;
    int error = 0;
    for (size_t i = 0; i < threads && error == 0; i++)
        error = pthread_create(&thread, NULL, work_for_ever, NULL);
    return error;
}

/* The midpoint rule for the cosine: strips begin to end of one width. */
double integrate(long begin, long end, double width) {
    double sum = 0.0;
    for (long i = begin; i < end; i++)
        sum += cos(((double)i + 0.5) * width);
    count();
    return sum * width;
}

typedef struct {
    pthread_t thread;
    long begin, end;
    double width, area;
} strips_t;

static void *integrate_strips(void *argument) {
    strips_t *strips = argument;
    strips->area = integrate(strips->begin, strips->end, strips->width);
    return NULL;
}

/* A thread a job, made and joined. NAN: a thread could not be made. */
double integrate_threads(long points, double width, long jobs) {
    strips_t strips[MAX_THREADS];
    double area = 0.0;
    if (jobs > MAX_THREADS)
        return NAN;
    for (long i = 0; i < jobs; i++) {
        strips[i] = (strips_t){.begin = points * i / jobs, .end = points * (i + 1) / jobs, .width = width};
        if (pthread_create(&strips[i].thread, NULL, integrate_strips, &strips[i]) != 0)
            return NAN;
    }
    for (long i = 0; i < jobs; i++) {
        pthread_join(strips[i].thread, NULL);
        area += strips[i].area;
    }
    return area;
}
