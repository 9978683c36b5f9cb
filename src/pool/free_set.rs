//! Which places are free.
//!
//! ```text
//! bit i set: place i is held by nobody        all bits are there from the start; the limit says which count
//! ```
//!
//! A bit is set before the count of holders goes down and taken after it went up, so there are never fewer bits than
//! permits: who has a permit finds one.

use super::census::Limit;
use super::places::MOST;
use crate::sync::{spin_hint, AtomicU64, Ordering};

/// The set.
pub(super) struct FreeSet(Box<[AtomicU64]>);

impl FreeSet {
    pub(super) fn new() -> Self {
        Self((0..MOST.div_ceil(64)).map(|_| AtomicU64::new(u64::MAX)).collect())
    }

    /// Takes a place out, for a permit that was taken under `limit`; `now` gives the limit of the moment.
    ///
    /// Below the limit of its permit somebody always finds one: fewer others hold places than the limit says. But who
    /// took his permit under a larger one, in between, may be in the way: then any place will do, as in that case the
    /// pool is resized at the same time.
    pub(super) fn take(&self, limit: Limit, now: impl Fn() -> Limit) -> u32 {
        loop {
            let current = now();
            let found = self.take_below(current.threads());
            let found =
                found.or_else(|| if current == limit { None } else { self.take_below(current.most()) });
            match found {
                Some(place) => return place,
                None => spin_hint(), // a bit moved past us
            }
        }
    }

    /// The lowest, if there is one.
    #[inline]
    fn take_below(&self, limit: u32) -> Option<u32> {
        for (index, set) in self.0.iter().enumerate().take(limit.div_ceil(64) as usize) {
            let counts = match limit - index as u32 * 64 {
                64.. => u64::MAX,
                rest => (1 << rest) - 1,
            };
            let mut bits = set.load(Ordering::Relaxed) & counts;
            while bits != 0 {
                let lowest = bits & bits.wrapping_neg();
                // Acquire: pairs with the Release in `put`; brings the place's deque.
                if set.fetch_and(!lowest, Ordering::Acquire) & lowest != 0 {
                    return Some(index as u32 * 64 + lowest.trailing_zeros());
                }
                bits = set.load(Ordering::Relaxed) & counts;
            }
        }
        None
    }

    pub(super) fn put(&self, place: u32) {
        // Release: pairs with the Acquire in `take_below`.
        self.0[place as usize / 64].fetch_or(1 << (place % 64), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_place_is_taken_first_and_none_from_the_limit_on() {
        let (set, limit) = (FreeSet::new(), Limit::new(70));
        for place in 0..70 {
            assert_eq!(set.take(limit, || limit), place);
        }
        assert_eq!(set.take_below(70), None);
        set.put(65);
        assert_eq!(set.take(limit, || limit), 65);
    }

    #[test]
    fn a_permit_from_before_a_resize_finds_a_place_though_those_below_the_limit_are_held() {
        let (set, before) = (FreeSet::new(), Limit::new(1));
        assert_eq!(set.take(before, || before), 0);
        let now = before.resized(4).resized(1);
        assert_eq!(set.take(before, || now), 1);
    }
}
