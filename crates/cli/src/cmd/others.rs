//! Asking many nodes the same, through one agent.

use crate::agent_api::wire::{Node, Nodes};
use crate::agent_api::{AgentApi, ApiError, Method, Target};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Nodes that are asked, at most.
const NODES_MAX: usize = 64;
/// Nodes that are asked at once.
const AT_ONCE: usize = 8;

/// Whom there is to ask.
pub(super) struct Askable {
    /// The present nodes, without the agent's own, as far as [`NODES_MAX`] goes.
    pub(super) nodes: Vec<Node>,
    /// Present nodes beyond those.
    pub(super) not_asked: usize,
    /// Nodes that are down.
    pub(super) down: usize,
}

/// A node that gave no answer.
#[derive(Debug, Serialize)]
pub(super) struct Silent {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) why: String,
}

/// The other nodes that can be asked.
///
/// # Errors
/// As [`AgentApi::ask`].
pub(super) fn askable(api: &AgentApi) -> Result<Askable, ApiError> {
    let nodes = api.ask::<Nodes>(Method::Get, &Target::new("/v1/nodes"), None)?.value.nodes;
    let down = nodes.iter().filter(|node| node.state == "down").count();
    let is_present = |node: &Node| matches!(node.state.as_str(), "alive" | "suspect");
    let mut nodes: Vec<Node> = nodes.into_iter().filter(|node| !node.is_self && is_present(node)).collect();
    let not_asked = nodes.len().saturating_sub(NODES_MAX);
    nodes.truncate(NODES_MAX);
    Ok(Askable { nodes, not_asked, down })
}

/// What each node says, in the order of `nodes`; [`AT_ONCE`] of them are asked at a time.
pub(super) fn ask_each<T: Send>(nodes: &[Node], ask: impl Fn(&Node) -> T + Sync) -> Vec<T> {
    let (queue, said) = (Mutex::new(nodes.iter().enumerate()), Mutex::new(BTreeMap::new()));
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(nodes.len()) {
            scope.spawn(|| {
                while let Some((at, node)) = next() {
                    let answer = ask(node);
                    said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(at, answer);
                }
            });
        }
    });
    said.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_values().collect()
}
