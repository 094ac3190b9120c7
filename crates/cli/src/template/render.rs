//! A template, and what it is rendered to.

use super::error::{Kind, Trouble};
use super::functions;
use super::library::{Answer, Library, Unread};
use super::source::Source;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, path_loader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Steps that one rendering may take: about a second. A template that loops without end is stopped.
const FUEL: u64 = 50_000_000;
/// The longest file that is made.
const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A template that has been read and understood.
#[derive(Debug)]
pub(super) struct Template {
    environment: Environment<'static>,
    name: String,
    library: Arc<Library>,
}

/// What came of a rendering.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What it read, complete only if it came to its end.
    pub(super) read: BTreeMap<Source, Answer>,
    /// The text, or why there is none.
    pub(super) text: Result<String, Trouble>,
}

impl Template {
    /// Reads a template, and those it includes from its directory.
    ///
    /// # Errors
    /// The file cannot be read, or is no template.
    pub(super) fn load(path: &Path, library: &Arc<Library>) -> Result<Self, Trouble> {
        let unreadable = |error: std::io::Error| Trouble::new(Kind::Template, format!("{}: {error}", path.display()));
        let source = std::fs::read_to_string(path).map_err(unreadable)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Files are no web pages: what is to be escaped is written `| tojson` or `| csv`.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_syntax(whole_lines());
        let beside =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(PathBuf::from("."), PathBuf::from);
        environment.set_loader(path_loader(beside));
        // They are read anew when we are told to, so that all templates are as they were at one time.
        environment.set_auto_reload(false);
        functions::add(&mut environment, library);
        let added = environment.add_template_owned(name.clone(), source.clone());
        added.map_err(|error| Trouble::of_template(&error, |_| Some(source.clone())))?;
        Ok(Self { environment, name, library: Arc::clone(library) })
    }

    /// Renders it.
    pub(super) fn render(&self) -> Rendered {
        self.library.begin();
        let text = self.environment.get_template(&self.name).and_then(|template| template.render(()));
        let (read, unread) = self.library.end();
        let text = match (text, unread) {
            (Ok(text), _) if text.len() > OUTPUT_BYTES_MAX => {
                let most = OUTPUT_BYTES_MAX >> 20;
                Err(Trouble::new(Kind::Template, format!("{}: it makes a file of more than {most} MiB", self.name)))
            }
            (Ok(text), _) => Ok(text),
            // Not the template's fault, and the same for all that it reads.
            (Err(_), Some(Unread::Agent(why))) => Err(Trouble::new(Kind::Agent, why)),
            (Err(error), unread) => {
                let trouble = Trouble::of_template(&error, |name| self.source(name));
                let kind = if unread.is_some() { Kind::Agent } else { trouble.kind };
                Err(Trouble { kind, ..trouble })
            }
        };
        Rendered { read, text }
    }

    fn source(&self, name: &str) -> Option<String> {
        Some(self.environment.get_template(name).ok()?.source().to_owned())
    }
}

/// Lines that hold nothing but `{% … %}` leave nothing behind, and a file keeps its last line end.
fn whole_lines() -> SyntaxConfig {
    SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        // Only delimiters can be wrong, and none is set.
        .unwrap_or_default()
}
