//! The one thread that writes users' tables, and the one that syncs behind it.
//!
//! Whatever waits shares one commit. A commit is visible to readers and told to the other nodes at once; whoever asked for the
//! disk is answered when the log has been synced, by another thread, while the next commit is under way.

use crate::damage;
use crate::file;
use crate::limits::{
    APPLIES_APART, CAREFUL_COMMITS, CHECKPOINT_PAGES, FIND_BYTES, GATHER, LOG_BYTES_KEPT, QUIET, WRITES_TOGETHER,
};
use crate::settle::Settled;
use crate::watch::{Event, Interest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use whither_directory::Directory;
use whither_directory::sql::{Place, SchemaChanged, SqlRefusal, Transacted};
use whither_model::sql::{Statement, Stretches, TableWork, TablesDone, Transaction};
use whither_model::{Origin, Seq};
use whither_tables::{Applied, Fault, Refused, SchemaRefused, Tables, Touched};

/// Something for the thread that writes.
pub(crate) enum Job {
    /// A client's transaction. `durable`: to be answered when it is on the disk.
    Transact { statements: Vec<Statement>, durable: bool, reply: oneshot::Sender<Result<Transacted, SqlRefusal>> },
    /// A client's change of the schema.
    Schema { sql: String, only_plan: bool, reply: oneshot::Sender<Result<SchemaChanged, SqlRefusal>> },
    /// Of the core.
    Core(TableWork),
    /// Nothing comes after this.
    Stop,
}

/// What has happened to users' tables.
#[derive(Debug, Default)]
pub struct News {
    /// Transactions that were made here, in order: the other nodes are to be told.
    pub made: Vec<Transaction>,
    /// What came of the core's work.
    pub done: Vec<TablesDone>,
}

/// What a commit has changed, for those who watch.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) touched: Vec<Touched>,
    pub(crate) schema_changed: bool,
}

/// What came of a job, before anybody is told.
enum Outcome {
    Transacted(Result<Transacted, SqlRefusal>, Option<Transaction>),
    Schema(Result<SchemaChanged, SqlRefusal>, Option<Transaction>),
    Done(TablesDone),
}

/// An answer that waits for the disk.
type Behind = Box<dyn FnOnce(Result<(), SqlRefusal>) + Send>;

pub(crate) struct Writer {
    tables: Tables,
    file: PathBuf,
    directory: Arc<Directory>,
    jobs: Receiver<Job>,
    news: mpsc::UnboundedSender<News>,
    watchers: Option<(Sender<Event>, Arc<Interest>)>,
    settled: Arc<Settled>,
    syncs: Sender<Vec<Behind>>,
    /// Bytes of transactions that wait; the sender counts up, this down.
    waiting: Arc<AtomicUsize>,
    /// So many of the next commits are made so that each of their transactions can be undone by itself.
    careful: u32,
}

/// What the writer needs besides the tables.
pub(crate) struct Surroundings {
    pub(crate) file: PathBuf,
    pub(crate) directory: Arc<Directory>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) news: mpsc::UnboundedSender<News>,
    pub(crate) watchers: Option<(Sender<Event>, Arc<Interest>)>,
    pub(crate) settled: Arc<Settled>,
    pub(crate) waiting: Arc<AtomicUsize>,
}

/// Starts both threads.
pub(crate) fn start(tables: Tables, around: Surroundings) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (syncs, to_sync) = channel();
    let file = around.file.clone();
    std::thread::Builder::new().name("whither-tsync".into()).spawn(move || sync(&file, &to_sync))?;
    let Surroundings { file, directory, jobs, news, watchers, settled, waiting } = around;
    let writer = Writer { tables, file, directory, jobs, news, watchers, settled, syncs, waiting, careful: 0 };
    std::thread::Builder::new().name("whither-tables".into()).spawn(move || writer.run())
}

/// Puts commits on the disk, and answers those who waited for it.
fn sync(file: &Path, waiting: &Receiver<Vec<Behind>>) {
    while let Ok(first) = waiting.recv() {
        let mut behind = first;
        behind.extend(waiting.try_iter().flatten());
        let outcome = file::sync_log(file).map_err(|error| {
            tracing::error!(file = %file.display(), %error, "what was committed may not be on the disk");
            SqlRefusal::Disk(format!("{error}; the transaction is made, and kept by the other nodes"))
        });
        behind.into_iter().for_each(|answer| answer(outcome.clone()));
    }
}

