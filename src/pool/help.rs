//! What a waiter runs itself: the task that it waits for, if that is still queued and there is a place for it.
//!
//! ```text
//! in a task of the pool   on its own place:                            claim -> entry out -> run
//! outside                 a visitor: permit for a free place -> claim -> entry out -> run -> permit back -> somebody to wake?
//! ```
//!
//! From outside that is four read-modify-writes: the word of the places twice, the task's twice. With those of the push and
//! of the release they are half of the time, so there is none else.

use super::census::{Census, Limit};
use super::context::{innermost, inside, Context};
use super::core::Pool;
use super::leave::Fence;
use super::local::{here, Local};
use super::registry::{self, PoolRef};
use super::run::run;
use super::status::Status;
use super::threads::{stack_allows_another_body, stack_allows_another_body_on};
use super::wait::{ensure_a_place_to_start_on, wait_for_end, How, Must, Waited};
use crate::queue::{Deque, Entry};
use crate::sync::Deadline;
use crate::task::{self, Claimed, Found, Phase, TaskId};
use std::ffi::c_void;

/// Whether a waiter has run a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Helped {
    /// It may not, or somebody else was faster.
    No,
    /// It has.
    Ran,
    /// It has, the task returned this, and its handle was still live then.
    RanWell(*mut c_void),
}

impl Helped {
    #[inline(always)]
    fn result(self) -> Option<*mut c_void> {
        match self {
            Self::RanWell(result) => Some(result),
            Self::Ran | Self::No => None,
        }
    }
}

/// Runs the queued task here, if that is allowed. What it returned, if it ended well, has nothing beside its cell, and its
/// handle was still live then; else the caller looks what has become of it.
// The way from outside, which has a context of its own, is beside that from inside: its frame isn't to lie under nested bodies.
#[inline(always)]
pub(super) fn run_awaited(task: Found) -> Option<*mut c_void> {
    let local = here();
    let helped = match innermost(local) {
        None => help_as_visitor(local, task),
        Some(context) if context.pool.number == task.pool() && context.holds_place() => {
            help_inside(context, task.id())
        }
        Some(_) => help_in_another(task),
    };
    helped.result()
}

#[cold]
#[inline(never)]
fn help_in_another(task: Found) -> Helped {
    registry::of_task(task.pool()).map_or(Helped::No, |pool| help(&pool, task.id()))
}

/// Runs one queued task of the pool here, if that is allowed and it still is queued; whether it did.
pub(super) fn help_with(pool: &PoolRef, id: TaskId) -> bool {
    help(pool, id) != Helped::No
}

fn help(pool: &PoolRef, id: TaskId) -> Helped {
    inside(pool, |inside| match inside {
        Some((context, _)) => help_inside(context, id),
        None => task::find(id).map_or(Helped::No, |task| help_as_visitor(here(), task)),
    })
}

/// The same for a thread that holds a place of the pool.
#[inline(never)]
pub(super) fn help_inside(context: &Context, id: TaskId) -> Helped {
    if !stack_allows_another_body() {
        return Helped::No;
    }
    let place = ensure_a_place_to_start_on(context);
    let pool = &*context.pool;
    let Some((task, from_outside)) = claim(context, id) else { return Helped::No };
    forget_entry(pool, place, id, from_outside);
    // A body further down this stack may have called setjmp.
    let mut fence = Fence::new();
    let _standing = fence.stand();
    run(context, task).map_or(Helped::Ran, Helped::RanWell)
}

/// The same for one that is outside.
#[inline(never)]
fn help_as_visitor(local: &Local, task: Found) -> Helped {
    let Some(pool) = registry::of_task_on(local, task.pool()) else { return Helped::No };
    let Some(permit) = visit(local, &pool) else { return Helped::No };
    as_visitor(local, Context::of_visitor(pool, permit), |context| {
        // The permit was for a pool of several threads; what is submitted once it has become one of one is not known here.
        let Some((task, before)) = Claimed::claim_to_help(task, false) else { return Helped::No };
        run_claimed(context, task, before.is_from_outside())
    })
}

/// The same on the place of a visitor who has been there for a while.
pub(super) fn run_as_visitor(context: &Context, id: TaskId) -> Helped {
    claim(context, id).map_or(Helped::No, |(task, from_outside)| run_claimed(context, task, from_outside))
}

#[inline(always)]
fn run_claimed(context: &Context, task: Claimed, from_outside: bool) -> Helped {
    let pool = &*context.pool;
    // The entry of who waits for his task at once is mostly the only one. It is work to all who look, and would wake one.
    if from_outside && context.pool.take_out(task.id().bits()) {
        pool.left_queue();
    } else {
        pool.left_entry_behind(from_outside);
    }
    run(context, task).map_or(Helped::Ran, Helped::RanWell)
}

/// Claims the task for a waiter, if it is still queued and he may run it; and whether it came from outside.
#[inline]
pub(super) fn claim(context: &Context, id: TaskId) -> Option<(Claimed, bool)> {
    if context.pool.is_serial() && task::snapshot(id).is_from_outside() {
        return None; // with one worker, what came from outside keeps its turn
    }
    let (task, before) = Claimed::claim_to_help(task::find(id)?, context.is_lent)?;
    Some((task, before.is_from_outside()))
}

