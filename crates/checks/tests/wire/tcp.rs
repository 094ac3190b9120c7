//! Connections.

use crate::bed::{HASTY, PATIENT, config, find, key, listener, must, nobody, pace, port, target, verdict};
use whither_checks::{NotSet, Refused, Runner};
use whither_model::{Check, Health, PortChoice, Probe};

#[tokio::test]
async fn a_listener_passes() {
    let (_listener, at) = listener().await;
    let found = find(at, Probe::Tcp { port: port(at) }, PATIENT).await;
    assert_eq!((found.status, &*found.text), (Some(Health::Passing), &*format!("connection accepted by {at}")));
}

#[tokio::test]
async fn a_closed_port_says_so() {
    let at = nobody().await;
    let found = find(at, Probe::Tcp { port: port(at) }, PATIENT).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.starts_with(&format!("connection refused by {at}")), "{}", found.text);
}

#[tokio::test]
async fn a_queue_that_nobody_empties_is_no_answer() {
    // A backlog of one, filled: the kernel drops what comes after, as a firewall would.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    loop {
        let mut next = Box::pin(tokio::net::TcpStream::connect(at));
        match tokio::time::timeout(HASTY, &mut next).await {
            Ok(connected) => filling.push(connected.unwrap()),
            Err(_) => break,
        }
    }
    let found = find(at, Probe::Tcp { port: port(at) }, HASTY).await;
    assert_eq!(found.status, Some(Health::Critical));
    assert!(found.text.starts_with(&format!("no answer from {at}")), "{}", found.text);
}

#[tokio::test]
async fn a_listener_that_goes_and_comes_back_is_told_of_twice() {
    let (listener, at) = listener().await;
    let (runner, mut verdicts) = Runner::start(config());
    let check = Check { name: "it".into(), probe: Probe::Tcp { port: PortChoice::First }, pace: pace(PATIENT / 5) };
    runner.set(&key(), &target(at), &[check]).unwrap();
    assert_eq!(verdict(&mut verdicts).await.health, Health::Passing);
    drop(listener);
    assert_eq!(verdict(&mut verdicts).await.health, Health::Critical);
    let _again = must(tokio::net::TcpListener::bind(at)).await.unwrap();
    assert_eq!(verdict(&mut verdicts).await.health, Health::Passing);
}

#[tokio::test]
async fn loopback_is_checked_only_if_the_agent_may() {
    let (_listener, at) = listener().await;
    let (runner, _verdicts) = Runner::start(whither_checks::Config::default());
    let check = Check { name: "it".into(), probe: Probe::Tcp { port: PortChoice::First }, pace: pace(PATIENT) };
    assert_eq!(runner.set(&key(), &target(at), &[check]), Err(NotSet::Refused(Refused::Loopback(at.ip()))));
}
