//! A histogram of durations with buckets of powers of two, as in HdrHistogram without its finer steps.
//!
//! ```text
//! bucket i counts what took from 2^i to 2^(i+1) - 1 nanoseconds; bucket 0 also what took none
//! ```
//!
//! Many threads may add at a time; only sampled tasks do.

use crate::sync::{AtomicU64, Ordering};

/// One for each bit of a number of nanoseconds.
pub(crate) const BUCKETS: usize = 64;

/// The histogram.
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// A histogram as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) buckets: [u64; BUCKETS],
    /// How many durations there are.
    pub(crate) count: u64,
    /// And what they add up to.
    pub(crate) sum: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }

    pub(super) fn add(&self, ns: u64) {
        let bucket = (ns | 1).ilog2() as usize;
        // Relaxed, here and below: numbers that nothing else depends on.
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Distribution {
        let buckets = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed));
        Distribution { buckets, count: buckets.iter().sum(), sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_i_counts_from_2_to_the_i_to_below_2_to_the_next() {
        let histogram = Histogram::new();
        for (ns, bucket) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (u64::MAX, 63)] {
            let before = histogram.read();
            histogram.add(ns);
            let now = histogram.read();
            assert_eq!(now.buckets[bucket], before.buckets[bucket] + 1, "{ns}");
            assert_eq!(now.count, before.count + 1);
            assert_eq!(now.sum, before.sum.wrapping_add(ns));
        }
    }
}
