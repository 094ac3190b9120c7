//! File names that say nothing.

use super::Finding;
use super::tree::{Tree, file_name, is_code};

/// What has no better name has no owner.
const EMPTY: &[&str] = &["util", "utils", "helpers", "common", "misc", "types", "manager"];

/// No source and no folder of a package has a name under which anything might be.
pub(super) fn telling(tree: &Tree) -> Vec<Finding> {
    let folders = tree.folders().filter(|path| is_code(path));
    let sources = tree.sources().map(|(path, _)| path);
    folders.chain(sources).filter_map(|path| empty_name(path).map(|name| finding(path, name))).collect()
}

fn empty_name(path: &str) -> Option<&'static str> {
    let name = file_name(path).trim_end_matches(".rs");
    EMPTY.iter().find(|empty| **empty == name).copied()
}

fn finding(path: &str, name: &str) -> Finding {
    Finding::new(
        path,
        1,
        format!("the name `{name}` tells nobody what is inside"),
        "name it after its noun, or split it by nouns",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_as_files_and_as_folders() {
        let tree = Tree::of(&[
            ("crates/node/src/util.rs", ""),
            ("crates/node/src/manager.rs", ""),
            ("crates/node/tests/common/mod.rs", ""),
            ("xtask/src/helpers/scene.rs", ""),
            ("crates/node/src/data_types.rs", ""),
            ("crates/node/src/utility.rs", ""),
            ("docs/common/story.md", ""),
        ]);
        let found: Vec<String> = telling(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(
            found,
            ["crates/node/tests/common", "xtask/src/helpers", "crates/node/src/manager.rs", "crates/node/src/util.rs"]
        );
    }

    #[test]
    fn every_empty_name_is_refused() {
        for name in EMPTY {
            assert_eq!(telling(&Tree::of(&[(&format!("crates/a/src/{name}.rs"), "")])).len(), 1, "{name}");
        }
    }
}
