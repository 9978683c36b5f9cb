/* growth PEER.so SERIES X [PEER-AGAIN.so]: how the cost of a task grows; prints one point as a line of
 * key=value.
 *
 *   queued X      X tasks submitted from outside, with 2 workers; as often as makes a million
 *   workers X     100,000 tasks from outside, with X workers
 *   producers X   as many from X threads at once, with 2 workers
 *   depth X       tasks that each submit one and wait for it, X of them inside one another
 *   length X      tasks of X ns each, with 2 workers: what part of the ideal, all of them on one thread by
 * two placement X   two jobs of X ns, again and again, with 2 workers: how many calls took over 1.6 times the
 * least. With a copy of the peer there are two pools at it at once.
 *
 * A peer is a library with the functions of adapter.h. */
#include "adapter.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PRODUCERS = 64, TASKS = 100000, MILLION = 1000000, CALLS = 250, WORKERS = 2 };

#define SLOW 1.6
#define LONGEST_CELL INT64_C(60000000) /* ns of work in a cell of `length` */

typedef void (*run_fn)(batch_t *);

typedef struct {
    void (*start)(uint32_t);
    run_fn outside, producer;
} peer_t;

static peer_t peer;

static void die(const char *what) {
    fprintf(stderr, "growth: %s\n", what);
    exit(1);
}

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL)
        die("the peer lacks a function");
    return found;
}

static peer_t load(const char *path) {
    peer_t loaded;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        die(dlerror());
    *(void **)&loaded.start = find(library, "bench_start");
    *(void **)&loaded.outside = find(library, "bench_outside");
    *(void **)&loaded.producer = dlsym(library, "bench_producer");
    return loaded;
}

static batch_t batch_of(size_t count, void *(*task)(void *)) {
    void **slots = malloc(count * sizeof *slots);
    if (slots == NULL)
        die("out of memory");
    memset(slots, 0xff, count * sizeof *slots);
    return (batch_t){.count = count, .task = task, .slots = slots};
}

static int64_t time_of(run_fn run, size_t count, void *(*task)(void *)) {
    batch_t batch = batch_of(count, task);
    int64_t began_at = bench_now();
    run(&batch);
    int64_t took = bench_now() - began_at;
    free(batch.slots);
    return took;
}

/* ---- tasks ---- */

static void *nothing(void *argument) {
    return argument;
}

static double steps_a_ns;
static size_t steps;

/* Each step depends on the last. */
static double integrate(size_t count) {
    double sum = 1.0;
    for (size_t i = 0; i < count; i++)
        sum = sum * 0.999999 + 1.0 / (double)(1 << 20);
    return sum;
}

static void *work(void *argument) {
    static _Thread_local volatile double sink;
    sink = integrate(steps);
    (void)sink;
    return argument;
}

static void calibrate(double ns) {
    const size_t probe = 200000;
    int64_t least = INT64_MAX;
    for (int round = 0; round < 20; round++) {
        int64_t began_at = bench_now();
        steps = probe;
        work(NULL);
        int64_t took = bench_now() - began_at;
        least = took < least ? took : least;
    }
    steps_a_ns = (double)probe / (double)least;
    steps = (size_t)(ns * steps_a_ns);
}

static _Atomic int64_t left;

static void *nest(void *argument) {
    void *slot = NULL;
    batch_t batch = {.count = 1, .task = nest, .slots = &slot};
    if (atomic_fetch_sub(&left, 1) > 1)
        peer.outside(&batch);
    return argument;
}

/* ---- series ---- */

static void print_cost(int64_t took, size_t count) {
    printf("ns_per_task=%.3f\n", (double)took / (double)count);
}

static int by_size(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void queued(size_t count) {
    enum { MOST = 1000 };
    static int64_t took[MOST];
    size_t times = count < MILLION ? MILLION / count : 1;
    times = times > MOST ? MOST : times;
    peer.start(WORKERS);
    time_of(peer.outside, 1000, nothing);
    for (size_t i = 0; i < times; i++)
        took[i] = time_of(peer.outside, count, nothing);
    qsort(took, times, sizeof *took, by_size);
    print_cost(took[times / 2], count);
}

static void with_workers(size_t workers) {
    peer.start((uint32_t)workers);
    time_of(peer.outside, TASKS, nothing);
    print_cost(time_of(peer.outside, TASKS, nothing), TASKS);
}

typedef struct {
    pthread_barrier_t *start;
    size_t count;
} producer_t;

static void *produce(void *argument) {
    producer_t *producer = argument;
    batch_t batch = batch_of(producer->count, nothing);
    pthread_barrier_wait(producer->start);
    peer.producer(&batch);
    free(batch.slots);
    return NULL;
}

static void producers(size_t count) {
    pthread_t threads[MOST_PRODUCERS];
    pthread_barrier_t start;
    if (count > MOST_PRODUCERS || peer.producer == NULL)
        die("too many producers, or a peer that takes one");
    producer_t producer = {&start, TASKS / count};
    peer.start(WORKERS);
    time_of(peer.producer, TASKS, nothing);
    pthread_barrier_init(&start, NULL, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, produce, &producer) != 0)
            die("can't start a producer");
    pthread_barrier_wait(&start);
    int64_t began_at = bench_now();
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    print_cost(bench_now() - began_at, TASKS / count * count);
}

