/* offgil through its C ABI, as a user has it: a future for every task, all waited for, all released. */
#include "adapter.h"
#include "check.h"
#include "offgil.h"

static const int64_t one_hour = INT64_C(3600) * 1000000000;
static pool_t *pool;

const char *bench_version(void) {
    return offgil_version_string();
}

void bench_start(uint32_t workers) {
    pool = pool_create(workers);
    check(pool != NULL, "pool_create");
}

void bench_stop(void) {
    check(pool_destroy(pool) == OFFGIL_OK, "pool_destroy");
}

/* ---- tasks ---- */

void bench_queue(batch_t *batch) {
    future_t **futures = (future_t **)batch->slots;
    for (size_t i = 0; i < batch->count; i++)
        futures[i] = pool_submit(pool, batch->task, NULL);
    batch->submitted_at = bench_now();
}

void bench_outside(batch_t *batch) {
    future_t **futures = (future_t **)batch->slots;
    bench_queue(batch);
    check(future_wait_all(futures, batch->count, OFFGIL_FOREVER) == OFFGIL_OK, "future_wait_all");
    batch->waited_at = bench_now();
    for (size_t i = 0; i < batch->count; i++)
        check(future_release(futures[i]) == OFFGIL_OK, "future_release");
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

/* A wait with a time limit runs no task itself. */
static void submit_and_wait(task_fn task, void *argument, int64_t limit) {
    future_t *future = pool_submit(pool, task, argument);
    check(future_wait(future, limit, NULL) == OFFGIL_OK, "future_wait");
    check(future_release(future) == OFFGIL_OK, "future_release");
}

static void *submit_inside(void *argument) {
    check(pool_worker_index(pool) >= 0, "the submitting task runs in a worker");
    bench_outside(argument);
    return NULL;
}

void bench_inside(batch_t *batch) {
    submit_and_wait(submit_inside, batch, one_hour);
}

void bench_claim(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        submit_and_wait(batch->task, NULL, OFFGIL_FOREVER);
}

void bench_handoff(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        submit_and_wait(batch->task, NULL, one_hour);
}

void bench_fire(void *(*task)(void *), void *argument) {
    check(pool_spawn(pool, task, argument) == OFFGIL_OK, "pool_spawn");
}

/* ---- loops and fork-join ---- */

void bench_for(loop_t *loop) {
    for (size_t i = 0; i < loop->times; i++)
        check(pool_for(pool, 0, loop->count, 0, loop->body, loop->context) == OFFGIL_OK, "pool_for");
}

static void *loop_inside(void *argument) {
    check(pool_worker_index(pool) >= 0, "the loop is called in a worker");
    bench_for(argument);
    return NULL;
}

void bench_for_inside(loop_t *loop) {
    submit_and_wait(loop_inside, loop, one_hour);
}

/* `n`, and where fib(n) goes. */
typedef struct {
    uint32_t n;
    uint64_t value;
} fib_t;

static void *fib(void *argument) {
    fib_t *self = argument;
    if (self->n < 2) {
        self->value = self->n;
        return NULL;
    }
    fib_t left = {.n = self->n - 1}, right = {.n = self->n - 2};
    check(pool_invoke(pool, fib, &left, fib, &right) == OFFGIL_OK, "pool_invoke");
    self->value = left.value + right.value;
    return NULL;
}

uint64_t bench_fib(uint32_t n) {
    fib_t all = {.n = n};
    submit_and_wait(fib, &all, one_hour);
    return all.value;
}
