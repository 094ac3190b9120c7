//! As much of a `Cargo.toml` as the rules ask about: what is set, on which line, and who is depended on.
//!
//! Reads what Cargo's own documentation shows: tables, dotted keys, inline tables, values over several lines.

/// One thing that is set.
#[derive(Debug)]
struct Setting {
    /// The table's name and the key, taken apart at the dots.
    path: Vec<String>,
    /// As written.
    value: String,
    /// Where it begins, from 1.
    line: usize,
}

/// The settings of a manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    settings: Vec<Setting>,
}

/// A dependency that a manifest states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// `dependencies`, `dev-dependencies` or `build-dependencies`, for every target or one.
    pub(super) kind: &'static str,
    /// The package, whatever it is called in the code.
    pub(super) package: String,
    /// From 1.
    pub(super) line: usize,
}

const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

impl Manifest {
    /// Reads a manifest. What makes no sense is passed over: Cargo has already refused it.
    pub(super) fn parse(text: &str) -> Self {
        let mut settings = Vec::new();
        let mut table: Vec<String> = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let line = without_comment(line).trim();
            if let Some(header) = line.strip_prefix('[') {
                table = split_unquoted(header.trim_start_matches('[').trim_end_matches(']'), '.');
            } else if let [key, value @ ..] = split_unquoted(line, '=').as_slice()
                && !value.is_empty()
            {
                let mut value = value.join(" = ");
                while open_brackets(&value) > 0 {
                    let Some((_, more)) = lines.next() else { break };
                    value.push_str(without_comment(more).trim());
                }
                let path = table.iter().cloned().chain(split_unquoted(key, '.')).map(|part| unquoted(&part)).collect();
                settings.push(Setting { path, value, line: index + 1 });
            }
        }
        Self { settings }
    }

    /// The value at a path such as `["lints", "workspace"]`, as written.
    pub(super) fn value(&self, path: &[&str]) -> Option<&str> {
        self.settings.iter().find(|setting| setting.path == path).map(|setting| setting.value.as_str())
    }

    /// All dependencies of all kinds, in the order of the file, each once. `workspace` is the workspace's own manifest: a
    /// dependency may be renamed there.
    pub(super) fn dependencies(&self, workspace: &Manifest) -> Vec<Dependency> {
        let mut found: Vec<(Dependency, String)> = Vec::new();
        for setting in &self.settings {
            let Some((kind, key, rest)) = dependency_of(&setting.path) else { continue };
            let package = renamed(rest, &setting.value);
            match found.iter_mut().find(|(known, alias)| known.kind == kind && alias == key) {
                Some((known, _)) => known.package = package.unwrap_or_else(|| known.package.clone()),
                None => {
                    let package = package.unwrap_or_else(|| workspace.package_called(key));
                    found.push((Dependency { kind, package, line: setting.line }, key.to_owned()));
                }
            }
        }
        found.into_iter().map(|(dependency, _)| dependency).collect()
    }

    /// The package behind a name of `[workspace.dependencies]`.
    fn package_called(&self, alias: &str) -> String {
        let of_alias =
            |setting: &&Setting| setting.path.starts_with(&["workspace", "dependencies", alias].map(String::from));
        let package =
            self.settings.iter().filter(of_alias).find_map(|setting| renamed(&setting.path[3..], &setting.value));
        package.unwrap_or_else(|| alias.to_owned())
    }
}

/// Kind, key, and what of the path follows the key.
fn dependency_of(path: &[String]) -> Option<(&'static str, &str, &[String])> {
    let path = match path {
        [first, _target, rest @ ..] if first == "target" => rest,
        path => path,
    };
    let [kind, key, rest @ ..] = path else { return None };
    KINDS.iter().find(|known| *known == kind).map(|kind| (*kind, key.as_str(), rest))
}

