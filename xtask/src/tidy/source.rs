//! As much of Rust as the rules ask about: what is code rather than prose, and what of it is only there for tests.

use super::tree::{Tree, file_name};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Rust text in which every comment, string and character literal is blank. Lines and columns stay what they were.
pub(super) fn code_of(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = prose_end(&letters, at);
        match end {
            Some(end) => code.extend(letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' })),
            None => code.push(letters[at]),
        }
        at = end.unwrap_or(at + 1);
    }
    code
}

/// Where the comment, string or character literal ends that begins at `at`, if one does.
fn prose_end(letters: &[char], at: usize) -> Option<usize> {
    let end = letters.len();
    match &letters[at..] {
        ['/', '/', ..] => {
            Some(letters[at..].iter().position(|letter| *letter == '\n').map_or(end, |length| at + length))
        }
        ['/', '*', ..] => Some(block_comment_end(letters, at)),
        ['"', ..] => Some(quoted_end(letters, at + 1, '"')),
        ['\'', '\\', ..] => Some(quoted_end(letters, at + 1, '\'')),
        ['\'', _, '\'', ..] => Some(at + 3),
        ['r', ..] if begins_raw(letters, at) => {
            let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
            (letters.get(at + 1 + hashes) == Some(&'"')).then(|| raw_string_end(letters, at + 2 + hashes, hashes))
        }
        _ => None,
    }
}

/// Whether the `r` at `at` is a word of its own, or follows the `b` or `c` of `br"…"` and `cr"…"`.
fn begins_raw(letters: &[char], at: usize) -> bool {
    match letters[..at] {
        [.., before, 'b' | 'c'] => !is_word(before),
        ['b' | 'c'] | [] => true,
        [.., before] => !is_word(before),
    }
}

