//! Waiting for several tasks: for all, one after the other, or for the first that ends.
//!
//! ```text
//! thieves -> [ oldest | ... | newest ] <- a task that waits for all of its children; then it waits for them in order
//! ```

use super::context::{is_in_a_body, with_context};
use super::deadlock::Edge;
use super::status::{Error, Status};
use super::wait::{block, ended, help_inside, run_first, wait_for_end, How, Waited};
use super::wait_graph::Want;
use crate::sync::Deadline;
use crate::task::{self, Look, Phase, TaskId};

/// Waits for all; the status is that of the lowest-numbered one that failed.
pub(crate) fn wait_all(
    ids: impl DoubleEndedIterator<Item = TaskId> + Clone,
    deadline: Deadline,
) -> Result<(), Error> {
    if deadline == Deadline::Never {
        run_newest(ids.clone());
    }
    let mut edge = None;
    let mut first_failure = Ok(());
    for id in ids.clone() {
        let look = task::look(id)?;
        let result = match ended(&look) {
            Some(result) => result,
            None => wait_for_one_of(&ids, id, look, deadline, &mut edge),
        };
        match result {
            Ok(_) => {}
            Err(error) if matches!(error.status, Status::Failed | Status::Panic | Status::Canceled) => {
                let _ = task::failure(id); // it has been looked at
                first_failure = first_failure.and(Err(error));
            }
            Err(error) => return Err(error),
        }
    }
    first_failure
}

/// On a place of the pool: runs its children first that come last, as many as are still queued. They are the newest of the
/// own deque, if they were submitted here, and thieves are at its other end: who began with the oldest would race them for
/// each task. In a pool of one there are none, and all goes in order.
fn run_newest(ids: impl DoubleEndedIterator<Item = TaskId>) {
    with_context(|context| {
        let on_a_place = context.filter(|context| context.place.get().is_some());
        let Some(context) = on_a_place.filter(|context| !context.pool.is_serial()) else { return };
        let is_queued_child = |look: Look| {
            look.phase == Phase::Queued && look.pool == context.pool.number && !look.word.is_from_outside()
        };
        for id in ids.rev() {
            if !task::look(id).is_ok_and(is_queued_child) || !help_inside(context, id) {
                return;
            }
        }
    });
}

/// Waits for one of all; the edge is for all at once, so that a circle over the last one is found before the first that is
/// pending is waited for.
fn wait_for_one_of(
    ids: &(impl Iterator<Item = TaskId> + Clone),
    id: TaskId,
    look: Look,
    deadline: Deadline,
    edge: &mut Option<Edge>,
) -> Waited {
    let look = run_first(id, look, deadline)?;
    if let Some(result) = ended(&look) {
        return result;
    }
    if edge.is_none() && deadline == Deadline::Never && is_in_a_body() {
        *edge = Some(Edge::begin(Want::All(ids.clone().collect()), false)?);
    }
    wait_for_end(id, look, How { edge: edge.as_ref(), ..How::until(deadline) })
}

/// Waits until one has ended; its index.
pub(crate) fn wait_any(ids: &[TaskId], deadline: Deadline) -> Result<usize, Error> {
    loop {
        for (index, &id) in ids.iter().enumerate() {
            if ended(&task::look(id)?).is_some() {
                return Ok(index);
            }
        }
        if deadline.has_passed() {
            return Err(Status::TimedOut.into());
        }
        block(ids, How::until(deadline))?;
    }
}
