//! Fork-join of two: the right half can be stolen while the caller does the left (Cilk's spawn and sync; Frigo,
//! Leiserson and Randall, PLDI 1998). No heap: inside a task the right half is an entry of the thread's fork stack
//! (pool/nested), elsewhere a cell of the caller's own list.

use super::runs_here;
use crate::pool::{self, as_error, Error, Half, PoolRef};
use crate::task::{Job, Owner};

/// Runs both halves, perhaps at the same time, and returns when both have ended; the left one's failure first.
pub(crate) fn invoke(pool: &PoolRef, left: Half, right: Half) -> Result<(), Error> {
    pool::check_open(pool)?;
    let mut result = Ok(());
    let here =
        || result = pool::open_and_invoke(pool, left, right).unwrap_or_else(|| fork_join(pool, left, right));
    if runs_here(pool, here) {
        return result;
    }
    // Neither may run here (no place, or no stack left): both are tasks, and the caller waits.
    let left = pool::submit(pool, job(left))?;
    let right = pool::submit(pool, job(right));
    let left = pool::join_part(pool, left);
    let right = right.and_then(|right| pool::join_part(pool, right));
    left.and(right)
}

fn job(Half { function, argument }: Half) -> Job {
    Job { function, argument, owner: Owner::Library(pool::around()) }
}

/// With a task of the right half. This way go a traced pool, and systems that have no fence to offer.
fn fork_join(pool: &PoolRef, left: Half, right: Half) -> Result<(), Error> {
    let forked = pool::submit(pool, job(right))?;
    let left = pool::run_part(|| {
        // SAFETY: the caller of `pool_invoke` promised that it may be called with its argument.
        unsafe { (left.function)(left.argument) };
    });
    let right = pool::join_part(pool, forked);
    as_error(left).and(right)
}
