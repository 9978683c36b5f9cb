//! What a fork leaves behind, as far as this floor sees it: an epoch that steps in each child.
//!
//! Nothing is done before a fork, and its child only steps the epoch and forgets what the thread kept to itself: with the first
//! call after it, `pool/fork` makes anew what another thread may have held in the middle of a change.
//!
//! ```text
//! library frame -> call_out(callback, hook), or Frame::enter(body) -> fork --child--> returns there: the thread ends
//! ```

use super::{threads, AtomicPtr, AtomicU32, Ordering};
use std::cell::UnsafeCell;
use std::ops::Deref;
use std::time::Duration;

static EPOCH: AtomicU32 = AtomicU32::new(0);
/// A `Caller`, or null: what is around each call out.
static CALLER: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Calls what it gets, once.
pub(crate) type Caller = fn(&mut dyn FnMut());

/// How many forks lie between this process and the one that loaded the library (modulo 2^32).
#[inline]
pub(crate) fn epoch() -> u32 {
    // Relaxed: it changes only in a child that has no other thread yet.
    EPOCH.load(Ordering::Relaxed)
}

/// Steps the epoch; in the child, by its only thread.
pub(crate) fn step_epoch() {
    EPOCH.fetch_add(1, Ordering::Relaxed);
    threads::forget_own_threads();
}

/// Calls something of the embedder's: a callback, a hook. All that does goes through here, but for bodies: `Frame::enter`.
///
/// If it forks, the child has a copy of the library's frames below it, and what they are in the middle of is the
/// parent's. So in the child this doesn't return: the thread ends.
pub(crate) fn call_out<T>(call: impl FnOnce() -> T) -> T {
    let forks = epoch();
    let (mut call, mut value) = (Some(call), None);
    let mut call = || value = call.take().map(|call| call());
    let caller = CALLER.load(Ordering::Relaxed);
    if caller.is_null() {
        call();
    } else {
        // SAFETY: `call_out_through` has stored a `Caller`.
        let caller = unsafe { std::mem::transmute::<*mut (), Caller>(caller) };
        caller(&mut call);
    }
    end_if_forked(forks);
    value.expect("a caller calls")
}

/// From now on all of that is called by this function, of a floor above.
pub(crate) fn call_out_through(caller: Caller) {
    CALLER.store(caller as *mut (), Ordering::Relaxed);
}

/// The same for a caller who looks only where something is odd: `forks` is the epoch before the call.
#[inline]
pub(crate) fn end_if_forked(forks: u32) {
    if epoch() != forks {
        end_forked_thread();
    }
}

/// Ends the thread. If there are no others but the library's own, so does the process, as when the last thread of any
/// process ends: nobody could come and submit anything to them.
#[cold]
#[inline(never)]
pub(crate) fn end_forked_thread() -> ! {
    if is_the_last_of_the_embedders() {
        // SAFETY: runs the functions of `atexit`, which is what the end of the last thread does.
        unsafe { libc::exit(0) }
    }
    #[cfg(target_os = "linux")]
    // SAFETY: ends this thread only. What its frames own is the parent's, so there is nothing to give back; pthread_exit
    // would unwind them.
    unsafe {
        libc::syscall(libc::SYS_exit, 0);
    }
    // SAFETY: never returns.
    unsafe { libc::pthread_exit(std::ptr::null_mut()) }
}

fn is_the_last_of_the_embedders() -> bool {
    // A thread of ours that starts or ends just now is listed and not counted: look again.
    for _ in 0..20 {
        // Where threads can't be listed, the process ends: another thread of the child's is rarer than none.
        let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return true };
        if threads.count() <= 1 + threads::own_threads() as usize {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
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
