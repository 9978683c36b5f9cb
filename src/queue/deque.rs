//! A work-stealing deque: its owner pushes and pops at the bottom (newest first), thieves take from the top
//! (oldest first).
//!
//! ```text
//!   top -> [ oldest | ... | newest ] <- bottom        indices only grow; slot = index & mask
//! ```
//!
//! Chase and Lev, "Dynamic circular work-stealing deque" (SPAA 2005), with the orderings of Lê, Pop, Cohen and
//! Zappa Nardelli, "Correct and efficient work-stealing for weak memory models" (PPoPP 2013). Entries are plain 64-bit
//! atomics, so a thief that read a slot too late has read garbage but done no harm: its compare-exchange fails.

use super::Entry;
use crate::sync::{fence, lock, AtomicI64, AtomicPtr, AtomicU64, Mutex, Ordering};

/// Room to begin with: two cache lines of entries.
#[cfg(not(loom))]
const FIRST_CAPACITY: usize = 64;
#[cfg(loom)]
const FIRST_CAPACITY: usize = 2;

/// Room for so many entries (64 KB) is worth giving back.
#[cfg(not(loom))]
const OVERSIZED: usize = 8192;

/// What a thief came back with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Steal {
    Got(Entry),
    Empty,
    /// Somebody else was faster; there may be more.
    Retry,
}

struct Ring {
    slots: Box<[AtomicU64]>,
}

impl Ring {
    fn new(capacity: usize) -> Box<Self> {
        debug_assert!(capacity.is_power_of_two());
        Box::new(Self { slots: (0..capacity).map(|_| AtomicU64::new(0)).collect() })
    }

    fn slot(&self, index: i64) -> &AtomicU64 {
        &self.slots[index as usize & (self.slots.len() - 1)]
    }
}

/// Index of the oldest entry; only grows, by compare-exchange. On a line of its own.
#[repr(align(128))]
struct Top(AtomicI64);

/// The deque. "Owner" is whoever holds the place that it belongs to; places change hands by an acquire-release
/// step, so the owner's relaxed reads of its own words are of the newest values.
#[repr(align(128))]
pub(crate) struct Deque {
    /// Index of the next slot to fill; written by the owner only.
    bottom: AtomicI64,
    /// `top` as the owner saw it last: it asks again only when the ring looks full, so that a push doesn't fetch the
    /// line that the thieves write.
    seen_top: AtomicI64,
    top: Top,
    ring: AtomicPtr<Ring>,
    /// Rings that were outgrown. A slow thief may still read one, so they live until there can be no thief; together they
    /// are smaller than the ring in use.
    outgrown: Mutex<Vec<*mut Ring>>,
}

// SAFETY: the ring pointers are owned by the deque (made by Box::into_raw, freed in Drop only) and what they point
// to is atomics.
unsafe impl Send for Deque {}
// SAFETY: as above; every method that must not run twice at once says so in its contract.
unsafe impl Sync for Deque {}

impl Deque {
    pub(crate) fn new() -> Self {
        Self {
            bottom: AtomicI64::new(0),
            seen_top: AtomicI64::new(0),
            top: Top(AtomicI64::new(0)),
            ring: AtomicPtr::new(Box::into_raw(Ring::new(FIRST_CAPACITY))),
            outgrown: Mutex::new(Vec::new()),
        }
    }

    fn ring(&self, order: Ordering) -> &Ring {
        // SAFETY: `ring` always holds a pointer from Box::into_raw, and a ring is freed only while nobody else has a
        // reference to it (`give_memory_back`, Drop).
        unsafe { &*self.ring.load(order) }
    }

    /// Whether it looks empty. Another thread may change that at once.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries it seems to hold.
    pub(crate) fn len(&self) -> usize {
        let top = self.top.0.load(Ordering::Relaxed);
        usize::try_from(self.bottom.load(Ordering::Relaxed) - top).unwrap_or(0)
    }

