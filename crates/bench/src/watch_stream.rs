//! A watch held open, read by a thread of its own that notes when each line arrived.

use crate::http_client::Head;
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest line; a longer one is a fault of the server.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long the server may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// A line of NDJSON, and when its last byte was read.
#[derive(Debug)]
pub(crate) struct Line {
    /// The line without its end.
    pub(crate) text: Vec<u8>,
    /// When.
    pub(crate) at: Instant,
}

/// What an event says of the instances that changed, as far as `T` wants to know; nothing for events that say none.
///
/// # Errors
/// The line is no event, or an instance lacks what `T` names.
pub(crate) fn changed<T: DeserializeOwned>(line: &[u8]) -> Result<Vec<T>> {
    #[derive(Deserialize)]
    struct Event<T> {
        #[serde(default = "Vec::new")]
        changed: Vec<T>,
    }
    let event: Event<T> =
        serde_json::from_slice(line).with_context(|| format!("a watch said {:?}", String::from_utf8_lossy(line)))?;
    Ok(event.changed)
}

/// An open watch. Ends when dropped.
#[derive(Debug)]
pub(crate) struct WatchStream {
    stream: TcpStream,
    lines: Receiver<Line>,
    reader: Option<JoinHandle<()>>,
}

impl WatchStream {
    /// Opens the watch at `path` and waits for its first line.
    pub(crate) fn open(server: SocketAddr, path: &str) -> Result<Self> {
        Self::begin(server, path, &format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"))
    }

    /// Asks for a watch with a body in JSON, and waits for its first line if there is to be one at once.
    pub(crate) fn ask(server: SocketAddr, path: &str, body: &str) -> Result<Self> {
        let text = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if body.is_empty() { Self::connect(server, &text) } else { Self::begin(server, path, &text) }
    }

    fn begin(server: SocketAddr, path: &str, text: &str) -> Result<Self> {
        let watch = Self::connect(server, text)?;
        watch.next(PATIENCE)?.ok_or_else(|| anyhow!("the watch at {path} did not begin within {PATIENCE:?}"))?;
        Ok(watch)
    }

    fn connect(server: SocketAddr, text: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(server).with_context(|| format!("cannot connect to http://{server}"))?;
        stream.set_nodelay(true)?;
        stream.write_all(text.as_bytes())?;
        let (sender, lines) = channel();
        let mut reading = stream.try_clone()?;
        let reader = std::thread::Builder::new().name("watch".into()).spawn(move || {
            // When the reading ends, so does the channel: whoever waits for lines is told.
            if let Err(problem) = read(&mut reading, &sender) {
                eprintln!("a watch ended: {problem:#}");
            }
        })?;
        Ok(Self { stream, lines, reader: Some(reader) })
    }

    /// The next line, or `None` if none came in time.
    pub(crate) fn next(&self, patience: Duration) -> Result<Option<Line>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(anyhow!("the server ended a watch")),
        }
    }

    /// When the first line came that `wanted` wants, or `None` if none did within `patience`, whatever else is said meanwhile.
    pub(crate) fn await_line(
        &self,
        patience: Duration,
        mut wanted: impl FnMut(&[u8]) -> Result<bool>,
    ) -> Result<Option<Instant>> {
        let until = Instant::now() + patience;
        while let Some(line) = self.next(until.saturating_duration_since(Instant::now()))? {
            if wanted(&line.text)? {
                return Ok(Some(line.at));
            }
        }
        Ok(None)
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        // Wakes the reader, which then ends; a connection that is gone already has done so.
        drop(self.stream.shutdown(Shutdown::Both));
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

fn read(stream: &mut TcpStream, lines: &Sender<Line>) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut head = Vec::new();
    let mut body = Unchunk::default();
    let mut pending = Vec::new();
    let mut in_body = false;
    loop {
        let read = stream.read(&mut buffer)?;
        let at = Instant::now();
        if read == 0 {
            return Ok(());
        }
        if in_body {
            body.push(&buffer[..read], &mut pending)?;
        } else {
            head.extend_from_slice(&buffer[..read]);
            let Some(found) = Head::parse(&head)? else { continue };
            ensure!(
                found.status == 200 && found.body.is_none(),
                "the server refused: {}",
                String::from_utf8_lossy(&head)
            );
            in_body = true;
            body.push(&head[found.size..], &mut pending)?;
        }
        ensure!(pending.len() <= LINE_BYTES_MAX, "a line is longer than {LINE_BYTES_MAX} bytes");
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let text = pending.drain(..=end).take(end).collect();
            if lines.send(Line { text, at }).is_err() {
                return Ok(());
            }
        }
    }
}

/// Takes the chunks off a chunked body (RFC 9112 section 7.1), however it is cut.
#[derive(Debug, Default)]
pub(crate) struct Unchunk {
    /// Bytes left of the chunk that is being read, its line end included.
    left: usize,
    /// What has been read of the line that says how long the next chunk is.
    size: Vec<u8>,
}

impl Unchunk {
    /// Longest line before a chunk.
    const SIZE_BYTES_MAX: usize = 64;

    /// Takes the next bytes of the body, and puts what they hold at the end of `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while let Some(first) = bytes.first() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                // The last two bytes of what is left are the line end behind the chunk.
                let data = taken.min(self.left.saturating_sub(2));
                out.extend_from_slice(&bytes[..data]);
                self.left -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            bytes = &bytes[1..];
            if *first != b'\n' {
                self.size.push(*first);
                ensure!(self.size.len() <= Self::SIZE_BYTES_MAX, "a chunk does not say how long it is");
                continue;
            }
            let line = std::mem::take(&mut self.size);
            let text = std::str::from_utf8(&line).unwrap_or_default();
            let digits = text.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).ok().filter(|size| *size <= LINE_BYTES_MAX);
            self.left = size.ok_or_else(|| anyhow!("{text:?} is no length of a chunk"))? + 2;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Unchunk, WatchStream};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    #[test]
    fn chunks_come_off_wherever_the_body_is_cut() {
        let body = b"5\r\nhello\r\nC;ext=1\r\n world\nagain\r\n";
        for cut in 0..body.len() {
            let (mut unchunk, mut out) = (Unchunk::default(), Vec::new());
            unchunk.push(&body[..cut], &mut out).unwrap();
            unchunk.push(&body[cut..], &mut out).unwrap();
            assert_eq!(out, b"hello world\nagain", "cut at {cut}");
        }
        assert!(Unchunk::default().push(b"zz\r\n", &mut Vec::new()).is_err());
        assert!(Unchunk::default().push(&[b'1'; 100], &mut Vec::new()).is_err());
    }

    #[test]
    fn lines_are_told_as_they_come() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 16];
            stream.read_exact(&mut asked).unwrap();
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            write!(stream, "{head}4\r\none\n\r\n8\r\ntwo\nthre\r\n2\r\ne\n\r\n").unwrap();
        });
        let watch = WatchStream::open(address, "/v1/watch").unwrap();
        let text = || watch.next(Duration::from_secs(10)).map(|line| line.unwrap().text);
        assert_eq!((text().unwrap(), text().unwrap()), (b"two".to_vec(), b"three".to_vec()));
        assert!(text().is_err());
        server.join().unwrap();
    }
}
