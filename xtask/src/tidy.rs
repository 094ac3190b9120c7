//! The rules of the house that no compiler checks, each a function over the files of the workspace.
//!
//! A rule knows nothing of the disk: it gets a [`Tree`] and returns [`Finding`]s, so its tests write a tree down as text.
//! A new rule is a function of that shape, a line in [`RULES`], and a test in which it finds something.

mod documents;
mod flows;
mod layers;
mod manifest;
mod names;
mod sizes;
mod sleeps;
mod source;
mod sources;
mod tree;

use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;
use tree::Tree;

/// A rule, by its name.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("layers", layers::among_ourselves),
    ("externals", layers::externals),
    ("no_std", sources::without_std),
    ("purpose", sources::purpose),
    ("lints", sources::workspace_lints),
    ("unsafe", sources::no_unsafe),
    ("names", names::telling),
    ("main", sizes::short_main),
    ("sizes", sizes::short_files),
    ("sleeps", sleeps::explained),
    ("flows", flows::true_to_the_tree),
    ("documents", documents::there),
    ("architecture", documents::short_architecture),
    ("readme", documents::two_commands),
];

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the root of the workspace, with slashes.
    path: String,
    /// From 1.
    line: usize,
    /// What was found.
    what: String,
    /// What would be right.
    right: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, right: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), right: right.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, right } = self;
        write!(formatter, "{path}:{line}: {what}; {right}")
    }
}

/// Applies every rule to the workspace at `root`, and prints one line per finding on stdout.
///
/// # Errors
/// When there is a finding, or a file cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let findings = findings(&tree);
    findings.iter().for_each(|finding| println!("{finding}"));
    match findings.len() {
        0 => eprintln!("tidy: {} rules, {} files, nothing found", RULES.len(), tree.paths().count()),
        1 => bail!("1 finding, above"),
        count => bail!("{count} findings, above"),
    }
    Ok(())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|(_, rule)| rule(tree)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_an_editor_can_follow() {
        let finding = Finding::new("crates/a/src/lib.rs", 7, "two of them", "one would be right");
        assert_eq!(finding.to_string(), "crates/a/src/lib.rs:7: two of them; one would be right");
    }

    #[test]
    fn an_empty_workspace_lacks_its_documents_and_findings_come_in_order() {
        let found = findings(&Tree::of(&[]));
        let paths: Vec<&str> = found.iter().map(|finding| finding.path.as_str()).collect();
        assert!(paths.contains(&"README.md") && paths.is_sorted(), "{paths:?}");
    }

    #[test]
    fn every_rule_is_applied() {
        let long = "fn a() {}\n".repeat(901);
        let tree = Tree::of(&[
            ("crates/model/Cargo.toml", "[dependencies]\nwhither-store = \"1\"\ntokio = \"1\"\n"),
            ("crates/model/src/lib.rs", "//! Nouns.\n"),
            ("crates/model/src/util.rs", "fn a() { unsafe {} }\n"),
            ("crates/model/src/long.rs", &long),
            ("crates/cli/src/main.rs", &long),
            ("crates/cli/tests/all.rs", "fn a() { std::thread::sleep(d); }\n"),
            ("docs/flows/tell.md", "See `crates/model/src/gone.rs`.\n"),
            ("ARCHITECTURE.md", &"line\n".repeat(301)),
            ("README.md", "Nothing.\n"),
        ]);
        for (name, rule) in RULES {
            assert!(!rule(&tree).is_empty(), "{name} finds nothing");
        }
    }
}
