//! `whither completions`.

use crate::cli;
use crate::console::Console;
use crate::failure::DONE;
use clap_complete::Shell;
use std::process::ExitCode;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither completions bash > /etc/bash_completion.d/whither
  whither completions zsh > \"${fpath[1]}/_whither\"
  whither completions fish > ~/.config/fish/completions/whither.fish")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &mut Console) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "whither", &mut script);
    console.write(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}
