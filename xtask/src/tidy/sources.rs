//! What every source and every package begins with, and the word that none contains.

use super::Finding;
use super::manifest::Manifest;
use super::source::{code_of, words};
use super::tree::{Tree, file_name};

/// Crates that must compile for a machine without an operating system.
const WITHOUT_STD: &[&str] = &["model", "replica"];

/// The deterministic crates say that they need no operating system, so that the compiler holds them to it.
pub(super) fn without_std(tree: &Tree) -> Vec<Finding> {
    let roots = WITHOUT_STD.iter().map(|name| format!("crates/{name}/src/lib.rs"));
    let lacking = roots
        .filter_map(|path| tree.text(&path).map(|text| (code_of(text), path)))
        .filter(|(code, _)| !code.lines().any(|line| line.trim() == "#![no_std]"));
    lacking
        .map(|(_, path)| {
            Finding::new(&path, 1, "may use the operating system", "`#![no_std]` belongs at its beginning")
        })
        .collect()
}

/// Every crate's root begins with what the crate is for.
pub(super) fn purpose(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources().filter(|(path, _)| path.starts_with("crates/")) {
        let first = text.lines().next().unwrap_or_default();
        match file_name(path) {
            "lib.rs" if !first.starts_with("//! Exists so that") => {
                let right = "its first line begins `//! Exists so that`, and says what the crate earns its place by";
                findings.push(Finding::new(path, 1, "does not say why the crate exists", right));
            }
            "main.rs" if !first.starts_with("//!") => {
                findings.push(Finding::new(path, 1, "does not say what it is", "its first line is a `//!` that does"));
            }
            _ => {}
        }
    }
    findings
}

/// Every package takes the lints of the workspace, in which unsafe code is forbidden.
pub(super) fn workspace_lints(tree: &Tree) -> Vec<Finding> {
    let lacking = tree.manifests().filter(|(path, text)| {
        let manifest = Manifest::parse(text);
        let own = *path == LINTS_OF_ITS_OWN && manifest.value(&["lints", "rust", "unsafe_code"]) == Some("\"deny\"");
        !own && manifest.value(&["lints", "workspace"]) != Some("true")
    });
    lacking
        .map(|(path, _)| {
            Finding::new(path, 1, "has lints of its own, or none", "add `[lints]` with `workspace = true`")
        })
        .collect()
}

/// The one crate that may relax a lint, in one file (docs/adr/0016): it denies what the others forbid.
const LINTS_OF_ITS_OWN: &str = "crates/sql/Cargo.toml";
/// That file: what lets SQLite read the catalog.
const MAY_BE_UNSAFE: &str = "crates/sql/src/catalog/adapter.rs";

/// No source contains the word that would let it break the rules of memory.
pub(super) fn no_unsafe(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.sources().filter(|(path, _)| *path != MAY_BE_UNSAFE) {
        for (index, line) in code_of(text).lines().enumerate() {
            if words(line, "unsafe").next().is_some() {
                let right = "safe code, or a crate of others that wraps it";
                findings.push(Finding::new(path, index + 1, "`unsafe`", right));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_with_an_operating_system_is_found() {
        let of = |text| without_std(&Tree::of(&[("crates/replica/src/lib.rs", text)])).len();
        assert_eq!(of("//! Exists so that.\n"), 1);
        assert_eq!(of("//! Exists so that.\n// #![no_std]\n"), 1);
        assert_eq!(of("//! Exists so that.\n#![cfg_attr(not(test), no_std)]\n"), 1);
        assert_eq!(of("//! Exists so that.\n#![no_std]\n"), 0);
    }

    #[test]
    fn a_crate_without_a_purpose_is_found() {
        let of = |path, text| purpose(&Tree::of(&[(path, text)])).len();
        assert_eq!(of("crates/store/src/lib.rs", "//! SQLite.\n"), 1);
        assert_eq!(of("crates/store/src/lib.rs", "\n//! Exists so that it does.\n"), 1);
        assert_eq!(of("crates/store/src/lib.rs", "//! Exists so that it does.\n"), 0);
        assert_eq!(of("crates/bench/src/main.rs", "fn main() {}\n"), 1);
        assert_eq!(of("crates/bench/src/main.rs", "//! Benchmarks.\n"), 0);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let of = |text| workspace_lints(&Tree::of(&[("xtask/Cargo.toml", text)])).len();
        assert_eq!(of("[package]\nname = \"xtask\"\n"), 1);
        assert_eq!(of("[lints]\nworkspace = false\n"), 1);
        assert_eq!(of("[lints]\nworkspace = true\n"), 0);
        let own = |text| workspace_lints(&Tree::of(&[(LINTS_OF_ITS_OWN, text)])).len();
        assert_eq!(own("[lints.rust]\nunsafe_code = \"deny\"\n"), 0);
        assert_eq!(own("[lints.rust]\nunsafe_code = \"allow\"\n"), 1);
    }

    #[test]
    fn unsafe_code_is_found_on_its_line_and_prose_is_not() {
        let text = "// unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";\nfn b() { unsafe { c() } }\n";
        let found = no_unsafe(&Tree::of(&[("crates/cli/src/b.rs", text)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("crates/cli/src/b.rs", 4));
        assert!(no_unsafe(&Tree::of(&[(MAY_BE_UNSAFE, text)])).is_empty());
    }
}
