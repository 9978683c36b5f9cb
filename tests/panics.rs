//! A Rust task that panics fails alone: whoever waits is told, the worker goes on.

use offgil::*;
use std::ffi::{c_void, CStr};
use std::ptr::null_mut;

unsafe extern "C-unwind" fn panics(_argument: *mut c_void) -> *mut c_void {
    panic!("out of cheese");
}

unsafe extern "C-unwind" fn returns(argument: *mut c_void) -> *mut c_void {
    argument
}

unsafe extern "C-unwind" fn panics_at_five(_context: *mut c_void, begin: usize, end: usize) {
    assert!(!(begin..end).contains(&5), "five is right out");
}

unsafe extern "C-unwind" fn panics_at_six(
    context: *mut c_void,
    begin: usize,
    end: usize,
    _into: *mut c_void,
) {
    // SAFETY: takes any context.
    unsafe { panics_at_five(context, begin.saturating_sub(1), end - 1) };
}

unsafe extern "C-unwind" fn combines(_context: *mut c_void, _into: *mut c_void, _from: *const c_void) {}

unsafe extern "C-unwind" fn panics_in_combination(_: *mut c_void, _: *mut c_void, _: *const c_void) {
    panic!("they don't mix");
}

unsafe extern "C-unwind" fn accumulates(
    _context: *mut c_void,
    _begin: usize,
    _end: usize,
    _into: *mut c_void,
) {
}

/// Submits and waits on a thread of the pool and on the calling one: a timed wait runs nothing itself.
fn status_of(pool: *mut pool_t, function: task_fn, timeout_ns: i64) -> (offgil_status, String) {
    // SAFETY: the functions above take any argument; the future is released once.
    unsafe {
        let future = pool_submit(pool, function, null_mut());
        assert!(!future.is_null());
        let status = future_wait(future, timeout_ns, null_mut());
        let (mut code, mut text) = (-1, [0; 64]);
        let why = future_error(future, &mut code, text.as_mut_ptr(), text.len());
        assert_eq!((why, future_get_state(future)), (status, FUTURE_DONE));
        assert_eq!(future_release(future), OFFGIL_OK);
        (status, CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
    }
}

const LONG: i64 = 60_000_000_000;

#[test]
fn a_panic_is_epanic_with_its_message_and_the_pool_goes_on() {
    for threads in [1, 2] {
        let pool = pool_create(threads);
        for timeout in [LONG, OFFGIL_FOREVER] {
            assert_eq!(status_of(pool, Some(panics), timeout), (OFFGIL_EPANIC, "out of cheese".into()));
            assert_eq!(status_of(pool, Some(returns), timeout).0, OFFGIL_OK);
        }
        assert_eq!(pool_destroy(pool), OFFGIL_OK);
    }
}

#[test]
fn a_panic_in_a_part_is_the_status_of_the_range_and_of_the_fork() {
    let pool = pool_create(2);
    // SAFETY: the functions above take any argument.
    unsafe {
        assert_eq!(pool_for(pool, 0, 10, 1, Some(panics_at_five), null_mut()), OFFGIL_EPANIC);
        let message = CStr::from_ptr(offgil_last_message()).to_string_lossy();
        assert!(message.contains("five is right out"), "{message}");
        assert_eq!(pool_invoke(pool, Some(panics), null_mut(), Some(returns), null_mut()), OFFGIL_EPANIC);
        assert_eq!(pool_invoke(pool, Some(returns), null_mut(), Some(panics), null_mut()), OFFGIL_EPANIC);
        let mut results = [null_mut(); 3];
        let arguments = [null_mut(); 3];
        let status = pool_map(pool, Some(panics), arguments.as_ptr(), results.as_mut_ptr(), 3);
        assert_eq!(status, OFFGIL_EPANIC);
    }
    assert_eq!(pool_destroy(pool), OFFGIL_OK);
}

#[test]
fn a_panic_in_a_part_or_a_combination_is_the_status_of_the_reduction() {
    for threads in [1, 2] {
        let pool = pool_create(threads);
        let nothing = null_mut();
        // SAFETY: the functions above take any argument, and follow no pointer.
        unsafe {
            let (body, combine) = (Some(panics_at_six as _), Some(combines as _));
            let status = pool_reduce(pool, 0, 10, 1, body, combine, nothing, nothing, 0);
            assert_eq!(status, OFFGIL_EPANIC);
            let message = CStr::from_ptr(offgil_last_message()).to_string_lossy();
            assert!(message.contains("five is right out"), "{message}");
            let (body, combine) = (Some(accumulates as _), Some(panics_in_combination as _));
            let status = pool_reduce(pool, 0, 10, 1, body, combine, nothing, nothing, 0);
            assert_eq!(status, OFFGIL_EPANIC);
        }
        assert_eq!(pool_destroy(pool), OFFGIL_OK);
    }
}

extern "C-unwind" fn panics_as_called() {
    panic!("not in this signature");
}

#[test]
fn a_called_function_that_panics_is_epanic() {
    let pool = pool_create(2);
    // SAFETY: the function has the signature of the text; each handle is released once.
    unsafe {
        let signature = signature_create(c"void()".as_ptr());
        let (options, arguments) = (std::ptr::null(), std::ptr::null());
        let future = pool_call(pool, options, signature, Some(panics_as_called), arguments);
        assert_eq!(future_call_result(future, OFFGIL_FOREVER, null_mut(), null_mut()), OFFGIL_EPANIC);
        let message = CStr::from_ptr(offgil_last_message()).to_string_lossy();
        assert!(message.contains("not in this signature"), "{message}");
        assert_eq!(future_release(future), OFFGIL_OK);
        assert_eq!(signature_release(signature), OFFGIL_OK);
    }
    assert_eq!(pool_destroy(pool), OFFGIL_OK);
}

#[test]
fn a_spawned_task_that_panics_leaves_nothing_behind() {
    let pool = pool_create(2);
    for _ in 0..100 {
        // SAFETY: takes any argument.
        assert_eq!(unsafe { pool_spawn(pool, Some(panics), null_mut()) }, OFFGIL_OK);
    }
    assert_eq!(pool_wait_idle(pool, OFFGIL_FOREVER), OFFGIL_OK);
    assert_eq!(pool_destroy(pool), OFFGIL_OK);
}
