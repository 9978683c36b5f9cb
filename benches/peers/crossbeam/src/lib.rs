//! The pool that a Rust programmer writes by hand: boxed closures through a crossbeam-channel, a oneshot for each
//! result. The one peer here with a future for every task.

use std::sync::OnceLock;
use std::thread;

use adapter::Batch;
use crossbeam_channel::Sender;

type Job = Box<dyn FnOnce() + Send>;

static QUEUE: OnceLock<Sender<Job>> = OnceLock::new();

fn execute(job: impl FnOnce() + Send + 'static) {
    let queue = QUEUE.get().expect("bench_start was called");
    queue.send(Box::new(job)).expect("the workers live");
}

fn submit<R: Send + 'static>(task: impl FnOnce() -> R + Send + 'static) -> oneshot::Receiver<R> {
    let (sender, receiver) = oneshot::channel();
    execute(move || {
        // Nobody waits any more if this fails, which is the caller's right.
        let _ = sender.send(task());
    });
    receiver
}

fn submit_all(count: usize, task: impl Fn() + Copy + Send + 'static) -> Vec<oneshot::Receiver<()>> {
    (0..count).map(|_| submit(task)).collect()
}

fn wait_all(futures: Vec<oneshot::Receiver<()>>) {
    for future in futures {
        future.recv().expect("the task ran");
    }
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let (sender, receiver) = crossbeam_channel::unbounded::<Job>();
    for _ in 0..workers {
        let receiver = receiver.clone();
        thread::spawn(move || receiver.iter().for_each(|job| job()));
    }
    QUEUE.set(sender).expect("bench_start is called once");
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
    let futures = submit(move || submit_all(count, task));
    wait_all(futures.recv().expect("the task ran"));
}
