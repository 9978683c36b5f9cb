//! Groups of tasks: spawned into, waited for and canceled as one.

use super::core::Pool;
use super::done::DoneWait;
use super::help::help_with;
use super::registry::{self, PoolRef};
use super::status::{Error, Status};
use super::submit_with::{submit_with, Request};
use super::wait::status_of;
use super::wait_graph::Want;
use crate::sync::{Deadline, Use};
use crate::task::{self, Extra, Function, Group, Owner, TaskId};
use std::ffi::c_void;

/// Makes a group of the pool's, below `parent` if there is one; its number.
pub(crate) fn create_group(pool: &Pool, parent: Option<Use<Group>>) -> Result<u64, Error> {
    if parent.as_ref().is_some_and(|parent| parent.pool != pool.number) {
        return Err(Error::invalid("the parent group belongs to another pool"));
    }
    Group::create(pool.number, parent).ok_or_else(|| Status::NoMemory.into())
}

/// Submits a task into a group.
pub(crate) fn spawn_in(group: Use<Group>, function: Function, argument: *mut c_void) -> Result<(), Error> {
    let pool = registry::find(group.pool)
        .ok_or_else(|| Error::new(Status::Handle, "the group's pool has been destroyed or released"))?;
    let mut request = Request::new(Extra::new(function, argument), Owner::None);
    request.group = Some(group);
    submit_with(&pool, request).map(drop)
}

/// Waits until all tasks of the group and those below it have ended; the status is that of the lowest-numbered one that
/// failed. A wait for ever runs those that have not begun, as far as it may.
pub(crate) fn wait_group(group: &Use<Group>, deadline: Deadline) -> Result<(), Error> {
    let wait = DoneWait::begin(&group.done, Want::Group(group.number()), deadline)?;
    if deadline == Deadline::Never {
        if let Some(pool) = registry::of_task(group.pool) {
            help_with_all(&pool, group);
        }
    }
    wait.wait(|| group.is_done(), || group.is_released())?;
    match group.lowest_failure() {
        None => Ok(()),
        Some(failed) => {
            let error = Error::from(status_of(failed.outcome));
            Err(failed.failure.map_or(error.clone(), |failure| error.saying(&failure.message)))
        }
    }
}

fn help_with_all(pool: &PoolRef, group: &Group) {
    while let Some(task) = group.newest_unstarted().filter(|_| !group.is_released()) {
        // Not run here, and not by somebody else either: this thread may not.
        if !help_with(pool, task) && task::is_for_waiters(task) {
            break;
        }
    }
}

/// Cancels what has not begun, of the group and of those below it, and asks what runs to stop.
pub(crate) fn cancel_group(group: &Group) {
    let pool = registry::of_task(group.pool);
    group.cancel(&mut |task: TaskId| {
        let canceled = match &pool {
            Some(pool) => pool.discard(task),
            None => task::discard(task).is_some(),
        };
        if !canceled {
            task::ask_to_stop(task);
        }
    });
}

/// Takes the group's handle away. Its tasks still run; who waits for it gets `Status::Handle`.
pub(crate) fn release_group(number: u64) -> Result<(), Error> {
    if Group::release(number) {
        Ok(())
    } else {
        Err(Status::Handle.into())
    }
}
