//! The shared library exports the functions of the committed list, each also with the prefix, and nothing else; it has its
//! soname, and stays loaded.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use common::{exported, functions_of, header, manual, prefixed, root, shared_library, text_of};

fn listed() -> BTreeSet<String> {
    let list = fs::read_to_string(root().join("tests/exported_symbols.txt")).expect("the list is committed");
    list.lines().map(str::to_owned).collect()
}

/// `what` has to be the same set as the list.
fn same_as_listed(what: &str, names: &BTreeSet<String>, listed: &BTreeSet<String>) -> Result<(), String> {
    let extra: Vec<&String> = names.difference(listed).collect();
    let gone: Vec<&String> = listed.difference(names).collect();
    if extra.is_empty() && gone.is_empty() {
        return Ok(());
    }
    Err(format!("{what} against tests/exported_symbols.txt: not listed {extra:?}, missing {gone:?}"))
}

fn with_prefixed(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().flat_map(|name| [name.clone(), prefixed(name)]).collect()
}

#[test]
fn the_library_exports_the_listed_functions_also_with_the_prefix_and_no_other_symbol() {
    same_as_listed("exports", &exported(&shared_library()), &with_prefixed(&listed())).unwrap();
}

#[test]
fn the_header_declares_the_listed_functions_also_with_the_prefix_and_no_other() {
    let functions = functions_of(&header());
    let declared: BTreeSet<String> = functions.iter().cloned().collect();
    assert_eq!(declared.len(), functions.len(), "a function is declared twice");
    same_as_listed("the header", &declared, &with_prefixed(&listed())).unwrap();
    let explained: BTreeSet<String> = functions_of(manual(&header())).into_iter().collect();
    same_as_listed("the manual", &explained, &listed()).unwrap();
}

#[test]
fn one_symbol_too_many_or_too_few_is_found() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert!(same_as_listed("it", &set(&["a", "b"]), &set(&["a", "b"])).is_ok());
    assert!(same_as_listed("it", &set(&["a", "b", "rust_eh_personality"]), &set(&["a", "b"])).is_err());
    assert!(same_as_listed("it", &set(&["a"]), &set(&["a", "b"])).is_err());
}

#[test]
fn the_list_is_sorted_and_names_nothing_twice() {
    let text = fs::read_to_string(root().join("tests/exported_symbols.txt")).expect("the list is committed");
    let sorted: String = listed().iter().map(|name| format!("{name}\n")).collect();
    assert_eq!(text, sorted);
}

fn dynamic_section() -> String {
    text_of(Command::new("readelf").args(["--dynamic", "--wide"]).arg(shared_library()).env("LC_ALL", "C"))
}

#[test]
fn the_soname_bears_the_major_version() {
    let soname = format!("[liboffgil.so.{}]", env!("CARGO_PKG_VERSION_MAJOR"));
    let section = dynamic_section();
    assert!(section.lines().any(|line| line.contains("(SONAME)") && line.contains(&soname)), "{section}");
}

#[test]
fn the_library_can_not_be_unloaded() {
    let section = dynamic_section();
    assert!(section.lines().any(|line| line.contains("(FLAGS_1)") && line.contains("NODELETE")), "{section}");
}

#[test]
fn the_random_calls_know_every_function() {
    let program = fs::read_to_string(root().join("c-tests/fuzz.c")).expect("c-tests/fuzz.c is committed");
    let rows = program.lines().filter_map(|line| line.trim_start().strip_prefix("X(")?.split(',').next());
    let called: BTreeSet<String> = rows.map(str::to_owned).collect();
    same_as_listed("the table of c-tests/fuzz.c", &called, &listed()).unwrap();
}
