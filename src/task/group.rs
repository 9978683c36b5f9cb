//! Groups: tasks that are waited for and canceled together, in a tree.
//!
//! ```text
//! Group { pending } --parent--> Group           a task counts in its group and all above
//!    `-> Members { [tasks], [Members below] }   kept by the group, which its handle, its tasks and the groups below keep
//! ```

use super::look::{has_ended, is_for_waiters, is_in_queue_for};
use super::watch::Failure;
use super::word::{Only, Outcome, TaskId};
use crate::sync::{lock, AtomicU32, AtomicU64, AtomicUsize, EventCount, Mutex, Ordering, Slots, Use};
use std::sync::{Arc, Weak};

/// All groups of the process.
pub(crate) static GROUPS: Slots<Group> = Slots::new();

/// A group.
pub(crate) struct Group {
    /// Number of its pool.
    pub(crate) pool: u32,
    parent: Option<Use<Group>>,
    /// Tasks of this group and of those below it that have not ended.
    pending: AtomicUsize,
    /// Changes when `pending` comes to 0, when the handle is released, and when who waits is to look again.
    pub(crate) done: EventCount,
    /// Not 0: the handle is gone, and who waits for it is told so.
    released: AtomicU32,
    /// How many tasks the tree has had; counted at its root, so that numbers go by the order of the spawns.
    numbers: AtomicU64,
    members: Arc<Mutex<Members>>,
}

struct Members {
    /// Those that have not ended, and some that have.
    tasks: Vec<TaskId>,
    /// Those of the groups right below; some may be gone.
    children: Vec<Weak<Mutex<Members>>>,
    /// When there are so many children, those that are gone are dropped.
    sweep_at: usize,
    canceled: bool,
    lowest_failure: Option<Failed>,
}

/// How a task of a group failed.
#[derive(Clone)]
pub(crate) struct Failed {
    number: u64,
    pub(crate) outcome: Outcome,
    pub(crate) failure: Option<Failure>,
}

/// So many members may be listed before those that have ended are dropped.
const ENOUGH: usize = 64;

impl Group {
    /// A new group; below `parent` if there is one. Canceled from the start if that is. `None`: out of memory.
    pub(crate) fn create(pool: u32, parent: Option<Use<Group>>) -> Option<u64> {
        let members = Arc::new(Mutex::new(Members {
            tasks: Vec::new(),
            children: Vec::new(),
            sweep_at: ENOUGH,
            canceled: false,
            lowest_failure: None,
        }));
        if let Some(parent) = &parent {
            let mut above = lock(&parent.members);
            above.adopt(&members);
            // Under the lock of those above, so that a cancel reaches this group or is seen here.
            lock(&members).canceled = above.canceled;
        }
        GROUPS.insert(Group {
            pool,
            parent,
            pending: AtomicUsize::new(0),
            done: EventCount::new(),
            released: AtomicU32::new(0),
            numbers: AtomicU64::new(0),
            members,
        })
    }

    /// This group and those above it.
    fn chain(&self) -> impl Iterator<Item = &Group> {
        std::iter::successors(Some(self), |group| group.parent.as_deref())
    }

    /// Whether all of it has ended.
    pub(crate) fn is_done(&self) -> bool {
        // Acquire: pairs with the Release in `Member::drop`; brings what the tasks did.
        self.pending.load(Ordering::Acquire) == 0
    }

    /// Takes the handle away, and ends the waits for it. False if it was gone already.
    pub(crate) fn release(number: u64) -> bool {
        let Some(group) = GROUPS.close(number) else { return false };
        // Release: pairs with the Acquire in `is_released`. Who sleeps looks again by the event count.
        group.released.store(1, Ordering::Release);
        group.done.notify_all();
        true
    }

    pub(crate) fn is_released(&self) -> bool {
        // Acquire: pairs with the Release in `release`; what the releasing thread did before is seen.
        self.released.load(Ordering::Acquire) != 0
    }

    pub(crate) fn is_canceled(&self) -> bool {
        lock(&self.members).canceled
    }

    /// Lists a task that was entered. False if the group was canceled meanwhile: then the task is not to run.
    pub(crate) fn list(&self, task: TaskId) -> bool {
        let mut members = lock(&self.members);
        if members.tasks.len() >= ENOUGH && members.tasks.len() > 2 * self.pending.load(Ordering::Relaxed) {
            members.tasks.retain(|&task| !has_ended(task));
        }
        members.tasks.push(task);
        !members.canceled
    }

