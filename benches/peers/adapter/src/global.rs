//! The pool between `bench_start` and `bench_stop`.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub struct Global<T>(AtomicPtr<T>);

impl<T: Send + Sync> Global<T> {
    #[allow(clippy::new_without_default)] // for statics
    pub const fn new() -> Global<T> {
        Global(AtomicPtr::new(ptr::null_mut()))
    }

    /// In `bench_start`.
    pub fn start(&self, value: T) {
        let before = self.0.swap(Box::into_raw(Box::new(value)), Ordering::AcqRel);
        assert!(before.is_null(), "bench_start is called again only after bench_stop");
    }

    /// In all other functions, and their tasks.
    pub fn get(&self) -> &T {
        // SAFETY: `start` made it, and the driver calls `bench_stop` after everything else.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.expect("bench_start was called")
    }

    /// In `bench_stop`: drops it.
    pub fn stop(&self) {
        let value = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        assert!(!value.is_null(), "bench_stop is called after bench_start");
        // SAFETY: `start` made it with `Box::into_raw`; the swap gave it to nobody else.
        drop(unsafe { Box::from_raw(value) });
    }
}
