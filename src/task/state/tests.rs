//! The verbs of the state word: what each refuses, and (under loom) what is seen in which order.

#[cfg(not(loom))]
mod verbs {
    use super::super::*;

    #[test]
    fn a_slot_at_its_last_generation_is_retired() {
        let state = State(AtomicU64::new(GENERATION));
        let id = state.next_id(3);
        assert_eq!((id.slot(), u64::from(id.generation())), (3, GENERATION_MASK));
        state.publish(id, 0, 0);
        assert!(state.claim(id, 0).is_some());
        assert!(state.finish(Outcome::Ok, false).to_free());
        assert!(!state.free());
    }

    #[test]
    fn a_released_number_is_stale_for_every_verb() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0);
        state.publish(id, 1, OUTSIDE);
        assert_eq!(state.release(id), Ok(Release::LastWhilePending(Snapshot(QUEUED | OUTSIDE | ONE_HANDLE))));
        assert_eq!(state.read(id), Err(Stale));
        assert_eq!(state.release(id), Err(Stale));
        assert_eq!(state.retain(id), Err(Stale));
        assert_eq!(state.cancel(id), Err(Stale));
        assert_eq!(state.watch(id), Err(Stale));
        assert!(state.claim(id, 0).is_some(), "but the task still runs");
    }

    #[test]
    fn a_task_taken_back_leaves_a_free_slot_and_a_stale_number() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0).internal();
        state.publish(id, 1, 0);
        assert!(state.take_back(id));
        assert!(!state.is_queued(id));
        assert_eq!(state.read(id), Err(Stale));
        assert_eq!(state.next_id(0).generation(), id.generation() + 1);
    }

    #[test]
    fn what_runs_and_what_is_of_the_last_generation_is_not_taken_back() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0).internal();
        state.publish(id, 1, 0);
        assert!(state.claim(id, 0).is_some());
        assert!(!state.take_back(id));
        let state = State(AtomicU64::new(GENERATION | FREE));
        let id = state.next_id(0).internal();
        state.publish(id, 1, 0);
        assert!(!state.take_back(id));
        assert!(state.is_queued(id));
    }

    #[test]
    fn retain_stops_at_the_last_count() {
        let state = State(AtomicU64::new(FREE));
        let id = state.next_id(0);
        state.publish(id, 0xFFFE, 0);
        assert_eq!(state.retain(id), Ok(true));
        assert_eq!(state.retain(id), Ok(false));
    }
}

#[cfg(loom)]
mod models {
    use super::super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    struct Task {
        state: State,
        payload: AtomicU64,
        freed: AtomicU64,
    }

    /// Lets go of a handle, and frees the cell if that was the last; whether it was.
    fn let_go(task: &Task, id: TaskId) -> bool {
        if task.state.release_and_free(id) {
            return true;
        }
        let last = matches!(task.state.release(id), Ok(Release::LastAfterDone(_)));
        assert!(!last || task.state.free());
        last
    }

    /// What a task may have beside its cell: then releasing and freeing it are two steps.
    const WITH_AND_WITHOUT: [u64; 2] = [0, EXTRA];

    fn queued(handles: u32) -> (Arc<Task>, TaskId) {
        queued_with(handles, 0)
    }

    fn queued_with(handles: u32, flags: u64) -> (Arc<Task>, TaskId) {
        let task =
            Arc::new(Task { state: State::new(), payload: AtomicU64::new(1), freed: AtomicU64::new(0) });
        let id = task.state.next_id(5);
        task.state.publish(id, handles, flags);
        (task, id)
    }

    fn run(task: &Task, id: TaskId) -> bool {
        let won = task.state.claim(id, 0).is_some();
        if won {
            task.payload.store(2, Ordering::Relaxed);
            if task.state.finish(Outcome::Ok, false).to_free() {
                task.freed.fetch_add(1, Ordering::Relaxed);
            }
        }
        won
    }

    /// Runs both at the same time, each on a thread of its own: what the main thread does beside them would not be
    /// interleaved in full.
    fn race<A: 'static, B: 'static>(
        task: &Arc<Task>,
        one: impl FnOnce(&Task) -> A + 'static,
        other: impl FnOnce(&Task) -> B + 'static,
    ) -> (A, B) {
        let (first, second) = (task.clone(), task.clone());
        let one = thread::spawn(move || one(&first));
        let other = thread::spawn(move || other(&second));
        (one.join().unwrap(), other.join().unwrap())
    }

