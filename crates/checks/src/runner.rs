//! The handle of a runner.

use crate::book::Book;
use crate::drive::{drive, tell};
use crate::guard::{Guard, Refused};
use crate::job::{self, Order};
use crate::output::Room;
use crate::probe::{Prober, Wire};
use crate::slot::Slot;
use crate::stats::Counters;
use crate::trust::Trust;
use crate::{Key, LocalCheck, Network, Output, Report, Standing, Stats, Target, Verdict};
use rustls::RootCertStore;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, unconstrained};
use tokio::time::Instant;
use whither_model::{Check, Invalid};

/// What a runner may do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses that may be checked though they are not the registrant's own, or though they are loopback.
    pub allow: Vec<Network>,
    /// Runs at once. Each has one socket or one process. What is needed is runs per second times how long they take: a
    /// thousand per second of which a tenth waits two seconds for nothing need 200 for these alone.
    pub running_max: usize,
    /// Verdicts that wait to be taken.
    pub verdicts_max: usize,
    /// Bytes of all outputs together, after which new ones are kept short.
    pub output_bytes_max: usize,
    /// Whose certificates are believed. Empty: none, and encrypted checks fail unless they skip verification.
    pub roots: RootCertStore,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            running_max: 4_096,
            verdicts_max: 1_024,
            output_bytes_max: 64 * 1024 * 1024,
            roots: RootCertStore::empty(),
        }
    }
}

/// Why nothing was set. What ran before runs on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotSet {
    /// A check that should not have left the surface.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A check that would speak to somebody whom it may not speak to.
    #[error(transparent)]
    Refused(Refused),
}

/// What the handle and the tasks share.
pub(crate) struct Shared {
    book: Mutex<Book>,
    pub(crate) agenda_changed: Notify,
    pub(crate) changed: mpsc::UnboundedSender<Arc<Slot>>,
    pub(crate) counters: Counters,
    pub(crate) room: Room,
    pub(crate) running_max: usize,
    pub(crate) prober: Box<dyn Prober>,
}

impl Shared {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        // A panic under the lock would be a bug; the checks of everybody else go on.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs checks. Clones are one runner, which ends with the last of them.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
    guard: Arc<Guard>,
    _tasks: Arc<Tasks>,
}

/// Ends the tasks when it is dropped, and with them every run.
struct Tasks([AbortHandle; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Runner {
    /// Starts a runner on the current runtime, with nothing to do. Whoever takes the verdicts must go on taking them; a
    /// runtime with one thread is enough, and the cheapest.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(config: Config) -> (Self, mpsc::Receiver<Verdict>) {
        let prober = Box::new(Wire::new(Trust::new(&config.roots)));
        Self::start_with(config, prober)
    }

    pub(crate) fn start_with(config: Config, prober: Box<dyn Prober>) -> (Self, mpsc::Receiver<Verdict>) {
        let (changed, changes) = mpsc::unbounded_channel();
        let (verdicts, taken) = mpsc::channel(config.verdicts_max.max(1));
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            agenda_changed: Notify::new(),
            changed,
            counters: Counters::default(),
            room: Room::new(config.output_bytes_max),
            running_max: config.running_max.max(1),
            prober,
        });
        let driving = tokio::spawn(drive(shared.clone()));
        // Its turns are rare when many runs are underway, so each hands on all that fits.
        let telling = tokio::spawn(unconstrained(tell(shared.clone(), changes, verdicts)));
        let tasks = Arc::new(Tasks([driving.abort_handle(), telling.abort_handle()]));
        (Self { shared, guard: Arc::new(Guard::new(config.allow)), _tasks: tasks }, taken)
    }

    /// Sets the checks of `key` to be these and no others. A check that is there already, unchanged, goes on with what it
    /// has found. Returns where each stands, except those that somebody reports ([`whither_model::Probe::Ttl`]).
    ///
    /// # Errors
    /// [`NotSet`]; nothing was changed.
    pub fn set(&self, key: &Key, target: &Target, checks: &[Check]) -> Result<Vec<Standing>, NotSet> {
        Ok(self.replace(key, job::orders(&self.guard, target, checks)?))
    }

    /// The same for checks of the agent's own configuration. Those of `key` from the API, if any, are replaced.
    ///
    /// # Errors
    /// [`NotSet`]; nothing was changed.
    pub fn set_local(&self, key: &Key, target: &Target, checks: &[LocalCheck]) -> Result<Vec<Standing>, NotSet> {
        Ok(self.replace(key, job::local_orders(&self.guard, target, checks)?))
    }

    fn replace(&self, key: &Key, orders: Vec<Order>) -> Vec<Standing> {
        let (standings, gone) = self.shared.book().set(key, orders, Instant::now());
        self.shared.agenda_changed.notify_one();
        gone.iter().for_each(|slot| slot.clear(&self.shared.room));
        standings
    }

    /// Ends the checks of `key` and forgets their outputs. Verdicts that wait to be taken are not called back.
    pub fn remove(&self, key: &Key) {
        let gone = self.shared.book().remove(key);
        gone.iter().for_each(|slot| slot.clear(&self.shared.room));
    }

    /// The latest run of a check; `None` if there was none, or there is no such check.
    #[must_use]
    pub fn output(&self, key: &Key, check: &str) -> Option<Output> {
        let slot = self.shared.book().find(key, check).cloned()?;
        slot.output()
    }

    /// Where each check of `key` stands, in the order in which they were set.
    #[must_use]
    pub fn reports(&self, key: &Key) -> Vec<Report> {
        let slots = self.shared.book().all(key);
        slots.iter().map(|slot| slot.report()).collect()
    }

    /// What it has done, and does.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (checks, running) = self.shared.book().count();
        let counters = &self.shared.counters;
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Stats {
            checks: number(checks),
            running: number(running),
            passed: counters.passed.get(),
            failed: counters.failed.get(),
            unable: counters.unable.get(),
            late: counters.late.get(),
            skipped: counters.skipped.get(),
            verdicts: counters.verdicts.get(),
            output_bytes: number(self.shared.room.taken()),
        }
    }
}

#[cfg(test)]
mod tests;
