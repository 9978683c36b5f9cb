//! An event count: sleep until "something changed", without losing a change that comes just before the sleep.
//!
//! ```text
//! waiter:    key = prepare()   waiters += 1, fence, read epoch
//!            look again; if the condition holds: cancel()
//!            commit(key)       sleep while epoch == key, then waiters -= 1
//! notifier:  change the condition; notify()   fence; if waiters > 0: epoch += 1, wake
//! ```
//!
//! Why no wake-up is lost: both sides write, fence (SeqCst), then read what the other wrote. Of the two fences one
//! is first. If the waiter's is, the notifier sees `waiters > 0` and steps the epoch: either the waiter read the
//! epoch before the step, then its sleep ends or never begins; or after, then it sees the changed condition when it
//! looks again. If the notifier's is, the waiter sees the changed condition. After Vyukov's "eventcount" (2008).

use super::{fence, AtomicU32, Deadline, Futex, Ordering};

/// What `prepare` saw: the epoch to sleep on.
#[derive(Clone, Copy)]
#[must_use = "a prepared wait ends with commit or cancel"]
pub(crate) struct Key(u32);

/// The event count.
pub(crate) struct EventCount {
    epoch: Futex,
    waiters: AtomicU32,
}

impl EventCount {
    pub(crate) fn new() -> Self {
        Self { epoch: Futex::new(0), waiters: AtomicU32::new(0) }
    }

    /// Announces a wait. Look at the condition again after this.
    pub(crate) fn prepare(&self) -> Key {
        self.waiters.fetch_add(1, Ordering::Relaxed);
        // SeqCst: pairs with the fence in `notify`; see above.
        fence(Ordering::SeqCst);
        // Acquire: pairs with the Release step in `notify`: who reads the new epoch sees the changed condition.
        Key(self.epoch.load(Ordering::Acquire))
    }

    /// Takes the announcement back.
    pub(crate) fn cancel(&self, _key: Key) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sleeps until a notification that came after `prepare`. False if the deadline passed first.
    pub(crate) fn commit(&self, key: Key, deadline: Deadline) -> bool {
        let mut in_time = deadline != Deadline::Now;
        // Acquire: pairs with the Release step in `notify`.
        while in_time && self.epoch.load(Ordering::Acquire) == key.0 {
            in_time = self.epoch.wait(key.0, deadline);
        }
        self.cancel(key);
        in_time
    }

    /// Waits until `condition` holds; false if the deadline passed first.
    pub(crate) fn wait_until(&self, deadline: Deadline, mut condition: impl FnMut() -> bool) -> bool {
        loop {
            if condition() {
                return true;
            }
            let key = self.prepare();
            if condition() {
                self.cancel(key);
                return true;
            }
            if !self.commit(key, deadline) {
                return condition();
            }
        }
    }

    /// Whether anybody waits. Asked after the condition has changed, with a SeqCst fence between, which pairs with the one in
    /// `prepare`: who is not seen will see the change.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiters.load(Ordering::Relaxed) > 0
    }

    /// Wakes every waiter. Call it after the condition has changed.
    pub(crate) fn notify_all(&self) {
        // SeqCst: pairs with the fence in `prepare`; see above.
        fence(Ordering::SeqCst);
        if self.is_awaited() {
            // Release: pairs with the Acquire reads of the epoch.
            self.epoch.fetch_add(1, Ordering::Release);
            self.epoch.wake_all();
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;
    use crate::sync::{model, Arc};
    use loom::thread;

    #[test]
    fn a_change_just_before_the_sleep_is_not_lost() {
        model(|| {
            let shared = Arc::new((EventCount::new(), AtomicU32::new(0)));
            let notifier = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.store(1, Ordering::Relaxed);
                    shared.0.notify_all();
                })
            };
            assert!(shared.0.wait_until(Deadline::Never, || shared.1.load(Ordering::Relaxed) == 1));
            notifier.join().unwrap();
        });
    }

    #[test]
    fn one_notification_wakes_every_waiter() {
        model(|| {
            let shared = Arc::new((EventCount::new(), AtomicU32::new(0)));
            let waiter = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.0.wait_until(Deadline::Never, || shared.1.load(Ordering::Relaxed) == 1);
                })
            };
            let notifier = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.store(1, Ordering::Relaxed);
                    shared.0.notify_all();
                })
            };
            shared.0.wait_until(Deadline::Never, || shared.1.load(Ordering::Relaxed) == 1);
            waiter.join().unwrap();
            notifier.join().unwrap();
            assert_eq!(shared.0.waiters.load(Ordering::Relaxed), 0);
        });
    }
}
