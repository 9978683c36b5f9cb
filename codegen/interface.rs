//! What of `src/ffi` is for C: its public `extern "C"` functions, types and constants, in the order of the files.

use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Item, ItemFn, Visibility};

/// What every name begins with, or is also there with in front.
pub const PREFIX: &str = "offgil_";

/// The items that C sees, as they stand in the source.
pub struct Interface {
    pub items: Vec<Item>,
}

impl Interface {
    /// Reads a module and those in it.
    pub fn read(module: &Path) -> Self {
        let mut items = Vec::new();
        read_into(module, &mut items);
        Self { items }
    }

    /// The functions that are to be exported.
    pub fn functions(&self) -> impl Iterator<Item = &ItemFn> {
        self.items.iter().filter_map(|item| match item {
            Item::Fn(function) => Some(function),
            _ => None,
        })
    }

    /// The names of all items.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.items.iter().filter_map(|item| public_name(item).map(|(name, _)| name))
    }
}

fn read_into(path: &Path, items: &mut Vec<Item>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for item in file.items {
        match &item {
            Item::Mod(module) if module.content.is_none() => {
                read_into(&file_of(path, &module.ident.to_string()), items);
            }
            Item::Fn(function) => {
                let name = &function.sig.ident;
                assert!(
                    !function.attrs.iter().any(is_no_mangle),
                    "{}: {name} is exported by src/ffi/exports.rs: leave out its #[no_mangle]",
                    path.display(),
                );
                if is_for_c(function) {
                    items.push(item);
                }
            }
            _ if public_name(&item)
                .is_some_and(|(_, visibility)| matches!(visibility, Visibility::Public(_))) =>
            {
                items.push(item);
            }
            _ => {}
        }
    }
}

/// Where `mod name;` of a file leads to.
fn file_of(path: &Path, name: &str) -> PathBuf {
    let directory = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod") | None => path.with_file_name(""),
        Some(_) => path.with_extension(""),
    };
    let places = [directory.join(format!("{name}.rs")), directory.join(name).join("mod.rs")];
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("{}: there is no file of the module {name}", path.display()))
}

fn is_for_c(function: &ItemFn) -> bool {
    let abi = function.sig.abi.as_ref().and_then(|abi| abi.name.as_ref());
    matches!(function.vis, Visibility::Public(_))
        && abi.is_some_and(|name| matches!(&*name.value(), "C" | "C-unwind"))
}

/// `#[no_mangle]`, also as `#[unsafe(no_mangle)]`.
fn is_no_mangle(attribute: &Attribute) -> bool {
    !attribute.path().is_ident("doc") && attribute.to_token_stream().to_string().contains("no_mangle")
}

fn public_name(item: &Item) -> Option<(String, &Visibility)> {
    match item {
        Item::Const(item) => Some((item.ident.to_string(), &item.vis)),
        Item::Fn(item) => Some((item.sig.ident.to_string(), &item.vis)),
        Item::Struct(item) => Some((item.ident.to_string(), &item.vis)),
        Item::Type(item) => Some((item.ident.to_string(), &item.vis)),
        Item::Union(item) => Some((item.ident.to_string(), &item.vis)),
        _ => None,
    }
}

/// Whether the name has its prefix already: it is there once only.
pub fn is_prefixed(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with(PREFIX)
}

/// The name with the prefix: `pool_create` and `POOL_DRAIN` are `offgil_pool_create` and `OFFGIL_POOL_DRAIN`.
pub fn prefixed(name: &str) -> String {
    match name {
        _ if is_prefixed(name) => name.to_owned(),
        _ if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            format!("{}{name}", PREFIX.to_ascii_uppercase())
        }
        _ => format!("{PREFIX}{name}"),
    }
}
