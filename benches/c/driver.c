/* driver PEER.so WORKLOAD COUNT [WORKERS]: measures one cell and prints it as one line of key=value.
 *
 * A small batch of the same kind runs first, so that the peer's threads are started and its memory is warm.
 * The clock covers everything from the first submit until the last task is waited for and given back. */
#include "adapter.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PRODUCERS = 4, MAX_THREADS = 512, CACHE_LINE = 64, EXIT_NOT_OFFERED = 3 };

typedef void (*run_fn)(batch_t *);

typedef struct {
    int64_t began_at, submitted_at, waited_at, ended_at;
    double cpu_seconds;
} cell_t;

/* ---- the task ---- */

/* Two lines apart, because the hardware fetches lines in pairs. */
typedef struct {
    _Alignas(2 * CACHE_LINE) _Atomic size_t ran;
} counter_t;

static counter_t counters[MAX_THREADS];
static _Atomic size_t counters_used;
static _Thread_local counter_t *counter;

static void die(const char *what) {
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

__attribute__((noinline, cold)) static counter_t *take_counter(void) {
    size_t index = atomic_fetch_add(&counters_used, 1);
    if (index >= MAX_THREADS)
        die("more threads ran tasks than there are counters");
    return &counters[index];
}

static void *task(void *argument) {
    if (counter == NULL)
        counter = take_counter();
    /* Only this thread writes it: a load and a store, no locked instruction. */
    size_t ran = atomic_load_explicit(&counter->ran, memory_order_relaxed);
    atomic_store_explicit(&counter->ran, ran + 1, memory_order_relaxed);
    return argument;
}

static size_t tasks_run(void) {
    size_t sum = 0;
    for (size_t i = 0; i < MAX_THREADS; i++)
        sum += atomic_load_explicit(&counters[i].ran, memory_order_relaxed);
    return sum;
}

/* ---- the workloads ---- */

static batch_t batch_create(size_t count) {
    void **slots = malloc(count * sizeof *slots);
    if (slots == NULL)
        die("out of memory");
    memset(slots, 0xff, count * sizeof *slots);
    return (batch_t){.count = count, .task = task, .slots = slots};
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static cell_t measure_one(run_fn run, size_t count) {
    batch_t batch = batch_create(count);
    cell_t cell = {0};
    double cpu = cpu_seconds();
    cell.began_at = bench_now();
    run(&batch);
    cell.ended_at = bench_now();
    cell.cpu_seconds = cpu_seconds() - cpu;
    cell.submitted_at = batch.submitted_at;
    cell.waited_at = batch.waited_at;
    free(batch.slots);
    return cell;
}

typedef struct {
    run_fn run;
    pthread_barrier_t *start;
    batch_t batch;
    int64_t began_at, ended_at;
} producer_t;

static void *produce(void *argument) {
    producer_t *producer = argument;
    pthread_barrier_wait(producer->start);
    producer->began_at = bench_now();
    producer->run(&producer->batch);
    producer->ended_at = bench_now();
    return NULL;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* From the first producer's first submit to the last producer's end. */
static cell_t measure_producers(run_fn run, size_t count) {
    pthread_barrier_t start;
    pthread_t threads[PRODUCERS];
    producer_t producers[PRODUCERS];
    pthread_barrier_init(&start, NULL, PRODUCERS);
    double cpu = cpu_seconds();
    for (size_t i = 0; i < PRODUCERS; i++) {
        size_t share = count / PRODUCERS + (i < count % PRODUCERS);
        producers[i] = (producer_t){.run = run, .start = &start, .batch = batch_create(share)};
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
    return cell;
}

static const struct {
    const char *name, *symbol;
    cell_t (*measure)(run_fn run, size_t count);
} workloads[] = {
    {"outside", "bench_outside", measure_one},
    {"inside", "bench_inside", measure_one},
    {"producers4", "bench_producer", measure_producers},
};

/* ---- the command ---- */

static void print_phase(const char *key, int64_t from, int64_t to, size_t count) {
    if (from != 0 && to != 0)
        printf(" %s=%.3f", key, (double)(to - from) / (double)count);
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: %s PEER.so WORKLOAD COUNT [WORKERS]\n", argv[0]);
        return 2;
    }
    size_t chosen = 0, known = sizeof workloads / sizeof *workloads;
    while (chosen < known && strcmp(workloads[chosen].name, argv[2]) != 0)
        chosen++;
    size_t count = strtoull(argv[3], NULL, 10);
    uint32_t workers = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 2;
    if (chosen == known || count == 0 || workers == 0)
        die("unknown workload, or a count of 0");

    void *peer = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (peer == NULL)
        die(dlerror());
    void (*start)(uint32_t);
    run_fn run;
    const char *(*version)(void);
    *(void **)&start = dlsym(peer, "bench_start");
    *(void **)&run = dlsym(peer, workloads[chosen].symbol);
    *(void **)&version = dlsym(peer, "bench_version");
    if (start == NULL)
        die("the peer exports no bench_start");
    if (run == NULL)
        return EXIT_NOT_OFFERED;

    start(workers);
    size_t warm_up = count / 100 < 1000 ? 1000 : count / 100;
    workloads[chosen].measure(run, warm_up);
    size_t before = tasks_run();
    cell_t cell = workloads[chosen].measure(run, count);

    printf("ns_per_task=%.3f", (double)(cell.ended_at - cell.began_at) / (double)count);
    printf(" tasks_run=%zu cpu_s=%.6f", tasks_run() - before, cell.cpu_seconds);
    print_phase("submit_ns", cell.began_at, cell.submitted_at, count);
    print_phase("wait_ns", cell.submitted_at, cell.waited_at, count);
    print_phase("release_ns", cell.waited_at, cell.ended_at, count);
    printf(" version=%s\n", version != NULL ? version() : "");
    fflush(stdout);
    _Exit(0); /* the pool is left as it is: taking it down isn't what is measured */
}
