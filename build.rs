//! Names the shared library (soname, `-z nodelete`) and writes the C header.
//!
//! The header lands in `OUT_DIR`; `include/offgil.h`, which is committed, is only rewritten when
//! `OFFGIL_UPDATE_HEADER` is set (`make header`), and a test fails when the two differ.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let source = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-env-changed=OFFGIL_UPDATE_HEADER");
    name_the_library(&out);
    write_the_header(&source, &out);
}

fn name_the_library(out: &Path) {
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    // Before 1.0 the first two numbers are what a program is linked against; from 1.0 on, the first.
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

fn write_the_header(source: &Path, out: &Path) {
    let config = cbindgen::Config::from_file(source.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let bindings = cbindgen::Builder::new()
        .with_crate(source)
        .with_config(config)
        .generate()
        .expect("cbindgen understands the ffi modules");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = for_c_readers(&String::from_utf8(header).expect("the comments are UTF-8"));
    fs::write(out.join("offgil.h"), &header).expect("OUT_DIR is writable");
    if env::var_os("OFFGIL_UPDATE_HEADER").is_some() {
        fs::write(source.join("include/offgil.h"), &header).expect("include/ is writable");
    }
}

/// Leaves out what the comments say to Rust callers only: the `# Safety` section that closes a comment.
fn for_c_readers(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_safety = false;
    for line in header.lines() {
        let text = line.trim_start();
        if text == "* # Safety" {
            in_safety = true;
            while kept.last().is_some_and(|line| line.trim() == "*") {
                kept.pop();
            }
        }
        in_safety &= text != "*/";
        if !in_safety {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}
