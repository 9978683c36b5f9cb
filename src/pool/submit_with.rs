//! Submitting with options: other lanes, later, after others, in a group, into a completion queue.

use super::context::inside;
use super::core::Pool;
use super::deadlock;
use super::help::{as_visitor_on, may_visit};
use super::hold::Conditions;
use super::lanes::Lane;
use super::observe::note_submit_with;
use super::options::WhenFull;
use super::places::NoPlace;
use super::registry::PoolRef;
use super::run::run;
use super::status::{Error, Status};
use super::submit::{
    closed, is_placeless_body, open_for_outside, push_inside, release_for, take_back, wait_for_room,
};
use super::threads::stack_allows_another_body;
use super::timers::{self, Due};
use crate::sync::{Deadline, Use};
use crate::task::{self, Claimed, Extra, Group, Member, Only, Owner, TaskId, Terms};
use std::time::Instant;

/// A task with options, checked.
pub(crate) struct Request {
    /// Group and deadline are put in from here.
    pub(crate) extra: Box<Extra>,
    pub(crate) owner: Owner,
    pub(crate) lane: Lane,
    pub(crate) not_before: Option<Instant>,
    pub(crate) after: Vec<TaskId>,
    pub(crate) group: Option<Use<Group>>,
}

impl Request {
    /// A task of the normal lane, to be run at once.
    pub(crate) fn new(extra: Extra, owner: Owner) -> Self {
        let extra = Box::new(extra);
        Self { extra, owner, lane: Lane::Normal, not_before: None, after: Vec::new(), group: None }
    }

    fn is_held(&self) -> bool {
        self.not_before.is_some() || !self.after.is_empty()
    }
}

/// Submits a task. On failure nothing of it is kept: its argument is still the caller's.
pub(crate) fn submit_with(pool: &PoolRef, request: Request) -> Result<TaskId, Error> {
    let comes_into_a_queue = request.extra.delivery.is_some();
    let id = submit_requested(pool, request)?;
    if comes_into_a_queue {
        deadlock::will_come_into_a_queue(id);
    }
    Ok(id)
}

fn submit_requested(pool: &PoolRef, mut request: Request) -> Result<TaskId, Error> {
    check_group(pool, &request)?;
    for &before in &request.after {
        task::look(before)?;
    }
    let place = inside(pool, |inside| inside.map(|(_, place)| place));
    check_open(pool, &request, place.is_some())?;
    if place.is_none() && runs_itself(pool, &request) {
        let deadline = Deadline::from_timeout_ns(pool.options.full_timeout_ns);
        match pool.places.take_as_visitor(deadline) {
            // From inside, past the limit, it is run at once.
            Ok(place) => return as_visitor_on(pool, place, |_| submit_requested(pool, request)),
            Err(NoPlace::TooLate) => return Err(Status::TimedOut.into()),
            // Closed, or now a pool of one thread, where no visitor may run anything: it blocks.
            Err(NoPlace::SentAway) => {}
        }
    }
    let run_here = make_room(pool, &request, place.is_some())?;
    request.extra.member = request.group.take().map(Member::enter);
    let group = request.extra.member.as_ref().map(|member| member.group.clone());
    let (owner, lane, held, deadline) =
        (request.owner, request.lane, request.is_held(), request.extra.deadline);
    let conditions = Conditions {
        lane,
        not_before: request.not_before,
        after: request.after,
        name: request.extra.name.clone(),
        groups: request.extra.member.as_ref().map(Member::groups),
    };
    let timed = conditions.not_before.is_some();
    let own_deque = place.filter(|_| lane == Lane::Normal && !held);
    let terms = Terms {
        extra: request.extra,
        owner,
        from_outside: own_deque.is_none(),
        held,
        only: match lane {
            Lane::Blocking => Only::Blocking,
            Lane::Lent => Only::Lent,
            _ => Only::Any,
        },
    };
    if lane == Lane::Lent {
        pool.ask_for_lent_thread().inspect_err(|_| pool.left_queue())?;
    }
    let Some(id) = task::create_with(terms, pool.number) else {
        pool.left_queue();
        return Err(Status::NoMemory.into());
    };
    note_submit_with(pool, id, held);
    let listed = group.is_none_or(|group| group.list(id));
    let admitted = if listed {
        admit(pool, id, conditions, deadline, own_deque, run_here)
    } else {
        Err(group_canceled())
    };
    if let Err(error) = admitted {
        return withdraw(pool, id, owner, held, error);
    }
    // The pool may have been closed meanwhile; its own bodies may submit until it is over, which takes their end.
    if held {
        return admitted_held(pool, id, owner, timed, place.is_some());
    }
    let is_closed = || pool.places.census_after_push().is_closed();
    if place.is_none() && is_closed() && !is_placeless_body(pool) {
        take_back(pool, id, owner)?;
    }
    Ok(id)
}

