//! A watch: what an agent says as it changes, read by a thread of its own.

use super::http::{ask, chunk};
use serde_json::Value;
use std::io::BufRead;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    /// The id of a server-sent event, from which to resume.
    pub(crate) id: Option<String>,
    /// The name of a server-sent event.
    pub(crate) name: Option<String>,
    /// What it says.
    pub(crate) json: Value,
}

/// An open watch. Closed when dropped.
pub(crate) struct Watch {
    lines: Receiver<String>,
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
    server_sent: bool,
}

impl Watch {
    /// Lines of JSON.
    #[track_caller]
    pub(crate) fn lines(agent: SocketAddr, path: &str) -> Self {
        Self::open(agent, path, &[])
    }

    /// Server-sent events, from `last` on if there is one.
    #[track_caller]
    pub(crate) fn server_sent(agent: SocketAddr, path: &str, last: Option<&str>) -> Self {
        let accept = ("accept", "text/event-stream");
        match last {
            Some(id) => Self::open(agent, path, &[accept, ("last-event-id", id)]),
            None => Self::open(agent, path, &[accept]),
        }
    }

    #[track_caller]
    fn open(agent: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let asked = ask(agent, &format!("GET {path}"), headers, "").expect("the agent answers a watch");
        assert_eq!(asked.head.status, 200, "{path}: {:?}", asked.head);
        let server_sent = !headers.is_empty();
        let media_type = if server_sent { "text/event-stream" } else { "application/x-ndjson" };
        let said = asked.head.header("content-type").unwrap_or_default();
        assert!(said.starts_with(media_type), "{path} answers as {said:?}");
        let stream = asked.body.get_ref().try_clone().expect("a second handle");
        // Silence is what a watch is allowed; the deadline is the reader's.
        stream.set_read_timeout(None).expect("no time-out");
        let (tell, lines) = channel();
        let reader = std::thread::spawn(move || read(asked.body, &tell));
        Self { lines, stream, reader: Some(reader), server_sent }
    }

    /// The next event, heartbeats left out; `None` if the agent ended the watch or is silent until `until`.
    pub(crate) fn next_until(&self, until: Instant) -> Option<Event> {
        let mut event = Event { id: None, name: None, json: Value::Null };
        loop {
            let line = match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            };
            match line.split_once(": ") {
                _ if !self.server_sent => event.json = serde_json::from_str(&line).expect("a line of JSON"),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", name)) => event.name = Some(name.to_owned()),
                Some(("data", data)) => event.json = serde_json::from_str(data).expect("data that is JSON"),
                Some(_) => panic!("an unknown field: {line:?}"),
                None => assert!(line.is_empty(), "neither a field nor the end of an event: {line:?}"),
            }
            let ended = !self.server_sent || line.is_empty();
            if ended && event.json["event"] != "heartbeat" {
                return Some(event);
            }
        }
    }

    /// The next event, which must come.
    #[track_caller]
    pub(crate) fn next(&self) -> Event {
        self.next_until(Instant::now() + super::SOON).expect("the watch goes on")
    }

    /// Events up to the first for which `is_last` holds, that one included.
    #[track_caller]
    pub(crate) fn through(&self, is_last: impl Fn(&Value) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next();
            let last = is_last(&event.json);
            events.push(event);
            if last {
                return events;
            }
        }
    }

    /// Whatever has been said and not been read yet, and what follows in the next moment.
    pub(crate) fn rest(&self, moment: Duration) -> Vec<Event> {
        let until = Instant::now() + moment;
        std::iter::from_fn(|| self.next_until(until)).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Fails if the agent was quicker.
        drop(self.stream.shutdown(Shutdown::Both));
        drop(self.reader.take().map(JoinHandle::join));
    }
}

fn read(mut body: impl BufRead, tell: &Sender<String>) {
    let mut text = Vec::new();
    while let Ok(Some(bytes)) = chunk(&mut body) {
        text.extend(bytes);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if tell.send(String::from_utf8_lossy(&line[..end]).into_owned()).is_err() {
                return;
            }
        }
    }
}
