//! Calls of any C function: its signature as text, its arguments copied, its result and `errno` kept.
//!
//! ```text
//! "f64(f64,i32)" -> Signature { types, libffi's plan } <-- Call { function, arguments -> result, errno }: one task
//! ```
//!
//! libffi (Anthony Green and others) puts the arguments where the platform's calling convention wants them.

mod frame;
mod parse;
mod signature;

pub(crate) use frame::{make_call, Call};
pub(crate) use signature::{after_fork, Signature, SIGNATURES};
