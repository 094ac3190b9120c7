//! What leaves: that a verdict changed.

use crate::Key;
use std::sync::Arc;
use whither_model::Health;

/// Names one setting of one check, never used again in this process. A check that is set anew gets another one, unless
/// nothing about it changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CheckId(pub(crate) u64);

/// A check's verdict changed.
///
/// Some may be underway while a check is being replaced: believe only those whose [`CheckId`] is among the latest
/// [`Standing`]s of their key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whose check it is.
    pub key: Key,
    /// The name of the check.
    pub check: Arc<str>,
    /// Which setting of it.
    pub id: CheckId,
    /// What holds now.
    pub health: Health,
    /// What was told before; the initial health, if nothing was.
    pub changed_from: Health,
}

/// Where a check stands when it has been set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The name of the check.
    pub check: Arc<str>,
    /// Which setting of it; verdicts with another one are of the past.
    pub id: CheckId,
    /// What holds now: the initial health, or what was found if the same check was already running.
    pub health: Health,
}
