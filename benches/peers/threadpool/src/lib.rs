//! The `threadpool` crate: execute, then join from outside. No futures, and no wait in a worker.

use std::sync::OnceLock;

use adapter::Batch;
use threadpool::ThreadPool;

/// `ThreadPool` is a handle that is cloned for every thread that submits, as its documentation says.
static POOL: OnceLock<ThreadPool> = OnceLock::new();

fn pool() -> ThreadPool {
    POOL.get().expect("bench_start was called").clone()
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    assert!(POOL.set(ThreadPool::new(workers as usize)).is_ok(), "bench_start is called once");
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let (pool, task) = (pool(), batch.task());
    for _ in 0..batch.count {
        pool.execute(task);
    }
    pool.join();
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (pool, task, count) = (pool(), batch.task(), batch.count);
    let submitting = pool.clone();
    pool.execute(move || {
        for _ in 0..count {
            submitting.execute(task);
        }
    });
    pool.join();
}
