/* Parallel loops and fork-join. */
#include "driver.h"

#include <stdio.h>

enum {
    SERIAL_TIMES = 30,
    WARM_UP_TIMES = 10,
    TIMES = 100,
    FIB_TIMES = 3,
    FIB_WARM_UP = 20,
};

/* ---- loops with work: how near they come to half the time of one thread ---- */

/* Each index has a mark, which its body increments: so a body that is left out or done twice is found. */
static unsigned char *marks;

__attribute__((noinline)) static void visit(size_t index) {
    marks[index]++;
}

static void visit_all(void *context, size_t begin, size_t end) {
    (void)context;
    for (size_t i = begin; i < end; i++)
        visit(i);
}

static uint64_t turns_per_us;

/* So many steps, each of which needs the one before: takes as long as ever, whatever else the machine does.
 */
__attribute__((noinline)) static uint64_t busy(uint64_t turns) {
    uint64_t value = turns;
    for (uint64_t i = 0; i < turns; i++) {
        value = value * 3 + 1;
        __asm__ volatile("" : "+r"(value));
    }
    return value;
}

static void calibrate(void) {
    enum { TURNS = 100000, TRIES = 50 };
    int64_t took[TRIES];
    for (size_t i = 0; i < TRIES; i++) {
        int64_t began = bench_now();
        busy(TURNS);
        took[i] = bench_now() - began;
    }
    turns_per_us = (uint64_t)(TURNS * 1000 / median(took, TRIES));
}

static void work_all(void *context, size_t begin, size_t end) {
    (void)context;
    for (size_t i = begin; i < end; i++) {
        busy(turns_per_us);
        visit(i);
    }
}

static void must_have_visited(size_t count, size_t times) {
    for (size_t i = 0; i < count; i++)
        if (marks[i] != (unsigned char)times)
            die("index %zu was visited %d times more or less than %zu", i, marks[i] - (unsigned char)times,
                times);
}

static int64_t time_serial(const loop_t *loop) {
    int64_t took[SERIAL_TIMES];
    for (size_t i = 0; i < SERIAL_TIMES; i++) {
        int64_t began = bench_now();
        loop->body(loop->context, 0, loop->count);
        took[i] = bench_now() - began;
    }
    return median(took, SERIAL_TIMES);
}

static int64_t time_parallel(loop_t *loop) {
    int64_t took[TIMES];
    for (size_t i = 0; i < WARM_UP_TIMES + TIMES; i++) {
        int64_t began = bench_now();
        peer.loop(loop);
        took[i < WARM_UP_TIMES ? 0 : i - WARM_UP_TIMES] = bench_now() - began;
    }
    return median(took, TIMES);
}

/* The serial loop comes first, while the process has no other thread. */
static void run_loop(loop_t loop, uint32_t workers) {
    marks = allocate(loop.count);
    for (size_t i = 0; i < loop.count; i++)
        marks[i] = 0;
    int64_t serial = time_serial(&loop);
    peer.start(workers);
    double cpu = cpu_seconds();
    int64_t parallel = time_parallel(&loop);
    tell("share", (double)parallel / ((double)serial / workers));
    tell("serial_us", (double)serial / 1e3);
    tell("cpu_s", cpu_seconds() - cpu);
    must_have_visited(loop.count, SERIAL_TIMES + WARM_UP_TIMES + TIMES);
}

void run_for_trivial(size_t count, uint32_t workers) {
    if (peer.loop == NULL)
        not_offered();
    run_loop((loop_t){.times = 1, .count = count, .body = visit_all}, workers);
}

void run_for_1us(size_t count, uint32_t workers) {
    if (peer.loop == NULL)
        not_offered();
    calibrate();
    run_loop((loop_t){.times = 1, .count = count, .body = work_all}, workers);
}

/* ---- loops without work: what a call costs ---- */

static void count_indices(void *context, size_t begin, size_t end) {
    (void)context;
    count_tasks(end - begin);
}

/* `times` loops with an index for each worker. */
static void run_empty(void (*run)(loop_t *), size_t times, uint32_t workers) {
    if (run == NULL)
        not_offered();
    loop_t warm_up = {.times = times / 100 + 1, .count = workers, .body = count_indices};
    loop_t loop = {.times = times, .count = workers, .body = count_indices};
    peer.start(workers);
    run(&warm_up);
    size_t before = tasks_run();
    double cpu = cpu_seconds();
    int64_t began = bench_now();
    run(&loop);
    tell("ns_per_call", (double)(bench_now() - began) / (double)times);
    tell("cpu_s", cpu_seconds() - cpu);
    must_have_run(times * workers, before);
}

void run_for_empty(size_t count, uint32_t workers) {
    run_empty(peer.loop, count, workers);
}

void run_for_empty_inside(size_t count, uint32_t workers) {
    run_empty(peer.loop_inside, count, workers);
}

/* ---- fork-join ---- */

static uint64_t fibonacci(size_t n) {
    uint64_t a = 0, b = 1;
    while (n-- > 0) {
        uint64_t sum = a + b;
        a = b;
        b = sum;
    }
    return a;
}

static void must_be_fib(uint32_t n) {
    uint64_t got = peer.fib(n), right = fibonacci(n);
    if (got != right)
        die("fib(%u) is %llu, not %llu", n, (unsigned long long)right, (unsigned long long)got);
}

void run_fib(size_t n, uint32_t workers) {
    if (peer.fib == NULL)
        not_offered();
    uint64_t calls = 2 * fibonacci(n + 1) - 1;
    peer.start(workers);
    must_be_fib(FIB_WARM_UP);
    double cpu = cpu_seconds();
    int64_t began = bench_now();
    for (size_t i = 0; i < FIB_TIMES; i++)
        must_be_fib((uint32_t)n);
    tell("ns_per_call", (double)(bench_now() - began) / (double)(FIB_TIMES * calls));
    tell("cpu_s", cpu_seconds() - cpu);
}
