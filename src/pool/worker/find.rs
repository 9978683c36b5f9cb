//! How a worker gets its next task: which queue it looks at first, and how much it takes along.
//!
//! ```text
//! urgent lanes -> own deque, newest -> injector, oldest 32 -> another's deque, oldest 128 -> another's fork stack
//! ```

use super::Worker;
use crate::pool::census::Census;
use crate::pool::core::Pool;
use crate::pool::fork_stacks::steal_half;
use crate::pool::{lanes, observe};
use crate::queue::{Deque, Entry};
use crate::sync::spin_hint;
use crate::task::{Claimed, TaskId};

/// Most tasks that a worker takes at once out of the injector.
pub(in crate::pool) const BATCH: usize = 32;
/// The same, out of another worker's deque: how often a thief comes is what costs its owner.
pub(super) const HAUL: usize = 128;

/// Fewer entries than this are a small haul.
const SMALL: usize = 8;
/// After so many small hauls the worker lets a few tasks gather before it looks again, for some hundred nanoseconds:
/// a worker that takes each task as it comes costs the submitter a cache line a task.
const PATIENCE: u32 = 4;
pub(super) const PAUSES: u32 = 10;
/// So many are worth a look.
const ENOUGH: usize = 48;

enum Taken {
    Task(Claimed),
    /// There was an entry, but nobody waits for it: look again.
    Stale,
    Nothing,
}

/// How a worker gets its next task.
impl Worker<'_> {
    /// The next task for a place: what has priority, else its own newest, else the oldest from outside, else somebody
    /// else's oldest. A lent thread looks every other time at first for what only it can do.
    pub(super) fn find(&mut self, place: u32) -> Option<Claimed> {
        let pool = self.pool;
        let own = pool.deques.of(place);
        loop {
            self.turn = self.turn.wrapping_add(1);
            if let Some(task) = self.find_before() {
                return Some(task);
            }
            // SAFETY: the caller holds the place, so it owns the deque.
            while let Some(entry) = unsafe { own.pop() } {
                if let Some(task) = claim(pool, entry) {
                    return Some(task);
                }
            }
            if self.small_hauls >= PATIENCE {
                (0..PAUSES).for_each(|_| spin_hint());
            }
            match self.take_batch(pool, place) {
                Taken::Task(task) => return Some(task),
                Taken::Stale => continue,
                Taken::Nothing => {}
            }
            match self.steal(pool, place) {
                Taken::Task(task) => return Some(task),
                Taken::Stale => continue,
                Taken::Nothing => {}
            }
            if let Some(task) = steal_half(self.context) {
                return Some(task);
            }
            let high = pool.priorities.take_before(&mut self.passed);
            self.passed = 0;
            let last = high.or_else(|| pool.priorities.take_last()).or_else(|| self.take_for_lent());
            match last {
                Some(entry) => match claim(pool, entry) {
                    Some(task) => return Some(task),
                    None => continue,
                },
                None => return None,
            }
        }
    }

    /// What comes before the ordinary tasks.
    #[inline]
    fn find_before(&mut self) -> Option<Claimed> {
        let pool = self.pool;
        if self.favoured < lanes::PATIENCE {
            while let Some(entry) = pool.priorities.take_before(&mut self.passed) {
                if let Some(task) = claim(pool, entry) {
                    self.favoured += 1;
                    return Some(task);
                }
            }
        }
        // Their turn is over for once: the others come before them.
        self.favoured = 0;
        if self.turn % 2 == 0 {
            return None;
        }
        while let Some(entry) = self.take_for_lent() {
            if let Some(task) = claim(pool, entry) {
                return Some(task);
            }
        }
        None
    }

    fn take_for_lent(&self) -> Option<Entry> {
        if self.context.is_lent {
            self.pool.lent.take()
        } else {
            None
        }
    }

    fn note_haul(&mut self, seen: usize) {
        self.small_hauls = if seen < SMALL { self.small_hauls + 1 } else { 0 };
    }

    /// The oldest task from outside, and a fair share of the others.
    fn take_batch(&mut self, pool: &Pool, place: u32) -> Taken {
        if pool.injector.is_empty() {
            return Taken::Nothing;
        }
        let seen = self.let_some_gather(pool.injector.len());
        self.note_haul(seen);
        pool.observer.note_queue_length(seen);
        let taken = pool.injector.take(&mut self.haul[..BATCH], || {
            // Asked here, so that what is submitted after a resize to one thread is taken by one thread, in order.
            let census = pool.places.census();
            match census.lets_start_on(place) {
                true => fair_share(seen, census),
                false => 0,
            }
        });
        keep(pool, pool.deques.of(place), &self.haul[..taken])
    }

    /// Where it found next to nothing a few times, and tasks come while it looks, it waits until there are some, for 70 pauses at
    /// most (0.8 us here); how many there are. Each of its looks costs the submitter a cache line. Not where he may wait for room.
    fn let_some_gather(&self, mut seen: usize) -> usize {
        if self.small_hauls < PATIENCE || self.pool.is_bounded() {
            return seen;
        }
        for pauses in [PAUSES, 2 * PAUSES, 4 * PAUSES] {
            let before = seen;
            if before < ENOUGH {
                (0..pauses).for_each(|_| spin_hint());
                seen = self.pool.injector.len();
            }
            if seen <= before {
                break;
            }
        }
        seen
    }

    /// The oldest task of another deque, and half of the others.
    fn steal(&mut self, pool: &Pool, place: u32) -> Taken {
        let own = pool.deques.of(place);
        let mut outcome = Taken::Nothing;
        for other in pool.deques.others(place).filter(|other| !other.is_empty()) {
            let seen = other.len();
            self.note_haul(seen);
            let taken = other.steal(&mut self.haul);
            observe::note_steal(self.context, taken);
            outcome = match keep(pool, own, &self.haul[..taken]) {
                Taken::Nothing => Taken::Stale, // somebody was faster; there may be more
                task @ Taken::Task(_) => return task,
                stale => stale,
            };
        }
        outcome
    }
}

/// How many of the tasks that were seen in the injector one takes along: each place could come twice.
pub(in crate::pool) fn fair_share(seen: usize, census: Census) -> usize {
    seen.div_ceil(census.threads() as usize * 2).clamp(1, BATCH)
}

/// Keeps a batch, oldest first: claims the oldest; the rest goes into the own deque, where others can steal it.
fn keep(pool: &Pool, own: &Deque, batch: &[Entry]) -> Taken {
    let Some((&oldest, rest)) = batch.split_first() else { return Taken::Nothing };
    for &entry in rest.iter().rev() {
        // SAFETY: the caller of `find` holds the place of this deque. Pushed in reverse, the oldest comes out first.
        unsafe { own.push(entry) };
    }
    if !rest.is_empty() {
        // They were out of sight for a moment: somebody may have looked just then and gone to sleep.
        pool.notify();
    }
    claim(pool, oldest).map_or(Taken::Stale, Taken::Task)
}

/// Claims what an entry stands for, if it still waits to be run.
fn claim(pool: &Pool, entry: Entry) -> Option<Claimed> {
    let task = Claimed::claim(TaskId::from_bits(entry))?;
    pool.left_queue();
    Some(task)
}
