//! Files that stay small enough to be read.

use super::Finding;
use super::source::{code_of, test_files, test_items};
use super::tree::{Tree, file_name};

/// Parse, resolve, build, run, exit code. Wiring that is in `main` cannot be called by a test.
const MAIN_LINES_MAX: usize = 150;

/// Three times what a file should have; past this, a file is where things are put that have no place.
const FILE_LINES_MAX: usize = 900;

/// Programs are wired in modules, not in `main.rs`.
pub(super) fn short_main(tree: &Tree) -> Vec<Finding> {
    let mains = tree.sources().filter(|(path, _)| file_name(path) == "main.rs");
    mains.filter_map(|(path, text)| too_long(path, text.lines().count(), MAIN_LINES_MAX)).collect()
}

/// No source grows without end, its tests apart.
pub(super) fn short_files(tree: &Tree) -> Vec<Finding> {
    let tests = test_files(tree);
    let programs = tree.sources().filter(|(path, _)| !tests.contains(path));
    programs.filter_map(|(path, text)| too_long(path, lines_without_tests(text), FILE_LINES_MAX)).collect()
}

fn lines_without_tests(text: &str) -> usize {
    let tests: usize = test_items(&code_of(text)).iter().map(|item| item.lines.clone().count()).sum();
    text.lines().count().saturating_sub(tests)
}

fn too_long(path: &str, lines: usize, lines_max: usize) -> Option<Finding> {
    (lines > lines_max).then(|| {
        let right = format!("at most {lines_max}: give one of its nouns a file of its own");
        Finding::new(path, lines_max + 1, format!("{lines} lines"), right)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_that_is_the_program_is_found() {
        let of = |path, lines| short_main(&Tree::of(&[(path, &"// line\n".repeat(lines))])).len();
        assert_eq!(of("crates/cli/src/main.rs", 151), 1);
        assert_eq!(of("crates/cli/src/main.rs", 150), 0);
        assert_eq!(of("crates/cli/src/domain.rs", 151), 0);
    }

    #[test]
    fn a_file_that_everything_passes_through_is_found() {
        let of = |path, text: &str| short_files(&Tree::of(&[(path, text)])).len();
        let (long, full) = ("fn a() {}\n".repeat(901), "fn a() {}\n".repeat(900));
        assert_eq!(of("crates/node/src/driver.rs", &long), 1);
        assert_eq!(of("crates/node/src/driver.rs", &full), 0);
        assert_eq!(of("crates/node/src/driver.rs", &format!("{full}#[cfg(test)]\nmod tests {{\n{full}}}\n")), 0);
        assert_eq!(of("crates/node/src/tests.rs", &long), 0);
    }
}
