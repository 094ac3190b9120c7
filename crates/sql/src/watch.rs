//! Questions whose answers are watched. One thread keeps all of them up to date; equal questions are one.
//!
//! What was committed is looked at in one snapshot that has it. A question that looks at rows one by one is asked what each changed
//! row gives, found by an index from values to questions; any other is asked again, at once when it has rested and otherwise as soon
//! as it has. What a watcher was told adds up to what the question would answer in that snapshot. Whoever is too slow is told
//! everything anew, never less.

mod interest;
mod plan;
mod question;
mod routing;
mod shape;
#[cfg(test)]
mod tests;

use crate::query::{self, bad, broken, in_words};
use crate::readers::{Reader, Readers};
use crate::write::Committed;
pub(crate) use interest::Interest;
use plan::Plan;
use question::Question;
use routing::Routing;
use shape::{Scratch, Shapes};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use whither_directory::sql::{SqlRefusal, Subscribe, Subscription, Written};
use whither_model::sql::{Statement, Value};

/// Something for the thread that watches.
pub(crate) enum Event {
    /// Users' tables have changed.
    Committed(Committed),
    /// The catalog has changed.
    Catalog,
    /// Somebody wants to watch.
    Subscribe { subscribe: Subscribe, reply: oneshot::Sender<Result<Subscription, SqlRefusal>> },
    /// Somebody wants to know which rows of a table are written.
    Table { table: String, reply: oneshot::Sender<Result<mpsc::Receiver<Vec<Written>>, SqlRefusal>> },
    /// The node stops.
    Stop,
}

/// Questions that are watched at once.
const QUESTIONS_MAX: usize = 10_000;
/// How long a question that nobody watches is kept up to date, for watchers that come back.
const KEPT: Duration = Duration::from_secs(60);
/// How soon those who were too slow are looked at again.
const BEHIND: Duration = Duration::from_millis(20);
/// How often it is looked whether questions have been without watchers for too long.
const TIDY: Duration = Duration::from_secs(1);
/// How long the thread sleeps when nothing is due.
const IDLE: Duration = Duration::from_secs(10);
/// Events taken in before what they cause is told.
const EVENTS_TOGETHER: usize = 256;
/// How long a question may take to answer that is to be watched.
const PATIENCE: Duration = Duration::from_secs(10);
/// Written rows that may wait for somebody who watches a table, in lots.
const WRITTEN_LOTS_MAX: usize = 1_024;

/// Keys of rows that were written, by table in lower case.
type Rows = BTreeMap<String, BTreeSet<Vec<u8>>>;

fn note_rows(rows: &mut Rows, touched: Vec<whither_tables::Touched>) {
    for whither_tables::Touched { table, keys } in touched {
        rows.entry(table.to_lowercase()).or_default().extend(keys);
    }
}

struct Watch {
    readers: Arc<Readers>,
    reader: Reader,
    shapes: Shapes,
    scratch: Scratch,
    questions: BTreeMap<u64, Question>,
    by_statement: HashMap<String, Vec<u64>>,
    routing: Routing,
    /// By table, the questions that are asked again when it has changed.
    asked_again: HashMap<String, BTreeSet<u64>>,
    tables: HashMap<String, Vec<mpsc::Sender<Vec<Written>>>>,
    /// Questions of which something is to be told, or of which some watchers are behind.
    untold: BTreeSet<u64>,
    behind: bool,
    /// Questions that are to be asked again.
    due: BTreeSet<u64>,
    /// When it was last looked whether questions have been without watchers for too long.
    tidied: Instant,
    next_id: u64,
}

/// Starts the thread.
pub(crate) fn start(readers: Arc<Readers>, events: Receiver<Event>, interest: Arc<Interest>) -> Result<(), SqlRefusal> {
    let no_thread = |error: std::io::Error| SqlRefusal::NotNow(error.to_string());
    let thread = std::thread::Builder::new().name("whither-watch".into());
    let run = move || match Watch::new(readers) {
        Ok(mut watch) => watch.run(&events, &interest),
        Err(error) => tracing::error!(%error, "questions cannot be watched"),
    };
    thread.spawn(run).map(drop).map_err(no_thread)
}

