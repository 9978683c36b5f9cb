//! The words that say who holds places, who looks for work, and what state the pool is in; `places` changes them.
//!
//! ```text
//! word    63   52 51   50       49     48     47      32 31        16 15      0
//!        | taken |OVER|VISITORS|BODIES|CLOSED| blocked  | searching  |  busy   |
//!
//! limit   63                            32 31                16 15            0
//!        |            resizes             |        most        |    threads    |
//!
//!   busy       places that are held; which ones, `Places::free_set` tells
//!   searching  threads without a place that are awake and look for work (one in the making counts)
//!   blocked    task bodies that wait inside this library: they gave their place up and want one back
//!   CLOSED     no submits from outside
//!   BODIES     a body waits for a place, in `wanted`: one that is given back goes to it first
//!   OVER       closed, at rest, and nothing queued: no place is taken any more
//!   taken      steps with each place that is taken, and each resize (and wraps): tells two moments at rest apart
//!   VISITORS   a visitor waits for a place: it gets one after the next task, or when there is none
//!   threads    how many places may be held from now on; more are for a while after it was lowered
//!   most       the highest that `threads` ever was: places have numbers below it
//!   resizes    how often it was changed (and wraps)
//! ```
//!
//! A place is free if fewer are held than the limit says. The two words are read one after the other, and a resize
//! steps `taken` after it has stored the limit: whoever changes the word by compare-exchange, and has read the limit
//! after the word, has read the limit that held at that step.

const LANE: u64 = 0xFFFF;
pub(super) const BUSY: u64 = 1;
pub(super) const SEARCHING: u64 = 1 << 16;
pub(super) const BLOCKED: u64 = 1 << 32;
pub(super) const CLOSED: u64 = 1 << 48;
pub(super) const BODIES: u64 = 1 << 49;
pub(super) const VISITORS: u64 = 1 << 50;
pub(super) const OVER: u64 = 1 << 51;
pub(super) const TAKEN: u64 = 1 << 52;

/// Of the limit.
const MOST: u64 = 1 << 16;
const RESIZE: u64 = 1 << 32;

const _: () = {
    let fields = [
        LANE * BUSY,
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
    assert!(LANE & (LANE * MOST) == 0 && LANE * MOST < RESIZE, "two fields of the limit overlap");
    assert!(
        (LANE * BUSY) | (LANE * SEARCHING) == u32::MAX as u64 && SEARCHING > LANE,
        "see needs_a_searcher"
    );
};

/// Who may be handed a place that is given back. Bodies always; visitors not before what is queued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Served {
    Bodies,
    Visitors,
}

/// How many places may be held, and after how many resizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limit(pub(super) u64);

impl Limit {
    /// None that a pool ever has.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn new(threads: u32) -> Self {
        Self(u64::from(threads) * (MOST | 1))
    }

    pub(super) fn threads(self) -> u32 {
        (self.0 & LANE) as u32
    }

    pub(super) fn most(self) -> u32 {
        ((self.0 / MOST) & LANE) as u32
    }

    /// The limit after one more resize.
    pub(super) fn resized(self, threads: u32) -> Self {
        let resizes = (self.0 & !(RESIZE - 1)).wrapping_add(RESIZE);
        let most = u64::from(self.most().max(threads)) * MOST;
        Self(resizes | most | u64::from(threads))
    }
}

/// The counters as they were at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Census {
    pub(super) word: u64,
    pub(super) limit: Limit,
}

impl Census {
    /// Places that may be held.
    pub(crate) fn threads(self) -> u32 {
        self.limit.threads()
    }

    /// Places that are held.
    fn busy(self) -> u32 {
        (self.word & LANE) as u32
    }

    pub(crate) fn free(self) -> u32 {
        self.threads().saturating_sub(self.busy())
    }

    /// Nobody holds a place or wants one back.
    pub(crate) fn is_at_rest(self) -> bool {
        self.busy() == 0 && self.blocked() == 0
    }

    /// A pool that is closed starts nothing outside its threads; one of one thread runs all in order.
    pub(super) fn lets_visitors_in(self) -> bool {
        !self.is_closed() && self.threads() > 1
    }

    /// The place has a number that a task which starts now may have.
    pub(super) fn allows(self, place: u32) -> bool {
        place < self.threads()
    }

    /// As many places are held as may be.
    #[inline(always)]
    pub(crate) fn is_just_full(self) -> bool {
        self.busy() == self.threads()
    }

    /// More places are held than may be.
    pub(crate) fn has_too_many(self) -> bool {
        self.busy() > self.threads()
    }

    /// Whether who holds this place may start another task: the place is not past the limit, nor are too many held.
    pub(crate) fn lets_start_on(self, place: u32) -> bool {
        self.allows(place) && self.busy() <= self.threads()
    }

    pub(crate) fn searching(self) -> u32 {
        ((self.word / SEARCHING) & LANE) as u32
    }

    pub(crate) fn blocked(self) -> u32 {
        ((self.word / BLOCKED) & LANE) as u32
    }

    /// How many places were taken so far, modulo 2^12.
    pub(crate) fn taken(self) -> u64 {
        self.word / TAKEN
    }

    pub(crate) fn is_closed(self) -> bool {
        self.word & CLOSED != 0
    }

    /// Nothing will run any more.
    pub(crate) fn is_over(self) -> bool {
        self.word & OVER != 0
    }

    /// A body that has waited wants a place.
    pub(crate) fn is_wanted_by_a_body(self) -> bool {
        self.word & BODIES != 0
    }

    /// A submitter wants a place, to run its task itself.
    pub(crate) fn is_wanted_by_a_visitor(self) -> bool {
        self.word & VISITORS != 0
    }

    /// Somebody is in line for a place.
    pub(crate) fn is_wanted(self) -> bool {
        self.word & (BODIES | VISITORS) != 0
    }

    /// Whether a place that is held should be handed to somebody in line. Not while more are held than may be.
    pub(super) fn is_wanted_by(self, served: Served) -> bool {
        let wanted =
            self.is_wanted_by_a_body() || served == Served::Visitors && self.is_wanted_by_a_visitor();
        wanted && self.busy() <= self.threads()
    }

    /// A place is free and nobody is on the way: new work must wake somebody.
    #[inline]
    pub(crate) fn needs_a_searcher(self) -> bool {
        // Both at once: with one searcher the two lanes are more than any number of threads.
        (self.word as u32) < self.threads()
    }
}
