//! Who waits for which task, and what few tasks need besides their cell: a table beside the slab.
//!
//! ```text
//! shard[slot % 64] = lock { watchers: [(task, latch)], failures: {task: code and message} }
//! ```
//!
//! As in WebKit's parking lot: a cell has one bit (HAS_WAITER) that sends its finisher here, so that waiting costs
//! nothing where nobody waits. A watcher is set under its shard's lock; a waiter that has taken its entry back, or
//! was set, is in no one's reach any more and may leave with the stack frame that holds its latch.

use super::cell::cell;
use super::state::Stale;
use super::word::{Snapshot, TaskId};
use crate::sync::{lock, Latch, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a watcher is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// The task has ended.
    Ended = 0,
    /// The last handle was released: who waits for it waits for nothing.
    Released = 1,
    /// Nothing yet; but look again whether this wait can still end.
    LookAgain = 2,
}

/// Why a task failed: the code and message of `task_fail`, or the message of a panic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    pub(crate) message: Arc<str>,
}

struct Watcher {
    task: TaskId,
    latch: *const Latch,
}

// SAFETY: the latch is only reached under the shard's lock, while its waiter keeps it alive (see above); a Latch is
// made of atomics.
unsafe impl Send for Watcher {}

struct Shard {
    watchers: Vec<Watcher>,
    failures: BTreeMap<u64, Failure>,
}

#[repr(align(128))]
struct Line(Mutex<Shard>);

const SHARDS: usize = 64;
static TABLE: [Line; SHARDS] =
    [const { Line(Mutex::new(Shard { watchers: Vec::new(), failures: BTreeMap::new() })) }; SHARDS];

fn shard(task: TaskId) -> MutexGuard<'static, Shard> {
    lock(&TABLE[task.slot() as usize % SHARDS].0)
}

/// Why `watching` did not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotWatched {
    /// One of the tasks has ended.
    Ended,
    /// One of the handles is not live.
    Stale,
}

/// Runs `body` with a latch that is set when one of the tasks has news; unless one has ended already.
pub(crate) fn watching<T>(tasks: &[TaskId], body: impl FnOnce(&Latch) -> T) -> Result<T, NotWatched> {
    let latch = Latch::new();
    let registered = Registered { latch: &latch, tasks, count: std::cell::Cell::new(0) };
    for (index, &task) in tasks.iter().enumerate() {
        match register(task, &latch) {
            Ok(None) => registered.count.set(index + 1),
            Ok(Some(_)) => return Err(NotWatched::Ended),
            Err(Stale) => return Err(NotWatched::Stale),
        }
    }
    Ok(body(&latch))
}

/// Takes the entries back, also when `body` unwinds: after this nobody reaches the latch.
struct Registered<'a> {
    latch: &'a Latch,
    tasks: &'a [TaskId],
    count: std::cell::Cell<usize>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        if self.tasks.len() == 1 && self.latch.get().is_some() {
            return; // `tell` took the only entry out, under the lock under which it set the latch
        }
        for &task in &self.tasks[..self.count.get()] {
            shard(task).watchers.retain(|watcher| watcher.latch != std::ptr::from_ref(self.latch));
        }
    }
}

fn register(task: TaskId, latch: &Latch) -> Result<Option<Snapshot>, Stale> {
    let cell = cell(task.slot()).ok_or(Stale)?;
    let mut shard = shard(task);
    let ended = cell.state.watch(task)?;
    if ended.is_none() {
        shard.watchers.push(Watcher { task, latch });
    }
    Ok(ended)
}

/// Tells whoever watches the task.
#[cold]
pub(crate) fn tell(task: TaskId, news: News) {
    shard(task).watchers.retain(|watcher| {
        if watcher.task == task {
            // SAFETY: the entry is still in the table and its shard is locked, so the waiter is in `watching`.
            unsafe { Latch::set(watcher.latch, news as u32) };
        }
        watcher.task != task
    });
}

/// Keeps why a task failed, until its cell is freed. Before `state.finish` with HAS_SIDE.
#[cold]
pub(crate) fn put_failure(task: TaskId, failure: Failure) {
    shard(task).failures.insert(task.bits(), failure);
}

/// Why the task failed.
#[cold]
pub(crate) fn failure(task: TaskId) -> Option<Failure> {
    shard(task).failures.get(&task.bits()).cloned()
}

/// Forgets why a task failed; by whoever frees its cell.
#[cold]
pub(crate) fn drop_failure(task: TaskId) {
    shard(task).failures.remove(&task.bits());
}
