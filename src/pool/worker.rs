//! A thread of a pool: search, take a place, run until dry, give the place back, search, park.
//!
//! ```text
//!            +-- nothing, spin over --> PARKED --woken--+
//!            v                                          |
//!        SEARCHING <------------------------------------+
//!            |  work seen and a place taken        ^
//!            v                                     |
//!         ON A PLACE: own deque, injector, steal --+ dry, or the place is wanted by a body that waited
//! ```

mod find;

pub(super) use self::find::{fair_share, BATCH};
use self::find::{HAUL, PAUSES};
use super::census::Census;
use super::context::Context;
use super::core::Pool;
use super::leave::Fence;
use super::observe;
use super::pin::{self, Mask, Seat};
use super::registry::PoolRef;
use super::run::run;
use super::sleep::{Crew, Wake};
use super::wait::ensure_a_place_to_start_on;
use crate::queue::Entry;
use crate::sync::{call_out, spin_hint, Deadline, SpinBudget};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One of so many sleeps is timed of a thread that doesn't spin.
const TIMED_SLEEPS: u32 = 4;
/// For so long a new thread lets others go first before it sleeps.
const LINGER: Duration = Duration::from_micros(20);

/// The life of a thread; it was counted as a searcher before it was started.
pub(super) fn main(pool: Arc<Pool>, mask: Option<Mask>) {
    pool.roster.note_up();
    pin::loosen(mask);
    work_in(Context::of_own_thread(PoolRef::from(pool)));
}

/// What a lent thread does until the pool is over; it is counted as a searcher.
pub(super) fn lend(pool: &PoolRef) {
    let mut fence = Fence::new();
    let _standing = fence.stand();
    work_in(Context::of_lent_thread(pool.clone()));
}

fn work_in(context: Context) {
    // The hooks are within the context, too: one that would wait for its own pool gets EDEADLK.
    context.enter(|context| {
        let pool = &*context.pool;
        let mut worker = Worker {
            context,
            pool,
            seat: None,
            turn: 0,
            passed: 0,
            favoured: 0,
            small_hauls: 0,
            haul: [0; HAUL],
            vain: Cell::new(0),
            is_new: Cell::new(true),
        };
        worker.sit_down();
        if pool.options.hooks.on_start.is_some() {
            // A hook may take its time: meanwhile this is no searcher whom others could rely on.
            let census = pool.places.stop_searching();
            pool.sleep.cover(census, &pool.places, &Parked(pool));
            pool.call_hook(pool.options.hooks.on_start);
            pool.places.start_searching();
        }
        worker.live();
        pool.call_hook(pool.options.hooks.on_stop);
    });
}

impl Pool {
    /// Calls a hook of the embedder's on the calling thread.
    pub(super) fn call_hook(&self, hook: Option<unsafe extern "C" fn(*mut c_void)>) {
        if let Some(hook) = hook {
            // SAFETY: the embedder promised that its hooks may be called with its context on every thread of the pool.
            call_out(|| unsafe { hook(self.options.hooks.context) });
        }
    }
}

/// The crew without new threads: this one is new, and looks at the queues after its hook.
struct Parked<'a>(&'a Pool);

impl Crew for Parked<'_> {
    fn work_visible(&self) -> bool {
        self.0.work_visible()
    }

    fn surely_no_work(&self) -> bool {
        self.0.surely_no_work()
    }

    fn start_thread(&self) -> bool {
        false
    }

    fn note_given_back(&self, left: Census) {
        self.0.note_given_back(left);
    }

    fn longest_park(&self) -> Deadline {
        self.0.longest_park()
    }
}

/// What a search ends with.
struct Found {
    place: u32,
    /// It was waited for, among the bodies that want theirs back.
    in_line: bool,
    /// It was not there at the first look.
    spun: bool,
}

