//! Where a task goes in.
//!
//! ```text
//! inside a body of the pool:  own deque, never blocked or refused
//! from outside:               room if bounded -> injector -> fence -> closed? take it back : wake one if need be
//! ```
//!
//! A submit from outside looks at CLOSED after its push, a shutdown at the queues after it has set CLOSED, with a
//! fence between in both: so either the submit sees that the pool is closed and takes its task back, or the
//! shutdown sees the task and drains it. No task is lost in between, and no counter is shared on the way.

use super::context::{in_body_of, inside, is_in_a_body, place_in, Context};
use super::core::Pool;
use super::deadlock::waits_for_others;
use super::help::{as_visitor_on, may_visit};
use super::local::{here, local_if_used, Local};
use super::observe::note_submit;
use super::options::WhenFull;
use super::places::NoPlace;
use super::registry::PoolRef;
use super::run::run;
use super::status::{Error, Status};
use super::threads::stack_allows_another_body;
use super::wait::while_blocked;
use crate::sync::{Deadline, Ordering};
use crate::task::{self, Claimed, Function, Job, Lost, Owner, TaskId};
use std::ffi::c_void;

/// Submits one task.
#[inline(always)]
pub(crate) fn submit(pool: &PoolRef, job: Job) -> Result<TaskId, Error> {
    match submit_plainly(here(), pool, &job) {
        Some(submitted) => Ok(submitted?),
        None => submit_in_any_case(pool, job),
    }
}

/// The same to the pool of that number, where nothing stands in the way: the thread has used the pool before, the queue has no
/// limit, and the pool is open and has a thread. `None`: nothing was done.
#[inline(always)]
pub(crate) fn submit_at_once(pool: u32, job: &Job) -> Option<Result<TaskId, Status>> {
    let local = local_if_used()?;
    // SAFETY: what is called below calls nothing of the embedder's: neither the making of a cell, the push, nor `notify`, which
    // wakes or starts a thread of the pool's own. Only `take_back` may, and it counts the pool first.
    let pool = unsafe { local.recent_uncounted(pool) }?;
    submit_plainly(local, &pool, job)
}

#[inline(always)]
fn submit_plainly(local: &Local, pool: &PoolRef, job: &Job) -> Option<Result<TaskId, Status>> {
    if pool.is_bounded() {
        return None;
    }
    match place_in(local, pool) {
        Some(place) => submit_plainly_inside(pool, place, job).map(Ok),
        None => submit_plainly_outside(pool, job),
    }
}

#[inline(always)]
fn submit_plainly_inside(pool: &PoolRef, place: u32, job: &Job) -> Option<TaskId> {
    if pool.is_canceling() {
        return None;
    }
    let id = task::create(*job, pool.number, false)?;
    note_submit(pool, id);
    push_inside(pool, place, id);
    pool.notify();
    Some(id)
}

/// One that cancels is closed, too.
#[inline(always)]
fn submit_plainly_outside(pool: &PoolRef, job: &Job) -> Option<Result<TaskId, Status>> {
    if pool.places.is_closed() || is_short_of_threads(pool) {
        return None;
    }
    let id = task::create(*job, pool.number, true)?;
    note_submit(pool, id);
    pool.inject(id.bits());
    // The pool may be closed while the task goes in: see above.
    if pool.notify_of_injected().is_closed() && is_taken_back(pool, id, job.owner) {
        return Some(Err(Status::Closed));
    }
    Some(Ok(id))
}

#[cold]
#[inline(never)]
fn is_taken_back(pool: &PoolRef, id: TaskId, owner: Owner) -> bool {
    take_back(pool, id, owner).is_err()
}

#[cold]
#[inline(never)]
fn submit_in_any_case(pool: &PoolRef, job: Job) -> Result<TaskId, Error> {
    inside(pool, |inside| match inside {
        Some((context, place)) => submit_inside(context, place, job),
        None => submit_outside(pool, job),
    })
}

fn create(pool: &PoolRef, job: Job, from_outside: bool) -> Result<TaskId, Error> {
    let id = task::create(job, pool.number, from_outside).ok_or_else(|| Error::from(Status::NoMemory))?;
    note_submit(pool, id);
    Ok(id)
}

pub(super) fn closed() -> Error {
    Status::Closed.into()
}

/// Whether the caller may submit now; sees to it that there is a thread.
pub(crate) fn check_open(pool: &Pool) -> Result<(), Error> {
    inside(pool, |inside| match inside {
        Some(_) if pool.is_canceling() => Err(closed()),
        Some(_) => Ok(()),
        None => open_for_outside(pool),
    })
}

