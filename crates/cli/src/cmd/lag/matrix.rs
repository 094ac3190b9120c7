//! Who heard whom, and how long that took.

use crate::agent_api::wire::{Lag, Lags};
use crate::table::{Cell, Column, Style, Table, Tone, visible};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Pairs that are listed where the matrix does not fit.
const SLOWEST: usize = 20;
/// Nodes up to which a matrix is drawn where no width is known.
const WIDE: usize = 160;
/// Between columns.
const GAP: usize = 2;

/// A node that heard, the node that spoke, and what was measured.
struct Pair<'a> {
    heard: &'a str,
    spoke: &'a str,
    lag: &'a Lag,
}

impl Pair<'_> {
    /// The two, and both figures, once something was measured.
    fn measured(&self) -> Option<(u64, u64)> {
        Some((self.lag.p50_us?, self.lag.p99_us?))
    }
}

/// All pairs that are known of.
pub(super) struct Matrix<'a> {
    /// Names, or ids where there is none, of all who heard or spoke, by id.
    nodes: BTreeMap<&'a str, &'a str>,
    rows: Vec<&'a str>,
    pairs: Vec<Pair<'a>>,
}

impl<'a> Matrix<'a> {
    pub(super) fn of(all: &'a [Lags]) -> Self {
        let mut matrix = Self { nodes: BTreeMap::new(), rows: Vec::new(), pairs: Vec::new() };
        for Lags { node, name, of } in all {
            matrix.nodes.insert(node, if name.is_empty() { node } else { name });
            matrix.rows.push(node);
            for lag in of {
                matrix.nodes.insert(&lag.node, if lag.name.is_empty() { &lag.node } else { &lag.name });
                matrix.pairs.push(Pair { heard: node, spoke: &lag.node, lag });
            }
        }
        matrix.rows.sort_unstable_by_key(|node| matrix.nodes.get(node));
        matrix
    }

    fn name(&self, node: &str) -> String {
        visible(self.nodes.get(node).copied().unwrap_or(node))
    }

    /// The median of the medians, the 99th percentile of the 99th percentiles, and how many pairs that are.
    fn figures(&self) -> Option<(u64, u64, usize)> {
        let (mut p50, mut p99): (Vec<u64>, Vec<u64>) = self.pairs.iter().filter_map(Pair::measured).unzip();
        p50.sort_unstable();
        p99.sort_unstable();
        let at =
            |sorted: &[u64], percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some((at(&p50, 50)?, at(&p99, 99)?, p50.len()))
    }

