//! The file of a trace.
//!
//! ```text
//! [ process_name ,event ,event ... ]      whole after every write: the next one begins where the ']' was
//! ```
//!
//! So a file is valid JSON at any time, also when the process is killed. Traces of the same file share one sink; the
//! file that OFFGIL_TRACE names has one as long as the process lives.

use super::journal::Journal;
use super::json;
use crate::sync::{environment_variable, epoch, lock, AtomicU32, Mutex, Ordering, Renewable};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// What closes the array.
const END: &[u8] = b"\n]\n";

/// See above.
pub(crate) struct Sink {
    path: PathBuf,
    pub(super) process: u32,
    epoch: u32,
    state: Mutex<State>,
    /// Whose events come here.
    journals: Mutex<Vec<Weak<Journal>>>,
}

struct State {
    file: File,
    /// Where the next event goes.
    at: u64,
    /// Why nothing is written any more.
    broken: Option<String>,
}

/// The sinks of this process.
struct Sinks {
    open: Vec<Weak<Sink>>,
    /// That of OFFGIL_TRACE; `Some(None)`: there is none.
    environment: Option<Option<Arc<Sink>>>,
}

impl Sinks {
    const fn new() -> Self {
        Self { open: Vec::new(), environment: None }
    }
}

static SINKS: Renewable<Mutex<Sinks>> = Renewable::new(Mutex::new(Sinks::new()));
/// The epoch whose sinks these are.
static SINKS_OF: AtomicU32 = AtomicU32::new(0);

impl Sink {
    /// Opens the file, and empties it, unless a trace goes there already.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>> {
        Self::open_in(&mut lock(&SINKS), path)
    }

    fn open_in(sinks: &mut Sinks, path: &Path) -> Result<Arc<Self>> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "no regular file"));
        }
        let path = std::fs::canonicalize(path)?;
        sinks.open.retain(|sink| sink.strong_count() > 0);
        if let Some(sink) = sinks.open.iter().filter_map(Weak::upgrade).find(|sink| sink.path == path) {
            return Ok(sink);
        }
        let process = std::process::id();
        let head = format!("[\n{}", json::process_name(process));
        file.set_len(0)?;
        file.write_all(head.as_bytes())?;
        file.write_all(END)?;
        let state = Mutex::new(State { file, at: head.len() as u64, broken: None });
        let sink = Arc::new(Self { path, process, epoch: epoch(), state, journals: Mutex::default() });
        sinks.open.push(Arc::downgrade(&sink));
        flush_at_exit();
        Ok(sink)
    }

    /// Writes whole events.
    pub(super) fn write(&self, events: &str) {
        if self.epoch != epoch() {
            return; // the file is the parent's
        }
        let mut state = lock(&self.state);
        if state.broken.is_some() {
            return;
        }
        let at = state.at;
        let mut text = Vec::with_capacity(events.len() + END.len());
        text.extend_from_slice(events.as_bytes());
        text.extend_from_slice(END);
        match state.file.seek(SeekFrom::Start(at)).and_then(|_| state.file.write_all(&text)) {
            Ok(()) => state.at += events.len() as u64,
            Err(error) => {
                state.broken = Some(error.to_string());
                // What was written in part goes, so that the rest can be read.
                let _ = state.file.set_len(at);
                let _ = state.file.seek(SeekFrom::Start(at)).and_then(|_| state.file.write_all(END));
            }
        }
    }

    /// Why events were lost, if they were.
    pub(super) fn broken(&self) -> Option<String> {
        lock(&self.state).broken.clone()
    }

    /// The journal's events go here, so they are flushed when the process exits.
    pub(super) fn add(&self, journal: &Arc<Journal>) {
        lock(&self.journals).push(Arc::downgrade(journal));
    }

    fn flush(&self) {
        let journals = lock(&self.journals).clone();
        journals.iter().filter_map(Weak::upgrade).for_each(|journal| journal.flush());
    }

    /// These journals' events go elsewhere now.
    pub(super) fn remove(&self, journals: &[Arc<Journal>]) {
        let is_one = |journal: &Weak<Journal>| {
            journals.iter().any(|other| std::ptr::eq(journal.as_ptr(), Arc::as_ptr(other)))
        };
        lock(&self.journals).retain(|journal| !is_one(journal));
    }
}

/// The sink that OFFGIL_TRACE asks for: `file`, and `file.PID` in the child of a fork.
pub(crate) fn from_environment() -> Option<Arc<Sink>> {
    let mut sinks = lock(&SINKS);
    if sinks.environment.is_none() {
        let sink = environment_variable("OFFGIL_TRACE").and_then(|path| {
            let path = if epoch() == 0 { path } else { of_child(path) };
            let opened = Sink::open_in(&mut sinks, Path::new(&path));
            opened
                .inspect_err(|error| eprintln!("offgil: OFFGIL_TRACE={}: {error}", path.to_string_lossy()))
                .ok()
        });
        sinks.environment = Some(sink);
    }
    sinks.environment.clone().flatten()
}

fn of_child(mut path: OsString) -> OsString {
    path.push(format!(".{}", std::process::id()));
    path
}

/// In the child of a fork: the parent's files are left alone.
///
/// # Safety
/// No other thread uses the library.
pub(crate) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { SINKS.renew(Mutex::new(Sinks::new())) };
    SINKS_OF.store(epoch(), Ordering::Relaxed);
}

/// What the threads have not written yet is written when the process exits.
fn flush_at_exit() {
    static ONCE: AtomicU32 = AtomicU32::new(0);
    #[cfg(unix)]
    if ONCE.swap(1, Ordering::Relaxed) == 0 {
        // SAFETY: the handler stays (the library is never unloaded). Refused, the file lacks the last events.
        let _ = unsafe { libc::atexit(at_exit) };
    }
}

extern "C" fn at_exit() {
    if SINKS_OF.load(Ordering::Relaxed) != epoch() {
        return; // a child that has not used the library: these are the parent's
    }
    let open = lock(&SINKS).open.clone();
    open.iter().filter_map(Weak::upgrade).for_each(|sink| sink.flush());
}
