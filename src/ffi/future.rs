//! Futures as C sees them.

use super::boundary::{checked_task, future_handle, slice, status, task, task_at_once, write};
use super::offgil_status;
use crate::pool::{self as pools, Error, Status};
use crate::sync::Deadline;
use crate::task::{self as tasks, Ended, Lost, OnEnd, Outcome, Phase, TaskId};
use std::ffi::{c_char, c_void};

/// A task's result to come. An opaque handle: never dereferenced, and checked at each call.
///
/// Owns nothing but its share in the task's cell. Made by pool_submit, pool_submit_with, pool_submit_many and pool_call, due
/// to one future_release; each future_retain makes one more due. All functions on it may be called from any thread at any
/// time, also at the same time. After the last release it is dead, and each function answers OFFGIL_EHANDLE. A surplus
/// release can't be told from one that is due while others still hold the handle.
#[allow(non_camel_case_types)]
pub struct future_t {
    _opaque: [u8; 0],
}

/// Not started yet.
pub const FUTURE_QUEUED: i32 = 0;
/// Running.
pub const FUTURE_RUNNING: i32 = 1;
/// Ended: with a result, by task_fail, or by a panic.
pub const FUTURE_DONE: i32 = 2;
/// Canceled before it ran: it never will.
pub const FUTURE_CANCELED: i32 = 3;
/// NULL or no live handle.
pub const FUTURE_INVALID: i32 = -1;

/// Waits until the task has ended, at most for `timeout_ns`. May be called any number of times, by any number of
/// threads, until the handle is released.
///
/// A wait for ever may run the task itself on the calling thread, if it is still queued, fewer bodies run than the
/// pool has threads, and a quarter of the stack is left; inside a task this is what keeps nested waits from
/// deadlocking. It runs no other task, never one that is `blocking`, one that is `lent_only` on lent threads only, and
/// outside the pool none where pool_options_t.waiters_help rules it out. A task that blocks here gives its place up, and
/// has one again when this returns.
///
/// @param timeout_ns how long; 0: look, don't wait; negative: for ever
/// @param result     where what the task returned goes; written on OFFGIL_OK only; may be NULL
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC (future_error and offgil_last_message tell more); OFFGIL_ECANCELED;
///         OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
///         OFFGIL_EDEADLK: for ever, and the task waits for the calling one (offgil_last_message names the circle);
///         OFFGIL_ETHREAD: for ever, inside a task, and no thread can be had to run what is awaited
///
/// Any thread. Blocks.
///
/// # Safety
/// `result` is NULL or writable.
pub unsafe extern "C" fn future_wait(
    future: *mut future_t,
    timeout_ns: i64,
    result: *mut *mut c_void,
) -> offgil_status {
    if let Some(value) = task_at_once(future).and_then(|id| pools::wait_plainly(id, timeout_ns < 0)) {
        // SAFETY: by the contract above. A task without an extra has no result that is to be dropped.
        unsafe { write(result, value) };
        return Status::Ok.code();
    }
    // SAFETY: by the contract above.
    unsafe { wait(future, timeout_ns, result) }
}

/// The same in any case.
///
/// # Safety
/// As `future_wait`.
#[inline(never)]
unsafe fn wait(future: *mut future_t, timeout_ns: i64, result: *mut *mut c_void) -> offgil_status {
    status(|| {
        let id = task(future)?;
        let value =
            pools::wait(id, Deadline::from_timeout_ns(timeout_ns)).map_err(|error| explain(id, error))?;
        if !result.is_null() {
            take(id)?;
        }
        // SAFETY: by the contract above.
        unsafe { write(result, value) };
        Ok(())
    })
}

/// The caller has the result: it is not to be dropped.
fn take(id: TaskId) -> Result<(), Error> {
    if tasks::look(id)?.word.has_extra() {
        tasks::note_taken(id)?;
    }
    Ok(())
}

