//! Parked threads, and the protocol by which work finds one. The proof is in `sleep.md`, beside this file.
//!
//! ```text
//! parked = lock { [latch, latch, ...] (the last to park is the first to wake), over? }
//! ```

use super::census::Census;
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
            // Nobody to send. While this thread was counted, another may have parked in the belief that somebody
            // searches: the last to stop looks once more.
            let census = places.stop_searching();
            if !census.needs_a_searcher() || crew.surely_no_work() || lock(&self.parked).latches.is_empty() {
                return;
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
mod tests {
    use super::super::census::Served;
    use super::*;
    use crate::sync::{heavy, light, model, Arc, AtomicU32};
    use loom::thread;

    /// A queue of nothing but a count, with the ordering of a real one (a release push, an acquire take), and a fork
    /// stack of at most one half.
    struct Model {
        places: Places,
        sleep: Sleep,
        queue: AtomicU32,
        open: AtomicU32,
        half: AtomicU32,
        ran: AtomicU32,
        is_one_of_two: bool,
    }

    impl Crew for Model {
        fn work_visible(&self) -> bool {
            self.queue.load(Ordering::Relaxed) > 0 || self.half.load(Ordering::Relaxed) > 0
        }

        /// Like pool/fork_stacks.
        fn surely_no_work(&self) -> bool {
            (self.open.load(Ordering::Relaxed) == 0 || heavy()) && !self.work_visible()
        }

        fn start_thread(&self) -> bool {
            false
        }

        fn longest_park(&self) -> Deadline {
            if self.has_surplus() {
                Deadline::Now
            } else {
                Deadline::Never
            }
        }
    }

    impl Model {
        fn new(places: u32, is_one_of_two: bool) -> Arc<Self> {
            let word = || AtomicU32::new(0);
            let (queue, open, half, ran) = (word(), word(), word(), word());
            let (places, sleep) = (Places::new(places), Sleep::new());
            Arc::new(Self { places, sleep, queue, open, half, ran, is_one_of_two })
        }

        /// Like pool/resize.
        fn resize(&self, places: u32) {
            assert!(self.places.set_limit(places));
            self.sleep.ask(usize::from(self.has_surplus()));
            self.sleep.cover(self.places.census(), &self.places, self);
        }

        fn has_surplus(&self) -> bool {
            self.is_one_of_two && self.places.threads() < 2
        }

        fn notify(&self) {
            self.sleep.notify(&self.places, self);
        }

        fn submit(&self) {
            self.queue.fetch_add(1, Ordering::Release);
            self.notify();
        }

        /// Like pool/nested, of a thread that holds a place: opens a fork stack, and pushes a half that stays there.
        fn fork(&self) {
            self.open.fetch_add(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.half.store(1, Ordering::Release);
            light();
            if !self.places.census().is_just_full() && self.places.census().needs_a_searcher() {
                self.notify();
            }
        }

        fn take(&self) -> bool {
            self.half.swap(0, Ordering::Acquire) > 0 || self.take_queued()
        }

        fn take_queued(&self) -> bool {
            self.queue
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |queued| queued.checked_sub(1))
                .is_ok()
        }

        /// Like pool/worker: search, take a place, run until dry, search, park; ends after `tasks`.
        fn work(&self, tasks: u32) {
            loop {
                if self.work_visible() {
                    if let Some(place) = self.places.try_take_from_search() {
                        if self.work_visible() {
                            self.notify();
                        }
                        while self.take() {
                            if self.ran.fetch_add(1, Ordering::Relaxed) + 1 == tasks {
                                self.sleep.end_all();
                            }
                        }
                        let _ = self.places.give_back_and_search(place);
                    }
                }
                if self.sleep.park(&self.places, self) == Wake::End {
                    return;
                }
            }
        }
    }

    /// A pool of one place, and its only thread, which ends after so many tasks.
    fn model_with_worker(tasks: u32) -> (Arc<Model>, thread::JoinHandle<()>) {
        let pool = Model::new(1, false);
        pool.places.start_searching();
        let worker = {
            let pool = pool.clone();
            thread::spawn(move || pool.work(tasks))
        };
        (pool, worker)
    }

    #[test]
    fn a_task_pushed_just_before_the_last_searcher_parks_is_run() {
        model(|| {
            let (pool, worker) = model_with_worker(1);
            pool.submit();
            worker.join().unwrap();
        });
    }

    #[test]
    fn tasks_of_two_producers_are_run_by_one_sleepy_worker() {
        model(|| {
            let (pool, worker) = model_with_worker(2);
            let producer = {
                let pool = pool.clone();
                thread::spawn(move || pool.submit())
            };
            pool.submit();
            producer.join().unwrap();
            worker.join().unwrap();
        });
    }

    #[test]
    fn work_that_found_no_place_free_is_run_on_one_that_a_resize_adds() {
        model(|| {
            let pool = Model::new(1, false);
            let _held_for_ever = pool.places.try_take().unwrap();
            pool.places.start_searching();
            let worker = {
                let pool = pool.clone();
                thread::spawn(move || pool.work(1))
            };
            let grower = {
                let pool = pool.clone();
                thread::spawn(move || pool.resize(2))
            };
            pool.submit();
            grower.join().unwrap();
            worker.join().unwrap();
        });
    }

    #[test]
    fn a_thread_that_parks_while_its_pool_becomes_smaller_learns_that_it_is_too_many() {
        model(|| {
            let pool = Model::new(2, true);
            pool.places.start_searching();
            let parks = {
                let pool = pool.clone();
                thread::spawn(move || assert_eq!(pool.sleep.park(&pool.places, &*pool), Wake::Idle))
            };
            let shrinker = {
                let pool = pool.clone();
                thread::spawn(move || pool.resize(1))
            };
            shrinker.join().unwrap();
            parks.join().unwrap();
        });
    }

    #[test]
    fn work_that_came_while_all_places_were_taken_to_give_memory_back_is_run_after_it() {
        model(|| {
            let (pool, worker) = model_with_worker(1);
            let keeper = {
                let pool = pool.clone();
                thread::spawn(move || {
                    if let Some(left) = pool.places.with_all(|| ()) {
                        pool.sleep.cover(left, &pool.places, &*pool);
                    }
                })
            };
            pool.submit();
            keeper.join().unwrap();
            worker.join().unwrap();
        });
    }

    #[test]
    fn work_that_came_while_a_helper_held_the_only_place_is_run_after_it() {
        model(|| {
            let (pool, worker) = model_with_worker(1);
            let helper = {
                let pool = pool.clone();
                thread::spawn(move || {
                    if let Some(place) = pool.places.try_take() {
                        let left = pool.places.give_back(place, Served::Visitors);
                        pool.sleep.cover(left, &pool.places, &*pool);
                    }
                })
            };
            pool.submit();
            helper.join().unwrap();
            worker.join().unwrap();
        });
    }

    /// A pool of so many places, one of them held for ever, and its only thread that comes for work.
    fn model_with_owner_and_worker(places: u32) -> (Arc<Model>, thread::JoinHandle<()>) {
        let pool = Model::new(places, false);
        let _held_for_ever = pool.places.try_take().unwrap();
        pool.places.start_searching();
        let worker = {
            let pool = pool.clone();
            thread::spawn(move || pool.work(1))
        };
        (pool, worker)
    }

    fn forks(pool: &Arc<Model>) -> thread::JoinHandle<()> {
        let pool = pool.clone();
        thread::spawn(move || pool.fork())
    }

    #[test]
    fn a_half_pushed_just_before_the_last_searcher_parks_is_taken() {
        model(|| {
            let (pool, worker) = model_with_owner_and_worker(2);
            forks(&pool).join().unwrap();
            worker.join().unwrap();
        });
    }

    #[test]
    fn a_half_that_was_pushed_while_a_visitor_held_the_other_place_is_taken_after_it() {
        model(|| {
            let (pool, worker) = model_with_owner_and_worker(2);
            let owner = forks(&pool);
            if let Some(permit) = pool.places.try_take_as_visitor() {
                let left = pool.places.give_permit_back(permit, || Served::Visitors);
                pool.sleep.cover(left, &pool.places, &*pool);
            }
            owner.join().unwrap();
            worker.join().unwrap();
        });
    }
}
