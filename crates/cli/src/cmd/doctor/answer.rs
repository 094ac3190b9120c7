//! What a layer answered to a name, and what to think of that beside the truth.

use super::finding::{Finding, Layer, Verdict};
use super::truth::Truth;
use crate::duration;
use std::net::IpAddr;

/// Agents let others keep an answer for no longer than this, seconds (`dns.ttl`).
const AGENT_TTL_MAX: u64 = 1;
/// Addresses that a sentence names; the rest is counted.
const NAMED_MAX: usize = 4;

/// What a layer said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Answer {
    /// The addresses it gave.
    pub(super) addresses: Vec<IpAddr>,
    /// How long it may go on saying so, seconds.
    pub(super) ttl_s: Option<u64>,
    /// How old what it says can be, milliseconds.
    pub(super) age_ms: Option<u64>,
    /// Whether it had room for all.
    pub(super) is_part: bool,
    /// Whether it says, with the authority of the services' own zone, that there is nothing.
    pub(super) denies: bool,
    /// Something else about it, a clause.
    pub(super) note: Option<String>,
}

/// A question to a layer and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Which kind of layer.
    pub(super) layer: Layer,
    /// Which one.
    pub(super) who: String,
    /// What it was asked.
    pub(super) what: String,
    /// What it said, or why it said nothing.
    pub(super) heard: Result<Answer, String>,
    /// What to do if it lies.
    pub(super) cure: String,
    /// What to do if it does not answer; if that is nothing else, empty.
    pub(super) silent: String,
    /// What to do if it knows nothing of it.
    pub(super) without: String,
}

impl Asked {
    /// What to think of it; without a truth nothing can be told.
    pub(super) fn judge(self, truth: Option<&Truth>) -> Finding {
        let found = Finding::new(self.layer, self.who.clone(), self.what.clone(), Verdict::CannotTell);
        let who = format!("{} {}", self.layer, self.who);
        let answer = match &self.heard {
            Err(why) => {
                let advice = if self.silent.is_empty() { &self.without } else { &self.silent };
                return advised(found.saying(format!("{who} gives no answer: {why}")), advice);
            }
            Ok(answer) => answer,
        };
        let mut found =
            Finding { addresses: answer.addresses.clone(), ttl_s: answer.ttl_s, age_ms: answer.age_ms, ..found };
        let note = answer.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        let Some(truth) = truth else {
            let words = if answer.addresses.is_empty() { "gives nothing".into() } else { gives(&answer.addresses) };
            return found.saying(format!("{who} {words}; there is no agent's answer to compare that with{note}"));
        };
        if answer.addresses.is_empty() && !truth.gives_nothing() {
            return self.judge_nothing(found, answer, &who, &note, truth);
        }
        found.extra = truth.extra(&answer.addresses);
        found.missing = if answer.is_part { Vec::new() } else { truth.missing(&answer.addresses) };
        if found.extra.is_empty() && found.missing.is_empty() {
            found.verdict = Verdict::Agrees;
            return found.saying(format!("{who} agrees{note}"));
        }
        found.verdict = Verdict::Differs;
        let mut says = who;
        if !found.extra.is_empty() {
            says += &format!(" gives {}", few(&found.extra, |address| truth.describe(address)));
        }
        if !found.missing.is_empty() {
            let and = if found.extra.is_empty() { "" } else { ", and" };
            says += &format!("{and} lacks {}", few(&found.missing, |address| address.to_string()));
        }
        says += &lasts(answer.ttl_s);
        advised(found.saying(format!("{says}{note}")), &self.cure)
    }

    /// An empty answer about a service that has instances.
    fn judge_nothing(&self, mut found: Finding, answer: &Answer, who: &str, note: &str, truth: &Truth) -> Finding {
        found.missing = truth.missing(&[]);
        if answer.denies {
            found.verdict = Verdict::Differs;
            let says = format!("{who} says that there is nothing{}{note}", lasts(answer.ttl_s));
            return advised(found.saying(says), &self.cure);
        }
        found.verdict = Verdict::NotThere;
        advised(found.saying(format!("{who} knows nothing of it{note}")), &self.without)
    }
}

fn advised(found: Finding, advice: &str) -> Finding {
    if advice.is_empty() { found } else { found.advising(advice) }
}

/// `gives 10.0.0.7 and 10.0.0.8`
pub(super) fn gives(addresses: &[IpAddr]) -> String {
    format!("gives {}", few(addresses, |address| address.to_string()))
}

fn few(addresses: &[IpAddr], words: impl Fn(IpAddr) -> String) -> String {
    let mut named: Vec<String> = addresses.iter().take(NAMED_MAX).map(|address| words(*address)).collect();
    let more = addresses.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    match named.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// How long a lie goes on, and whether somebody makes it last.
fn lasts(ttl_s: Option<u64>) -> String {
    match ttl_s {
        None => String::new(),
        Some(seconds) if seconds <= AGENT_TTL_MAX => format!("; TTL {seconds} s left"),
        Some(seconds) => format!(
            "; TTL {} left, though agents give {AGENT_TTL_MAX} s at most",
            duration::words(Some(seconds.saturating_mul(1000)))
        ),
    }
}
