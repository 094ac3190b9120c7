//! The least HTTP/1.1 that measures a server and not itself (RFC 9112): blocking, pipelined, no chunked answers.

use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may be silent before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest body of an answer.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Read from the kernel at once.
const READ_BYTES: usize = 64 * 1024;

/// A request that asks for the connection to stay open.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = match method {
        "GET" => format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"),
        _ => format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        ),
    };
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What an answer says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// Its own size with the empty line, bytes.
    pub(crate) size: usize,
    /// Size of the body, bytes; `None` if it is chunked.
    pub(crate) body: Option<usize>,
}

impl Head {
    /// Reads the head that `bytes` begin with; `None` if there is more to come.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).take(HEAD_BYTES_MAX).position(|window| window == b"\r\n\r\n") else {
            ensure!(bytes.len() < HEAD_BYTES_MAX, "the head of an answer is longer than {HEAD_BYTES_MAX} bytes");
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).context("the head of an answer is not text")?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| anyhow!("this is no answer of HTTP/1.1: {first:?}"))?;
        let value = |line: &'_ str, name: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        let length = lines.find_map(|line| value(line, "content-length"));
        let body = match length {
            Some(length) => Some(length.parse().with_context(|| format!("Content-Length {length:?} is no number"))?),
            None if matches!(status, 204 | 304) => Some(0),
            None => None,
        };
        ensure!(body.is_none_or(|body| body <= BODY_BYTES_MAX), "an answer is longer than {BODY_BYTES_MAX} bytes");
        Ok(Some(Self { status, size: end + 4, body }))
    }
}

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where what has not been taken begins, and where what has been read ends.
    start: usize,
    end: usize,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let connect = || {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = connect().with_context(|| format!("cannot connect to http://{address}"))?;
        Ok(Self { stream, buffer: vec![0; READ_BYTES], start: 0, end: 0 })
    }

    /// Sends requests, whole.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("a request could not be sent")
    }

    /// The body of the next answer, which must say that all went well.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        let head = loop {
            match Head::parse(&self.buffer[self.start..self.end])? {
                Some(head) => break head,
                None => self.read()?,
            }
        };
        let length = head.body.ok_or_else(|| anyhow!("an answer has no Content-Length"))?;
        let whole = head.size + length;
        while self.end - self.start < whole {
            self.read()?;
        }
        let body = self.start + head.size..self.start + whole;
        self.start += whole;
        if !(200..300).contains(&head.status) {
            bail!("the server answered {}: {}", head.status, String::from_utf8_lossy(&self.buffer[body]).trim());
        }
        Ok(&self.buffer[body])
    }

    /// Asks and waits.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.send(request)?;
        self.receive()
    }

    fn read(&mut self) -> Result<()> {
        if self.buffer.len() - self.end < READ_BYTES / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if self.buffer.len() - self.end < READ_BYTES / 2 {
                // Doubled: an answer of megabytes is not copied at every read.
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).context("no answer arrived")?;
        ensure!(read > 0, "the server closed the connection");
        self.end += read;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, Head, request};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn heads_are_read_whatever_the_case_of_names() {
        let head = b"HTTP/1.1 201 Created\r\ncontent-type: x\r\nCONTENT-LENGTH: 5\r\n\r\nhello";
        assert_eq!(Head::parse(head).unwrap(), Some(Head { status: 201, size: head.len() - 5, body: Some(5) }));
        assert_eq!(Head::parse(&head[..40]).unwrap(), None);
        let chunked = Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap().unwrap();
        assert_eq!((chunked.status, chunked.body), (200, None));
        assert_eq!(Head::parse(b"HTTP/1.1 304 Not Modified\r\n\r\n").unwrap().unwrap().body, Some(0));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let problem = |bytes: &[u8]| Head::parse(bytes).unwrap_err().to_string();
        assert_eq!(problem(b"SSH-2.0-x\r\n\r\n"), r#"this is no answer of HTTP/1.1: "SSH-2.0-x""#);
        assert_eq!(problem(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), r#"Content-Length "x" is no number"#);
        assert!(problem(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").contains("longer than"));
        assert!(problem(&[b'a'; 20_000]).contains("longer than"));
    }

    #[test]
    fn pipelined_answers_come_one_by_one_and_failures_tell_why() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = [0; 32];
            stream.read_exact(&mut got).unwrap();
            let large = "x".repeat(200_000);
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len()).unwrap();
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnone\n").unwrap();
            got
        });
        let mut connection = Connection::open(address).unwrap();
        let asked = request("GET", "/a", "");
        assert_eq!(connection.exchange(&asked).unwrap(), b"ok");
        let large = connection.receive().unwrap();
        assert!(large.len() == 200_000 && large.iter().all(|byte| *byte == b'x'));
        assert_eq!(connection.receive().unwrap_err().to_string(), "the server answered 404: none");
        assert_eq!(server.join().unwrap(), asked[..]);
    }

    #[test]
    fn a_request_with_a_body_says_how_long_it_is() {
        let text = String::from_utf8(request("PUT", "/x", "{}")).unwrap();
        assert!(text.starts_with("PUT /x HTTP/1.1\r\n") && text.ends_with("Content-Length: 2\r\n\r\n{}"), "{text}");
    }
}
