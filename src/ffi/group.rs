//! Groups as C sees them.

use super::boundary::{self, pool, status};
use super::task::{function, task_fn};
use super::{offgil_status, pool_t};
use crate::pool::{self as pools, Error};
use crate::sync::{Deadline, Use};
use crate::task::{Group, Kind, GROUPS};
use std::ffi::c_void;

/// Tasks that are waited for and canceled together. An opaque handle: never dereferenced, and checked at each call.
///
/// Groups form a tree: a task counts in its group and in all groups above. Made by group_create, due to one
/// group_release; its tasks run all the same, and a group below it keeps it. All functions on it may be called from any
/// thread at any time, also at the same time.
#[allow(non_camel_case_types)]
pub struct group_t {
    _opaque: [u8; 0],
}

/// The group behind a handle.
pub(super) fn group(handle: *const group_t) -> Result<Use<Group>, Error> {
    boundary::object(handle, Kind::Group, &GROUPS, "group")
}

/// Makes a group of the pool's.
///
/// @param parent the group right above, of the same pool; NULL: none. Below a canceled group it is canceled, too.
/// @return a handle, due to one group_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL (NULL pool, or the
///         parent is another pool's), OFFGIL_EHANDLE, OFFGIL_ENOMEM
///
/// Any thread; never blocks.
pub extern "C" fn group_create(pool: *mut pool_t, parent: *mut group_t) -> *mut group_t {
    boundary::handle(Kind::Group, || {
        let pool = self::pool(pool)?;
        let parent = if parent.is_null() { None } else { Some(group(parent)?) };
        pools::create_group(&pool, parent)
    })
}

/// Submits `fn(arg)` into the group, as pool_spawn does into its pool: no future. With options: task_options_t.group.
///
/// @param fn  the body; not NULL. What it returns is dropped; that it failed is known to the group.
/// @param arg what it gets; stays the caller's
/// @return OFFGIL_OK; OFFGIL_ECANCELED: the group was canceled; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: the group, or its pool,
///         is gone; OFFGIL_ECLOSED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as pool_submit)
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// `fn` may be called with `arg`, once, on any thread.
pub unsafe extern "C" fn group_spawn(group: *mut group_t, r#fn: task_fn, arg: *mut c_void) -> offgil_status {
    status(|| pools::spawn_in(self::group(group)?, function(r#fn)?, arg))
}

/// Waits until all tasks of the group and of those below it have ended, at most for `timeout_ns`. Others may spawn in the
/// meantime: then it waits for those, too. May be called again.
///
/// A wait for ever runs tasks of the group itself that have not begun, where it may (see future_wait), and no others.
///
/// @param timeout_ns how long; 0: look, don't wait; negative: for ever
/// @return OFFGIL_OK: all ended with a result; else the status of the lowest-numbered task that ever failed, in the order
///         of the spawns (OFFGIL_EFAILED, OFFGIL_EPANIC, OFFGIL_ECANCELED; offgil_last_message has its words), after all
///         have ended; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_EDEADLK: for ever, inside a task of
///         this very group, or of one that waits for this task; OFFGIL_ETHREAD (as future_wait)
///
/// Any thread. Blocks; a task gives its place up meanwhile.
pub extern "C" fn group_wait(group: *mut group_t, timeout_ns: i64) -> offgil_status {
    status(|| pools::wait_group(&self::group(group)?, Deadline::from_timeout_ns(timeout_ns)))
}

/// Cancels the group and those below it: what has not begun never will, what runs is asked to stop (task_is_canceled),
/// and nothing more can be spawned into it.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE
///
/// Any thread, also inside the group's tasks; never blocks.
pub extern "C" fn group_cancel(group: *mut group_t) -> offgil_status {
    status(|| {
        pools::cancel_group(&*self::group(group)?);
        Ok(())
    })
}

/// Gives the handle back. Its tasks still run; who waits for it goes on waiting.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
///
/// Any thread; never blocks.
pub extern "C" fn group_release(group: *mut group_t) -> offgil_status {
    status(|| pools::release_group(boundary::number(group, Kind::Group, &GROUPS, "group")?))
}
