//! The sample server of the stories: it answers with its name, and is as unforgiving as a server can be.
//!
//! It says that it is ready only a while after it has begun to listen, and when it is told to stop it stops at once, with all
//! that it has not finished. It ends with its standard input, so that none is left behind when a story is killed.

use serde_json::json;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// The path that answers 200 once it is ready, and 503 before.
pub(crate) const READY: &str = "/ready";
/// How the line begins with which it says its process id.
pub(crate) const SERVING: &str = "serving ";
/// From listening to being ready.
const WARMING: Duration = Duration::from_millis(200);
/// Longest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 4 * 1024;
/// Connections at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 256;

/// Serves at `at` under `name` until it is told to stop.
///
/// # Errors
/// It cannot listen there, or the system refuses a handler.
pub(crate) fn serve(at: SocketAddr, name: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until_told(at, name))
}

async fn until_told(at: SocketAddr, name: &str) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(at).await?;
    let server = Arc::new(Server { name: name.to_owned(), ready: Instant::now() + WARMING });
    let mut abandoned = end_of_input()?;
    writeln!(io::stdout(), "{SERVING}{}", std::process::id())?;
    io::stdout().flush()?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&room).acquire_owned();
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = &mut abandoned => return Ok(()),
            (Ok(place), Ok((stream, _))) = async { (place.await, listener.accept().await) } => {
                let server = Arc::clone(&server);
                drop(tokio::spawn(async move {
                    // Who called may have gone.
                    drop(server.converse(stream).await);
                    drop(place);
                }));
            }
            else => return Err(io::Error::other("nobody can be accepted any more")),
        }
    }
}

/// Completes when nobody holds the other end of standard input any more.
fn end_of_input() -> io::Result<oneshot::Receiver<()>> {
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("input".into()).spawn(move || {
        let mut some = [0; 64];
        while io::stdin().read(&mut some).is_ok_and(|read| read > 0) {}
        // Fails if it is told to stop otherwise.
        let _ = tell.send(());
    })?;
    Ok(told)
}

struct Server {
    name: String,
    ready: Instant,
}

impl Server {
    /// Answers what is asked over one connection, HTTP/1.0: one request, or more if it is to be kept alive.
    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut read = Vec::new();
        loop {
            let Some(head) = head(&mut stream, &mut read).await? else { return Ok(()) };
            let head = head.to_ascii_lowercase();
            let is_kept = head.lines().any(|line| line == "connection: keep-alive");
            let asks = |path: &str| head.starts_with(&format!("get {path} "));
            let status = match asks(READY) && Instant::now() < self.ready {
                true => "503 Service Unavailable",
                false => "200 OK",
            };
            let body = json!({ "name": self.name, "pid": std::process::id() }).to_string();
            let connection = if is_kept { "keep-alive" } else { "close" };
            let answer = format!(
                "HTTP/1.0 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: {connection}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await?;
            if !is_kept {
                return Ok(());
            }
        }
    }
}

/// The next head of a request; `None` if there is none any more, or it is too long.
async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..at + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if read.len() >= HEAD_BYTES_MAX {
            return Ok(None);
        }
        let mut some = [0; 1024];
        match stream.read(&mut some).await? {
            0 => return Ok(None),
            count => read.extend_from_slice(some.get(..count).unwrap_or_default()),
        }
    }
}
