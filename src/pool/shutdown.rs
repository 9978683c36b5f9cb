//! The end of a pool.
//!
//! ```text
//! OPEN --close--> CLOSED: no submits from outside, bodies may still submit --idle--> OVER: threads end
//! ```
//!
//! Whoever finds a closed pool idle ends its threads: the shutdown itself, or the last worker to give a place back.

use super::core::Pool;
use super::deadlock;
use super::done::DoneWait;
use super::registry::{self, PoolRef};
use super::status::{Error, Status};
use super::wait::while_blocked;
use super::wait_graph::Want;
use super::within::is_within;
use crate::queue::Entry;
use crate::sync::{Deadline, Ordering};
use crate::task::TaskId;

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
        self.discard_held(mode == Mode::Drain);
        if mode == Mode::Cancel {
            self.discard_queued();
        }
        self.end_if_over();
    }

    /// Closes a pool that nobody has used.
    pub(super) fn close_empty(&self) {
        self.places.close();
        self.end_if_over();
    }

    /// Cancels what is in the queues. What slips in at the same time is canceled by who takes it out.
    ///
    /// What is out of its queue is seen by nobody else: this counts as a body until all of it has been told.
    fn discard_queued(&self) {
        self.discarding.fetch_add(1, Ordering::Relaxed);
        self.places.enter_without_place();
        let discard = |entry: Entry| {
            self.discard_taken_out(TaskId::from_bits(entry));
        };
        self.drain_lanes(&mut { discard });
        for deque in self.deques.iter() {
            let mut batch = [0; 64];
            while !deque.is_empty() {
                let taken = deque.steal(&mut batch);
                batch[..taken].iter().copied().for_each(discard);
            }
        }
        self.leave_without_place();
        self.discarding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the threads of a pool that is closed and has nothing left to do.
    pub(super) fn end_if_over(&self) {
        let Some(since) = self.places.at_rest() else { return };
        if since.is_closed() && !self.has_work_left() && self.places.end(since) {
            self.roster.end();
            self.sleep.end_all();
            self.blocking.end_all();
            self.idle.notify_all();
        }
    }

    fn is_over(&self) -> bool {
        self.end_if_over();
        self.places.census().is_over()
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

/// Whether the handle goes during a wait. Inside tasks of the pool it stays good.
fn is_released_from_now_on(pool: &Pool) -> impl Fn() -> bool + '_ {
    let stays = is_within(pool);
    // Acquire: pairs with the store in `registry::remove`; what the releasing thread did before is seen.
    move || !stays && pool.removed.load(Ordering::Acquire) != 0
}

/// Waits until nothing is queued and nothing runs.
pub(crate) fn wait_idle(pool: &Pool, deadline: Deadline) -> Result<(), Error> {
    not_from_within(pool, deadline)?;
    let wait = DoneWait::begin(&pool.idle, Want::Idle(pool.number), deadline)?;
    wait.wait(|| pool.is_idle(), is_released_from_now_on(pool))
}

/// Closes the pool and waits until it is done. The handle stays.
pub(crate) fn shutdown(pool: &Pool, mode: Mode, deadline: Deadline) -> Result<(), Error> {
    not_the_default(pool)?;
    not_from_within(pool, deadline)?;
    if mode == Mode::Cancel {
        // First: what it cancels may be what would keep the wait from ending.
        pool.close(mode);
    }
    let wait = DoneWait::begin(&pool.idle, Want::Idle(pool.number), deadline)?;
    if mode == Mode::Drain {
        pool.close(mode);
    }
    wait.wait(|| pool.is_over(), is_released_from_now_on(pool))
}

/// Closes the pool, drains it, joins its threads and takes its handle away.
pub(crate) fn destroy(pool: &PoolRef) -> Result<(), Error> {
    shutdown(pool, Mode::Drain, Deadline::Never)?;
    if !registry::remove(pool) {
        return Err(Status::Handle.into());
    }
    while_blocked(|| {
        pool.join_threads();
        pool.wait_for_lent_threads();
    });
    // Its last reference may live on in a thread that remembers it.
    let _ = pool.observer.stop_trace();
    Ok(())
}

/// Closes the pool and lets go: what is queued is still run, and the threads end by themselves. Who waits
/// for the pool gets `Status::Handle`.
pub(crate) fn release(pool: &PoolRef) -> Result<(), Error> {
    not_the_default(pool)?;
    pool.close(Mode::Drain);
    if !registry::remove(pool) {
        return Err(Status::Handle.into());
    }
    // Who waits for it has no handle any more.
    pool.idle.notify_all();
    Ok(())
}
