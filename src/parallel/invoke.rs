//! Fork-join of two: the right half can be stolen while the caller does the left (Cilk's spawn and sync; Frigo,
//! Leiserson and Randall, PLDI 1998). No heap: the right half is a cell of the caller's own list.

use super::{as_error, runs_here};
use crate::pool::{self, Error, PoolRef};
use crate::task::{failure, release, Job, TaskId};

/// Runs both halves, perhaps at the same time, and returns when both have ended; the left one's failure first.
pub(crate) fn invoke(pool: &PoolRef, left: Job, right: Job) -> Result<(), Error> {
    pool::check_open(pool)?;
    let mut result = Ok(());
    if runs_here(pool, || result = fork_join(pool, left, right)) {
        return result;
    }
    // Neither may run here (no place, or no stack left): both are tasks, and the caller waits.
    let left = pool::submit(pool, left)?;
    let right = pool::submit(pool, right);
    let left = join(pool, left);
    let right = right.and_then(|right| join(pool, right));
    left.and(right)
}

fn fork_join(pool: &PoolRef, left: Job, right: Job) -> Result<(), Error> {
    let forked = pool::submit(pool, right)?;
    let left = pool::run_part(|| {
        // SAFETY: the caller of `pool_invoke` promised that it may be called with its argument.
        unsafe { (left.function)(left.argument) };
    });
    let right = join(pool, forked);
    as_error(left).and(right)
}

/// Waits for a part that uses the caller's stack, and lets go of it: it has ended then, or will never begin.
pub(super) fn join(pool: &PoolRef, forked: TaskId) -> Result<(), Error> {
    let joined = pool::join(pool, forked).map(drop).map_err(|error| match failure(forked) {
        Ok(Some(failure)) => error.saying(&failure.message),
        _ => error,
    });
    let _ = release(forked);
    joined
}
