//! `whither join`.

use super::Session;
use crate::agent_api::wire::Join;
use crate::agent_api::{Method, Target};
use crate::config::Seed;
use crate::failure::DONE;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither join 10.0.0.1
  whither join seed-1.example:7600 seed-2.example:7600

The addresses are those of other agents' peers port (7600). Both must hold the same cluster secret.")]
pub(crate) struct Args {
    /// Where other nodes may be found: host or address, with or without a port
    #[arg(required = true, value_name = "ADDR")]
    addresses: Vec<Seed>,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    let addresses: Vec<String> = args.addresses.iter().map(ToString::to_string).collect();
    let shown = addresses.join(", ");
    let body = serde_json::to_vec(&Join { addresses })?;
    let answer = session.api.send(Method::Post, &Target::new("/v1/join"), Some(&body))?;
    if session.json {
        session.console.line(answer.trim_end())?;
    } else {
        session.console.line(&format!("the agent is asking at {shown}; `whither nodes` shows who answered"))?;
    }
    Ok(DONE)
}
