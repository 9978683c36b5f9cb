//! The unstarted right halves of one thread's nested forks: the owner takes them back newest first, thieves take the oldest.
//!
//! ```text
//!   top -> [ oldest | ... | newest ] <- bottom       as deep as the forks are nested; slot = two words, and whose it became
//!          (taken)                                   below top: taken, and not yet joined by the owner
//! ```
//!
//! The THE protocol of Cilk-5 (Frigo, Leiserson and Randall, PLDI 1998): who takes one steps the own end first and then
//! looks at the other; thieves hold a lock, and the owner asks for it only if it sees `top` past its newest. Between step
//! and look the owner passes the light fence of `sync::asymmetric` and a thief the heavy one, so that an owner whom nobody
//! robs passes no fence at all. The heavy fence is dear, for the owner too, whom it interrupts. So a thief asks first, as in Lace
//! (van Dijk and van de Pol, 2014): with ASK in `top` the owner's next look goes the slow way, where it passes a
//! full fence and takes ASK away. Only an owner who doesn't come by in time (a long leaf) gets the heavy one.

use crate::sync::{heavy, light, lock, spin_hint, AtomicPtr, AtomicU64, AtomicUsize, Mutex, Ordering};

/// Deeper forks go another way.
pub(crate) const DEEPEST: usize = if cfg!(loom) { 2 } else { 128 };

/// In `top`, beside the index: a thief wants the owner to look.
const ASK: usize = 1 << (usize::BITS - 1);

/// So often a thief looks for the owner's answer: a microsecond or two.
const PATIENCE: u32 = if cfg!(loom) { 1 } else { 50 };

const _: () = assert!(DEEPEST < ASK, "an index is no ASK");

type Word = *mut ();

/// A right half. Written by the owner before `bottom` says so, by thieves under the lock.
struct Slot {
    first: AtomicPtr<()>,
    second: AtomicPtr<()>,
    taken_as: AtomicU64,
}

/// On a line of its own.
#[repr(align(128))]
struct Top(AtomicUsize);

/// See above. "Owner" is the thread whose forks these are.
#[repr(align(128))]
pub(crate) struct ForkStack {
    /// Written by the owner only.
    bottom: AtomicUsize,
    slots: [Slot; DEEPEST],
    /// Written by who holds the lock; the owner may take ASK away without it.
    top: Top,
    thieves: Mutex<()>,
}

/// What the owner finds in place of its newest half.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TakenBack {
    Mine,
    /// A thief has it; this is what it left.
    Taken(u64),
}

impl ForkStack {
    pub(crate) fn new() -> Self {
        let slot = || Slot {
            first: AtomicPtr::new(std::ptr::null_mut()),
            second: AtomicPtr::new(std::ptr::null_mut()),
            taken_as: AtomicU64::new(0),
        };
        Self {
            bottom: AtomicUsize::new(0),
            slots: std::array::from_fn(|_| slot()),
            top: Top(AtomicUsize::new(0)),
            thieves: Mutex::new(()),
        }
    }

