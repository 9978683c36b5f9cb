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

    /// FREE to QUEUED, by whoever owns the free cell, after it has written the payload.
    pub(crate) fn publish(&self, id: TaskId, handles: u32, from_outside: bool) {
        let outside = if from_outside { OUTSIDE } else { 0 };
        let internal = if id.is_internal() { INTERNAL } else { 0 };
        let word = u64::from(id.generation()) << GENERATION_SHIFT
            | u64::from(handles) << HANDLES_SHIFT
            | outside
            | internal
            | QUEUED;
        // Nobody else may change a FREE word, so the store is not racing a read-modify-write. Release: pairs with
        // the Acquire of `claim` and `read`; publishes the payload to who finds the cell by a guessed handle.
        self.0.store(word, Ordering::Release);
    }

    /// The word, if a handle of this number is live.
    pub(crate) fn read(&self, id: TaskId) -> Result<Snapshot, Stale> {
        // Acquire: pairs with the Release of `finish`; the payload read after DONE is the result.
        let word = Snapshot(self.0.load(Ordering::Acquire));
        if word.is_shown_to(id) && word.handles() > 0 {
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

    /// QUEUED to RUNNING. Whoever gets true owns the payload until `finish`; nobody else will run the task.
    #[must_use]
    pub(crate) fn claim(&self, id: TaskId) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while Snapshot(word).is_of(id) && word & PHASE == QUEUED {
            let claimed = word - QUEUED + RUNNING;
            // Acquire: pairs with the Release of `publish`; brings function and argument.
            match self.0.compare_exchange_weak(word, claimed, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
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
        Finished { has_waiter: before.has_waiter(), to_free: before.handles() == 0 }
    }

    /// QUEUED to DONE without running, or a RUNNING task asked to stop.
    pub(crate) fn cancel(&self, id: TaskId) -> Result<Cancel, Stale> {
        let mut seen = self.read(id)?;
        loop {
            let (next, result) = match seen.phase() {
                Phase::Queued => {
                    let canceled = seen.0 - QUEUED + DONE + ((Outcome::Canceled as u64) << OUTCOME_SHIFT);
                    (canceled, Cancel::Won(seen))
                }
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
    /// it was not queued any more.
    #[must_use]
    pub(crate) fn discard(&self, id: TaskId) -> Option<Finished> {
        let mut word = self.0.load(Ordering::Relaxed);
        while Snapshot(word).is_of(id) && word & PHASE == QUEUED {
            let canceled = word - QUEUED + DONE + ((Outcome::Canceled as u64) << OUTCOME_SHIFT);
            // AcqRel: as in `cancel`.
            match self.0.compare_exchange_weak(word, canceled, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    let before = Snapshot(word);
                    return Some(Finished {
                        has_waiter: before.has_waiter(),
                        to_free: before.handles() == 0,
                    });
                }
                Err(now) => word = now,
            }
        }
        None
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
        let next = u64::from(word.generation()) + 1;
        // Nobody else may change the word of a cell without handles. Release: pairs with the Acquire of `read`, so
        // that who still believed the old number can't read the next task's payload with it.
        self.0.store((next & GENERATION_MASK) << GENERATION_SHIFT | FREE, Ordering::Release);
        // Release: pairs with the Acquire fence before `is_unchanged`, as in `next_id`: the free list writes, too.
        fence(Ordering::Release);
        next <= GENERATION_MASK
    }
}

/// What `finish` found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Finished {
    /// Somebody registered in the watchers' table.
    pub(crate) has_waiter: bool,
    /// No handle is left: the finisher frees the cell.
    pub(crate) to_free: bool,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_at_its_last_generation_is_retired() {
        let state = State(AtomicU64::new(GENERATION));
        let id = state.next_id(3);
        assert_eq!((id.slot(), u64::from(id.generation())), (3, GENERATION_MASK));
        state.publish(id, 0, false);
        assert!(state.claim(id));
        assert!(state.finish(Outcome::Ok, false).to_free);
        assert!(!state.free());
    }

    #[test]
    fn a_released_number_is_stale_for_every_verb() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0);
        state.publish(id, 1, true);
        assert_eq!(state.release(id), Ok(Release::LastWhilePending(Snapshot(QUEUED | OUTSIDE | ONE_HANDLE))));
        assert_eq!(state.read(id), Err(Stale));
        assert_eq!(state.release(id), Err(Stale));
        assert_eq!(state.retain(id), Err(Stale));
        assert_eq!(state.cancel(id), Err(Stale));
        assert_eq!(state.watch(id), Err(Stale));
        assert!(state.claim(id), "but the task still runs");
    }

    #[test]
    fn retain_stops_at_the_last_count() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0);
        state.publish(id, 0xFFFE, false);
        assert_eq!(state.retain(id), Ok(true));
        assert_eq!(state.retain(id), Ok(false));
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    struct Task {
        state: State,
        payload: AtomicU64,
        freed: AtomicU64,
    }

    fn queued(handles: u32) -> (Arc<Task>, TaskId) {
        let task =
            Arc::new(Task { state: State::new(), payload: AtomicU64::new(1), freed: AtomicU64::new(0) });
        let id = task.state.next_id(5);
        task.state.publish(id, handles, false);
        (task, id)
    }

    fn run(task: &Task, id: TaskId) -> bool {
        let won = task.state.claim(id);
        if won {
            task.payload.store(2, Ordering::Relaxed);
            if task.state.finish(Outcome::Ok, false).to_free {
                task.freed.fetch_add(1, Ordering::Relaxed);
            }
        }
        won
    }

    /// Runs both at the same time, each on a thread of its own: what the main thread does beside them would not be
    /// interleaved in full.
    fn race<A: 'static, B: 'static>(
        task: &Arc<Task>,
        one: impl FnOnce(&Task) -> A + 'static,
        other: impl FnOnce(&Task) -> B + 'static,
    ) -> (A, B) {
        let (first, second) = (task.clone(), task.clone());
        let one = thread::spawn(move || one(&first));
        let other = thread::spawn(move || other(&second));
        (one.join().unwrap(), other.join().unwrap())
    }

    #[test]
    fn only_one_of_two_claimers_runs_the_task() {
        model(|| {
            let (task, id) = queued(1);
            let (one, other) = race(&task, move |task| run(task, id), move |task| run(task, id));
            assert!(one ^ other);
        });
    }

    #[test]
    fn a_task_is_run_canceled_or_discarded_but_only_one_of_them() {
        model(|| {
            let (task, id) = queued(1);
            let cancel = move |task: &Task| matches!(task.state.cancel(id), Ok(Cancel::Won(_)));
            let (ran, canceled) = race(&task, move |task| run(task, id), cancel);
            assert!(ran ^ canceled);

            let (task, id) = queued(1);
            let discard = move |task: &Task| task.state.discard(id).is_some();
            let (discarded, canceled) = race(&task, discard, cancel);
            assert!(discarded ^ canceled);
        });
    }

    #[test]
    fn who_sees_done_sees_the_result() {
        model(|| {
            let (task, id) = queued(1);
            let look = move |task: &Task| {
                if task.state.read(id).unwrap().phase() == Phase::Done(Outcome::Ok) {
                    assert_eq!(task.payload.load(Ordering::Relaxed), 2);
                }
            };
            race(&task, move |task| run(task, id), look);
        });
    }

    #[test]
    fn finisher_or_last_release_frees_exactly_once() {
        model(|| {
            let (task, id) = queued(1);
            let release = move |task: &Task| {
                if let Ok(Release::LastAfterDone(_)) = task.state.release(id) {
                    task.freed.fetch_add(1, Ordering::Relaxed);
                }
            };
            let (ran, ()) = race(&task, move |task| run(task, id), release);
            assert!(ran);
            assert_eq!(task.freed.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn the_last_of_two_releases_has_seen_what_the_other_did() {
        model(|| {
            let (task, id) = queued(2);
            assert!(run(&task, id));
            let last = move |task: &Task| matches!(task.state.release(id), Ok(Release::LastAfterDone(_)));
            let use_and_release = move |task: &Task| {
                task.payload.store(7, Ordering::Relaxed);
                last(task)
            };
            let release_and_look = move |task: &Task| {
                let last = last(task);
                assert!(!last || task.payload.load(Ordering::Relaxed) == 7);
                last
            };
            let (one, other) = race(&task, use_and_release, release_and_look);
            assert!(one ^ other);
        });
    }

    #[test]
    fn who_claims_sees_the_argument() {
        model(|| {
            let (task, id) = queued(1);
            assert!(run(&task, id));
            assert!(matches!(task.state.release(id), Ok(Release::LastAfterDone(_))));
            assert!(task.state.free());
            let id = task.state.next_id(5);
            let submit = move |task: &Task| {
                task.payload.store(9, Ordering::Relaxed);
                task.state.publish(id, 1, false);
            };
            let claim = move |task: &Task| {
                if task.state.claim(id) {
                    assert_eq!(task.payload.load(Ordering::Relaxed), 9);
                }
            };
            race(&task, submit, claim);
        });
    }

    #[test]
    fn a_watcher_is_told_or_finds_the_task_done() {
        model(|| {
            let (task, id) = queued(1);
            let end = move |task: &Task| {
                assert!(task.state.claim(id));
                task.state.finish(Outcome::Ok, false).has_waiter
            };
            let watch = move |task: &Task| task.state.watch(id).unwrap().is_some();
            let (told, found_done) = race(&task, end, watch);
            assert!(told ^ found_done);
        });
    }

    #[test]
    fn a_payload_of_the_next_task_is_never_believed() {
        model(|| {
            let (task, id) = queued(1);
            assert!(run(&task, id));
            let reuse = move |task: &Task| {
                assert!(matches!(task.state.release(id), Ok(Release::LastAfterDone(_))));
                assert!(task.state.free());
                task.payload.store(3, Ordering::Relaxed); // as the free list does
                let next = task.state.next_id(5);
                task.payload.store(4, Ordering::Relaxed);
                task.state.publish(next, 1, false);
            };
            let look = move |task: &Task| {
                let Ok(seen) = task.state.read(id) else { return };
                let result = task.payload.load(Ordering::Relaxed);
                crate::sync::fence(Ordering::Acquire);
                if task.state.is_unchanged(seen) {
                    assert_eq!(result, 2);
                }
            };
            race(&task, reuse, look);
        });
    }
}
