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

use super::context;
use super::core::Pool;
use super::options::Options;
use super::status::{Error, Status};
use crate::sync::{lock, Mutex, Ordering};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};

struct Slot {
    generation: u32,
    pool: Option<Arc<Pool>>,
}

struct Registry {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    /// Pools whose handle is gone, but which still drain: their tasks name them.
    released: BTreeMap<u32, Weak<Pool>>,
}

const INDEX_BITS: u32 = 16;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { slots: Vec::new(), vacant: Vec::new(), released: BTreeMap::new() });

/// Makes a pool. Its threads start when there is work for them.
pub(crate) fn create(options: Options) -> Result<Arc<Pool>, Error> {
    let mut registry = lock(&REGISTRY);
    let index = match registry.vacant.pop() {
        Some(index) => index,
        None if registry.slots.len() > INDEX_MASK as usize => {
            return Err(Error::new(Status::NoMemory, "65,536 pools are alive already"));
        }
        None => {
            registry.slots.push(Slot { generation: 0, pool: None });
            registry.slots.len() as u32 - 1
        }
    };
    let slot = &mut registry.slots[index as usize];
    let number = slot.generation << INDEX_BITS | index;
    let pool = Arc::new_cyclic(|me| Pool::new(number, options, me.clone()));
    slot.pool = Some(pool.clone());
    Ok(pool)
}

/// Takes a pool's handle away; false if somebody else has done that.
pub(super) fn remove(pool: &Pool) -> bool {
    let index = pool.number & INDEX_MASK;
    let removed = {
        let mut registry = lock(&REGISTRY);
        let slot = &mut registry.slots[index as usize];
        if slot.generation != pool.number >> INDEX_BITS {
            return false;
        }
        let removed = slot.pool.take();
        slot.generation += 1;
        if slot.generation <= INDEX_MASK {
            registry.vacant.push(index);
        }
        registry.released.insert(pool.number, pool.me.clone());
        removed
    };
    pool.removed.store(1, Ordering::SeqCst);
    removed.is_some()
}

static DEFAULT: OnceLock<Result<Arc<Pool>, Error>> = OnceLock::new();

/// The one pool of the process that is made on first use and never destroyed.
pub(crate) fn default_pool(options: impl FnOnce() -> Result<Options, Error>) -> Result<&'static Pool, Error> {
    match DEFAULT.get_or_init(|| create(options()?)) {
        Ok(pool) => Ok(pool),
        Err(error) => Err(error.clone()),
    }
}

/// Whether it is that one.
pub(super) fn is_default(pool: &Pool) -> bool {
    DEFAULT.get().is_some_and(|made| made.as_ref().is_ok_and(|default| std::ptr::eq(&**default, pool)))
}

const REMEMBERED: usize = 4;

thread_local! {
    static RECENT: RefCell<[Option<PoolRef>; REMEMBERED]> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// A pool kept alive by this thread: one counted reference a thread, counted on by the thread's own uses.
#[derive(Clone)]
#[allow(clippy::redundant_allocation)] // the inner count is shared by threads, the outer one is not: that is the point
pub(crate) struct PoolRef(Rc<Arc<Pool>>);

impl Deref for PoolRef {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.0
    }
}

impl From<Arc<Pool>> for PoolRef {
    fn from(pool: Arc<Pool>) -> Self {
        Self(Rc::new(pool))
    }
}

/// The pool of a number, if its handle is live, or if the calling thread is in one of its tasks.
pub(crate) fn find(number: u32) -> Option<PoolRef> {
    if let Some(pool) = context::current_pool(number) {
        return Some(pool);
    }
    let remembered = RECENT.try_with(|recent| {
        let recent = recent.borrow();
        recent[number as usize % REMEMBERED].clone().filter(|pool| pool.number == number)
    });
    match remembered {
        // SeqCst store in `remove`; a call that comes at the same time as the removal may still see 0, and then
        // works on a pool that is shut down.
        Ok(Some(pool)) if pool.removed.load(Ordering::Relaxed) == 0 => Some(pool),
        _ => look_up(number),
    }
}

/// The pool that a task's cell names: also one that was released and still drains.
pub(super) fn of_task(number: u32) -> Option<PoolRef> {
    find(number).or_else(|| {
        let released = lock(&REGISTRY).released.get(&number).and_then(Weak::upgrade);
        released.map(PoolRef::from)
    })
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&REGISTRY).released.remove(&self.number);
    }
}

#[cold]
#[inline(never)]
fn look_up(number: u32) -> Option<PoolRef> {
    let pool = {
        let registry = lock(&REGISTRY);
        let slot = registry.slots.get((number & INDEX_MASK) as usize)?;
        if slot.generation != number >> INDEX_BITS {
            return None;
        }
        PoolRef::from(slot.pool.clone()?)
    };
    // What was remembered is dropped after the borrow: the last reference frees a pool.
    let forgotten =
        RECENT.try_with(|recent| recent.borrow_mut()[number as usize % REMEMBERED].replace(pool.clone()));
    drop(forgotten);
    Some(pool)
}