/// A thread at work.
struct Worker<'a> {
    context: &'a Context,
    pool: &'a Pool,
    /// Where it is bound, if it is.
    seat: Option<Seat<'a>>,
    /// How many tasks it has looked for.
    turn: u32,
    /// How many of them it has started while one of the LOW lane waited.
    passed: u32,
    /// How many tasks with priority it has found in a row.
    favoured: u32,
    /// So many times in a row there was next to nothing in the queues of others.
    small_hauls: u32,
    /// Where it takes a batch to. Kept, as to clear it each time costs more than the step that takes.
    haul: [Entry; HAUL],
    /// So many times, by and large, what it came for was gone: its waiter runs it himself.
    vain: Cell<u32>,
    /// It has not slept yet.
    is_new: Cell<bool>,
}

impl Crew for Worker<'_> {
    fn work_visible(&self) -> bool {
        self.pool.work_visible()
    }

    fn surely_no_work(&self) -> bool {
        self.pool.surely_no_work()
    }

    fn start_thread(&self) -> bool {
        self.pool.start_thread()
    }

    fn note_given_back(&self, left: Census) {
        self.pool.note_given_back(left);
    }

    fn longest_park(&self) -> Deadline {
        if self.context.is_lent {
            Deadline::Never
        } else {
            self.pool.longest_park()
        }
    }

    /// A new thread doesn't know whether a spin would pay, and may be on the CPU of who started it, or wakes it for the end of
    /// a short-lived pool: it waits for that without being in the way.
    fn lingers(&self) -> Duration {
        if self.is_new.replace(false) {
            LINGER
        } else {
            Duration::ZERO
        }
    }

    fn is_lent(&self) -> bool {
        self.context.is_lent
    }

    fn work_for_lent(&self) -> bool {
        self.pool.lent.queued() > 0
    }
}

