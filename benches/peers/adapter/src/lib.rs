//! `../../c/adapter.h` in Rust.

use std::ffi::c_void;
use std::sync::RwLock;
use std::{ptr, slice};

mod latch;

pub use latch::Latch;

/// `batch_t`: how many tasks to submit, one by one, and which.
#[repr(C)]
pub struct Batch {
    pub count: usize,
    task: TaskFn,
    slots: *mut *mut c_void,
    submitted_at: i64,
    waited_at: i64,
}

/// What a task is in C.
pub type TaskFn = extern "C" fn(*mut c_void) -> *mut c_void;

impl Batch {
    /// The task of this batch, to be called once for each of `count`.
    pub fn task(&self) -> impl Fn() + Copy + Send + Sync + 'static {
        let task = self.task;
        move || {
            task(ptr::null_mut());
        }
    }

    /// Puts a future, of the size of a pointer, where it is kept and never given back.
    pub fn keep<T>(&mut self, index: usize, future: T) {
        const {
            assert!(
                size_of::<T>() == size_of::<*mut c_void>() && align_of::<T>() <= align_of::<*mut c_void>()
            )
        };
        // SAFETY: as asserted, it is as large as a slot.
        unsafe { (&raw mut self.slots()[index]).cast::<T>().write(future) };
    }

    /// Room for a pointer a task.
    pub fn slots(&mut self) -> &mut [*mut c_void] {
        // SAFETY: the driver gave an array of `count` pointers, and nobody else uses it while it lends the batch.
        unsafe { slice::from_raw_parts_mut(self.slots, self.count) }
    }
}

/// The argument of `bench_fire`'s task, which may run on any thread.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Argument(*mut c_void);

// SAFETY: the driver expects its task, with this argument, on any thread.
unsafe impl Send for Argument {}
// SAFETY: as above.
unsafe impl Sync for Argument {}

impl Argument {
    pub fn run(self, task: TaskFn) {
        task(self.0);
    }
}

/// `loop_t`: a body for the indices `0..count`, all of it to be done `times` times.
#[repr(C)]
pub struct Loop {
    pub times: usize,
    pub count: usize,
    body: extern "C" fn(*mut c_void, usize, usize),
    context: Argument,
}

impl Loop {
    /// The body, to be called with parts `begin, end` that together are `0..count`.
    pub fn body(&self) -> impl Fn(usize, usize) + Copy + Send + Sync + 'static {
        let (body, context) = (self.body, self.context);
        move |begin, end| {
            let Argument(context) = { context };
            body(context, begin, end);
        }
    }
}

/// The pool, or what leads to it, from `bench_start` to `bench_stop`.
pub struct Current<P>(RwLock<Option<P>>);

impl<P> Current<P> {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Current(RwLock::new(None))
    }

    pub fn start(&self, pool: P) {
        let before = self.0.write().unwrap().replace(pool);
        assert!(before.is_none(), "bench_start is called once, or after bench_stop");
    }

    pub fn stop(&self) -> P {
        self.0.write().unwrap().take().expect("bench_start was called")
    }

    /// Any number of threads may be in here at the same time.
    pub fn with<R>(&self, call: impl FnOnce(&P) -> R) -> R {
        call(self.0.read().unwrap().as_ref().expect("bench_start was called"))
    }
}
