/* pthreadpool, a pool for loops only. The calling thread is one of its threads. */
#include "adapter.h"
#include "check.h"

#include <pthreadpool.h>

static pthreadpool_t pool;

void bench_start(uint32_t workers) {
    pool = pthreadpool_create(workers);
    check(pool != NULL && pthreadpool_get_threads_count(pool) == workers, "pthreadpool_create");
}

void bench_stop(void) {
    pthreadpool_destroy(pool);
}

static void run_tile(void *argument, size_t begin, size_t size) {
    const loop_t *loop = argument;
    loop->body(loop->context, begin, begin + size);
}

/* Tiles small enough that a thread which is done can take some from another: eight a thread. */
void bench_for(loop_t *loop) {
    size_t tiles = 8 * pthreadpool_get_threads_count(pool);
    size_t size = (loop->count + tiles - 1) / tiles;
    for (size_t i = 0; i < loop->times; i++)
        pthreadpool_parallelize_1d_tile_1d(pool, run_tile, loop, loop->count, size, 0);
}
