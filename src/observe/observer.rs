//! What is known of one pool: its journals added up, and what is too rare to be in them.

use super::histogram::{Distribution, Histogram};
use super::journal::{Journal, EARLY};
use super::samples::{is_in_sample, Samples};
use super::sink::Sink;
use crate::sync::{epoch, fence, lock, now_ns, AtomicU64, Mutex, Ordering};
use std::path::Path;
use std::sync::Arc;

/// So many of a new pool's tasks are all timed.
const EARLY_TASKS: u64 = 128;

/// See above.
pub(crate) struct Observer {
    journals: Mutex<Journals>,
    samples: Samples,
    /// Tasks that were timed because the pool is new.
    early: AtomicU64,
    queued: Histogram,
    run: Histogram,
    canceled: AtomicU64,
    high_water: AtomicU64,
    /// Of the process that it belongs to.
    epoch: u32,
}

struct Journals {
    all: Vec<Arc<Journal>>,
    /// Those that no thread has.
    closed: Vec<Arc<Journal>>,
    sink: Option<Arc<Sink>>,
}

/// The counters of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) canceled: u64,
    pub(crate) stolen: u64,
    pub(crate) queue_high_water: u64,
    pub(crate) queued: Distribution,
    pub(crate) run: Distribution,
}

/// Why a trace could not be started.
pub(crate) enum StartError {
    /// There is one already.
    Traced,
    File(std::io::Error),
}

impl Observer {
    /// Of a new pool, whose trace goes there.
    pub(crate) fn new(sink: Option<Arc<Sink>>) -> Self {
        let journals = Journals { all: Vec::new(), closed: Vec::new(), sink };
        Self {
            journals: Mutex::new(journals),
            samples: Samples::new(),
            early: AtomicU64::new(0),
            queued: Histogram::new(),
            run: Histogram::new(),
            canceled: AtomicU64::new(0),
            high_water: AtomicU64::new(0),
            epoch: epoch(),
        }
    }

    /// A journal for the calling thread.
    pub(crate) fn open_journal(&self) -> Arc<Journal> {
        let mut journals = lock(&self.journals);
        let journal = journals.closed.pop().unwrap_or_else(|| {
            let journal = Arc::new(Journal::new());
            if let Some(sink) = &journals.sink {
                sink.add(&journal);
                journal.set_sink(Some(sink.clone()));
            }
            journals.all.push(journal.clone());
            journal
        });
        journal.set_watch(EARLY, !self.is_early_over());
        journal
    }

    /// The thread needs it no more.
    pub(crate) fn close_journal(&self, journal: Arc<Journal>) {
        // The lock passes the counters on to who opens it next.
        lock(&self.journals).closed.push(journal);
    }

    fn is_early_over(&self) -> bool {
        self.early.load(Ordering::Relaxed) >= EARLY_TASKS
    }

    /// A watched task is about to be queued.
    pub(crate) fn note_queued(&self, journal: &Journal, task: u64, is_queued: impl FnOnce(u64) -> bool) {
        if journal.is_early() && self.early.fetch_add(1, Ordering::Relaxed) >= EARLY_TASKS {
            journal.set_watch(EARLY, false);
            if !is_in_sample(task) && !journal.is_traced() {
                return;
            }
        }
        self.samples.put(task, now_ns(), is_queued);
    }

    /// A watched task is about to be run: how long it was queued, if that is known, and when it starts. `None`: it is
    /// none of the sample after all.
    pub(crate) fn note_started(&self, journal: &Journal, task: u64) -> Option<(Option<u64>, u64)> {
        let since = self.samples.take(task);
        // One that was held was not counted when it was submitted.
        if since.is_none() && journal.is_early() && self.early.fetch_add(1, Ordering::Relaxed) >= EARLY_TASKS
        {
            journal.set_watch(EARLY, false);
            if !is_in_sample(task) && !journal.is_traced() {
                return None;
            }
        }
        let now = now_ns();
        let queued = since.map(|since| now.saturating_sub(since));
        if let Some(queued) = queued {
            self.queued.add(queued);
        }
        Some((queued, now))
    }

