//! Free cells: a little stack a thread, whole batches of them shared by all.
//!
//! ```text
//! thread:  current [<= 128] -> spare [a full batch or none] -> shared stack of batches -> fresh cells of the slab
//!                                                                    `-> trim: whole runs give their memory back
//! ```
//!
//! The shared stack is R. K. Treiber's (1986), with a counter in its head against the ABA problem. The two lists a
//! thread follow Bonwick's magazines (USENIX 2001): a thread that allocates what another frees (or the reverse)
//! touches the shared stack once in 128 times.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

#[cfg(not(loom))]
use super::cell::{cell, fresh_run, Cell as TaskCell, NONE, RUN};
#[cfg(loom)]
const NONE: u32 = u32::MAX;

/// Where the stack keeps its links: inside the free cells.
pub(super) trait Links {
    fn next(&self, batch: u32) -> u32;
    fn set_next(&self, batch: u32, next: u32);
}

/// The shared stack of batches; a batch is named by its first slot.
///
/// ```text
/// head   63        32 31           0
///       |  counter   | first + 1    |     0 in the low half: empty
/// ```
pub(super) struct BatchStack {
    head: AtomicU64,
    /// How many batches there are, as a hint: one that is being pushed is counted already.
    len: AtomicU32,
}

impl BatchStack {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self { head: AtomicU64::new(0), len: AtomicU32::new(0) }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self { head: AtomicU64::new(0), len: AtomicU32::new(0) }
    }

    fn first(head: u64) -> u32 {
        (head as u32).wrapping_sub(1)
    }

    fn head(before: u64, first: u32) -> u64 {
        ((before >> 32).wrapping_add(1) << 32) | u64::from(first.wrapping_add(1))
    }

    /// About how many batches there are.
    pub(super) fn len(&self) -> u32 {
        self.len.load(Ordering::Relaxed)
    }

    /// Another number after each change.
    pub(super) fn changes(&self) -> u32 {
        (self.head.load(Ordering::Relaxed) >> 32) as u32
    }

    pub(super) fn push(&self, links: &impl Links, batch: u32) {
        self.len.fetch_add(1, Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            links.set_next(batch, Self::first(head));
            // Release: pairs with the Acquire in `pop`; publishes the batch's links.
            let (next, ok) = (Self::head(head, batch), Ordering::Release);
            match self.head.compare_exchange_weak(head, next, ok, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn pop(&self, links: &impl Links) -> Option<u32> {
        // Acquire: pairs with the Release in `push`.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let first = Self::first(head);
            if first == NONE {
                return None;
            }
            // The batch may be somebody else's by now and this link anything: then the counter has moved.
            let next = Self::head(head, links.next(first));
            match self.head.compare_exchange_weak(head, next, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    self.len.fetch_sub(1, Ordering::Relaxed);
                    return Some(first);
                }
                Err(now) => head = now,
            }
        }
    }

    /// Takes all batches out in one step: they are the caller's alone, linked as they were. And `changes` after that.
    pub(super) fn take_all(&self, links: &impl Links) -> (Vec<u32>, u32) {
        // Acquire: pairs with the Release in `push`, all of them: each push has read the head before it.
        let taken = self.head.fetch_update(Ordering::Acquire, Ordering::Acquire, |head| {
            (Self::first(head) != NONE).then(|| Self::head(head, NONE))
        });
        let (mut next, changes) = match taken {
            Ok(head) => (Self::first(head), ((head >> 32) as u32).wrapping_add(1)),
            Err(head) => (NONE, (head >> 32) as u32),
        };
        let mut batches = Vec::new();
        while next != NONE {
            batches.push(next);
            next = links.next(next);
        }
        self.len.fetch_sub(batches.len() as u32, Ordering::Relaxed);
        (batches, changes)
    }
}

#[cfg(not(loom))]
pub(crate) use magazine::forget;
#[cfg(not(loom))]
pub(super) use magazine::{after_fork, allocate, free, known, Cells, List, BATCH, SHARED};

#[cfg(not(loom))]
mod magazine {
    use super::super::trim;
    use super::*;
    use crate::sync::{own, set_own, Own, Renewable};
    use std::cell::Cell;
    use std::ptr::null;

    /// Cells in a batch.
    pub(in crate::task) const BATCH: u32 = RUN;

    pub(in crate::task) static SHARED: Renewable<BatchStack> = Renewable::new(BatchStack::new());

