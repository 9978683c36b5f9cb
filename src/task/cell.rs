//! The cell of a task, 32 bytes, and the process-wide slab of cells.
//!
//! ```text
//! cell   | state 8 | function 8 | argument, then result 8 | link 4 | pool 4 |
//! slab   directory[slot / 4096] -> chunk of 4096 cells          chunks are never unmapped nor moved
//! run    128 cells, a page: new -> handed out -> in use --trim--> vacant: zeros, its generation noted -> handed out
//! ```
//!
//! The slab is type-stable (as SLAB_TYPESAFE_BY_RCU in Linux): a cell stays a cell, so a stale handle is checked
//! by reading the state word of whoever has the slot now. Everything in a cell is an atomic for that reason.
//!
//! A run whose cells are all free may give its memory back (`trim`): it stays mapped and reads as zeros. A word of zero is
//! FREE and has no handle, so every number is stale there, whatever its generation. The run's highest generation is kept
//! outside of it, and all its cells go on from that one, so that no number comes twice.

use super::extra::Extra;
use super::state::State;
use super::word::{TaskId, SLOT_BITS};
use crate::sync::{lock, memory, prefetch, AtomicPtr, AtomicU32, Mutex, Ordering, Renewable};
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
    /// While the cell is free, the next free one. Of a task of the library's own: the slot of the task whose part it is, or NONE.
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

    /// Of a task of the library's own, once it is published: whose part it is.
    pub(super) fn around(&self) -> Around {
        Around(self.link())
    }

    /// Only the cell's owner, before `state.publish`.
    pub(super) fn set_around(&self, around: Around) {
        self.set_link(around.0);
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

/// The task whose part something is, which has not ended before that has: its slot, or NONE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Around(u32);

impl Around {
    pub(crate) const NOBODY: Self = Self(NONE);

    /// Of what this task does, which runs. A part's parts are those of the task around it.
    pub(crate) fn of(task: TaskId) -> Self {
        if task.is_internal() {
            cell_of(task).around()
        } else {
            Self(task.slot())
        }
    }

    pub(crate) fn cell(self) -> Option<&'static Cell> {
        cell(self.0)
    }
}

const CHUNK_BITS: u32 = 12;
const CHUNK_CELLS: u32 = 1 << CHUNK_BITS;
const CHUNK_BYTES: usize = CHUNK_CELLS as usize * size_of::<Cell>();
const CHUNKS: usize = 1 << (SLOT_BITS - CHUNK_BITS);
/// Cells that are handed out, and give their memory back, together.
pub(super) const RUN: u32 = 128;

const _: () = assert!(CHUNK_CELLS % RUN == 0, "a run is in one chunk");
const _: () = assert!(RUN as usize * size_of::<Cell>() == 4096, "a run is a page, where pages are small");

/// Half a megabyte of zero pages, touched as far as it is used.
static DIRECTORY: [AtomicPtr<Cell>; CHUNKS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS];
/// The next slot that nobody has had yet; changed under the lock of `VACANT`.
static FRESH: AtomicU32 = AtomicU32::new(0);
static VACANT: Renewable<Mutex<Vec<Vacant>>> = Renewable::new(Mutex::new(Vec::new()));
/// Slots below this belong to the parent of a fork.
static FIRST_LIVE: AtomicU32 = AtomicU32::new(0);

/// A run without memory, and where the generations of its cells go on.
#[derive(Clone, Copy)]
pub(super) struct Vacant {
    pub(super) first: u32,
    pub(super) generation: u32,
}

/// The cell of a slot, if the slab has got that far.
pub(crate) fn cell(slot: u32) -> Option<&'static Cell> {
    // Acquire: pairs with the Release in `new_run`; the chunk is zeroed.
    let chunk = DIRECTORY.get((slot >> CHUNK_BITS) as usize)?.load(Ordering::Acquire);
    if chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk has CHUNK_CELLS cells, all zero bytes at first, which is a valid free cell, and is never unmapped.
    Some(unsafe { &*chunk.add((slot & (CHUNK_CELLS - 1)) as usize) })
}

/// Who goes through tasks in the order in which they were submitted mostly goes through cells in a row: has the one fetched
/// that he comes to in a moment. What isn't there is not fetched.
#[cfg(not(loom))]
#[inline(always)]
pub(super) fn fetch_ahead(cell: &Cell) {
    const CELLS: usize = 32;
    prefetch(std::ptr::from_ref(cell).wrapping_add(CELLS));
}

/// The cell of a number that the caller knows to exist.
pub(crate) fn cell_of(id: TaskId) -> &'static Cell {
    cell(id.slot()).expect("a task number names a cell of the slab")
}

/// Hands out `RUN` slots in a row that nobody has; the first, or `None` when memory or numbers are used up.
#[cold]
pub(super) fn fresh_run() -> Option<u32> {
    let Vacant { first, generation } = {
        let mut vacant = lock(&VACANT);
        match vacant.pop() {
            Some(run) => run,
            None => Vacant { first: new_run()?, generation: 0 },
        }
    };
    // Written before it is read: a page of zeros that is read first costs a second fault.
    // The link, too: the system may have refused to give the memory back, and what trim has left there would be taken for its own.
    (first..first + RUN).filter_map(cell).for_each(|cell| {
        cell.state.reset(generation);
        cell.set_link(NONE);
    });
    Some(first)
}

/// A run that nobody had before. Under the lock of `VACANT`.
fn new_run() -> Option<u32> {
    let first = FRESH.load(Ordering::Relaxed);
    if first >> SLOT_BITS != 0 {
        return None;
    }
    let entry = &DIRECTORY[(first >> CHUNK_BITS) as usize];
    if entry.load(Ordering::Relaxed).is_null() {
        let chunk = memory::map(CHUNK_BYTES)?;
        memory::populate(chunk, CHUNK_BYTES);
        // Release: pairs with the Acquire in `cell`.
        entry.store(chunk.cast(), Ordering::Release);
    }
    FRESH.store(first + RUN, Ordering::Relaxed);
    Some(first)
}

/// Gives the memory of runs back; they are in the order of their slots. Their cells have numbers of the noted generation
/// and of later ones from now on.
///
/// # Safety
/// All cells of these runs are free and the caller's alone (they are on no list), and none has had a number of its run's
/// generation or of a later one.
pub(super) unsafe fn vacate(runs: &[Vacant]) {
    let is_next = |a: &Vacant, b: &Vacant| b.first == a.first + RUN && b.first % CHUNK_CELLS != 0;
    for stretch in runs.chunk_by(is_next) {
        let Some(first) = cell(stretch[0].first) else { continue };
        let bytes = stretch.len() * RUN as usize * size_of::<Cell>();
        // SAFETY: within one chunk, which is a mapping of ours, and by the contract above nobody needs what is in it. Others
        // may read it at the same time, through stale numbers: the words as they were, or zeros.
        unsafe { memory::give_back(std::ptr::from_ref(first).cast_mut().cast(), bytes) };
    }
    lock(&VACANT).extend_from_slice(runs);
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
    unsafe { VACANT.renew(Mutex::new(Vec::new())) };
    let first = FRESH.load(Ordering::Relaxed).next_multiple_of(CHUNK_CELLS);
    FRESH.store(first, Ordering::Relaxed);
    FIRST_LIVE.store(first, Ordering::Relaxed);
}
