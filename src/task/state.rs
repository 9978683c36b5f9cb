//! The state word of a task: one 64-bit atomic that says whose the cell is.
//!
//! ```text
//! phase   FREE --publish--> QUEUED --claim--> RUNNING --finish--> DONE --free--> FREE (generation + 1)
//!                              `--------------cancel---------------^
//! ```
//!
//! | who                        | may                                                      |
//! |----------------------------|----------------------------------------------------------|
//! | whoever popped it FREE     | everything, until `publish`                              |
//! | whoever won `claim`        | the payload, until `finish`                              |
//! | a live handle, while DONE  | read the payload, and believe it if the word is unchanged |
//! | whoever made handles 0 while DONE, or finished with 0 | everything, then `free`       |
//!
//! The word is changed by read-modify-write only. Each transition is a verb, and what it returns must be looked at.

use super::word::*;
use crate::sync::{fence, AtomicU64, Ordering};

/// No live handle, or no task, of that number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stale;

/// What became of a `cancel`.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancel {
    /// It will never run; the caller tells who waits.
    Won(Snapshot),
    /// It will never run: the caller has claimed it, and ends it.
    Claimed(Snapshot),
    /// It runs, and has been asked to stop.
    Running,
    /// It had ended.
    Done,
}

/// What a `release` found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Release {
    /// More releases are due.
    Live,
    /// That was the last handle; the task is still to end, and whoever finishes it frees the cell.
    LastWhilePending(Snapshot),
    /// That was the last handle and the task had ended: the caller frees the cell.
    LastAfterDone(Snapshot),
}

/// The word.
pub(crate) struct State(AtomicU64);

