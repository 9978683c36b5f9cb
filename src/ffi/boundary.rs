//! What every entry point does: handles in, statuses out, and the thread's last failure kept.

use super::{future_t, offgil_status, pool_t};
use crate::call;
use crate::pool::{self, Error, PoolRef, Status};
use crate::sync::{Slots, Use};
use crate::task::{decode, decode_task, encode, is_parents, number_of_task, Kind, TaskId};
use std::cell::RefCell;
use std::ffi::{CStr, CString};

struct Last {
    status: Status,
    message: CString,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Keeps the failure for `offgil_last_status` and `offgil_last_message`; gives its status.
#[cold]
pub(super) fn fail(error: Error) -> Status {
    let status = error.status;
    let message = match error.message {
        Some(text) => pool::c_text(&text),
        None => status.message().into(),
    };
    // A thread that is ending has no last failure any more.
    let _ = LAST.try_with(|last| last.replace(Some(Last { status, message })));
    status
}

/// The thread's last failure.
pub(super) fn last_status() -> Status {
    LAST.try_with(|last| last.borrow().as_ref().map_or(Status::Ok, |last| last.status)).unwrap_or(Status::Ok)
}

/// Its message; the text lives until the thread's next failure.
pub(super) fn last_message() -> *const std::ffi::c_char {
    LAST.try_with(|last| last.borrow().as_ref().map(|last| last.message.as_ptr()))
        .ok()
        .flatten()
        .unwrap_or(c"".as_ptr())
}

/// A function that makes nothing: its status.
pub(super) fn status(body: impl FnOnce() -> Result<(), Error>) -> offgil_status {
    match body() {
        Ok(()) => Status::Ok.code(),
        Err(error) => fail(error).code(),
    }
}

/// A function that makes a pool: its handle, or NULL.
pub(super) fn pool_handle(body: impl FnOnce() -> Result<u32, Error>) -> *mut pool_t {
    handle(Kind::Pool, || body().map(u64::from))
}

/// A function that makes something with a number: its handle, or NULL.
pub(super) fn handle<T>(kind: Kind, body: impl FnOnce() -> Result<u64, Error>) -> *mut T {
    pool::watch_forks();
    notice_fork();
    match body() {
        Ok(number) => pointer(encode(kind, number)),
        Err(error) => null(error),
    }
}

/// The first thing in each call that uses what a fork leaves behind.
#[inline]
fn notice_fork() {
    pool::check_fork(call::after_fork);
}

#[cold]
fn forked() -> Error {
    Error::new(Status::Forked, "the handle belongs to the parent of the fork that made this process")
}

/// The number behind a handle of a table's kind.
pub(super) fn number<T, U: Send + Sync>(
    handle: *const T,
    kind: Kind,
    table: &'static Slots<U>,
    what: &'static str,
) -> Result<u64, Error> {
    notice_fork();
    if handle.is_null() {
        return Err(is_null(what));
    }
    match decode(kind, handle.addr() as u64) {
        Some(number) if table.is_parents(number) => Err(forked()),
        Some(number) => Ok(number),
        None => Err(dead(what)),
    }
}

#[cold]
fn is_null(what: &'static str) -> Error {
    Error::new(Status::Invalid, format!("the {what} is NULL"))
}

#[cold]
pub(super) fn dead(what: &'static str) -> Error {
    Error::new(
        Status::Handle,
        format!("no such live {what}: released, invented, or a handle of another kind"),
    )
}

/// The object behind a handle of a table's kind.
pub(super) fn object<T, U: Send + Sync>(
    handle: *const T,
    kind: Kind,
    table: &'static Slots<U>,
    what: &'static str,
) -> Result<Use<U>, Error> {
    table.get(number(handle, kind, table, what)?).ok_or_else(|| dead(what))
}

/// A function that makes a future: its handle, or NULL.
pub(super) fn future_handle(body: impl FnOnce() -> Result<TaskId, Error>) -> *mut future_t {
    match body() {
        Ok(id) => future_pointer(id),
        Err(error) => null(error),
    }
}

/// The handle of a task.
pub(super) fn future_pointer(id: TaskId) -> *mut future_t {
    pointer(encode(Kind::Future, id.bits()))
}

fn pointer<T>(value: u64) -> *mut T {
    std::ptr::without_provenance_mut(value as usize)
}

#[cold]
pub(super) fn null<T>(error: Error) -> *mut T {
    fail(error);
    std::ptr::null_mut()
}

/// The pool behind a handle.
pub(super) fn pool(handle: *const pool_t) -> Result<PoolRef, Error> {
    notice_fork();
    if handle.is_null() {
        return Err(is_null("pool"));
    }
    decode_pool(handle).and_then(pool::find).ok_or_else(no_such_pool)
}

/// The number of the pool behind a handle, where nothing is in the way; else `pool` says what.
#[inline(always)]
pub(super) fn pool_at_once(handle: *const pool_t) -> Option<u32> {
    if pool::may_have_forked() {
        return None;
    }
    decode_pool(handle)
}

#[inline(always)]
fn decode_pool(handle: *const pool_t) -> Option<u32> {
    decode(Kind::Pool, handle.addr() as u64).and_then(|number| u32::try_from(number).ok())
}

#[cold]
fn no_such_pool() -> Error {
    Error::new(
        Status::Handle,
        "no such live pool: released, destroyed, invented, or a handle of another kind",
    )
}

/// The task behind a handle. Whether it is live, the call on it says.
#[inline]
pub(super) fn task(handle: *const future_t) -> Result<TaskId, Error> {
    notice_fork();
    match decode_task(handle.addr() as u64) {
        Some(id) if !is_parents(id) => Ok(id),
        Some(_) => Err(forked()),
        None if handle.is_null() => Err(is_null("future")),
        None => Err(dead("future")),
    }
}

/// The same where nothing is in the way; else `task` says what.
#[inline(always)]
pub(super) fn task_at_once(handle: *const future_t) -> Option<TaskId> {
    if pool::may_have_forked() {
        return None;
    }
    decode_task(handle.addr() as u64).filter(|&id| !is_parents(id))
}

/// The same, for a handle that `task` has accepted.
#[inline]
pub(super) fn checked_task(handle: *const future_t) -> TaskId {
    number_of_task(handle.addr() as u64)
}

/// Whether there can be an array of so many items.
pub(super) fn check_count<T>(count: usize) -> Result<(), Error> {
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Error::invalid("the count is larger than any array can be"));
    }
    Ok(())
}

/// A slice that C hands over.
///
/// # Safety
/// `items` points to `count` readable items, or is NULL where `count` is 0.
pub(super) unsafe fn slice<'a, T>(items: *const T, count: usize) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    if items.is_null() {
        return Err(Error::invalid("the array is NULL but its count is not 0"));
    }
    check_count::<T>(count)?;
    // SAFETY: by the contract above; the size was checked.
    Ok(unsafe { std::slice::from_raw_parts(items, count) })
}

/// Writes an out-parameter that may be NULL.
///
/// # Safety
/// `out` is NULL or writable.
pub(super) unsafe fn write<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: by the contract above.
        unsafe { out.write(value) };
    }
}

/// A text that C hands over; NULL is none.
///
/// # Safety
/// `text` is NULL or ends with a NUL byte.
pub(super) unsafe fn text<'a>(text: *const std::ffi::c_char) -> Option<&'a CStr> {
    // SAFETY: by the contract above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
