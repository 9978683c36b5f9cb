//! A body must return: what else gets out of it ends the process, with a message that names the task.
//!
//! ```text
//! Rust panic      caught (pool/run)
//! C++ exception, pthread_exit      unwinds: `OnlyPanicsMayPass` is dropped on the way
//! pthread_exit by a Python that ends      the same, but the thread stays where it is: `stay_if_python_ends`
//! longjmp         skips our frames without a word; the C library runs the cleanup handlers of what it skips (`Fence`), and
//!                 who comes back to a frame of ours finds another one above it (`Frame::enter`)
//! ```

use super::context::name_of_innermost;
use std::ffi::c_void;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::mem::MaybeUninit;
use std::time::Duration;

/// Ends the process.
#[cold]
pub(super) fn left_by(what: &str) -> ! {
    let task = name_of_innermost();
    eprintln!("offgil: {task} was left by {what}; a task must return. The process ends.");
    std::process::abort();
}

/// Dropped by whatever unwinds through a body: a Rust panic goes on to where it is caught; anything else ends the process.
pub(super) struct OnlyPanicsMayPass;

impl Drop for OnlyPanicsMayPass {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            stay_if_python_ends();
            left_by("a C++ exception, pthread_exit or another foreign unwind");
        }
    }
}

/// Before 3.14 CPython ends by pthread_exit each thread that wants the GIL of an interpreter that is being finalized. The
/// process is about to exit: the thread waits for that, as 3.14 itself has it, and the body is never left.
fn stay_if_python_ends() {
    // 3.13 gave the function its public name.
    for name in [c"Py_IsFinalizing", c"_Py_IsFinalizing"] {
        // SAFETY: the name is a C string; dlsym only looks it up.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if found.is_null() {
            continue;
        }
        // SAFETY: both are `int (*)(void)`, and read a flag: they need neither the GIL nor a thread state.
        let is_finalizing: extern "C" fn() -> i32 = unsafe { std::mem::transmute(found) };
        while is_finalizing() != 0 {
            std::thread::sleep(Duration::from_secs(3600));
        }
        return;
    }
}

/// Stands on a stack where somebody below may have called setjmp, from `stand` until what that returns is dropped: a longjmp
/// over it ends the process.
///
/// glibc's longjmp runs the handlers of `_pthread_cleanup_push` whose frames it skips (nptl/jmp-unwind.c).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) struct Fence(MaybeUninit<Buffer>);

/// As long as this is there, the fence stands. Popped on every way out.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) struct Standing<'a>(&'a mut Fence);

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl Fence {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// To be held in a variable of the frame that is fenced.
    #[inline(always)]
    pub(super) fn stand(&mut self) -> Standing<'_> {
        // SAFETY: the call fills the buffer. That stays where it is until the pop below, as it is borrowed, and every way out
        // of the frame comes by that: it returns, or panics, and all else ends the process.
        unsafe { _pthread_cleanup_push(self.0.as_mut_ptr(), skipped, std::ptr::null_mut()) };
        Standing(self)
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl Drop for Standing<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: pushed by `stand`, and what was pushed on top has been popped.
        unsafe { _pthread_cleanup_pop(self.0 .0.as_mut_ptr(), 0) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) struct Fence;

/// As long as this is there, the fence would stand.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) struct Standing;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
impl Fence {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn stand(&mut self) -> Standing {
        Standing
    }
}

/// glibc's `struct _pthread_cleanup_buffer`.
///
/// cbindgen:ignore
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[repr(C)]
struct Buffer {
    routine: Option<extern "C" fn(*mut c_void)>,
    argument: *mut c_void,
    kind: i32,
    outer: *mut Buffer,
}

/// cbindgen:ignore
#[allow(unused_doc_comments)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
extern "C" {
    fn _pthread_cleanup_push(buffer: *mut Buffer, routine: extern "C" fn(*mut c_void), argument: *mut c_void);
    fn _pthread_cleanup_pop(buffer: *mut Buffer, execute: i32);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
extern "C" fn skipped(_: *mut c_void) {
    left_by("longjmp or pthread_exit");
}
