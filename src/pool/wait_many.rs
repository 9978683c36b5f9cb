//! Waiting for several tasks: for all, one after the other, or for the first that ends.
//!
//! ```text
//! in a task:  thieves -> [ oldest | ... | newest ] <- it runs its children from here; then it waits for all in order
//!
//! anywhere:   [ ended | ended | runs elsewhere | queued | queued | ... ]
//!                               the wait is here ^ ahead: run here meanwhile
//! ```
//!
//! A waiter that spins or sleeps while another of its tasks is queued leaves its CPU to a thread that must be woken for that, and
//! that the system may put on the CPU of who wakes it.

use super::context::{is_in_a_body, with_context};
use super::deadlock::Edge;
use super::help::{help_inside, Helped};
use super::help_many::help_with_some;
use super::status::{Error, Status};
use super::wait::{block, ended, run_first, wait_for_end, First, How, Waited};
use super::wait_graph::Want;
use crate::sync::{spin_hint, Deadline};
use crate::task::{self, Look, Phase, TaskId};
use std::iter::Enumerate;

/// The ids of a wait; the same ones each time.
pub(crate) trait Ids: DoubleEndedIterator<Item = TaskId> + Clone {}

impl<I: DoubleEndedIterator<Item = TaskId> + Clone> Ids for I {}

/// Waits for all; the status is that of the lowest-numbered one that failed.
pub(crate) fn wait_all(ids: impl Ids, deadline: Deadline) -> Result<(), Error> {
    let mut others = Others { ids: ids.clone(), ahead: ids.clone().enumerate(), edge: None };
    if deadline == Deadline::Never {
        others.run_newest()?;
    }
    let mut first_failure = Ok(());
    for (index, id) in ids.enumerate() {
        if task::has_succeeded(id) {
            continue;
        }
        let look = task::look(id)?;
        let result = match ended(&look) {
            Some(result) => result,
            None => others.wait_for(index, id, look, deadline),
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

/// So often a waiter looks whether a task that runs elsewhere has ended before it takes up another.
const LOOKS: u32 = 16;

/// What a wait for one of several knows of all.
struct Others<I> {
    ids: I,
    /// From here on nothing was looked for that could be run meanwhile.
    ahead: Enumerate<I>,
    edge: Option<Edge>,
}

impl<I: Ids> Others<I> {
    /// On a place of the pool: runs its children first that come last, as many as are still queued. They are the newest of the
    /// own deque, if they were submitted here, and thieves are at its other end: who began with the oldest would race them for
    /// each task. In a pool of one there are none, and all goes in order.
    fn run_newest(&mut self) -> Result<(), Error> {
        with_context(|context| {
            let Some(context) = context.filter(|context| context.holds_place() && !context.pool.is_serial())
            else {
                return Ok(());
            };
            let is_queued_child = |look: Look| {
                look.phase == Phase::Queued
                    && look.pool == context.pool.number
                    && !look.word.is_from_outside()
            };
            let newest = self.ids.clone().next_back();
            if !newest.is_some_and(|id| task::look(id).is_ok_and(is_queued_child)) {
                return Ok(());
            }
            let mut runs_elsewhere = false;
            for id in self.ids.clone() {
                match task::look(id) {
                    Ok(look) => runs_elsewhere |= look.phase != Phase::Queued && ended(&look).is_none(),
                    // The wait ends here: those behind it are not waited for.
                    Err(_) => return Ok(()),
                }
            }
            // What runs elsewhere may wait for the caller: then nothing is run on top of it.
            if runs_elsewhere {
                self.begin_edge()?;
            }
            for id in self.ids.clone().rev() {
                let may_run = !context.pool.is_serial() && task::look(id).is_ok_and(is_queued_child);
                if !may_run || help_inside(context, id) == Helped::No {
                    break;
                }
            }
            Ok(())
        })
    }

    fn begin_edge(&mut self) -> Result<(), Error> {
        if self.edge.is_none() && is_in_a_body() {
            self.edge = Some(Edge::begin(Want::All(self.ids.clone().collect()), false)?);
        }
        Ok(())
    }

    /// Waits for one of all; the edge is for all at once, so that a circle over the last one is found before the first that
    /// is pending is waited for.
    #[inline(never)]
    fn wait_for(&mut self, index: usize, id: TaskId, look: Look, deadline: Deadline) -> Waited {
        if deadline == Deadline::Never && look.phase == Phase::Queued {
            help_with_some(look.pool, self.ids.clone().skip(index));
        }
        let look = task::look(id)?;
        if let Some(result) = ended(&look) {
            return result;
        }
        if let First::Ended(result) = run_first(id, look, deadline)? {
            return result;
        }
        if deadline == Deadline::Never && !ends_at_once(id) {
            self.begin_edge()?;
            self.run_meanwhile(index, id);
        }
        wait_for_end(id, task::look(id)?, How { edge: self.edge.as_ref(), ..How::until(deadline) })
    }

    /// Runs queued tasks behind this one here, until it has ended, or this thread may run none.
    fn run_meanwhile(&mut self, index: usize, id: TaskId) {
        while let Some((at, other)) = self.ahead.clone().next() {
            if at > index {
                if task::has_ended(id) {
                    return;
                }
                // Those behind a stale one are not waited for.
                let Ok(look) = task::look(other) else { return };
                if look.phase == Phase::Queued {
                    let _ = run_first(other, look, Deadline::Never);
                    if task::is_for_waiters(other) {
                        return; // not run here, and by nobody else either
                    }
                }
            }
            let _ = self.ahead.next();
        }
    }
}

fn ends_at_once(id: TaskId) -> bool {
    (0..LOOKS).any(|_| {
        spin_hint();
        task::has_ended(id)
    })
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
