//! Spinning, bounded: look a few times before sleeping, for as long as it paid lately.
//!
//! A wake-up of a halted core costs its waker some 10 us and the sleeper 40, so a short spin that catches the next
//! event is worth a thousand tasks; a long one that doesn't takes a core from whoever would have made the event.

use super::spin_hint;
use std::time::{Duration, Instant};

/// Spins in growing steps until its time is over. The clock is read once a step, not once a look.
pub(crate) struct Backoff {
    step: u32,
    until: Option<Instant>,
    budget: Duration,
    /// At least so long from one look to the next.
    gap: Duration,
}

fn pause(times: u32) {
    (0..times).for_each(|_| spin_hint());
}

/// Looks per step grow up to this many pauses, a fraction of a microsecond.
const LONGEST_STEP: u32 = 64;

impl Backoff {
    pub(crate) fn new(budget: Duration) -> Self {
        Self { step: 1, until: None, budget, gap: Duration::ZERO }
    }

    /// One that looks so long after the last look, and not before.
    pub(crate) fn slow(self, gap: Duration) -> Self {
        Self { step: LONGEST_STEP, gap, ..self }
    }

    /// Pauses for one step. False when the time is over.
    pub(crate) fn pause(&mut self) -> bool {
        pause(self.step);
        if self.step < LONGEST_STEP {
            self.step *= 2;
            return !self.budget.is_zero();
        }
        let mut now = Instant::now();
        let until = *self.until.get_or_insert(now + self.budget);
        let next = until.min(now + self.gap);
        // By the clock: a pause takes 10 ns on one machine and 40 on another.
        while now < next {
            pause(LONGEST_STEP);
            now = Instant::now();
        }
        now < until
    }
}

/// How long one thread spins for one kind of event: more when the last spin caught it, less when it didn't.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpinBudget {
    now: Duration,
}

/// No thread spins longer than this after the last work.
const LONGEST: Duration = Duration::from_micros(40);
const SHORTEST: Duration = Duration::from_micros(2);

impl SpinBudget {
    pub(crate) const fn new() -> Self {
        Self { now: Duration::from_micros(20) }
    }

    /// That of a thread which has not slept yet: it knows of nothing that a spin would catch, and may be on the CPU of who
    /// started it, or of others who are about to go on.
    pub(crate) const fn untried() -> Self {
        Self { now: Duration::ZERO }
    }

    /// Whether there is to be no spin at all.
    pub(crate) fn is_none(&self) -> bool {
        self.now.is_zero()
    }

    pub(crate) fn start(&self) -> Backoff {
        Backoff::new(self.now)
    }

    /// The spin caught its event (or didn't).
    pub(crate) fn learn(&mut self, caught: bool) {
        if caught {
            self.grow();
        } else {
            self.now = (self.now / 2).max(SHORTEST);
        }
    }

    /// It was woken after so long a sleep: a spin would have caught what came soon, and nothing else. Who is woken after
    /// long ones only doesn't spin at all: it may be on the CPU of who woke it, and in his way.
    pub(crate) fn learn_from_sleep(&mut self, slept: Duration) {
        if slept < LONGEST {
            self.grow();
        } else {
            self.now /= 2;
            if self.now < SHORTEST {
                self.now = Duration::ZERO;
            }
        }
    }

    fn grow(&mut self) {
        self.now = (self.now * 2).clamp(SHORTEST, LONGEST);
    }
}
