//! The options of a pool as C sees them.

use super::boundary::text;
use super::struct_of_size::{fill, read};
use super::{offgil_cpu_count, offgil_status};
use crate::pool::{Error, Hooks, Options, WhenFull, MOST_THREADS};
use crate::queue::Order;
use crate::sync::environment_variable;
use std::ffi::{c_char, c_void};

/// A submit from outside waits for room (at most full_timeout_ns, then OFFGIL_ETIMEDOUT).
pub const POOL_FULL_BLOCK: i32 = 0;
/// A submit from outside fails with OFFGIL_EFULL.
pub const POOL_FULL_FAIL: i32 = 1;
/// A submit from outside runs the task itself, once one of the pool's places is free (at most full_timeout_ns).
/// Where outside threads may not run the pool's tasks (see waiters_help) and inside tasks of other pools, as
/// POOL_FULL_BLOCK.
pub const POOL_FULL_RUN: i32 = 2;

/// Tasks from outside are started in the order in which they came.
pub const POOL_FIFO: i32 = 0;
/// The newest task from outside is started first.
pub const POOL_LIFO: i32 = 1;

/// A function that each thread of a pool calls with pool_options_t.context. It is in no task; a wait for its own
/// pool to be done answers OFFGIL_EDEADLK.
#[allow(non_camel_case_types)]
pub type thread_hook_fn = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// A function that has a thread started which calls pool_run_worker; gets pool_options_t.context. Not 0: it can't. Must
/// return, and not wait for that thread.
#[allow(non_camel_case_types)]
pub type start_worker_fn = Option<unsafe extern "C" fn(context: *mut c_void) -> i32>;

/// A function that is told of a failure nobody has looked at: pool_options_t.context, the task's name (NULL: none),
/// OFFGIL_EFAILED or OFFGIL_EPANIC, and code and message as future_error has them; the texts live during the call. Called
/// with no lock held; must return.
#[allow(non_camel_case_types)]
pub type lost_error_fn = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        name: *const c_char,
        status: offgil_status,
        code: i32,
        message: *const c_char,
    ),
>;

