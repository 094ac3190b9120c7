//! What went wrong, for people and for scripts.

use crate::agent_api::ApiError;
use crate::cmd::Unknown;
use crate::config::ConfigError;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// For the end of the main help.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  it did not work: no agent answers, or the agent refused
  2  the command line or a configuration is wrong; nothing was done
  3  there is no such service, instance or route
  4  `doctor` found a layer of this host that says something else than the agent";

/// Done.
pub(crate) const DONE: ExitCode = ExitCode::SUCCESS;

/// A layer of this host says something else than the agent.
pub(crate) const LIES: u8 = 4;

/// The command line is wrong in a way that only shows when everything is known; nothing was done.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The exit code for `error`.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Usage>().is_some() || error.downcast_ref::<ConfigError>().is_some() {
        return 2;
    }
    match error.downcast_ref::<ApiError>() {
        Some(error) if error.is_not_found() => 3,
        None if error.downcast_ref::<Unknown>().is_some() => 3,
        _ => 1,
    }
}

/// Whether the reader of our output went away, which is how `whither watch | head` ends.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// `error` and its causes, as one text.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Many errors already say what their cause said.
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}
