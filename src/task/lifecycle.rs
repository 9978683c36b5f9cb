//! A task from `create` to its cell's return to the free list: each step once, in this order.
//!
//! ```text
//! create -> (queue) -> Claimed::claim -> run -> finish: argument dropped, failure, DONE, watchers, completion queue, group,
//!   |                `-> cancel ----------------^       free if nobody holds it
//!   `-> held -> let_go -> (queue)
//! ```

use super::cell::{cell, fetch_ahead, Around, Cell, Function};
use super::claimed::Claimed;
use super::extra::Extra;
use super::free_list;
use super::look::look;
use super::state::{Cancel, Finished, Release, Stale};
use super::watch::{self, Attached, Ended, Failure, News};
use super::word::{self, Only, Outcome, Phase, Snapshot, TaskId};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

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
    /// The library itself, for a part of what that task does: one release is due, and no handle that a caller makes up reaches
    /// it.
    Library(Around),
}

impl Owner {
    fn handles(self) -> u32 {
        u32::from(self != Self::None)
    }
}

/// Makes a queued task. `None`: out of memory.
#[inline(always)]
pub(crate) fn create(job: Job, pool: u32, from_outside: bool) -> Option<TaskId> {
    let (slot, cell) = free_list::allocate()?;
    let mut id = cell.state.next_id(slot);
    if let Owner::Library(around) = job.owner {
        id = id.internal();
        cell.set_around(around);
    }
    cell.fill(job.function, job.argument, pool);
    cell.state.publish(id, job.owner.handles(), if from_outside { word::OUTSIDE } else { 0 });
    Some(id)
}

/// A task that is more than a function and its argument.
pub(crate) struct Terms {
    pub(crate) extra: Box<Extra>,
    pub(crate) owner: Owner,
    pub(crate) from_outside: bool,
    /// Not to be run before `let_go`.
    pub(crate) held: bool,
    pub(crate) only: Only,
}

/// Makes a task with an extra; it is queued, or held. `None`: out of memory; the argument is still the caller's.
pub(crate) fn create_with(mut terms: Terms, pool: u32) -> Option<TaskId> {
    let (slot, cell) = free_list::allocate()?;
    let id = cell.state.next_id(slot);
    let flag = |set: bool, flag| if set { flag } else { 0 };
    let flags = word::EXTRA
        | flag(terms.from_outside, word::OUTSIDE)
        | flag(terms.held, word::HELD)
        | flag(terms.only == Only::Blocking, word::BLOCKING)
        | flag(terms.only == Only::Lent, word::LENT);
    // A completion queue has a handle of its own.
    let handles = terms.owner.handles() + u32::from(terms.extra.delivery.is_some());
    if let Some(attached) = &terms.extra.attached {
        watch::attach(id, attached.clone());
    }
    if let Some(delivery) = &mut terms.extra.delivery {
        delivery.expect(id);
    }
    cell.fill_with(terms.extra, pool);
    cell.state.publish(id, handles, flags);
    Some(id)
}

/// A failure that nobody has seen, of a task that nobody can ask any more.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) pool: u32,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) outcome: Outcome,
    pub(crate) failure: Failure,
}

/// Ends a claimed task; see above for the order.
#[must_use = "a lost failure is to be reported"]
#[inline]
pub(crate) fn finish(
    task: Claimed,
    outcome: Outcome,
    result: *mut c_void,
    failure: Option<Failure>,
) -> Option<Lost> {
    if task.is_plain() && failure.is_none() {
        return finish_plain(&task, outcome, result);
    }
    finish_with(task, outcome, result, failure)
}

/// One that neither has anything beside its cell nor left a failure.
#[inline]
fn finish_plain(task: &Claimed, outcome: Outcome, result: *mut c_void) -> Option<Lost> {
    task.cell.set_payload(result);
    let finished = task.cell.state.finish(outcome, false);
    if finished.has_waiter() || finished.to_free() {
        return tell_or_free(task, Ended { outcome, result, failure: None }, finished);
    }
    None
}

/// Ends a claimed task well that has nothing beside its cell. The caller goes on with `tell_or_free` if it must.
#[inline(always)]
pub(crate) fn finish_well(task: &Claimed, result: *mut c_void) -> Finished {
    debug_assert!(task.is_plain());
    task.cell.set_payload(result);
    task.cell.state.finish(Outcome::Ok, false)
}

/// The same for what is left to do then.
#[inline(never)]
pub(crate) fn tell_or_free_well(task: &Claimed, result: *mut c_void, finished: Finished) -> Option<Lost> {
    tell_or_free(task, Ended { outcome: Outcome::Ok, result, failure: None }, finished)
}

