//! Parked threads, and the protocol by which work finds one. The proof is in `sleep.md`, beside this file.
//!
//! ```text
//! parked = lock { [latch, latch, ...] (the last to park is the first to wake), over? }
//! ```

use super::census::{Census, Served};
use super::places::Places;
use crate::sync::{fence, fence_after_rmw, lock, Deadline, Latch, Mutex, Ordering};
use std::time::Duration;

/// Why a parked thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// There may be work: it is a searcher, counted as one by whoever woke it.
    Search,
    /// The pool is over.
    End,
    /// Nobody woke it for work in time, or it was asked whether it is one too many; it is not counted as anything.
    Idle,
}

const SEARCH: u32 = 0;
const END: u32 = 1;
const ASKED: u32 = 2;

impl Wake {
    fn from_latch(value: u32) -> Self {
        match value {
            SEARCH => Self::Search,
            ASKED => Self::Idle,
            _ => Self::End,
        }
    }
}

struct Parked {
    /// And whether the thread is lent.
    latches: Vec<(*const Latch, bool)>,
    over: bool,
}

// SAFETY: a latch is in the list only while its thread is in `park`, which it leaves only after the latch was set
// or after taking it out of the list itself.
unsafe impl Send for Parked {}

/// What the protocol asks of a pool.
pub(crate) trait Crew {
    /// Whether any queue has an entry.
    fn work_visible(&self) -> bool;
    /// Whether there is none, also of the kind whose pushers don't fence. To be called after a SeqCst fence.
    fn surely_no_work(&self) -> bool {
        !self.work_visible()
    }
    /// Starts a thread as a searcher that is counted already; false if that can't be.
    fn start_thread(&self) -> bool;
    /// A place was given back on the way; `left`: the counters that this step has left.
    fn note_given_back(&self, left: Census);
    /// Whether the thread that asks is lent.
    fn is_lent(&self) -> bool {
        false
    }
    /// Whether there is work that only a lent thread can do.
    fn work_for_lent(&self) -> bool {
        false
    }
    /// How long the thread that asks lets others go first before it sleeps; it counts as asleep.
    fn lingers(&self) -> Duration {
        Duration::ZERO
    }
    /// How long a thread may be parked before it comes back as `Wake::Idle`. Asked when it is in the list already, so
    /// that a resize either finds it there or is seen by it.
    fn longest_park(&self) -> Deadline;
}

/// The parked threads of a pool.
pub(crate) struct Sleep {
    parked: Mutex<Parked>,
}

impl Sleep {
    pub(crate) fn new() -> Self {
        Self { parked: Mutex::new(Parked { latches: Vec::new(), over: false }) }
    }

    /// Parks the calling searcher, unless it was the last one and there is work that it can do.
    pub(crate) fn park(&self, places: &Places, crew: &impl Crew) -> Wake {
        let latch = Latch::new();
        {
            let mut parked = lock(&self.parked);
            if parked.over {
                places.stop_searching();
                return Wake::End;
            }
            parked.latches.push((&raw const latch, crew.is_lent()));
        }
        // In the list first, then out of the count: who sees nobody searching finds this thread in the list.
        let census = places.stop_searching();
        let overlooked = census.searching() == 0 && places.census().free() > 0 && !crew.surely_no_work()
            || crew.is_lent() && crew.work_for_lent();
        if overlooked && self.leave(&latch) {
            places.start_searching();
            return Wake::Search;
        }
        let lingers = crew.lingers();
        if !lingers.is_zero() {
            latch.linger(lingers);
        }
        let mut value = latch.wait(crew.longest_park());
        if value.is_none() && !self.leave(&latch) {
            value = latch.wait(Deadline::Never);
        }
        value.map_or(Wake::Idle, Wake::from_latch)
    }

    /// How many threads are parked.
    pub(crate) fn parked(&self) -> usize {
        lock(&self.parked).latches.len()
    }

    /// Out of the list; false if somebody took it out to wake it.
    fn leave(&self, latch: &Latch) -> bool {
        let mut parked = lock(&self.parked);
        let before = parked.latches.len();
        parked.latches.retain(|&(other, _)| !std::ptr::eq(other, latch));
        parked.latches.len() < before
    }

    /// Work was pushed: sees to it that somebody comes for it. Returns the counters it decided by.
    pub(crate) fn notify(&self, places: &Places, crew: &impl Crew) -> Census {
        self.notify_by(places.census_after_push(), places, crew)
    }