/// The same for a held task. The shutdown closes the pool, then looks at the list, whose lock orders the two: what it has
/// not seen there sees here that the pool is closed.
fn admitted_held(
    pool: &PoolRef,
    id: TaskId,
    owner: Owner,
    timed: bool,
    is_inside: bool,
) -> Result<TaskId, Error> {
    let is_closed = pool.places.census().is_closed();
    if is_closed && (timed || pool.is_canceling() || !is_inside && !is_placeless_body(pool)) {
        return withdraw(pool, id, owner, true, closed());
    }
    Ok(id)
}

fn group_canceled() -> Error {
    Error::new(Status::Canceled, "the group was canceled: it takes no more tasks")
}

fn check_group(pool: &Pool, request: &Request) -> Result<(), Error> {
    match &request.group {
        Some(group) if group.pool != pool.number => Err(Error::invalid("the group belongs to another pool")),
        Some(group) if group.is_canceled() => Err(group_canceled()),
        _ => Ok(()),
    }
}

/// Whether the caller may submit now; sees to it that there is a thread of the kind.
fn check_open(pool: &Pool, request: &Request, is_inside: bool) -> Result<(), Error> {
    let is_closed = pool.places.census().is_closed();
    if is_closed
        && (pool.is_canceling() || request.not_before.is_some() || !is_inside && !is_placeless_body(pool))
    {
        return Err(closed());
    }
    match request.lane {
        Lane::Blocking => pool.ensure_blocking_thread(),
        Lane::Lent => Ok(()),
        _ if is_inside => Ok(()),
        _ => open_for_outside(pool),
    }
}

/// Whether the queue is full and the submitter is to run the task itself, and may.
fn runs_itself(pool: &Pool, request: &Request) -> bool {
    pool.is_full()
        && pool.options.when_full == WhenFull::Run
        && !request.is_held()
        && !request.lane.is_reserved()
        && may_visit(pool)
}

/// Takes room in a bounded queue. True if the pool's own task is to run the new one itself.
fn make_room(pool: &PoolRef, request: &Request, is_inside: bool) -> Result<bool, Error> {
    if !pool.is_bounded() || pool.reserve_room() {
        return Ok(false);
    }
    if is_inside || is_placeless_body(pool) {
        pool.exceed_room();
        return Ok(is_inside && !request.is_held() && !request.lane.is_reserved());
    }
    match pool.options.when_full {
        WhenFull::Fail => Err(Status::Full.into()),
        WhenFull::Block | WhenFull::Run => {
            wait_for_room(pool, Deadline::from_timeout_ns(pool.options.full_timeout_ns)).map(|()| false)
        }
    }
}

/// Puts the new task where somebody comes for it.
fn admit(
    pool: &PoolRef,
    id: TaskId,
    conditions: Conditions,
    deadline: Option<Instant>,
    own_deque: Option<u32>,
    run_here: bool,
) -> Result<(), Error> {
    if let Some(at) = deadline {
        timers::add(at, Due::Deadline(id))?;
    }
    if conditions.not_before.is_some() || !conditions.after.is_empty() {
        return pool.hold(id, conditions);
    }
    if run_here && stack_allows_another_body() {
        inside(pool, |inside| {
            let (context, _) = inside.expect("only the pool's own tasks run a new one themselves");
            if let Some(task) = Claimed::claim(id) {
                pool.left_queue();
                run(context, task);
            }
        });
        return Ok(());
    }
    if let Some(place) = own_deque {
        push_inside(pool, place, id);
        pool.notify();
        return Ok(());
    }
    pool.route(id, conditions.lane)
}

/// The task is not to have been submitted after all.
#[cold]
fn withdraw(pool: &PoolRef, id: TaskId, owner: Owner, held: bool, error: Error) -> Result<TaskId, Error> {
    if !task::withdraw(id) {
        // It was faster: it has run, or is canceled already, and the caller gets its handle.
        if held {
            pool.forget_if_ended(id);
        }
        return Ok(id);
    }
    pool.journal().submitted.take_back(1);
    if held {
        deadlock::let_go(id);
        pool.held.remove(id);
    }
    pool.left_queue();
    pool.tell_if_idle();
    release_for(id, owner);
    Err(error)
}
