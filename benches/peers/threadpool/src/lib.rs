//! The `threadpool` crate: execute, then join from outside. No futures, and no wait in a worker.

use adapter::{Argument, Batch, Current, TaskFn};
use threadpool::ThreadPool;

/// `ThreadPool` is a handle that is cloned for every thread that submits, as its documentation says.
static POOL: Current<ThreadPool> = Current::new();

fn execute_all(pool: &ThreadPool, batch: &Batch) {
    let task = batch.task();
    for _ in 0..batch.count {
        pool.execute(task);
    }
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    POOL.start(ThreadPool::new(workers as usize));
}

/// Waits for the tasks, not for the threads.
#[no_mangle]
pub extern "C" fn bench_stop() {
    POOL.stop().join();
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let pool = POOL.with(ThreadPool::clone);
    execute_all(&pool, batch);
    pool.join();
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let pool = POOL.with(ThreadPool::clone);
    let (task, count) = (batch.task(), batch.count);
    let submitting = pool.clone();
    pool.execute(move || {
        for _ in 0..count {
            submitting.execute(task);
        }
    });
    pool.join();
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    let (pool, task) = (POOL.with(ThreadPool::clone), batch.task());
    for _ in 0..batch.count {
        pool.execute(task);
        pool.join();
    }
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    bench_claim(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    POOL.with(|pool| pool.execute(move || argument.run(task)));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    POOL.with(|pool| execute_all(pool, batch));
}
