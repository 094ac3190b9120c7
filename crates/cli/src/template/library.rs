//! What templates have read, and what of it is still so.

use super::source::{Selection, Source};
use crate::agent_api::sql::{Asking, Statement};
use crate::agent_api::{AgentApi, ApiError, Lines, Method, Target};
use minijinja::Value;
use minijinja::value::Serde;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that one template may read: each is a connection to the agent, and a thread here.
pub(super) const SOURCES_MAX: usize = 256;
/// Rows of one question's answer.
const ROWS_MAX: usize = 1_000_000;

/// What a thing was found to be.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// For the template.
    pub(super) value: Value,
    /// Of a service: what guards look at.
    pub(super) given: Option<Given>,
}

/// How much a service had to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Given {
    /// Instances that callers may be sent to.
    Something,
    /// It is known, and has none.
    Nothing,
    /// It is not known.
    Unknown,
}

/// Why a thing could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The agent does not answer. It is the same for whatever is read.
    Agent(String),
    /// The agent refuses this; the template's line says what.
    Refused,
}

#[derive(Debug, Default)]
struct Entry {
    answer: Option<Answer>,
    /// Something may have changed since it was read.
    is_stale: bool,
    /// It is watched, so that it is stale as soon as something changes.
    is_live: bool,
}

#[derive(Debug, Default)]
struct Shelves {
    entries: BTreeMap<Source, Entry>,
    /// What the rendering under way has read: it sees each thing as it was at first.
    read: BTreeMap<Source, Answer>,
    unread: Option<Unread>,
}

/// Reads from an agent, and keeps what is watched until it changes.
#[derive(Debug)]
pub(super) struct Library {
    api: AgentApi,
    shelves: Mutex<Shelves>,
}

