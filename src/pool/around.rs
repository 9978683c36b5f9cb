//! What a body asks and says of itself; and the task that a part of a parallel call belongs to, whoever runs the part.
//!
//! ```text
//! Frame of a task, its own thread's                          -> the task
//! Frame of one of the library's own, which runs parts -> cell -> its slot         written when that was submitted, or stolen
//! ```
//!
//! The call returns when its parts have ended, so the task is there as long as they are.

use super::context::{is_in_a_body_itself, with_context, with_innermost, Frame};
use super::local::local;
use super::registry;
use crate::task::{Around, Failure, TaskId};

/// For what the calling thread submits as a part of what it does.
pub(crate) fn around() -> Around {
    with_innermost(around_in).unwrap_or(Around::NOBODY)
}

/// The same for a body, from any thread: what is read of the frame doesn't change while the body runs.
pub(super) fn around_in(body: &Frame) -> Around {
    body.task_of_owner().map_or(Around::NOBODY, Around::of)
}

/// Whether the calling thread's innermost body was asked to stop; `None` outside a body. A part of a parallel call is no task
/// of its own: the task around it counts.
pub(crate) fn is_asked_to_stop() -> Option<bool> {
    let task = with_innermost(Frame::task_of_owner)?;
    let asked = task.is_some_and(was_asked);
    Some(asked || with_context(|context| context.is_some_and(|here| here.pool.is_canceling())))
}

/// Whether the task, or the one whose part it is, was asked by itself; that may be another pool's, which may ask all of its.
fn was_asked(task: TaskId) -> bool {
    let Some(cell) = Around::of(task).cell() else { return false };
    cell.state.is_asked_to_stop()
        || task.is_internal() && registry::of_task(cell.pool()).is_some_and(|pool| pool.is_canceling())
}

/// Marks the innermost body as failed; false outside a body.
pub(crate) fn fail_current(failure: Failure) -> bool {
    if is_in_a_body_itself() {
        local(|local| {
            local.failure.set(Some(Box::new(failure)));
            local.forks.set_odd();
        });
        return true;
    }
    false
}

/// Whether the innermost body has called `task_fail`.
pub(crate) fn current_has_failed() -> bool {
    local(|local| {
        let failure = local.failure.take();
        let has_failed = failure.is_some();
        local.failure.set(failure);
        has_failed
    })
}
