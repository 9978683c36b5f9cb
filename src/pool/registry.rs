//! From a pool's number to the pool.
//!
//! ```text
//! number   31         16 15         0        a place in the registry whose 65,536 generations are used up is
//!         |  generation |   index    |       retired, so a number never comes twice
//! ```
//!
//! The list is behind a lock; each thread remembers the pools it used last with a counted reference, so that a
//! submit takes no lock and touches no shared counter. A pool that was destroyed stays in memory until the threads
//! that remember it use another or end.

use super::core::Pool;
use super::fork;
use super::local::{here, remember, Local};
use super::memory;
use super::options::Options;
use super::status::{Error, Status};
use super::within;
use crate::observe::Journal;
use crate::queue::{Entry, Pushed};
use crate::sync::{epoch, lock, AtomicPtr, AtomicU32, Mutex, Ordering, Renewable};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::ptr::null_mut;
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// Changed under the lock of `BOOKS`; words, so that the child of a fork finds it whole.
struct Slot {
    generation: AtomicU32,
    /// A counted reference, as `Arc::into_raw` gives it; null: no pool.
    pool: AtomicPtr<Pool>,
}

struct Books {
    vacant: Vec<u32>,
    /// Pools whose handle is gone, but which still drain: their tasks name them.
    released: BTreeMap<u32, Weak<Pool>>,
}

const INDEX_BITS: u32 = 16;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

static SLOTS: [Slot; 1 << INDEX_BITS] =
    [const { Slot { generation: AtomicU32::new(0), pool: AtomicPtr::new(null_mut()) } }; 1 << INDEX_BITS];
/// So many slots were ever used.
static USED: AtomicU32 = AtomicU32::new(0);
static BOOKS: Renewable<Mutex<Books>> = Renewable::new(Mutex::new(Books::new()));
/// The default pool's number + 1; 0: not made.
static DEFAULT: AtomicU32 = AtomicU32::new(0);

impl Books {
    const fn new() -> Self {
        Self { vacant: Vec::new(), released: BTreeMap::new() }
    }

    fn create(&mut self, options: Options) -> Result<Arc<Pool>, Error> {
        let index = match self.vacant.pop() {
            Some(index) => index,
            None => {
                let next = USED.load(Ordering::Relaxed);
                if next > INDEX_MASK {
                    return Err(Error::new(Status::NoMemory, "65,536 pools are alive already"));
                }
                USED.store(next + 1, Ordering::Relaxed);
                next
            }
        };
        let slot = &SLOTS[index as usize];
        let number = slot.generation.load(Ordering::Relaxed) << INDEX_BITS | index;
        let pool = Arc::new_cyclic(|me| Pool::new(number, options, me.clone()));
        // Release: the child of a fork that sees the pointer sees the pool (with the Acquire in `look_up`).
        slot.pool.store(Arc::into_raw(pool.clone()).cast_mut(), Ordering::Release);
        Ok(pool)
    }
}

/// Makes a pool. Its threads start when there is work for them.
pub(crate) fn create(options: Options) -> Result<Arc<Pool>, Error> {
    fork::watch();
    memory::watch();
    lock(&BOOKS).create(options)
}

/// Takes a pool's handle away; false if somebody else has done that.
pub(super) fn remove(pool: &Pool) -> bool {
    let index = pool.number & INDEX_MASK;
    let removed = {
        let mut books = lock(&BOOKS);
        let slot = &SLOTS[index as usize];
        let generation = slot.generation.load(Ordering::Relaxed);
        if generation != pool.number >> INDEX_BITS {
            return false;
        }
        let removed = slot.pool.swap(null_mut(), Ordering::Relaxed);
        // Release: the child of a fork that sees the new generation sees that the pool is gone.
        slot.generation.store(generation + 1, Ordering::Release);
        if generation < INDEX_MASK {
            books.vacant.push(index);
        }
        books.released.insert(pool.number, pool.me.clone());
        removed
    };
    pool.removed.store(1, Ordering::SeqCst);
    // SAFETY: the reference that `create` put in, taken out once, under the lock.
    unsafe { drop(Arc::from_raw(removed)) };
    true
}

/// The number of the one pool of the process that is made on first use and never destroyed.
pub(crate) fn default_pool(options: impl FnOnce() -> Result<Options, Error>) -> Result<u32, Error> {
    fork::watch();
    memory::watch();
    // Relaxed: the pool is found through the books' lock.
    if let made @ 1.. = DEFAULT.load(Ordering::Relaxed) {
        return Ok(made - 1);
    }
    let mut books = lock(&BOOKS);
    if let made @ 1.. = DEFAULT.load(Ordering::Relaxed) {
        return Ok(made - 1);
    }
    let number = books.create(options()?)?.number;
    DEFAULT.store(number + 1, Ordering::Relaxed);
    Ok(number)
}

/// Whether it is that one.
pub(super) fn is_default(pool: &Pool) -> bool {
    DEFAULT.load(Ordering::Relaxed) == pool.number + 1
}

/// In the child of a fork: the pools' handles stay; each pool is made anew when it is asked for.
///
/// # Safety
/// No other thread uses the library.
pub(super) unsafe fn after_fork() {
    let mut books = Books::new();
    for index in 0..USED.load(Ordering::Relaxed) {
        let slot = &SLOTS[index as usize];
        let generation = slot.generation.load(Ordering::Relaxed);
        if !slot.pool.load(Ordering::Relaxed).is_null() || generation > INDEX_MASK {
            continue;
        }
        // Another thread may have been about to step it: the number of the pool that was there is not to come again.
        slot.generation.store(generation + 1, Ordering::Relaxed);
        if generation < INDEX_MASK {
            books.vacant.push(index);
        }
    }
    // SAFETY: by the contract above.
    unsafe { BOOKS.renew(Mutex::new(books)) };
}

