//! Nodes' users' tables: the very code that agents run, on databases in memory.

use super::{Pending, World};
use std::time::Duration;
use whither_model::sql::{Statement, TableWork, TablesDone, Transaction};
use whither_model::{Epoch, Origin, WallTime};
use whither_tables::{Applied, Tables};

/// A node's database, and what waits for it.
#[derive(Debug)]
pub(super) struct Database {
    tables: Tables,
    work: Vec<Work>,
    due: bool,
}

#[derive(Debug)]
enum Work {
    /// Of the core.
    Core(TableWork),
    /// Of a client: where its answer goes.
    Client(usize),
}

/// What a client asked of a node's tables, and what it was told.
#[derive(Clone, Debug)]
pub struct Transacted {
    /// The node that was asked.
    pub node: usize,
    /// What was asked.
    pub asks: Asks,
    /// When and what it was told; `None`: never. What was written, if anything, or why it was refused.
    pub answer: Option<(u64, Result<Option<Transaction>, String>)>,
}

/// What a client asks of tables.
#[derive(Clone, Debug)]
pub enum Asks {
    /// To run statements.
    Run(Vec<Statement>),
    /// To change the schema.
    Schema(String),
}

/// Bytes found at once for another node: few, so that several rounds are needed.
const FIND_BYTES: usize = 16 * 1024;
/// Longest until a database has worked off what waits for it.
const WORK: Duration = Duration::from_millis(4);

impl World {
    /// Asks a node to run statements. Returns where the answer will be in [`World::transacted`].
    pub fn transact(&mut self, node: usize, asks: Asks) -> usize {
        let at = self.transacted.len();
        self.transacted.push(Transacted { node, asks, answer: None });
        if self.nodes[node].running.is_some()
            && let Some(database) = &mut self.nodes[node].database
        {
            database.work.push(Work::Client(at));
            self.work_soon(node);
        }
        at
    }

    /// What clients asked of tables, in the order in which they asked.
    #[must_use]
    pub fn transacted(&self) -> &[Transacted] {
        &self.transacted
    }

    /// A node's tables.
    #[must_use]
    pub fn tables(&self, node: usize) -> Option<&Tables> {
        self.nodes[node].database.as_ref().map(|database| &database.tables)
    }

    /// Sabotage: the node, which does not run, loses its database.
    pub fn lose_database(&mut self, node: usize) {
        assert!(self.nodes[node].running.is_none(), "n{node} runs");
        self.nodes[node].database = None;
    }

    pub(super) fn open_database(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(running) = &mut node.running else { return };
        let me: Origin = running.replica.origin();
        let tables = match node.database.take() {
            Some(mut database) => {
                database.tables.boot(me).expect("a database in memory can be read");
                database.tables
            }
            None => Tables::in_memory(me).expect("there is memory for a database"),
        };
        let collected = tables.collected().expect("a database in memory can be read");
        running.replica.handle_tables_opened(&tables.seen(), &collected);
        node.database = Some(Database { tables, work: Vec::new(), due: false });
    }

    pub(super) fn give_work(&mut self, at: usize, work: Vec<TableWork>) {
        if work.is_empty() {
            return;
        }
        if let Some(database) = &mut self.nodes[at].database {
            database.work.extend(work.into_iter().map(Work::Core));
            self.work_soon(at);
        }
    }

    fn work_soon(&mut self, at: usize) {
        let boot = self.nodes[at].boots;
        let Some(database) = self.nodes[at].database.as_mut().filter(|database| !database.due) else { return };
        database.due = true;
        let micros = usize::try_from(WORK.as_micros()).unwrap_or(1);
        let after = Duration::from_micros(self.random.below(micros) as u64);
        self.push(after, Pending::Database { node: at, boot });
    }

    /// One transaction of SQLite for all that waits.
    pub(super) fn work_off(&mut self, at: usize, boot: u64) {
        let node = &mut self.nodes[at];
        let now = node.now(self.time);
        if node.boots != boot {
            return;
        }
        let (Some(running), Some(database)) = (&mut node.running, &mut node.database) else { return };
        database.due = false;
        if running.paused {
            // A frozen node's database goes on when it does.
            return self.work_soon(at);
        }
        let work = std::mem::take(&mut database.work);
        let tables = &mut database.tables;
        tables.begin().expect("begins");
        let mut told = Vec::new();
        let mut done = Vec::new();
        for one in work {
            match one {
                Work::Client(at) => told.push((at, run(tables, now.wall, &self.transacted[at].asks))),
                Work::Core(work) => done.push(carry_out(tables, now.wall, work)),
            }
        }
        tables.commit().expect("commits");
        done.into_iter().for_each(|done| running.replica.handle_tables_done(now, done));
        for (at, answer) in told {
            if let Ok(Some(transaction)) = &answer {
                running.replica.handle_transaction(now, transaction);
            }
            self.transacted[at].answer = Some((self.time, answer));
        }
        self.carry_out(at);
    }

    /// How far a node's own transactions have got, by boot.
    #[must_use]
    pub fn tables_head(&self, node: usize) -> Option<(Epoch, u64)> {
        self.tables(node).map(|tables| (tables.origin().epoch, tables.head().0))
    }
}

fn run(tables: &mut Tables, wall: WallTime, asks: &Asks) -> Result<Option<Transaction>, String> {
    match asks {
        Asks::Run(statements) => match tables.transact(wall, statements) {
            Ok(done) => Ok(done.transaction),
            Err(refused) => Err(refused.to_string()),
        },
        Asks::Schema(sql) => match tables.change_schema(wall, sql) {
            Ok(change) => Ok(change.transaction),
            Err(refused) => Err(refused.to_string()),
        },
    }
}

fn carry_out(tables: &mut Tables, wall: WallTime, work: TableWork) -> TablesDone {
    match work {
        TableWork::Apply(transaction) => match tables.apply(wall, &transaction).expect("a database in memory") {
            Applied::New | Applied::Known => TablesDone::Applied(transaction.origin, transaction.seq),
            Applied::Not(_) => TablesDone::NotApplied(transaction.origin, transaction.seq),
        },
        TableWork::Mend { complete, collected, body, fetch } => {
            let applied = tables.mend(wall, &complete, &collected, &body).expect("a database in memory");
            TablesDone::Mended { complete, collected, taken: !matches!(applied, Applied::Not(_)), fetch }
        }
        TableWork::Collect { upto } => {
            let tombstones = tables.collect(&upto).expect("a database in memory");
            TablesDone::Collected { tombstones, upto }
        }
        TableWork::Forget { collected } => {
            tables.forget(&collected).expect("a database in memory");
            TablesDone::Forgotten { collected, done: true }
        }
        TableWork::Find { missing, asker } => {
            let found = tables.lacking(&missing, FIND_BYTES).expect("a database in memory");
            TablesDone::Found { asker, complete: found.complete, body: found.body, more: found.more }
        }
    }
}
