//! The same over all interleavings of small cases.

use super::*;
use crate::sync::{fence, model, Arc, AtomicU32};
use loom::thread;

fn take_one(blocks: &Blocks) -> Option<Entry> {
    let mut one = [0];
    (blocks.take(&mut one) == 1).then_some(one[0])
}

#[test]
fn two_who_push_while_one_takes_lose_nothing_over_the_end_of_a_block() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        let producers: Vec<_> = (1..=2)
            .map(|entry| {
                let blocks = blocks.clone();
                thread::spawn(move || {
                    blocks.push(entry);
                })
            })
            .collect();
        let mut got: Vec<_> = take_one(&blocks).into_iter().collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        got.extend(std::iter::from_fn(|| take_one(&blocks)));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn of_two_who_forget_their_entries_while_a_worker_takes_nobody_loses_another_one() {
    model(|| {
        const LIVE: Entry = 10;
        let blocks = Arc::new(Blocks::new());
        let forgets = {
            let blocks = blocks.clone();
            thread::spawn(move || {
                let first = blocks.push(1);
                blocks.forget(first)
            })
        };
        let pushes = {
            let blocks = blocks.clone();
            thread::spawn(move || {
                blocks.push(LIVE);
                let second = blocks.push(2);
                blocks.forget(second)
            })
        };
        let mut got: Vec<_> = take_one(&blocks).into_iter().collect();
        let first_is_forgotten = forgets.join().unwrap();
        let second_is_forgotten = pushes.join().unwrap();
        got.extend(std::iter::from_fn(|| take_one(&blocks)));
        let count = |entry| got.iter().filter(|&&other| other == entry).count();
        assert_eq!(count(LIVE), 1);
        assert!(count(1) <= 1 && (first_is_forgotten || count(1) == 1));
        assert!(count(2) <= 1 && (second_is_forgotten || count(2) == 1));
        assert!(blocks.is_empty() && blocks.len() == 0);
    });
}

/// A block that is freed is looked at like one that is used again.
impl Drop for Block {
    fn drop(&mut self) {
        self.clear();
    }
}

const LIVE: Entry = 9;
/// More than any model leaves in front.
const ALL: usize = usize::MAX;

fn spawn<T: 'static>(
    blocks: &Arc<Blocks>,
    body: impl FnOnce(&Blocks) -> T + 'static,
) -> thread::JoinHandle<T> {
    let blocks = blocks.clone();
    thread::spawn(move || body(&blocks))
}

/// What is left, after what was got already.
fn drain(blocks: &Blocks, got: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let got: Vec<_> = got.into_iter().chain(std::iter::from_fn(|| take_one(blocks))).collect();
    assert!(blocks.is_empty() && blocks.len() == 0);
    got
}

/// Of three entries, 1 and 2 of which their owners forgot, or couldn't.
fn assert_only_the_live_one_is_sure(got: Vec<Entry>, forgotten: [bool; 2]) {
    let count = |entry| got.iter().filter(|&&other| other == entry).count();
    assert_eq!(count(LIVE), 1);
    for (entry, is_forgotten) in [(1, forgotten[0]), (2, forgotten[1])] {
        assert!(count(entry) <= 1 && (is_forgotten || count(entry) == 1));
    }
}

#[test]
fn what_lies_behind_forgotten_entries_is_taken_once_though_the_mark_goes_back() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        let (first, second) = (blocks.push(1), blocks.push(2));
        blocks.push(LIVE);
        // The second is in front once the first was taken: then this one's store may come after the other's.
        let forget_first = spawn(&blocks, move |blocks| blocks.forget_and_keep(first, 4));
        let forget_second = spawn(&blocks, move |blocks| blocks.forget_and_keep(second, 4));
        let takes = spawn(&blocks, take_one);
        let taken = takes.join().unwrap();
        let forgotten = [forget_first.join().unwrap(), forget_second.join().unwrap()];
        assert_only_the_live_one_is_sure(drain(&blocks, taken), forgotten);
        blocks.push(3);
        assert_eq!(drain(&blocks, None), [3], "what is pushed then is in front of no mark");
    });
}

