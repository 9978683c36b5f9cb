/* The interface between the driver (driver.c) and a peer, which is a dynamic library of its own.
 *
 * A peer exports some of the functions below under exactly these names. The driver looks them up, starts the
 * clock, calls one, stops the clock and looks whether the work was done. A function that a peer hasn't got is
 * a row that can't be measured with it; PEERS in harness/c_peers.py says why, and the report repeats it.
 *
 *   bench_start    every row                bench_fire        silence, memory, create
 *   bench_stop     create                   bench_queue       memory
 *   bench_outside  outside, sleeps2000      bench_for         for_trivial, for_1us, for_empty
 *   bench_producer producers4               bench_for_inside  for_empty_inside
 *   bench_inside   inside                   bench_fib         fib
 *   bench_claim    claim                    bench_handoff     handoff
 *
 * For idle, one of bench_outside, bench_for and bench_fib will do.
 */
#ifndef OFFGIL_BENCH_ADAPTER_H
#define OFFGIL_BENCH_ADAPTER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Tasks that are submitted one by one. What they get and return doesn't matter. */
typedef struct {
    size_t count;          /* how many to submit */
    void *(*task)(void *); /* each of them */
    void **slots;          /* room for `count` pointers (futures, say), its pages already touched */
    int64_t submitted_at;  /* set with bench_now() after the last submit by peers who like; else left 0 */
    int64_t waited_at;     /* likewise, after the wait and before what is left is given back */
} batch_t;

/* A loop over the indices 0 up to, not including, `count`, to be done `times` times, one after the other. */
typedef struct {
    size_t times, count;
    void (*body)(void *context, size_t begin, size_t end); /* for parts that together are all of it, once */
    void *context;
} loop_t;

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library measured, as that library says it at run time. Not exported by peers from a
 * package with a lock file: the harness reads that. */
const char *bench_version(void);

/* Make a pool of `workers` threads. Called once, before anything else, from the main thread; again only after
 * bench_stop. In loops and bench_fib the calling thread may be one of the `workers`, but not one more. */
void bench_start(uint32_t workers);

/* End the pool, whose tasks have all begun. Waits for its threads' end if the library can. */
void bench_stop(void);

/* Submit the batch from the calling thread, which is no worker, and return when all of it is done. */
void bench_outside(batch_t *batch);

/* The same, called from several threads at once, each with a batch of its own. */
void bench_producer(batch_t *batch);

/* The same from inside a task of the pool. Peers that can wait in a worker wait there, the others outside. */
void bench_inside(batch_t *batch);

/* As bench_outside, but each task is waited for, and its future given back, before the next is submitted.
 * The thread that waits may run it. Where only workers can, this does what bench_handoff does. */
void bench_claim(batch_t *batch);

/* The same, and each task must run on another thread: the driver looks. */
void bench_handoff(batch_t *batch);

/* Submit `task(argument)` from the calling thread, which is no worker, and return. Nobody waits for it. */
void bench_fire(void *(*task)(void *), void *argument);

/* Submit the batch as bench_outside does, with a future each if the peer has them, and return without a wait:
 * all workers are busy until then. What is kept until the wait is kept in `slots`, and never given back. */
void bench_queue(batch_t *batch);

/* Do the loop from the calling thread, which is no worker. */
void bench_for(loop_t *loop);

/* The same from inside a task of the pool (one, for all `times`); returns when all is done. */
void bench_for_inside(loop_t *loop);

/* The n-th Fibonacci number: fib(n) is n below 2, else forks fib(n - 1) and fib(n - 2), joins both, and adds;
 * nothing is cut off. Gets into a worker first if forking is faster there. */
uint64_t bench_fib(uint32_t n);

#ifdef __cplusplus
}
#endif

static inline int64_t bench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
