//! Data-parallel calls as C sees them.

use super::boundary::{check_count, pool, slice, status};
use super::task::{function, task_fn};
use super::{offgil_status, pool_t};
use crate::parallel;
use crate::pool::{invoke_nested, Error, Half};
use std::ffi::c_void;

/// The body of pool_for: works on the indices from `begin` up to, not including, `end`. It must return (see task_fn).
#[allow(non_camel_case_types)]
pub type range_fn = Option<unsafe extern "C-unwind" fn(context: *mut c_void, begin: usize, end: usize)>;

/// The body of pool_reduce: takes the indices from `begin` up to, not including, `end` into the accumulator, which holds
/// the identity at first. It must return (see task_fn).
#[allow(non_camel_case_types)]
pub type reduce_fn = Option<
    unsafe extern "C-unwind" fn(context: *mut c_void, begin: usize, end: usize, accumulator: *mut c_void),
>;

/// What pool_reduce makes one accumulator of two with: takes `from`, which comes of the indices after those of `into`, into
/// `into`. It must return (see task_fn).
#[allow(non_camel_case_types)]
pub type combine_fn =
    Option<unsafe extern "C-unwind" fn(context: *mut c_void, into: *mut c_void, from: *const c_void)>;

/// A pointer of the caller's that parts on other threads use.
struct Shared<T>(*mut T);

// SAFETY: the callers of pool_for, pool_reduce and pool_map promised that context and arrays may be used on the pool's threads.
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

/// Accumulates the range in parts, and combines these in their order: `*accumulator` becomes
/// part 0 + part 1 + part 2 + ..., where + is `combine`.
///
/// Which parts there are, and in which tree they are combined, depends on begin, end and grain alone. So the result is the
/// same, to the last bit, on every run and for every number of threads, also where + rounds, as for floating-point
/// numbers. It need not be commutative; if it is associative too, every grain gives the same result.
///
/// Each part begins with an accumulator of its own: a copy, byte by byte, of what `*accumulator` holds at the call, which is
/// the identity (0 for a sum, 1 for a product). The library allocates them, at most about one a thread and
/// level of the tree, aligned as by malloc or better, and frees them without a call: what an accumulator points to is for
/// `combine` to free, which sees each `from` once and may change what that points to. All parts are run to their end, but for
/// those that find no memory; parts that failed, and what they would be a part of, are not combined.
///
/// @param grain            indices in a part (the last may be shorter); 0: automatic, by the length of the range
/// @param body             not NULL; a part may call task_fail
/// @param combine          not NULL; may call task_fail
/// @param context          what both get; shared by all parts
/// @param accumulator      the identity, then the result: written on OFFGIL_OK only, not touched if the range is empty; only
///                         the library uses it meanwhile; may be NULL if accumulator_size is 0
/// @param accumulator_size bytes of an accumulator; 0: `body` and `combine` get pointers that they must not follow
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the lowest part that failed, or its combination, ended
///         (offgil_last_message has its words); OFFGIL_EINVAL: NULL, end before begin, or an impossible size;
///         OFFGIL_EHANDLE; OFFGIL_ECLOSED; OFFGIL_ECANCELED: the pool was canceled before all was done; OFFGIL_EFULL,
///         OFFGIL_ETIMEDOUT: a bounded queue is full, and the calling thread may not work itself; OFFGIL_ENOMEM;
///         OFFGIL_ETHREAD (as future_wait)
///
/// Any thread, also inside tasks; the calling thread works too, where it may. Blocks.
///
/// A fixed tree makes sums reproducible: parallel_deterministic_reduce of oneTBB; Demmel and Nguyen, IEEE Transactions on
/// Computers 64 (2015).
///
/// # Safety
/// `body` and `combine` may be called with `context` on any thread, several at the same time; `accumulator` is
/// `accumulator_size` bytes long.
pub unsafe extern "C" fn pool_reduce(
    pool: *mut pool_t,
    begin: usize,
    end: usize,
    grain: usize,
    body: reduce_fn,
    combine: combine_fn,
    context: *mut c_void,
    accumulator: *mut c_void,
    accumulator_size: usize,
) -> offgil_status {
    status(|| {
        let pool = self::pool(pool)?;
        let body = body.ok_or_else(|| Error::invalid("the body is NULL"))?;
        let combine = combine.ok_or_else(|| Error::invalid("the function that combines is NULL"))?;
        if accumulator.is_null() && accumulator_size > 0 {
            return Err(Error::invalid("the accumulator is NULL but its size is not 0"));
        }
        check_count::<u8>(accumulator_size)?;
        let context = Shared(context);
        let operation = parallel::Operation {
            // SAFETY: by the contract above; here and below.
            body: &|begin, end, accumulator| unsafe { body(context.get(), begin, end, accumulator) },
            // SAFETY: as above.
            combine: &|into, from| unsafe { combine(context.get(), into, from) },
            identity: accumulator,
            size: accumulator_size,
        };
        // SAFETY: by the contract above.
        unsafe { parallel::reduce(&pool, begin, end, grain, &operation, accumulator) }
    })
}

/// Sets `results[i] = fn(args[i])` for each i below count; returns when all are done.
///
/// As pool_for with one element a call: a call that fails (task_fail) leaves NULL in its place, the others go on.
///
/// @param fn      not NULL
/// @param args    `count` arguments; not NULL unless count is 0
/// @param results where the results go, `count` of them, may be `args` itself; NULL: dropped
/// @return OFFGIL_OK; OFFGIL_EFAILED, OFFGIL_EPANIC: how the call with the lowest index that failed ended; OFFGIL_EINVAL:
///         NULL, or an impossible count; else as pool_for
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
/// @param left      not NULL; may call task_fail, and `right` is run all the same
/// @param left_arg  what it gets; stays the caller's
/// @param right     not NULL; may call task_fail
/// @param right_arg what it gets; stays the caller's
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
    if let (Some(left), Some(right)) = (left, right) {
        // Inside a task of the pool, all that there is to know of it is on the thread.
        let (left, right) =
            (Half { function: left, argument: left_arg }, Half { function: right, argument: right_arg });
        if let Some(ended) = invoke_nested(pool.addr(), left, right) {
            return status(|| ended);
        }
    }
    invoke_from_anywhere(pool, (left, left_arg), (right, right_arg))
}

#[inline(never)]
fn invoke_from_anywhere(
    pool: *mut pool_t,
    left: (task_fn, *mut c_void),
    right: (task_fn, *mut c_void),
) -> offgil_status {
    let half = |(body, argument)| Ok::<_, Error>(Half { function: function(body)?, argument });
    status(|| parallel::invoke(&self::pool(pool)?, half(left)?, half(right)?))
}