    #[test]
    fn only_one_of_two_claimers_runs_the_task() {
        model(|| {
            let (task, id) = queued(1);
            let (one, other) = race(&task, move |task| run(task, id), move |task| run(task, id));
            assert!(one ^ other);
        });
    }

    #[test]
    fn a_task_is_run_canceled_or_discarded_but_only_one_of_them() {
        model(|| {
            let (task, id) = queued(1);
            let cancel = move |task: &Task| matches!(task.state.cancel(id), Ok(Cancel::Won(_)));
            let (ran, canceled) = race(&task, move |task| run(task, id), cancel);
            assert!(ran ^ canceled);

            let (task, id) = queued(1);
            let discard = move |task: &Task| task.state.discard(id).is_some();
            let (discarded, canceled) = race(&task, discard, cancel);
            assert!(discarded ^ canceled);
        });
    }

    #[test]
    fn who_sees_done_sees_the_result() {
        model(|| {
            let (task, id) = queued(1);
            let look = move |task: &Task| {
                if task.state.read(id).unwrap().phase() == Phase::Done(Outcome::Ok) {
                    assert_eq!(task.payload.load(Ordering::Relaxed), 2);
                }
            };
            race(&task, move |task| run(task, id), look);
        });
    }

    #[test]
    fn finisher_or_last_release_frees_exactly_once() {
        for flags in WITH_AND_WITHOUT {
            model(move || {
                let (task, id) = queued_with(1, flags);
                let release = move |task: &Task| {
                    task.freed.fetch_add(u64::from(let_go(task, id)), Ordering::Relaxed);
                };
                let (ran, ()) = race(&task, move |task| run(task, id), release);
                assert!(ran);
                assert_eq!(task.freed.load(Ordering::Relaxed), 1);
            });
        }
    }

    #[test]
    fn the_last_of_two_releases_has_seen_what_the_other_did() {
        for flags in WITH_AND_WITHOUT {
            model(move || {
                let (task, id) = queued_with(2, flags);
                assert!(run(&task, id));
                let use_and_release = move |task: &Task| {
                    task.payload.store(7, Ordering::Relaxed);
                    let_go(task, id)
                };
                let release_and_look = move |task: &Task| {
                    let last = let_go(task, id);
                    assert!(!last || task.payload.load(Ordering::Relaxed) == 7);
                    last
                };
                let (one, other) = race(&task, use_and_release, release_and_look);
                assert!(one ^ other);
            });
        }
    }

    #[test]
    fn who_claims_sees_the_argument() {
        model(|| {
            let (task, id) = queued(1);
            assert!(run(&task, id));
            assert!(let_go(&task, id));
            let id = task.state.next_id(5);
            let submit = move |task: &Task| {
                task.payload.store(9, Ordering::Relaxed);
                task.state.publish(id, 1, 0);
            };
            let claim = move |task: &Task| {
                if task.state.claim(id, 0).is_some() {
                    assert_eq!(task.payload.load(Ordering::Relaxed), 9);
                }
            };
            race(&task, submit, claim);
        });
    }

    #[test]
    fn a_watcher_is_told_or_finds_the_task_done() {
        model(|| {
            let (task, id) = queued(1);
            let end = move |task: &Task| {
                assert!(task.state.claim(id, 0).is_some());
                task.state.finish(Outcome::Ok, false).has_waiter()
            };
            let watch = move |task: &Task| task.state.watch(id).unwrap().is_some();
            let (told, found_done) = race(&task, end, watch);
            assert!(told ^ found_done);
        });
    }

    #[test]
    fn a_payload_of_the_next_task_is_never_believed() {
        for flags in WITH_AND_WITHOUT {
            model(move || a_payload_is_reused(flags));
        }
    }

    fn a_payload_is_reused(flags: u64) {
        let (task, id) = queued_with(1, flags);
        assert!(run(&task, id));
        let reuse = move |task: &Task| {
            assert!(let_go(task, id));
            task.payload.store(3, Ordering::Relaxed); // as the free list does
            let next = task.state.next_id(5);
            task.payload.store(4, Ordering::Relaxed);
            task.state.publish(next, 1, 0);
        };
        let look = move |task: &Task| {
            let Ok(seen) = task.state.read(id) else { return };
            let result = task.payload.load(Ordering::Relaxed);
            crate::sync::fence(Ordering::Acquire);
            if task.state.is_unchanged(seen) {
                assert_eq!(result, 2);
            }
        };
        race(&task, reuse, look);
    }
}
