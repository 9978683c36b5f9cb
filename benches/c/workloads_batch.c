/* Tasks submitted one by one, and waited for: together, one at a time, or not at all. */
#include "driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PRODUCERS = 4, LEAST_WARM_UP = 1000 };

typedef void (*run_fn)(batch_t *);

typedef struct {
    int64_t began_at, submitted_at, waited_at, ended_at;
    double cpu_seconds;
} cell_t;

static void tell_phase(const char *key, int64_t from, int64_t to, size_t count) {
    if (from != 0 && to != 0)
        tell(key, (double)(to - from) / (double)count);
}

static void tell_cell(const cell_t *cell, size_t count) {
    tell("ns_per_task", (double)(cell->ended_at - cell->began_at) / (double)count);
    tell("cpu_s", cell->cpu_seconds);
    tell_phase("submit_ns", cell->began_at, cell->submitted_at, count);
    tell_phase("wait_ns", cell->submitted_at, cell->waited_at, count);
    tell_phase("release_ns", cell->waited_at, cell->ended_at, count);
}

/* ---- one thread submits ---- */

static cell_t measure_one(run_fn run, size_t count, void *(*task)(void *)) {
    batch_t batch = batch_create(count, task);
    size_t before = tasks_run();
    cell_t cell = {0};
    double cpu = cpu_seconds();
    cell.began_at = bench_now();
    run(&batch);
    cell.ended_at = bench_now();
    cell.cpu_seconds = cpu_seconds() - cpu;
    cell.submitted_at = batch.submitted_at;
    cell.waited_at = batch.waited_at;
    free(batch.slots);
    must_have_run(count, before);
    return cell;
}

static size_t warm_up(size_t count) {
    return count / 100 < LEAST_WARM_UP ? LEAST_WARM_UP : count / 100;
}

static void run_one(run_fn run, size_t count, uint32_t workers, void *(*task)(void *)) {
    if (run == NULL)
        not_offered();
    peer.start(workers);
    measure_one(run, warm_up(count), task);
    cell_t cell = measure_one(run, count, task);
    tell_cell(&cell, count);
}

void run_outside(size_t count, uint32_t workers) {
    run_one(peer.outside, count, workers, task);
}

void run_inside(size_t count, uint32_t workers) {
    run_one(peer.inside, count, workers, task);
}

void run_claim(size_t count, uint32_t workers) {
    run_one(peer.claim, count, workers, task);
}

static _Thread_local int is_submitter;

static void *task_elsewhere(void *argument) {
    if (is_submitter)
        die("a task ran on the thread that waits for it");
    return task(argument);
}

void run_handoff(size_t count, uint32_t workers) {
    is_submitter = 1;
    run_one(peer.handoff, count, workers, task_elsewhere);
}

/* ---- several threads submit ---- */

typedef struct {
    pthread_barrier_t *start;
    batch_t batch;
    int64_t began_at, ended_at;
} producer_t;

static void *produce(void *argument) {
    producer_t *producer = argument;
    pthread_barrier_wait(producer->start);
    producer->began_at = bench_now();
    peer.producer(&producer->batch);
    producer->ended_at = bench_now();
    return NULL;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* From the first producer's first submit to the last producer's end. */
static cell_t measure_producers(size_t count) {
    pthread_barrier_t start;
    pthread_t threads[PRODUCERS];
    producer_t producers[PRODUCERS];
    size_t before = tasks_run();
    pthread_barrier_init(&start, NULL, PRODUCERS);
    double cpu = cpu_seconds();
    for (size_t i = 0; i < PRODUCERS; i++) {
        size_t share = count / PRODUCERS + (i < count % PRODUCERS);
        producers[i] = (producer_t){.start = &start, .batch = batch_create(share, task)};
    }
    for (size_t i = 0; i < PRODUCERS; i++)
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0)
            die("can't start a producer thread");
    cell_t cell = {.began_at = INT64_MAX};
    for (size_t i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        producer_t *producer = &producers[i];
        if (producer->began_at < cell.began_at)
            cell.began_at = producer->began_at;
        cell.ended_at = later(cell.ended_at, producer->ended_at);
        cell.submitted_at = later(cell.submitted_at, producer->batch.submitted_at);
        cell.waited_at = later(cell.waited_at, producer->batch.waited_at);
        free(producer->batch.slots);
    }
    cell.cpu_seconds = cpu_seconds() - cpu;
    pthread_barrier_destroy(&start);
    must_have_run(count, before);
    return cell;
}

void run_producers(size_t count, uint32_t workers) {
    if (peer.producer == NULL)
        not_offered();
    peer.start(workers);
    measure_producers(warm_up(count));
    cell_t cell = measure_producers(count);
    tell_cell(&cell, count);
}

/* ---- tasks that sleep ---- */

static void *sleep_10_ms(void *argument) {
    sleep_ns(10000000);
    return task(argument);
}

void run_sleeps(size_t count, uint32_t workers) {
    if (peer.outside == NULL)
        not_offered();
    size_t before = resident_bytes();
    peer.start(workers);
    measure_one(peer.outside, workers, sleep_10_ms);
    tell("rss_kb_per_thread", (double)(resident_bytes() - before) / 1000 / workers);
    cell_t cell = measure_one(peer.outside, count, sleep_10_ms);
    tell("ms", (double)(cell.ended_at - cell.began_at) / 1e6);
    tell("cpu_s", cell.cpu_seconds);
}

/* ---- tasks that are queued ---- */

static _Atomic uint32_t at_the_gate;
static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;

static void *stand_at_the_gate(void *argument) {
    atomic_fetch_add(&at_the_gate, 1);
    pthread_rwlock_rdlock(&gate);
    pthread_rwlock_unlock(&gate);
    return argument;
}

static void queue_tasks(size_t count) {
    batch_t batch = batch_create(count, task);
    peer.queue(&batch); /* keeps the slots */
}

/* What the memory of the process grows by while all workers are inside a task that waits at a gate. */
void run_memory(size_t count, uint32_t workers) {
    if (peer.fire == NULL || peer.queue == NULL)
        not_offered();
    peer.start(workers);
    pthread_rwlock_wrlock(&gate);
    for (uint32_t i = 0; i < workers; i++)
        peer.fire(stand_at_the_gate, NULL);
    while (atomic_load(&at_the_gate) < workers)
        sleep_ns(100000);
    size_t ran = tasks_run();
    queue_tasks(LEAST_WARM_UP);
    batch_t batch = batch_create(count, task);
    size_t before = resident_bytes();
    double cpu = cpu_seconds();
    peer.queue(&batch);
    cpu = cpu_seconds() - cpu;
    tell("bytes_per_task", ((double)resident_bytes() - (double)before) / (double)count);
    tell("cpu_s", cpu);
    must_have_run(0, ran);
    pthread_rwlock_unlock(&gate);
    await_tasks(LEAST_WARM_UP + count, ran);
    must_have_run(LEAST_WARM_UP + count, ran);
}