#[inline(never)]
fn tell_or_free(task: &Claimed, ended: Ended, finished: Finished) -> Option<Lost> {
    let lost = if finished.has_waiter() { watch::tell_end(task.id(), &ended) } else { None };
    // A cell is freed once, so there is at most one.
    if finished.to_free() {
        free(task.id(), task.cell).or(lost)
    } else {
        lost
    }
}

#[inline(never)]
fn finish_with(
    mut task: Claimed,
    outcome: Outcome,
    result: *mut c_void,
    failure: Option<Failure>,
) -> Option<Lost> {
    let (id, cell) = (task.id(), task.cell);
    let (delivery, member) = task.extra_mut().map_or((None, None), |extra| {
        extra.drop_argument();
        (extra.delivery.take(), extra.member.take())
    });
    cell.set_payload(result);
    let with_side = failure.is_some();
    if let Some(failure) = failure.clone() {
        // In a group, it is the group that shows it.
        watch::put_failure(id, failure, member.is_some());
    }
    let finished = cell.state.finish(outcome, with_side);
    // From here on the cell may be another task's, unless no handle was left.
    let ended = Ended { outcome, result, failure };
    let mut lost = None;
    if finished.has_waiter() {
        lost = watch::tell_end(id, &ended);
    }
    if let Some(delivery) = delivery {
        lost = delivery.deliver(id).or(lost);
    }
    if let Some(member) = member {
        member.leave(outcome, ended.failure);
    }
    // A cell is freed once, so there is at most one.
    if finished.to_free() {
        lost = free(id, cell).or(lost);
    }
    lost
}

/// A task without an extra was canceled: tells who waits, and frees the cell if nobody holds it.
fn after_cancel(id: TaskId, cell: &Cell, canceled: Finished) {
    if canceled.has_waiter() {
        // Nothing of a task that never ran is lost.
        let _ = watch::tell_end(id, &Ended { outcome: Outcome::Canceled, result: null_mut(), failure: None });
    }
    if canceled.to_free() {
        let _ = free(id, cell);
    }
}

/// Frees the cell of a task that has ended, by the one who may; returns its failure if nobody has seen it.
#[inline]
fn free(id: TaskId, cell: &Cell) -> Option<Lost> {
    if !cell.state.snapshot().is_plain() {
        return free_with(id, cell);
    }
    if cell.state.free() {
        free_list::free(id.slot(), cell);
    }
    None
}

#[cold]
#[inline(never)]
fn free_with(id: TaskId, cell: &Cell) -> Option<Lost> {
    let word = cell.state.snapshot();
    let mut name = None;
    if word.has_extra() {
        // SAFETY: `fill_with` made it from a Box, and whoever frees the cell owns it, once.
        let mut extra = unsafe { Box::from_raw(cell.extra()) };
        if word.phase() == Phase::Done(Outcome::Ok) && !word.is_taken() {
            extra.drop_result(cell.payload());
        }
        name = extra.name.take();
        if extra.attached.is_some() {
            watch::detach(id);
        }
    }
    let unseen = if word.has_side() { watch::drop_failure(id) } else { None };
    let pool = cell.pool();
    if cell.state.free() {
        free_list::free(id.slot(), cell);
    }
    match (unseen, word.phase()) {
        (Some(failure), Phase::Done(outcome)) if !word.is_taken() && !outcome.never_ran() => {
            Some(Lost { pool, name, outcome, failure })
        }
        _ => None,
    }
}

/// A held task may be run: the caller puts it into a queue. False if it was canceled.
#[must_use]
pub(crate) fn let_go(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| cell.state.let_go(id))
}

/// What became of a cancel.
#[derive(Debug)]
pub(crate) enum Canceled {
    /// It will never run; its word as it was before.
    Won(Snapshot),
    /// It runs, and has been asked to stop.
    Running,
    /// It had ended.
    Done,
}

/// Cancels through a handle. `first` is called when that is done, before anybody is told.
pub(crate) fn cancel(id: TaskId, first: impl FnOnce(Snapshot)) -> Result<Canceled, Stale> {
    let cell = cell(id.slot()).ok_or(Stale)?;
    Ok(match cell.state.cancel(id)? {
        Cancel::Won(before) => {
            first(before);
            after_cancel(id, cell, Finished(before));
            Canceled::Won(before)
        }
        Cancel::Claimed(before) => {
            first(before);
            let _ = finish(Claimed::of(id, cell, before), Outcome::Canceled, null_mut(), None);
            Canceled::Won(before)
        }
        Cancel::Running => Canceled::Running,
        Cancel::Done => Canceled::Done,
    })
}

