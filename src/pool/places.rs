//! Places: the right to run task bodies. A pool of `n` threads has `n` of them, each with a deque.
//!
//! A body runs only on a thread that holds a place: that is the whole bound on concurrency. Go's scheduler splits
//! its P from its M for the same end. All counters are in one word, so that each change of who is what is one
//! read-modify-write, and "is anybody coming?" is one load. `pool/sleep.md` says why no work is overlooked.

use super::census::*;
use crate::sync::{fence, lock, AtomicU64, Deadline, Latch, Mutex, Ordering};
use std::collections::VecDeque;

/// More threads than this are refused; the counters of the word hold several times as many.
pub(crate) const MOST: u32 = 4096;

/// Value of the latch of a visitor that is sent away; places are numbered below it.
const SENT_AWAY: u32 = u32::MAX / 2;

/// Who wants a place: a body that goes on after a wait, or a visitor (a submitter that will run its own task).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanter {
    Body,
    Visitor,
}

impl Wanter {
    fn flag(self) -> u64 {
        match self {
            Self::Body => BODIES,
            Self::Visitor => VISITORS,
        }
    }
}

/// Those who wait for a place, each kind in order.
struct Wanted {
    bodies: VecDeque<*const Latch>,
    visitors: VecDeque<*const Latch>,
}

// SAFETY: a latch is reached under the lock of `wanted` only, and its owner doesn't leave before it has been set or
// has taken the entry out itself.
unsafe impl Send for Wanted {}

impl Wanted {
    fn line(&mut self, who: Wanter) -> &mut VecDeque<*const Latch> {
        match who {
            Wanter::Body => &mut self.bodies,
            Wanter::Visitor => &mut self.visitors,
        }
    }

    fn next(&mut self, served: Served) -> Option<*const Latch> {
        let body = self.bodies.pop_front();
        if served == Served::Bodies {
            return body;
        }
        body.or_else(|| self.visitors.pop_front())
    }

    /// The flags of the lines in which nobody stands.
    fn flags_of_empty_lines(&self) -> u64 {
        let flag = |line: &VecDeque<_>, flag| if line.is_empty() { flag } else { 0 };
        flag(&self.bodies, BODIES) | flag(&self.visitors, VISITORS)
    }
}

/// The places of a pool.
#[repr(align(128))]
pub(crate) struct Places {
    word: AtomicU64,
    total: u32,
    /// Bit set: that place is free. A bit is set before the count goes up and taken after it went down, so there
    /// are never fewer bits than permits.
    free_set: Box<[AtomicU64]>,
    wanted: Mutex<Wanted>,
}

