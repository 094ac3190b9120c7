//! Tables: aligned columns, for eyes at 80 columns and for `awk`.
//!
//! On a terminal a table fits the width: columns without content are left out, long cells of columns that may shrink are
//! cut, and then the least important columns go. Elsewhere every column is there, whole, and no cell is empty, so that
//! the third word of a line always is the third column. The first column is never cut: names are for copying.

use std::borrow::Cow;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a cell's colour says, where there are colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Look at this.
    Warn,
    /// This does not work.
    Bad,
    /// Less important than its neighbours.
    Faint,
}

impl Tone {
    /// `text` in this tone, if there are colours (ECMA-48 "select graphic rendition").
    pub(crate) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        };
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Where a table is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    /// Whether there are colours.
    pub(crate) colour: bool,
    /// The terminal's width in columns; `None` if it is no terminal.
    pub(crate) width: Option<usize>,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// Its title, upper case, one word.
    pub(crate) title: Cow<'static, str>,
    /// If its cells may be cut, the least width it keeps.
    pub(crate) shrink_to: Option<usize>,
    /// When it goes for lack of space: the highest first; 0 stays.
    pub(crate) expendable: u8,
    /// Its cells are for people, and keep their spaces everywhere: only as the last column, or later ones shift.
    sentence: bool,
}

impl Column {
    /// One that is always there and never cut.
    pub(crate) const fn fixed(title: &'static str) -> Self {
        Self { title: Cow::Borrowed(title), shrink_to: None, expendable: 0, sentence: false }
    }

    /// One that may shrink to `width`, and then go.
    pub(crate) const fn flexible(title: &'static str, width: usize, expendable: u8) -> Self {
        Self { title: Cow::Borrowed(title), shrink_to: Some(width), expendable, sentence: false }
    }

    /// The last one, of sentences, that may shrink to `width`, and then go.
    pub(crate) const fn sentence(title: &'static str, width: usize, expendable: u8) -> Self {
        Self { title: Cow::Borrowed(title), shrink_to: Some(width), expendable, sentence: true }
    }

    /// One whose title somebody else chose; it may shrink, and it goes if it is expendable.
    pub(crate) fn named(title: &str, expendable: u8) -> Self {
        // An empty title would be no word, and a title of two words would be two columns.
        let title = if title.is_empty() { "-".to_owned() } else { visible(title).replace(' ', "_") };
        Self { title: Cow::Owned(title), shrink_to: Some(8), expendable, sentence: false }
    }

    /// One that is never cut but may go.
    pub(crate) const fn expendable(title: &'static str, expendable: u8) -> Self {
        Self { title: Cow::Borrowed(title), shrink_to: None, expendable, sentence: false }
    }
}

