//! Calls of any C function as C sees them.

use super::boundary::{handle, status, text};
use super::offgil_status;
use crate::call::Signature;
use crate::pool::{Error, Status};
use crate::task::{decode, Kind};
use std::ffi::c_char;

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
#[no_mangle]
pub unsafe extern "C" fn signature_create(text: *const c_char) -> *mut signature_t {
    handle(Kind::Signature, || {
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
#[no_mangle]
pub extern "C" fn signature_release(signature: *mut signature_t) -> offgil_status {
    status(|| Signature::release(number(signature)?).then_some(()).ok_or_else(no_signature))
}

/// The number in a signature's handle. Whether it is live, the table says.
fn number(signature: *const signature_t) -> Result<u64, Error> {
    if signature.is_null() {
        return Err(Error::invalid("the signature is NULL"));
    }
    decode(Kind::Signature, signature.addr() as u64).ok_or_else(no_signature)
}

#[cold]
fn no_signature() -> Error {
    Error::new(Status::Handle, "no such live signature: released, invented, or a handle of another kind")
}