// From inside.

fn submit_inside(context: &Context, place: u32, job: Job) -> Result<TaskId, Error> {
    let pool = &context.pool;
    if pool.is_canceling() {
        return Err(closed());
    }
    let id = create(pool, job, false)?;
    if pool.is_bounded() && !pool.reserve_room() {
        if stack_allows_another_body() && pool.places.census().lets_start_on(place) {
            let task = Claimed::claim(id).expect("nobody else knows the task yet");
            run(context, task);
            return Ok(id);
        }
        pool.exceed_room();
    }
    push_inside(pool, place, id);
    pool.notify();
    Ok(id)
}

#[inline(always)]
pub(super) fn push_inside(pool: &Pool, place: u32, id: TaskId) {
    let own = pool.deques.of(place);
    if pool.may_be_half_stale(|| own.len()) {
        drop_stale(pool, place);
    }
    // SAFETY: this thread holds the place, so it owns its deque.
    unsafe { own.push(id.bits()) };
}

/// Takes the entries that nobody waits for out of the own deque; the others keep their order.
#[cold]
fn drop_stale(pool: &Pool, place: u32) {
    let own = pool.deques.of(place);
    let mut live = Vec::new();
    // SAFETY: this thread holds the place, so it owns its deque; here and below.
    while let Some(entry) = unsafe { own.pop() } {
        if task::is_queued(TaskId::from_bits(entry)) {
            live.push(entry);
        }
    }
    for entry in live.into_iter().rev() {
        // SAFETY: as above.
        unsafe { own.push(entry) };
    }
    pool.swept_inside();
}

// From outside.

fn submit_outside(pool: &PoolRef, job: Job) -> Result<TaskId, Error> {
    open_for_outside(pool)?;
    if pool.is_bounded() && !pool.reserve_room() {
        if is_placeless_body(pool) {
            pool.exceed_room();
        } else if let Some(done) = when_full(pool, job)? {
            return Ok(done);
        }
    }
    let id = create(pool, job, true).inspect_err(|_| pool.left_queue())?;
    pool.inject(id.bits());
    if pool.notify_of_injected().is_closed() {
        take_back(pool, id, job.owner)?;
    }
    Ok(id)
}

/// Whether the caller is a body of the pool that holds no place: in the blocking lane, or where it said that it blocks.
/// Its tasks go where those from outside go, but it is not blocked, nor refused while the pool drains.
#[cold]
pub(super) fn is_placeless_body(pool: &Pool) -> bool {
    in_body_of(pool, |context| context.is_some_and(|here| !here.holds_place()))
}

pub(super) fn open_for_outside(pool: &Pool) -> Result<(), Error> {
    if pool.places.census().is_closed() && (pool.is_canceling() || !is_placeless_body(pool)) {
        return Err(closed());
    }
    if is_short_of_threads(pool) {
        return see_to_threads(pool);
    }
    Ok(())
}

/// Whether there is no thread yet, or one is not up yet.
#[inline]
fn is_short_of_threads(pool: &Pool) -> bool {
    pool.roster.is_empty() || pool.roster.is_rising()
}

#[cold]
fn see_to_threads(pool: &Pool) -> Result<(), Error> {
    if pool.roster.is_empty() {
        return pool.ensure_first_thread();
    }
    pool.start_beside_the_rising();
    Ok(())
}

/// The pool was closed while the task went in: out again, unless somebody runs it already.
#[cold]
pub(super) fn take_back(pool: &PoolRef, id: TaskId, owner: Owner) -> Result<(), Error> {
    // Who guessed the task's handle may have asked to be told of its end, and may have the thread remember other pools.
    let pool = &pool.clone();
    if !pool.is_canceling() && is_placeless_body(pool) || !task::withdraw(id) {
        return Ok(());
    }
    pool.journal().submitted.take_back(1);
    pool.left_entry_behind(true);
    release_for(id, owner);
    Err(closed())
}

/// Gives back the handle that nobody gets.
pub(super) fn release_for(id: TaskId, owner: Owner) {
    if owner != Owner::None {
        let _ = task::release(id);
    }
}

/// The queue is full. Comes back with room reserved, or with a task that has been run here, or not at all.
#[cold]
fn when_full(pool: &PoolRef, job: Job) -> Result<Option<TaskId>, Error> {
    let deadline = Deadline::from_timeout_ns(pool.options.full_timeout_ns);
    match pool.options.when_full {
        WhenFull::Fail => Err(Status::Full.into()),
        WhenFull::Run if may_visit(pool) => run_here(pool, job, deadline),
        WhenFull::Block | WhenFull::Run => wait_for_room(pool, deadline).map(|()| None),
    }
}

