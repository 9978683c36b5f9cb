/* What the files of the driver share: the peer under measurement, the tasks that count themselves, and the
 * instruments (clock, processor time, memory). A workload is a function that starts the peer, measures, looks
 * whether the work was done, and tells its figures. */
#ifndef OFFGIL_BENCH_DRIVER_H
#define OFFGIL_BENCH_DRIVER_H

#include "adapter.h"

#include <stdint.h>
#include <stdnoreturn.h>

/* The functions of adapter.h; NULL where the peer hasn't got one. */
typedef struct {
    const char *(*version)(void);
    void (*start)(uint32_t workers);
    void (*stop)(void);
    void (*outside)(batch_t *batch);
    void (*producer)(batch_t *batch);
    void (*inside)(batch_t *batch);
    void (*claim)(batch_t *batch);
    void (*handoff)(batch_t *batch);
    void (*fire)(void *(*task)(void *), void *argument);
    void (*queue)(batch_t *batch);
    void (*loop)(loop_t *loop);
    void (*loop_inside)(loop_t *loop);
    uint64_t (*fib)(uint32_t n);
} peer_t;

extern peer_t peer;

/* The end of the cell: without a figure, because the peer has no such function, or because of a fault. */
noreturn void not_offered(void);
noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A figure of the cell. */
void tell(const char *key, double value);

/* ---- measure.c ---- */

/* The task that counts itself in a counter of its thread and does nothing else. */
void *task(void *argument);

/* Counts `many` of them. */
void count_tasks(size_t many);
size_t tasks_run(void);

/* Ends the cell unless `expected` of them have run since there were `before`. */
void must_have_run(size_t expected, size_t before);

batch_t batch_create(size_t count, void *(*task)(void *));

/* Processor time: of all threads, and of all but the calling one, which must be the first. */
double cpu_seconds(void);
double cpu_seconds_of_others(void);

void sleep_ns(int64_t ns);

/* Returns once `many` tasks have run since there were `before`. */
void await_tasks(size_t many, size_t before);

/* Memory of the process that is there (RSS), and how many threads it has. */
size_t resident_bytes(void);
size_t threads_alive(void);

/* Of `count` values, which are sorted for it. */
int64_t median(int64_t *values, size_t count);

/* Room that is touched already. */
void *allocate(size_t bytes);

/* ---- the workloads; `count` is what the harness gave ---- */

typedef void workload_fn(size_t count, uint32_t workers);

workload_fn run_outside, run_inside, run_producers, run_claim, run_handoff, run_sleeps, run_memory;
workload_fn run_for_trivial, run_for_1us, run_for_empty, run_for_empty_inside, run_fib;
workload_fn run_silence, run_idle, run_create;

#endif
