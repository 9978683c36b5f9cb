//! Calls of any C function as C sees them.

use super::boundary::{self, future_handle, pool, status, task, text, write};
use super::future::explain;
use super::task_options::{requested, task_options_t};
use super::{future_t, offgil_status, pool_t};
use crate::call::{make_call, Call, Signature, SIGNATURES};
use crate::pool::{self as pools, Error};
use crate::sync::Deadline;
use crate::task::{self as tasks, Extra, Kind, Owner};
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// What messages call it.
const NOUN: &str = "signature";

/// The types of a function, ready to be called by. An opaque handle: never dereferenced, and checked at each call.
///
/// Made by signature_create, which makes one signature_release due. It belongs to no pool, and serves any number of functions
/// and calls at the same time, from any thread.
#[allow(non_camel_case_types)]
pub struct signature_t {
    _opaque: [u8; 0],
}

/// Reads the types of a function: its result, and in brackets its arguments, as in "f64(f64,i32,ptr)".
///
/// The types are i8, i16, i32, i64, u8, u16, u32, u64 (integers of so many bits), f32 (float), f64 (double), ptr (a pointer
/// of any kind) and, for a function without a result, void. "i32()" and "i32(void)" are the same. Spaces may stand between
/// words and signs. At most 127 arguments. Structs that are passed by value, long double and functions of variable arguments
/// ("...", such as printf) can't be called: wrap them in a function of fixed arguments.
///
/// @param text the signature; read at once, stays the caller's
/// @return the handle, due to one signature_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL: NULL, or no
///         signature (offgil_last_message says what is wrong, and at which character), OFFGIL_ENOMEM
///
/// Any thread; never blocks.
///
/// # Safety
/// `text` is NULL or ends with a NUL byte.
pub unsafe extern "C" fn signature_create(text: *const c_char) -> *mut signature_t {
    boundary::handle(Kind::Signature, || {
        // SAFETY: by the contract above.
        let text = unsafe { self::text(text) }.ok_or_else(|| Error::invalid("the text is NULL"))?;
        Signature::create(text.to_bytes())
    })
}

/// Gives the handle back. Calls that are queued or running keep what they need of it.
///
/// @return OFFGIL_OK; OFFGIL_EINVAL: NULL; OFFGIL_EHANDLE: released already
///
/// Any thread; never blocks.
pub extern "C" fn signature_release(signature: *mut signature_t) -> offgil_status {
    status(|| {
        let number = boundary::number(signature, Kind::Signature, &SIGNATURES, NOUN)?;
        SIGNATURES.close(number).map(drop).ok_or_else(|| boundary::dead(NOUN))
    })
}

/// Calls `fn` with these arguments as a task: any C function that is of the signature.
///
/// For callers that have a function's address and the types of its arguments, but no C of their own. What is called runs as
/// each task does (it may call task_fail, task_is_canceled and the like). `errno` is 0 before the call; what it is afterwards
/// is saved with the result, so a saved 0 means that the function left it alone. The calling thread's own `errno` is not
/// changed by a call that runs on it.
///
/// The future is one as any other, but its result is for future_call_result: future_wait gives NULL. If fn is not of the
/// signature, or is of variable arguments, anything may happen, as in C.
///
/// @param options   as for pool_submit_with, without drop_arg and drop_result, for there is no `arg`; NULL: the defaults
/// @param signature not NULL; may be released once this returns
/// @param fn        the function, cast to void (*)(void); not NULL; it must return (see task_fn)
/// @param args      a pointer to the value of each argument, in their order, of exactly the argument's type; none of them NULL.
///                  Pointers and values are copied and can be reused once this returns (what a ptr points to stays the
///                  caller's). May be NULL if the signature has no arguments.
/// @return the future, due to one future_release; NULL on failure (offgil_last_status): OFFGIL_EINVAL: NULL, or options as
///         above; OFFGIL_EHANDLE: of pool, signature or options; else as pool_submit_with. Nothing has run then.
///
/// Any thread. Blocks only where the queue is bounded and full.
///
/// # Safety
/// `fn` is of the signature and may be called with the arguments, once, on any thread; `args` points to as many
/// pointers as the signature has arguments, each to a value of the argument's type; `options` as for pool_submit_with.
pub unsafe extern "C" fn pool_call(
    pool: *mut pool_t,
    options: *const task_options_t,
    signature: *mut signature_t,
    r#fn: Option<unsafe extern "C-unwind" fn()>,
    args: *const *const c_void,
) -> *mut future_t {
    future_handle(|| {
        let pool = self::pool(pool)?;
        let signature = boundary::object(signature, Kind::Signature, &SIGNATURES, NOUN)?;
        let function = r#fn.ok_or_else(|| Error::invalid("the function is NULL"))?;
        // SAFETY: by the contract above; here and below.
        let call = Arc::new(unsafe { Call::new(signature, function, args)? });
        let mut extra = Extra::new(make_call, Arc::as_ptr(&call).cast_mut().cast());
        extra.attached = Some(call);
        // SAFETY: as above.
        let request = unsafe { requested(options, extra, Owner::Caller)? };
        if request.extra.drop_argument.is_some() || request.extra.drop_result.is_some() {
            return Err(Error::invalid("options.drop_arg and drop_result have nothing to drop after a call"));
        }
        pools::submit_with(&pool, request)
    })
}

/// Waits as future_wait does, and gives what the function of a pool_call returned.
///
/// @param timeout_ns  how long; 0: look, don't wait; negative: for ever
/// @param result      where the result goes: exactly as many bytes as its type has, none for void; may be NULL
/// @param saved_errno where `errno` as it was after the call goes; may be NULL
/// @return OFFGIL_OK: both are written (on no other outcome); OFFGIL_EINVAL: NULL, or a future of another function
///         than pool_call; else as future_wait
///
/// Any thread, any number of times, as long as the future is not released. Blocks.
///
/// # Safety
/// `result` is NULL or has room for a value of the signature's result; `saved_errno` is NULL or writable.
pub unsafe extern "C" fn future_call_result(
    future: *mut future_t,
    timeout_ns: i64,
    result: *mut c_void,
    saved_errno: *mut i32,
) -> offgil_status {
    status(|| {
        let id = task(future)?;
        let call = tasks::attached(id)?.and_then(|attached| attached.downcast::<Call>().ok());
        let call = call.ok_or_else(|| Error::invalid("the future is of no pool_call"))?;
        pools::wait(id, Deadline::from_timeout_ns(timeout_ns)).map_err(|error| explain(id, error))?;
        // SAFETY: by the contract above; here and below.
        let errno = unsafe { call.read(result) }.expect("a call that ended well was made");
        // SAFETY: as above.
        unsafe { write(saved_errno, errno) };
        Ok(())
    })
}
