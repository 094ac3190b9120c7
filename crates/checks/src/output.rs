//! What the latest run of a check brought to light, kept where it ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use whither_model::{Health, WallTime};

/// Longest text of an output.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// What is kept of a text when all outputs together have become too long.
const SHORT_BYTES: usize = 256;

/// The latest run of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// What a person should know: first what was found, then what the instance said. Without control characters but line
    /// feeds and tabs, [`OUTPUT_BYTES_MAX`] at most.
    pub text: Box<str>,
    /// When it ended.
    pub at: WallTime,
    /// How long it took.
    pub took: Duration,
    /// What this run found; `None`: this host could not check, and the instance is not to blame.
    pub status: Option<Health>,
    /// The verdict after it.
    pub health: Health,
}

/// Where a check stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Its name.
    pub check: Arc<str>,
    /// http, https, tcp, grpc or exec.
    pub kind: &'static str,
    /// Its verdict.
    pub health: Health,
    /// Its latest run; `None`: there was none yet.
    pub latest: Option<Output>,
}

/// Makes text from elsewhere fit to be kept and shown: control characters, which could speak to a terminal, are replaced,
/// and what is too long is cut.
pub(crate) fn presentable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(OUTPUT_BYTES_MAX));
    for c in text.chars().filter(|c| *c != '\r') {
        let c = if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c };
        if kept.len() + c.len_utf8() > OUTPUT_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Bytes of text that all outputs may have together.
#[derive(Debug)]
pub(crate) struct Room {
    taken: AtomicUsize,
    max: usize,
}

impl Room {
    pub(crate) const fn new(max: usize) -> Self {
        Self { taken: AtomicUsize::new(0), max }
    }

    /// Takes room for `text` and gives back that of `before`. When little is left, only the beginning is kept: it says
    /// what was found.
    pub(crate) fn exchange(&self, before: usize, mut text: String) -> Box<str> {
        let others = self.taken.load(Ordering::Relaxed).saturating_sub(before);
        if others + text.len() > self.max {
            text.truncate(text.floor_char_boundary(SHORT_BYTES));
        }
        self.taken.fetch_add(text.len(), Ordering::Relaxed);
        self.give_back(before);
        text.into_boxed_str()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_speak_to_a_terminal_is_replaced() {
        assert_eq!(presentable("a\u{1b}[31m\r\n\tb\0"), "a\u{fffd}[31m\n\tb\u{fffd}");
        assert_eq!(presentable(&"x".repeat(5_000)).len(), OUTPUT_BYTES_MAX);
        assert!(presentable(&"ä".repeat(5_000)).len() <= OUTPUT_BYTES_MAX);
    }

    #[test]
    fn texts_become_short_when_there_are_many() {
        let room = Room::new(10_000);
        let long = "x".repeat(4_000);
        let kept: Vec<usize> = (0..4).map(|_| room.exchange(0, long.clone()).len()).collect();
        assert_eq!(kept, [4_000, 4_000, SHORT_BYTES, SHORT_BYTES]);
        assert_eq!(room.taken(), 8_000 + 2 * SHORT_BYTES);
        assert_eq!(room.exchange(4_000, long.clone()).len(), 4_000, "what is replaced makes room");
        room.give_back(4_000);
        assert_eq!(room.exchange(SHORT_BYTES, long).len(), 4_000);
    }
}
