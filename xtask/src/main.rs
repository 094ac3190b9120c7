//! Exists so that every chore of the project is one command, the same on a laptop and in CI: `cargo xtask help`.

mod clients;
mod museum;
mod step;
mod suite;
mod tidy;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One chore: what is typed, what the help says about it, and what it does at the root of the workspace.
type Chore = (&'static str, &'static str, fn(&Path) -> Result<()>);

const CHORES: &[Chore] = &[
    ("test", "everything: tidy, real clients, all tests, a thousand seeds of the simulator", suite::test),
    ("tidy", "the rules of the house: layers, names, sizes, documents; one line per finding", tidy::run),
    ("fmt-check", "is everything formatted? changes nothing", suite::fmt_check),
    ("lint", "Clippy over every target, where a warning is an error", suite::lint),
    ("ci", "fmt-check, lint and test, in that order", suite::ci),
    (
        "museum",
        "takes each old fix away in a copy, and shows that the simulator finds the bug again; names choose",
        museum::show_all,
    ),
    ("help", "this page", help),
];

const EXAMPLES: &str = "Examples:
  cargo xtask test                what a change must pass
  SEEDS=50 cargo xtask test       the same with fewer seeds; SEED=7000 says at which seed to begin
  cargo xtask tidy                only the rules of the house: milliseconds
  cargo xtask museum 01 storm     the exhibits whose names contain `01` or `storm`
  cargo xtask ci                  what CI runs";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let typed = match arguments {
        [] => "help",
        [one] if one == "--help" || one == "-h" => "help",
        [one] => one,
        [one, names @ ..] if one == "museum" => return museum::show(&root()?, names),
        [one, rest @ ..] => bail!("`{one}` takes no arguments, and was given: {}", rest.join(" ")),
    };
    let (_, _, chore) = chore(typed)?;
    chore(&root()?)
}

fn chore(typed: &str) -> Result<&'static Chore> {
    CHORES.iter().find(|(name, ..)| *name == typed).with_context(|| {
        let names: Vec<_> = CHORES.iter().map(|(name, ..)| *name).collect();
        format!("there is no command `{typed}`; there are: {}", names.join(", "))
    })
}

/// The root of the workspace, whatever folder the command was typed in.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&package).parent().context("the package `xtask` is not in a folder of the workspace")?;
    Ok(root.to_path_buf())
}

fn help(_: &Path) -> Result<()> {
    println!("Chores of this project.\n\nUsage: cargo xtask <command>\n\nCommands:");
    for (name, purpose, _) in CHORES {
        println!("  {name:<11}{purpose}");
    }
    println!("\n{EXAMPLES}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_is_told_what_there_is() {
        let error = chore("tets").expect_err("no such command").to_string();
        assert!(error.contains("`tets`") && error.contains("test, tidy"), "{error}");
        assert!(chore("tidy").is_ok());
    }

    #[test]
    fn arguments_that_would_be_ignored_are_refused() {
        let error = run(&["help".into(), "--fast".into()]).expect_err("too much").to_string();
        assert!(error.contains("--fast"), "{error}");
    }
}
