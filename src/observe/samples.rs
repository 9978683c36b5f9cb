//! Which tasks are timed, and since when those of them that are queued have been.
//!
//! ```text
//! number * golden ratio -> top 8 bits 0?  sampled: both ends of a task's way decide alike, without a word between them
//!                       -> next 8 bits    its entry in the table: { task, since }
//! ```
//!
//! The number of a task has its generation, so one cell that is used again and again is sampled as often as many
//! that are used once (Fibonacci hashing, Knuth vol. 3, 6.4). An entry is not taken from a task that is still queued:
//! that would drop the longest waits.

use crate::sync::{AtomicU64, Ordering};

/// One task in 256 is sampled.
const SAMPLE_BITS: u32 = 8;
const ENTRY_BITS: u32 = 8;

fn hash(task: u64) -> u64 {
    task.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Whether the task of this number is one of the sample.
#[inline]
pub(crate) fn is_in_sample(task: u64) -> bool {
    hash(task) >> (64 - SAMPLE_BITS) == 0
}

/// No task: an entry that is free; and one that is being written. Numbers of tasks are smaller than the second.
const FREE: u64 = u64::MAX;
const CHANGING: u64 = u64::MAX - 1;

struct Entry {
    task: AtomicU64,
    since: AtomicU64,
}

/// The table.
pub(super) struct Samples(Box<[Entry]>);

impl Samples {
    pub(super) fn new() -> Self {
        let entry = |_| Entry { task: AtomicU64::new(FREE), since: AtomicU64::new(0) };
        Self((0..1 << ENTRY_BITS).map(entry).collect())
    }

    fn entry(&self, task: u64) -> &Entry {
        &self.0[(hash(task) << SAMPLE_BITS >> (64 - ENTRY_BITS)) as usize]
    }

    /// The task is queued from now on; false if its entry is that of another for which `is_queued` holds.
    pub(super) fn put(&self, task: u64, since: u64, is_queued: impl FnOnce(u64) -> bool) -> bool {
        let entry = self.entry(task);
        let seen = entry.task.load(Ordering::Relaxed);
        if seen == CHANGING || seen != FREE && is_queued(seen) {
            return false;
        }
        let claimed =
            entry.task.compare_exchange(seen, CHANGING, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if claimed {
            entry.since.store(since, Ordering::Relaxed);
            // Release: pairs with the Acquire in `take`; brings `since`.
            entry.task.store(task, Ordering::Release);
        }
        claimed
    }

    /// Since when the task is queued, if that is known; by the one who claimed the task.
    pub(super) fn take(&self, task: u64) -> Option<u64> {
        let entry = self.entry(task);
        if entry.task.load(Ordering::Acquire) != task {
            return None;
        }
        let since = entry.since.load(Ordering::Relaxed);
        // AcqRel: `since` was read before the entry is free, so it is this task's if the entry still is. A number
        // comes only once.
        entry.task.compare_exchange(task, FREE, Ordering::AcqRel, Ordering::Relaxed).is_ok().then_some(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(tasks: impl Iterator<Item = u64>) -> usize {
        tasks.filter(|&task| is_in_sample(task)).count()
    }

    #[test]
    fn one_task_in_256_is_sampled_of_many_cells_and_of_one_that_is_used_again() {
        let about = 256_000 / 256 - 100..256_000 / 256 + 100;
        let cells = sampled(0..256_000);
        assert!(about.contains(&cells), "{cells}");
        for slot in [0, 1, 4095, 77_777] {
            let generations = sampled((0..256_000).map(|generation| generation << 28 | slot));
            assert!(about.contains(&generations), "{generations} of slot {slot}");
        }
    }

    #[test]
    fn an_entry_is_taken_once_and_only_by_its_task() {
        let samples = Samples::new();
        assert!(samples.put(7, 100, |_| false));
        assert_eq!(samples.take(8), None);
        assert_eq!(samples.take(7), Some(100));
        assert_eq!(samples.take(7), None);
    }

    #[test]
    fn a_task_that_is_queued_keeps_its_entry_and_one_that_is_not_loses_it() {
        let samples = Samples::new();
        let other =
            (8..).find(|&task| std::ptr::eq(samples.entry(task), samples.entry(7))).expect("256 entries");
        assert!(samples.put(7, 100, |_| true));
        assert!(!samples.put(other, 200, |seen| seen == 7));
        assert!(samples.put(other, 300, |_| false));
        assert_eq!((samples.take(7), samples.take(other)), (None, Some(300)));
    }
}
