//! tokio's threads for blocking calls, where it wants what isn't asynchronous: spawn_blocking, as many threads as there
//! are workers.

use adapter::{Argument, Batch, Current, TaskFn};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

static RUNTIME: Current<Runtime> = Current::new();

fn runtime() -> Handle {
    RUNTIME.with(|runtime| runtime.handle().clone())
}

fn submit_all(
    runtime: &Handle,
    count: usize,
    task: impl Fn() + Copy + Send + 'static,
) -> Vec<JoinHandle<()>> {
    (0..count).map(|_| runtime.spawn_blocking(task)).collect()
}

fn wait_all(runtime: &Handle, futures: Vec<JoinHandle<()>>) {
    runtime.block_on(async {
        for future in futures {
            future.await.expect("the task ran");
        }
    });
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let runtime = Builder::new_current_thread().max_blocking_threads(workers as usize).build();
    RUNTIME.start(runtime.expect("there are resources"));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    drop(RUNTIME.stop());
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let runtime = runtime();
    wait_all(&runtime, submit_all(&runtime, batch.count, batch.task()));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

/// A wait in a worker would hold that worker: the futures are handed out and waited for outside.
#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (runtime, count, task) = (runtime(), batch.count, batch.task());
    let futures = runtime.spawn_blocking(move || submit_all(&Handle::current(), count, task));
    wait_all(&runtime, runtime.block_on(futures).expect("the task ran"));
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    let runtime = runtime();
    for _ in 0..batch.count {
        runtime.block_on(runtime.spawn_blocking(batch.task())).expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    bench_handoff(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    RUNTIME.with(|runtime| drop(runtime.spawn_blocking(move || argument.run(task))));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    let (runtime, task) = (runtime(), batch.task());
    for index in 0..batch.count {
        batch.keep(index, runtime.spawn_blocking(task));
    }
}
