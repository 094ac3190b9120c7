//! Watches as streams of lines: NDJSON, or server-sent events (WHATWG HTML section 9.2).
//!
//! Nothing runs for a watch but the connection that reads it: the next event is made when the connection has room. A slow
//! reader therefore holds one event and one view, and a reader that leaves takes everything with it.

use crate::answer::millis;
use crate::convert::{self, InstanceOut, NodeOut, Text};
use crate::json;
use crate::limits::FEED_CHUNK_BYTES;
use crate::routes::App;
use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch as signal;
use whither_directory::watch::{CatalogDifference, CatalogWatch, Difference, ServiceWatch};
use whither_directory::{Cursor, Listed, Ready};
use whither_model::{InstanceId, ServiceName};

/// How events are framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// One JSON document per line.
    Ndjson,
    /// Server-sent events.
    Sse,
}

/// A watch being told to one client.
pub(crate) struct Feed {
    open: Open,
    closing: signal::Receiver<bool>,
    format: Format,
    subject: Subject,
    /// Where the client may resume: never ahead of what it was sent.
    cursor: Option<Cursor>,
    /// The rest of an event of which the first part is on its way.
    rest: Option<Bytes>,
}

/// Counts an open watch for as long as it lives.
struct Open(Arc<App>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.watches.lower();
    }
}

enum Subject {
    Service { watch: Box<ServiceWatch>, name: ServiceName },
    Catalog { watch: Box<CatalogWatch>, telling: Option<Telling> },
}

/// A difference of the whole catalog, part of which has been sent.
struct Telling {
    difference: CatalogDifference,
    /// How many of its services have been sent.
    sent: usize,
}

enum Wake {
    Closing,
    Idle,
    Service(Difference),
    Catalog(CatalogDifference),
}

impl Feed {
    /// A feed of one service, or `None` if there are as many watches as there may be.
    pub(crate) fn service(app: Arc<App>, format: Format, name: ServiceName, from: Option<Cursor>) -> Option<Self> {
        let watch = Box::new(ServiceWatch::new(Arc::clone(&app.directory), name.clone(), from));
        Self::open(app, format, Subject::Service { watch, name }, from)
    }

    /// A feed of everything, or `None` if there are as many watches as there may be.
    pub(crate) fn catalog(app: Arc<App>, format: Format, from: Option<Cursor>) -> Option<Self> {
        let watch = Box::new(CatalogWatch::new(Arc::clone(&app.directory), from));
        Self::open(app, format, Subject::Catalog { watch, telling: None }, from)
    }

    fn open(app: Arc<App>, format: Format, subject: Subject, cursor: Option<Cursor>) -> Option<Self> {
        if !app.metrics.watches.try_raise(app.config.watches_max) {
            app.metrics.watches_refused.add(1);
            return None;
        }
        let closing = app.closing.subscribe();
        Some(Self { open: Open(app), closing, format, subject, cursor, rest: None })
    }

