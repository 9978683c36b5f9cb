//! What one thread does for one pool: counters, and the events of a trace that are not in the file yet.
//!
//! ```text
//! journal   | submitted | completed | failed | stolen | watch |  buffer { text, sink }
//! ```
//!
//! Only the thread that has the journal opened writes its counters, so a step is a load and a store, no locked
//! instruction. When the thread is done with the pool another goes on with the journal where it left off.

use super::json::Event;
use super::sink::Sink;
use crate::sync::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A number that one thread steps and others read.
pub(crate) struct Tally(AtomicU64);

impl Tally {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Steps the number; only the owner of the journal.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        // Relaxed: what publishes the end of a task publishes the count, too.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes a step back; the journals' sum is what counts, so it may be one that another journal took.
    pub(crate) fn take_back(&self, less: u64) {
        self.add(less.wrapping_neg());
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every task is timed: the pool is new.
pub(super) const EARLY: u32 = 1;
/// Every task is traced.
pub(super) const TRACED: u32 = 2;

/// See above. The counters are on one cache line; two, so that the one beside it isn't drawn along.
#[repr(C, align(128))]
pub(crate) struct Journal {
    pub(crate) submitted: Tally,
    pub(crate) completed: Tally,
    pub(crate) failed: Tally,
    pub(crate) stolen: Tally,
    /// Why more than the sample is looked at; 0 as a rule.
    watch: AtomicU32,
    buffer: Mutex<Buffer>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self {
            submitted: Tally::new(),
            completed: Tally::new(),
            failed: Tally::new(),
            stolen: Tally::new(),
            watch: AtomicU32::new(0),
            buffer: Mutex::new(Buffer::new()),
        }
    }

    /// Whether this task is to be looked at.
    #[inline]
    pub(crate) fn is_watched(&self, task: u64) -> bool {
        // Relaxed: a trace begins with whoever sees it.
        self.watch.load(Ordering::Relaxed) != 0 || super::is_in_sample(task)
    }

    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.watch.load(Ordering::Relaxed) & TRACED != 0
    }

    pub(super) fn is_early(&self) -> bool {
        self.watch.load(Ordering::Relaxed) & EARLY != 0
    }

    pub(super) fn set_watch(&self, flag: u32, set: bool) {
        if set {
            self.watch.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.watch.fetch_and(!flag, Ordering::Relaxed);
        }
    }

    /// Puts an event into the trace, if there is one; by the thread that has the journal.
    pub(crate) fn note(&self, event: &Event<'_>) {
        lock(&self.buffer).note(event);
    }

    /// From now on events go there; what came before is flushed.
    pub(super) fn set_sink(&self, sink: Option<Arc<Sink>>) {
        let mut buffer = lock(&self.buffer);
        buffer.flush();
        buffer.sink = sink;
        buffer.named = 0;
        self.set_watch(TRACED, buffer.sink.is_some());
    }

    /// Writes what there is into the file.
    pub(super) fn flush(&self) {
        lock(&self.buffer).flush();
    }
}

/// Text beyond this goes into the file.
const FULL: usize = 32 * 1024;
/// And so does any that is older than this.
const OLD_NS: u64 = 200_000_000;
/// So many names of functions are remembered.
const MOST_NAMES: usize = 1024;

/// The events of one thread on their way into the file.
struct Buffer {
    text: String,
    sink: Option<Arc<Sink>>,
    /// The system's number of the thread whose name has been written.
    named: u64,
    /// When the last queue length was written, and when the text was.
    counted_at: u64,
    flushed_at: u64,
    /// Names of functions.
    names: BTreeMap<usize, String>,
}

/// A queue's length is written that often at most.
const COUNT_EVERY_NS: u64 = 50_000;

impl Buffer {
    fn new() -> Self {
        Self {
            text: String::new(),
            sink: None,
            named: 0,
            counted_at: 0,
            flushed_at: 0,
            names: BTreeMap::new(),
        }
    }

    fn note(&mut self, event: &Event<'_>) {
        let Some(sink) = self.sink.clone() else { return };
        let thread = super::json::thread();
        if self.named != thread {
            self.named = thread;
            super::json::write_thread_name(&mut self.text, sink.process, thread);
        }
        if let Some(function) = event.function {
            if self.names.len() >= MOST_NAMES {
                self.names.clear();
            }
            self.names.entry(function).or_insert_with(|| super::json::name_of(function));
        }
        let name = event.function.and_then(|function| self.names.get(&function));
        event.write(&mut self.text, sink.process, thread, name.map(String::as_str));
        let now = event.at + event.lasted.unwrap_or(0);
        if event.arguments.queue_length.is_some() && now >= self.counted_at + COUNT_EVERY_NS {
            self.counted_at = now;
            event.write_queue_length(&mut self.text, sink.process, now);
        }
        if self.text.len() >= FULL || now >= self.flushed_at + OLD_NS {
            self.flushed_at = now;
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(sink) = &self.sink {
            if !self.text.is_empty() {
                sink.write(&self.text);
            }
        }
        self.text.clear();
    }
}
