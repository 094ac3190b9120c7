//! Clients: one that calls the router, and one that speaks HTTP/1.1 over a socket, byte by byte.

use crate::node_double::NodeDouble;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use whither_api_http::{Config, router, serve};
use whither_doors::Listener;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took more than {PATIENCE:?}"))
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|fault| panic!("{fault}: {:?}", self.text))
    }
}

pub(crate) fn routes(node: &NodeDouble) -> Router {
    router(Arc::clone(&node.directory), Config::default())
}

/// Calls the router with a request given as `METHOD path`, headers and a body.
pub(crate) async fn call(router: &Router, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Reply { status: head.status, headers: head.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

pub(crate) async fn ask(router: &Router, line: &str) -> Reply {
    call(router, line, &[], Body::empty()).await
}

pub(crate) async fn send(router: &Router, line: &str, body: &str) -> Reply {
    call(router, line, &[("content-type", "application/json")], body.to_owned()).await
}

/// A server on a port of its own, and perhaps on a socket.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub(crate) async fn start(node: &NodeDouble, config: Config) -> Self {
        Self::start_with(node, config, Vec::new()).await
    }

    /// One that listens at `socket` as well.
    pub(crate) async fn start_at(node: &NodeDouble, config: Config, socket: &Path) -> Self {
        Self::start_with(node, config, vec![Listener::Unix(UnixListener::bind(socket).unwrap())]).await
    }

    async fn start_with(node: &NodeDouble, config: Config, mut listeners: Vec<Listener>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        listeners.push(Listener::Tcp(listener));
        let (stop, stopped) = oneshot::channel();
        let directory = Arc::clone(&node.directory);
        let task = tokio::spawn(serve(listeners, directory, config, async { drop(stopped.await) }));
        Self { address, stop, task }
    }

    pub(crate) fn begin_to_stop(self) -> JoinHandle<std::io::Result<()>> {
        self.stop.send(()).unwrap();
        self.task
    }

    /// Asks on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let mut wire = Wire::connect(self.address).await;
        wire.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        wire.reply().await
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until(&self, name: &str, wanted: f64) {
        let reached = async { while self.metric(name).await.to_bits() != wanted.to_bits() {} };
        soon(&format!("{name} = {wanted}"), reached).await;
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection.
pub(crate) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// What a chunk brought beyond the line that was asked for.
    rest: String,
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(soon("connecting", TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn connect_at(socket: &Path) -> Self {
        Self::over(soon("connecting", UnixStream::connect(socket)).await.unwrap())
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)), rest: String::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        soon("sending", self.stream.get_mut().write_all(bytes)).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }

    /// The status and headers of an answer.
    pub(crate) async fn head(&mut self) -> (StatusCode, HeaderMap) {
        let first = self.line().await;
        let status = first.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {first:?}")).parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                return (status, headers);
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.insert(name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap());
        }
    }

    /// An answer that says how long it is.
    pub(crate) async fn reply(&mut self) -> Reply {
        let (status, headers) = self.head().await;
        let length = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        soon("a body", self.stream.read_exact(&mut body)).await.unwrap();
        Reply { status, headers, text: String::from_utf8(body).unwrap() }
    }

    /// The next line of a chunked body, or `None` at its end.
    pub(crate) async fn event_line(&mut self) -> Option<String> {
        while !self.rest.contains('\n') {
            let size = usize::from_str_radix(&self.line().await, 16).unwrap();
            let mut chunk = vec![0; size + 2];
            soon("a chunk", self.stream.read_exact(&mut chunk)).await.unwrap();
            if size == 0 {
                return None;
            }
            self.rest.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
        let (line, rest) = self.rest.split_once('\n').unwrap();
        let line = line.to_owned();
        self.rest = rest.to_owned();
        Some(line)
    }

    /// The next event of an NDJSON watch.
    pub(crate) async fn event(&mut self) -> Value {
        let line = self.event_line().await.expect("the watch ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn until_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset after the answer is an end too.
        let _ = soon("the end", self.stream.read_to_end(&mut bytes)).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads until `wanted` has come, or the connection ends.
    pub(crate) async fn until_bytes(&mut self, wanted: &[u8]) -> bool {
        let mut all = Vec::new();
        while soon("more bytes", self.stream.read_buf(&mut all)).await.unwrap() > 0 {
            if all.windows(wanted.len()).any(|window| window == wanted) {
                return true;
            }
        }
        false
    }
}
