/* APR's apr_thread_pool. It has neither futures nor a wait for a batch: a latch counts the tasks down. */
#include "adapter.h"
#include "check.h"
#include "latch.h"

#include <apr_general.h>
#include <apr_thread_pool.h>
#include <apu_version.h>

/* What is pushed: one job may be pushed many times. */
typedef struct {
    batch_t *batch;
    latch_t latch;
} job_t;

static apr_pool_t *memory;
static apr_thread_pool_t *pool;

/* On top rather than at the end of the queue, which APR finds by walking past every task of the same
 * priority: with 100,000 queued that makes a submit 100 us. */
static void push(apr_thread_start_t function, void *argument) {
    check(apr_thread_pool_top(pool, function, argument, APR_THREAD_TASK_PRIORITY_NORMAL, NULL) == APR_SUCCESS,
          "apr_thread_pool_top");
}

static void *APR_THREAD_FUNC run_task(apr_thread_t *thread, void *argument) {
    (void)thread;
    job_t *job = argument;
    job->batch->task(NULL);
    latch_count_down(&job->latch);
    return NULL;
}

static void push_all(job_t *job) {
    for (size_t i = 0; i < job->batch->count; i++)
        push(run_task, job);
    job->batch->submitted_at = bench_now();
}

const char *bench_version(void) {
    return apu_version_string();
}

void bench_start(uint32_t workers) {
    check(apr_initialize() == APR_SUCCESS, "apr_initialize");
    check(apr_pool_create(&memory, NULL) == APR_SUCCESS, "apr_pool_create");
    check(apr_thread_pool_create(&pool, workers, workers, memory) == APR_SUCCESS, "apr_thread_pool_create");
}

void bench_stop(void) {
    check(apr_thread_pool_destroy(pool) == APR_SUCCESS, "apr_thread_pool_destroy");
    apr_pool_destroy(memory);
    apr_terminate();
}

void bench_outside(batch_t *batch) {
    job_t job = {.batch = batch};
    latch_init(&job.latch, batch->count);
    push_all(&job);
    latch_wait(&job.latch);
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

void bench_handoff(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        job_t job = {.batch = batch};
        latch_init(&job.latch, 1);
        push(run_task, &job);
        latch_wait(&job.latch);
    }
}

void bench_claim(batch_t *batch) {
    bench_handoff(batch);
}

typedef struct {
    void *(*task)(void *);
    void *argument;
} fired_t;

static void *APR_THREAD_FUNC run_fired(apr_thread_t *thread, void *argument) {
    (void)thread;
    fired_t fired = *(fired_t *)argument;
    free(argument);
    fired.task(fired.argument);
    return NULL;
}

void bench_fire(void *(*task)(void *), void *argument) {
    fired_t *fired = malloc(sizeof *fired);
    check(fired != NULL, "malloc");
    *fired = (fired_t){task, argument};
    push(run_fired, fired);
}

void bench_queue(batch_t *batch) {
    job_t *job = malloc(sizeof *job);
    check(job != NULL, "malloc");
    *job = (job_t){.batch = batch};
    latch_init(&job->latch, batch->count);
    batch->slots[0] = job;
    push_all(job);
}

static void *APR_THREAD_FUNC push_inside(apr_thread_t *thread, void *job) {
    (void)thread;
    push_all(job);
    latch_count_down(&((job_t *)job)->latch);
    return NULL;
}

/* A wait in a worker would hold that worker: the wait is outside. */
void bench_inside(batch_t *batch) {
    job_t job = {.batch = batch};
    latch_init(&job.latch, batch->count + 1); /* the submitter counts, too: it uses this frame */
    push(push_inside, &job);
    latch_wait(&job.latch);
}
