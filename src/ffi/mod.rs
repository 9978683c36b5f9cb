//! The C ABI: one file a noun. Each function decodes its handles, makes one call and encodes the status.
//!
//! What is public and `extern "C"` here is exported under its own name and with the prefix `offgil_` (`exports`), and becomes
//! `include/offgil.h`: the comments are its manual. A Rust panic never crosses into
//! C: panics of tasks are caught where they run, and one in this library is a bug, which `extern "C"` turns into
//! an abort with a message.

// In the order in which a reader of the header meets them; the blank lines keep it.

mod status;

mod pool_options;

mod pool;

mod task;

mod future;

mod task_options;

mod group;

mod parallel;

mod completion_queue;

mod call;

mod observe;

mod boundary;

mod exports;

mod struct_of_size;

pub use call::*;
pub use completion_queue::*;
pub use future::*;
pub use group::*;
pub use observe::*;
pub use parallel::*;
pub use pool::*;
pub use pool_options::*;
pub use status::*;
pub use task::*;
pub use task_options::*;
