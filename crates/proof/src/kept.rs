//! Reports as files: what the pages are rendered from.

use crate::report::{Effort, Experiment, Report};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// A report with what it takes to make it again.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The experiment's name.
    pub name: String,
    /// Its line in the list.
    pub about: String,
    /// Where the randomness began.
    pub seed: u64,
    /// How much was run.
    pub effort: Effort,
    /// What it cost on the machine it ran on, in seconds of processor time, rounded.
    pub cpu_seconds: f64,
    /// What came out.
    pub report: Report,
}

impl Kept {
    /// A report that was just made.
    #[must_use]
    pub fn new(one: &Experiment, seed: u64, effort: Effort, cpu_seconds: f64, report: Report) -> Self {
        let cpu_seconds = (cpu_seconds * 10.0).round() / 10.0;
        Self { name: one.name.to_owned(), about: one.about.to_owned(), seed, effort, cpu_seconds, report }
    }

    /// The command that makes it again.
    #[must_use]
    pub fn command(&self) -> String {
        let full = if self.effort == Effort::Full { " --full" } else { "" };
        format!("cargo run --release -p whither-proof -- {}{full} --seed {}", self.name, self.seed)
    }

    /// As JSON, with a line for each value.
    ///
    /// # Panics
    ///
    /// Never: a report has nothing that JSON cannot say.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists are all JSON")
    }

    /// Keeps it for the pages, in place of an earlier one.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; the earlier one may then be damaged, and running again mends it.
    pub fn write(&self) -> anyhow::Result<()> {
        let path = folder().join(format!("{}.json", self.name));
        fs::create_dir_all(folder()).with_context(|| format!("cannot make {}", folder().display()))?;
        fs::write(&path, self.to_json() + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// All that are kept, in the order of the list of experiments.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is not a report.
    pub fn all(experiments: &[Experiment]) -> anyhow::Result<Vec<Self>> {
        let mut kept = Vec::new();
        for one in experiments {
            let path = folder().join(format!("{}.json", one.name));
            if path.exists() {
                let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                let report = serde_json::from_str(&text)
                    .with_context(|| format!("{} is not a report: run it again, or delete it", path.display()))?;
                kept.push(report);
            }
        }
        Ok(kept)
    }
}

/// Where reports are kept.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// What this process has used of its processors so far, all threads together; `None` where there is no `/proc`.
#[must_use]
pub fn cpu_seconds() -> Option<f64> {
    // Fields 14 and 15 (proc(5)), counted from behind the name, which may contain anything; in hundredths of a second.
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Numbers in JSON that may be infinite: what never happened is said in a word.
pub(crate) mod maybe_never {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(f64),
        Word(Never),
    }

    #[derive(Serialize, Deserialize)]
    enum Never {
        #[serde(rename = "never")]
        Never,
    }

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        let number =
            value.map(|value| if value.is_infinite() { Number::Word(Never::Never) } else { Number::Number(value) });
        number.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let number = Option::<Number>::deserialize(deserializer)?;
        Ok(number.map(|number| match number {
            Number::Number(value) => value,
            Number::Word(Never::Never) => f64::INFINITY,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Table, Within};

    #[test]
    fn a_report_survives_being_kept() {
        let mut table = Table::new("t", &["a", "b", "c"]);
        let never = Cell::measured(f64::INFINITY);
        table.push("row", vec![Cell::judged(1.5, 1.4, Within::Share(0.1)), never, Cell::default()]);
        let one = Experiment { name: "X", about: "tried", run: |_, _| Report::default() };
        let report = Report { text: vec!["How.".into()], tables: vec![table] };
        let kept = Kept::new(&one, 7, Effort::Full, 1.0, report);
        assert_eq!(serde_json::from_str::<Kept>(&kept.to_json()).unwrap(), kept);
    }
}
