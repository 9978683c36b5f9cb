//! Fork-join of two inside a task, at the price of a few dozen instructions: no task is made unless somebody comes for one.
//!
//! ```text
//! open_and_invoke   the outermost: a fork stack for this thread (pool/fork_stacks)
//!    `-> invoke     push right | left() | take right back ----------> right()            depth: how many parts are nested
//!                        |                       `--a thief has it--> wait for its task
//!                        thief: takes the oldest half of the stack, makes a task of it, and runs that
//! ```
//!
//! A part that runs so has no `Frame`: it belongs to the task around it. What it leaves behind (`task_fail`, an open
//! `task_block_begin`, a fork, a longjmp over parts) shows in one word, `depth`, which each part is to leave as it found it: ODD in it,
//! or another number, and `settle` finds out. The idea of a fast path that a thief turns into a slow one is Cilk-5's.

use super::context::{is_in_a_body_on, place_in, with_context, Context, Frame};
use super::core::Pool;
use super::fork_stacks::Node;
use super::leave;
use super::local::{here, local_if_used, Local};
use super::registry::PoolRef;
use super::run::{as_failure, catch, PartOutcome};
use super::status::{Error, Status};
use super::threads::stack_for_bodies;
use super::wait::{end_blocking_down_to, ensure_a_place_to_start_on, join_part};
use crate::queue::{TakenBack, DEEPEST};
use crate::sync::{end_if_forked, epoch, has_heavy, light};
use crate::task::{encode, Function, Kind, TaskId};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null;

/// In `depth`: the part has done something that must be looked after.
const ODD: usize = 1 << (usize::BITS - 1);

/// No handle has this value.
const NO_HANDLE: usize = usize::MAX;

/// What an outermost invoke has opened.
#[derive(Clone)]
struct Region {
    /// Of the pool; or NO_HANDLE.
    handle: Cell<usize>,
    node: Cell<*const Node>,
    pool: Cell<*const Pool>,
    /// Where on the stack a part may be started.
    lowest: Cell<usize>,
    length: Cell<usize>,
    epoch: Cell<u32>,
}

impl Region {
    const fn none() -> Self {
        Self {
            handle: Cell::new(NO_HANDLE),
            node: Cell::new(null()),
            pool: Cell::new(null()),
            lowest: Cell::new(0),
            length: Cell::new(0),
            epoch: Cell::new(0),
        }
    }

    fn become_like(&self, other: &Self) {
        self.handle.set(other.handle.get());
        self.node.set(other.node.get());
        self.pool.set(other.pool.get());
        self.lowest.set(other.lowest.get());
        self.length.set(other.length.get());
        self.epoch.set(other.epoch.get());
    }
}

/// A thread's forks.
pub(super) struct Forks {
    region: Region,
    depth: Cell<usize>,
}

impl Forks {
    pub(super) const fn new() -> Self {
        Self { region: Region::none(), depth: Cell::new(0) }
    }

    /// The innermost part has done something odd: it is looked after when it ends, and forks the slow way from now on.
    pub(super) fn set_odd(&self) {
        self.depth.set(self.depth.get() | ODD);
    }

    #[inline]
    pub(super) fn is_odd(&self) -> bool {
        self.depth.get() & ODD != 0
    }

    /// In the child of a fork: the regions are the parent's, and who comes back to one must notice.
    pub(super) fn forget(&self) {
        let in_a_region = self.region.handle.get() != NO_HANDLE;
        self.region.become_like(&Region::none());
        self.depth.set(if in_a_region { ODD } else { 0 });
    }

    /// A body begins: what `end_body` needs.
    #[inline]
    pub(super) fn depth(&self) -> usize {
        self.depth.get()
    }

    /// It has ended, and neither it nor one around it has done something odd: then that is all.
    #[inline]
    pub(super) fn is_even_at(&self, depth: usize) -> bool {
        self.depth.get() == depth && !self.is_odd()
    }

    /// It has ended; whether it has done something odd.
    pub(super) fn end_body(&self, depth: usize) -> bool {
        let now = self.depth.replace(depth);
        if now == depth && now & ODD == 0 {
            return false;
        }
        if (now ^ depth) & !ODD != 0 {
            leave::left_by("longjmp");
        }
        true
    }
}

/// A half: a function and its argument.
#[derive(Clone, Copy)]
pub(crate) struct Half {
    pub(crate) function: Function,
    pub(crate) argument: *mut c_void,
}

/// A fork that is under way. One register: it is what the fast path carries over the left half for the slow ones.
#[derive(Clone, Copy)]
struct Fork {
    /// How many parts were nested before.
    depth: u32,
    /// The number of the right half in the fork stack.
    at: u32,
}

