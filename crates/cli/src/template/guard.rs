//! What keeps a file from losing a service.
//!
//! An agent never empties a service by silence, but it may itself have nothing to say yet: started anew with an empty disk, it
//! knows no service. And a last deregistration may be a slip. A file that balances over nothing is worse than one that is old,
//! so that a service which had instances in the file keeps them there until it has some again, or `--allow-empty` says
//! otherwise.

use super::library::{Answer, Given};
use super::memory::Memory;
use super::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// What a guard says of what a template read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Verdict {
    /// Why the file stays as it is; empty: it need not.
    pub(super) lost: Vec<String>,
    /// Services that are not known and never were in the file.
    pub(super) unknown: Vec<String>,
}

/// Looks at what was read for a file that last had what `memory` says.
pub(super) fn look(read: &BTreeMap<Source, Answer>, memory: &Memory) -> Verdict {
    let mut verdict = Verdict::default();
    for (source, answer) in read {
        let Source::Service(selection) = source else { continue };
        let name = source.to_string();
        let had = memory.had.contains(&name);
        match answer.given {
            Some(Given::Unknown) if had => {
                verdict
                    .lost
                    .push(format!("{} had instances and is not known to the agent any more", selection.service));
            }
            Some(Given::Nothing) if had => {
                verdict.lost.push(format!("{name} had instances and has none to give to callers any more"));
            }
            Some(Given::Unknown) => verdict.unknown.push(selection.service.to_string()),
            _ => {}
        }
    }
    verdict
}

/// The services that a file has something of once this was rendered.
pub(super) fn having(read: &BTreeMap<Source, Answer>) -> BTreeSet<String> {
    let has = read.iter().filter(|(_, answer)| answer.given == Some(Given::Something));
    has.map(|(source, _)| source.to_string()).collect()
}
