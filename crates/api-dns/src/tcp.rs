//! TCP: the same questions with a length in front (RFC 1035 section 4.2.2, RFC 7766), for answers too long for UDP.

use crate::answerer::{Answerer, QUERY_MAX, Source, TCP_MAX, Transport};
use crate::counters::Counters;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the listener rests when the system gives it no connection, for want of descriptors for example.
const ERROR_REST: Duration = Duration::from_millis(50);
/// How long open connections may take to finish their answer once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(1);

/// The listener of one address.
pub(crate) struct Server {
    pub(crate) source: Arc<Source>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) connections_max: usize,
    pub(crate) idle: Duration,
}

impl Server {
    /// Accepts until `stop`; then lets open connections finish their answer.
    pub(crate) async fn run(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok(_) if gauge(&self.counters).load(Ordering::Relaxed) >= self.connections_max => {
                    self.counters.connections_refused.add(1);
                }
                Ok((stream, _)) => {
                    let answerer = Answerer::new(Arc::clone(&self.source), Arc::clone(&self.counters), Transport::Tcp);
                    let connection = Connection {
                        _open: Open::count(&self.counters),
                        stream: BufReader::new(stream),
                        answerer,
                        idle: self.idle,
                    };
                    let (stop, counters) = (stop.clone(), Arc::clone(&self.counters));
                    connections.spawn(async move {
                        match connection.serve(stop).await {
                            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                                counters.connections_timed_out.add(1);
                            }
                            Err(error) => tracing::debug!(%error, "DNS: a TCP connection ended"),
                            Ok(()) => {}
                        }
                    });
                }
                Err(error) => {
                    self.counters.refused_by_system.add(1);
                    tracing::debug!(%error, "DNS: cannot accept TCP");
                    tokio::time::sleep(ERROR_REST).await;
                }
            }
        }
        drop(listener);
        let drained = timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            connections.shutdown().await;
        }
    }
}

/// Counts a connection while it lives.
struct Open(Arc<Counters>);

impl Open {
    fn count(counters: &Arc<Counters>) -> Self {
        gauge(counters).fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

fn gauge(counters: &Counters) -> &AtomicUsize {
    &counters.connections
}

struct Connection {
    /// First, so that whoever sees this connection closed finds room for another.
    _open: Open,
    stream: BufReader<TcpStream>,
    answerer: Answerer,
    idle: Duration,
}

impl Connection {
    /// Answers query after query, in the order of their arrival. Answers to queries that came together leave together.
    async fn serve(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        let mut query = Vec::new();
        let mut answer = Vec::new();
        let mut waiting = Vec::new();
        loop {
            let more = tokio::select! {
                more = timeout(self.idle, read(&mut self.stream, &mut query)) => more??,
                _ = stop.wait_for(|stop| *stop) => false,
            };
            // Who sends something that is no query has lost the framing, and what follows would be nonsense too.
            let more = more && self.answerer.answer(&query, &mut answer);
            if more {
                let length =
                    u16::try_from(answer.len()).map_err(|_| io::Error::other("an answer outgrew its frame"))?;
                waiting.extend_from_slice(&length.to_be_bytes());
                waiting.extend_from_slice(&answer);
            }
            if !more || waiting.len() > TCP_MAX || !holds_a_query(self.stream.buffer()) {
                timeout(self.idle, self.stream.get_mut().write_all(&waiting)).await??;
                waiting.clear();
            }
            if !more {
                return Ok(());
            }
        }
    }
}

/// Whether the next query is here whole, so that its answer need not be waited for.
fn holds_a_query(buffer: &[u8]) -> bool {
    buffer.split_first_chunk::<2>().is_some_and(|(length, rest)| rest.len() >= u16::from_be_bytes(*length).into())
}

/// Reads one framed query. `false`: the client has no more.
async fn read(stream: &mut BufReader<TcpStream>, query: &mut Vec<u8>) -> io::Result<bool> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    };
    // Longer ones are refused by the answerer, which sees that there is one octet too many.
    query.resize(length.min(QUERY_MAX + 1), 0);
    stream.read_exact(query).await?;
    Ok(true)
}
