//! One call: arguments before it, result and `errno` after it.

use super::signature::Signature;
use crate::pool::{Error, Status};
use crate::sync::Use;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::sync::OnceLock;

/// A function of any signature. A Rust one may panic.
pub(crate) type Code = unsafe extern "C-unwind" fn();

/// A call that is to be made, is being made, or was made.
pub(crate) struct Call {
    signature: Use<Signature>,
    function: Code,
    /// An argument each, in the first bytes of its word.
    values: Vec<u64>,
    after: OnceLock<After>,
}

struct After {
    result: u64,
    errno: c_int,
}

impl Call {
    /// Copies the arguments.
    ///
    /// # Safety
    /// `arguments` is NULL, or has as many pointers as the signature has arguments; each is NULL or points to a value of
    /// the argument's type.
    pub(crate) unsafe fn new(
        signature: Use<Signature>,
        function: Code,
        arguments: *const *const c_void,
    ) -> Result<Self, Error> {
        let types = &signature.arguments;
        if arguments.is_null() && !types.is_empty() {
            return Err(Error::invalid("the array of arguments is NULL, but the signature has some"));
        }
        let mut values = Vec::new();
        values.try_reserve_exact(types.len()).map_err(|_| Error::from(Status::NoMemory))?;
        for (index, argument) in types.iter().enumerate() {
            // SAFETY: as long as the signature, by the contract above.
            let from = unsafe { arguments.add(index).read() }.cast::<u8>();
            if from.is_null() {
                let what = format!("the pointer to argument {index} (counted from 0) is NULL");
                return Err(Error::new(Status::Invalid, what));
            }
            let mut bytes = [0; 8];
            // SAFETY: points to a value of this size, by the contract above; no type is larger than a word.
            unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(from, argument.size()) };
            values.push(u64::from_ne_bytes(bytes));
        }
        Ok(Self { signature, function, values, after: OnceLock::new() })
    }

    /// Makes the call. `errno` is 0 before it; the thread's own is as it was afterwards.
    ///
    /// # Safety
    /// The function is of the signature, and may be called with the arguments, once, on this thread.
    pub(crate) unsafe fn make(&self) {
        let own = Errno::here().replace(0);
        // SAFETY: by the contract above.
        let result = unsafe { self.signature.call(self.function, &self.values) };
        let errno = Errno::here().replace(own);
        let first = self.after.set(After { result, errno });
        debug_assert!(first.is_ok(), "a call is made once");
    }

    /// Writes the result in the size of its type, and gives the `errno`; nothing if the call has not been made.
    ///
    /// # Safety
    /// `result` is NULL, or has room for a value of the result's type.
    pub(crate) unsafe fn read(&self, result: *mut c_void) -> Option<c_int> {
        let after = self.after.get()?;
        let (it, bytes) = (self.signature.result, after.result.to_ne_bytes());
        // A narrow integer lies at the end of libffi's word if the end is its low part.
        let is_at_end = cfg!(target_endian = "big") && !it.is_floating();
        let bytes = if is_at_end { &bytes[8 - it.size()..] } else { &bytes[..it.size()] };
        if let Some(result) = NonNull::new(result.cast::<u8>()) {
            // SAFETY: by the contract above.
            unsafe { result.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        }
        Some(after.errno)
    }
}

/// The body of the task that makes a call.
///
/// # Safety
/// The argument is a `Call` that may be made, and stays until this returns.
pub(crate) unsafe extern "C-unwind" fn make_call(call: *mut c_void) -> *mut c_void {
    // SAFETY: by the contract above.
    unsafe { (*call.cast::<Call>()).make() };
    std::ptr::null_mut()
}

/// The calling thread's `errno`.
struct Errno(*mut c_int);

impl Errno {
    fn here() -> Self {
        #[cfg(not(any(target_vendor = "apple", target_os = "freebsd")))]
        use libc::__errno_location as location;
        #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
        use libc::__error as location;
        // SAFETY: can be called anywhere.
        Self(unsafe { location() })
    }

