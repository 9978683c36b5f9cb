//! Memory of the system's, in whole pages.
//!
//! ```text
//! map -> zeros --populate--> pages there --give_back--> zeros, no pages --populate--> ...      never unmapped
//! ```

use std::ptr::{null_mut, NonNull};

/// Maps so many bytes of zeros, at the beginning of a page. `None`: out of memory.
pub(crate) fn map(bytes: usize) -> Option<*mut u8> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a new mapping where the system likes, which takes nothing from anybody.
    let mapped = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(mapped.cast()).map(NonNull::as_ptr)
}

/// Has the pages made in one call, instead of by a fault each. An older system makes them when they are written to.
pub(crate) fn populate(first: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: only makes pages; what is mapped there reads as before.
    unsafe {
        libc::madvise(first.cast(), bytes, libc::MADV_POPULATE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (first, bytes);
}

/// Gives the whole pages in a part of a mapping back, which then read as zeros. Where the system can't do that they stay
/// as they are: nobody may rely on zeros.
///
/// # Safety
/// It is part of what `map` or the allocator gave, and nobody needs what is in it.
pub(crate) unsafe fn give_back(first: *mut u8, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: by the contract above; the system rounds up, so the part is made smaller to begin and end with a page.
    unsafe {
        let page = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let before = first.align_offset(page).min(bytes);
        let whole = (bytes - before) / page * page;
        if whole > 0 {
            libc::madvise(first.add(before).cast(), whole, libc::MADV_DONTNEED);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (first, bytes);
}

/// Has the C library give back what was freed and lies between what is in use: glibc keeps it else.
pub(crate) fn give_back_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