    /// Whether there seems to be something to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.bottom.load(Ordering::Relaxed) <= self.top.0.load(Ordering::Relaxed) & !ASK
    }

    /// How many halves there are, taken ones included.
    ///
    /// # Safety
    /// Owner only.
    #[inline(always)]
    pub(crate) unsafe fn depth(&self) -> usize {
        self.bottom.load(Ordering::Relaxed)
    }

    /// Lets thieves have a half; its number is `at`.
    ///
    /// # Safety
    /// Owner only; `at` is `depth`, and below `DEEPEST`.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, at: usize, first: Word, second: Word) {
        debug_assert!(at < DEEPEST);
        // SAFETY: by the contract above.
        let slot = unsafe { self.slots.get_unchecked(at) };
        slot.first.store(first, Ordering::Relaxed);
        slot.second.store(second, Ordering::Relaxed);
        // Release, here and in `take_back`: pairs with the Acquire in `steal`; publishes the slots below it.
        self.bottom.store(at + 1, Ordering::Release);
    }

    /// Takes the newest half back; whether that was all there is to do. If not, `take_back_whatever` does it.
    ///
    /// # Safety
    /// Owner only; `at` is that of the newest half.
    #[inline(always)]
    pub(crate) unsafe fn take_back(&self, at: usize) -> bool {
        self.bottom.store(at, Ordering::Release);
        // Pairs with the heavy fence in `steal`: either the thief sees the lowered bottom, or we see its top.
        light();
        self.top.0.load(Ordering::Relaxed) <= at
    }

    /// The same to the end: a thief may be about, or may have been.
    ///
    /// # Safety
    /// As `take_back`, which may have been called before.
    pub(crate) unsafe fn take_back_whatever(&self, at: usize) -> TakenBack {
        // SAFETY: by the contract above.
        if unsafe { self.take_back(at) } {
            return TakenBack::Mine;
        }
        let top = self.top.0.load(Ordering::Relaxed);
        // AcqRel: Release pairs with the Acquire of the thief, who then sees the lowered bottom; what it took is below. (No
        // model can miss it: under loom the light fence before it is a full one.)
        if top & ASK != 0
            && self.top.0.compare_exchange(top, top & !ASK, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            && top & !ASK <= at
        {
            return TakenBack::Mine;
        }
        let _guard = lock(&self.thieves);
        // Under the lock no thief is between its step and its look.
        if self.top.0.load(Ordering::Relaxed) <= at {
            return TakenBack::Mine;
        }
        self.top.0.store(at, Ordering::Relaxed);
        TakenBack::Taken(self.slots[at].taken_as.load(Ordering::Relaxed))
    }

    /// Takes the oldest half if there is one: `take` makes something of it that the owner will know it by. Any thread.
    pub(crate) fn steal(&self, take: impl FnOnce(Word, Word) -> Option<u64>) -> bool {
        let Ok(_guard) = self.thieves.try_lock() else { return false };
        let top = self.top.0.load(Ordering::Relaxed);
        // Release: pairs with the Acquire of the owner's answer.
        self.top.0.store((top + 1) | ASK, Ordering::Release);
        let answered = self.has_answer(top + 1) || self.ask_the_system(top + 1);
        // Acquire: pairs with the Release in `push` and `take_back`.
        if answered && self.bottom.load(Ordering::Acquire) > top {
            // The owner sees that `top` is past it, and asks for the lock.
            let slot = &self.slots[top];
            let (first, second) = (slot.first.load(Ordering::Relaxed), slot.second.load(Ordering::Relaxed));
            if let Some(taken_as) = take(first, second) {
                slot.taken_as.store(taken_as, Ordering::Relaxed);
                return true;
            }
        }
        self.top.0.store(top, Ordering::Relaxed);
        false
    }

    /// Whether the owner has passed a fence since it was asked.
    fn has_answer(&self, without_ask: usize) -> bool {
        (0..PATIENCE).any(|_| {
            spin_hint();
            // Acquire: pairs with the answer.
            self.top.0.load(Ordering::Acquire) == without_ask
        })
    }

    /// It didn't come by. True when all is known that there is to know.
    #[cold]
    fn ask_the_system(&self, without_ask: usize) -> bool {
        // Acquire: as above, should the owner have answered meanwhile.
        self.top.0.swap(without_ask, Ordering::AcqRel) == without_ask || heavy()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::has_heavy;
    use std::sync::atomic::AtomicBool;

    fn word(number: usize) -> Word {
        std::ptr::without_provenance_mut(number)
    }

    #[test]
    fn the_owner_takes_the_newest_back_and_a_thief_the_oldest() {
        if !has_heavy() {
            return;
        }
        let stack = ForkStack::new();
        // SAFETY: this thread is the owner; here and below.
        unsafe { (0..3).for_each(|at| stack.push(at, word(at + 1), word(at + 11))) };
        assert!(stack.steal(|first, second| {
            assert_eq!((first, second), (word(1), word(11)));
            Some(7)
        }));
        // SAFETY: as above.
        unsafe {
            assert_eq!(stack.take_back_whatever(2), TakenBack::Mine);
            assert_eq!(stack.take_back_whatever(1), TakenBack::Mine);
            assert_eq!(stack.take_back_whatever(0), TakenBack::Taken(7));
            stack.push(0, word(1), word(2));
            assert_eq!(stack.take_back_whatever(0), TakenBack::Mine);
        }
        assert!(stack.is_empty() && !stack.steal(|_, _| Some(1)));
    }

    #[test]
    fn a_half_that_the_thief_can_make_nothing_of_stays_the_owners() {
        if !has_heavy() {
            return;
        }
        let stack = ForkStack::new();
        // SAFETY: this thread is the owner; here and below.
        unsafe { stack.push(0, word(1), word(2)) };
        assert!(!stack.steal(|_, _| None));
        // SAFETY: as above.
        assert_eq!(unsafe { stack.take_back_whatever(0) }, TakenBack::Mine);
    }

    /// As a tree of forks does: down and up again, each half taken by its owner or by a thief.
    #[test]
    fn each_half_is_taken_exactly_once_under_theft() {
        if !has_heavy() {
            return;
        }
        const ROUNDS: usize = 40_000;
        let (stack, done) = (ForkStack::new(), AtomicBool::new(false));
        let stolen = std::thread::scope(|scope| {
            let thieves: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut got = Vec::new();
                        while !done.load(Ordering::Acquire) {
                            if !stack.is_empty() {
                                stack.steal(|first, second| {
                                    assert_eq!(first.addr() + 1, second.addr());
                                    got.push(first.addr() as u64);
                                    Some(first.addr() as u64)
                                });
                            }
                        }
                        got
                    })
                })
                .collect();
            let mut taken = Vec::new();
            for round in 0..ROUNDS {
                let depth = round % 7 + 1;
                let number = |at| round * 8 + at;
                // SAFETY: this thread is the owner; here and below.
                unsafe { (0..depth).for_each(|at| stack.push(at, word(number(at)), word(number(at) + 1))) };
                for at in (0..depth).rev() {
                    // SAFETY: as above.
                    match unsafe { stack.take_back_whatever(at) } {
                        TakenBack::Mine => {}
                        TakenBack::Taken(by) => {
                            assert_eq!(by, number(at) as u64);
                            taken.push(by);
                        }
                    }
                }
            }
            done.store(true, Ordering::Release);
            let mut got: Vec<_> = thieves.into_iter().flat_map(|it| it.join().expect("it ends")).collect();
            got.sort_unstable();
            taken.sort_unstable();
            assert_eq!(got, taken, "what thieves have got, and what the owner was told");
            got.len()
        });
        assert!(stolen <= ROUNDS * 7);
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    fn word(number: usize) -> Word {
        number as Word
    }

    /// An owner, who nests so many forks and joins them, and thieves, each of whom tries so often.
    fn check(rounds: usize, depth: usize, thieves: usize) {
        model(move || {
            let stack = Arc::new(ForkStack::new());
            let owner = {
                let stack = stack.clone();
                thread::spawn(move || {
                    let mut mine = Vec::new();
                    let mut told = Vec::new();
                    for round in 0..rounds {
                        // SAFETY: this thread is the owner; here and below.
                        unsafe {
                            (0..depth)
                                .for_each(|at| stack.push(at, word(round * 10 + at), word(round * 10 + at)))
                        };
                        for at in (0..depth).rev() {
                            // SAFETY: as above.
                            match unsafe { stack.take_back_whatever(at) } {
                                TakenBack::Mine => mine.push(round * 10 + at),
                                TakenBack::Taken(by) => told.push(by as usize),
                            }
                        }
                    }
                    (mine, told)
                })
            };
            let thieves: Vec<_> = (0..thieves)
                .map(|_| {
                    let stack = stack.clone();
                    thread::spawn(move || {
                        let mut got = None;
                        stack.steal(|first, second| {
                            assert_eq!(first, second, "a half is read whole");
                            got = Some(first as usize);
                            Some(first as u64)
                        });
                        got
                    })
                })
                .collect();
            let (mine, mut told) = owner.join().unwrap();
            let mut got: Vec<_> = thieves.into_iter().filter_map(|it| it.join().unwrap()).collect();
            got.sort_unstable();
            told.sort_unstable();
            assert_eq!(got, told, "the owner learns of each theft");
            let mut all = [mine, told].concat();
            all.sort_unstable();
            let expected: Vec<_> =
                (0..rounds).flat_map(|round| (0..depth).map(move |at| round * 10 + at)).collect();
            assert_eq!(all, expected, "each half exactly once");
        });
    }

    #[test]
    fn the_last_half_goes_to_owner_or_thief_but_not_both() {
        check(1, 1, 1);
    }

    #[test]
    fn halves_are_taken_once_while_two_thieves_race() {
        check(1, 2, 2);
    }

    #[test]
    fn a_half_that_is_pushed_in_place_of_another_is_no_theirs_who_asked_for_that() {
        check(2, 1, 2);
    }
}
