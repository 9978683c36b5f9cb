//! What a C caller holds: a 64-bit value that says what it is, and is never an address.
//!
//! ```text
//!  63    61 60      56 55              28 27            0
//! |  kind  |   copy   |    generation    |     slot      |
//! ```
//!
//! `kind` is never 0, so no handle is NULL. `copy` tells two copies of the library in one process apart (as well as
//! five bits can): each has its own slab and must not take the other's handles for its own.

use super::word::{TaskId, GENERATION_BITS, SLOT_BITS};
use crate::sync::{AtomicU64, Ordering};

/// What a handle stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Pool = 1,
    Future = 2,
    Group = 3,
    Queue = 4,
    Signature = 5,
}

const KIND_SHIFT: u32 = 61;
const COPY_SHIFT: u32 = 56;
const NUMBER: u64 = (1 << COPY_SHIFT) - 1;

const _: () = assert!(SLOT_BITS + GENERATION_BITS == COPY_SHIFT);
const _: () = assert!(size_of::<usize>() == 8, "a handle needs a 64-bit target");

/// Five bits of where this copy of the library was loaded.
fn copy() -> u64 {
    static HERE: u8 = 0;
    let page = (&raw const HERE).addr() as u64 >> 12;
    page.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - (KIND_SHIFT - COPY_SHIFT))
}

/// `copy` where a handle has it, once it has been found out: a load is shorter than that. 0 until then, when there is nothing
/// yet that a handle could name.
static COPY: AtomicU64 = AtomicU64::new(0);

/// Finds out which copy of the library this is; before the first handle is made.
pub(crate) fn find_copy() {
    // Relaxed: it is the same whoever stores it, and who has a handle has it from one who has done this before he made it.
    COPY.store(copy() << COPY_SHIFT, Ordering::Relaxed);
}

/// The value of a handle.
#[inline]
pub(crate) fn encode(kind: Kind, number: u64) -> u64 {
    debug_assert!(number <= NUMBER);
    (kind as u64) << KIND_SHIFT | COPY.load(Ordering::Relaxed) | number
}

/// The number in a handle, if it is one of this kind and of this copy of the library.
#[inline]
pub(crate) fn decode(kind: Kind, value: u64) -> Option<u64> {
    let number = value ^ encode(kind, 0);
    (number <= NUMBER).then_some(number)
}

/// The task that a future's handle names.
pub(crate) fn task(value: u64) -> Option<TaskId> {
    decode(Kind::Future, value).map(TaskId::from_bits)
}

/// The same for what is known to be the handle of a future.
pub(crate) fn number_of_task(value: u64) -> TaskId {
    TaskId::from_bits(value & NUMBER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_of_another_kind_or_copy_is_refused() {
        find_copy();
        let value = encode(Kind::Future, TaskId::new(5, 7).bits());
        assert_eq!(task(value), Some(TaskId::new(5, 7)));
        assert_eq!(decode(Kind::Pool, value), None);
        assert_eq!(task(value ^ 1 << COPY_SHIFT), None);
        assert_eq!(task(0x1234_5678), None);
    }
}
