//! More places or fewer, while the pool is at work.
//!
//! ```text
//! set the limit -+-> more:   bodies in line get places, somebody comes for what is queued, threads start as needed
//!                +-> fewer:  who runs goes on; its place is given back after the task; threads that are too many end
//! ```
//!
//! Nothing is taken from anybody. Who starts a body looks whether he may (`Census::lets_start_on`): a body that begins
//! after the call was told of the new limit by the queue that brought it.

use super::census::Served;
use super::core::Pool;
use super::status::{Error, Status};

/// From now on so many bodies may run at a time.
pub(crate) fn resize(pool: &Pool, threads: u32) -> Result<(), Error> {
    if pool.places.census().is_closed() {
        return Err(Status::Closed.into());
    }
    pool.deques.reach(threads);
    if pool.places.set_limit(threads) {
        pool.injector.let_takers_pass();
        while pool.places.serve(Served::Bodies).is_some() {}
        pool.end_surplus();
        // The step of the word may have kept others from seeing that the pool is idle, or over.
        pool.cover(pool.places.census());
        pool.tell_if_idle();
    }
    Ok(())
}
