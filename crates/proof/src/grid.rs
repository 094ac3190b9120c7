//! Tables as text, for a terminal and for a page: the same cells, the same words.

use crate::kept::Kept;
use crate::report::{Cell, Effort, Table, Within};
use std::fmt::Write as _;

/// The report for a terminal.
#[must_use]
pub fn terminal(kept: &Kept) -> String {
    let effort = if kept.effort == Effort::Full { "in full" } else { "a quick sample" };
    let mut text = format!("{}  {}\n{effort}, seed {}, {} CPU s\n", kept.name, kept.about, kept.seed, kept.cpu_seconds);
    for paragraph in &kept.report.text {
        let _ = write!(text, "\n{}\n", wrapped(paragraph));
    }
    for table in &kept.report.tables {
        let _ = write!(text, "\n{}\n", table.title);
        for line in aligned(&words(table)) {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = write!(text, "\n{}\n", verdict(kept));
    text
}

/// How many cells were judged and met, in a sentence.
#[must_use]
pub fn verdict(kept: &Kept) -> String {
    match kept.report.judged() {
        (0, _) => "Nothing here is judged.".to_owned(),
        (judged, met) if judged == met => format!("All {judged} judged cells are met."),
        (judged, met) => format!("{met} of {judged} judged cells are met."),
    }
}

/// The table as one of Markdown.
#[must_use]
pub fn markdown(table: &Table) -> String {
    let lines = words(table);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|---|{}", "---:|".repeat(line.len() - 1));
        }
    }
    text
}

/// Head and rows in words. A column in which something was published takes three: published, simulated, verdict.
fn words(table: &Table) -> Vec<Vec<String>> {
    let compared: Vec<bool> = (0..table.columns.len())
        .map(|column| table.rows.iter().any(|(_, cells)| cells.get(column).is_some_and(|cell| cell.expected.is_some())))
        .collect();
    let mut head = vec![String::new()];
    for (title, compared) in table.columns.iter().zip(&compared) {
        if *compared {
            let published = if title.is_empty() { "published".to_owned() } else { format!("{title}: published") };
            head.extend([published, "simulated".to_owned(), "met".to_owned()]);
        } else {
            head.push(title.clone());
        }
    }
    let mut lines = vec![head];
    for (name, cells) in &table.rows {
        let mut line = vec![name.clone()];
        for (cell, compared) in cells.iter().zip(&compared) {
            if *compared {
                line.extend([published(cell), simulated(cell), met(cell)]);
            } else {
                line.push(simulated(cell));
            }
        }
        lines.push(line);
    }
    lines
}

fn published(cell: &Cell) -> String {
    let Some(expected) = cell.expected else { return String::new() };
    let text = number(expected);
    match cell.within {
        Within::Anything => text,
        Within::Share(share) => format!("{text} ±{} %", number(share * 100.0)),
        Within::Amount(amount) => format!("{text} ±{}", number(amount)),
        Within::Factor(factor) => format!("{text} ×÷{}", number(factor)),
        Within::AtMost => format!("≤ {text}"),
    }
}

fn simulated(cell: &Cell) -> String {
    cell.simulated.map_or_else(|| "–".to_owned(), number)
}

fn met(cell: &Cell) -> String {
    match cell.met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    }
    .to_owned()
}

/// A number with as many digits as matter: four.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_infinite() {
        return "never".to_owned();
    }
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = match size {
        _ if size >= 1000.0 => 0,
        _ if size >= 100.0 => 1,
        _ if size >= 10.0 => 2,
        _ if size >= 1.0 => 3,
        _ if size >= 0.1 => 4,
        _ if size >= 0.01 => 5,
        _ => 6,
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Lines whose columns begin and end below each other.
fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

/// A paragraph in lines of at most 100 characters.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut used = 0;
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > 100 {
            text.push('\n');
            used = 0;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let said = |value| number(value);
        assert_eq!(
            [said(1.5820), said(0.031_494), said(1.93e-6), said(4320.4)],
            ["1.582", "0.03149", "1.93e-6", "4320"]
        );
        assert_eq!([said(0.0), said(120.0), said(f64::INFINITY), said(2e8)], ["0", "120", "never", "2.00e8"]);
    }

    #[test]
    fn a_column_with_something_published_takes_three() {
        let mut table = Table::new("t", &["a", "b"]);
        table.push("x", vec![Cell::judged(1.0, 2.0, Within::Share(0.02)), Cell::measured(3.0)]);
        let lines = words(&table);
        assert_eq!(lines[0], ["", "a: published", "simulated", "met", "b"]);
        assert_eq!(lines[1], ["x", "2 ±2 %", "1", "NO", "3"]);
        assert_eq!(aligned(&lines)[1], "x        2 ±2 %          1   NO  3");
    }
}
