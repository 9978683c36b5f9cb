//! A descriptor that is readable while it is raised: for epoll, poll, libuv, asyncio. (eventfd; a pipe elsewhere.)

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// See above. Close-on-exec, never blocking.
pub(crate) struct Signal {
    read: OwnedFd,
    /// Where there is no eventfd.
    write: Option<OwnedFd>,
}

impl Signal {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers.
        let made = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, so it is ours.
        Ok(Self { read: unsafe { OwnedFd::from_raw_fd(made) }, write: None })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: pipe fills the two descriptors.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        for end in ends {
            // SAFETY: fcntl on descriptors that were just made.
            unsafe {
                libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
                libc::fcntl(end, libc::F_SETFL, libc::O_NONBLOCK);
            }
        }
        // SAFETY: just made, so they are ours.
        let [read, write] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Ok(Self { read, write: Some(write) })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    /// Readable from now on. Raised twice, it is lowered once.
    pub(crate) fn raise(&self) {
        let one = 1_u64;
        let to = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
        // SAFETY: writes eight bytes that are there. If it is full it is readable already, which is what counts.
        unsafe { libc::write(to, (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Not readable any more.
    pub(crate) fn lower(&self) {
        let mut bytes = [0_u8; 256];
        // SAFETY: reads into as many bytes as are there; an eventfd is empty after one read, a pipe after a short one.
        while unsafe { libc::read(self.read.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) } == 256 {}
    }
}
