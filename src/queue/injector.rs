//! What comes from outside a pool, in order.
//!
//! ```text
//! FIFO:  push -> [ blocks ] -> [ front ] -> take, a batch at a time
//! LIFO:  push -> [ front ] -> take, one at a time
//! ```
//!
//! The blocks take pushes without a lock. `front` is a short list in front of them; all takers hold its lock, which
//! keeps batches in order and lets `sweep` drop entries that nobody will run, without losing anyone's turn. Who takes back what
//! he has just pushed, and finds it at the head of the blocks, needs no lock.

use super::blocks::Blocks;
use super::Entry;
use crate::sync::{fence, lock, try_lock, AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;

/// Which of the entries from outside comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest.
    Fifo,
    /// The newest.
    Lifo,
}

/// Where an entry was pushed to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pushed(usize);

impl Pushed {
    /// It has no place of its own.
    pub(crate) const NOWHERE: Self = Self(usize::MAX);
}

/// In place of a length: entries are on their way into `front`.
const MOVING: usize = usize::MAX;

/// The injector.
pub(crate) struct Injector {
    order: Order,
    /// Taken from by whoever holds the lock of `front`.
    blocks: Blocks,
    front: Front,
}

/// What the takers change, on a line of its own: who pushes reads what is beside it.
#[repr(align(128))]
struct Front {
    entries: Mutex<VecDeque<Entry>>,
    /// `entries.len()`, to be read without the lock.
    len: AtomicUsize,
}

