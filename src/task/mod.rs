//! Tasks: what one is, how it changes hands, and who is told when it ends.
//!
//! ```text
//! TaskId --cell()--> Cell { State (whose is it?), function, payload }     watch: who waits, why it failed
//!                       `-> Extra { name, deadline, group, completion queue, what to drop }     of few tasks
//! ```
//!
//! A task is made by `create`, put into a queue by its number, claimed by exactly one thread, run by pool, and
//! ended by `finish` (or `cancel`). Its cell is freed when it has ended and no handle is left.

#[cfg(not(loom))]
mod cascade;
#[cfg(not(loom))]
mod cell;
#[cfg(not(loom))]
mod claimed;
#[cfg(not(loom))]
mod completions;
#[cfg(not(loom))]
mod extra;
mod free_list;
#[cfg(not(loom))]
mod group;
#[cfg(not(loom))]
mod handle;
#[cfg(not(loom))]
mod lifecycle;
#[cfg(not(loom))]
mod look;
#[cfg(not(loom))]
mod pending;
mod state;
#[cfg(not(loom))]
mod trim;
#[cfg(not(loom))]
mod watch;
mod word;

#[cfg(not(loom))]
pub use cell::Function;
pub(crate) use word::{Only, Outcome, Phase, Snapshot, TaskId};
#[cfg(not(loom))]
pub(crate) use {
    cascade::{calling_out, in_line},
    cell::{cell_of, is_parents, Around},
    claimed::{Claimed, Tagged},
    completions::{Completion, Delivery, Queue, QUEUES},
    extra::Extra,
    free_list::forget as forget_cells,
    group::{Group, Member, GROUPS},
    handle::{decode, encode, find_copy, number_of_task, task as decode_task, Kind},
    lifecycle::{
        ask_to_stop, attached, cancel, create, create_with, discard, discard_as, failure, finish,
        finish_well, let_go, note_taken, peek_failure, release, release_plain, retain, take_back,
        tell_or_free_well, withdraw, Canceled, Job, Lost, Owner, Terms,
    },
    look::{
        find, glance, has_ended, has_succeeded, is_for_waiters, is_live, is_queued, look, snapshot, Found,
        Glance, Look,
    },
    state::{Finished, Stale},
    trim::also_give_back,
    watch::{on_end, tell, watching, Ended, Failure, News, NotWatched, OnEnd},
};

/// In the child of a fork: the parent's tasks, groups and completion queues are left alone.
///
/// # Safety
/// No other thread uses the library.
#[cfg(not(loom))]
pub(crate) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe {
        cell::after_fork();
        free_list::after_fork();
        trim::after_fork();
        watch::after_fork();
        GROUPS.after_fork(false);
        QUEUES.after_fork(false);
    }
}
