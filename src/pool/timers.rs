//! One thread for all that is to happen at a time: tasks that start then, and tasks that must have been started by then.
//!
//! ```text
//! TIMERS = lock { heap of (time, what) }      the thread sleeps until the first, and ends when there is none for a while
//! ```

use super::hold::Hold;
use super::registry;
use super::status::Error;
use super::threads;
use crate::sync::{lock, spawn, Deadline, EventCount, Mutex, Renewable, SignalMask};
use crate::task::{self, TaskId};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What happens.
pub(super) enum Due {
    /// One thing less that a held task waits for.
    Start(Arc<Hold>),
    /// A task that has not been started is canceled.
    Deadline(TaskId),
}

struct Timer {
    at: Instant,
    /// Of two at the same time the older one comes first.
    number: u64,
    due: Due,
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}

struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    number: u64,
    /// When the heap has this many, those whose task doesn't wait for them any more are dropped.
    sweep_at: usize,
    running: bool,
}

struct Shared {
    timers: Mutex<Timers>,
    changed: EventCount,
}

static SHARED: Renewable<OnceLock<Shared>> = Renewable::new(OnceLock::new());

/// The thread ends after it has had nothing to wait for for so long.
const IDLE_NS: i64 = 1_000_000_000;
const SWEEP_FROM: usize = 64;

fn shared() -> &'static Shared {
    SHARED.get_or_init(|| Shared {
        timers: Mutex::new(Timers {
            heap: BinaryHeap::new(),
            number: 0,
            sweep_at: SWEEP_FROM,
            running: false,
        }),
        changed: EventCount::new(),
    })
}

/// In the child of a fork: the timers are the parent's, and so is their thread.
///
/// # Safety
/// No other thread uses the library.
pub(super) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { SHARED.renew(OnceLock::new()) };
}

/// Has something done at a time. `ETHREAD` if there is no thread for it.
pub(super) fn add(at: Instant, due: Due) -> Result<(), Error> {
    let shared = shared();
    let is_next = {
        let mut timers = lock(&shared.timers);
        timers.ensure_thread()?;
        timers.sweep();
        timers.number += 1;
        let number = timers.number;
        timers.heap.push(Reverse(Timer { at, number, due }));
        timers.heap.peek().is_some_and(|next| next.0.number == number)
    };
    if is_next {
        shared.changed.notify_all();
    }
    Ok(())
}

impl Timers {
    fn ensure_thread(&mut self) -> Result<(), Error> {
        if !self.running {
            let builder = std::thread::Builder::new().name("offgil-timer".into());
            // It is the whole process's, and nobody's in particular.
            spawn(builder, SignalMask::all(), main).map_err(|error| threads::refused(&error))?;
            self.running = true;
        }
        Ok(())
    }

    fn sweep(&mut self) {
        if self.heap.len() >= self.sweep_at {
            self.heap.retain(|timer| timer.0.due.is_waited_for());
            self.sweep_at = SWEEP_FROM.max(self.heap.len() * 2);
        }
    }

    fn take_due(&mut self, now: Instant) -> Option<Due> {
        self.heap.peek().filter(|next| next.0.at <= now)?;
        self.heap.pop().map(|next| next.0.due)
    }
}

impl Due {
    fn is_waited_for(&self) -> bool {
        match self {
            Self::Start(hold) => hold.is_waiting(),
            Self::Deadline(task) => task::is_queued(*task),
        }
    }

    fn happen(self) {
        match self {
            Self::Start(hold) => hold.time_has_come(),
            Self::Deadline(task) => expire(task),
        }
    }
}

/// Its deadline has passed: canceled, if it still is queued.
fn expire(task: TaskId) {
    let pool = registry::of_task(task::cell_of(task).pool());
    // The number was the task's only if it still was queued after it was read.
    if let Some(pool) = pool {
        pool.discard(task);
    }
}

fn main() {
    let shared = shared();
    loop {
        let key = shared.changed.prepare();
        let (due, next) = {
            let mut timers = lock(&shared.timers);
            (timers.take_due(Instant::now()), timers.heap.peek().map(|next| next.0.at))
        };
        if let Some(due) = due {
            shared.changed.cancel(key);
            due.happen();
            continue;
        }
        let deadline = next.map_or(Deadline::from_timeout_ns(IDLE_NS), Deadline::At);
        let told = shared.changed.commit(key, deadline);
        let mut timers = lock(&shared.timers);
        if !told && timers.heap.is_empty() {
            timers.running = false;
            return;
        }
    }
}