    fn by_p99(&self) -> Vec<&Pair<'a>> {
        let mut pairs: Vec<&Pair<'_>> = self.pairs.iter().filter(|pair| pair.measured().is_some()).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.lag.p99_us));
        pairs
    }

    pub(super) fn headline(&self) -> String {
        let (Some((p50, p99, pairs)), Some(worst)) = (self.figures(), self.by_p99().first().copied()) else {
            return "nothing was measured yet; the first canaries come within a minute for each node".into();
        };
        let counted = if pairs == 1 { "1 pair".into() } else { format!("{pairs} pairs") };
        let (spoke, heard) = (self.name(worst.spoke), self.name(worst.heard));
        let slowest = figure(worst.lag.p99_us, " ");
        let (p50, p99) = (figure(Some(p50), " "), figure(Some(p99), " "));
        format!("propagation p50 {p50}, p99 {p99} over {counted}; worst {spoke} -> {heard} {slowest}")
    }

    pub(super) fn summary(&self) -> Value {
        let worst = self.by_p99().first().map(|pair| {
            let (p50, p99) = (pair.lag.p50_us, pair.lag.p99_us);
            json!({ "spoke": pair.spoke, "heard": pair.heard, "p50_us": p50, "p99_us": p99 })
        });
        let (p50, p99, pairs) = self.figures().map_or((None, None, 0), |(p50, p99, n)| (Some(p50), Some(p99), n));
        json!({ "p50_us": p50, "p99_us": p99, "pairs": pairs, "worst": worst })
    }

    /// The matrix, if it fits: a row for each node that heard, a column for each that spoke.
    pub(super) fn text(&self, p99: bool, width: Option<usize>) -> Option<String> {
        let mut columns: Vec<&str> = self.nodes.keys().copied().collect();
        columns.sort_unstable_by_key(|node| self.nodes.get(node));
        let known: BTreeMap<(&str, &str), &Lag> =
            self.pairs.iter().map(|pair| ((pair.heard, pair.spoke), pair.lag)).collect();
        let cell = |heard: &str, spoke: &str| match known.get(&(heard, spoke)) {
            Some(lag) => figure(if p99 { lag.p99_us } else { lag.p50_us }, ""),
            None => "-".into(),
        };
        let title = if width.is_some() { "HEARD \\ SAID" } else { "HEARD" };
        let head = std::iter::once(title.to_owned()).chain(columns.iter().map(|node| self.name(node))).collect();
        let row = |heard: &&str| {
            std::iter::once(self.name(heard)).chain(columns.iter().map(|spoke| cell(heard, spoke))).collect()
        };
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(self.rows.iter().map(row)).collect();
        let widths: Vec<usize> =
            (0..=columns.len()).map(|at| lines.iter().map(|line| line[at].width()).max().unwrap_or(0)).collect();
        if widths.iter().sum::<usize>() + GAP * columns.len() > width.unwrap_or(WIDE) {
            return None;
        }
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| {
                let pad = width - cell.width();
                format!("{cell}{}", " ".repeat(pad + GAP))
            });
            let _ = writeln!(text, "{}", cells.collect::<String>().trim_end());
        }
        Some(text)
    }

    /// The slowest pairs, a line each.
    pub(super) fn slowest(&self, style: Style) -> String {
        let columns = ["SAID", "HEARD", "P50", "P99", "LAST", "COUNT", "REPAIRED"].map(Column::fixed);
        let mut table = Table::new(&columns);
        let pairs = self.by_p99();
        for Pair { heard, spoke, lag } in pairs.iter().take(SLOWEST).copied() {
            let counts = [lag.count, lag.by_repair].map(|count| Cell::new(count.to_string(), Tone::Plain));
            let figures = [lag.p50_us, lag.p99_us, lag.last_us].map(|us| Cell::new(figure(us, ""), Tone::Plain));
            let names = [spoke, heard].map(|node| Cell::new(self.name(node), Tone::Plain));
            table.push(names.into_iter().chain(figures).chain(counts));
        }
        let mut text = table.render(style);
        if pairs.len() > SLOWEST {
            let _ = writeln!(text, "and {} pairs that are quicker; --json has everything", pairs.len() - SLOWEST);
        }
        text
    }
}

/// So many microseconds, with two digits that say something: `0.24ms`, `1.2ms`, `12ms`, `1.2s`.
fn figure(micros: Option<u64>, gap: &str) -> String {
    let Some(micros) = micros else { return "-".into() };
    // Tenths and hundredths are cut from integers: nothing is rounded up to the next digit.
    match micros {
        0..1_000 => format!("0.{:02}{gap}ms", micros / 10),
        1_000..10_000 => format!("{}.{}{gap}ms", micros / 1_000, micros / 100 % 10),
        10_000..1_000_000 => format!("{}{gap}ms", micros / 1_000),
        _ => format!("{}.{}{gap}s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_are_short() {
        let short = |micros| figure(Some(micros), "");
        assert_eq!([0, 7, 243, 999].map(short), ["0.00ms", "0.00ms", "0.24ms", "0.99ms"]);
        assert_eq!([1_000, 1_290, 12_345, 999_999].map(short), ["1.0ms", "1.2ms", "12ms", "999ms"]);
        assert_eq!((short(61_250_000), figure(None, "")), ("61.2s".into(), "-".into()));
    }
}