impl Writer {
    fn run(mut self) {
        let mut next_applies = Instant::now();
        while let Some(first) = self.next() {
            let began = Instant::now();
            let mut jobs = vec![first];
            self.gather_applies(&mut jobs, next_applies);
            while jobs.len() < WRITES_TOGETHER && began.elapsed() < GATHER && !matches!(jobs.last(), Some(Job::Stop)) {
                let Ok(next) = self.jobs.try_recv() else { break };
                jobs.push(next);
            }
            let stop = jobs.pop_if(|last| matches!(last, Job::Stop)).is_some();
            let began = Instant::now();
            self.carry_out(jobs);
            let (least, times, most) = APPLIES_APART;
            next_applies = Instant::now() + (began.elapsed() * times).clamp(least, most);
            if stop {
                break;
            }
            self.checkpoint_if_due();
        }
        drop(self.tables.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
    }

    /// The next job; meanwhile, when it has been quiet for a while, a long log is cut. Nothing: nobody can give any more.
    fn next(&self) -> Option<Job> {
        if let Ok(job) = self.jobs.try_recv() {
            return Some(job);
        }
        if file::bytes(&file::log_of(&self.file)) > LOG_BYTES_KEPT {
            match self.jobs.recv_timeout(QUIET) {
                Ok(job) => return Some(job),
                // Readers may keep it from that, and then it is cut another time.
                Err(_) => drop(self.tables.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")),
            }
        }
        self.jobs.recv().ok()
    }

    /// What other nodes say comes at once when it is quiet. When it is not, it waits a moment for company: nobody waits for it to be
    /// acknowledged, and most of what it costs is the commit. A client's transaction ends the waiting.
    fn gather_applies(&self, jobs: &mut Vec<Job>, until: Instant) {
        while jobs.len() < WRITES_TOGETHER && matches!(jobs.last(), Some(Job::Core(TableWork::Apply(_)))) {
            let left = until.saturating_duration_since(Instant::now());
            match self.jobs.recv_timeout(left) {
                Ok(job) if !left.is_zero() => jobs.push(job),
                Ok(job) => return jobs.push(job),
                Err(_) => return,
            }
        }
    }

    /// Carries out jobs in one commit, or, should that fail, each in one of its own.
    fn carry_out(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let forgets = |job: &Job| matches!(job, Job::Core(TableWork::Forget { .. }));
        if jobs.len() > 1 && jobs.iter().any(forgets) {
            // What came before is forgotten and what comes after is not: each is told by itself, in this order.
            return jobs.into_iter().for_each(|job| self.carry_out(vec![job]));
        }
        match self.try_together(&jobs) {
            Ok(outcomes) => self.tell(jobs, outcomes),
            Err(fault) if jobs.len() == 1 => {
                tracing::error!(error = %fault, "users' tables cannot be written");
                if fault.is_corruption() {
                    damage::report(&self.directory, &self.file, &fault.to_string());
                }
                let refused = SqlRefusal::Disk(fault.to_string());
                let outcomes = jobs.iter().map(|job| refuse(job, &refused)).collect();
                self.tell(jobs, outcomes);
            }
            Err(_) => jobs.into_iter().for_each(|job| self.carry_out(vec![job])),
        }
    }

    fn try_together(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, Fault> {
        let writes = jobs.iter().any(|job| !matches!(job, Job::Core(TableWork::Find { .. })));
        if !writes {
            return jobs.iter().map(|job| self.one(job)).collect();
        }
        // That one transaction takes others with it when it is refused is no loss, if it is rare: they are tried again.
        let as_one = jobs.len() == 1 || self.careful == 0;
        if as_one {
            self.tables.begin_as_one()?
        } else {
            self.tables.begin()?
        }
        self.careful = self.careful.saturating_sub(1);
        let mut outcomes: Result<Vec<Outcome>, Fault> = Ok(Vec::with_capacity(jobs.len()));
        for job in jobs {
            let Ok(done) = &mut outcomes else { break };
            match self.one(job) {
                Ok(outcome) => done.push(outcome),
                Err(fault) => outcomes = Err(fault),
            }
            if !self.tables.is_open() {
                // What others wrote is rolled back as well: they are tried again, with more care; or it was the only one.
                return match jobs.len() {
                    1 => outcomes,
                    _ if as_one => {
                        self.careful = CAREFUL_COMMITS;
                        self.try_together(jobs)
                    }
                    _ => Err(interrupted()),
                };
            }
        }
        match outcomes {
            Ok(outcomes) => self.tables.commit().map(|()| outcomes),
            Err(fault) => {
                self.tables.roll_back()?;
                Err(fault)
            }
        }
    }

    fn one(&mut self, job: &Job) -> Result<Outcome, Fault> {
        let wall = self.directory.clock().wall();
        Ok(match job {
            Job::Transact { statements, .. } => {
                let began = Instant::now();
                match self.tables.transact(wall, statements) {
                    Ok(done) => {
                        let place = done.transaction.as_ref().map(place);
                        let told = Transacted { results: done.results, place, took: began.elapsed() };
                        Outcome::Transacted(Ok(told), done.transaction)
                    }
                    Err(Refused::Fault(fault)) => return Err(fault),
                    Err(refused) => Outcome::Transacted(Err(refusal(&refused)), None),
                }
            }
            Job::Schema { sql, only_plan: true, .. } => match self.tables.plan_schema(sql) {
                Ok(steps) => Outcome::Schema(Ok(SchemaChanged { steps: words(&steps), place: None }), None),
                Err(refused) => Outcome::Schema(Err(schema_refusal(refused)?), None),
            },
            Job::Schema { sql, .. } => match self.tables.change_schema(wall, sql) {
                Ok(change) => {
                    let place = change.transaction.as_ref().map(place);
                    Outcome::Schema(Ok(SchemaChanged { steps: words(&change.steps), place }), change.transaction)
                }
                Err(refused) => Outcome::Schema(Err(schema_refusal(refused)?), None),
            },
            Job::Core(work) => Outcome::Done(self.core(work)?),
            Job::Stop => Outcome::Schema(Ok(SchemaChanged::default()), None),
        })
    }

    fn core(&mut self, work: &TableWork) -> Result<TablesDone, Fault> {
        let wall = self.directory.clock().wall();
        Ok(match work {
            TableWork::Apply(transaction) => {
                let (origin, seq) = (transaction.origin, transaction.seq);
                match self.tables.apply(wall, transaction)? {
                    Applied::New | Applied::Known => TablesDone::Applied(origin, seq),
                    Applied::Not(why) => {
                        tracing::warn!(node = %origin.node, number = seq.0, %why, "a transaction is not taken in");
                        TablesDone::NotApplied(origin, seq)
                    }
                }
            }
            TableWork::Mend { complete, collected, body, fetch } => {
                let applied = self.tables.mend(wall, complete, collected, body)?;
                if let Applied::Not(why) = &applied {
                    tracing::warn!(from = %fetch.from, %why, "transactions that were missing are not taken in");
                }
                let taken = !matches!(applied, Applied::Not(_));
                TablesDone::Mended { complete: complete.clone(), collected: collected.clone(), taken, fetch: *fetch }
            }
            TableWork::Collect { upto } => {
                TablesDone::Collected { tombstones: self.tables.collect(upto)?, upto: upto.clone() }
            }
            TableWork::Forget { collected } => {
                self.keep_a_copy()?;
                self.tables.forget(collected)?;
                TablesDone::Forgotten { collected: collected.clone(), done: true }
            }
            TableWork::Find { missing, asker } => {
                let found = self.tables.lacking(missing, FIND_BYTES)?;
                TablesDone::Found { asker: *asker, complete: found.complete, body: found.body, more: found.more }
            }
        })
    }

    /// Before rows are forgotten, what this node alone may have is kept beside them; without that nothing is forgotten.
    fn keep_a_copy(&self) -> Result<(), Fault> {
        let epoch = self.tables.origin().epoch.0;
        let mut aside = (1..).map(|number| self.file.with_extension(format!("db.forgotten-{epoch}-{number}")));
        let Some(aside) = aside.find(|aside| !aside.exists()) else { return Ok(()) };
        tracing::warn!(
            copy = %aside.display(),
            "this node was away for so long that the others have dropped tombstones which it has not seen: it takes users' \
             tables from them anew, and keeps a copy of what it had"
        );
        let conn = rusqlite::Connection::open(&self.file)?;
        conn.execute("VACUUM INTO ?1", [aside.to_string_lossy()])?;
        Ok(())
    }

    /// Tells everybody what was committed: readers see it already.
    fn tell(&mut self, jobs: Vec<Job>, outcomes: Vec<Outcome>) {
        let mut news = News::default();
        let mut seen: BTreeMap<Origin, Vec<(u64, u64)>> = BTreeMap::new();
        let mut see = |origin: Origin, seq: Seq| seen.entry(origin).or_default().push((seq.0, seq.0));
        let mut behind: Vec<Behind> = Vec::new();
        let mut at_once: Vec<Behind> = Vec::new();
        let mut stretches: Stretches = Vec::new();
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            match (job, outcome) {
                (Job::Transact { durable, reply, .. }, Outcome::Transacted(told, made)) => {
                    let lot = if durable && made.is_some() { &mut behind } else { &mut at_once };
                    lot.push(Box::new(move |synced| drop(reply.send(synced.and(told)))));
                    news.made.extend(made);
                }
                (Job::Schema { reply, .. }, Outcome::Schema(told, made)) => {
                    let lot = if made.is_some() { &mut behind } else { &mut at_once };
                    lot.push(Box::new(move |synced| drop(reply.send(synced.and(told)))));
                    news.made.extend(made);
                }
                (Job::Core(work), Outcome::Done(done)) => {
                    self.waiting.fetch_sub(weight(&work), Ordering::Relaxed);
                    match &done {
                        TablesDone::Applied(origin, seq) => see(*origin, *seq),
                        TablesDone::Mended { complete, taken: true, .. } => stretches.extend(complete.iter().cloned()),
                        _ => {}
                    }
                    news.done.push(done);
                }
                _ => {}
            }
        }
        news.made.iter().for_each(|made| see(made.origin, made.seq));
        stretches.extend(seen);
        self.settled.add(&stretches);
        self.tell_watchers();
        if !news.made.is_empty() || !news.done.is_empty() {
            // A node that has stopped wants nothing.
            drop(self.news.send(news));
        }
        at_once.into_iter().for_each(|answer| answer(Ok(())));
        if !behind.is_empty() {
            drop(self.syncs.send(behind));
        }
    }

    fn tell_watchers(&mut self) {
        let schema_changed = self.tables.take_schema_changed();
        let Some((watchers, _)) = self.watchers.as_ref().filter(|(_, interest)| schema_changed || interest.is_any())
        else {
            return self.tables.forget_touched();
        };
        let committed = Committed { touched: self.tables.take_touched(), schema_changed };
        if schema_changed || !committed.touched.is_empty() {
            // Watchers that have ended want nothing.
            drop(watchers.send(Event::Committed(committed)));
        }
    }

    /// Copies the log into the database once it has grown enough, so that it can begin anew.
    fn checkpoint_if_due(&self) {
        let outcome = self.tables.log_pages_pending().and_then(|pages| {
            if pages < CHECKPOINT_PAGES {
                return Ok(());
            }
            Ok(self.tables.connection().execute_batch("PRAGMA wal_checkpoint(PASSIVE)")?)
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot checkpoint users' tables; their log grows until this succeeds");
        }
    }
}

/// How much of what may wait some work of the core takes.
pub(crate) fn weight(work: &TableWork) -> usize {
    match work {
        TableWork::Apply(transaction) => transaction.body.len() + 64,
        TableWork::Mend { body, .. } => body.len() + 64,
        TableWork::Find { .. } | TableWork::Collect { .. } | TableWork::Forget { .. } => 64,
    }
}

fn interrupted() -> Fault {
    Fault(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT), None))
}

/// What is told to whoever asked for what cannot be written.
fn refuse(job: &Job, refused: &SqlRefusal) -> Outcome {
    match job {
        Job::Transact { .. } | Job::Stop => Outcome::Transacted(Err(refused.clone()), None),
        Job::Schema { .. } => Outcome::Schema(Err(refused.clone()), None),
        Job::Core(work) => Outcome::Done(not_done(work)),
    }
}

/// What the core is told of work that was not done.
pub(crate) fn not_done(work: &TableWork) -> TablesDone {
    match work {
        TableWork::Apply(transaction) => TablesDone::NotApplied(transaction.origin, transaction.seq),
        TableWork::Mend { complete, collected, fetch, .. } => {
            let (complete, collected) = (complete.clone(), collected.clone());
            TablesDone::Mended { complete, collected, taken: false, fetch: *fetch }
        }
        TableWork::Collect { .. } => TablesDone::Collected { tombstones: 0, upto: Vec::new() },
        // It is asked again when a peer next says so.
        TableWork::Forget { .. } => TablesDone::Forgotten { collected: Vec::new(), done: false },
        TableWork::Find { asker, .. } => {
            TablesDone::Found { asker: *asker, complete: Vec::new(), body: Vec::new(), more: false }
        }
    }
}

fn place(transaction: &Transaction) -> Place {
    Place { origin: transaction.origin, seq: transaction.seq }
}

fn words(steps: &[whither_tables::SchemaStep]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

fn refusal(refused: &Refused) -> SqlRefusal {
    match refused {
        Refused::Statement(bad) => SqlRefusal::Statement { index: bad.index, what: bad.what.clone() },
        Refused::TooLarge { .. } => SqlRefusal::TooLarge(refused.to_string()),
        Refused::Fault(fault) => SqlRefusal::Disk(fault.to_string()),
    }
}

/// # Errors
/// It is not the client's fault.
fn schema_refusal(refused: SchemaRefused) -> Result<SqlRefusal, Fault> {
    match refused {
        SchemaRefused::Bad(bad) => Ok(SqlRefusal::Schema { line: bad.line, what: bad.what }),
        SchemaRefused::Refused(Refused::Fault(fault)) => Err(fault),
        SchemaRefused::Refused(refused) => Ok(refusal(&refused)),
    }
}
