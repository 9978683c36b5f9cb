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

static void *spawn_all(void *argument) {
    batch_t *batch = argument;
    for (size_t i = 0; i < batch->count; i++)
        check(pool_spawn(pool, batch->task, NULL) == OFFGIL_OK, "pool_spawn");
    batch->submitted_at = bench_now();
    return NULL;
}

void bench_outside(batch_t *batch) {
    spawn_all(batch);
    check(pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK, "pool_wait_idle");
    batch->waited_at = bench_now();
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

void bench_inside(batch_t *batch) {
    check(pool_spawn(pool, spawn_all, batch) == OFFGIL_OK, "pool_spawn");
    check(pool_wait_idle(pool, OFFGIL_FOREVER) == OFFGIL_OK, "pool_wait_idle");
    batch->waited_at = bench_now();
}
