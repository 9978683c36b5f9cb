//! Parallel ranges: one word with two ends, shared by the caller and as many helper tasks as there are places.
//!
//! ```text
//! begin |#### caller ####|-> front ......... back <-|#### helpers ####| end      parts shrink, down to the grain
//! ```
//!
//! Guided self-scheduling (Polychronopoulos and Kuck, IEEE Trans. Computers 1987): who is hungry takes a share of
//! what is left, so that few steps are taken while there is much and nobody waits long at the end; half of an equal share, as
//! in factoring (Hummel, Schonberg and Flynn, CACM 1992), so that no first part is the last to end. The caller takes from the
//! front and the helpers from the back, so that in one loop after another over the same data each core finds most of what it had
//! in its cache (affinity scheduling: Markatos and LeBlanc, IEEE Trans. Parallel and Distributed Systems 1994). The range lies on
//! the caller's stack: the caller takes helpers back that have not begun, and waits for those that have.

use super::runs_here;
use crate::pool::{self, as_error, Error, PartOutcome, PoolRef, Status};
use crate::sync::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::task::{release, Failure, Job, Owner, TaskId};
use std::ffi::c_void;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::PoisonError;

/// Parts that each thread would take of what is left, if all were alike. (With 4 the steps cost 1 % more of a loop of half a
/// millisecond.)
const SHARES: u32 = 2;

/// What nobody has taken: units from the front up to, not including, the back.
///
/// ```text
///  63       32 31        0
/// |   back    |   front   |     front = back: nothing
/// ```
#[derive(Clone, Copy)]
struct Rest(u64);

impl Rest {
    fn new(front: u32, back: u32) -> Self {
        Self(u64::from(back) << 32 | u64::from(front))
    }

    fn front(self) -> u32 {
        self.0 as u32
    }

    fn back(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many units.
    fn len(self) -> u32 {
        self.back() - self.front()
    }
}

/// Where a thread takes its parts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

/// A range that is being worked off. `body` runs one part.
struct Range<'a> {
    rest: AtomicU64,
    begin: usize,
    end: usize,
    /// Indices that are taken together: the grain, or more where the word couldn't count them.
    unit: usize,
    threads: u32,
    /// The pool's number.
    pool: u32,
    /// Helpers that are still to be called.
    helpers: AtomicU32,
    body: &'a (dyn Fn(&Self, usize, usize) + Sync),
    lowest_failure: Mutex<Option<(usize, (Status, Failure))>>,
}

impl Range<'_> {
    /// Works on this part, and takes others until there are none.
    fn work(&self, first: Option<(usize, usize)>, at: End) {
        let mut part = first;
        while let Some((begin, end)) = part {
            (self.body)(self, begin, end);
            part = self.take(at);
        }
    }

    fn rest(&self) -> Rest {
        Rest(self.rest.load(Ordering::Relaxed))
    }

    /// A part of the rest, which is not nothing, and what is left then.
    fn cut(&self, rest: Rest, at: End) -> ((usize, usize), Rest) {
        let len = rest.len();
        let share = if self.threads == 1 { len } else { (len / (self.threads * SHARES)).max(1) };
        let (first, left) = match at {
            End::Front => (rest.front(), Rest::new(rest.front() + share, rest.back())),
            End::Back => (rest.back() - share, Rest::new(rest.front(), rest.back() - share)),
        };
        let begin = self.begin + first as usize * self.unit;
        ((begin, begin + (share as usize).saturating_mul(self.unit).min(self.end - begin)), left)
    }

    /// The first part, while nobody else knows of the range.
    fn take_first(&self) -> (usize, usize) {
        let (part, left) = self.cut(self.rest(), End::Front);
        self.rest.store(left.0, Ordering::Relaxed);
        part
    }

    fn take(&self, at: End) -> Option<(usize, usize)> {
        let mut rest = self.rest();
        while rest.len() > 0 {
            let (part, left) = self.cut(rest, at);
            // Relaxed: the parts share nothing here; their results are published by the helpers' ends.
            match self.rest.compare_exchange_weak(rest.0, left.0, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(part),
                Err(now) => rest = Rest(now),
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
    let first = range.take(End::Back);
    let next = pool::find(range.pool).and_then(|pool| call_helper(&pool, range).ok().flatten());
    range.work(first, End::Back);
    next.map_or(null_mut(), |next| without_provenance_mut(next.bits() as usize))
}

/// Submits a helper, if there is anything left to do and more threads may help.
fn call_helper(pool: &PoolRef, range: &Range<'_>) -> Result<Option<TaskId>, Error> {
    // Relaxed, here and below: only one thread at a time calls helpers, the one that was called last.
    let left = range.helpers.load(Ordering::Relaxed);
    if left == 0 || range.rest().len() == 0 {
        return Ok(None);
    }
    range.helpers.store(left - 1, Ordering::Relaxed);
    submit_helper(pool, range).map(Some)
}

fn submit_helper(pool: &PoolRef, range: &Range<'_>) -> Result<TaskId, Error> {
    let argument = std::ptr::from_ref(range).cast_mut().cast();
    pool::submit(pool, Job { function: help, argument, owner: Owner::Library(pool::around()) })
}

/// Works the range off, with helpers, and says how the lowest part that failed ended.
fn drive(
    pool: &PoolRef,
    (begin, end): (usize, usize),
    grain: usize,
    body: &(dyn Fn(&Range<'_>, usize, usize) + Sync),
) -> Result<(), Error> {
    let threads = pool.threads();
    let unit = grain.max((end - begin) / u32::MAX as usize + 1);
    let units = (end - begin).div_ceil(unit) as u32;
    let range = Range {
        rest: AtomicU64::new(Rest::new(0, units).0),
        begin,
        end,
        unit,
        threads,
        pool: pool.number,
        helpers: AtomicU32::new(threads - 1),
        body,
        lowest_failure: Mutex::new(None),
    };
    if !runs_here(pool, || with_helpers(pool, &range)) {
        let waited = all_by_helpers(pool, &range);
        if range.rest().len() > 0 {
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
    range.work(Some(first), End::Front);
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
