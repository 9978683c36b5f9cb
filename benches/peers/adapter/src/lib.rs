//! `../../c/adapter.h` in Rust.

use std::ffi::c_void;
use std::ptr;

/// `batch_t`: how many tasks to submit, one by one, and which.
#[repr(C)]
pub struct Batch {
    pub count: usize,
    task: extern "C" fn(*mut c_void) -> *mut c_void,
    slots: *mut *mut c_void,
    submitted_at: i64,
    waited_at: i64,
}

impl Batch {
    /// The task of this batch, to be called once for each of `count`.
    pub fn task(&self) -> impl Fn() + Copy + Send + Sync + 'static {
        let task = self.task;
        move || {
            task(ptr::null_mut());
        }
    }
}
