//! rayon: a scope in a pool of its own. No futures; the scope's end waits, and in a worker it runs tasks meanwhile.

use std::sync::OnceLock;

use adapter::Batch;
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

static POOL: OnceLock<ThreadPool> = OnceLock::new();

fn pool() -> &'static ThreadPool {
    POOL.get().expect("bench_start was called")
}

fn spawn_all(scope: &Scope<'_>, count: usize, task: impl Fn() + Copy + Send + 'static) {
    for _ in 0..count {
        scope.spawn(move |_| task());
    }
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let pool = ThreadPoolBuilder::new().num_threads(workers as usize).build();
    POOL.set(pool.expect("the threads start")).expect("bench_start is called once");
}

/// `in_place_scope` rather than `scope`, which would move the submitting loop into a worker.
#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    pool().in_place_scope(|scope| spawn_all(scope, count, task));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    pool().scope(|scope| spawn_all(scope, count, task));
}
