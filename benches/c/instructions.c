/* instructions OPERATION COUNT: does one thing of the library's so many times, and ends. What COUNT and twice
 * COUNT differ by, counted in instructions (benches/instructions.py), is what it costs.
 *
 * Each is laid out so that the threads do the same whatever order the system runs them in: a worker that is
 * not to take part is inside a task behind a gate. */
#include "check.h"
#include "offgil.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_open;
} gate_t;

#define CLOSED {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static gate_t reached = CLOSED, gate = CLOSED, all_ran = CLOSED;
static pool_t *pool;
static size_t count;

static void gate_open(gate_t *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->is_open = 1;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_pass(gate_t *gate) {
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void *nothing(void *arg) {
    return arg;
}

static void *stand_at_gate(void *arg) {
    gate_open(&reached);
    gate_pass(&gate);
    return arg;
}

/* A pool whose one worker, or one of two, does nothing until the gate opens. */
static void open_pool_with_one_at_the_gate(uint32_t threads) {
    pool = pool_create(threads);
    check(pool != NULL && pool_spawn(pool, stand_at_gate, NULL) == OFFGIL_OK, "pool_spawn");
    gate_pass(&reached);
}

static void in_a_pool_of(uint32_t threads, task_fn body) {
    pool = pool_create(threads);
    check(pool != NULL && pool_spawn(pool, body, NULL) == OFFGIL_OK, "pool_spawn");
    gate_pass(&all_ran);
}

/* pool_submit, from outside. */
static void submit(void) {
    open_pool_with_one_at_the_gate(1);
    for (size_t i = 0; i < count; i++)
        check(pool_submit(pool, nothing, NULL) != NULL, "pool_submit");
}

/* A limited wait runs no task: it's the worker that does, always. A thread that runs one as a visitor looks
 * up its stack first, which for the main thread means reading /proc/self/maps: 125,000 instructions, once. */
static void wait_till_ended(future_t *future) {
    check(future_wait(future, INT64_C(3600) * 1000000000, NULL) == OFFGIL_OK, "future_wait");
}

/* A task from outside: submitted, run by a worker, released. */
static void outside(void) {
    future_t **futures = malloc(count * sizeof *futures);
    check(futures != NULL, "malloc");
    open_pool_with_one_at_the_gate(1);
    for (size_t i = 0; i < count; i++)
        futures[i] = pool_submit(pool, nothing, NULL);
    gate_open(&gate);
    wait_till_ended(futures[count - 1]);
    for (size_t i = 0; i < count; i++)
        check(future_release(futures[i]) == OFFGIL_OK, "future_release");
}

/* future_wait for what is done. */
static void wait_for_done(void) {
    pool = pool_create(1);
    future_t *future = pool_submit(pool, nothing, NULL);
    wait_till_ended(future);
    for (size_t i = 0; i < count; i++)
        check(future_wait(future, OFFGIL_FOREVER, NULL) == OFFGIL_OK, "future_wait");
}

static void *submit_and_claim(void *arg) {
    for (size_t i = 0; i < count; i++) {
        future_t *future = pool_submit(pool, nothing, NULL);
        check(future_wait(future, OFFGIL_FOREVER, NULL) == OFFGIL_OK, "future_wait");
        check(future_release(future) == OFFGIL_OK, "future_release");
    }
    gate_open(&all_ran);
    return arg;
}

/* A child: submitted inside, claimed and run by its waiter, released. */
static void claim(void) {
    in_a_pool_of(1, submit_and_claim);
}

static _Atomic size_t stolen;

static void *count_down(void *arg) {
    if (atomic_fetch_add(&stolen, 1) + 1 == count)
        gate_open(&all_ran);
    return arg;
}

static void *spawn_for_the_thief(void *arg) {
    for (size_t i = 0; i < count; i++)
        check(pool_spawn(pool, count_down, NULL) == OFFGIL_OK, "pool_spawn");
    gate_open(&gate);
    gate_pass(&all_ran);
    return arg;
}

/* A child without a future: spawned inside, stolen and run by the other worker. */
static void steal(void) {
    open_pool_with_one_at_the_gate(2);
    check(pool_spawn(pool, spawn_for_the_thief, NULL) == OFFGIL_OK, "pool_spawn");
    gate_pass(&all_ran);
}

static void no_range(void *context, size_t begin, size_t end) {
    (void)context, (void)begin, (void)end;
}

static void *call_pool_for(void *arg) {
    for (size_t i = 0; i < count; i++)
        check(pool_for(pool, 0, 1000, 0, no_range, NULL) == OFFGIL_OK, "pool_for");
    gate_open(&all_ran);
    return arg;
}

/* pool_for over 1,000 indices that do nothing, called in a pool of one. */
static void range(void) {
    in_a_pool_of(1, call_pool_for);
}

static void *call_pool_invoke(void *arg) {
    for (size_t i = 0; i < count; i++)
        check(pool_invoke(pool, nothing, NULL, nothing, NULL) == OFFGIL_OK, "pool_invoke");
    gate_open(&all_ran);
    return arg;
}

/* pool_invoke of two functions that do nothing, in a pool of one. */
static void invoke(void) {
    in_a_pool_of(1, call_pool_invoke);
}

static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {
    {"submit", submit}, {"outside", outside}, {"wait", wait_for_done}, {"claim", claim},
    {"steal", steal},   {"pool_for", range},  {"pool_invoke", invoke},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && i < sizeof operations / sizeof *operations; i++)
        if (strcmp(argv[1], operations[i].name) == 0) {
            count = strtoull(argv[2], NULL, 10);
            check(count > 0, "COUNT is at least 1");
            operations[i].run();
            _exit(0); /* what is left in the pool is not part of it */
        }
    fprintf(stderr, "usage: %s OPERATION COUNT\n", argv[0]);
    return 2;
}
