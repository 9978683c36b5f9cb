//! Who waits for which task, why tasks failed, and what is attached to them: a table beside the slab.
//!
//! ```text
//! shard[slot % 64] = lock { watchers: {task: [latch or something to call]}, failures: {task: code and message},
//!                           attached: {task: object} }
//! ```
//!
//! As in WebKit's parking lot: a cell has one bit (HAS_WAITER) that sends its finisher here, so that waiting costs
//! nothing where nobody waits. A latch is set under its shard's lock; a waiter that has taken its entry back, or was
//! set, is in no one's reach any more and may leave with the stack frame that holds its latch. Everything else is
//! called after the lock.

use super::cell::cell;
use super::lifecycle::Lost;
use super::state::Stale;
use super::word::{Outcome, Snapshot, TaskId};
use crate::sync::{lock, Latch, Mutex, MutexGuard, Renewable};
use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::hash::{BuildHasherDefault, Hasher};
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

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) result: *mut c_void,
    pub(crate) failure: Option<Failure>,
}

/// Something to be done when a task has ended: once, by the thread that ended it, with no lock held.
pub(crate) trait OnEnd: Send {
    /// Returns the task's failure if this gave the last handle back and nobody has seen it.
    fn ended(self: Box<Self>, task: TaskId, ended: &Ended) -> Option<Lost>;
}

/// What goes with a task as long as somebody has a handle of it, or it has not ended.
pub(crate) type Attached = dyn Any + Send + Sync;

enum Watcher {
    Waiter(*const Latch),
    Other(Box<dyn OnEnd>),
}

// SAFETY: the latch is only reached under the shard's lock, while its waiter keeps it alive (see above); a Latch is
// made of atomics.
unsafe impl Send for Watcher {}

/// The low bits of a task's number are dense, so they need no hashing to speak of (Fibonacci hashing: Knuth, The Art of
/// Computer Programming, volume 3, 6.4).
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("task numbers are u64");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Watchers = HashMap<u64, Vec<Watcher>, BuildHasherDefault<NumberHasher>>;

struct Shard {
    watchers: Watchers,
    /// And whether somebody has seen it.
    failures: BTreeMap<u64, (Failure, bool)>,
    attached: BTreeMap<u64, Arc<Attached>>,
}

#[repr(align(128))]
struct Line(Renewable<Mutex<Shard>>);

const SHARDS: usize = 64;
static TABLE: [Line; SHARDS] = [const { Line(Renewable::new(empty())) }; SHARDS];

const fn empty() -> Mutex<Shard> {
    let watchers = HashMap::with_hasher(BuildHasherDefault::new());
    Mutex::new(Shard { watchers, failures: BTreeMap::new(), attached: BTreeMap::new() })
}

fn shard(task: TaskId) -> MutexGuard<'static, Shard> {
    lock(&TABLE[task.slot() as usize % SHARDS].0)
}

/// In the child of a fork: what was watched is the parent's.
///
/// # Safety
/// No other thread uses the library.
pub(crate) unsafe fn after_fork() {
    for line in &TABLE {
        // SAFETY: by the contract above.
        unsafe { line.0.renew(empty()) };
    }
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
        match register(task, || Watcher::Waiter(&latch)) {
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
            return; // whoever set the latch took the only entry out, under the same lock
        }
        for &task in &self.tasks[..self.count.get()] {
            let mut shard = shard(task);
            let Some(list) = shard.watchers.get_mut(&task.bits()) else { continue };
            list.retain(
                |watcher| !matches!(watcher, Watcher::Waiter(latch) if std::ptr::eq(*latch, self.latch)),
            );
            if list.is_empty() {
                shard.watchers.remove(&task.bits());
            }
        }
    }
}

/// Registers what `watcher` makes, unless the task has ended: then its last word.
fn register(task: TaskId, watcher: impl FnOnce() -> Watcher) -> Result<Option<Snapshot>, Stale> {
    let cell = cell(task.slot()).ok_or(Stale)?;
    let mut shard = shard(task);
    let ended = cell.state.watch(task)?;
    if ended.is_none() {
        shard.watchers.entry(task.bits()).or_default().push(watcher());
    }
    Ok(ended)
}

/// Has something done when the task ends; given back if it has ended already.
pub(crate) fn on_end(task: TaskId, what: Box<dyn OnEnd>) -> Result<Option<Box<dyn OnEnd>>, Stale> {
    let mut what = Some(what);
    register(task, || Watcher::Other(what.take().expect("called once")))?;
    Ok(what)
}

/// Tells whoever waits for the task something else than its end.
#[cold]
pub(crate) fn tell(task: TaskId, news: News) {
    let mut shard = shard(task);
    let Some(list) = shard.watchers.get_mut(&task.bits()) else { return };
    list.retain(|watcher| !set(watcher, news));
    if list.is_empty() {
        shard.watchers.remove(&task.bits());
    }
}

/// Sets the latch of a watcher that has one. Under its shard's lock, in the same critical section in which it is taken out.
fn set(watcher: &Watcher, news: News) -> bool {
    let Watcher::Waiter(latch) = watcher else { return false };
    // SAFETY: the entry is still in the table and its shard is locked, so the waiter is in `watching`.
    unsafe { Latch::set(*latch, news as u32) };
    true
}

/// The task has ended: tells whoever waits, and does what is to be done then. Returns its failure as `OnEnd::ended` does.
#[cold]
pub(crate) fn tell_end(task: TaskId, ended: &Ended) -> Option<Lost> {
    let others = {
        let mut shard = shard(task);
        let mut list = shard.watchers.remove(&task.bits())?;
        list.retain(|watcher| !set(watcher, News::Ended));
        list
    };
    let mut lost = None;
    for watcher in others {
        if let Watcher::Other(what) = watcher {
            // A cell is freed once, so there is at most one.
            lost = what.ended(task, ended).or(lost);
        }
    }
    lost
}

/// Keeps why a task failed, until its cell is freed, and whether somebody sees it anyhow. Before `state.finish` with
/// HAS_SIDE.
#[cold]
pub(crate) fn put_failure(task: TaskId, failure: Failure, seen: bool) {
    shard(task).failures.insert(task.bits(), (failure, seen));
}

/// Why the task failed, for those who only pass it on.
#[cold]
pub(crate) fn peek_failure(task: TaskId) -> Option<Failure> {
    shard(task).failures.get(&task.bits()).map(|(failure, _)| failure.clone())
}

/// Why the task failed; from now on somebody has seen it.
#[cold]
pub(crate) fn failure(task: TaskId) -> Option<Failure> {
    shard(task).failures.get_mut(&task.bits()).map(|(failure, seen)| {
        *seen = true;
        failure.clone()
    })
}

/// Forgets why a task failed, by whoever frees its cell; and returns it if nobody has seen it.
#[cold]
pub(crate) fn drop_failure(task: TaskId) -> Option<Failure> {
    let (failure, seen) = shard(task).failures.remove(&task.bits())?;
    (!seen).then_some(failure)
}

/// Attaches an object until the task's cell is freed. Before `state.publish`.
#[cold]
pub(super) fn attach(task: TaskId, object: Arc<Attached>) {
    shard(task).attached.insert(task.bits(), object);
}

/// What is attached to the task.
#[cold]
pub(super) fn attached(task: TaskId) -> Option<Arc<Attached>> {
    shard(task).attached.get(&task.bits()).cloned()
}

/// Takes it off, by whoever frees the cell.
#[cold]
pub(super) fn detach(task: TaskId) -> Option<Arc<Attached>> {
    shard(task).attached.remove(&task.bits())
}
