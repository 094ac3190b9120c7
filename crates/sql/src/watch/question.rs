//! A question that is watched: its answer as it was last told, and those who are told.

use super::plan::Plan;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use whither_directory::sql::{Cells, ChangeKind, Column, RowChange, RowEvent, SqlRefusal};
use whither_model::sql::{Statement, Value};

/// Changes that are remembered, for watchers that come back.
const HISTORY_MAX: usize = 1_024;
/// Lots of changes that may wait for a watcher. One that is slower is told everything anew.
pub(super) const LOTS_MAX: usize = 64;

/// A question that is watched.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) statement: Statement,
    pub(super) columns: Vec<Column>,
    pub(super) plan: Plan,
    answer: Answer,
    /// The number of the last change.
    number: u64,
    next_row: u64,
    history: VecDeque<RowChange>,
    watchers: Vec<Watcher>,
    /// Changes since they were last told.
    fresh: Vec<RowChange>,
    /// When it may be asked again, if that is how it is kept up to date.
    pub(super) due: Option<Instant>,
    /// Not before: so that asking takes a small part of the time, however long it takes.
    pub(super) rested: Instant,
    /// When the last watcher went.
    pub(super) left: Option<Instant>,
}

/// The rows of the answer.
#[derive(Debug)]
enum Answer {
    /// By the key of the row of the table that gives them.
    ByKey(BTreeMap<Box<[u8]>, (u64, Cells)>),
    /// By their values: how often each is there, and as which rows.
    ByValue(HashMap<Box<[u8]>, (Cells, Vec<u64>)>),
}

#[derive(Debug)]
struct Watcher {
    events: mpsc::Sender<RowEvent>,
    /// It was too slow, and is to be told everything anew.
    behind: bool,
}

impl Question {
    pub(super) fn new(id: u64, statement: Statement, columns: Vec<Column>, plan: Plan) -> Self {
        let answer = match &plan {
            Plan::Rows { .. } => Answer::ByKey(BTreeMap::new()),
            Plan::Again { .. } => Answer::ByValue(HashMap::new()),
        };
        let now = Instant::now();
        Self {
            id,
            statement,
            columns,
            plan,
            answer,
            number: 0,
            next_row: 1,
            history: VecDeque::new(),
            watchers: Vec::new(),
            fresh: Vec::new(),
            due: None,
            rested: now,
            left: Some(now),
        }
    }

    /// The keys of all rows that are shown.
    pub(super) fn keys(&self) -> BTreeSet<Box<[u8]>> {
        match &self.answer {
            Answer::ByKey(rows) => rows.keys().cloned().collect(),
            Answer::ByValue(_) => BTreeSet::new(),
        }
    }

    /// The row of the table with this key gives this now. Returns whether it is shown from now on.
    pub(super) fn row_gives(&mut self, key: &[u8], cells: Option<Vec<Value>>) -> bool {
        let Answer::ByKey(rows) = &mut self.answer else { return false };
        let before = rows.get(key).cloned();
        match (before, cells) {
            (None, None) => return false,
            (Some((row, old)), None) => {
                rows.remove(key);
                self.note(ChangeKind::Delete, row, old);
                return false;
            }
            (Some((row, old)), Some(new)) => {
                if *old != *new {
                    let cells: Cells = new.into();
                    rows.insert(key.into(), (row, Arc::clone(&cells)));
                    self.note(ChangeKind::Update, row, cells);
                }
            }
            (None, Some(new)) => {
                let row = self.next_row;
                self.next_row += 1;
                let cells: Cells = new.into();
                rows.insert(key.into(), (row, Arc::clone(&cells)));
                self.note(ChangeKind::Insert, row, cells);
            }
        }
        true
    }

    /// The whole answer is this now, in any order.
    pub(super) fn answer_is(&mut self, found: Vec<Vec<Value>>) {
        let mut counts: HashMap<Box<[u8]>, (usize, Vec<Value>)> = HashMap::with_capacity(found.len());
        for row in found {
            let bytes = whither_tables::row_bytes(&row);
            counts.entry(bytes.into()).or_insert_with(|| (0, row)).0 += 1;
        }
        let Answer::ByValue(rows) = &mut self.answer else { return };
        let mut changes: Vec<(ChangeKind, u64, Cells)> = Vec::new();
        rows.retain(|bytes, (cells, ids)| {
            let wanted = counts.get(bytes).map_or(0, |(count, _)| *count);
            while ids.len() > wanted {
                let gone = ids.pop().unwrap_or_default();
                changes.push((ChangeKind::Delete, gone, Arc::clone(cells)));
            }
            !ids.is_empty()
        });
        for (bytes, (count, row)) in counts {
            let (cells, ids) = rows.entry(bytes).or_insert_with(|| (row.into(), Vec::new()));
            while ids.len() < count {
                ids.push(self.next_row);
                changes.push((ChangeKind::Insert, self.next_row, Arc::clone(cells)));
                self.next_row += 1;
            }
        }
        // What goes, goes first, and rows come in the order of their numbers: the same for every watcher.
        changes.sort_by_key(|(kind, row, _)| (*kind != ChangeKind::Delete, *row));
        changes.into_iter().for_each(|(kind, row, cells)| self.note(kind, row, cells));
    }