    /// Puts an entry at the bottom.
    ///
    /// # Safety
    /// Owner only.
    pub(crate) unsafe fn push(&self, entry: Entry) {
        let bottom = self.bottom.load(Ordering::Relaxed);
        let mut ring = self.ring(Ordering::Relaxed);
        if bottom - self.seen_top.load(Ordering::Relaxed) >= ring.slots.len() as i64 {
            // Acquire: pairs with the compare-exchange in `steal`; a slot is filled again only after its thief read it.
            let top = self.top.0.load(Ordering::Acquire);
            self.seen_top.store(top, Ordering::Relaxed);
            if bottom - top >= ring.slots.len() as i64 {
                ring = self.grow(bottom, top);
            }
        }
        ring.slot(bottom).store(entry, Ordering::Relaxed);
        // Release: pairs with the Acquire of `bottom` in `steal`; publishes the slot, and the task behind it. A fence,
        // not a release store: the stores of `bottom` in a later `pop` must publish this slot, too.
        fence(Ordering::Release);
        self.bottom.store(bottom + 1, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn grow(&self, bottom: i64, top: i64) -> &Ring {
        let old = self.ring(Ordering::Relaxed);
        let new = Ring::new(old.slots.len() * 2);
        for index in top..bottom {
            new.slot(index).store(old.slot(index).load(Ordering::Relaxed), Ordering::Relaxed);
        }
        // Release: pairs with the Acquire of `ring` in `steal`; publishes the copied slots.
        let old = self.ring.swap(Box::into_raw(new), Ordering::Release);
        lock(&self.outgrown).push(old);
        self.ring(Ordering::Relaxed)
    }

    /// Takes the newest entry.
    ///
    /// # Safety
    /// Owner only.
    pub(crate) unsafe fn pop(&self) -> Option<Entry> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        // An empty deque needs no fence: only the owner adds, so what looks empty to it is empty.
        if bottom <= self.top.0.load(Ordering::Relaxed) {
            return None;
        }
        let bottom = bottom - 1;
        let ring = self.ring(Ordering::Relaxed);
        self.bottom.store(bottom, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `steal`. Either the thief sees the lowered bottom, or we see its top.
        fence(Ordering::SeqCst);
        let top = self.top.0.load(Ordering::Relaxed);
        if top < bottom {
            return Some(ring.slot(bottom).load(Ordering::Relaxed));
        }
        // The last entry, or none: thieves may be after it too.
        let entry = (top == bottom && self.take_top(top)).then(|| ring.slot(bottom).load(Ordering::Relaxed));
        self.bottom.store(bottom + 1, Ordering::Relaxed);
        entry
    }

    /// The newest entry, without taking it: a thief may do so at any time.
    ///
    /// # Safety
    /// Owner only.
    pub(crate) unsafe fn newest(&self) -> Option<Entry> {
        let bottom = self.bottom.load(Ordering::Relaxed);
        (bottom > self.top.0.load(Ordering::Relaxed))
            .then(|| self.ring(Ordering::Relaxed).slot(bottom - 1).load(Ordering::Relaxed))
    }

    fn take_top(&self, top: i64) -> bool {
        // SeqCst keeps it in one order with the fences of `pop` and `steal`; Release pairs with the Acquire in `push`.
        self.top.0.compare_exchange(top, top + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Takes the oldest entry, as somebody who keeps nobody from giving the rings back.
    pub(crate) fn steal_without_a_place(&self) -> Steal {
        let _kept = lock(&self.outgrown);
        self.steal()
    }

    /// Whether its ring has far more room than most programs ever need.
    #[cfg(not(loom))]
    pub(crate) fn is_oversized(&self) -> bool {
        let _kept = lock(&self.outgrown);
        self.ring(Ordering::Acquire).slots.len() >= OVERSIZED
    }

    /// Begins anew with a small ring, if it is empty.
    ///
    /// # Safety
    /// Nobody is its owner meanwhile, or steals with a place.
    pub(crate) unsafe fn give_memory_back(&self) {
        let mut rings = lock(&self.outgrown);
        if self.is_empty() {
            // Relaxed: those who come later come by their place, which was given to them after this.
            rings.push(self.ring.swap(Box::into_raw(Ring::new(FIRST_CAPACITY)), Ordering::Relaxed));
            for ring in rings.drain(..) {
                // SAFETY: as in Drop: by the contract above, and under the lock, no thief is here.
                drop(unsafe { Box::from_raw(ring) });
            }
            rings.shrink_to_fit();
        }
    }

    /// Takes the oldest entry. Any thread that holds a place, or knows that the rings stay.
    pub(crate) fn steal(&self) -> Steal {
        // Acquire: the slot is read after this; SeqCst fence: pairs with the one in `pop`.
        let top = self.top.0.load(Ordering::Acquire);
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release fence in `push`.
        if self.bottom.load(Ordering::Acquire) <= top {
            return Steal::Empty;
        }
        // Acquire: pairs with the Release in `grow`.
        let entry = self.ring(Ordering::Acquire).slot(top).load(Ordering::Relaxed);
        if self.take_top(top) {
            Steal::Got(entry)
        } else {
            Steal::Retry
        }
    }
}

impl Drop for Deque {
    fn drop(&mut self) {
        let mut rings = std::mem::take(&mut *lock(&self.outgrown));
        rings.push(self.ring.load(Ordering::Relaxed));
        for ring in rings {
            // SAFETY: each came from Box::into_raw, is in exactly one of the two places, and `&mut self` says that
            // no thief is left.
            drop(unsafe { Box::from_raw(ring) });
        }
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
        for expected in 0..count / 2 {
            assert_eq!(deque.steal(), Steal::Got(expected));
        }
        for expected in (count / 2..count).rev() {
            // SAFETY: this thread is the owner.
            assert_eq!(unsafe { deque.pop() }, Some(expected));
        }
        assert!(deque.is_empty());
        assert_eq!(deque.steal(), Steal::Empty);
    }

    #[test]
    fn an_empty_deque_that_was_large_goes_on_with_a_small_ring_and_one_with_entries_keeps_its_own() {
        let deque = Deque::new();
        let count = OVERSIZED as u64;
        // SAFETY: this thread is the owner, and the only one, here and below.
        unsafe { (0..count).for_each(|entry| deque.push(entry)) };
        // SAFETY: as above.
        unsafe { deque.give_memory_back() };
        assert!(deque.is_oversized());
        (0..count).for_each(|entry| assert_eq!(deque.steal(), Steal::Got(entry)));
        // SAFETY: as above.
        unsafe { deque.give_memory_back() };
        assert!(!deque.is_oversized() && deque.steal_without_a_place() == Steal::Empty);
        // SAFETY: as above.
        unsafe { (0..1000).for_each(|entry| deque.push(entry)) };
        (0..1000).for_each(|entry| assert_eq!(deque.steal_without_a_place(), Steal::Got(entry)));
    }

    #[test]
    fn every_entry_is_taken_exactly_once_under_theft() {
        let deque = Deque::new();
        let count = 200_000_u64;
        let done = std::sync::atomic::AtomicBool::new(false);
        let (mut mine, theirs) = std::thread::scope(|scope| {
            let thief = scope.spawn(|| {
                let mut got = Vec::new();
                while !done.load(Ordering::Acquire) || !deque.is_empty() {
                    if let Steal::Got(entry) = deque.steal() {
                        got.push(entry);
                    }
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
        (0..2)
            .filter_map(|_| if let Steal::Got(entry) = deque.steal() { Some(entry) } else { None })
            .collect()
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
                    if let Steal::Got(_) = shared.0.steal() {
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
