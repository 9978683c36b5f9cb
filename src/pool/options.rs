//! What can be chosen about a pool.

use crate::queue::Order;
use crate::sync::SignalMask;
use std::ffi::{c_char, c_void, CString};

/// What a submit from outside does when the queue is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhenFull {
    /// Waits for room.
    Block,
    /// Fails.
    Fail,
    /// Runs the task itself, once a place is free.
    Run,
}

/// Functions of the embedder that each of the pool's threads calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hooks {
    pub(crate) on_start: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) on_stop: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) context: *mut c_void,
}

// SAFETY: the embedder gave the context for the use of the pool's threads; that is in the header.
unsafe impl Send for Hooks {}
// SAFETY: as above; this crate only passes the pointer on.
unsafe impl Sync for Hooks {}

impl Hooks {
    pub(crate) fn is_empty(&self) -> bool {
        self.on_start.is_none() && self.on_stop.is_none()
    }
}

/// Starts a thread that calls `pool_run_worker`; not 0 if it can't.
pub(crate) type StartWorker = unsafe extern "C" fn(*mut c_void) -> i32;

/// Is told of a failure that nobody has looked at: context, name, status, code, message.
pub(crate) type LostError = unsafe extern "C" fn(*mut c_void, *const c_char, i32, i32, *const c_char);

/// The options of a pool, checked.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many bodies run at a time; not 0.
    pub(crate) threads: u32,
    pub(crate) max_spare_threads: u32,
    pub(crate) max_blocking_threads: u32,
    /// So long a thread that is one too many, or of the blocking lane, stays with nothing to do.
    pub(crate) keep_alive_ns: i64,
    /// Bytes; 0 is the system's default.
    pub(crate) stack_size: usize,
    pub(crate) thread_name: CString,
    /// Queued tasks; 0 is no limit.
    pub(crate) queue_limit: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) full_timeout_ns: i64,
    pub(crate) order: Order,
    pub(crate) waiters_help: bool,
    pub(crate) hooks: Hooks,
    pub(crate) start_worker: Option<StartWorker>,
    pub(crate) on_lost_error: Option<LostError>,
    /// Of the pool's own threads, whoever starts them.
    pub(crate) signals: SignalMask,
    /// Each regular thread is bound to one CPU.
    pub(crate) pin: bool,
}

impl Options {
    pub(crate) const DEFAULT_SPARE_THREADS: u32 = 256;
    pub(crate) const DEFAULT_BLOCKING_THREADS: u32 = 512;
    pub(crate) const DEFAULT_KEEP_ALIVE_NS: i64 = 1_000_000_000;

    /// A pool of so many threads, made by the calling thread; all else as it comes.
    pub(crate) fn new(threads: u32) -> Self {
        Self {
            threads,
            max_spare_threads: Self::DEFAULT_SPARE_THREADS,
            max_blocking_threads: Self::DEFAULT_BLOCKING_THREADS,
            keep_alive_ns: Self::DEFAULT_KEEP_ALIVE_NS,
            stack_size: 0,
            thread_name: c"offgil".into(),
            queue_limit: 0,
            when_full: WhenFull::Block,
            full_timeout_ns: -1,
            order: Order::Fifo,
            waiters_help: true,
            hooks: Hooks { on_start: None, on_stop: None, context: std::ptr::null_mut() },
            start_worker: None,
            on_lost_error: None,
            signals: SignalMask::of_this_thread(),
            pin: false,
        }
    }
}
