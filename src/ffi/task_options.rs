//! Submitting with options, as C sees it.

use super::boundary::{future_handle, pool, slice, status, task, text};
use super::completion_queue::{completion_queue_t, queue};
use super::group::{group, group_t};
use super::struct_of_size::{fill, read};
use super::task::{function, task_fn};
use super::{future_t, offgil_status, pool_t};
use crate::pool::{self as pools, Error, Lane, Request};
use crate::task::{Delivery, Extra, Owner, TaskId};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Started when there is no other task of the pool's to start, or a worker has started 60 others while it waited, so that
/// it gets its turn.
pub const TASK_LOW: i32 = -1;
/// In its turn.
pub const TASK_NORMAL: i32 = 0;
/// Started before all tasks of the pool's that are not high, also before a worker's own children; but after 60 of them in
/// a row a worker gives another one its turn.
pub const TASK_HIGH: i32 = 1;

/// A function that gets something back: an argument after the task, or a result that nobody took. Must return.
/// As done_fn it is in no task.
#[allow(non_camel_case_types)]
pub type drop_fn = Option<unsafe extern "C" fn(pointer: *mut c_void)>;

/// How a task is to be run. Fill it with task_options_init, then change what you want to; fields may be added at the end
/// in later versions, which `size` makes safe in both directions.
///
/// Plain data of the caller's: read by the submit, and not needed afterwards.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct task_options_t {
    /// Size of this struct in bytes, as the caller was compiled. Set by task_options_init.
    pub size: usize,
    /// What the task is called in messages and traces; copied. NULL (the default): nothing.
    pub name: *const c_char,
    /// TASK_LOW, TASK_NORMAL (the default) or TASK_HIGH. Holds in the whole pool, whoever submits. Without meaning for
    /// tasks that are `blocking` or `lent_only`, which have queues of their own.
    pub priority: i32,
    /// 1: the task will sleep in system calls: it runs on one of the pool's blocking threads
    /// (pool_options_t.max_blocking_threads), at once if one can be had, and never takes a place of the pool's. 0: default.
    pub blocking: u8,
    /// 1: only threads that are lent by pool_run_worker run the task; it waits until one is lent and free, if need be for
    /// ever (so does a shutdown that drains: POOL_CANCEL, or lend one), and a wait for it is never answered with
    /// OFFGIL_ETHREAD. 0: default.
    pub lent_only: u8,
    /// Not to be started before so many nanoseconds have passed since the submit. Default 0. A shutdown cancels it before.
    pub delay_ns: i64,
    /// Canceled if it has not been started after so many nanoseconds since the submit. Negative (the default): never.
    pub deadline_ns: i64,
    /// Tasks that are to end first, of any pool; `after_count` futures, which stay the caller's and may be released once the
    /// submit has returned. If one of them fails or is canceled, this one never runs and ends with that one's status. NULL:
    /// default.
    pub after: *const *mut future_t,
    /// How many they are. Default 0.
    pub after_count: usize,
    /// The group that the task is in, of the same pool. The handle stays the caller's. NULL (the default): none.
    pub group: *mut group_t,
    /// The completion queue that the task comes into when it ends, with `tag`. The handle stays the caller's. NULL (the
    /// default): none.
    pub queue: *mut completion_queue_t,
    /// What it comes into `queue` with.
    pub tag: u64,
    /// Called with the argument, exactly once, when the task has run or is certain never to: before its end can be seen,
    /// by the thread that ends it. Not called if the submit fails: then the argument is the caller's. NULL: default.
    pub drop_arg: drop_fn,
    /// Called with the result, whatever it is, if the task ended with OFFGIL_OK and nobody took it (no future_wait with a
    /// `result`, no future_on_done, no completion queue), when the last handle goes. NULL: default.
    pub drop_result: drop_fn,
}

/// A struct must at least reach to the end of `priority`.
const SMALLEST: usize = std::mem::offset_of!(task_options_t, priority) + size_of::<i32>();

fn defaults(size: usize) -> task_options_t {
    task_options_t {
        size,
        name: std::ptr::null(),
        priority: TASK_NORMAL,
        blocking: 0,
        lent_only: 0,
        delay_ns: 0,
        deadline_ns: super::OFFGIL_FOREVER,
        after: std::ptr::null(),
        after_count: 0,
        group: std::ptr::null_mut(),
        queue: std::ptr::null_mut(),
        tag: 0,
        drop_arg: None,
        drop_result: None,
    }
}

/// Fills a struct of options with the defaults: `task_options_init(&options, sizeof options)`.
///
/// @param options where to; NULL is ignored
/// @param size    size of the caller's struct in bytes; what this library doesn't know of it is set to 0. A size that
///                no version of the struct has (too small to hold `priority`, or over 4096) leaves it as it is.
///
/// Any thread; never blocks; can't fail.
///
/// # Safety
/// `options` is NULL or points to `size` writable bytes.
pub unsafe extern "C" fn task_options_init(options: *mut task_options_t, size: usize) {
    // SAFETY: by the contract above.
    unsafe { fill(options, size, SMALLEST, &defaults(size)) };
}

