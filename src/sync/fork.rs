//! What a fork leaves behind, as far as this floor sees it: an epoch that steps in each child.
//!
//! Nothing is done before a fork, and its child only steps the epoch: with the first call after it, `pool/fork`
//! makes anew what another thread may have held in the middle of a change.

use super::{AtomicU32, Ordering};
use std::cell::UnsafeCell;
use std::ops::Deref;

static EPOCH: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library (modulo 2^32).
#[inline]
pub(crate) fn epoch() -> u32 {
    // Relaxed: it changes only in a child that has no other thread yet.
    EPOCH.load(Ordering::Relaxed)
}

/// Steps the epoch; in the child, by its only thread.
pub(crate) fn step_epoch() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
}

/// Something of a static that the child of a fork replaces whole, without looking at what the parent left.
pub(crate) struct Renewable<T>(UnsafeCell<T>);

// SAFETY: shared like the T in it; `renew` has a contract of its own.
unsafe impl<T: Sync> Sync for Renewable<T> {}

impl<T> Renewable<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Replaces the value. The old one is not dropped: it may be in the middle of a change.
    ///
    /// # Safety
    /// No other thread uses it, and nobody holds a reference into it.
    pub(crate) unsafe fn renew(&self, value: T) {
        // SAFETY: by the contract above.
        unsafe { self.0.get().write(value) };
    }
}

impl<T> Deref for Renewable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody writes but `renew`, whose caller promised that there are no references.
        unsafe { &*self.0.get() }
    }
}
