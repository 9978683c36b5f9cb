//! The `blocking` crate: unblock, a future for every task. Its pool is one for the process and never ends; it starts
//! threads when they are needed, here as many as there are workers, and they end after half a second without work.

use std::num::NonZeroUsize;

use adapter::{Argument, Batch, TaskFn};
use blocking::{unblock, Task};
use futures_lite::future::block_on;

fn submit_all(count: usize, task: impl Fn() + Copy + Send + 'static) -> Vec<Task<()>> {
    (0..count).map(|_| unblock(task)).collect()
}

fn wait_all(futures: Vec<Task<()>>) {
    block_on(async {
        for future in futures {
            future.await;
        }
    });
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    blocking::set_max_blocking_threads(NonZeroUsize::new(workers as usize).expect("there are workers"));
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    wait_all(submit_all(batch.count, batch.task()));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

/// A wait in a worker would hold that worker: the futures are handed out and waited for outside.
#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    wait_all(block_on(unblock(move || submit_all(count, task))));
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    for _ in 0..batch.count {
        block_on(unblock(batch.task()));
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    bench_handoff(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    unblock(move || argument.run(task)).detach();
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    for index in 0..batch.count {
        batch.keep(index, unblock(batch.task()));
    }
}
