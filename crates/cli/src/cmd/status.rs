//! `whither status`.

use super::Session;
use crate::agent_api::wire::{AgentStatus, Guard};
use crate::agent_api::{Method, Target};
use crate::duration;
use crate::failure::DONE;
use crate::table::{Cell, Column, Style, Table, Tone, visible};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither status
  whither status --json --agent web-2:7601

A guard keeps something in answers that would otherwise be gone from them, because too much would go at once or \
because only silence speaks against it. Such answers say \"protected\".")]
pub(crate) struct Args {
    #[command(flatten)]
    from: super::From,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let answer =
        session.api.ask::<AgentStatus>(Method::Get, &Target::new("/v1/status").from(args.from.name()), None)?;
    if session.json {
        session.console.line(answer.body.trim_end())?;
        return Ok(DONE);
    }
    let text = describe(&answer.value, session.console.style);
    session.console.write(&text)?;
    Ok(DONE)
}

fn describe(status: &AgentStatus, style: Style) -> String {
    let colour = style.colour;
    let bad = |text: &str| Tone::Bad.paint(&visible(text), colour);
    let mut lines = vec![
        ("node", visible(&format!("{} ({})", status.name, status.node))),
        (
            "age",
            match status.cluster {
                Some(_) => "apart from its cluster, so nothing can be said".into(),
                None => format!("everything is known to within {}", duration::words(status.age_ms)),
            },
        ),
        ("cluster", status.cluster.as_deref().map_or_else(|| "ok".into(), bad)),
        ("disk", status.disk.as_deref().map_or_else(|| "ok".into(), bad)),
        ("tables", status.tables.as_deref().map_or_else(|| "ok".into(), bad)),
    ];
    if status.maintenance {
        lines.push(("this host", bad("in maintenance: nothing new is sent to the instances of this node")));
    }
    let counts: Vec<String> = status
        .instances
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{count} {}", visible(name)))
        .collect();
    lines.push(("instances", if counts.is_empty() { "none".into() } else { counts.join(", ") }));
    let protected = match status.protected {
        0 => "no service".into(),
        count => {
            let more = if count > status.services.len() as u64 { ", ..." } else { "" };
            Tone::Warn.paint(&format!("{count}: {}{more}", visible(&status.services.join(", "))), colour)
        }
    };
    lines.push(("protected", protected));
    let head: String = lines.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
    format!("{head}\n{}", table(&status.guards).render(style))
}

fn table(guards: &[Guard]) -> Table {
    let columns =
        [Column::fixed("GUARD"), Column::fixed("NOW"), Column::fixed("ACTED"), Column::sentence("WHAT", 40, 1)];
    let mut table = Table::new(&columns);
    for guard in guards {
        let tone = if guard.active { Tone::Warn } else { Tone::Plain };
        let now = if guard.active { format!("{} {}", guard.now, guard.of) } else { "-".into() };
        table.push([
            Cell::new(&guard.guard, tone),
            Cell::new(now, tone),
            Cell::new(guard.acted.to_string(), Tone::Plain),
            Cell::new(&guard.does, Tone::Plain),
        ]);
    }
    table
}
