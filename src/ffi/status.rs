//! Statuses, the thread's last failure, the library's version.

use super::boundary;
use crate::pool::Status;
use std::ffi::c_char;

/// What a call came to: OFFGIL_OK (0), or a negative number that says what was wrong.
#[allow(non_camel_case_types)]
pub type offgil_status = i32;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal is $status:ident,)*) => {
        $(const _: () = assert!($name == Status::$status as i32);)*
    };
}

/// Success.
pub const OFFGIL_OK: offgil_status = 0;
/// A bad argument: NULL where none is allowed, a number out of range, an unknown option.
pub const OFFGIL_EINVAL: offgil_status = -1;
/// No such live handle: released, released twice, invented, of another kind, or of another copy of the library.
pub const OFFGIL_EHANDLE: offgil_status = -2;
/// The time was over first.
pub const OFFGIL_ETIMEDOUT: offgil_status = -3;
/// The task was canceled and will never run.
pub const OFFGIL_ECANCELED: offgil_status = -4;
/// The task called task_fail; future_error has its code and message.
pub const OFFGIL_EFAILED: offgil_status = -5;
/// A Rust task panicked; future_error has its message.
pub const OFFGIL_EPANIC: offgil_status = -6;
/// The pool's bounded queue is full (POOL_FULL_FAIL).
pub const OFFGIL_EFULL: offgil_status = -7;
/// The pool is shut down and takes no more tasks.
pub const OFFGIL_ECLOSED: offgil_status = -8;
/// The wait could never end: a task waits for itself, for one that waits for it, or for a pool to be done that it keeps
/// busy, itself or over others that wait. offgil_last_message names the circle.
pub const OFFGIL_EDEADLK: offgil_status = -9;
/// The task, group or completion queue is one of the parent's: this process is the child of a fork that came after it was
/// made. Any function that can answer OFFGIL_EHANDLE for one can answer this.
pub const OFFGIL_EFORKED: offgil_status = -10;
/// Out of memory, or of handles.
pub const OFFGIL_ENOMEM: offgil_status = -11;
/// A thread is needed and none can be started (a limit of the system's, or max_spare_threads).
pub const OFFGIL_ETHREAD: offgil_status = -12;
/// The task is running already; it was asked to stop.
pub const OFFGIL_EBUSY: offgil_status = -13;
/// The task has ended already.
pub const OFFGIL_EDONE: offgil_status = -14;

statuses! {
    OFFGIL_OK = 0 is Ok,
    OFFGIL_EINVAL = -1 is Invalid,
    OFFGIL_EHANDLE = -2 is Handle,
    OFFGIL_ETIMEDOUT = -3 is TimedOut,
    OFFGIL_ECANCELED = -4 is Canceled,
    OFFGIL_EFAILED = -5 is Failed,
    OFFGIL_EPANIC = -6 is Panic,
    OFFGIL_EFULL = -7 is Full,
    OFFGIL_ECLOSED = -8 is Closed,
    OFFGIL_EDEADLK = -9 is Deadlock,
    OFFGIL_EFORKED = -10 is Forked,
    OFFGIL_ENOMEM = -11 is NoMemory,
    OFFGIL_ETHREAD = -12 is Thread,
    OFFGIL_EBUSY = -13 is Busy,
    OFFGIL_EDONE = -14 is Done,
}

/// A timeout that is never over (any negative number is). 0 means: look, don't wait. All times are nanoseconds.
pub const OFFGIL_FOREVER: i64 = -1;

/// The name of a status as it stands in this header, such as "OFFGIL_EHANDLE"; "unknown" for any other number.
///
/// The text is static. Any thread; never blocks; can't fail.
pub extern "C" fn offgil_status_name(status: offgil_status) -> *const c_char {
    Status::from_code(status).map_or(c"unknown", Status::name).as_ptr()
}

/// What a status means, in a few words of English.
///
/// The text is static. Any thread; never blocks; can't fail.
pub extern "C" fn offgil_status_message(status: offgil_status) -> *const c_char {
    Status::from_code(status).map_or(c"unknown status", Status::message).as_ptr()
}

/// The status of the calling thread's last call that failed; OFFGIL_OK if none has. Calls that succeed leave it.
///
/// This is how to learn why a function that returns a handle returned NULL. Any thread; never blocks; can't fail.
pub extern "C" fn offgil_last_status() -> offgil_status {
    boundary::last_status().code()
}

/// What was wrong in the calling thread's last call that failed, and where that is known, what to do; "" if none
/// has failed.
///
/// The text is the library's and lives until the thread's next failure or its end. Any thread; never blocks; can't
/// fail.
pub extern "C" fn offgil_last_message() -> *const c_char {
    boundary::last_message()
}

const fn number(text: &str) -> u32 {
    let mut value = 0;
    let mut index = 0;
    while index < text.len() {
        value = value * 10 + (text.as_bytes()[index] - b'0') as u32;
        index += 1;
    }
    value
}

/// The library's version: major * 1,000,000 + minor * 1,000 + patch.
///
/// Any thread; never blocks; can't fail.
pub extern "C" fn offgil_version() -> u32 {
    number(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
        + number(env!("CARGO_PKG_VERSION_PATCH"))
}

/// The library's version as text, such as "0.1.0".
///
/// The text is static. Any thread; never blocks; can't fail.
pub extern "C" fn offgil_version_string() -> *const c_char {
    const TEXT: &std::ffi::CStr =
        match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
            Ok(text) => text,
            Err(_) => panic!("a version has no NUL byte"),
        };
    TEXT.as_ptr()
}

/// How many CPUs this process may use, at least 1: the affinity mask and the cgroup's quota are counted in.
///
/// Any thread; never blocks, but reads a few files of the system's on Linux; can't fail.
pub extern "C" fn offgil_cpu_count() -> u32 {
    u32::try_from(num_cpus::get()).unwrap_or(u32::MAX).max(1)
}
