//! A runner with one check, and listeners that answer as told.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use whither_checks::{Config, Key, LocalCheck, LocalProbe, Output, Runner, Target, Verdict};
use whither_model::{Health, Pace, Port, PortChoice, Probe};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough for whoever answers.
pub(crate) const PATIENT: Duration = Duration::from_secs(1);
/// For whoever never does.
pub(crate) const HASTY: Duration = Duration::from_millis(150);

/// A runner that may check loopback.
pub(crate) fn config() -> Config {
    Config { allow: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() }
}

pub(crate) fn key() -> Key {
    Key { service: "web".parse().unwrap(), instance: "1".parse().unwrap() }
}

/// Any result at all changes a warning into something else.
pub(crate) fn pace(timeout: Duration) -> Pace {
    Pace { interval: timeout, timeout, passes_after: 1, fails_after: 1, initial: Health::Warning }
}

pub(crate) fn local(probe: LocalProbe, pace: Pace) -> LocalCheck {
    LocalCheck { name: "it".into(), probe, pace }
}

/// The registrant that listens at `at`.
pub(crate) fn target(at: SocketAddr) -> Target {
    Target { address: at.ip(), ports: [Port { name: "main".parse().unwrap(), number: at.port() }].into() }
}

pub(crate) async fn verdict(verdicts: &mut mpsc::Receiver<Verdict>) -> Verdict {
    tokio::time::timeout(PATIENCE, verdicts.recv()).await.expect("a verdict comes").expect("the runner lives")
}

/// What comes of `step`, which must.
pub(crate) async fn must<T>(step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step).await.expect("it comes")
}

/// What the first run that finds something finds at `at`.
pub(crate) async fn find_with(config: Config, at: SocketAddr, probe: Probe, timeout: Duration) -> Output {
    let (runner, mut verdicts) = Runner::start(config);
    let check = local(LocalProbe::Own(probe), pace(timeout));
    runner.set_local(&key(), &target(at), &[check]).unwrap();
    let verdict = verdict(&mut verdicts).await;
    let output = runner.output(&key(), "it").unwrap();
    assert_eq!(output.health, verdict.health, "{}", output.text);
    output
}

pub(crate) async fn find(at: SocketAddr, probe: Probe, timeout: Duration) -> Output {
    find_with(config(), at, probe, timeout).await
}

/// The port of the target by its number.
pub(crate) fn port(at: SocketAddr) -> PortChoice {
    PortChoice::Number(NonZeroU16::new(at.port()).unwrap())
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// A loopback address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    listener().await.1
}

/// Reads the head of a request.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Answers every request with `answer`, then with as many `more` as are taken, and tells what was asked. With `stays`, the
/// connection is left open.
pub(crate) async fn answers(
    answer: impl Into<Vec<u8>>,
    more: &'static [u8],
    stays: bool,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (listener, at) = listener().await;
    let (tell, asked) = mpsc::unbounded_channel();
    let answer = answer.into();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head(&mut stream).await;
            let mut going = stream.write_all(&answer).await.is_ok();
            while going && !more.is_empty() {
                going = stream.write_all(more).await.is_ok();
            }
            if tell.send(head).is_err() {
                return;
            }
            if stays {
                kept.push(stream);
            }
        }
    });
    (at, asked)
}
