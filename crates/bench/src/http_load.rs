//! Load over many HTTP connections, each with several requests on their way.

use crate::http_client::Connection;
use anyhow::{Result, anyhow};
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Threads that drive the connections: more would take the processors from the server.
const THREADS: usize = 2;

/// Requests that are sent at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    /// The requests, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// How many.
    pub(crate) requests: usize,
}

/// What one connection sends, batch by batch; the next one when the last one is answered.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// To whom.
    pub(crate) server: SocketAddr,
    /// What.
    pub(crate) batches: Arc<[Batch]>,
}

/// How long a load goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// Every batch of every lane once.
    Once,
    /// The batches of every lane again and again for so long.
    For(Duration),
}

/// What a load did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Load {
    /// Requests that were answered, all of them well.
    pub(crate) requests: u64,
    /// When the first was sent.
    pub(crate) began: Instant,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
}

/// Deals `requests` out to `connections` lanes, in batches of at most `depth`.
pub(crate) fn lanes(
    server: SocketAddr,
    requests: impl IntoIterator<Item = Vec<u8>>,
    connections: usize,
    depth: usize,
) -> Vec<Lane> {
    let mut dealt: Vec<Vec<Batch>> = vec![Vec::new(); connections];
    for (at, request) in requests.into_iter().enumerate() {
        let batches = &mut dealt[at % connections];
        match batches.last_mut() {
            Some(last) if last.requests < depth => {
                last.bytes.extend(request);
                last.requests += 1;
            }
            _ => batches.push(Batch { bytes: request, requests: 1 }),
        }
    }
    dealt
        .into_iter()
        .map(|batches| Lane { server, batches: batches.into() })
        .filter(|l| !l.batches.is_empty())
        .collect()
}

/// The same `request` on each of `connections` lanes, `depth` at once.
pub(crate) fn same(server: SocketAddr, request: &[u8], connections: usize, depth: usize) -> Vec<Lane> {
    let batches: Arc<[Batch]> = Arc::new([Batch { bytes: request.repeat(depth), requests: depth }]);
    vec![Lane { server, batches }; connections]
}

/// The same lanes to another server.
pub(crate) fn redirected(lanes: &[Lane], server: SocketAddr) -> Vec<Lane> {
    lanes.iter().map(|lane| Lane { server, batches: Arc::clone(&lane.batches) }).collect()
}

/// Sends everything and waits for every answer. Any answer but a success is an error.
pub(crate) fn drive(lanes: &[Lane], extent: Extent) -> Result<Load> {
    let threads = THREADS.min(lanes.len()).max(1);
    let start = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let drivers: Vec<_> = (0..threads)
            .map(|thread| {
                let (start, own) = (&start, lanes.iter().skip(thread).step_by(threads));
                scope.spawn(move || {
                    let opened: Result<Vec<Driven<'_>>> = own.map(Driven::open).collect();
                    start.wait();
                    drive_some(opened?, extent)
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        let mut requests = 0;
        let mut failure = None;
        for driver in drivers {
            match driver.join().map_err(|_| anyhow!("a thread of the load generator panicked")).flatten() {
                Ok(answered) => requests += answered,
                Err(problem) => failure = Some(problem),
            }
        }
        failure.map_or_else(|| Ok(Load { requests, began, elapsed: began.elapsed() }), Err)
    })
}

struct Driven<'a> {
    connection: Connection,
    batches: &'a [Batch],
    /// How many batches have been sent.
    sent: usize,
    /// Answers that are still to come.
    awaited: usize,
}

impl<'a> Driven<'a> {
    fn open(lane: &'a Lane) -> Result<Self> {
        Ok(Self { connection: Connection::open(lane.server)?, batches: &lane.batches, sent: 0, awaited: 0 })
    }

    /// Sends the next batch, if there is one and time for it.
    fn send_next(&mut self, extent: Extent, began: Instant) -> Result<()> {
        let go_on = match extent {
            Extent::Once => self.sent < self.batches.len(),
            Extent::For(duration) => !self.batches.is_empty() && began.elapsed() < duration,
        };
        if go_on {
            let batch = &self.batches[self.sent % self.batches.len()];
            self.sent += 1;
            self.awaited = batch.requests;
            self.connection.send(&batch.bytes)?;
        }
        Ok(())
    }
}

fn drive_some(mut driven: Vec<Driven<'_>>, extent: Extent) -> Result<u64> {
    let began = Instant::now();
    let mut answered = 0;
    driven.iter_mut().try_for_each(|one| one.send_next(extent, began))?;
    loop {
        let before = answered;
        for one in driven.iter_mut().filter(|one| one.awaited > 0) {
            for _ in 0..std::mem::take(&mut one.awaited) {
                one.connection.receive()?;
                answered += 1;
            }
            one.send_next(extent, began)?;
        }
        if answered == before {
            return Ok(answered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, drive, lanes, redirected, same};
    use crate::http_client::request;
    use crate::limit;
    use std::net::SocketAddr;
    use std::time::Duration;

    fn nobody() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 1))
    }

    #[test]
    fn requests_are_dealt_out_in_batches() {
        let requests = (0..7_u8).map(|at| vec![at]);
        let dealt = lanes(nobody(), requests, 2, 3);
        let shown: Vec<Vec<(Vec<u8>, usize)>> = dealt
            .iter()
            .map(|lane| lane.batches.iter().map(|batch| (batch.bytes.clone(), batch.requests)).collect())
            .collect();
        assert_eq!(shown, [vec![(vec![0, 2, 4], 3), (vec![6], 1)], vec![(vec![1, 3, 5], 3)]]);
        assert_eq!(lanes(nobody(), [vec![1]], 4, 1).len(), 1);
    }

    #[test]
    fn every_request_is_answered_once() {
        let server = limit::http::spawn_in_process(5);
        let requests: Vec<Vec<u8>> = (0..50).map(|at| request("PUT", &format!("/{at}"), "{\"a\":1}")).collect();
        let once = lanes(server, requests, 4, 3);
        assert_eq!(drive(&once, Extent::Once).unwrap().requests, 50);
        let timed =
            drive(&same(server, &request("GET", "/", ""), 3, 2), Extent::For(Duration::from_millis(50))).unwrap();
        assert!(timed.requests >= 6 && timed.requests.is_multiple_of(2), "{timed:?}");
        assert!(drive(&redirected(&once, nobody()), Extent::Once).is_err());
    }
}
