//! Sees what every agent shows, and when: a watch of one service at each, all read by one thread.
//!
//! A thread for each watch would wake with every event, all of them at once, and take the processors from the agents at the
//! very moment that is measured. What is ready together gets the same time.

use super::forwarder::go_first;
use crate::http_client::Head;
use crate::watch_stream::{self, Unchunk};
use anyhow::{Context, Result, ensure};
use rustix::event::epoll;
use rustix::time::Timespec;
use serde::Deserialize;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it is looked whether anybody still wants to know.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an agent believes of the node that owns an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Owner {
    /// It answers.
    Alive,
    /// It may be down.
    Suspect,
    /// It is down.
    Down,
    /// It said goodbye.
    Left,
}

/// What an agent showed of one instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    /// Which agent.
    pub(super) agent: usize,
    /// When, to within the measuring delay.
    pub(super) at: Instant,
    /// Whose instance: each agent registers one, by its own number.
    pub(super) about: usize,
    /// Which update it is.
    pub(super) number: u32,
    /// What the agent believes of the owner.
    pub(super) owner: Owner,
}

#[derive(Deserialize)]
struct Changed {
    id: String,
    version: String,
    owner_state: Owner,
}

#[derive(Debug)]
struct Watch {
    stream: TcpStream,
    head: Vec<u8>,
    in_body: bool,
    body: Unchunk,
    /// What has come of a line that is not complete.
    line: Vec<u8>,
}

type Watches = Arc<Mutex<Vec<Option<Watch>>>>;

/// Watches that are open. Ends when dropped.
#[derive(Debug)]
pub(super) struct Observer {
    watches: Watches,
    epoll: Arc<OwnedFd>,
    seen: Receiver<Seen>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Sees nothing yet. There may be `agents` agents.
    pub(super) fn start(agents: usize) -> Result<Self> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let watches: Watches = Arc::new(Mutex::new((0..agents).map(|_| None).collect()));
        let (tell, seen) = channel();
        let stop = Arc::<AtomicBool>::default();
        let reader = Reader { watches: Arc::clone(&watches), epoll: Arc::clone(&epoll), tell, stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new().name("observer".into()).spawn(move || {
            go_first();
            reader.run();
        })?;
        Ok(Self { watches, epoll, seen, stop, thread: Some(thread) })
    }

    /// Watches `path` at an agent from now on.
    pub(super) fn watch(&self, agent: usize, http: SocketAddr, path: &str) -> Result<()> {
        let connect = || {
            let mut stream = TcpStream::connect_timeout(&http, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes())?;
            stream.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = connect().with_context(|| format!("cannot watch http://{http}{path}"))?;
        let mut watches = locked(&self.watches);
        epoll::add(&*self.epoll, &stream, epoll::EventData::new_u64(agent as u64), epoll::EventFlags::IN)?;
        let fresh = Watch { stream, head: Vec::new(), in_body: false, body: Unchunk::default(), line: Vec::new() };
        *watches.get_mut(agent).with_context(|| format!("there is no agent {agent}"))? = Some(fresh);
        Ok(())
    }

    /// What is seen next, or `None` if nothing was until then.
    pub(super) fn next(&self, until: Instant) -> Result<Option<Seen>> {
        match self.seen.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(seen) => Ok(Some(seen)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(anyhow::anyhow!("nobody watches the agents any more")),
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn locked(watches: &Watches) -> MutexGuard<'_, Vec<Option<Watch>>> {
    watches.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Reader {
    watches: Watches,
    epoll: Arc<OwnedFd>,
    tell: Sender<Seen>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn run(&self) {
        let mut events = Vec::with_capacity(128);
        let mut buffer = vec![0; 64 * 1024];
        while !self.stop.load(Ordering::Relaxed) {
            events.clear();
            if epoll::wait(&*self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&LOOK)).is_err() {
                continue;
            }
            let at = Instant::now();
            let mut watches = locked(&self.watches);
            for event in &events {
                let Ok(agent) = usize::try_from(event.data.u64()) else { continue };
                let Some(place) = watches.get_mut(agent) else { continue };
                let ends = match place {
                    Some(watch) => self.read(agent, at, watch, &mut buffer),
                    None => continue,
                };
                if let Err(problem) = &ends {
                    eprintln!("the watch of agent {agent} ended: {problem:#}");
                }
                if !matches!(ends, Ok(true)) {
                    // Closing it ends its being waited for.
                    *place = None;
                }
            }
        }
    }

    /// Reads what has come. Returns whether more may come.
    fn read(&self, agent: usize, at: Instant, watch: &mut Watch, buffer: &mut [u8]) -> Result<bool> {
        loop {
            let size = match watch.stream.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(size) => size,
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => return Ok(true),
                // Its agent was killed.
                Err(problem) if problem.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(problem) => return Err(problem.into()),
            };
            watch.take(&buffer[..size])?;
            while let Some(end) = watch.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = watch.line.drain(..=end).collect();
                for seen in shown(agent, at, &line)? {
                    // If nobody listens any more, the end is near.
                    let _ = self.tell.send(seen);
                }
            }
        }
    }
}

impl Watch {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        if self.in_body {
            return self.body.push(bytes, &mut self.line);
        }
        self.head.extend_from_slice(bytes);
        let Some(found) = Head::parse(&self.head)? else { return Ok(()) };
        ensure!(found.status == 200 && found.body.is_none(), "it was refused: {}", String::from_utf8_lossy(&self.head));
        self.in_body = true;
        let begun = std::mem::take(&mut self.head);
        self.body.push(&begun[found.size..], &mut self.line)
    }
}

fn shown(agent: usize, at: Instant, line: &[u8]) -> Result<Vec<Seen>> {
    let changed: Vec<Changed> = watch_stream::changed(line)?;
    let seen = |changed: &Changed| {
        let (about, number) = (changed.id.parse().ok()?, changed.version.parse().ok()?);
        Some(Seen { agent, at, about, number, owner: changed.owner_state })
    };
    Ok(changed.iter().filter_map(seen).collect())
}

#[cfg(test)]
mod tests {
    use super::{Owner, Seen, shown};
    use std::time::Instant;

    #[test]
    fn events_say_which_update_is_shown_and_what_is_believed_of_its_owner() {
        let at = Instant::now();
        let line = br#"{"event":"change","changed":[{"id":"3","version":"17","owner_state":"suspect","port":1}]}"#;
        let expected = Seen { agent: 5, at, about: 3, number: 17, owner: Owner::Suspect };
        assert_eq!(shown(5, at, line).unwrap(), [expected]);
        assert_eq!(shown(5, at, br#"{"event":"heartbeat","age_ms":3}"#).unwrap(), []);
        assert!(shown(5, at, b"no JSON").is_err());
    }
}