    /// The pieces of the body. Ends when the server does.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures_util::stream::unfold(self, |mut feed| async move {
            let piece = feed.next().await?;
            Some((Ok(piece), feed))
        })
    }

    /// The next piece: one event, or as many of a large difference as fit well in one piece.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(rest) = self.rest.take() {
            return Some(rest);
        }
        let mut out = Vec::with_capacity(512);
        if matches!(self.subject, Subject::Catalog { telling: Some(_), .. }) {
            self.tell(&mut out);
            return (!*self.closing.borrow()).then(|| out.into());
        }
        match self.wake().await {
            Wake::Closing => return None,
            Wake::Idle => self.heartbeat(&mut out),
            Wake::Service(difference) => self.difference(&mut out, &difference),
            Wake::Catalog(difference) => {
                if let Subject::Catalog { telling, .. } = &mut self.subject {
                    *telling = Some(Telling { difference, sent: 0 });
                }
                self.tell(&mut out);
            }
        }
        Some(out.into())
    }

    async fn wake(&mut self) -> Wake {
        let app = Arc::clone(&self.open.0);
        let closing = self.closing.wait_for(|closing| *closing);
        let next = async {
            match &mut self.subject {
                Subject::Service { watch, .. } => Wake::Service(watch.next().await),
                Subject::Catalog { watch, .. } => Wake::Catalog(watch.next().await),
            }
        };
        tokio::select! {
            biased;
            _ = closing => Wake::Closing,
            event = next => event,
            () = tokio::time::sleep(app.config.heartbeat) => Wake::Idle,
        }
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        let directory = &self.open.0.directory;
        let view = directory.view();
        let now = directory.clock().now();
        let age = match &self.subject {
            Subject::Service { name, .. } => {
                view.service(name).map_or_else(|| view.age(now), |service| service.age(view.freshness(), now))
            }
            Subject::Catalog { .. } => view.age(now),
        };
        let event = Heartbeat { event: "heartbeat", index: self.cursor.map(Text), age_ms: millis(age) };
        self.put(out, event.event, self.cursor, &event);
    }

    fn difference(&mut self, out: &mut Vec<u8>, difference: &Difference) {
        let directory = &self.open.0.directory;
        let cursor = directory.cursor(difference.index);
        let view = directory.view();
        let now = directory.clock().now();
        let age = match &difference.view {
            Some(service) => service.age(view.freshness(), now),
            None => view.age(now),
        };
        let event = ServiceEvent {
            event: if difference.reset { "reset" } else { "change" },
            index: Text(cursor),
            service: difference.service.as_str(),
            known: Some(difference.view.is_some()),
            selection: selection(difference),
            age_ms: Some(millis(age)),
            // A reset tells all instances: those are encoded once for all who need them.
            changed: if difference.reset { Vec::new() } else { instances(&difference.changed) },
            removed: removed(&difference.removed),
        };
        self.cursor = Some(cursor);
        self.put(out, event.event, Some(cursor), &event);
        if let (true, Some(service)) = (difference.reset, &difference.view) {
            let all = service.ready(Ready::JsonAll, || convert::instances(service.instances().iter()));
            self.put_all(out, all);
        }
    }

    /// Puts `all`, the array of all instances with the brace and line end that close it, in the place of the empty array
    /// that the event in `out` ends in.
    fn put_all(&mut self, out: &mut Vec<u8>, all: &Bytes) {
        let end = match self.format {
            Format::Ndjson => "[]}\n".len(),
            Format::Sse => "[]}\n\n".len(),
        };
        out.truncate(out.len() - end);
        match self.format {
            // Thousands may be told the same after a restart: they share the bytes.
            Format::Ndjson => self.rest = Some(all.clone()),
            Format::Sse => {
                out.extend_from_slice(all);
                out.push(b'\n');
            }
        }
    }

    /// Goes on telling a difference of the catalog.
    fn tell(&mut self, out: &mut Vec<u8>) {
        let Subject::Catalog { telling, .. } = &mut self.subject else { return };
        let Some(mut now_telling) = telling.take() else { return };
        let difference = &now_telling.difference;
        let directory = Arc::clone(&self.open.0.directory);
        let cursor = directory.cursor(difference.index);
        if now_telling.sent == 0 && difference.reset {
            self.put(out, "reset", None, &Reset { event: "reset", index: Text(cursor) });
        }
        let services = difference.services.get(now_telling.sent..).unwrap_or_default();
        let mut sent = 0;
        for service in services {
            if out.len() >= FEED_CHUNK_BYTES {
                break;
            }
            let event = ServiceEvent {
                event: "service",
                index: Text(directory.cursor(service.index)),
                service: service.service.as_str(),
                known: None,
                selection: selection(service),
                age_ms: None,
                changed: instances(&service.changed),
                removed: removed(&service.removed),
            };
            self.put(out, "service", None, &event);
            sent += 1;
        }
        if sent < services.len() {
            now_telling.sent += sent;
            if let Subject::Catalog { telling, .. } = &mut self.subject {
                *telling = Some(now_telling);
            }
            return;
        }
        let (own, now) = (directory.identity().node, directory.clock().now());
        if difference.nodes {
            let nodes = difference.view.nodes().iter().map(|node| NodeOut::new(node, own, now)).collect();
            self.put(out, "nodes", None, &Nodes { event: "nodes", nodes });
        }
        self.cursor = Some(cursor);
        let age_ms = millis(difference.view.age(now));
        self.put(out, "current", Some(cursor), &Current { event: "current", index: Text(cursor), age_ms });
    }

    /// Writes one event. `resume` is where a client that saw it may resume; without it the last such place still holds.
    fn put(&self, out: &mut Vec<u8>, name: &str, resume: Option<Cursor>, event: &impl Serialize) {
        self.open.0.metrics.watch_events.add(1);
        match self.format {
            Format::Ndjson => {
                json::put(out, event);
                out.push(b'\n');
            }
            Format::Sse => {
                if let Some(cursor) = resume {
                    out.extend_from_slice(format!("id: {cursor}\n").as_bytes());
                }
                out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
                // Invariant: our JSON has no line breaks; it is not indented, and those inside texts are escaped.
                json::put(out, event);
                out.extend_from_slice(b"\n\n");
            }
        }
    }
}

fn selection(difference: &Difference) -> &'static str {
    difference.view.as_ref().map_or("empty", |view| convert::selection(view.selection()))
}

fn instances(changed: &[Arc<Listed>]) -> Vec<InstanceOut<'_>> {
    changed.iter().map(|listed| InstanceOut::new(listed)).collect()
}

fn removed(ids: &[InstanceId]) -> Vec<&str> {
    ids.iter().map(InstanceId::as_str).collect()
}

#[derive(Serialize)]
struct Heartbeat {
    event: &'static str,
    index: Option<Text<Cursor>>,
    age_ms: Option<u64>,
}

#[derive(Serialize)]
struct Reset {
    event: &'static str,
    index: Text<Cursor>,
}

#[derive(Serialize)]
struct Current {
    event: &'static str,
    index: Text<Cursor>,
    age_ms: Option<u64>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    event: &'static str,
    nodes: Vec<NodeOut<'a>>,
}

/// What happened to one service, in a watch of it or of everything.
#[derive(Serialize)]
struct ServiceEvent<'a> {
    event: &'static str,
    index: Text<Cursor>,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
    selection: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<Option<u64>>,
    removed: Vec<&'a str>,
    /// Invariant: last, so that an array encoded earlier can take its place.
    changed: Vec<InstanceOut<'a>>,
}
