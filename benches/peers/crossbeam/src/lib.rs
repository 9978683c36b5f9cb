//! The pool that a Rust programmer writes by hand: boxed closures through a crossbeam-channel, a oneshot for each
//! result. The one crate here with a future for every task.

use std::thread::{self, JoinHandle};

use adapter::{Argument, Batch, Current, TaskFn};
use crossbeam_channel::Sender;

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    queue: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
}

static POOL: Current<Pool> = Current::new();

fn queue() -> Sender<Job> {
    POOL.with(|pool| pool.queue.clone())
}

fn execute(queue: &Sender<Job>, job: impl FnOnce() + Send + 'static) {
    queue.send(Box::new(job)).expect("the workers live");
}

fn submit<R: Send + 'static>(
    queue: &Sender<Job>,
    task: impl FnOnce() -> R + Send + 'static,
) -> oneshot::Receiver<R> {
    let (sender, receiver) = oneshot::channel();
    execute(queue, move || {
        // Nobody waits any more if this fails, which is the caller's right.
        let _ = sender.send(task());
    });
    receiver
}

fn submit_all(
    queue: &Sender<Job>,
    count: usize,
    task: impl Fn() + Copy + Send + 'static,
) -> Vec<oneshot::Receiver<()>> {
    (0..count).map(|_| submit(queue, task)).collect()
}

fn wait_all(futures: Vec<oneshot::Receiver<()>>) {
    for future in futures {
        future.recv().expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let (queue, jobs) = crossbeam_channel::unbounded::<Job>();
    let start = |_| {
        let jobs = jobs.clone();
        thread::spawn(move || jobs.iter().for_each(|job| job()))
    };
    let threads = (0..workers).map(start).collect();
    POOL.start(Pool { queue, threads });
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    let Pool { queue, threads } = POOL.stop();
    drop(queue);
    for thread in threads {
        thread.join().expect("the worker ended well");
    }
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    wait_all(submit_all(&queue(), batch.count, batch.task()));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

/// A wait in a worker would hold that worker: the futures are handed out and waited for outside.
#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (queue, count, task) = (queue(), batch.count, batch.task());
    let submitting = queue.clone();
    let futures = submit(&queue, move || submit_all(&submitting, count, task));
    wait_all(futures.recv().expect("the task ran"));
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    let (queue, task) = (queue(), batch.task());
    for _ in 0..batch.count {
        submit(&queue, task).recv().expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    bench_claim(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    POOL.with(|pool| execute(&pool.queue, move || argument.run(task)));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    let (queue, task) = (queue(), batch.task());
    for slot in batch.slots() {
        *slot = submit(&queue, task).into_raw().cast();
    }
}
