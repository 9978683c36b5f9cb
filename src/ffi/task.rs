//! Tasks as C sees them: how one goes in, and what it can do while it runs.

use super::boundary::{
    check_count, fail, future_handle, future_pointer, null, pool, pool_at_once, slice, status, text,
};
use super::{future_t, offgil_status, pool_t};
use crate::pool::{self as pools, Error, Status};
use crate::task::{Failure, Function, Job, Owner, TaskId};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// The body of a task: called once, with the argument that it was submitted with, on some thread. What it returns is
/// the task's result. It must return: left by a C++ exception, longjmp or pthread_exit it ends the process with a message
/// that names it. A Rust panic is caught and becomes OFFGIL_EPANIC.
#[allow(non_camel_case_types)]
pub type task_fn = Option<unsafe extern "C-unwind" fn(arg: *mut c_void) -> *mut c_void>;

/// The function that was handed over.
pub(super) fn function(given: task_fn) -> Result<Function, Error> {
    given.ok_or_else(|| Error::invalid("the function is NULL"))
}

/// Submits one task: `fn(arg)` runs once, on one of the pool's places.
///
/// From outside the pool it takes its turn (pool_options_t.order); from inside one of its tasks it is that task's
/// child, started before what came from outside, newest first. If the queue is bounded and full, the options say what
/// happens (POOL_FULL_BLOCK blocks; with POOL_FULL_RUN, and from inside the pool, the task runs before this returns).
///
/// @param fn  the body; not NULL
/// @param arg what it gets; stays the caller's
/// @return the future, due to one future_release, which may outlive the pool; NULL on failure (offgil_last_status):
///         OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE, OFFGIL_ECLOSED, OFFGIL_EFULL, OFFGIL_ETIMEDOUT (full_timeout_ns),
///         OFFGIL_ENOMEM, OFFGIL_ETHREAD (the pool has no thread and none can be started). The task has not run then.
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// `fn` may be called with `arg`, once, on any thread.
pub unsafe extern "C" fn pool_submit(pool: *mut pool_t, r#fn: task_fn, arg: *mut c_void) -> *mut future_t {
    match submit_at_once(pool, r#fn, arg, Owner::Caller) {
        Some(Ok(id)) => future_pointer(id),
        Some(Err(status)) => null(status.into()),
        None => submit_for_future(pool, r#fn, arg),
    }
}

/// Submits one task, where nothing is in the way; `None`: nothing was done.
#[inline(always)]
fn submit_at_once(
    pool: *mut pool_t,
    given: task_fn,
    argument: *mut c_void,
    owner: Owner,
) -> Option<Result<TaskId, Status>> {
    pools::submit_at_once(pool_at_once(pool)?, &Job { function: given?, argument, owner })
}

/// The same in any case.
#[cold]
#[inline(never)]
fn submit(pool: *mut pool_t, given: task_fn, argument: *mut c_void, owner: Owner) -> Result<TaskId, Error> {
    pools::submit(&self::pool(pool)?, Job { function: function(given)?, argument, owner })
}

#[cold]
#[inline(never)]
fn submit_for_future(pool: *mut pool_t, given: task_fn, argument: *mut c_void) -> *mut future_t {
    future_handle(|| submit(pool, given, argument, Owner::Caller))
}

/// Submits `count` tasks, `fn(args[i])` each, as one operation: cheaper than one by one.
///
/// On failure what had gone in is canceled where it has not begun (what has begun runs to its end), and no future is
/// written.
///
/// @param fn      the body; not NULL
/// @param args    `count` arguments; NULL: each gets NULL
/// @param count   how many; 0 is fine
/// @param futures where the futures go, `count` of them, each due to one future_release; NULL: nobody will ask
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL pool or function, or an impossible count; OFFGIL_EHANDLE; OFFGIL_ECLOSED;
///         OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as pool_submit)
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// As pool_submit for each argument; the arrays are `count` long or NULL.
pub unsafe extern "C" fn pool_submit_many(
    pool: *mut pool_t,
    r#fn: task_fn,
    args: *const *mut c_void,
    count: usize,
    futures: *mut *mut future_t,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        let function = function(r#fn)?;
        let nulls;
        let arguments = if args.is_null() {
            nulls = null_arguments(count)?;
            &nulls[..]
        } else {
            // SAFETY: `count` long, by the contract above.
            unsafe { slice(args, count)? }
        };
        let owner = if futures.is_null() { Owner::None } else { Owner::Caller };
        let ids = pools::submit_many(&pool, function, arguments, owner)?;
        if !futures.is_null() {
            for (index, id) in ids.into_iter().enumerate() {
                // SAFETY: `count` long, by the contract above.
                unsafe { futures.add(index).write(future_pointer(id)) };
            }
        }
        Ok(())
    })
}

