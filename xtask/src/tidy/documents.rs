//! The documents that a stranger, an operator and a contributor look for first.

use super::Finding;
use super::tree::Tree;

const DOCUMENTS: &[(&str, &str)] = &[
    ("README.md", "says what this is and runs it within a minute"),
    ("ARCHITECTURE.md", "is the map, the invariants, and what is deliberately absent"),
    ("CONTRIBUTING.md", "says how to build, test, trace a request and add a surface"),
    ("CHANGELOG.md", "tells operators what changed"),
];

/// Longer, and nobody reads it before changing something.
const ARCHITECTURE_LINES_MAX: usize = 300;

/// The two commands with which a fresh clone must work: what each is for, and how it may begin.
const TWO_COMMANDS: &[(&str, &[&str])] =
    &[("runs it", &["cargo run", "cargo build", "cargo install"]), ("tests it", &["cargo xtask test"])];

/// The four documents exist and are not empty.
pub(super) fn there(tree: &Tree) -> Vec<Finding> {
    let lacking = DOCUMENTS.iter().filter(|(path, _)| tree.text(path).is_none_or(|text| text.trim().is_empty()));
    lacking
        .map(|(path, purpose)| Finding::new(path, 1, "is missing or empty", format!("a document that {purpose}")))
        .collect()
}

/// The map fits into one sitting.
pub(super) fn short_architecture(tree: &Tree) -> Vec<Finding> {
    let path = "ARCHITECTURE.md";
    let lines = tree.text(path).map_or(0, |text| text.lines().count());
    let right = format!("at most {ARCHITECTURE_LINES_MAX}: decisions belong in docs/adr, stories in docs/flows");
    let long = lines > ARCHITECTURE_LINES_MAX;
    long.then(|| Finding::new(path, ARCHITECTURE_LINES_MAX + 1, format!("{lines} lines"), right)).into_iter().collect()
}

/// The README shows both commands, each on a line of its own in a block of code.
pub(super) fn two_commands(tree: &Tree) -> Vec<Finding> {
    let path = "README.md";
    let Some(text) = tree.text(path) else { return Vec::new() };
    let shown = shown_commands(text);
    let lacking = TWO_COMMANDS.iter().filter(|(_, ways)| {
        !shown.iter().any(|line| {
            ways.iter().any(|way| line.strip_prefix(way).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
        })
    });
    lacking
        .map(|(purpose, ways)| {
            let right = format!("a line in a block of code that begins `{}`", ways.join("` or `"));
            Finding::new(path, 1, format!("shows no command that {purpose}"), right)
        })
        .collect()
}

fn shown_commands(text: &str) -> Vec<&str> {
    let mut in_block = false;
    let lines = text.lines().map(str::trim).filter(|line| {
        let fence = line.starts_with("```");
        in_block ^= fence;
        in_block && !fence
    });
    lines.map(|line| line.strip_prefix("$ ").unwrap_or(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_an_empty_document_are_found() {
        let tree = Tree::of(&[("README.md", "Text.\n"), ("ARCHITECTURE.md", "\n"), ("CONTRIBUTING.md", "Text.\n")]);
        let found: Vec<String> = there(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["ARCHITECTURE.md", "CHANGELOG.md"]);
    }

    #[test]
    fn a_long_map_is_found() {
        let of = |lines| short_architecture(&Tree::of(&[("ARCHITECTURE.md", &"line\n".repeat(lines))])).len();
        assert_eq!((of(300), of(301)), (0, 1));
    }

    #[test]
    fn a_readme_without_its_commands_is_found() {
        let of =
            |text| two_commands(&Tree::of(&[("README.md", text)])).into_iter().map(|one| one.what).collect::<Vec<_>>();
        assert_eq!(of("Nothing."), ["shows no command that runs it", "shows no command that tests it"]);
        assert_eq!(of("```sh\n$ cargo run -- dev\n```\n`cargo xtask test`\n"), ["shows no command that tests it"]);
        assert_eq!(of("```sh\ncargo run\ncargo xtask tests\n```\n"), ["shows no command that tests it"]);
        assert!(of("```sh\ncargo build --release\ncargo xtask test\n```\n").is_empty());
    }
}