    /// Its body has returned after so long.
    pub(crate) fn note_run(&self, ns: u64) {
        self.run.add(ns);
    }

    /// A task was canceled. Not on the way of those that are run, so all threads share the counter.
    pub(crate) fn note_canceled(&self) {
        self.canceled.fetch_add(1, Ordering::Relaxed);
    }

    /// So many tasks were seen in a queue.
    #[inline]
    pub(crate) fn note_queue_length(&self, seen: usize) {
        if seen as u64 > self.high_water.load(Ordering::Relaxed) {
            self.high_water.fetch_max(seen as u64, Ordering::Relaxed);
        }
    }

    /// The counters now: exact for what has happened before, approximate for what happens meanwhile.
    pub(crate) fn counts(&self) -> Counts {
        let journals = lock(&self.journals).all.clone();
        let sum = |which: fn(&Journal) -> u64| journals.iter().map(|it| which(it)).fold(0, u64::wrapping_add);
        let canceled = self.canceled.load(Ordering::Relaxed);
        let (completed, failed) = (sum(|it| it.completed.get()), sum(|it| it.failed.get()));
        // Who has ended was submitted before: read last, so that it isn't fewer.
        fence(Ordering::Acquire);
        Counts {
            submitted: sum(|it| it.submitted.get()),
            completed,
            failed,
            canceled,
            stolen: sum(|it| it.stolen.get()),
            queue_high_water: self.high_water.load(Ordering::Relaxed),
            queued: self.queued.read(),
            run: self.run.read(),
        }
    }

    /// Starts a trace into that file.
    pub(crate) fn start_trace(&self, path: &Path) -> Result<(), StartError> {
        let mut journals = lock(&self.journals);
        if journals.sink.is_some() {
            return Err(StartError::Traced);
        }
        let sink = Sink::open(path).map_err(StartError::File)?;
        for journal in &journals.all {
            sink.add(journal);
            journal.set_sink(Some(sink.clone()));
        }
        journals.sink = Some(sink);
        Ok(())
    }

    /// Ends the trace; false if there is none, and what went wrong if not all could be written.
    pub(crate) fn stop_trace(&self) -> Result<bool, String> {
        let mut journals = lock(&self.journals);
        let Some(sink) = journals.sink.take() else { return Ok(false) };
        for journal in &journals.all {
            journal.set_sink(None);
        }
        sink.remove(&journals.all);
        sink.broken().map_or(Ok(true), Err)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // The parent's of a fork may be locked for ever.
        if self.epoch == epoch() {
            let _ = self.stop_trace();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_changes_hands_keeps_its_counts() {
        let observer = Observer::new(None);
        let journal = observer.open_journal();
        journal.submitted.add(3);
        observer.close_journal(journal);
        let journal = observer.open_journal();
        journal.submitted.add(1);
        let other = observer.open_journal();
        other.submitted.take_back(2);
        other.failed.add(1);
        let counts = observer.counts();
        assert_eq!((counts.submitted, counts.failed, counts.completed), (2, 1, 0));
    }

    #[test]
    fn of_a_new_pool_all_tasks_are_timed_and_later_only_the_sample() {
        let observer = Observer::new(None);
        let journal = observer.open_journal();
        let way = |task| {
            if journal.is_watched(task) {
                observer.note_queued(&journal, task, |_| false);
            }
            if journal.is_watched(task) {
                if let Some((_, at)) = observer.note_started(&journal, task) {
                    observer.note_run(now_ns() - at);
                }
            }
        };
        (0..EARLY_TASKS).for_each(way);
        let early = observer.counts();
        assert_eq!((early.queued.count, early.run.count), (EARLY_TASKS, EARLY_TASKS));
        (EARLY_TASKS..10 * EARLY_TASKS).for_each(way);
        let sampled = (EARLY_TASKS..10 * EARLY_TASKS).filter(|&task| is_in_sample(task)).count() as u64;
        let later = observer.counts();
        assert_eq!(later.queued.count, EARLY_TASKS + sampled);
        assert_eq!(later.run.count, EARLY_TASKS + sampled);
    }
}
