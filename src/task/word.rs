//! The layout of a task's number and of its state word; the verbs that change the word are in `state`.
//!
//! ```text
//!  63                    36 35            20 19   18       8 7      4 3     0
//! |     generation (28)    |  handles (16)  | (1) |  flags   | outcome| phase |
//!
//!  phase    FREE -> QUEUED -> RUNNING -> DONE -> FREE (generation + 1)
//!                     `--------cancel-----^
//!  outcome  how it ended, while DONE: OK, FAILED, PANICKED, CANCELED, or like the task that it was to run after
//!  flags    HAS_WAITER   somebody is in the watchers' table: whoever finishes goes and looks
//!           HAS_SIDE     there is something in the side table: whoever frees the cell clears it
//!           CANCEL       a running task was asked to stop
//!           OUTSIDE      submitted from outside the pool, so its turn among those counts
//!           INTERNAL     the library's own: no C handle reaches it
//!           HELD         not in a queue yet: its time, or the tasks before it, are to come
//!           BLOCKING     for threads of the blocking lane: no waiter runs it
//!           EXTRA        the cell's function is an `Extra`, which has the function and more
//!           TAKEN        somebody has the result, so nobody drops it
//!           LENT         for lent threads
//!           NEVER_RUNS   claimed to be ended without having been run
//!  handles  how many releases are due; 0 while DONE means that the cell is to be freed
//! ```

/// The task's number: generation and slot, as queues and handles carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub(crate) struct TaskId(u64);

pub(crate) const SLOT_BITS: u32 = 28;
pub(crate) const GENERATION_BITS: u32 = 28;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
pub(super) const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

/// Above the 56 bits that a handle carries: a task of the library's own (a helper of a range, a half of an invoke).
/// A handle can't have this bit, so no handle, guessed or not, reaches such a task.
const INTERNAL_ID: u64 = 1 << (SLOT_BITS + GENERATION_BITS);

impl TaskId {
    /// So many bits there are.
    pub(super) const BITS: u32 = INTERNAL_ID.trailing_zeros() + 1;

    pub(crate) fn new(slot: u32, generation: u32) -> Self {
        debug_assert!(u64::from(slot) <= SLOT_MASK && u64::from(generation) <= GENERATION_MASK);
        Self(u64::from(generation) << SLOT_BITS | u64::from(slot))
    }

    /// From what `bits` gave, or from the number in a handle.
    pub(crate) fn from_bits(bits: u64) -> Self {
        debug_assert!(bits < INTERNAL_ID << 1);
        Self(bits)
    }

    /// The same as a task of the library's own.
    pub(crate) fn internal(self) -> Self {
        Self(self.0 | INTERNAL_ID)
    }

    pub(crate) fn is_internal(self) -> bool {
        self.0 & INTERNAL_ID != 0
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The number as a handle would have it.
    pub(crate) fn handle_bits(self) -> u64 {
        self.0 & !INTERNAL_ID
    }

    pub(crate) fn slot(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }

    /// The generation where the state word has it.
    pub(super) fn generation_in_place(self) -> u64 {
        (self.0 >> SLOT_BITS & GENERATION_MASK) << GENERATION_SHIFT
    }

    /// The flag of the state word.
    pub(super) fn internal_in_place(self) -> u64 {
        if self.is_internal() {
            INTERNAL
        } else {
            0
        }
    }

    pub(crate) fn generation(self) -> u32 {
        ((self.0 >> SLOT_BITS) & GENERATION_MASK) as u32
    }
}

pub(super) const PHASE: u64 = 0xF;
pub(super) const FREE: u64 = 0;
pub(super) const QUEUED: u64 = 1;
pub(super) const RUNNING: u64 = 2;
pub(super) const DONE: u64 = 3;

pub(super) const OUTCOME_SHIFT: u32 = 4;
pub(super) const OUTCOME: u64 = 0xF << OUTCOME_SHIFT;

pub(super) const HAS_WAITER: u64 = 1 << 8;
pub(super) const HAS_SIDE: u64 = 1 << 9;
pub(super) const CANCEL: u64 = 1 << 10;
pub(super) const OUTSIDE: u64 = 1 << 11;
pub(super) const INTERNAL: u64 = 1 << 12;
pub(super) const HELD: u64 = 1 << 13;
pub(super) const BLOCKING: u64 = 1 << 14;
pub(super) const EXTRA: u64 = 1 << 15;
pub(super) const TAKEN: u64 = 1 << 16;
pub(super) const LENT: u64 = 1 << 17;
pub(super) const NEVER_RUNS: u64 = 1 << 18;
pub(super) const FLAGS: u64 =
    HAS_WAITER | HAS_SIDE | CANCEL | OUTSIDE | INTERNAL | HELD | BLOCKING | EXTRA | TAKEN | LENT | NEVER_RUNS;

pub(super) const HANDLES_SHIFT: u32 = 20;
pub(super) const ONE_HANDLE: u64 = 1 << HANDLES_SHIFT;
pub(super) const HANDLES: u64 = 0xFFFF << HANDLES_SHIFT;

pub(super) const GENERATION_SHIFT: u32 = 36;
pub(super) const GENERATION: u64 = GENERATION_MASK << GENERATION_SHIFT;

const _: () = {
    let fields = [PHASE, OUTCOME, FLAGS, HANDLES, GENERATION];
    let mut seen = 0;
    let mut index = 0;
    while index < fields.len() {
        assert!(seen & fields[index] == 0, "two fields of the state word overlap");
        seen |= fields[index];
        index += 1;
    }
    assert!(GENERATION >> GENERATION_SHIFT == GENERATION_MASK, "the generation fits");
    assert!(HANDLES | (ONE_HANDLE - 1) == !GENERATION && ONE_HANDLE > FLAGS, "the handles are next to it");
};

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Ok = 0,
    /// It called `task_fail`.
    Failed = 1,
    /// A Rust task panicked.
    Panicked = 2,
    /// It never ran.
    Canceled = 3,
    /// It never ran, for a task that it was to run after has failed.
    CanceledByFailure = 4,
    /// It never ran, for a task that it was to run after has panicked.
    CanceledByPanic = 5,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Ok,
        Self::Failed,
        Self::Panicked,
        Self::Canceled,
        Self::CanceledByFailure,
        Self::CanceledByPanic,
    ];

    /// Whether the task ended without having been run.
    pub(crate) fn never_ran(self) -> bool {
        matches!(self, Self::Canceled | Self::CanceledByFailure | Self::CanceledByPanic)
    }

    /// How a task ends that was to run after one which ended so.
    pub(crate) fn for_dependents(self) -> Self {
        match self {
            Self::Ok => Self::Ok,
            Self::Failed | Self::CanceledByFailure => Self::CanceledByFailure,
            Self::Panicked | Self::CanceledByPanic => Self::CanceledByPanic,
            Self::Canceled => Self::Canceled,
        }
    }
}

