//! What the calling thread is doing: for which pool it runs, on which place, and which task.
//!
//! ```text
//! local -> Context { pool, place } <- outer        a thread of a pool, or a visitor that helps
//!    frame -> Frame { task } <- outer                the bodies on this stack, innermost first
//!                owner: the frame of the task whose part this is
//! ```
//!
//! Contexts and frames lie on the stack and are linked through it; each is unlinked by the guard that linked it.

use super::census::Limit;
use super::core::Pool;
use super::deadlock;
use super::leave;
use super::local::{here, local, Local};
use super::registry::PoolRef;
use super::wait::{blocking_depth, end_blocking_down_to};
use super::wait_graph::Node;
use crate::sync::{end_forked_thread, epoch};
use crate::task::{encode, Claimed, Extra, Failure, Kind, Tagged, TaskId};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::null;

/// A thread at work for a pool.
pub(super) struct Context {
    pub(super) pool: PoolRef,
    /// The place it holds; none while it searches, sleeps or waits. A visitor has a permit until he asks which place it is.
    place: Cell<Option<u32>>,
    permit: Cell<Limit>,
    /// A thread of the pool's (or lent to it), not a visitor.
    pub(super) is_own_thread: bool,
    /// A thread that the embedder has lent.
    pub(super) is_lent: bool,
    /// A thread of the blocking lane.
    pub(super) is_blocking: bool,
    /// How often the body has said that it is about to block.
    pub(super) blocking: Cell<u32>,
    /// And whether it gave a place up with that.
    pub(super) gave_up: Cell<bool>,
    /// When it gave its place up for a wait, if that is traced.
    pub(super) blocked_since: Cell<u64>,
    outer: Cell<*const Context>,
}

impl Context {
    #[inline]
    fn new(pool: PoolRef, is_own_thread: bool) -> Self {
        Self {
            pool,
            place: Cell::new(None),
            permit: Cell::new(Limit::NONE),
            is_own_thread,
            is_lent: false,
            is_blocking: false,
            blocking: Cell::new(0),
            gave_up: Cell::new(false),
            blocked_since: Cell::new(0),
            outer: Cell::new(null()),
        }
    }

    /// A thread that the pool has started.
    pub(super) fn of_own_thread(pool: PoolRef) -> Self {
        Self::new(pool, true)
    }

    /// The same, for the blocking lane.
    pub(super) fn of_blocking_thread(pool: PoolRef) -> Self {
        Self { is_blocking: true, ..Self::new(pool, true) }
    }

    /// A thread that the embedder has lent.
    pub(super) fn of_lent_thread(pool: PoolRef) -> Self {
        Self { is_lent: true, ..Self::new(pool, true) }
    }

    /// An outside thread that runs something on a place for which it has this permit.
    #[inline]
    pub(super) fn of_visitor(pool: PoolRef, permit: Limit) -> Self {
        Self { permit: Cell::new(permit), ..Self::new(pool, false) }
    }

    /// The same on this place.
    pub(super) fn of_visitor_on(pool: PoolRef, place: u32) -> Self {
        Self { place: Cell::new(Some(place)), ..Self::new(pool, false) }
    }

    /// The number of the place that it holds, if it holds one.
    #[inline]
    pub(super) fn place(&self) -> Option<u32> {
        let place = self.place.get();
        if place.is_none() && self.permit().is_some() {
            return self.pick_place();
        }
        place
    }

    #[cold]
    #[inline(never)]
    fn pick_place(&self) -> Option<u32> {
        self.place.set(self.permit().map(|permit| self.pool.places.number(permit)));
        self.permit.set(Limit::NONE);
        self.place.get()
    }

    /// Whether it holds one.
    #[inline]
    pub(super) fn holds_place(&self) -> bool {
        self.place.get().is_some() || self.permit().is_some()
    }

    /// From now on it holds this one, or none.
    pub(super) fn set_place(&self, place: Option<u32>) {
        debug_assert!(self.permit().is_none());
        self.place.set(place);
    }

    /// From now on it holds none; which it was.
    pub(super) fn take_place(&self) -> Option<u32> {
        let place = self.place();
        self.place.set(None);
        place
    }

