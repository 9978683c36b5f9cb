//! Waiting on a completion queue.
//!
//! ```text
//! take what there is  ->  nothing: block until something is pushed, and look again
//! ```
//!
//! A wait for ever inside a task is in the graph of waits, as one for any of the tasks that are to come into the queue: if
//! they are all queued, and no thread can be had for one, it says so. What is not yet to come may be added by anybody, so
//! such a wait is never one that could not end.

use super::context::is_in_a_body;
use super::deadlock::{waits_for_others, Edge};
use super::status::{Error, Status};
use super::wait::while_blocked;
use super::wait_graph::Want;
use crate::sync::{Deadline, Use};
use crate::task::{Completion, Queue};

/// Waits until a completion queue has something, and takes it: up to `most`, at least one.
pub(crate) fn next_completions(
    queue: &Use<Queue>,
    deadline: Deadline,
    most: usize,
) -> Result<Vec<Completion>, Error> {
    loop {
        let taken = queue.take(most).ok_or_else(|| Error::from(Status::Handle))?;
        if !taken.is_empty() {
            return Ok(taken);
        }
        if deadline == Deadline::Never && is_in_a_body() {
            wait_in_a_body(queue)?;
        } else if !while_blocked(|| queue.wait(deadline, || false)) {
            return Err(Status::TimedOut.into());
        }
    }
}

/// Blocks for ever, until there is something to take, if nobody is faster; or nothing will come.
#[cold]
fn wait_in_a_body(queue: &Use<Queue>) -> Result<(), Error> {
    // Before anybody can find the wait in the graph, and count on a thread whose wait is over.
    let mut pushed = queue.pushed();
    let edge = Edge::begin(Want::Queue(queue.number()), false)?;
    while_blocked(|| {
        let mut is_new = true;
        loop {
            match edge.ensure_thread(false) {
                Err(_) if queue.is_ready() => return Ok(()),
                ensured => ensured?,
            }
            if is_new && queue.oldest_pending(1).is_empty() {
                waits_for_others();
            }
            queue.wait(Deadline::Never, || queue.pushed() != pushed || edge.must_look_again());
            if queue.is_ready() {
                return Ok(());
            }
            // Somebody else was faster; who counted on this thread may not: as good as another wait.
            let before = std::mem::replace(&mut pushed, queue.pushed());
            is_new = pushed != before;
            edge.about_to_block(None)?;
        }
    })
}
