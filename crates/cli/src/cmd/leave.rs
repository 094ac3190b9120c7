//! `whither leave`.

use super::Session;
use crate::agent_api::{Method, Target};
use crate::failure::{DONE, Usage};
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither leave
  whither leave --yes     in a script

The agent deregisters every instance it owns, on all nodes, and says goodbye; the others stop probing it. It goes on, alone, \
            and answers from what it knows until it is stopped; started again it joins again, without instances. This is for taking \
            a host out for good. To restart an agent, just restart it: its instances stay.")]
pub(crate) struct Args {
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args, session: &mut Session) -> anyhow::Result<ExitCode> {
    if !args.yes {
        if !session.console.is_interactive() {
            return Err(Usage("there is no terminal to ask at; say --yes if the agent is to leave".into()).into());
        }
        let question = format!(
            "The agent at {} will deregister all its instances, on all nodes, and say goodbye to its cluster. Go on?",
            session.api.agent()
        );
        if !session.console.confirm(&question)? {
            session.console.note("nothing was done");
            return Ok(ExitCode::from(1));
        }
    }
    let answer = session.api.send(Method::Post, &Target::new("/v1/leave"), None)?;
    if session.json {
        session.console.line(answer.trim_end())?;
    } else {
        session.console.line("the agent is saying goodbye; it answers on, alone, until it is stopped")?;
    }
    Ok(DONE)
}
