//! When a wait gives up: the ABI's `timeout_ns` turned into a point of the monotonic clock, once, at the door.

use std::time::{Duration, Instant};

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// Look, don't wait.
    Now,
    /// Wait until then.
    At(Instant),
    /// Wait for ever.
    Never,
}

impl Deadline {
    /// From the ABI: negative is for ever, 0 is a look, anything else nanoseconds from now. A time beyond the
    /// clock's range is for ever.
    pub(crate) fn from_timeout_ns(timeout_ns: i64) -> Self {
        match timeout_ns {
            i64::MIN..=-1 => Self::Never,
            0 => Self::Now,
            ns => Instant::now().checked_add(Duration::from_nanos(ns as u64)).map_or(Self::Never, Self::At),
        }
    }

    /// What is left: `None` for ever, zero when it has passed.
    pub(crate) fn remaining(self) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::At(end) => Some(end.saturating_duration_since(Instant::now())),
            Self::Never => None,
        }
    }

    /// Whether nothing is left.
    pub(crate) fn has_passed(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }
}

/// The monotonic clock in nanoseconds, as other programs see it, too; never 0.
#[cfg(unix)]
pub(crate) fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time there; this clock is on every system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).max(1)
}

/// The time in nanoseconds since the first call; never 0.
#[cfg(not(unix))]
pub(crate) fn now_ns() -> u64 {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}

/// CPU time that the calling thread has used, in nanoseconds.
#[cfg(not(loom))]
pub(crate) fn thread_cpu_ns() -> u64 {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time there, or leaves it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut used) };
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}