// Visitors.

/// Whether this thread, which is not inside the pool, may run bodies of it, given a place.
#[inline]
pub(super) fn may_visit(pool: &Pool) -> bool {
    !pool.is_serial() && pool.visitors_may_run && is_free_to_visit(here()) && stack_allows_another_body()
}

/// Not in a body; nor in a callback on a place of another pool: what the visitor would run there could wait for that place,
/// which no wait on top gives up.
#[inline(always)]
fn is_free_to_visit(local: &Local) -> bool {
    local.frame.get().is_null() && innermost(local).is_none_or(|context| !context.holds_place())
}

/// A permit for a free place of the pool, if there is one and this thread may have it.
#[inline(always)]
pub(super) fn visit(local: &Local, pool: &Pool) -> Option<Limit> {
    // Of one thread or not, the places say.
    if pool.visitors_may_run && is_free_to_visit(local) && stack_allows_another_body_on(local) {
        pool.places.try_take_as_visitor()
    } else {
        None
    }
}

/// Does something on a place that was taken for it, then gives the place back.
#[inline(always)]
pub(super) fn as_visitor<T>(local: &Local, context: Context, body: impl FnOnce(&Context) -> T) -> T {
    let value = {
        let _entered = context.entered(local);
        // The caller may have called setjmp.
        let mut fence = Fence::new();
        let _standing = fence.stand();
        body(&context)
    };
    let pool = &*context.pool;
    pool.cover(match context.permit() {
        Some(permit) => pool.places.give_permit_back(permit, || pool.served()),
        None => leave_place(&context),
    });
    value
}

/// The same for who has asked which place it is.
#[cold]
#[inline(never)]
fn leave_place(context: &Context) -> Census {
    // A wait in the body may have brought another place.
    let place = context.take_place().expect("a body has its place back when its wait returns");
    context.pool.places.give_back(place, context.pool.served())
}

/// The same on this place.
pub(super) fn as_visitor_on<T>(pool: &PoolRef, place: u32, body: impl FnOnce(&Context) -> T) -> T {
    as_visitor(here(), Context::of_visitor_on(pool.clone(), place), body)
}

/// The same for what needs no context, the caller's own part of a range or an invoke; whether there was a place.
pub(crate) fn as_helper(pool: &PoolRef, body: impl FnOnce()) -> bool {
    let local = here();
    let permit = visit(local, pool);
    permit.map(|permit| as_visitor(local, Context::of_visitor(pool.clone(), permit), |_| body())).is_some()
}

/// The claimed task's entry is still in a queue: if it is the newest of the own deque it is taken out, and with it
/// what is stale below; elsewhere it is left behind.
#[inline(always)]
pub(super) fn forget_entry(pool: &Pool, place: u32, id: TaskId, from_outside: bool) {
    let own = pool.deques.of(place);
    // SAFETY: this thread holds the place, so it owns the deque.
    if unsafe { own.newest() } != Some(id.bits()) {
        return pool.left_entry_behind(from_outside);
    }
    pool.left_queue();
    // SAFETY: as above. A thief may be faster with the last one; what it gets is stale, too.
    unsafe { own.pop() };
    // SAFETY: as above.
    if unsafe { own.newest() }.is_some_and(is_stale) {
        forget_more_entries(own);
    }
}

#[inline(never)]
fn forget_more_entries(own: &Deque) {
    // SAFETY: as in `forget_entry`.
    while unsafe { own.newest() }.is_some_and(is_stale) {
        // SAFETY: as above.
        unsafe { own.pop() };
    }
}

fn is_stale(entry: Entry) -> bool {
    !task::is_queued(TaskId::from_bits(entry))
}

/// Takes a queued task of one's own back, before it has begun; if it has, waits for its end, whatever comes.
pub(super) fn reclaim(pool: &PoolRef, id: TaskId) -> Waited {
    let look = task::look(id)?;
    if look.phase == Phase::Queued && task::discard(id).is_some() {
        pool.journal().submitted.take_back(1);
        inside(pool, |inside| match inside {
            Some((_, place)) => forget_entry(pool, place, id, look.word.is_from_outside()),
            None => pool.left_entry_behind(look.word.is_from_outside()),
        });
        return Err(Status::Canceled.into());
    }
    let how = How { must: Must::WaitForTheEnd, ..How::until(Deadline::Never) };
    wait_for_end(id, task::look(id)?, how)
}

/// Takes a queued task of one's own back, as `reclaim`, and lets go of it; what it returned, if it has run.
pub(crate) fn retract(pool: &PoolRef, id: TaskId) -> Option<*mut c_void> {
    let newest = inside(pool, |inside| {
        let Some((_, place)) = inside else { return false };
        let own = pool.deques.of(place);
        // SAFETY: this thread holds the place, so it owns the deque. What `newest` shows a thief may get before `pop`.
        unsafe { own.newest() == Some(id.bits()) && own.pop().is_some() }
    });
    if newest {
        // Whoever comes for a task of the library's own has its entry first, so nobody does any more.
        task::take_back(id);
        pool.journal().submitted.take_back(1);
        pool.left_queue();
        return None;
    }
    let returned = reclaim(pool, id).ok();
    let _ = task::release(id);
    returned
}
