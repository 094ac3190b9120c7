//! The stories that Whither was made for, played on one machine with real processes: agents and servers are children of this
//! process, and whatever happens, they end with it.

pub(crate) mod callers;
pub(crate) mod cast;
pub(crate) mod deploy;
pub(crate) mod ears;
pub(crate) mod fleet;
pub(crate) mod nameserver;
pub(crate) mod night;
pub(crate) mod reader;
pub(crate) mod registry_down;
pub(crate) mod serve;
pub(crate) mod stage;
pub(crate) mod teller;

use serde_json::{Value, json};
use teller::Teller;

/// How a story ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// What did not go well; nothing if it ended well.
    pub(crate) problems: Vec<String>,
    /// The sentence that is left.
    pub(crate) verdict: String,
    /// What was measured.
    pub(crate) facts: Value,
}

impl Ending {
    /// Whether it ended well.
    pub(crate) const fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    /// Tells it: in words, or as the one document that the story is.
    ///
    /// # Errors
    /// The stream's; a closed pipe among them.
    pub(crate) fn tell(&self, story: &str, teller: &mut Teller) -> std::io::Result<()> {
        let took = teller.elapsed();
        if let Some(told) = teller.take_told() {
            let document = json!({
                "story": story,
                "well": self.is_well(),
                "verdict": self.verdict,
                "problems": self.problems,
                "took_ms": millis(took),
                "facts": self.facts,
                "told": told,
            });
            return teller.console.line(&document.to_string());
        }
        teller.console.line("")?;
        for problem in &self.problems {
            teller.console.line(&format!("wrong: {problem}"))?;
        }
        let how = if self.is_well() { "ended well" } else { "did not end well" };
        teller.console.line(&format!("{how}: {} ({:.0} s)", self.verdict, took.as_secs_f64()))
    }
}

/// Milliseconds with their fraction: what is measured here is often below one. To the microsecond.
pub(crate) fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

/// `0.41 ms`, `12 ms`, `3.4 s`
pub(crate) fn short(time: std::time::Duration) -> String {
    match millis(time) {
        millis if millis < 10.0 => format!("{millis:.2} ms"),
        millis if millis < 1_000.0 => format!("{millis:.0} ms"),
        millis => format!("{:.1} s", millis / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_as_long_as_they_need_to_be() {
        let shown: Vec<String> = [412, 12_345, 3_400_000].map(Duration::from_micros).map(short).into();
        assert_eq!(shown, ["0.41 ms", "12 ms", "3.4 s"]);
    }

    #[test]
    fn one_problem_is_enough_to_end_badly() {
        let ending = |problems| Ending { problems, verdict: String::new(), facts: Value::Null };
        assert!(ending(vec![]).is_well());
        assert!(!ending(vec!["one request was refused".to_owned()]).is_well());
    }
}
