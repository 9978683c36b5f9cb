//! Completion queues as C sees them.

use super::boundary::{self, status, write};
use super::future::retained;
use super::{future_t, offgil_status};
use crate::pool::{self as pools, Error, Status};
use crate::sync::{Deadline, Use};
use crate::task::{self as tasks, Completion, Delivery, Kind, Outcome, Queue, QUEUES};
use std::ffi::c_void;

/// Tasks that have ended, in that order, for a thread or an event loop that takes whichever is next. An opaque handle:
/// never dereferenced, and checked at each call.
///
/// Made by completion_queue_create, due to one completion_queue_release. Owns a share in each future that was added,
/// until it is taken out. All functions on it may be called from any thread at any time, also at the same time.
#[allow(non_camel_case_types)]
pub struct completion_queue_t {
    _opaque: [u8; 0],
}

/// A task that has ended.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct completion_t {
    /// What it was added with.
    pub tag: u64,
    /// As future_wait gives it: OFFGIL_OK, OFFGIL_EFAILED, OFFGIL_EPANIC, OFFGIL_ECANCELED. OFFGIL_EHANDLE: the future was
    /// released more often than was due, so its end is lost.
    pub status: offgil_status,
    /// What the task returned; NULL unless the status is OFFGIL_OK.
    pub result: *mut c_void,
}

const WHAT: &str = "completion queue";

/// The queue behind a handle.
pub(super) fn queue(handle: *const completion_queue_t) -> Result<Use<Queue>, Error> {
    boundary::object(handle, Kind::Queue, &QUEUES, WHAT)
}

/// Makes an empty queue.
///
/// @return a handle, due to one completion_queue_release; NULL on failure (offgil_last_status): OFFGIL_ENOMEM
///
/// Any thread; never blocks.
pub extern "C" fn completion_queue_create() -> *mut completion_queue_t {
    boundary::handle(Kind::Queue, || QUEUES.insert(Queue::new()).ok_or_else(|| Status::NoMemory.into()))
}

/// Has the task come into the queue when it ends; at once if it has ended. The future is retained until it is taken out,
/// so the caller may release its own at any time. The same may be added to several queues, or several times.
///
/// @param future stays the caller's, who may add it before or after it has ended
/// @param tag    the caller's own number for it
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or 65,535 releases of the future are due already (see future_retain);
///         OFFGIL_EHANDLE
///
/// Any thread; never blocks.
pub extern "C" fn completion_queue_add(
    queue: *mut completion_queue_t,
    future: *mut future_t,
    tag: u64,
) -> offgil_status {
    status(|| {
        let queue = self::queue(queue)?;
        // Retained, so it is live, and stays so until it is taken out.
        let id = retained(future)?;
        let mut delivery = Delivery::new(queue, tag);
        delivery.expect(id);
        match tasks::on_end(id, Box::new(delivery))? {
            Some(ended_already) => pools::report_lost(ended_already.ended(id, &pools::how_it_ended(id)?)),
            None => pools::will_come_into_a_queue(id),
        }
        Ok(())
    })
}

/// Waits until there is a task that has ended, at most for `timeout_ns`, and takes out all there are, the one that ended
/// first at first, up to `capacity`.
///
/// @param timeout_ns  how long; 0: look, don't wait; negative: for ever
/// @param completions where they go, the first `*count` of them on OFFGIL_OK only; not NULL. The results in them are the
///                    caller's from then on, and nothing in them is due to be released
/// @param capacity    how many there is room for, at least 1
/// @param count       where their number goes; written on OFFGIL_OK and, as 0, on OFFGIL_ETIMEDOUT; may be NULL
/// @return OFFGIL_OK: at least one; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL, or capacity 0; OFFGIL_EHANDLE: no live queue, or
///         released during the wait; OFFGIL_ETHREAD: for ever, inside a task: tasks are to come into the queue, and no
///         thread can be had to run any of them (max_spare_threads; offgil_last_message says which limit). Nothing is taken
///         out then, and what is to come still will
///
/// Any thread. Blocks; a task gives its place up meanwhile. A wait for ever is not looked at for circles. Inside a task it
/// also goes on, for others may add what ends it, while nothing is to come into the queue that has been added; that is
/// no reason for OFFGIL_ETHREAD, whatever else is queued.
///
/// # Safety
/// `completions` has room for `capacity`; `count` is NULL or writable.
pub unsafe extern "C" fn completion_queue_next(
    queue: *mut completion_queue_t,
    timeout_ns: i64,
    completions: *mut completion_t,
    capacity: usize,
    count: *mut usize,
) -> offgil_status {
    status(|| {
        let queue = self::queue(queue)?;
        if completions.is_null() || capacity == 0 {
            return Err(Error::invalid("there is no room for a completion"));
        }
        let taken = pools::next_completions(&queue, Deadline::from_timeout_ns(timeout_ns), capacity);
        if let Err(Error { status: Status::TimedOut, .. }) = taken {
            // SAFETY: by the contract above.
            unsafe { write(count, 0) };
        }
        let taken = taken?;
        for (index, &completion) in taken.iter().enumerate() {
            // SAFETY: at most `capacity` were taken.
            unsafe { completions.add(index).write(hand_over(completion)) };
        }
        // SAFETY: by the contract above.
        unsafe { write(count, taken.len()) };
        Ok(())
    })
}

/// What C gets for an entry, whose handle is given back with that.
fn hand_over(completion: Completion) -> completion_t {
    let (id, tag) = (completion.task, completion.tag);
    let nothing = std::ptr::null_mut();
    // A surplus release of the caller's may have taken the entry's handle away.
    let Ok(ended) = pools::how_it_ended(id) else {
        return completion_t { tag, status: Status::Handle.code(), result: nothing };
    };
    let result = if ended.outcome == Outcome::Ok { ended.result } else { nothing };
    // From now on it is the caller's, or the caller knows of the failure.
    let _ = tasks::note_taken(id);
    let _ = pools::release_future(id);
    completion_t { tag, status: pools::status_of(ended.outcome).code(), result }
}

/// A descriptor that is readable while a task that has ended is in the queue: for poll, epoll, libuv, asyncio.
///
/// Poll it (level-triggered) and call completion_queue_next with a timeout of 0; never read or close it. It is the
/// queue's, close-on-exec, always the same, and may be readable for nothing. 10,000 tasks that end between two looks
/// of the loop are one wake-up.
///
/// @return the descriptor; -1 on failure (offgil_last_status): OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE, OFFGIL_ENOMEM (the
///         system has no descriptor to give)
///
/// Any thread; never blocks.
pub extern "C" fn completion_queue_fd(queue: *mut completion_queue_t) -> i32 {
    let descriptor = self::queue(queue).and_then(|queue| {
        queue.descriptor().map_err(|error| {
            Error::new(Status::NoMemory, format!("the system refused to make a descriptor: {error}"))
        })
    });
    descriptor.unwrap_or_else(|error| {
        boundary::fail(error);
        -1
    })
}

/// Gives the queue up: what is in it or still to come is released, and its descriptor is closed once no task can come any
/// more. Who waits for it gets OFFGIL_EHANDLE.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
///
/// Any thread; never blocks.
pub extern "C" fn completion_queue_release(queue: *mut completion_queue_t) -> offgil_status {
    status(|| {
        let number = boundary::number(queue, Kind::Queue, &QUEUES, WHAT)?;
        let unseen = QUEUES.close(number).ok_or_else(|| boundary::dead(WHAT))?.close();
        unseen.into_iter().for_each(|lost| pools::report_lost(Some(lost)));
        Ok(())
    })
}
