//! A thread for each thing that is read, which tells when it changes.

use super::keeper::News;
use super::source::{Source, statement};
use crate::agent_api::sql::{Asking, Line, Statement};
use crate::agent_api::{AgentApi, ApiError, Target};
use crate::feed::{Backoff, Feed, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;
use whither_model::ServiceName;

/// Between two looks at a question that cannot be watched.
const LOOK: Duration = Duration::from_secs(2);
/// Looks, before watching is tried again: the agent may have become a newer one.
const LOOKS: usize = 30;
/// How long the head of a subscription may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a subscription may be silent: three of its heartbeats.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The threads, by what they watch.
pub(super) struct Watchers {
    api: AgentApi,
    tell: Sender<News>,
    unwanted: BTreeMap<Source, Arc<AtomicBool>>,
}

impl Watchers {
    pub(super) const fn new(api: AgentApi, tell: Sender<News>) -> Self {
        Self { api, tell, unwanted: BTreeMap::new() }
    }

    /// Watches these things, and no others. A thread that is not wanted any more ends when the agent next says something to it.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub(super) fn keep(&mut self, wanted: &BTreeSet<Source>) -> std::io::Result<()> {
        self.unwanted.retain(|source, unwanted| {
            let is_wanted = wanted.contains(source);
            unwanted.store(!is_wanted, Ordering::Relaxed);
            is_wanted
        });
        for source in wanted.iter().filter(|source| **source != Source::Node) {
            if self.unwanted.contains_key(source) {
                continue;
            }
            let unwanted = Arc::new(AtomicBool::new(false));
            let (api, tell) = (self.api.clone(), self.tell.clone());
            let watcher = Watcher { source: source.clone(), tell, unwanted: Arc::clone(&unwanted), is_live: false };
            std::thread::Builder::new().name("whither-watch".into()).spawn(move || watcher.watch(&api))?;
            self.unwanted.insert(source.clone(), unwanted);
        }
        Ok(())
    }
}

/// Nobody listens any more.
struct Unwanted;

type Heard = Result<(), Unwanted>;

/// Why nothing more is heard on one way.
enum Ended {
    /// It does not go on, and why.
    Lost(String),
    /// It is time to try the better way again.
    Itself,
}

struct Watcher {
    source: Source,
    tell: Sender<News>,
    unwanted: Arc<AtomicBool>,
    is_live: bool,
}

impl Watcher {
    fn watch(mut self, api: &AgentApi) {
        let mut pause = Duration::ZERO;
        let Backoff { first, longest } = Backoff::default();
        loop {
            let ended = match self.source.clone() {
                Source::Service(selection) => self.follow(api, Some(&selection.service), None),
                Source::Services(namespace) => self.follow(api, None, namespace.as_deref()),
                Source::Sql(sql, params) => self.subscribe(api, &statement(&sql, &params)),
                Source::Node => return,
            };
            let why = match ended {
                Err(Unwanted) => return,
                Ok(Ended::Itself) => continue,
                Ok(Ended::Lost(why)) => why,
            };
            pause = if self.is_live { first } else { (pause * 2).clamp(first, longest) };
            if self.lost(&why).is_err() {
                return;
            }
            std::thread::sleep(pause);
        }
    }

    fn say(&self, news: News) -> Heard {
        if self.unwanted.load(Ordering::Relaxed) {
            return Err(Unwanted);
        }
        self.tell.send(news).map_err(|_| Unwanted)
    }

    /// It is as it is told now; there may be a difference to before.
    fn changed(&mut self) -> Heard {
        if !self.is_live {
            self.is_live = true;
            self.say(News::Live(self.source.clone()))?;
        }
        self.say(News::Changed(self.source.clone()))
    }

    fn lost(&mut self, why: &str) -> Heard {
        self.is_live = false;
        self.say(News::Lost(self.source.clone(), why.to_owned()))
    }

