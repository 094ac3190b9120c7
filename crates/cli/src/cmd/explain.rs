//! `whither explain`: why each instance of a service is as it is, and who sees it otherwise.

mod knowledge;
mod others;
#[cfg(test)]
mod tests;

pub(crate) use knowledge::Unknown;

use super::Session;
use super::resolve::{socket, status_tone};
use crate::agent_api::wire::{Explain, Instance, Testimony};
use crate::agent_api::{AgentApi, ApiError};
use crate::console::Console;
use crate::duration;
use crate::failure::DONE;
use crate::table::visible;
use knowledge::Knowledge;
use others::Others;
use std::io;
use std::process::ExitCode;
use whither_model::{InstanceId, ServiceName};

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither explain prod/recos                 every instance, and what other nodes say
  whither explain prod/recos recos-7f9c      one of them
  whither explain prod/recos --from web-2    as the node web-2 knows it
  whither explain recos --json | jq .others  who disagrees, for scripts

Of each instance: whether callers are given it and why, its owner and the owner's state, who testifies that it lives, \
            the change that set it, and how old that knowledge can be. Then up to 64 present nodes are asked the same, and \
            only their differences are shown; a change that is on its way may be one. Exits with 3 if there is no such \
            service or instance anywhere.")]
pub(crate) struct Args {
    /// The service: name, or namespace/name
    service: ServiceName,
    /// Only this instance
    instance: Option<InstanceId>,
    #[command(flatten)]
    from: super::From,
}

/// Which service, which instance of it, and whose word is wanted.
#[derive(Clone, Copy)]
struct Asked<'a> {
    service: &'a ServiceName,
    instance: Option<&'a InstanceId>,
}

impl Asked<'_> {
    /// What `node` knows; the agent itself, if none is named. Nothing, if it knows of no such thing.
    fn of(self, api: &AgentApi, node: Option<&str>) -> Result<Knowledge, ApiError> {
        knowledge::ask(api, self.service, self.instance, node)
    }

    /// What it is called.
    fn name(self) -> String {
        match self.instance {
            Some(id) => format!("{id} of {}", self.service),
            None => self.service.to_string(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let asked = Asked { service: &args.service, instance: args.instance.as_ref() };
    let node = args.from.name();
    let here = asked.of(&session.api, node)?;
    if let (Some(_), Some(unknown)) = (node, &here.unknown) {
        return Err(anyhow::Error::new(unknown.clone()));
    }
    let others = match node {
        Some(_) => None,
        None => Some(others::ask(&session.api, asked, &here)?),
    };
    if let (Some(others), Some(unknown)) = (&others, &here.unknown)
        && others.nobody_knows()
    {
        return Err(anyhow::Error::new(unknown.clone()));
    }
    if session.json {
        let document = serde_json::json!({ "answer": here.said, "others": others });
        session.console.line(&document.to_string())?;
    } else {
        print(asked, node, &here, others.as_ref(), &mut session.console)?;
    }
    Ok(DONE)
}

fn print(
    asked: Asked<'_>,
    node: Option<&str>,
    here: &Knowledge,
    others: Option<&Others>,
    console: &mut Console,
) -> io::Result<()> {
    let whose = node.map(|node| format!(" · as {} knows it", visible(node))).unwrap_or_default();
    match &here.unknown {
        Some(_) => console.warn(&format!("{} is not known to this agent", visible(&asked.name()))),
        None => {
            let age = duration::words(here.age_ms);
            console.heading(&format!("{} · known to within {age}{whose}", visible(&asked.name())))?;
        }
    }
    if here.unknown.is_none() && here.instances.is_empty() {
        console.line("no instances")?;
    }
    for instance in &here.instances {
        let colour = console.style.colour;
        let testified = others.and_then(|others| others.testified(&instance.id));
        console.line(&told(instance, testified, colour))?;
    }
    match others {
        Some(others) => console.write(&others::words(others)),
        None => Ok(()),
    }
}

/// One instance: a line of what it is, then what is known of it, a line each.
fn told(instance: &Instance, testified: Option<&[Testimony]>, colour: bool) -> String {
    let status = status_tone(&instance.status).paint(&visible(&instance.status), colour);
    let mut text = format!("{}  {status}  {}\n", visible(&instance.id), visible(&socket(instance)));
    let Some(explain) = &instance.explain else {
        text.push_str("    the agent does not say why\n");
        return text;
    };
    let testified = explain.witnesses.as_deref().or(testified);
    for (what, said) in facts(instance, explain, testified) {
        text.push_str(&format!("    {what:<8} {}\n", visible(&said)));
    }
    text
}

fn facts(instance: &Instance, explain: &Explain, testified: Option<&[Testimony]>) -> [(&'static str, String); 6] {
    let owner = match instance.node.as_str() {
        "" => instance.owner.clone(),
        name => format!("{name} ({})", instance.owner),
    };
    let witness = match (explain.witness.as_str(), instance.ttl_ms) {
        ("registrant", _) => "whoever registered it; it counts until told otherwise".to_owned(),
        (witness, Some(ttl)) if witness.contains("lease") => {
            format!("its {witness}, good for {} without renewal", duration::words(Some(ttl)))
        }
        (witness, _) => format!("its {witness}"),
    };
    [
        ("given", format!("{}: {}", if explain.chosen { "yes" } else { "no" }, explain.why)),
        ("owner", format!("{owner}, {}", instance.owner_state)),
        ("witness", witnesses(witness, testified)),
        ("set by", format!("change {}, at {}{}", explain.set_by, instance.changed_at, came(&explain.came))),
        ("claimed", format!("at {}", explain.claimed_at)),
        ("known", format!("to within {}", duration::words(explain.age_ms))),
    ]
}

/// Who testifies, and when each last did, if its owner was heard.
fn witnesses(witness: String, testified: Option<&[Testimony]>) -> String {
    let said: Vec<String> = testified.unwrap_or_default().iter().filter_map(testimony).collect();
    if said.is_empty() { witness } else { format!("{witness}: {}", said.join(", ")) }
}

fn testimony(testimony: &Testimony) -> Option<String> {
    let Testimony { witness, renewed_ms, left_ms, held, health } = testimony;
    match (renewed_ms, held, health) {
        (Some(renewed), _, _) if *left_ms == Some(0) => {
            Some(format!("{witness} ran out, last renewed {} ago", duration::words(Some(*renewed))))
        }
        (Some(renewed), _, _) => Some(format!("{witness} renewed {} ago", duration::words(Some(*renewed)))),
        (_, Some(true), _) => Some(format!("{witness} held at this moment")),
        (_, Some(false), _) => Some(format!("{witness} not held")),
        (_, _, Some(health)) => Some(format!("{witness} say {health}")),
        _ => None,
    }
}

fn came(came: &str) -> &'static str {
    match came {
        "own" => ", said here",
        "broadcast" => ", came by broadcast",
        "repair" => ", came by repair: the broadcast had not brought it",
        "disk" => ", from disk: nothing newer has been heard since this agent started",
        _ => "",
    }
}
