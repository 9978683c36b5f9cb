//! Memory of free cells goes back to the system, after a burst.
//!
//! ```text
//! shared stack --all at once--> each cell counted in its run --+-- all 128 there: run vacated
//!                                                              `-- fewer: into batches, back on the stack
//!
//! keeper   starts when there are enough batches; naps until none has moved for a nap; trims; ends
//! ```
//!
//! The stack is what nobody uses: a thread has the cells that it uses again and again in its magazine. So a program that
//! is busy, but leaves the stack alone, loses nothing by a trim. One that uses the stack keeps it from being trimmed.
//!
//! The keeper is a thread, as there may be no other: workers are asleep when an outside thread releases the futures of a
//! burst, and the pool may be gone. jemalloc has background threads for the same.

use super::cell::{self, Vacant, NONE, RUN};
use super::free_list::{known, Cells, List, BATCH, SHARED};
use super::word::GENERATION_MASK;
use crate::sync::{
    fence, lock, memory, spawn, thread_cpu_ns, AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering, Renewable,
    SignalMask,
};
use std::time::Duration;

/// Fewer batches (of 4 KB) than this are not worth a thread.
const WORTH: u32 = 256;
/// How long nothing must have moved. In two naps, at the latest, memory is given back.
const NAP_NS: u64 = 250_000_000;
/// Of the keeper.
const STACK: usize = 256 * 1024;
/// After a trim that gained little the next waits for so many times the CPU time that it took.
const PATIENCE: u64 = 10;

/// Not 0: a keeper is there, or about to be.
static KEPT: AtomicU32 = AtomicU32::new(0);
/// Held by who trims: marks of one trim must not be taken for those of another.
static TRIMMING: Renewable<Mutex<()>> = Renewable::new(Mutex::new(()));
/// How long the next keeper naps at first.
static FIRST_NAP_NS: AtomicU64 = AtomicU64::new(NAP_NS);
/// A `fn()`, or null: what else gives memory back, on a floor above.
static ABOVE: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());

/// Has this called, too, whenever memory is given back.
pub(crate) fn also_give_back(above: fn()) {
    ABOVE.store(above as *mut (), Ordering::Relaxed);
}

fn give_back_above() {
    let above = ABOVE.load(Ordering::Relaxed);
    if !above.is_null() {
        // SAFETY: `also_give_back` has stored a `fn()`.
        let above = unsafe { std::mem::transmute::<*mut (), fn()>(above) };
        above();
    }
}

/// In the child of a fork: it has no keeper.
///
/// # Safety
/// No other thread uses the library.
pub(super) unsafe fn after_fork() {
    KEPT.store(0, Ordering::Relaxed);
    // SAFETY: by the contract above.
    unsafe { TRIMMING.renew(Mutex::new(())) };
}

/// A batch was put on the shared stack.
#[inline]
pub(super) fn note_shared() {
    if SHARED.len() >= WORTH {
        // SeqCst: pairs with the fence in `keep`. Either this sees that the keeper has gone, or the keeper sees the batch.
        fence(Ordering::SeqCst);
        if KEPT.load(Ordering::Relaxed) == 0 {
            start_keeper();
        }
    }
}

#[cold]
#[inline(never)]
fn start_keeper() {
    if KEPT.swap(1, Ordering::Relaxed) != 0 {
        return;
    }
    let builder = std::thread::Builder::new().name("offgil-memory".into()).stack_size(STACK);
    if spawn(builder, SignalMask::all(), keep).is_err() {
        // Asked again with the next batch.
        KEPT.store(0, Ordering::Relaxed);
    }
}

/// The keeper.
fn keep() {
    let mut seen = SHARED.changes();
    nap(FIRST_NAP_NS.swap(NAP_NS, Ordering::Relaxed));
    loop {
        let now = SHARED.changes();
        if now != seen {
            seen = now;
            nap(NAP_NS);
            continue;
        }
        let begun = thread_cpu_ns();
        let trimmed = trim();
        if trimmed.paid {
            give_back_above();
            memory::give_back_heap();
        } else {
            FIRST_NAP_NS.store(NAP_NS.max(PATIENCE * (thread_cpu_ns() - begun)), Ordering::Relaxed);
        }
        KEPT.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the one in `note_shared`
        let is_alone = SHARED.changes() == trimmed.changes;
        if is_alone || SHARED.len() < WORTH || KEPT.swap(1, Ordering::Relaxed) != 0 {
            return;
        }
    }
}

fn nap(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns));
}

/// Of a run: how many of its cells were on the stack, and the highest of their generations.
#[derive(Clone, Copy, Default)]
struct Tally {
    free: u32,
    generation: u32,
}

impl Tally {
    /// Whether its memory can go. What a run loses by that is generations: its cells go on from the highest. So not in the
    /// second half of them, or a run with one busy cell would use up the numbers of all.
    fn is_to_go(&self) -> bool {
        self.free == RUN && u64::from(self.generation) <= GENERATION_MASK / 2
    }
}

/// So many batches are walked side by side: each step to the next cell is a cache miss, and those of other batches don't
/// wait for it.
const WALKERS: usize = 16;

/// In place of the link of a cell that was taken off the stack and counted: no slot.
const COUNTED: u32 = NONE - 1;