#[test]
fn so_it_is_if_they_are_pushed_meanwhile() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        let first = blocks.push(1);
        let forgets = spawn(&blocks, move |blocks| blocks.forget_and_keep(first, 4));
        let pushes = spawn(&blocks, |blocks| {
            let second = blocks.push(2);
            blocks.push(LIVE);
            blocks.forget_and_keep(second, 4)
        });
        let takes = spawn(&blocks, take_one);
        let taken = takes.join().unwrap();
        let forgotten = [forgets.join().unwrap(), pushes.join().unwrap()];
        assert_only_the_live_one_is_sure(drain(&blocks, taken), forgotten);
    });
}

#[test]
fn a_block_that_a_taker_passes_over_has_been_left_by_who_wrote_into_it() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        let forgets = spawn(&blocks, |blocks| {
            let position = blocks.push(1);
            blocks.forget_and_keep(position, ALL)
        });
        let takes = spawn(&blocks, |blocks| {
            blocks.push(LIVE);
            take_one(blocks)
        });
        let (_, taken) = (forgets.join().unwrap(), takes.join().unwrap());
        let got = drain(&blocks, taken);
        assert_eq!(got.iter().filter(|&&entry| entry == LIVE).count(), 1);
    });
}

#[test]
fn so_it_has_if_the_next_who_forgets_his_entry_drops_those_before() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        let keeps = spawn(&blocks, |blocks| {
            let position = blocks.push(1);
            blocks.forget_and_keep(position, ALL)
        });
        let drops = spawn(&blocks, |blocks| {
            let position = blocks.push(2);
            blocks.forget(position)
        });
        let _ = (keeps.join().unwrap(), drops.join().unwrap());
        let got = drain(&blocks, None);
        assert!(got.len() <= 2);
    });
}

#[test]
fn an_entry_that_its_waiter_takes_out_while_a_worker_takes_is_taken_once() {
    model(|| {
        let blocks = Arc::new(Blocks::new());
        blocks.push(1);
        let waiter = {
            let blocks = blocks.clone();
            thread::spawn(move || {
                let first = blocks.take_if_next(1);
                blocks.push(2);
                (first, blocks.take_if_next(2))
            })
        };
        let worker = {
            let blocks = blocks.clone();
            thread::spawn(move || [take_one(&blocks), take_one(&blocks)])
        };
        let (first, second) = waiter.join().unwrap();
        let mut got: Vec<_> = worker.join().unwrap().into_iter().flatten().collect();
        got.extend(first.then_some(1));
        got.extend(second.then_some(2));
        got.extend(std::iter::from_fn(|| take_one(&blocks)));
        got.sort_unstable();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn an_entry_brings_what_was_written_before_its_push_and_its_block_is_used_again() {
    model(|| {
        let shared = Arc::new((Blocks::new(), AtomicU64::new(0)));
        let producer = {
            let shared = shared.clone();
            thread::spawn(move || {
                for entry in 1..=3 {
                    shared.1.store(entry, Ordering::Relaxed);
                    shared.0.push(entry);
                }
            })
        };
        let taker = {
            let shared = shared.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Some(entry) = take_one(&shared.0) {
                        assert!(shared.1.load(Ordering::Relaxed) >= entry);
                    }
                }
            })
        };
        producer.join().unwrap();
        taker.join().unwrap();
    });
}

/// What `Places::census_after_injection` and `Places::stop_searching` do, with nothing else around it.
#[test]
fn who_stops_searching_sees_the_entry_or_who_pushed_it_sees_nobody_searching() {
    model(|| {
        let shared = Arc::new((Blocks::new(), AtomicU32::new(1)));
        let pushes = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.0.push(1);
                // Loom takes the SeqCst of `push` for less.
                fence(Ordering::SeqCst);
                shared.1.load(Ordering::SeqCst) == 0
            })
        };
        let parks = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.fetch_sub(1, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                !shared.0.is_empty()
            })
        };
        let (woken, seen) = (pushes.join().unwrap(), parks.join().unwrap());
        assert!(woken || seen, "the entry lies there and nobody comes");
    });
}