/// Submits one task, as pool_submit, the way the options say.
///
/// @param options NULL: the defaults
/// @param fn      the body; not NULL
/// @param arg     what it gets; stays the caller's, unless `drop_arg` is set and this succeeds
/// @return the future, due to one future_release; NULL on failure (offgil_last_status): as pool_submit, and OFFGIL_EINVAL:
///         an option is out of range (offgil_last_message says which); OFFGIL_EHANDLE: one of `after`, `group` or `queue`
///         is no live handle; OFFGIL_ECANCELED: the group was canceled; OFFGIL_ECLOSED: also for a delay in a pool that is
///         shut down; OFFGIL_ETHREAD: also where a blocking thread, or one that keeps the time, can't be started, and for a
///         `lent_only` one where no thread is lent and pool_options_t.start_worker can't have one started
///
/// Any thread. Blocks only where the queue is bounded and full (with POOL_FULL_RUN also for tasks that the submitter may
/// not run at once: delayed ones, ones that come after others, `blocking` and `lent_only` ones).
///
/// # Safety
/// As pool_submit; `options` is NULL or a struct that task_options_init has filled, its pointers as it says.
pub unsafe extern "C" fn pool_submit_with(
    pool: *mut pool_t,
    options: *const task_options_t,
    r#fn: task_fn,
    arg: *mut c_void,
) -> *mut future_t {
    // SAFETY: by the contract above.
    future_handle(|| unsafe { submit(pool, options, r#fn, arg, Owner::Caller) })
}

/// Submits one task that nobody will ask for, the way the options say: as pool_submit_with, without a future.
///
/// @param options NULL: the defaults
/// @return OFFGIL_OK; else as pool_submit_with
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// As pool_submit_with.
pub unsafe extern "C" fn pool_spawn_with(
    pool: *mut pool_t,
    options: *const task_options_t,
    r#fn: task_fn,
    arg: *mut c_void,
) -> offgil_status {
    // SAFETY: by the contract above.
    status(|| unsafe { submit(pool, options, r#fn, arg, Owner::None) }.map(drop))
}

/// # Safety
/// As pool_submit_with.
unsafe fn submit(
    pool: *mut pool_t,
    options: *const task_options_t,
    body: task_fn,
    argument: *mut c_void,
    owner: Owner,
) -> Result<TaskId, Error> {
    let pool = self::pool(pool)?;
    let extra = Extra::new(function(body)?, argument);
    // SAFETY: by the contract above.
    let request = unsafe { requested(options, extra, owner)? };
    pools::submit_with(&pool, request)
}

/// Checks what C has asked for.
///
/// # Safety
/// `options` is NULL or as pool_submit_with has it.
pub(super) unsafe fn requested(
    options: *const task_options_t,
    extra: Extra,
    owner: Owner,
) -> Result<Request, Error> {
    let mut request = Request::new(extra, owner);
    if options.is_null() {
        return Ok(request);
    }
    // SAFETY: by the contract above: a struct whose `size` says how long it is.
    let given = unsafe { read(options, SMALLEST, defaults)? };
    request.lane = lane(&given)?;
    let now = Instant::now();
    match given.delay_ns {
        0 => {}
        delay @ 1.. => request.not_before = now.checked_add(Duration::from_nanos(delay as u64)),
        _ => return Err(Error::invalid("options.delay_ns is negative: a delay has an end")),
    }
    let extra = &mut request.extra;
    if let Ok(deadline) = u64::try_from(given.deadline_ns) {
        extra.deadline = now.checked_add(Duration::from_nanos(deadline));
    }
    // SAFETY: NULL or a text, by the contract above.
    extra.name = unsafe { text(given.name) }.map(|name| Arc::from(&*name.to_string_lossy()));
    extra.drop_argument = given.drop_arg;
    extra.drop_result = given.drop_result;
    if !given.queue.is_null() {
        extra.delivery = Some(Delivery::new(queue(given.queue)?, given.tag));
    }
    if !given.group.is_null() {
        request.group = Some(group(given.group)?);
    }
    // SAFETY: `after_count` long, by the contract above.
    let after = unsafe { slice(given.after, given.after_count)? };
    request.after = after.iter().map(|&future| task(future)).collect::<Result<_, _>>()?;
    Ok(request)
}

fn lane(given: &task_options_t) -> Result<Lane, Error> {
    let by_priority = match given.priority {
        TASK_LOW => Lane::Low,
        TASK_NORMAL => Lane::Normal,
        TASK_HIGH => Lane::High,
        _ => return Err(Error::invalid("options.priority is none of TASK_LOW, TASK_NORMAL, TASK_HIGH")),
    };
    match (given.blocking, given.lent_only) {
        (0, 0) => Ok(by_priority),
        (1, 0) => Ok(Lane::Blocking),
        (0, 1) => Ok(Lane::Lent),
        (1, 1) => Err(Error::invalid("a task can't be both blocking and lent_only")),
        _ => Err(Error::invalid("options.blocking and options.lent_only are 0 or 1")),
    }
}
