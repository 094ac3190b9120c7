//! Tests that sleep.

use super::Finding;
use super::source::{code_of, test_files, test_items, words};
use super::tree::Tree;

/// How the comment begins that makes a sleep in a test acceptable.
const EXCUSE: &str = "// waits because";

const SLEEPS: &[&str] = &["sleep", "sleep_until", "sleep_ms"];

/// A test that sleeps is slow when the time is too long and fails when it is too short, so it says why it must.
pub(super) fn explained(tree: &Tree) -> Vec<Finding> {
    let test_files = test_files(tree);
    let mut findings = Vec::new();
    for (path, text) in tree.sources() {
        let code = code_of(text);
        let items = test_items(&code);
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in code.lines().enumerate() {
            let in_test = test_files.contains(path) || items.iter().any(|item| item.lines.contains(&(index + 1)));
            if in_test && sleeps(line) && !excused(&lines[..index]) {
                let right = format!("wait for the event itself, under a timeout, or write above it `{EXCUSE} …`");
                findings.push(Finding::new(path, index + 1, "a test that sleeps", right));
            }
        }
    }
    findings
}

/// Whether a function of that name is called in a line of code: not a method, which would be some clock of ours, and not
/// where one is defined.
fn sleeps(line: &str) -> bool {
    let called = |name: &&str| {
        words(line, name).any(|at| {
            let (before, after) = (line[..at].trim_end(), line[at + name.len()..].trim_start());
            after.starts_with('(') && !before.ends_with('.') && !before.ends_with("fn")
        })
    };
    SLEEPS.iter().any(called)
}

/// Whether the comment right above, of one line or several, begins as it should.
fn excused(above: &[&str]) -> bool {
    let mut comment = above.iter().rev().map(|line| line.trim()).take_while(|line| line.starts_with("//"));
    comment.any(|line| line.starts_with(EXCUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        explained(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_sleeping_test_is_found_wherever_tests_are() {
        let inline = "fn a() { thread::sleep(b); }\n#[cfg(test)]\nmod tests {\n    fn c() { thread::sleep(d); }\n}\n";
        assert_eq!(found("crates/a/src/lib.rs", inline), [4]);
        assert_eq!(found("crates/a/tests/b.rs", "\ntokio::time::sleep(c).await;\n"), [2]);
        assert_eq!(found("crates/a/src/b/tests.rs", "sleep_until(c).await;\n"), [1]);
    }

    #[test]
    fn a_module_in_a_file_of_its_own_is_searched_too() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod fuzz;\n"),
            ("crates/a/src/fuzz.rs", "std::thread::sleep(b);\n"),
        ]);
        assert_eq!(explained(&tree).len(), 1);
    }

    #[test]
    fn programs_may_sleep_and_prose_may_speak_of_it() {
        assert!(found("crates/a/src/lib.rs", "thread::sleep(b);\n").is_empty());
        assert!(found("crates/a/tests/b.rs", "// thread::sleep(c)\nlet d = \"sleep(1)\";\nfn sleep() {}\n").is_empty());
        assert!(found("crates/a/tests/b.rs", "clock.sleep(c);\nCommand::new(\"sleep\").spawn();\n").is_empty());
    }

    #[test]
    fn a_reason_on_the_line_above_is_accepted() {
        let excused =
            "// waits because the kernel tells nobody when it is done:\n// see its manual\nthread::sleep(b);\n";
        assert!(found("crates/a/tests/b.rs", excused).is_empty());
        assert_eq!(found("crates/a/tests/b.rs", "// waits a little\nthread::sleep(b);\n"), [2]);
        assert_eq!(found("crates/a/tests/b.rs", "// waits because of it\nlet c = 1;\nthread::sleep(b);\n"), [3]);
    }
}
