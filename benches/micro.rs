//! `cargo bench`: what single calls cost, and our queues beside the crates that we could have used instead.
//!
//! The calls are those of the C ABI, through the rlib. The queues are private to the crate: their source is compiled into
//! this program, as it stands.

#[path = "../src/queue/mod.rs"]
#[allow(dead_code, unused_imports)]
mod queue;
#[path = "../src/sync/mod.rs"]
#[allow(dead_code, unused_imports)]
mod sync;

fn main() {
    divan::main();
}

/// Calls of the C ABI, on a pool of two.
mod calls {
    use divan::{black_box, counter::ItemsCount, Bencher};
    use offgil::*;
    use std::ffi::c_void;
    use std::ptr::{from_mut, null_mut};

    const WORKERS: u32 = 2;
    const ONE_HOUR: i64 = 3600 * 1_000_000_000;

    /// A pool for one benchmark, destroyed at its end.
    struct Pool(*mut pool_t);

    impl Pool {
        fn new() -> Self {
            let pool = Self(pool_create(WORKERS));
            assert!(!pool.0.is_null());
            pool
        }

        fn submit(&self, function: task_fn, argument: *mut c_void) -> *mut future_t {
            // SAFETY: the pool lives, and every caller's function takes the argument given with it.
            unsafe { pool_submit(self.0, function, argument) }
        }
    }

    impl Drop for Pool {
        fn drop(&mut self) {
            assert_eq!(pool_destroy(self.0), OFFGIL_OK);
        }
    }

    fn wait(future: *mut future_t, timeout_ns: i64) {
        // SAFETY: the result may be NULL.
        assert_eq!(unsafe { future_wait(future, timeout_ns, null_mut()) }, OFFGIL_OK);
    }

    fn release(future: *mut future_t) {
        assert_eq!(future_release(future), OFFGIL_OK);
    }

    unsafe extern "C-unwind" fn nothing(argument: *mut c_void) -> *mut c_void {
        argument
    }

    /// The waiter may run the task itself.
    #[divan::bench(sample_size = 100)]
    fn submit_wait_release(bencher: Bencher) {
        let pool = Pool::new();
        bencher.bench_local(|| {
            let future = pool.submit(Some(nothing), null_mut());
            wait(future, OFFGIL_FOREVER);
            release(future);
        });
    }

    /// The waiter may not: a worker has to run it.
    #[divan::bench(sample_size = 100)]
    fn submit_wait_release_on_a_worker(bencher: Bencher) {
        let pool = Pool::new();
        bencher.bench_local(|| {
            let future = pool.submit(Some(nothing), null_mut());
            wait(future, ONE_HOUR);
            release(future);
        });
    }

    fn with_done_future(bencher: Bencher, call: impl Fn(*mut future_t)) {
        let pool = Pool::new();
        let future = pool.submit(Some(nothing), null_mut());
        wait(future, OFFGIL_FOREVER);
        bencher.bench_local(|| call(black_box(future)));
        release(future);
    }

    #[divan::bench]
    fn wait_for_done(bencher: Bencher) {
        with_done_future(bencher, |future| wait(future, OFFGIL_FOREVER));
    }

    /// Little more than the check of a handle.
    #[divan::bench]
    fn get_state(bencher: Bencher) {
        with_done_future(bencher, |future| {
            black_box(future_get_state(future));
        });
    }

    #[divan::bench(sample_size = 100)]
    fn for_over_nothing(bencher: Bencher) {
        unsafe extern "C-unwind" fn body(_context: *mut c_void, _begin: usize, _end: usize) {}
        let pool = Pool::new();
        // SAFETY: the pool lives, and the body touches nothing.
        bencher.bench_local(|| unsafe { pool_for(pool.0, 0, 0, 0, Some(body), null_mut()) });
    }

    #[divan::bench(sample_size = 100)]
    fn for_over_one_per_worker(bencher: Bencher) {
        unsafe extern "C-unwind" fn body(_context: *mut c_void, _begin: usize, _end: usize) {}
        let pool = Pool::new();
        // SAFETY: the pool lives, and the body touches nothing.
        bencher.bench_local(|| unsafe { pool_for(pool.0, 0, WORKERS as usize, 1, Some(body), null_mut()) });
    }

    struct Fib {
        pool: *mut pool_t,
        n: u64,
        result: u64,
    }

