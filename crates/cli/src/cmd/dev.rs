//! `whither dev`.

use crate::cli::Global;
use crate::console::Console;
use crate::dev::cluster::Cluster;
use crate::dev::samples::Samples;
use crate::dev::screen::Screen;
use crate::dev::stopwatch;
use crate::duration;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the command takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  whither dev                              a cluster of three on loopback, until Ctrl-C
  whither dev --for 30s                    for half a minute
  whither dev --for 10s --json | jq .      every change, and how long it took to reach each node
  whither dev --no-samples                 an empty cluster to fill yourself

The first node listens where every other command looks (127.0.0.1:7601, DNS 7653) if those ports are free.")]
pub(crate) struct Args {
    /// End by itself after this long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    length: Option<Duration>,
    /// Start no sample services
    #[arg(long)]
    no_samples: bool,
}

/// How often the table is drawn when nothing happens: ages move.
const REDRAW: Duration = Duration::from_millis(500);

/// Runs the command.
pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(live(args, global.json))
}

async fn live(args: &Args, json: bool) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::start().await?;
    let console = Console::of_process();
    let live = std::io::stdout().is_terminal() && !json;
    let mut screen = Screen::new(&cluster, console.style, live, json);
    screen.introduce(&cluster)?;

    let nodes: Vec<_> = cluster.agents.iter().map(|agent| Arc::clone(agent.directory())).collect();
    let (acts, acted) = mpsc::channel(256);
    let (laps, mut lap) = mpsc::channel(256);
    drop(tokio::spawn(stopwatch::run(nodes.clone(), acted, laps)));
    let samples = Samples::new(nodes, acts.clone());
    if !args.no_samples {
        drop(tokio::spawn(samples.run()));
    }
    let end = async {
        match args.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut redraw = tokio::time::interval(REDRAW);
    loop {
        let shown = tokio::select! {
            Some(lap) = lap.recv() => screen.news(&lap),
            _ = redraw.tick() => screen.draw(),
            _ = tokio::signal::ctrl_c() => break,
            () = &mut end => break,
        };
        if shown.is_err() {
            // Whoever read this has gone.
            break;
        }
    }
    drop(acts);
    cluster.stop().await;
    Ok(ExitCode::SUCCESS)
}
