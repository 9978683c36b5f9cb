//! A task from `create` to its cell's return to the free list: each step once, in this order.
//!
//! ```text
//! create -> (queue) -> Claimed::claim -> run -> finish: failure, DONE, tell the waiters, free if nobody holds it
//!                    `-> cancel ----------------------^
//! ```

use super::cell::{cell, Cell, Function};
use super::free_list;
use super::state::{Cancel, Finished, Release, Stale};
use super::watch::{self, Failure, News};
use super::word::{Outcome, Phase, Snapshot, TaskId};
use crate::sync::{fence, Ordering};
use std::ffi::c_void;

/// What a new task is to do, and who will ask for it.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) function: Function,
    pub(crate) argument: *mut c_void,
    pub(crate) owner: Owner,
}

/// Who has the handle of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// Nobody.
    None,
    /// A caller of the ABI: one release is due.
    Caller,
    /// The library itself: one release is due, and no handle that a caller makes up reaches it.
    Library,
}

/// Makes a queued task. `None`: out of memory.
pub(crate) fn create(job: Job, pool: u32, from_outside: bool) -> Option<TaskId> {
    let slot = free_list::allocate()?;
    let cell = cell(slot)?;
    let mut id = cell.state.next_id(slot);
    if job.owner == Owner::Library {
        id = id.internal();
    }
    cell.fill(job.function, job.argument, pool);
    cell.state.publish(id, u32::from(job.owner != Owner::None), from_outside);
    Some(id)
}

/// A task that this thread has claimed: it alone runs it, and must `finish` it.
#[must_use = "a claimed task must be finished"]
pub(crate) struct Claimed {
    id: TaskId,
    cell: &'static Cell,
}

impl Claimed {
    /// Claims the task if it is still queued.
    pub(crate) fn claim(id: TaskId) -> Option<Self> {
        let cell = cell(id.slot())?;
        cell.state.claim(id).then_some(Self { id, cell })
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    /// Function and argument.
    pub(crate) fn call(&self) -> (Function, *mut c_void) {
        // SAFETY: claimed (that is what makes a Claimed), and not finished, for `finish` consumes it.
        (unsafe { self.cell.function() }, self.cell.payload())
    }
}

/// Ends a claimed task: result visible, then waiters told, then the cell freed if nobody holds it.
pub(crate) fn finish(task: Claimed, outcome: Outcome, result: *mut c_void, failure: Option<Failure>) {
    let Claimed { id, cell } = task;
    cell.set_payload(result);
    let with_side = failure.is_some();
    if let Some(failure) = failure {
        watch::put_failure(id, failure);
    }
    let finished = cell.state.finish(outcome, with_side);
    after_end(id, cell, finished, with_side);
}

/// The task is DONE: from here on the cell may be another task's, unless no handle was left.
fn after_end(id: TaskId, cell: &Cell, finished: Finished, has_side: bool) {
    if finished.has_waiter {
        watch::tell(id, News::Ended);
    }
    if finished.to_free {
        free(id, cell, has_side);
    }
}

fn free(id: TaskId, cell: &Cell, has_side: bool) {
    if has_side {
        watch::drop_failure(id);
    }
    if cell.state.free() {
        free_list::free(id.slot());
    }
}

/// What a live handle shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    pub(crate) phase: Phase,
    /// The result, if it is done with `Outcome::Ok`.
    pub(crate) result: *mut c_void,
    /// Number of its pool.
    pub(crate) pool: u32,
    /// Submitted from outside its pool.
    pub(crate) from_outside: bool,
}

/// Reads a task through a handle: loads only, believed after the word was found unchanged.
pub(crate) fn look(id: TaskId) -> Result<Look, Stale> {
    let cell = cell(id.slot()).ok_or(Stale)?;
    loop {
        let seen: Snapshot = cell.state.read(id)?;
        let (result, pool) = (cell.payload(), cell.pool());
        // Acquire: pairs with the Release fence in `State::next_id`: if we read the next task's payload, the word
        // below is the next task's too.
        fence(Ordering::Acquire);
        if cell.state.is_unchanged(seen) {
            return Ok(Look { phase: seen.phase(), result, pool, from_outside: seen.is_from_outside() });
        }
    }
}

/// Whether the task that a queue's entry stands for still waits to be run.
pub(crate) fn is_queued(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| cell.state.is_queued(id))
}

/// Whether the task of that number has ended, handle or not.
pub(crate) fn has_ended(id: TaskId) -> bool {
    cell(id.slot()).is_none_or(|cell| cell.state.has_ended(id))
}

/// Cancels through a handle; on `Won` whoever waits is told.
pub(crate) fn cancel(id: TaskId) -> Result<Cancel, Stale> {
    let canceled = cell(id.slot()).ok_or(Stale)?.state.cancel(id)?;
    if let Cancel::Won(before) = canceled {
        if before.has_waiter() {
            watch::tell(id, News::Ended);
        }
    }
    Ok(canceled)
}

/// Cancels a queued task without a handle, as its pool does; false if it was not queued any more.
pub(crate) fn discard(id: TaskId) -> bool {
    let Some(cell) = cell(id.slot()) else { return false };
    let Some(discarded) = cell.state.discard(id) else { return false };
    after_end(id, cell, discarded, false);
    true
}

/// One more release is due; false when the count is full.
pub(crate) fn retain(id: TaskId) -> Result<bool, Stale> {
    cell(id.slot()).ok_or(Stale)?.state.retain(id)
}

/// Gives one handle back. The task still runs.
pub(crate) fn release(id: TaskId) -> Result<(), Stale> {
    let cell = cell(id.slot()).ok_or(Stale)?;
    match cell.state.release(id)? {
        Release::Live => {}
        Release::LastWhilePending(seen) => {
            if seen.has_waiter() {
                watch::tell(id, News::Released);
            }
        }
        Release::LastAfterDone(seen) => {
            if seen.has_waiter() {
                watch::tell(id, News::Released);
            }
            free(id, cell, seen.has_side());
        }
    }
    Ok(())
}

/// Why the task failed, through a live handle.
pub(crate) fn failure(id: TaskId) -> Result<Option<Failure>, Stale> {
    let failure = watch::failure(id);
    look(id).map(|_| failure)
}
