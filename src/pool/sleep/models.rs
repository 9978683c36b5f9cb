//! The protocol with models of a pool, every interleaving of them (loom).

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
        self.has_entries() || self.places.census().is_wanted_by_a_visitor()
    }

    /// Like pool/fork_stacks.
    fn surely_no_work(&self) -> bool {
        (self.open.load(Ordering::Relaxed) == 0 || heavy()) && !self.work_visible()
    }

    fn start_thread(&self) -> bool {
        false
    }

    fn note_given_back(&self, _: Census) {}

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

    fn has_entries(&self) -> bool {
        self.queue.load(Ordering::Relaxed) > 0 || self.half.load(Ordering::Relaxed) > 0
    }

    /// Like pool/core, of a body that blocks.
    fn give_up(&self, place: u32) {
        let served = if self.has_entries() { Served::Bodies } else { Served::Visitors };
        let left = self.places.give_up(place, served);
        self.sleep.cover(left, &self.places, self);
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
        self.queue.fetch_update(Ordering::Acquire, Ordering::Relaxed, |queued| queued.checked_sub(1)).is_ok()
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

#[test]
fn a_visitor_in_line_gets_the_place_that_was_left_to_a_waker_who_finds_nobody_to_wake() {
    model(|| {
        let pool = Model::new(2, false);
        let _held_for_ever = pool.places.try_take().unwrap();
        let place = pool.places.try_take().unwrap();
        pool.queue.store(1, Ordering::Relaxed);
        let visitor = {
            let pool = pool.clone();
            thread::spawn(move || assert!(pool.places.take_as_visitor(Deadline::Never).is_ok()))
        };
        let blocks = {
            let pool = pool.clone();
            thread::spawn(move || pool.give_up(place))
        };
        let wakes = {
            let pool = pool.clone();
            thread::spawn(move || pool.notify())
        };
        wakes.join().unwrap();
        blocks.join().unwrap();
        visitor.join().unwrap();
    });
}
