//! A work-stealing deque: its owner pushes and pops at the bottom (newest first), thieves take from the top
//! (oldest first), as many as they like in one step.
//!
//! ```text
//!   top -> [ oldest | ... | newest ] <- bottom        indices only grow; slot = index & mask
//! ```
//!
//! The protocol is THE of Cilk-5 (Frigo, Leiserson and Randall, PLDI 1998): thieves take turns by a lock. A thief raises `top`
//! first, fences, and then looks whether the bottom is still above; the owner lowers `bottom` first, fences, and looks whether the
//! top is still below. So one of the two sees the other, and only then the owner takes the lock, too. Chase and Lev's deque
//! needs no lock, but a fence, a compare-exchange and a look at the owner's line for each entry that a thief takes: that
//! costs the owner more than the tasks do, when both are busy.

use super::Entry;
use crate::sync::{fence, lock, AtomicI64, AtomicPtr, AtomicU64, Mutex, MutexGuard, Ordering};

/// Room to begin with: a few cache lines of entries.
const FIRST_CAPACITY: usize = if cfg!(loom) { 2 } else { 64 };

/// A ring that is full is replaced by one so many times as large.
const GROWTH: usize = if cfg!(loom) { 2 } else { 8 };
/// Room for so many entries (64 KB) is worth giving back.
#[cfg(not(loom))]
const OVERSIZED: usize = 8192;

struct Ring {
    slots: Box<[AtomicU64]>,
}

impl Ring {
    fn new(capacity: usize) -> Box<Self> {
        debug_assert!(capacity.is_power_of_two());
        Box::new(Self { slots: Self::zeros(capacity) })
    }

    /// The allocator's zeros: pages that are never used are never there.
    #[cfg(not(loom))]
    fn zeros(capacity: usize) -> Box<[AtomicU64]> {
        let zeros = Box::into_raw(vec![0_u64; capacity].into_boxed_slice());
        // SAFETY: from Box::into_raw, and an atomic is laid out as what it holds.
        unsafe { Box::from_raw(zeros as *mut [AtomicU64]) }
    }

    #[cfg(loom)]
    fn zeros(capacity: usize) -> Box<[AtomicU64]> {
        (0..capacity).map(|_| AtomicU64::new(0)).collect()
    }

    fn slot(&self, index: i64) -> &AtomicU64 {
        &self.slots[index as usize & (self.slots.len() - 1)]
    }
}

/// The pages of a large one go back to the system at once: the allocator would keep them in a thread's own arena.
#[cfg(not(loom))]
impl Drop for Ring {
    fn drop(&mut self) {
        if self.slots.len() >= OVERSIZED {
            let first = self.slots.as_mut_ptr().cast();
            // SAFETY: the slots are ours, and nobody needs what is in them any more.
            unsafe { crate::sync::memory::give_back(first, size_of_val(&*self.slots)) };
        }
    }
}

/// What the thieves change, on a line of its own.
#[repr(align(128))]
struct Thieves {
    /// Index of the oldest entry. Changed under the lock; raised for a moment above what the thief then takes.
    top: AtomicI64,
    /// Who holds it may take from the top, and may rely on `top` and the ring.
    lock: Mutex<()>,
}

/// The deque. "Owner" is whoever holds the place that it belongs to; places change hands by an acquire-release
/// step, so the owner's relaxed reads of its own words are of the newest values.
#[repr(align(128))]
pub(crate) struct Deque {
    /// Index of the next slot to fill; written by the owner only.
    bottom: AtomicI64,
    /// `top` as the owner saw it last: it asks again only when the ring looks full, so that a push doesn't fetch the
    /// line that the thieves write.
    seen_top: AtomicI64,
    /// Replaced by the owner, under the lock.
    ring: AtomicPtr<Ring>,
    thieves: Thieves,
}

// SAFETY: the ring is owned by the deque (made by Box::into_raw, freed when it is replaced or in Drop) and what it points
// to is atomics.
unsafe impl Send for Deque {}
// SAFETY: as above; every method that must not run twice at once says so in its contract.
unsafe impl Sync for Deque {}

