//! From a number to a counted object, for handles: groups, completion queues, signatures.
//!
//! ```text
//! number  54           24 23          0      word  63           33   32   31      0
//!        |  generation   |   index     |          |  generation   | OPEN |  uses   |
//!
//! OPEN  set by `insert`, taken away by the one `close` that succeeds: no new use after that
//! uses  the handle's own while OPEN, and one for each `Use`; at 0 the object is dropped and the generation steps
//! ```
//!
//! Type-stable, as the slab of tasks is: a slot stays a slot, so a stale number is told by the word that is there now.
//! A look-up takes no lock: it raises `uses` in the same step in which it finds the slot open and of its generation.

use super::{AtomicU64, Ordering};

#[cfg(not(loom))]
pub(crate) use table::{Slots, Use};

const OPEN: u64 = 1 << 32;
const USES: u64 = OPEN - 1;
const GENERATION_SHIFT: u32 = 33;
const LAST_GENERATION: u64 = u64::MAX >> GENERATION_SHIFT;

const _: () = assert!(OPEN & USES == 0 && (OPEN | USES) >> GENERATION_SHIFT == 0, "the fields don't overlap");

/// The word of a slot.
struct Word(AtomicU64);

/// Whose step was the last one.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    /// Others use the object.
    Used,
    /// Nobody does, and nobody will: the caller drops it.
    Last,
}

impl Word {
    /// An empty slot of that generation becomes open, with one use: the handle's. By who has the slot.
    fn open(&self) -> u64 {
        let generation = self.0.load(Ordering::Relaxed) >> GENERATION_SHIFT;
        // Release: pairs with the Acquire in `enter`; publishes the object.
        self.0.store(generation << GENERATION_SHIFT | OPEN | 1, Ordering::Release);
        generation
    }

    /// One more use, if the slot is open and of that generation.
    fn enter(&self, generation: u64) -> bool {
        // Acquire: pairs with the Release in `open`; the object is there.
        self.step(generation, OPEN, |word| word + 1, Ordering::Acquire)
    }

    /// One more use, if somebody still has one, open or not.
    fn enter_used(&self, generation: u64) -> bool {
        // Acquire: as in `enter`.
        self.step(generation, USES, |word| word + 1, Ordering::Acquire)
    }

    /// No use from now on; the handle's own is the caller's. False if somebody was faster.
    fn close(&self, generation: u64) -> bool {
        self.step(generation, OPEN, |word| word - OPEN, Ordering::Acquire)
    }

    /// One step, as long as one of the bits in `needs` is set and the generation is that one.
    fn step(&self, generation: u64, needs: u64, next: impl Fn(u64) -> u64, ok: Ordering) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & needs != 0 && word >> GENERATION_SHIFT == generation {
            match self.0.compare_exchange_weak(word, next(word), ok, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// One more use, by who has one.
    fn share(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) -> Left {
        // AcqRel: whoever drops the object has seen everybody else's last use of it.
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before & USES > 0);
        // Open, the handle's own use is one of them.
        if before & (OPEN | USES) == 1 {
            Left::Last
        } else {
            Left::Used
        }
    }

    /// The object is dropped: the next generation. False if that was the last: the slot is retired.
    fn retire(&self) -> bool {
        let generation = self.0.load(Ordering::Relaxed) >> GENERATION_SHIFT;
        // Nobody else may change the word of a slot without uses. Relaxed: the free list's lock publishes it.
        self.0.store((generation + 1).min(LAST_GENERATION) << GENERATION_SHIFT, Ordering::Relaxed);
        generation < LAST_GENERATION
    }
}

#[cfg(not(loom))]
mod table {
    use super::*;
    use crate::sync::{lock, AtomicPtr, AtomicU32, Mutex, Renewable};
    use std::cell::UnsafeCell;
    use std::mem::MaybeUninit;
    use std::ops::Deref;

    const INDEX_BITS: u32 = 24;
    const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
    /// The first chunk has so many slots, each other one as many as all before it and these: few pointers lead to all, which
    /// keeps a table small in the library's file.
    const FIRST_CHUNK_BITS: u32 = 6;
    const CHUNKS: usize = (INDEX_BITS - FIRST_CHUNK_BITS) as usize;

    /// The chunk of a slot, and its place in there.
    fn place(index: u64) -> (usize, usize) {
        let from_first = index + (1 << FIRST_CHUNK_BITS);
        let bits = from_first.ilog2();
        ((bits - FIRST_CHUNK_BITS) as usize, (from_first - (1 << bits)) as usize)
    }

    fn length(chunk: usize) -> usize {
        1 << (FIRST_CHUNK_BITS as usize + chunk)
    }

