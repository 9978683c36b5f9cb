//! Threads that the embedder lends, and the tasks that only they run.
//!
//! ```text
//! push -> [ queue ] -> a lent thread that is parked | one that `start_worker` is asked for | whoever is done first
//! ```
//!
//! A lent thread is a worker like the pool's own (it takes a place to run a body, and runs any task), except that it
//! also looks here, and that it was not started by the pool. It stays until the pool is over.

use super::blocking::drop_dead;
use super::context::{is_in_a_body, is_on_a_lent_thread};
use super::core::Pool;
use super::registry::PoolRef;
use super::status::{Error, Status};
use super::within::is_within;
use super::worker;
use crate::queue::{shrink, Entry};
use crate::sync::{call_out, lock, AtomicUsize, EventCount, Mutex, Ordering};
use std::collections::VecDeque;

/// The lane.
pub(crate) struct LentLane {
    state: Mutex<State>,
    /// `state.queue.len()`, to be read without the lock.
    len: AtomicUsize,
    /// Changes when a lent thread has left.
    left: EventCount,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    /// Threads that are lent.
    alive: u32,
    /// Those of them that are between taking a place and giving it back.
    busy: u32,
    /// Those of them whose body is blocked in a wait.
    blocked: u32,
    /// Threads that the embedder was asked for and that have not come yet.
    asked: u32,
}

impl LentLane {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), len: AtomicUsize::new(0), left: EventCount::new() }
    }

    pub(super) fn queued(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// How many threads are lent.
    pub(super) fn threads(&self) -> u32 {
        lock(&self.state).alive
    }

    /// Whether one of them can come for what is queued, sooner or later.
    pub(super) fn has_one_that_is_not_blocked(&self) -> bool {
        let state = lock(&self.state);
        state.alive > state.blocked
    }

    pub(super) fn take(&self) -> Option<Entry> {
        if self.queued() == 0 {
            return None;
        }
        self.with(|state| state.queue.pop_front())
    }

    /// As that of the blocking lane.
    pub(super) fn has_live(&self, live: &dyn Fn(Entry) -> bool) -> bool {
        self.queued() > 0 && self.with(|state| drop_dead(&mut state.queue, live))
    }

    pub(super) fn sweep(&self, live: &dyn Fn(Entry) -> bool) {
        self.with(|state| state.queue.retain(|&entry| live(entry)));
    }

    pub(super) fn give_memory_back(&self) {
        shrink(&mut lock(&self.state).queue);
    }

    pub(super) fn drain(&self) -> VecDeque<Entry> {
        self.with(|state| std::mem::take(&mut state.queue))
    }

    /// A lent thread has taken a place (or given it back).
    pub(super) fn note_busy(&self, busy: bool) {
        let mut state = lock(&self.state);
        state.busy = if busy { state.busy + 1 } else { state.busy - 1 };
    }

    /// A body on a lent thread is blocked in a wait (or no longer).
    pub(super) fn note_blocked(&self, blocked: bool) {
        let mut state = lock(&self.state);
        state.blocked = if blocked { state.blocked + 1 } else { state.blocked - 1 };
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.state);
        let value = change(&mut state);
        // A hint, as in the injector: who goes to sleep on it fences first.
        self.len.store(state.queue.len(), Ordering::Release);
        value
    }
}

impl Pool {
    /// Puts a task in, for those that are lent.
    pub(super) fn push_lent(&self, entry: Entry) {
        self.lent.with(|state| state.queue.push_back(entry));
        self.sleep.wake_lent(&self.places);
    }

    /// Sees to it that there is a lent thread for one more task than are queued, by asking the embedder. In the submit, for
    /// held tasks too: a thread that is lent stays, and the embedder is asked on threads that submit only.
    ///
    /// Fails if he has none, and none is lent or on its way. Who doesn't want to be asked lends one when he likes.
    pub(super) fn ask_for_lent_thread(&self) -> Result<(), Error> {
        if self.options.start_worker.is_none() {
            return Ok(());
        }
        // The task of a lent thread that submits this one may wait for it.
        let most = self.threads() + u32::from(is_on_a_lent_thread(self));
        let ask = self.lent.with(|state| {
            // Those that are on their way to an earlier task are not free for this one.
            let free = state.alive + state.asked - state.busy.min(state.alive);
            let ask = state.queue.len() >= free as usize && state.alive + state.asked < most + state.blocked;
            state.asked += u32::from(ask);
            ask
        });
        if !ask || self.start_lent_thread() {
            return Ok(());
        }
        let there_are_others = self.lent.with(|state| {
            state.asked = state.asked.saturating_sub(1);
            state.alive + state.asked > 0
        });
        if there_are_others {
            return Ok(());
        }
        Err(Error::new(Status::Thread, "no thread is lent to the pool, and start_worker has none to start"))
    }

    fn start_lent_thread(&self) -> bool {
        // SAFETY: the embedder promised that it may be called with its context wherever a task is submitted.
        self.options
            .start_worker
            .is_some_and(|start| call_out(|| unsafe { start(self.options.hooks.context) }) == 0)
    }

    /// Waits until every lent thread has left.
    pub(super) fn wait_for_lent_threads(&self) {
        self.lent.left.wait_until(crate::sync::Deadline::Never, || self.lent.threads() == 0);
    }
}

/// Makes the calling thread a worker until the pool is over.
pub(crate) fn run_worker(pool: &PoolRef) -> Result<(), Error> {
    if is_in_a_body() || is_within(pool) {
        return Err(Error::new(Status::Deadlock, "a task can't lend the thread that it runs on"));
    }
    pool.lent.with(|state| {
        state.alive += 1;
        state.asked = state.asked.saturating_sub(1);
    });
    // Registered first: a pool that ends from now on waits for this thread, which then sees that it is over.
    let closed = pool.places.census().is_over();
    if !closed {
        pool.places.start_searching();
        worker::lend(pool);
    }
    pool.lent.with(|state| state.alive -= 1);
    pool.lent.left.notify_all();
    if closed {
        return Err(Status::Closed.into());
    }
    Ok(())
}
