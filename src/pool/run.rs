//! Runs one body: the boundary where panics stop, failures are picked up, and nothing else may get out.

use super::context::{Context, Frame};
use super::core::Pool;
use super::leave::OnlyPanicsMayPass;
use super::local::here;
use super::observe;
use super::status::{c_text, Status};
use crate::task::{
    calling_out, finish, finish_well, tell_or_free_well, Claimed, Extra, Failure, Finished, Function, Lost,
    Outcome,
};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Instant;

/// Runs a claimed task to its end. The caller holds a place in the context's pool, or runs its blocking lane. What the task
/// returned, if it ended well and had a handle left then.
#[inline]
pub(super) fn run(context: &Context, task: Claimed) -> Option<*mut c_void> {
    if observe::is_watched(context, &task) {
        run_as::<true>(context, task)
    } else {
        run_as::<false>(context, task)
    }
}

// Twice, so that the way of a task that isn't watched carries nothing over its body.
#[inline(never)]
fn run_as<const WATCHED: bool>(context: &Context, task: Claimed) -> Option<*mut c_void> {
    let pool = &*context.pool;
    if pool.is_canceling() || task.extra().is_some_and(is_late) {
        end_unrun(pool, task);
        return None;
    }
    let (function, argument) = task.call();
    let timing = if WATCHED { observe::watched_body_begins(context, &task) } else { observe::NOT_TIMED };
    match Frame::of(&task).enter(here(), || call(function, argument)) {
        (Ok(result), None) => {
            observe::body_has_ended(context, &task, Outcome::Ok, timing);
            end_well(pool, task, result)
        }
        (ended, failure) => end_badly(context, task, (ended, failure), timing),
    }
}

/// Ends a task that has returned; as `run`.
#[inline(always)]
fn end_well(pool: &Pool, task: Claimed, result: *mut c_void) -> Option<*mut c_void> {
    if !task.is_plain() {
        end(pool, task, Outcome::Ok, result, None);
        return None;
    }
    let finished = finish_well(&task, result);
    if finished.is_all() {
        return Some(result);
    }
    end_well_slowly(pool, task, result, finished)
}

/// The same once it has ended, where there may be something left to do.
#[inline(never)]
fn end_well_slowly(
    pool: &Pool,
    task: Claimed,
    result: *mut c_void,
    finished: Finished,
) -> Option<*mut c_void> {
    if let Some(lost) = tell_or_free_well(&task, result, finished) {
        pool.report(&lost);
    }
    (!finished.to_free()).then_some(result)
}

/// Ends a task that has failed or panicked.
#[cold]
#[inline(never)]
fn end_badly(
    context: &Context,
    task: Claimed,
    (ended, failure): (std::thread::Result<*mut c_void>, Option<Box<Failure>>),
    timing: observe::Timing,
) -> Option<*mut c_void> {
    let (outcome, failure) = match ended {
        Ok(_) => (Outcome::Failed, failure.map(|failure| *failure)),
        Err(panic) => (Outcome::Panicked, Some(describe(panic))),
    };
    observe::body_has_ended(context, &task, outcome, timing);
    end(&context.pool, task, outcome, null_mut(), failure);
    None
}

/// Ends a task that is not to be run any more.
#[cold]
#[inline(never)]
fn end_unrun(pool: &Pool, task: Claimed) {
    pool.observer.note_canceled();
    end(pool, task, Outcome::Canceled, null_mut(), None);
}

/// Whether its deadline has passed before it was started.
#[cold]
#[inline(never)]
fn is_late(extra: &Extra) -> bool {
    extra.deadline.is_some_and(|at| at <= Instant::now())
}

// Not inlined: its frame isn't to lie under nested bodies.
#[inline(never)]
fn end(pool: &Pool, task: Claimed, outcome: Outcome, result: *mut c_void, failure: Option<Failure>) {
    if let Some(lost) = finish(task, outcome, result, failure) {
        pool.report(&lost);
    }
}

impl Pool {
    /// Tells the embedder of a failure that nobody has looked at.
    #[cold]
    pub(super) fn report(&self, lost: &Lost) {
        let Some(tell) = self.options.on_lost_error else { return };
        let name = lost.name.as_deref().map(c_text);
        let status = if lost.outcome == Outcome::Panicked { Status::Panic } else { Status::Failed };
        let message = c_text(&lost.failure.message);
        let name = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        // SAFETY: the embedder promised that it may be called with its context as long as the pool is there.
        calling_out(|| unsafe {
            tell(self.options.hooks.context, name, status.code(), lost.failure.code, message.as_ptr());
        });
    }
}

fn call(function: Function, argument: *mut c_void) -> std::thread::Result<*mut c_void> {
    catch(|| {
        // SAFETY: the submitter promised that the function may be called with this argument, once, on any thread.
        unsafe { function(argument) }
    })
}

/// How a part of a `pool_for` or `pool_map` ended.
pub(crate) type PartOutcome = Result<(), (Status, Failure)>;

/// Runs a part of something bigger, which is no task of its own: what `task_fail` or a panic left is returned.
pub(crate) fn run_part(body: impl FnOnce()) -> PartOutcome {
    let (ended, failure) = Frame::of_part().enter(here(), || catch(body));
    as_failure(ended, failure)
}

/// How a part ended that returned or panicked, and may have called `task_fail`.
pub(super) fn as_failure(ended: std::thread::Result<()>, failure: Option<Box<Failure>>) -> PartOutcome {
    match (ended, failure) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(failure)) => Err((Status::Failed, *failure)),
        (Err(panic), _) => Err((Status::Panic, describe(panic))),
    }
}

#[inline(always)]
pub(super) fn catch<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(|| {
        let guard = OnlyPanicsMayPass;
        let value = body();
        std::mem::forget(guard);
        value
    }))
}

#[cold]
fn describe(panic: Box<dyn Any + Send>) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic that is no text");
    let failure = Failure { code: 0, message: Arc::from(text) };
    // What was thrown may panic again when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
    failure
}
