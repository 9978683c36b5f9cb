//! Writes the C header: what begins with `offgil_` anyway, the manual with the short names, and the short names' twins with the
//! prefix. cbindgen writes each part; this lays them out.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cbindgen::{Builder, Config};
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{quote, ToTokens};
use syn::Item;

use super::interface::{is_prefixed, prefixed, Interface};

/// Hides the short names.
const SWITCH: &str = "OFFGIL_NO_SHORT_NAMES";

/// Opens the part with the twins. The bindings and the tests look for its first line.
const TWINS: &str = "\
/*
 * The same once more, with the prefix: what each is, its short twin above says.
 */
";

/// The header.
pub fn text(interface: &Interface, config: &Path, out: &Path) -> String {
    let mut config = Config::from_file(config).expect("cbindgen.toml is valid");
    let about = config.header.take().expect("cbindgen.toml has the words at the head");
    let guard = config.include_guard.take().expect("cbindgen.toml names the include guard");
    let includes: String =
        std::mem::take(&mut config.sys_includes).iter().map(|name| format!("#include <{name}>\n")).collect();

    let (lasting, short): (Vec<_>, Vec<_>) = interface.names().partition(|name| is_prefixed(name));
    let twins: HashMap<&str, String> = short.iter().map(|name| (name.as_str(), prefixed(name))).collect();
    let source = for_cbindgen(interface);
    let renamed = rename(source.clone(), &twins);

    let always = part(source.clone(), &config, &short, &out.join("always.rs"));
    let manual = part(source, &config, &lasting, &out.join("manual.rs"));
    config.documentation = false;
    let prefixed = part(renamed, &config, &lasting, &out.join("prefixed.rs"));
    let (manual, prefixed) = (tag(&manual, &twins), without_structs_of_the_manual(&prefixed));
    format!(
        "{about}\n\n#ifndef {guard}\n#define {guard}\n\n{includes}\n{always}\n#ifndef {SWITCH}\n\n{manual}\n\
         #endif  /* {SWITCH} */\n\n{TWINS}\n{prefixed}\n#endif  /* {guard} */\n"
    )
}

/// The items as cbindgen takes functions for exported ones.
fn for_cbindgen(interface: &Interface) -> TokenStream {
    let item = |item: &Item| match item {
        Item::Fn(function) => quote! { #[no_mangle] #function },
        item => item.to_token_stream(),
    };
    interface.items.iter().map(item).collect()
}

/// The C text of the items, but for those that are left out.
fn part(source: TokenStream, config: &Config, left_out: &[String], scratch: &Path) -> String {
    fs::write(scratch, source.to_string()).expect("OUT_DIR is writable");
    let mut config = config.clone();
    config.export.exclude.extend(left_out.iter().cloned());
    let bindings = Builder::new().with_src(scratch).with_config(config).generate();
    let mut text = Vec::new();
    bindings.expect("cbindgen understands the ffi modules").write(&mut text);
    let text = for_c_readers(&String::from_utf8(text).expect("the comments are UTF-8"));
    text.trim_start().to_owned()
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

/// Puts the prefix before each of the names.
fn rename(tokens: TokenStream, twins: &HashMap<&str, String>) -> TokenStream {
    let renamed = |token| match token {
        TokenTree::Group(group) => Group::new(group.delimiter(), rename(group.stream(), twins)).into(),
        TokenTree::Ident(name) => match twins.get(name.to_string().as_str()) {
            Some(twin) => Ident::new(twin, name.span()).into(),
            None => name.into(),
        },
        token => token,
    };
    tokens.into_iter().map(renamed).collect()
}

/// Gives the structs of the manual the tags of their twins: both names are of one type, and a C++ program that hides the short
/// one may have a type of its own by that name.
fn tag(manual: &str, twins: &HashMap<&str, String>) -> String {
    let twin = |name: &str| twins.get(name).expect("what is not short is left out");
    let mut text = with_structs(manual, |name, fields| {
        format!("typedef struct {} {{\n{fields}}} {name};\n", twin(name))
    });
    for (name, twin) in twins {
        text = text
            .replace(&format!("typedef struct {name} {name};"), &format!("typedef struct {twin} {name};"));
    }
    text
}

/// A struct is defined once: among the twins its fields stand only where the manual is hidden.
fn without_structs_of_the_manual(twins: &str) -> String {
    let declared = with_structs(twins, |name, fields| {
        let definition = format!("#ifdef {SWITCH}\nstruct {name} {{\n{fields}}};\n#endif\n");
        format!("typedef struct {name} {name};\n{definition}")
    });
    declared.lines().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

/// The text with each `typedef struct { fields } name;` written anew.
fn with_structs(text: &str, write: impl Fn(&str, &str) -> String) -> String {
    let (mut written, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("typedef struct {\n") {
        let (fields, after) = after.split_once("\n} ").expect("cbindgen closes a struct");
        let (name, after) = after.split_once(";\n").expect("cbindgen names a struct");
        written += before;
        written += &write(name, &format!("{fields}\n"));
        rest = after;
    }
    written + rest
}
