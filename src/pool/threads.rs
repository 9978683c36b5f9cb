//! The threads of a pool: started when there is work for them, counted, and joined or let go.
//!
//! ```text
//! alive <= threads + min(bodies that are blocked, max_spare_threads)
//! ```
//!
//! A spare thread is one that was started while bodies were blocked in waits; from then on all are alike. What is
//! over the bound when the waits have ended ends too, after it has had nothing to do for a while.

use super::core::Pool;
use super::local::{here, Local};
use super::pin::{self, Seat};
use super::status::{Error, Status};
use super::worker;
use crate::sync::{lock, spawn, AtomicU32, Deadline, Mutex, MutexGuard, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// After the system refused a thread, don't ask again for so long.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Who is alive.
pub(super) struct Roster {
    state: Mutex<State>,
    /// `state.alive`, to be read without the lock.
    alive: AtomicU32,
    /// Threads that were started and are not up yet: that takes as long as a thousand submits.
    rising: AtomicU32,
}

struct State {
    alive: u32,
    /// Own threads whose body is blocked in a wait.
    blocked: u32,
    started: u64,
    handles: Vec<JoinHandle<()>>,
    refused_until: Option<Instant>,
    /// The pool is over: no thread is started any more.
    over: bool,
}

impl Roster {
    pub(super) fn new() -> Self {
        let state =
            State { alive: 0, blocked: 0, started: 0, handles: Vec::new(), refused_until: None, over: false };
        Self { state: Mutex::new(state), alive: AtomicU32::new(0), rising: AtomicU32::new(0) }
    }

    /// Whether no thread is alive: then the next submit must see to one.
    pub(super) fn is_empty(&self) -> bool {
        self.alive.load(Ordering::Relaxed) == 0
    }

    /// Whether a thread was started that is not up yet: then the next submit may do well to start another.
    pub(super) fn is_rising(&self) -> bool {
        self.rising.load(Ordering::Relaxed) > 0
    }

    /// A thread is up.
    pub(super) fn note_up(&self) {
        self.rising.fetch_sub(1, Ordering::Relaxed);
    }

    /// The handles of all threads that were ever started, to join them. No other is started from now on.
    fn take_handles(&self) -> Vec<JoinHandle<()>> {
        let mut state = lock(&self.state);
        state.over = true;
        std::mem::take(&mut state.handles)
    }

    /// Threads alive, and those of them whose body is blocked.
    pub(super) fn threads(&self) -> (u32, u32) {
        let state = lock(&self.state);
        (state.alive, state.blocked)
    }

    /// A body on one of the pool's own threads is blocked in a wait (or no longer).
    pub(super) fn note_blocked(&self, blocked: bool) {
        let mut state = lock(&self.state);
        state.blocked = if blocked { state.blocked + 1 } else { state.blocked - 1 };
    }

    fn set_alive(&self, state: &mut State, alive: u32) {
        state.alive = alive;
        self.alive.store(alive, Ordering::Relaxed);
    }

    /// No thread is started from now on; the handles of those that were are in `take_handles`.
    pub(super) fn end(&self) {
        lock(&self.state).over = true;
    }

    /// A thread ends because its pool is over.
    pub(super) fn note_end(&self) {
        let mut state = lock(&self.state);
        let alive = state.alive - 1;
        self.set_alive(&mut state, alive);
    }
}

impl Pool {
    /// How many threads there are more than the pool needs now.
    fn surplus(&self, state: &State) -> u32 {
        state.alive.saturating_sub(self.threads() + state.blocked)
    }

    /// How long a thread may have nothing to do: one that is not too many for ever.
    pub(super) fn longest_idleness(&self) -> Deadline {
        match self.surplus(&lock(&self.roster.state)) {
            0 => Deadline::Never,
            _ => Deadline::from_timeout_ns(self.options.keep_alive_ns),
        }
    }

    /// A thread that had nothing to do for a while asks whether it is one too many; if so it must end, and its seat is
    /// vacant before another thread can be started.
    ///
    /// The limit is read under the lock: a resize that adds places, and finds that there are threads enough for them,
    /// finds those that stay.
    pub(super) fn retire_if_surplus(&self, seat: &mut Option<Seat<'_>>) -> bool {
        let mut state = lock(&self.roster.state);
        let surplus = self.surplus(&state) > 0;
        if surplus {
            *seat = None;
            let alive = state.alive - 1;
            self.roster.set_alive(&mut state, alive);
        }
        surplus
    }

    /// Ends the parked threads that are too many since the pool has become smaller; the others end when they have
    /// nothing to do.
    pub(super) fn end_surplus(&self) {
        let surplus = self.surplus(&lock(&self.roster.state));
        self.sleep.ask(surplus as usize);
    }

    /// Starts a thread as the searcher that the caller has counted. False if there are enough, or the system has
    /// none to give.
    #[cold]
    pub(super) fn start_thread_for_search(&self) -> bool {
        self.start_thread(&mut lock(&self.roster.state)).is_ok()
    }

    /// Makes sure that there is a thread at all, before the first task goes in.
    #[cold]
    pub(super) fn ensure_first_thread(&self) -> Result<(), Error> {
        let mut state = lock(&self.roster.state);
        if state.alive > 0 {
            return Ok(());
        }
        state.refused_until = None;
        self.start_searcher(state)
    }

    /// Makes sure that a thread can come for what is queued: one that isn't blocked in a wait (a lent one,
    /// too), or a new one.
    #[cold]
    pub(super) fn ensure_free_thread(&self) -> Result<(), Error> {
        let state = lock(&self.roster.state);
        if state.alive > state.blocked || self.lent.has_one_that_is_not_blocked() {
            return Ok(());
        }
        self.start_searcher(state)
    }

    /// A task is about to go in while a thread is not up yet. That one counts as a searcher, so nobody else would be called
    /// before it has found its first task: if there are more tasks than searchers, another is started beside it.
    #[cold]
    pub(super) fn start_beside_the_rising(&self) {
        let census = self.places.census();
        if census.free() <= census.searching() || self.injector.len() < census.searching() as usize {
            return;
        }
        let state = lock(&self.roster.state);
        if state.alive < self.threads() {
            let _ = self.start_searcher(state);
        }
    }

    fn start_searcher(&self, mut state: MutexGuard<'_, State>) -> Result<(), Error> {
        self.places.start_searching();
        let started = self.start_thread(&mut state);
        drop(state);
        if started.is_err() {
            // Somebody may have parked, or given a place back, who took it for one that comes.
            self.sleep.cover(self.places.stop_searching(), &self.places, self);
        }
        started
    }

    fn start_thread(&self, state: &mut State) -> Result<(), Error> {
        if state.over {
            return Err(Status::Closed.into());
        }
        let spare = state.blocked.min(self.options.max_spare_threads);
        if state.alive >= self.threads() + spare {
            return Err(Error::new(Status::Thread, "all spare threads are in use (max_spare_threads)"));
        }
        let now = Instant::now();
        if state.refused_until.is_some_and(|until| now < until) {
            return Err(Error::new(Status::Thread, "the system refused to start a thread"));
        }
        let Some(pool) = self.me.upgrade() else {
            return Err(Status::Closed.into()); // being freed: nobody has a reference any more
        };
        let number = state.started;
        let mask = pin::mask_to_hand_on();
        self.roster.rising.fetch_add(1, Ordering::Relaxed);
        let builder = self.builder(format_args!("{number}"));
        match spawn(builder, self.options.signals, move || worker::main(pool, mask)) {
            Ok(handle) => {
                state.started += 1;
                state.refused_until = None;
                keep(&mut state.handles, handle);
                let alive = state.alive + 1;
                self.roster.set_alive(state, alive);
                Ok(())
            }
            Err(error) => {
                self.roster.note_up();
                state.refused_until = Some(now + RETRY_AFTER);
                Err(refused(&error))
            }
        }
    }

    /// What makes a thread of this pool, named after it.
    pub(super) fn builder(&self, number: std::fmt::Arguments<'_>) -> Builder {
        let name = self.options.thread_name.to_string_lossy();
        let size = match self.options.stack_size {
            0 => default_stack_size(),
            size => size.max(SMALLEST_STACK),
        };
        Builder::new().name(format!("{name}-{number}")).stack_size(size)
    }

    /// Joins every thread. The pool is over.
    pub(super) fn join_threads(&self) {
        let me = std::thread::current().id();
        for handle in self.roster.take_handles().into_iter().chain(self.blocking.take_handles()) {
            if handle.thread().id() == me {
                continue; // a destructor of this thread's locals destroys the pool: it ends by itself
            }
            // A worker catches what its tasks throw; a panic of its own has been printed and is not ours to pass on.
            let _ = handle.join();
        }
    }
}

/// Keeps the handle of a thread to join it. Those of threads that have ended meanwhile are of no more use.
pub(super) fn keep(handles: &mut Vec<JoinHandle<()>>, handle: JoinHandle<()>) {
    if handles.len() == handles.capacity() {
        handles.retain(|handle| !handle.is_finished());
    }
    handles.push(handle);
}

/// The system has no thread to give.
pub(super) fn refused(error: &std::io::Error) -> Error {
    Error::new(Status::Thread, format!("the system refused to start a thread: {error}"))
}

/// Below this a thread can't run our own code and a small body.
const SMALLEST_STACK: usize = 64 * 1024;

/// What `pthread_create` gives by default (`ulimit -s`, as a rule 8 MiB): address space, not memory.
fn default_stack_size() -> usize {
    #[cfg(unix)]
    {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        let mut size = 0;
        // SAFETY: init fills the attributes, getstacksize reads them, destroy ends them; no other use.
        unsafe {
            if libc::pthread_attr_init(attributes.as_mut_ptr()) == 0 {
                libc::pthread_attr_getstacksize(attributes.as_ptr(), &mut size);
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
            }
        }
        if size >= SMALLEST_STACK {
            return size;
        }
    }
    2 * 1024 * 1024
}

/// Whether a body may be started on top of this stack: a quarter of it must be left.
#[inline]
pub(crate) fn stack_allows_another_body() -> bool {
    stack_allows_another_body_on(here())
}

/// The same on the thread whose this is.
#[inline(always)]
pub(super) fn stack_allows_another_body_on(local: &Local) -> bool {
    is_here_among(local.stack.get()) || stack_allows_another_body_slowly(local)
}

/// Also where it doesn't, and where that was not asked before.
#[cold]
#[inline(never)]
fn stack_allows_another_body_slowly(local: &Local) -> bool {
    is_here_among(stack_for_bodies_on(local))
}

/// Whether the stack is at one of these addresses, by the lowest and how many there are. One that isn't the thread's own (a
/// coroutine's) isn't: nothing is known of it, so nothing is promised.
#[inline(always)]
fn is_here_among((lowest, length): (usize, usize)) -> bool {
    let marker = 0_u8;
    (&raw const marker).addr().wrapping_sub(lowest) < length
}

/// The lowest address at which a body may be started, and how many there are.
#[inline]
pub(super) fn stack_for_bodies() -> (usize, usize) {
    stack_for_bodies_on(here())
}

#[inline]
fn stack_for_bodies_on(local: &Local) -> (usize, usize) {
    match local.stack.get() {
        (_, 0) => ask_for_stack(local),
        stack => stack,
    }
}

#[cold]
#[inline(never)]
fn ask_for_stack(local: &Local) -> (usize, usize) {
    // Where the system doesn't tell nothing is promised: nobody's stack is at the highest address.
    let stack = stack_bounds().map_or((usize::MAX, 1), |(low, high)| {
        let lowest = low + (high - low) / 4;
        (lowest, high - lowest)
    });
    local.stack.set(stack);
    stack
}

#[cfg(target_os = "linux")]
fn stack_bounds() -> Option<(usize, usize)> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut low, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: getattr_np fills the attributes (or fails, then they are not used); getstack reads, destroy ends them.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let got = libc::pthread_attr_getstack(attributes.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (got == 0 && size > 0).then(|| (low.addr(), low.addr() + size))
    }
}

#[cfg(target_vendor = "apple")]
fn stack_bounds() -> Option<(usize, usize)> {
    // SAFETY: both only read what the system knows of the calling thread.
    let (high, size) = unsafe {
        let me = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(me).addr(), libc::pthread_get_stacksize_np(me))
    };
    Some((high - size, high))
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn stack_bounds() -> Option<(usize, usize)> {
    None
}
