//! Pools as C sees them.

use super::boundary::{self, pool, status};
use super::offgil_status;
use super::pool_options::{checked, pool_options_t, threads};
use crate::pool::{self as pools, Error, Mode, Options};
use crate::sync::Deadline;

/// A pool of threads. An opaque handle: never dereferenced, and checked at each call.
///
/// Owns its threads and its queues. Made by pool_create, pool_create_with and pool_default; ends with pool_destroy or
/// pool_release. All functions on it may be called from any thread at any time, also at the same time.
///
/// Its threads have the signal mask of the thread that made it. In the child of a fork it goes on with the same handle
/// and options, with threads of its own, and without its parent's tasks.
#[allow(non_camel_case_types)]
pub struct pool_t {
    _opaque: [u8; 0],
}

/// What is queued is run.
pub const POOL_DRAIN: i32 = 0;
/// What is queued is canceled, and what runs is asked to stop (task_is_canceled).
pub const POOL_CANCEL: i32 = 1;

/// Makes a pool that runs at most `threads` task bodies at a time, at most 4096.
///
/// 0 stands for one per usable CPU (offgil_cpu_count), or for what the environment variable OFFGIL_NUM_THREADS says
/// (which a set-uid process ignores). A pool of one runs one task at a time, in order. Threads are started when there
/// is work for them, so this is cheap.
///
/// @return a handle, due to one pool_destroy or pool_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL (more
///         than 4096 threads, or a bad OFFGIL_NUM_THREADS), OFFGIL_ENOMEM (65,536 pools alive)
///
/// Any thread; never blocks.
pub extern "C" fn pool_create(threads: u32) -> *mut pool_t {
    boundary::pool_handle(|| create(Options::new(self::threads(threads)?)))
}

fn create(options: Options) -> Result<u32, Error> {
    pools::create(options).map(|pool| pool.number)
}

/// Makes a pool as the options say (see pool_options_t); they are copied.
///
/// @return a handle, due to one pool_destroy or pool_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL
///         (options NULL, not made by pool_options_init, or one out of range: offgil_last_message says which),
///         OFFGIL_ENOMEM
///
/// Any thread; never blocks.
///
/// # Safety
/// `options` is NULL or a struct that pool_options_init has filled.
pub unsafe extern "C" fn pool_create_with(options: *const pool_options_t) -> *mut pool_t {
    // SAFETY: by the contract above.
    boundary::pool_handle(|| create(unsafe { checked(options)? }))
}

/// The process's own pool, one thread per usable CPU (or OFFGIL_NUM_THREADS), made on first use.
///
/// It is never destroyed: pool_shutdown, pool_destroy and pool_release on it answer OFFGIL_EINVAL.
///
/// @return its handle, always the same; NULL on failure (offgil_last_status): OFFGIL_EINVAL (a bad
///         OFFGIL_NUM_THREADS), OFFGIL_ENOMEM
///
/// Any thread; never blocks.
pub extern "C" fn pool_default() -> *mut pool_t {
    boundary::pool_handle(|| pools::default_pool(|| Ok(Options::new(threads(0)?))))
}

/// Closes the pool, and waits until all that it has accepted is done, at most for `timeout_ns`. The handle stays valid.
///
/// From now on threads outside get OFFGIL_ECLOSED, also those that are blocked on a full queue; tasks that still run may
/// submit more while the pool drains (POOL_DRAIN), but not with POOL_CANCEL. May be called again, to wait longer or to
/// turn a drain into a cancel.
///
/// Delayed tasks that are not due yet are canceled, with POOL_CANCEL all that have not begun. What these were to tell when
/// they end (drop_arg, future_on_done, their completion queues, tasks `after` them) is told on the calling thread: a lock
/// that one of these functions takes must not be held.
///
/// @param mode       POOL_DRAIN or POOL_CANCEL
/// @param timeout_ns how long to wait; 0: close and look; negative: for ever
/// @return OFFGIL_OK: all is done, the threads end; OFFGIL_ETIMEDOUT: something still runs; OFFGIL_EINVAL: NULL, no such
///         mode, or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: for ever, from inside a task of this pool, or of
///         one that a task of this pool waits for (as pool_wait_idle); OFFGIL_ETHREAD (as pool_wait_idle)
///
/// From inside a task of this pool OFFGIL_EDEADLK means that nothing was changed. In the other cases the pool may be
/// closed then: with POOL_CANCEL it is.
///
/// Any thread. Blocks; a task of another pool gives its place up meanwhile.
pub extern "C" fn pool_shutdown(pool: *mut pool_t, mode: i32, timeout_ns: i64) -> offgil_status {
    status(|| {
        let mode = match mode {
            POOL_DRAIN => Mode::Drain,
            POOL_CANCEL => Mode::Cancel,
            _ => return Err(Error::invalid("the mode is neither POOL_DRAIN nor POOL_CANCEL")),
        };
        pools::shutdown(&*boundary::pool(pool)?, mode, Deadline::from_timeout_ns(timeout_ns))
    })
}

/// Drains the pool (as pool_shutdown with POOL_DRAIN, for ever), joins its threads and frees it.
///
/// The handle is dead afterwards; futures of its tasks stay valid until they are released. Delayed tasks that are not due yet
/// are canceled, and what they were to tell is told on the calling thread, as by pool_shutdown.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE; OFFGIL_EDEADLK: from inside a task of this
///         pool (nothing was changed then; pool_release is what a task can call), or of one that a task of this pool
///         waits for (as pool_wait_idle); OFFGIL_ETHREAD (as pool_wait_idle). The handle stays valid on failure, but the
///         pool may be closed
///
/// Any thread but the pool's own. Blocks.
pub extern "C" fn pool_destroy(pool: *mut pool_t) -> offgil_status {
    status(|| pools::destroy(&boundary::pool(pool)?))
}