/// The child's own pool instead of the parent's: of the same number and options, with no thread and no task.
fn renewed(slot: &Slot, parents: &Pool) -> Arc<Pool> {
    let options = Options { threads: parents.threads(), ..parents.options.clone() };
    let pool = Arc::new_cyclic(|me| Pool::new(parents.number, options, me.clone()));
    if parents.places.census().is_closed() {
        pool.close_empty();
    }
    // The parent's is left as it is, with the reference that was in the slot.
    slot.pool.store(Arc::into_raw(pool.clone()).cast_mut(), Ordering::Relaxed);
    pool
}

/// A pool kept alive by this thread: one counted reference a thread, counted on by the thread's own uses.
#[derive(Clone)]
pub(crate) struct PoolRef(Rc<Share>);

/// What a thread has of a pool.
pub(super) struct Share {
    pub(super) pool: Arc<Pool>,
    /// Only this thread's: a `PoolRef` stays on its thread.
    journal: Arc<Journal>,
    /// What it has pushed last into the injector, and where to.
    last: Cell<(Entry, Pushed)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        // In the child of a fork the parent's may be locked for ever.
        if self.pool.epoch == epoch() {
            self.pool.observer.close_journal(self.journal.clone());
        }
    }
}

impl PoolRef {
    /// What this thread does for the pool is noted there.
    #[inline]
    pub(super) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Puts the entry of a task from outside into the injector.
    #[inline(always)]
    pub(super) fn inject(&self, entry: Entry) {
        self.0.last.set((entry, self.injector.push(entry)));
    }

    /// The entry is stale. Whether it is out of the injector, or as good as that: if it is what this thread has pushed last,
    /// that costs no read-modify-write.
    #[inline(always)]
    pub(super) fn take_out(&self, entry: Entry) -> bool {
        let (last, pushed) = self.0.last.get();
        last == entry && self.injector.forget(pushed) || self.injector.take_if_next(entry)
    }
}

impl Deref for PoolRef {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0.pool
    }
}

impl From<Arc<Pool>> for PoolRef {
    fn from(pool: Arc<Pool>) -> Self {
        let journal = pool.observer.open_journal();
        Self(Rc::new(Share { pool, journal, last: Cell::new((0, Pushed::NOWHERE)) }))
    }
}

impl From<Rc<Share>> for PoolRef {
    fn from(pool: Rc<Share>) -> Self {
        Self(pool)
    }
}

impl From<PoolRef> for Rc<Share> {
    fn from(pool: PoolRef) -> Self {
        pool.0
    }
}

/// The pool of a number, if its handle is live, or if the calling thread is within it.
#[inline(always)]
pub(crate) fn find(number: u32) -> Option<PoolRef> {
    find_on(here(), number)
}

/// The same on the thread whose this is.
#[inline(always)]
fn find_on(local: &Local, number: u32) -> Option<PoolRef> {
    local.recent(number).or_else(|| look_up(number))
}

/// The pool that a task's cell names: also one that was released and still drains.
#[inline(always)]
pub(super) fn of_task(number: u32) -> Option<PoolRef> {
    of_task_on(here(), number)
}

/// The same on the thread whose this is.
#[inline(always)]
pub(super) fn of_task_on(local: &Local, number: u32) -> Option<PoolRef> {
    local.recent(number).or_else(|| of_task_slowly(number))
}

#[cold]
#[inline(never)]
fn of_task_slowly(number: u32) -> Option<PoolRef> {
    look_up(number).or_else(|| among_released(number))
}

fn among_released(number: u32) -> Option<PoolRef> {
    let released = lock(&BOOKS).released.get(&number).and_then(Weak::upgrade);
    released.map(PoolRef::from)
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&BOOKS).released.remove(&self.number);
    }
}

/// All pools of this process whose handle is live.
pub(super) fn all() -> Vec<Arc<Pool>> {
    let _books = lock(&BOOKS);
    let used = USED.load(Ordering::Relaxed) as usize;
    let pools =
        SLOTS[..used].iter().map(|slot| slot.pool.load(Ordering::Acquire)).filter(|pool| !pool.is_null());
    // SAFETY: each slot has a reference, and under the lock nobody takes it out.
    let counted = pools.map(|pool| unsafe {
        Arc::increment_strong_count(pool);
        Arc::from_raw(pool)
    });
    counted.filter(|pool| pool.epoch == epoch()).collect()
}

#[cold]
#[inline(never)]
fn look_up(number: u32) -> Option<PoolRef> {
    if let Some(pool) = within::current_pool(number) {
        remember(pool.clone());
        return Some(pool);
    }
    let pool = {
        let _books = lock(&BOOKS);
        let slot = &SLOTS[(number & INDEX_MASK) as usize];
        let pool = slot.pool.load(Ordering::Acquire);
        if slot.generation.load(Ordering::Relaxed) != number >> INDEX_BITS || pool.is_null() {
            return None;
        }
        // SAFETY: the slot has a reference, and under the lock nobody takes it out.
        let pool = unsafe {
            Arc::increment_strong_count(pool);
            Arc::from_raw(pool)
        };
        let pool = if pool.epoch == epoch() { pool } else { renewed(slot, &pool) };
        PoolRef::from(pool)
    };
    remember(pool.clone());
    Some(pool)
}