impl Places {
    pub(crate) fn new(total: u32) -> Self {
        debug_assert!((1..=MOST).contains(&total));
        let bits = |index: u32| match total - index * 64 {
            64.. => u64::MAX,
            rest => (1 << rest) - 1,
        };
        Self {
            word: AtomicU64::new(u64::from(total)),
            total,
            free_set: (0..total.div_ceil(64)).map(|index| AtomicU64::new(bits(index))).collect(),
            wanted: Mutex::new(Wanted { bodies: VecDeque::new(), visitors: VecDeque::new() }),
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// The counters now. Relaxed: who decides to sleep or not to wake by them fences first.
    pub(crate) fn census(&self) -> Census {
        Census(self.word.load(Ordering::Relaxed))
    }

    /// The counters after a SeqCst fence: what was pushed before this is seen by whoever stops searching after it.
    pub(crate) fn census_after_push(&self) -> Census {
        fence(Ordering::SeqCst);
        self.census()
    }

    /// Whether nobody holds a place or wants one back. If the queues are empty between two such looks and no place
    /// was taken between them, the pool is idle: what has a place could put something into a queue that was looked at already.
    pub(crate) fn at_rest(&self) -> Option<Census> {
        fence(Ordering::SeqCst);
        let census = Census(self.word.load(Ordering::Acquire));
        fence(Ordering::SeqCst);
        (census.free() == self.total && census.blocked() == 0).then_some(census)
    }

    /// Ends a closed pool whose queues were found empty since `at_rest` gave this census: in one step with "no place
    /// was taken since". A submit that comes later finds nobody to run its task, and takes it back. False if a place
    /// was taken meanwhile, or the pool is over already.
    pub(crate) fn end(&self, since: Census) -> bool {
        self.update(|now| {
            let at_rest = now.free() == self.total && now.blocked() == 0 && now.taken() == since.taken();
            (at_rest && now.is_closed() && !now.is_over()).then_some(now.0 | OVER)
        })
        .is_ok()
    }

    /// Changes the word by `change` if `change` gives a new one.
    fn update(&self, change: impl Fn(Census) -> Option<u64>) -> Result<Census, Census> {
        let mut seen = self.word.load(Ordering::Relaxed);
        while let Some(next) = change(Census(seen)) {
            // SeqCst (AcqRel, and in one order with the fences): Acquire pairs with the Release of who gave the
            // place back, and brings its deque along.
            match self.word.compare_exchange_weak(seen, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Ok(Census(next)),
                Err(now) => seen = now,
            }
        }
        Err(Census(seen))
    }

    /// Which place, for a permit that was taken.
    fn pick(&self) -> u32 {
        loop {
            for (index, set) in self.free_set.iter().enumerate() {
                let mut bits = set.load(Ordering::Relaxed);
                while bits != 0 {
                    let lowest = bits & bits.wrapping_neg();
                    // Acquire: pairs with the Release in `put_bit`; brings the place's deque.
                    if set.fetch_and(!lowest, Ordering::Acquire) & lowest != 0 {
                        return index as u32 * 64 + lowest.trailing_zeros();
                    }
                    bits = set.load(Ordering::Relaxed);
                }
            }
            crate::sync::spin_hint();
        }
    }

    fn put_bit(&self, place: u32) {
        // Release: pairs with the Acquire in `pick`.
        self.free_set[place as usize / 64].fetch_or(1 << (place % 64), Ordering::Release);
    }

    /// A visitor takes a place if one is free. Not once the pool is closed: what it would start then could come too
    /// late for the pool's threads.
    pub(crate) fn try_take_as_visitor(&self) -> Option<u32> {
        self.take(Wanter::Visitor, 0).ok().map(|_| self.pick())
    }

    /// A searcher takes a place and searches no more.
    pub(crate) fn try_take_from_search(&self) -> Option<u32> {
        self.take(Wanter::Body, SEARCHING).ok().map(|_| self.pick())
    }

    /// A searcher takes a place, and waits for one if it must, before those who come later. `None` once the pool is over.
    pub(crate) fn take_from_search_in_line(&self) -> Option<u32> {
        self.wait_for_one(Wanter::Body, SEARCHING, Deadline::Never)
    }

    fn take(&self, who: Wanter, less: u64) -> Result<Census, Census> {
        self.update(|census| {
            let welcome = !census.is_over() && (who == Wanter::Body || !census.is_closed());
            (census.free() > 0 && welcome).then(|| (census.0 - FREE - less).wrapping_add(TAKEN))
        })
    }

    /// Gives a place back.
    pub(crate) fn give_back(&self, place: u32, served: Served) -> Census {
        self.give(place, served, 0)
    }

    /// Gives a place back and searches.
    pub(crate) fn give_back_and_search(&self, place: u32) -> Census {
        self.give(place, Served::Visitors, SEARCHING)
    }

    /// Gives a place up for the time of a wait; `take_back` ends it.
    pub(crate) fn give_up(&self, place: u32, served: Served) -> Census {
        self.give(place, served, BLOCKED)
    }

    fn give(&self, place: u32, served: Served, more: u64) -> Census {
        let (mut place, mut more) = (place, more);
        loop {
            if self.census().is_wanted_by(served) {
                // First what becomes of the giver: whoever gets the place may give it back before we go on, and the
                // pool must not look at rest then.
                self.word.fetch_add(std::mem::take(&mut more), Ordering::SeqCst);
                if self.hand_over(place, served) {
                    return self.census();
                }
            }
            self.put_bit(place);
            match self.update(|census| (!census.is_wanted_by(served)).then(|| census.0 + FREE + more)) {
                Ok(census) => return census,
                // Wanted after all: a bit out again (whichever; there is one too many), and once more.
                Err(_) => place = self.pick(),
            }
        }
    }

    /// Gives a place to the first who waits for one; false if nobody does.
    #[cold]
    fn hand_over(&self, place: u32, served: Served) -> bool {
        let mut wanted = lock(&self.wanted);
        let next = wanted.next(served);
        self.clear_flags(&wanted);
        let Some(latch) = next else { return false };
        // SAFETY: the entry was still in its line, so its owner waits for exactly this. Under the lock.
        unsafe { Latch::set(latch, place) };
        true
    }

    /// Gives a free place to a visitor in line, if there are both.
    pub(crate) fn serve_a_visitor(&self) {
        if self.census().is_wanted_by_a_visitor() && self.take(Wanter::Visitor, 0).is_ok() {
            let place = self.pick();
            let _ = self.give(place, Served::Visitors, 0);
        }
    }

    fn clear_flags(&self, wanted: &Wanted) {
        self.word.fetch_and(!wanted.flags_of_empty_lines(), Ordering::SeqCst);
    }

    /// A body takes a place after its wait, and waits for one if it must. Bodies come before new tasks.
    pub(crate) fn take_back(&self) -> u32 {
        if self.take(Wanter::Body, BLOCKED).is_ok() {
            return self.pick();
        }
        let place = self.wait_for_one(Wanter::Body, BLOCKED, Deadline::Never);
        place.expect("a body is not sent away and has no deadline")
    }

    /// A visitor takes a place, and waits for one until the deadline, or until the pool closes.
    pub(crate) fn take_as_visitor(&self, deadline: Deadline) -> Option<u32> {
        self.try_take_as_visitor().or_else(|| self.wait_for_one(Wanter::Visitor, 0, deadline))
    }

    #[cold]
    fn wait_for_one(&self, who: Wanter, less: u64, deadline: Deadline) -> Option<u32> {
        let latch = Latch::new();
        {
            let mut wanted = lock(&self.wanted);
            loop {
                match self.take(who, less) {
                    Ok(_) => {
                        drop(wanted);
                        return Some(self.pick());
                    }
                    Err(census) if who == Wanter::Visitor && census.is_closed() => return None,
                    // Nothing is left to do for a searcher; a body that waits keeps the pool from being over.
                    Err(census) if census.is_over() => return None,
                    Err(_) => {}
                }
                // In the same step that finds no place free: whoever gives one back sees that it is wanted.
                if self.update(|now| (now.free() == 0).then_some(now.0 | who.flag())).is_ok() {
                    break;
                }
            }
            wanted.line(who).push_back(&latch);
        }
        let value = latch.wait(deadline).or_else(|| self.stop_wanting(who, &latch));
        let place = value.filter(|&value| value != SENT_AWAY)?;
        if less != 0 {
            self.word.fetch_sub(less, Ordering::SeqCst);
        }
        Some(place)
    }

    /// The deadline has passed: out of the line; if somebody was faster, the place is there.
    fn stop_wanting(&self, who: Wanter, latch: &Latch) -> Option<u32> {
        let mut wanted = lock(&self.wanted);
        wanted.line(who).retain(|&other| !std::ptr::eq(other, latch));
        self.clear_flags(&wanted);
        latch.get() // set, if at all, under the lock
    }

    /// A body begins (or may) that runs on no place.
    pub(crate) fn enter_without_place(&self) {
        // `taken` steps, too: two looks at a pool at rest must not have it between them.
        let _ = self.update(|census| Some((census.0 + BLOCKED).wrapping_add(TAKEN)));
    }

    /// It has ended; the counters after that.
    pub(crate) fn leave_without_place(&self) -> Census {
        Census(self.word.fetch_sub(BLOCKED, Ordering::SeqCst) - BLOCKED)
    }

    /// If a place is free and nobody searches: becomes the searcher, or makes one (the caller sees to it).
    pub(crate) fn start_searching_if_nobody_does(&self) -> bool {
        self.update(|census| census.needs_a_searcher().then(|| census.0 + SEARCHING)).is_ok()
    }

    /// One more searcher.
    pub(crate) fn start_searching(&self) {
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// One searcher less; the counters after that. Who was the last looks at the queues once more, after a fence.
    pub(crate) fn stop_searching(&self) -> Census {
        let census = Census(self.word.fetch_sub(SEARCHING, Ordering::SeqCst) - SEARCHING);
        fence(Ordering::SeqCst);
        census
    }

    /// No submits from outside any more; visitors that wait for a place are sent away.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let mut wanted = lock(&self.wanted);
        for latch in std::mem::take(&mut wanted.visitors) {
            // SAFETY: it was still in its line, under the lock.
            unsafe { Latch::set(latch, SENT_AWAY) };
        }
        self.clear_flags(&wanted);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_given_than_there_are() {
        let places = Places::new(130);
        let mut taken: Vec<u32> = (0..130).map(|_| places.try_take_as_visitor().expect("free")).collect();
        assert_eq!(places.try_take_as_visitor(), None);
        taken.sort_unstable();
        assert!(taken.iter().copied().eq(0..130), "each once");
        for place in taken {
            let _ = places.give_back(place, Served::Visitors);
        }
        assert!(places.at_rest().is_some());
    }

    #[test]
    fn a_visitor_gives_up_at_its_deadline_and_nothing_is_left_behind() {
        let places = Places::new(1);
        let place = places.try_take_as_visitor().expect("free");
        assert_eq!(places.take_as_visitor(Deadline::from_timeout_ns(1_000_000)), None);
        assert!(!places.census().is_wanted_by_a_visitor());
        places.give_back(place, Served::Visitors);
        assert_eq!(places.take_as_visitor(Deadline::Never), Some(place));
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc, AtomicU32};
    use loom::thread;

    fn hold(shared: &(Places, AtomicU32), place: u32) {
        assert_eq!(shared.1.fetch_add(1, Ordering::Relaxed), 0, "one body at a time");
        shared.1.fetch_sub(1, Ordering::Relaxed);
        let _ = shared.0.give_back(place, Served::Visitors);
    }

    #[test]
    fn a_body_that_wants_its_place_back_gets_it_and_one_place_holds_one_body() {
        model(|| {
            let shared = Arc::new((Places::new(1), AtomicU32::new(0)));
            let body = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Some(place) = shared.0.try_take_as_visitor() {
                        let _ = shared.0.give_up(place, Served::Visitors);
                        let place = shared.0.take_back();
                        hold(&shared, place);
                    }
                })
            };
            let visitor = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Some(place) = shared.0.try_take_as_visitor() {
                        hold(&shared, place);
                    }
                })
            };
            body.join().unwrap();
            visitor.join().unwrap();
            assert!(shared.0.at_rest().is_some());
        });
    }

    #[test]
    fn places_do_not_look_at_rest_while_a_body_waits_for_its_own() {
        model(|| {
            let shared = Arc::new((Places::new(1), AtomicU32::new(0)));
            // One body has waited and wants the place back, which another holds, who is about to wait.
            let place = shared.0.try_take_as_visitor().unwrap();
            let _ = shared.0.give_up(place, Served::Visitors);
            let place = shared.0.try_take_as_visitor().unwrap();
            let waited = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let place = shared.0.take_back();
                    let _ = shared.0.give_back(place, Served::Visitors);
                    if shared.0.at_rest().is_some() {
                        assert_eq!(shared.1.load(Ordering::Relaxed), 1, "the other body has ended");
                    }
                })
            };
            let waits = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let _ = shared.0.give_up(place, Served::Visitors);
                    let place = shared.0.take_back();
                    shared.1.store(1, Ordering::Relaxed);
                    let _ = shared.0.give_back(place, Served::Visitors);
                })
            };
            waited.join().unwrap();
            waits.join().unwrap();
        });
    }
}
