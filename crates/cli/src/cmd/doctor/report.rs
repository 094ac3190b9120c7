//! How an examination is told: who lies first, then who cannot be judged, then everybody in a table.

use super::answer::gives;
use super::examine::Examined;
use super::finding::{Finding, Verdict};
use super::truth::Truth;
use crate::agent_api::ApiError;
use crate::console::Console;
use crate::duration;
use crate::table::{Cell, Column, Table, Tone, visible};
use serde::Serialize;
use std::io;
use whither_model::ServiceName;

/// All of it as JSON.
#[derive(Serialize)]
struct Document<'a> {
    service: String,
    /// `agrees`, `differs` or `cannot_tell`.
    verdict: Verdict,
    /// Why the agent says nothing.
    agent_problem: Option<String>,
    truth: Option<&'a Truth>,
    findings: &'a [Finding],
}

impl Examined {
    /// The verdict on all layers together.
    pub(super) fn verdict(&self) -> Verdict {
        if self.findings.iter().any(Finding::differs) {
            return Verdict::Differs;
        }
        match &self.truth {
            Ok(_) => Verdict::Agrees,
            Err(error) if error.is_not_found() => Verdict::NotThere,
            Err(_) => Verdict::CannotTell,
        }
    }

    /// As JSON.
    pub(super) fn json(&self, service: &ServiceName) -> String {
        let document = Document {
            service: service.to_string(),
            verdict: self.verdict(),
            agent_problem: self.truth.as_ref().err().map(ApiError::to_string),
            truth: self.truth.as_ref().ok(),
            findings: &self.findings,
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// In words.
    pub(super) fn print(&self, service: &ServiceName, console: &mut Console) -> io::Result<()> {
        let of = |verdict: Verdict| each_once(self.findings.iter().filter(move |one| one.verdict == verdict));
        let colour = console.style.colour;
        console.line(&self.first_line(service, of(Verdict::Differs).len(), of(Verdict::CannotTell).len()))?;
        for (verdict, mark) in [(Verdict::Differs, "LIES"), (Verdict::CannotTell, "UNSURE")] {
            for found in of(verdict) {
                console.line(&format!("\n{}  {}", tone(verdict).paint(mark, colour), visible(&found.says)))?;
                if let Some(advice) = &found.advice {
                    console.line(&format!("  do: {}", visible(advice)))?;
                }
            }
        }
        console.line("")?;
        console.table(&self.table())
    }

    fn first_line(&self, service: &ServiceName, lying: usize, unsure: usize) -> String {
        let unsure = match unsure {
            0 => String::new(),
            1 => "; 1 cannot be judged".to_owned(),
            count => format!("; {count} cannot be judged"),
        };
        let verdict = match (lying, &self.truth) {
            (0, Err(_)) => "no agent's answer to compare with".to_owned(),
            (0, Ok(_)) => "no layer lies".to_owned(),
            (1, _) => "1 layer lies".to_owned(),
            (count, _) => format!("{count} layers lie"),
        };
        format!("{service} · {verdict}{unsure}")
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            Column::fixed("LAYER"),
            Column::fixed("VERDICT"),
            Column::flexible("WHO", 14, 0),
            Column::expendable("LASTS", 2),
            Column::flexible("ASKED", 18, 3),
            Column::flexible("ANSWER", 12, 1),
        ]);
        for found in &self.findings {
            let lasts = found.ttl_s.map(|seconds| match seconds {
                0..=9 => format!("{seconds}s"),
                _ => duration::compact(Some(seconds.saturating_mul(1000))),
            });
            let answer = if found.addresses.is_empty() { String::new() } else { gives(&found.addresses) };
            table.push([
                found.layer.to_string().into(),
                Cell::new(found.verdict.to_string(), tone(found.verdict)),
                (&found.who).into(),
                lasts.unwrap_or_default().into(),
                (&found.asked).into(),
                answer.strip_prefix("gives ").unwrap_or_default().into(),
            ]);
        }
        table
    }
}

/// One of those that say the same of the same, to different spellings of a name.
fn each_once<'f>(findings: impl Iterator<Item = &'f Finding>) -> Vec<&'f Finding> {
    let mut told: Vec<&Finding> = Vec::new();
    for found in findings {
        let is_same = |one: &&Finding| {
            (one.layer, &one.who, &one.extra, &one.missing) == (found.layer, &found.who, &found.extra, &found.missing)
        };
        // Without addresses it is the sentence that tells them apart.
        if !told.iter().any(|one| is_same(one) && (!found.extra.is_empty() || one.says == found.says)) {
            told.push(found);
        }
    }
    told
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Agrees => Tone::Good,
        Verdict::Differs => Tone::Bad,
        Verdict::NotThere => Tone::Faint,
        Verdict::CannotTell => Tone::Warn,
    }
}
