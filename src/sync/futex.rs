//! A 32-bit word that threads can sleep on: futex(2) on Linux, a lock and a condition elsewhere and under loom.
//!
//! Source of the protocol: U. Drepper, "Futexes Are Tricky" (2011). A sleeper names the value that it saw; it
//! sleeps only if the word still has it. Whoever wakes changes the word first.

use super::{AtomicU32, Deadline, Ordering};

/// The word.
pub(crate) struct Futex {
    value: AtomicU32,
    #[cfg(any(loom, not(target_os = "linux")))]
    sleepers: portable::Sleepers,
}

impl Futex {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: u32) -> Self {
        Self {
            value: AtomicU32::new(value),
            #[cfg(not(target_os = "linux"))]
            sleepers: portable::Sleepers::new(),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new(value: u32) -> Self {
        Self { value: AtomicU32::new(value), sleepers: portable::Sleepers::new() }
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.value.load(order)
    }

    pub(crate) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        self.value.fetch_add(value, order)
    }

    /// Stores a value, and wakes a sleeper if the word said `sleeping` before. Once the value is stored the word's
    /// memory may go: from then on Linux needs its address only, and elsewhere `settle` waits for the lock.
    pub(crate) fn publish(&self, value: u32, sleeping: u32) {
        // AcqRel: Release pairs with the Acquire of whoever reads the value.
        #[cfg(any(loom, not(target_os = "linux")))]
        self.sleepers.publish(|| self.value.swap(value, Ordering::AcqRel) == sleeping);
        #[cfg(all(not(loom), target_os = "linux"))]
        {
            let address = self.value.as_ptr();
            if self.value.swap(value, Ordering::AcqRel) == sleeping {
                linux::wake(address, 1);
            }
        }
    }

    pub(crate) fn compare_exchange(
        &self,
        now: u32,
        new: u32,
        ok: Ordering,
        no: Ordering,
    ) -> Result<u32, u32> {
        self.value.compare_exchange(now, new, ok, no)
    }

    /// Sleeps while the word is `expected`, at most until the deadline. May return for no reason (a signal, a
    /// stray wake-up): the caller looks again. False when the deadline has passed.
    pub(crate) fn wait(&self, expected: u32, deadline: Deadline) -> bool {
        #[cfg(any(loom, not(target_os = "linux")))]
        return self.sleepers.wait(&self.value, expected, deadline);
        #[cfg(all(not(loom), target_os = "linux"))]
        return linux::wait(&self.value, expected, deadline);
    }

    /// Returns once no waker holds anything inside the word any more; then its memory may go.
    pub(crate) fn settle(&self) {
        #[cfg(any(loom, not(target_os = "linux")))]
        self.sleepers.settle();
    }

    /// Wakes them all.
    pub(crate) fn wake_all(&self) {
        #[cfg(any(loom, not(target_os = "linux")))]
        self.sleepers.wake_all();
        #[cfg(all(not(loom), target_os = "linux"))]
        linux::wake(self.value.as_ptr(), i32::MAX);
    }
}

#[cfg(all(not(loom), target_os = "linux"))]
mod linux {
    use super::{AtomicU32, Deadline};

    pub(super) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> bool {
        let left = deadline.remaining();
        if left.is_some_and(|left| left.is_zero()) {
            return false;
        }
        let relative = left.map(|left| libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos() as libc::c_long,
        });
        let timeout = relative.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: FUTEX_WAIT reads the aligned word and the timespec, which both live until the call returns.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                expected,
                timeout,
            );
        }
        // Whatever the kernel said (woken, changed, interrupted, timed out), the clock decides.
        !deadline.has_passed()
    }

    pub(super) fn wake(address: *mut u32, count: i32) {
        // SAFETY: FUTEX_WAKE only uses the address, it reads no memory of ours.
        unsafe {
            libc::syscall(libc::SYS_futex, address, libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, count);
        }
    }
}

#[cfg(any(loom, not(target_os = "linux")))]
mod portable {
    use super::{AtomicU32, Deadline, Ordering};
    #[cfg(loom)]
    use loom::sync::{Condvar, Mutex};
    #[cfg(not(loom))]
    use std::sync::{Condvar, Mutex};

    /// The lock orders "compare, then sleep" against "change, then wake": a waker that finds it free comes either
    /// before the comparison, which then sees the change, or after the sleeper is on the condition.
    pub(super) struct Sleepers {
        lock: Mutex<()>,
        changed: Condvar,
    }

    impl Sleepers {
        #[cfg(not(loom))]
        pub(super) const fn new() -> Self {
            Self { lock: Mutex::new(()), changed: Condvar::new() }
        }

        #[cfg(loom)]
        pub(super) fn new() -> Self {
            Self { lock: Mutex::new(()), changed: Condvar::new() }
        }

        pub(super) fn wait(&self, word: &AtomicU32, expected: u32, deadline: Deadline) -> bool {
            let guard = super::super::lock(&self.lock);
            if word.load(Ordering::SeqCst) != expected {
                return !deadline.has_passed();
            }
            match deadline.remaining() {
                None => drop(self.changed.wait(guard)),
                Some(left) if left.is_zero() => return false,
                Some(left) => drop(self.changed.wait_timeout(guard, left)),
            }
            !deadline.has_passed()
        }

        pub(super) fn settle(&self) {
            drop(super::super::lock(&self.lock));
        }

        pub(super) fn publish(&self, store: impl FnOnce() -> bool) {
            let _guard = super::super::lock(&self.lock);
            if store() {
                self.changed.notify_one();
            }
        }

        pub(super) fn wake_all(&self) {
            let _guard = super::super::lock(&self.lock);
            self.changed.notify_all();
        }
    }
}
