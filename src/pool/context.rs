//! What the calling thread is doing: for which pool it runs, on which place, and which task.
//!
//! ```text
//! CURRENT -> Context { pool, place } <- outer        a thread of a pool, or a visitor that helps
//!    frame -> Frame { task, failure } <- outer       the bodies on this stack, innermost first
//! ```
//!
//! Contexts and frames lie on the stack and are linked through it; each is unlinked by the guard that linked it.

use super::core::Pool;
use super::registry::PoolRef;
use crate::task::{cell_of, Claimed, Extra, Failure, TaskId};
use std::cell::{Cell, RefCell};
use std::ptr::null;

struct Current {
    context: Cell<*const Context>,
    frame: Cell<*const Frame>,
}

thread_local! {
    static CURRENT: Current = const { Current { context: Cell::new(null()), frame: Cell::new(null()) } };
}

/// A thread at work for a pool.
pub(super) struct Context {
    pub(super) pool: PoolRef,
    /// The place it holds; none while it searches, sleeps or waits.
    pub(super) place: Cell<Option<u32>>,
    /// A thread of the pool's (or lent to it), not a visitor.
    pub(super) is_own_thread: bool,
    /// A thread that the embedder has lent.
    pub(super) is_lent: bool,
    /// How often the body has said that it is about to block.
    pub(super) blocking: Cell<u32>,
    /// And whether it gave a place up with that.
    pub(super) gave_up: Cell<bool>,
    outer: Cell<*const Context>,
}

impl Context {
    fn new(pool: PoolRef, place: Option<u32>, is_own_thread: bool, is_lent: bool) -> Self {
        let (place, outer) = (Cell::new(place), Cell::new(null()));
        let (blocking, gave_up) = (Cell::new(0), Cell::new(false));
        Self { pool, place, is_own_thread, is_lent, blocking, gave_up, outer }
    }

    /// A thread that the pool has started.
    pub(super) fn of_own_thread(pool: PoolRef) -> Self {
        Self::new(pool, None, true, false)
    }

    /// A thread that the embedder has lent.
    pub(super) fn of_lent_thread(pool: PoolRef) -> Self {
        Self::new(pool, None, true, true)
    }

    /// An outside thread that runs something on this place.
    pub(super) fn of_visitor(pool: PoolRef, place: u32) -> Self {
        Self::new(pool, Some(place), false, false)
    }

    /// Makes this the current context while `body` runs.
    pub(super) fn enter<T>(&self, body: impl FnOnce(&Self) -> T) -> T {
        struct Leave<'a>(&'a Context);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                CURRENT.with(|current| current.context.set(self.0.outer.get()));
            }
        }
        self.outer.set(CURRENT.with(|current| current.context.replace(self)));
        let _leave = Leave(self);
        body(self)
    }
}

/// Runs `body` with the innermost context, if this thread is in one.
pub(super) fn with_context<T>(body: impl FnOnce(Option<&Context>) -> T) -> T {
    let context = CURRENT.with(|current| current.context.get());
    // SAFETY: a linked context is unlinked (`enter`) before its stack frame goes, and only this thread links here.
    body(unsafe { context.as_ref() })
}