/// A cell: one word, whatever was put in.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// `text` in `tone`. Control characters do not reach the terminal, whoever registered them.
    pub(crate) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: visible(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// `text` with every control character replaced.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Rows under titles.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    const GAP: usize = 2;

    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row: one cell per column.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = row.into_iter().collect();
        row.resize(self.columns.len(), Cell::from(""));
        self.rows.push(row);
    }

    /// The table as text, a line per row after the titles. What did not fit is named in a last line.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|at| self.natural_width(at)).collect();
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut hidden = Vec::new();
        if let Some(available) = style.width {
            if !self.rows.is_empty() {
                shown.retain(|at| self.rows.iter().any(|row| !row[*at].text.is_empty()));
            }
            while !self.fit(&shown, &mut widths, available) {
                let Some(goes) = shown.iter().copied().max_by_key(|at| self.columns[*at].expendable) else { break };
                if self.columns[goes].expendable == 0 {
                    break;
                }
                shown.retain(|at| *at != goes);
                hidden.push(&*self.columns[goes].title);
            }
        }
        let mut text = String::new();
        let titles: Vec<Cell> = self.columns.iter().map(|column| Cell::new(&column.title, Tone::Faint)).collect();
        for row in std::iter::once(&titles).chain(&self.rows) {
            self.line(&mut text, row, &shown, &widths, style);
        }
        if !hidden.is_empty() {
            let note = format!("(too narrow to show {}; --json has everything)", hidden.join(", "));
            let _ = writeln!(text, "{}", Tone::Faint.paint(&note, style.colour));
        }
        text
    }

    fn natural_width(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[at].text.width()).max().unwrap_or(0);
        cells.max(self.columns[at].title.width())
    }

    fn line(&self, text: &mut String, row: &[Cell], shown: &[usize], widths: &[usize], style: Style) {
        for (nth, at) in shown.iter().enumerate() {
            let cell = &row[*at];
            let content = match (style.width, cell.text.is_empty()) {
                (_, true) => String::from("-"),
                (None, false) if self.columns[*at].sentence => cell.text.clone(),
                // A space inside a cell would shift every later column for whoever counts words.
                (None, false) => cell.text.replace(' ', "_"),
                (Some(_), false) => cut(&cell.text, widths[*at]),
            };
            text.push_str(&cell.tone.paint(&content, style.colour));
            if nth + 1 < shown.len() {
                let pad = widths[*at].saturating_sub(content.width()) + Self::GAP;
                text.extend(std::iter::repeat_n(' ', pad));
            }
        }
        text.push('\n');
    }

    /// Shrinks columns, the last first, until the table fits; false if it cannot.
    fn fit(&self, shown: &[usize], widths: &mut [usize], available: usize) -> bool {
        let total = |widths: &[usize]| -> usize {
            shown.iter().map(|at| widths[*at]).sum::<usize>() + Self::GAP * shown.len().saturating_sub(1)
        };
        for at in shown.iter().rev() {
            let over = total(widths).saturating_sub(available);
            if let Some(least) = self.columns[*at].shrink_to {
                widths[*at] = widths[*at].saturating_sub(over).max(least.min(widths[*at]));
            }
        }
        total(widths) <= available
    }
}

/// At most `width` columns of `text`, ending in `…` if something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    text.chars().take_while(fits).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colour: false, width: None };

    fn table() -> Table {
        let mut table = Table::new(&[
            Column::fixed("ID"),
            Column::fixed("STATUS"),
            Column::expendable("ZONE", 1),
            Column::flexible("TAGS", 6, 2),
        ]);
        table.push(["recos-1".into(), Cell::new("passing", Tone::Good), "".into(), "blue,canary,eu".into()]);
        table.push(["recos-22".into(), Cell::new("lost", Tone::Warn), "".into(), "".into()]);
        table
    }

    fn at(width: usize) -> String {
        table().render(Style { colour: false, width: Some(width) })
    }

    #[test]
    fn elsewhere_than_on_a_terminal_every_line_has_every_column() {
        let expected = "ID        STATUS   ZONE  TAGS\n\
                        recos-1   passing  -     blue,canary,eu\n\
                        recos-22  lost     -     -\n";
        assert_eq!(table().render(PLAIN), expected);
    }

    #[test]
    fn on_a_terminal_empty_columns_go_and_long_cells_are_cut() {
        assert_eq!(at(80), "ID        STATUS   TAGS\nrecos-1   passing  blue,canary,eu\nrecos-22  lost     -\n");
        assert_eq!(at(28), "ID        STATUS   TAGS\nrecos-1   passing  blue,can…\nrecos-22  lost     -\n");
    }

    #[test]
    fn names_survive_any_width() {
        let narrow = at(20);
        let note = "(too narrow to show TAGS; --json has everything)";
        assert_eq!(narrow, format!("ID        STATUS\nrecos-1   passing\nrecos-22  lost\n{note}\n"));
        assert!(at(1).contains("recos-22"));
    }

    #[test]
    fn colours_do_not_move_columns() {
        let coloured = table().render(Style { colour: true, width: None });
        assert!(coloured.contains("\x1b[32mpassing\x1b[0m  -"));
        let bare = coloured.replace("\x1b[32m", "").replace("\x1b[33m", "").replace("\x1b[2m", "");
        assert_eq!(bare.replace("\x1b[0m", ""), table().render(PLAIN));
    }

    #[test]
    fn what_others_registered_cannot_speak_to_the_terminal() {
        let mut table = Table::new(&[Column::fixed("TAGS")]);
        table.push(["\x1b[2Jwide 漢字".into()]);
        assert_eq!(table.render(PLAIN), "TAGS\n\u{fffd}[2Jwide_漢字\n");
    }
}
