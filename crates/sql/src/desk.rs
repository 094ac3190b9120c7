//! Where requests come in: of surfaces, through [`Sql`], and of the node, which carries transactions between nodes.

use crate::copy::Copies;
use crate::damage;
use crate::file;
use crate::inspect;
use crate::limits::{APPLIES_BYTES_MAX, WRITES_WAITING_MAX};
use crate::query::Queries;
use crate::readers::Readers;
use crate::settle::Settled;
use crate::watch::{self, Event, Interest};
use crate::write::{self, Job, Surroundings};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use whither_directory::Directory;
use whither_directory::sql::{
    Acked, Answering, BackedUp, Query, Rows, SchemaChanged, Sql, SqlRefusal, Stats, Subscribe, Subscription,
    Transacted, Written,
};
use whither_model::durable::Seen;
use whither_model::sql::{Statement, Stretches, TableWork, TablesDone};
use whither_model::{Instant, Origin};
use whither_tables::OpenError;

pub use crate::write::News;

/// What SQL needs to start.
#[derive(Debug)]
pub struct Config {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Who writes here, in this boot.
    pub me: Origin,
    /// Where the catalog is seen.
    pub directory: Arc<Directory>,
}

/// A started SQL side.
#[derive(Debug)]
pub struct Opened {
    /// Where requests go.
    pub desk: Arc<Desk>,
    /// What has been applied of everybody.
    pub seen: Vec<Seen>,
    /// Up to where tombstones have been dropped.
    pub collected: Stretches,
    /// What happens, for the node.
    pub news: mpsc::UnboundedReceiver<News>,
}

/// Where requests come in.
#[derive(Debug)]
pub struct Desk {
    jobs: SyncSender<Job>,
    queries: Queries,
    readers: Arc<Readers>,
    file: PathBuf,
    copies: Copies,
    /// Bytes of the core's work that wait.
    waiting: Arc<AtomicUsize>,
    known_until: AtomicU64,
    watching: Sender<Event>,
    interest: Arc<Interest>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Opens users' tables in a data directory and starts whatever serves them.
///
/// # Errors
/// [`OpenError`]: nothing runs, and the file is as it was.
pub fn open(config: Config) -> Result<Opened, OpenError> {
    let path = config.data_dir.join(file::NAME);
    let tables = damage::open(&path, config.me)?;
    let seen = tables.seen();
    let collected = tables.collected().map_err(|fault| OpenError::Sqlite { file: path.clone(), source: fault.0 })?;
    let settled = Arc::new(Settled::new(&seen));
    let (jobs, to_write) = sync_channel(WRITES_WAITING_MAX);
    let (told, news) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let readers = Arc::new(Readers::new(&path, Arc::clone(&config.directory)));
    let (watching, to_watch) = channel();
    let interest = Arc::new(Interest::default());
    watch::start(Arc::clone(&readers), to_watch, Arc::clone(&interest))
        .map_err(|refusal| OpenError::NoThread { file: path.clone(), reason: refusal.to_string() })?;
    drop(tokio::spawn(watch::follow_catalog(config.directory.changes(), watching.clone())));
    damage::watch(&config.directory, &path)
        .map_err(|error| OpenError::NoThread { file: path.clone(), reason: error.to_string() })?;
    let around = Surroundings {
        file: path.clone(),
        directory: Arc::clone(&config.directory),
        jobs: to_write,
        news: told,
        watchers: Some((watching.clone(), Arc::clone(&interest))),
        settled: Arc::clone(&settled),
        waiting: Arc::clone(&waiting),
    };
    let writer = write::start(tables, around)
        .map_err(|error| OpenError::NoThread { file: path.clone(), reason: error.to_string() })?;
    let desk = Desk {
        jobs,
        queries: Queries::new(Arc::clone(&readers), settled),
        readers,
        copies: Copies::new(&path),
        file: path,
        waiting,
        known_until: AtomicU64::new(Instant::DISTANT_PAST.as_micros()),
        watching,
        interest,
        writer: Mutex::new(Some(writer)),
    };
    Ok(Opened { desk: Arc::new(desk), seen, collected, news })
}

impl Desk {
    /// Takes work of the core, without waiting. What comes of it is told as [`News`].
    ///
    /// # Errors
    /// What the core is to be told at once, because nothing more can wait.
    pub fn give(&self, work: TableWork) -> Result<(), TablesDone> {
        let weight = write::weight(&work);
        if self.waiting.load(Ordering::Relaxed) + weight > APPLIES_BYTES_MAX {
            return Err(write::not_done(&work));
        }
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        self.jobs.try_send(Job::Core(work)).map_err(|refused| {
            self.waiting.fetch_sub(weight, Ordering::Relaxed);
            let (TrySendError::Full(job) | TrySendError::Disconnected(job)) = refused;
            match job {
                Job::Core(work) => write::not_done(&work),
                _ => unreachable!("what comes back is what was given"),
            }
        })
    }

