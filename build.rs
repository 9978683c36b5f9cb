//! Names the shared library (soname, `-z nodelete`), and makes what follows from the functions of `src/ffi`: the symbols that
//! are exported, and the C header.
//!
//! The header lands in `OUT_DIR`; `include/offgil.h`, which is committed, is only rewritten when
//! `OFFGIL_UPDATE_HEADER` is set (`make header`), and a test fails when the two differ.

#[path = "codegen/exports.rs"]
mod exports;
#[path = "codegen/header.rs"]
mod header;
#[path = "codegen/interface.rs"]
mod interface;

use std::path::{Path, PathBuf};
use std::{env, fs};

use interface::Interface;

fn main() {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=codegen");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-env-changed=OFFGIL_UPDATE_HEADER");
    name_the_library(&out);

    let interface = Interface::read(&source.join("src/ffi/mod.rs"));
    fs::write(out.join("exports.rs"), exports::module(&interface)).expect("OUT_DIR is writable");
    let header = header::text(&interface, &source.join("cbindgen.toml"), &out);
    fs::write(out.join("offgil.h"), &header).expect("OUT_DIR is writable");
    if env::var_os("OFFGIL_UPDATE_HEADER").is_some() {
        fs::write(source.join("include/offgil.h"), &header).expect("include/ is writable");
    }
}

fn name_the_library(out: &Path) {
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    // What a program is linked against: versions with the same first number are compatible (docs/abi.md).
    let major = env::var("CARGO_PKG_VERSION_MAJOR").expect("cargo sets the version");
    let soname = format!("liboffgil.so.{major}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    // The library can't be unloaded under its own threads.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // A program linked against target/<profile>/liboffgil.so looks for the soname: let it find it there.
    if let Some(profile) = out.ancestors().nth(3) {
        let link = profile.join(&soname);
        if fs::symlink_metadata(&link).is_err() {
            let _ = std::os::unix::fs::symlink("liboffgil.so", &link);
        }
    }
}
