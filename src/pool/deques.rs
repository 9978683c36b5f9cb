//! The deques of a pool: one a place, made when the pool first has so many places, and never moved or taken away.
//!
//! ```text
//! first [ 0 .. n )    more[0] [ n .. 2n )    more[1] [ 2n .. 4n )    more[2] [ 4n .. 8n )  ...
//! ```
//!
//! A pool that becomes smaller leaves entries in the deques of the places that it no longer has: whoever looks for work
//! looks into all of them.

use super::places::MOST;
use crate::queue::Deque;
use std::sync::OnceLock;

/// Doubled so often, the smallest first segment reaches `MOST`.
const DOUBLINGS: usize = MOST.ilog2() as usize;

/// The deques.
pub(crate) struct Deques {
    first: Box<[Deque]>,
    more: [OnceLock<Box<[Deque]>>; DOUBLINGS],
}

fn make(count: usize) -> Box<[Deque]> {
    (0..count).map(|_| Deque::new()).collect()
}

impl Deques {
    pub(super) fn new(count: u32) -> Self {
        Self { first: make(count as usize), more: [const { OnceLock::new() }; DOUBLINGS] }
    }

    /// Makes sure that there are so many. Called before a place of such a number can be taken.
    pub(super) fn reach(&self, count: u32) {
        let mut made = self.first.len();
        for segment in &self.more {
            if made >= count as usize {
                return;
            }
            made += segment.get_or_init(|| make(made.min(MOST as usize - made))).len();
        }
    }

    /// The deque of a place.
    pub(super) fn of(&self, place: u32) -> &Deque {
        match self.first.get(place as usize) {
            Some(deque) => deque,
            None => self.far(place as usize),
        }
    }

    #[cold]
    fn far(&self, place: usize) -> &Deque {
        let segment = (place / self.first.len()).ilog2();
        let begin = self.first.len() << segment;
        &self.more[segment as usize].get().expect("made before the place could be taken")[place - begin]
    }

    /// All that there are.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Deque> {
        self.segments().flatten()
    }

    /// All but that of a place, those behind it first.
    pub(super) fn others(&self, place: u32) -> impl Iterator<Item = &Deque> {
        let place = place as usize;
        self.iter().skip(place + 1).chain(self.iter().take(place))
    }

    fn segments(&self) -> impl Iterator<Item = &[Deque]> {
        // Made in order: behind the first that is missing there are none.
        let more = self.more.iter().map_while(|segment| segment.get().map(|deques| &**deques));
        std::iter::once(&*self.first).chain(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_keeps_the_deque_that_it_had_when_more_are_made() {
        for first in [1, 3, 64, 4095, MOST] {
            let deques = Deques::new(first);
            let before: Vec<*const Deque> = deques.iter().map(std::ptr::from_ref).collect();
            deques.reach(MOST);
            let after: Vec<*const Deque> = deques.iter().map(std::ptr::from_ref).collect();
            assert_eq!(before, after[..first as usize]);
            assert_eq!(after.len(), MOST as usize);
            assert!((0..MOST).all(|place| std::ptr::eq(deques.of(place), after[place as usize])));
            assert!(deques
                .others(MOST - 2)
                .map(std::ptr::from_ref)
                .eq(after[MOST as usize - 1..].iter().chain(&after[..MOST as usize - 2]).copied()));
        }
    }

    #[test]
    fn no_more_are_made_than_the_next_doubling() {
        let deques = Deques::new(3);
        deques.reach(3);
        assert_eq!(deques.iter().count(), 3);
        deques.reach(4);
        assert_eq!(deques.iter().count(), 6);
        deques.reach(13);
        assert_eq!(deques.iter().count(), 24);
    }
}
