//! UDP: threads that receive and send, with nothing between.

use crate::sample::Sample;
use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Largest datagram.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// How many threads serve at most: as many as the agent has for DNS when nobody says otherwise.
const THREADS_MAX: usize = 4;
/// The bit that makes a DNS answer of a question (RFC 1035 section 4.1.1), and the byte it is in.
const ANSWER: (usize, u8) = (2, 0x80);
/// What travels: about the size of a short question.
const PAYLOAD_BYTES: usize = 135;
/// How long to wait for an echo.
const PATIENCE: Duration = Duration::from_secs(1);

/// Serves as long as this process runs. Every datagram goes back as it came, but for the bit that lets a DNS client
/// take it for an answer; with `reply_bytes` it is padded or cut to so many.
pub(crate) fn spawn(reply_bytes: usize) -> Result<SocketAddr> {
    ensure!(reply_bytes <= DATAGRAM_BYTES_MAX, "a datagram has at most {DATAGRAM_BYTES_MAX} bytes");
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let mut address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for _ in 0..threads {
        let socket = bind(address).context("no UDP port")?;
        address = socket.local_addr()?;
        std::thread::Builder::new().name("udp-limit".into()).spawn(move || echo(&socket, reply_bytes))?;
    }
    Ok(address)
}

/// One of several sockets on the same port, over which the kernel spreads clients.
fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn echo(socket: &UdpSocket, reply_bytes: usize) {
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    while let Ok((size, from)) = socket.recv_from(&mut buffer) {
        if size > ANSWER.0 {
            buffer[ANSWER.0] |= ANSWER.1;
        }
        let reply = if reply_bytes == 0 { size } else { reply_bytes };
        // A client that has gone away is no reason to stop.
        drop(socket.send_to(&buffer[..reply], from));
    }
}

/// One socket that asks for echoes.
#[derive(Debug)]
pub(crate) struct Pinger(UdpSocket);

impl Pinger {
    /// Asks `server`.
    pub(crate) fn new(server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a UDP socket")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// How long one echo takes.
    pub(crate) fn round_trip(&self) -> Result<Duration> {
        let mut back = [0; PAYLOAD_BYTES];
        let begun = Instant::now();
        self.0.send(&[7; PAYLOAD_BYTES])?;
        self.0.recv(&mut back).context("no echo over UDP")?;
        Ok(begun.elapsed())
    }
}

/// How long an echo takes, microseconds, at most `n` times and `duration`.
pub(crate) fn round_trips(server: SocketAddr, n: usize, duration: Duration) -> Result<Sample> {
    let pinger = Pinger::new(server)?;
    let until = Instant::now() + duration;
    let mut taken = Vec::with_capacity(n);
    while taken.len() < n && Instant::now() < until {
        taken.push(pinger.round_trip()?);
    }
    Ok(Sample::micros(taken))
}

#[cfg(test)]
mod tests {
    use super::{round_trips, spawn};
    use std::net::UdpSocket;
    use std::time::Duration;

    #[test]
    fn datagrams_come_back_in_the_size_that_was_asked_for() {
        let asker = UdpSocket::bind("127.0.0.1:0").unwrap();
        asker.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut back = [0; 100];
        asker.send_to(&[1, 2, 3, 4], spawn(0).unwrap()).unwrap();
        let size = asker.recv(&mut back).unwrap();
        assert_eq!(back[..size], [1, 2, 0x83, 4]);
        asker.send_to(&[1, 2, 3, 4], spawn(90).unwrap()).unwrap();
        assert_eq!(asker.recv(&mut back).unwrap(), 90);
        assert!(spawn(100_000).is_err());
    }

    #[test]
    fn the_echo_answers() {
        let sample = round_trips(spawn(0).unwrap(), 10, Duration::from_secs(10)).unwrap();
        assert!(sample.len() > 0 && sample.p50() > 0.0);
    }
}
