//! The asking side, against this crate's own server and against others that answer badly.

use super::World;
use super::sockets::start;
use crate::{Code, Config, Denial, Family, Reply, Via, ask};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks from a thread in which waiting is allowed.
async fn asked(server: SocketAddr, via: Via, name: &'static str, family: Family) -> Reply {
    tokio::task::spawn_blocking(move || ask(server, via, name, family, PATIENCE)).await.unwrap().unwrap()
}

fn addresses(reply: &Reply) -> Vec<String> {
    let mut addresses: Vec<String> = reply.addresses.iter().map(IpAddr::to_string).collect();
    addresses.sort_unstable();
    addresses
}

#[tokio::test]
async fn addresses_come_with_their_seconds_over_either_way() {
    let world = World::populated();
    let (_running, server) = start(&world, Config::default());
    for via in [Via::Udp, Via::Tcp] {
        let v4 = asked(server, via, "web.default.whither", Family::V4).await;
        assert_eq!(addresses(&v4), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!((v4.code, v4.ttl, v4.truncated, v4.denied_by), (Code::NoError, Some(1), false, None));
        let v6 = asked(server, via, "WEB.default.whither.", Family::V6).await;
        assert_eq!(addresses(&v6), ["2001:db8::3"]);
    }
}

#[tokio::test]
async fn a_no_says_whose_it_is() {
    let world = World::populated();
    let (_running, server) = start(&world, Config::default());
    let none = asked(server, Via::Udp, "webb.default.whither", Family::V4).await;
    assert_eq!((none.code, none.addresses.len(), none.ttl), (Code::NoSuchName, 0, None));
    assert_eq!(none.denied_by, Some(Denial { zone: "whither.".into(), ttl: 1 }));
    let elsewhere = asked(server, Via::Udp, "example.com", Family::V4).await;
    assert!(matches!(elsewhere.code, Code::Failed(_)), "{elsewhere:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_said_to_be_cut_and_is_whole_over_tcp() {
    let mut world = World::new();
    for n in 0..200_u32 {
        world.register("many", &format!("m{n}"), &format!("10.1.0.{n}"), |_| {});
    }
    let (_running, server) = start(&world, Config::default());
    let cut = asked(server, Via::Udp, "many.whither", Family::V4).await;
    assert!(cut.truncated && cut.addresses.len() < 200, "{}", cut.addresses.len());
    let whole = asked(server, Via::Tcp, "many.whither", Family::V4).await;
    assert_eq!((whole.truncated, whole.addresses.len()), (false, 200));
}

#[test]
fn strangers_are_not_believed() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    let liar = std::thread::spawn(move || {
        let mut question = [0; 512];
        let (length, from) = socket.recv_from(&mut question).unwrap();
        let right = [&question[..2], &[0x81, 0x83], &question[4..length]].concat();
        let mut other_id = right.clone();
        other_id[0] ^= 1;
        other_id[3] = 0x80;
        let mut other_name = right.clone();
        other_name[13] ^= 1;
        for octets in [&b"no message"[..], &other_id, &other_name, &question[..length], &right] {
            socket.send_to(octets, from).unwrap();
        }
    });
    let reply = ask(server, Via::Udp, "web.whither", Family::V4, PATIENCE).unwrap();
    assert_eq!(reply.code, Code::NoSuchName, "the only one that answers the question");
    liar.join().unwrap();
}

#[test]
fn silence_ends_in_time_and_a_name_that_is_none_is_not_asked_for() {
    let mute = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = mute.local_addr().unwrap();
    let ask_for = |name: &str| ask(server, Via::Udp, name, Family::V4, Duration::from_millis(50)).unwrap_err().kind();
    assert_eq!(ask_for("web.whither"), ErrorKind::TimedOut);
    assert_eq!(ask_for(&format!("{}.whither", "a".repeat(64))), ErrorKind::InvalidInput);
}

#[test]
fn a_connection_that_ends_within_an_answer_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let liar = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).unwrap();
        stream.write_all(&[0xff, 0xff, question[0]]).unwrap();
    });
    let error = ask(server, Via::Tcp, "web.whither", Family::V4, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    liar.join().unwrap();
}
