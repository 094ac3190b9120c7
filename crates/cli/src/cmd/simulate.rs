//! `whither simulate`.

mod advice;
mod charts;
mod command_line;
mod crew;
mod effort;
mod facts;
mod figures;
mod json;
mod markup;
mod neighbours;
mod page;
mod plot;
mod progress;
#[cfg(test)]
mod tests;
mod values;
mod words;

use crate::console::Console;
use crate::duration;
use crate::failure::{DONE, Usage};
use anyhow::{Context, bail};
use crew::Job;
use neighbours::Neighbour;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use values::{Part, Share};
use whither_sim::study::{Deploy, Partition, Plan, Regions, Run, Settings, Summary};

/// What the command takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  whither simulate                                      a thousand nodes in one data centre
  whither simulate --nodes 5000 --regions world         how fast is news, around the world?
  whither simulate --regions 5 --deploy 20%:10s         a rolling restart: who notices what?
  whither simulate --loss 5% --burst 50ms --kill 10%    a bad network, and a rack dies
  whither simulate --partition 20s:30% --deploy 10%     a division, and a rolling restart
  whither simulate --probe-interval 400ms --suspicion 2 other settings of [membership]
  whither simulate --report out.html                    the same as a page with charts

The simulator runs the very code that agents run to find out who is there and to spread news, on simulated links, clocks \
            and processors. Troubles come one after the other: quiet, updates, deaths, a division, restarts. The same \
            seed gives the same result. Not simulated are catalogs, disks, clients, and repair by anti-entropy (only its \
            traffic is).")]
pub(crate) struct Args {
    /// How many nodes, up to 100000
    #[arg(long, value_name = "N", default_value = "1000", value_parser = values::nodes, help_heading = "Cluster")]
    nodes: u32,
    /// In how many regions they are: 1 (one data centre) to 19, those of the world with most nodes, or world (all 19)
    #[arg(long, value_name = "N|world", default_value = "1", value_parser = values::regions, help_heading = "Cluster")]
    regions: Regions,
    /// How often a node probes another one (membership.probe_interval)
    #[arg(long, value_name = "DURATION", default_value = "800ms", value_parser = values::probe_interval,
          help_heading = "Cluster")]
    probe_interval: Duration,
    /// How patient nodes are with suspects: this many times the usual (membership.suspicion)
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::suspicion, help_heading = "Cluster")]
    suspicion: u32,
    /// Which share of messages is lost
    #[arg(long, value_name = "SHARE", default_value = "0%", help_heading = "Troubles")]
    loss: Share,
    /// Losses come in bursts that are this long on average
    #[arg(long, value_name = "DURATION", value_parser = values::length, help_heading = "Troubles")]
    burst: Option<Duration>,
    /// How many nodes die, all at once: a number or a share
    #[arg(long, value_name = "N|SHARE", default_value = "1%", help_heading = "Troubles")]
    kill: Part,
    /// The network is divided for this long, with this share of nodes on one side
    #[arg(long, value_name = "DURATION[:SHARE]", value_parser = values::partition, help_heading = "Troubles")]
    partition: Option<Partition>,
    /// All nodes are restarted: this share at a time; each says goodbye and is away this long
    #[arg(long, value_name = "SHARE[:DURATION]", value_parser = values::deploy, num_args = 0..=1,
          default_missing_value = "10%:2s", help_heading = "Troubles")]
    deploy: Option<Deploy>,
    /// How many updates are told to everybody
    #[arg(long, value_name = "N", default_value = "200", value_parser = updates, help_heading = "Load")]
    updates: u32,
    /// How large each of them is, in bytes
    #[arg(long, value_name = "BYTES", default_value = "200", value_parser = update_bytes, help_heading = "Load")]
    update_bytes: u32,
    /// How much time is simulated [default: what the troubles take, and at least 1m]
    #[arg(long = "duration", value_name = "DURATION", value_parser = values::length, help_heading = "Run")]
    length: Option<Duration>,
    /// Where randomness comes from; later runs take the numbers after it
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Run")]
    seed: u64,
    /// How many runs, each from a seed of its own
    #[arg(long, value_name = "N", default_value = "3", value_parser = runs, help_heading = "Run")]
    runs: u32,
    /// Do not try neighbouring settings for advice
    #[arg(long, help_heading = "Run")]
    no_advice: bool,
    /// Give a run up after this many events [default: twenty times what is expected]
    #[arg(long, value_name = "EVENTS", help_heading = "Run")]
    budget: Option<u64>,
    /// Write a page with charts: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE", help_heading = "Run")]
    report: Option<PathBuf>,
}

