//! Structs that C hands over with their size first, so that caller and library may know different versions of them.

use crate::pool::Error;

/// No caller has a struct of this size; more is taken for garbage.
pub(super) const LARGEST: usize = 4096;

/// Fills the caller's struct of `size` bytes with the defaults; what this library doesn't know of it with 0. A size that
/// no version has leaves it as it is.
///
/// # Safety
/// `to` is NULL or points to `size` writable bytes.
pub(super) unsafe fn fill<T: Copy>(to: *mut T, size: usize, smallest: usize, defaults: &T) {
    if to.is_null() || !(smallest..=LARGEST).contains(&size) {
        return;
    }
    // SAFETY: both are at least min(size, known) bytes long, and don't overlap; the rest is the caller's to `size`.
    unsafe {
        std::ptr::write_bytes(to.cast::<u8>(), 0, size);
        let known = std::ptr::from_ref(defaults).cast::<u8>();
        std::ptr::copy_nonoverlapping(known, to.cast(), size.min(size_of::<T>()));
    }
}

/// The caller's struct, of whatever size, as one of ours: what it is too short for has the defaults.
///
/// # Safety
/// `from` is NULL or points to a struct whose first field says how long it is; any bytes make a valid T, but for function
/// pointers, which are valid or NULL by the caller's promise.
pub(super) unsafe fn read<T: Copy>(
    from: *const T,
    smallest: usize,
    defaults: impl FnOnce(usize) -> T,
) -> Result<T, Error> {
    if from.is_null() {
        return Err(Error::invalid("the options are NULL"));
    }
    // SAFETY: `size` is the first field of every version of the struct.
    let size = unsafe { from.cast::<usize>().read_unaligned() };
    if !(smallest..=LARGEST).contains(&size) {
        return Err(Error::invalid("options.size is not one that the _init function has set"));
    }
    let known = size.min(size_of::<T>());
    let mut ours = defaults(size);
    // SAFETY: both are at least `known` bytes long, and don't overlap; the rest is readable to `size`.
    unsafe {
        std::ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut ours).cast(), known);
        let unknown = std::slice::from_raw_parts(from.cast::<u8>().add(known), size - known);
        if unknown.iter().any(|&byte| byte != 0) {
            return Err(Error::invalid("an option is set that this version of the library doesn't know"));
        }
    }
    Ok(ours)
}
