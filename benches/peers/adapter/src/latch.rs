//! What a pool without futures, or a wait for a batch, needs beside it: `../../c/latch.h` in Rust.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

pub struct Latch {
    left: AtomicUsize,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    /// Calls `submit` with a latch that `count` tasks have to count down, each as the last thing it does, and waits
    /// for them.
    pub fn wait_for(count: usize, submit: impl FnOnce(&'static Latch)) {
        let latch = Latch::new(count);
        // SAFETY: it is used by tasks until each has counted down, which is what is waited for.
        submit(unsafe { &*ptr::from_ref(&latch) });
        latch.wait();
    }

    pub fn new(count: usize) -> Latch {
        Latch { left: AtomicUsize::new(count), open: Mutex::new(count == 0), opened: Condvar::new() }
    }

    pub fn count_down(&self) {
        // Release and Acquire: what the tasks did has happened when the last of them opens the latch.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut open = self.open.lock().expect("nobody panics");
            *open = true;
            self.opened.notify_one(); // under the lock: once it is free, the latch may be gone
        }
    }

    fn wait(&self) {
        let open = self.open.lock().expect("nobody panics");
        drop(self.opened.wait_while(open, |open| !*open).expect("nobody panics"));
    }
}