    unsafe extern "C-unwind" fn fib(argument: *mut c_void) -> *mut c_void {
        // SAFETY: every caller hands over a Fib that is its own until this returns.
        let fib_of = unsafe { &mut *argument.cast::<Fib>() };
        let (pool, n) = (fib_of.pool, fib_of.n);
        fib_of.result = n;
        if n >= 2 {
            let (mut left, mut right) =
                (Fib { pool, n: n - 1, result: 0 }, Fib { pool, n: n - 2, result: 0 });
            let (left_argument, right_argument) = (from_mut(&mut left).cast(), from_mut(&mut right).cast());
            // SAFETY: both live until the call returns, which it does when both are done.
            let status = unsafe { pool_invoke(pool, Some(fib), left_argument, Some(fib), right_argument) };
            assert_eq!(status, OFFGIL_OK);
            fib_of.result = left.result + right.result;
        }
        null_mut()
    }

    /// fib(20), two calls a `pool_invoke`, started inside a worker.
    #[divan::bench]
    fn invoke_fib_20(bencher: Bencher) {
        let pool = Pool::new();
        bencher.counter(ItemsCount::new(10_945_u64)).bench_local(|| {
            let mut root = Fib { pool: pool.0, n: 20, result: 0 };
            let future = pool.submit(Some(fib), from_mut(&mut root).cast());
            wait(future, ONE_HOUR);
            release(future);
            assert_eq!(root.result, 6765);
        });
    }
}

/// One owner, no thief: the cost of the bookkeeping alone. A round is 1,000 entries.
mod deque {
    use super::queue::Deque;
    use crossbeam_deque::Worker;
    use divan::{black_box, counter::ItemsCount, Bencher};

    const ROUND: u64 = 1000;

    fn per_entry(bencher: Bencher, round: impl FnMut()) {
        bencher.counter(ItemsCount::new(ROUND)).bench_local(round);
    }

    fn fill(deque: &Deque) {
        for entry in 0..ROUND {
            // SAFETY: each deque here has one owner, the benchmark's thread.
            unsafe { deque.push(black_box(entry)) };
        }
    }

    fn fill_crossbeam(deque: &Worker<u64>) {
        for entry in 0..ROUND {
            deque.push(black_box(entry));
        }
    }

    #[divan::bench]
    fn push_pop(bencher: Bencher) {
        let deque = Deque::new();
        per_entry(bencher, || {
            fill(&deque);
            // SAFETY: as in `fill`.
            while let Some(entry) = unsafe { deque.pop() } {
                black_box(entry);
            }
        });
    }

    #[divan::bench]
    fn push_pop_crossbeam(bencher: Bencher) {
        let deque = Worker::new_lifo();
        per_entry(bencher, || {
            fill_crossbeam(&deque);
            while let Some(entry) = deque.pop() {
                black_box(entry);
            }
        });
    }

    #[divan::bench]
    fn push_steal(bencher: Bencher) {
        let deque = Deque::new();
        per_entry(bencher, || {
            fill(&deque);
            let mut batch = [0; 32];
            while let taken @ 1.. = deque.steal(&mut batch) {
                black_box(&batch[..taken]);
            }
        });
    }

    #[divan::bench]
    fn push_steal_crossbeam(bencher: Bencher) {
        let deque = Worker::new_lifo();
        let stealer = deque.stealer();
        per_entry(bencher, || {
            fill_crossbeam(&deque);
            while let crossbeam_deque::Steal::Success(entry) = stealer.steal() {
                black_box(entry);
            }
        });
    }
}

/// Many push, one takes: a round is 1,000 entries, pushed by one thread and then taken in batches by the same.
mod injector {
    use super::queue::{Injector, Order};
    use divan::{black_box, counter::ItemsCount, Bencher};

    const ROUND: u64 = 1000;

    #[divan::bench]
    fn push_take(bencher: Bencher) {
        let injector = Injector::new(Order::Fifo);
        bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
            (0..ROUND).for_each(|entry| {
                injector.push(black_box(entry));
            });
            let mut batch = [0; 32];
            while let taken @ 1.. = injector.take(&mut batch, || 32) {
                black_box(&batch[..taken]);
            }
        });
    }

    #[divan::bench]
    fn push_take_crossbeam(bencher: Bencher) {
        let (sender, receiver) = crossbeam_channel::unbounded();
        bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
            (0..ROUND).for_each(|entry| sender.send(black_box(entry)).expect("the receiver is here"));
            while let Ok(entry) = receiver.try_recv() {
                black_box(entry);
            }
        });
    }
}
