//! A pair of fences of which one costs nothing: `light` where it is passed a billion times, `heavy` for the rare other side.
//!
//! ```text
//! owner    store mine ; light ; load theirs            light: only the compiler is told
//! other    store theirs ; heavy ; load mine            heavy: each running thread of the process passes a full fence
//! ```
//!
//! As of two SeqCst fences at least one of the two sides sees the other's store. membarrier(2) interrupts every CPU that
//! runs a thread of this process and lets it pass a full fence somewhere in its program; a thread that doesn't run has
//! passed one when it was taken off its CPU. If the owner's fence falls before its store, then so before its load, which sees `theirs`;
//! if it falls after the store, `heavy` has waited for it and the other side sees `mine`. (folly's AsymmetricThreadFence;
//! liburcu's sys_membarrier flavour.) Where there is no such call nobody may rely on `light`: `is_available` says so. Under loom
//! both are SeqCst fences.

#[cfg(loom)]
use super::{fence, Ordering};

/// The cheap side. Only where `is_available` was true.
#[inline(always)]
pub(crate) fn light() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// The dear side: some microseconds. False: the system has refused it, and nothing is known.
#[cold]
pub(crate) fn heavy() -> bool {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
    imp::heavy()
}

/// Whether `heavy` is to be had. Asked before the first `light`.
pub(crate) fn is_available() -> bool {
    imp::is_available()
}

#[cfg(all(not(loom), target_os = "linux"))]
mod imp {
    use super::super::{fence, AtomicU32, Ordering};

    // linux/membarrier.h
    const PRIVATE_EXPEDITED: i32 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

    fn membarrier(command: i32) -> bool {
        // SAFETY: reads and writes no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn heavy() -> bool {
        // The kernel's fence is for the other threads; this is for the compiler and this one.
        fence(Ordering::SeqCst);
        let passed = membarrier(PRIVATE_EXPEDITED);
        fence(Ordering::SeqCst);
        passed
    }

    pub(super) fn is_available() -> bool {
        const NOT_ASKED: u32 = 0;
        const YES: u32 = 1;
        const NO: u32 = 2;
        static ANSWER: AtomicU32 = AtomicU32::new(NOT_ASKED);
        // Relaxed: it is the same whoever asks. A child of a fork is registered as its parent was.
        match ANSWER.load(Ordering::Relaxed) {
            NOT_ASKED => {
                let registered = membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED);
                ANSWER.store(if registered { YES } else { NO }, Ordering::Relaxed);
                registered
            }
            answer => answer == YES,
        }
    }
}

#[cfg(not(all(not(loom), target_os = "linux")))]
mod imp {
    pub(super) fn heavy() -> bool {
        cfg!(loom)
    }

    pub(super) fn is_available() -> bool {
        cfg!(loom)
    }
}

#[cfg(all(test, not(loom), target_os = "linux"))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::*};
    use std::sync::Barrier;

    #[test]
    fn one_of_two_sides_sees_the_other() {
        if !is_available() {
            return;
        }
        const ROUNDS: usize = 2000;
        let (mine, theirs) = (AtomicU32::new(0), AtomicU32::new(0));
        let (seen_by_owner, start) = (AtomicU32::new(0), Barrier::new(2));
        for _ in 0..ROUNDS {
            let seen_by_other = std::thread::scope(|scope| {
                scope.spawn(|| {
                    start.wait();
                    mine.store(1, Relaxed);
                    light();
                    seen_by_owner.store(theirs.load(Relaxed), Relaxed);
                });
                start.wait();
                theirs.store(1, Relaxed);
                assert!(heavy());
                mine.load(Relaxed)
            });
            assert!(seen_by_other + seen_by_owner.load(Relaxed) > 0);
            mine.store(0, Relaxed);
            theirs.store(0, Relaxed);
        }
    }
}