    /// The permit of a visitor who has not asked which place it is.
    #[inline]
    pub(super) fn permit(&self) -> Option<Limit> {
        Some(self.permit.get()).filter(|&permit| permit != Limit::NONE)
    }

    /// The one around it on this stack.
    pub(super) fn outer(&self) -> Option<&Context> {
        // SAFETY: as in `with_context`: it is further up the same stack.
        unsafe { self.outer.get().as_ref() }
    }

    /// Makes this the current context while `body` runs.
    #[inline]
    pub(super) fn enter<T>(&self, body: impl FnOnce(&Self) -> T) -> T {
        let _entered = self.entered(here());
        body(self)
    }

    /// The same on the thread whose this is, until what is returned is dropped.
    #[inline(always)]
    pub(super) fn entered<'a>(&'a self, local: &'a Local) -> Entered<'a> {
        self.outer.set(local.context.replace(self));
        Entered { local, context: self }
    }
}

/// As long as this is there, the context is the current one.
pub(super) struct Entered<'a> {
    local: &'a Local,
    context: &'a Context,
}

impl Drop for Entered<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.local.context.set(self.context.outer.get());
    }
}

/// The innermost context of the thread whose this is. It may be used as long as what is being done is done within it.
#[inline(always)]
pub(super) fn innermost(local: &Local) -> Option<&Context> {
    // SAFETY: as in `with_context`.
    unsafe { local.context.get().as_ref() }
}

/// Runs `body` with the innermost context, if this thread is in one.
#[inline(always)]
pub(super) fn with_context<T>(body: impl FnOnce(Option<&Context>) -> T) -> T {
    let context = local(|local| local.context.get());
    // SAFETY: a linked context is unlinked (`enter`) before its stack frame goes, and only this thread links here.
    body(unsafe { context.as_ref() })
}

/// Runs `body` with the innermost context if it is of this pool and has a place: then the thread is inside a task
/// of the pool, and its submits are the task's own children.
#[inline(always)]
pub(super) fn inside<T>(pool: &Pool, body: impl FnOnce(Option<(&Context, u32)>) -> T) -> T {
    with_context(|context| {
        body(
            context
                .filter(|context| std::ptr::eq(&*context.pool, pool))
                .and_then(|context| Some((context, context.place()?))),
        )
    })
}

/// Runs `body` with the innermost context if the thread is in a body of this pool, on a place or not (in the blocking
/// lane, or where it said that it is about to block).
pub(super) fn in_body_of<T>(pool: &Pool, body: impl FnOnce(Option<&Context>) -> T) -> T {
    let in_a_body = is_in_a_body();
    with_context(|context| body(context.filter(|here| in_a_body && std::ptr::eq(&*here.pool, pool))))
}

/// Whether the thread is one that was lent to this pool.
pub(super) fn is_on_a_lent_thread(pool: &Pool) -> bool {
    with_context(|context| context.is_some_and(|here| here.is_lent && std::ptr::eq(&*here.pool, pool)))
}

/// Whether the calling thread is in a task of the pool.
pub(crate) fn inside_pool(pool: &Pool) -> bool {
    worker_index(pool).is_some()
}

/// The same on the thread whose this is.
#[inline(always)]
pub(super) fn place_in(local: &Local, pool: &Pool) -> Option<u32> {
    innermost(local).filter(|context| std::ptr::eq(&*context.pool, pool)).and_then(Context::place)
}

/// The place that the calling thread holds in this pool; places are numbered from 0.
#[inline(always)]
pub(crate) fn worker_index(pool: &Pool) -> Option<u32> {
    place_in(here(), pool)
}

/// A body on this stack.
pub(super) struct Frame {
    task: Option<Tagged>,
    outer: Cell<*const Frame>,
    /// If this is a part of a task, the frame of that, which is further out; else NULL.
    owner: Cell<*const Frame>,
    /// What `task_fail` had left in the body around this one, while both run. (None else, so there is nothing to drop.)
    outer_failure: ManuallyDrop<Cell<Option<Box<Failure>>>>,
    /// The task under this one on the stack is known to wait for it (`deadlock`).
    pub(super) linked: Cell<bool>,
    /// How often the bodies around it had said that they are about to block, if it is a part; CALLBACK: it is none.
    blocking: u32,
}

