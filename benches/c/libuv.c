/* libuv's thread pool: uv_queue_work, its requests out of one array, the loop run until each has called back.
 * Work may only be queued from the loop's own thread, so there is one row. */
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

void bench_outside(batch_t *batch) {
    uv_work_t *requests = malloc(batch->count * sizeof *requests);
    check(requests != NULL, "malloc");
    for (size_t i = 0; i < batch->count; i++) {
        requests[i].data = batch;
        check(uv_queue_work(&loop, &requests[i], run_task, after_task) == 0, "uv_queue_work");
    }
    batch->submitted_at = bench_now();
    uv_run(&loop, UV_RUN_DEFAULT);
    batch->waited_at = bench_now();
    free(requests);
}
