//! Writes the exported symbols: for each function of the interface one under its prefixed name, and with the feature
//! `short-names` one under its short name.

use quote::ToTokens;
use syn::{FnArg, ItemFn, Pat};

use super::interface::{is_prefixed, prefixed, Interface};

/// The Rust text that `src/ffi/exports.rs` includes.
pub fn module(interface: &Interface) -> String {
    let all = interface.functions().map(|function| wrapper(function, &prefixed(&name_of(function))));
    let short = interface.functions().filter(|function| !is_prefixed(&name_of(function)));
    let short = short.map(|function| wrapper(function, &name_of(function)));
    format!(
        "mod prefixed {{\n{IMPORTS}{}}}\n\n#[cfg(feature = \"short-names\")]\nmod short {{\n{IMPORTS}{}}}\n",
        all.collect::<String>(),
        short.collect::<String>()
    )
}

/// The signatures name types of the room and of C.
const IMPORTS: &str = "#[allow(unused_imports)]\nuse {crate::ffi::{self, *}, std::ffi::*};\n";

fn name_of(function: &ItemFn) -> String {
    function.sig.ident.to_string()
}

/// A function of that name that calls the one of the interface. Both have the ABI of C, and end alike in a panic.
fn wrapper(function: &ItemFn, name: &str) -> String {
    let signature = &function.sig;
    let conditions: String = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .map(|attribute| attribute.to_token_stream().to_string() + "\n")
        .collect();
    let arguments: Vec<String> = signature.inputs.iter().map(argument).collect();
    let call = format!("ffi::{}({})", signature.ident, arguments.join(", "));
    let (safety, call) = match signature.unsafety {
        Some(_) => {
            ("unsafe ", format!("// SAFETY: the caller's promise, passed on.\n    unsafe {{ {call} }}"))
        }
        None => ("", call),
    };
    let abi = signature.abi.to_token_stream();
    let (inputs, output) = (signature.inputs.to_token_stream(), signature.output.to_token_stream());
    format!("\n{conditions}#[no_mangle]\npub {safety}{abi} fn {name}({inputs}) {output} {{\n    {call}\n}}\n")
}

fn argument(input: &FnArg) -> String {
    match input {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) => pattern.ident.to_string(),
            pattern => panic!("{}: a parameter of a C function is a name", pattern.to_token_stream()),
        },
        FnArg::Receiver(_) => panic!("a C function has no self"),
    }
}
