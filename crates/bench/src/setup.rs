//! What a run is told, and where it runs.

use crate::binary;
use crate::{proc_stat, reality};
use anyhow::{Result, ensure};
use rustix::fs::statfs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file system type of memory (`TMPFS_MAGIC` of Linux), which has no disk to wait for.
const TMPFS: i64 = 0x0102_1994;
/// Shortest that one phase of a benchmark may be told to take: below, there is nothing to see at 10 ms a tick.
const SECONDS_MIN: f64 = 0.05;
/// Longest that one phase of a benchmark may be told to take.
const SECONDS_MAX: f64 = 600.0;
/// Most connections of a load.
const CONNECTIONS_MAX: usize = 512;
/// Most requests that one connection has on their way.
const PIPELINE_MAX: usize = 256;
/// Most of whatever a benchmark counts.
const N_MAX: usize = 2_000_000;

/// Most kills of one scene.
const KILLS_MAX: usize = 1_000;

/// Options of every benchmark; each uses those that make sense for it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How long each phase of a benchmark lasts that is bounded by time
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// How many registrations, instances or services, for benchmarks that are bounded by number
    #[arg(long, short)]
    pub(crate) n: Option<usize>,
    /// HTTP connections of a load
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// HTTP requests that each connection of a load has on their way, where a benchmark pipelines
    #[arg(long, default_value_t = 16)]
    pub(crate) pipeline: usize,
    /// How many agents `reality` runs
    #[arg(long, default_value_t = 30)]
    pub(crate) agents: usize,
    /// How many of them `reality` kills in each scene, one after the other
    #[arg(long, default_value_t = 10)]
    pub(crate) kills: usize,
    /// The agent to measure; by default `whither` of the release profile, beside this program
    #[arg(long)]
    pub(crate) binary: Option<PathBuf>,
    /// Do not build the agent if it is missing
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Where data directories are made, and removed again; by default the system's temporary directory
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

/// [`Args`], checked.
#[derive(Debug)]
pub(crate) struct Setup {
    args: Args,
    /// Where scratch directories are made.
    pub(crate) dir: PathBuf,
}

impl Setup {
    /// Checks every bound.
    pub(crate) fn new(args: Args) -> Result<Self> {
        let seconds = args.seconds;
        ensure!(
            (SECONDS_MIN..=SECONDS_MAX).contains(&seconds),
            "--seconds {seconds} is out of range; expected {SECONDS_MIN} to {SECONDS_MAX}"
        );
        let within = |flag: &str, value: usize, max: usize| {
            ensure!((1..=max).contains(&value), "{flag} {value} is out of range; expected 1 to {max}");
            Ok(())
        };
        within("--connections", args.connections, CONNECTIONS_MAX)?;
        within("--pipeline", args.pipeline, PIPELINE_MAX)?;
        within("--agents", args.agents, reality::AGENTS_MAX)?;
        within("--kills", args.kills, KILLS_MAX)?;
        args.n.map_or(Ok(()), |n| within("--n", n, N_MAX))?;
        let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
        ensure!(dir.is_dir(), "--dir {} is not a directory", dir.display());
        Ok(Self { args, dir })
    }

    /// How long a phase lasts.
    pub(crate) fn phase(&self) -> Duration {
        Duration::from_secs_f64(self.args.seconds)
    }

    /// How many, if the benchmark does not know better.
    pub(crate) fn n_or(&self, default: usize) -> usize {
        self.args.n.unwrap_or(default)
    }

    /// HTTP connections of a load.
    pub(crate) fn connections(&self) -> usize {
        self.args.connections
    }

    /// HTTP requests on their way on each connection.
    pub(crate) fn pipeline(&self) -> usize {
        self.args.pipeline
    }

    /// How many agents run on an emulated network.
    pub(crate) fn agents(&self) -> usize {
        self.args.agents
    }

    /// How many of them are killed.
    pub(crate) fn kills(&self) -> usize {
        self.args.kills
    }

    /// The agent, built if it is missing and may be.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        match &self.args.binary {
            Some(path) => {
                ensure!(path.is_file(), "--binary {} is not a file", path.display());
                Ok(path.clone())
            }
            None => binary::find_or_build(!self.args.no_build),
        }
    }

    /// One line on what this machine is and how busy.
    pub(crate) fn machine(&self) -> String {
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let mut line = format!("{cpus} CPUs, {}, load average {}", proc_stat::cpu_model(), proc_stat::load_average());
        if cfg!(debug_assertions) {
            line.push_str(
                "\nthis is a debug build of the benchmarks: limits will look lower than they are; use --release",
            );
        }
        if is_memory(&self.dir) {
            line.push_str("\nthe data directories are in memory: what is said of the disk is not true here; use --dir");
        }
        line
    }
}

fn is_memory(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|status| status.f_type == TMPFS)
}

#[cfg(test)]
mod tests {
    use super::{Args, Setup};

    fn args() -> Args {
        Args {
            seconds: 2.0,
            n: None,
            connections: 32,
            pipeline: 16,
            agents: 30,
            kills: 10,
            binary: None,
            no_build: true,
            dir: None,
        }
    }

    #[test]
    fn options_out_of_bounds_are_refused_by_name() {
        assert_eq!(Setup::new(args()).unwrap().n_or(7), 7);
        let problem = |args| Setup::new(args).unwrap_err().to_string();
        assert_eq!(problem(Args { n: Some(0), ..args() }), "--n 0 is out of range; expected 1 to 2000000");
        assert_eq!(problem(Args { pipeline: 999, ..args() }), "--pipeline 999 is out of range; expected 1 to 256");
        assert!(problem(Args { seconds: f64::NAN, ..args() }).starts_with("--seconds NaN is out of range"));
        assert_eq!(problem(Args { dir: Some("/no/such".into()), ..args() }), "--dir /no/such is not a directory");
    }
}
