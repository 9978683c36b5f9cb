//! Tasks: what one is, how it changes hands, and who is told when it ends.
//!
//! ```text
//! TaskId --cell()--> Cell { State (whose is it?), function, payload }     watch: who waits, why it failed
//! ```
//!
//! A task is made by `create`, put into a queue by its number, claimed by exactly one thread, run by pool, and
//! ended by `finish` (or `cancel`). Its cell is freed when it has ended and no handle is left.

#[cfg(not(loom))]
mod cell;
mod free_list;
#[cfg(not(loom))]
mod handle;
mod state;
#[cfg(not(loom))]
mod watch;
mod word;

#[cfg(not(loom))]
mod lifecycle;

#[cfg(not(loom))]
pub(crate) use cell::cell_of;
#[cfg(not(loom))]
pub use cell::Function;
#[cfg(not(loom))]
pub(crate) use handle::{decode, encode, task as decode_task, Kind};
#[cfg(not(loom))]
pub(crate) use lifecycle::{
    cancel, create, discard, failure, finish, has_ended, is_queued, look, release, retain, Claimed, Job,
    Look, Owner,
};
#[cfg(not(loom))]
pub(crate) use state::{Cancel, Stale};
#[cfg(not(loom))]
pub(crate) use watch::{tell, watching, Failure, News, NotWatched};
pub(crate) use word::{Outcome, Phase, TaskId};
