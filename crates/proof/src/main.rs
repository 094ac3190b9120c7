//! The command line of the experiments: `list`, `page`, or the names of experiments to run.

use anyhow::{Context, bail};
use clap::Parser;
use std::process::ExitCode;
use whither_proof::gates::EXPERIMENTS;
use whither_proof::kept::{self, Kept};
use whither_proof::report::{Effort, Experiment};
use whither_proof::{grid, page};

/// Runs what papers measured, and what we claim, and says whether it agrees.
#[derive(Debug, Parser)]
#[command(
    name = "whither-proof",
    after_help = "The exit status is 1 if a cell that is judged is not met. A run depends on nothing but its seed."
)]
struct Cli {
    /// Names of experiments; `list` names them, `page` renders the documents from what is kept
    #[arg(required = true)]
    names: Vec<String>,
    /// Runs what the published pages show, which takes minutes, and keeps the results for them
    #[arg(long)]
    full: bool,
    /// Where the randomness begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints the reports as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.names.first().map(String::as_str) {
        Some("list") => EXPERIMENTS.iter().for_each(|one| println!("{:<6} {}", one.name, one.about)),
        Some("page") => page::write()?,
        _ => return run(&cli),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs what was named, in that order.
fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let experiments = cli.names.iter().map(|name| find(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut all_met = true;
    for one in experiments {
        let effort = if cli.full { Effort::Full } else { Effort::Quick };
        let before = kept::cpu_seconds().unwrap_or_default();
        let report = (one.run)(effort, cli.seed);
        let cpu_seconds = kept::cpu_seconds().map_or(0.0, |after| after - before);
        all_met &= report.met();
        let kept = Kept::new(one, cli.seed, effort, cpu_seconds, report);
        if cli.json {
            println!("{}", kept.to_json());
        } else {
            println!("{}", grid::terminal(&kept));
        }
        if cli.full {
            kept.write().with_context(|| format!("{} ran, but its report was not kept", one.name))?;
        }
    }
    Ok(ExitCode::from(u8::from(!all_met)))
}

/// The experiment of that name, in any case of letters.
fn find(name: &str) -> anyhow::Result<&'static Experiment> {
    match EXPERIMENTS.iter().find(|one| one.name.eq_ignore_ascii_case(name)) {
        Some(one) => Ok(one),
        None => {
            let known: Vec<&str> = EXPERIMENTS.iter().map(|one| one.name).collect();
            bail!("no experiment is called {name}; there are {}", known.join(", "))
        }
    }
}
