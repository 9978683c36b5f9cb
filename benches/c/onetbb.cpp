// oneTBB: a task_group in an arena with room for the workers and every thread that submits. Its wait helps.
#include "adapter.h"

#include <future>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/version.h>

namespace tbb = oneapi::tbb;

static const unsigned submitters = 4;
static tbb::global_control *control;
static tbb::task_arena *arena;

static void run_and_wait(batch_t *batch) {
    tbb::task_group group;
    for (size_t i = 0; i < batch->count; i++)
        group.run([task = batch->task] { task(nullptr); });
    batch->submitted_at = bench_now();
    group.wait();
    batch->waited_at = bench_now();
}

const char *bench_version(void) {
    return TBB_runtime_version();
}

void bench_start(uint32_t workers) {
    // One more than there are workers: the thread that submits counts as one.
    control = new tbb::global_control(tbb::global_control::max_allowed_parallelism, workers + 1);
    arena = new tbb::task_arena(static_cast<int>(workers + submitters), submitters);
}

void bench_outside(batch_t *batch) {
    arena->execute([batch] { run_and_wait(batch); });
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

void bench_inside(batch_t *batch) {
    std::promise<void> done;
    arena->enqueue([batch, &done] {
        run_and_wait(batch);
        done.set_value();
    });
    done.get_future().wait();
}
