//! Waiting for tasks: who runs what in a wait, and what a blocked body leaves behind.
//!
//! ```text
//! done?  ->  for ever, still queued, a place and stack left: claim it and run it here
//!        ->  spin for a moment
//!        ->  block: a body gives its place up, and takes one back before the wait returns
//! ```
//!
//! A waiter runs the awaited task and nothing else. What it can't run itself another thread does: the place it gave
//! up makes room for one, and `notify` wakes or starts it.

use super::context::{holds_a_place, is_in_a_body, is_in_a_body_itself, with_context, Context};
use super::deadlock::Edge;
use super::help::{reclaim, run_awaited};
use super::local::local;
use super::observe;
use super::registry::PoolRef;
use super::status::{Error, Status};
use super::wait_graph::Want;
use crate::sync::{Deadline, Latch, SpinBudget};
use crate::task::{self, watching, Ended, Glance, Look, News, NotWatched, Outcome, Phase, TaskId};
use std::cell::Cell;
use std::ffi::c_void;

/// The result of a task that has ended.
pub(crate) type Waited = Result<*mut c_void, Error>;

/// The result, if the task has ended.
pub(crate) fn ended(look: &Look) -> Option<Waited> {
    match look.phase {
        Phase::Queued | Phase::Running => None,
        Phase::Done(Outcome::Ok) => Some(Ok(look.result)),
        Phase::Done(outcome) => Some(Err(status_of(outcome).into())),
    }
}

/// How a task ended that the caller knows to have ended. That is no look at its failure.
pub(crate) fn how_it_ended(id: TaskId) -> Result<Ended, Error> {
    let look = task::look(id)?;
    let Phase::Done(outcome) = look.phase else { return Err(Status::Handle.into()) };
    let failure = if outcome == Outcome::Ok { None } else { task::peek_failure(id)? };
    Ok(Ended { outcome, result: look.result, failure })
}

/// What a wait for a task says that ended so.
pub(crate) fn status_of(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Ok => Status::Ok,
        Outcome::Failed | Outcome::CanceledByFailure => Status::Failed,
        Outcome::Panicked | Outcome::CanceledByPanic => Status::Panic,
        Outcome::Canceled => Status::Canceled,
    }
}

/// What most waits come to: the task has ended well, or is run here and does. `None`: `wait` for it.
#[inline(always)]
pub(crate) fn wait_plainly(id: TaskId, for_ever: bool) -> Option<*mut c_void> {
    match task::glance(id) {
        Glance::Queued(task) if for_ever => run_awaited(task),
        Glance::Well(result) => Some(result),
        _ => None,
    }
}

/// Waits for a task.
#[inline]
pub(crate) fn wait(id: TaskId, deadline: Deadline) -> Waited {
    let look = task::look(id)?;
    match ended(&look) {
        Some(result) => result,
        None => wait_for_pending(id, look, How::until(deadline)),
    }
}

/// Waits for a part of something that the caller can't leave: one that uses its stack.
pub(crate) fn join(pool: &PoolRef, id: TaskId) -> Waited {
    let how = How { must: Must::NotFindCircles, ..How::until(Deadline::Never) };
    let joined = wait_for_pending(id, task::look(id)?, how);
    if !matches!(joined, Err(Error { status: Status::Thread, .. })) {
        return joined;
    }
    // Nobody can come for it: taken back, unless somebody has come after all.
    match reclaim(pool, id) {
        Err(Error { status: Status::Canceled, .. }) => joined,
        ended => ended,
    }
}

/// The same, and lets go of it: it has ended then, or will never begin.
pub(crate) fn join_part(pool: &PoolRef, forked: TaskId) -> Result<(), Error> {
    let joined = join(pool, forked).map(drop).map_err(|error| match task::failure(forked) {
        Ok(Some(failure)) => error.saying(&failure.message),
        _ => error,
    });
    let _ = task::release(forked);
    joined
}

#[inline(never)]
fn wait_for_pending(id: TaskId, look: Look, how: How) -> Waited {
    match run_first(id, look, how.deadline)? {
        First::Ended(result) => result,
        First::Pending(look) => wait_for_end(id, look, how),
    }
}

