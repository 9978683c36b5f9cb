//! tokio: a spawned future for every task, on the multi-threaded runtime. Made for other things, but at hand.

use adapter::{Argument, Batch, Global, TaskFn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

static RUNTIME: Global<Runtime> = Global::new();

fn spawn(task: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    RUNTIME.get().spawn(async move { task() })
}

fn spawn_all(count: usize, task: impl Fn() + Copy + Send + 'static) -> Vec<JoinHandle<()>> {
    (0..count).map(|_| spawn(task)).collect()
}

async fn wait_all(futures: Vec<JoinHandle<()>>) {
    for future in futures {
        future.await.expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let runtime = Builder::new_multi_thread().worker_threads(workers as usize).build();
    RUNTIME.start(runtime.expect("the threads start"));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    RUNTIME.stop();
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    RUNTIME.get().block_on(wait_all(spawn_all(batch.count, batch.task())));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    let submitter = RUNTIME.get().spawn(async move { wait_all(spawn_all(count, task)).await });
    RUNTIME.get().block_on(submitter).expect("the task ran");
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    for _ in 0..batch.count {
        RUNTIME.get().block_on(spawn(batch.task())).expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    bench_handoff(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    drop(spawn(move || argument.run(task)));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    for index in 0..batch.count {
        batch.keep(index, spawn(batch.task()));
    }
}
