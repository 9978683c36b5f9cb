//! Completion queues: tasks that have ended, in that order, for threads and event loops that wait for whichever is next.
//!
//! ```text
//! task ends -> push -> [ (task, tag), ... ] -> take, a batch at a time
//!                 `-> descriptor readable while there is one
//! pending: the tasks that are still to come
//! ```
//!
//! Each entry has a handle of its task, so that the result is there when the entry is taken out.

use super::lifecycle::{release, Lost};
use super::pending::Pending;
use super::watch::{Ended, OnEnd};
use super::word::TaskId;
use crate::sync::{lock, Deadline, EventCount, Mutex, Signal, Slots, Use};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;

/// All queues of the process.
pub(crate) static QUEUES: Slots<Queue> = Slots::new();

/// A task that has ended; one release of it is due.
#[derive(Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) task: TaskId,
    pub(crate) tag: u64,
}

/// A queue of completions.
pub(crate) struct Queue {
    list: Mutex<List>,
    changed: EventCount,
}

struct List {
    entries: VecDeque<Completion>,
    pending: Pending,
    /// How many have been pushed.
    pushed: u64,
    /// Made when somebody asks for it.
    signal: Option<Signal>,
    /// Its handle is gone: nobody will take anything out.
    closed: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let list = List {
            entries: VecDeque::new(),
            pending: Pending::new(),
            pushed: 0,
            signal: None,
            closed: false,
        };
        Self { list: Mutex::new(list), changed: EventCount::new() }
    }

    /// A task has ended, which is `pending_at`. Returns its failure if the queue is gone, and with it the last who could have
    /// seen it.
    fn push(&self, completion: Completion, pending_at: Option<u32>) -> Option<Lost> {
        {
            let mut list = lock(&self.list);
            if !list.closed {
                pending_at.into_iter().for_each(|at| list.pending.remove(at));
                list.pushed += 1;
                list.entries.push_back(completion);
                if list.entries.len() == 1 {
                    list.raise();
                }
                drop(list);
                self.changed.notify_all();
                return None;
            }
        }
        give_back(completion)
    }

    /// Waits until there is something to take, or nothing will come, or `is_done`, which changes with a push or a
    /// `look_again`; false if the deadline passed first.
    pub(crate) fn wait(&self, deadline: Deadline, mut is_done: impl FnMut() -> bool) -> bool {
        self.changed.wait_until(deadline, || is_done() || self.is_ready())
    }

    /// Has whoever waits look whether he is done.
    pub(crate) fn look_again(&self) {
        self.changed.notify_all();
    }

    /// Whether nobody needs to wait: there is something to take, or nothing will come.
    pub(crate) fn is_ready(&self) -> bool {
        let list = lock(&self.list);
        list.closed || !list.entries.is_empty()
    }

    /// How many tasks have come into the queue.
    pub(crate) fn pushed(&self) -> u64 {
        lock(&self.list).pushed
    }

    /// The tasks that are still to come, up to `most`, the oldest first.
    pub(crate) fn oldest_pending(&self, most: usize) -> Vec<TaskId> {
        lock(&self.list).pending.iter().take(most).collect()
    }

    /// Takes what there is, the oldest first, up to `most`; `None` if the handle is gone.
    pub(crate) fn take(&self, most: usize) -> Option<Vec<Completion>> {
        let mut list = lock(&self.list);
        if list.closed {
            return None;
        }
        let count = most.min(list.entries.len());
        let taken = list.entries.drain(..count).collect();
        if list.entries.is_empty() && count > 0 {
            list.lower();
        }
        Some(taken)
    }

    /// The descriptor, made on first use.
    pub(crate) fn descriptor(&self) -> io::Result<RawFd> {
        let mut list = lock(&self.list);
        if list.signal.is_none() {
            list.signal = Some(Signal::new()?);
            if !list.entries.is_empty() {
                list.raise();
            }
        }
        Ok(list.signal.as_ref().expect("made above").descriptor())
    }

    /// Nothing will be taken any more: who waits is told, and what is there is given back. Returns the failures that
    /// nobody has seen.
    pub(crate) fn close(&self) -> Vec<Lost> {
        let left = {
            let mut list = lock(&self.list);
            list.closed = true;
            list.pending = Pending::new();
            std::mem::take(&mut list.entries)
        };
        self.changed.notify_all();
        left.into_iter().filter_map(give_back).collect()
    }
}

impl List {
    fn raise(&self) {
        if let Some(signal) = &self.signal {
            signal.raise();
        }
    }

    fn lower(&self) {
        if let Some(signal) = &self.signal {
            signal.lower();
        }
    }
}

fn give_back(completion: Completion) -> Option<Lost> {
    // It is live, as the entry had a handle of its own; but for a surplus release of the caller's.
    release(completion.task).ok().flatten()
}

/// Where a task goes when it has ended; one release of it is due with that.
pub(crate) struct Delivery {
    queue: Use<Queue>,
    tag: u64,
    /// Its slot among the queue's pending tasks.
    pending_at: Option<u32>,
}

impl Delivery {
    pub(crate) fn new(queue: Use<Queue>, tag: u64) -> Self {
        Self { queue, tag, pending_at: None }
    }

    /// This is the task that will come.
    pub(crate) fn expect(&mut self, task: TaskId) {
        let mut list = lock(&self.queue.list);
        if !list.closed {
            self.pending_at = Some(list.pending.insert(task));
        }
    }

    pub(crate) fn deliver(mut self, task: TaskId) -> Option<Lost> {
        let pending_at = self.pending_at.take();
        self.queue.push(Completion { task, tag: self.tag }, pending_at)
    }
}

impl Drop for Delivery {
    /// If the task is not to come after all.
    fn drop(&mut self) {
        let Some(at) = self.pending_at else { return };
        let mut list = lock(&self.queue.list);
        if !list.closed {
            list.pending.remove(at);
        }
    }
}

impl OnEnd for Delivery {
    fn ended(self: Box<Self>, task: TaskId, _: &Ended) -> Option<Lost> {
        self.deliver(task)
    }
}
