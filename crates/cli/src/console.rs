//! Where a command speaks: results to standard output, everything about them to standard error.

use crate::table::{Style, Table, Tone};
use std::io::{self, IsTerminal, Write};

/// The two streams of a command, and what they can show.
pub(crate) struct Console {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    /// What standard output can show.
    pub(crate) style: Style,
    err_colour: bool,
    interactive: bool,
}

impl Console {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        let colours = colours_are_welcome();
        let terminal = io::stdout().is_terminal();
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            style: Style { colour: terminal && colours, width: terminal.then(terminal_width) },
            err_colour: io::stderr().is_terminal() && colours,
            interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// One that writes to `out` and `err` and is no terminal.
    #[cfg(test)]
    pub(crate) fn to(out: impl Write + 'static, err: impl Write + 'static) -> Self {
        let style = Style { colour: false, width: None };
        Self { out: Box::new(out), err: Box::new(err), style, err_colour: false, interactive: false }
    }

    /// Writes `text` and a line end to standard output, at once: somebody may be waiting at the other end of a pipe.
    ///
    /// # Errors
    /// The stream's; a closed pipe among them.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Writes `text` as it is.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes `table`.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        let text = table.render(self.style);
        self.write(&text)
    }

    /// Says what stands above a table: on a terminal with it, elsewhere apart from it.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        if self.style.width.is_some() { self.line(text) } else { writeln!(self.err, "{text}") }
    }

    /// Says something to whoever watches. Nobody listening is no reason to stop.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}");
    }

    /// As [`Console::note`], for what needs attention.
    pub(crate) fn warn(&mut self, text: &str) {
        let label = Tone::Warn.paint("warning:", self.err_colour);
        self.note(&format!("{label} {text}"));
    }

    /// As [`Console::note`], for why the command failed.
    pub(crate) fn error(&mut self, text: &str) {
        let label = Tone::Bad.paint("error:", self.err_colour);
        self.note(&format!("{label} {text}"));
    }

    /// Clears the terminal, if it is one, so that what follows replaces what was there.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        // ECMA-48: cursor to the first line and column, then erase what is below.
        if self.style.width.is_some() { self.write("\x1b[H\x1b[J") } else { Ok(()) }
    }

    /// Whether there is somebody to ask.
    pub(crate) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Asks, and waits for a line that begins with y; anything else is no.
    ///
    /// # Errors
    /// If the answer cannot be read.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim_start().starts_with(['y', 'Y']))
    }
}

/// Whether the user lets terminals be coloured (<https://no-color.org>: `NO_COLOR` set to anything but nothing).
fn colours_are_welcome() -> bool {
    let is = |name: &str, says: fn(&std::ffi::OsStr) -> bool| std::env::var_os(name).is_some_and(|value| says(&value));
    !is("NO_COLOR", |value| !value.is_empty()) && !is("TERM", |term| term == "dumb")
}

/// The width of the terminal, in columns; 80 if it does not say.
fn terminal_width() -> usize {
    let columns = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| size.ws_col);
    if columns == 0 { 80 } else { usize::from(columns) }
}
