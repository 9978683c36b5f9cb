//! chili: join, and nothing else. The calling thread is one of the pool's; a heartbeat decides what another may take.

use std::num::NonZeroUsize;

use adapter::{Current, Loop};
use chili::{Config, Scope, ThreadPool};

static POOL: Current<ThreadPool> = Current::new();

#[no_mangle]
pub extern "C" fn bench_start(workers: u32) {
    let thread_count = NonZeroUsize::new(workers as usize);
    POOL.start(ThreadPool::with_config(Config { thread_count, ..Config::default() }));
}

#[no_mangle]
pub extern "C" fn bench_stop() {
    drop(POOL.stop());
}

fn fib(scope: &mut Scope<'_>, n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (a, b) = scope.join(|scope| fib(scope, n - 1), |scope| fib(scope, n - 2));
    a + b
}

#[no_mangle]
pub extern "C" fn bench_fib(n: u32) -> u64 {
    POOL.with(|pool| fib(&mut pool.scope(), n))
}

/// Halves as far as `grain`. A join costs next to nothing until the heartbeat says that others may have its half.
fn run(scope: &mut Scope<'_>, body: &(impl Fn(usize, usize) + Sync), grain: usize, begin: usize, end: usize) {
    if end - begin <= grain {
        return body(begin, end);
    }
    let middle = begin + (end - begin) / 2;
    scope.join(|scope| run(scope, body, grain, begin, middle), |scope| run(scope, body, grain, middle, end));
}

fn run_whole(scope: &mut Scope<'_>, whole: &Loop) {
    run(scope, &whole.body(), (whole.count / 1024).max(1), 0, whole.count);
}

#[no_mangle]
pub extern "C" fn bench_for(whole: &mut Loop) {
    POOL.with(|pool| (0..whole.times).for_each(|_| run_whole(&mut pool.scope(), whole)));
}

/// A thread is in the pool while it has a scope.
#[no_mangle]
pub extern "C" fn bench_for_inside(whole: &mut Loop) {
    POOL.with(|pool| {
        let mut scope = pool.scope();
        (0..whole.times).for_each(|_| run_whole(&mut scope, whole));
    });
}
