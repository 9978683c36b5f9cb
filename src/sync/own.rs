//! Pointers of each thread's own, read in two instructions.
//!
//! ```text
//! thread pointer + offset (from the GOT) -> [ MAGAZINE | LOCAL ]     NULL until the thread has set it
//! ```
//!
//! What `thread_local!` gives in a shared library costs a call of `__tls_get_addr` each time, ten times a task. These few
//! bytes are in the initial-exec model instead (U. Drepper, "ELF Handling For Thread-Local Storage", 2013): the loader
//! gives them a fixed place in each thread, also in a library that is opened late, for which glibc keeps some room. Rust
//! has no word for that model, so it is written in assembler, for the one platform on which it is tested; elsewhere
//! it is a `thread_local!`.

/// Which pointer.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    /// Free cells (task/free_list).
    Magazine = 0,
    /// What the thread is doing (pool/local).
    Local = 1,
}

/// The pointer that this thread has set last; NULL at first.
#[inline(always)]
pub(crate) fn own<T>(which: Own) -> *const T {
    match which {
        Own::Magazine => imp::get::<{ Own::Magazine as usize }>().cast(),
        Own::Local => imp::get::<{ Own::Local as usize }>().cast(),
    }
}

/// Sets it. Whoever reads it may rely on what the setter says of it.
pub(crate) fn set_own<T>(which: Own, to: *const T) {
    imp::set(which as usize, to.cast());
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod imp {
    use std::arch::{asm, global_asm};
    use std::ffi::c_void;

    /// With crate and version: two copies in one program must not share them (`cargo bench` has this file twice).
    macro_rules! name {
        () => {
            concat!("offgil_own_", env!("CARGO_CRATE_NAME"), "_", env!("CARGO_PKG_VERSION"))
        };
    }

    global_asm!(
        ".section .tbss.offgil_own, \"awT\", @nobits",
        ".balign 8",
        concat!(".globl \"", name!(), "\""),
        concat!(".hidden \"", name!(), "\""),
        concat!(".type \"", name!(), "\", @object"),
        concat!(".size \"", name!(), "\", 16"),
        concat!("\"", name!(), "\":"),
        ".zero 16",
        ".previous"
    );

    #[inline(always)]
    pub(super) fn get<const INDEX: usize>() -> *const c_void {
        let pointer: *const c_void;
        // SAFETY: reads one of the two words above, of which each thread has its own.
        unsafe {
            asm!(
                concat!("mov {pointer}, qword ptr [rip + \"", name!(), "\"@GOTTPOFF]"),
                "mov {pointer}, qword ptr fs:[{pointer} + 8 * {index}]",
                index = const INDEX,
                pointer = out(reg) pointer,
                options(nostack, readonly, preserves_flags)
            );
        }
        pointer
    }

    pub(super) fn set(index: usize, to: *const c_void) {
        // SAFETY: writes one of the two words above, of which each thread has its own.
        unsafe {
            asm!(
                concat!("mov {offset}, qword ptr [rip + \"", name!(), "\"@GOTTPOFF]"),
                "mov qword ptr fs:[{offset} + 8 * {index}], {to}",
                offset = out(reg) _,
                index = in(reg) index,
                to = in(reg) to,
                options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod imp {
    use std::cell::Cell;
    use std::ffi::c_void;
    use std::ptr::null;

    thread_local! {
        static OWN: [Cell<*const c_void>; 2] = const { [const { Cell::new(null()) }; 2] };
    }

    pub(super) fn get<const INDEX: usize>() -> *const c_void {
        OWN.with(|own| own[INDEX].get())
    }

    pub(super) fn set(index: usize, to: *const c_void) {
        OWN.with(|own| own[index].set(to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_and_finds_null_at_first() {
        std::thread::spawn(|| {
            let (here, there) = (1_u8, 2_u8);
            assert!(own::<u8>(Own::Magazine).is_null() && own::<u8>(Own::Local).is_null());
            set_own(Own::Magazine, &raw const here);
            std::thread::spawn(move || {
                assert!(own::<u8>(Own::Magazine).is_null());
                set_own(Own::Magazine, &raw const there);
            })
            .join()
            .expect("it found NULL");
            assert_eq!(own::<u8>(Own::Magazine), &raw const here);
            assert!(own::<u8>(Own::Local).is_null());
            set_own::<u8>(Own::Magazine, std::ptr::null());
        })
        .join()
        .expect("it found what it had set");
    }
}
