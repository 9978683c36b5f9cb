//! A pool: places to run in, queues to take from, threads that sleep when there is nothing to take.
//!
//! ```text
//! outside threads --submit--> injector --+
//!                                        +--> worker on place i --run--> result
//! bodies on place i --submit--> deque i -+         (steals from the other deques)
//! ```
//!
//! submit: where a task goes in. worker: how one is found. run: one task. wait: who runs what in a wait, and what
//! a blocked body leaves behind. places, sleep: who may run, who is awake. shutdown, registry, threads, fork: its life.
//! observe: what is counted, timed and traced on the way.
//! nested, fork_stacks: forks that make no task unless somebody comes for one. around: whose parts they are. within: in which pools.
//! lanes, blocking, lent: what doesn't go the ordinary way. hold, timers: what is not to be run yet. cancel: what never will be.

mod census;
mod free_set;
mod places;
mod resize;
mod sleep;

#[cfg(not(loom))]
mod around;
#[cfg(not(loom))]
mod blocking;
#[cfg(not(loom))]
mod cancel;
#[cfg(not(loom))]
mod context;
#[cfg(not(loom))]
mod core;
#[cfg(not(loom))]
mod deadlock;
#[cfg(not(loom))]
mod deques;
#[cfg(not(loom))]
mod done;
#[cfg(not(loom))]
mod fork;
#[cfg(not(loom))]
mod fork_stacks;
#[cfg(not(loom))]
mod group;
#[cfg(not(loom))]
mod help;
#[cfg(not(loom))]
mod help_many;
#[cfg(not(loom))]
mod hold;
#[cfg(not(loom))]
mod lanes;
#[cfg(not(loom))]
mod leave;
#[cfg(not(loom))]
mod lent;
#[cfg(not(loom))]
mod local;
#[cfg(not(loom))]
mod memory;
#[cfg(not(loom))]
mod nested;
#[cfg(not(loom))]
mod observe;
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
mod submit_with;
#[cfg(not(loom))]
mod threads;
#[cfg(not(loom))]
mod timers;
#[cfg(not(loom))]
mod wait;
#[cfg(not(loom))]
mod wait_graph;
#[cfg(not(loom))]
mod wait_many;
#[cfg(not(loom))]
mod wait_puzzle;
#[cfg(not(loom))]
mod wait_queue;
mod wanted;
#[cfg(not(loom))]
mod within;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub(crate) use self::{
    around::{around, current_has_failed, fail_current, is_asked_to_stop},
    cancel::cancel,
    context::{holds_a_place, inside_pool, worker_index},
    deadlock::will_come_into_a_queue,
    fork::{check as check_fork, may_have_forked, watch as watch_forks},
    group::{cancel_group, create_group, release_group, spawn_in, wait_group},
    help::{as_helper, retract},
    lanes::Lane,
    lent::run_worker,
    nested::{as_error, invoke as invoke_nested, open_and_invoke, Half},
    observe::{start_trace, stats, stop_trace, Stats},
    options::{Hooks, Options, WhenFull},
    places::MOST as MOST_THREADS,
    registry::{create, default_pool, find, PoolRef},
    resize::resize,
    run::{run_part, PartOutcome},
    shutdown::{destroy, release, shutdown, wait_idle, Mode},
    status::{c_text, Error, Status},
    submit::{
        check_open, release_future, release_plain_future, report_lost, submit, submit_at_once, submit_many,
    },
    submit_with::{submit_with, Request},
    threads::stack_allows_another_body,
    wait::{block_begin, block_end, how_it_ended, join, join_part, status_of, wait, wait_plainly},
    wait_many::{wait_all, wait_any},
    wait_queue::next_completions,
};
