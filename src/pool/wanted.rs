//! The lines of those who wait for a place (pool/places).
//!
//! ```text
//! bodies   [latch, latch, ...]   first come, first served, and before
//! visitors [latch, latch, ...]   these
//! ```

use super::census::{Served, BODIES, VISITORS};
use crate::sync::Latch;
use std::collections::VecDeque;

/// Who wants a place: a body that goes on after a wait, or a visitor (a submitter that will run its own task).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanter {
    Body,
    Visitor,
}

impl Wanter {
    pub(super) fn flag(self) -> u64 {
        match self {
            Self::Body => BODIES,
            Self::Visitor => VISITORS,
        }
    }
}

/// Those who wait for a place, each kind in order. The limit changes under the lock of this, too.
pub(super) struct Wanted {
    bodies: VecDeque<*const Latch>,
    visitors: VecDeque<*const Latch>,
}

// SAFETY: a latch is reached under the lock of `wanted` only, and its owner doesn't leave before it has been set or
// has taken the entry out itself.
unsafe impl Send for Wanted {}

impl Wanted {
    pub(super) fn nobody() -> Self {
        Self { bodies: VecDeque::new(), visitors: VecDeque::new() }
    }

    pub(super) fn take_visitors(&mut self) -> VecDeque<*const Latch> {
        std::mem::take(&mut self.visitors)
    }

    pub(super) fn line(&mut self, who: Wanter) -> &mut VecDeque<*const Latch> {
        match who {
            Wanter::Body => &mut self.bodies,
            Wanter::Visitor => &mut self.visitors,
        }
    }

    pub(super) fn next(&mut self, served: Served) -> Option<*const Latch> {
        let body = self.bodies.pop_front();
        if served == Served::Bodies {
            return body;
        }
        body.or_else(|| self.visitors.pop_front())
    }

    /// The flags of the lines in which nobody stands.
    pub(super) fn flags_of_empty_lines(&self) -> u64 {
        let flag = |line: &VecDeque<_>, flag| if line.is_empty() { flag } else { 0 };
        flag(&self.bodies, BODIES) | flag(&self.visitors, VISITORS)
    }
}