    /// Up to when all that every present node had written is known here.
    pub fn set_known_until(&self, instant: Instant) {
        self.known_until.store(instant.as_micros(), Ordering::Relaxed);
    }

    /// Writes everything down and ends. Waits for it.
    pub fn close(&self) {
        // A writer that has ended already wants nothing.
        drop(self.jobs.send(Job::Stop));
        drop(self.watching.send(Event::Stop));
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            drop(writer.join());
        }
    }

    fn wish<T: Send + 'static>(
        &self,
        event: impl FnOnce(oneshot::Sender<Result<T, SqlRefusal>>) -> Event,
    ) -> Answering<T> {
        let (reply, answer) = oneshot::channel();
        self.interest.wish();
        // If nobody watches any more, the answer says so.
        drop(self.watching.send(event(reply)));
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(SqlRefusal::NotNow("this node is shutting down".into())))
        })
    }

    fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, SqlRefusal>>) -> Job,
    ) -> Answering<T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.try_send(job(reply));
        Box::pin(async move {
            match sent {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(SqlRefusal::NotNow("this node is shutting down".into()))),
                Err(TrySendError::Full(_)) => Err(SqlRefusal::NotNow(
                    "too many transactions are waiting for this node; try again in a moment".into(),
                )),
                Err(TrySendError::Disconnected(_)) => Err(SqlRefusal::NotNow("this node is shutting down".into())),
            }
        })
    }
}

impl Sql for Desk {
    fn transact(&self, statements: Vec<Statement>, acked: Acked) -> Answering<Transacted> {
        let durable = !matches!(acked, Acked::Memory);
        self.submit(|reply| Job::Transact { statements, durable, reply })
    }

    fn query(&self, query: Query) -> Answering<Rows> {
        Box::pin(self.queries.clone().ask(query))
    }

    fn change_schema(&self, sql: String, only_plan: bool) -> Answering<SchemaChanged> {
        self.submit(|reply| Job::Schema { sql, only_plan, reply })
    }

    fn subscribe(&self, subscribe: Subscribe) -> Answering<Subscription> {
        self.wish(|reply| Event::Subscribe { subscribe, reply })
    }

    fn watch_table(&self, table: String) -> Answering<mpsc::Receiver<Vec<Written>>> {
        self.wish(|reply| Event::Table { table, reply })
    }

    fn stats(&self) -> Answering<Stats> {
        let (readers, file) = (Arc::clone(&self.readers), self.file.clone());
        aside(move || inspect::stats(&readers, &file))
    }

    fn back_up(&self) -> Answering<BackedUp> {
        let copies = self.copies.clone();
        aside(move || copies.make(copies.turn()?))
    }

    fn known_until(&self) -> Instant {
        Instant::from_micros(self.known_until.load(Ordering::Relaxed))
    }
}

/// Runs what may take a while on a thread that may block.
fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, SqlRefusal> + Send + 'static) -> Answering<T> {
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(SqlRefusal::NotNow("this node is shutting down".into())))
    })
}
