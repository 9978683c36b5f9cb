//! One thread waits for one event; any thread sets it, once.
//!
//! ```text
//! word:  0 EMPTY --wait--> 1 SLEEPING --set(v)--> v >= 2      (set from EMPTY skips the system call)
//! ```
//!
//! The value tells what happened. Once it is stored the waiter may leave with the stack frame that holds the latch
//! (see `Futex::publish`).

use super::{Deadline, Futex, Ordering};
use std::time::Duration;
#[cfg(not(loom))]
use std::time::Instant;

const EMPTY: u32 = 0;
const SLEEPING: u32 = 1;
/// Values of the caller's are stored above the two of our own.
const FIRST: u32 = 2;

/// The latch. `set` carries a small value over to the waiter.
pub(crate) struct Latch {
    word: Futex,
}

impl Latch {
    pub(crate) fn new() -> Self {
        Self { word: Futex::new(EMPTY) }
    }

    /// Sets the latch. Set again, it has the new value.
    ///
    /// # Safety
    /// The latch lives at least until this has stored the value: the caller reached it through a registration
    /// that the waiter takes back before it leaves.
    pub(crate) unsafe fn set(latch: *const Self, value: u32) {
        // SAFETY: alive, by the contract above.
        unsafe { &(*latch).word }.publish(value + FIRST, SLEEPING);
    }

    /// The value, if it was set.
    pub(crate) fn get(&self) -> Option<u32> {
        // Acquire: pairs with the Release in `Futex::publish`; brings what happened before the event.
        self.word.load(Ordering::Acquire).checked_sub(FIRST)
    }

    /// Lets other threads go first for so long, as long as there is no value. Not asleep, it costs the setter no system call.
    #[cfg(not(loom))]
    pub(crate) fn linger(&self, longest: Duration) {
        let until = Instant::now() + longest;
        while self.get().is_none() {
            std::thread::yield_now();
            if Instant::now() >= until {
                return;
            }
        }
    }

    #[cfg(loom)]
    pub(crate) fn linger(&self, _: Duration) {}

    /// Waits for the value; `None` when the deadline passed first. One waiter at a time.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<u32> {
        loop {
            if let Some(value) = self.get() {
                return Some(value);
            }
            if deadline == Deadline::Now {
                return None;
            }
            // Tell the setter that a system call is due; fails only if the value has come, or is SLEEPING already.
            let _ = self.word.compare_exchange(EMPTY, SLEEPING, Ordering::Relaxed, Ordering::Relaxed);
            if !self.word.wait(SLEEPING, deadline) && self.get().is_none() {
                return None;
            }
        }
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.word.settle();
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    #[test]
    fn a_set_is_never_missed_and_carries_its_value() {
        model(|| {
            let latch = Arc::new(Latch::new());
            let data = Arc::new(crate::sync::AtomicU32::new(0));
            let (set, waiter) = ((latch.clone(), data.clone()), (latch, data));
            let setter = thread::spawn(move || {
                set.1.store(1, Ordering::Relaxed);
                // SAFETY: the Arc keeps the latch alive.
                unsafe { Latch::set(Arc::as_ptr(&set.0), 7) };
            });
            // On a thread of its own, too: what the main thread does is not interleaved in full.
            let waiter = thread::spawn(move || {
                assert_eq!(waiter.0.wait(Deadline::Never), Some(7));
                assert_eq!(waiter.1.load(Ordering::Relaxed), 1, "what came before the event is seen");
            });
            setter.join().unwrap();
            waiter.join().unwrap();
        });
    }
}