/// In `Frame.blocking`: what runs is no body, but a function that is called on top of one.
const CALLBACK: u32 = u32::MAX;

impl Frame {
    /// A body of a task.
    #[inline]
    pub(super) fn of(task: &Claimed) -> Self {
        Self::new(Some(task.number()), 0)
    }

    /// A part of something bigger, which is no task of its own.
    pub(super) fn of_part() -> Self {
        Self::new(None, blocking_depth())
    }

    fn is_callback(&self) -> bool {
        self.blocking == CALLBACK
    }

    #[inline]
    fn new(task: Option<Tagged>, blocking: u32) -> Self {
        Self {
            task,
            outer: Cell::new(null()),
            owner: Cell::new(null()),
            outer_failure: ManuallyDrop::new(Cell::new(None)),
            linked: Cell::new(false),
            blocking,
        }
    }

    /// Makes this the innermost frame while `body` runs; then gives what `task_fail` left. If the body calls the embedder's code
    /// and that forks, this doesn't return in the child (as `call_out`).
    #[inline(always)]
    pub(super) fn enter<T>(&self, local: &Local, body: impl FnOnce() -> T) -> (T, Option<Box<Failure>>) {
        self.enter_as(local, self.task.is_some(), body)
    }

    /// The same; `is_part_of_none`: what it forks is no part of the task around it.
    #[inline(always)]
    fn enter_as<T>(
        &self,
        local: &Local,
        is_part_of_none: bool,
        body: impl FnOnce() -> T,
    ) -> (T, Option<Box<Failure>>) {
        struct Leave<'a>(&'a Local, &'a Frame);
        impl Drop for Leave<'_> {
            #[inline(always)]
            fn drop(&mut self) {
                self.0.frame.set(self.1.outer.get());
                if self.1.linked.get() {
                    self.1.unlink();
                }
            }
        }
        self.outer.set(local.frame.replace(self));
        if self.task.is_none() {
            self.owner.set(self.outer().map_or(null(), Frame::owning_task));
        }
        let leave = Leave(local, self);
        let depth = local.forks.depth();
        let begins_oddly = if is_part_of_none { depth != 0 } else { local.forks.is_odd() };
        if begins_oddly {
            self.begin_oddly(local);
        }
        let value = body();
        if !std::ptr::eq(local.frame.get(), self) {
            came_back_elsewhere(local);
        }
        let failure = if local.forks.is_even_at(depth) { None } else { self.end_oddly(local, depth) };
        drop(leave);
        (value, failure)
    }

    /// The body around it has done something odd; or that is a half, and what this one forks is no part of its task: not for its
    /// fork stack.
    #[cold]
    #[inline(never)]
    fn begin_oddly(&self, local: &Local) {
        if local.forks.is_odd() {
            self.outer_failure.set(local.failure.take());
        }
        local.forks.set_odd();
    }

    /// The body, or one around it, has done something odd: ends what it left open; and what it has left in `failure`.
    #[cold]
    #[inline(never)]
    fn end_oddly(&self, local: &Local, depth: usize) -> Option<Box<Failure>> {
        let failure = if local.forks.end_body(depth) { local.failure.take() } else { None };
        let outer_failure = self.outer_failure.take();
        if outer_failure.is_some() {
            local.failure.set(outer_failure);
        }
        end_blocking_down_to(self.blocking);
        failure
    }

    #[cold]
    #[inline(never)]
    fn unlink(&self) {
        self.outer_task().into_iter().for_each(deadlock::unlink);
    }

    /// What its task is called.
    fn called(&self) -> String {
        if self.is_callback() {
            return "a callback".to_owned();
        }
        let name = self.extra().and_then(|extra| extra.name.as_deref());
        match (name, self.task()) {
            (Some(name), _) => format!("the task \"{name}\""),
            (None, Some(task)) => format!("task {:#x}", encode(Kind::Future, task.handle_bits())),
            (None, None) => "a part of a parallel call".to_owned(),
        }
    }

    /// What the task has besides its cell.
    pub(super) fn extra(&self) -> Option<&Extra> {
        // SAFETY: the body of a task runs that was claimed, and is finished after that.
        self.task.and_then(|task| unsafe { task.extra() })
    }

    fn task(&self) -> Option<TaskId> {
        self.task.map(Tagged::id)
    }

    /// The number of the task that this body belongs to. A callback waits as what it is called on top of, but is in no task.
    pub(super) fn task_of_owner(&self) -> Option<TaskId> {
        let owner = self.owner();
        let mut frame = self;
        while !std::ptr::eq(frame, owner) {
            if frame.is_callback() {
                return None;
            }
            frame = frame.outer()?;
        }
        owner.task()
    }

    fn outer(&self) -> Option<&Frame> {
        // SAFETY: as in `with_context`; here and in `owner`.
        unsafe { self.outer.get().as_ref() }
    }

    /// The frame of the task that this body belongs to; the frame itself if it is of none.
    pub(super) fn owner(&self) -> &Frame {
        // SAFETY: as in `outer`: the owner is further out.
        unsafe { self.owner.get().as_ref() }.unwrap_or(self)
    }

    /// The same, or NULL if it is of none.
    fn owning_task(&self) -> *const Frame {
        let owner = self.owner();
        if owner.task.is_some() {
            owner
        } else {
            null()
        }
    }

    /// The task under this body's on the stack.
    pub(super) fn outer_task(&self) -> Option<&Frame> {
        self.owner().outer().map(Frame::owner).filter(|owner| owner.task.is_some())
    }

    /// As what this body waits: as its task, or as a part that is of none.
    pub(super) fn node(&self) -> Node {
        let owner = self.owner();
        owner.task().map_or(Node::Part(std::ptr::from_ref(owner).addr()), Node::Task)
    }
}