/// How a pool is to be. Fill it with pool_options_init, then change what you want to; fields may be added at the
/// end in later versions, which `size` makes safe in both directions.
///
/// Plain data of the caller's: copied by pool_create_with, and not needed afterwards (but for `context`, which the
/// hooks get as long as the pool has threads).
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct pool_options_t {
    /// Size of this struct in bytes, as the caller was compiled. Set by pool_options_init.
    pub size: usize,
    /// How many task bodies run at a time, at most 4096. 0 (the default): one per usable CPU, or what the
    /// environment variable OFFGIL_NUM_THREADS says.
    pub threads: u32,
    /// How many threads may be started on top while tasks are blocked in waits. Default 256; at most 4096, and more is taken
    /// as that. Past it, a wait for ever inside a task may answer OFFGIL_ETHREAD.
    pub max_spare_threads: u32,
    /// Stack of each thread in bytes, at least 65,536 and below 2^47 (128 TiB). 0 (the default): the system's default.
    /// What the system hasn't got room for is OFFGIL_ETHREAD when a thread is needed.
    pub stack_size: usize,
    /// Name of the threads, to which "-0", "-1" ... is added (the system may cut it); copied. NULL (the default): "offgil".
    pub thread_name: *const c_char,
    /// How many tasks may be queued. 0 (the default): no limit. It holds for threads outside the pool; the pool's
    /// own tasks are never blocked or refused, past the limit they run the new task themselves.
    pub queue_limit: usize,
    /// How long POOL_FULL_BLOCK and POOL_FULL_RUN wait, in nanoseconds; negative (the default): for ever.
    pub full_timeout_ns: i64,
    /// What a submit does when the queue is full: POOL_FULL_BLOCK (the default), POOL_FULL_FAIL or POOL_FULL_RUN.
    pub when_full: i32,
    /// In which order tasks from outside are started: POOL_FIFO (the default) or POOL_LIFO. Strict with one thread.
    /// A task's own children come before either, newest first.
    pub order: i32,
    /// 1 (the default): a thread outside the pool that waits for ever for a task that is still queued may run it
    /// itself, if fewer than `threads` bodies run. 0: only the pool's threads run its tasks. A pool of one thread,
    /// and one with hooks, never lets outside threads run its tasks.
    pub waiters_help: u8,
    /// Called by each of the pool's threads when it starts, before any task: also by those of the blocking lane, and by lent
    /// ones when they come. May be NULL. Must return.
    pub on_thread_start: thread_hook_fn,
    /// Called by each of the same threads when it ends, or goes. May be NULL. Must return.
    pub on_thread_stop: thread_hook_fn,
    /// What the hooks get.
    pub context: *mut c_void,
    /// How many threads the blocking lane may have (task_options_t.blocking). Default 512; 0: none, and such tasks are
    /// refused with OFFGIL_ETHREAD. At most 32,767. While some of them are blocked in waits of this library there may be
    /// as many more, up to max_spare_threads.
    pub max_blocking_threads: u32,
    /// How long a thread of the blocking lane, or a spare one, stays with nothing to do, in nanoseconds. Default one
    /// second; negative: as long as the pool.
    pub keep_alive_ns: i64,
    /// Called in the submit of a task with task_options_t.lent_only, on the submitting thread, when no lent thread is free
    /// for it and fewer than `threads` are lent (and not blocked in a wait; one more if a lent thread submits, as its task
    /// may wait for the new one): has a thread started that calls pool_run_worker, and returns 0 (anything else if it
    /// can't: where no thread is lent or on its way, the submit is refused with OFFGIL_ETHREAD then). Such a thread may come
    /// late, and get OFFGIL_ECLOSED or OFFGIL_EHANDLE. NULL (the default): lent threads come by themselves; tasks wait
    /// for them, and a shutdown that drains waits for those tasks.
    pub start_worker: start_worker_fn,
    /// Called when a task has failed and nobody can learn of it any more: it was spawned, or its future was released and
    /// neither a wait, future_error, future_on_done nor a completion queue has shown the failure. (A group's tasks are its
    /// own matter: group_wait tells.) On the thread that noticed; not after pool_destroy. NULL (the default): such failures
    /// are dropped.
    pub on_lost_error: lost_error_fn,
    /// 1: each of the pool's `threads` regular threads is bound to one CPU, round robin over those that the thread which
    /// makes the pool may use (its affinity mask; as a rule the whole process's). Threads that stand in for blocked ones
    /// (max_spare_threads) are not, until one of the others has ended and they take its turn. 0 (the default): the system
    /// moves them as it likes. Only Linux has such a call; elsewhere, and where it is refused, this has no effect.
    pub pin: u8,
}

/// A struct must at least reach to the end of `threads`.
const SMALLEST: usize = std::mem::offset_of!(pool_options_t, threads) + size_of::<u32>();
/// Bodies without a place have 16 bits in the census.
const MOST_BLOCKING: u32 = 32_767;
/// So many bytes a process can address on x86-64 (on AArch64 twice as many).
const ADDRESSES: usize = 1 << 47;

fn defaults(size: usize) -> pool_options_t {
    pool_options_t {
        size,
        threads: 0,
        max_spare_threads: Options::DEFAULT_SPARE_THREADS,
        stack_size: 0,
        thread_name: std::ptr::null(),
        queue_limit: 0,
        full_timeout_ns: super::OFFGIL_FOREVER,
        when_full: POOL_FULL_BLOCK,
        order: POOL_FIFO,
        waiters_help: 1,
        on_thread_start: None,
        on_thread_stop: None,
        context: std::ptr::null_mut(),
        max_blocking_threads: Options::DEFAULT_BLOCKING_THREADS,
        keep_alive_ns: Options::DEFAULT_KEEP_ALIVE_NS,
        start_worker: None,
        on_lost_error: None,
        pin: 0,
    }
}

/// Fills a struct of options with the defaults: `pool_options_init(&options, sizeof options)`.
///
/// @param options where to; NULL is ignored
/// @param size    size of the caller's struct in bytes; what this library doesn't know of it is set to 0. A size that
///                no version of the struct has (too small to hold `threads`, or over 4096) leaves it as it is.
///
/// Any thread; never blocks; can't fail.
///
/// # Safety
/// `options` is NULL or points to `size` writable bytes.
pub unsafe extern "C" fn pool_options_init(options: *mut pool_options_t, size: usize) {
    // SAFETY: by the contract above.
    unsafe { fill(options, size, SMALLEST, &defaults(size)) };
}

