//! rayon: a scope in a pool of its own. No futures; the scope's end waits, and in a worker it runs tasks meanwhile.
//! A thread that isn't a worker has its loops and its fork-join done by the workers.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use adapter::{Argument, Batch, Current, Loop, TaskFn};
use rayon::iter::plumbing::{bridge_unindexed, Folder, UnindexedConsumer, UnindexedProducer};
use rayon::iter::ParallelIterator;
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

/// The threads are kept to be joined: the pool's end doesn't wait for theirs.
type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

static POOL: Current<(ThreadPool, Threads)> = Current::new();

fn with_pool<R>(call: impl FnOnce(&ThreadPool) -> R) -> R {
    POOL.with(|(pool, _)| call(pool))
}

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let threads = Threads::default();
    let started = Arc::clone(&threads);
    let builder = ThreadPoolBuilder::new().num_threads(workers as usize).spawn_handler(move |worker| {
        let thread = thread::Builder::new().spawn(|| worker.run())?;
        started.lock().unwrap().push(thread);
        Ok(())
    });
    POOL.start((builder.build().expect("the threads start"), threads));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    let (pool, threads) = POOL.stop();
    drop(pool);
    for thread in threads.lock().unwrap().drain(..) {
        thread.join().expect("the worker ended well");
    }
}

fn spawn_all(scope: &Scope<'_>, count: usize, task: impl Fn() + Copy + Send + 'static) {
    for _ in 0..count {
        scope.spawn(move |_| task());
    }
}

/// `in_place_scope` rather than `scope`, which would move the submitting loop into a worker.
#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    with_pool(|pool| pool.in_place_scope(|scope| spawn_all(scope, count, task)));
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    with_pool(|pool| pool.scope(|scope| spawn_all(scope, count, task)));
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    with_pool(|pool| (0..count).for_each(|_| pool.install(task)));
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    bench_claim(batch);
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    with_pool(|pool| pool.spawn(move || argument.run(task)));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    with_pool(|pool| (0..count).for_each(|_| pool.spawn(task)));
}

/// A part of the indices. Splits as `into_par_iter` of a range does; its body gets whole parts, as in the other peers.
struct Part<F> {
    begin: usize,
    end: usize,
    body: F,
}

impl<F: Fn(usize, usize) + Copy + Send> UnindexedProducer for Part<F> {
    type Item = ();

    fn split(self) -> (Self, Option<Self>) {
        let middle = self.begin + (self.end - self.begin) / 2;
        if middle == self.begin {
            return (self, None);
        }
        (Part { end: middle, ..self }, Some(Part { begin: middle, ..self }))
    }

    fn fold_with<Fold: Folder<()>>(self, folder: Fold) -> Fold {
        (self.body)(self.begin, self.end);
        folder
    }
}

impl<F: Fn(usize, usize) + Copy + Send> ParallelIterator for Part<F> {
    type Item = ();

    fn drive_unindexed<C: UnindexedConsumer<()>>(self, consumer: C) -> C::Result {
        bridge_unindexed(self, consumer)
    }
}

fn run_loop(count: usize, body: impl Fn(usize, usize) + Copy + Send) {
    Part { begin: 0, end: count, body }.for_each(|()| ());
}

#[no_mangle]
pub extern "C" fn bench_for(work: &mut Loop) {
    let (times, count, body) = (work.times, work.count, work.body());
    with_pool(|pool| (0..times).for_each(|_| pool.install(|| run_loop(count, body))));
}

#[no_mangle]
pub extern "C" fn bench_for_inside(work: &mut Loop) {
    let (times, count, body) = (work.times, work.count, work.body());
    with_pool(|pool| pool.install(|| (0..times).for_each(|_| run_loop(count, body))));
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (left, right) = rayon::join(|| fib(n - 1), || fib(n - 2));
    left + right
}

#[no_mangle]
pub extern "C" fn bench_fib(n: u32) -> u64 {
    with_pool(|pool| pool.install(|| fib(n)))
}
