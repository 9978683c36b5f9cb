//! More places or fewer, while the pool is at work.
//!
//! ```text
//! set the limit -+-> more:   bodies in line get places, somebody comes for what is queued, threads start as needed
//!                +-> fewer:  who runs goes on; its place is given back after the task; threads that are too many end
//! ```
//!
//! Nothing is taken from anybody. Who starts a body looks whether he may (`Census::lets_start_on`): a body that begins
//! after the call was told of the new limit by the queue that brought it.

use super::census::Served;
#[cfg(not(loom))]
use super::core::Pool;
use super::places::Places;
#[cfg(not(loom))]
use super::status::{Error, Status};

/// From now on so many bodies may run at a time.
#[cfg(not(loom))]
pub(crate) fn resize(pool: &Pool, threads: u32) -> Result<(), Error> {
    if pool.places.census().is_closed() {
        return Err(Status::Closed.into());
    }
    pool.deques.reach(threads);
    if set_limit(&pool.places, threads) {
        pool.injector.let_takers_pass();
        pool.end_surplus();
        // The step of the word may have kept others from seeing that the pool is idle, or over.
        pool.cover(pool.places.census());
        pool.tell_if_idle();
    }
    Ok(())
}

/// The places' part of it; false if there is nothing to do.
fn set_limit(places: &Places, threads: u32) -> bool {
    let changed = places.set_limit(threads);
    while changed && places.serve(Served::Bodies).is_some() {}
    changed
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    fn spawn<T: 'static>(
        places: &Arc<Places>,
        body: impl FnOnce(&Places) -> T + 'static,
    ) -> thread::JoinHandle<T> {
        let places = places.clone();
        thread::spawn(move || body(&places))
    }

    fn give_back(places: &Places, place: u32) {
        let _ = places.give_back(place, Served::Visitors);
    }

    /// Places of which a body gave one up, and wants one back; so many others are held.
    fn with_a_body_that_waited(count: u32, held: usize) -> (Arc<Places>, Vec<u32>) {
        let places = Arc::new(Places::new(count));
        let place = places.try_take().unwrap();
        let _ = places.give_up(place, Served::Visitors);
        let held = (0..held).map(|_| places.try_take().unwrap()).collect();
        (places, held)
    }

    #[test]
    fn no_place_past_the_limit_is_taken_once_the_step_down_is_done() {
        model(|| {
            let places = Arc::new(Places::new(2));
            let _held = places.try_take().unwrap();
            let taker = spawn(&places, |places| places.try_take());
            let resizer = spawn(&places, |places| {
                set_limit(places, 1);
                places.census().lets_start_on(0)
            });
            let taken = taker.join().unwrap();
            let only_one_was_held = resizer.join().unwrap();
            assert!(taken.is_none() || !only_one_was_held);
        });
    }

    #[test]
    fn places_taken_and_given_back_during_a_step_down_and_up_are_all_there_afterwards() {
        model(|| {
            let places = Arc::new(Places::new(1));
            let body = spawn(&places, |places| {
                if let Some(place) = places.try_take() {
                    give_back(places, place);
                }
            });
            let resizer = spawn(&places, |places| {
                set_limit(places, 2);
                let place = places.try_take().expect("there are two");
                set_limit(places, 1);
                give_back(places, place);
            });
            body.join().unwrap();
            resizer.join().unwrap();
            assert!(places.at_rest().is_some());
            assert_eq!((places.try_take(), places.try_take()), (Some(0), None));
        });
    }

    #[test]
    fn a_body_that_begins_to_wait_for_a_place_while_one_is_added_gets_it() {
        model(|| {
            let (places, _held_for_ever) = with_a_body_that_waited(1, 1);
            let body = spawn(&places, |places| assert_eq!(places.take_back(), 1));
            let resizer = spawn(&places, |places| assert!(set_limit(places, 2)));
            body.join().unwrap();
            resizer.join().unwrap();
        });
    }

    #[test]
    fn after_a_step_down_a_body_gets_its_place_when_few_enough_are_held_and_one_that_counts() {
        model(|| {
            let (places, held) = with_a_body_that_waited(2, 2);
            set_limit(&places, 1);
            let body = spawn(&places, |places| {
                let place = places.take_back();
                assert!(places.census().lets_start_on(place));
                give_back(places, place);
            });
            let ends = spawn(&places, move |places| held.iter().for_each(|&place| give_back(places, place)));
            body.join().unwrap();
            ends.join().unwrap();
            assert!(places.at_rest().is_some());
        });
    }

    #[test]
    fn a_place_given_back_during_a_step_down_is_not_lost() {
        model(|| {
            let (places, held) = with_a_body_that_waited(2, 2);
            let body = spawn(&places, Places::take_back);
            let last = held[0];
            let ends = spawn(&places, move |places| give_back(places, held[1]));
            assert!(set_limit(&places, 1));
            ends.join().unwrap();
            give_back(&places, last);
            let place = body.join().unwrap();
            assert_eq!(places.try_take(), None, "the body has the only one");
            give_back(&places, place);
            assert!(places.at_rest().is_some());
            assert_eq!((places.try_take(), places.try_take()), (Some(0), None));
        });
    }
}