/// How a task stands that was to be run by its waiter, if that is allowed.
pub(super) enum First {
    Ended(Waited),
    Pending(Look),
}

/// A pending task is waited for: runs it here, if that is allowed, and looks again.
#[inline]
pub(super) fn run_first(id: TaskId, look: Look, deadline: Deadline) -> Result<First, Error> {
    match deadline {
        Deadline::Now => return Err(Status::TimedOut.into()),
        Deadline::Never if look.phase == Phase::Queued => {}
        _ => return Ok(First::Pending(look)),
    }
    if let Some(result) = task::find(id).and_then(run_awaited) {
        return Ok(First::Ended(Ok(result)));
    }
    let look = task::look(id)?;
    Ok(ended(&look).map_or(First::Pending(look), First::Ended))
}

/// Spins, then blocks, until the task has ended.
#[inline(never)]
pub(super) fn wait_for_end(id: TaskId, mut look: Look, how: How) -> Waited {
    loop {
        if let Some(result) = ended(&look) {
            return result;
        }
        if !spin_until(|| task::look(id).map_or(true, |look| ended(&look).is_some()), &look) {
            block(&[id], how)?;
        }
        look = task::look(id)?;
    }
}

// Blocking.

/// Spins for a moment; whether the end was seen.
fn spin_until(ended: impl Fn() -> bool, look: &Look) -> bool {
    thread_local! {
        static BUDGET: Cell<SpinBudget> = const { Cell::new(SpinBudget::new()) };
    }
    if look.phase == Phase::Queued && holds_a_place() {
        return false; // it may be this very place that is missing
    }
    let mut budget = BUDGET.get();
    let mut spin = budget.start();
    let seen = loop {
        if ended() {
            break true;
        }
        if !spin.pause() {
            break false;
        }
    };
    budget.learn(seen);
    BUDGET.set(budget);
    seen
}

/// What a wait can't get out of: parts that use the waiter's stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// It may end with `EDEADLK` and `ETHREAD`.
    Nothing,
    /// It may end with `ETHREAD`, which means that the part has not begun; if a circle is closed, another gets `EDEADLK`.
    NotFindCircles,
    /// It ends when the part does.
    WaitForTheEnd,
}

/// How to wait.
#[derive(Clone, Copy)]
pub(super) struct How<'a> {
    pub(super) deadline: Deadline,
    pub(super) must: Must,
    /// What is waited for is part of this wait, which is registered.
    pub(super) edge: Option<&'a Edge>,
}

impl How<'_> {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self { deadline, must: Must::Nothing, edge: None }
    }
}

/// Blocks until one of the tasks has news, or the deadline has passed.
#[inline(never)]
pub(super) fn block(ids: &[TaskId], how: How) -> Result<(), Error> {
    let news = watching(ids, |latch| match holds_a_place() || is_in_a_body() {
        true => block_body(ids, how, latch),
        false => Ok(latch.wait(how.deadline)),
    });
    match news {
        Err(NotWatched::Ended) => Ok(()),
        Err(NotWatched::Stale) => Err(Status::Handle.into()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(None)) => Err(Status::TimedOut.into()),
        Ok(Ok(Some(news))) if news == News::Released as u32 => Err(Status::Handle.into()),
        Ok(Ok(Some(_))) => Ok(()),
    }
}

/// A body blocks: it is on no place meanwhile. Only waits for ever are edges.
fn block_body(ids: &[TaskId], how: How, latch: &Latch) -> Result<Option<u32>, Error> {
    // A visitor's own calls, outside all bodies, are no edges either.
    let tracked = how.edge.is_none() && how.deadline == Deadline::Never && is_in_a_body();
    let own = tracked.then(|| Edge::begin(Want::Any(ids.into()), how.must != Must::Nothing)).transpose()?;
    if let Some(edge) = how.edge {
        edge.about_to_block(ids.first().copied())?;
    }
    while_blocked(|| {
        if let Some(edge) = how.edge.or(own.as_ref()) {
            edge.ensure_thread(how.must == Must::WaitForTheEnd)?;
        }
        Ok(latch.wait(how.deadline))
    })
}

