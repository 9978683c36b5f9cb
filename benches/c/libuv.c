/* libuv's thread pool: uv_queue_work, its requests out of one array, the loop run until each has called back.
 * Work may only be queued from the loop's own thread. */
#include "adapter.h"
#include "check.h"

#include <uv.h>

static uv_loop_t loop;

const char *bench_version(void) {
    return uv_version_string();
}

void bench_start(uint32_t workers) {
    char text[16];
    snprintf(text, sizeof text, "%u", workers);
    setenv("UV_THREADPOOL_SIZE", text, 1);
    check(uv_loop_init(&loop) == 0, "uv_loop_init");
}

static void run_task(uv_work_t *request) {
    ((batch_t *)request->data)->task(NULL);
}

static void after_task(uv_work_t *request, int status) {
    (void)request;
    check(status == 0, "the work ran");
}

static void queue(uv_work_t *request, void *data, uv_work_cb work, uv_after_work_cb after) {
    request->data = data;
    check(uv_queue_work(&loop, request, work, after) == 0, "uv_queue_work");
}

static uv_work_t *requests_for(size_t count) {
    uv_work_t *requests = malloc(count * sizeof *requests);
    check(requests != NULL, "malloc");
    return requests;
}

/* The requests are the caller's, who keeps them, and what the tasks look at, until the loop has run. */
void bench_queue(batch_t *batch) {
    uv_work_t *requests = requests_for(batch->count);
    batch_t *kept = malloc(sizeof *kept);
    check(kept != NULL, "malloc");
    *kept = *batch;
    for (size_t i = 0; i < batch->count; i++)
        queue(&requests[i], kept, run_task, after_task);
}

void bench_outside(batch_t *batch) {
    uv_work_t *requests = requests_for(batch->count);
    for (size_t i = 0; i < batch->count; i++)
        queue(&requests[i], batch, run_task, after_task);
    batch->submitted_at = bench_now();
    uv_run(&loop, UV_RUN_DEFAULT);
    batch->waited_at = bench_now();
    free(requests);
}

void bench_claim(batch_t *batch) {
    uv_work_t request;
    for (size_t i = 0; i < batch->count; i++) {
        queue(&request, batch, run_task, after_task);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}

void bench_handoff(batch_t *batch) {
    bench_claim(batch);
}

typedef struct {
    uv_work_t request;
    void *(*task)(void *);
    void *argument;
} fired_t;

static void run_fired(uv_work_t *request) {
    fired_t *fired = request->data;
    fired->task(fired->argument);
}

static void free_fired(uv_work_t *request, int status) {
    (void)status;
    free(request->data);
}

/* Given back when the loop runs, which it never does here. */
void bench_fire(void *(*task)(void *), void *argument) {
    fired_t *fired = malloc(sizeof *fired);
    check(fired != NULL, "malloc");
    fired->task = task;
    fired->argument = argument;
    queue(&fired->request, fired, run_fired, free_fired);
}
