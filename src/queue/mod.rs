//! Queues of entries: one deque a place, one injector a pool. An entry is 64 opaque bits; what they mean is known
//! to task (which packs them) and pool (which introduces the two).

mod deque;
#[cfg(not(loom))]
mod injector;

pub(crate) use deque::{Deque, Steal};
#[cfg(not(loom))]
pub(crate) use injector::{shrink, Injector, Order};

/// What a queue carries.
pub(crate) type Entry = u64;
