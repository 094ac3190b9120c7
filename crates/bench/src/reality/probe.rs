//! How late the emulated network is, measured from outside: datagrams that should be back after an exact time.

use super::forwarder::{PROBE_DELAY, go_first};
use super::ground::PROBE;
use crate::sample::Sample;
use anyhow::{Context, Result};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two datagrams.
const EVERY: Duration = Duration::from_millis(20);
/// How long one may take before the next is sent all the same.
const PATIENCE: Duration = Duration::from_millis(200);
/// The port it goes to, where nobody has to listen.
const PORT: u16 = 9;

/// The running probe. Ends when dropped.
#[derive(Debug)]
pub(super) struct Probe {
    late: Arc<Mutex<Vec<Duration>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// Begins to probe.
    pub(super) fn start() -> Result<Self> {
        let socket = UdpSocket::bind((PROBE.0, 0)).context("cannot listen in the probe's tunnel")?;
        socket.connect((PROBE.1, PORT))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let (late, stop): (Arc<Mutex<Vec<Duration>>>, Arc<AtomicBool>) = Default::default();
        let (tell, told) = (Arc::clone(&late), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("probe".into()).spawn(move || {
            go_first();
            let mut number = 0_u64;
            while !told.load(Ordering::Relaxed) {
                number += 1;
                if let Some(took) = round_trip(&socket, number) {
                    let mut late = tell.lock().unwrap_or_else(PoisonError::into_inner);
                    late.push(took.saturating_sub(PROBE_DELAY));
                }
                std::thread::sleep(EVERY);
            }
        })?;
        Ok(Self { late, stop, thread: Some(thread) })
    }

    /// How much later than they should the datagrams since the last call came back, in microseconds.
    pub(super) fn take_late(&self) -> Sample {
        Sample::micros(std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// How long datagram `number` took; `None`: it did not come back in time.
fn round_trip(socket: &UdpSocket, number: u64) -> Option<Duration> {
    let sent = Instant::now();
    socket.send(&number.to_be_bytes()).ok()?;
    let mut back = [0; 8];
    loop {
        let size = socket.recv(&mut back).ok()?;
        // An earlier one may come after its time.
        if size == back.len() && u64::from_be_bytes(back) == number {
            return Some(sent.elapsed());
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
