//! Completion queues: tasks that have ended, in that order, for threads and event loops that wait for whichever is next.
//!
//! ```text
//! task ends -> push -> [ (task, tag), ... ] -> take, a batch at a time
//!                 `-> descriptor readable while there is one
//! ```
//!
//! Each entry has a handle of its task, so that the result is there when the entry is taken out.

use super::lifecycle::{release, Lost};
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
    /// Made when somebody asks for it.
    signal: Option<Signal>,
    /// Its handle is gone: nobody will take anything out.
    closed: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let list = List { entries: VecDeque::new(), signal: None, closed: false };
        Self { list: Mutex::new(list), changed: EventCount::new() }
    }

    /// A task has ended. Returns its failure if the queue is gone, and with it the last who could have seen it.
    fn push(&self, completion: Completion) -> Option<Lost> {
        {
            let mut list = lock(&self.list);
            if !list.closed {
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

    /// Waits until there is something to take, or nothing will come; false if the deadline passed first.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        self.changed.wait_until(deadline, || {
            let list = lock(&self.list);
            list.closed || !list.entries.is_empty()
        })
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
    pub(crate) queue: Use<Queue>,
    pub(crate) tag: u64,
}

impl Delivery {
    pub(crate) fn deliver(self, task: TaskId) -> Option<Lost> {
        self.queue.push(Completion { task, tag: self.tag })
    }
}

impl OnEnd for Delivery {
    fn ended(self: Box<Self>, task: TaskId, _: &Ended) -> Option<Lost> {
        self.deliver(task)
    }
}
