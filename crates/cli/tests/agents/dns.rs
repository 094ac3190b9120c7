//! As much of DNS as it takes to ask for SRV records over UDP (RFC 1035 section 4, RFC 2782).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long an answer may take.
const SILENCE: Duration = Duration::from_secs(15);
const HEADER_BYTES: usize = 12;
const SRV: u16 = 33;

/// The ports in the SRV records of `name`.
///
/// # Errors
/// No answer, or one that says no.
pub(crate) fn srv_ports(dns: SocketAddr, name: &str) -> io::Result<Vec<u16>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.connect(dns)?;
    // Any id will do: the socket is connected, and one question is asked on it.
    let mut question = vec![0x77, 0x68, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).map_err(|_| ErrorKind::InvalidInput)?);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 33, 0, 1]);
    let end = question.len();
    // There is room for 4096 bytes (RFC 6891 section 6.1.2): ten records are more than fit without saying so.
    question.extend([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    socket.send(&question)?;
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer)?;
    let answer = &answer[..length];
    if answer.get(3).is_none_or(|flags| flags & 0x0f != 0) {
        return Err(io::Error::other(format!("it says no: {answer:?}")));
    }
    ports(answer, end).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, format!("{answer:?}")))
}

/// The ports in a message whose question ends at `at`.
fn ports(message: &[u8], mut at: usize) -> Option<Vec<u16>> {
    let word = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let mut ports = Vec::new();
    for _ in 0..word(HEADER_BYTES - 6)? {
        at = after_name(message, at)?;
        // Type, class, TTL, length; then priority, weight, port.
        let (kind, length) = (word(at)?, word(at + 8)?);
        if kind == SRV {
            ports.push(word(at + 14)?);
        }
        at += 10 + usize::from(length);
    }
    Some(ports)
}

fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}
