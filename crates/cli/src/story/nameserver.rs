//! A nameserver that forwards what it is asked once, and gives what it heard ever after: a cache with a least time to live, as
//! many have one.

use anyhow::Context;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Answers that are kept.
const KEPT_MAX: usize = 64;
/// Longest datagram, bytes.
const DATAGRAM_BYTES_MAX: usize = 4_096;
/// How long the one that it forwards to may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a message before its question (RFC 1035 section 4.1.1).
const HEADER_BYTES: usize = 12;

/// An answer, and when it was heard.
type Kept = Arc<Mutex<BTreeMap<Vec<u8>, (Vec<u8>, Instant)>>>;

/// One that runs on a thread of its own, until it is dropped.
pub(crate) struct Nameserver {
    address: SocketAddr,
    kept: Kept,
    thread: Option<JoinHandle<()>>,
}

impl Nameserver {
    /// One on loopback that asks `upstream`, and keeps what that says for `ttl` whatever that says of how long.
    pub(crate) fn start(upstream: SocketAddr, ttl: Duration) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for a nameserver")?;
        let (address, kept) = (socket.local_addr()?, Kept::default());
        let memory = Arc::clone(&kept);
        let thread = std::thread::Builder::new().name("nameserver".into()).spawn(move || {
            let mut question = [0; DATAGRAM_BYTES_MAX];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if length == 0 {
                    return;
                }
                let question = question.get(..length).unwrap_or_default();
                // Who asks may have ended, and then does not hear this.
                drop(answer(&memory, upstream, ttl, question).map(|answer| socket.send_to(&answer, from)));
            }
        })?;
        Ok(Self { address, kept, thread: Some(thread) })
    }

    /// Where it is asked.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forgets all that it keeps.
    pub(crate) fn flush(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        let stop = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[], self.address));
        if stop.is_ok() {
            drop(self.thread.take().map(JoinHandle::join));
        }
    }
}

fn answer(kept: &Kept, upstream: SocketAddr, ttl: Duration, question: &[u8]) -> io::Result<Vec<u8>> {
    let end = after_question(question).ok_or(io::ErrorKind::InvalidData)?;
    let key = question.get(HEADER_BYTES..end).unwrap_or_default().to_vec();
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let (heard, at) = match kept.get(&key).filter(|(_, at)| at.elapsed() < ttl) {
        Some((heard, at)) => (heard.clone(), *at),
        None => {
            let heard = (forward(upstream, question)?, Instant::now());
            if kept.len() < KEPT_MAX || kept.contains_key(&key) {
                kept.insert(key, heard.clone());
            }
            heard
        }
    };
    let mut answer = heard;
    if let (Some(to), Some(id)) = (answer.get_mut(..2), question.get(..2)) {
        to.copy_from_slice(id);
    }
    let left = u32::try_from(ttl.saturating_sub(at.elapsed()).as_secs()).unwrap_or(u32::MAX);
    set_ttls(&mut answer, end, left);
    Ok(answer)
}

fn forward(upstream: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(upstream)?;
    socket.send(question)?;
    let mut answer = vec![0; DATAGRAM_BYTES_MAX];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// Where the only question ends.
fn after_question(message: &[u8]) -> Option<usize> {
    (word(message, 4)? == 1).then_some(())?;
    after_name(message, HEADER_BYTES)?.checked_add(4).filter(|end| *end <= message.len())
}

/// Writes how long they may be kept into the records of the answer, of which the first begins at `at`.
fn set_ttls(message: &mut [u8], mut at: usize, ttl: u32) -> Option<()> {
    for _ in 0..word(message, 6)? {
        let fixed = after_name(message, at)?;
        // Type, class, TTL, length (RFC 1035 section 4.1.3).
        message.get_mut(fixed + 4..fixed + 8)?.copy_from_slice(&ttl.to_be_bytes());
        at = fixed + 10 + usize::from(word(message, fixed + 8)?);
    }
    Some(())
}

fn word(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `a.` asked for A, and an answer with one record for as many seconds as the upstream says.
    fn messages(id: u8, ttl: u8) -> (Vec<u8>, Vec<u8>) {
        let question = [&[0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1][..]].concat();
        let mut answer = question.clone();
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, 127, 0, 0, id]);
        (question, answer)
    }

    #[test]
    fn the_first_answer_is_kept_with_its_own_time_to_live_until_it_is_flushed() {
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = upstream.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            let mut question = [0; 512];
            for number in [1, 2] {
                let (length, from) = upstream.recv_from(&mut question).unwrap();
                assert!(length > 0);
                upstream.send_to(&messages(number, 1).1, from).unwrap();
            }
        });
        let nameserver = Nameserver::start(at, Duration::from_secs(720)).unwrap();
        let ask = |id: u8| {
            let mut answer = forward(nameserver.address(), &messages(id, 0).0).unwrap();
            assert_eq!(answer[1], id, "as it was asked");
            let ttl = u16::from_be_bytes([answer[27], answer[28]]);
            assert!((700..=720).contains(&ttl), "{ttl}");
            answer.pop().unwrap()
        };
        assert_eq!([ask(5), ask(6)], [1, 1]);
        nameserver.flush();
        assert_eq!(ask(7), 2);
        asked.join().unwrap();
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        for odd in [&[][..], &[0; 11], &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 9]] {
            assert_eq!(after_question(odd), None);
        }
    }
}
