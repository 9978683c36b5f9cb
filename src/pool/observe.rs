//! What is noted of a task on its way, and what a pool tells about itself.
//!
//! ```text
//! submit -> submitted + 1 -> (watched? since when it is queued) -> queue
//! run    -> (watched? the time) -> body -> completed + 1 -> (watched? histogram, and an event if it is traced)
//! ```
//!
//! Most tasks are not watched: for them it is two steps of the thread's own counters and two tests.

use super::context::Context;
use super::core::Pool;
use super::registry::PoolRef;
use super::status::{Error, Status};
use crate::observe::{Arguments, Counts, Event, StartError};
use crate::sync::{now_ns, Ordering};
use crate::task::{self, encode, Claimed, Kind, Outcome, TaskId};
use std::path::Path;

/// A task is about to go into a queue.
#[inline(always)]
pub(super) fn note_submit(pool: &PoolRef, id: TaskId) {
    let journal = pool.journal();
    journal.submitted.add(1);
    if journal.is_watched(id.bits()) {
        note_watched_submit(pool, id);
    }
}

/// The same for one with options; one that is held is not queued yet, and how long it will be is not known.
pub(super) fn note_submit_with(pool: &PoolRef, id: TaskId, held: bool) {
    if held {
        pool.journal().submitted.add(1);
    } else {
        note_submit(pool, id);
    }
}

#[cold]
#[inline(never)]
fn note_watched_submit(pool: &PoolRef, id: TaskId) {
    let is_queued = |task| task::is_queued(TaskId::from_bits(task));
    pool.observer.note_queued(pool.journal(), id.bits(), is_queued);
    let inside = super::worker_index(pool).map_or(0, |place| pool.deques.of(place).len());
    pool.observer.note_queue_length(pool.injector.len() + inside + 1);
}

/// When a body began, and how long its task was queued.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    /// 0: it isn't timed.
    at: u64,
    queued: u64,
}

pub(super) const NOT_TIMED: Timing = Timing { at: 0, queued: NOT_KNOWN };
const NOT_KNOWN: u64 = u64::MAX;

/// Whether the claimed task is to be looked at.
#[inline]
pub(super) fn is_watched(context: &Context, task: &Claimed) -> bool {
    context.pool.journal().is_watched(task.id().bits())
}

/// The body of such a task is about to be called.
#[inline(never)]
pub(super) fn watched_body_begins(context: &Context, task: &Claimed) -> Timing {
    let pool = &context.pool;
    let started = pool.observer.note_started(pool.journal(), task.id().bits());
    started.map_or(NOT_TIMED, |(queued, at)| Timing { at, queued: queued.unwrap_or(NOT_KNOWN) })
}

/// It has returned; nobody has been told yet.
#[inline]
pub(super) fn body_has_ended(context: &Context, task: &Claimed, outcome: Outcome, timing: Timing) {
    let journal = context.pool.journal();
    if outcome == Outcome::Ok { &journal.completed } else { &journal.failed }.add(1);
    if timing.at != 0 {
        timed_body_has_ended(context, task, outcome, timing);
    }
}

#[cold]
#[inline(never)]
fn timed_body_has_ended(context: &Context, task: &Claimed, outcome: Outcome, timing: Timing) {
    let pool = &context.pool;
    let lasted = now_ns().saturating_sub(timing.at);
    pool.observer.note_run(lasted);
    if !pool.journal().is_traced() {
        return;
    }
    let id = task.id();
    let name = match task.extra().and_then(|extra| extra.name.as_deref()) {
        None if id.is_internal() => "part of a parallel call",
        name => name.unwrap_or_default(),
    };
    let arguments = Arguments {
        task: (!id.is_internal()).then(|| encode(Kind::Future, id.bits())),
        worker: context.place(),
        queued_ns: (timing.queued != NOT_KNOWN).then_some(timing.queued),
        outcome: Some(match outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            _ => "panicked",
        }),
        queue_length: Some(pool.injector.len()),
        ..Arguments::default()
    };
    let function = task.call().0 as usize;
    note(context, name, Some(function), ("task", timing.at, Some(lasted)), arguments);
}

