//! The schedule, with time that passes when nothing else can, and probes that find what they are told to.

use super::*;
use crate::finding::{Deadline, Finding};
use crate::job::Job;
use crate::probe::Run;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{advance, timeout};
use whither_model::{Health, Pace, Port, Probe};

/// What a scripted probe is and what it has seen.
#[derive(Clone)]
struct Script {
    takes: Duration,
    /// What the nth run of each check finds.
    finds: fn(usize) -> Option<Health>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    running: AtomicUsize,
    most_at_once: AtomicUsize,
    runs: Mutex<BTreeMap<u16, Vec<Instant>>>,
}

/// Counts one as running for as long as it lives.
struct Counted(Arc<Seen>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Script {
    fn new(takes: u64, finds: fn(usize) -> Option<Health>) -> Self {
        Self { takes: Duration::from_secs(takes), finds, seen: Arc::default() }
    }

    fn start(&self, change: impl FnOnce(&mut Config)) -> (Runner, mpsc::Receiver<Verdict>) {
        let mut config = Config::default();
        change(&mut config);
        Runner::start_with(config, Box::new(self.clone()))
    }

    fn runs(&self) -> BTreeMap<u16, Vec<Instant>> {
        self.seen.runs.lock().unwrap().clone()
    }
}

impl Prober for Script {
    fn probe<'a>(&'a self, job: &'a Job, _: Deadline) -> Run<'a> {
        Box::pin(async move {
            let Job::Tcp(at) = job else { unreachable!("scripts know nothing else") };
            let running = self.seen.running.fetch_add(1, Ordering::Relaxed) + 1;
            let _counted = Counted(self.seen.clone());
            self.seen.most_at_once.fetch_max(running, Ordering::Relaxed);
            let nth = {
                let mut runs = self.seen.runs.lock().unwrap();
                let begun = runs.entry(at.port()).or_default();
                begun.push(Instant::now());
                begun.len() - 1
            };
            // waits because that is what it plays: time is paused, and this takes none.
            tokio::time::sleep(self.takes).await;
            Finding { status: (self.finds)(nth), text: format!("run {nth}") }
        })
    }
}

fn key(instance: u16) -> Key {
    Key { service: "web".parse().unwrap(), instance: instance.to_string().parse().unwrap() }
}

fn target(port: u16) -> Target {
    let ports = [Port { name: "main".parse().unwrap(), number: port }].into();
    Target { address: [10, 0, 0, 1].into(), ports }
}

fn check() -> Check {
    Check { name: "tcp".into(), probe: Probe::Tcp { port: Default::default() }, pace: Pace::default() }
}

/// Sets one check each for instances 1 to `count`; each has its number as its port.
fn set(runner: &Runner, count: u16) -> Vec<Standing> {
    (1..=count).flat_map(|one| runner.set(&key(one), &target(one), &[check()]).unwrap()).collect()
}

async fn pass(seconds: u64) {
    // waits because that makes the paused clock go from timer to timer, where `advance` would leap over them.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn well(_: usize) -> Option<Health> {
    Some(Health::Passing)
}

#[tokio::test(start_paused = true)]
async fn every_check_has_its_turn_once_per_interval() {
    let script = Script::new(0, well);
    let (runner, _verdicts) = script.start(|_| ());
    set(&runner, 500);
    pass(100).await;
    let runs = script.runs();
    assert_eq!(runs.len(), 500);
    for (one, begun) in runs {
        assert!((9..=10).contains(&begun.len()), "{one} had {} turns in ten intervals", begun.len());
        for pair in begun.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart.abs_diff(Duration::from_secs(10)) < Duration::from_millis(5), "{apart:?}");
        }
    }
    let stats = runner.stats();
    assert_eq!((stats.late, stats.skipped, stats.failed, stats.unable), (0, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_run_misses_turns_and_never_meets_itself() {
    let script = Script::new(25, well);
    let (runner, _verdicts) = script.start(|_| ());
    set(&runner, 1);
    pass(300).await;
    assert_eq!(script.seen.most_at_once.load(Ordering::Relaxed), 1);
    // Each run takes 25 of 30 seconds: two turns of three are missed.
    let runs = u64::try_from(script.runs()[&1].len()).unwrap();
    assert!((9..=10).contains(&runs), "{runs}");
    assert!(runner.stats().skipped.abs_diff(2 * runs) <= 2, "{:?}", runner.stats());
}

#[tokio::test(start_paused = true)]
async fn runs_at_once_are_bounded_and_who_waits_is_counted() {
    let script = Script::new(5, well);
    let (runner, _verdicts) = script.start(|config| config.running_max = 3);
    set(&runner, 30);
    pass(200).await;
    assert_eq!(script.seen.most_at_once.load(Ordering::Relaxed), 3);
    let stats = runner.stats();
    assert!(stats.late > 0 && stats.skipped > 0, "{stats:?}");
    // Three at once of five seconds each, for 200 seconds, and everybody had a turn.
    assert!((110..=120).contains(&stats.passed), "{stats:?}");
    assert_eq!(script.runs().len(), 30);
}

#[tokio::test(start_paused = true)]
async fn only_changes_are_told() {
    // Two failures in a row, from the fourth run on; one alone before that.
    fn finds(nth: usize) -> Option<Health> {
        Some(if nth == 1 || nth >= 3 { Health::Critical } else { Health::Passing })
    }
    let (runner, mut verdicts) = Script::new(0, finds).start(|_| ());
    let standing = set(&runner, 1).remove(0);
    assert_eq!(standing.health, Health::Critical);
    let first = verdicts.recv().await.unwrap();
    let expected = Verdict {
        key: key(1),
        check: "tcp".into(),
        id: standing.id,
        health: Health::Passing,
        changed_from: Health::Critical,
    };
    assert_eq!(first, expected);
    let second = verdicts.recv().await.unwrap();
    assert_eq!((second.health, second.changed_from), (Health::Critical, Health::Passing));
    assert_eq!(&*runner.output(&key(1), "tcp").unwrap().text, "run 4");
    pass(1_000).await;
    assert!(verdicts.try_recv().is_err());
    assert!(runner.stats().failed > 90);
}

#[tokio::test(start_paused = true)]
async fn who_takes_verdicts_slowly_gets_fewer_and_the_latest() {
    fn finds(nth: usize) -> Option<Health> {
        Some(if nth.is_multiple_of(4) || nth % 4 == 1 { Health::Passing } else { Health::Critical })
    }
    let (runner, mut verdicts) = Script::new(0, finds).start(|config| config.verdicts_max = 1);
    set(&runner, 20);
    pass(395).await;
    let mut told = BTreeMap::new();
    while let Ok(Some(verdict)) = timeout(Duration::from_millis(1), verdicts.recv()).await {
        assert_ne!(verdict.health, verdict.changed_from);
        told.insert(verdict.key, verdict.health);
    }
    let mut count = 0;
    for one in 1..=20 {
        let now = runner.output(&key(one), "tcp").unwrap().health;
        assert_eq!(told.get(&key(one)).copied().unwrap_or(Health::Critical), now);
        count += usize::from(now == Health::Passing);
    }
    assert!(count > 0);
    assert!(runner.stats().verdicts < 60, "twenty changes in each of twenty were not kept: {:?}", runner.stats());
}

#[tokio::test(start_paused = true)]
async fn what_is_this_hosts_own_fault_changes_no_verdict() {
    fn finds(nth: usize) -> Option<Health> {
        (nth == 0).then_some(Health::Passing)
    }
    let (runner, mut verdicts) = Script::new(0, finds).start(|_| ());
    set(&runner, 1);
    assert_eq!(verdicts.recv().await.unwrap().health, Health::Passing);
    pass(200).await;
    let output = runner.output(&key(1), "tcp").unwrap();
    assert_eq!((output.status, output.health), (None, Health::Passing));
    assert!(verdicts.try_recv().is_err() && runner.stats().unable >= 19);
}

#[tokio::test(start_paused = true)]
async fn what_is_set_again_unchanged_is_not_begun_again() {
    let (runner, mut verdicts) = Script::new(0, well).start(|_| ());
    let before = set(&runner, 1).remove(0);
    verdicts.recv().await.unwrap();
    let after = set(&runner, 1).remove(0);
    assert_eq!((after.id, after.health), (before.id, Health::Passing));
    let moved = runner.set(&key(1), &target(2), &[check()]).unwrap().remove(0);
    assert!(moved.id > before.id);
    assert_eq!((moved.health, runner.output(&key(1), "tcp")), (Health::Critical, None));
    assert_eq!(runner.stats().checks, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_ends_at_once_and_leaves_nothing() {
    let script = Script::new(1_000, well);
    let (runner, _verdicts) = script.start(|_| ());
    set(&runner, 5);
    pass(20).await;
    assert_eq!(script.seen.running.load(Ordering::Relaxed), 5);
    (1..=4).for_each(|one| runner.remove(&key(one)));
    pass(1).await;
    assert_eq!(script.seen.running.load(Ordering::Relaxed), 1);
    assert_eq!((runner.stats().checks, runner.stats().running, runner.stats().output_bytes), (1, 1, 0));
    drop(runner);
    pass(1).await;
    assert_eq!(script.seen.running.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_costs_one_turn() {
    fn finds(nth: usize) -> Option<Health> {
        assert!(nth != 0, "the first run of each");
        Some(Health::Passing)
    }
    let (runner, mut verdicts) = Script::new(0, finds).start(|_| ());
    set(&runner, 2);
    assert_eq!(verdicts.recv().await.unwrap().health, Health::Passing);
    assert_eq!(verdicts.recv().await.unwrap().health, Health::Passing);
}

#[tokio::test(start_paused = true)]
async fn after_standing_still_turns_are_left_out_and_not_made_up_for() {
    let script = Script::new(0, well);
    let (runner, _verdicts) = script.start(|_| ());
    set(&runner, 50);
    pass(10).await;
    advance(Duration::from_secs(3_600)).await;
    pass(1).await;
    assert!(script.runs().values().all(|begun| begun.len() <= 3));
    assert!(runner.stats().skipped >= 50 * 358, "{:?}", runner.stats());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_set_leaves_what_there_was() {
    let (runner, _verdicts) = Script::new(0, well).start(|_| ());
    let before = set(&runner, 1);
    let metadata = Target { address: [169, 254, 169, 254].into(), ..target(80) };
    assert!(matches!(runner.set(&key(1), &metadata, &[check()]), Err(NotSet::Refused(Refused::Forbidden(_)))));
    let twice = runner.set(&key(1), &target(1), &[check(), check()]);
    assert!(matches!(twice, Err(NotSet::Invalid(_))), "{twice:?}");
    let elsewhere = crate::LocalProbe::Elsewhere(([10, 0, 0, 2], 80).into(), check().probe);
    let elsewhere = LocalCheck { probe: elsewhere, ..check().into() };
    let elsewhere = runner.set_local(&key(1), &target(1), &[elsewhere]);
    assert!(matches!(elsewhere, Err(NotSet::Refused(Refused::Foreign(_)))), "{elsewhere:?}");
    assert_eq!(set(&runner, 1), before);
    let reported = Check { probe: Probe::Ttl, ..check() };
    assert_eq!(runner.set(&key(1), &target(1), &[reported]), Ok(Vec::new()), "nothing to run");
}
