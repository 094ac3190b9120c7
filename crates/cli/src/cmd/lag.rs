//! `whither lag`: how long what one node says takes to each other one, measured by those who heard it.

mod matrix;
#[cfg(test)]
mod tests;

use super::Session;
use super::others::{Silent, ask_each, askable};
use crate::agent_api::wire::Lags;
use crate::agent_api::{AgentApi, ApiError, Method, Target};
use crate::failure::DONE;
use crate::table::visible;
use matrix::Matrix;
use serde_json::{Value, json};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither lag                            who heard (rows), whose changes (columns), the median
  whither lag --p99                      99 of 100 took at most this long
  whither lag --json | jq .propagation   for scripts

Every node measures all the time how long what others say takes until it is there: each change, and a canary of each \
            node that has been silent. Up to 64 present nodes are asked for what they measured. If they do not fit the \
            width, the 20 slowest pairs are listed. The first line has the median of the pairs' medians, the 99th \
            percentile of their 99th percentiles, and the slowest pair. A dash: nothing was measured there yet.")]
pub(crate) struct Args {
    /// Show the 99th percentile of each pair, not the median
    #[arg(long)]
    p99: bool,
    /// Only what this node heard, by name or id
    #[command(flatten)]
    from: super::From,
}

/// What a node said: as it came, and as it was understood.
type Said = (Value, Lags);

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let mut said = vec![ask(&session.api, args.from.name())?];
    let (mut unanswered, mut not_asked) = (Vec::new(), 0);
    if args.from.name().is_none() {
        let others = askable(&session.api)?;
        not_asked = others.not_asked;
        let answers = ask_each(&others.nodes, |node| ask(&session.api, Some(&node.id)));
        for (node, answer) in others.nodes.into_iter().zip(answers) {
            match answer {
                Ok(answer) => said.push(answer),
                Err(error) => unanswered.push(Silent { node: node.id, name: node.name, why: error.to_string() }),
            }
        }
    }
    let (documents, lags): (Vec<Value>, Vec<Lags>) = said.into_iter().unzip();
    let matrix = Matrix::of(&lags);
    if session.json {
        let document = json!({
            "propagation": matrix.summary(), "heard": documents, "unanswered": unanswered, "not_asked": not_asked,
        });
        session.console.line(&document.to_string())?;
        return Ok(DONE);
    }
    let width = session.console.style.width;
    session.console.heading(&matrix.headline())?;
    let text = matrix.text(args.p99, width).unwrap_or_else(|| matrix.slowest(session.console.style));
    session.console.write(&text)?;
    for Silent { node, name, why } in &unanswered {
        let name = if why.contains(node.as_str()) { String::new() } else { format!("{name}: ") };
        session.console.warn(&visible(&format!("{name}{why}")));
    }
    if not_asked > 0 {
        session.console.note(&format!("{not_asked} more nodes were not asked"));
    }
    Ok(DONE)
}

fn ask(api: &AgentApi, node: Option<&str>) -> Result<Said, ApiError> {
    let answer = api.ask::<Lags>(Method::Get, &Target::new("/v1/lag").from(node), None)?;
    // What was understood is JSON.
    Ok((serde_json::from_str(&answer.body).unwrap_or_default(), answer.value))
}