/// A body has returned, and its frame is not the innermost: in the child of a fork, where there is none (`forget_stack`), or
/// over the frames of others.
#[cold]
#[inline(never)]
fn came_back_elsewhere(local: &Local) -> ! {
    if local.frame.get().is_null() && epoch() != 0 {
        end_forked_thread();
    }
    leave::left_by("longjmp");
}

/// In the child of a fork, on the thread that forked: what is on its stack belongs to the parent, and so do the pools.
pub(super) fn forget_stack() {
    local(|current| {
        current.context.set(null());
        current.frame.set(null());
        current.telling.set(null());
        current.forks.forget();
        current.forget_all_as_they_are();
        // Not dropped: it may be in the middle of a change, and what it owns is the parent's.
        std::mem::forget(current.failure.take());
    });
}

/// What the innermost body on this stack is called: its name, or the number in its handle.
pub(super) fn name_of_innermost() -> String {
    with_frame(|frame| frame.map_or_else(|| "a task".to_owned(), Frame::called))
}

fn with_frame<T>(body: impl FnOnce(Option<&Frame>) -> T) -> T {
    let frame = local(|local| local.frame.get());
    // SAFETY: as in `with_context`.
    body(unsafe { frame.as_ref() })
}

/// Runs `body` with the innermost frame; `None` outside all bodies.
pub(super) fn with_innermost<T>(body: impl FnOnce(&Frame) -> T) -> Option<T> {
    with_frame(|frame| frame.map(body))
}

/// Whether the thread holds a place: in a body, or as a visitor between two.
pub(crate) fn holds_a_place() -> bool {
    with_context(|context| context.is_some_and(Context::holds_place))
}

/// Whether what the thread does is a body, and no callback on top of one.
pub(super) fn is_in_a_body_itself() -> bool {
    is_in_a_body_on(here())
}

/// The same on the thread whose this is.
#[inline(always)]
pub(super) fn is_in_a_body_on(local: &Local) -> bool {
    // SAFETY: as in `with_context`.
    unsafe { local.frame.get().as_ref() }.is_some_and(|frame| !frame.is_callback())
}

/// Calls a function of the embedder's that is no body (`call_out`).
pub(super) fn call_out_of_body(call: &mut dyn FnMut()) {
    let local = here();
    if local.frame.get().is_null() {
        return call();
    }
    let _ = Frame::new(None, CALLBACK).enter_as(local, true, call);
}

/// Whether the thread is inside a body, or a callback on top of one.
pub(super) fn is_in_a_body() -> bool {
    with_frame(|frame| frame.is_some())
}
