//! Parallel ranges: one cursor, shared by the caller and as many helper tasks as there are places.
//!
//! ```text
//! begin |#### taken ####|-> cursor ........... end        parts shrink towards the end, down to the grain
//! ```
//!
//! Guided self-scheduling (Polychronopoulos and Kuck, IEEE Trans. Computers 1987): who is hungry takes a share of
//! what is left, so that few steps are taken while there is much and nobody waits long at the end. The range lies on
//! the caller's stack: the caller takes helpers back that have not begun, and waits for those that have.

use super::runs_here;
use crate::pool::{self, as_error, Error, PartOutcome, PoolRef, Status};
use crate::sync::{lock, AtomicUsize, Mutex, Ordering};
use crate::task::{release, Failure, Job, Owner, TaskId};
use std::ffi::c_void;

/// Parts that each thread would take of what is left, if all were alike.
const SHARES: usize = 4;

/// A range that is being worked off. `body` runs one part.
struct Range<'a> {
    cursor: AtomicUsize,
    end: usize,
    grain: usize,
    threads: usize,
    body: &'a (dyn Fn(&Self, usize, usize) + Sync),
    lowest_failure: Mutex<Option<(usize, (Status, Failure))>>,
}

impl Range<'_> {
    /// Takes parts until there are none.
    fn work(&self) {
        while let Some((begin, end)) = self.take() {
            (self.body)(self, begin, end);
        }
    }

    fn take(&self) -> Option<(usize, usize)> {
        let mut begin = self.cursor.load(Ordering::Relaxed);
        loop {
            let left = self.end - begin;
            if left == 0 {
                return None;
            }
            let part = if self.threads == 1 { left } else { left / (self.threads * SHARES) };
            let part = part.max(self.grain).min(left);
            // Relaxed: the parts share nothing here; their results are published by the helpers' ends.
            match self.cursor.compare_exchange_weak(begin, begin + part, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some((begin, begin + part)),
                Err(now) => begin = now,
            }
        }
    }

    fn note(&self, index: usize, outcome: PartOutcome) {
        if let Err(failure) = outcome {
            let mut lowest = lock(&self.lowest_failure);
            if lowest.as_ref().is_none_or(|(other, _)| index < *other) {
                *lowest = Some((index, failure));
            }
        }
    }
}

unsafe extern "C-unwind" fn help(range: *mut c_void) -> *mut c_void {
    // SAFETY: `drive` keeps the range alive until this task has ended or was taken back, and shares it only.
    unsafe { &*range.cast::<Range<'_>>() }.work();
    std::ptr::null_mut()
}

/// Works the range off, with helpers, and says how the lowest part that failed ended.
fn drive(
    pool: &PoolRef,
    (begin, end): (usize, usize),
    grain: usize,
    body: &(dyn Fn(&Range<'_>, usize, usize) + Sync),
) -> Result<(), Error> {
    let (threads, grain) = (pool.threads() as usize, grain.max(1));
    let range = Range {
        cursor: AtomicUsize::new(begin),
        end,
        grain,
        threads,
        body,
        lowest_failure: Mutex::new(None),
    };
    let helpers = threads.min((end - begin).div_ceil(grain));
    let argument = (&raw const range).cast_mut().cast();
    let work = || with_helpers(pool, argument, helpers - 1, || range.work());
    if !runs_here(pool, work) {
        let waited = all_by_helpers(pool, argument, helpers);
        if range.cursor.load(Ordering::Relaxed) < end {
            waited?;
        }
    }
    let failure = lock(&range.lowest_failure).take();
    failure.map_or(Ok(()), |(_, failure)| as_error(Err(failure)))
}

/// Lets up to `count` tasks help with what the caller does.
fn with_helpers(pool: &PoolRef, argument: *mut c_void, count: usize, work: impl FnOnce()) {
    // Without helpers, or with fewer, the caller does more itself.
    let (helpers, _) = submit_helpers(pool, argument, count);
    work();
    for helper in helpers {
        // Canceled: it had not begun, and there is nothing left to do. Else it has ended: its parts' failures are noted.
        let _ = pool::reclaim(pool, helper);
        let _ = release(helper);
    }
}

/// The caller is no worker and can't be one now (no place, or no stack left): it waits.
fn all_by_helpers(pool: &PoolRef, argument: *mut c_void, count: usize) -> Result<(), Error> {
    let (helpers, mut result) = submit_helpers(pool, argument, count);
    if !helpers.is_empty() {
        result = Ok(()); // fewer do as well
    }
    for helper in helpers {
        // One that nobody can come for, or that was canceled with its pool, is the range's failure.
        result = result.and(pool::join(pool, helper).map(drop));
        let _ = release(helper);
    }
    result
}

/// As many helpers as can be had, and why there are no more.
fn submit_helpers(pool: &PoolRef, argument: *mut c_void, count: usize) -> (Vec<TaskId>, Result<(), Error>) {
    let mut helpers = Vec::with_capacity(count);
    for _ in 0..count {
        match pool::submit(pool, Job { function: help, argument, owner: Owner::Library }) {
            Ok(helper) => helpers.push(helper),
            Err(error) => return (helpers, Err(error)),
        }
    }
    (helpers, Ok(()))
}

/// Calls `body(begin, end)` for parts of the range that are `grain` long or longer (the last may be shorter).
pub(crate) fn for_range(
    pool: &PoolRef,
    begin: usize,
    end: usize,
    grain: usize,
    body: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), Error> {
    if begin >= end {
        return if begin == end {
            Ok(())
        } else {
            Err(Error::invalid("the range's end is before its begin"))
        };
    }
    pool::check_open(pool)?;
    drive(pool, (begin, end), grain, &|range, begin, end| {
        range.note(begin, pool::run_part(|| body(begin, end)));
    })
}

/// Calls `element(index)` for each index below `count`.
pub(crate) fn map(pool: &PoolRef, count: usize, element: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    pool::check_open(pool)?;
    drive(pool, (0, count), 1, &|range, begin, end| {
        for index in begin..end {
            range.note(index, pool::run_part(|| element(index)));
        }
    })
}
