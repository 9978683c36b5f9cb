//! A pool: places to run in, queues to take from, threads that sleep when there is nothing to take.
//!
//! ```text
//! outside threads --submit--> injector --+
//!                                        +--> worker on place i --run--> result
//! bodies on place i --submit--> deque i -+         (steals from the other deques)
//! ```
//!
//! submit: where a task goes in. worker: how one is found. run: one task. wait: who runs what in a wait, and what
//! a blocked body leaves behind. places, sleep: who may run, who is awake. shutdown, registry, threads: its life.

mod census;
mod free_set;
mod places;
mod resize;
mod sleep;

#[cfg(not(loom))]
mod context;
#[cfg(not(loom))]
mod core;
#[cfg(not(loom))]
mod deadlock;
#[cfg(not(loom))]
mod deques;
#[cfg(not(loom))]
mod options;
#[cfg(not(loom))]
mod pin;
#[cfg(not(loom))]
mod registry;
#[cfg(not(loom))]
mod run;
#[cfg(not(loom))]
mod shutdown;
#[cfg(not(loom))]
mod status;
#[cfg(not(loom))]
mod submit;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod wait;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub(crate) use self::{
    context::{current_has_failed, fail_current, inside_pool, is_asked_to_stop, worker_index},
    options::{Hooks, Options, WhenFull},
    places::MOST as MOST_THREADS,
    registry::{create, default_pool, find, PoolRef},
    resize::resize,
    run::{run_part, PartOutcome},
    shutdown::{destroy, release, shutdown, wait_idle, Mode},
    status::{Error, Status},
    submit::{cancel, check_open, submit, submit_many},
    threads::stack_allows_another_body,
    wait::{as_helper, join, reclaim, wait, wait_all, wait_any},
};
