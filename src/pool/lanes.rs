//! Where tasks wait that don't come in the ordinary way: by priority, for threads that may block, for lent threads.
//!
//! ```text
//! HIGH  looked at before every task, but     BLOCKING  elastic threads, which need no place (pool/blocking)
//!       not more than 60 times in a row      LENT      threads that the embedder lends (pool/lent)
//! LOW   looked at when there is no other,
//!       and when 60 others were started in a row
//! ```

use super::core::Pool;
use super::status::Error;
use crate::queue::{Entry, Injector, Order};
use crate::sync::{AtomicUsize, Ordering};
use crate::task::{self, TaskId};

/// Where a task waits for its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    Normal,
    High,
    Low,
    Blocking,
    Lent,
}

impl Lane {
    /// Whether only threads of one kind run what is in it.
    pub(crate) fn is_reserved(self) -> bool {
        matches!(self, Self::Blocking | Self::Lent)
    }
}

/// So many others a worker starts in a row while LOW waits, and so many of HIGH while NORMAL may (Go's scheduler looks at
/// its global queue every 61st time, to the same end).
pub(super) const PATIENCE: u32 = 60;

/// The lanes of the whole pool that any of its threads looks at.
pub(crate) struct Priorities {
    high: Injector,
    low: Injector,
    /// Entries in both, so that a worker looks at one number where there are none: as in a queue, seen by whoever
    /// fences before it goes to sleep.
    count: AtomicUsize,
}

impl Priorities {
    pub(super) fn new(order: Order) -> Self {
        Self { high: Injector::new(order), low: Injector::new(order), count: AtomicUsize::new(0) }
    }

    pub(super) fn push(&self, lane: Lane, entry: Entry) {
        // Counted first, or who takes it out could count below zero.
        self.count.fetch_add(1, Ordering::Relaxed);
        if lane == Lane::High { &self.high } else { &self.low }.push(entry);
    }

    pub(super) fn give_memory_back(&self) {
        self.high.give_memory_back();
        self.low.give_memory_back();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Whether one of HIGH waits.
    pub(super) fn has_high(&self) -> bool {
        !self.is_empty() && !self.high.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What comes before the ordinary tasks. `passed` is how many others the worker has started while LOW waited.
    #[inline]
    pub(super) fn take_before(&self, passed: &mut u32) -> Option<Entry> {
        if self.is_empty() {
            *passed = 0;
            return None;
        }
        self.take_in_turn(passed)
    }

    #[cold]
    fn take_in_turn(&self, passed: &mut u32) -> Option<Entry> {
        if self.low.is_empty() {
            *passed = 0;
        } else if *passed >= PATIENCE {
            *passed = 0;
            return self.take(&self.low).or_else(|| self.take(&self.high));
        } else {
            *passed += 1;
        }
        self.take(&self.high)
    }

    /// What comes when there is nothing else.
    pub(super) fn take_last(&self) -> Option<Entry> {
        if self.is_empty() {
            return None;
        }
        self.take(&self.low)
    }

    fn take(&self, lane: &Injector) -> Option<Entry> {
        let mut one = [0];
        let taken = lane.take(&mut one, || 1);
        self.count.fetch_sub(taken, Ordering::Relaxed);
        (taken == 1).then_some(one[0])
    }

    fn sweep(&self, live: &dyn Fn(Entry) -> bool) {
        for lane in [&self.high, &self.low] {
            let mut dropped = 0;
            lane.sweep(|entry| {
                let keep = live(entry);
                dropped += usize::from(!keep);
                keep
            });
            self.count.fetch_sub(dropped, Ordering::Relaxed);
        }
    }
}

impl Pool {
    /// Puts a task that is queued into its lane, where somebody comes for it. Fails where nobody can come.
    pub(super) fn route(&self, id: TaskId, lane: Lane) -> Result<(), Error> {
        match lane {
            Lane::Normal => {
                self.injector.push(id.bits());
            }
            Lane::High | Lane::Low => self.priorities.push(lane, id.bits()),
            Lane::Blocking => return self.push_blocking(id.bits()),
            Lane::Lent => {
                self.push_lent(id.bits());
                return Ok(());
            }
        }
        self.notify();
        Ok(())
    }

    /// The same for a task whose submitter is gone: where nobody can come it is canceled.
    pub(super) fn route_or_discard(&self, id: TaskId, lane: Lane) {
        let ready =
            if lane.is_reserved() || !self.roster.is_empty() { Ok(()) } else { self.ensure_first_thread() };
        if ready.and_then(|()| self.route(id, lane)).is_err() {
            self.discard_taken_out(id);
        }
    }

    /// Entries in all queues but the workers' own.
    pub(super) fn entries_outside(&self) -> usize {
        self.injector.len() + self.priorities.len() + self.blocking.queued() + self.lent.queued()
    }

    /// Drops the entries that nobody will run.
    pub(super) fn sweep_lanes(&self) {
        let live = |entry| task::is_queued(TaskId::from_bits(entry));
        self.injector.sweep(live);
        self.priorities.sweep(&live);
        self.blocking.sweep(&live);
        self.lent.sweep(&live);
    }

    /// Takes everything out of the lanes, for a pool that cancels.
    pub(super) fn drain_lanes(&self, each: &mut dyn FnMut(Entry)) {
        let mut batch = [0; 64];
        while let taken @ 1.. = self.injector.take(&mut batch, || 64) {
            batch[..taken].iter().copied().for_each(&mut *each);
        }
        while let Some(entry) = self.priorities.take_before(&mut 0).or_else(|| self.priorities.take_last()) {
            each(entry);
        }
        self.blocking.drain().into_iter().for_each(&mut *each);
        self.lent.drain().into_iter().for_each(&mut *each);
    }
}
