//! Callers of a service, who come to know in their own way where to go, and open a connection for each request.

use super::cast::{Agent, list, text};
use crate::agent_api::wire::{Event, Instance};
use crate::agent_api::{AgentApi, Method, Target};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use whither_api_dns::{Family, Via, ask};

/// How long a server or a nameserver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer of a server that is read.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;
/// Between two requests of a caller. Each takes a local port for a minute, and there are 28,000 of them.
const PACE: Duration = Duration::from_millis(4);
/// Between two questions of a caller that asks now and then.
const POLLED_EVERY: Duration = Duration::from_millis(200);
/// Troubles that are kept with their words; all are counted.
const TROUBLES_MAX: usize = 8;

/// Why a request was not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// Connection refused: nobody listens there.
    Refused,
    /// Anything else.
    Failed(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::ConnectionRefused { Self::Refused } else { Self::Failed(error.to_string()) }
    }
}

/// Asks the server at `at` over a new connection. Returns its name.
pub(crate) fn request(at: SocketAddr) -> Result<String, Trouble> {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    name_in(&answer)
}

/// A connection that was opened before, as pools keep them.
pub(crate) struct Pooled(TcpStream);

impl Pooled {
    /// Opens one, and asks once.
    pub(crate) fn open(at: SocketAddr) -> Result<Self, Trouble> {
        let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut pooled = Self(stream);
        pooled.request().map(|_| pooled)
    }

    /// Asks over it. Returns the server's name.
    pub(crate) fn request(&mut self) -> Result<String, Trouble> {
        self.0.write_all(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")?;
        let mut answer = [0; 1024];
        // So short an answer is one segment.
        let length = self.0.read(&mut answer)?;
        name_in(&String::from_utf8_lossy(answer.get(..length).unwrap_or_default()))
    }
}

fn name_in(answer: &str) -> Result<String, Trouble> {
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    match text(&said["name"]) {
        "" if answer.is_empty() => Err(Trouble::Failed("the connection was closed without an answer".into())),
        "" => Err(Trouble::Failed(format!("an odd answer: {answer:?}"))),
        name => Ok(name.to_owned()),
    }
}

/// The addresses of `name` that the nameserver at `dns` gives, in order: agents turn theirs with every answer, and who takes
/// turns himself would meet every second one only.
pub(crate) fn look_up(dns: SocketAddr, name: &str) -> Result<Vec<IpAddr>, Trouble> {
    let mut addresses = ask(dns, Via::Udp, name, Family::V4, PATIENCE)?.addresses;
    addresses.sort_unstable();
    Ok(addresses)
}

/// How a caller comes to know where to go.
pub(crate) enum Source {
    /// It asks DNS each time; the port is agreed on.
    Dns { server: SocketAddr, name: String, port: u16 },
    /// It follows a watch, and keeps what the watch said.
    Watch(Arc<Mutex<BTreeMap<String, Instance>>>),
    /// It asks now and then, and keeps the answer.
    Poll { api: AgentApi, service: String, asked: Option<Instant>, answer: Vec<SocketAddr> },
}

impl Source {
    /// Follows a watch of `service` at `agent`.
    pub(crate) fn watch(agent: &Agent, service: &str) -> anyhow::Result<Self> {
        let mut stream = agent.api().watch(&Target::new(&format!("/v1/watch/{service}")))?;
        let known = Arc::new(Mutex::new(BTreeMap::new()));
        follow(&mut locked(&known), stream.next()?);
        let followed = Arc::clone(&known);
        std::thread::Builder::new().name("follow".into()).spawn(move || {
            while let Ok(event) = stream.next() {
                follow(&mut locked(&followed), event);
            }
        })?;
        Ok(Self::Watch(known))
    }

    /// Asks `agent` about `service` now and then.
    pub(crate) fn poll(agent: &Agent, service: &str) -> Self {
        Self::Poll { api: agent.api().clone(), service: service.to_owned(), asked: None, answer: Vec::new() }
    }

