//! Waits that could never end.
//!
//! ```text
//! EDGES: blocked task -> the tasks that it waits for (for ever, inside a body; the bodies under it on its stack too)
//! ```
//!
//! Before a body blocks for ever, everything that it waits for, directly or over others that are blocked, is
//! walked. If all of it is blocked, the caller would close a circle. If it ends at tasks that are only queued, a
//! thread must be had for one of them. (The wait-for graph of Holt, "Some deadlock properties of computer systems",
//! 1972; with one wait a task, and any-waits that count only if every branch is caught, reachability is enough.)

use super::context;
use super::registry;
use super::status::{Error, Status};
use crate::sync::{lock, Mutex, Renewable};
use crate::task::{self, News, Phase, TaskId};
use std::collections::BTreeMap;

static EDGES: Renewable<Mutex<BTreeMap<u64, Edge>>> = Renewable::new(Mutex::new(BTreeMap::new()));

/// In the child of a fork: who waits is the parent's.
///
/// # Safety
/// No other thread uses the library.
pub(super) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { EDGES.renew(Mutex::new(BTreeMap::new())) };
}

struct Edge {
    targets: Vec<TaskId>,
    /// The pool whose own thread runs the blocked task; a visitor's is of none.
    thread_of: Option<u32>,
}

/// The edges of a blocked body; dropped when its wait is over.
pub(super) struct Edges {
    waiters: Vec<TaskId>,
    targets: Vec<TaskId>,
}

impl Edges {
    /// Adds the edges from the tasks on this stack to what they are about to wait for.
    ///
    /// `EDEADLK` if that closes a circle; a caller that can't but wait says so, and then whoever waits for it looks
    /// again, finds the circle, and gets the `EDEADLK`.
    pub(super) fn add(waiters: Vec<TaskId>, targets: &[TaskId], must_wait: bool) -> Result<Self, Error> {
        let ends = {
            let mut edges = lock(&EDGES);
            let ends = walk(&edges, &waiters, targets);
            // A part that an outside thread runs is of no task, so nobody can wait for it.
            if ends.is_empty() && !must_wait && !waiters.is_empty() {
                return Err(Error::new(Status::Deadlock, "all that this task waits for waits for this task"));
            }
            if ends.is_empty() {
                // Who waits for this one is about to be told: what waits for him is on no circle.
                edges.retain(|_, edge| !edge.targets.iter().any(|target| waiters.contains(target)));
            }
            let thread_of = context::own_thread_of();
            edges.extend(
                waiters.iter().map(|waiter| (waiter.bits(), Edge { targets: targets.to_vec(), thread_of })),
            );
            ends
        };
        if ends.is_empty() {
            waiters.iter().for_each(|&waiter| task::tell(waiter, News::LookAgain));
        }
        Ok(Self { waiters, targets: targets.to_vec() })
    }

    /// Makes sure that a thread can come for one of the tasks that the wait comes down to. The waiter counts as
    /// blocked already, so the last of several that block at once sees the edges of them all, and no free thread.
    ///
    /// A caller that can't but wait tells who else waits for those tasks to ask, too, and get the `ETHREAD`.
    pub(super) fn ensure_thread(&self, must_wait: bool) -> Result<(), Error> {
        let ends = walk(&lock(&EDGES), &self.waiters, &self.targets);
        let mut result = Ok(());
        for &end in &ends {
            result = if task::is_queued(end) { ensure_thread_for(end) } else { Ok(()) };
            if result.is_ok() {
                return result;
            }
        }
        if must_wait && result.is_err() {
            ends.iter().for_each(|&end| task::tell(end, News::LookAgain));
            return Ok(());
        }
        result
    }
}

impl Drop for Edges {
    fn drop(&mut self) {
        let mut edges = lock(&EDGES);
        for waiter in &self.waiters {
            edges.remove(&waiter.bits());
        }
    }
}

/// A held task waits for others: an edge of its own. One that fails ends its wait, so each of them may.
pub(super) fn hold(task: TaskId, after: &[TaskId], _name: Option<std::sync::Arc<str>>) {
    if !after.is_empty() {
        lock(&EDGES).insert(task.bits(), Edge { targets: after.to_vec(), thread_of: None });
    }
}

/// One of the tasks that a held one waits for has ended: who waits for that looks again.
pub(super) fn one_less(held: TaskId) {
    task::tell(held, News::LookAgain);
}

/// The held task waits no longer.
pub(super) fn let_go(held: TaskId) {
    lock(&EDGES).remove(&held.bits());
}

/// What the targets come down to: tasks that are not blocked, or have ended.
fn walk(edges: &BTreeMap<u64, Edge>, waiters: &[TaskId], targets: &[TaskId]) -> Vec<TaskId> {
    let mut ends = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut open = targets.to_vec();
    while let Some(task) = open.pop() {
        if !seen.insert(task.bits()) || waiters.contains(&task) {
            continue;
        }
        match edges.get(&task.bits()) {
            Some(Edge { targets, .. })
                if !task::has_ended(task) && targets.iter().all(|&target| task::look(target).is_ok()) =>
            {
                open.extend(targets);
            }
            // Not blocked, or not for long: it has ended, or its wait has (with EHANDLE, if a handle is gone).
            _ => ends.push(task),
        }
    }
    ends
}

fn ensure_thread_for(queued: TaskId) -> Result<(), Error> {
    let pool = registry::of_task(task::cell_of(queued).pool());
    // The number was the task's only if it still is queued.
    let Some(pool) = pool.filter(|_| task::is_queued(queued)) else { return Ok(()) };
    if task::snapshot(queued).is_reserved() {
        return Ok(()); // its lane saw to a thread when it was submitted, and the pool's workers are none
    }
    match pool.ensure_free_thread() {
        Err(error) if task::is_queued(queued) && !a_wait_is_over_in(pool.number) => {
            Err(Error { status: Status::Thread, ..error })
        }
        _ => Ok(()),
    }
}

/// Whether one of the pool's own threads still counts as blocked though its wait is over: it is about to go on, and
/// comes for work when its body has ended.
fn a_wait_is_over_in(pool: u32) -> bool {
    let over =
        |&target: &TaskId| task::look(target).map_or(true, |look| matches!(look.phase, Phase::Done(_)));
    lock(&EDGES).values().any(|edge| edge.thread_of == Some(pool) && edge.targets.iter().any(over))
}
