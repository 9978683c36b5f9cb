//! Tasks that end before they have begun: canceled by a caller, by a deadline, by a task before them, by the end of their pool.
//!
//! ```text
//! state changed -> room given back -> argument dropped, all told -> entry counted as stale, or off the list of those held
//! ```
//!
//! Who is told may call everything, also a submit that waits for room. But a held task, and one that a pool's cancel takes out of
//! its queue, keeps its pool from being idle until all are told, so a callback that waited for that would wait for itself: it
//! gets `EDEADLK`.

use super::core::Pool;
use super::registry;
use super::status::{Error, Status};
use super::within::Telling;
use crate::task::{self, Canceled, Failure, Outcome, Snapshot, TaskId};

/// Cancels a task through a handle.
pub(crate) fn cancel(id: TaskId) -> Result<(), Error> {
    let look = task::look(id)?;
    let pool = registry::of_task(look.pool);
    let telling = Telling::new();
    let canceled = task::cancel(id, |before| {
        if let Some(pool) = &pool {
            pool.about_to_tell(before, &telling);
        }
    })?;
    match canceled {
        Canceled::Won(before) => {
            if let Some(pool) = &pool {
                pool.left_behind(id, before);
            }
            Ok(())
        }
        Canceled::Running => Err(Status::Busy.into()),
        Canceled::Done => Err(Status::Done.into()),
    }
}

impl Pool {
    /// Cancels a queued or held task of this pool; false if it has begun, or ended.
    pub(super) fn discard(&self, id: TaskId) -> bool {
        self.discard_as(id, Outcome::Canceled, None)
    }

    /// The same, with an outcome that says why.
    pub(super) fn discard_as(&self, id: TaskId, outcome: Outcome, failure: Option<Failure>) -> bool {
        let telling = Telling::new();
        let before = task::discard_as(id, outcome, failure, |before| self.about_to_tell(before, &telling));
        if let Some(before) = before {
            self.left_behind(id, before);
        }
        before.is_some()
    }

    /// Cancels a task whose entry is in no queue, if it still waits to be run. The caller keeps the pool from being idle.
    pub(super) fn discard_taken_out(&self, id: TaskId) {
        let telling = Telling::new();
        let about_to_tell = |_| {
            self.left_queue();
            telling.begin(self);
        };
        if task::discard_as(id, Outcome::Canceled, None, about_to_tell).is_some() {
            self.observer.note_canceled();
        }
    }

    /// It will never run, and nobody has been told yet.
    fn about_to_tell(&self, before: Snapshot, telling: &Telling) {
        self.left_queue();
        if before.is_held() {
            telling.begin(self);
        }
    }
}