impl Worker<'_> {
    fn live(&mut self) {
        let (mut spins, mut sleeps) = (SpinBudget::untried(), 0_u32);
        let mut is_dry = false;
        loop {
            self.sit_down();
            // Who has just found the queues empty, and won't spin, parks: that takes another look.
            let found = if is_dry && spins.is_none() { None } else { self.search(&mut spins) };
            if let Some(found) = found {
                self.context.set_place(Some(found.place));
                self.note_busy(true);
                is_dry = self.run_until_dry(found.in_line);
                continue;
            }
            is_dry = false;
            // Who doesn't spin looks at the clock now and then only: it is two looks on the way to the task.
            sleeps = sleeps.wrapping_add(1);
            let parked_at = (!spins.is_none() || sleeps % TIMED_SLEEPS == 0).then(Instant::now);
            match self.park() {
                Wake::Search => {
                    if let Some(parked_at) = parked_at {
                        spins.learn_from_sleep(parked_at.elapsed());
                    }
                }
                Wake::End if self.context.is_lent => return,
                Wake::End => return self.pool.roster.note_end(),
                Wake::Idle => return,
            }
        }
    }

    /// A seat may have become vacant, or past the number of threads. A lent thread stays as it is.
    fn sit_down(&mut self) {
        if let (Some(seats), false) = (&self.pool.seats, self.context.is_lent) {
            seats.sit_down(&mut self.seat, self.pool.threads());
        }
    }

    fn note_busy(&self, busy: bool) {
        if self.context.is_lent {
            self.pool.lent.note_busy(busy);
        }
    }

    /// Looks for work for a while; with a place if there is some.
    fn search(&self, spins: &mut SpinBudget) -> Option<Found> {
        loop {
            let pushed = self.pool.injector.pushed();
            let found = self.search_once(spins);
            // Tasks come, though their waiters run them: one that is left for the pool is near, and no worker need be woken.
            let traffic = self.pool.injector.pushed() != pushed;
            // What was there at the first look was not caught by spinning; what wasn't caught is judged by the sleep.
            if traffic || found.as_ref().is_some_and(|found| found.spun) {
                spins.learn(true);
            }
            if found.is_some() || !traffic || self.has_no_use() {
                return found;
            }
        }
    }

    /// Without a free place there is nothing to look for: who holds one finds the work.
    fn has_no_use(&self) -> bool {
        let census = self.pool.places.census();
        census.free() == 0 || census.is_over()
    }

    /// Whether there is work. Where it was mostly gone before, it waits a moment, and looks again.
    fn sees_work(&self) -> bool {
        let pool = self.pool;
        if !pool.work_visible() {
            return false;
        }
        if self.vain.get() > 0 {
            let is_alone = || pool.injector.len() <= 1 && !pool.has_work_beside_injector();
            let (front, was_alone) = (pool.injector.front(), is_alone());
            (0..PAUSES).for_each(|_| spin_hint());
            // If it was alone and has been taken, what is there now may be the next one of the same waiter.
            if was_alone && pool.injector.front() != front && is_alone() || !pool.work_visible() {
                self.note_vain();
                return false;
            }
        }
        true
    }

    /// What it came for was gone. Who takes back what lies in a deque has more of it, so a thief looks again soon.
    fn note_vain(&self) {
        let steals = self.pool.deques.iter().any(|deque| !deque.is_empty());
        let most = if steals { MOST_VAIN / 4 } else { MOST_VAIN };
        self.vain.set(most.min(self.vain.get() + 1));
    }

    fn search_once(&self, spins: &SpinBudget) -> Option<Found> {
        let (pool, mut spin, mut spun) = (self.pool, spins.start(), false);
        if self.vain.get() > 0 {
            spin = spin.slow(VAIN_GAP * self.vain.get());
            spin.pause();
        }
        loop {
            let for_me = self.is_lent() && self.work_for_lent();
            if for_me || self.sees_work() {
                if let Some(place) = pool.places.try_take_from_search() {
                    return Some(Found { place, in_line: false, spun });
                }
            }
            if for_me {
                // Nobody who holds a place need be one who can do this: in line for the next that is given back.
                let place = pool.places.take_from_search_in_line()?;
                return Some(Found { place, in_line: true, spun });
            }
            if self.has_no_use() || !spin.pause() {
                return None;
            }
            spun = true;
        }
    }

    /// Parks until there is work; a thread that is one too many ends when none has come for a while.
    ///
    /// Only such a thread parks with a deadline: a regular one sleeps until it is woken, and uses no CPU time meanwhile.
    fn park(&mut self) -> Wake {
        let pool = self.pool;
        loop {
            let since = observe::slice_begins(self.context);
            let wake = pool.sleep.park(&pool.places, self);
            observe::slice_ends(self.context, "parked", since);
            if wake != Wake::Idle || !self.context.is_lent && pool.retire_if_surplus(&mut self.seat) {
                return wake;
            }
            // No longer one too many. `park` takes a searcher, so be one for a moment.
            pool.places.start_searching();
        }
    }

    /// Runs tasks while there are any, then gives the place back and is a searcher. Who has stood in line for the place
    /// runs one before he minds those behind him: they would hand it round for ever if none of them did. Whether it found no more.
    fn run_until_dry(&mut self, in_line: bool) -> bool {
        let (context, pool) = (self.context, self.pool);
        let place = || context.place().expect("a worker between two tasks holds a place");
        self.small_hauls = 0;
        let mut first = true;
        let is_dry = loop {
            let census = pool.places.census();
            let wanted = !(first && in_line) && census.is_wanted_by_a_body()
                || !first && census.is_wanted_by_a_visitor();
            if wanted || !census.lets_start_on(place()) {
                break false;
            }
            let Some(task) = self.find(place()) else { break true };
            if first {
                // The baton: whoever was told of new work tells the next, while there is more of it.
                first = false;
                if pool.work_visible() {
                    pool.notify();
                }
                if context.is_lent && pool.lent.queued() > 0 {
                    pool.sleep.wake_lent(&pool.places);
                }
            }
            // Again: a task that was submitted after a resize, which claiming it has made known, keeps to the new limit.
            ensure_a_place_to_start_on(context);
            run(context, task);
        };
        if first {
            self.note_vain();
        } else {
            self.vain.set(self.vain.get() / 2);
        }
        let place = place();
        context.set_place(None);
        self.note_busy(false);
        pool.note_if_idle(pool.places.give_back_and_search(place));
        is_dry
    }
}

/// More searches in a row that found nothing than this don't count.
const MOST_VAIN: u32 = 8;
/// So much longer it waits from one look to the next with each of them: up to 12 us.
const VAIN_GAP: Duration = Duration::from_nanos(1_500);