static void depth(size_t deep) {
    peer.start(WORKERS);
    time_of(peer.outside, 1000, nothing);
    size_t times = TASKS / deep;
    int64_t took = 0;
    for (size_t i = 0; i < times; i++) {
        atomic_store(&left, (int64_t)deep);
        took += time_of(peer.outside, 1, nest);
        if (atomic_load(&left) != 0)
            die("a task inside another didn't run");
    }
    print_cost(took, times * deep);
}

static void length(size_t ns) {
    peer.start(WORKERS);
    calibrate((double)ns);
    size_t count = ns == 0 ? TASKS : (size_t)(LONGEST_CELL / (int64_t)ns);
    count = count > TASKS ? TASKS : count;
    time_of(peer.outside, 1000, nothing);
    int64_t began_at = bench_now();
    for (size_t i = 0; i < count; i++)
        work(NULL);
    int64_t serial = bench_now() - began_at;
    int64_t took = time_of(peer.outside, count, work);
    printf("ns_per_task=%.3f efficiency=%.4f\n", (double)took / (double)count,
           (double)serial / WORKERS / (double)took);
}

/* ---- placement ---- */

static int64_t calls[2][CALLS];

static void call_again_and_again(run_fn run, int64_t *took) {
    time_of(run, WORKERS, work);
    for (size_t i = 0; i < CALLS; i++)
        took[i] = time_of(run, WORKERS, work);
}

static void *be_the_second(void *again) {
    call_again_and_again(((peer_t *)again)->outside, calls[1]);
    return NULL;
}

static void placement(size_t ns, const char *copy) {
    int64_t least = INT64_MAX;
    size_t slow = 0, total = copy == NULL ? CALLS : 2 * CALLS;
    pthread_t second;
    peer_t again;
    calibrate((double)ns);
    peer.start(WORKERS);
    if (copy != NULL) {
        again = load(copy);
        again.start(WORKERS);
        if (pthread_create(&second, NULL, be_the_second, &again) != 0)
            die("can't start a thread");
    }
    call_again_and_again(peer.outside, calls[0]);
    if (copy != NULL)
        pthread_join(second, NULL);
    for (size_t i = 0; i < total; i++)
        least = calls[i / CALLS][i % CALLS] < least ? calls[i / CALLS][i % CALLS] : least;
    for (size_t i = 0; i < total; i++)
        slow += (double)calls[i / CALLS][i % CALLS] > SLOW * (double)least;
    qsort(calls, total, sizeof **calls, by_size);
    printf("slow=%.4f least_us=%.1f median_us=%.1f\n", (double)slow / (double)total, (double)least / 1e3,
           (double)(&calls[0][0])[total / 2] / 1e3);
}

int main(int argc, char **argv) {
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: %s PEER.so SERIES X [PEER-AGAIN.so]\n", argv[0]);
        return 2;
    }
    const struct {
        const char *name;
        void (*measure)(size_t);
    } series[] = {{"queued", queued},
                  {"workers", with_workers},
                  {"producers", producers},
                  {"depth", depth},
                  {"length", length}};
    size_t x = strtoull(argv[3], NULL, 10);
    peer = load(argv[1]);
    if (strcmp(argv[2], "placement") == 0) {
        placement(x, argc > 4 ? argv[4] : NULL);
    } else {
        size_t chosen = 0, known = sizeof series / sizeof *series;
        while (chosen < known && strcmp(series[chosen].name, argv[2]) != 0)
            chosen++;
        if (chosen == known || (x == 0 && series[chosen].measure != length))
            die("unknown series, or an X of 0");
        series[chosen].measure(x);
    }
    fflush(stdout);
    _Exit(0); /* the pool is left as it is: taking it down isn't what is measured */
}
