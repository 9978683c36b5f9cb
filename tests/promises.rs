//! Each promise of the C contract names the tests that keep it (`c-tests/promises.txt`), and each function and option is
//! among the promises.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{header, root};

/// A line of the list that is no heading.
struct Promise {
    text: String,
    tests: Vec<String>,
}

fn promises(list: &str) -> Vec<Promise> {
    let mut promises: Vec<Promise> = Vec::new();
    for line in list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("    "), promises.last_mut()) {
            (Some(test), Some(promise)) => promise.tests.push(test.to_owned()),
            _ => promises.push(Promise { text: line.to_owned(), tests: Vec::new() }),
        }
    }
    promises
}

fn listed() -> Vec<Promise> {
    promises(&text("c-tests/promises.txt"))
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The words of a text that are names in C.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|character: char| character != '_' && !character.is_ascii_alphanumeric()).collect()
}

/// Whether a test is there: `file::test` in c-tests, or `path/file.rs::test`.
fn is_there(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let path = if file.contains('.') { file.to_owned() } else { format!("c-tests/{file}.c") };
    let definition = if path.ends_with(".rs") { format!("\nfn {name}()") } else { format!("TEST({name})") };
    fs::read_to_string(root().join(path)).is_ok_and(|text| text.contains(&definition))
}

#[test]
fn each_promise_names_a_test_and_each_of_them_is_there() {
    let mut complaints = Vec::new();
    for promise in listed() {
        if promise.tests.is_empty() {
            complaints.push(format!("no test: {}", promise.text));
        }
        complaints.extend(promise.tests.into_iter().filter(|test| !is_there(test)));
    }
    assert!(complaints.is_empty(), "c-tests/promises.txt: {complaints:#?}");
}

#[test]
fn a_promise_without_a_test_and_a_test_that_is_not_there_are_found() {
    let two = promises("# Title\n\none\n    future::a_future_outlives_its_pool\ntwo\n");
    assert_eq!(two.iter().map(|promise| promise.tests.len()).collect::<Vec<_>>(), [1, 0]);
    assert!(is_there(&two[0].tests[0]));
    assert!(is_there("tests/panics.rs::a_called_function_that_panics_is_epanic"));
    for missing in
        ["future::a_future", "future::outlives_its_pool", "nowhere::a_future_outlives_its_pool", "future"]
    {
        assert!(!is_there(missing), "{missing}");
    }
}

#[test]
fn each_function_and_each_option_is_among_the_promises() {
    let list = text("c-tests/promises.txt");
    let promised = words(&list);
    let functions = text("tests/exported_symbols.txt");
    let fields = fields();
    let names = functions.lines().chain(fields.iter().map(String::as_str));
    let missing: Vec<&str> = names.filter(|name| !promised.contains(name)).collect();
    assert!(missing.is_empty(), "c-tests/promises.txt doesn't speak of {missing:?}");
}

/// The fields of the structs of options.
fn fields() -> Vec<String> {
    let header = header();
    let mut fields = Vec::new();
    for options in ["pool", "task"] {
        let begin = format!("typedef struct offgil_{options}_options_t {{");
        let body = header.split(&begin).nth(1).expect("the struct is in the header");
        let body = body.split('}').next().expect("a split has a first part");
        let lines = body.lines().map(str::trim).filter(|line| line.ends_with(';') && !line.starts_with('*'));
        fields.extend(
            lines.filter_map(|line| line.trim_end_matches(';').rsplit([' ', '*']).next().map(str::to_owned)),
        );
    }
    assert!(fields.len() > 25, "the fields were not found: {fields:?}");
    fields
}

/// The functions that get a handle of the library's are tried with bad ones.
#[test]
fn each_function_on_a_handle_is_tried_with_bad_ones() {
    let tried = text("c-tests/bad_handles.c");
    let tried = words(&tried);
    let functions = text("tests/exported_symbols.txt");
    let without =
        ["pool_create", "pool_create_with", "pool_default", "pool_options_init", "signature_create"];
    let on_handles = functions.lines().filter(|name| {
        !without.contains(name)
            && ["pool_", "future_", "group_", "completion_queue_", "signature_"]
                .iter()
                .any(|noun| name.starts_with(noun))
    });
    let missing: Vec<&str> = on_handles.filter(|name| !tried.contains(name)).collect();
    assert!(missing.is_empty(), "c-tests/bad_handles.c lacks {missing:?}");
}
