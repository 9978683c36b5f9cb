//! tokio's threads for blocking calls, where it wants what isn't asynchronous: spawn_blocking, as many threads as there
//! are workers.

use adapter::{Argument, Batch, Global, TaskFn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

static RUNTIME: Global<Runtime> = Global::new();

fn submit(task: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    RUNTIME.get().spawn_blocking(task)
}

fn submit_all(count: usize, task: impl Fn() + Copy + Send + 'static) -> Vec<JoinHandle<()>> {
    (0..count).map(|_| submit(task)).collect()
}

fn wait_all(futures: Vec<JoinHandle<()>>) {
    RUNTIME.get().block_on(async {
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
    RUNTIME.stop();
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
    let futures = RUNTIME.get().spawn_blocking(move || submit_all(count, task));
    wait_all(RUNTIME.get().block_on(futures).expect("the task ran"));
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    for _ in 0..batch.count {
        RUNTIME.get().block_on(submit(batch.task())).expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    bench_handoff(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    drop(submit(move || argument.run(task)));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    for index in 0..batch.count {
        batch.keep(index, submit(batch.task()));
    }
}
