//! Tasks that are not to be run yet: their time is to come, or other tasks are to end first.
//!
//! ```text
//! submit -> Hold { task, left } --the last of what it waits for--> its lane
//!              `-> a task before it fails --> canceled with that one's status
//! ```
//!
//! A pool lists its held tasks: it is not idle while there is one, a drain cancels those that wait for their time, and a
//! cancel all. Who takes a task off the list has put it into its lane before, or ended it.

use super::core::Pool;
use super::deadlock;
use super::lanes::Lane;
use super::status::{Error, Status};
use super::timers::{self, Due};
use super::wait::how_it_ended;
use super::wait_graph::{Thread, Who};
use crate::sync::{lock, AtomicU32, AtomicUsize, Mutex, Ordering};
use crate::task::{self, Ended, Failure, Lost, OnEnd, Outcome, TaskId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// The list.
pub(crate) struct Held {
    /// And whether it waits for its time.
    tasks: Mutex<HashMap<u64, bool>>,
    /// `tasks.len()`, to be read without the lock. Read it before the queues: a task comes off the list after it has
    /// gone into its lane.
    count: AtomicUsize,
}

impl Held {
    pub(super) fn new() -> Self {
        Self { tasks: Mutex::default(), count: AtomicUsize::new(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release in `remove`: who sees the task gone sees it in its lane.
        self.count.load(Ordering::Acquire) == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn insert(&self, task: TaskId, timed: bool) {
        let mut tasks = lock(&self.tasks);
        tasks.insert(task.bits(), timed);
        self.count.store(tasks.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, task: TaskId) {
        let mut tasks = lock(&self.tasks);
        tasks.remove(&task.bits());
        self.count.store(tasks.len(), Ordering::Release);
    }

    /// Its time has come: a drain doesn't cancel it any more.
    fn note_due(&self, task: TaskId) {
        if let Some(timed) = lock(&self.tasks).get_mut(&task.bits()) {
            *timed = false;
        }
    }

    fn those(&self, timed_only: bool) -> Vec<TaskId> {
        let tasks = lock(&self.tasks);
        tasks
            .iter()
            .filter(|(_, timed)| **timed || !timed_only)
            .map(|(&bits, _)| TaskId::from_bits(bits))
            .collect()
    }
}

/// A held task, as what it waits for sees it.
pub(super) struct Hold {
    pool: Arc<Pool>,
    task: TaskId,
    lane: Lane,
    /// Of what is to come first, this much is left.
    left: AtomicU32,
}

impl Hold {
    /// Something that was to come first has come.
    pub(super) fn one_less(&self) {
        // AcqRel: whoever is last has seen what all the others did.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 && task::let_go(self.task) {
            deadlock::let_go(self.task);
            self.pool.route_or_discard(self.task, self.lane);
            deadlock::has_been_queued(self.task);
            self.pool.held.remove(self.task);
            self.pool.tell_if_idle();
        }
    }

    /// Its time has come.
    pub(super) fn time_has_come(&self) {
        self.pool.held.note_due(self.task);
        self.one_less();
    }

    pub(super) fn is_waiting(&self) -> bool {
        task::is_queued(self.task)
    }

    /// A task that was to come first has failed: so has this one.
    fn spoil(&self, outcome: Outcome, failure: Option<Failure>) {
        self.pool.discard_as(self.task, outcome.for_dependents(), failure);
    }
}

struct Before(Arc<Hold>);

impl OnEnd for Before {
    fn ended(self: Box<Self>, before: TaskId, ended: &Ended) -> Option<Lost> {
        if ended.outcome == Outcome::Ok {
            deadlock::strike(self.0.task, before);
            self.0.one_less();
        } else {
            // In line: what waits for this one in its turn may be the head of a long chain.
            let (hold, outcome, failure) = (self.0, ended.outcome, ended.failure.clone());
            task::in_line(move || hold.spoil(outcome, failure));
        }
        None
    }
}

/// What a held task waits for.
pub(super) struct Conditions {
    pub(super) lane: Lane,
    pub(super) not_before: Option<Instant>,
    pub(super) after: Vec<TaskId>,
    /// What the graph of waits knows of it.
    pub(super) name: Option<Arc<str>>,
    pub(super) groups: Option<Arc<[u64]>>,
}

impl Pool {
    /// Lets a task that was made as held wait for what is to come first.
    ///
    /// Fails if one of the handles is not live, or there is no thread to keep the time; then the caller ends the task.
    pub(super) fn hold(&self, task: TaskId, conditions: Conditions) -> Result<(), Error> {
        self.held.insert(task, conditions.not_before.is_some());
        let Some(pool) = self.me.upgrade() else { return Err(Status::Closed.into()) };
        let left = AtomicU32::new(1 + u32::from(conditions.not_before.is_some()));
        let hold = Arc::new(Hold { pool, task, lane: conditions.lane, left });
        if !conditions.after.is_empty() {
            let who = Who {
                name: conditions.name,
                pool: self.number,
                groups: conditions.groups,
                thread: Thread::Other,
            };
            deadlock::hold(task, who, &conditions.after);
        }
        for &before in &conditions.after {
            hold.left.fetch_add(1, Ordering::Relaxed);
            if let Some(ended_already) = task::on_end(before, Box::new(Before(hold.clone())))? {
                let _ = ended_already.ended(before, &how_it_ended(before)?);
            }
        }
        if let Some(at) = conditions.not_before {
            timers::add(at, Due::Start(hold.clone()))?;
        }
        // The one that kept it from starting before all was said.
        hold.one_less();
        self.forget_if_ended(task);
        Ok(())
    }

    /// A task may be canceled (by its deadline, its group, a task before it) before it is on the list: then who cancels it
    /// looks there in vain. He ends it first and looks then, this is the other way round, so one of the two takes it off.
    pub(super) fn forget_if_ended(&self, task: TaskId) {
        if task::has_ended(task) {
            deadlock::let_go(task);
            self.held.remove(task);
            self.tell_if_idle();
        }
    }

    /// Cancels the held tasks: all, or those that wait for their time.
    pub(super) fn discard_held(&self, timed_only: bool) {
        for task in self.held.those(timed_only) {
            self.discard(task);
        }
    }
}