/// Closes the pool and lets go of it: what is queued is still run, then its threads end by themselves. Delayed tasks that are
/// not due yet are canceled, and what they were to tell is told on the calling thread, as by pool_shutdown.
///
/// The handle is dead afterwards, except inside tasks of the pool, which may submit more while it drains. Another thread's
/// pool_wait_idle, pool_shutdown or pool_destroy that is under way answers OFFGIL_EHANDLE.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL or the default pool; OFFGIL_EHANDLE
///
/// Any thread, also the pool's own; never blocks (but for what is told).
pub extern "C" fn pool_release(pool: *mut pool_t) -> offgil_status {
    status(|| pools::release(&boundary::pool(pool)?))
}

/// Waits until no task of the pool is queued or running, at most for `timeout_ns`.
///
/// Others may submit in the meantime: then it waits for that, too.
///
/// @return OFFGIL_OK; OFFGIL_ETIMEDOUT; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: no live handle, or released during the wait;
///         OFFGIL_EDEADLK: for ever, from inside a task of this pool, or of one that a task of this pool waits for, directly
///         or over other tasks and pools (offgil_last_message names the circle); OFFGIL_ETHREAD: for ever, inside a task, and no thread can be had to
///         run what the tasks of this pool wait for
///
/// Any thread. Blocks; a task of another pool gives its place up meanwhile.
pub extern "C" fn pool_wait_idle(pool: *mut pool_t, timeout_ns: i64) -> offgil_status {
    status(|| pools::wait_idle(&*boundary::pool(pool)?, Deadline::from_timeout_ns(timeout_ns)))
}

/// Changes how many task bodies the pool runs at a time: more, or fewer.
///
/// It takes effect at once for tasks that start from now on. Bodies that run are not interrupted: after a step down more
/// than `threads` may run until enough of them have ended or wait, and none is started before. They keep their
/// pool_worker_index, which may be `threads` or more, until they end or wait. A pool that has become one of one thread runs
/// one task at a time from then on, and in order what is submitted from then on. Threads that are too many end once
/// they have nothing to do, new ones are started when there is work for them. max_spare_threads comes on top as before.
///
/// @param threads 1 to 4096; 0 stands for one per usable CPU, or OFFGIL_NUM_THREADS, as in pool_create
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL, more than 4096 threads, or a bad OFFGIL_NUM_THREADS; OFFGIL_EHANDLE;
///         OFFGIL_ECLOSED: the pool is shut down
///
/// Any thread, also inside tasks, at any time, also at the same time as other calls (of several resizes one is the last);
/// also on the default pool. Never blocks.
pub extern "C" fn pool_resize(pool: *mut pool_t, threads: u32) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        pools::resize(&pool, self::threads(threads)?)
    })
}

/// How many task bodies the pool runs at a time, by its options or the last pool_resize.
///
/// @return the number; 0 on failure (offgil_last_status): OFFGIL_EINVAL (NULL), OFFGIL_EHANDLE
///
/// Any thread; never blocks.
pub extern "C" fn pool_thread_count(pool: *mut pool_t) -> u32 {
    match self::pool(pool) {
        Ok(pool) => pool.threads(),
        Err(error) => {
            boundary::fail(error);
            0
        }
    }
}

/// The number of the place on which the calling thread runs a task of this pool: 0 to pool_thread_count - 1, and never
/// the same for two bodies that run at the same time, so it can index scratch arrays. -1 where there is no place: outside the
/// pool's tasks, in those that are `blocking`, and between task_block_begin and task_block_end; and for a handle that is NULL
/// or not live (offgil_last_status: OFFGIL_EINVAL, OFFGIL_EHANDLE).
///
/// A wait inside a task gives the place up: ask again after it. A task that ran before a pool_resize keeps its number, and
/// one that starts after it gets one below the new count. Any thread; never blocks.
pub extern "C" fn pool_worker_index(pool: *mut pool_t) -> i32 {
    match self::pool(pool) {
        Ok(pool) => pools::worker_index(&pool).map_or(-1, |place| place as i32),
        Err(error) => {
            boundary::fail(error);
            -1
        }
    }
}

/// Makes the calling thread a worker of the pool until the pool is over: it runs tasks like the pool's own threads, within
/// the same bound on concurrency, and it alone (with others that are lent) runs those that were submitted with
/// task_options_t.lent_only. The pool's hooks are called on it when it comes and when it goes.
///
/// For threads that must be of a certain kind: known to an interpreter, with a context of a GUI's or a GPU's.
///
/// @return OFFGIL_OK: the pool was shut down and all is done; OFFGIL_ECLOSED: it was over already; OFFGIL_EINVAL: NULL;
///         OFFGIL_EHANDLE; OFFGIL_EDEADLK: called inside a task or a hook
///
/// Any thread but one that is in a task. Blocks until the pool is shut down; pool_destroy waits until this has returned
/// everywhere.
pub extern "C" fn pool_run_worker(pool: *mut pool_t) -> offgil_status {
    status(|| pools::run_worker(&boundary::pool(pool)?))
}