/// Calls with each cell of these batches, which is then marked as counted.
fn each_cell(batches: &[u32], mut call: impl FnMut(u32)) {
    let mut waiting = batches.iter().map(|&batch| (batch, known(batch).batch_len()));
    let mut walkers: Vec<(u32, u32)> = waiting.by_ref().take(WALKERS).collect();
    while !walkers.is_empty() {
        walkers.retain_mut(|(slot, left)| {
            let next = known(*slot).link();
            known(*slot).set_link(COUNTED);
            call(*slot);
            (*slot, *left) = (next, *left - 1);
            if *left == 0 {
                match waiting.next() {
                    Some(batch) => (*slot, *left) = batch,
                    None => return false,
                }
            }
            true
        });
    }
}

struct Trimmed {
    /// At least half of what was looked at went.
    paid: bool,
    /// Those of the stack, if nobody else has changed it meanwhile.
    changes: u32,
}

/// Gives the memory of whole runs back.
fn trim() -> Trimmed {
    let _trimming = lock(&TRIMMING);
    let (batches, mut changes) = SHARED.take_all(&Cells);
    let mut tallies: Vec<Tally> = Vec::new();
    let mut looked_at = 0;
    each_cell(&batches, |slot| {
        let run = (slot / RUN) as usize;
        if run >= tallies.len() {
            tallies.resize(run + 1, Tally::default());
        }
        let tally = &mut tallies[run];
        tally.free += 1;
        tally.generation = tally.generation.max(known(slot).state.snapshot().generation());
        looked_at += 1;
    });
    let (gone, stay): (Vec<_>, Vec<_>) = (0..).zip(&tallies).partition(|(_, tally)| tally.is_to_go());
    let mut kept = List::EMPTY;
    let mut share = |kept: &mut List| {
        changes = changes.wrapping_add(u32::from(kept.len > 0));
        std::mem::replace(kept, List::EMPTY).share();
    };
    // In their order in memory, as what is walked in another costs a cache miss a cell. Cells of others have another link.
    let cells =
        stay.iter().filter(|(_, tally)| tally.free > 0).flat_map(|(run, _)| run * RUN..(run + 1) * RUN);
    for slot in cells.filter(|&slot| known(slot).link() == COUNTED) {
        kept.put(slot, known(slot));
        if kept.len == BATCH {
            share(&mut kept);
        }
    }
    share(&mut kept);
    let runs: Vec<Vacant> =
        gone.iter().map(|(run, tally)| Vacant { first: run * RUN, generation: tally.generation }).collect();
    // SAFETY: all their cells were on the stack, so free, and were taken out by us alone and not put back. A free cell's
    // word has the generation of its next number, and noted is the highest of them.
    unsafe { cell::vacate(&runs) };
    Trimmed { paid: runs.len() * RUN as usize * 2 >= looked_at, changes }
}

#[cfg(test)]
mod tests {
    use super::super::free_list::{allocate, free};
    use super::super::state::Stale;
    use super::super::word::{Outcome, TaskId};
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// A task's way through a cell; its number.
    fn use_once(slot: u32) -> TaskId {
        let state = &known(slot).state;
        let id = state.next_id(slot);
        state.publish(id, 1, 0);
        assert!(state.claim(id, 0).is_some());
        assert!(!state.finish(Outcome::Ok, false).to_free());
        assert!(state.read(id).is_ok());
        assert!(state.release_and_free(id));
        id
    }

    /// Takes so many cells, uses each, and gives them back in another order; none may have a number that it had before.
    fn burst(count: usize, next: &[AtomicU32]) -> Vec<TaskId> {
        let slots: Vec<u32> = (0..count).map(|_| allocate().expect("memory").0).collect();
        let ids: Vec<TaskId> = slots.iter().map(|&slot| use_once(slot)).collect();
        for id in &ids {
            let last =
                next.get(id.slot() as usize).map(|next| next.swap(id.generation() + 1, Ordering::Relaxed));
            assert!(last.is_none_or(|next| next <= id.generation()), "a number came twice");
        }
        (0..31)
            .flat_map(|first| slots.iter().skip(first).step_by(31))
            .for_each(|&slot| free(slot, known(slot)));
        ids
    }

    /// Other tests of this process use the slab, too; what is checked holds whatever they do.
    #[test]
    fn numbers_never_come_twice_and_stay_stale_while_memory_is_given_back_all_the_time() {
        let next: Vec<AtomicU32> = (0..1 << 20).map(|_| AtomicU32::new(0)).collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let trimmer = scope.spawn(|| {
                let mut paid = 0;
                while !done.load(Ordering::Relaxed) {
                    paid += u32::from(trim().paid && SHARED.len() < WORTH);
                    std::thread::yield_now();
                }
                paid
            });
            let users: Vec<_> = (0..3)
                .map(|user| {
                    let next = &next;
                    scope.spawn(move || {
                        let mut old: Vec<TaskId> = Vec::new();
                        for round in 0..60 {
                            let ids = burst(5_001 + user + round * 100, next);
                            old.extend(ids.iter().step_by(7));
                            assert!(old.iter().all(|&id| known(id.slot()).state.read(id) == Err(Stale)));
                        }
                    })
                })
                .collect();
            let ended: Vec<_> = users.into_iter().map(|user| user.join()).collect();
            done.store(true, Ordering::Relaxed); // first, or one that failed would leave the trimmer at it for ever
            ended.into_iter().for_each(|user| user.expect("no number came twice"));
            assert!(trimmer.join().expect("trims") > 0);
        });
    }

    #[test]
    fn a_run_with_a_cell_in_the_second_half_of_its_generations_keeps_its_memory() {
        let half = (GENERATION_MASK / 2) as u32;
        assert!(Tally { free: RUN, generation: half }.is_to_go());
        assert!(!Tally { free: RUN, generation: half + 1 }.is_to_go());
        assert!(!Tally { free: RUN - 1, generation: 0 }.is_to_go());
    }
}
