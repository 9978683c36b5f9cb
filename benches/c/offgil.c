/* offgil through its C ABI, as a user has it: a future for every task, all waited for, all released. */
#include "adapter.h"
#include "check.h"
#include "offgil.h"

static pool_t *pool;

const char *bench_version(void) {
    return offgil_version_string();
}

void bench_start(uint32_t workers) {
    pool = pool_create(workers);
    check(pool != NULL, "pool_create");
}

void bench_outside(batch_t *batch) {
    future_t **futures = (future_t **)batch->slots;
    for (size_t i = 0; i < batch->count; i++)
        futures[i] = pool_submit(pool, batch->task, NULL);
    batch->submitted_at = bench_now();
    check(future_wait_all(futures, batch->count, OFFGIL_FOREVER) == OFFGIL_OK, "future_wait_all");
    batch->waited_at = bench_now();
    for (size_t i = 0; i < batch->count; i++)
        check(future_release(futures[i]) == OFFGIL_OK, "future_release");
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

static void *submit_inside(void *argument) {
    check(pool_worker_index(pool) >= 0, "the submitting task runs in a worker");
    bench_outside(argument);
    return NULL;
}

void bench_inside(batch_t *batch) {
    const int64_t one_hour = INT64_C(3600) * 1000000000;
    future_t *future = pool_submit(pool, submit_inside, batch);
    /* A wait with a time limit runs no task itself, so it is a worker that submits. */
    check(future_wait(future, one_hour, NULL) == OFFGIL_OK, "future_wait");
    future_release(future);
}
