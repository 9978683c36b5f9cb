//! A queue of any length: many push at once, one at a time takes.
//!
//! ```text
//!        head (the taker's)                      tail (one word: where the next entry goes)
//!          v                                       v
//! block [ . . e e e e ] -> block [ e e e e e e ] -> block [ e e . . . . ] -> NULL
//! ```
//!
//! A position counts the slots of all blocks, and after those of each block one more, which says that the next block is
//! being linked. So whoever moves the tail on from a slot knows its block. This is the list of blocks of crossbeam's
//! `SegQueue`, for one taker at a time: he marks the head as his (TAKING) and moves it on with a store, so that whatever
//! he takes costs one read-modify-write, and gives a block back himself, as all who wrote into it are done with it.
//!
//! `stale` is a second head: all before it is taken or stale, as its owners have said. An owner who needs his entry no more and
//! finds it in front moves `stale` past it with a store; takers pass over what is before it.

use super::Entry;
use crate::sync::{set_alone, snooze, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::ptr::null_mut;

/// In the head's position: somebody is taking. Positions don't get that far: that is 292 years of a push a nanosecond.
const TAKING: usize = 1 << (usize::BITS - 1);

/// Slots of a block.
const SLOTS: usize = if cfg!(loom) { 1 } else { 511 };
/// Positions of a block.
const LAP: usize = SLOTS + 1;

const _: () = assert!(LAP.is_power_of_two(), "positions may wrap");

struct Block {
    /// The next one, once it is linked.
    next: AtomicPtr<Block>,
    /// Entry + 1; 0: not written yet.
    slots: [AtomicU64; SLOTS],
}

impl Block {
    fn clear(&mut self) {
        self.next.store(null_mut(), Ordering::Relaxed);
        self.slots.iter_mut().for_each(|slot| set_alone(slot, 0));
    }
}

/// What those who push change, on a line of its own.
#[repr(align(128))]
struct Tail {
    position: AtomicUsize,
    /// The block of that position; NULL before the first push.
    block: AtomicPtr<Block>,
    /// No entry before this position is of use, or 0. It may go back, if one who moves it on is late: then some look as if
    /// they were of use, and are found to be stale when they are taken.
    stale: AtomicUsize,
}

/// What the taker changes.
#[repr(align(128))]
struct Head {
    position: AtomicUsize,
    block: AtomicPtr<Block>,
    /// A block that was emptied, for whoever needs the next one.
    spare: AtomicPtr<Block>,
}

/// The queue.
pub(super) struct Blocks {
    tail: Tail,
    head: Head,
}

/// So many entries came before that position.
fn entries_before(position: usize) -> usize {
    position / LAP * SLOTS + position % LAP
}

/// The position of the next entry.
fn after(position: usize) -> usize {
    let next = position.wrapping_add(1);
    if next % LAP == SLOTS {
        next.wrapping_add(1)
    } else {
        next
    }
}

/// So many stale entries are left in front before the head is moved past them.
const MANY: usize = if cfg!(loom) { 2 } else { 64 };

impl Blocks {
    pub(super) fn new() -> Self {
        let null = || AtomicPtr::new(null_mut());
        Self {
            tail: Tail { position: AtomicUsize::new(0), block: null(), stale: AtomicUsize::new(0) },
            head: Head { position: AtomicUsize::new(0), block: null(), spare: null() },
        }
    }

    /// Puts an entry in; its position. Any thread. From the SeqCst step in here on nobody finds the queue empty until the entry
    /// was taken, or passed over.
    #[inline(always)]
    pub(super) fn push(&self, entry: Entry) -> usize {
        // Acquire, here and below: pairs with the Release in `link_next`: the block is that of the position, or a later one.
        let mut position = self.tail.position.load(Ordering::Acquire);
        loop {
            // Acquire: pairs with the Release in `link_next` and `first_block`; the block is all zeros.
            let block = self.tail.block.load(Ordering::Acquire);
            let offset = position % LAP;
            if offset == SLOTS || block.is_null() {
                position = self.wait_for_block();
                continue;
            }
            let (ok, failed) = (Ordering::SeqCst, Ordering::Acquire);
            match self.tail.position.compare_exchange_weak(position, position.wrapping_add(1), ok, failed) {
                Ok(_) => {
                    // SAFETY: the position was the same before and after `block` was read, so it is its block, and the
                    // taker doesn't free that before he has seen its last slot written.
                    let block = unsafe { &*block };
                    if offset + 1 == SLOTS {
                        self.link_next(block, position);
                    }
                    // Release: pairs with the Acquire in `take`; publishes the entry's task, and that we are done here.
                    block.slots[offset].store(entry + 1, Ordering::Release);
                    return position;
                }
                Err(now) => position = now,
            }
        }
    }

    /// By who has got the last slot of a block, before he writes it.
    #[cold]
    #[inline(never)]
    fn link_next(&self, block: &Block, last: usize) {
        let next = self.new_block();
        // Release: pairs with the Acquire in `leave`.
        block.next.store(next, Ordering::Release);
        self.tail.block.store(next, Ordering::Release);
        self.tail.position.store(last.wrapping_add(2), Ordering::Release);
    }

    /// The position that is found when there is a block for the next one.
    #[cold]
    #[inline(never)]
    fn wait_for_block(&self) -> usize {
        for looks in 0.. {
            if self.tail.block.load(Ordering::Relaxed).is_null() {
                self.first_block();
            }
            let position = self.tail.position.load(Ordering::Acquire);
            if position % LAP != SLOTS {
                return position;
            }
            snooze(looks);
        }
        unreachable!("the loop doesn't end")
    }

    fn first_block(&self) {
        let first = self.new_block();
        // Release: pairs with the Acquire in `push`.
        let (ok, failed) = (Ordering::Release, Ordering::Relaxed);
        if self.tail.block.compare_exchange(null_mut(), first, ok, failed).is_ok() {
            self.head.block.store(first, Ordering::Release);
        } else {
            self.give_back(first);
        }
    }

    fn new_block(&self) -> *mut Block {
        // Acquire: pairs with the Release in `give_back`.
        let spare = self.head.spare.swap(null_mut(), Ordering::Acquire);
        // SAFETY: what is in `spare` came from Box::into_raw and is nobody else's; swapped out it is ours.
        match unsafe { spare.as_mut() } {
            None => Box::into_raw(Box::new(Block {
                next: AtomicPtr::new(null_mut()),
                slots: std::array::from_fn(|_| AtomicU64::new(0)),
            })),
            Some(block) => {
                block.clear();
                spare
            }
        }
    }

    /// A block that nobody uses any more: one is kept.
    fn give_back(&self, block: *mut Block) {
        // AcqRel: Release pairs with the Acquire in `new_block`.
        let before = self.head.spare.swap(block, Ordering::AcqRel);
        if !before.is_null() {
            // SAFETY: from Box::into_raw, and swapped out, so it is ours alone.
            drop(unsafe { Box::from_raw(before) });
        }
    }

    /// Another number after each push.
    pub(super) fn pushed(&self) -> usize {
        self.tail.position.load(Ordering::Relaxed)
    }

    /// How many entries it holds, as it looks.
    pub(super) fn len(&self) -> usize {
        // The head first: it is never ahead of a tail that is read later. Acquire: pairs with the Release in `take`, for
        // `Injector::is_empty`.
        let front = self.front();
        let tail = self.tail.position.load(Ordering::Acquire);
        entries_before(tail).wrapping_sub(entries_before(front))
    }

    /// The position of the oldest entry that is of use, if there is one; it is that of the tail else.
    #[inline]
    pub(super) fn front(&self) -> usize {
        // Acquire: pairs with the Release in `end_taking`, and of the second with that in `forget`.
        let head = self.head.position.load(Ordering::Acquire) & !TAKING;
        head.max(self.tail.stale.load(Ordering::Acquire))
    }

    /// Whether it looks empty.
    pub(super) fn is_empty(&self) -> bool {
        // As in `len`. The tail is never found at the position between two blocks when the head has passed the block: it is
        // moved on before the last slot is written.
        self.front() == self.tail.position.load(Ordering::Acquire)
    }

    /// By who has pushed an entry there, and says that it is of no use any more. If it is in front, it is passed over from now
    /// on. True: nobody need look for it; false: it is stale, but others are in front of it.
    #[inline(always)]
    pub(super) fn forget(&self, position: usize) -> bool {
        self.forget_and_keep(position, MANY)
    }

    /// The same, with that many as `MANY`.
    #[inline(always)]
    fn forget_and_keep(&self, position: usize, many: usize) -> bool {
        let head = self.head.position.load(Ordering::Acquire) & !TAKING;
        let front = head.max(self.tail.stale.load(Ordering::Acquire));
        if front != position {
            return front > position;
        }
        let next = after(position);
        // Release: pairs with the Acquire in `front`. Our push is over, and so (by the Acquire above) are those before.
        self.tail.stale.store(next, Ordering::Release);
        if next - head >= many {
            self.drop_stale();
        }
        true
    }

    /// Moves the head on to what is of use, so that blocks can be used again.
    #[cold]
    #[inline(never)]
    fn drop_stale(&self) {
        if let Some(head) = self.try_begin_taking() {
            let head = self.pass_stale(head);
            self.end_taking(head);
        }
    }

    /// The head after the stale entries in front. By who takes.
    #[inline]
    fn pass_stale(&self, head: usize) -> usize {
        // Acquire: pairs with the Release in `forget`: who has pushed what is passed over is done with its block.
        let stale = self.tail.stale.load(Ordering::Acquire);
        if stale <= head {
            return head;
        }
        for _ in head / LAP..stale / LAP {
            self.leave(self.head_block());
        }
        stale
    }

    /// The block of the head, where entries were pushed. By who takes.
    fn head_block(&self) -> *mut Block {
        // Acquire: pairs with the Release in `first_block`, whose caller may be late with it.
        when(|| Some(self.head.block.load(Ordering::Acquire)).filter(|block| !block.is_null()))
    }

    /// Makes the head the caller's, who stores its position when he is done. `None`: it is somebody else's.
    #[inline]
    fn try_begin_taking(&self) -> Option<usize> {
        let position = self.head.position.load(Ordering::Relaxed) & !TAKING;
        // Acquire: pairs with the Release of who took last.
        let (ok, failed) = (Ordering::Acquire, Ordering::Relaxed);
        self.head.position.compare_exchange(position, position | TAKING, ok, failed).ok()
    }

    /// Who takes is done: the head is there now.
    #[inline]
    fn end_taking(&self, position: usize) {
        self.head.position.store(position, Ordering::Release);
    }

    /// Takes the oldest entries, as many as there are and fit; returns how many.
    pub(super) fn take(&self, batch: &mut [Entry]) -> usize {
        self.take_while(batch, |_| true)
    }

    /// The same, up to the first one that is not wanted.
    pub(super) fn take_while(&self, batch: &mut [Entry], mut wanted: impl FnMut(Entry) -> bool) -> usize {
        if batch.is_empty() || self.is_empty() {
            return 0;
        }
        let mut position = self.pass_stale(when(|| self.try_begin_taking()));
        let tail = self.tail.position.load(Ordering::Acquire);
        let count = entries_before(tail).wrapping_sub(entries_before(position)).min(batch.len());
        let (mut block, mut taken) = (self.head_block(), 0);
        for place in &mut batch[..count] {
            // SAFETY: the block of the head, which nobody frees but who takes, which is us.
            let slot = unsafe { &(*block).slots[position % LAP] };
            // Acquire: pairs with the Release in `push`. Who has moved the tail on is about to write.
            *place = when(|| slot.load(Ordering::Acquire).checked_sub(1));
            if !wanted(*place) {
                break;
            }
            taken += 1;
            let next = after(position);
            if next / LAP != position / LAP {
                block = self.leave(block);
            }
            position = next;
        }
        self.end_taking(position);
        taken
    }

    /// Takes this entry if it is the oldest and nobody else is taking; whether it did.
    #[inline]
    pub(super) fn take_if_next(&self, entry: Entry) -> bool {
        let Some(position) = self.try_begin_taking().map(|head| self.pass_stale(head)) else { return false };
        // Acquire: as in `take`; here and below.
        let block = self.head.block.load(Ordering::Acquire);
        // SAFETY: NULL, or the block of the head, which nobody frees but who takes, which is us.
        let next = unsafe { block.as_ref() }.map(|block| &block.slots[position % LAP]);
        let is_next = next.is_some_and(|next| next.load(Ordering::Acquire) == entry + 1);
        let head = if is_next { after(position) } else { position };
        if head / LAP != position / LAP {
            self.leave(block);
        }
        self.end_taking(head);
        is_next
    }

    /// From a block whose last entry was taken to the next.
    #[cold]
    fn leave(&self, block: *mut Block) -> *mut Block {
        // Acquire: pairs with the Release in `link_next`.
        // SAFETY: as in `take`. It was linked before its last slot was written.
        let next = unsafe { (*block).next.load(Ordering::Acquire) };
        self.head.block.store(next, Ordering::Relaxed);
        // Each who got a slot in it has written that, which was the last that he did with it.
        self.give_back(block);
        next
    }
}

/// Waits for what another thread is just about to do.
fn when<T>(look: impl Fn() -> Option<T>) -> T {
    let mut looks = 0;
    loop {
        if let Some(found) = look() {
            return found;
        }
        snooze(looks);
        looks += 1;
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let mut block = self.head.block.load(Ordering::Relaxed);
        // SAFETY: each came from Box::into_raw and is in the list once, or is the spare one; `&mut self` says that nobody
        // else is here.
        unsafe {
            while !block.is_null() {
                let next = (*block).next.load(Ordering::Relaxed);
                drop(Box::from_raw(block));
                block = next;
            }
            let spare = self.head.spare.load(Ordering::Relaxed);
            if !spare.is_null() {
                drop(Box::from_raw(spare));
            }
        }
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
