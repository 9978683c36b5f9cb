//! What is built out of tasks: ranges (for, map) and fork-join (invoke).

mod invoke;
mod range;

pub(crate) use invoke::invoke;
pub(crate) use range::{for_range, map};
