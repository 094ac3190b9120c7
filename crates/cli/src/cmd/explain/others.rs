//! What other nodes say otherwise.

use super::Asked;
use super::knowledge::Knowledge;
use crate::agent_api::wire::{Instance, Node, Testimony};
use crate::agent_api::{AgentApi, ApiError};
use crate::cmd::others::{Askable, Silent, ask_each, askable};
use crate::duration;
use crate::table::visible;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Differences of one node that are shown to people.
const SHOWN_MAX: usize = 20;

/// What came of asking the other nodes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Others {
    /// How many were asked.
    pub(super) asked: usize,
    /// How many of them say the same.
    agree: usize,
    /// Who says something else, and what.
    differ: Vec<Differing>,
    /// Who gave no answer, and why.
    unanswered: Vec<Silent>,
    /// Present nodes beyond those that were asked.
    not_asked: usize,
    /// Nodes that are down, and so were not asked.
    down: usize,
    /// Whether any of those that were asked knows of it.
    #[serde(skip)]
    known: bool,
    /// What owners say of the witnesses of their instances, by instance.
    #[serde(skip)]
    testified: BTreeMap<String, Vec<Testimony>>,
}

impl Others {
    /// Whether none of those that were asked knows of it.
    pub(super) fn nobody_knows(&self) -> bool {
        !self.known
    }

    /// When the witnesses of this instance last testified, in its owner's words.
    pub(super) fn testified(&self, instance: &str) -> Option<&[Testimony]> {
        self.testified.get(instance).map(Vec::as_slice)
    }
}

/// A node that says something else.
#[derive(Debug, Serialize)]
struct Differing {
    node: String,
    name: String,
    /// How old its answer can be.
    age_ms: Option<u64>,
    /// Whether it knows of the service or the instance at all.
    known: bool,
    instances: Vec<Difference>,
}

/// An instance that is otherwise there than here; null where it is not known.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    id: String,
    here: Option<Shown>,
    there: Option<Shown>,
}

/// What two nodes are compared by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    status: String,
    /// The change that set it.
    set_by: String,
    owner_state: String,
}

impl Shown {
    fn of(instance: &Instance) -> Self {
        Self {
            status: instance.status.clone(),
            set_by: instance.explain.as_ref().map(|explain| explain.set_by.clone()).unwrap_or_default(),
            owner_state: instance.owner_state.clone(),
        }
    }
}

/// Asks the other present nodes, through the agent, and compares what they say with what is known `here`.
///
/// # Errors
/// [`ApiError`] if the agent does not say who they are. That one of them gives no answer is part of the result.
pub(super) fn ask(api: &AgentApi, asked: Asked<'_>, here: &Knowledge) -> Result<Others, ApiError> {
    let Askable { nodes: present, not_asked, down } = askable(api)?;
    let said = ask_each(&present, |node| asked.of(api, Some(&node.id)));
    let mut others = Others { asked: present.len(), not_asked, down, ..Others::default() };
    for (node, said) in present.into_iter().zip(said) {
        others.take_in(here, node, said);
    }
    Ok(others)
}

impl Others {
    fn take_in(&mut self, here: &Knowledge, Node { id: node, name, .. }: Node, said: Result<Knowledge, ApiError>) {
        let there = match said {
            Ok(there) => there,
            Err(error) => return self.unanswered.push(Silent { node, name, why: error.to_string() }),
        };
        let known = there.unknown.is_none();
        for instance in there.instances.iter().filter(|instance| instance.owner == node) {
            if let Some(witnesses) = instance.explain.as_ref().and_then(|explain| explain.witnesses.clone()) {
                self.testified.insert(instance.id.clone(), witnesses);
            }
        }
        self.known |= known;
        let instances = differences(&here.instances, &there.instances);
        if instances.is_empty() && known == here.unknown.is_none() {
            self.agree += 1;
        } else {
            self.differ.push(Differing { node, name, age_ms: there.age_ms, known, instances });
        }
    }
}

/// Every instance that is otherwise there than here, by id.
pub(super) fn differences(here: &[Instance], there: &[Instance]) -> Vec<Difference> {
    let mut by_id: BTreeMap<&str, (Option<Shown>, Option<Shown>)> = BTreeMap::new();
    for instance in here {
        by_id.entry(&instance.id).or_default().0 = Some(Shown::of(instance));
    }
    for instance in there {
        by_id.entry(&instance.id).or_default().1 = Some(Shown::of(instance));
    }
    let differing = by_id.into_iter().filter(|(_, (here, there))| here != there);
    differing.map(|(id, (here, there))| Difference { id: id.to_owned(), here, there }).collect()
}

/// The result for people: one line if all agree, else a block for each node that does not.
pub(super) fn words(others: &Others) -> String {
    let mut text = String::from("other nodes: ");
    let Others { asked, agree, differ, unanswered, not_asked, down, .. } = others;
    match (asked, differ.len() + unanswered.len()) {
        (0, _) => text.push_str("there is none to ask"),
        (1, 0) => text.push_str("the 1 node asked agrees"),
        (all, 0) => drop(write!(text, "all {all} nodes asked agree")),
        _ => {
            let parts = [
                (*agree, "agrees", "agree"),
                (differ.len(), "differs", "differ"),
                (unanswered.len(), "gave no answer", "gave no answer"),
            ];
            let parts = parts.iter().filter(|(count, ..)| *count > 0);
            let parts = parts.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }));
            let _ = write!(text, "{asked} asked: {}", parts.collect::<Vec<_>>().join(", "));
        }
    }
    for (count, why) in [(*not_asked, "more were not asked"), (*down, "down and not asked")] {
        if count > 0 {
            let _ = write!(text, "; {count} {why}");
        }
    }
    text.push('\n');
    for node in differ {
        describe(&mut text, node);
    }
    for Silent { node, name, why } in unanswered {
        // The agent's words mostly begin with the node's name.
        let name = if why.contains(node.as_str()) { String::new() } else { format!("{}: ", called(name, node)) };
        let _ = writeln!(text, "  {name}{}", visible(why));
    }
    text
}

fn describe(text: &mut String, Differing { node, name, age_ms, known, instances }: &Differing) {
    if !known {
        let _ = writeln!(text, "  {}: nothing is known of it there", called(name, node));
        return;
    }
    let _ = writeln!(text, "  {} (known there to within {}):", called(name, node), duration::words(*age_ms));
    for Difference { id, here, there } in instances.iter().take(SHOWN_MAX) {
        let line = match (here, there) {
            (Some(here), None) => format!("{id} is not there; here it is {}", state(here)),
            (None, Some(there)) => format!("{id} is only there: {}", state(there)),
            (Some(here), Some(there)) => format!("{id} is {} there, and {} here", state(there), state(here)),
            (None, None) => continue,
        };
        let _ = writeln!(text, "    {}", visible(&line));
    }
    if instances.len() > SHOWN_MAX {
        let _ = writeln!(text, "    and {} more; --json has everything", instances.len() - SHOWN_MAX);
    }
}

fn state(shown: &Shown) -> String {
    let owner = match shown.owner_state.as_str() {
        "alive" | "" => String::new(),
        state => format!(", its owner {state}"),
    };
    format!("{} (change {}{owner})", shown.status, shown.set_by)
}

fn called(name: &str, node: &str) -> String {
    visible(if name.is_empty() { node } else { name })
}
