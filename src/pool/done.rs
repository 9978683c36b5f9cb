//! A wait for many tasks to be done: all of a pool, or all of a group. Of a body, and for ever, it is registered in the
//! graph of waits: it could be one that never ends.

use super::context::is_in_a_body;
use super::deadlock::Edge;
use super::status::{Error, Status};
use super::wait::while_blocked;
use super::wait_graph::Want;
use crate::sync::{Deadline, EventCount};
use std::cell::Cell;

/// See above.
pub(super) struct DoneWait<'a> {
    changed: &'a EventCount,
    deadline: Deadline,
    edge: Option<Edge>,
}

impl<'a> DoneWait<'a> {
    /// Registers the wait, if it is one to be looked at. `want` is what is waited for, and tells of changes by `changed`.
    pub(super) fn begin(changed: &'a EventCount, want: Want, deadline: Deadline) -> Result<Self, Error> {
        let tracked = deadline == Deadline::Never && is_in_a_body();
        let edge = tracked.then(|| Edge::begin(want, false)).transpose()?;
        Ok(Self { changed, deadline, edge })
    }

    /// Waits until `done`, which changes with the event count; so does `released`: what is waited for has lost its handle.
    pub(super) fn wait(self, done: impl Fn() -> bool, released: impl Fn() -> bool) -> Result<(), Error> {
        let is_done = Cell::new(false);
        self.wait_until(|| {
            is_done.set(done());
            is_done.get() || released()
        })?;
        if is_done.get() {
            Ok(())
        } else {
            Err(Error::new(Status::Handle, "the handle was released during the wait"))
        }
    }

    fn wait_until(self, done: impl Fn() -> bool) -> Result<(), Error> {
        // Over and out of the graph in one step: it may be busy again at once, and this wait not part of it.
        let over = || done() && self.edge.as_ref().is_none_or(|edge| edge.end_if(&done));
        if over() {
            return Ok(());
        }
        while_blocked(|| loop {
            if let Some(edge) = &self.edge {
                edge.ensure_thread(false)?;
            }
            let must_look_again = || self.edge.as_ref().is_some_and(Edge::must_look_again);
            let mut is_over = false;
            let in_time = self.changed.wait_until(self.deadline, || {
                is_over = over();
                is_over || must_look_again()
            });
            match &self.edge {
                _ if !in_time => return Err(Status::TimedOut.into()),
                Some(edge) if !is_over => edge.about_to_block(None)?,
                _ => return Ok(()),
            }
        })
    }
}
