//! Load over several connected UDP sockets, each with a window of questions on their way.

use anyhow::{Context, Result, anyhow, ensure};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Threads that drive the sockets.
const THREADS: usize = 2;
/// Sockets of each thread: several, because a server with several sockets is dealt clients by their ports.
const SOCKETS: usize = 8;
/// Questions on their way on each socket.
const WINDOW: u16 = 8;
/// A question without an answer for so long is lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 4096;

/// What a load did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Load {
    /// Questions that were answered.
    pub(crate) answered: u64,
    /// Questions that were not.
    pub(crate) lost: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Asks `server` the `questions` in turn for `duration`. The first two bytes of each are replaced by a number that its
/// answer must begin with too. Every answer is judged by `check`; a wrong one is an error.
pub(crate) fn drive(
    server: SocketAddr,
    questions: &[Vec<u8>],
    duration: Duration,
    check: fn(&[u8]) -> Result<()>,
) -> Result<Load> {
    ensure!(questions.iter().all(|question| question.len() >= 2), "every question needs two bytes for its number");
    ensure!(!questions.is_empty(), "there are no questions to ask");
    let began = Instant::now();
    let loads = std::thread::scope(|scope| {
        let drivers: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || drive_some(server, questions, thread, duration, check)))
            .collect();
        let join = |driver: std::thread::ScopedJoinHandle<'_, Result<Load>>| {
            driver.join().map_err(|_| anyhow!("a thread of the load generator panicked")).flatten()
        };
        drivers.into_iter().map(join).collect::<Result<Vec<Load>>>()
    })?;
    let sum = |field: fn(&Load) -> u64| loads.iter().map(field).sum();
    Ok(Load { answered: sum(|load| load.answered), lost: sum(|load| load.lost), elapsed: began.elapsed() })
}

struct Asking {
    socket: UdpSocket,
    /// The number of the first question of the window.
    base: u16,
}

fn drive_some(
    server: SocketAddr,
    questions: &[Vec<u8>],
    thread: usize,
    duration: Duration,
    check: fn(&[u8]) -> Result<()>,
) -> Result<Load> {
    let mut sockets = (0..SOCKETS).map(|_| connect(server)).collect::<Result<Vec<_>>>()?;
    let mut turn = questions.iter().cycle().skip(thread * questions.len() / THREADS);
    let mut packet = Vec::with_capacity(ANSWER_BYTES_MAX);
    let mut load = Load::default();
    let began = Instant::now();
    let mut ask = |asking: &mut Asking| {
        for number in 0..WINDOW {
            let Some(question) = turn.next() else { return Ok(()) };
            packet.clear();
            packet.extend_from_slice(question);
            packet[..2].copy_from_slice(&asking.base.wrapping_add(number).to_be_bytes());
            asking.socket.send(&packet).context("a question could not be sent")?;
        }
        Ok::<(), anyhow::Error>(())
    };
    sockets.iter_mut().try_for_each(&mut ask)?;
    while began.elapsed() < duration {
        for asking in &mut sockets {
            let answered = hear(asking, check)?;
            load.answered += u64::from(answered);
            load.lost += u64::from(WINDOW - answered);
            asking.base = asking.base.wrapping_add(WINDOW);
            ask(asking)?;
        }
    }
    // What is on its way now is answered after the end, and counted by nobody.
    Ok(load)
}

fn connect(server: SocketAddr) -> Result<Asking> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a UDP socket")?;
    socket.connect(server).with_context(|| format!("cannot ask {server} over UDP"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(Asking { socket, base: 0 })
}

/// Waits for the answers to the window. Returns how many came.
fn hear(asking: &Asking, check: fn(&[u8]) -> Result<()>) -> Result<u16> {
    let mut buffer = [0; ANSWER_BYTES_MAX];
    let mut seen = 0_u64;
    while seen.count_ones() < u32::from(WINDOW) {
        let size = match asking.socket.recv(&mut buffer) {
            Ok(size) => size,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error).context("no answer arrived over UDP"),
        };
        let answer = &buffer[..size];
        let number = answer.first_chunk().map(|bytes| u16::from_be_bytes(*bytes).wrapping_sub(asking.base));
        // Another number belongs to a question that was given up.
        if let Some(number) = number.filter(|number| *number < WINDOW) {
            check(answer)?;
            seen |= 1 << number;
        }
    }
    Ok(u16::try_from(seen.count_ones()).unwrap_or(WINDOW))
}

const _: () = assert!(WINDOW <= u64::BITS as u16, "what was seen of a window is one number");

#[cfg(test)]
mod tests {
    use super::{ANSWER_BYTES_MAX, drive};
    use anyhow::bail;
    use std::net::UdpSocket;
    use std::time::Duration;

    fn echo() -> std::net::SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; ANSWER_BYTES_MAX];
            while let Ok((size, from)) = socket.recv_from(&mut buffer) {
                drop(socket.send_to(&buffer[..size], from));
            }
        });
        address
    }

    #[test]
    fn answers_are_counted_and_judged() {
        let questions = [b"..first".to_vec(), b"..second".to_vec()];
        let load = drive(echo(), &questions, Duration::from_millis(50), |_| Ok(())).unwrap();
        assert!(load.answered > 0 && !load.elapsed.is_zero(), "{load:?}");
        let wrong = drive(echo(), &questions, Duration::from_millis(50), |answer| bail!("{} bytes", answer.len()));
        assert!(wrong.is_err());
    }

    #[test]
    fn silence_is_loss() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let load = drive(address, &[b"..".to_vec()], Duration::from_millis(10), |_| Ok(())).unwrap();
        assert!(load.answered == 0 && load.lost > 0, "{load:?}");
    }
}
