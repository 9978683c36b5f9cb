//! Compiles the C++ program of `c-tests/cpp/` in each way that users may, and runs each test that it names in a process of
//! its own: `g++20::name`, `clang++17::name`, and `sanitized::name`, in which nothing may leak.
//!
//! A compiler that is missing is skipped with a line; with `OFFGIL_CI=1` that is a failure.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::{env, fs, thread};

use common::{is_newer, root, run, scratch, static_library, text_of, SYSTEM_LIBRARIES};
use libtest_mimic::{Arguments, Failed, Trial};

/// What a user may have turned on.
const WARNINGS: &str = "-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast \
                        -Wnon-virtual-dtor -Werror";

/// One way to compile the tests.
struct Way {
    name: &'static str,
    compiler: &'static str,
    flags: &'static str,
}

const WAYS: [Way; 5] = [
    Way { name: "g++17", compiler: "g++", flags: "-std=c++17 -O2" },
    Way { name: "g++20", compiler: "g++", flags: "-std=c++20 -fno-rtti -DOFFGIL_NO_SHORT_NAMES" },
    Way { name: "clang++17", compiler: "clang++", flags: "-std=c++17 -fno-rtti" },
    Way { name: "clang++20", compiler: "clang++", flags: "-std=c++20 -O2 -DOFFGIL_NO_SHORT_NAMES" },
    Way {
        name: "sanitized",
        compiler: "g++",
        flags: "-std=c++17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all",
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = if cfg!(target_os = "linux") { compile_all() } else { Vec::new() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The tests of each way: one that says so, where its compiler is missing.
fn compile_all() -> Vec<Trial> {
    let (next, trials) = (Mutex::new(WAYS.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| loop {
                let Some(way) = next.lock().expect("no compiler panicked").next() else { break };
                let made = if is_there(way.compiler) { tests_of(way) } else { vec![missing(way)] };
                trials.lock().expect("no compiler panicked").extend(made);
            });
        }
    });
    trials.into_inner().expect("no compiler panicked")
}

fn is_there(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn missing(way: &'static Way) -> Trial {
    let must = env::var("OFFGIL_CI").is_ok_and(|value| value == "1");
    Trial::test(format!("{}::compiler_is_there", way.name), move || match must {
        true => Err(format!("{} is not installed", way.compiler).into()),
        false => {
            println!("skipped: {} is not installed", way.compiler);
            Ok(())
        }
    })
    .with_ignored_flag(!must)
}

fn tests_of(way: &'static Way) -> Vec<Trial> {
    let path = compile(way);
    let names = text_of(Command::new(&path).arg("--list"));
    let trial = |name: &str| {
        let (path, test) = (path.clone(), name.to_owned());
        Trial::test(format!("{}::{name}", way.name), move || run_test(&path, &test))
    };
    let versioned = Trial::test(format!("{}::each_name_in_a_program_bears_the_version", way.name), || {
        each_name_bears_the_version(way)
    });
    names.lines().map(trial).chain([versioned]).collect()
}

/// So what was compiled with another version of the header has none of these symbols. Mangled, a name stands behind its
/// length: `6offgil6v0_1_04pool`.
fn each_name_bears_the_version(way: &Way) -> Result<(), Failed> {
    let tag = format!("v{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
    let tag = format!("{}{tag}", tag.len());
    let symbols = text_of(Command::new("nm").arg(object_of(way)));
    let mut seen = 0;
    for (at, name) in symbols.match_indices("6offgil") {
        if !symbols[..at].ends_with(|before: char| before.is_ascii_digit()) {
            let after = &symbols[at + name.len()..];
            if !after.starts_with(&tag) {
                return Err(format!("{name}{} is without {tag}", after.lines().next().unwrap_or("")).into());
            }
            seen += 1;
        }
    }
    if seen == 0 {
        return Err("no symbol of offgil's in the program".into());
    }
    Ok(())
}

fn object_of(way: &Way) -> PathBuf {
    scratch("cpp-tests").join(format!("{}.o", way.name))
}

/// Compiles and links; what is newer than all it is made of stays.
fn compile(way: &Way) -> PathBuf {
    let (object, path) = (object_of(way), scratch("cpp-tests").join(way.name));
    let mut parts = files(&root().join("c-tests/cpp"));
    parts.extend(files(&root().join("include")));
    if !is_newer(&object, &parts) {
        let mut compiler = Command::new(way.compiler);
        compiler.args(way.flags.split(' ')).args(WARNINGS.split_whitespace()).arg("-pthread");
        compiler.arg("-I").arg(root().join("include"));
        run(compiler.arg("-c").arg(root().join("c-tests/cpp/main.cpp")).arg("-o").arg(&object));
    }
    if !is_newer(&path, &[object.clone(), static_library()]) {
        let mut linker = Command::new(way.compiler);
        linker.args(way.flags.split(' ')).arg(&object).arg("-o").arg(&path);
        run(linker.arg(static_library()).args(SYSTEM_LIBRARIES));
    }
    path
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    entries.map(|entry| entry.expect("the directory can be read").path()).collect()
}

/// A test that hangs ends itself (see c-tests/cpp/main.cpp).
fn run_test(program: &Path, test: &str) -> Result<(), Failed> {
    let output = Command::new(program).arg(test).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
