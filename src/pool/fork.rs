//! The child of a fork: one thread, and a copy of everything that the parent's threads were in the middle of.
//!
//! ```text
//! fork --child--> epoch + 1; the thread's own stack of frames, pools and free cells are forgotten (that is all)
//!      --first call--> what others may have held is made anew
//!      --a pool's first use--> a new pool of the same handle and options
//! ```
//!
//! No lock is taken before the fork. The parent's tasks, groups and queues of completions are left as they are, never
//! touched, and their handles answer EFORKED: they lie below where the child's begin.

use super::{context, deadlock, registry, timers};
use crate::observe;
use crate::sync::{call_out_through, epoch, spin_hint, step_epoch, AtomicU32, Ordering};
use crate::task;

/// Not 0: this is the child of a fork, and not everything has been made anew.
static NEWBORN: AtomicU32 = AtomicU32::new(0);
/// The epoch for which a thread is doing it, or has.
static CLAIMED: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_the_child() {
    step_epoch();
    NEWBORN.store(1, Ordering::Relaxed);
    context::forget_stack();
    task::forget_cells();
}

/// Sees to it that a fork is noticed, and that handles are known; before anything with a handle is made.
pub(crate) fn watch() {
    static WATCHED: AtomicU32 = AtomicU32::new(0);
    // Acquire: pairs with the Release below; the copy is known.
    if WATCHED.load(Ordering::Acquire) == 0 {
        task::find_copy();
        call_out_through(context::call_out_of_body);
        // Several threads may do it at the same time: then the epoch steps by more than one. So nobody's first handle is
        // made before forks are noticed, and no child waits for a thread that isn't there.
        //
        // SAFETY: the handler stays (the library is never unloaded), and only stores numbers and resets pointers.
        // A refusal (out of memory) leaves forks unnoticed, which is as it was before this library was there.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
        WATCHED.store(1, Ordering::Release);
    }
}

/// Whether `check` has something to do.
#[inline(always)]
pub(crate) fn may_have_forked() -> bool {
    // Acquire: pairs with the Release in `revive`.
    NEWBORN.load(Ordering::Acquire) != 0
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
        NEWBORN.store(0, Ordering::Release);
        return;
    }
    while may_have_forked() {
        spin_hint();
        std::thread::yield_now();
    }
}
