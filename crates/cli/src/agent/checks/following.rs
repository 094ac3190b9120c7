//! Follows this node's own instances: sets what is to be checked of each, and tells the node what that comes to.
//!
//! All of it is level-triggered. A name comes because its instance may have changed, and what is right is then read off the newest
//! view; what is told is where the checks stand at that moment. So nothing has to be remembered in order, and a queue holds each
//! instance at most once.

use crate::config::ConfiguredCheck;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use whither_checks::{CheckId, Key, LocalCheck, Runner, Target, Verdict};
use whither_directory::{Directory, Listed, Named, OwnChanges, View};
use whither_model::{Check, Command, Epoch, Health, Outcome, Port, Refusal, ServiceName, WallTime};

/// Commands to the node that are underway at once: a part of its queue, so that clients find room beside a mass of verdicts.
const TELLING_MAX: usize = 256;
/// Verdicts taken in one go.
const VERDICTS_AT_ONCE: usize = 1_024;
/// Instances followed before other work gets its turn.
const FOLLOWED_AT_ONCE: usize = 256;
/// Before a node that had no room, or no disk, is told again.
const AGAIN: Duration = Duration::from_millis(200);

/// A number for whoever measures.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicUsize);

impl Gauge {
    /// The number.
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, number: usize) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// How the work goes.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Instances whose checks the runner does not take.
    pub(super) refused: Gauge,
    /// Instances that wait to be told of.
    pub(super) untold: Gauge,
}

/// What is to be checked. When it changes, the checks are set anew.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Subject {
    address: IpAddr,
    ports: Arc<[Port]>,
    checks: Arc<[Check]>,
    /// Tells one that was removed and registered again from what it was before.
    claimed_at: WallTime,
}

impl Subject {
    fn of(listed: &Listed) -> Self {
        let registration = &listed.instance.registration;
        let checks = registration.upkeep.as_ref().map_or_else(Arc::default, |upkeep| Arc::clone(&upkeep.checks));
        Self {
            address: registration.address,
            ports: Arc::clone(&registration.ports),
            checks,
            claimed_at: listed.instance.claimed_at,
        }
    }
}

/// What is known of an instance's checks.
#[derive(Debug)]
struct Watched {
    subject: Subject,
    standings: Vec<(CheckId, Health)>,
    telling: Telling,
}

impl Watched {
    /// What its checks come to; `None` if none of them is run.
    fn worst(&self) -> Option<Health> {
        self.standings.iter().map(|(_, health)| *health).max()
    }
}

/// Whether the node is to be told of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Telling {
    /// It knows.
    Done,
    /// It is this instance's turn some time.
    Waits,
    /// A command is underway.
    Underway,
    /// A command is underway, and what it says is no longer so.
    UnderwayAndStale,
}

/// The state of the thread.
pub(super) struct Following {
    directory: Arc<Directory>,
    runner: Runner,
    local: BTreeMap<ServiceName, Vec<ConfiguredCheck>>,
    watched: HashMap<Key, Watched>,
    refused: HashSet<Key>,
    untold: VecDeque<Key>,
    telling: JoinSet<(Key, Result<Outcome, Refusal>)>,
    /// No command is sent before then.
    pause: Option<Instant>,
    progress: Arc<Progress>,
}

impl Following {
    /// One that watches nothing yet.
    pub(super) fn new(
        directory: Arc<Directory>,
        runner: Runner,
        configured: Vec<ConfiguredCheck>,
        progress: Arc<Progress>,
    ) -> Self {
        let mut local: BTreeMap<ServiceName, Vec<ConfiguredCheck>> = BTreeMap::new();
        for check in configured {
            local.entry(check.service.clone()).or_default().push(check);
        }
        Self {
            directory,
            runner,
            local,
            watched: HashMap::new(),
            refused: HashSet::new(),
            untold: VecDeque::new(),
            telling: JoinSet::new(),
            pause: None,
            progress,
        }
    }

    /// Works until it is to stop.
    pub(super) async fn run(
        mut self,
        mut changes: OwnChanges,
        mut verdicts: mpsc::Receiver<Verdict>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut taken = Vec::new();
        loop {
            self.tell();
            tokio::select! {
                () = told_to(&mut stop) => return,
                _ = verdicts.recv_many(&mut taken, VERDICTS_AT_ONCE) => taken.drain(..).for_each(|one| self.hear(one)),
                Some(told) = self.telling.join_next(), if !self.telling.is_empty() => self.told(told),
                names = changes.next() => self.follow_all(names).await,
                () = until(self.pause) => self.pause = None,
            }
        }
    }

    async fn follow_all(&mut self, names: HashSet<Named>) {
        let view = self.directory.view();
        for (at, (service, instance)) in names.into_iter().enumerate() {
            if at % FOLLOWED_AT_ONCE == FOLLOWED_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            self.follow(&view, &Key { service, instance });
        }
        self.progress.refused.set(self.refused.len());
    }

