/* What happens while nothing happens, and when it ends; and a pool's whole life. */
#include "driver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MILLISECOND = 1000000, SILENCE_WARM_UP = 20, WARM_UP_TASKS = 1000 };

/* ---- a submit after a silence ---- */

static _Atomic int64_t ran_at; /* 0: it hasn't */
static _Thread_local int is_submitter;

static void *raise_flag(void *argument) {
    if (is_submitter)
        die("the submitter ran the task itself");
    atomic_store_explicit(&ran_at, bench_now(), memory_order_release);
    return argument;
}

static void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

typedef struct {
    int64_t *seen,
        *ran; /* from before each submit until the driver saw that its task had run; until it ran */
    int64_t quiet;
    double burnt; /* processor time of the others in the silences, in seconds */
} silences_t;

/* Nobody waits for the task but this look at the flag. */
static void time_one(silences_t *silences, size_t index) {
    int64_t ran;
    atomic_store_explicit(&ran_at, 0, memory_order_relaxed);
    int64_t began = bench_now();
    peer.fire(raise_flag, NULL);
    while ((ran = atomic_load_explicit(&ran_at, memory_order_acquire)) == 0)
        pause_a_little();
    silences->seen[index] = bench_now() - began;
    silences->ran[index] = ran - began;
}

static silences_t time_silences(size_t count) {
    silences_t silences = {allocate(count * sizeof(int64_t)), allocate(count * sizeof(int64_t)), 0, 0};
    for (size_t i = 0; i < count; i++) {
        double others = cpu_seconds_of_others();
        int64_t began = bench_now();
        sleep_ns(MILLISECOND);
        silences.quiet += bench_now() - began;
        silences.burnt += cpu_seconds_of_others() - others;
        time_one(&silences, i);
    }
    return silences;
}

/* What is burnt in the silences shows whether the workers sleep or spin. */
void run_silence(size_t count, uint32_t workers) {
    if (peer.fire == NULL)
        not_offered();
    is_submitter = 1;
    peer.start(workers);
    time_silences(SILENCE_WARM_UP);
    double cpu = cpu_seconds();
    silences_t silences = time_silences(count);
    tell("p50_ns", (double)median(silences.seen, count));
    tell("ran_p50_ns", (double)median(silences.ran, count));
    tell("cpu_s", cpu_seconds() - cpu);
    tell("silence_cpu_percent", silences.burnt * 1e9 / (double)silences.quiet * 100);
}

/* ---- an idle pool ---- */

static void count_indices(void *context, size_t begin, size_t end) {
    (void)context;
    count_tasks(end - begin);
}

/* Something to do, of what the peer can. */
static void work_a_little(uint32_t workers) {
    size_t before = tasks_run();
    if (peer.outside != NULL) {
        batch_t batch = batch_create(WARM_UP_TASKS, task);
        peer.outside(&batch);
        free(batch.slots);
    } else if (peer.loop != NULL) {
        loop_t loop = {.times = WARM_UP_TASKS / workers, .count = workers, .body = count_indices};
        peer.loop(&loop);
        count_tasks(WARM_UP_TASKS % workers);
    } else if (peer.fib != NULL) {
        peer.fib(WARM_UP_TASKS / 50);
        return;
    } else {
        not_offered();
    }
    must_have_run(WARM_UP_TASKS, before);
}

/* Processor time of the others, in `count` milliseconds that begin a sixth of that after the last work. */
void run_idle(size_t count, uint32_t workers) {
    int64_t span = (int64_t)count * MILLISECOND;
    peer.start(workers);
    work_a_little(workers);
    sleep_ns(span / 6);
    double others = cpu_seconds_of_others();
    sleep_ns(span);
    others = cpu_seconds_of_others() - others;
    others = others > 0 ? others : 0; /* the two clocks aren't read at the same time */
    tell("cpu_ms", others * 1e3);
    tell("cpu_s", others);
    tell("silence_cpu_percent", others * 1e9 / (double)span * 100);
    work_a_little(workers);
}

/* ---- a pool's life ---- */

static pthread_barrier_t all_at_work;

static void *meet(void *argument) {
    task(argument);
    pthread_barrier_wait(&all_at_work);
    return argument;
}

/* So that the threads of one life that still end don't disturb the next; a library may keep some for good. */
static void await_ends(size_t threads) {
    for (int tries = 0; tries < 100 && threads_alive() > threads; tries++)
        sleep_ns(MILLISECOND / 10);
}

/* One task on each worker at the same time: they meet, and the driver with them. */
static int64_t time_life(uint32_t workers) {
    int64_t began = bench_now();
    peer.start(workers);
    for (uint32_t i = 0; i < workers; i++)
        peer.fire(meet, NULL);
    pthread_barrier_wait(&all_at_work);
    peer.stop();
    return bench_now() - began;
}

void run_create(size_t count, uint32_t workers) {
    if (peer.fire == NULL || peer.stop == NULL)
        not_offered();
    int64_t *took = allocate(count * sizeof *took);
    size_t left = 0;
    pthread_barrier_init(&all_at_work, NULL, workers + 1);
    time_life(workers);
    await_ends(1);
    size_t threads = threads_alive(), before = tasks_run();
    double cpu = cpu_seconds();
    for (size_t i = 0; i < count; i++) {
        took[i] = time_life(workers);
        size_t alive = threads_alive();
        left += alive > threads ? alive - threads : 0;
        await_ends(threads);
    }
    tell("us", (double)median(took, count) / 1e3);
    tell("cpu_s", cpu_seconds() - cpu);
    tell("threads_left", (double)left / (double)count);
    must_have_run(count * workers, before);
}
