/* The interface between the driver (driver.c) and a peer, which is a dynamic library of its own.
 *
 * A peer exports some of the functions below under exactly these names. The driver looks them up, starts the
 * clock, calls one, stops the clock and counts the tasks that ran. A function that a peer hasn't got is a row
 * that can't be measured with it, and the report says so.
 *
 * All tasks are the same `batch->task`: it counts itself in a counter of its thread and does nothing else. */
#ifndef OFFGIL_BENCH_ADAPTER_H
#define OFFGIL_BENCH_ADAPTER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    size_t count;          /* how many tasks to submit, one by one */
    void *(*task)(void *); /* each of them; argument and result don't matter */
    void **slots;          /* room for `count` pointers (futures, say), its pages already touched */
    int64_t submitted_at;  /* set with bench_now() after the last submit by peers who like; else left 0 */
    int64_t waited_at;     /* likewise, after the wait and before what is left is given back */
} batch_t;

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library measured, as that library says it at run time. Not exported by peers from a
 * package with a lock file: the harness reads that. */
const char *bench_version(void);

/* Make a pool of `workers` threads. Called once, before anything else, from the main thread. */
void bench_start(uint32_t workers);

/* Submit the batch from the calling thread, which is no worker, and return when all of it is done. */
void bench_outside(batch_t *batch);

/* The same, called from several threads at once, each with a batch of its own. */
void bench_producer(batch_t *batch);

/* The same from inside a task of the pool. Peers that can wait in a worker wait there, the others outside. */
void bench_inside(batch_t *batch);

#ifdef __cplusplus
}
#endif

static inline int64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
