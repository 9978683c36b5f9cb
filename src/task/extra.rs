//! What few tasks have besides their cell: a name, a deadline, a group, functions that drop what it got and gave.
//!
//! ```text
//! cell.function -> Extra { function, argument, name, ... }        (the state word has EXTRA)
//! ```
//!
//! Written before `publish` and then owned as the payload is: by whoever claimed the task, until it has ended, and by
//! whoever frees the cell.

use super::cascade::calling_out;
use super::cell::Function;
use super::completions::Delivery;
use super::group::Member;
use super::watch::Attached;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Instant;

/// A function of the caller's that gets something back: an argument, or a result that nobody took.
pub(crate) type DropFunction = unsafe extern "C" fn(*mut c_void);

/// See above.
pub(crate) struct Extra {
    pub(crate) function: Function,
    /// As it was submitted: the cell has the result when `drop_arg` is due.
    pub(crate) argument: *mut c_void,
    pub(crate) name: Option<Arc<str>>,
    /// Canceled if it has not been started by then.
    pub(crate) deadline: Option<Instant>,
    pub(crate) member: Option<Member>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) drop_argument: Option<DropFunction>,
    pub(crate) drop_result: Option<DropFunction>,
    /// What `lifecycle::attached` finds through a handle.
    pub(crate) attached: Option<Arc<Attached>>,
}

impl Extra {
    pub(crate) fn new(function: Function, argument: *mut c_void) -> Self {
        Self {
            function,
            argument,
            name: None,
            deadline: None,
            member: None,
            delivery: None,
            drop_argument: None,
            drop_result: None,
            attached: None,
        }
    }

    /// Gives the argument back, once: the task has run, or never will.
    pub(super) fn drop_argument(&mut self) {
        if let Some(drop) = self.drop_argument.take() {
            // SAFETY: the submitter promised that it may be called with the argument, once, on any thread.
            calling_out(|| unsafe { drop(self.argument) });
        }
    }

    /// Gives a result back that nobody took.
    pub(super) fn drop_result(&mut self, result: *mut c_void) {
        if let Some(drop) = self.drop_result.take() {
            // SAFETY: as above, for the result.
            calling_out(|| unsafe { drop(result) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{attached, create_with, discard, release, Only, Owner, Stale, Terms};

    unsafe extern "C-unwind" fn nothing(argument: *mut c_void) -> *mut c_void {
        argument
    }

    #[test]
    fn what_is_attached_is_found_by_the_handle_and_goes_with_the_last_one() {
        let object = Arc::new(7_u32);
        let mut extra = Box::new(Extra::new(nothing, std::ptr::null_mut()));
        extra.attached = Some(object.clone());
        let terms = Terms { extra, owner: Owner::Caller, from_outside: true, held: false, only: Only::Any };
        let id = create_with(terms, 0).expect("memory");
        let found = || attached(id).map(|it| it.and_then(|it| it.downcast::<u32>().ok()).as_deref().copied());
        assert_eq!(found(), Ok(Some(7)));
        assert!(discard(id).is_some());
        assert_eq!(found(), Ok(Some(7)), "its end changes nothing");
        assert!(release(id).is_ok());
        assert_eq!(found(), Err(Stale));
        assert_eq!(Arc::strong_count(&object), 1, "nobody keeps it");
    }
}
