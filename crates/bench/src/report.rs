//! What was measured, as a table for people and as JSON lines for programs.

use serde::Serialize;

/// Which way is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// One number, with the limit it was measured against.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Measure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    /// `value / limit`.
    ratio: Option<f64>,
    /// What was measured of a peer on such a machine, at another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<f64>,
    /// How many observations the value rests on.
    n: u64,
    #[serde(skip)]
    better: Better,
}

impl Measure {
    /// A value of which more is better.
    pub(crate) fn higher(name: impl Into<String>, value: f64, unit: &'static str, n: u64) -> Self {
        Self { name: name.into(), value, unit, limit: None, ratio: None, peer: None, n, better: Better::Higher }
    }

    /// A value of which less is better.
    pub(crate) fn lower(name: impl Into<String>, value: f64, unit: &'static str, n: u64) -> Self {
        Self { better: Better::Lower, ..Self::higher(name, value, unit, n) }
    }

    /// The same beside what the machine could do, in the same unit.
    #[must_use]
    pub(crate) fn against(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self.ratio = Some(self.value / limit).filter(|ratio| ratio.is_finite());
        self
    }

    /// The same beside what was measured of a peer, in the same unit.
    #[must_use]
    pub(crate) fn beside(mut self, peer: f64) -> Self {
        self.peer = Some(peer);
        self
    }
}

/// What a benchmark found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<Measure>,
}

impl Report {
    /// Takes in a number.
    pub(crate) fn add(&mut self, measure: Measure) {
        self.measures.push(measure);
    }

    /// One object per line.
    pub(crate) fn json(&self) -> String {
        let line = |measure| serde_json::to_string(measure).unwrap_or_default() + "\n";
        self.measures.iter().map(line).collect()
    }

    /// A heading and a table, with a column for a peer if there are figures of one.
    pub(crate) fn table(&self, name: &str, about: &str) -> String {
        const HEAD: [&str; 8] = ["measure", "value", "unit", "limit", "ratio", "better", "n", "peer"];
        let columns = HEAD.len() - usize::from(self.measures.iter().all(|measure| measure.peer.is_none()));
        let rows: Vec<[String; 8]> = self.measures.iter().map(row).collect();
        let mut widths = HEAD.map(str::len);
        for row in &rows {
            (0..columns).for_each(|at| widths[at] = widths[at].max(row[at].chars().count()));
        }
        let mut out = format!("{name}: {about}\n");
        for row in std::iter::once(&HEAD.map(str::to_owned)).chain(&rows) {
            let cell = |at: usize| match at {
                0 | 2 | 5 => format!("{:<width$}", row[at], width = widths[at]),
                _ => format!("{:>width$}", row[at], width = widths[at]),
            };
            let line: Vec<String> = (0..columns).map(cell).collect();
            out.push_str(&format!("  {}\n", line.join("  ").trim_end()));
        }
        out
    }
}

fn row(measure: &Measure) -> [String; 8] {
    let optional = |value: Option<f64>| value.map_or_else(String::new, figure);
    let better = match measure.better {
        Better::Higher => "higher",
        Better::Lower => "lower",
    };
    [
        measure.name.clone(),
        figure(measure.value),
        measure.unit.to_owned(),
        optional(measure.limit),
        optional(measure.ratio),
        better.to_owned(),
        measure.n.to_string(),
        optional(measure.peer),
    ]
}

/// Three or four significant digits, thousands apart.
fn figure(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) && !out.ends_with('-') {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Measure, Report, figure};

    #[test]
    fn figures_have_a_few_significant_digits() {
        let shown = [0.0, 0.0123, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0, -123_456.0].map(figure);
        assert_eq!(shown, ["0", "0.012", "1.23", "12.3", "123", "1 234", "1 234 567", "-123 456"]);
        assert_eq!(figure(f64::NAN), "NaN");
    }

    #[test]
    fn a_measure_is_one_json_object_with_its_ratio() {
        let mut report = Report::default();
        report.add(Measure::higher("requests", 80.0, "1/s", 9).against(160.0));
        report.add(Measure::lower("round trip", 12.5, "us", 3));
        report.add(Measure::lower("broken", 1.0, "us", 1).against(0.0));
        let expected = "\
{\"name\":\"requests\",\"value\":80.0,\"unit\":\"1/s\",\"limit\":160.0,\"ratio\":0.5,\"n\":9}
{\"name\":\"round trip\",\"value\":12.5,\"unit\":\"us\",\"limit\":null,\"ratio\":null,\"n\":3}
{\"name\":\"broken\",\"value\":1.0,\"unit\":\"us\",\"limit\":0.0,\"ratio\":null,\"n\":1}
";
        assert_eq!(report.json(), expected);
    }

    #[test]
    fn the_table_lines_up() {
        let mut report = Report::default();
        report.add(Measure::higher("requests", 80_000.0, "1/s", 9).against(160_000.0));
        report.add(Measure::lower("p50", 12.5, "us", 300));
        let expected = "\
x: y
  measure    value  unit    limit  ratio  better    n
  requests  80 000  1/s   160 000  0.500  higher    9
  p50         12.5  us                    lower   300
";
        assert_eq!(report.table("x", "y"), expected);
        report.add(Measure::lower("p99", 15.0, "us", 300).beside(619.0));
        let expected = "\
x: y
  measure    value  unit    limit  ratio  better    n  peer
  requests  80 000  1/s   160 000  0.500  higher    9
  p50         12.5  us                    lower   300
  p99         15.0  us                    lower   300   619
";
        assert_eq!(report.table("x", "y"), expected);
    }
}
