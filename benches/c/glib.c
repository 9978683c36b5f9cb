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

static void push_all(job_t *job) {
    batch_t *batch = job->batch;
    for (size_t i = 0; i < batch->count; i++)
        check(g_thread_pool_push(pool, job, NULL), "g_thread_pool_push");
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
    check(g_thread_pool_push(pool, &submitter, NULL), "g_thread_pool_push");
    wait_for(&tasks);
}