    fn follow(&mut self, view: &View, key: &Key) {
        let own = self.directory.identity().node;
        let listed = view.service(&key.service).and_then(|service| service.instance(&key.instance));
        let Some(listed) = listed.filter(|listed| listed.owner() == own) else { return self.forget(key) };
        let subject = Subject::of(listed);
        if subject.checks.is_empty() && self.local_of(key).next().is_none() {
            return self.forget(key);
        }
        let is_same = self.watched.get(key).is_some_and(|watched| watched.subject == subject);
        if !is_same && !self.set(key, subject, listed) {
            return;
        }
        // Whatever it was told before: a registration sets a health anew, and another agent's word may have come in between.
        let health = listed.instance.registration.health;
        let Some(watched) = self.watched.get(key) else { return };
        if !matches!(health, Health::Silent | Health::Overdue) && watched.worst().is_some_and(|worst| worst != health) {
            self.must_tell(key);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.refused.remove(key);
        if self.watched.remove(key).is_some() {
            self.runner.remove(key);
        }
    }

    fn local_of<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a LocalCheck> {
        let of_service = self.local.get(&key.service).into_iter().flatten();
        of_service.filter(|one| one.id.as_ref().is_none_or(|id| *id == key.instance)).map(|one| &one.check)
    }

    /// Has `subject` checked, in place of what was checked before. Returns whether it is.
    fn set(&mut self, key: &Key, subject: Subject, listed: &Listed) -> bool {
        let mut checks: Vec<LocalCheck> = self.local_of(key).cloned().collect();
        for check in &*subject.checks {
            let mut check = LocalCheck::from(check.clone());
            while checks.iter().any(|other| other.name == check.name) {
                // The configuration came first, and both are run.
                check.name = format!("{}-registered", check.name).into();
            }
            checks.push(check);
        }
        let is_new = !self.watched.contains_key(key);
        if let Some(believed) = is_new.then(|| believed(listed, self.directory.identity().epoch)).flatten() {
            checks.iter_mut().for_each(|check| check.pace.initial = believed);
        }
        let target = Target { address: subject.address, ports: Arc::clone(&subject.ports) };
        let standings = match self.runner.set_local(key, &target, &checks) {
            Ok(standings) => standings,
            Err(problem) => {
                if self.refused.insert(key.clone()) {
                    tracing::warn!(instance = %key, %problem, "its checks are not run");
                }
                if self.watched.remove(key).is_some() {
                    self.runner.remove(key);
                }
                return false;
            }
        };
        self.refused.remove(key);
        let standings = standings.into_iter().map(|standing| (standing.id, standing.health)).collect();
        let telling = self.watched.get(key).map_or(Telling::Done, |before| before.telling);
        self.watched.insert(key.clone(), Watched { subject, standings, telling });
        true
    }

    /// A check changed its mind.
    fn hear(&mut self, Verdict { key, id, health, .. }: Verdict) {
        let Some(watched) = self.watched.get_mut(&key) else { return };
        let before = watched.worst();
        // One of a check that has been replaced since is of the past.
        let Some(standing) = watched.standings.iter_mut().find(|(known, _)| *known == id) else { return };
        standing.1 = health;
        if watched.worst() != before {
            self.must_tell(&key);
        }
    }

    fn must_tell(&mut self, key: &Key) {
        let Some(watched) = self.watched.get_mut(key) else { return };
        match watched.telling {
            Telling::Done => {
                watched.telling = Telling::Waits;
                self.untold.push_back(key.clone());
            }
            Telling::Underway => watched.telling = Telling::UnderwayAndStale,
            Telling::Waits | Telling::UnderwayAndStale => {}
        }
    }

    /// Tells the node of as many as may be underway.
    fn tell(&mut self) {
        while self.pause.is_none() && self.telling.len() < TELLING_MAX {
            let Some(key) = self.untold.pop_front() else { break };
            let Some(watched) = self.watched.get_mut(&key).filter(|watched| watched.telling == Telling::Waits) else {
                continue;
            };
            let Some(health) = watched.worst() else {
                watched.telling = Telling::Done;
                continue;
            };
            watched.telling = Telling::Underway;
            let command = Command::Judge { service: key.service.clone(), id: key.instance.clone(), health };
            let directory = Arc::clone(&self.directory);
            self.telling.spawn(async move { (key, directory.submit(command).await) });
        }
        self.progress.untold.set(self.untold.len() + self.telling.len());
    }

    /// The node has answered.
    fn told(&mut self, answer: Result<(Key, Result<Outcome, Refusal>), JoinError>) {
        // A command is one line, which does not panic; and this set is never told to abort any.
        let Ok((key, answer)) = answer else { return };
        let again = matches!(answer, Err(Refusal::Unavailable(_) | Refusal::Disk(_)));
        if again {
            self.pause = Some(Instant::now() + AGAIN);
        }
        let Some(watched) = self.watched.get_mut(&key) else { return };
        let is_stale = watched.telling == Telling::UnderwayAndStale;
        if !matches!(watched.telling, Telling::Underway | Telling::UnderwayAndStale) {
            return;
        }
        // Otherwise it is told, or it is gone, which the view is about to show.
        watched.telling = Telling::Done;
        if again || is_stale {
            self.must_tell(&key);
        }
    }
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    // That nobody is left who could say so is as good.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn until(pause: Option<Instant>) {
    match pause {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// What holds of an instance that was there before this thread was, until its checks have been run: what its row says. `None`: what its
/// checks begin with.
///
/// A restart of the agent is no reason to doubt what its checks had found.
fn believed(listed: &Listed, epoch: Epoch) -> Option<Health> {
    let instance = &listed.instance;
    let health = instance.registration.health;
    let initial = instance.registration.upkeep.as_ref().map(|upkeep| upkeep.initial_health());
    // A row of this boot may be an older one that was registered again before anybody looked.
    let is_older =
        instance.version.epoch != epoch || (health.is_usable() && initial.is_some_and(|one| !one.is_usable()));
    is_older.then_some(match health {
        Health::Passing | Health::Overdue => Health::Passing,
        Health::Warning => Health::Warning,
        Health::Critical | Health::Silent => Health::Critical,
    })
}

#[cfg(test)]
mod tests;
