//! offgil: a thread pool behind a C ABI, for work that needs no GIL.
//!
//! The house, from the roof down; a file imports only from floors below its own (`tests/layering.rs` checks):
//!
//! ```text
//! ffi/       L5  one file per noun of the header: decode the handle, one call, encode the status
//! call/      L4  calls of any C function: signature, arguments, result
//! parallel/  L4  for, reduce, map, invoke: what is built out of tasks
//! pool/      L3  places, workers, submit, wait, sleep, shutdown: introduces tasks to queues
//! task/      L2  cell and its state word, slab of cells, handles, watchers, failures
//! queue/     L2  per-worker deque, injector: they carry entries and know no task
//! observe/   L2  counters, histograms, trace buffers: written to from above, they call nobody
//! sync/      L1  the one door to atomics and threads (std, or loom under cfg(loom)); futex, event count, latch
//! ```
//!
//! A task is a 32-byte cell in a process-wide slab. Submitting puts its number into a queue and wakes at most one
//! sleeper; a worker takes the cell, runs it and publishes the result with one atomic step; the waiter reads it.
//!
//! Rust programs use the functions of [`ffi`], the same that C sees; a panic of a task is reported as `EPANIC`.
//! `docs/design.md` says why things are as they are.

#![doc(html_no_source)]
// Under loom only the parts with orderings of their own are compiled, and nothing calls all of them.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(loom))]
pub(crate) mod observe;
pub(crate) mod queue;
pub(crate) mod sync;
pub(crate) mod task;

pub(crate) mod pool;

#[cfg(not(loom))]
pub(crate) mod call;
#[cfg(not(loom))]
pub mod ffi;
#[cfg(not(loom))]
pub(crate) mod parallel;

#[cfg(not(loom))]
pub use ffi::*;