impl Deque {
    pub(crate) fn new() -> Self {
        Self {
            bottom: AtomicI64::new(0),
            seen_top: AtomicI64::new(0),
            ring: AtomicPtr::new(Box::into_raw(Ring::new(FIRST_CAPACITY))),
            thieves: Thieves { top: AtomicI64::new(0), lock: Mutex::new(()) },
        }
    }

    /// For the owner, and for who holds the lock.
    fn ring(&self) -> &Ring {
        // SAFETY: `ring` always holds a pointer from Box::into_raw. Only the owner replaces it (or somebody, while there
        // is none), under the lock, so it stays as long as the owner does nothing else or the lock is held.
        unsafe { &*self.ring.load(Ordering::Relaxed) }
    }

    /// Whether it looks empty. Another thread may change that at once.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries it seems to hold. What a thief is about to take doesn't count: it holds all that it hides.
    pub(crate) fn len(&self) -> usize {
        let top = self.thieves.top.load(Ordering::Relaxed);
        usize::try_from(self.bottom.load(Ordering::Relaxed) - top).unwrap_or(0)
    }

    /// Puts an entry at the bottom.
    ///
    /// # Safety
    /// Owner only.
    #[inline]
    pub(crate) unsafe fn push(&self, entry: Entry) {
        let bottom = self.bottom.load(Ordering::Relaxed);
        let mut ring = self.ring();
        if bottom - self.seen_top.load(Ordering::Relaxed) >= ring.slots.len() as i64 {
            ring = self.make_room(bottom);
        }
        ring.slot(bottom).store(entry, Ordering::Relaxed);
        // Release: pairs with the Acquire of `bottom` in `steal`; publishes the slot, and the task behind it. A fence,
        // not a release store: the stores of `bottom` in a later `pop` must publish this slot, too.
        fence(Ordering::Release);
        self.bottom.store(bottom + 1, Ordering::Relaxed);
    }

    /// The ring looks full: asks where the top is, and makes a larger ring if it is full.
    #[cold]
    #[inline(never)]
    fn make_room(&self, bottom: i64) -> &Ring {
        // Under the lock: a thief reads its entries before it leaves it, and no other has seen the old ring.
        let _no_thief = self.no_thief();
        let top = self.thieves.top.load(Ordering::Relaxed);
        self.seen_top.store(top, Ordering::Relaxed);
        let old = self.ring();
        if bottom - top >= old.slots.len() as i64 {
            let new = Ring::new(old.slots.len() * GROWTH);
            for index in top..bottom {
                new.slot(index).store(old.slot(index).load(Ordering::Relaxed), Ordering::Relaxed);
            }
            let old = self.ring.swap(Box::into_raw(new), Ordering::Relaxed);
            // SAFETY: from Box::into_raw, and out of the deque; thieves use it under the lock only, and the owner is here.
            drop(unsafe { Box::from_raw(old) });
        }
        self.ring()
    }