/// A task's failure says more in its own words.
#[cold]
pub(super) fn explain(id: TaskId, error: Error) -> Error {
    if !matches!(error.status, Status::Failed | Status::Panic) {
        return error;
    }
    match tasks::failure(id) {
        Ok(Some(failure)) => error.saying(&failure.message),
        _ => error,
    }
}

/// The tasks of an array of futures.
///
/// # Safety
/// `futures` is `count` long, or NULL where that is 0.
unsafe fn tasks_of(futures: *const *mut future_t, count: usize) -> Result<Vec<TaskId>, Error> {
    // SAFETY: by the contract above.
    unsafe { slice(futures, count)? }.iter().map(|&future| task(future)).collect()
}

/// The tasks of handles that `task` has accepted. Steps over many as fast as over one, which a `map` doesn't.
#[derive(Clone)]
struct Checked<'a>(std::slice::Iter<'a, *mut future_t>);

impl Iterator for Checked<'_> {
    type Item = TaskId;

    #[inline]
    fn next(&mut self) -> Option<TaskId> {
        self.0.next().map(|&future| checked_task(future))
    }

    fn nth(&mut self, n: usize) -> Option<TaskId> {
        self.0.nth(n).map(|&future| checked_task(future))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Checked<'_> {
    fn next_back(&mut self) -> Option<TaskId> {
        self.0.next_back().map(|&future| checked_task(future))
    }
}

/// Waits until all the tasks have ended, at most for `timeout_ns` altogether.
///
/// As future_wait for each, in order; nothing is released. A task that waits for ever, in a pool of several threads, runs
/// the last ones first, as many as are still queued and were submitted by tasks of the pool. A thread outside that may run
/// tasks begins with those that are next in the pool's queue. A wait for ever that could never end because of one of them is
/// found out before any is waited for that can't be run here; those after the first that is no live handle don't count, as
/// the wait ends there. The array stays as it is until this returns.
///
/// @param futures `count` futures; the same may be in it twice
/// @param count   how many; 0 is done at once
/// @return OFFGIL_OK: each ended with a result; else the status of the lowest-numbered task that didn't (OFFGIL_EFAILED,
///         OFFGIL_EPANIC, OFFGIL_ECANCELED), after all have ended; or, without waiting for the rest: OFFGIL_ETIMEDOUT;
///         OFFGIL_EINVAL: NULL array or NULL in it, or an impossible count; OFFGIL_EHANDLE; OFFGIL_EDEADLK; OFFGIL_ETHREAD (as
///         future_wait)
///
/// Any thread. Blocks.
///
/// # Safety
/// `futures` is `count` long, or NULL where that is 0.
pub unsafe extern "C" fn future_wait_all(
    futures: *const *mut future_t,
    count: usize,
    timeout_ns: i64,
) -> offgil_status {
    status(|| {
        // SAFETY: by the contract above.
        let futures = unsafe { slice(futures, count)? };
        // All of them first: a NULL is found before anything is waited for. A task is done then with those at the front that
        // have ended. Others are not to be that fast: who gets close behind the workers waits for each of the rest.
        let (mut ended, in_a_task) = (0, pools::holds_a_place());
        for (index, &future) in futures.iter().enumerate() {
            let id = task(future)?;
            if in_a_task && index == ended && tasks::has_succeeded(id) {
                ended += 1;
            }
        }
        pools::wait_all(Checked(futures[ended..].iter()), Deadline::from_timeout_ns(timeout_ns))
    })
}