impl Injector {
    pub(crate) fn new(order: Order) -> Self {
        let front = Front { entries: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) };
        Self { order, blocks: Blocks::new(), front }
    }

    /// Puts an entry in. Any thread. A SeqCst load that comes after this needs no fence in between: who fences before
    /// he looks into the injector sees the entry, or what he wrote before the fence is seen by that load.
    ///
    /// Returns what `forget` needs.
    #[inline(always)]
    pub(crate) fn push(&self, entry: Entry) -> Pushed {
        match self.order {
            Order::Fifo => Pushed(self.blocks.push(entry)),
            Order::Lifo => self.push_front(entry),
        }
    }

    #[cold]
    fn push_front(&self, entry: Entry) -> Pushed {
        {
            let mut front = lock(&self.front.entries);
            front.push_front(entry);
            self.publish_len(&front);
        }
        fence(Ordering::SeqCst); // see `push`
        Pushed::NOWHERE
    }

    /// By who has pushed an entry that is stale now: whether it was in front, so that nobody will come by it; if not, it is still
    /// there.
    #[inline(always)]
    pub(crate) fn forget(&self, pushed: Pushed) -> bool {
        // No position is as high as NOWHERE.
        self.blocks.forget(pushed.0)
    }

    /// Whether it looks empty. Another thread may change that at once; `sweep` doesn't.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.front.len.load(Ordering::Acquire) == 0
    }

    /// How many entries it seems to hold: too few while it is swept.
    pub(crate) fn len(&self) -> usize {
        let front = self.front.len.load(Ordering::Relaxed);
        self.blocks.len() + if front == MOVING { 0 } else { front }
    }

    /// Another number after each push, in FIFO order.
    pub(crate) fn pushed(&self) -> usize {
        self.blocks.pushed()
    }

    /// Takes up to `batch.len()` entries, the next one first, but no more than `allowed` says, which is asked when it is
    /// this taker's turn; returns how many. In LIFO order one at a time: what comes in later goes before what is here.
    pub(crate) fn take(&self, batch: &mut [Entry], allowed: impl FnOnce() -> usize) -> usize {
        self.take_while(batch, allowed, |_| true)
    }

    /// The same, up to the first one that is not `wanted`, which is asked for one after the other.
    pub(crate) fn take_while(
        &self,
        batch: &mut [Entry],
        allowed: impl FnOnce() -> usize,
        mut wanted: impl FnMut(Entry) -> bool,
    ) -> usize {
        let mut front = lock(&self.front.entries);
        let most = match self.order {
            Order::Lifo => batch.len().min(1),
            Order::Fifo => batch.len(),
        };
        let most = most.min(allowed());
        let mut taken = 0;
        if !front.is_empty() {
            while let Some(&entry) = front.front().filter(|&&entry| taken < most && wanted(entry)) {
                batch[taken] = entry;
                taken += 1;
                front.pop_front();
            }
            self.publish_len(&front);
            if !front.is_empty() {
                return taken;
            }
        }
        taken + self.blocks.take_while(&mut batch[taken..most], wanted)
    }

    /// Another number after each entry that was taken, or passed over, in FIFO order.
    pub(crate) fn front(&self) -> usize {
        self.blocks.front()
    }

    /// Takes this entry out if it is at the head of the blocks or of what is before them, and nobody else takes right now;
    /// whether it did. By who needs the entry no more: its task has been claimed.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_if_next(&self, entry: Entry) -> bool {
        self.blocks.take_if_next(entry)
            || self.front.len.load(Ordering::Relaxed) != 0 && self.take_if_first(entry)
    }

    fn take_if_first(&self, entry: Entry) -> bool {
        let Some(mut front) = try_lock(&self.front.entries) else { return false };
        let is_next = front.front() == Some(&entry);
        if is_next {
            front.pop_front();
            self.publish_len(&front);
        }
        is_next
    }

    /// Returns when those who take right now are done: who takes later sees what the caller did before.
    pub(crate) fn let_takers_pass(&self) {
        drop(lock(&self.front.entries));
    }

    /// Drops the entries that are not `live`; the others keep their turn.
    pub(crate) fn sweep(&self, mut live: impl FnMut(Entry) -> bool) {
        let mut front = lock(&self.front.entries);
        // While the entries move, whoever looks must not find both parts empty, or it goes to sleep on them: `is_empty`
        // looks at the blocks first, so this store is seen by whoever sees them drained.
        self.front.len.store(MOVING, Ordering::Release);
        let (mut batch, mut left) = ([0; 64], self.blocks.len());
        while left > 0 {
            let most = left.min(batch.len());
            let taken = self.blocks.take(&mut batch[..most]);
            if taken == 0 {
                break; // somebody has taken his own entry out
            }
            front.extend(&batch[..taken]);
            left -= taken;
        }
        front.retain(|&entry| live(entry));
        shrink(&mut front);
        // Release, and after the entries are in place: see above.
        self.publish_len(&front);
    }

    /// Gives back what `front` has taken, if it needs little of it now.
    pub(crate) fn give_memory_back(&self) {
        shrink(&mut lock(&self.front.entries));
    }

    fn publish_len(&self, front: &VecDeque<Entry>) {
        // A hint for `is_empty`; whoever goes to sleep on it fences first (pool/sleep).
        self.front.len.store(front.len(), Ordering::Release);
    }
}

/// Room for fewer entries than this is kept.
const SMALL: usize = 1024;

