//! The one door to atomics, locks and threads.
//!
//! ```text
//! sync::{AtomicU64, Mutex, ...}   std's, or loom's under cfg(loom): nobody else names either
//! Futex        a word to sleep on      (futex(2); a lock and a condition elsewhere)
//! EventCount   sleep until "something changed", without a lost wake-up
//! Latch        one thread waits for one event
//! Deadline     when a wait gives up
//! Signal       a descriptor to poll
//! Slots        numbers of handles, and the counted objects behind them
//! Renewable    what the child of a fork makes anew
//! spawn        starts a thread of the library's, with a signal mask of its own
//! light, heavy   a pair of fences, one of them free
//! call_out     the way out of the library into the embedder's code, but for bodies (pool/context)
//! memory       pages of the system's
//! own          pointers of each thread's own
//! now_ns       the clock of what is measured
//! environment_variable   what the user asks for without a line of code
//! ```

mod asymmetric;
#[cfg(not(loom))]
mod environment;
mod event_count;
#[cfg(not(loom))]
mod fork;
mod futex;
mod latch;
#[cfg(not(loom))]
pub(crate) mod memory;
#[cfg(not(loom))]
mod own;
#[cfg(not(loom))]
mod signal;
mod slots;
mod spin;
#[cfg(not(loom))]
mod threads;
mod time;

pub(crate) use asymmetric::{heavy, is_available as has_heavy, light};
#[cfg(not(loom))]
pub(crate) use environment::environment_variable;
pub(crate) use event_count::EventCount;
#[cfg(not(loom))]
pub(crate) use fork::{
    call_out, call_out_through, end_forked_thread, end_if_forked, epoch, step_epoch, Renewable,
};
pub(crate) use futex::Futex;
pub(crate) use latch::Latch;
#[cfg(not(loom))]
pub(crate) use own::{own, set_own, Own};
#[cfg(not(loom))]
pub(crate) use signal::Signal;
#[cfg(not(loom))]
pub(crate) use slots::{Slots, Use};
pub(crate) use spin::SpinBudget;
#[cfg(not(loom))]
pub(crate) use threads::{spawn, SignalMask};
pub(crate) use time::now_ns;
#[cfg(not(loom))]
pub(crate) use time::thread_cpu_ns;
pub(crate) use time::Deadline;

#[cfg(loom)]
pub(crate) use loom::sync::{
    atomic::{fence, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    Mutex, MutexGuard,
};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    atomic::{fence, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    Mutex, MutexGuard,
};

/// Locks, and goes on with what a panicking holder left: every critical section of this crate leaves its data
/// whole at each step that can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The same, if nobody holds it.
#[cfg(not(loom))]
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}

/// A SeqCst fence for who has just changed by a read-modify-write what the other side is to see.
///
/// On x86-64 that instruction is one: nothing moves across it (Intel SDM, volume 3, "Memory Ordering"), so it is enough to keep
/// the compiler from it.
#[inline]
pub(crate) fn fence_after_rmw() {
    #[cfg(all(target_arch = "x86_64", not(loom)))]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(not(all(target_arch = "x86_64", not(loom))))]
    fence(Ordering::SeqCst);
}

/// Writes to what nobody else uses any more: loom sees to it that all that others did with it came before.
pub(crate) fn set_alone(atomic: &mut AtomicU64, value: u64) {
    #[cfg(loom)]
    atomic.with_mut(|now| *now = value);
    #[cfg(not(loom))]
    {
        *atomic.get_mut() = value;
    }
}

/// One step of a spin loop.
pub(crate) fn spin_hint() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}

#[cfg(all(test, loom))]
pub(crate) use loom::sync::Arc;

/// One look more for what another thread is just about to do: `looks` have been in vain. It may have lost its CPU.
pub(crate) fn snooze(looks: u32) {
    const SPINS: u32 = 100;
    #[cfg(not(loom))]
    if looks >= SPINS {
        return std::thread::yield_now();
    }
    debug_assert!(looks < SPINS || !cfg!(loom), "a model waits for what can't come");
    spin_hint();
}

/// Has the cache line fetched that will be needed soon. Any address will do.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a hint, which reads nothing that the program could see and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Runs a model over all interleavings; every loom test of the crate goes through here.
#[cfg(all(test, loom))]
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(body);
}