    /// Follows a service, or all of them, until trying again would not help.
    fn follow(
        &mut self,
        api: &AgentApi,
        service: Option<&ServiceName>,
        namespace: Option<&str>,
    ) -> Result<Ended, Unwanted> {
        let mut feed = match Feed::open(api, service, None, Backoff::default()) {
            Ok(feed) => feed,
            Err(error) => return Ok(Ended::Lost(error.to_string())),
        };
        let mut is_news = false;
        loop {
            if self.unwanted.load(Ordering::Relaxed) {
                return Err(Unwanted);
            }
            match feed.next() {
                Ok(Step::Event(event, _)) => {
                    let named = event.service.as_deref().and_then(|name| name.split_once('/'));
                    is_news |= match event.event.as_str() {
                        "reset" | "change" => true,
                        "service" => namespace.is_none() || namespace == named.map(|(namespace, _)| namespace),
                        _ => false,
                    };
                    // Of everything, the whole is told when it is current.
                    let is_whole = service.is_some() || event.event == "current";
                    if is_whole && (is_news || !self.is_live) {
                        is_news = false;
                        self.changed()?;
                    }
                }
                Ok(Step::Lost { why, .. }) => self.lost(&why)?,
                Ok(Step::Back | Step::Anew) => {}
                Err(error) => return Ok(Ended::Lost(error.to_string())),
            }
        }
    }

    /// Follows the answer to a question, until the connection breaks.
    fn subscribe(&mut self, api: &AgentApi, statement: &Statement) -> Result<Ended, Unwanted> {
        // What is there is asked for when it is rendered, in the order that the question wants.
        let target = Target::new("/v1/subscriptions").query("skip_rows", "true");
        let opened = api.lines(&target, &statement.body(), "application/x-ndjson", PATIENCE, SILENCE_MAX);
        let mut lines = match opened {
            Ok(lines) => lines,
            Err(error) if is_no_watch(&error) => return self.look_now_and_then(api, statement),
            Err(error) => return Ok(Ended::Lost(error.to_string())),
        };
        let mut is_complete = false;
        loop {
            let line = match lines.next() {
                Ok(Some(_)) => lines.parse::<Line>(),
                Ok(None) => Err(lines.ended()),
                Err(error) => Err(error),
            };
            if self.unwanted.load(Ordering::Relaxed) {
                return Err(Unwanted);
            }
            match line {
                Ok(Line::End { .. }) => {
                    is_complete = true;
                    self.changed()?;
                }
                // Before that, rows that there were already follow.
                Ok(Line::Change { .. }) if is_complete => self.changed()?,
                Ok(Line::Error { error }) => return Ok(Ended::Lost(format!("{}: {error}", self.source))),
                Ok(_) => {}
                Err(error) => return Ok(Ended::Lost(error.to_string())),
            }
        }
    }

    /// Asks a question again and again for a minute, and compares.
    fn look_now_and_then(&mut self, api: &AgentApi, statement: &Statement) -> Result<Ended, Unwanted> {
        let mut before = None;
        for _ in 0..LOOKS {
            match api.query(statement, &Asking::default()).and_then(crate::agent_api::sql::Rows::all) {
                Ok(rows) if before.as_ref() != Some(&rows) => {
                    before = Some(rows);
                    self.changed()?;
                }
                Ok(_) => {}
                Err(error) => return Ok(Ended::Lost(error.to_string())),
            }
            if self.unwanted.load(Ordering::Relaxed) {
                return Err(Unwanted);
            }
            std::thread::sleep(LOOK);
        }
        Ok(Ended::Itself)
    }
}

/// Whether the agent, or an older one, does not watch this question, but answers it.
fn is_no_watch(error: &ApiError) -> bool {
    match error {
        ApiError::Refused { status: 404 | 405 | 422 | 501, .. } => true,
        ApiError::Refused { status: 503, problem } => problem.detail.contains("watch"),
        _ => false,
    }
}
