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
use crate::sync::{lock, AtomicU32, AtomicUsize, Mutex, Ordering};
use crate::task::{release, Failure, Job, Owner, TaskId};
use std::ffi::c_void;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::PoisonError;

/// Parts that each thread would take of what is left, if all were alike.
const SHARES: usize = 4;

/// A range that is being worked off. `body` runs one part.
struct Range<'a> {
    cursor: AtomicUsize,
    end: usize,
    grain: usize,
    threads: usize,
    /// The pool's number.
    pool: u32,
    /// Helpers that are still to be called.
    helpers: AtomicU32,
    body: &'a (dyn Fn(&Self, usize, usize) + Sync),
    lowest_failure: Mutex<Option<(usize, (Status, Failure))>>,
}

impl Range<'_> {
    /// Works on this part, and takes others until there are none.
    fn work(&self, first: Option<(usize, usize)>) {
        let mut part = first;
        while let Some((begin, end)) = part {
            (self.body)(self, begin, end);
            part = self.take();
        }
    }

    /// How much has not been taken.
    fn left(&self) -> usize {
        self.end - self.cursor.load(Ordering::Relaxed)
    }

    /// How much to take of so much.
    fn share(&self, left: usize) -> usize {
        let part = if self.threads == 1 { left } else { left / (self.threads * SHARES) };
        part.max(self.grain).min(left)
    }

    /// The first part, while nobody else knows of the range.
    fn take_first(&self) -> (usize, usize) {
        let begin = self.cursor.load(Ordering::Relaxed);
        let end = begin + self.share(self.end - begin);
        self.cursor.store(end, Ordering::Relaxed);
        (begin, end)
    }

    fn take(&self) -> Option<(usize, usize)> {
        let mut begin = self.cursor.load(Ordering::Relaxed);
        while begin < self.end {
            let end = begin + self.share(self.end - begin);
            // Relaxed: the parts share nothing here; their results are published by the helpers' ends.
            match self.cursor.compare_exchange_weak(begin, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some((begin, end)),
                Err(now) => begin = now,
            }
        }
        None
    }

    #[inline]
    fn note(&self, index: usize, outcome: PartOutcome) {
        if let Err(failure) = outcome {
            self.note_failure(index, failure);
        }
    }

    #[cold]
    fn note_failure(&self, index: usize, failure: (Status, Failure)) {
        let mut lowest = lock(&self.lowest_failure);
        if lowest.as_ref().is_none_or(|(other, _)| index < *other) {
            *lowest = Some((index, failure));
        }
    }
}

/// A helper: calls the next one, and works. What it returns is that one's number; NULL: there is none.
unsafe extern "C-unwind" fn help(range: *mut c_void) -> *mut c_void {
    // SAFETY: `drive` keeps the range alive until this task has ended or was taken back, and shares it only.
    let range = unsafe { &*range.cast::<Range<'_>>() };
    let first = range.take();
    let next = pool::find(range.pool).and_then(|pool| call_helper(&pool, range).ok().flatten());
    range.work(first);
    next.map_or(null_mut(), |next| without_provenance_mut(next.bits() as usize))
}

/// Submits a helper, if there is anything left to do and more threads may help.
fn call_helper(pool: &PoolRef, range: &Range<'_>) -> Result<Option<TaskId>, Error> {
    // Relaxed, here and below: only one thread at a time calls helpers, the one that was called last.
    let left = range.helpers.load(Ordering::Relaxed);
    if left == 0 || range.left() == 0 {
        return Ok(None);
    }
    range.helpers.store(left - 1, Ordering::Relaxed);
    submit_helper(pool, range).map(Some)
}

fn submit_helper(pool: &PoolRef, range: &Range<'_>) -> Result<TaskId, Error> {
    let argument = std::ptr::from_ref(range).cast_mut().cast();
    pool::submit(pool, Job { function: help, argument, owner: Owner::Library })
}

/// Works the range off, with helpers, and says how the lowest part that failed ended.
fn drive(
    pool: &PoolRef,
    (begin, end): (usize, usize),
    grain: usize,
    body: &(dyn Fn(&Range<'_>, usize, usize) + Sync),
) -> Result<(), Error> {
    let threads = pool.threads();
    let range = Range {
        cursor: AtomicUsize::new(begin),
        end,
        grain: grain.max(1),
        threads: threads as usize,
        pool: pool.number,
        helpers: AtomicU32::new(threads - 1),
        body,
        lowest_failure: Mutex::new(None),
    };
    if !runs_here(pool, || with_helpers(pool, &range)) {
        let waited = all_by_helpers(pool, &range);
        if range.left() > 0 {
            waited?;
        }
    }
    // Nobody else has the range any more.
    let failure = range.lowest_failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(()), |(_, failure)| as_error(Err(failure)))
}

/// Lets others help with what the caller does.
fn with_helpers(pool: &PoolRef, range: &Range<'_>) {
    let first = range.take_first();
    // Without a helper the caller does more itself.
    let mut helper = call_helper(pool, range).ok().flatten();
    range.work(Some(first));
    while let Some(running) = helper {
        // Taken back: it had not begun, and there is nothing left to do. Else it has ended: its parts' failures are noted.
        helper = pool::retract(pool, running).and_then(next);
    }
}

/// The caller is no worker and can't be one now (no place, or no stack left): it waits.
fn all_by_helpers(pool: &PoolRef, range: &Range<'_>) -> Result<(), Error> {
    let mut helper = Some(submit_helper(pool, range)?);
    let mut result = Ok(());
    while let Some(running) = helper {
        // One that nobody can come for, or that was canceled with its pool, is the range's failure.
        let joined = pool::join(pool, running);
        let _ = release(running);
        helper = joined.as_ref().ok().copied().and_then(next);
        result = result.and(joined.map(drop));
    }
    result
}

/// The helper that a helper has called.
fn next(returned: *mut c_void) -> Option<TaskId> {
    (!returned.is_null()).then(|| TaskId::from_bits(returned.addr() as u64))
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