impl Library {
    pub(super) fn new(api: AgentApi) -> Self {
        Self { api, shelves: Mutex::default() }
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A rendering begins.
    pub(super) fn begin(&self) {
        let mut shelves = self.shelves();
        shelves.read.clear();
        shelves.unread = None;
    }

    /// A rendering has ended: what it read, and what it could not read.
    pub(super) fn end(&self) -> (BTreeMap<Source, Answer>, Option<Unread>) {
        let mut shelves = self.shelves();
        (std::mem::take(&mut shelves.read), shelves.unread.take())
    }

    /// Something about `source` may have changed.
    pub(super) fn changed(&self, source: &Source) {
        if let Some(entry) = self.shelves().entries.get_mut(source) {
            entry.is_stale = true;
        }
    }

    /// Whether `source` is watched now.
    pub(super) fn live(&self, source: &Source, is_live: bool) {
        let mut shelves = self.shelves();
        if let Some(entry) = shelves.entries.get_mut(source) {
            entry.is_live = is_live;
        }
        if !is_live {
            // Another agent, or a later run of it, may answer next time.
            shelves.entries.remove(&Source::Node);
        }
    }

    /// Anything may have changed.
    pub(super) fn doubt_all(&self) {
        let mut shelves = self.shelves();
        shelves.entries.remove(&Source::Node);
        shelves.entries.values_mut().for_each(|entry| entry.is_stale = true);
    }

    /// Forgets all but these.
    pub(super) fn keep_only(&self, wanted: &BTreeSet<Source>) {
        self.shelves().entries.retain(|source, _| wanted.contains(source));
    }

    /// What `source` is: as it was read last if nothing can have changed since, and else as the agent says now.
    ///
    /// # Errors
    /// Why it cannot be told; also kept for [`Library::end`].
    pub(super) fn read(&self, source: &Source) -> Result<Value, String> {
        {
            let mut shelves = self.shelves();
            if let Some(answer) = shelves.read.get(source) {
                return Ok(answer.value.clone());
            }
            if shelves.read.len() >= SOURCES_MAX {
                return Err(format!("the template reads more than {SOURCES_MAX} things; make one question of several"));
            }
            let entry = shelves.entries.entry(source.clone()).or_default();
            let is_current = !entry.is_stale && (entry.is_live || *source == Source::Node);
            // Before it is asked: what changes while the answer is under way is a change after it.
            entry.is_stale = false;
            if let Some(answer) = entry.answer.clone().filter(|_| is_current) {
                let value = answer.value.clone();
                shelves.read.insert(source.clone(), answer);
                return Ok(value);
            }
        }
        let asked = ask(&self.api, source);
        let mut shelves = self.shelves();
        match asked {
            Ok(answer) => {
                let value = answer.value.clone();
                shelves.entries.entry(source.clone()).or_default().answer = Some(answer.clone());
                shelves.read.insert(source.clone(), answer);
                Ok(value)
            }
            Err(error) => {
                if let Some(entry) = shelves.entries.get_mut(source) {
                    entry.is_stale = true;
                }
                let text = format!("{source}: {}", said(&error));
                let unread = match error {
                    ApiError::Refused { status: ..500, .. } => Unread::Refused,
                    error => Unread::Agent(error.to_string()),
                };
                shelves.unread = Some(unread);
                Err(text)
            }
        }
    }
}

/// The agent's words, without the number of a statement that is the only one.
fn said(error: &ApiError) -> String {
    match error {
        ApiError::Refused { problem, .. } => {
            problem.detail.strip_prefix("statement 1: ").map_or_else(|| error.to_string(), str::to_owned)
        }
        error => error.to_string(),
    }
}

fn ask(api: &AgentApi, source: &Source) -> Result<Answer, ApiError> {
    let plain = |value: Json| Answer { value: Value::from(Serde(value)), given: None };
    match source {
        Source::Sql(sql, params) => {
            let value = rows(api, &super::source::statement(sql, params))?;
            Ok(Answer { value, given: None })
        }
        Source::Service(selection) => service(api, selection),
        Source::Services(namespace) => {
            let mut target = Target::new("/v1/services");
            if let Some(namespace) = namespace {
                target = target.query("namespace", namespace);
            }
            let mut answer = api.ask::<Json>(Method::Get, &target, None)?.value;
            Ok(plain(answer["services"].take()))
        }
        Source::Node => {
            let mut nodes = api.ask::<Json>(Method::Get, &Target::new("/v1/nodes"), None)?.value;
            let all = nodes["nodes"].as_array_mut().map(std::mem::take).unwrap_or_default();
            Ok(plain(all.into_iter().find(|node| node["self"] == true).unwrap_or(Json::Null)))
        }
    }
}

/// The answer about a service; one that is not known is empty and says so.
fn service(api: &AgentApi, selection: &Selection) -> Result<Answer, ApiError> {
    // Straight into the template's values: ports keep the order in which they were registered.
    match api.send(Method::Get, &selection.target(), None) {
        Ok(body) => {
            let foreign = |why: String| ApiError::Foreign { agent: api.agent().clone(), why };
            let value: Value = serde_json::from_str(&body).map_err(|error| foreign(error.to_string()))?;
            let selected = value.get_attr("selection").unwrap_or_default();
            let given = if selected.as_str() == Some("empty") { Given::Nothing } else { Given::Something };
            let keys: Vec<Value> = value.try_iter().into_iter().flatten().collect();
            let members = keys.into_iter().filter_map(|key| Some((key.clone(), value.get_item(&key).ok()?)));
            let value = Value::from_pairs(members.chain([("known".into(), true.into())]));
            Ok(Answer { value, given: Some(given) })
        }
        Err(error) if error.is_not_found() => {
            let value = serde_json::json!({
                "service": selection.service.as_str(), "known": false, "selection": "empty", "protected": false,
                "age_ms": null, "instances": [],
            });
            Ok(Answer { value: Value::from(Serde(value)), given: Some(Given::Unknown) })
        }
        Err(error) => Err(error),
    }
}

fn rows(api: &AgentApi, statement: &Statement) -> Result<Value, ApiError> {
    let mut rows = api.query(statement, &Asking::default())?;
    let names: Vec<Value> = rows.columns.iter().map(Value::from).collect();
    let mut all = Vec::new();
    while let Some(cells) = rows.next()? {
        if all.len() == ROWS_MAX {
            let why = format!("more than {ROWS_MAX} rows; ask for fewer");
            return Err(Lines::refused(why));
        }
        all.push(Value::from_pairs(names.iter().cloned().zip(cells.into_iter().map(cell))));
    }
    Ok(Value::from(all))
}

/// Bytes become hexadecimal text: a file is text.
fn cell(value: Json) -> Value {
    match value {
        Json::Object(mut bytes) => Value::from(Serde(bytes.remove("$hex"))),
        other => Value::from(Serde(other)),
    }
}
