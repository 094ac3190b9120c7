//! Stories in `docs/flows` that name files and items which are really there.

use super::Finding;
use super::source::{code_of, is_word, words};
use super::tree::Tree;

/// What makes a name with a slash in it the path of a file.
const ENDINGS: &[&str] = &[".rs", ".md", ".txt"];

/// Words that define what follows them.
const DEFINING: &[&str] = &["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "macro_rules!"];

/// Every path and every `path.rs::item` in backticks exists.
pub(super) fn true_to_the_tree(tree: &Tree) -> Vec<Finding> {
    let stories = tree.paths().filter(|path| path.starts_with("docs/flows/") && path.ends_with(".md"));
    let mut findings = Vec::new();
    for story in stories {
        for (line, span) in code_spans(tree.text(story).unwrap_or_default()) {
            if let Some((what, right)) = untrue(tree, span) {
                findings.push(Finding::new(story, line, what, right));
            }
        }
    }
    findings
}

/// What is in backticks within a line, with the line's number. Blocks of code are passed over.
fn code_spans(text: &str) -> Vec<(usize, &str)> {
    let mut spans = Vec::new();
    let mut in_block = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            spans.extend(line.split('`').skip(1).step_by(2).map(|span| (index + 1, span)));
        }
    }
    spans
}

/// What is wrong with a span, and what would be right.
fn untrue(tree: &Tree, span: &str) -> Option<(String, String)> {
    let (path, item) = match span.split_once(".rs::") {
        Some((stem, item)) => (format!("{stem}.rs"), Some(item.trim_end_matches("()"))),
        None => (span.to_owned(), None),
    };
    if item.is_none() && !looks_like_path(tree, &path) {
        return None;
    }
    if !tree.has(&path) {
        let right = "a path from the root of the workspace to something that is there";
        return Some((format!("`{path}` does not exist"), right.to_owned()));
    }
    let code = code_of(tree.text(&path).unwrap_or_default());
    let missing = item.filter(|item| !has_item(&code, item))?;
    Some((format!("`{missing}` is not in {path}"), "the name of an item that the file defines".to_owned()))
}

/// `crates/node/src/driver.rs` and `crates/node/` do; `/v1/services`, `application/json` and `crates/api-*` do not.
fn looks_like_path(tree: &Tree, span: &str) -> bool {
    let plain = span.chars().all(|letter| is_word(letter) || "./-:".contains(letter)) && !span.contains("://");
    let Some((first, _)) = span.split_once('/').filter(|(first, _)| plain && !first.is_empty()) else { return false };
    ENDINGS.iter().any(|ending| span.ends_with(ending)) || tree.has(first)
}

/// Whether code defines an item such as `Driver`, `start` or `Driver::start`. The last name must be defined in it; those
/// before may also be what it implements.
fn has_item(code: &str, item: &str) -> bool {
    let names: Vec<&str> = item.split("::").collect();
    let Some((last, outer)) = names.split_last() else { return false };
    let implements = |name: &str| {
        code.lines().any(|line| line.trim_start().starts_with("impl") && words(line, name).next().is_some())
    };
    let is_there = defines(code, last) || (!outer.is_empty() && has_variant(code, last));
    is_there && outer.iter().all(|name| defines(code, name) || implements(name))
}

fn defines(code: &str, name: &str) -> bool {
    code.lines().any(|line| {
        words(line, name).any(|at| {
            let before = line[..at].trim_end();
            let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
            before.len() < at && DEFINING.contains(&word) || word == "mut" && before.contains("static")
        })
    })
}

/// Whether a line begins with the name as a variant of an enum does.
fn has_variant(code: &str, name: &str) -> bool {
    name.starts_with(char::is_uppercase)
        && code.lines().any(|line| {
            let rest = line.trim_start().strip_prefix(name).map(str::trim_start);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', '(', '{', '=']))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
//! fn commented() {}
pub struct Driver;
impl Driver {
    pub(crate) async fn start(self) { other(); }
}
impl Iterator for Walk<'_> { type Item = u8; }
enum Verdict {
    Alive,
    Dead { since: u64 },
}
pub const SEEDS_MAX: usize = 3;
macro_rules! story { () => {} }
";

    fn found(story: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/node/src/driver.rs", CODE), ("docs/flows/tell.md", story)]);
        true_to_the_tree(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_path_that_is_gone_is_found_on_its_line() {
        let tree = Tree::of(&[("docs/flows/tell.md", "Told:\n\n1. `crates/node/src/gone.rs` does it.\n")]);
        let found = true_to_the_tree(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 3);
        assert_eq!(found[0].what, "`crates/node/src/gone.rs` does not exist");
    }

    #[test]
    fn every_kind_of_path_is_checked() {
        for gone in [
            "node/driver.rs",
            "docs/gone.md",
            "a/story.txt",
            "crates/gone",
            "crates/gone/",
            "crates/node/src/driver.rs:7",
        ] {
            assert_eq!(found(&format!("See `{gone}`.")).len(), 1, "{gone}");
        }
        for there in ["crates/node/src/driver.rs", "crates/node/", "crates/node/src", "docs/flows/tell.md"] {
            assert!(found(&format!("See `{there}`.")).is_empty(), "{there}");
        }
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        for other in [
            "/v1/services",
            "application/json",
            "crates/api-*/src/convert.rs",
            "prod/recos",
            "driver.rs",
            "http://a/b.md",
        ] {
            assert!(found(&format!("See `{other}`.")).is_empty(), "{other}");
        }
        assert!(found("```text\n`crates/gone/a.rs`\n```\n").is_empty());
    }

    #[test]
    fn an_item_that_is_gone_is_found() {
        for gone in ["commented", "other", "Driver::stop", "Gone::start", "Verdict::Gone", "Item2", "Alive"] {
            let found = found(&format!("`crates/node/src/driver.rs::{gone}`"));
            assert_eq!(found, [format!("`{gone}` is not in crates/node/src/driver.rs")]);
        }
        assert_eq!(found("`driver.rs::start`"), ["`driver.rs` does not exist"]);
    }

    #[test]
    fn items_that_are_there_are_not_found() {
        for there in [
            "Driver",
            "start",
            "start()",
            "Driver::start",
            "Verdict::Dead",
            "Verdict::Alive",
            "SEEDS_MAX",
            "Walk::Item",
            "story",
        ] {
            assert!(found(&format!("`crates/node/src/driver.rs::{there}`")).is_empty(), "{there}");
        }
    }
}