/// Runs `body` with the innermost context if it is of this pool and has a place: then the thread is inside a task
/// of the pool, and its submits are the task's own children.
pub(super) fn inside<T>(pool: &Pool, body: impl FnOnce(Option<(&Context, u32)>) -> T) -> T {
    with_context(|context| {
        body(
            context
                .filter(|context| std::ptr::eq(&*context.pool, pool))
                .and_then(|context| Some((context, context.place.get()?))),
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

/// Whether the thread is in a context of the pool at any depth: then it can't wait for the pool to end.
pub(super) fn is_within(pool: &Pool) -> bool {
    let mut context = CURRENT.with(|current| current.context.get());
    // SAFETY: as in `with_context`; `outer` contexts are further up the same stack.
    while let Some(here) = unsafe { context.as_ref() } {
        if std::ptr::eq(&*here.pool, pool) {
            return true;
        }
        context = here.outer.get();
    }
    false
}

/// The pool of that number, if the thread works for it right now: that needs no look-up, and works after the
/// handle has been released.
pub(super) fn current_pool(number: u32) -> Option<PoolRef> {
    with_context(|context| context.filter(|here| here.pool.number == number).map(|here| here.pool.clone()))
}

/// Whether the calling thread is in a task of the pool.
pub(crate) fn inside_pool(pool: &Pool) -> bool {
    worker_index(pool).is_some()
}

/// The place that the calling thread holds in this pool; places are numbered from 0.
pub(crate) fn worker_index(pool: &Pool) -> Option<u32> {
    inside(pool, |inside| inside.map(|(_, place)| place))
}

/// A body on this stack.
pub(super) struct Frame {
    task: Option<TaskId>,
    /// What the task has besides its cell, if it has; alive as long as its body runs.
    extra: *const Extra,
    failure: RefCell<Option<Failure>>,
    outer: Cell<*const Frame>,
}

impl Frame {
    /// A body of a task.
    pub(super) fn of(task: &Claimed) -> Self {
        let extra = task.extra().map_or(null(), std::ptr::from_ref);
        Self { task: Some(task.id()), extra, failure: RefCell::new(None), outer: Cell::new(null()) }
    }

    /// A part of something bigger, which is no task of its own.
    pub(super) fn of_part() -> Self {
        Self { task: None, extra: null(), failure: RefCell::new(None), outer: Cell::new(null()) }
    }

    /// Makes this the innermost frame while `body` runs; then gives what `task_fail` left.
    pub(super) fn enter<T>(&self, body: impl FnOnce() -> T) -> (T, Option<Failure>) {
        struct Leave<'a>(&'a Frame);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                CURRENT.with(|current| current.frame.set(self.0.outer.get()));
            }
        }
        self.outer.set(CURRENT.with(|current| current.frame.replace(self)));
        let leave = Leave(self);
        let value = body();
        drop(leave);
        (value, self.failure.take())
    }

    /// The tasks of this frame and those around it.
    fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        // SAFETY: as in `with_context`.
        std::iter::successors(Some(self), |frame| unsafe { frame.outer.get().as_ref() })
            .filter_map(|frame| frame.task)
    }
}

/// In the child of a fork, on the thread that forked: what is on its stack belongs to the parent.
pub(super) fn forget_stack() {
    CURRENT.with(|current| {
        current.context.set(null());
        current.frame.set(null());
    });
}

fn with_frame<T>(body: impl FnOnce(Option<&Frame>) -> T) -> T {
    let frame = CURRENT.with(|current| current.frame.get());
    // SAFETY: as in `with_context`.
    body(unsafe { frame.as_ref() })
}

/// Whether the innermost body of the calling thread was asked to stop; `None` outside a body.
pub(crate) fn is_asked_to_stop() -> Option<bool> {
    with_frame(|frame| {
        let frame = frame?;
        // The parts of a `pool_for` are no tasks of their own: the task around them counts.
        let asked = frame.tasks().next().is_some_and(|task| cell_of(task).state.is_asked_to_stop());
        Some(asked || with_context(|context| context.is_some_and(|here| here.pool.is_canceling())))
    })
}

/// Marks the innermost body as failed; false outside a body.
pub(crate) fn fail_current(failure: Failure) -> bool {
    with_frame(|frame| match frame {
        Some(frame) => {
            frame.failure.replace(Some(failure));
            true
        }
        None => false,
    })
}

/// Whether the innermost body has called `task_fail`.
pub(crate) fn current_has_failed() -> bool {
    with_frame(|frame| frame.is_some_and(|frame| frame.failure.borrow().is_some()))
}

/// The tasks whose bodies are on this stack, innermost first.
pub(super) fn tasks_on_this_stack() -> Vec<TaskId> {
    with_frame(|frame| frame.map_or_else(Vec::new, |frame| frame.tasks().collect()))
}

/// The pool whose own thread this is, if any.
pub(super) fn own_thread_of() -> Option<u32> {
    with_context(|context| context.filter(|here| here.is_own_thread).map(|here| here.pool.number))
}

/// Whether the thread holds a place: in a body, or as a visitor between two.
pub(super) fn holds_a_place() -> bool {
    with_context(|context| context.is_some_and(|here| here.place.get().is_some()))
}

/// Whether the thread is inside a body.
pub(super) fn is_in_a_body() -> bool {
    with_frame(|frame| frame.is_some())
}