/// Gives back what the list has taken, if it needs little of it now.
pub(crate) fn shrink(list: &mut VecDeque<Entry>) {
    if list.capacity() > SMALL && list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(injector: &Injector) -> Vec<Entry> {
        let mut all = Vec::new();
        let mut batch = [0; 3];
        loop {
            match injector.take(&mut batch, || 3) {
                0 => return all,
                taken => all.extend_from_slice(&batch[..taken]),
            }
        }
    }

    #[test]
    fn fifo_keeps_the_order_across_batches_and_sweeps() {
        let injector = Injector::new(Order::Fifo);
        (0..10).for_each(|entry| {
            injector.push(entry);
        });
        injector.sweep(|entry| entry % 2 == 0);
        (10..12).for_each(|entry| {
            injector.push(entry);
        });
        assert_eq!(injector.len(), 7);
        assert_eq!(drain(&injector), [0, 2, 4, 6, 8, 10, 11]);
        assert!(injector.is_empty());
    }

    #[test]
    fn an_entry_is_taken_out_of_turn_only_if_it_is_the_next_one() {
        for order in [Order::Fifo, Order::Lifo] {
            let injector = Injector::new(order);
            assert!(!injector.take_if_next(1));
            (1..=3).for_each(|entry| {
                injector.push(entry);
            });
            let (next, last) = if order == Order::Fifo { (1, 3) } else { (3, 1) };
            assert!(!injector.take_if_next(2) && !injector.take_if_next(last));
            assert!(injector.take_if_next(next) && injector.take_if_next(2));
            injector.sweep(|_| true);
            assert!(injector.len() == 1 && injector.take_if_next(last) && injector.is_empty());
        }
    }

    #[test]
    fn an_entry_that_is_forgotten_in_front_is_gone_and_one_behind_others_is_not() {
        let injector = Injector::new(Order::Fifo);
        let pushed: Vec<_> = (0..3).map(|entry| injector.push(entry)).collect();
        assert!(!injector.forget(pushed[1]) && injector.len() == 3);
        assert!(injector.forget(pushed[0]) && injector.len() == 2);
        assert_eq!(drain(&injector), [1, 2]);
        assert!(injector.forget(pushed[2]), "it was taken");
        for entry in 0..2_000 {
            assert!(injector.is_empty());
            let pushed = injector.push(entry);
            assert!(!injector.is_empty() && injector.forget(pushed));
        }
        assert!(injector.is_empty() && drain(&injector).is_empty());
        let lifo = Injector::new(Order::Lifo);
        let pushed = lifo.push(1);
        assert!(!lifo.forget(pushed) && lifo.len() == 1);
    }

    #[test]
    fn entries_are_taken_up_to_the_first_that_is_not_wanted_wherever_it_is() {
        for (moved, unwanted) in [(0, 3), (6, 3), (4, 3), (4, 5)] {
            let injector = Injector::new(Order::Fifo);
            let push = |entries: std::ops::Range<Entry>| {
                entries.for_each(|entry| {
                    injector.push(entry);
                });
            };
            push(0..moved);
            injector.sweep(|_| true); // these are before the blocks now
            push(moved..8);
            let (mut batch, mut asked) = ([0; 8], Vec::new());
            let wanted = |entry| {
                asked.push(entry);
                entry != unwanted
            };
            let taken = injector.take_while(&mut batch, || 8, wanted);
            assert_eq!(batch[..taken], (0..unwanted).collect::<Vec<_>>());
            assert_eq!(asked, (0..=unwanted).collect::<Vec<_>>());
            assert_eq!(drain(&injector), (unwanted..8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lifo_gives_the_newest_one_at_a_time() {
        let injector = Injector::new(Order::Lifo);
        (0..4).for_each(|entry| {
            injector.push(entry);
        });
        let mut batch = [0; 3];
        assert_eq!(injector.take(&mut batch, || 0), 0);
        assert_eq!(injector.take(&mut batch, || 3), 1);
        injector.push(9);
        injector.sweep(|entry| entry != 1);
        assert_eq!((batch[0], drain(&injector)), (3, vec![9, 2, 0]));
    }

    #[test]
    fn an_injector_with_entries_looks_neither_empty_nor_longer_than_it_is_while_it_is_swept() {
        for _ in 0..100 {
            let injector = Injector::new(Order::Fifo);
            (0..5_000).for_each(|entry| {
                injector.push(entry);
            });
            let swept = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                let looking = scope.spawn(|| {
                    while !swept.load(Ordering::Acquire) {
                        assert!(!injector.is_empty() && injector.len() <= 5_000);
                    }
                });
                injector.sweep(|_| true);
                swept.store(true, Ordering::Release);
                looking.join().expect("it looked so");
            });
        }
    }
}
