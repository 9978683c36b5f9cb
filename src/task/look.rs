//! Looks at a task, by loads only.
//!
//! ```text
//! by a handle:   word -> result, pool -> the word again: unchanged? then they were that task's
//! by a number:   word, which may be another task's by now
//! ```

use super::cell::{cell, cell_of, fetch_ahead, Cell};
use super::state::Stale;
use super::word::{Only, Outcome, Phase, Snapshot, TaskId};
use crate::sync::{fence, Ordering};
use std::ffi::c_void;

/// What a live handle shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Look {
    pub(crate) phase: Phase,
    /// The result, if it is done with `Outcome::Ok`.
    pub(crate) result: *mut c_void,
    /// Number of its pool.
    pub(crate) pool: u32,
    /// The word as it was.
    pub(crate) word: Snapshot,
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
            return Ok(Look { phase: seen.phase(), result, pool, word: seen });
        }
    }
}

/// Whether a handle of that number is live and the task has ended with a result. For who goes through many that mostly have:
/// who is close behind those that run them had better not touch the cells that come next.
#[inline]
pub(crate) fn has_succeeded(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| {
        fetch_ahead(cell);
        cell.state.read(id).is_ok_and(|word| word.phase() == Phase::Done(Outcome::Ok))
    })
}

/// Whether it has a handle left.
#[inline]
pub(crate) fn is_live(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| cell.state.read(id).is_ok())
}

/// A task's number, and where its cell is, which may be another task's by now: who tries to claim it finds that out.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    id: TaskId,
    pub(super) cell: &'static Cell,
}

impl Found {
    #[inline]
    pub(crate) fn id(self) -> TaskId {
        self.id
    }

    /// The number of its pool, if the cell is still the task's.
    #[inline]
    pub(crate) fn pool(self) -> u32 {
        self.cell.pool()
    }
}

/// See above; `None`: there is no such cell.
#[inline]
pub(crate) fn find(id: TaskId) -> Option<Found> {
    cell(id.slot()).map(|cell| Found { id, cell })
}

/// What the first look at a task through a live handle shows.
pub(crate) enum Glance {
    /// It is queued.
    Queued(Found),
    /// It ended well, with this result, and has nothing beside its cell.
    Well(*mut c_void),
    /// Look at it closely.
    Else,
}

/// See above. Loads only, as `look`.
#[inline(always)]
pub(crate) fn glance(id: TaskId) -> Glance {
    let Some(cell) = cell(id.slot()) else { return Glance::Else };
    let Ok(seen) = cell.state.read(id) else { return Glance::Else };
    match seen.phase() {
        Phase::Queued => Glance::Queued(Found { id, cell }),
        Phase::Done(Outcome::Ok) if !seen.has_extra() => {
            let result = cell.payload();
            // Acquire: as in `look`.
            fence(Ordering::Acquire);
            if cell.state.is_unchanged(seen) {
                Glance::Well(result)
            } else {
                Glance::Else
            }
        }
        _ => Glance::Else,
    }
}

/// Whether the task that a queue's entry stands for still waits to be run.
pub(crate) fn is_queued(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| cell.state.is_queued(id))
}

/// Whether it does, and a waiter may run it.
pub(crate) fn is_for_waiters(id: TaskId) -> bool {
    cell(id.slot()).is_some_and(|cell| cell.state.is_queued(id) && cell.state.snapshot().is_for_waiters())
}

/// Whether it does, is not held, and is for these threads.
pub(crate) fn is_in_queue_for(id: TaskId, only: Only) -> bool {
    cell(id.slot()).is_some_and(|cell| {
        let word = cell.state.snapshot();
        word.only() == only && !word.is_held() && cell.state.is_queued(id)
    })
}

/// Whether the task of that number has ended, handle or not.
pub(crate) fn has_ended(id: TaskId) -> bool {
    cell(id.slot()).is_none_or(|cell| cell.state.has_ended(id))
}

/// The word of a task of that number as it is now; it may be another's.
pub(crate) fn snapshot(id: TaskId) -> Snapshot {
    cell_of(id).state.snapshot()
}
