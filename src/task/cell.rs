//! The cell of a task, 32 bytes, and the process-wide slab of cells.
//!
//! ```text
//! cell   | state 8 | function 8 | argument, then result 8 | link 4 | pool 4 |
//! slab   directory[slot / 4096] -> chunk of 4096 cells          chunks are never freed nor moved
//! ```
//!
//! The slab is type-stable (as SLAB_TYPESAFE_BY_RCU in Linux): a cell stays a cell, so a stale handle is checked
//! by reading the state word of whoever has the slot now. Everything in a cell is an atomic for that reason.

use super::extra::Extra;
use super::state::State;
use super::word::{TaskId, SLOT_BITS};
use crate::sync::{lock, AtomicPtr, AtomicU32, Mutex, Ordering, Renewable};
use std::ffi::c_void;

/// Rust panics may pass through a task: the caller catches them.
pub type Function = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// A task.
#[repr(C, align(32))]
pub(crate) struct Cell {
    pub(crate) state: State,
    /// The function, as a pointer, or the task's `Extra`; while the cell is free, the next batch of free cells.
    function: AtomicPtr<c_void>,
    /// The argument until the task has run, its result afterwards; while the cell is free, the batch's length.
    payload: AtomicPtr<c_void>,
    /// While the cell is free, the next free one.
    link: AtomicU32,
    /// Number of the pool that the task belongs to.
    pool: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == 32, "a task is 32 bytes");

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

impl Cell {
    /// Fills the free cell. Only its owner, before `state.publish`.
    pub(crate) fn fill(&self, function: Function, argument: *mut c_void, pool: u32) {
        self.function.store(function as *mut c_void, Ordering::Relaxed);
        self.payload.store(argument, Ordering::Relaxed);
        self.pool.store(pool, Ordering::Relaxed);
    }

    /// The function of a claimed task.
    ///
    /// # Safety
    /// The caller won `state.claim` and has not finished the task.
    pub(crate) unsafe fn function(&self) -> Function {
        let function = self.function.load(Ordering::Relaxed);
        // SAFETY: `fill` stored a Function, and the claim (Acquire) brought it here.
        unsafe { std::mem::transmute::<*mut c_void, Function>(function) }
    }

    /// Fills the free cell of a task that has an extra, as `fill`.
    pub(crate) fn fill_with(&self, extra: Box<Extra>, pool: u32) {
        self.payload.store(extra.argument, Ordering::Relaxed);
        self.function.store(Box::into_raw(extra).cast(), Ordering::Relaxed);
        self.pool.store(pool, Ordering::Relaxed);
    }

    /// The extra of a task that has one; a Box, whoever frees the cell.
    pub(crate) fn extra(&self) -> *mut Extra {
        self.function.load(Ordering::Relaxed).cast()
    }

    /// Argument or result.
    pub(crate) fn payload(&self) -> *mut c_void {
        self.payload.load(Ordering::Relaxed)
    }

    /// Stores the result. Only the claimer, before `state.finish`.
    pub(crate) fn set_payload(&self, result: *mut c_void) {
        self.payload.store(result, Ordering::Relaxed);
    }

    /// The number of the pool: valid for whoever knows that the cell is still theirs.
    pub(crate) fn pool(&self) -> u32 {
        self.pool.load(Ordering::Relaxed)
    }

    pub(super) fn link(&self) -> u32 {
        self.link.load(Ordering::Relaxed)
    }

    pub(super) fn set_link(&self, slot: u32) {
        self.link.store(slot, Ordering::Relaxed);
    }

    pub(super) fn next_batch(&self) -> u32 {
        self.function.load(Ordering::Relaxed).addr() as u32
    }

    pub(super) fn set_next_batch(&self, slot: u32) {
        self.function.store(std::ptr::without_provenance_mut(slot as usize), Ordering::Relaxed);
    }

    pub(super) fn batch_len(&self) -> u32 {
        self.payload().addr() as u32
    }

    pub(super) fn set_batch_len(&self, len: u32) {
        self.set_payload(std::ptr::without_provenance_mut(len as usize));
    }
}

const CHUNK_BITS: u32 = 12;
const CHUNK_CELLS: u32 = 1 << CHUNK_BITS;
const CHUNKS: usize = 1 << (SLOT_BITS - CHUNK_BITS);

/// Half a megabyte of zero pages, touched as far as it is used.
static DIRECTORY: [AtomicPtr<Cell>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
/// The next slot that nobody has had yet; changed under `GROWING`.
static FRESH: AtomicU32 = AtomicU32::new(0);
static GROWING: Renewable<Mutex<()>> = Renewable::new(Mutex::new(()));
/// Slots below this belong to the parent of a fork.
static FIRST_LIVE: AtomicU32 = AtomicU32::new(0);

/// The cell of a slot, if the slab has got that far.
pub(crate) fn cell(slot: u32) -> Option<&'static Cell> {
    // Acquire: pairs with the Release in `fresh_run`; the chunk is zeroed.
    let chunk = DIRECTORY.get((slot >> CHUNK_BITS) as usize)?.load(Ordering::Acquire);
    if chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk has CHUNK_CELLS cells, all zero bytes at first, which is a valid free cell, and is never freed.
    Some(unsafe { &*chunk.add((slot & (CHUNK_CELLS - 1)) as usize) })
}

/// The cell of a number that the caller knows to exist.
pub(crate) fn cell_of(id: TaskId) -> &'static Cell {
    cell(id.slot()).expect("a task number names a cell of the slab")
}

/// Hands out `count` slots in a row that nobody had before (`count` divides a chunk), or `None` when memory or
/// numbers are used up.
#[cold]
pub(super) fn fresh_run(count: u32) -> Option<u32> {
    debug_assert!(CHUNK_CELLS % count == 0);
    let _growing = lock(&GROWING);
    let first = FRESH.load(Ordering::Relaxed);
    if first >> SLOT_BITS != 0 {
        return None;
    }
    let entry = &DIRECTORY[(first >> CHUNK_BITS) as usize];
    if entry.load(Ordering::Relaxed).is_null() {
        // Release: pairs with the Acquire in `cell`.
        entry.store(new_chunk()?, Ordering::Release);
    }
    FRESH.store(first + count, Ordering::Relaxed);
    Some(first)
}

/// Whether the task is one of the parent of a fork.
#[inline]
pub(crate) fn is_parents(id: TaskId) -> bool {
    // Relaxed: it changes only while no other thread uses the library.
    id.slot() < FIRST_LIVE.load(Ordering::Relaxed)
}

/// In the child of a fork: the slab goes on where the parent's ends, in chunks of its own.
///
/// # Safety
/// No other thread uses the library.
pub(crate) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { GROWING.renew(Mutex::new(())) };
    let first = FRESH.load(Ordering::Relaxed).next_multiple_of(CHUNK_CELLS);
    FRESH.store(first, Ordering::Relaxed);
    FIRST_LIVE.store(first, Ordering::Relaxed);
}

/// A chunk of zeros, which are free cells. From the allocator, which writes the zeros: one page fault a page, here. Pages
/// mapped for the purpose cost a task 200 ns more (two faults each, as they are read before they are written, and
/// the second makes the other cores flush).
fn new_chunk() -> Option<*mut Cell> {
    let layout = std::alloc::Layout::array::<Cell>(CHUNK_CELLS as usize).ok()?;
    // SAFETY: the layout is not of size zero.
    let chunk = unsafe { std::alloc::alloc_zeroed(layout) };
    (!chunk.is_null()).then(|| chunk.cast())
}
