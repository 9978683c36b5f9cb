//! What a waiter outside runs of many tasks that it waits for: batches, as a worker does, but of these only.
//!
//! ```text
//! injector:  -> [ another's | awaited 40 | ... | awaited 35 ] -> awaited 34 ... 30        a worker has taken these along
//!                                    v as many as a worker would take
//!             the deque of its place:  thieves -> [ 39 | 38 | 37 | 36 | 35 ] <- it runs these
//! ```
//!
//! So both are at work on tasks of their own. Who went for the oldest that are still queued, one by one, would find them
//! in a worker's deque, and each would cost both of them a cache line or two: 100 to 250 ns a task, instead of 40.

use super::context::{inside, Context};
use super::core::Pool;
use super::help::{as_visitor, claim, forget_entry, run_as_visitor, visit, Helped};
use super::local::here;
use super::registry;
use super::run::run;
use super::wait::ended;
use super::worker::{fair_share, BATCH};
use crate::queue::Entry;
use crate::task::{self, TaskId};

/// With fewer tasks in the injector there is no batch to take.
const FEW: usize = 8;

/// Runs tasks of the pool here that are waited for, several if it can be: each time a place is taken for it costs more than a
/// short task does. Not inside the pool, where no place need be taken.
pub(super) fn help_with_some(pool: u32, ids: impl Iterator<Item = TaskId> + Clone) {
    let Some(pool) = registry::of_task(pool) else { return };
    if inside(&pool, |inside| inside.is_some()) {
        return;
    }
    // Who was sent for what has a priority is to find the place that was left to him.
    if pool.priorities.has_high() && pool.places.census().free() <= 1 {
        return;
    }
    let local = here();
    let Some(permit) = visit(local, &pool) else { return };
    as_visitor(local, Context::of_visitor(pool.clone(), permit), |context| {
        if pool.injector.len() < FEW || run_batches(context, ids.clone()) {
            run_one_by_one(context, ids);
        }
    });
}

/// Wherever they are queued, as long as another place is free, for whatever others may come.
fn run_one_by_one(context: &Context, ids: impl Iterator<Item = TaskId>) {
    let pool = &context.pool;
    for id in ids {
        match task::look(id) {
            Ok(look) if ended(&look).is_some() => {}
            Ok(look) if look.pool == pool.number && run_as_visitor(context, id) != Helped::No => {}
            _ => return,
        }
        if pool.places.census().free() == 0 || !is_welcome(context) {
            return;
        }
    }
}

/// Those that are next in the injector, as long as they are. A worker on this place would run the same, if there were nothing
/// with a priority. Whether the visitor may go on with others.
fn run_batches(context: &Context, mut ids: impl Iterator<Item = TaskId> + Clone) -> bool {
    let pool = &*context.pool;
    let may_go_on = || is_welcome(context) && pool.priorities.is_empty();
    while may_go_on() {
        let skipped = ids.clone();
        let (before, taken) = take_batch(context, &mut ids);
        if taken == 0 {
            return true;
        }
        // The wait ends at one that is no live handle: those behind it are not waited for. They are in the deque, for others.
        if skipped.take(before).any(|id| !task::is_live(id)) {
            return false;
        }
        for id in ids.by_ref().take(taken) {
            if !task::is_live(id) || !may_go_on() {
                return false;
            }
            let place = context.place().expect("a visitor between two tasks has a place");
            match claim(context, id) {
                Some((task, from_outside)) => {
                    forget_entry(pool, place, id, from_outside);
                    run(context, task);
                }
                None if task::has_ended(id) => {} // it was canceled
                None => break,                    // a thief has it, and those behind it
            }
        }
    }
    false
}

/// Takes the next ones out of the injector that are awaited, into the deque of the visitor's place, the oldest on top; how many
/// awaited ones come before them, and how many they are. They are the first of `ids` then.
fn take_batch(context: &Context, ids: &mut (impl Iterator<Item = TaskId> + Clone)) -> (usize, usize) {
    let pool = &*context.pool;
    let Some(place) = context.place() else { return (0, 0) };
    let seen = pool.injector.len();
    pool.observer.note_queue_length(seen);
    let mut batch = [0; BATCH];
    let (mut expected, mut skipped) = (None, 0);
    // As of a worker: asked when it is this one's turn.
    let allowed = || if is_welcome(context) { fair_share(seen, pool.places.census()) } else { 0 };
    let taken = pool.injector.take_while(&mut batch, allowed, |entry| match &mut expected {
        None => {
            let Some(before) = skip_to(pool, ids, entry) else { return false };
            (expected, skipped) = (Some(ids.clone().skip(1)), before);
            true
        }
        Some(expected) => expected.next().is_some_and(|id| id.bits() == entry),
    });
    for &entry in batch[..taken].iter().rev() {
        // SAFETY: this thread holds the place, so it owns the deque.
        unsafe { pool.deques.of(place).push(entry) };
    }
    if taken > 1 {
        pool.notify(); // they were out of sight for a moment
    }
    (skipped, taken)
}

/// Moves on to the awaited task of that entry, if it is near: those before it are in the hands of workers, a few batches. How
/// many they are.
fn skip_to(pool: &Pool, ids: &mut (impl Iterator<Item = TaskId> + Clone), entry: Entry) -> Option<usize> {
    let most = 2 * BATCH * pool.threads() as usize;
    let before = ids.clone().take(most).position(|id| id.bits() == entry)?;
    if before > 0 {
        ids.nth(before - 1);
    }
    Some(before)
}

/// Whether a visitor may start another task on the place that it has, as far as those in line are concerned.
fn is_welcome(context: &Context) -> bool {
    let census = context.pool.places.census();
    census.lets_visitors_in()
        && !census.is_wanted()
        && context.place().is_some_and(|place| census.lets_start_on(place))
}
