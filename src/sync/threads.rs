//! Threads of the library's: counted, and with the signals that they are to let through.
//!
//! ```text
//! spawn: block all signals -> start -> the old mask again        in the thread: its own mask -> main
//!        the old mask is the new thread's? start                 main
//! ```
//!
//! A thread inherits its signal mask from whoever starts it, which in a pool is whoever happens to submit. Here it is
//! given one instead, and none gets through before. As a rule that is the one that it inherits: then nothing is changed.

use super::{AtomicU32, Ordering};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

/// Threads of this process that the library has started and that have not ended.
static OWN_THREADS: AtomicU32 = AtomicU32::new(0);

pub(super) fn own_threads() -> u32 {
    OWN_THREADS.load(Ordering::Relaxed)
}

/// In the child of a fork there are none.
pub(super) fn forget_own_threads() {
    OWN_THREADS.store(0, Ordering::Relaxed);
}

/// The signals that a thread doesn't let through.
#[derive(Clone, Copy)]
pub(crate) struct SignalMask(libc::sigset_t);

impl fmt::Debug for SignalMask {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignalMask").finish_non_exhaustive()
    }
}

/// What a thread does wrong itself: a handler for it is to run on that thread, whatever its mask.
const FAULTS: [libc::c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

impl SignalMask {
    /// The calling thread's.
    pub(crate) fn of_this_thread() -> Self {
        Self::changed(libc::SIG_BLOCK, None)
    }

    /// All but those for faults of the thread's own.
    pub(crate) fn all() -> Self {
        let mut set = MaybeUninit::zeroed();
        // SAFETY: sigfillset fills the set, and sigdelset changes a set that is filled.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for signal in FAULTS {
                libc::sigdelset(set.as_mut_ptr(), signal);
            }
            Self(set.assume_init())
        }
    }

    /// Makes it the calling thread's.
    fn set(&self) {
        Self::changed(libc::SIG_SETMASK, Some(self));
    }

    fn is(&self, other: &Self) -> bool {
        // SAFETY: a set is plain bits, all of them initialised in `changed`.
        let bits = |mask: &Self| unsafe { *(&raw const mask.0).cast::<[u8; size_of::<libc::sigset_t>()]>() };
        bits(self) == bits(other)
    }

    fn changed(how: libc::c_int, to: Option<&Self>) -> Self {
        let new = to.map_or(std::ptr::null(), |mask| &raw const mask.0);
        // Zeros: sigemptyset leaves bits alone for which there are no signals, and `is` compares all.
        let mut old = MaybeUninit::zeroed();
        // SAFETY: sigemptyset fills the set; `new` is NULL or a set.
        unsafe {
            libc::sigemptyset(old.as_mut_ptr());
            libc::pthread_sigmask(how, new, old.as_mut_ptr());
            Self(old.assume_init())
        }
    }
}

/// Starts a thread of the library's.
pub(crate) fn spawn(
    builder: Builder,
    signals: SignalMask,
    main: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            OWN_THREADS.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let before = SignalMask::of_this_thread();
    let inherits = before.is(&signals);
    if !inherits {
        SignalMask::all().set();
    }
    let started = builder.spawn(move || {
        OWN_THREADS.fetch_add(1, Ordering::Relaxed);
        let _ended = Ended;
        if !inherits {
            signals.set();
        }
        main();
    });
    if !inherits {
        before.set();
    }
    started
}