impl Watch {
    fn new(readers: Arc<Readers>) -> rusqlite::Result<Self> {
        let reader = readers.take()?;
        reader.stop.never();
        let shapes = shape::shapes(&reader)?;
        let scratch = Scratch::of(&shapes)?;
        Ok(Self {
            readers,
            reader,
            shapes,
            scratch,
            questions: BTreeMap::new(),
            by_statement: HashMap::new(),
            routing: Routing::default(),
            asked_again: HashMap::new(),
            tables: HashMap::new(),
            untold: BTreeSet::new(),
            behind: false,
            due: BTreeSet::new(),
            tidied: Instant::now(),
            // So that an id of an earlier boot is hardly ever one of this.
            next_id: std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) >> 12,
        })
    }

    fn run(&mut self, events: &Receiver<Event>, interest: &Interest) {
        let mut granted = 0;
        loop {
            let mut news = match events.recv_timeout(self.pause()) {
                Ok(event) => vec![event],
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            news.extend(events.try_iter().take(EVENTS_TOGETHER));
            let (mut touched, mut schema, mut catalog) = (Rows::new(), false, false);
            let mut wishes = Vec::new();
            for event in news {
                match event {
                    Event::Committed(committed) => {
                        schema |= committed.schema_changed;
                        note_rows(&mut touched, committed.touched);
                    }
                    Event::Catalog => catalog = true,
                    Event::Stop => return,
                    wish => wishes.push(wish),
                }
            }
            granted += wishes.len();
            if let Err(error) = self.look(&touched, schema, catalog, wishes) {
                tracing::warn!(%error, "watched questions could not be answered; they are asked again");
                // They have missed something, and know it by that.
                self.tables.clear();
                self.ask_all_again();
            }
            if self.questions.is_empty() && self.tables.is_empty() {
                interest.none_after(granted);
            } else {
                interest.some();
            }
        }
    }

    /// How long there is nothing to do, unless something happens.
    fn pause(&self) -> Duration {
        let due = self.due.iter().filter_map(|id| self.questions.get(id)?.due).min();
        let due = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        if self.behind { due.min(BEHIND) } else { due }
    }

    /// Looks at what has changed, in one snapshot, and tells the watchers.
    fn look(&mut self, touched: &Rows, schema: bool, catalog: bool, wishes: Vec<Event>) -> rusqlite::Result<()> {
        self.reader.guard.trust(|| self.reader.conn.execute_batch("BEGIN"))?;
        self.readers.pin(&self.reader);
        let outcome = self.look_within(touched, schema, catalog, wishes);
        self.reader.guard.trust(|| self.reader.conn.execute_batch("COMMIT"))?;
        self.tell();
        if self.tidied.elapsed() > TIDY {
            self.tidied = Instant::now();
            self.forget_unwatched();
        }
        outcome
    }

    /// Tells watchers what has changed.
    fn tell(&mut self) {
        self.behind = false;
        for id in std::mem::take(&mut self.untold) {
            if self.questions.get_mut(&id).is_some_and(Question::tell) {
                self.untold.insert(id);
                self.behind = true;
            }
        }
    }

    fn look_within(&mut self, touched: &Rows, schema: bool, catalog: bool, wishes: Vec<Event>) -> rusqlite::Result<()> {
        if schema {
            self.schema_changed()?;
        }
        self.rows_changed(touched)?;
        let now = Instant::now();
        if catalog {
            for question in self.questions.values_mut() {
                if let Plan::Again { catalog: true, .. } = &question.plan {
                    question.due.get_or_insert(now.max(question.rested));
                    self.due.insert(question.id);
                }
            }
        }
        self.ask_due();
        wishes.into_iter().for_each(|wish| self.grant(wish));
        Ok(())
    }

    /// Rows of users' tables were written.
    fn rows_changed(&mut self, touched: &Rows) -> rusqlite::Result<()> {
        let now = Instant::now();
        for (table, keys) in touched {
            let watched = self.tables.contains_key(table);
            let mut written = Vec::new();
            if self.shapes.contains_key(table) && (watched || self.routing.cares_about(table)) {
                for key in keys {
                    let Some(shape) = self.shapes.get(table) else { break };
                    let values = shape.row(&self.reader, key)?;
                    if watched {
                        written.push(Written { key: whither_tables::key_values(key), exists: values.is_some() });
                    }
                    self.row_changed(table, key, values.as_deref())?;
                }
            }
            for id in self.asked_again.get(table).into_iter().flatten() {
                if let Some(question) = self.questions.get_mut(id) {
                    question.due.get_or_insert(now.max(question.rested));
                    self.due.insert(*id);
                }
            }
            if let Some(watchers) = self.tables.get_mut(table).filter(|_| !written.is_empty()) {
                // One that is too slow is cut off, and knows it by that: it has missed something.
                watchers.retain(|watcher| watcher.try_send(written.clone()).is_ok());
            }
        }
        self.tables.retain(|_, watchers| !watchers.is_empty());
        Ok(())
    }

    /// One row is this now; or it is gone.
    fn row_changed(&mut self, table: &str, key: &[u8], values: Option<&[Value]>) -> rusqlite::Result<()> {
        let candidates = self.routing.candidates(table, key, values);
        if candidates.is_empty() {
            return Ok(());
        }
        if let (Some(values), Some(shape)) = (values, self.shapes.get(table)) {
            self.scratch.fill(table, shape, values)?;
        }
        for id in candidates {
            let Some(question) = self.questions.get_mut(&id) else { continue };
            let gives = match values.map(|_| self.scratch.ask(&question.statement)) {
                None => None,
                Some(Ok(gives)) => gives,
                Some(Err(error)) => {
                    // One question that cannot be answered is no reason to let others miss anything.
                    question.fail(&in_words(&self.reader, &error));
                    self.remove(id);
                    continue;
                }
            };
            let shown = question.row_gives(key, gives);
            self.routing.shows(table, key, id, shown);
            self.untold.insert(id);
        }
        Ok(())
    }

    /// Asks the questions again that are due.
    fn ask_due(&mut self) {
        let now = Instant::now();
        let question_of = |id: &u64| self.questions.get(id).and_then(|question| question.due);
        let due: Vec<u64> =
            self.due.iter().filter(|id| question_of(id).is_none_or(|due| due <= now)).copied().collect();
        for id in due {
            self.due.remove(&id);
            self.ask_again(id);
        }
    }

    fn ask_again(&mut self, id: u64) {
        if self.questions.get(&id).is_some_and(|question| matches!(question.plan, Plan::Rows { .. })) {
            return self.fill_again(id);
        }
        let Some(question) = self.questions.get_mut(&id) else { return };
        let began = Instant::now();
        match all_rows(&self.reader, &question.statement) {
            Ok(rows) => {
                question.answer_is(rows);
                question.rest_after(began.elapsed());
                self.untold.insert(id);
            }
            Err(refusal) => {
                question.fail(&refusal);
                self.remove(id);
            }
        }
    }

    /// Finds the whole answer of a question anew that is otherwise kept up to date row by row.
    fn fill_again(&mut self, id: u64) {
        let Some(mut question) = self.questions.remove(&id) else { return };
        question.due = None;
        self.untold.insert(id);
        match self.fill(&mut question) {
            Ok(()) => drop(self.questions.insert(id, question)),
            Err(refusal) => {
                question.fail(&refusal);
                self.unlist(&question);
            }
        }
    }

    fn ask_all_again(&mut self) {
        let all: Vec<u64> = self.questions.keys().copied().collect();
        for id in all {
            if let Some(question) = self.questions.get_mut(&id) {
                question.due = Some(question.rested.max(Instant::now()));
                self.due.insert(id);
            }
        }
    }

    /// Tables look different: every question is planned anew.
    fn schema_changed(&mut self) -> rusqlite::Result<()> {
        self.reader.conn.flush_prepared_statement_cache();
        self.shapes = shape::shapes(&self.reader)?;
        self.scratch = Scratch::of(&self.shapes)?;
        self.routing = Routing::default();
        self.asked_again.clear();
        let all: Vec<u64> = self.questions.keys().copied().collect();
        for id in all {
            let Some(mut question) = self.questions.remove(&id) else { continue };
            let outcome = self.plan(&question.statement).and_then(|(columns, plan)| {
                let same = columns.len() == question.columns.len() && plan == question.plan;
                if same { self.fill(&mut question) } else { Err(bad(CHANGED.into())) }
            });
            match outcome {
                Ok(()) => {
                    self.untold.insert(id);
                    self.questions.insert(id, question);
                }
                Err(refusal) => {
                    question.fail(&refusal);
                    self.unlist(&question);
                }
            }
        }
        Ok(())
    }

    /// How a question can be kept up to date.
    fn plan(&self, statement: &Statement) -> Result<(Vec<whither_directory::sql::Column>, Plan), SqlRefusal> {
        self.reader.conn.flush_prepared_statement_cache();
        let (prepared, touched) = self.reader.guard.watch(|| query::prepare(&self.reader, &statement.sql));
        let mut prepared = prepared?;
        whither_tables::bind(&mut prepared, &statement.params).map_err(bad)?;
        let columns = query::described(&prepared);
        let plan = match Plan::of(statement, &touched, &self.shapes) {
            rows @ Plan::Rows { .. } if self.scratch.understands(&statement.sql) => rows,
            Plan::Rows { table, .. } => Plan::Again { tables: BTreeSet::from([table]), catalog: false },
            again @ Plan::Again { .. } => again,
        };
        Ok((columns, plan))
    }

    /// Finds the whole answer, as this snapshot has it.
    fn fill(&mut self, question: &mut Question) -> Result<(), SqlRefusal> {
        self.reader.stop.within(PATIENCE, || false);
        let outcome = self.try_fill(question);
        let over = self.reader.stop.is_over();
        self.reader.stop.never();
        outcome.map_err(|refusal| if over { SqlRefusal::TimedOut(PATIENCE) } else { refusal })
    }

    fn try_fill(&mut self, question: &mut Question) -> Result<(), SqlRefusal> {
        if let Plan::Again { tables, .. } = &question.plan {
            for table in tables {
                self.asked_again.entry(table.clone()).or_default().insert(question.id);
            }
        }
        let Plan::Rows { table, filter } = question.plan.clone() else {
            let began = Instant::now();
            question.answer_is(all_rows(&self.reader, &question.statement)?);
            question.rest_after(began.elapsed());
            return Ok(());
        };
        self.routing.add(question.id, &table, filter.clone());
        let Some(shape) = self.shapes.get(&table).cloned() else { return Ok(()) };
        let mut gone = question.keys();
        let rows = shape.rows(&self.reader, &table, filter.as_ref()).map_err(|error| in_words(&self.reader, &error))?;
        let trouble = |error: rusqlite::Error| broken(&error);
        for (key, values) in rows {
            self.scratch.fill(&table, &shape, &values).map_err(trouble)?;
            let gives = self.scratch.ask(&question.statement).map_err(trouble)?;
            let shown = question.row_gives(&key, gives);
            self.routing.shows(&table, &key, question.id, shown);
            gone.remove(&*key);
        }
        for key in gone {
            question.row_gives(&key, None);
        }
        Ok(())
    }

    fn grant(&mut self, wish: Event) {
        match wish {
            // Whoever has gone away does not want to know.
            Event::Subscribe { subscribe, reply } => drop(reply.send(self.subscribe(subscribe))),
            Event::Table { table, reply } => drop(reply.send(self.watch_table(&table))),
            Event::Committed(_) | Event::Catalog | Event::Stop => {}
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Result<Subscription, SqlRefusal> {
        let Subscribe { statement, from } = subscribe;
        let same = |id: &&u64| self.questions.get(*id).is_some_and(|question| question.statement == statement);
        let known = self.by_statement.get(&statement.sql).and_then(|ids| ids.iter().find(same).copied());
        let id = match known {
            Some(id) => id,
            None => self.begin(statement)?,
        };
        let Some(question) = self.questions.get_mut(&id) else {
            return Err(SqlRefusal::NotNow("the question was given up".into()));
        };
        // Whoever comes now is told what changes from now on, so whatever has changed is told to the others first.
        question.tell();
        let events = question.join(from.filter(|(known, _)| *known == id).map(|(_, number)| number));
        Ok(Subscription { id, columns: question.columns.clone(), events })
    }

    fn begin(&mut self, statement: Statement) -> Result<u64, SqlRefusal> {
        if self.questions.len() >= QUESTIONS_MAX {
            let what =
                format!("{QUESTIONS_MAX} questions are watched on this node, the most that can be; ask another node");
            return Err(SqlRefusal::NotNow(what));
        }
        let (columns, plan) = self.plan(&statement)?;
        self.next_id += 1;
        let id = self.next_id;
        let mut question = Question::new(id, statement.clone(), columns, plan);
        if let Err(refusal) = self.fill(&mut question) {
            self.unlist(&question);
            return Err(refusal);
        }
        // Nobody has watched yet: what is there is no change.
        question.tell();
        self.by_statement.entry(statement.sql).or_default().push(id);
        self.questions.insert(id, question);
        Ok(id)
    }

    fn watch_table(&mut self, table: &str) -> Result<mpsc::Receiver<Vec<Written>>, SqlRefusal> {
        let name = table.to_lowercase();
        if !self.shapes.contains_key(&name) {
            return Err(SqlRefusal::Unknown(format!("there is no table {table}")));
        }
        let (watcher, written) = mpsc::channel(WRITTEN_LOTS_MAX);
        self.tables.entry(name).or_default().push(watcher);
        Ok(written)
    }

    fn forget_unwatched(&mut self) {
        self.questions.values_mut().for_each(Question::miss_watchers);
        let over = |question: &&Question| question.left.is_some_and(|left| left.elapsed() > KEPT);
        let over: Vec<u64> = self.questions.values().filter(over).map(|question| question.id).collect();
        over.into_iter().for_each(|id| self.remove(id));
    }

    fn remove(&mut self, id: u64) {
        if let Some(question) = self.questions.remove(&id) {
            self.unlist(&question);
        }
    }

    fn unlist(&mut self, question: &Question) {
        self.routing.remove(question.id);
        self.due.remove(&question.id);
        self.asked_again.retain(|_, ids| {
            ids.remove(&question.id);
            !ids.is_empty()
        });
        if let Some(ids) = self.by_statement.get_mut(&question.statement.sql) {
            ids.retain(|id| *id != question.id);
            if ids.is_empty() {
                self.by_statement.remove(&question.statement.sql);
            }
        }
    }
}

/// What watchers are told whose question means something else now.
const CHANGED: &str = "its tables have changed so that it means something else now; ask it again";

/// All rows of an answer.
fn all_rows(reader: &Reader, statement: &Statement) -> Result<Vec<Vec<Value>>, SqlRefusal> {
    let mut prepared = query::prepare(reader, &statement.sql)?;
    whither_tables::bind(&mut prepared, &statement.params).map_err(bad)?;
    let width = prepared.column_count();
    let mut found = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(|error| in_words(reader, &error))? {
        let values = (0..width).map(|at| whither_tables::value(row.get_ref(at)?)).collect::<rusqlite::Result<_>>();
        rows.push(values.map_err(|error| in_words(reader, &error))?);
    }
    Ok(rows)
}

/// Passes on that the catalog has changed, once for however many changes there are meanwhile.
pub(crate) async fn follow_catalog(
    mut changes: tokio::sync::watch::Receiver<whither_directory::Index>,
    events: Sender<Event>,
) {
    while changes.changed().await.is_ok() && events.send(Event::Catalog).is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