    struct Slot<T> {
        word: Word,
        object: UnsafeCell<MaybeUninit<T>>,
    }

    // SAFETY: an object is reached by shared reference from any thread (T: Sync) and dropped by the last user (T: Send);
    // the words say when.
    unsafe impl<T: Send + Sync> Sync for Slot<T> {}

    /// The table; a static.
    pub(crate) struct Slots<T: 'static> {
        chunks: [AtomicPtr<Slot<T>>; CHUNKS],
        vacant: Renewable<Mutex<Vec<u32>>>,
        /// So many slots were ever handed out; changed under the lock of `vacant`.
        made: AtomicU32,
        /// Slots below this belong to the parent of a fork.
        first_live: AtomicU32,
    }

    impl<T: Send + Sync> Slots<T> {
        pub(crate) const fn new() -> Self {
            Self {
                chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
                vacant: Renewable::new(Mutex::new(Vec::new())),
                made: AtomicU32::new(0),
                first_live: AtomicU32::new(0),
            }
        }

        fn slot(&self, index: u64) -> Option<&'static Slot<T>> {
            let (chunk, offset) = place(index);
            // Acquire: pairs with the Release in `take_slot`; the slots are zeroed.
            let chunk = self.chunks.get(chunk)?.load(Ordering::Acquire);
            // SAFETY: `place` stays within the length of a chunk, which is never freed.
            (!chunk.is_null()).then(|| unsafe { &*chunk.add(offset) })
        }

        /// Puts an object in; its number. `None`: out of memory, or of numbers.
        pub(crate) fn insert(&self, object: T) -> Option<u64> {
            let index = self.take_slot()?;
            let slot = self.slot(u64::from(index))?;
            // SAFETY: the slot is off the list of vacant ones and not open, so it is ours alone.
            unsafe { (*slot.object.get()).write(object) };
            Some(slot.word.open() << INDEX_BITS | u64::from(index))
        }

        fn take_slot(&self) -> Option<u32> {
            let mut vacant = lock(&self.vacant);
            if let Some(index) = vacant.pop() {
                return Some(index);
            }
            let index = self.made.load(Ordering::Relaxed);
            let (number, _) = place(u64::from(index));
            let chunk = self.chunks.get(number)?;
            if chunk.load(Ordering::Relaxed).is_null() {
                let layout = std::alloc::Layout::array::<Slot<T>>(length(number)).ok()?;
                // SAFETY: a slot has a word, so the layout is not of size zero.
                let made = unsafe { std::alloc::alloc_zeroed(layout) };
                if made.is_null() {
                    return None;
                }
                // Zero is an empty slot of generation 0. Release: pairs with the Acquire in `slot`.
                chunk.store(made.cast(), Ordering::Release);
            }
            self.made.store(index + 1, Ordering::Relaxed);
            Some(index)
        }

        /// Whether the number was given out by the parent of a fork.
        pub(crate) fn is_parents(&self, number: u64) -> bool {
            number & INDEX_MASK < u64::from(self.first_live.load(Ordering::Relaxed))
        }

        /// The object of a number, as long as it is not closed.
        pub(crate) fn get(&'static self, number: u64) -> Option<Use<T>> {
            let slot = self.slot(number & INDEX_MASK)?;
            slot.word.enter(number >> INDEX_BITS).then(|| Use { table: self, slot, number })
        }

        /// The object of a number, also after its handle is gone, as long as somebody uses it.
        pub(crate) fn get_used(&'static self, number: u64) -> Option<Use<T>> {
            let slot = self.slot(number & INDEX_MASK)?;
            slot.word.enter_used(number >> INDEX_BITS).then(|| Use { table: self, slot, number })
        }

        /// Takes the number away: the one call that gets the object may do the last things with it.
        pub(crate) fn close(&'static self, number: u64) -> Option<Use<T>> {
            let slot = self.slot(number & INDEX_MASK)?;
            slot.word.close(number >> INDEX_BITS).then(|| Use { table: self, slot, number })
        }

