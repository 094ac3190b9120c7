//! The journal as the node sees it: batches in, receipts out, never a wait for the disk.

use crate::coalesce::Group;
use crate::writer::{self, Queue};
use crate::{CommitError, Store};
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use whither_model::Epoch;
use whither_model::durable::Batch;

/// How the journal writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalConfig {
    /// How long a batch that nobody awaits may wait for company. An awaited batch never waits.
    pub window: Duration,
    /// The operator's limit on the size of the database, in pages of 4096 bytes; `None` for as much as the disk holds. A
    /// journal at its limit behaves as on a full disk. The log beside the database is not counted.
    pub max_pages: Option<u32>,
}

impl Default for JournalConfig {
    /// A window of 20 ms and no limit.
    fn default() -> Self {
        Self { window: Duration::from_millis(20), max_pages: None }
    }
}

/// A batch's place in the order in which batches were appended: 1, 2, 3 … in each journal. Zero is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct BatchNumber(pub u64);

impl fmt::Display for BatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Proof that batches were committed. Only a commit makes one.
#[derive(PartialEq, Eq, Debug)]
pub struct Receipt {
    through: BatchNumber,
}

impl Receipt {
    pub(crate) fn new(through: BatchNumber) -> Self {
        Self { through }
    }

    /// The last batch covered. It and all before it are stored: those that were awaited, and all before them, on the disk
    /// (they survive a power loss); later ones with the operating system (they survive the death of the process).
    #[must_use]
    pub fn through(&self) -> BatchNumber {
        self.through
    }
}

/// What the writer has to say.
#[derive(PartialEq, Eq, Debug)]
pub enum Report {
    /// A commit succeeded.
    Committed(Receipt),
    /// Commits fail, for this reason. Said when the trouble begins and when it becomes a different one, not at each
    /// attempt. Nothing is lost: what could not be written is kept and tried again.
    Failed(CommitError),
    /// Commits succeed again. The receipt for what had to wait follows.
    Recovered,
}

/// The running journal. Dropping it is closing it without hearing of errors.
pub struct Journal {
    queue: Arc<Queue>,
    /// `None` once closed.
    writer: Option<JoinHandle<Result<(), CommitError>>>,
}

impl Journal {
    pub(crate) fn start(store: Store, config: JournalConfig, report: Box<dyn FnMut(Report) + Send>) -> Self {
        let queue = Arc::new(Queue::new(config));
        let writer = writer::spawn(store, Arc::clone(&queue), report);
        Self { queue, writer: Some(writer) }
    }

    /// Queues a batch behind all before it and returns its number; never waits for the disk.
    ///
    /// `awaited` says that somebody waits until it is on the disk: it is committed at once, and forced there together with
    /// everything before it. An empty batch may be awaited too: its receipt means that all before it is on the disk.
    /// Otherwise the batch waits up to [`JournalConfig::window`] for company.
    ///
    /// What is said of a row, an origin or a member replaces what was said before and is not yet written.
    pub fn append(&self, batch: Batch, awaited: bool) -> BatchNumber {
        self.queue.push(awaited, |group| group.add(batch))
    }

    /// Queues that the stored epoch be at least `epoch`, awaited. Once the receipt is there, the next boot will be later
    /// than `epoch`, and this one may speak in it.
    pub fn raise_epoch(&self, epoch: Epoch) -> BatchNumber {
        self.queue.push(true, |group: &mut Group| group.raise_epoch(epoch))
    }

    /// How many rows wait to be written, members and seen-sets counted too: as many as are distinct, however often they
    /// changed. Grows while the disk fails.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue.backlog()
    }

    /// Changes [`JournalConfig::max_pages`]. A journal that had to stop for want of room tries again at once.
    pub fn set_max_pages(&self, pages: Option<u32>) {
        self.queue.set_max_pages(pages);
    }

    /// Commits and syncs everything, empties the log into the database, stops the thread and releases the directory.
    ///
    /// A failing disk gets one last chance, not more.
    ///
    /// # Errors
    ///
    /// Every batch with a receipt is stored; those without are lost. The directory is released all the same.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.stop().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn stop(&mut self) -> std::thread::Result<Result<(), CommitError>> {
        self.queue.close();
        self.writer.take().map_or(Ok(Ok(())), JoinHandle::join)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        match self.stop() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the journal closed with rows unwritten"),
            Err(_) => tracing::error!("the journal's writer had panicked"),
        }
    }
}
