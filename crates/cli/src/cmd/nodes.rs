//! `whither nodes`.

use super::Session;
use super::services::counted;
use crate::agent_api::wire::{Node, Nodes};
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use crate::table::{Cell, Column, Table, Tone};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither nodes
  whither nodes --from web-2                      as another node sees it, asked through this agent
  whither nodes --agent web-2:7601                the same, if its HTTP API can be reached from here
  whither nodes | awk '$3 == \"down\" {print $1}'   names of those that are down

The star marks the node that answers. AGE is how long ago, at most, a node's word was current.")]
pub(crate) struct Args {
    #[command(flatten)]
    from: super::From,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let target = Target::new("/v1/nodes").from(args.from.name());
    let answer = session.api.ask::<Nodes>(Method::Get, &target, None)?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let nodes = answer.value.nodes;
    let count = |state: &str| nodes.iter().filter(|node| node.state == state).count();
    let others = ["suspect", "down", "left"].into_iter().filter(|state| count(state) > 0);
    let others: String = others.map(|state| format!(" · {} {state}", count(state))).collect();
    let heading = format!("{} · {} alive{others}", counted(nodes.len() as u64, "node", "nodes"), count("alive"));
    session.console.heading(&heading)?;
    session.console.table(&table(&nodes))?;
    Ok(DONE)
}

fn table(nodes: &[Node]) -> Table {
    let mut table = Table::new(&[
        Column::fixed("NAME"),
        Column::fixed("ID"),
        Column::fixed("STATE"),
        Column::fixed("ADDRESS"),
        Column::expendable("INSTANCES", 2),
        Column::expendable("AGE", 1),
        Column::flexible("ZONE", 6, 4),
        Column::flexible("REGION", 6, 5),
        Column::flexible("SOFTWARE", 6, 6),
    ]);
    for node in nodes {
        let name = if node.name.is_empty() { "?" } else { &node.name };
        let name = if node.is_self { format!("{name}*") } else { name.to_owned() };
        table.push([
            name.into(),
            (&node.id).into(),
            Cell::new(state(node), state_tone(&node.state)),
            (&node.address).into(),
            node.instances.to_string().into(),
            duration::compact(node.age_ms).into(),
            (&node.zone).into(),
            (&node.region).into(),
            (&node.software).into(),
        ]);
    }
    table
}

/// What membership believes, and what an operator or a guard made of it.
fn state(node: &Node) -> String {
    match (node.maintenance, node.held) {
        (true, _) => format!("{}/maintenance", node.state),
        (false, true) => format!("{}/held", node.state),
        (false, false) => node.state.clone(),
    }
}

/// How a member's state is coloured.
pub(super) fn state_tone(state: &str) -> Tone {
    match state {
        "alive" => Tone::Good,
        "suspect" => Tone::Warn,
        "down" => Tone::Bad,
        "left" => Tone::Faint,
        _ => Tone::Plain,
    }
}
