//! Places: the right to run task bodies. A pool of `n` threads has `n` of them, each with a deque.
//!
//! A body runs only on a thread that holds a place: that is the whole bound on concurrency. Go's scheduler splits
//! its P from its M for the same end. All counters are in one word, so that each change of who is what is one
//! read-modify-write, and "is anybody coming?" is one load. `pool/sleep.md` says why no work is overlooked;
//! `resize.rs` changes how many places there are.

use super::census::*;
use super::free_set::FreeSet;
use super::wanted::{Wanted, Wanter};
use crate::sync::{fence, fence_after_rmw, lock, AtomicU64, Deadline, Latch, Mutex, MutexGuard, Ordering};

/// More threads than this are refused; the counters of the word hold several times as many.
pub(crate) const MOST: u32 = if cfg!(loom) { 64 } else { 4096 };

/// Value of the latch of a visitor that is sent away; places are numbered below it.
const SENT_AWAY: u32 = u32::MAX / 2;

/// Why a visitor gets no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoPlace {
    /// The deadline has passed.
    TooLate,
    /// The pool is closed, or has become one of one thread: it lets no visitors in.
    SentAway,
}

/// The places of a pool. Both words on one line: whoever looks at one looks at the other.
#[repr(C, align(128))]
pub(crate) struct Places {
    pub(super) word: AtomicU64,
    pub(super) limit: AtomicU64,
    free_set: FreeSet,
    wanted: Mutex<Wanted>,
}

