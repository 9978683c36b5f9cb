//! What a pool tells about itself, as C sees it.

use super::boundary::{pool, status, text};
use super::struct_of_size::{fill, LARGEST};
use super::{offgil_status, pool_t};
use crate::pool::{self, Error, Stats};
use std::ffi::c_char;

/// What a pool is doing and has done, as pool_stats fills it in; plain data of the caller's. Fields may be added at the end
/// in later versions, which `size` makes safe in both directions.
///
/// The counters are exact for what has happened before the call, so also when the pool is idle: then tasks_submitted is
/// tasks_completed + tasks_failed + tasks_canceled. What happens at the same time is in some of them and not in others.
/// What a call such as pool_for hands to the pool's threads counts as tasks, too, and its caller's own part doesn't.
///
/// Times are measured of the pool's first hundred tasks or so, and of one in 256 after that. Bucket i of a histogram counts
/// the times from 2^i to 2^(i+1) - 1 nanoseconds, bucket 0 also 0; the sum of the times divided by their count is the mean.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(non_camel_case_types)]
pub struct pool_stats_t {
    /// How many bytes of this struct the library has filled in; what is beyond is 0.
    pub size: usize,
    /// How many task bodies run at a time (pool_thread_count).
    pub threads: u32,
    /// Threads of the pool's own that are alive, without those of the blocking lane. They start when there is work.
    pub threads_alive: u32,
    /// How many of them are more than `threads`, because tasks are or were blocked.
    pub threads_spare: u32,
    /// Threads that are lent by pool_run_worker.
    pub threads_lent: u32,
    /// Places on which a thread runs bodies, or is about to take the next task.
    pub threads_running: u32,
    /// Bodies that are blocked in waits of this library, or between task_block_begin and task_block_end.
    pub threads_blocked: u32,
    /// Threads, own and lent, that sleep because there is nothing to do.
    pub threads_parked: u32,
    /// Threads of the blocking lane that are alive.
    pub threads_blocking: u32,
    /// How many of them have nothing to do.
    pub threads_blocking_idle: u32,
    /// 0.
    pub reserved: u32,
    /// Tasks that the pool has accepted; those that were refused don't count.
    pub tasks_submitted: u64,
    /// Tasks whose bodies have returned.
    pub tasks_completed: u64,
    /// Tasks that called task_fail, or panicked.
    pub tasks_failed: u64,
    /// Tasks that will never run: by future_cancel, their group, a deadline, a failure before them, or the end of the pool.
    pub tasks_canceled: u64,
    /// Entries in the queues now; a few may be of tasks that were canceled.
    pub tasks_queued: u64,
    /// Tasks now that wait for their delay to pass or for other tasks to end.
    pub tasks_held: u64,
    /// How many times a thread took a task that was queued on another's place.
    pub tasks_stolen: u64,
    /// The longest that the queue was seen to be. Approximate: not every submit looks.
    pub queue_high_water: u64,
    /// Of how many tasks time_queued was measured; what was held (delay, dependencies) is not among them.
    pub time_queued_count: u64,
    /// The sum of these times, in nanoseconds.
    pub time_queued_sum_ns: u64,
    /// From the submit to the begin of the body.
    pub time_queued: [u64; 64],
    /// Of how many tasks time_run was measured.
    pub time_run_count: u64,
    /// The sum of these times, in nanoseconds.
    pub time_run_sum_ns: u64,
    /// From the begin of the body to its return, with what it waited for.
    pub time_run: [u64; 64],
}

/// A struct must at least reach to the end of `threads`.
const SMALLEST: usize = std::mem::offset_of!(pool_stats_t, threads) + size_of::<u32>();

