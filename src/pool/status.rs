//! What can go wrong, as numbers of the ABI and as a sentence that says what to do.

use std::borrow::Cow;
use std::ffi::CString;

/// A status of the ABI. The header has the same as constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
#[allow(missing_docs)] // the messages below say what each is
pub enum Status {
    Ok = 0,
    Invalid = -1,
    Handle = -2,
    TimedOut = -3,
    Canceled = -4,
    Failed = -5,
    Panic = -6,
    Full = -7,
    Closed = -8,
    Deadlock = -9,
    Forked = -10,
    NoMemory = -11,
    Thread = -12,
    Busy = -13,
    Done = -14,
}

/// All of them: the name in the header, and what it means.
const TABLE: [(Status, &std::ffi::CStr, &std::ffi::CStr); 15] = [
    (Status::Ok, c"OFFGIL_OK", c"success"),
    (Status::Invalid, c"OFFGIL_EINVAL", c"bad argument"),
    (Status::Handle, c"OFFGIL_EHANDLE", c"no such live handle: released, invented, or of another kind"),
    (Status::TimedOut, c"OFFGIL_ETIMEDOUT", c"the time was over first"),
    (Status::Canceled, c"OFFGIL_ECANCELED", c"the task was canceled and will never run"),
    (Status::Failed, c"OFFGIL_EFAILED", c"the task called task_fail; future_error tells more"),
    (Status::Panic, c"OFFGIL_EPANIC", c"a Rust task panicked; future_error tells more"),
    (Status::Full, c"OFFGIL_EFULL", c"the pool's queue is full"),
    (Status::Closed, c"OFFGIL_ECLOSED", c"the pool is shut down and takes no more tasks"),
    (Status::Deadlock, c"OFFGIL_EDEADLK", c"this wait could never end"),
    (Status::Forked, c"OFFGIL_EFORKED", c"the handle belongs to the parent of a fork"),
    (Status::NoMemory, c"OFFGIL_ENOMEM", c"out of memory"),
    (Status::Thread, c"OFFGIL_ETHREAD", c"a thread is needed and none can be started"),
    (Status::Busy, c"OFFGIL_EBUSY", c"the task is running already; it was asked to stop"),
    (Status::Done, c"OFFGIL_EDONE", c"the task has ended already"),
];

impl Status {
    /// The number of the ABI.
    pub fn code(self) -> i32 {
        self as i32
    }

    /// The status of a number.
    pub(crate) fn from_code(code: i32) -> Option<Self> {
        TABLE.iter().map(|row| row.0).find(|status| status.code() == code)
    }

    fn row(self) -> &'static (Status, &'static std::ffi::CStr, &'static std::ffi::CStr) {
        TABLE.iter().find(|row| row.0 == self).expect("every status is in the table")
    }

    /// Its name in the header.
    pub(crate) fn name(self) -> &'static std::ffi::CStr {
        self.row().1
    }

    /// What it means.
    pub(crate) fn message(self) -> &'static std::ffi::CStr {
        self.row().2
    }
}

/// A text for C, which can't have a NUL inside.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

/// A failed call: the status, and a sentence for `offgil_last_message` where the status alone says too little.
///
/// Two words, so that a `Result` with it comes back in registers: submits and waits are full of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Error {
    pub(crate) status: Status,
    pub(crate) message: Option<Box<Cow<'static, str>>>,
}

const _: () = assert!(size_of::<Result<u64, Error>>() == 16);

impl Error {
    #[cold]
    pub(crate) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: Some(Box::new(message.into())) }
    }

    /// The same status in somebody else's words.
    #[cold]
    pub(crate) fn saying(self, message: &str) -> Self {
        Self::new(self.status, message.to_owned())
    }

    #[cold]
    pub(crate) fn invalid(message: &'static str) -> Self {
        Self::new(Status::Invalid, message)
    }
}

impl From<Status> for Error {
    #[cold]
    fn from(status: Status) -> Self {
        Self { status, message: None }
    }
}

impl From<crate::task::Stale> for Error {
    #[cold]
    fn from(_: crate::task::Stale) -> Self {
        Status::Handle.into()
    }
}
