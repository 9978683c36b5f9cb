//! The blocking lane: tasks that sleep in system calls, on threads of their own, so that they never take a worker's place.
//!
//! ```text
//! push -> [ queue ] -> an idle thread | a new one | whoever is done first
//!
//! alive <= max_blocking_threads + min(bodies that wait inside this library, max_spare_threads)
//! ```
//!
//! A thread that has had nothing to do for keep_alive_ns ends. A body of this lane counts in the census as one that is
//! blocked: it is no place's, but the pool is not at rest while it runs. One lock for all: a task that blocks takes a
//! thousand times as long.

use super::context::Context;
use super::core::Pool;
use super::registry::PoolRef;
use super::run::run;
use super::status::{Error, Status};
use super::threads;
use crate::queue::{shrink, Entry};
use crate::sync::{lock, spawn, Deadline, Latch, Mutex};
use crate::task::{Claimed, TaskId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The lane.
pub(crate) struct BlockingLane {
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Entry>,
    /// Threads with nothing to do; the last to come is the first to be woken, so that the others can end.
    idle: Vec<*const Latch>,
    alive: u32,
    /// Those of them that were started and have not looked into the queue yet: each comes for one task.
    to_come: u32,
    /// Those that wait inside this library: for a task that is queued here, maybe.
    waiting: u32,
    started: u64,
    handles: Vec<JoinHandle<()>>,
    over: bool,
}

// SAFETY: a latch is in the list only while its thread is in `sleep`, which it leaves after the latch was set, or after
// taking it out of the list itself, under the lock.
unsafe impl Send for State {}

const WORK: u32 = 0;
const END: u32 = 1;

impl State {
    /// Whether more tasks are queued than new threads come for.
    fn lacks_threads(&self) -> bool {
        self.queue.len() > self.to_come as usize
    }
}

impl BlockingLane {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                idle: Vec::new(),
                alive: 0,
                to_come: 0,
                waiting: 0,
                started: 0,
                handles: Vec::new(),
                over: false,
            }),
        }
    }

    /// Whether there is a task that waits to be run: those that don't any more are dropped, up to the first that does.
    pub(super) fn has_live(&self, live: &dyn Fn(Entry) -> bool) -> bool {
        drop_dead(&mut lock(&self.state).queue, live)
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// Threads alive, and those of them that are idle.
    pub(super) fn threads(&self) -> (u32, u32) {
        let state = lock(&self.state);
        (state.alive, state.idle.len() as u32)
    }

    pub(super) fn sweep(&self, live: &dyn Fn(Entry) -> bool) {
        lock(&self.state).queue.retain(|&entry| live(entry));
    }

    pub(super) fn give_memory_back(&self) {
        shrink(&mut lock(&self.state).queue);
    }

    pub(super) fn drain(&self) -> VecDeque<Entry> {
        std::mem::take(&mut lock(&self.state).queue)
    }

    /// The pool is over: the threads end.
    pub(super) fn end_all(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        for latch in std::mem::take(&mut state.idle) {
            // SAFETY: it was still in the list, under the lock.
            unsafe { Latch::set(latch, END) };
        }
    }

    pub(super) fn take_handles(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut lock(&self.state).handles)
    }
}

/// Drops entries up to the first that is live; whether there is one.
pub(super) fn drop_dead(queue: &mut VecDeque<Entry>, live: &dyn Fn(Entry) -> bool) -> bool {
    while queue.front().is_some_and(|&entry| !live(entry)) {
        queue.pop_front();
    }
    !queue.is_empty()
}

/// What a thread does next.
enum Next {
    Run(Entry),
    End,
}

impl Pool {
    /// Sees to it that there is a thread at all, before the first task goes in.
    pub(super) fn ensure_blocking_thread(&self) -> Result<(), Error> {
        let mut state = lock(&self.blocking.state);
        if state.alive > 0 {
            return Ok(());
        }
        if self.options.max_blocking_threads == 0 {
            return Err(Error::new(
                Status::Thread,
                "the pool has no blocking lane (max_blocking_threads is 0)",
            ));
        }
        self.start_blocking_thread(&mut state)
    }