/// Waits until one of the tasks has ended, however it did, at most for `timeout_ns`. Runs no task itself.
///
/// @param futures `count` futures
/// @param count   how many, at least 1
/// @param index   where the index of one that has ended goes (the lowest, if several had before the call); written on
///                OFFGIL_OK only; may be NULL
/// @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: count 0 or an impossible one, NULL array or NULL in it;
///         OFFGIL_EHANDLE: one is no live handle, or was released during the wait; OFFGIL_EDEADLK: for ever, and each waits
///         for the calling task; OFFGIL_ETHREAD (as future_wait)
///
/// Any thread. Blocks.
///
/// # Safety
/// `futures` is `count` long; `index` is NULL or writable.
pub unsafe extern "C" fn future_wait_any(
    futures: *const *mut future_t,
    count: usize,
    timeout_ns: i64,
    index: *mut usize,
) -> offgil_status {
    status(|| {
        if count == 0 {
            return Err(Error::invalid("there is no future to wait for"));
        }
        // SAFETY: by the contract above.
        let ids = unsafe { tasks_of(futures, count)? };
        let first = pools::wait_any(&ids, Deadline::from_timeout_ns(timeout_ns))?;
        // SAFETY: by the contract above.
        unsafe { write(index, first) };
        Ok(())
    })
}

/// Where the task is: FUTURE_QUEUED, FUTURE_RUNNING, FUTURE_DONE, FUTURE_CANCELED; FUTURE_INVALID for NULL and for what
/// is no live handle (offgil_last_status: OFFGIL_EINVAL, OFFGIL_EHANDLE).
///
/// Any thread; never blocks.
pub extern "C" fn future_get_state(future: *mut future_t) -> i32 {
    match task(future).and_then(|id| Ok(tasks::look(id)?.word)) {
        Ok(word) if word.never_ran() => FUTURE_CANCELED,
        Ok(word) => match word.phase() {
            Phase::Queued => FUTURE_QUEUED,
            Phase::Running => FUTURE_RUNNING,
            Phase::Done(_) => FUTURE_DONE,
        },
        Err(error) => {
            super::boundary::fail(error);
            FUTURE_INVALID
        }
    }
}

/// Cancels the task if it has not begun; asks it to stop if it runs.
///
/// What the task was to tell when it ends (drop_arg, future_on_done, its completion queue, tasks `after` it) is told on the
/// calling thread then.
///
/// @return OFFGIL_OK: it will never run, and its status is that of a canceled task; OFFGIL_EBUSY: it runs, and
///         task_is_canceled now says 1 inside it; OFFGIL_EDONE: it has ended (or was canceled before); OFFGIL_EINVAL:
///         NULL; OFFGIL_EHANDLE
///
/// Any thread; never blocks. The handle is still due to be released.
pub extern "C" fn future_cancel(future: *mut future_t) -> offgil_status {
    status(|| pools::cancel(task(future)?))
}

/// A function that is told how a task ended: its context, the status that future_wait gives, and what the task
/// returned (NULL unless that is OFFGIL_OK). It is in no task, though a task may be waiting below it on its stack: task_fail
/// and task_block_begin are OFFGIL_EINVAL.
#[allow(non_camel_case_types)]
pub type done_fn =
    Option<unsafe extern "C" fn(context: *mut c_void, status: offgil_status, result: *mut c_void)>;

struct Callback {
    done: unsafe extern "C" fn(*mut c_void, offgil_status, *mut c_void),
    context: *mut c_void,
}

// SAFETY: the caller of future_on_done promised that both may be used on any thread.
unsafe impl Send for Callback {}

impl OnEnd for Callback {
    fn ended(self: Box<Self>, _: TaskId, ended: &Ended) -> Option<Lost> {
        let result = if ended.outcome == Outcome::Ok { ended.result } else { std::ptr::null_mut() };
        // SAFETY: as above; `on_end` calls it once.
        tasks::calling_out(|| unsafe {
            (self.done)(self.context, pools::status_of(ended.outcome).code(), result);
        });
        None
    }
}