        /// In the child of a fork: the lock may be held by a thread that isn't there. What is open stays reachable
        /// (`keep`) or is the parent's alone.
        ///
        /// # Safety
        /// No other thread uses the table.
        pub(crate) unsafe fn after_fork(&self, keep: bool) {
            // SAFETY: by the contract above.
            unsafe { self.vacant.renew(Mutex::new(Vec::new())) };
            if !keep {
                self.first_live.store(self.made.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// A use of an object: it stays as long as this does.
    pub(crate) struct Use<T: Send + Sync + 'static> {
        table: &'static Slots<T>,
        slot: &'static Slot<T>,
        number: u64,
    }

    impl<T: Send + Sync> Use<T> {
        /// The number in its handle.
        pub(crate) fn number(&self) -> u64 {
            self.number
        }

        /// Ends the use; the object, if that was the last one: for who takes it apart without recursion.
        pub(crate) fn into_last(self) -> Option<T> {
            let this = std::mem::ManuallyDrop::new(self);
            this.leave()
        }

        /// The object comes out with the last use.
        fn leave(&self) -> Option<T> {
            if self.slot.word.leave() == Left::Used || self.table.is_parents(self.number) {
                return None;
            }
            // SAFETY: the last use of a closed slot: nobody reaches the object any more, and it is read once.
            let object = unsafe { (*self.slot.object.get()).assume_init_read() };
            if self.slot.word.retire() {
                lock(&self.table.vacant).push((self.number & INDEX_MASK) as u32);
            }
            Some(object)
        }
    }

    impl<T: Send + Sync> Deref for Use<T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: counted in `uses`, so the object was written (`enter` saw OPEN) and is not dropped.
            unsafe { (*self.slot.object.get()).assume_init_ref() }
        }
    }

    impl<T: Send + Sync> Clone for Use<T> {
        fn clone(&self) -> Self {
            self.slot.word.share();
            Self { table: self.table, slot: self.slot, number: self.number }
        }
    }

    impl<T: Send + Sync> Drop for Use<T> {
        fn drop(&mut self) {
            drop(self.leave());
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::sync::Arc;

        #[test]
        fn a_closed_number_is_dead_and_its_object_goes_with_the_last_use() {
            static TABLE: Slots<Arc<()>> = Slots::new();
            let object = Arc::new(());
            let number = TABLE.insert(object.clone()).expect("memory");
            let used = TABLE.get(number).expect("open");
            let last = TABLE.close(number).expect("open");
            assert!(TABLE.get(number).is_none() && TABLE.close(number).is_none());
            drop(last);
            assert!(TABLE.get_used(number).is_some());
            assert_eq!(Arc::strong_count(&object), 2, "still used");
            drop(used);
            assert_eq!(Arc::strong_count(&object), 1);
            assert!(TABLE.get_used(number).is_none());
            let again = TABLE.insert(object.clone()).expect("memory");
            assert_eq!(again & INDEX_MASK, number & INDEX_MASK, "the slot is used again");
            assert!(TABLE.get(number).is_none(), "by another generation");
        }

        #[test]
        fn each_slot_has_a_place_of_its_own_and_in_order() {
            let (mut chunk, mut offset) = (0, 0);
            for index in 0..100_000 {
                assert_eq!(place(index), (chunk, offset));
                offset += 1;
                if offset == length(chunk) {
                    (chunk, offset) = (chunk + 1, 0);
                }
            }
            let first_missing = (1 << INDEX_BITS) - (1 << FIRST_CHUNK_BITS);
            assert_eq!(place(first_missing - 1), (CHUNKS - 1, length(CHUNKS - 1) - 1));
            assert_eq!(place(first_missing), (CHUNKS, 0));
        }

        #[test]
        fn after_a_fork_a_number_is_the_parents_unless_kept() {
            static TABLE: Slots<u32> = Slots::new();
            let number = TABLE.insert(1).expect("memory");
            // SAFETY: only this test uses the table.
            unsafe { TABLE.after_fork(true) };
            assert!(!TABLE.is_parents(number) && TABLE.get(number).is_some());
            // SAFETY: as above.
            unsafe { TABLE.after_fork(false) };
            assert!(TABLE.is_parents(number));
            assert!(!TABLE.is_parents(TABLE.insert(2).expect("memory")));
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc, AtomicU32};
    use loom::thread;

    #[test]
    fn an_object_is_dropped_once_and_after_its_last_use() {
        model(|| {
            let word = Word(AtomicU64::new(0));
            let generation = word.open();
            let shared = Arc::new((word, AtomicU32::new(0)));
            let leave = |shared: &(Word, AtomicU32)| {
                if shared.0.leave() == Left::Last {
                    assert_eq!(shared.1.fetch_add(1, Ordering::Relaxed), 0, "dropped once");
                    let _ = shared.0.retire();
                }
            };
            let (user, closer) = (shared.clone(), shared.clone());
            let user = thread::spawn(move || {
                if user.0.enter(generation) {
                    assert_eq!(user.1.load(Ordering::Relaxed), 0, "not dropped while it is used");
                    leave(&user);
                }
            });
            let closer = thread::spawn(move || {
                assert!(closer.0.close(generation));
                leave(&closer);
            });
            user.join().unwrap();
            closer.join().unwrap();
            assert_eq!(shared.1.load(Ordering::Relaxed), 1);
            assert!(!shared.0.enter(generation));
        });
    }
}
