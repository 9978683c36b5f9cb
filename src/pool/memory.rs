//! What the queues of a burst took is given back, when the cells of its tasks are (task/trim).
//!
//! ```text
//! keeper -> every pool: lists of its lanes shrink; at rest: all places taken -> rings of the deques shrink -> given back
//! ```

use super::core::Pool;
use super::registry;

/// Has it done whenever the memory of cells is given back.
pub(super) fn watch() {
    crate::task::also_give_back(|| registry::all().iter().for_each(|pool| pool.give_memory_back()));
}

impl Pool {
    fn give_memory_back(&self) {
        self.injector.give_memory_back();
        self.priorities.give_memory_back();
        self.blocking.give_memory_back();
        self.lent.give_memory_back();
        if self.deques.iter().any(|deque| deque.is_oversized()) {
            self.give_rings_back();
        }
    }

    /// Only while nobody holds a place, so that nobody pushes or steals. Else they stay until the next burst.
    fn give_rings_back(&self) {
        let left = self.places.with_all(|| {
            for deque in self.deques.iter() {
                // SAFETY: all places are ours, and no other is made meanwhile.
                unsafe { deque.give_memory_back() };
            }
        });
        if let Some(census) = left {
            // Somebody may have submitted meanwhile, and found no place free.
            self.cover(census);
        }
    }
}
