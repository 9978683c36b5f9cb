//! The pool itself: its parts, and the few questions that all the other files ask.

use super::blocking::BlockingLane;
use super::census::{Census, Served};
use super::deadlock;
use super::deques::Deques;
use super::fork_stacks::ForkStacks;
use super::hold::Held;
use super::lanes::Priorities;
use super::lent::LentLane;
use super::options::Options;
use super::pin::Seats;
use super::places::Places;
use super::sleep::{Crew, Sleep};
use super::threads::Roster;
use crate::observe::{from_environment, Observer};
use crate::queue::Injector;
use crate::sync::{epoch, fence_after_rmw, AtomicU32, AtomicUsize, Deadline, EventCount, Ordering};
use crate::task::{self, Snapshot, TaskId};
use std::sync::Weak;

/// A pool. Shared by its handle, its threads and whoever is in a call on it; the last of them frees it.
pub(crate) struct Pool {
    /// The number in its handle and in its tasks' cells.
    pub(crate) number: u32,
    pub(crate) options: Options,
    pub(crate) places: Places,
    pub(crate) deques: Deques,
    pub(super) fork_stacks: ForkStacks,
    pub(crate) injector: Injector,
    pub(super) priorities: Priorities,
    pub(super) blocking: BlockingLane,
    pub(super) lent: LentLane,
    pub(super) held: Held,
    pub(crate) sleep: Sleep,
    pub(super) roster: Roster,
    /// Where its threads are bound, if they are.
    pub(super) seats: Option<Seats>,
    /// Changes when the pool has become idle.
    pub(crate) idle: EventCount,
    /// Changes when a bounded queue has room again, or the pool closes.
    pub(crate) room: EventCount,
    counts: Counts,
    pub(crate) observer: Observer,
    /// Whether threads that are not the pool's may run its tasks, as long as it has more than one of its own.
    pub(super) visitors_may_run: bool,
    /// Not 0: what is queued is canceled instead of run, and running tasks are asked to stop.
    canceling: AtomicU32,
    /// Threads that cancel what is queued. Each counts as a body that is blocked.
    pub(super) discarding: AtomicU32,
    /// Not 0: its handle is gone.
    pub(super) removed: AtomicU32,
    /// Of the process that it belongs to.
    pub(super) epoch: u32,
    pub(super) me: Weak<Pool>,
}

/// What many threads step, on a line that nobody reads on a task's way.
#[repr(align(128))]
struct Counts {
    /// Queued tasks; counted only where there is a limit.
    queued: AtomicUsize,
    /// Entries that were left behind in a queue (their task was canceled, or claimed by its waiter) since the last
    /// sweep: at least as many as still lie there.
    stale_outside: AtomicUsize,
    stale_inside: AtomicUsize,
}

/// So many stale entries may lie around before anyone looks.
const STALE_ENOUGH: usize = 64;

impl Crew for Pool {
    /// A visitor that waits for a place is work, too: whoever comes for it hands his place over.
    fn work_visible(&self) -> bool {
        self.has_entries() || self.places.census().is_wanted_by_a_visitor()
    }

    fn surely_no_work(&self) -> bool {
        self.fork_stacks.catch_up() && !self.work_visible()
    }

    fn start_thread(&self) -> bool {
        self.start_thread_for_search()
    }

    fn note_given_back(&self, left: Census) {
        self.note_if_idle(left);
    }

    fn longest_park(&self) -> Deadline {
        self.longest_idleness()
    }
}

