//! One thread waits for one event; any thread sets it, once.
//!
//! ```text
//! word:  0 EMPTY --wait--> 1 SLEEPING --set(v)--> v >= 2      (set from EMPTY skips the system call)
//! ```
//!
//! The value tells what happened. After `set` has stored it, the setter touches the latch's memory no more (the
//! wake-up names its address only), so the waiter may leave with the stack frame that holds the latch.

use super::{Deadline, Futex, Ordering};

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

    /// Sets the latch; the first value wins.
    ///
    /// # Safety
    /// The latch lives at least until this has stored the value: the caller reached it through a registration
    /// that the waiter takes back before it leaves.
    pub(crate) unsafe fn set(latch: *const Self, value: u32) {
        // SAFETY: alive, by the contract above.
        let word = unsafe { &(*latch).word };
        // AcqRel: Release pairs with the Acquire in `get` and hands over what happened before the event.
        let before = word.swap(value + FIRST, Ordering::AcqRel);
        if before == SLEEPING {
            // On Linux this uses the address only, for the waiter may be gone. (The portable futex has a lock
            // inside: there the waiter passes through `settle` before it leaves `wait`.)
            word.wake_one();
        }
    }

    /// The value, if it was set.
    pub(crate) fn get(&self) -> Option<u32> {
        // Acquire: pairs with the swap in `set`.
        self.word.load(Ordering::Acquire).checked_sub(FIRST)
    }

    /// Waits for the value; `None` when the deadline passed first. One waiter at a time.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<u32> {
        loop {
            if let Some(value) = self.get() {
                self.word.settle();
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

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    #[test]
    fn a_set_is_never_missed_and_carries_its_value() {
        model(|| {
            let latch = Arc::new(Latch::new());
            let setter = {
                let latch = latch.clone();
                // SAFETY: the Arc keeps the latch alive.
                thread::spawn(move || unsafe { Latch::set(Arc::as_ptr(&latch), 7) })
            };
            assert_eq!(latch.wait(Deadline::Never), Some(7));
            setter.join().unwrap();
        });
    }
}
