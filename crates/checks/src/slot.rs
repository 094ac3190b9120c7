//! One check that is set: what it does, what it found, and what was told of it.

use crate::finding::Finding;
use crate::job::{Job, Key};
use crate::output::{Output, Report, Room, presentable};
use crate::{CheckId, Judge, Standing, Verdict};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use whither_model::{Health, Pace, WallTime};

/// A check that is set.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: CheckId,
    pub(crate) key: Key,
    pub(crate) name: Arc<str>,
    pub(crate) pace: Pace,
    pub(crate) job: Job,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    judge: Judge,
    /// What whoever listens believes.
    told: Health,
    /// Whether it waits for its turn to be told.
    in_line: bool,
    output: Option<Output>,
}

impl Slot {
    pub(crate) fn new(id: CheckId, key: Key, name: Arc<str>, pace: Pace, job: Job) -> Self {
        let known = Known { judge: Judge::new(&pace), told: pace.initial, in_line: false, output: None };
        Self { id, key, name, pace, job, known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds it can panic half-way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears what a run found, and says whether the slot must get in line to be told. At most once until it was.
    pub(crate) fn hear(&self, finding: Finding, took: Duration, room: &Room) -> bool {
        let text = presentable(&finding.text);
        let mut known = self.known();
        if let Some(result) = finding.status {
            known.judge.hear(result);
        }
        let before = known.output.take().map_or(0, |output| output.text.len());
        let health = known.judge.health();
        let text = room.exchange(before, text);
        known.output = Some(Output { text, at: wall(), took, status: finding.status, health });
        let gets_in_line = health != known.told && !known.in_line;
        known.in_line |= gets_in_line;
        gets_in_line
    }

    /// What is new since it was last told. The slot leaves the line.
    pub(crate) fn tell(&self) -> Option<Verdict> {
        let mut known = self.known();
        known.in_line = false;
        let health = known.judge.health();
        let changed_from = std::mem::replace(&mut known.told, health);
        let verdict = || Verdict { key: self.key.clone(), check: self.name.clone(), id: self.id, health, changed_from };
        (changed_from != health).then(verdict)
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { check: self.name.clone(), id: self.id, health: self.known().judge.health() }
    }

    pub(crate) fn output(&self) -> Option<Output> {
        self.known().output.clone()
    }

    pub(crate) fn report(&self) -> Report {
        let known = self.known();
        let (health, latest) = (known.judge.health(), known.output.clone());
        Report { check: self.name.clone(), kind: self.job.kind(), health, latest }
    }

    /// Forgets its output and gives the room back.
    pub(crate) fn clear(&self, room: &Room) {
        let before = self.known().output.take();
        room.give_back(before.map_or(0, |output| output.text.len()));
    }
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
