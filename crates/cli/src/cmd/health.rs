//! `whither health`.

use super::Session;
use crate::agent_api::wire::AgentHealth;
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use crate::table::{Tone, visible};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither health
  whither health > /dev/null || systemctl restart whither
  whither health --agent web-2:7601 --json
  whither health --agent unix:/var/lib/whither/whither.sock

Exits with 0 if the agent is ok, and with 1 if it is degraded or does not answer.")]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let answer = session.api.ask::<AgentHealth>(Method::Get, &Target::new("/v1/health"), None)?;
    let code = if answer.value.status == "ok" { DONE } else { ExitCode::from(1) };
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(code);
    }
    let text = describe(&answer.value, session.console.style.colour);
    session.console.write(&text)?;
    Ok(code)
}

fn describe(health: &AgentHealth, colour: bool) -> String {
    let tone = if health.status == "ok" { Tone::Good } else { Tone::Bad };
    let nodes = &health.nodes;
    let lines = [
        ("status", tone.paint(&visible(&health.status), colour)),
        ("node", visible(&format!("{} ({})", health.name, health.node))),
        ("boot", health.epoch.to_string()),
        ("software", visible(&health.software)),
        ("services", health.services.to_string()),
        ("instances", health.instances.to_string()),
        (
            "nodes",
            format!("{} alive, {} suspect, {} down, {} left", nodes.alive, nodes.suspect, nodes.down, nodes.left),
        ),
        (
            "age",
            format!("what the nodes present and all owners said is known to within {}", duration::words(health.age_ms)),
        ),
        (
            "cluster",
            health.cluster.as_deref().map_or_else(|| "ok".into(), |text| Tone::Bad.paint(&visible(text), colour)),
        ),
        ("disk", health.disk.as_deref().map_or_else(|| "ok".into(), |text| Tone::Bad.paint(&visible(text), colour))),
        (
            "tables",
            health.tables.as_deref().map_or_else(|| "ok".into(), |text| Tone::Bad.paint(&visible(text), colour)),
        ),
    ];
    lines.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect()
}
