//! The events of a trace as JSON.
//!
//! Chrome's Trace Event Format (Duffy and Sinclair, "Trace Event Format"), in the form of an array: "X" is a slice with
//! its length, "i" an instant, "C" a counter, "M" says what a process or thread is called. Times are microseconds, with
//! three decimals, of the monotonic clock.

use crate::sync::epoch;
use std::cell::Cell;
use std::ffi::CStr;
use std::fmt::Write;

/// What goes beside the name of an event.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    /// The task's handle.
    pub(crate) task: Option<u64>,
    /// The place that it ran on.
    pub(crate) worker: Option<u32>,
    pub(crate) queued_ns: Option<u64>,
    pub(crate) outcome: Option<&'a str>,
    /// Tasks that were stolen at once.
    pub(crate) tasks: Option<usize>,
    /// Written as a counter of its own.
    pub(crate) queue_length: Option<usize>,
}

/// An event.
pub(crate) struct Event<'a> {
    /// Its name; where there is a function, that of the function if this is empty.
    pub(crate) name: &'a str,
    pub(crate) function: Option<usize>,
    pub(crate) category: &'static str,
    /// Name and number of the pool.
    pub(crate) pool: (&'a str, u32),
    /// When it began.
    pub(crate) at: u64,
    /// How long it lasted; an instant doesn't.
    pub(crate) lasted: Option<u64>,
    pub(crate) arguments: Arguments<'a>,
}

impl Event<'_> {
    pub(super) fn write(&self, text: &mut String, process: u32, thread: u64, function: Option<&str>) {
        let name = if self.name.is_empty() { function.unwrap_or_default() } else { self.name };
        text.push_str(",\n{\"name\":");
        quote(text, name);
        let phase = if self.lasted.is_some() { "X" } else { "i\",\"s\":\"t" };
        add(text, format_args!(",\"cat\":\"{}\",\"ph\":\"{phase}\",\"ts\":", self.category));
        micros(text, self.at);
        if let Some(lasted) = self.lasted {
            text.push_str(",\"dur\":");
            micros(text, lasted);
        }
        add(text, format_args!(",\"pid\":{process},\"tid\":{thread},\"args\":{{\"pool\":"));
        self.pool_name(text);
        let Arguments { task, worker, queued_ns, outcome, tasks, queue_length: _ } = &self.arguments;
        if let Some(task) = task {
            add(text, format_args!(",\"task\":\"{task:#x}\""));
        }
        if let Some(worker) = worker {
            add(text, format_args!(",\"worker\":{worker}"));
        }
        if let Some(queued) = queued_ns {
            add(text, format_args!(",\"queued_ns\":{queued}"));
        }
        if let Some(outcome) = outcome {
            add(text, format_args!(",\"outcome\":\"{outcome}\""));
        }
        if let Some(tasks) = tasks {
            add(text, format_args!(",\"tasks\":{tasks}"));
        }
        text.push_str("}}");
    }

    pub(super) fn write_queue_length(&self, text: &mut String, process: u32, now: u64) {
        let Some(length) = self.arguments.queue_length else { return };
        let (name, number) = self.pool;
        text.push_str(",\n{\"name\":");
        quote(text, &format!("queued in {name} #{number}"));
        text.push_str(",\"ph\":\"C\",\"ts\":");
        micros(text, now);
        add(text, format_args!(",\"pid\":{process},\"args\":{{\"tasks\":{length}}}}}"));
    }

    fn pool_name(&self, text: &mut String) {
        quote(text, &format!("{} #{}", self.pool.0, self.pool.1));
    }
}

/// The first event of a file.
pub(super) fn process_name(process: u32) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = std::path::Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let mut text = String::new();
    metadata(&mut text, "process_name", process, None, &program);
    text
}

pub(super) fn write_thread_name(text: &mut String, process: u32, thread: u64) {
    text.push_str(",\n");
    let current = std::thread::current();
    match current.name() {
        Some(name) => metadata(text, "thread_name", process, Some(thread), name),
        None => metadata(text, "thread_name", process, Some(thread), &systems_name()),
    }
}