impl Pool {
    pub(super) fn new(number: u32, options: Options, me: Weak<Pool>) -> Self {
        Self {
            number,
            places: Places::new(options.threads),
            deques: Deques::new(options.threads),
            fork_stacks: ForkStacks::new(),
            injector: Injector::new(options.order),
            priorities: Priorities::new(options.order),
            blocking: BlockingLane::new(),
            lent: LentLane::new(),
            held: Held::new(),
            sleep: Sleep::new(),
            roster: Roster::new(),
            seats: if options.pin { Seats::new() } else { None },
            idle: EventCount::new(),
            room: EventCount::new(),
            counts: Counts {
                queued: AtomicUsize::new(0),
                stale_outside: AtomicUsize::new(0),
                stale_inside: AtomicUsize::new(0),
            },
            observer: Observer::new(from_environment()),
            visitors_may_run: options.waiters_help && options.hooks.is_empty(),
            canceling: AtomicU32::new(0),
            discarding: AtomicU32::new(0),
            removed: AtomicU32::new(0),
            epoch: epoch(),
            options,
            me,
        }
    }

    pub(crate) fn threads(&self) -> u32 {
        self.places.threads()
    }

    /// One task at a time, in order. May change at any time: `Places::take` asks again for each visitor.
    pub(super) fn is_serial(&self) -> bool {
        self.threads() == 1
    }

    pub(super) fn is_canceling(&self) -> bool {
        // Relaxed: a task that slips through was submitted at the same time as the shutdown.
        self.canceling.load(Ordering::Relaxed) != 0
    }

    pub(super) fn start_canceling(&self) {
        self.canceling.store(1, Ordering::SeqCst);
    }

    /// New work is in a queue: sees to it that somebody comes for it. Returns the counters it decided by.
    pub(super) fn notify(&self) -> Census {
        self.sleep.notify(&self.places, self)
    }

    /// New work is in the injector: the same.
    #[inline]
    pub(super) fn notify_of_injected(&self) -> Census {
        self.sleep.notify_of_injected(&self.places, self)
    }

    /// Whether there is something in a queue that any thread of the pool may run.
    pub(super) fn has_entries(&self) -> bool {
        !self.injector.is_empty() || self.has_entries_beside_injector()
    }

    fn has_entries_beside_injector(&self) -> bool {
        !self.priorities.is_empty()
            || self.deques.iter().any(|deque| !deque.is_empty())
            || self.fork_stacks.has_halves()
    }

    /// What `work_visible` sees but for the injector.
    pub(super) fn has_work_beside_injector(&self) -> bool {
        self.has_entries_beside_injector() || self.places.census().is_wanted_by_a_visitor()
    }

    /// Whether anything is still to be run, by whomever; held tasks first, as they come off the list after they have gone
    /// into a queue.
    pub(super) fn has_work_left(&self) -> bool {
        let live = |entry| task::is_queued(TaskId::from_bits(entry));
        // What was canceled in a lane that nobody comes to is no work.
        !self.held.is_empty()
            || self.work_visible()
            || self.blocking.has_live(&live)
            || self.lent.has_live(&live)
    }

    /// Who may be handed a place, when somebody gives it back who looks no further: what is queued comes before
    /// visitors, or they could pass the places around among themselves for ever.
    pub(super) fn served(&self) -> Served {
        if self.places.census().is_wanted_by_a_visitor() && self.has_entries() {
            Served::Bodies
        } else {
            Served::Visitors
        }
    }

    /// A place was given back by somebody who looks no further: if there is work, somebody else must come; if
    /// that was the last, the pool is idle.
    #[inline]
    pub(super) fn cover(&self, census: Census) {
        self.sleep.cover(census, &self.places, self);
        self.note_if_idle(census);
    }

    /// The pool may have become idle with the step, a read-modify-write, that left these counters: tells who waits for that.
    ///
    /// As a rule nobody waits, and one look says so. Who closes a pool that these counters show as open looks at it
    /// himself, after that step.
    #[inline]
    pub(super) fn note_if_idle(&self, census: Census) {
        if census.is_at_rest() {
            // Pairs with the fence in `EventCount::prepare`.
            fence_after_rmw();
            if census.is_closed() || self.idle.is_awaited() {
                self.tell_if_idle();
            }
        }
    }

