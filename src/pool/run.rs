//! Runs one body: the boundary where panics stop, failures are picked up, and nothing else may get out.

use super::context::{Context, Frame};
use super::status::Status;
use crate::task::{finish, Claimed, Failure, Function, Outcome};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;
use std::sync::Arc;

/// Runs a claimed task to its end. The caller holds a place in the context's pool.
pub(super) fn run(context: &Context, task: Claimed) {
    debug_assert!(context.place.get().is_some(), "a body runs on a place");
    if context.pool.is_canceling() {
        return finish(task, Outcome::Canceled, null_mut(), None);
    }
    let (function, argument) = task.call();
    let frame = Frame::new(Some(task.id()));
    let (ended, failure) = frame.enter(|| call(function, argument));
    match (ended, failure) {
        (Ok(result), None) => finish(task, Outcome::Ok, result, None),
        (Ok(_), Some(failure)) => finish(task, Outcome::Failed, null_mut(), Some(failure)),
        (Err(panic), _) => finish(task, Outcome::Panicked, null_mut(), Some(describe(panic))),
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
    let frame = Frame::new(None);
    match frame.enter(|| catch(body)) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(failure)) => Err((Status::Failed, failure)),
        (Err(panic), _) => Err((Status::Panic, describe(panic))),
    }
}

fn catch<T>(body: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(|| {
        let guard = OnlyPanicsMayPass;
        let value = body();
        std::mem::forget(guard);
        value
    }))
}

/// Dropped by whatever unwinds through a body: a Rust panic goes on to `catch`; anything else ends the process.
struct OnlyPanicsMayPass;

impl Drop for OnlyPanicsMayPass {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            eprintln!(
                "offgil: a task was left by a C++ exception, pthread_exit or another foreign unwind; \
                 a task must return. The process ends."
            );
            std::process::abort();
        }
    }
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
