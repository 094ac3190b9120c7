//! Checks of this agent's own instances: run on a thread of their own, told to the node when what they come to changes.
//!
//! The thread `whither-checks` follows which own instances there are and what is to be checked of them (`following.rs`).
//! Surfaces ask it who may have what checked (`admission.rs`) and what was found.

mod admission;
mod following;

use crate::config::ConfiguredCheck;
use admission::Admission;
use following::{Following, Progress};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;
use whither_checks::{Config, Key, Report, Runner};
use whither_directory::vitals::Sample;
use whither_directory::{CheckReport, CheckRun, Checkup, Client, Directory, OwnChanges};
use whither_model::{InstanceId, ServiceName};

/// What an agent checks, and may.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckPlan {
    /// Whom checks may speak to, how many at once, and whose certificates they believe.
    pub(crate) runner: Config,
    /// Checks of the agent's own configuration.
    pub(crate) local: Vec<ConfiguredCheck>,
}

/// The thread that checks. Stopped with [`Checks::stop`].
#[derive(Debug)]
pub(crate) struct Checks {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Checks {
    /// Begins to check what `directory`'s node owns.
    ///
    /// # Errors
    /// The system gives no thread, or no event loop for it.
    pub(crate) fn start(directory: &Arc<Directory>, plan: CheckPlan) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admission = Admission::new(plan.runner.allow.clone(), directory.identity().advertise.ip());
        let mut config = plan.runner;
        // Who may have loopback checked is decided at registration, where it is known who asks. What is on loopback here was admitted.
        config.allow.extend(admission::loopback());
        let (runner, verdicts) = {
            let _inside = runtime.enter();
            Runner::start(config)
        };
        let progress = Arc::new(Progress::default());
        directory.install_checkup(Arc::new(Hook { admission, runner: runner.clone() }));
        let (counted, going) = (runner.clone(), Arc::clone(&progress));
        directory.vitals().register(move |samples| count(&counted, &going, samples));
        let following = Following::new(Arc::clone(directory), runner, plan.local, progress);
        let changes = OwnChanges::new(Arc::clone(directory));
        let (stop, stopping) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("whither-checks".into())
            .spawn(move || runtime.block_on(following.run(changes, verdicts, stopping)))?;
        Ok(Self { stop, thread })
    }

    /// Ends every run, and what commands have started.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // It has nothing left to say; waiting sees to it that no command outlives the agent.
        drop(tokio::task::spawn_blocking(move || self.thread.join()).await);
    }
}

/// What surfaces ask.
struct Hook {
    admission: Admission,
    runner: Runner,
}

impl Checkup for Hook {
    fn admit(&self, claimed: IpAddr, client: Client) -> Result<(), String> {
        self.admission.admit(claimed, client, admission::is_own)
    }

    fn reports(&self, service: &ServiceName, id: &InstanceId) -> Vec<CheckReport> {
        let key = Key { service: service.clone(), instance: id.clone() };
        self.runner.reports(&key).into_iter().map(report).collect()
    }
}

fn report(Report { check, kind, health, latest }: Report) -> CheckReport {
    let latest = latest.map(|run| CheckRun { at: run.at, took: run.took, found: run.status, output: run.text });
    CheckReport { name: check, kind, health, latest }
}

#[expect(clippy::cast_precision_loss, reason = "a count above 2^53 may lose its last digit")]
fn count(runner: &Runner, progress: &Progress, samples: &mut Vec<Sample>) {
    let stats = runner.stats();
    samples.extend([
        Sample::gauge("checks", "Checks that this node runs.", stats.checks as f64),
        Sample::gauge("checks_running", "Checks underway.", stats.running as f64),
        Sample::counter("checks_passed_total", "Runs of checks that found something usable.", stats.passed),
        Sample::counter("checks_failed_total", "Runs of checks that found something critical.", stats.failed),
        Sample::counter(
            "checks_unable_total",
            "Runs of checks that found nothing, for want of something on this host.",
            stats.unable,
        ),
        Sample::counter(
            "checks_late_total",
            "Runs of checks that began late by more than a tenth of their interval.",
            stats.late,
        ),
        Sample::counter(
            "checks_skipped_total",
            "Turns of checks that were left out: the run before was too slow.",
            stats.skipped,
        ),
        Sample::counter("checks_verdicts_total", "Times that a check changed its mind.", stats.verdicts),
        Sample::gauge(
            "checks_refused",
            "Instances whose checks are not run, because they may not be or cannot be.",
            progress.refused.get() as f64,
        ),
        Sample::gauge(
            "checks_untold",
            "Instances of which the node has not heard yet what their checks found.",
            progress.untold.get() as f64,
        ),
    ]);
}
