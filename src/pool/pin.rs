//! Threads that are bound to CPUs.
//!
//! ```text
//! seats   [ taken | taken | vacant | ... ]   one a regular thread; seat i is at usable CPU i modulo their number
//! ```
//!
//! A thread takes the lowest vacant seat below the pool's number of threads; one that finds none is a spare, and may
//! use all CPUs. A thread inherits the binding of who starts it, so whoever is bound here remembers what it was before,
//! and hands that on.

use crate::sync::{lock, Mutex};
use std::cell::Cell;

pub(super) use self::system::Mask;

thread_local! {
    /// What this thread might use before it was bound.
    static UNBOUND: Cell<Option<Mask>> = const { Cell::new(None) };
}

/// The CPUs that a thread which is started here should be able to use, if they are not those of this thread.
pub(super) fn mask_to_hand_on() -> Option<Mask> {
    UNBOUND.get()
}

/// A new thread lets go of the binding that it has from who started it.
pub(super) fn loosen(mask: Option<Mask>) {
    if let Some(mask) = mask {
        system::set_mask(&mask);
    }
}

/// The seats of a pool's threads.
pub(super) struct Seats {
    cpus: Vec<usize>,
    taken: Mutex<Vec<bool>>,
}

/// A thread's seat; vacant again when it is dropped.
pub(super) struct Seat<'a> {
    seats: &'a Seats,
    number: usize,
}

impl Seats {
    /// None where the system has no such thing: then no thread is bound.
    pub(super) fn new() -> Option<Self> {
        let mask = UNBOUND.get().or_else(system::mask)?;
        Some(Self { cpus: system::cpus_of(&mask), taken: Mutex::new(Vec::new()) })
            .filter(|seats| !seats.cpus.is_empty())
    }

    /// Gives the calling thread a seat below `threads` if it has none and one is vacant, and binds it.
    pub(super) fn sit_down<'a>(&'a self, seat: &mut Option<Seat<'a>>, threads: u32) {
        let threads = threads as usize;
        if seat.as_ref().is_some_and(|seat| seat.number < threads) {
            return;
        }
        let mut taken = lock(&self.taken);
        if taken.len() < threads {
            taken.resize(threads, false);
        }
        let Some(number) = taken[..threads].iter().position(|taken| !taken) else { return };
        taken[number] = true;
        drop(taken);
        if UNBOUND.get().is_none() {
            UNBOUND.set(system::mask());
        }
        // Without effect if the process may no longer use that CPU.
        system::set_mask(&system::mask_of(self.cpus[number % self.cpus.len()]));
        *seat = Some(Seat { seats: self, number }); // the old one is vacant now
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        lock(&self.seats.taken)[self.number] = false;
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::mem::zeroed;

    pub(in crate::pool) type Mask = libc::cpu_set_t;

    /// What the calling thread may use.
    pub(super) fn mask() -> Option<Mask> {
        // SAFETY: the set is plain bits, and the call writes no more than its size.
        unsafe {
            let mut mask: Mask = zeroed();
            (libc::sched_getaffinity(0, size_of::<Mask>(), &mut mask) == 0).then_some(mask)
        }
    }

    pub(super) fn set_mask(mask: &Mask) {
        // SAFETY: reads the set. A thread that is not bound is slower, not wrong.
        let _ = unsafe { libc::sched_setaffinity(0, size_of::<Mask>(), mask) };
    }

    pub(super) fn cpus_of(mask: &Mask) -> Vec<usize> {
        // SAFETY: the numbers are below the size of the set.
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, mask) }).collect()
    }

    pub(super) fn mask_of(cpu: usize) -> Mask {
        // SAFETY: plain bits; the number came out of such a set.
        unsafe {
            let mut mask: Mask = zeroed();
            libc::CPU_SET(cpu, &mut mask);
            mask
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    #[derive(Clone, Copy)]
    pub(in crate::pool) struct Mask;

    pub(super) fn mask() -> Option<Mask> {
        None
    }

    pub(super) fn set_mask(_: &Mask) {}

    pub(super) fn cpus_of(_: &Mask) -> Vec<usize> {
        Vec::new()
    }

    pub(super) fn mask_of(_: usize) -> Mask {
        Mask
    }
}
