//! Exists so that a whole cluster is one program: it runs the agent, and it is the command line of one.
//!
//! Parse, run, exit code; nothing else is decided here. What may be typed is in [`cli`], one command per file in
//! [`cmd`], the agent's options in [`config`], and the agent as seen from outside in [`agent_api`].

mod agent;
mod agent_api;
mod cli;
mod cmd;
mod config;
mod console;
mod dev;
mod duration;
mod failure;
mod feed;
mod keeper;
mod load;
mod moment;
mod nearest;
mod progress;
mod story;
mod table;
mod template;
mod whole_file;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (error, hint) = match cli::parse(std::env::args_os().collect()) {
        Ok((cli, hint)) => match cmd::run(cli.command, &cli.global) {
            Ok(code) => return code,
            Err(error) => (error, hint),
        },
        Err(cli::ParseError::Usage(error)) => (error.into(), None),
        Err(cli::ParseError::Clap(error)) => {
            // Help may be read through a pager that closes early.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if failure::is_closed_pipe(&error) {
        return failure::DONE;
    }
    let mut console = console::Console::of_process();
    console.error(&failure::text(&error));
    if let Some(hint) = hint {
        console.note(&hint.to_string());
    }
    ExitCode::from(failure::exit_code(&error))
}