    fn note(&mut self, kind: ChangeKind, row: u64, cells: Cells) {
        self.number += 1;
        self.fresh.push(RowChange { number: self.number, kind, row, cells });
    }

    /// Tells the watchers what has changed since the last time. Returns whether any of them is behind.
    pub(super) fn tell(&mut self) -> bool {
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            if !self.watchers.is_empty() {
                let lot: Arc<[RowChange]> = fresh.clone().into();
                for watcher in self.watchers.iter_mut().filter(|watcher| !watcher.behind) {
                    match watcher.events.try_send(RowEvent::Changes(Arc::clone(&lot))) {
                        Err(mpsc::error::TrySendError::Full(_)) => watcher.behind = true,
                        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                    }
                }
            }
            self.history.extend(fresh);
            let surplus = self.history.len().saturating_sub(HISTORY_MAX);
            self.history.drain(..surplus);
        }
        self.miss_watchers();
        self.catch_up()
    }

    /// Notes who has gone.
    pub(super) fn miss_watchers(&mut self) {
        self.watchers.retain(|watcher| !watcher.events.is_closed());
        if self.watchers.is_empty() {
            self.left.get_or_insert_with(Instant::now);
        }
    }

    /// Tells those who were too slow everything anew, once they have read what waited. Returns whether any is left.
    fn catch_up(&mut self) -> bool {
        let mut any = false;
        let mut all: Option<RowEvent> = None;
        for at in 0..self.watchers.len() {
            if !self.watchers[at].behind {
                continue;
            }
            if self.watchers[at].events.capacity() < LOTS_MAX / 2 {
                any = true;
                continue;
            }
            let event = all.get_or_insert_with(|| self.all()).clone();
            let told = self.watchers[at].events.try_send(event);
            self.watchers[at].behind = matches!(told, Err(mpsc::error::TrySendError::Full(_)));
            any |= self.watchers[at].behind;
        }
        any
    }

    fn all(&self) -> RowEvent {
        let mut rows: Vec<(u64, Cells)> = match &self.answer {
            Answer::ByKey(rows) => rows.values().cloned().collect(),
            Answer::ByValue(rows) => {
                let each = |(cells, ids): &(Cells, Vec<u64>)| {
                    ids.iter().map(|id| (*id, Arc::clone(cells))).collect::<Vec<_>>()
                };
                rows.values().flat_map(each).collect()
            }
        };
        rows.sort_by_key(|(row, _)| *row);
        RowEvent::Rows { rows: rows.into(), number: self.number }
    }

    /// Somebody watches from now on: from after a change that it has seen, or from the beginning.
    pub(super) fn join(&mut self, after: Option<u64>) -> mpsc::Receiver<RowEvent> {
        let (events, receiver) = mpsc::channel(LOTS_MAX);
        let known = after.filter(|after| {
            let oldest = self.history.front().map_or(self.number + 1, |change| change.number);
            *after <= self.number && *after + 1 >= oldest
        });
        // The channel is empty, so there is room.
        match known {
            Some(after) => {
                drop(events.try_send(RowEvent::Resumed { number: after }));
                let missed: Vec<RowChange> =
                    self.history.iter().filter(|change| change.number > after).cloned().collect();
                if !missed.is_empty() {
                    drop(events.try_send(RowEvent::Changes(missed.into())));
                }
            }
            None => drop(events.try_send(self.all())),
        }
        self.watchers.push(Watcher { events, behind: false });
        self.left = None;
        receiver
    }

    /// It cannot be answered any more.
    pub(super) fn fail(&mut self, refusal: &SqlRefusal) {
        for watcher in self.watchers.drain(..) {
            drop(watcher.events.try_send(RowEvent::Failed(refusal.clone())));
        }
    }

    /// It took so long to ask: a tenth of the time may be spent with it.
    pub(super) fn rest_after(&mut self, took: Duration) {
        self.rested = Instant::now() + took * 9;
        self.due = None;
    }
}
