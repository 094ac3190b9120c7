//! As much of an HTTP client as the agents deserve: one connection per question, and nothing hidden.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an agent may be silent within an answer.
const SILENCE: Duration = Duration::from_secs(15);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// What it says.
    pub(crate) body: String,
}

impl Answer {
    /// A header's value, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The same answer, if it has one of these status codes.
    #[track_caller]
    pub(crate) fn expect(self, statuses: &[u16]) -> Self {
        assert!(statuses.contains(&self.status), "expected status {statuses:?}: {self:?}");
        self
    }
}

/// A connection on which a question was asked, with the answer's head read.
pub(crate) struct Asked {
    pub(crate) head: Answer,
    pub(crate) body: BufReader<TcpStream>,
}

/// Asks, and reads the head of the answer.
pub(crate) fn ask(to: SocketAddr, request: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Asked> {
    let mut stream = TcpStream::connect_timeout(&to, SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let mut text = format!("{request} HTTP/1.1\r\nhost: {to}\r\n");
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    text += &format!("content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let status = line(&mut reader)?.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(garbled)?;
    let mut head = Answer { status, headers: Vec::new(), body: String::new() };
    loop {
        let line = line(&mut reader)?;
        match line.split_once(':') {
            Some((name, value)) => head.headers.push((name.to_owned(), value.trim().to_owned())),
            None if line.is_empty() => return Ok(Asked { head, body: reader }),
            None => return Err(garbled()),
        }
    }
}

/// Asks, and reads all of the answer.
pub(crate) fn exchange(to: SocketAddr, request: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
    let Asked { mut head, body: mut rest } = ask(to, request, headers, body)?;
    let length = head.header("content-length").map_or(Ok(0), |text| text.parse().map_err(|_| garbled()))?;
    let mut bytes = vec![0; length];
    rest.read_exact(&mut bytes)?;
    head.body = String::from_utf8(bytes).map_err(|_| garbled())?;
    Ok(head)
}

/// The next chunk of a body of unknown length (RFC 9112 section 7.1); `None` at its end.
pub(crate) fn chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let size = usize::from_str_radix(&line(reader)?, 16).map_err(|_| garbled())?;
    let mut bytes = vec![0; size];
    reader.read_exact(&mut bytes)?;
    line(reader)?;
    Ok((size > 0).then_some(bytes))
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

fn garbled() -> io::Error {
    ErrorKind::InvalidData.into()
}