    fn no_thief(&self) -> MutexGuard<'_, ()> {
        lock(&self.thieves.lock)
    }

    /// Takes the newest entry.
    ///
    /// # Safety
    /// Owner only.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<Entry> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        // An empty deque needs no fence: only the owner adds, so what looks empty to it is empty, or a thief's.
        if bottom <= self.thieves.top.load(Ordering::Relaxed) {
            return None;
        }
        let bottom = bottom - 1;
        self.bottom.store(bottom, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `steal`. Either the thief sees the lowered bottom, or we see the raised top.
        fence(Ordering::SeqCst);
        if self.thieves.top.load(Ordering::Relaxed) <= bottom || self.wins(bottom) {
            return Some(self.ring().slot(bottom).load(Ordering::Relaxed));
        }
        self.bottom.store(bottom + 1, Ordering::Relaxed);
        None
    }

    /// A thief may be after the entry that the owner has lowered the bottom to: whether the owner has it.
    #[cold]
    #[inline(never)]
    fn wins(&self, bottom: i64) -> bool {
        let _no_thief = self.no_thief();
        self.thieves.top.load(Ordering::Relaxed) <= bottom
    }

    /// The newest entry, without taking it: a thief may do so at any time.
    ///
    /// # Safety
    /// Owner only.
    #[inline]
    pub(crate) unsafe fn newest(&self) -> Option<Entry> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        (bottom > self.thieves.top.load(Ordering::Relaxed))
            .then(|| self.ring().slot(bottom - 1).load(Ordering::Relaxed))
    }

    /// Whether its ring has far more room than most programs ever need.
    #[cfg(not(loom))]
    pub(crate) fn is_oversized(&self) -> bool {
        let _no_thief = self.no_thief();
        self.ring().slots.len() >= OVERSIZED
    }

    /// Begins anew with a small ring, if it is empty.
    ///
    /// # Safety
    /// Nobody is its owner meanwhile.
    #[cfg(not(loom))]
    pub(crate) unsafe fn give_memory_back(&self) {
        let _no_thief = self.no_thief();
        if self.is_empty() {
            // Relaxed: the next owner comes by the place, which was given back after this.
            let old = self.ring.swap(Box::into_raw(Ring::new(FIRST_CAPACITY)), Ordering::Relaxed);
            // SAFETY: from Box::into_raw, and out of the deque; thieves use it under the lock only, and there is no owner.
            drop(unsafe { Box::from_raw(old) });
        }
    }

    /// Takes the oldest entries: half of what there is, if that fits. Returns how many. Any thread.
    pub(crate) fn steal(&self, batch: &mut [Entry]) -> usize {
        if self.is_empty() {
            return 0;
        }
        let _turn = lock(&self.thieves.lock);
        let top = self.thieves.top.load(Ordering::Relaxed);
        let half = self.len().div_ceil(2).min(batch.len());
        let end = top + half as i64;
        self.thieves.top.store(end, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `pop`, see there.
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release fence in `push`.
        let bottom = self.bottom.load(Ordering::Acquire);
        if bottom < end {
            // The owner was faster with some. One who is just about to take another waits for the lock.
            self.thieves.top.store(bottom.max(top), Ordering::Relaxed);
        }
        let taken = usize::try_from(bottom.min(end) - top).unwrap_or(0);
        let ring = self.ring();
        for (entry, index) in batch[..taken].iter_mut().zip(top..) {
            *entry = ring.slot(index).load(Ordering::Relaxed);
        }
        taken
    }
}