/// The body on this thread is about to block: its place is another's until `block_end`. Calls nest.
pub(crate) fn block_begin() -> Result<(), Error> {
    in_body(|context| {
        let depth = context.blocking.get();
        context.blocking.set(depth.saturating_add(1));
        local(|local| local.forks.set_odd());
        if depth == 0 {
            context.gave_up.set(give_up_place(context));
        }
        Ok(())
    })
}

/// The body on this thread has blocked, and takes its place back; it may wait for one.
pub(crate) fn block_end() -> Result<(), Error> {
    in_body(|context| match context.blocking.get() {
        0 => Err(Error::invalid("task_block_end without task_block_begin")),
        1 => {
            end_blocking(context);
            Ok(())
        }
        depth => {
            context.blocking.set(depth - 1);
            Ok(())
        }
    })
}

fn in_body(body: impl FnOnce(&Context) -> Result<(), Error>) -> Result<(), Error> {
    with_context(|context| match context.filter(|_| is_in_a_body_itself()) {
        Some(context) => body(context),
        None => Err(Error::invalid("not inside a task")),
    })
}

/// Ends what `block_begin` began, also for a body that returns without having said so.
fn end_blocking(context: &Context) {
    if context.blocking.replace(0) > 0 && context.gave_up.replace(false) {
        take_place_back(context);
    }
}

/// How often the body on this thread has said that it is about to block, and not yet that it has.
pub(super) fn blocking_depth() -> u32 {
    with_context(|context| context.map_or(0, |context| context.blocking.get()))
}

/// Ends what a part of a body began and left open.
pub(super) fn end_blocking_down_to(depth: u32) {
    with_context(|context| {
        let Some(context) = context.filter(|context| context.blocking.get() > depth) else { return };
        if depth == 0 {
            end_blocking(context);
        } else {
            context.blocking.set(depth);
        }
    });
}

/// Before the thread starts a body on the place that it holds: after a resize that may be one too many. Then it is
/// given up, and the thread waits for another like a body that goes on. The place after that.
#[inline]
pub(super) fn ensure_a_place_to_start_on(context: &Context) -> u32 {
    let place = context.place().expect("a body is started on a place");
    if context.pool.places.census().lets_start_on(place) {
        return place;
    }
    wait_for_a_place_to_start_on(context, place)
}

#[cold]
fn wait_for_a_place_to_start_on(context: &Context, place: u32) -> u32 {
    let pool = &*context.pool;
    context.set_place(None);
    pool.cover(pool.places.give_up(place, pool.served()));
    let place = pool.places.take_back();
    context.set_place(Some(place));
    place
}

/// Does something that may take long. A body gives its place up meanwhile, and has one again when this returns.
pub(super) fn while_blocked<T>(blocking: impl FnOnce() -> T) -> T {
    with_context(|context| {
        if let Some(context) = context.filter(|context| context.is_blocking) {
            return context.pool.while_blocking_thread_waits(blocking);
        }
        let Some(context) = context.filter(|context| give_up_place(context)) else { return blocking() };
        let value = blocking();
        take_place_back(context);
        value
    })
}

/// Gives the place up that the thread holds; false if it holds none.
fn give_up_place(context: &Context) -> bool {
    let Some(place) = context.take_place() else { return false };
    let pool = &*context.pool;
    note_blocked(context, true);
    context.blocked_since.set(observe::slice_begins(context));
    pool.cover(pool.places.give_up(place, pool.served()));
    true
}

fn take_place_back(context: &Context) {
    let pool = &*context.pool;
    // No longer blocked, if not on a place yet: it needs no spare thread any more, and comes for work itself.
    note_blocked(context, false);
    context.set_place(Some(pool.places.take_back()));
    observe::slice_ends(context, "blocked", context.blocked_since.get());
}

fn note_blocked(context: &Context, blocked: bool) {
    if context.is_lent {
        context.pool.lent.note_blocked(blocked);
    } else if context.is_own_thread {
        context.pool.roster.note_blocked(blocked);
    }
}