fn null_arguments(count: usize) -> Result<Vec<*mut c_void>, Error> {
    check_count::<*mut c_void>(count)?;
    let mut nulls = Vec::new();
    nulls.try_reserve_exact(count).map_err(|_| Error::from(Status::NoMemory))?;
    nulls.resize(count, std::ptr::null_mut());
    Ok(nulls)
}

/// Submits one task that nobody will ask for: no future, so nothing to release.
///
/// @param fn  the body; not NULL. What it returns is dropped.
/// @param arg what it gets; stays the caller's
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM;
///         OFFGIL_ETHREAD (as pool_submit)
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// As pool_submit.
pub unsafe extern "C" fn pool_spawn(pool: *mut pool_t, r#fn: task_fn, arg: *mut c_void) -> offgil_status {
    match submit_at_once(pool, r#fn, arg, Owner::None) {
        Some(Ok(_)) => Status::Ok.code(),
        Some(Err(status)) => fail(status.into()).code(),
        None => submit_for_nobody(pool, r#fn, arg),
    }
}

#[cold]
#[inline(never)]
fn submit_for_nobody(pool: *mut pool_t, given: task_fn, argument: *mut c_void) -> offgil_status {
    status(|| submit(pool, given, argument, Owner::None).map(drop))
}

/// Inside a task: 1 if it was asked to stop (future_cancel, group_cancel, or pool_shutdown with POOL_CANCEL), else 0. A
/// long task looks now and then, and returns early. In a part of pool_for, pool_map, pool_reduce or pool_invoke it is the
/// task around it that is meant.
///
/// 0 outside a task. Any thread; never blocks; can't fail.
pub extern "C" fn task_is_canceled() -> u8 {
    u8::from(pools::is_asked_to_stop().unwrap_or(false))
}

/// Inside a task: marks it as failed. It goes on until it returns; its status is then OFFGIL_EFAILED, and what it
/// returns is dropped. Called again, the last call counts. In a part of pool_for, pool_map, pool_reduce or pool_invoke it
/// is that part that fails.
///
/// @param code    a number for future_error
/// @param message a text for future_error, copied; NULL: none. Bytes that are no UTF-8 are replaced.
/// @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task
///
/// Any thread; never blocks.
///
/// # Safety
/// `message` is NULL or ends with a NUL byte.
pub unsafe extern "C" fn task_fail(code: i32, message: *const c_char) -> offgil_status {
    status(|| {
        // SAFETY: by the contract above.
        let message = unsafe { text(message) }.unwrap_or_default().to_string_lossy();
        if pools::fail_current(Failure { code, message: Arc::from(&*message) }) {
            Ok(())
        } else {
            Err(Error::invalid("task_fail was called outside a task"))
        }
    })
}

/// Inside a task: it is about to block in something that isn't this library's (a read, a lock, a sleep). Its place is
/// another task's until task_block_end; pool_worker_index says -1 meanwhile. Calls nest. A task that returns without
/// task_block_end ends it with that.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task
///
/// Any thread; never blocks. In a task of the blocking lane there is no place to give up: nothing happens.
pub extern "C" fn task_block_begin() -> offgil_status {
    status(pools::block_begin)
}

/// Inside a task: it has blocked, and takes a place back; it comes before tasks that have not begun.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: not inside a task, or without task_block_begin
///
/// Any thread. Blocks until a place is free.
pub extern "C" fn task_block_end() -> offgil_status {
    status(pools::block_end)
}
