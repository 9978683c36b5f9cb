//! The environment, as far as a process may believe it.

use std::ffi::OsString;

/// An environment variable that is not empty; none in a process with more rights than its user.
pub(crate) fn environment_variable(name: &str) -> Option<OsString> {
    if is_set_uid() {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A process with more rights than its user: its environment is not to be trusted.
fn is_set_uid() -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval only reads what the kernel gave the process.
    return unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    #[cfg(all(unix, not(target_os = "linux")))]
    // SAFETY: these only read the process's ids.
    return unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() };
    #[cfg(not(unix))]
    return false;
}