impl State {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(FREE))
    }

    /// The number that the free cell in `slot` has for its next task.
    pub(crate) fn next_id(&self, slot: u32) -> TaskId {
        // Release: pairs with the Acquire fence before `is_unchanged`: who reads what is written to the payload
        // from here on finds the word changed.
        fence(Ordering::Release);
        TaskId::new(slot, Snapshot(self.0.load(Ordering::Relaxed)).generation())
    }

    /// The word of a cell that nobody has, for a cell whose memory is new, or was given back and reads as zeros. By who owns
    /// it; `generation` is none that the cell has had.
    pub(crate) fn reset(&self, generation: u32) {
        // Relaxed: as 0 before, it is FREE and no number's; what comes later is published by `publish`.
        self.0.store(u64::from(generation) << GENERATION_SHIFT | FREE, Ordering::Relaxed);
    }

    /// FREE to QUEUED, by whoever owns the free cell, after it has written the payload. `flags` as in `word`.
    pub(crate) fn publish(&self, id: TaskId, handles: u32, flags: u64) {
        debug_assert!(flags & !(OUTSIDE | HELD | BLOCKING | LENT | EXTRA) == 0);
        let internal = if id.is_internal() { INTERNAL } else { 0 };
        let word = id.generation_in_place() | u64::from(handles) << HANDLES_SHIFT | flags | internal | QUEUED;
        // Nobody else may change a FREE word, so the store is not racing a read-modify-write. Release: pairs with
        // the Acquire of `claim` and `read`; publishes the payload to who finds the cell by a guessed handle.
        self.0.store(word, Ordering::Release);
    }

    /// The word, if a handle of this number is live.
    pub(crate) fn read(&self, id: TaskId) -> Result<Snapshot, Stale> {
        // Acquire: pairs with the Release of `finish`; the payload read after DONE is the result.
        let word = Snapshot(self.0.load(Ordering::Acquire));
        if word.is_held_by(id) {
            Ok(word)
        } else {
            Err(Stale)
        }
    }

    /// Whether the word is still what was read, so that what was read in between can be believed. Call it after
    /// an Acquire fence.
    pub(crate) fn is_unchanged(&self, seen: Snapshot) -> bool {
        // Flags may have come meanwhile; generation and phase decide whose the payload was.
        let now = self.0.load(Ordering::Relaxed);
        (now ^ seen.0) & (GENERATION | PHASE) == 0
    }

    /// Whether the task of this number still waits to be run (an entry of a queue may outlive its task).
    pub(crate) fn is_queued(&self, id: TaskId) -> bool {
        let word = Snapshot(self.0.load(Ordering::Relaxed));
        word.is_of(id) && word.phase_bits() == QUEUED
    }

    /// Whether the task of this number has ended.
    pub(crate) fn has_ended(&self, id: TaskId) -> bool {
        let word = Snapshot(self.0.load(Ordering::Acquire));
        !word.is_of(id) || word.phase_bits() == DONE
    }

    /// QUEUED to RUNNING, unless one of the flags in `unless` is set. Whoever gets the word as it was before owns the
    /// payload until `finish`; nobody else will run the task.
    #[must_use]
    pub(crate) fn claim(&self, id: TaskId, unless: u64) -> Option<Snapshot> {
        self.leave_queued(id, unless, |word| word - QUEUED + RUNNING)
    }

    /// The same, to end the task without running it.
    #[must_use]
    pub(crate) fn claim_to_end(&self, id: TaskId) -> Option<Snapshot> {
        self.leave_queued(id, 0, |word| word - QUEUED + RUNNING + NEVER_RUNS)
    }

    /// QUEUED to something else, by one of those who want to. Returns the word as it was before.
    fn leave_queued(&self, id: TaskId, unless: u64, next: impl Fn(u64) -> u64) -> Option<Snapshot> {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & (GENERATION | PHASE | unless) == id.generation_in_place() | QUEUED {
            // Acquire: pairs with the Release of `publish`; brings function and argument. Release: if the task ends
            // with this, pairs with the Acquire of `read`.
            match self.0.compare_exchange_weak(word, next(word), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(Snapshot(word)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// A held task may be run from now on: HELD is taken away. False if it isn't queued, or not held, any more.
    #[must_use]
    pub(crate) fn let_go(&self, id: TaskId) -> bool {
        if !Snapshot(self.0.load(Ordering::Relaxed)).is_held() {
            return false;
        }
        self.leave_queued(id, 0, |word| word & !HELD).is_some_and(Snapshot::is_held)
    }

    /// RUNNING to DONE, by the claimer, after it has written the result. Returns the word before: if it had a
    /// waiter, the caller tells it; if it had no handle, the caller frees the cell; else the cell is no longer ours.
    pub(crate) fn finish(&self, outcome: Outcome, with_side: bool) -> Finished {
        let side = if with_side { HAS_SIDE } else { 0 };
        let step = DONE - RUNNING + ((outcome as u64) << OUTCOME_SHIFT) + side;
        // The phase is ours alone to change and outcome and HAS_SIDE are 0 while RUNNING, so adding sets them.
        // Release: pairs with the Acquire of `read`; publishes the result. Acquire: pairs with the Release of the
        // last `release`, for if that was it, the cell is ours.
        let before = Snapshot(self.0.fetch_add(step, Ordering::AcqRel));
        debug_assert!(before.phase_bits() == RUNNING && !before.has_side());
        Finished(before)
    }

    /// QUEUED to DONE without running (RUNNING for one that has an extra: its end is more than this step), or a RUNNING
    /// task asked to stop.
    pub(crate) fn cancel(&self, id: TaskId) -> Result<Cancel, Stale> {
        let mut seen = self.read(id)?;
        loop {
            let (next, result) = match seen.phase() {
                Phase::Queued if seen.has_extra() => {
                    (seen.0 - QUEUED + RUNNING + NEVER_RUNS, Cancel::Claimed(seen))
                }
                Phase::Queued => {
                    let canceled = seen.0 - QUEUED + DONE + ((Outcome::Canceled as u64) << OUTCOME_SHIFT);
                    (canceled, Cancel::Won(seen))
                }
                // Somebody else is about to end it.
                Phase::Running if seen.never_ran() => return Ok(Cancel::Done),
                Phase::Running => (seen.0 | CANCEL, Cancel::Running),
                Phase::Done(_) => return Ok(Cancel::Done),
            };
            // AcqRel: as `claim` and `finish` in one.
            match self.0.compare_exchange_weak(seen.0, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(result),
                Err(_) => seen = self.read(id)?,
            }
        }
    }

    /// QUEUED to DONE without running, by the pool or by the library for a task of its own, handle or not. `None` if
    /// it was not queued any more. Not for a task with an extra: that one is claimed and finished.
    #[must_use]
    pub(crate) fn discard(&self, id: TaskId) -> Option<(Snapshot, Finished)> {
        let canceled = |word| word - QUEUED + DONE + ((Outcome::Canceled as u64) << OUTCOME_SHIFT);
        let before = self.leave_queued(id, EXTRA, canceled)?;
        Some((before, Finished(before)))
    }

    /// Asks a RUNNING task to stop, handle or not.
    pub(crate) fn ask_to_stop(&self, id: TaskId) {
        let mut word = self.0.load(Ordering::Relaxed);
        while Snapshot(word).is_of(id) && word & PHASE == RUNNING {
            // Relaxed: the flag says all there is to say.
            let (next, relaxed) = (word | CANCEL, Ordering::Relaxed);
            match self.0.compare_exchange_weak(word, next, relaxed, relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Somebody has the result (or will have it): nobody is to drop it. By who has a handle.
    pub(crate) fn note_taken(&self, id: TaskId) -> Result<(), Stale> {
        let mut seen = self.read(id)?;
        while !seen.is_taken() {
            let next = seen.0 | TAKEN;
            match self.0.compare_exchange_weak(seen.0, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(_) => seen = self.read(id)?,
            }
        }
        Ok(())
    }

    /// The word as it is, for who owns the cell.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Relaxed))
    }

    /// Announces a watcher, unless the task has ended: then its last word. Under the lock of the watchers' shard.
    pub(crate) fn watch(&self, id: TaskId) -> Result<Option<Snapshot>, Stale> {
        self.set_unless_done(id, HAS_WAITER)
    }

    fn set_unless_done(&self, id: TaskId, flag: u64) -> Result<Option<Snapshot>, Stale> {
        loop {
            let seen = self.read(id)?;
            if let Phase::Done(_) = seen.phase() {
                return Ok(Some(seen));
            }
            // AcqRel: whoever takes the flag out sees the registration through the shard's lock.
            let (next, ok) = (seen.0 | flag, Ordering::AcqRel);
            if self.0.compare_exchange_weak(seen.0, next, ok, Ordering::Relaxed).is_ok() {
                return Ok(None);
            }
        }
    }

    /// One more release is due. False when the count is full (65,535).
    pub(crate) fn retain(&self, id: TaskId) -> Result<bool, Stale> {
        loop {
            let seen = self.read(id)?;
            if seen.0 & HANDLES == HANDLES {
                return Ok(false);
            }
            let next = seen.0 + ONE_HANDLE;
            if self.0.compare_exchange_weak(seen.0, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(true);
            }
        }
    }

    /// One release less is due.
    pub(crate) fn release(&self, id: TaskId) -> Result<Release, Stale> {
        loop {
            let seen = self.read(id)?;
            // AcqRel: whoever frees the cell has seen everybody else's last use of it.
            let (next, ok) = (seen.0 - ONE_HANDLE, Ordering::AcqRel);
            if self.0.compare_exchange_weak(seen.0, next, ok, Ordering::Relaxed).is_ok() {
                return Ok(match (seen.handles(), seen.phase()) {
                    (1, Phase::Done(_)) => Release::LastAfterDone(seen),
                    (1, _) => Release::LastWhilePending(seen),
                    _ => Release::Live,
                });
            }
        }
    }

    /// `release` and `free` in one step, for the last handle of a task that has ended and has nothing beside its cell; then
    /// the slot is for the free list. False: nothing was done.
    #[must_use]
    #[inline]
    pub(crate) fn release_and_free(&self, id: TaskId) -> bool {
        let seen = Snapshot(self.0.load(Ordering::Relaxed));
        // The slot's last generation is the slow way's.
        if !seen.is_plain_and_held_once_by(id) || seen.0 & GENERATION == GENERATION {
            return false;
        }
        // AcqRel: as in `release`, and in `free`.
        let freed =
            self.0.compare_exchange(seen.0, seen.next_free(), Ordering::AcqRel, Ordering::Relaxed).is_ok();
        fence(Ordering::Release); // as in `free`
        freed
    }

    /// QUEUED to FREE, for who has both the only handle and the entry of a task with nothing beside its cell; then the slot
    /// is for the free list. False: nothing was done.
    #[must_use]
    #[inline]
    pub(crate) fn take_back(&self, id: TaskId) -> bool {
        let seen = id.generation_in_place() | id.internal_in_place() | ONE_HANDLE | QUEUED;
        // The slot's last generation is the slow way's.
        if seen & GENERATION == GENERATION {
            return false;
        }
        // AcqRel: as in `leave_queued`, and in `free`.
        let (next, ok) = (Snapshot(seen).next_free(), Ordering::AcqRel);
        let freed = self.0.compare_exchange(seen, next, ok, Ordering::Relaxed).is_ok();
        fence(Ordering::Release); // as in `free`
        freed
    }

    /// Asked to stop? For the running task itself.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        Snapshot(self.0.load(Ordering::Relaxed)).is_asked_to_stop()
    }

    /// DONE to FREE with the next generation, by the one who may free it. False when that was the slot's last
    /// generation: the slot is then retired, so that a number never comes twice.
    #[must_use]
    pub(crate) fn free(&self) -> bool {
        let word = Snapshot(self.0.load(Ordering::Relaxed));
        debug_assert!(word.phase_bits() == DONE && word.handles() == 0);
        // Nobody else may change the word of a cell without handles. Release: pairs with the Acquire of `read`, so
        // that who still believed the old number can't read the next task's payload with it.
        self.0.store(word.next_free(), Ordering::Release);
        // Release: pairs with the Acquire fence before `is_unchanged`, as in `next_id`: the free list writes, too.
        fence(Ordering::Release);
        word.0 & GENERATION != GENERATION
    }
}

/// What `finish` found: the word before.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Finished(pub(super) Snapshot);

impl Finished {
    /// Somebody registered in the watchers' table.
    pub(crate) fn has_waiter(self) -> bool {
        self.0.has_waiter()
    }

    /// No handle is left: the finisher frees the cell.
    pub(crate) fn to_free(self) -> bool {
        self.0.handles() == 0
    }

    /// Nobody is to be told, and who has the one handle frees the cell. As a rule, not always where that is so.
    #[inline]
    pub(crate) fn is_all(self) -> bool {
        self.0.is_unwatched_and_held_once()
    }
}

#[cfg(test)]
mod tests;
