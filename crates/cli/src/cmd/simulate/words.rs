//! What a terminal shows.

use super::facts::{Section, Value, sections, subtitle, title};
use super::figures::NARROW;
use super::{Findings, advice};
use crate::table::{Style, Tone};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Where there is no terminal, and the widest that is pleasant to read.
const WIDTH: usize = 100;

/// Everything, in words.
pub(super) fn render(findings: &Findings, style: Style) -> String {
    let faint = |text: &str| Tone::Faint.paint(text, style.colour);
    let mut text = format!("{}\n{}\n\n", title(&findings.settings), faint(&subtitle(findings)));
    for section in &sections(findings) {
        describe(&mut text, section, style);
    }
    text.push_str("What that means\n");
    let width = style.width.unwrap_or(WIDTH).clamp(40, WIDTH);
    for sentence in advice::sentences(findings) {
        text.push_str(&wrapped(&sentence, width));
    }
    let _ = write!(text, "\n{}\n  {}\n", faint("The same again:"), findings.command);
    // Some terminals show a narrow space as something else; a no-break space is one everywhere.
    text.replace(NARROW, "\u{a0}")
}

fn describe(text: &mut String, section: &Section, style: Style) {
    let tone = if section.is_bad { Tone::Warn } else { Tone::Plain };
    let _ =
        writeln!(text, "{}", format!("{:<14}{}", section.title, tone.paint(&section.about, style.colour)).trim_end());
    for fact in &section.rows {
        let label = Tone::Faint.paint(&format!("{:<26}", fact.label), style.colour);
        let value = match &fact.value {
            Value::Text(value) => value.clone(),
            Value::Spread([p50, p99, max]) => format!("p50 {}  p99 {}  max {max}", padded(p50), padded(p99)),
        };
        let _ = writeln!(text, "  {label}{value}");
    }
    text.push('\n');
}

fn padded(text: &str) -> String {
    format!("{text}{}", " ".repeat(8_usize.saturating_sub(text.width())))
}

/// A sentence as an item of a list, broken at spaces.
fn wrapped(sentence: &str, width: usize) -> String {
    let mut text = String::new();
    let mut line = String::from("  ·");
    for word in sentence.split(' ') {
        if line.width() + 1 + word.width() > width {
            let _ = writeln!(text, "{line}");
            line = String::from("   ");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_at_spaces_and_lines_after_the_first_are_indented() {
        assert_eq!(wrapped("one two three four", 14), "  · one two\n    three four\n");
        assert_eq!(wrapped("unbreakable", 5), "  ·\n    unbreakable\n");
    }
}
