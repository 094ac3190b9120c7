//! The one thread that writes, and the queue in front of it.

use crate::coalesce::Group;
use crate::journal::{BatchNumber, JournalConfig, Receipt, Report};
use crate::{CommitError, Store, probe};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The pause after the first failed attempt; each further one doubles it.
const RETRY_MIN: Duration = Duration::from_millis(100);

/// The longest pause between attempts.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Where the node leaves what the writer is to write. Held only for as long as it takes to move data in or out.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    window: Duration,
}

struct State {
    pending: Group,
    /// The last batch appended.
    last: BatchNumber,
    /// When the oldest pending batch came; `None` if none is pending.
    since: Option<Instant>,
    /// Whether somebody waits for a pending batch.
    awaited: bool,
    /// Rows that the writer has taken and not committed.
    in_flight: usize,
    /// A limit the writer has yet to set.
    new_limit: Option<Option<u32>>,
    closing: bool,
}

/// What the writer takes from the queue.
struct Taken {
    pending: Group,
    through: BatchNumber,
    awaited: bool,
    new_limit: Option<Option<u32>>,
    closing: bool,
}

impl Queue {
    pub(crate) fn new(config: JournalConfig) -> Self {
        let state = State {
            pending: Group::default(),
            last: BatchNumber(0),
            since: None,
            awaited: false,
            in_flight: 0,
            new_limit: config.max_pages.map(Some),
            closing: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), window: config.window }
    }

    pub(crate) fn push(&self, awaited: bool, add: impl FnOnce(&mut Group)) -> BatchNumber {
        let mut state = self.lock();
        state.last.0 += 1;
        add(&mut state.pending);
        // The writer need not hear of what does not change when it wakes.
        let news = state.since.is_none() || (awaited && !state.awaited);
        state.awaited |= awaited;
        state.since.get_or_insert_with(Instant::now);
        let number = state.last;
        drop(state);
        if news {
            self.wake.notify_one();
        }
        number
    }

    pub(crate) fn backlog(&self) -> usize {
        let state = self.lock();
        state.pending.len() + state.in_flight
    }

    pub(crate) fn set_max_pages(&self, pages: Option<u32>) {
        self.lock().new_limit = Some(pages);
        self.wake.notify_one();
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits until there is a reason to write, and takes what is pending. During an outage the reason is `retry_at`.
    fn take(&self, retry_at: Option<Instant>) -> Taken {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = match (retry_at, state.since) {
                _ if state.closing || state.new_limit.is_some() => Some(now),
                (Some(at), _) => Some(at),
                (None, Some(_)) if state.awaited => Some(now),
                (None, Some(since)) => Some(since + self.window),
                (None, None) => None,
            };
            state = match due.map(|at| at.saturating_duration_since(now)) {
                Some(Duration::ZERO) => break,
                Some(pause) => self.wake.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.since = None;
        let pending = mem::take(&mut state.pending);
        state.in_flight += pending.len();
        Taken {
            pending,
            through: state.last,
            awaited: mem::take(&mut state.awaited),
            new_limit: state.new_limit.take(),
            closing: state.closing,
        }
    }

    fn set_in_flight(&self, rows: usize) {
        self.lock().in_flight = rows;
    }

    /// A panic of another thread cannot leave the state half changed, so it is no reason to stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread.
pub(crate) fn spawn(
    store: Store,
    queue: Arc<Queue>,
    report: Box<dyn FnMut(Report) + Send>,
) -> JoinHandle<Result<(), CommitError>> {
    let writer = Writer {
        store,
        queue,
        report,
        group: Group::default(),
        through: BatchNumber(0),
        committed: BatchNumber(0),
        awaited: false,
        outage: None,
    };
    let thread = thread::Builder::new().name("whither-journal".to_owned());
    thread.spawn(move || writer.run()).expect("the operating system has a thread for the journal")
}

struct Writer {
    store: Store,
    queue: Arc<Queue>,
    report: Box<dyn FnMut(Report) + Send>,
    /// Taken from the queue and not committed.
    group: Group,
    /// The last batch in the group.
    through: BatchNumber,
    /// The last batch with a receipt.
    committed: BatchNumber,
    /// Whether somebody waits for a batch in the group.
    awaited: bool,
    /// Set while commits fail.
    outage: Option<Outage>,
}

struct Outage {
    error: CommitError,
    pause: Duration,
    retry_at: Instant,
}

impl Writer {
    fn run(mut self) -> Result<(), CommitError> {
        loop {
            let taken = self.queue.take(self.outage.as_ref().map(|outage| outage.retry_at));
            self.group.absorb(taken.pending);
            self.through = taken.through;
            self.awaited |= taken.awaited;
            self.queue.set_in_flight(self.group.len());
            if let Some(limit) = taken.new_limit {
                self.limit(limit);
            }
            if taken.closing {
                return self.finish();
            }
            if self.through > self.committed {
                self.attempt();
            }
        }
    }

    /// Tries to commit the group, and says how it went.
    fn attempt(&mut self) {
        match self.store.database.commit(&self.group, self.awaited) {
            Ok(()) => {
                self.group = Group::default();
                self.awaited = false;
                self.committed = self.through;
                self.queue.set_in_flight(0);
                if self.outage.take().is_some() {
                    (self.report)(Report::Recovered);
                }
                (self.report)(Report::Committed(Receipt::new(self.committed)));
                // After the report: nobody waits for it.
                self.store.database.checkpoint_if_due();
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// Keeps the group and plans the next attempt. Reports what is news.
    fn fail(&mut self, failure: &rusqlite::Error) {
        let mut error = CommitError::sqlite(failure, None);
        let before = self.outage.take();
        let pause = before.as_ref().map_or(RETRY_MIN, |outage| (outage.pause * 2).min(RETRY_MAX));
        if before.is_none_or(|outage| !outage.error.is_same_trouble(&error)) {
            if matches!(error, CommitError::Full { .. } | CommitError::Io { .. }) {
                error = CommitError::sqlite(failure, Some(&probe::ask(&self.store.dir)));
            }
            (self.report)(Report::Failed(error.clone()));
        }
        self.outage = Some(Outage { error, pause, retry_at: Instant::now() + pause });
    }

    fn limit(&mut self, pages: Option<u32>) {
        if let Err(error) = self.store.database.set_max_pages(pages) {
            tracing::warn!(%error, ?pages, "cannot limit the size of the database");
        }
    }

    /// The last commit, and an empty log. Dropping the writer then closes the database and releases the directory.
    fn finish(mut self) -> Result<(), CommitError> {
        self.awaited = true;
        if self.through > self.committed {
            self.attempt();
            if let Some(outage) = self.outage {
                return Err(outage.error);
            }
        }
        let database = &mut self.store.database;
        // Nothing is left to write, but there may be commits that nobody awaited.
        let synced = database.commit(&Group::default(), true).and_then(|()| database.checkpoint_all());
        synced.map_err(|failure| CommitError::sqlite(&failure, None))
    }
}
