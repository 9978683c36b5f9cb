//! What is built out of tasks: ranges (for, map), fixed trees (reduce) and fork-join (invoke).

mod invoke;
mod range;
mod reduce;

pub(crate) use invoke::invoke;
pub(crate) use range::{for_range, map};
pub(crate) use reduce::{reduce, Operation};

use crate::pool::{self, PoolRef};

/// Runs the caller's own part on the calling thread if bodies of the pool may run there: inside the pool, or as a
/// helper on a free place. Whether it did; if not, all parts must be tasks, and the caller waits.
fn runs_here(pool: &PoolRef, part: impl FnOnce()) -> bool {
    if pool::inside_pool(pool) && pool::stack_allows_another_body() {
        part();
        return true;
    }
    pool::as_helper(pool, part)
}