/// Cancels a queued task without a handle, as its pool does; its word as it was, if it was still queued.
pub(crate) fn discard(id: TaskId) -> Option<Snapshot> {
    discard_as(id, Outcome::Canceled, None, |_| ())
}

/// The same, with an outcome that says why. `first` is called when it is claimed, before anybody is told.
pub(crate) fn discard_as(
    id: TaskId,
    outcome: Outcome,
    failure: Option<Failure>,
    first: impl FnOnce(Snapshot),
) -> Option<Snapshot> {
    let cell = cell(id.slot())?;
    if let Some((before, discarded)) = cell.state.discard(id) {
        first(before);
        after_cancel(id, cell, discarded);
        return Some(before);
    }
    let before = cell.state.claim_to_end(id)?;
    first(before);
    let _ = finish(Claimed::of(id, cell, before), outcome, null_mut(), failure);
    Some(before)
}

/// Takes a task back that is not to have been submitted: the caller keeps its argument, and no one is told of it but
/// who has its handle. False if it runs already.
pub(crate) fn withdraw(id: TaskId) -> bool {
    let Some(cell) = cell(id.slot()) else { return false };
    let Some(before) = cell.state.claim_to_end(id) else { return false };
    let mut task = Claimed::of(id, cell, before);
    let (mut in_queue, mut member) = (false, None);
    if let Some(extra) = task.extra_mut() {
        extra.drop_argument = None;
        in_queue = extra.delivery.take().is_some();
        // It leaves its group without a failure.
        member = extra.member.take();
    }
    let _ = finish(task, Outcome::Canceled, null_mut(), None);
    drop(member);
    if in_queue {
        let _ = release(id);
    }
    true
}

/// Takes back a task of the library's own that has nothing beside its cell, and lets go of it. By who has taken its entry out of
/// the queue: nobody else can come for it.
#[inline]
pub(crate) fn take_back(id: TaskId) {
    if let Some(cell) = cell(id.slot()).filter(|cell| cell.state.take_back(id)) {
        return free_list::free(id.slot(), cell);
    }
    let _ = discard(id);
    let _ = release(id);
}

/// Asks the task to stop, if it runs; handle or not.
pub(crate) fn ask_to_stop(id: TaskId) {
    if let Some(cell) = cell(id.slot()) {
        cell.state.ask_to_stop(id);
    }
}

/// Somebody has the result, or will have it.
pub(crate) fn note_taken(id: TaskId) -> Result<(), Stale> {
    cell(id.slot()).ok_or(Stale)?.state.note_taken(id)
}

/// One more release is due; false when the count is full.
pub(crate) fn retain(id: TaskId) -> Result<bool, Stale> {
    cell(id.slot()).ok_or(Stale)?.state.retain(id)
}

/// Gives one handle back. The task still runs. Returns its failure if nobody has seen it, or will.
pub(crate) fn release(id: TaskId) -> Result<Option<Lost>, Stale> {
    if release_plain(id) {
        return Ok(None);
    }
    release_step_by_step(id)
}

/// The same in one step, for the last handle of a task that has ended and has nothing beside its cell. False: nothing was
/// done.
#[must_use]
#[inline(always)]
pub(crate) fn release_plain(id: TaskId) -> bool {
    let Some(cell) = cell(id.slot()) else { return false };
    fetch_ahead(cell);
    let released = cell.state.release_and_free(id);
    if released {
        free_list::free(id.slot(), cell);
    }
    released
}

#[inline(never)]
fn release_step_by_step(id: TaskId) -> Result<Option<Lost>, Stale> {
    let cell = cell(id.slot()).ok_or(Stale)?;
    match cell.state.release(id)? {
        Release::Live => Ok(None),
        Release::LastWhilePending(seen) => {
            if seen.has_waiter() {
                watch::tell(id, News::Released);
            }
            Ok(None)
        }
        Release::LastAfterDone(seen) => {
            if seen.has_waiter() {
                watch::tell(id, News::Released);
            }
            Ok(free(id, cell))
        }
    }
}

/// Why the task failed, through a live handle, for those who only pass it on: it has not been seen with that.
pub(crate) fn peek_failure(id: TaskId) -> Result<Option<Failure>, Stale> {
    let failure = watch::peek_failure(id);
    look(id).map(|_| failure)
}

/// Why the task failed, through a live handle.
pub(crate) fn failure(id: TaskId) -> Result<Option<Failure>, Stale> {
    let failure = watch::failure(id);
    look(id).map(|_| failure)
}

/// What is attached to the task, through a live handle.
pub(crate) fn attached(id: TaskId) -> Result<Option<Arc<Attached>>, Stale> {
    let attached = watch::attached(id);
    look(id).map(|_| attached)
}
