//! The child of a fork: one thread, and a copy of everything that the parent's threads were in the middle of.
//!
//! ```text
//! fork --child--> epoch + 1 (that is all) --first call--> what others may have held is made anew
//!                                         --a pool's first use--> a new pool of the same handle and options
//! ```
//!
//! No lock is taken before the fork. The parent's tasks, groups and queues of completions are left as they are, never
//! touched, and their handles answer EFORKED: they lie below where the child's begin.

use super::{context, deadlock, registry, timers};
use crate::observe;
use crate::sync::{epoch, spin_hint, step_epoch, AtomicU32, Ordering};
use crate::task;

/// The epoch for which everything has been made anew.
static SEEN: AtomicU32 = AtomicU32::new(0);
/// The epoch for which a thread is doing it, or has.
static CLAIMED: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_the_child() {
    step_epoch();
    context::forget_stack();
}

/// Sees to it that a fork is noticed; before anything with a handle is made.
pub(crate) fn watch() {
    static WATCHED: AtomicU32 = AtomicU32::new(0);
    if WATCHED.load(Ordering::Relaxed) == 0 {
        // Several threads may do it at the same time: then the epoch steps by more than one. So nobody's first handle is
        // made before forks are noticed, and no child waits for a thread that isn't there.
        //
        // SAFETY: the handler stays (the library is never unloaded), and only stores numbers and resets two pointers.
        // A refusal (out of memory) leaves forks unnoticed, which is as it was before this library was there.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
        WATCHED.store(1, Ordering::Relaxed);
    }
}

/// Whether `check` has something to do.
#[inline(always)]
pub(crate) fn may_have_forked() -> bool {
    // Acquire: pairs with the Release in `revive`.
    SEEN.load(Ordering::Acquire) != epoch()
}

/// The first thing in each call: has this process been forked since the last one? `above` makes the upper floors anew.
#[inline]
pub(crate) fn check(above: unsafe fn()) {
    if may_have_forked() {
        revive(above);
    }
}

#[cold]
fn revive(above: unsafe fn()) {
    let now = epoch();
    let claimed = CLAIMED.load(Ordering::Relaxed);
    let is_mine = claimed != now
        && CLAIMED.compare_exchange(claimed, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if is_mine {
        // SAFETY: the parent's threads are not in this process, and the child's others wait below.
        unsafe {
            task::after_fork();
            observe::after_fork();
            deadlock::after_fork();
            timers::after_fork();
            registry::after_fork();
            above();
        }
        SEEN.store(now, Ordering::Release);
        return;
    }
    while SEEN.load(Ordering::Acquire) != now {
        spin_hint();
        std::thread::yield_now();
    }
}
