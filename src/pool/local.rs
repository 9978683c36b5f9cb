//! What a thread keeps to itself: what it is doing (pool/context, pool/within), and the pools that it used last.
//!
//! ```text
//! LOCAL { context, frame, telling, stack, forks, failure, recent: [counted pool or NULL; 4] }      by a pool's number modulo 4
//! ```
//!
//! One variable without a destructor, so that each call finds all of it by one address; what `recent` holds is given
//! back by a second one, which is touched only when a pool is remembered.

use super::context::{Context, Frame};
use super::nested::Forks;
use super::registry::{PoolRef, Share};
use super::within::Telling;
use crate::sync::{own, set_own, Ordering, Own};
use crate::task::Failure;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::null;
use std::rc::Rc;

const REMEMBERED: usize = 4;

/// See above.
pub(super) struct Local {
    pub(super) context: Cell<*const Context>,
    pub(super) frame: Cell<*const Frame>,
    /// The canceled task of which it tells (pool/within).
    pub(super) telling: Cell<*const Telling>,
    /// The lowest address at which a body may be started on this stack, and how many there are; none: not asked yet.
    pub(super) stack: Cell<(usize, usize)>,
    pub(super) forks: Forks,
    /// What `task_fail` left in the innermost body or part; then its forks are odd.
    pub(super) failure: ManuallyDrop<Cell<Option<Box<Failure>>>>,
    /// From `Rc::into_raw`: this thread's count of one each.
    recent: [Cell<*const Share>; REMEMBERED],
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            context: Cell::new(null()),
            frame: Cell::new(null()),
            telling: Cell::new(null()),
            stack: Cell::new((0, 0)),
            forks: Forks::new(),
            failure: ManuallyDrop::new(Cell::new(None)),
            recent: [const { Cell::new(null()) }; REMEMBERED],
        }
    };
    static AT_THREAD_END: GiveBack = const { GiveBack };
}

/// The calling thread's.
#[inline(always)]
pub(super) fn local<T>(body: impl FnOnce(&Local) -> T) -> T {
    // SAFETY: NULL, or set below to this thread's, which has no destructor and so is there as long as the thread.
    let local = unsafe { own::<Local>(Own::Local).as_ref() };
    // The body once, or it isn't inlined.
    body(local.unwrap_or_else(|| first_time()))
}

/// The same, for who looks at it more than once.
#[inline(always)]
pub(super) fn here<'a>() -> &'a Local {
    // As above. The reference stays on this thread: nothing of it is `Sync`.
    local_if_used().unwrap_or_else(|| first_time())
}

/// The same, unless the thread has none yet.
#[inline(always)]
pub(super) fn local_if_used<'a>() -> Option<&'a Local> {
    // SAFETY: as above. The reference stays on this thread.
    unsafe { own::<Local>(Own::Local).as_ref() }
}

#[cold]
#[inline(never)]
fn first_time<'a>() -> &'a Local {
    LOCAL.with(|local| {
        set_own(Own::Local, local);
        // SAFETY: as above; the reference stays on this thread.
        unsafe { &*std::ptr::from_ref(local) }
    })
}

impl Local {
    /// The pool of a number, if this thread remembers it and it is there.
    #[inline(always)]
    pub(super) fn recent(&self, number: u32) -> Option<PoolRef> {
        // SAFETY: it is counted at once.
        unsafe { self.recent_uncounted(number) }.map(|pool| PoolRef::clone(&pool))
    }

    /// The same without a count of the caller's own.
    ///
    /// # Safety
    /// The thread remembers no other pool as long as this is used; so nothing of the embedder's is called.
    #[inline(always)]
    pub(super) unsafe fn recent_uncounted(&self, number: u32) -> Option<ManuallyDrop<PoolRef>> {
        let pool = self.recent[number as usize % REMEMBERED].get();
        // SAFETY: NULL, or counted by this thread as long as it is here.
        let shared = unsafe { &*pool.as_ref()?.pool };
        // SeqCst store in `remove`; a call that comes at the same time as the removal may still see 0, and then works on a
        // pool that is shut down.
        if shared.number != number || shared.removed.load(Ordering::Relaxed) != 0 {
            return None;
        }
        // SAFETY: from `Rc::into_raw`; the count stays `recent`'s, as this one is not dropped.
        Some(ManuallyDrop::new(PoolRef::from(unsafe { Rc::from_raw(pool) })))
    }

    /// Takes out what is remembered in a place; to be dropped once nothing of this is in use.
    fn forget(&self, place: usize) -> Option<PoolRef> {
        let pool = self.recent[place].replace(null());
        // SAFETY: NULL, or from `Rc::into_raw`, and taken out, so its count is given back once.
        (!pool.is_null()).then(|| PoolRef::from(unsafe { Rc::from_raw(pool) }))
    }

    /// In the child of a fork: the pools are the parent's, and may be in the middle of a change. They are left alone.
    pub(super) fn forget_all_as_they_are(&self) {
        self.recent.iter().for_each(|pool| pool.set(null()));
    }
}

/// Remembers a pool, unless the thread is ending.
pub(super) fn remember(pool: PoolRef) {
    if AT_THREAD_END.try_with(|_| ()).is_err() {
        return;
    }
    let place = pool.number as usize % REMEMBERED;
    let forgotten = local(|local| {
        let forgotten = local.forget(place);
        local.recent[place].set(Rc::into_raw(pool.into()));
        forgotten
    });
    // The last reference frees a pool.
    drop(forgotten);
}

struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        for place in 0..REMEMBERED {
            drop(local(|local| local.forget(place)));
        }
    }
}