    /// In the child of a fork: the free cells are the parent's.
    ///
    /// # Safety
    /// No other thread uses the library.
    pub(in crate::task) unsafe fn after_fork() {
        // SAFETY: by the contract above.
        unsafe { SHARED.renew(BatchStack::new()) };
    }

    /// The stack's links are in the cells.
    pub(in crate::task) struct Cells;

    /// A cell that is there.
    #[inline(always)]
    pub(in crate::task) fn known(slot: u32) -> &'static TaskCell {
        cell(slot).expect("a free list links slots of the slab")
    }

    impl Links for Cells {
        fn next(&self, batch: u32) -> u32 {
            known(batch).next_batch()
        }

        fn set_next(&self, batch: u32, next: u32) {
            known(batch).set_next_batch(next);
        }
    }

    /// A list of free cells, linked through them.
    #[derive(Clone, Copy)]
    pub(in crate::task) struct List {
        pub(in crate::task) first: u32,
        pub(in crate::task) len: u32,
    }

    impl List {
        pub(in crate::task) const EMPTY: Self = Self { first: NONE, len: 0 };

        /// Puts a free cell in: the one in this slot.
        #[inline]
        pub(in crate::task) fn put(&mut self, slot: u32, cell: &TaskCell) {
            cell.set_link(self.first);
            *self = Self { first: slot, len: self.len + 1 };
        }

        /// Makes it a batch that any thread can have.
        pub(in crate::task) fn share(self) {
            if self.len > 0 {
                known(self.first).set_batch_len(self.len);
                SHARED.push(&Cells, self.first);
            }
        }
    }

    /// A thread's free cells.
    struct Magazine {
        current: Cell<List>,
        spare: Cell<List>,
        /// Slots in a row that were never used: from the first to before the second.
        fresh: Cell<(u32, u32)>,
    }

    impl Magazine {
        const fn new() -> Self {
            Self { current: Cell::new(List::EMPTY), spare: Cell::new(List::EMPTY), fresh: Cell::new((0, 0)) }
        }

        #[inline(always)]
        fn allocate(&self) -> Option<(u32, &'static TaskCell)> {
            loop {
                let List { first, len } = self.current.get();
                if len > 0 {
                    let cell = known(first);
                    self.current.set(List { first: cell.link(), len: len - 1 });
                    return Some((first, cell));
                }
                let (slot, end) = self.fresh.get();
                if slot < end {
                    self.fresh.set((slot + 1, end));
                    return Some((slot, known(slot)));
                }
                self.refill()?;
            }
        }

        #[cold]
        #[inline(never)]
        fn refill(&self) -> Option<()> {
            let spare = self.spare.replace(List::EMPTY);
            if spare.len > 0 {
                self.current.set(spare);
            } else if let Some(first) = SHARED.pop(&Cells) {
                self.current.set(List { first, len: known(first).batch_len() });
            } else {
                let first = fresh_run()?;
                self.fresh.set((first, first + BATCH));
            }
            Some(())
        }

        #[inline(always)]
        fn free(&self, slot: u32, cell: &TaskCell) {
            let mut current = self.current.get();
            if current.len == BATCH {
                return self.free_beyond_batch(slot, cell);
            }
            current.put(slot, cell);
            self.current.set(current);
        }

        #[cold]
        #[inline(never)]
        fn free_beyond_batch(&self, slot: u32, cell: &TaskCell) {
            let full = self.current.replace(List::EMPTY);
            self.spare.replace(full).share();
            trim::note_shared();
            self.free(slot, cell);
        }
    }

    impl Drop for Magazine {
        fn drop(&mut self) {
            // If it is the thread's (the only one that is dropped while another can't be had): it has none any more.
            set_own::<Self>(Own::Magazine, null());
            let mut fresh = List::EMPTY;
            let (first, end) = self.fresh.get();
            (first..end).for_each(|slot| fresh.put(slot, known(slot)));
            [fresh, self.current.get(), self.spare.get()].into_iter().for_each(List::share);
        }
    }

    thread_local! {
        static MAGAZINE: Magazine = const { Magazine::new() };
    }

    /// The calling thread's, unless it has none yet, or none any more.
    #[inline(always)]
    fn magazine<'a>() -> Option<&'a Magazine> {
        // SAFETY: NULL, or set below to this thread's, whose destructor takes it out. The reference stays on this thread.
        unsafe { own::<Magazine>(Own::Magazine).as_ref() }
    }

    /// Makes it; a thread that is ending has none any more, and uses an empty one, which gives back what it holds.
    #[cold]
    #[inline(never)]
    fn with_new<T>(work: impl Fn(&Magazine) -> T) -> T {
        MAGAZINE
            .try_with(|magazine| {
                set_own(Own::Magazine, magazine);
                work(magazine)
            })
            .unwrap_or_else(|_| work(&Magazine::new()))
    }

    /// A free cell and its slot; `None` when memory or numbers are used up.
    #[inline(always)]
    pub(in crate::task) fn allocate() -> Option<(u32, &'static TaskCell)> {
        match magazine() {
            Some(magazine) => magazine.allocate(),
            None => with_new(Magazine::allocate),
        }
    }

    /// Takes a free cell back: the one in this slot.
    #[inline(always)]
    pub(in crate::task) fn free(slot: u32, cell: &TaskCell) {
        match magazine() {
            Some(magazine) => magazine.free(slot, cell),
            None => with_new(|magazine| magazine.free(slot, cell)),
        }
    }

    /// In the child of a fork, on the thread that forked: its free cells are the parent's.
    pub(crate) fn forget() {
        if let Some(magazine) = magazine() {
            magazine.current.set(List::EMPTY);
            magazine.spare.set(List::EMPTY);
            magazine.fresh.set((0, 0));
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::collections::HashSet;

        fn give_back(slot: u32) {
            free(slot, known(slot));
        }

        #[test]
        fn cells_freed_on_another_thread_come_back_and_no_slot_is_given_twice() {
            let take = || allocate().expect("memory").0;
            let mine: HashSet<u32> = (0..1000).map(|_| take()).collect();
            assert_eq!(mine.len(), 1000);
            let returned = mine.clone();
            std::thread::spawn(move || returned.into_iter().for_each(give_back)).join().expect("frees");
            let again: HashSet<u32> = (0..1000).map(|_| take()).collect();
            assert_eq!(again.len(), 1000);
            again.into_iter().for_each(give_back);
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc, AtomicU32};
    use loom::thread;

    struct Table([AtomicU32; 3]);

    impl Links for Table {
        fn next(&self, batch: u32) -> u32 {
            self.0[batch as usize].load(Ordering::Relaxed)
        }

        fn set_next(&self, batch: u32, next: u32) {
            self.0[batch as usize].store(next, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_taken_out_at_once_is_in_nobody_elses_hands() {
        model(|| {
            let shared = Arc::new((BatchStack::new(), Table([0; 3].map(AtomicU32::new))));
            (0..3).for_each(|batch| shared.0.push(&shared.1, batch));
            let popper = {
                let shared = shared.clone();
                thread::spawn(move || shared.0.pop(&shared.1))
            };
            let trimmer = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (mut taken, _) = shared.0.take_all(&shared.1);
                    // Its memory is given back: what the popper reads there now is nothing.
                    if let Some(&gone) = taken.first() {
                        shared.1.set_next(gone, 0);
                    }
                    taken.drain(1.min(taken.len())..).for_each(|batch| shared.0.push(&shared.1, batch));
                    taken
                })
            };
            let mut all: Vec<u32> = popper.join().unwrap().into_iter().collect();
            all.extend(trimmer.join().unwrap());
            while let Some(batch) = shared.0.pop(&shared.1) {
                all.push(batch);
            }
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2], "each batch is in one place");
            assert_eq!(shared.0.len(), 0);
        });
    }

    #[test]
    fn no_batch_is_popped_twice_while_one_comes_back() {
        model(|| {
            let shared = Arc::new((BatchStack::new(), Table([0; 3].map(AtomicU32::new))));
            (0..2).for_each(|batch| shared.0.push(&shared.1, batch));
            let churn = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let first = shared.0.pop(&shared.1);
                    let second = shared.0.pop(&shared.1);
                    if let Some(first) = first {
                        shared.0.push(&shared.1, first);
                    }
                    second
                })
            };
            let mine = shared.0.pop(&shared.1);
            let theirs = churn.join().unwrap();
            let mut all: Vec<u32> = mine.into_iter().chain(theirs).collect();
            while let Some(batch) = shared.0.pop(&shared.1) {
                all.push(batch);
            }
            all.sort_unstable();
            assert_eq!(all, [0, 1], "each batch is in one place");
        });
    }
}