/// Runs both halves if the calling thread is in a part or task of the pool with that handle, and has opened a region; else `None`.
#[inline(always)]
pub(crate) fn invoke(handle: usize, left: Half, right: Half) -> Option<Result<(), Error>> {
    let local = local_if_used()?;
    let forks = &local.forks;
    let (region, depth) = (&forks.region, forks.depth.get());
    let marker = 0_u8;
    let has_stack = (&raw const marker).addr().wrapping_sub(region.lowest.get()) < region.length.get();
    if region.handle.get() != handle || depth >= DEEPEST || !has_stack {
        return None;
    }
    // SAFETY: a region is open (no caller has the handle NO_HANDLE), so `open_and_invoke` keeps both.
    let (stack, pool) = unsafe { (&(*region.node.get()).stack, &*region.pool.get()) };
    if pool.is_canceling() {
        return None;
    }
    // SAFETY: the stack is this thread's; here and below.
    let at = unsafe { stack.depth() };
    let fork = Fork { depth: depth as u32, at: at as u32 };
    forks.depth.set(depth + 1);
    // SAFETY: as above; there are no more halves than parts.
    unsafe { stack.push(at, right.function as *mut (), right.argument.cast()) };
    // Pairs with the heavy fence in `catch_up`: either who parks sees the half, or we see that nobody searches.
    light();
    if !pool.places.census().is_just_full() {
        look_at_places(local, pool);
    }
    let ended = call(left);
    if ended.is_err() || forks.depth.get() != depth + 1 {
        let left = fork.settle(local, ended);
        return Some(fork.end_slowly(local, right, left));
    }
    // SAFETY: as above.
    if !unsafe { stack.take_back(at) } || pool.is_canceling() {
        return Some(fork.end_slowly(local, right, Ok(())));
    }
    let ended = call(right);
    if ended.is_err() || forks.depth.get() != depth + 1 {
        return Some(fork.end_oddly(local, ended));
    }
    forks.depth.set(depth);
    Some(Ok(()))
}

#[inline(always)]
fn call(part: Half) -> std::thread::Result<()> {
    catch(|| {
        // SAFETY: the caller of `pool_invoke` promised that it may be called with its argument.
        unsafe { (part.function)(part.argument) };
    })
}

/// A place is free, or there are too many: sees to it that somebody comes for the half, or that it doesn't begin before
/// there is a place for it.
#[cold]
#[inline(never)]
fn look_at_places(local: &Local, pool: &Pool) {
    let census = pool.places.census();
    if census.needs_a_searcher() {
        pool.notify();
    }
    if census.has_too_many() {
        local.forks.set_odd();
    }
}

impl Fork {
    /// A part has ended, and left something behind.
    #[cold]
    #[inline(never)]
    fn settle(self, local: &Local, ended: std::thread::Result<()>) -> PartOutcome {
        let inside = self.depth as usize + 1;
        end_if_forked(local.forks.region.epoch.get());
        if local.forks.depth.get() & !ODD != inside {
            leave::left_by("longjmp");
        }
        end_blocking_down_to(0);
        local.forks.depth.set(inside);
        as_failure(ended, local.failure.take())
    }

    #[cold]
    #[inline(never)]
    fn end_oddly(self, local: &Local, ended: std::thread::Result<()>) -> Result<(), Error> {
        let ended = self.settle(local, ended);
        local.forks.depth.set(self.depth as usize);
        as_error(ended)
    }

    /// The left half has ended like that. Joins the right one, whoever has it.
    #[cold]
    #[inline(never)]
    fn end_slowly(self, local: &Local, right: Half, left: PartOutcome) -> Result<(), Error> {
        let at = self.at as usize;
        let right = with_context(|context| {
            let context = context.expect("a region is open in a context only");
            // SAFETY: as in `invoke`; to take one's half back twice does no harm.
            let stack = unsafe { &(*local.forks.region.node.get()).stack };
            // SAFETY: as above.
            match unsafe { stack.take_back_whatever(at) } {
                TakenBack::Mine => self.run_right(local, context, right),
                TakenBack::Taken(task) => join_part(&context.pool, TaskId::from_bits(task)),
            }
        });
        local.forks.depth.set(self.depth as usize);
        as_error(left).and(right)
    }

    fn run_right(self, local: &Local, context: &Context, right: Half) -> Result<(), Error> {
        if context.pool.is_canceling() {
            return Err(Status::Canceled.into());
        }
        ensure_a_place_to_start_on(context);
        as_error(self.settle(local, call(right)))
    }
}

/// The same for a caller who is on a place of the pool, and need not have opened a region. `None`: not here and now.
pub(crate) fn open_and_invoke(pool: &PoolRef, left: Half, right: Half) -> Option<Result<(), Error>> {
    // In a trace each half is an event of its own.
    let local = here();
    if place_in(local, pool).is_none() || !has_heavy() || pool.journal().is_traced() {
        return None;
    }
    let run = || in_new_region(local, pool, left, right);
    if is_in_a_body_on(local) {
        return run();
    }
    Frame::of_part().enter(local, run).0
}

#[inline(never)]
fn in_new_region(local: &Local, pool: &PoolRef, left: Half, right: Half) -> Option<Result<(), Error>> {
    let (lowest, length) = stack_for_bodies();
    let handle = encode(Kind::Pool, u64::from(pool.number)) as usize;
    let node = pool.fork_stacks.open(local.frame.get());
    let (forks, outer) = (&local.forks, local.forks.region.clone());
    forks.region.become_like(&Region {
        handle: Cell::new(handle),
        node: Cell::new(node),
        pool: Cell::new(&raw const **pool),
        lowest: Cell::new(lowest),
        length: Cell::new(length),
        epoch: Cell::new(epoch()),
    });
    // Of the part that invokes.
    let (depth, failure) = (forks.depth.replace(0), local.failure.take());
    let ended = invoke(handle, left, right);
    local.failure.set(failure);
    forks.depth.set(depth);
    forks.region.become_like(&outer);
    pool.fork_stacks.close(node);
    ended
}

/// A part's failure as that of the whole.
pub(crate) fn as_error(ended: PartOutcome) -> Result<(), Error> {
    ended.map_err(|(status, failure)| Error::new(status, failure.message.to_string()))
}
