//! Parked threads, and the protocol by which work finds one. The proof is in `sleep.md`, beside this file.
//!
//! ```text
//! parked = lock { [latch, latch, ...] (the last to park is the first to wake), over? }
//! ```

use super::census::Census;
use super::places::Places;
use crate::sync::{fence, lock, Deadline, Latch, Mutex, Ordering};

/// Why a parked thread goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wake {
    /// There may be work: it is a searcher, counted as one by whoever woke it.
    Search,
    /// The pool is over.
    End,
    /// Nobody woke it in time; it is not counted as anything.
    TimedOut,
}

const SEARCH: u32 = 0;
const END: u32 = 1;

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
    pub(crate) fn park(&self, places: &Places, deadline: Deadline, crew: &impl Crew) -> Wake {
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
        let overlooked = census.searching() == 0 && places.census().free() > 0 && crew.work_visible()
            || crew.is_lent() && crew.work_for_lent();
        if overlooked && self.leave(&latch) {
            places.start_searching();
            return Wake::Search;
        }
        match latch.wait(deadline) {
            Some(END) => Wake::End,
            Some(_) => Wake::Search,
            None if self.leave(&latch) => Wake::TimedOut,
            None => match latch.wait(Deadline::Never) {
                Some(END) => Wake::End,
                _ => Wake::Search,
            },
        }
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
        let census = places.census_after_push();
        if census.needs_a_searcher() {
            self.wake_somebody(places, crew);
        }
        census
    }

    /// A place was given back by somebody who looks no further: if there is work, somebody else must come.
    pub(crate) fn cover(&self, places: &Places, crew: &impl Crew) {
        // SeqCst: pairs with the fence in `census_after_push`. Either the pusher sees the place that is free, or we
        // see what it pushed.
        fence(Ordering::SeqCst);
        if crew.work_visible() {
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
            if !census.needs_a_searcher() || !crew.work_visible() || lock(&self.parked).latches.is_empty() {
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
    use crate::sync::{model, Arc, AtomicU32};
    use loom::thread;

    /// A queue of nothing but a count, with the ordering of a real one (a release push, an acquire take).
    struct Model {
        places: Places,
        sleep: Sleep,
        queue: AtomicU32,
        ran: AtomicU32,
    }

    impl Crew for Model {
        fn work_visible(&self) -> bool {
            self.queue.load(Ordering::Relaxed) > 0
        }

        fn start_thread(&self) -> bool {
            false
        }
    }

    impl Model {
        fn new(places: u32) -> Arc<Self> {
            let (queue, ran) = (AtomicU32::new(0), AtomicU32::new(0));
            Arc::new(Self { places: Places::new(places), sleep: Sleep::new(), queue, ran })
        }

        fn notify(&self) {
            self.sleep.notify(&self.places, self);
        }

        fn submit(&self) {
            self.queue.fetch_add(1, Ordering::Release);
            self.notify();
        }

        fn take(&self) -> bool {
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
                if self.sleep.park(&self.places, Deadline::Never, self) == Wake::End {
                    return;
                }
            }
        }
    }

    /// A pool of one place, and its only thread, which ends after so many tasks.
    fn model_with_worker(tasks: u32) -> (Arc<Model>, thread::JoinHandle<()>) {
        let pool = Model::new(1);
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
    fn work_that_came_while_a_helper_held_the_only_place_is_run_after_it() {
        model(|| {
            let (pool, worker) = model_with_worker(1);
            let helper = {
                let pool = pool.clone();
                thread::spawn(move || {
                    if let Some(place) = pool.places.try_take_as_visitor() {
                        let _ = pool.places.give_back(place, Served::Visitors);
                        pool.sleep.cover(&pool.places, &*pool);
                    }
                })
            };
            pool.submit();
            helper.join().unwrap();
            worker.join().unwrap();
        });
    }
}