    /// A task of the group or of one below it that a waiter may run, the newest first.
    pub(crate) fn newest_unstarted(&self) -> Option<TaskId> {
        let mut open = vec![self.members.clone()];
        while let Some(members) = open.pop() {
            let mut members = lock(&members);
            let newest = members.newest_unstarted();
            if newest.is_some() {
                return newest;
            }
            open.extend(members.children.iter().filter_map(Weak::upgrade));
        }
        None
    }

    /// A task that waits in a queue for one of these threads to come; of the group or of one below it.
    pub(crate) fn a_queued_one_for(&self, only: Only) -> Option<TaskId> {
        let mut open = vec![self.members.clone()];
        while let Some(members) = open.pop() {
            let members = lock(&members);
            let found = members.tasks.iter().rev().copied().find(|&task| is_in_queue_for(task, only));
            if found.is_some() {
                return found;
            }
            open.extend(members.children.iter().filter_map(Weak::upgrade));
        }
        None
    }

    /// Marks the group and those below it as canceled, and calls `each` for all their tasks.
    pub(crate) fn cancel(&self, each: &mut dyn FnMut(TaskId)) {
        let mut open = vec![self.members.clone()];
        while let Some(members) = open.pop() {
            let tasks = {
                let mut members = lock(&members);
                members.canceled = true;
                open.extend(members.children.iter().filter_map(Weak::upgrade));
                members.tasks.clone()
            };
            tasks.into_iter().for_each(&mut *each);
        }
    }

    /// How the lowest-numbered task of those that failed did so.
    pub(crate) fn lowest_failure(&self) -> Option<Failed> {
        lock(&self.members).lowest_failure.clone()
    }

    fn note_failure(&self, failed: &Failed) {
        let mut members = lock(&self.members);
        if members.lowest_failure.as_ref().is_none_or(|lowest| failed.number < lowest.number) {
            members.lowest_failure = Some(failed.clone());
        }
    }
}

impl Members {
    fn adopt(&mut self, child: &Arc<Mutex<Members>>) {
        if self.children.len() >= self.sweep_at {
            self.children.retain(|child| child.strong_count() > 0);
            self.sweep_at = ENOUGH.max(2 * self.children.len());
        }
        self.children.push(Arc::downgrade(child));
    }

    fn newest_unstarted(&mut self) -> Option<TaskId> {
        // Who helps comes again and again: what has ended is not to be looked at each time.
        while self.tasks.last().is_some_and(|&newest| has_ended(newest)) {
            self.tasks.pop();
        }
        self.tasks.iter().rev().copied().find(|&task| is_for_waiters(task))
    }
}

impl Drop for Group {
    /// The groups above that go with this one go one after the other: a tree may be deeper than the stack.
    fn drop(&mut self) {
        let mut above = self.parent.take();
        while let Some(parent) = above {
            above = parent.into_last().and_then(|mut parent| parent.parent.take());
        }
    }
}

/// A task's being in a group: counted from `enter` until it is dropped.
pub(crate) struct Member {
    pub(crate) group: Use<Group>,
    number: u64,
}

impl Member {
    pub(crate) fn enter(group: Use<Group>) -> Self {
        let mut number = 0;
        for group in group.chain() {
            group.pending.fetch_add(1, Ordering::Relaxed);
            if group.parent.is_none() {
                number = group.numbers.fetch_add(1, Ordering::Relaxed);
            }
        }
        Self { group, number }
    }

    /// The numbers of its group and of all above.
    pub(crate) fn groups(&self) -> Arc<[u64]> {
        std::iter::successors(Some(&self.group), |group| group.parent.as_ref()).map(Use::number).collect()
    }

    /// The task has ended, this way.
    pub(super) fn leave(self, outcome: Outcome, failure: Option<Failure>) {
        if outcome != Outcome::Ok {
            let failed = Failed { number: self.number, outcome, failure };
            self.group.chain().for_each(|group| group.note_failure(&failed));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        for group in self.group.chain() {
            // Release: pairs with the Acquire in `is_done`. Acquire: the last one speaks for all.
            if group.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
                group.done.notify_all();
            }
        }
    }
}