/// Something begins that is drawn as a slice: when, or 0 where that is not traced.
#[inline]
pub(super) fn slice_begins(context: &Context) -> u64 {
    if context.pool.journal().is_traced() {
        now_ns()
    } else {
        0
    }
}

/// And it ends.
#[inline]
pub(super) fn slice_ends(context: &Context, name: &str, began: u64) {
    if began != 0 {
        note_slice(context, name, began);
    }
}

#[cold]
#[inline(never)]
fn note_slice(context: &Context, name: &str, began: u64) {
    let lasted = now_ns().saturating_sub(began);
    note(context, name, None, ("pool", began, Some(lasted)), Arguments::default());
}

/// So many tasks were taken out of another's deque.
#[inline]
pub(super) fn note_steal(context: &Context, tasks: usize) {
    let journal = context.pool.journal();
    journal.stolen.add(tasks as u64);
    if journal.is_traced() && tasks > 0 {
        let arguments = Arguments { tasks: Some(tasks), worker: context.place(), ..Arguments::default() };
        note(context, "steal", None, ("pool", now_ns(), None), arguments);
    }
}

#[cold]
fn note(
    context: &Context,
    name: &str,
    function: Option<usize>,
    (category, at, lasted): (&'static str, u64, Option<u64>),
    arguments: Arguments<'_>,
) {
    let pool = &context.pool;
    let thread_name = pool.options.thread_name.to_string_lossy();
    let pool_name = (&*thread_name, pool.number);
    pool.journal().note(&Event { name, function, category, pool: pool_name, at, lasted, arguments });
}

/// What a pool tells about itself.
pub(crate) struct Stats {
    /// Bodies that may run at a time.
    pub(crate) places: u32,
    pub(crate) threads: u32,
    pub(crate) spare: u32,
    pub(crate) lent: u32,
    pub(crate) running: u32,
    pub(crate) blocked: u32,
    pub(crate) parked: u32,
    pub(crate) blocking: u32,
    pub(crate) blocking_idle: u32,
    pub(crate) queued: u64,
    pub(crate) held: u64,
    pub(crate) counts: Counts,
}

/// What the pool is doing, and what it has done.
pub(crate) fn stats(pool: &Pool) -> Stats {
    let queued = pool.entries_outside() + pool.deques.iter().map(|deque| deque.len()).sum::<usize>();
    pool.observer.note_queue_length(queued);
    let census = pool.places.census();
    let discarding = pool.discarding.load(Ordering::Relaxed);
    let (threads, _) = pool.roster.threads();
    let (blocking, blocking_idle) = pool.blocking.threads();
    Stats {
        places: pool.threads(),
        threads,
        spare: threads.saturating_sub(pool.threads()),
        lent: pool.lent.threads(),
        running: pool.threads().saturating_sub(census.free()),
        // Those of the blocking lane are counted there, too: they run on no place. And so is who cancels, who is no body.
        blocked: census.blocked().saturating_sub(blocking - blocking_idle + discarding),
        parked: pool.sleep.parked() as u32,
        blocking,
        blocking_idle,
        queued: queued as u64,
        held: pool.held.len() as u64,
        counts: pool.observer.counts(),
    }
}

/// Traces what the pool does into that file.
pub(crate) fn start_trace(pool: &Pool, path: &Path) -> Result<(), Error> {
    if pool.places.census().is_closed() {
        return Err(Status::Closed.into());
    }
    pool.observer.start_trace(path).map_err(|error| match error {
        StartError::Traced => Error::new(Status::Busy, "the pool is traced already"),
        StartError::File(error) => cant("the trace's file can't be opened", &error),
    })
}

fn cant(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(Status::Invalid, format!("{what}: {error}"))
}

/// Ends the trace; the file is complete.
pub(crate) fn stop_trace(pool: &Pool) -> Result<(), Error> {
    match pool.observer.stop_trace() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(Status::Done, "the pool is not traced")),
        Err(error) => Err(cant("not all of the trace could be written", &error)),
    }
}