/// Checks what C has asked for.
///
/// # Safety
/// `options` is NULL or a struct whose `size` says how long it is; the pointers inside are valid as the header says.
pub(super) unsafe fn checked(options: *const pool_options_t) -> Result<Options, Error> {
    // SAFETY: by the contract above.
    let given = unsafe { read(options, SMALLEST, defaults)? };
    let mut options = Options::new(threads(given.threads)?);
    options.max_spare_threads = given.max_spare_threads.min(MOST_THREADS);
    options.stack_size = match given.stack_size {
        1..=65_535 => return Err(Error::invalid("options.stack_size is below 65,536 bytes")),
        ADDRESSES.. => return Err(Error::invalid("options.stack_size is 2^47 bytes (128 TiB) or more")),
        size => size,
    };
    // SAFETY: NULL or a text, by the contract above.
    if let Some(name) = unsafe { text(given.thread_name) } {
        options.thread_name = name.into();
    }
    options.queue_limit = given.queue_limit;
    options.full_timeout_ns = given.full_timeout_ns;
    options.when_full = match given.when_full {
        POOL_FULL_BLOCK => WhenFull::Block,
        POOL_FULL_FAIL => WhenFull::Fail,
        POOL_FULL_RUN => WhenFull::Run,
        _ => return Err(Error::invalid("options.when_full is none of the POOL_FULL_ constants")),
    };
    options.order = match given.order {
        POOL_FIFO => Order::Fifo,
        POOL_LIFO => Order::Lifo,
        _ => return Err(Error::invalid("options.order is neither POOL_FIFO nor POOL_LIFO")),
    };
    options.waiters_help = match given.waiters_help {
        0 => false,
        1 => true,
        _ => return Err(Error::invalid("options.waiters_help is neither 0 nor 1")),
    };
    options.max_blocking_threads = match given.max_blocking_threads {
        threads @ 0..=MOST_BLOCKING => threads,
        _ => return Err(Error::invalid("options.max_blocking_threads is over 32,767")),
    };
    options.keep_alive_ns = given.keep_alive_ns;
    options.start_worker = given.start_worker;
    options.on_lost_error = given.on_lost_error;
    options.hooks =
        Hooks { on_start: given.on_thread_start, on_stop: given.on_thread_stop, context: given.context };
    options.pin = match given.pin {
        0 => false,
        1 => true,
        _ => return Err(Error::invalid("options.pin is neither 0 nor 1")),
    };
    Ok(options)
}

/// The number of threads that was asked for; 0: OFFGIL_NUM_THREADS, or one per usable CPU.
pub(super) fn threads(asked: u32) -> Result<u32, Error> {
    match asked {
        0 => Ok(from_environment()?.unwrap_or_else(|| offgil_cpu_count().min(MOST_THREADS))),
        1..=MOST_THREADS => Ok(asked),
        _ => Err(Error::invalid("a pool has at most 4096 threads")),
    }
}

fn from_environment() -> Result<Option<u32>, Error> {
    let Some(value) = environment_variable("OFFGIL_NUM_THREADS") else { return Ok(None) };
    match value.to_str().and_then(|value| value.trim().parse().ok()) {
        Some(threads @ 1..=MOST_THREADS) => Ok(Some(threads)),
        _ => Err(Error::invalid("OFFGIL_NUM_THREADS is not a number from 1 to 4096")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_spare_threads_than_4096_are_taken_as_4096() {
        for (asked, taken) in [(0, 0), (4096, 4096), (4097, 4096), (u32::MAX, 4096)] {
            let given = pool_options_t { max_spare_threads: asked, ..defaults(size_of::<pool_options_t>()) };
            // SAFETY: a struct of that size, whose pointers are NULL.
            let options = unsafe { checked(&given) }.expect("no option is out of range");
            assert_eq!(options.max_spare_threads, taken);
        }
    }
}