/// Has `done(context, status, result)` called when the task has ended: exactly once, by the thread that ends it (which
/// may be one that cancels it or closes its pool, or the library's timer), with no lock held; at once, by the caller, if it
/// has ended. It is called after those who wait have been told, also if the future has been released meanwhile. With it the
/// result counts as taken (task_options_t.drop_result).
///
/// @param done    not NULL. It may call everything; what it blocks, it blocks for the thread's other work. A wait for ever for its
///                pool to be idle or over gets OFFGIL_EDEADLK where the pool is not before `done` has returned: on the pool's
///                threads, and where a task is canceled that was not to be run yet (`delay_ns`, `after`), or by POOL_CANCEL
/// @param context what it gets; stays the caller's
/// @return OFFGIL_OK: it has been or will be called; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; it is not called with these two
///
/// Any thread; never blocks (but for what `done` does).
///
/// # Safety
/// `done` may be called with `context`, once, on any thread.
pub unsafe extern "C" fn future_on_done(
    future: *mut future_t,
    done: done_fn,
    context: *mut c_void,
) -> offgil_status {
    status(|| {
        let id = task(future)?;
        let done = done.ok_or_else(|| Error::invalid("the function is NULL"))?;
        tasks::note_taken(id)?;
        if let Some(ended_already) = tasks::on_end(id, Box::new(Callback { done, context }))? {
            let _ = ended_already.ended(id, &pools::how_it_ended(id)?);
        }
        Ok(())
    })
}

/// Why the task failed: what it told task_fail, or the message of a panic (code 0).
///
/// @param code    where the code goes; may be NULL
/// @param message where the text goes, cut to `length` bytes with its closing NUL; may be NULL
/// @param length  size of `message` in bytes
/// @return OFFGIL_EFAILED or OFFGIL_EPANIC: it failed so, and the parameters were written; OFFGIL_OK: it ended with a
///         result; OFFGIL_ECANCELED: it was canceled; OFFGIL_ETIMEDOUT: it has not ended (nothing is written in these
///         three); OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE
///
/// Any thread; never blocks.
///
/// # Safety
/// `code` is NULL or writable; `message` is NULL or `length` bytes long.
pub unsafe extern "C" fn future_error(
    future: *mut future_t,
    code: *mut i32,
    message: *mut c_char,
    length: usize,
) -> offgil_status {
    status(|| {
        let id = task(future)?;
        let ended = pools::wait(id, Deadline::Now).map(drop);
        if let Err(Error { status: Status::Failed | Status::Panic, .. }) = ended {
            if let Some(failure) = tasks::failure(id)? {
                // SAFETY: by the contract above.
                unsafe {
                    write(code, failure.code);
                    copy_text(&failure.message, message, length);
                }
            }
        }
        ended.map_err(|error| explain(id, error))
    })
}

/// Copies a text into C's buffer, cut at a whole character, closed with NUL.
///
/// # Safety
/// `to` is NULL or `length` bytes long.
unsafe fn copy_text(text: &str, to: *mut c_char, length: usize) {
    if to.is_null() || length == 0 {
        return;
    }
    let cut = (0..length.min(text.len() + 1)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    // SAFETY: cut < length, and `text` is not the caller's buffer.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, cut);
        to.add(cut).write(0);
    }
}

/// One more future_release is due.
///
/// @return the same handle; NULL on failure (offgil_last_status): OFFGIL_EINVAL (NULL, or 65,535 releases are due already,
///         those of completion queues counted in), OFFGIL_EHANDLE
///
/// Any thread; never blocks.
pub extern "C" fn future_retain(future: *mut future_t) -> *mut future_t {
    future_handle(|| retained(future))
}

/// The task of a future that one more release is due for now.
pub(super) fn retained(future: *mut future_t) -> Result<TaskId, Error> {
    let id = task(future)?;
    if !tasks::retain(id)? {
        return Err(Error::invalid("65,535 releases of the future are due already"));
    }
    Ok(id)
}

/// Gives the handle back; after the last one it is dead. The task still runs if it has not. A wait of another thread's
/// on a handle that dies returns OFFGIL_EHANDLE.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
///
/// Any thread; never blocks.
pub extern "C" fn future_release(future: *mut future_t) -> offgil_status {
    if task_at_once(future).is_some_and(pools::release_plain_future) {
        return Status::Ok.code();
    }
    release(future)
}

/// The same in any case.
#[inline(never)]
fn release(future: *mut future_t) -> offgil_status {
    status(|| pools::release_future(task(future)?))
}