fn encode(stats: &Stats, size: usize) -> pool_stats_t {
    let counts = &stats.counts;
    pool_stats_t {
        size: size.min(size_of::<pool_stats_t>()),
        threads: stats.places,
        threads_alive: stats.threads,
        threads_spare: stats.spare,
        threads_lent: stats.lent,
        threads_running: stats.running,
        threads_blocked: stats.blocked,
        threads_parked: stats.parked,
        threads_blocking: stats.blocking,
        threads_blocking_idle: stats.blocking_idle,
        reserved: 0,
        tasks_submitted: counts.submitted,
        tasks_completed: counts.completed,
        tasks_failed: counts.failed,
        tasks_canceled: counts.canceled,
        tasks_queued: stats.queued,
        tasks_held: stats.held,
        tasks_stolen: counts.stolen,
        queue_high_water: counts.queue_high_water,
        time_queued_count: counts.queued.count,
        time_queued_sum_ns: counts.queued.sum,
        time_queued: counts.queued.buckets,
        time_run_count: counts.run.count,
        time_run_sum_ns: counts.run.sum,
        time_run: counts.run.buckets,
    }
}

/// Tells what the pool is doing and has done (see pool_stats_t).
///
/// @param stats where to; the caller's
/// @param size  sizeof(pool_stats_t) as the caller was compiled: no more is written, and what this library doesn't know of
///              it is set to 0
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or a size that no version of the struct has (`stats` is left as it is);
///         OFFGIL_EHANDLE
///
/// Any thread, as often as you like: it costs the pool's threads nothing. Never blocks.
///
/// # Safety
/// `stats` is NULL or points to `size` writable bytes.
pub unsafe extern "C" fn pool_stats(
    pool: *mut pool_t,
    stats: *mut pool_stats_t,
    size: usize,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        if stats.is_null() {
            return Err(Error::invalid("the stats are NULL"));
        }
        if !(SMALLEST..=LARGEST).contains(&size) {
            return Err(Error::invalid("no version of pool_stats_t has this size"));
        }
        // SAFETY: by the contract above.
        unsafe { fill(stats, size, SMALLEST, &encode(&pool::stats(&pool), size)) };
        Ok(())
    })
}

/// Writes what the pool does from now on into a file, in Chrome's trace event format (JSON), for ui.perfetto.dev and
/// chrome://tracing: one slice for each task that runs (named by its name or its function), slices for waits and for threads
/// that are parked, instants for steals, and the length of the queue.
///
/// An empty file is made, or one that exists is emptied, unless another pool of this process is traced into it: then both
/// are. The file is complete after pool_trace_stop, after pool_destroy and when the process exits; it can be read at any time
/// before, but the latest events may not be in it. What is not written yet is at most some 32 KiB a thread.
///
/// The environment variable OFFGIL_TRACE=file does the same for every pool from its creation on (in the child of a fork:
/// file.PID; a set-uid process ignores it). If that file can't be opened, a line on stderr says why, once, and the program
/// goes on without a trace. A task takes about a microsecond longer while it is traced.
///
/// @param path  the file; copied
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL, an empty path, or a file that can't be opened (offgil_last_message says why);
///         OFFGIL_EHANDLE; OFFGIL_EBUSY: the pool is traced already; OFFGIL_ECLOSED: the pool is shut down
///
/// Any thread; never blocks, but for the file system.
///
/// # Safety
/// `path` is NULL or a text that ends with a NUL byte.
pub unsafe extern "C" fn pool_trace_start(pool: *mut pool_t, path: *const c_char) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        // SAFETY: by the contract above.
        match unsafe { text(path) } {
            Some(path) if !path.is_empty() => pool::start_trace(&pool, &path_of(path)?),
            _ => Err(Error::invalid("the path is NULL or empty")),
        }
    })
}

#[cfg(unix)]
fn path_of(path: &std::ffi::CStr) -> Result<std::path::PathBuf, Error> {
    use std::os::unix::ffi::OsStrExt;
    Ok(std::ffi::OsStr::from_bytes(path.to_bytes()).into())
}

#[cfg(not(unix))]
fn path_of(path: &std::ffi::CStr) -> Result<std::path::PathBuf, Error> {
    path.to_str().map(Into::into).map_err(|_| Error::invalid("the path is not UTF-8"))
}

/// Ends the trace of the pool; what was traced is in the file then.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL, or not all could be written (the trace has ended nevertheless, the file is valid,
///         and offgil_last_message says why); OFFGIL_EHANDLE; OFFGIL_EDONE: the pool is not traced
///
/// Any thread; never blocks, but for the file system.
pub extern "C" fn pool_trace_stop(pool: *mut pool_t) -> offgil_status {
    status(|| pool::stop_trace(&*self::pool(pool)?))
}
