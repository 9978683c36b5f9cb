/* GLib's GThreadPool. It has neither futures nor a wait for a batch: a latch counts the tasks down. */
#include "adapter.h"
#include "check.h"

#include <glib.h>

/* What is pushed: one job may be pushed many times. */
typedef struct job {
    void (*run)(struct job *job);
    batch_t *batch;
    gint left; /* tasks that haven't ended */
    gboolean done;
    GMutex mutex;
    GCond changed;
} job_t;

static GThreadPool *pool;

static void run_job(gpointer job, gpointer unused) {
    (void)unused;
    ((job_t *)job)->run(job);
}

static void count_down(job_t *job) {
    if (g_atomic_int_dec_and_test(&job->left)) {
        g_mutex_lock(&job->mutex);
        job->done = TRUE;
        g_cond_signal(&job->changed);
        g_mutex_unlock(&job->mutex);
    }
}

static void run_task(job_t *job) {
    job->batch->task(NULL);
    count_down(job);
}

static void push(gpointer job) {
    check(g_thread_pool_push(pool, job, NULL), "g_thread_pool_push");
}

static void push_all(job_t *job) {
    batch_t *batch = job->batch;
    for (size_t i = 0; i < batch->count; i++)
        push(job);
    batch->submitted_at = bench_now();
}

static void wait_for(job_t *job) {
    g_mutex_lock(&job->mutex);
    while (!job->done)
        g_cond_wait(&job->changed, &job->mutex);
    g_mutex_unlock(&job->mutex);
}

const char *bench_version(void) {
    return g_strdup_printf("%u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
}

void bench_start(uint32_t workers) {
    pool = g_thread_pool_new(run_job, NULL, (gint)workers, TRUE, NULL);
    check(pool != NULL, "g_thread_pool_new");
}

/* Waits for the tasks, not for the threads. */
void bench_stop(void) {
    g_thread_pool_free(pool, FALSE, TRUE);
}

void bench_outside(batch_t *batch) {
    job_t job = {.run = run_task, .batch = batch, .left = (gint)batch->count};
    push_all(&job);
    wait_for(&job);
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

typedef struct {
    job_t job;
    job_t *tasks;
} submitter_t;

static void push_inside(job_t *job) {
    job_t *tasks = ((submitter_t *)job)->tasks;
    push_all(tasks);
    count_down(tasks);
}

/* A wait in a worker would hold that worker: the wait is outside. */
void bench_inside(batch_t *batch) {
    /* The submitter counts, too: it uses this frame until its last push has returned. */
    job_t tasks = {.run = run_task, .batch = batch, .left = (gint)batch->count + 1};
    submitter_t submitter = {.job = {.run = push_inside}, .tasks = &tasks};
    push(&submitter);
    wait_for(&tasks);
}

void bench_claim(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        job_t job = {.run = run_task, .batch = batch, .left = 1};
        push(&job);
        wait_for(&job);
    }
}

void bench_handoff(batch_t *batch) {
    bench_claim(batch);
}

static void run_counted_by_itself(job_t *job) {
    job->batch->task(NULL);
}

/* Nobody waits, so nothing counts them down; the job is kept. */
void bench_queue(batch_t *batch) {
    job_t *job = g_new0(job_t, 1);
    batch_t *kept = g_memdup2(batch, sizeof *batch);
    *job = (job_t){.run = run_counted_by_itself, .batch = kept};
    push_all(job);
}

typedef struct {
    job_t job;
    void *(*task)(void *);
    void *argument;
} fired_t;

static void run_fired(job_t *job) {
    fired_t fired = *(fired_t *)job;
    g_free(job);
    fired.task(fired.argument);
}

void bench_fire(void *(*task)(void *), void *argument) {
    fired_t *fired = g_new0(fired_t, 1);
    fired->job.run = run_fired;
    fired->task = task;
    fired->argument = argument;
    push(fired);
}
