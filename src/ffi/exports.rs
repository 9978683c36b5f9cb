//! The symbols that C links with: each function of this room with the prefix `offgil_`, and with the feature `short-names`
//! under its own name, too. The functions themselves have no symbol, so that a build can leave names out.
//!
//! build.rs writes them from the public `extern "C"` functions (`codegen/exports.rs`): a new one needs no word here.

include!(concat!(env!("OUT_DIR"), "/exports.rs"));
