//! The house of `docs/design.md`: a file of `src/` imports only from floors below its own, has at most 500 lines, and opens
//! with a comment that says what it is.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and their floors. Rooms of one floor don't import each other either.
const FLOORS: [(&str, u32); 8] = [
    ("sync", 1),
    ("queue", 2),
    ("task", 2),
    ("observe", 2),
    ("pool", 3),
    ("parallel", 4),
    ("call", 4),
    ("ffi", 5),
];

const LONGEST: usize = 500;

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// What is wrong with a file; its path is relative to `src/`.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{path}: does not open with a //! comment"));
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        found.push(format!("{path}: {lines} lines, more than {LONGEST}"));
    }
    // The crate's root names every room; that is its use.
    if path != "lib.rs" {
        found.extend(climbs(path, text));
    }
    found
}

fn climbs(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(own) = floor(&module[0]) else {
        return vec![format!("{path}: {} is no room of the house", module[0])];
    };
    let mut found = Vec::new();
    for (line, room) in rooms_named(&module, text) {
        match floor(&room) {
            _ if room == module[0] => {}
            Some(other) if other < own => {}
            Some(_) => found.push(format!("{path}:{line}: {} may not import {room}", module[0])),
            None => found.push(format!("{path}:{line}: {room} is no room of the house")),
        }
    }
    found
}

/// `pool/wait.rs` is the module pool, wait; `pool/mod.rs` is pool.
fn module_of(path: &str) -> Vec<String> {
    let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.len() > 1 && module.last().is_some_and(|name| name == "mod") {
        module.pop();
    }
    module
}

/// Every room that a path from the crate's root leads to (`crate::`, or enough `super::`), with its line.
fn rooms_named(file: &[String], text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.1.as_str());
    let mut found = Vec::new();
    // Where `super` leads from: the file's module and the inline modules around, each with the depth of its brace.
    let (mut inline, mut depth) = (Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|opened: &usize| *opened <= depth);
            }
            "mod" if word(at + 2) == "{" => inline.push(depth + 1),
            "crate" | "super" | "self" if word(at + 1) == "::" && word(at.wrapping_sub(1)) != "::" => {
                let mut left = file.len() + inline.len();
                while word(at) == "super" || word(at) == "crate" || word(at) == "self" {
                    match word(at) {
                        "crate" => left = 0,
                        "super" => left = left.saturating_sub(1),
                        _ => {}
                    }
                    at += if word(at + 1) == "::" { 2 } else { 1 };
                }
                if left == 0 {
                    found.extend(first_names(&tokens[at..]));
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The names that follow `crate::`: one, or those at the head of each branch of a `{..}`.
fn first_names(tokens: &[(usize, String)]) -> Vec<(usize, String)> {
    let Some((_, first)) = tokens.first() else { return Vec::new() };
    if first != "{" {
        return vec![tokens[0].clone()];
    }
    let (mut found, mut depth) = (Vec::new(), 0);
    let mut is_head = false;
    for (line, token) in tokens {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if is_head && depth == 1 && token != "," {
            found.push((*line, token.clone()));
        }
        is_head = depth == 1 && (token == "{" || token == ",");
    }
    found
}

/// Words, `::`, braces and other signs with their lines; comments, strings and character literals left out.
fn tokens(text: &str) -> Vec<(usize, String)> {
    let code = without_comments_and_strings(text);
    let (mut found, mut line) = (Vec::new(), 1);
    let mut rest = code.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push((line, rest[..length].to_owned()));
        }
        line += usize::from(first == '\n');
        rest = &rest[length..];
    }
    found
}

fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_length(rest)
        } else if first == '\'' {
            character_length(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        // Line numbers stay right.
        code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// A character literal as a whole; of a lifetime only the tick.
fn character_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(1, |end| escaped + 1 + end + 1)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_file_of_src_climbs_is_too_long_or_says_nothing() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 5, "only {} files found", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source is text");
        let path = file.strip_prefix(&root).expect("it was found there").to_string_lossy().replace('\\', "/");
        found.extend(complaints(&path, &text));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// How many complaints a file with this body gets.
fn count(path: &str, body: &str) -> usize {
    complaints(path, &format!("//! A file.\n{body}\n")).len()
}

#[test]
fn imports_from_below_and_from_the_own_room_are_fine() {
    assert_eq!(
        count(
            "pool/wait.rs",
            "use crate::task::State;\nuse crate::sync::{self, Latch};\nuse super::core::Pool;"
        ),
        0
    );
    assert_eq!(count("ffi/pool.rs", "use crate::{pool, parallel::{range, pool as x}, sync::Latch};"), 0);
    assert_eq!(count("sync/futex.rs", "mod imp { fn f() { super::super::lock(); } }"), 0);
    assert_eq!(count("task/free_list.rs", "pub(in crate::task) fn f() {} pub(crate) fn g() {}"), 0);
    assert_eq!(count("lib.rs", "use crate::ffi::pool;"), 0);
}

#[test]
fn a_climb_is_found_however_it_is_written() {
    let climbing = [
        "use crate::pool::Pool;",
        "pub use crate::pool::Pool;",
        "use crate::{sync::Latch, pool::Pool};",
        "use crate::{sync::{Latch, lock}, pool};",
        "use crate::\n    pool::Pool;",
        "fn f() { crate::pool::start() }",
        "macro_rules! m { () => { $crate::pool::start() } }",
        "use super::super::pool::Pool;",
        "use super::super::{sync, pool};",
        "use self::super::super::pool::Pool;",
        "mod inner { use super::super::super::pool::Pool; }",
        "mod inner { } use super::super::pool::Pool;",
        "const C: char = '\"'; use crate::pool::Pool; const D: char = '\"';",
        "use crate::*;",
    ];
    for body in climbing {
        assert_eq!(count("task/state.rs", body), 1, "{body}");
    }
    assert_eq!(count("task/mod.rs", "use super::pool::Pool;"), 1);
    assert_eq!(
        complaints("queue/deque.rs", "//! It.\n\nuse crate::task::Id;\n"),
        ["queue/deque.rs:3: queue may not import task"]
    );
}

#[test]
fn nobody_imports_ffi_and_a_room_that_is_not_in_the_picture_is_found() {
    for room in ["sync", "queue", "task", "observe", "pool", "parallel", "call"] {
        assert_eq!(count(&format!("{room}/a.rs"), "use crate::ffi::decode;"), 1);
    }
    assert_eq!(count("util/mod.rs", ""), 1);
    assert_eq!(count("pool/a.rs", "use crate::util::helper;"), 1);
}

#[test]
fn what_comments_and_strings_say_is_no_import() {
    let body = "// use crate::pool::Pool;\n/* crate::ffi */ fn f<'a>(s: &'a str) { f(\"crate::pool \\\" crate::pool\") }";
    assert_eq!(count("sync/a.rs", body), 0);
}

#[test]
fn a_file_too_long_or_without_a_word_is_found() {
    assert_eq!(count("sync/a.rs", &"\n".repeat(LONGEST - 2)), 0);
    assert_eq!(count("sync/a.rs", &"\n".repeat(LONGEST - 1)), 1);
    assert_eq!(complaints("sync/a.rs", "use std::fmt;\n").len(), 1);
    assert_eq!(complaints("lib.rs", "mod sync;\n").len(), 1);
}
