//! `include/offgil.h` is what cbindgen makes of the source now, compiles alone, and is the manual.

mod common;

use std::fs;

use common::{compiler, declarations, functions_of, header, manual, prefixed, scratch, Declaration};

#[test]
fn the_committed_header_is_what_cbindgen_makes_of_the_source() {
    // build.rs wrote it when this test was built, from the source as it is.
    let generated = include_str!(concat!(env!("OUT_DIR"), "/offgil.h"));
    if let Some(difference) = first_difference(&header(), generated) {
        panic!("include/offgil.h is stale, `make header` writes it anew:\n{difference}");
    }
}

fn first_difference(committed: &str, generated: &str) -> Option<String> {
    let (mut old, mut new) = (committed.lines(), generated.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => continue,
            (old, new) => return Some(format!("line {number}\n  committed: {old:?}\n  generated: {new:?}")),
        }
    }
    None
}

#[test]
fn a_changed_line_is_a_difference() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert!(first_difference("a\nb\n", "a\nc\n").is_some_and(|text| text.starts_with("line 2\n")));
    assert!(first_difference("a\n", "a\nb\n").is_some());
}

/// Compiles a file that consists of nothing but the header, twice; with the short names and without.
fn compiles_alone(standard: &str, cpp: bool) {
    compiles(standard, cpp, "with", "#include \"offgil.h\"\n#include \"offgil.h\"\nextern int not_empty;\n");
    let hidden =
        "#define OFFGIL_NO_SHORT_NAMES\n#include \"offgil.h\"\nextern int pool_create, POOL_DRAIN, pool_t;\n";
    compiles(standard, cpp, "without", hidden);
}

fn compiles(standard: &str, cpp: bool, name: &str, text: &str) {
    let source = scratch("header").join(format!("{standard}-{name}.{}", if cpp { "cpp" } else { "c" }));
    fs::write(&source, text).expect("the directory for tests can be written to");
    let mut command = compiler(cpp);
    if !cpp {
        command.arg("-Wstrict-prototypes");
    }
    common::run(command.arg(format!("-std={standard}")).arg("-fsyntax-only").arg(&source));
}

#[test]
fn the_header_compiles_alone_as_c99() {
    compiles_alone("c99", false);
}

#[test]
fn the_header_compiles_alone_as_c11() {
    compiles_alone("c11", false);
}

#[test]
fn the_header_compiles_alone_as_cpp17() {
    compiles_alone("c++17", true);
}

#[test]
fn each_function_has_the_type_of_its_twin() {
    let header = header();
    let same = |name: &String| {
        let twin = prefixed(name);
        format!("static_assert(std::is_same<decltype({name}), decltype({twin})>::value, \"{name}\");\n")
    };
    let text: String = functions_of(manual(&header)).iter().map(same).collect();
    compiles("c++17", true, "twins", &format!("#include <type_traits>\n#include \"offgil.h\"\n{text}"));
}

/// What is missing in the comment of a function; the reader is to find threads, blocking and statuses in each.
fn missing(function: &Declaration) -> Vec<&'static str> {
    let comment = function.comment.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| comment.contains(word));
    let gives_status = function.text.starts_with("offgil_status ");
    let gives_handle =
        ["pool_t *", "future_t *", "signature_t *"].iter().any(|handle| function.text.starts_with(handle));
    let mut missing = Vec::new();
    if !says(&["thread"]) {
        missing.push("from which threads it may be called");
    }
    if !says(&["block", "wait"]) {
        missing.push("whether it blocks");
    }
    if gives_status && !says(&["offgil_ok"]) {
        missing.push("its statuses");
    }
    if gives_handle && !says(&["null"]) {
        missing.push("when it answers NULL");
    }
    missing
}

#[test]
fn every_function_says_threads_blocking_and_statuses() {
    let header = header();
    let functions = declarations(manual(&header));
    assert!(functions.len() >= 33, "only {} functions found in the header", functions.len());
    let mut complaints = String::new();
    for function in &functions {
        for what in missing(function) {
            complaints += &format!("{} does not say {what}\n", function.name);
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn a_function_without_a_word_is_found() {
    let text =
        "/**\n * Lets go. From any thread; never blocks. OFFGIL_OK\n */\noffgil_status a(pool_t *pool);\n\n\
                offgil_status b(pool_t *pool,\n                uint32_t count);\n\n\
                /** Makes one; any thread, does not block. */\npool_t *c(void);\n\
                typedef void *(*task_fn)(void *arg);\n";
    let functions = declarations(text);
    assert_eq!(functions.iter().map(|function| function.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(missing(&functions[0]).is_empty());
    assert_eq!(missing(&functions[1]).len(), 3);
    assert_eq!(missing(&functions[2]), ["when it answers NULL"]);
}
