//! fork_union: loops only. The calling thread is one of the pool's; the others spin until they are told to end.

use std::sync::Mutex;

use adapter::{Global, Loop};
use fork_union::ThreadPool;

/// A loop takes the pool for itself.
static POOL: Global<Mutex<ThreadPool>> = Global::new();

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    POOL.start(Mutex::new(ThreadPool::try_spawn(workers as usize).expect("the threads start")));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    POOL.stop();
}

/// Slices of equal size, one a thread. What `for_slices` returns runs when it is dropped.
#[no_mangle]
pub extern "C" fn bench_for(whole: &mut Loop) {
    let mut pool = POOL.get().lock().expect("nobody panics");
    let body = whole.body();
    for _ in 0..whole.times {
        drop(pool.for_slices(whole.count, |first, count| body(first.task_index, first.task_index + count)));
    }
}
