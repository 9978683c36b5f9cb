//! tokio: a spawned future for every task, on the multi-threaded runtime. Made for other things, but at hand.

use adapter::{Argument, Batch, Current, TaskFn};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

static RUNTIME: Current<Runtime> = Current::new();

fn runtime() -> Handle {
    RUNTIME.with(|runtime| runtime.handle().clone())
}

fn spawn(runtime: &Handle, task: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    runtime.spawn(async move { task() })
}

fn spawn_all(runtime: &Handle, count: usize, task: impl Fn() + Copy + Send + 'static) -> Vec<JoinHandle<()>> {
    (0..count).map(|_| spawn(runtime, task)).collect()
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
    drop(RUNTIME.stop());
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let runtime = runtime();
    runtime.block_on(wait_all(spawn_all(&runtime, batch.count, batch.task())));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (runtime, count, task) = (runtime(), batch.count, batch.task());
    let submitter = runtime.spawn(async move { wait_all(spawn_all(&Handle::current(), count, task)).await });
    runtime.block_on(submitter).expect("the task ran");
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    let runtime = runtime();
    for _ in 0..batch.count {
        runtime.block_on(spawn(&runtime, batch.task())).expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    bench_handoff(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    RUNTIME.with(|runtime| drop(spawn(runtime.handle(), move || argument.run(task))));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    let (runtime, task) = (runtime(), batch.task());
    for index in 0..batch.count {
        batch.keep(index, spawn(&runtime, task));
    }
}
