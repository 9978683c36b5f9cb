//! Queues of entries: one deque a place, one injector a pool. An entry is 64 opaque bits; what they mean is known
//! to task (which packs them) and pool (which introduces the two).

mod blocks;
mod deque;
mod fork_stack;
#[cfg(not(loom))]
mod injector;

pub(crate) use deque::Deque;
pub(crate) use fork_stack::{ForkStack, TakenBack, DEEPEST};
#[cfg(not(loom))]
pub(crate) use injector::{shrink, Injector, Order, Pushed};

/// What a queue carries.
pub(crate) type Entry = u64;
