//! Why a file was not made.

use minijinja::{Error as Jinja, ErrorKind};
use std::fmt;

/// Why a file was not made, or a command did not work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    /// Whose fault it is.
    pub(super) kind: Kind,
    /// What it is, for people.
    pub(super) text: String,
}

/// Whose fault it is, and with that, what may mend it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The template's: somebody has to change it, or what it reads has to change.
    Template,
    /// The agent does not answer, or refuses.
    Agent,
    /// A guard keeps the file.
    Guard,
    /// The check refused the file.
    Check,
    /// The file cannot be written.
    File,
    /// The command failed.
    Command,
}

impl Kind {
    /// The word for it in JSON.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Agent => "agent",
            Self::Guard => "guard",
            Self::Check => "check",
            Self::File => "file",
            Self::Command => "command",
        }
    }
}

impl Trouble {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What is wrong with a template, with its line; `file` is what its name stands for.
    pub(super) fn of_template(error: &Jinja, source: impl Fn(&str) -> Option<String>) -> Self {
        let mut text = String::new();
        // Within includes the innermost error is the one that says what is wrong, and where.
        let mut innermost = error;
        while let Some(inner) = std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<Jinja>()) {
            innermost = inner;
        }
        let name = innermost.name().or_else(|| error.name());
        let line = innermost.line().or_else(|| error.line());
        if let Some(name) = name {
            text = line.map_or_else(|| format!("{name}: "), |line| format!("{name}:{line}: "));
        }
        text += &in_words(innermost);
        let shown = name.zip(line).and_then(|(name, line)| Some((line, source(name)?)));
        if let Some((line, source)) = shown
            && let Some(code) = source.lines().nth(line - 1)
        {
            text += &format!("\n  {line} | {}", code.trim_end());
        }
        Self::new(Kind::Template, text)
    }
}

fn in_words(error: &Jinja) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::OutOfFuel => "this does not come to an end: the template loops over too much".to_owned(),
        // What functions of ours say needs no word before it.
        ErrorKind::InvalidOperation if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trouble {}