/// The package that a setting of a dependency names: `package = "…"`, in an inline table or by itself.
fn renamed(rest: &[String], value: &str) -> Option<String> {
    if rest == ["package"] {
        return Some(unquoted(value));
    }
    let inline = value.strip_prefix('{')?.strip_suffix('}')?;
    let named = |part: &String| match split_unquoted(part, '=').as_slice() {
        [key, value] if key == "package" => Some(unquoted(value)),
        _ => None,
    };
    split_unquoted(inline, ',').iter().find_map(named)
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

/// How many brackets are open at the end of a value.
fn open_brackets(value: &str) -> i32 {
    outside_quotes(value).fold(0, |open, (_, letter)| match letter {
        '[' | '{' => open + 1,
        ']' | '}' => open - 1,
        _ => open,
    })
}

fn without_comment(line: &str) -> &str {
    outside_quotes(line).find(|(_, letter)| *letter == '#').map_or(line, |(at, _)| &line[..at])
}

/// The trimmed parts of a text between separators that are in no quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<String> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in outside_quotes(text).filter(|(_, letter)| *letter == separator) {
        parts.push(text[start..at].trim().to_owned());
        start = at + separator.len_utf8();
    }
    parts.push(text[start..].trim().to_owned());
    parts
}

/// The letters of one line that are in no quotes, with their positions.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut escaped = false;
    text.char_indices().filter(move |(_, letter)| {
        let was_escaped = std::mem::take(&mut escaped);
        match (quote, *letter) {
            (None, '"' | '\'') => quote = Some(*letter),
            (None, _) => return true,
            (Some('"'), '\\') => escaped = !was_escaped,
            (Some(open), letter) if letter == open && !was_escaped => quote = None,
            (Some(_), _) => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependencies(text: &str) -> Vec<(&'static str, String, usize)> {
        let workspace = Manifest::parse("[workspace.dependencies]\nalias = { package = \"real\", version = \"1\" }\n");
        let found = Manifest::parse(text).dependencies(&workspace);
        found.into_iter().map(|found| (found.kind, found.package, found.line)).collect()
    }

    #[test]
    fn every_way_to_state_a_dependency_is_understood() {
        let text = r#"
[package]
description = "a # that is no comment, [dependencies] that is no table"

[dependencies] # what it needs
dotted.workspace = true
inline = { version = "1", features = [
    "one", # the first
    "two",
] }
plain = "1" # not "2"
"quoted" = "1"
renamed = { package = "other", version = "1" }
alias.workspace = true

[dependencies.tabled]
version = "1"
features = ["a"]

[dependencies.mask]
version = "1"
package = "face"

[dev-dependencies]
plain = "1"

[target.'cfg(target_os = "linux")'.dependencies]
linux = "1"

[target.x86_64-unknown-none.build-dependencies.bare]
version = "1"

[features]
default = ["plain"]
"#;
        let named = |kind, package: &str, line| (kind, package.to_owned(), line);
        let all = "dependencies";
        assert_eq!(
            dependencies(text),
            [
                named(all, "dotted", 6),
                named(all, "inline", 7),
                named(all, "plain", 11),
                named(all, "quoted", 12),
                named(all, "other", 13),
                named(all, "real", 14),
                named(all, "tabled", 17),
                named(all, "face", 21),
                named("dev-dependencies", "plain", 25),
                named(all, "linux", 28),
                named("build-dependencies", "bare", 31),
            ]
        );
    }

    #[test]
    fn what_is_commented_out_is_not_there() {
        assert_eq!(dependencies("[dependencies]\n#store.workspace = true\n"), []);
    }

    #[test]
    fn values_are_found_in_tables_and_behind_dots() {
        for text in ["[lints]\nworkspace = true # all\n", "lints.workspace = true\n"] {
            assert_eq!(Manifest::parse(text).value(&["lints", "workspace"]), Some("true"), "{text}");
        }
        assert_eq!(Manifest::parse("[package]\nworkspace = true\n").value(&["lints", "workspace"]), None);
    }
}
