//! The pools that the thread is within: it can't wait for one to be done, and finds each by its number also when its handle has
//! been released.
//!
//! ```text
//! local -> Context { pool } <- outer      pools that it works for (pool/context)
//!       -> Telling { pool } <- outer      pools of whose canceled tasks it tells (pool/cancel)
//! ```

use super::context::Context;
use super::core::Pool;
use super::local::{here, local};
use super::registry::PoolRef;
use std::cell::Cell;
use std::ptr::null;

/// As long as this thread tells of the end of a task that keeps its pool from being idle until all are told.
pub(super) struct Telling {
    /// NULL: it has not begun.
    pool: Cell<*const Pool>,
    /// What it was telling of when this began, further up the same stack.
    outer: Cell<*const Telling>,
}

impl Telling {
    pub(super) fn new() -> Self {
        Self { pool: Cell::new(null()), outer: Cell::new(null()) }
    }

    /// It stays where it is from now on, and goes before the pool does, of which the caller has a reference.
    pub(super) fn begin(&self, pool: &Pool) {
        self.outer.set(here().telling.replace(self));
        self.pool.set(pool);
    }

    fn outer(&self) -> Option<&Telling> {
        // SAFETY: what is linked is taken out before its stack frame goes, and only this thread links here.
        unsafe { self.outer.get().as_ref() }
    }

    fn pool(&self) -> Option<&Pool> {
        // SAFETY: NULL, or the caller of `begin` has a reference as long as this is there.
        unsafe { self.pool.get().as_ref() }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.pool.get().is_null() {
            here().telling.set(self.outer.get());
        }
    }
}

/// The first that `found` finds something in, of the contexts that the thread is in, innermost first.
fn in_contexts<T>(found: impl Fn(&Context) -> Option<T>) -> Option<T> {
    let innermost = local(|local| local.context.get());
    // SAFETY: as in `with_context`; `outer` contexts are further up the same stack.
    let mut context = unsafe { innermost.as_ref() };
    while let Some(here) = context {
        if let Some(found) = found(here) {
            return Some(found);
        }
        context = here.outer();
    }
    None
}

/// The same of the pools of whose canceled tasks it tells.
fn in_tellings<T>(found: impl Fn(&Pool) -> Option<T>) -> Option<T> {
    // SAFETY: as in `Telling::outer`.
    let mut telling = unsafe { here().telling.get().as_ref() };
    while let Some(here) = telling {
        if let Some(found) = here.pool().and_then(&found) {
            return Some(found);
        }
        telling = here.outer();
    }
    None
}

/// Whether the thread is in a context of the pool at any depth, or tells of a canceled task of it: then it can't wait for the
/// pool to end.
pub(super) fn is_within(pool: &Pool) -> bool {
    let is_it = |other: &Pool| std::ptr::eq(other, pool).then_some(());
    in_contexts(|here| is_it(&here.pool)).or_else(|| in_tellings(is_it)).is_some()
}

/// The pool of that number, if the thread is within: that needs no look-up, and works after the handle has been released.
pub(super) fn current_pool(number: u32) -> Option<PoolRef> {
    in_contexts(|here| (here.pool.number == number).then(|| here.pool.clone())).or_else(|| {
        let shared = |pool: &Pool| if pool.number == number { pool.me.upgrade() } else { None };
        in_tellings(shared).map(PoolRef::from)
    })
}
