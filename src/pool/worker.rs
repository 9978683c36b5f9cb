//! A thread of a pool: search, take a place, run until dry, give the place back, search, park.
//!
//! ```text
//!            +-- nothing, spin over --> PARKED --woken--+
//!            v                                          |
//!        SEARCHING <------------------------------------+
//!            |  work seen and a place taken        ^
//!            v                                     |
//!         ON A PLACE: own deque, injector, steal --+ dry, or the place is wanted by a body that waited
//! ```

use super::context::Context;
use super::core::Pool;
use super::registry::PoolRef;
use super::run::run;
use super::sleep::{Crew, Wake};
use crate::queue::{Deque, Entry, Steal};
use crate::sync::{Deadline, SpinBudget};
use crate::task::{Claimed, TaskId};
use std::ffi::c_void;
use std::sync::Arc;

/// Most tasks that a worker takes out of the injector at once.
const BATCH: usize = 32;
/// A thread that is one too many ends after it has had nothing to do for so long.
const SURPLUS_IDLE_NS: i64 = 1_000_000_000;

/// The life of a thread; it was counted as a searcher before it was started.
pub(super) fn main(pool: Arc<Pool>) {
    let hooks = pool.options.hooks;
    let call = |hook: Option<unsafe extern "C" fn(*mut c_void)>| {
        if let Some(hook) = hook {
            // SAFETY: the embedder promised that its hooks may be called with its context on every thread of the pool.
            unsafe { hook(hooks.context) };
        }
    };
    // The hooks are within the context, too: one that would wait for its own pool gets EDEADLK.
    Context::new(PoolRef::from(pool), None, true).enter(|context| {
        call(hooks.on_start);
        live(context);
        call(hooks.on_stop);
    });
}

fn live(context: &Context) {
    let pool = &*context.pool;
    let mut spins = SpinBudget::new();
    loop {
        let found = search(pool, &spins);
        spins.learn(found.is_some());
        if let Some(place) = found {
            context.place.set(Some(place));
            run_until_dry(context);
            continue;
        }
        match park(pool) {
            Wake::Search => {}
            Wake::End => return pool.roster.note_end(),
            Wake::TimedOut => return,
        }
    }
}

/// Looks for work for a while; with a place if there is some.
fn search(pool: &Pool, spins: &SpinBudget) -> Option<u32> {
    let mut spin = spins.start();
    loop {
        if pool.work_visible() {
            if let Some(place) = pool.places.try_take_from_search() {
                return Some(place);
            }
        }
        // Without a free place there is nothing to look for: who holds one finds the work.
        if pool.places.census().free() == 0 || !spin.pause() {
            return None;
        }
    }
}

/// Parks until there is work; a thread that is one too many ends when none has come for a while.
///
/// Only such a thread parks with a deadline: a regular one sleeps until it is woken, and uses no CPU time meanwhile.
fn park(pool: &Pool) -> Wake {
    loop {
        let surplus = pool.roster.has_surplus(pool.threads());
        let deadline = if surplus { Deadline::from_timeout_ns(SURPLUS_IDLE_NS) } else { Deadline::Never };
        let wake = pool.sleep.park(&pool.places, deadline, pool);
        if wake != Wake::TimedOut || pool.roster.retire_if_surplus(pool.threads()) {
            return wake;
        }
        // No longer one too many. `park` takes a searcher, so be one for a moment.
        pool.places.start_searching();
    }
}

/// Runs tasks while there are any, then gives the place back and is a searcher.
fn run_until_dry(context: &Context) {
    let pool = &*context.pool;
    let place = || context.place.get().expect("a worker between two tasks holds a place");
    let mut first = true;
    loop {
        if pool.places.is_wanted() {
            break;
        }
        let Some(task) = find(pool, place()) else { break };
        if first {
            // The baton: whoever was told of new work tells the next, while there is more of it.
            first = false;
            if pool.work_visible() {
                pool.notify();
            }
        }
        run(context, task);
    }
    let place = place();
    context.place.set(None);
    pool.note_if_idle(pool.places.give_back_and_search(place));
}

/// The next task for a place: its own newest, else the oldest from outside, else somebody else's oldest.
fn find(pool: &Pool, place: u32) -> Option<Claimed> {
    let own = &pool.deques[place as usize];
    loop {
        // SAFETY: the caller holds the place, so it owns the deque.
        while let Some(entry) = unsafe { own.pop() } {
            if let Some(task) = claim(pool, entry) {
                return Some(task);
            }
        }
        match take_batch(pool, own) {
            Taken::Task(task) => return Some(task),
            Taken::Stale => continue,
            Taken::Nothing => {}
        }
        match steal(pool, place) {
            Taken::Task(task) => return Some(task),
            Taken::Stale => {}
            Taken::Nothing => return None,
        }
    }
}

/// Claims what an entry stands for, if it still waits to be run.
fn claim(pool: &Pool, entry: Entry) -> Option<Claimed> {
    let task = Claimed::claim(TaskId::from_bits(entry));
    match &task {
        Some(_) => pool.left_queue(),
        None => pool.dropped_stale(),
    }
    task
}

enum Taken {
    Task(Claimed),
    /// There was an entry, but nobody waits for it: look again.
    Stale,
    Nothing,
}

/// The oldest task from outside; a fair share of the others goes into the own deque, where others can steal it.
fn take_batch(pool: &Pool, own: &Deque) -> Taken {
    if pool.injector.is_empty() {
        return Taken::Nothing;
    }
    let share = pool.injector.len().div_ceil(pool.threads() as usize * 2);
    let mut batch = [0; BATCH];
    let taken = pool.injector.take(&mut batch[..share.clamp(1, BATCH)]);
    let Some((&oldest, rest)) = batch[..taken].split_first() else { return Taken::Nothing };
    for &entry in rest.iter().rev() {
        // SAFETY: the caller of `find` holds the place of this deque. Pushed in reverse, the oldest comes out first.
        unsafe { own.push(entry) };
    }
    claim(pool, oldest).map_or(Taken::Stale, Taken::Task)
}

fn steal(pool: &Pool, place: u32) -> Taken {
    let (before, after) = pool.deques.split_at(place as usize);
    let mut seen = Taken::Nothing;
    for other in after[1..].iter().chain(before) {
        loop {
            match other.steal() {
                Steal::Got(entry) => match claim(pool, entry) {
                    Some(task) => return Taken::Task(task),
                    None => seen = Taken::Stale,
                },
                Steal::Retry => seen = Taken::Stale,
                Steal::Empty => break,
            }
        }
    }
    seen
}
