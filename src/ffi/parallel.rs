//! Data-parallel calls as C sees them.

use super::boundary::{pool, slice, status};
use super::task::{function, task_fn};
use super::{offgil_status, pool_t};
use crate::parallel;
use crate::pool::Error;
use crate::task::{Job, Owner};
use std::ffi::c_void;

/// The body of pool_for: works on the indices from `begin` up to, not including, `end`. It must return (see task_fn).
#[allow(non_camel_case_types)]
pub type range_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, begin: usize, end: usize)>;

/// A pointer of the caller's that parts on other threads use.
struct Shared<T>(*mut T);

// SAFETY: the caller of pool_for and pool_map promised that context and arrays may be used on the pool's threads.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// Calls `body(context, b, e)` for parts of the range that together are begin up to, not including, end; returns when
/// all have ended.
///
/// The calling thread works too, where it may (see pool_options_t.waiters_help); parts are handed out as threads ask
/// for them, larger ones first. A part may call task_fail; all parts are run to their end all the same.
///
/// @param grain   least number of indices in a part (the last may be shorter); 0: automatic
/// @param body    not NULL
/// @param context what it gets; shared by all parts
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the lowest part that failed ended (offgil_last_message has its
///         words); OFFGIL_EINVAL: NULL, or end before begin; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED: the pool was
///         canceled before all was done; OFFGIL_EFULL, OFFGIL_ETIMEDOUT: a bounded queue is full, and the calling thread may
///         not work itself; OFFGIL_ENOMEM; OFFGIL_ETHREAD (as future_wait)
///
/// Any thread, also inside tasks. Blocks.
///
/// Guided self-scheduling: Polychronopoulos and Kuck, IEEE Transactions on Computers 36 (1987).
///
/// # Safety
/// `body` may be called with `context` on any thread, several at the same time.
pub unsafe extern "C" fn pool_for(
    pool: *mut pool_t,
    begin: usize,
    end: usize,
    grain: usize,
    body: range_fn,
    context: *mut c_void,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        let body = body.ok_or_else(|| Error::invalid("the body is NULL"))?;
        let context = Shared(context);
        // SAFETY: by the contract above.
        parallel::for_range(&pool, begin, end, grain, &|begin, end| unsafe {
            body(context.get(), begin, end)
        })
    })
}

/// Sets `results[i] = fn(args[i])` for each i below count; returns when all are done.
///
/// As pool_for with one element a call: a call that fails (task_fail) leaves NULL in its place, the others go on.
///
/// @param fn      not NULL
/// @param args    `count` arguments; not NULL unless count is 0
/// @param results where the results go, `count` of them, may be `args` itself; NULL: dropped
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the call with the lowest index that failed ended; else as pool_for
///
/// Any thread, also inside tasks. Blocks.
///
/// # Safety
/// `fn` may be called with each argument on any thread; the arrays are `count` long.
pub unsafe extern "C" fn pool_map(
    pool: *mut pool_t,
    r#fn: task_fn,
    args: *const *mut c_void,
    results: *mut *mut c_void,
    count: usize,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        let function = function(r#fn)?;
        // SAFETY: `count` long, by the contract above; only its length is used but in `element`.
        unsafe { slice(args, count)? };
        let (args, results) = (Shared(args.cast_mut()), Shared(results));
        let element = |index: usize| {
            let (from, to) = (args.get(), results.get());
            // SAFETY: index < count, each is visited once; by the contract above.
            unsafe {
                // Read first: the results may go where the arguments come from.
                let argument = from.add(index).read();
                if !to.is_null() {
                    to.add(index).write(std::ptr::null_mut());
                }
                let value = function(argument);
                if !to.is_null() && !crate::pool::current_has_failed() {
                    to.add(index).write(value);
                }
            }
        };
        parallel::map(&pool, count, &element)
    })
}

/// Calls `left(left_arg)` and `right(right_arg)`, perhaps at the same time; returns when both have ended. What they
/// return is dropped. The left one runs on the calling thread where it may; no memory is allocated.
///
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the left, or if that one went well the right one ended;
///         OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED; OFFGIL_EFULL; OFFGIL_ETIMEDOUT;
///         OFFGIL_ENOMEM; OFFGIL_ETHREAD (as future_wait)
///
/// Any thread, also inside tasks. Blocks.
///
/// Fork and join as in Cilk: Frigo, Leiserson and Randall, PLDI 1998.
///
/// # Safety
/// Both may be called with their arguments on any thread, at the same time.
pub unsafe extern "C" fn pool_invoke(
    pool: *mut pool_t,
    left: task_fn,
    left_arg: *mut c_void,
    right: task_fn,
    right_arg: *mut c_void,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        let left = Job { function: function(left)?, argument: left_arg, owner: Owner::Library };
        let right = Job { function: function(right)?, argument: right_arg, owner: Owner::Library };
        parallel::invoke(&pool, left, right)
    })
}