pub(super) fn wait_for_room(pool: &Pool, deadline: Deadline) -> Result<(), Error> {
    let mut reserved = false;
    let in_time = while_blocked(|| {
        if deadline == Deadline::Never && is_in_a_body() {
            waits_for_others();
        }
        pool.room.wait_until(deadline, || {
            reserved = !pool.places.census().is_closed() && pool.reserve_room();
            reserved || pool.places.census().is_closed()
        })
    });
    match (reserved, in_time) {
        (true, _) => Ok(()),
        (false, true) => Err(closed()),
        (false, false) => {
            Err(Error::new(Status::TimedOut, "the queue stayed full until full_timeout_ns was over"))
        }
    }
}

fn run_here(pool: &PoolRef, job: Job, deadline: Deadline) -> Result<Option<TaskId>, Error> {
    let place = match pool.places.take_as_visitor(deadline) {
        Ok(place) => place,
        Err(NoPlace::TooLate) => return Err(Status::TimedOut.into()),
        // Closed, or now a pool of one thread, where no visitor may run anything.
        Err(NoPlace::SentAway) => return wait_for_room(pool, deadline).map(|()| None),
    };
    as_visitor_on(pool, place, |context| {
        let id = create(pool, job, true)?;
        run(context, Claimed::claim(id).expect("nobody else knows the task yet"));
        Ok(Some(id))
    })
}

/// Submits the same function once for each argument, as one operation. All or none: on failure what had gone in is
/// canceled, as far as it has not begun.
pub(crate) fn submit_many(
    pool: &PoolRef,
    function: Function,
    arguments: &[*mut c_void],
    owner: Owner,
) -> Result<Vec<TaskId>, Error> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(arguments.len()).map_err(|_| Error::from(Status::NoMemory))?;
    let submitted = if pool.is_bounded() {
        // Each takes its own turn at the limit.
        arguments
            .iter()
            .try_for_each(|&argument| submit(pool, Job { function, argument, owner }).map(|id| ids.push(id)))
    } else {
        push_all(pool, function, arguments, owner, &mut ids)
    };
    submitted.inspect_err(|_| undo(pool, &ids, owner)).map(|()| ids)
}

/// One fence and one look for a sleeper after the first task, so that it is taken up while the others go in, and
/// one after the last.
fn push_all(
    pool: &PoolRef,
    function: Function,
    arguments: &[*mut c_void],
    owner: Owner,
    ids: &mut Vec<TaskId>,
) -> Result<(), Error> {
    inside(pool, |inside| {
        match inside {
            None => open_for_outside(pool)?,
            Some(_) if pool.is_canceling() => return Err(closed()),
            Some(_) => {}
        }
        for &argument in arguments {
            let id = create(pool, Job { function, argument, owner }, inside.is_none())?;
            ids.push(id);
            match inside {
                Some((_, place)) => push_inside(pool, place, id),
                None => pool.inject(id.bits()),
            }
            if ids.len() == 1 {
                pool.notify();
            }
        }
        if pool.notify().is_closed() && inside.is_none() && !is_placeless_body(pool) {
            return Err(closed());
        }
        Ok(())
    })
}

#[cold]
fn undo(pool: &PoolRef, ids: &[TaskId], owner: Owner) {
    for &id in ids {
        if task::withdraw(id) {
            pool.journal().submitted.take_back(1);
            pool.left_entry_behind(true);
        }
        release_for(id, owner);
    }
}

/// Gives the last handle back of a task that has ended and has nothing beside its cell. False: nothing was done.
#[inline(always)]
pub(crate) fn release_plain_future(id: TaskId) -> bool {
    task::release_plain(id)
}

/// Gives a handle back; a failure that nobody has looked at is reported with the last one.
#[inline]
pub(crate) fn release_future(id: TaskId) -> Result<(), Error> {
    if let Some(lost) = task::release(id)? {
        report_lost(Some(lost));
    }
    Ok(())
}

/// Tells the pool of a failure that nobody has looked at, if there is one. Not once the pool has been destroyed, or was
/// released and is over: what its hook needs may be gone, though threads may remember the pool.
pub(crate) fn report_lost(lost: Option<Lost>) {
    let Some(lost) = lost else { return };
    let Some(pool) = super::registry::of_task(lost.pool) else { return };
    // Acquire: pairs with the SeqCst store in `registry::remove`.
    if pool.removed.load(Ordering::Acquire) == 0 || !pool.places.census().is_over() {
        pool.report(&lost);
    }
}