impl Places {
    pub(crate) fn new(threads: u32) -> Self {
        debug_assert!((1..=MOST).contains(&threads));
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU64::new(Limit::new(threads).0),
            free_set: FreeSet::new(),
            wanted: Mutex::new(Wanted::nobody()),
        }
    }

    /// How many places may be held. Relaxed: `update` and the fences say when it is up to date.
    pub(super) fn limit(&self) -> Limit {
        Limit(self.limit.load(Ordering::Relaxed))
    }

    pub(crate) fn threads(&self) -> u32 {
        self.limit().threads()
    }

    fn census_of(&self, word: u64) -> Census {
        Census { word, limit: self.limit() }
    }

    /// The counters now. Relaxed: who decides to sleep or not to wake by them fences first.
    pub(crate) fn census(&self) -> Census {
        self.census_of(self.word.load(Ordering::Relaxed))
    }

    /// Whether the pool is closed now, by one load.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// The counters after a SeqCst fence: what was pushed before this is seen by whoever stops searching after it.
    pub(crate) fn census_after_push(&self) -> Census {
        fence(Ordering::SeqCst);
        self.census()
    }

    /// The same after a push into the injector, which ends in a SeqCst read-modify-write. A SeqCst load comes after that
    /// in the order that such accesses and fences have in common, so no fence is due: one that costs as much as the push.
    #[inline]
    pub(crate) fn census_after_injection(&self) -> Census {
        // Loom takes SeqCst accesses for less.
        #[cfg(loom)]
        fence(Ordering::SeqCst);
        self.census_of(self.word.load(Ordering::SeqCst))
    }

    /// Whether nobody holds a place or wants one back. If the queues are empty between two such looks and no place
    /// was taken between them, the pool is idle: what has a place could put something into a queue that was looked at already.
    pub(crate) fn at_rest(&self) -> Option<Census> {
        fence(Ordering::SeqCst);
        let census = self.census_of(self.word.load(Ordering::Acquire));
        fence(Ordering::SeqCst);
        census.is_at_rest().then_some(census)
    }

    /// Ends a closed pool whose queues were found empty since `at_rest` gave this census: in one step with "no place
    /// was taken since". A submit that comes later finds nobody to run its task, and takes it back. False if a place
    /// was taken meanwhile, or the pool is over already.
    pub(crate) fn end(&self, since: Census) -> bool {
        self.update(|now| {
            let at_rest = now.is_at_rest() && now.taken() == since.taken();
            (at_rest && now.is_closed() && !now.is_over()).then_some(now.word | OVER)
        })
        .is_ok()
    }

    /// Changes the word by `change` if `change` gives a new one.
    #[inline]
    fn update(&self, change: impl Fn(Census) -> Option<u64>) -> Result<Census, Census> {
        // Acquire, here and below: pairs with the step of `taken` in `set_limit`. The limit is read after it, so the
        // compare-exchange fails if the limit was another at that step.
        let mut seen = self.word.load(Ordering::Acquire);
        loop {
            let census = self.census_of(seen);
            let Some(next) = change(census) else { return Err(census) };
            // SeqCst (AcqRel, and in one order with the fences): Acquire pairs with the Release of who gave the
            // place back, and brings its deque along.
            match self.word.compare_exchange_weak(seen, next, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return Ok(Census { word: next, limit: census.limit }),
                Err(now) => seen = now,
            }
        }
    }

    /// Which place, for a permit that was taken when the limit was this.
    fn pick(&self, taken: Census) -> u32 {
        self.number(taken.limit)
    }

    /// A visitor takes a place if one is free. Not once the pool is closed (what it would start then could come too
    /// late for the pool's threads), and not if it is one of one thread (which runs all in order).
    ///
    /// Which place that is most visitors never ask: picking one would cost them a read-modify-write, and putting it back
    /// another. So this is a permit, the limit under which it was taken; `number` picks the place, then or later.
    #[inline]
    pub(crate) fn try_take_as_visitor(&self) -> Option<Limit> {
        self.take(Wanter::Visitor, 0).ok().map(|taken| taken.limit)
    }

    /// Picks a place for the holder of a permit.
    pub(crate) fn number(&self, permit: Limit) -> u32 {
        self.free_set.take(permit, || self.limit())
    }

    /// Gives a place back for which no number was picked.
    #[inline]
    pub(crate) fn give_permit_back(&self, permit: Limit, served: impl FnOnce() -> Served) -> Census {
        match self.update(|census| (!census.is_wanted()).then(|| census.word - BUSY)) {
            Ok(census) => census,
            Err(_) => self.give_back(self.number(permit), served()),
        }
    }

    /// Takes a place if one is free, as nobody in particular.
    #[cfg(test)]
    pub(super) fn try_take(&self) -> Option<u32> {
        self.take(Wanter::Body, 0).ok().map(|taken| self.pick(taken))
    }

    /// A searcher takes a place and searches no more.
    pub(crate) fn try_take_from_search(&self) -> Option<u32> {
        self.take(Wanter::Body, SEARCHING).ok().map(|taken| self.pick(taken))
    }

    /// A searcher takes a place, and waits for one if it must, before those who come later. `None` once the pool is over.
    pub(crate) fn take_from_search_in_line(&self) -> Option<u32> {
        self.wait_for_one(Wanter::Body, SEARCHING, Deadline::Never).ok()
    }

    #[inline]
    fn take(&self, who: Wanter, less: u64) -> Result<Census, Census> {
        self.update(|census| {
            let welcome = !census.is_over() && (who == Wanter::Body || census.lets_visitors_in());
            (census.free() > 0 && welcome).then(|| (census.word + BUSY - less).wrapping_add(TAKEN))
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
            self.free_set.put(place);
            match self.update(|census| (!census.is_wanted_by(served)).then(|| census.word - BUSY + more)) {
                Ok(census) => return census,
                // Wanted after all: a bit out again (whichever; there is one too many), and once more.
                Err(census) => place = self.pick(census),
            }
        }
    }

    /// Gives a place to the first who waits for one; false if nobody does, or fewer places may be held by now.
    #[cold]
    fn hand_over(&self, mut place: u32, served: Served) -> bool {
        let mut wanted = lock(&self.wanted);
        let census = self.census();
        let next = if census.is_wanted_by(served) { wanted.next(served) } else { None };
        self.clear_flags(&wanted);
        let Some(latch) = next else { return false };
        if !census.allows(place) {
            // Another for it: as no more are held than the limit says, and this one is past it, one below is free.
            self.free_set.put(place);
            place = self.pick(census);
        }
        // SAFETY: the entry was still in its line, so its owner waits for exactly this. Under the lock.
        unsafe { Latch::set(latch, place) };
        true
    }

    /// Gives a free place to the first in line, if there are both. Whoever gets `Some` has given a place back and
    /// covers it: the line may have become empty meanwhile.
    pub(crate) fn serve(&self, served: Served) -> Option<Census> {
        if !self.census().is_wanted_by(served) {
            return None;
        }
        let taken = self.take(Wanter::Body, 0).ok()?;
        Some(self.give(self.pick(taken), served, 0))
    }

    /// Does something while all places are the caller's, and no resize makes more; then gives them back. Not if any is held, or
    /// wanted by a body. The counters after that; the caller covers them.
    pub(super) fn with_all(&self, work: impl FnOnce()) -> Option<Census> {
        let (taken, count) = {
            // The limit changes under this lock.
            let _wanted = lock(&self.wanted);
            let count = u64::from(self.threads());
            let all = |census: Census| (census.word + count * BUSY).wrapping_add(TAKEN);
            let taken =
                self.update(|census| (census.is_at_rest() && !census.is_over()).then(|| all(census))).ok()?;
            work();
            (taken, count)
        };
        (0..count).map(|_| self.give(self.pick(taken), Served::Visitors, 0)).last()
    }

    fn clear_flags(&self, wanted: &Wanted) {
        self.word.fetch_and(!wanted.flags_of_empty_lines(), Ordering::SeqCst);
    }

    /// A body takes a place after its wait, and waits for one if it must. Bodies come before new tasks.
    pub(crate) fn take_back(&self) -> u32 {
        if let Ok(taken) = self.take(Wanter::Body, BLOCKED) {
            return self.pick(taken);
        }
        let place = self.wait_for_one(Wanter::Body, BLOCKED, Deadline::Never);
        place.expect("a body is not sent away and has no deadline")
    }

    /// A visitor takes a place, and waits for one until the deadline, or until it is sent away.
    pub(crate) fn take_as_visitor(&self, deadline: Deadline) -> Result<u32, NoPlace> {
        match self.try_take_as_visitor() {
            Some(permit) => Ok(self.number(permit)),
            None => self.wait_for_one(Wanter::Visitor, 0, deadline),
        }
    }

    #[cold]
    fn wait_for_one(&self, who: Wanter, less: u64, deadline: Deadline) -> Result<u32, NoPlace> {
        let latch = Latch::new();
        {
            let mut wanted = lock(&self.wanted);
            loop {
                match self.take(who, less) {
                    Ok(taken) => {
                        drop(wanted);
                        return Ok(self.pick(taken));
                    }
                    Err(census) if who == Wanter::Visitor && !census.lets_visitors_in() => {
                        return Err(NoPlace::SentAway);
                    }
                    // Nothing is left to do for a searcher; a body that waits keeps the pool from being over.
                    Err(census) if census.is_over() => return Err(NoPlace::SentAway),
                    Err(_) => {}
                }
                // In the same step that finds no place free: whoever gives one back sees that it is wanted. (And
                // the limit doesn't change under the lock.)
                if self.update(|now| (now.free() == 0).then_some(now.word | who.flag())).is_ok() {
                    break;
                }
            }
            wanted.line(who).push_back(&latch);
        }
        match latch.wait(deadline).or_else(|| self.stop_wanting(who, &latch)) {
            None => Err(NoPlace::TooLate),
            Some(SENT_AWAY) => Err(NoPlace::SentAway),
            Some(place) => {
                if less != 0 {
                    self.word.fetch_sub(less, Ordering::SeqCst);
                }
                Ok(place)
            }
        }
    }

    /// The deadline has passed: out of the line; if somebody was faster, the place is there.
    fn stop_wanting(&self, who: Wanter, latch: &Latch) -> Option<u32> {
        let mut wanted = lock(&self.wanted);
        wanted.line(who).retain(|&other| !std::ptr::eq(other, latch));
        self.clear_flags(&wanted);
        latch.get() // set, if at all, under the lock
    }

    /// A body begins (or may) that runs on no place; or something is canceled that is in no queue any more.
    pub(crate) fn enter_without_place(&self) {
        // `taken` steps, too: two looks at a pool at rest must not have it between them.
        let _ = self.update(|census| Some((census.word + BLOCKED).wrapping_add(TAKEN)));
    }

    /// That has ended; the counters after it.
    pub(crate) fn leave_without_place(&self) -> Census {
        self.census_of(self.word.fetch_sub(BLOCKED, Ordering::SeqCst) - BLOCKED)
    }

    /// If a place is free and nobody searches: becomes the searcher, or makes one (the caller sees to it).
    pub(crate) fn start_searching_if_nobody_does(&self) -> bool {
        self.update(|census| census.needs_a_searcher().then(|| census.word + SEARCHING)).is_ok()
    }

    /// One more searcher.
    pub(crate) fn start_searching(&self) {
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// One searcher less; the counters after that. Who was the last looks at the queues once more, after a fence.
    pub(crate) fn stop_searching(&self) -> Census {
        let word = self.word.fetch_sub(SEARCHING, Ordering::SeqCst) - SEARCHING;
        fence_after_rmw();
        self.census_of(word)
    }

    /// No submits from outside any more; visitors that wait for a place are sent away.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.send_visitors_away(lock(&self.wanted));
    }

    fn send_visitors_away(&self, mut wanted: MutexGuard<'_, Wanted>) {
        for latch in wanted.take_visitors() {
            // SAFETY: it was still in its line, under the lock.
            unsafe { Latch::set(latch, SENT_AWAY) };
        }
        self.clear_flags(&wanted);
    }

    /// So many places may be held from now on; false if it was that many already. The caller serves those who wait
    /// for one, and looks for work and for idleness.
    pub(super) fn set_limit(&self, threads: u32) -> bool {
        let wanted = lock(&self.wanted);
        let limit = self.limit();
        if limit.threads() == threads {
            return false;
        }
        self.limit.store(limit.resized(threads).0, Ordering::Relaxed);
        // Another value of the word, so that every change that is under way looks at the limit again: pairs with the
        // Acquire in `update`. (It wraps.)
        self.word.fetch_add(TAKEN, Ordering::SeqCst);
        if threads == 1 {
            self.send_visitors_away(wanted);
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_more_places_are_given_than_there_are() {
        let places = Places::new(130);
        let permits: Vec<Limit> = (0..130).map(|_| places.try_take_as_visitor().expect("free")).collect();
        assert_eq!(places.try_take_as_visitor(), None);
        let mut taken: Vec<u32> = permits.into_iter().map(|permit| places.number(permit)).collect();
        taken.sort_unstable();
        assert!(taken.iter().copied().eq(0..130), "each once");
        for place in taken {
            let _ = places.give_back(place, Served::Visitors);
        }
        assert!(places.at_rest().is_some());
    }

    #[test]
    fn a_visitor_gives_up_at_its_deadline_and_nothing_is_left_behind() {
        let places = Places::new(2);
        let _ = places.try_take().expect("free");
        let place = places.try_take().expect("free");
        assert_eq!(places.take_as_visitor(Deadline::from_timeout_ns(1_000_000)), Err(NoPlace::TooLate));
        assert!(!places.census().is_wanted_by_a_visitor());
        places.give_back(place, Served::Visitors);
        assert_eq!(places.take_as_visitor(Deadline::Never), Ok(place));
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
                    if let Some(place) = shared.0.try_take() {
                        let _ = shared.0.give_up(place, Served::Visitors);
                        let place = shared.0.take_back();
                        hold(&shared, place);
                    }
                })
            };
            let visitor = {
                let shared = shared.clone();
                thread::spawn(move || {
                    if let Some(place) = shared.0.try_take() {
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
            let place = shared.0.try_take().unwrap();
            let _ = shared.0.give_up(place, Served::Visitors);
            let place = shared.0.try_take().unwrap();
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