    /// Puts a task in; fails only if there is no thread at all and none can be started.
    pub(super) fn push_blocking(&self, entry: Entry) -> Result<(), Error> {
        let mut state = lock(&self.blocking.state);
        state.queue.push_back(entry);
        if let Some(latch) = state.idle.pop() {
            // SAFETY: it was still in the list, under the lock.
            unsafe { Latch::set(latch, WORK) };
        } else if state.lacks_threads() && state.alive < self.most_blocking(&state) {
            let started = self.start_blocking_thread(&mut state);
            // If the system has none to give, those that are there come for it.
            if let (Err(error), 0) = (started, state.alive) {
                state.queue.pop_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// How many threads the lane may have now.
    fn most_blocking(&self, state: &State) -> u32 {
        self.options.max_blocking_threads + state.waiting.min(self.options.max_spare_threads)
    }

    /// A thread of the lane waits inside the library: what is queued is another's meanwhile.
    pub(super) fn while_blocking_thread_waits<T>(&self, waiting: impl FnOnce() -> T) -> T {
        {
            let mut state = lock(&self.blocking.state);
            state.waiting += 1;
            // Each that is idle has been woken for an entry of its own. Refused, a wait for ever says so
            // (`ensure_free_blocking_thread`), and others come when they are done.
            if state.lacks_threads() && state.alive < self.most_blocking(&state) {
                let _ = self.start_blocking_thread(&mut state);
            }
        }
        let value = waiting();
        lock(&self.blocking.state).waiting -= 1;
        value
    }

    /// Makes sure that a thread can come for what is queued here: one that doesn't wait itself, or a new one.
    #[cold]
    pub(super) fn ensure_free_blocking_thread(&self) -> Result<(), Error> {
        let mut state = lock(&self.blocking.state);
        if state.alive > state.waiting {
            return Ok(());
        }
        if state.alive >= self.most_blocking(&state) {
            return Err(Error::new(
                Status::Thread,
                "all threads of the blocking lane wait (max_blocking_threads, max_spare_threads)",
            ));
        }
        self.start_blocking_thread(&mut state)
    }

    fn start_blocking_thread(&self, state: &mut State) -> Result<(), Error> {
        let Some(pool) = self.me.upgrade().filter(|_| !state.over) else { return Err(Status::Closed.into()) };
        let builder = self.builder(format_args!("b{}", state.started));
        let handle = spawn(builder, self.options.signals, move || main(pool))
            .map_err(|error| threads::refused(&error))?;
        state.started += 1;
        state.alive += 1;
        state.to_come += 1;
        threads::keep(&mut state.handles, handle);
        Ok(())
    }

    /// The next task; the thread counts as a body from before it is taken out of the queue. `is_new` until its first look.
    fn next_blocking(&self, is_new: &mut bool) -> Next {
        loop {
            let latch = Latch::new();
            self.places.enter_without_place();
            let ends = {
                let mut state = lock(&self.blocking.state);
                state.to_come -= u32::from(std::mem::take(is_new));
                // One too many, now that others don't wait any more: they come for the rest.
                let surplus = state.alive > self.most_blocking(&state);
                let next = if surplus { None } else { state.queue.pop_front() };
                if let Some(entry) = next {
                    return Next::Run(entry);
                }
                let ends = surplus || state.over;
                if ends {
                    state.alive -= 1;
                } else {
                    state.idle.push(&latch);
                }
                ends
            };
            self.leave_without_place();
            if ends || !self.sleep_blocking(&latch) {
                return Next::End;
            }
        }
    }

    /// Sleeps until there may be work; false if the thread is to end.
    fn sleep_blocking(&self, latch: &Latch) -> bool {
        let deadline = Deadline::from_timeout_ns(self.options.keep_alive_ns);
        let woken = latch.wait(deadline);
        let mut state = lock(&self.blocking.state);
        state.idle.retain(|&other| !std::ptr::eq(other, latch));
        // Set, if at all, under the lock: somebody may have been faster than the deadline.
        let go_on = woken.or_else(|| latch.get()) == Some(WORK);
        if !go_on {
            state.alive -= 1;
        }
        go_on
    }

    /// A body of this lane has ended, or there was none, or what was canceled has been told: the pool may be idle.
    pub(super) fn leave_without_place(&self) {
        self.note_if_idle(self.places.leave_without_place());
    }
}

/// The life of a thread.
fn main(pool: Arc<Pool>) {
    Context::of_blocking_thread(PoolRef::from(pool)).enter(|context| {
        let pool = &*context.pool;
        pool.call_hook(pool.options.hooks.on_start);
        let mut is_new = true;
        while let Next::Run(entry) = pool.next_blocking(&mut is_new) {
            if let Some(task) = Claimed::claim(TaskId::from_bits(entry)) {
                pool.left_queue();
                run(context, task);
            }
            pool.leave_without_place();
        }
        pool.call_hook(pool.options.hooks.on_stop);
    });
}