fn updates(text: &str) -> Result<u32, String> {
    values::number(text, 0, 100_000)
}

fn update_bytes(text: &str) -> Result<u32, String> {
    values::number(text, 1, 1_000)
}

fn runs(text: &str) -> Result<u32, String> {
    values::number(text, 1, 1_000)
}

/// Everything that came out, for whoever shows it.
struct Findings {
    settings: Settings,
    plan: Plan,
    runs: Vec<Run>,
    summary: Summary,
    neighbours: Vec<Neighbour>,
    /// The command that repeats it.
    command: String,
    /// Processor time of everything, and the time it took.
    effort: (Duration, Duration),
}

/// Runs the command.
pub(crate) fn run(args: &Args, console: &mut Console, json: bool) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    let plan = plan(&settings)?;
    if let Some(warning) = effort::warning(&settings, &plan, args.runs) {
        console.warn(&warning);
    }
    if let Some(path) = &args.report {
        // Minutes of simulation are not to end with a page that cannot be written.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let findings = find_out(args, settings, plan)?;
    if let Some(path) = &args.report {
        std::fs::write(path, page::render(&findings)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if json {
        console.line(&json::render(&findings))?;
    } else {
        let style = console.style;
        console.write(&words::render(&findings, style))?;
    }
    if let Some(path) = &args.report {
        console.note(&format!("the report is in {}", path.display()));
    }
    Ok(DONE)
}

fn settings(args: &Args) -> Result<Settings, Usage> {
    let (nodes, kill) = (args.nodes, args.kill.of(args.nodes));
    if kill + 2 > nodes {
        let most = nodes - 2;
        let text = format!("--kill {}: two of {nodes} nodes at least have to stay; expected at most {most}", args.kill);
        return Err(Usage(text));
    }
    if args.burst.is_some() && args.loss.0 <= 0.0 {
        return Err(Usage(
            "--burst says how losses come, but nothing is lost; expected --loss too, for example 5%".into(),
        ));
    }
    if args.loss.0 > 0.9 {
        return Err(Usage(format!(
            "--loss {}: so little gets through that nothing can be said; expected 0% to 90%",
            args.loss
        )));
    }
    Ok(Settings {
        nodes,
        regions: args.regions,
        probe_interval: args.probe_interval,
        suspicion: args.suspicion,
        loss: args.loss.0,
        burst: args.burst,
        kill,
        partition: args.partition,
        deploy: args.deploy,
        updates: args.updates,
        update_bytes: args.update_bytes,
        length: args.length,
        budget: args.budget,
    })
}

fn plan(settings: &Settings) -> Result<Plan, Usage> {
    Plan::new(settings).map_err(|short| {
        let (given, least) = (duration::exact(short.given), duration::exact(short.least));
        Usage(format!(
            "--duration {given} is too short for all that is to happen in it; expected at least {least}, or leave it out"
        ))
    })
}

fn find_out(args: &Args, settings: Settings, plan: Plan) -> anyhow::Result<Findings> {
    let asked = (0..args.runs).map(|number| Job {
        settings: settings.clone(),
        plan: plan.clone(),
        seed: args.seed.wrapping_add(u64::from(number)),
    });
    let mut jobs: Vec<Job> = asked.collect();
    let variations = if args.no_advice { Vec::new() } else { neighbours::variations(&settings) };
    jobs.extend(neighbours::jobs(&variations, args.seed));
    let lengths = jobs.iter().map(|job| job.plan.length()).sum();
    let (mut line, before) = (progress::ProgressLine::of_process(), effort::processor_time());
    let worked = crew::work(&jobs, effort::workers(&settings), &mut |progress| line.show(progress, lengths));
    line.clear();
    let mut runs = match worked {
        Ok(runs) => runs,
        Err(exhausted) => {
            let again = command_line::of(&Args { seed: exhausted.seed, runs: 1, ..args.clone() });
            bail!(
                "the simulation was given up: {exhausted}\n  {again}\nruns into it again; --budget allows more events"
            )
        }
    };
    let neighbours = neighbours::sum_up(variations, runs.split_off(args.runs as usize));
    Ok(Findings {
        summary: Summary::of(&runs),
        settings,
        plan,
        runs,
        neighbours,
        command: command_line::of(args),
        effort: (effort::processor_time().saturating_sub(before), line.elapsed()),
    })
}
