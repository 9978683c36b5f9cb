//! What the tests that look at the library from outside share: where it is, and how C is compiled against it.

#![allow(dead_code)] // each test binary uses its part

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory of the build, for what `name` writes.
pub fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).expect("cargo's directory for tests can be written to");
    directory
}

/// The shared and the static library of this very build: cargo puts them beside the test executables.
pub fn shared_library() -> PathBuf {
    built(&format!("{}offgil{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
}

pub fn static_library() -> PathBuf {
    built("liboffgil.a")
}

fn built(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows its executable");
    let library = test.parent().expect("an executable is in a directory").join(name);
    assert!(library.is_file(), "cargo built no {}", library.display());
    library
}

/// The system's C (or C++) compiler, with what every file here is compiled with.
pub fn compiler(cpp: bool) -> Command {
    let host = host();
    let mut build = cc::Build::new();
    build
        .target(&host)
        .host(&host)
        .opt_level(1)
        .debug(true)
        .cpp(cpp)
        .cargo_metadata(false)
        .cargo_warnings(false);
    let mut command = build.get_compiler().to_command();
    command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-I"]).arg(root().join("include"));
    command
}

/// What the compiler is told to be strict C99 with the POSIX of 2008.
pub const C99: [&str; 3] = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-pthread"];

/// What a program needs beside the static library.
#[cfg(target_os = "linux")]
pub const SYSTEM_LIBRARIES: &[&str] = &["-pthread", "-ldl", "-lm", "-lrt", "-lutil", "-lgcc_s"];
#[cfg(not(target_os = "linux"))]
pub const SYSTEM_LIBRARIES: &[&str] = &["-pthread", "-lm"];

/// Whether what was made is there and newer than all that it is made of.
pub fn is_newer(made: &Path, parts: &[impl AsRef<Path>]) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let part_changed =
        |path: &Path| changed(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let latest = parts.iter().map(|part| part_changed(part.as_ref())).max();
    changed(made).is_ok_and(|time| Some(time) > latest)
}

/// Runs a command that has to succeed, and gives what it wrote.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The text that a successful command wrote.
pub fn text_of(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).expect("a tool writes text")
}

fn host() -> String {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let about = text_of(Command::new(rustc).arg("-vV"));
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc -vV names its host").to_owned()
}

/// What the shared library exports.
pub fn exported(library: &Path) -> BTreeSet<String> {
    let table =
        text_of(Command::new("nm").args(["--dynamic", "--defined-only", "--format=posix"]).arg(library));
    table.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// A program that is linked with the shared library looks for its soname; in this directory it finds it.
pub fn link_soname(library: &Path, directory: &Path) {
    let soname = format!("liboffgil.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    for name in [soname.as_str(), "liboffgil.dylib"] {
        let link = directory.join(name);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link).expect("the directory for tests takes links");
    }
}

/// The header as it is committed.
pub fn header() -> String {
    fs::read_to_string(root().join("include/offgil.h")).expect("include/offgil.h is committed")
}

/// The part of the header that is its manual; after it, what has a short name is declared once more with the prefix.
pub fn manual(header: &str) -> &str {
    let (manual, _twins) =
        header.split_once("/*\n * The same once more, with the prefix").expect("the header has both parts");
    manual
}

/// The name with the prefix, which every function has or is also there with.
pub fn prefixed(name: &str) -> String {
    if name.starts_with("offgil_") {
        name.to_owned()
    } else {
        format!("offgil_{name}")
    }
}

/// The names of the functions that the header declares, in its order.
pub fn functions_of(header: &str) -> Vec<String> {
    declarations(header).into_iter().map(|declaration| declaration.name).collect()
}

/// A function of the header: its name, the declaration on one line, and the comment before it.
pub struct Declaration {
    pub name: String,
    pub text: String,
    pub comment: String,
}

/// Finds the functions by the layout that cbindgen gives them: an optional `/** .. */`, then a declaration that ends in `);`.
pub fn declarations(header: &str) -> Vec<Declaration> {
    let mut found = Vec::new();
    let (mut comment, mut text) = (String::new(), String::new());
    let mut in_comment = false;
    for line in header.lines() {
        let line = line.trim();
        if !in_comment && line.starts_with("/*") {
            in_comment = true;
            comment.clear();
            text.clear();
        }
        if in_comment {
            comment.push_str(line);
            comment.push('\n');
            in_comment = !line.ends_with("*/");
            continue;
        }
        if line.is_empty() || line.starts_with('#') || line.starts_with('}') {
            comment.clear();
            text.clear();
            continue;
        }
        text.push_str(line);
        text.push(' ');
        if line.ends_with(';') {
            if let Some(name) = function_name(&text) {
                found.push(Declaration {
                    name,
                    text: text.trim().to_owned(),
                    comment: std::mem::take(&mut comment),
                });
            }
            text.clear();
        }
    }
    found
}

/// `offgil_status pool_spawn(pool_t *pool, ..` gives `pool_spawn`; a typedef or a field gives nothing.
fn function_name(declaration: &str) -> Option<String> {
    let before = declaration.split_once('(')?.0.trim_end();
    let name = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    let is_function =
        !declaration.starts_with("typedef") && declaration.trim_end().ends_with(");") && before != name;
    (is_function && !name.is_empty()).then(|| name.to_owned())
}
