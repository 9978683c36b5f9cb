//! The end of a pool.
//!
//! ```text
//! OPEN --close--> CLOSED: no submits from outside, bodies may still submit --idle--> OVER: threads end
//! ```
//!
//! Whoever finds a closed pool idle ends its threads: the shutdown itself, or the last worker to give a place back.

use super::context::{is_in_a_body, is_within};
use super::core::Pool;
use super::deadlock::{self, Edge};
use super::registry::{self, PoolRef};
use super::sleep::Crew;
use super::status::{Error, Status};
use super::wait::while_blocked;
use super::wait_graph::Want;
use crate::queue::{Entry, Steal};
use crate::sync::Deadline;
use crate::task::{self, TaskId};

/// What happens to what is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// It is run.
    Drain,
    /// It is canceled, and what runs is asked to stop.
    Cancel,
}

impl Pool {
    fn close(&self, mode: Mode) {
        if mode == Mode::Cancel {
            self.start_canceling();
        }
        self.places.close();
        self.room.notify_all();
        if mode == Mode::Cancel {
            self.discard_queued();
        }
        self.end_if_over();
    }

    /// Cancels what is in the queues. What slips in at the same time is canceled by who takes it out.
    fn discard_queued(&self) {
        let discard = |entry: Entry| {
            if task::discard(TaskId::from_bits(entry)) {
                self.left_queue();
            }
        };
        let mut batch = [0; 64];
        while let taken @ 1.. = self.injector.take(&mut batch) {
            batch[..taken].iter().copied().for_each(discard);
        }
        for deque in &self.deques {
            loop {
                match deque.steal() {
                    Steal::Got(entry) => discard(entry),
                    Steal::Retry => {}
                    Steal::Empty => break,
                }
            }
        }
        self.tell_if_idle();
    }

    /// Ends the threads of a pool that is closed and has nothing left to do.
    pub(super) fn end_if_over(&self) {
        let Some(since) = self.places.at_rest() else { return };
        if since.is_closed() && !self.work_visible() && self.places.end(since) {
            self.roster.end();
            self.sleep.end_all();
            self.idle.notify_all();
        }
    }

    fn is_over(&self) -> bool {
        self.end_if_over();
        self.places.census().is_over()
    }
}

/// A wait for a pool to be done. Of a body, and for ever, it is registered: it could be one that never ends.
struct DoneWait<'a> {
    pool: &'a Pool,
    deadline: Deadline,
    edge: Option<Edge>,
}

impl<'a> DoneWait<'a> {
    fn begin(pool: &'a Pool, deadline: Deadline) -> Result<Self, Error> {
        let tracked = deadline == Deadline::Never && is_in_a_body();
        let edge = tracked.then(|| Edge::begin(Want::Idle(pool.number), false)).transpose()?;
        Ok(Self { pool, deadline, edge })
    }

    /// Waits until `done`, which changes with `pool.idle`.
    fn wait(self, done: impl Fn() -> bool) -> Result<(), Error> {
        // Over and out of the graph in one step: the pool may be busy again at once, and this wait not part of it.
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
            let in_time = self.pool.idle.wait_until(self.deadline, || {
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

fn not_the_default(pool: &Pool) -> Result<(), Error> {
    if registry::is_default(pool) {
        return Err(Error::invalid("the default pool is the whole process's: it is never shut down"));
    }
    Ok(())
}

fn not_from_within(pool: &Pool, deadline: Deadline) -> Result<(), Error> {
    if deadline == Deadline::Never && is_within(pool) {
        return Err(deadlock::waits_for_own_pool(pool.number));
    }
    Ok(())
}

/// Waits until nothing is queued and nothing runs.
pub(crate) fn wait_idle(pool: &Pool, deadline: Deadline) -> Result<(), Error> {
    not_from_within(pool, deadline)?;
    DoneWait::begin(pool, deadline)?.wait(|| pool.is_idle())
}

/// Closes the pool and waits until it is done. The handle stays.
pub(crate) fn shutdown(pool: &Pool, mode: Mode, deadline: Deadline) -> Result<(), Error> {
    not_the_default(pool)?;
    not_from_within(pool, deadline)?;
    if mode == Mode::Cancel {
        // First: what it cancels may be what would keep the wait from ending.
        pool.close(mode);
    }
    let wait = DoneWait::begin(pool, deadline)?;
    if mode == Mode::Drain {
        pool.close(mode);
    }
    wait.wait(|| pool.is_over())
}

/// Closes the pool, drains it, joins its threads and takes its handle away.
pub(crate) fn destroy(pool: &PoolRef) -> Result<(), Error> {
    shutdown(pool, Mode::Drain, Deadline::Never)?;
    if !registry::remove(pool) {
        return Err(Status::Handle.into());
    }
    while_blocked(|| pool.join_threads());
    Ok(())
}

/// Closes the pool and lets go: what is queued is still run, and the threads end by themselves.
pub(crate) fn release(pool: &PoolRef) -> Result<(), Error> {
    not_the_default(pool)?;
    pool.close(Mode::Drain);
    if registry::remove(pool) {
        Ok(())
    } else {
        Err(Status::Handle.into())
    }
}
