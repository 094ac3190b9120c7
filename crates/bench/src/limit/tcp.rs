//! TCP: bytes go back as they came.

use crate::sample::Sample;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What travels: about the size of a short request.
const PAYLOAD_BYTES: usize = 135;

/// Serves as long as this process runs.
pub(crate) fn spawn() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no TCP port")?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("tcp-limit".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its thread.
            std::thread::spawn(move || drop(echo(stream)));
        }
    })?;
    Ok(address)
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        let size = stream.read(&mut buffer)?;
        if size == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..size])?;
    }
}

/// How long an echo takes, microseconds, at most `n` times and `duration`.
pub(crate) fn round_trips(server: SocketAddr, n: usize, duration: Duration) -> Result<Sample> {
    let mut stream = TcpStream::connect(server).context("cannot connect to the TCP limit")?;
    stream.set_nodelay(true)?;
    let (sent, mut back) = ([7; PAYLOAD_BYTES], [0; PAYLOAD_BYTES]);
    let until = Instant::now() + duration;
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n && Instant::now() < until {
        let begun = Instant::now();
        stream.write_all(&sent)?;
        stream.read_exact(&mut back)?;
        taken.push(begun.elapsed());
    }
    Ok(Sample::micros(taken))
}

#[cfg(test)]
mod tests {
    use super::{round_trips, spawn};
    use std::time::Duration;

    #[test]
    fn the_echo_answers() {
        let sample = round_trips(spawn().unwrap(), 10, Duration::from_secs(10)).unwrap();
        assert!(sample.len() > 0 && sample.p50() > 0.0);
    }
}