fn metadata(text: &mut String, what: &str, process: u32, thread: Option<u64>, name: &str) {
    add(text, format_args!("{{\"name\":\"{what}\",\"ph\":\"M\",\"pid\":{process},"));
    if let Some(thread) = thread {
        add(text, format_args!("\"tid\":{thread},"));
    }
    text.push_str("\"args\":{\"name\":");
    quote(text, name);
    text.push_str("}}");
}

fn add(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

fn micros(text: &mut String, ns: u64) {
    add(text, format_args!("{}.{:03}", ns / 1000, ns % 1000));
}

/// The text as a JSON string.
fn quote(text: &mut String, what: &str) {
    text.push('"');
    for c in what.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\u{0}'..='\u{1f}' => add(text, format_args!("\\u{:04x}", c as u32)),
            _ => text.push(c),
        }
    }
    text.push('"');
}

/// What the system calls a thread that wasn't made by Rust.
fn systems_name() -> String {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        let mut name = [0_u8; 64];
        // SAFETY: writes at most so many bytes with a NUL at the end, or fails and leaves the zeros.
        unsafe { libc::pthread_getname_np(libc::pthread_self(), name.as_mut_ptr().cast(), name.len()) };
        if let Ok(name) = CStr::from_bytes_until_nul(&name) {
            return name.to_string_lossy().into_owned();
        }
    }
    String::from("thread")
}

/// The system's number of the calling thread.
pub(super) fn thread() -> u64 {
    thread_local! {
        static NUMBER: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
    }
    // In the child of a fork the thread has another number.
    let epoch = epoch();
    match NUMBER.get() {
        (seen, number @ 1..) if seen == epoch => number,
        _ => {
            let number = systems_number();
            NUMBER.set((epoch, number));
            number
        }
    }
}

#[cfg(target_os = "linux")]
fn systems_number() -> u64 {
    // SAFETY: only reads the thread's number.
    unsafe { libc::syscall(libc::SYS_gettid) as u64 }
}

#[cfg(not(target_os = "linux"))]
fn systems_number() -> u64 {
    use crate::sync::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What the function at this address is called: its symbol, or where it is in its file.
pub(super) fn name_of(function: usize) -> String {
    #[cfg(unix)]
    {
        // SAFETY: all zero is a valid Dl_info.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: only looks the address up, and fills `info` if it is known.
        let known = unsafe { libc::dladdr(std::ptr::without_provenance(function), &mut info) } != 0;
        // SAFETY: where they are not NULL they are texts of a loaded file.
        let text = |text: *const _| unsafe { CStr::from_ptr(text) }.to_string_lossy();
        if known && !info.dli_sname.is_null() && info.dli_saddr.addr() == function {
            return text(info.dli_sname).into_owned();
        }
        if known && !info.dli_fname.is_null() {
            let path = text(info.dli_fname);
            let file = path.rsplit('/').next().unwrap_or_default();
            return format!("{file}+{:#x}", function - info.dli_fbase.addr());
        }
    }
    format!("{function:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(what: &str) -> String {
        let mut text = String::new();
        quote(&mut text, what);
        text
    }

    #[test]
    fn what_json_reserves_is_escaped() {
        assert_eq!(quoted("a \"b\" \\ \n\u{1} ä"), "\"a \\\"b\\\" \\\\ \\u000a\\u0001 ä\"");
    }

    #[test]
    fn an_event_has_times_in_microseconds_and_what_is_known_of_it() {
        let arguments =
            Arguments { task: Some(255), queued_ns: Some(12), outcome: Some("ok"), ..Arguments::default() };
        let event = Event {
            name: "a\"b",
            function: None,
            category: "task",
            pool: ("pool", 3),
            at: 1_234_567,
            lasted: Some(89),
            arguments,
        };
        let mut text = String::new();
        event.write(&mut text, 7, 8, None);
        assert_eq!(
            text,
            ",\n{\"name\":\"a\\\"b\",\"cat\":\"task\",\"ph\":\"X\",\"ts\":1234.567,\"dur\":0.089,\"pid\":7,\"tid\":8,\
             \"args\":{\"pool\":\"pool #3\",\"task\":\"0xff\",\"queued_ns\":12,\"outcome\":\"ok\"}}"
        );
    }

    #[test]
    fn a_function_without_a_symbol_of_its_own_is_called_by_its_place() {
        assert_eq!(name_of(1), "0x1");
        assert!(!name_of(libc::malloc as *const () as usize).starts_with("0x"));
    }
}