    /// Where it would go at this moment.
    fn places(&mut self) -> Result<Vec<SocketAddr>, Trouble> {
        match self {
            Self::Dns { server, name, port } => {
                Ok(look_up(*server, name)?.into_iter().map(|address| SocketAddr::new(address, *port)).collect())
            }
            Self::Watch(known) => {
                let known = locked(known);
                Ok(known.values().filter(|one| one.status == "passing").filter_map(place).collect())
            }
            Self::Poll { api, service, asked, answer } => {
                if asked.is_none_or(|asked| asked.elapsed() >= POLLED_EVERY) {
                    *asked = Some(Instant::now());
                    let target = Target::new(&format!("/v1/services/{service}"));
                    let said = api.ask::<Value>(Method::Get, &target, None);
                    let said = said.map_err(|error| Trouble::Failed(error.to_string()))?.value;
                    let instances = list(&said["instances"]).iter();
                    *answer = instances.filter_map(|one| place(&serde_json::from_value(one.clone()).ok()?)).collect();
                }
                Ok(answer.clone())
            }
        }
    }
}

fn place(instance: &Instance) -> Option<SocketAddr> {
    Some(SocketAddr::new(instance.address.parse().ok()?, instance.port?))
}

fn follow(known: &mut BTreeMap<String, Instance>, event: Event) {
    if event.event == "reset" {
        known.clear();
    }
    known.extend(event.changed.into_iter().map(|one| (one.id.clone(), one)));
    event.removed.iter().for_each(|id| drop(known.remove(id)));
}

/// What a caller met with.
#[derive(Clone, Default, Debug)]
pub(crate) struct Met {
    /// How often each server answered, by the name it gave, and the first and the last time.
    pub(crate) answered: BTreeMap<String, (usize, Instant, Instant)>,
    /// Requests that met with connection refused.
    pub(crate) refused: usize,
    /// Requests that failed otherwise, or had nowhere to go.
    pub(crate) failed: usize,
    /// The words for the first of them, each once.
    pub(crate) troubles: Vec<String>,
}

impl Met {
    /// All requests.
    pub(crate) fn requests(&self) -> usize {
        self.answered.values().map(|(count, ..)| count).sum::<usize>() + self.refused + self.failed
    }

    fn take(&mut self, came: Result<String, (String, Trouble)>) {
        let now = Instant::now();
        match came {
            Ok(name) => {
                let (count, _, last) = self.answered.entry(name).or_insert((0, now, now));
                (*count, *last) = (*count + 1, now);
            }
            Err((place, trouble)) => {
                let count = if trouble == Trouble::Refused { &mut self.refused } else { &mut self.failed };
                *count += 1;
                let words = format!("{place}: {trouble}");
                if self.troubles.len() < TROUBLES_MAX && !self.troubles.contains(&words) {
                    self.troubles.push(words);
                }
            }
        }
    }
}

/// A caller on a thread of its own, until it is dropped.
pub(crate) struct Caller {
    met: Arc<Mutex<Met>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    /// Has it call: the servers in turn, one request after the other.
    pub(crate) fn begin(mut source: Source) -> io::Result<Self> {
        let (met, over) = (Arc::<Mutex<Met>>::default(), Arc::<AtomicBool>::default());
        let (meets, ends) = (Arc::clone(&met), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("caller".into()).spawn(move || {
            for turn in 0.. {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let came = call(&mut source, turn);
                locked(&meets).take(came);
                std::thread::sleep(PACE);
            }
        })?;
        Ok(Self { met, over, thread: Some(thread) })
    }

    /// What it has met with so far.
    pub(crate) fn met(&self) -> Met {
        locked(&self.met).clone()
    }

    /// Has it end, and says all that it met with.
    pub(crate) fn end(mut self) -> Met {
        self.over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
        self.met()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn call(source: &mut Source, turn: usize) -> Result<String, (String, Trouble)> {
    let places = source.places().map_err(|trouble| ("the question where to go".to_owned(), trouble))?;
    let Some(place) = places.get(turn % places.len().max(1)) else {
        return Err(("nowhere to go".to_owned(), Trouble::Failed("the answer is empty".to_owned())));
    };
    request(*place).map_err(|trouble| (place.to_string(), trouble))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_is_counted_and_its_first_words_are_kept() {
        let mut met = Met::default();
        met.take(Ok("recos-1".into()));
        met.take(Ok("recos-1".into()));
        for port in 0..20 {
            met.take(Err((format!("127.0.0.1:{}", port / 2), Trouble::Refused)));
        }
        met.take(Err(("127.0.0.1:1".into(), Trouble::Failed("odd".into()))));
        assert_eq!((met.requests(), met.refused, met.failed, met.troubles.len()), (23, 20, 1, TROUBLES_MAX));
        assert_eq!(met.answered.get("recos-1").map(|(count, ..)| *count), Some(2));
    }

    #[test]
    fn a_place_where_nobody_listens_is_refused() {
        let place = super::super::stage::Place::anywhere().unwrap();
        assert_eq!(request(place.address()), Err(Trouble::Refused));
    }
}
