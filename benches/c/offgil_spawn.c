/* offgil without futures: pool_spawn, then pool_wait_idle from outside. */
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

void bench_fire(void *(*task)(void *), void *argument) {
    check(pool_spawn(pool, task, argument) == OFFGIL_OK, "pool_spawn");
}

void bench_queue(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        bench_fire(batch->task, NULL);
    batch->submitted_at = bench_now();
}

static void wait_for(batch_t *batch) {
    check(pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK, "pool_wait_idle");
    batch->waited_at = bench_now();
}

void bench_outside(batch_t *batch) {
    bench_queue(batch);
    wait_for(batch);
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

static void *queue_inside(void *batch) {
    bench_queue(batch);
    return NULL;
}

void bench_inside(batch_t *batch) {
    bench_fire(queue_inside, batch);
    wait_for(batch);
}