fn block_comment_end(letters: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < letters.len() {
        match &letters[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn quoted_end(letters: &[char], start: usize, quote: char) -> usize {
    let mut at = start;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            letter if letter == quote => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

fn raw_string_end(letters: &[char], start: usize, hashes: usize) -> usize {
    let closes = |at: &usize| {
        letters[*at] == '"' && letters[at + 1..].iter().take(hashes).filter(|one| **one == '#').count() == hashes
    };
    (start..letters.len()).find(closes).map_or(letters.len(), |at| at + 1 + hashes)
}

/// Whether a letter can be in a name.
pub(super) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Where a word stands by itself in a line, as byte positions.
pub(super) fn words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line[..*at].chars().next_back().is_some_and(is_word);
        let after = line[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

/// Something that exists only in tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TestItem {
    /// From the attribute to the end, counted from 1.
    pub(super) lines: RangeInclusive<usize>,
    /// For `mod name;`, whose text is in a file of its own: the name.
    pub(super) module: Option<String>,
}

/// What follows a `#[cfg(test)]`, in text made by [`code_of`].
pub(super) fn test_items(code: &str) -> Vec<TestItem> {
    if code.contains("#![cfg(test)]") {
        return vec![TestItem { lines: 1..=code.lines().count(), module: None }];
    }
    let line_at = |at: usize| code[..at].matches('\n').count() + 1;
    let attributes = ["#[cfg(test)]", "#[cfg(all(test"].iter().flat_map(|attribute| code.match_indices(attribute));
    let mut items: Vec<TestItem> = attributes
        .map(|(start, _)| {
            let (head, end) = item_after(code, start);
            let module = code[head..end].trim_start().trim_end_matches(';').rsplit_once("mod ");
            let is_file = code[..end].ends_with(';') && !code[head..end].contains('{');
            let module = module.filter(|_| is_file).map(|(_, name)| name.trim().to_owned());
            TestItem { lines: line_at(start)..=line_at(end), module }
        })
        .collect();
    items.sort_by_key(|item| *item.lines.start());
    items
}

/// Where the item begins that stands behind the attributes at `start`, and where it ends.
fn item_after(code: &str, start: usize) -> (usize, usize) {
    let mut head = start;
    while code[head..].trim_start().starts_with('#') {
        head = closing(code, head, '[', ']');
    }
    let (mut depth, mut end) = (0, code.len());
    for (at, letter) in code[head..].char_indices() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => end = head + at + 1,
            '{' if depth == 0 => end = closing(code, head + at, '{', '}'),
            _ => continue,
        }
        if end < code.len() {
            break;
        }
    }
    (head, end)
}

/// Behind the bracket that closes the first one found from `start`.
fn closing(code: &str, start: usize, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, letter) in code[start..].char_indices() {
        depth += i32::from(letter == open) - i32::from(letter == close);
        if depth == 0 && letter == close {
            return start + at + 1;
        }
    }
    code.len()
}

/// The files of the tree that are there only for tests: in a folder `tests`, named `tests.rs`, or a module that its
/// parent declares under `#[cfg(test)]`.
pub(super) fn test_files(tree: &Tree) -> BTreeSet<&str> {
    let declared: Vec<String> = tree.sources().flat_map(|(path, text)| declared_tests(path, text)).collect();
    let is_test = |path: &str| {
        let below = |module: &String| {
            path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        path.contains("/tests/") || file_name(path) == "tests.rs" || declared.iter().any(below)
    };
    tree.sources().map(|(path, _)| path).filter(|path| is_test(path)).collect()
}

/// The modules in files of their own that a source declares for tests, as paths without `.rs`.
fn declared_tests(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let home = match file_name(path) {
        "lib.rs" | "main.rs" | "mod.rs" => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let modules = test_items(&code_of(text)).into_iter().filter_map(|item| item.module);
    modules.map(|module| format!("{home}/{module}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_blank_and_code_stays_where_it_was() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a("b \" c") d"#, "a(        ) d"),
            ("a(r#\"b \" c\"#) d", "a(          ) d"),
            ("a(br\"\\\") d", "a(b    ) d"),
            ("a('\"') b", "a(   ) b"),
            (r"a('\'') b", "a(    ) b"),
            ("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)"),
            ("r#type(for\"b\")", "r#type(for   )"),
            ("\"never closed", "             "),
            ("\"ä\n\" ö", "  \n  ö"),
        ] {
            assert_eq!(code_of(text), code, "{text}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("unsafe_code unsafe an_unsafe", "unsafe").collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn test_items_are_found_with_their_lines() {
        let code = "\
fn a() {}
#[cfg(test)]
mod inline {
    fn b() {}
}
#[cfg(test)]
#[path = ...]
pub(crate) mod file;
#[cfg(all(test, unix))]
fn c(d: [u8; 3]) {
}
fn e() {}
";
        let items = test_items(code);
        let lines: Vec<_> = items.iter().map(|item| item.lines.clone()).collect();
        assert_eq!(lines, [2..=5, 6..=8, 9..=11]);
        assert_eq!(items[1].module.as_deref(), Some("file"));
        assert_eq!((&items[0].module, &items[2].module), (&None, &None));
    }

    #[test]
    fn files_for_tests_are_known_by_place_name_or_declaration() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod fuzz;\nmod real;\n"),
            ("crates/a/src/fuzz.rs", ""),
            ("crates/a/src/fuzz/deep.rs", ""),
            ("crates/a/src/fuzzy.rs", ""),
            ("crates/a/src/real.rs", "#[cfg(test)]\nmod scenes;\n"),
            ("crates/a/src/real/scenes.rs", ""),
            ("crates/a/src/real/tests.rs", ""),
            ("crates/a/tests/all.rs", ""),
        ]);
        let found: Vec<&str> = test_files(&tree).into_iter().collect();
        assert_eq!(
            found,
            [
                "crates/a/src/fuzz.rs",
                "crates/a/src/fuzz/deep.rs",
                "crates/a/src/real/scenes.rs",
                "crates/a/src/real/tests.rs",
                "crates/a/tests/all.rs",
            ]
        );
    }
}
