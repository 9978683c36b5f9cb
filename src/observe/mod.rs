//! What a pool tells about itself: counters, histograms, traces. Written to from above; nobody is called from here.
//!
//! ```text
//! Observer (a pool's) --[ Journal, Journal, ... ]   one a thread: its counters, which only it writes, and its events
//!    |-- times: Histogram   how long sampled tasks were queued and ran
//!    |-- samples            since when sampled tasks are queued
//!    `-- Sink               the file of a trace, perhaps shared with other pools
//! ```
//!
//! A task's way through a pool meets no counter that two threads write: a journal belongs to one thread at a time, and
//! who wants to know adds the journals up.

mod histogram;
mod journal;
mod json;
mod observer;
mod samples;
mod sink;

pub(crate) use journal::Journal;
pub(crate) use json::{Arguments, Event};
pub(crate) use observer::{Counts, Observer, StartError};
pub(crate) use samples::is_in_sample;
pub(crate) use sink::{after_fork, from_environment};
