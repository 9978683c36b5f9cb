//! A program may have a `pool_create` of its own, and functions, types and constants by all the other short names: it hides
//! the library's, and uses those with the prefix.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{
    compiler, functions_of, header, manual, root, run, scratch, shared_library, C99, SYSTEM_LIBRARIES,
};

/// The short names that the manual declares: functions, and everything else.
fn short_names() -> (Vec<String>, Vec<String>) {
    let header = header();
    let is_short = |name: &String| !name.to_ascii_lowercase().starts_with("offgil_");
    let functions: Vec<String> = functions_of(manual(&header)).into_iter().filter(is_short).collect();
    let others: Vec<String> = manual(&header).lines().filter_map(constant_or_type).filter(is_short).collect();
    assert!(functions.len() > 20 && others.len() > 10, "{functions:?} {others:?}");
    (functions, others)
}

/// The name that a line gives to a constant or to a type.
fn constant_or_type(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("#define ") {
        return rest.split_once(' ').map(|(name, _value)| name.to_owned());
    }
    let declared = match line.strip_prefix("} ") {
        Some(name) => name,
        None => line.strip_prefix("typedef ")?,
    };
    let declared = match declared.split_once("(*") {
        Some((_, function)) => function.split(')').next()?,
        None => declared.strip_suffix(';')?,
    };
    declared.rsplit([' ', '*']).next().map(str::to_owned)
}

#[test]
fn names_of_constants_and_types_are_found() {
    let found = |line: &str| constant_or_type(line).unwrap_or_default();
    assert_eq!(found("#define POOL_DRAIN 0"), "POOL_DRAIN");
    assert_eq!(found("#define OFFGIL_H"), "");
    assert_eq!(found("typedef struct offgil_pool_t pool_t;"), "pool_t");
    assert_eq!(found("typedef struct offgil_pool_options_t {"), "");
    assert_eq!(found("} pool_options_t;"), "pool_options_t");
    assert_eq!(found("typedef void *(*task_fn)(void *arg);"), "task_fn");
    assert_eq!(found("pool_t *pool_create(uint32_t threads);"), "");
}

/// A program with names of its own for all that the library has a short one for; it runs a task and exits with 0.
fn own_names() -> String {
    let (functions, others) = short_names();
    let own_functions: String = functions
        .iter()
        .map(|name| format!("int {name}(void); int {name}(void) {{ return 7; }}\n"))
        .collect();
    let own_types: String = others
        .iter()
        .map(|name| match name.starts_with(|first: char| first.is_ascii_uppercase()) {
            true => format!("enum own_{name} {{ {name} = 7 }};\n"),
            false => format!("struct {name} {{ double own; }}; typedef struct {name} {name};\n"),
        })
        .collect();
    format!(
        "#define OFFGIL_NO_SHORT_NAMES\n#include \"offgil.h\"\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n{own_functions}\n#ifdef __cplusplus\n}}\n#endif\n{own_types}
         static void *same(void *argument) {{ return argument; }}
         int main(void) {{
             offgil_pool_options_t options;
             offgil_pool_t *pool;
             offgil_future_t *future;
             void *result = 0;
             int main_is = 0;
             offgil_pool_options_init(&options, sizeof options);
             options.threads = 2;
             options.when_full = OFFGIL_POOL_FULL_RUN;
             pool = offgil_pool_create_with(&options);
             future = offgil_pool_submit(pool, same, &main_is);
             if (offgil_future_wait(future, OFFGIL_FOREVER, &result) != OFFGIL_OK || result != &main_is) return 1;
             if (offgil_future_release(future) != OFFGIL_OK || offgil_pool_destroy(pool) != OFFGIL_OK) return 2;
             return pool_create() == 7 && POOL_DRAIN == 7 ? 0 : 3;
         }}\n"
    )
}

/// Compiles the program; `name` keeps the tests, which run at the same time, out of each other's files.
fn object(name: &str, command: &mut Command, extension: &str) -> PathBuf {
    let source = scratch("short-names").join(format!("{name}.{extension}"));
    fs::write(&source, own_names()).expect("the directory for tests can be written to");
    let object = source.with_extension("o");
    run(command.arg("-c").arg(&source).arg("-o").arg(&object));
    object
}

fn links_and_runs(name: &str, library: &Path, directory: &Path) {
    let object = object(name, compiler(false).args(C99), "c");
    let program = object.with_extension("run");
    let mut linker = compiler(false);
    linker.arg(object).arg("-o").arg(&program).arg(library);
    run(linker.arg(format!("-Wl,-rpath,{}", directory.display())).args(SYSTEM_LIBRARIES));
    run(Command::new(program).env_remove("LD_LIBRARY_PATH"));
}

#[test]
fn a_program_may_use_every_short_name_for_something_else() {
    object("c99", compiler(false).args(C99), "c");
    object("c11", compiler(false).args(["-std=c11"]), "c");
    object("cpp17", compiler(true).args(["-std=c++17"]), "cpp");
}

#[test]
fn its_functions_stay_its_own_beside_the_shared_library() {
    let directory = scratch("short-names");
    common::link_soname(&shared_library(), &directory);
    links_and_runs("shared", &shared_library(), &directory);
}

/// The libraries without the feature, built into a directory of their own.
fn without_short_names() -> PathBuf {
    let target = scratch("without-short-names");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--lib", "--no-default-features", "--target-dir"]).arg(&target);
    run(build.current_dir(root()));
    target.join("debug")
}

#[test]
fn built_without_short_names_both_libraries_go_with_it_and_export_none() {
    let built = without_short_names();
    links_and_runs("without-static", &built.join("liboffgil.a"), Path::new("/"));
    let shared = built.join(shared_library().file_name().expect("a library has a name"));
    let directory = scratch("short-names/without");
    common::link_soname(&shared, &directory);
    links_and_runs("without-shared", &shared, &directory);
    let exported = common::exported(&shared);
    let prefixed = |name: &String| name.starts_with("offgil_");
    assert!(exported.iter().all(prefixed), "{exported:?}");
    let all: BTreeSet<String> = common::exported(&shared_library()).into_iter().filter(prefixed).collect();
    assert_eq!(exported, all);
}
