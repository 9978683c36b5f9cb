//! fork_union: loops only. The calling thread is one of the pool's; the others spin until they are told to end.

use std::sync::Mutex;

use adapter::{Current, Loop};
use fork_union::ThreadPool;

/// A loop takes the pool for itself.
static POOL: Current<Mutex<ThreadPool>> = Current::new();

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    POOL.start(Mutex::new(ThreadPool::try_spawn(workers as usize).expect("the threads start")));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    drop(POOL.stop());
}

/// Slices of equal size, one a thread. What `for_slices` returns runs when it is dropped.
#[no_mangle]
pub extern "C" fn bench_for(whole: &mut Loop) {
    let (count, body) = (whole.count, whole.body());
    POOL.with(|pool| {
        let mut pool = pool.lock().expect("nobody panics");
        for _ in 0..whole.times {
            drop(pool.for_slices(count, |first, len| body(first.task_index, first.task_index + len)));
        }
    });
}