    /// Called by whoever took the last thing away that may have kept the pool from being idle: gave a place back,
    /// or dropped entries out of a queue.
    #[cold]
    pub(super) fn tell_if_idle(&self) {
        if self.is_idle() {
            self.idle.notify_all();
            self.end_if_over();
        }
    }

    /// Nothing is queued and nothing runs.
    pub(super) fn is_idle(&self) -> bool {
        let Some(before) = self.places.at_rest() else { return false };
        // Searchers come and go meanwhile; what counts is that no place was taken.
        let same = |now: Census| now.taken() == before.taken();
        !self.has_work_left() && self.places.at_rest().is_some_and(same)
    }

    // The bounded queue: whoever moves a task out of QUEUED gives its room back.

    pub(super) fn is_bounded(&self) -> bool {
        self.options.queue_limit != 0
    }

    /// Whether a bounded queue has no room, as it looks now.
    pub(super) fn is_full(&self) -> bool {
        self.is_bounded() && self.counts.queued.load(Ordering::Relaxed) >= self.options.queue_limit
    }

    /// Takes room for one task; false if there is none.
    pub(super) fn reserve_room(&self) -> bool {
        let limit = self.options.queue_limit;
        self.counts
            .queued
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |queued| {
                (queued < limit).then_some(queued + 1)
            })
            .is_ok()
    }

    /// The pool's own tasks go past the limit where they can't run at once.
    pub(super) fn exceed_room(&self) {
        self.counts.queued.fetch_add(1, Ordering::AcqRel);
    }

    /// A task has left the queue: run, claimed by its waiter, or canceled.
    pub(super) fn left_queue(&self) {
        if self.is_bounded() {
            self.counts.queued.fetch_sub(1, Ordering::AcqRel);
            self.room.notify_all();
        }
    }

    // Entries that are left behind in a queue.

    /// A queued task was canceled or claimed; its entry is left behind.
    pub(super) fn left_entry_behind(&self, from_outside: bool) {
        self.left_queue();
        self.note_stale(from_outside);
    }

    fn note_stale(&self, from_outside: bool) {
        if !from_outside {
            self.counts.stale_inside.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let stale = self.counts.stale_outside.fetch_add(1, Ordering::Relaxed) + 1;
        let most = || stale * 2 > self.entries_outside();
        // Nobody may ever come by the entry of a pool at rest, least of all when its threads have ended.
        let nobody_comes = self.places.at_rest().is_some();
        if stale > STALE_ENOUGH && most() || nobody_comes && self.entries_outside() <= 2 * STALE_ENOUGH {
            self.sweep_outside();
        } else if nobody_comes {
            self.tell_if_idle();
        }
    }

    /// A task that was queued or held (its word before says which) was canceled. Its room has been given back.
    pub(super) fn left_behind(&self, task: TaskId, before: Snapshot) {
        self.observer.note_canceled();
        if !before.is_held() {
            return self.note_stale(before.is_from_outside());
        }
        deadlock::let_go(task);
        self.held.remove(task);
        self.tell_if_idle();
    }

    #[cold]
    fn sweep_outside(&self) {
        self.counts.stale_outside.store(0, Ordering::Relaxed);
        self.sweep_lanes();
        // While it was swept it looked full, so who gave a place back meanwhile may have said nothing.
        self.tell_if_idle();
    }

    /// The stale entries of a deque were dropped.
    pub(super) fn swept_inside(&self) {
        self.counts.stale_inside.store(0, Ordering::Relaxed);
    }

    /// Whether a deque of so many entries is worth a look for stale ones: then each look costs a step or two an entry
    /// that was left behind.
    #[inline]
    pub(super) fn may_be_half_stale(&self, entries: impl FnOnce() -> usize) -> bool {
        let stale = self.counts.stale_inside.load(Ordering::Relaxed);
        stale > STALE_ENOUGH && stale * 2 > entries()
    }
}
