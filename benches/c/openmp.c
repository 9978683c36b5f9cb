/* OpenMP, built twice: by gcc for libgomp, by clang for libomp. Its threads are the team of a parallel
 * region, to which the thread that meets the region belongs: `workers` with it. Only the team can submit
 * tasks and run them. */
#include "adapter.h"

#include <omp.h>
#include <stdio.h>

static size_t threads;

/* Both runtimes are released with their compiler, and have no function that tells their version. */
const char *bench_version(void) {
    static char text[32];
#ifdef __clang__
    snprintf(text, sizeof text, "%d.%d.%d", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    snprintf(text, sizeof text, "%d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
    return text;
}

void bench_start(uint32_t workers) {
    threads = workers;
}

static void submit_all(batch_t *batch) {
    void *(*task)(void *) = batch->task;
    for (size_t i = 0; i < batch->count; i++) {
#pragma omp task firstprivate(task)
        task(NULL);
    }
    batch->submitted_at = bench_now();
#pragma omp taskwait
    batch->waited_at = bench_now();
}

/* `master`: it is the calling thread that submits. */
void bench_outside(batch_t *batch) {
#pragma omp parallel num_threads((int)threads)
#pragma omp master
    submit_all(batch);
}

void bench_inside(batch_t *batch) {
#pragma omp parallel num_threads((int)threads)
#pragma omp master
    {
#pragma omp task
        submit_all(batch);
    }
}

void bench_claim(batch_t *batch) {
#pragma omp parallel num_threads((int)threads)
#pragma omp master
    for (size_t i = 0; i < batch->count; i++) {
        void *(*task)(void *) = batch->task;
#pragma omp task firstprivate(task)
        task(NULL);
#pragma omp taskwait
    }
}

static void run_part(const loop_t *loop, size_t part) {
    loop->body(loop->context, loop->count * part / threads, loop->count * (part + 1) / threads);
}

/* The default schedule: an equal share of the indices for each thread. */
void bench_for(loop_t *loop) {
    for (size_t i = 0; i < loop->times; i++) {
#pragma omp parallel for num_threads((int)threads)
        for (size_t part = 0; part < threads; part++)
            run_part(loop, part);
    }
}

/* In a task of the team that is `taskloop`, with tasks for all threads. */
void bench_for_inside(loop_t *loop) {
#pragma omp parallel num_threads((int)threads)
#pragma omp master
    {
#pragma omp task
        for (size_t i = 0; i < loop->times; i++) {
#pragma omp taskloop
            for (size_t part = 0; part < threads; part++)
                run_part(loop, part);
        }
    }
}

static uint64_t fib(uint32_t n) {
    uint64_t a, b;
    if (n < 2)
        return n;
#pragma omp task shared(a)
    a = fib(n - 1);
    b = fib(n - 2);
#pragma omp taskwait
    return a + b;
}

uint64_t bench_fib(uint32_t n) {
    uint64_t result = 0;
#pragma omp parallel num_threads((int)threads)
#pragma omp master
    result = fib(n);
    return result;
}
