//! The word that says who holds places, who looks for work, and what state the pool is in; `places` changes it.
//!
//! ```text
//! word    63   52 51   50       49     48     47      32 31        16 15      0
//!        | taken |OVER|VISITORS|BODIES|CLOSED| blocked  | searching  |  free   |
//!
//!   free       places that nobody holds; which ones, `Places::free_set` tells
//!   searching  threads without a place that are awake and look for work (one in the making counts)
//!   blocked    task bodies that wait inside this library: they gave their place up and want one back
//!   CLOSED     no submits from outside
//!   BODIES     a body waits for a place, in `wanted`: one that is given back goes to it first
//!   OVER       closed, at rest, and nothing queued: no place is taken any more
//!   taken      steps with each place that is taken (and wraps): tells two moments at rest apart
//!   VISITORS   a visitor waits for a place: it gets one after the next task, or when there is none
//! ```

const LANE: u64 = 0xFFFF;
pub(super) const FREE: u64 = 1;
pub(super) const SEARCHING: u64 = 1 << 16;
pub(super) const BLOCKED: u64 = 1 << 32;
pub(super) const CLOSED: u64 = 1 << 48;
pub(super) const BODIES: u64 = 1 << 49;
pub(super) const VISITORS: u64 = 1 << 50;
pub(super) const OVER: u64 = 1 << 51;
pub(super) const TAKEN: u64 = 1 << 52;

const _: () = {
    let fields = [
        LANE * FREE,
        LANE * SEARCHING,
        LANE * BLOCKED,
        CLOSED,
        BODIES,
        VISITORS,
        OVER,
        !0 << TAKEN.trailing_zeros(),
    ];
    let mut seen = 0;
    let mut index = 0;
    while index < fields.len() {
        assert!(seen & fields[index] == 0, "two fields of the word overlap");
        seen |= fields[index];
        index += 1;
    }
};

/// Who may be handed a place that is given back. Bodies always; visitors not before what is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Served {
    Bodies,
    Visitors,
}

/// The counters as they were at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Census(pub(super) u64);

impl Census {
    pub(crate) fn free(self) -> u32 {
        (self.0 & LANE) as u32
    }

    pub(crate) fn searching(self) -> u32 {
        ((self.0 / SEARCHING) & LANE) as u32
    }

    pub(crate) fn blocked(self) -> u32 {
        ((self.0 / BLOCKED) & LANE) as u32
    }

    /// How many places were taken so far, modulo 2^12.
    pub(crate) fn taken(self) -> u64 {
        self.0 / TAKEN
    }

    pub(crate) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Nothing will run any more.
    pub(crate) fn is_over(self) -> bool {
        self.0 & OVER != 0
    }

    /// A body that has waited wants a place.
    pub(crate) fn is_wanted_by_a_body(self) -> bool {
        self.0 & BODIES != 0
    }

    /// A submitter wants a place, to run its task itself.
    pub(crate) fn is_wanted_by_a_visitor(self) -> bool {
        self.0 & VISITORS != 0
    }

    pub(super) fn is_wanted_by(self, served: Served) -> bool {
        self.is_wanted_by_a_body() || served == Served::Visitors && self.is_wanted_by_a_visitor()
    }

    /// A place is free and nobody is on the way: new work must wake somebody.
    pub(crate) fn needs_a_searcher(self) -> bool {
        self.searching() == 0 && self.free() > 0
    }
}
