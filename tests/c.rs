//! Compiles the C99 programs of `c-tests/` against the shared and against the static library, and runs each test that
//! they name in a process of its own: `shared::wait::name`, `static::wait::name`.

mod common;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fs, thread};

use common::{
    compiler, is_newer, link_soname, root, run, scratch, shared_library, static_library, text_of, C99,
    SYSTEM_LIBRARIES,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// How long a test may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let programs = compile_all(&sources());
    let trials = programs.iter().flat_map(Program::trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// One C file linked with one of the libraries.
struct Program {
    linkage: &'static str,
    noun: String,
    path: PathBuf,
}

impl Program {
    fn trials(&self) -> Vec<Trial> {
        let names = text_of(program(&self.path).arg("--list"));
        let trial = |name: &str| {
            let (path, test) = (self.path.clone(), name.to_owned());
            Trial::test(format!("{}::{}::{name}", self.linkage, self.noun), move || run_test(&path, &test))
        };
        names.lines().map(trial).collect()
    }
}

fn sources() -> Vec<PathBuf> {
    let directory = fs::read_dir(root().join("c-tests")).expect("c-tests is there");
    let mut files: Vec<PathBuf> = directory.map(|entry| entry.expect("c-tests can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    assert!(!files.is_empty(), "c-tests holds no program");
    files
}

/// Compiles on every CPU; what is newer than all it is made of stays.
fn compile_all(sources: &[PathBuf]) -> Vec<Program> {
    let out = scratch("c-tests");
    link_soname(&shared_library(), &out);
    let (next, programs) = (Mutex::new(sources.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| loop {
                let Some(source) = next.lock().expect("no compiler panicked").next() else { break };
                let made = compile(source, &out);
                programs.lock().expect("no compiler panicked").extend(made);
            });
        }
    });
    programs.into_inner().expect("no compiler panicked")
}

fn compile(source: &Path, out: &Path) -> [Program; 2] {
    let noun = source.file_stem().expect("a C file has a name").to_string_lossy().into_owned();
    let object = out.join(format!("{noun}.o"));
    let headers = ["include/offgil.h", "c-tests/check.h", "c-tests/fuzz.h", "c-tests/mixed.h"]
        .map(|header| root().join(header));
    if !is_newer(&object, &[source, &headers[0], &headers[1], &headers[2], &headers[3]] as &[&Path]) {
        run(compiler(false).args(C99).arg("-c").arg(source).arg("-o").arg(&object));
    }
    ["shared", "static"].map(|linkage| {
        let path = out.join(format!("{noun}-{linkage}"));
        let library = if linkage == "shared" { shared_library() } else { static_library() };
        if !is_newer(&path, &[&object, &library]) {
            let mut linker = compiler(false);
            linker.arg(&object).arg("-o").arg(&path).arg(&library);
            linker.arg(format!("-Wl,-rpath,{}", out.display())).args(SYSTEM_LIBRARIES);
            run(&mut linker);
        }
        Program { linkage, noun: noun.clone(), path }
    })
}

/// To run a program with the library of its rpath: cargo's own search path leads to one that `cargo build` may have left
/// behind, perhaps long ago.
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_remove("LD_LIBRARY_PATH").env_remove("DYLD_FALLBACK_LIBRARY_PATH");
    command
}

fn run_test(program: &Path, test: &str) -> Result<(), Failed> {
    let mut command = self::program(program);
    command.arg(test).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let ended = wait_for(&mut child);
    if ended.is_none() {
        // An error here means that it has just ended by itself.
        let _ = child.kill();
    }
    let mut written = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut written)?;
    child.stderr.take().expect("piped").read_to_string(&mut written)?;
    let status = child.wait()?;
    match ended {
        None => Err(format!("still running after {} s: killed\n{written}", LIMIT.as_secs()).into()),
        Some(()) if status.success() => Ok(()),
        Some(()) => Err(format!("{status}\n{written}").into()),
    }
}

fn wait_for(child: &mut Child) -> Option<()> {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if child.try_wait().expect("a child can be waited for").is_some() {
            return Some(());
        }
        thread::sleep(Duration::from_millis(3));
    }
    None
}
