//! The file, exactly: which options it sets, to what, on which line. Anything the table does not have is refused.

use super::checks::{self, RawCheck};
use super::error::{ConfigError, Problem, Source};
use super::kind::Kind;
use super::options::{OPTIONS, Opt, SECTIONS};
use super::postgres::{self, RawUser};
use crate::nearest::nearest;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Larger files are refused unread: this one is a few kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a file says, not yet understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawConfig {
    /// The options it sets, in its order.
    pub(crate) values: Vec<RawValue>,
    /// Its checks, in its order.
    pub(crate) checks: Vec<RawCheck>,
    /// Its PostgreSQL users, in its order.
    pub(crate) users: Vec<RawUser>,
}

/// One option as a file sets it. The TOML type is the option's; the text is not checked.
#[derive(Clone, Debug)]
pub(crate) struct RawValue {
    /// Which option.
    pub(crate) opt: &'static Opt,
    /// Its value, or the entries of the list.
    pub(crate) texts: Vec<String>,
    /// Where it stands.
    pub(crate) source: Source,
}

impl RawConfig {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or sets what is not an option.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let fail = |problem: String| {
            ConfigError::from(Problem { source: None, option: String::new(), problem: format!("{shown}: {problem}") })
        };
        let mut text = String::new();
        let file = File::open(path).map_err(|error| fail(format!("cannot be opened: {error}")))?;
        let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
        read.map_err(|error| fail(format!("cannot be read: {error}")))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(fail(String::from("is larger than 1 MiB; is it a configuration?")));
        }
        Self::parse(&shown, &text)
    }

    /// Parses `text`; `path` is only for messages.
    ///
    /// # Errors
    /// If it is not TOML, or sets what is not an option.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| {
            let source = source(path, text, &error.span().unwrap_or_default());
            let problem = format!("not TOML: {}", error.message());
            ConfigError::from(Problem { source: Some(source), option: String::new(), problem })
        })?;
        let mut reader = Reader { path, text, raw: Self::default(), problems: Vec::new() };
        let mut sections: Vec<_> = table.get_ref().iter().collect();
        sections.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in sections {
            reader.section(key.get_ref(), &key.span(), value.get_ref());
        }
        if reader.problems.is_empty() { Ok(reader.raw) } else { Err(ConfigError { problems: reader.problems }) }
    }
}

