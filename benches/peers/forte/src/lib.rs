//! forte: spawn, and a latch that counts the tasks down; in a worker, a scope, whose end runs tasks meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use adapter::{Argument, Batch, Latch, Loop, TaskFn};
use forte::{ThreadPool, Worker};

/// forte takes pools only if they last as long as the process: `bench_stop` ends the threads.
static POOL: ThreadPool = ThreadPool::new();
static WORKERS: AtomicUsize = AtomicUsize::new(0);
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let workers = workers as usize;
    assert_eq!(POOL.resize_to(workers), workers, "the threads start");
    WORKERS.store(workers, Ordering::Relaxed);
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    POOL.depopulate();
}

/// A worker that is about to sleep may miss what is spawned from outside just then (it looks for work before it says
/// that it sleeps, and not again). What is sent to a certain worker always wakes it, and then it finds the rest.
fn nudge() {
    POOL.spawn_on(0, |_: &Worker| ());
}

fn spawn(task: impl Fn() + Copy + Send + 'static, latch: &'static Latch) {
    POOL.spawn(move |_: &Worker| {
        task();
        latch.count_down();
    });
}

#[no_mangle]
pub extern "C" fn bench_outside(batch: &mut Batch) {
    Latch::wait_for(batch.count, |latch| {
        for _ in 0..batch.count {
            spawn(batch.task(), latch);
        }
        nudge();
    });
}

#[no_mangle]
pub extern "C" fn bench_producer(batch: &mut Batch) {
    bench_outside(batch);
}

/// Runs it in a worker that the pool started, and waits outside.
fn run_inside(run: impl FnOnce(&Worker) + Send + 'static) {
    Latch::wait_for(1, |latch| {
        let run = move |worker: &Worker| {
            run(worker);
            latch.count_down();
        };
        POOL.spawn_on(0, run);
    });
}

#[no_mangle]
pub extern "C" fn bench_inside(batch: &mut Batch) {
    let (count, task) = (batch.count, batch.task());
    run_inside(move |worker| {
        worker.scope(|scope| {
            for _ in 0..count {
                scope.spawn(move |_: &Worker| task());
            }
        });
    });
}

#[no_mangle]
pub extern "C" fn bench_handoff(batch: &mut Batch) {
    for _ in 0..batch.count {
        let task = batch.task();
        Latch::wait_for(1, |latch| {
            let run = move |_: &Worker| {
                task();
                latch.count_down();
            };
            POOL.spawn_on(0, run);
        });
    }
}

#[no_mangle]
pub extern "C" fn bench_claim(batch: &mut Batch) {
    POOL.with_worker(|worker| {
        for _ in 0..batch.count {
            let task = batch.task();
            worker.scope(|scope| scope.spawn(move |_: &Worker| task()));
        }
    });
}

#[no_mangle]
pub extern "C" fn bench_fire(task: TaskFn, argument: Argument) {
    let worker = NEXT.fetch_add(1, Ordering::Relaxed) % WORKERS.load(Ordering::Relaxed);
    POOL.spawn_on(worker, move |_: &Worker| argument.run(task));
}

#[no_mangle]
pub extern "C" fn bench_queue(batch: &mut Batch) {
    let latch = Box::leak(Box::new(Latch::new(batch.count)));
    for _ in 0..batch.count {
        spawn(batch.task(), latch);
    }
}

fn fib(worker: &Worker, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = worker.join(|worker| fib(worker, n - 1), |worker| fib(worker, n - 2));
    a + b
}

/// For what the calling thread joins the pool: one of the pool's own ends, the first time, which is warming up.
fn make_room_for_caller() {
    POOL.resize_to(WORKERS.load(Ordering::Relaxed) - 1);
}

#[no_mangle]
pub extern "C" fn bench_fib(n: u32) -> u64 {
    make_room_for_caller();
    POOL.with_worker(|worker| fib(worker, n))
}

/// Halves as far as `grain`. A join costs next to nothing until the heartbeat says that others may have its half.
fn run(worker: &Worker, body: &(impl Fn(usize, usize) + Sync), grain: usize, begin: usize, end: usize) {
    if end - begin <= grain {
        return body(begin, end);
    }
    let middle = begin + (end - begin) / 2;
    worker.join(
        |worker| run(worker, body, grain, begin, middle),
        |worker| run(worker, body, grain, middle, end),
    );
}

fn run_whole(worker: &Worker, body: impl Fn(usize, usize) + Sync, count: usize) {
    run(worker, &body, (count / 1024).max(1), 0, count);
}

#[no_mangle]
pub extern "C" fn bench_for(whole: &mut Loop) {
    make_room_for_caller();
    for _ in 0..whole.times {
        POOL.with_worker(|worker| run_whole(worker, whole.body(), whole.count));
    }
}

#[no_mangle]
pub extern "C" fn bench_for_inside(whole: &mut Loop) {
    let (times, count, body) = (whole.times, whole.count, whole.body());
    run_inside(move |worker| {
        for _ in 0..times {
            run_whole(worker, body, count);
        }
    });
}
