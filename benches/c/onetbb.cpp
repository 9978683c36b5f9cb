// oneTBB: a task_group in an arena with room for the workers and every thread that submits. Its wait helps.
// Loops and fork-join are in arenas with room for the workers alone, of which the calling thread is one.
#include "adapter.h"

#include <future>
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_invoke.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/version.h>

namespace tbb = oneapi::tbb;

static const unsigned submitters = 4;

struct pool_t {
    tbb::task_scheduler_handle handle{tbb::attach{}};
    tbb::global_control control;
    tbb::task_arena tasks, loops, inside;

    // One more than there are workers: the thread that submits counts as one.
    explicit pool_t(unsigned workers)
        : control(tbb::global_control::max_allowed_parallelism, workers + 1),
          tasks(static_cast<int>(workers + submitters), submitters), loops(static_cast<int>(workers), 1),
          inside(static_cast<int>(workers), 0) {}
};

static pool_t *pool;

const char *bench_version(void) {
    return TBB_runtime_version();
}

void bench_start(uint32_t workers) {
    pool = new pool_t(workers);
}

void bench_stop(void) {
    tbb::task_scheduler_handle handle = std::move(pool->handle);
    delete pool;
    tbb::finalize(handle); // waits for the threads
}

static void run_all(tbb::task_group &group, batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        group.run([task = batch->task] { task(nullptr); });
    batch->submitted_at = bench_now();
}

static void run_and_wait(batch_t *batch) {
    tbb::task_group group;
    run_all(group, batch);
    group.wait();
    batch->waited_at = bench_now();
}

void bench_outside(batch_t *batch) {
    pool->tasks.execute([batch] { run_and_wait(batch); });
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

// Calls it in a worker, and waits outside without helping.
template <typename F> static void call_in_worker(tbb::task_arena &arena, F call) {
    std::promise<void> done;
    arena.enqueue([&] {
        call();
        done.set_value();
    });
    done.get_future().wait();
}

void bench_inside(batch_t *batch) {
    call_in_worker(pool->tasks, [batch] { run_and_wait(batch); });
}

void bench_claim(batch_t *batch) {
    pool->tasks.execute([batch] {
        tbb::task_group group;
        for (size_t i = 0; i < batch->count; i++) {
            group.run([task = batch->task] { task(nullptr); });
            group.wait();
        }
    });
}

void bench_handoff(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++)
        call_in_worker(pool->tasks, [task = batch->task] { task(nullptr); });
}

void bench_fire(void *(*task)(void *), void *argument) {
    pool->tasks.enqueue([task, argument] { task(argument); });
}

void bench_queue(batch_t *batch) {
    tbb::task_group *kept = new tbb::task_group;
    pool->tasks.execute([kept, batch] { run_all(*kept, batch); });
}

static void run_loop(const loop_t *loop) {
    tbb::parallel_for(tbb::blocked_range<size_t>(0, loop->count),
                      [loop](const tbb::blocked_range<size_t> &part) {
                          loop->body(loop->context, part.begin(), part.end());
                      });
}

void bench_for(loop_t *loop) {
    for (size_t i = 0; i < loop->times; i++)
        pool->loops.execute([loop] { run_loop(loop); });
}

void bench_for_inside(loop_t *loop) {
    call_in_worker(pool->inside, [loop] {
        for (size_t i = 0; i < loop->times; i++)
            run_loop(loop);
    });
}

static uint64_t fib(uint32_t n) {
    if (n < 2)
        return n;
    uint64_t left, right;
    tbb::parallel_invoke([&left, n] { left = fib(n - 1); }, [&right, n] { right = fib(n - 2); });
    return left + right;
}

uint64_t bench_fib(uint32_t n) {
    uint64_t value = 0;
    pool->loops.execute([&value, n] { value = fib(n); });
    return value;
}