    /// The same after a push into the injector.
    #[inline]
    pub(crate) fn notify_of_injected(&self, places: &Places, crew: &impl Crew) -> Census {
        self.notify_by(places.census_after_injection(), places, crew)
    }

    #[inline]
    fn notify_by(&self, census: Census, places: &Places, crew: &impl Crew) -> Census {
        if census.needs_a_searcher() {
            self.wake_somebody(places, crew);
        }
        census
    }

    /// A place was given back by somebody who looks no further: if there is work, somebody else must come. `after`: the
    /// counters that his step, a read-modify-write of the places' word, has left, or later ones. Whoever searches by them looks
    /// before he parks, so the giver need not.
    #[inline]
    pub(crate) fn cover(&self, after: Census, places: &Places, crew: &impl Crew) {
        if after.needs_a_searcher() {
            self.cover_unless_idle(places, crew);
        }
    }

    #[inline(never)]
    fn cover_unless_idle(&self, places: &Places, crew: &impl Crew) {
        // Pairs with the fence in `census_after_push`. Either the pusher sees the place that is free, or we see what it
        // pushed.
        fence_after_rmw();
        if !crew.surely_no_work() {
            self.notify(places, crew);
        }
    }

    /// Wakes one parked thread or starts one, unless somebody searches already.
    #[cold]
    fn wake_somebody(&self, places: &Places, crew: &impl Crew) {
        while places.start_searching_if_nobody_does() {
            if self.wake_one() || crew.start_thread() {
                return;
            }
            // Nobody to send. While this thread was counted, another may have parked, or given a place back for which a
            // visitor waits, in the belief that somebody searches: the last to stop looks once more.
            let census = places.stop_searching();
            if !census.needs_a_searcher() || crew.surely_no_work() {
                return;
            }
            if lock(&self.parked).latches.is_empty() {
                // Nobody will come, and a visitor in line needs nobody.
                let Some(left) = places.serve(Served::Visitors) else { return };
                crew.note_given_back(left);
            }
        }
    }

    /// Wakes one parked thread, as the searcher that the caller has counted already. False if none is parked.
    fn wake_one(&self) -> bool {
        let latch = {
            let mut parked = lock(&self.parked);
            // The pool's own first: a lent one may be wanted for what only it can do.
            let Some(last) =
                parked.latches.iter().rposition(|&(_, lent)| !lent).or(parked.latches.len().checked_sub(1))
            else {
                return false;
            };
            parked.latches.remove(last).0
        };
        // SAFETY: we took it out of the list, so its thread waits until it is set.
        unsafe { Latch::set(latch, SEARCH) };
        true
    }

    /// Work was pushed that only a lent thread can do: wakes one, if one is parked. Those that aren't look for it before
    /// they park.
    pub(crate) fn wake_lent(&self, places: &Places) {
        // SeqCst: pairs with the fence in `stop_searching`. Either the thread that parks sees what was pushed, or we see
        // it in the list.
        fence(Ordering::SeqCst);
        let latch = {
            let mut parked = lock(&self.parked);
            let Some(last) = parked.latches.iter().rposition(|&(_, lent)| lent) else { return };
            parked.latches.remove(last).0
        };
        places.start_searching();
        // SAFETY: as in `wake_one`.
        unsafe { Latch::set(latch, SEARCH) };
    }

    /// Asks so many parked threads, those who have slept longest, whether they are too many.
    pub(crate) fn ask(&self, count: usize) {
        let asked: Vec<_> = {
            let mut parked = lock(&self.parked);
            let count = count.min(parked.latches.len());
            (0..count)
                .filter_map(|_| {
                    let first = parked.latches.iter().position(|&(_, lent)| !lent)?;
                    Some(parked.latches.remove(first).0)
                })
                .collect()
        };
        for latch in asked {
            // SAFETY: as in `wake_one`.
            unsafe { Latch::set(latch, ASKED) };
        }
    }

    /// Ends all parked threads, and every one that would park from now on.
    pub(crate) fn end_all(&self) {
        let latches = {
            let mut parked = lock(&self.parked);
            parked.over = true;
            std::mem::take(&mut parked.latches)
        };
        for (latch, _) in latches {
            // SAFETY: as in `wake_one`.
            unsafe { Latch::set(latch, END) };
        }
    }
}

#[cfg(all(test, loom))]
mod models;