const _: () = {
    let mut index = 0;
    while index < Outcome::ALL.len() {
        assert!(Outcome::ALL[index] as usize == index, "outcomes are numbered in order");
        index += 1;
    }
};

/// Where a task is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Queued,
    Running,
    Done(Outcome),
}

/// A state word as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Snapshot(pub(super) u64);

/// Which threads may run a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Only {
    Any,
    /// Those of the blocking lane.
    Blocking,
    /// Lent ones.
    Lent,
}

impl Snapshot {
    pub(super) fn phase_bits(self) -> u64 {
        self.0 & PHASE
    }

    pub(super) fn generation(self) -> u32 {
        ((self.0 & GENERATION) >> GENERATION_SHIFT) as u32
    }

    pub(super) fn is_of(self, id: TaskId) -> bool {
        self.generation() == id.generation() && self.phase_bits() != FREE
    }

    /// Whether a number of this kind may look at it.
    pub(super) fn is_held_by(self, id: TaskId) -> bool {
        let rest = self.0 ^ (id.generation_in_place() | id.internal_in_place());
        // The generation is the same, above all others; and below it there is a handle, so it isn't FREE.
        (ONE_HANDLE..=!GENERATION).contains(&rest) && rest & INTERNAL == 0
    }

    pub(super) fn handles(self) -> u64 {
        (self.0 & HANDLES) >> HANDLES_SHIFT
    }

    pub(crate) fn phase(self) -> Phase {
        match self.phase_bits() {
            QUEUED => Phase::Queued,
            RUNNING => Phase::Running,
            _ => {
                let outcome = Outcome::ALL.get(((self.0 & OUTCOME) >> OUTCOME_SHIFT) as usize);
                Phase::Done(*outcome.unwrap_or(&Outcome::Canceled))
            }
        }
    }

    /// DONE, with one handle, which is this one, and there is nothing of the task's but its cell.
    pub(super) fn is_plain_and_held_once_by(self, id: TaskId) -> bool {
        let fields = GENERATION | INTERNAL | PHASE | HANDLES | HAS_WAITER | HAS_SIDE | EXTRA;
        self.0 & fields == id.generation_in_place() | id.internal_in_place() | DONE | ONE_HANDLE
    }

    /// Whether there is nothing of the task's but its cell.
    pub(super) fn is_plain(self) -> bool {
        self.0 & (HAS_SIDE | EXTRA) == 0
    }

    /// The word of the cell once it is free: of the next generation.
    pub(super) fn next_free(self) -> u64 {
        ((self.0 & GENERATION).wrapping_add(1 << GENERATION_SHIFT) & GENERATION) | FREE
    }

    /// Whether nobody waits for it who must be told, and there is one handle.
    pub(super) fn is_unwatched_and_held_once(self) -> bool {
        self.0 & (HANDLES | HAS_WAITER) == ONE_HANDLE
    }

    pub(crate) fn has_waiter(self) -> bool {
        self.0 & HAS_WAITER != 0
    }

    pub(crate) fn has_side(self) -> bool {
        self.0 & HAS_SIDE != 0
    }

    pub(crate) fn is_asked_to_stop(self) -> bool {
        self.0 & CANCEL != 0
    }

    pub(crate) fn is_from_outside(self) -> bool {
        self.0 & OUTSIDE != 0
    }

    /// Whether a waiter may run it: it is in a queue, and for any thread.
    pub(crate) fn is_for_waiters(self) -> bool {
        self.0 & (HELD | BLOCKING | LENT) == 0
    }

    /// Which threads run it.
    pub(crate) fn only(self) -> Only {
        match (self.0 & BLOCKING != 0, self.0 & LENT != 0) {
            (true, _) => Only::Blocking,
            (false, true) => Only::Lent,
            (false, false) => Only::Any,
        }
    }

    pub(crate) fn is_held(self) -> bool {
        self.0 & HELD != 0
    }

    /// Whether it ended, or is being ended, without having been run.
    pub(crate) fn never_ran(self) -> bool {
        self.0 & NEVER_RUNS != 0 || matches!(self.phase(), Phase::Done(outcome) if outcome.never_ran())
    }

    pub(crate) fn has_extra(self) -> bool {
        self.0 & EXTRA != 0
    }

    pub(crate) fn is_taken(self) -> bool {
        self.0 & TAKEN != 0
    }
}
