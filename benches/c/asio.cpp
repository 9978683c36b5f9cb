// asio without Boost: post to a thread_pool. Its join ends the pool, so a latch counts the tasks down.
#include "adapter.h"
#include "latch.h"

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/version.hpp>
#include <string>

static asio::thread_pool *pool;

static void post(void *(*task)(void *), latch_t *latch) {
    asio::post(*pool, [task, latch] {
        task(nullptr);
        latch_count_down(latch);
    });
}

static void post_all(batch_t *batch, latch_t *latch) {
    for (size_t i = 0; i < batch->count; i++)
        post(batch->task, latch);
    batch->submitted_at = bench_now();
}

const char *bench_version(void) {
    static const std::string text = std::to_string(ASIO_VERSION / 100000) + "." +
                                    std::to_string(ASIO_VERSION / 100 % 1000) + "." +
                                    std::to_string(ASIO_VERSION % 100);
    return text.c_str();
}

void bench_start(uint32_t workers) {
    pool = new asio::thread_pool(workers);
}

void bench_stop(void) {
    pool->join();
    delete pool;
}

void bench_outside(batch_t *batch) {
    latch_t latch;
    latch_init(&latch, batch->count);
    post_all(batch, &latch);
    latch_wait(&latch);
}

void bench_producer(batch_t *batch) {
    bench_outside(batch);
}

void bench_handoff(batch_t *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        latch_t latch;
        latch_init(&latch, 1);
        post(batch->task, &latch);
        latch_wait(&latch);
    }
}

void bench_claim(batch_t *batch) {
    bench_handoff(batch);
}

void bench_fire(void *(*task)(void *), void *argument) {
    asio::post(*pool, [task, argument] { task(argument); });
}

void bench_queue(batch_t *batch) {
    auto *latch = new latch_t;
    latch_init(latch, batch->count);
    batch->slots[0] = latch;
    post_all(batch, latch);
}

// A wait in a worker would hold that worker: the wait is outside.
void bench_inside(batch_t *batch) {
    latch_t latch;
    latch_init(&latch, batch->count + 1); // the submitter counts, too: it uses this frame
    asio::post(*pool, [batch, &latch] {
        post_all(batch, &latch);
        latch_count_down(&latch);
    });
    latch_wait(&latch);
}