impl Drop for Deque {
    fn drop(&mut self) {
        // SAFETY: from Box::into_raw, and `&mut self` says that nobody else is here.
        drop(unsafe { Box::from_raw(self.ring.load(Ordering::Relaxed)) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn owner_takes_newest_and_thief_takes_oldest_across_growth() {
        let deque = Deque::new();
        let count = FIRST_CAPACITY as u64 * 5;
        // SAFETY: this thread is the owner.
        unsafe { (0..count).for_each(|entry| deque.push(entry)) };
        let mut batch = [0; 7];
        let mut stolen = 0;
        while stolen < count / 2 {
            let most = batch.len().min((count / 2 - stolen) as usize);
            let taken = deque.steal(&mut batch[..most]) as u64;
            assert!(taken > 0 && batch[..taken as usize].iter().copied().eq(stolen..stolen + taken));
            stolen += taken;
        }
        for expected in (count / 2..count).rev() {
            // SAFETY: this thread is the owner.
            assert_eq!(unsafe { deque.pop() }, Some(expected));
        }
        assert!(deque.is_empty());
        assert_eq!(deque.steal(&mut batch), 0);
    }

    #[test]
    fn an_empty_deque_that_was_large_goes_on_with_a_small_ring_and_one_with_entries_keeps_its_own() {
        let deque = Deque::new();
        let count = OVERSIZED as u64;
        let take_all = || {
            let (mut all, mut batch) = (Vec::new(), [0; 32]);
            while let taken @ 1.. = deque.steal(&mut batch) {
                all.extend_from_slice(&batch[..taken]);
            }
            all
        };
        // SAFETY: this thread is the owner, and the only one, here and below.
        unsafe { (0..count).for_each(|entry| deque.push(entry)) };
        // SAFETY: as above.
        unsafe { deque.give_memory_back() };
        assert!(deque.is_oversized());
        assert!(take_all().into_iter().eq(0..count));
        // SAFETY: as above.
        unsafe { deque.give_memory_back() };
        assert!(!deque.is_oversized() && take_all().is_empty());
        // SAFETY: as above.
        unsafe { (0..1000).for_each(|entry| deque.push(entry)) };
        assert!(take_all().into_iter().eq(0..1000));
    }

    #[test]
    fn every_entry_is_taken_exactly_once_under_theft() {
        let deque = Deque::new();
        let count = 200_000_u64;
        let done = std::sync::atomic::AtomicBool::new(false);
        let (mut mine, theirs) = std::thread::scope(|scope| {
            let thief = scope.spawn(|| {
                let (mut got, mut batch) = (Vec::new(), [0; 5]);
                while !done.load(Ordering::Acquire) || !deque.is_empty() {
                    let taken = deque.steal(&mut batch);
                    got.extend_from_slice(&batch[..taken]);
                }
                got
            });
            let mut got = Vec::new();
            for entry in 0..count {
                // SAFETY: this thread is the owner.
                unsafe { deque.push(entry) };
                if entry % 3 == 0 {
                    // SAFETY: as above.
                    got.extend(unsafe { deque.pop() });
                }
            }
            // SAFETY: as above.
            while let Some(entry) = unsafe { deque.pop() } {
                got.push(entry);
            }
            done.store(true, Ordering::Release);
            (got, thief.join().expect("the thief ends"))
        });
        mine.extend(theirs);
        mine.sort_unstable();
        assert!(mine.into_iter().eq(0..count));
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    fn steal_some(deque: &Deque) -> Vec<Entry> {
        let (mut all, mut batch) = (Vec::new(), [0; 2]);
        for _ in 0..2 {
            let taken = deque.steal(&mut batch);
            all.extend_from_slice(&batch[..taken]);
        }
        all
    }

    fn check(pushes: u64, pops: usize, thieves: usize) {
        model(move || {
            let deque = Arc::new(Deque::new());
            let thieves: Vec<_> = (0..thieves)
                .map(|_| {
                    let deque = deque.clone();
                    thread::spawn(move || steal_some(&deque))
                })
                .collect();
            let mut got = Vec::new();
            // SAFETY: this thread is the owner.
            unsafe {
                (1..=pushes).for_each(|entry| deque.push(entry));
                (0..pops).for_each(|_| got.extend(deque.pop()));
            }
            for thief in thieves {
                got.extend(thief.join().unwrap());
            }
            // SAFETY: as above; the thieves have ended.
            while let Some(entry) = unsafe { deque.pop() } {
                got.push(entry);
            }
            got.sort_unstable();
            assert_eq!(got, (1..=pushes).collect::<Vec<_>>(), "each entry exactly once");
        });
    }

    #[test]
    fn the_last_entry_goes_to_owner_or_thief_but_not_both() {
        check(1, 1, 1);
    }

    #[test]
    fn entries_are_taken_once_while_two_thieves_race() {
        check(2, 1, 2);
    }

    #[test]
    fn a_thief_reads_whole_entries_while_the_ring_grows() {
        check(3, 1, 1);
    }

    #[test]
    fn a_stolen_entry_brings_what_was_written_before_its_push() {
        model(|| {
            let shared = Arc::new((Deque::new(), AtomicU64::new(0)));
            let thief = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if shared.0.steal(&mut [0]) == 1 {
                        assert_eq!(shared.1.load(Ordering::Relaxed), 42);
                    }
                })
            };
            shared.1.store(42, Ordering::Relaxed);
            // SAFETY: this thread is the owner.
            unsafe { shared.0.push(1) };
            thief.join().unwrap();
        });
    }
}