struct Reader<'a> {
    path: &'a str,
    text: &'a str,
    raw: RawConfig,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn refuse(&mut self, option: impl Into<String>, span: &Range<usize>, problem: impl Into<String>) {
        let source = Some(source(self.path, self.text, span));
        self.problems.push(Problem { source, option: option.into(), problem: problem.into() });
    }

    /// `[[check]]`, as often as it is there.
    fn checks(&mut self, span: &Range<usize>, value: &DeValue<'_>) {
        let DeValue::Array(entries) = value else {
            return self.refuse(
                "check",
                span,
                "is a list; expected [[check]], once for each check, with its fields below",
            );
        };
        for entry in entries {
            let DeValue::Table(table) = entry.get_ref() else {
                self.refuse("check", &entry.span(), "expected [[check]] with its fields below");
                continue;
            };
            match checks::read(table) {
                Ok(check) => {
                    let source = source(self.path, self.text, &entry.span());
                    self.raw.checks.push(RawCheck { check, source });
                }
                Err((field, problem)) => {
                    let key = table.keys().find(|key| *key.get_ref() == field);
                    let option = if field.is_empty() { "check".to_owned() } else { format!("check.{field}") };
                    self.refuse(option, &key.map_or_else(|| entry.span(), Spanned::span), problem);
                }
            }
        }
    }

    /// `[[postgres.user]]`, as often as it is there.
    fn users(&mut self, span: &Range<usize>, value: &DeValue<'_>) {
        let Some(entries) = postgres::entries(value) else {
            let expected = "is a list; expected [[postgres.user]], once for each user, with its fields below";
            return self.refuse("postgres.user", span, expected);
        };
        for (table, span) in entries {
            match postgres::read(table) {
                Ok(user) => {
                    let source = source(self.path, self.text, &span);
                    self.raw.users.push(RawUser { user, source });
                }
                Err((field, problem)) => {
                    let key = table.keys().find(|key| *key.get_ref() == field);
                    let dot = if field.is_empty() { "" } else { "." };
                    self.refuse(format!("postgres.user{dot}{field}"), &key.map_or(span, Spanned::span), problem);
                }
            }
        }
    }

    fn section(&mut self, name: &str, span: &Range<usize>, value: &DeValue<'_>) {
        if name == "check" {
            return self.checks(span, value);
        }
        if !SECTIONS.iter().any(|section| section.name == name) {
            let names = || SECTIONS.iter().map(|section| section.name);
            let problem = match (nearest(name, names()), by_name(name)) {
                (Some(section), _) => format!("is not a section; did you mean [{section}]?"),
                (None, Some(opt)) => format!("is not a section; did you mean {} in [{}]?", opt.name(), opt.section()),
                (None, None) => format!("is not a section; expected {}", listed(names())),
            };
            return self.refuse(name, span, problem);
        }
        let DeValue::Table(table) = value else {
            return self.refuse(name, span, format!("is a section; expected [{name}] with its options below"));
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            if name == "postgres" && key.get_ref() == postgres::USER {
                self.users(&key.span(), value.get_ref());
                continue;
            }
            self.option(name, key, value.get_ref());
        }
    }

    fn option(&mut self, section: &str, key: &Spanned<std::borrow::Cow<'_, str>>, value: &DeValue<'_>) {
        let name = key.get_ref();
        let written = format!("{section}.{name}");
        let Some(opt) = OPTIONS.iter().find(|opt| opt.key == written) else {
            let siblings = || OPTIONS.iter().filter(|opt| opt.section() == section).map(|opt| opt.name());
            let problem = match (nearest(name, siblings()), by_name(name)) {
                (Some(sibling), _) => format!("is not an option; did you mean {sibling}?"),
                (None, Some(opt)) => format!("is not an option; did you mean {} in [{}]?", opt.name(), opt.section()),
                (None, None) => format!("is not an option; [{section}] has {}", listed(siblings())),
            };
            return self.refuse(written, &key.span(), problem);
        };
        match texts(opt.kind, value) {
            Some(texts) => {
                let source = source(self.path, self.text, &key.span());
                self.raw.values.push(RawValue { opt, texts, source });
            }
            None => {
                let problem = format!("is {}; expected {}", type_name(value), example(opt));
                self.refuse(written, &key.span(), problem);
            }
        }
    }
}

/// The option called `name`, or nearly so, in whatever section it is.
fn by_name(name: &str) -> Option<&'static Opt> {
    let near = nearest(name, OPTIONS.iter().map(|opt| opt.name()))?;
    OPTIONS.iter().find(|opt| opt.name() == near).copied()
}

/// `value` as texts, if its TOML type is that of `kind`.
fn texts(kind: Kind, value: &DeValue<'_>) -> Option<Vec<String>> {
    match (kind, value) {
        (Kind::Bool, DeValue::Boolean(value)) => Some(vec![value.to_string()]),
        (Kind::Number(..), DeValue::Integer(value)) => Some(vec![
            i64::from_str_radix(value.as_str(), value.radix()).map_or_else(|_| value.to_string(), |n| n.to_string()),
        ]),
        (Kind::Bool | Kind::Number(..), _) => None,
        (kind, DeValue::Array(entries)) if kind.is_list() => entries
            .iter()
            .map(|entry| match entry.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            })
            .collect(),
        (kind, DeValue::String(text)) if !kind.is_list() => Some(vec![text.to_string()]),
        _ => None,
    }
}

fn example(opt: &Opt) -> String {
    let what = match opt.kind {
        Kind::Bool => return String::from("true or false, without quotes"),
        Kind::Number(..) => "an integer",
        kind if kind.is_list() => "a list of strings",
        _ => "a string",
    };
    format!("{what}, for example {}", opt.example())
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list, or one of other things than strings",
        DeValue::Table(_) => "a table",
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn source(path: &str, text: &str, span: &Range<usize>) -> Source {
    let before = text.as_bytes().get(..span.start.min(text.len())).unwrap_or_default();
    Source::File { path: path.to_owned(), line: 1 + before.iter().filter(|byte| **byte == b'\n').count() }
}
