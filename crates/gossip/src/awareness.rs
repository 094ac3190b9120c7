//! How far a node may trust itself: Lifeguard's local health, and whether it hears anybody at all.

use core::time::Duration;
use whither_model::Instant;

/// What a node thinks of its own health.
#[derive(Debug, Default)]
pub(crate) struct Awareness {
    /// Lifeguard's local health multiplier, less one: 0 is well.
    score: u32,
    /// The last probes, newest in the lowest bit: 1 where nothing at all came back, not even from those asked to help.
    silent: u8,
    probes: u32,
    isolated_since: Option<Instant>,
    /// Since when no juror answers.
    unanswered_since: Option<Instant>,
}

/// Lifeguard's S: at worst, time-outs are this many times longer than usual, and once more.
const SCORE_MAX: u32 = 8;
/// Of the last eight probes, this many without any echo say that the silence is ours.
const SILENT_MAX: u32 = 5;

impl Awareness {
    /// A probe was answered.
    pub(crate) fn well(&mut self) {
        self.score = self.score.saturating_sub(1);
        // Whoever is answered is heard; that no juror answered was then, and says nothing about the next court.
        self.unanswered_since = None;
        self.note(false);
        self.isolated_since = self.isolated_since.filter(|_| self.silent.count_ones() >= SILENT_MAX);
    }

    /// A probe failed, and `missed` of those asked to help did not even say that they tried.
    pub(crate) fn probe_failed(&mut self, missed: u32, nobody_answered: bool, now: Instant) {
        self.score = (self.score + missed).min(SCORE_MAX);
        self.note(nobody_answered);
        if self.silent.count_ones() >= SILENT_MAX && self.isolated_since.is_none() {
            self.isolated_since = Some(now);
        }
    }

    /// Something shows that this node is slower than it thought: it was accused, or stood still.
    pub(crate) fn worse(&mut self) {
        self.score = (self.score + 1).min(SCORE_MAX);
    }

    /// A juror answered.
    pub(crate) fn court_answered(&mut self) {
        self.unanswered_since = None;
    }

    /// No juror answered: whether that is so new that this node must think itself unheard.
    pub(crate) fn court_is_silent(&mut self, now: Instant, patience: Duration) -> bool {
        now.since(*self.unanswered_since.get_or_insert(now)) < patience
    }

    fn note(&mut self, silent: bool) {
        self.silent = self.silent << 1 | u8::from(silent);
        self.probes += 1;
    }

    /// `usual`, stretched by how unwell this node is.
    pub(crate) fn stretch(&self, usual: Duration) -> Duration {
        usual * (self.score + 1)
    }

    pub(crate) const fn score(&self) -> u32 {
        self.score
    }

    /// Whether hardly anybody, or no juror, answers: whatever this node believes of others, it keeps to itself. Nobody would
    /// hear it now, and later it would be old.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.isolated_since.is_some() || self.unanswered_since.is_some()
    }

    /// Whether this node hears so few that it must think itself cut off, and has not thought so for long.
    pub(crate) fn is_isolated(&self, now: Instant, patience: Duration) -> bool {
        self.isolated_since.is_some_and(|since| now.since(since) < patience)
    }
}