    fn replace(self, value: c_int) -> c_int {
        // SAFETY: the thread's own `errno`, which is always there.
        unsafe { self.0.replace(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Signature, SIGNATURES};

    fn signature(text: &str) -> Use<Signature> {
        let number = Signature::create(text.as_bytes()).expect(text);
        let used = SIGNATURES.get(number).expect("live");
        assert!(SIGNATURES.close(number).is_some(), "the use keeps it");
        used
    }

    fn prepared(text: &str, function: Code, arguments: &[*const c_void]) -> Result<Call, Error> {
        // SAFETY: each test gives what its signature says, or NULLs.
        unsafe { Call::new(signature(text), function, arguments.as_ptr()) }
    }

    fn code(function: *const ()) -> Code {
        // SAFETY: each test names the function's true signature in its text.
        unsafe { std::mem::transmute::<*const (), Code>(function) }
    }

    unsafe extern "C" fn mixed(a: i8, b: f32, c: u16, d: f64, e: *const i32, f: u64) -> f64 {
        // SAFETY: the test gives a pointer to a number.
        f64::from(a) + f64::from(b) + f64::from(c) + d + f64::from(unsafe { *e }) + f as f64
    }

    #[test]
    fn arguments_are_copied_and_go_where_they_belong() {
        let (mut a, b, c, d, number, f) = (-3_i8, 0.5_f32, 60_000_u16, 0.25_f64, -7_i32, 1_u64 << 40);
        let e = &raw const number;
        let arguments: [*const c_void; 6] = [
            (&raw const a).cast(),
            (&raw const b).cast(),
            (&raw const c).cast(),
            (&raw const d).cast(),
            (&raw const e).cast(),
            (&raw const f).cast(),
        ];
        let call =
            prepared("f64(i8,f32,u16,f64,ptr,u64)", code(mixed as *const ()), &arguments).expect("fits");
        a += 1;
        let mut result = 0.0_f64;
        // SAFETY: the function's signature is that of the text, the result's room that of its type.
        unsafe {
            assert_eq!(call.read((&raw mut result).cast()), None, "not made yet");
            call.make();
            assert_eq!(call.read((&raw mut result).cast()), Some(0));
        }
        assert_eq!(result, -3.0 + 0.5 + 60_000.0 + 0.25 - 7.0 + f as f64);
        assert_eq!(a, -2);
    }

    unsafe extern "C" fn negative(errno: c_int) -> i16 {
        Errno::here().replace(errno);
        -2
    }

    #[test]
    fn a_result_has_its_size_and_errno_is_kept_apart_from_the_threads_own() {
        let errno = 11;
        let call =
            prepared("i16(i32)", code(negative as *const ()), &[(&raw const errno).cast()]).expect("fits");
        Errno::here().replace(5);
        let mut room = [0x7777_i16; 3];
        // SAFETY: as above.
        unsafe {
            call.make();
            assert_eq!(call.read((&raw mut room[1]).cast()), Some(11));
        }
        assert_eq!(Errno::here().replace(0), 5);
        assert_eq!(room, [0x7777, -2, 0x7777]);
    }

    #[test]
    fn null_where_a_value_should_be_is_refused() {
        let nowhere: [*const c_void; 1] = [std::ptr::null()];
        let refused =
            prepared("i16(i32)", code(negative as *const ()), &nowhere).err().expect("NULL argument");
        assert!(refused.message.expect("says which").contains("argument 0"));
        // SAFETY: NULL is refused.
        let refused =
            unsafe { Call::new(signature("i8(i8)"), code(negative as *const ()), std::ptr::null()) };
        assert_eq!(refused.err().expect("NULL array").status, Status::Invalid);
    }

    extern "C-unwind" fn panics() {
        panic!("on purpose");
    }

    #[test]
    fn a_panic_passes_through_libffi() {
        let call = prepared("void()", panics, &[]).expect("fits");
        // SAFETY: the function's signature is that of the text.
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unsafe { call.make() }));
        assert!(caught.is_err());
    }
}
