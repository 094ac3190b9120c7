//! Exists so that every claim about speed is one command, measured beside the limit of the machine it ran on.
//!
//! Agents run as processes of their own, as they do for everybody; the limits run as processes too, so that both are
//! measured in the same way. Nothing here asserts a time: it measures and prints.

mod benchmark;
mod binary;
mod cluster;
mod dns_query;
mod http_client;
mod http_load;
mod limit;
mod proc_stat;
mod process;
mod reality;
mod record;
mod report;
mod sample;
mod scratch;
mod setup;
mod signals;
mod speed;
mod udp_load;
mod watch_stream;

use anyhow::Context;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use report::Report;
use setup::{Args, Setup};
use std::process::ExitCode;

/// Measures Whither beside the limits of this machine.
#[derive(Debug, Parser)]
#[command(
    name = "whither-bench",
    after_help = "The ratio is value / limit, and 1 is the limit. In the table, \"higher\" says that more is better: the \
                  ratio then climbs towards 1. \"lower\" says that less is better: it then falls towards 1. A limit is \
                  measured in the same run, on the same machine, by the shortest program that could do the job; where a \
                  limit is left out (null in JSON), the value is one itself, or there is nothing to compare with."
)]
struct Cli {
    /// Which benchmark: `list` names them, `all` runs all
    #[arg(required_unless_present_any = ["serve", "hold"], value_parser = PossibleValuesParser::new(benchmark::names()))]
    name: Option<String>,
    #[command(flatten)]
    args: Args,
    /// Prints one JSON object per measure and line: name, value, unit, limit, ratio, n
    #[arg(long)]
    json: bool,
    /// Serves as a limit, for another process of this program
    #[arg(long, hide = true)]
    serve: Option<limit::Kind>,
    /// What an answer of that server holds, bytes
    #[arg(long, hide = true, default_value_t = 0)]
    reply_bytes: usize,
    /// Holds a session, for another process of this program: the agent, who looks on, a number
    #[arg(long, hide = true, num_args = 3)]
    hold: Option<Vec<String>>,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(kind) = cli.serve {
        limit::serve(kind, cli.reply_bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some([agent, seen_by, number]) = cli.hold.as_deref() {
        benchmark::hold(agent, seen_by, number)?;
        return Ok(ExitCode::SUCCESS);
    }
    let name = cli.name.as_deref().unwrap_or("list");
    if name == "list" {
        benchmark::ALL.iter().for_each(|one| println!("{:<10} {}", one.name, one.about));
        println!("{:<10} {}", reality::NAME, reality::ABOUT);
        return Ok(ExitCode::SUCCESS);
    }
    signals::clean_up_when_told_to_end().context("cannot listen for Ctrl-C")?;
    let setup = Setup::new(cli.args)?;
    eprintln!("{}", setup.machine());
    if name == reality::NAME {
        return reality::run(&setup, cli.json);
    }
    let mut failed = false;
    for one in benchmark::ALL.iter().filter(|one| name == "all" || one.name == name) {
        let mut report = Report::default();
        let result = (one.run)(&setup, &mut report);
        print!("{}", if cli.json { report.json() } else { report.table(one.name, one.about) });
        eprintln!("load average after {}: {}", one.name, proc_stat::load_average());
        if let Err(problem) = result {
            eprintln!("{}: {problem:#}", one.name);
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
