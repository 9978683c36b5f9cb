//! A task in the hands of who has claimed it.
//!
//! ```text
//! Claimed { number, cell }        number   63    62       57 56        0
//!                                       | EXTRA |     0     |  TaskId   |
//! ```

use super::cell::{cell_of, Cell, Function};
use super::extra::Extra;
use super::look::{find, Found};
use super::word::{self, Snapshot, TaskId};
use std::ffi::c_void;

/// A task that this thread has claimed: it alone runs it, and must `finish` it.
///
/// Two words, so that it is handed on in registers.
#[must_use = "a claimed task must be finished"]
pub(crate) struct Claimed {
    number: Tagged,
    pub(super) cell: &'static Cell,
}

/// The number of a task that has been claimed, and whether it has an extra.
#[derive(Clone, Copy)]
pub(crate) struct Tagged(u64);

const EXTRA: u64 = 1 << 63;

const _: () = assert!(TaskId::BITS < 63);

impl Tagged {
    #[inline]
    pub(crate) fn id(self) -> TaskId {
        TaskId::from_bits(self.0 & !EXTRA)
    }

    #[inline]
    fn has_extra(self) -> bool {
        self.0 & EXTRA != 0
    }

    /// What the task has besides its cell.
    ///
    /// # Safety
    /// The task has been claimed, and has not been finished as long as this is used.
    #[inline]
    pub(crate) unsafe fn extra<'a>(self) -> Option<&'a Extra> {
        // SAFETY: by the contract above the cell keeps it.
        self.has_extra().then(|| unsafe { &*cell_of(self.id()).extra() })
    }
}

impl Claimed {
    /// Claims the task if it is still queued.
    pub(crate) fn claim(id: TaskId) -> Option<Self> {
        Self::claim_unless(find(id)?, word::HELD).map(|(task, _)| task)
    }

    /// Claims it for a waiter, who may not run every task. And its word as it was before.
    #[inline(always)]
    pub(crate) fn claim_to_help(task: Found, on_a_lent_thread: bool) -> Option<(Self, Snapshot)> {
        let lent = if on_a_lent_thread { 0 } else { word::LENT };
        Self::claim_unless(task, word::HELD | word::BLOCKING | lent)
    }

    #[inline(always)]
    fn claim_unless(task: Found, flags: u64) -> Option<(Self, Snapshot)> {
        let before = task.cell.state.claim(task.id(), flags)?;
        Some((Self::of(task.id(), task.cell, before), before))
    }

    #[inline]
    pub(super) fn of(id: TaskId, cell: &'static Cell, before: Snapshot) -> Self {
        let extra = if before.has_extra() { EXTRA } else { 0 };
        Self { number: Tagged(id.bits() | extra), cell }
    }

    pub(crate) fn id(&self) -> TaskId {
        self.number.id()
    }

    #[inline]
    pub(crate) fn number(&self) -> Tagged {
        self.number
    }

    /// Whether it has nothing beside its cell.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.number.has_extra()
    }

    /// What the task has besides its cell. (Acquire of the claim: it is what `fill_with` stored.)
    #[inline]
    pub(crate) fn extra(&self) -> Option<&Extra> {
        // SAFETY: claimed, and not finished (`finish` consumes it): ours alone, and the cell keeps it.
        (!self.is_plain()).then(|| unsafe { &*self.cell.extra() })
    }

    /// The same to change it.
    pub(super) fn extra_mut(&mut self) -> Option<&mut Extra> {
        // SAFETY: as above.
        (!self.is_plain()).then(|| unsafe { &mut *self.cell.extra() })
    }

    /// Function and argument.
    pub(crate) fn call(&self) -> (Function, *mut c_void) {
        let function = match self.extra() {
            Some(extra) => extra.function,
            // SAFETY: claimed (that is what makes a Claimed), not finished, and without an extra.
            None => unsafe { self.cell.function() },
        };
        (function, self.cell.payload())
    }
}
