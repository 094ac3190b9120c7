//! One step of a longer chore: announced, timed, and run by a child whose output goes straight to the terminal.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs `work` under a heading on stderr, and says there how long it took.
///
/// # Errors
/// Those of `work`, which then becomes the last line that is printed.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    eprintln!("\n== {name}");
    let start = Instant::now();
    let outcome = work().with_context(|| format!("failed: {name}"));
    let took = start.elapsed();
    let word = if outcome.is_ok() { "done" } else { "failed" };
    eprintln!("== {name}: {word} in {:.1} s", took.as_secs_f64());
    outcome.map(|()| took)
}

/// Cargo at `root`, in the same environment as if it had been typed there.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments);
    // `cargo run` describes the package `xtask` to us in variables that build scripts (ring's, for one) watch. Handed on,
    // they would rebuild half of the workspace each time somebody changes between `cargo test` and `cargo xtask test`.
    for (name, _) in std::env::vars_os().filter(|(name, _)| describes_a_package(name)) {
        command.env_remove(name);
    }
    command
}

fn describes_a_package(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be started, or ends with anything but success; names the command as one would type it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let typed = as_typed(command);
    eprintln!("$ {typed}");
    let status = command.status().with_context(|| format!("cannot start `{typed}`"))?;
    if !status.success() {
        bail!("`{typed}` ended with {status}");
    }
    Ok(())
}

fn as_typed(command: &Command) -> String {
    let set = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    set.chain([program.to_string_lossy().into_owned()]).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_step_and_the_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]).env("SEEDS", "5");
        let error = format!("{:#}", step("a step", || run(&mut command)).expect_err("it exits with 3"));
        assert_eq!(error, "failed: a step: `SEEDS=5 sh -c exit 3` ended with exit status: 3");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = format!("{:#}", run(&mut Command::new("no-such-program")).expect_err("not there"));
        assert!(error.starts_with("cannot start `no-such-program`"), "{error}");
    }

    #[test]
    fn only_what_describes_this_package_is_withheld() {
        for withheld in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME"] {
            assert!(describes_a_package(OsStr::new(withheld)), "{withheld}");
        }
        for passed in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "PATH"] {
            assert!(!describes_a_package(OsStr::new(passed)), "{passed}");
        }
    }
}
