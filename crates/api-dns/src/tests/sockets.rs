//! Over real sockets, as clients do it.

use super::{A, Query, SRV, World, data};
use crate::{Config, Running, StartError, bind, serve};
use hickory_proto::op::Message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn start(world: &World, config: Config) -> (Running, SocketAddr) {
    let bound = bind(&["127.0.0.1:0".parse().unwrap()], &config).unwrap();
    let running = serve(bound, Arc::clone(&world.directory), config, std::future::pending()).unwrap();
    let address = running.local_addr().unwrap();
    (running, address)
}

async fn ask_udp(server: SocketAddr, query: &Query) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(&query.octets()).await.unwrap();
    let mut buffer = [0; 2048];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

fn framed(query: &Query) -> Vec<u8> {
    let octets = query.octets();
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], &octets].concat()
}

async fn receive(stream: &mut TcpStream) -> Message {
    let read = async {
        let length = stream.read_u16().await.unwrap();
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.unwrap();
        Message::from_vec(&answer).unwrap()
    };
    timeout(PATIENCE, read).await.unwrap()
}

/// Waits until the server closes, and returns what it sent before.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // Closing with unread octets resets the connection; that is a close as well.
    drop(timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap());
    rest
}

fn value(world: &World, name: &str, label: &str) -> f64 {
    let samples = world.directory.vitals().collect();
    let is = |label_of: &Option<(&str, String)>| label_of.as_ref().is_none_or(|(_, value)| value == label);
    samples.iter().find(|sample| sample.name == name && is(&sample.label)).unwrap().value
}

#[tokio::test]
async fn a_truncated_answer_is_completed_over_tcp_on_the_same_port() {
    let mut world = World::populated();
    world.register_many("many", 200);
    let (running, server) = start(&world, Config { workers: 2, ..Config::default() });
    assert_eq!(data(&ask_udp(server, &Query::new("web.whither", A)).await), ["10.0.0.1", "10.0.0.2"]);
    let query = Query::new("many.whither", A);
    let cut = ask_udp(server, &query).await;
    assert!(cut.metadata.truncation && cut.answers.len() < 200);
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&framed(&query)).await.unwrap();
    let whole = receive(&mut stream).await;
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (200, false));
    world.register("web", "w9", "10.0.0.9", |_| ());
    assert_eq!(ask_udp(server, &Query::new("web.whither", A)).await.answers.len(), 3);
    assert!((value(&world, "dns_queries_total", "a") - 4.0).abs() < 1e-9);
    assert!((value(&world, "dns_truncated_total", "") - 1.0).abs() < 1e-9);
    timeout(PATIENCE, running.stop()).await.unwrap();
    assert!(closed(&mut stream).await.is_empty(), "open connections end with the server");
}

#[tokio::test]
async fn queries_that_come_together_are_answered_in_order() {
    let world = World::populated();
    let (running, server) = start(&world, Config::default());
    let mut stream = TcpStream::connect(server).await.unwrap();
    let names = ["web.whither", "api.prod.whither", "nobody.whither", "example.com", "_web._tcp.whither"];
    let mut octets: Vec<u8> = names.iter().flat_map(|name| framed(&Query::new(name, SRV))).collect();
    // One octet of the next query must not hold back the answers to those that are here.
    octets.push(0);
    stream.write_all(&octets).await.unwrap();
    for name in names {
        assert_eq!(receive(&mut stream).await.queries[0].name.to_string(), format!("{name}."));
    }
    stream.write_all(&framed(&Query::new("web.whither", A))[1..]).await.unwrap();
    assert_eq!(receive(&mut stream).await.answers.len(), 2);
    stream.shutdown().await.unwrap();
    assert!(closed(&mut stream).await.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_query_ends_the_connection_after_the_answers_before_it() {
    let world = World::populated();
    let (running, server) = start(&world, Config::default());
    for nonsense in [&[0, 3, 1, 2, 3][..], &[0xff; 8192], &[0, 0]] {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let octets = [&framed(&Query::new("web.whither", A))[..], nonsense].concat();
        stream.write_all(&octets).await.unwrap();
        assert_eq!(receive(&mut stream).await.answers.len(), 2);
        assert!(closed(&mut stream).await.is_empty());
    }
    running.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_in_number() {
    let world = World::populated();
    let (running, server) = start(&world, Config { tcp_connections_max: 2, ..Config::default() });
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(&framed(&Query::new("web.whither", A))).await.unwrap();
        receive(&mut stream).await;
        open.push(stream);
    }
    assert!((value(&world, "dns_tcp_connections", "") - 2.0).abs() < 1e-9);
    let mut third = TcpStream::connect(server).await.unwrap();
    assert!(closed(&mut third).await.is_empty(), "one too many");
    let mut first = open.remove(0);
    first.shutdown().await.unwrap();
    assert!(closed(&mut first).await.is_empty());
    let mut fourth = TcpStream::connect(server).await.unwrap();
    fourth.write_all(&framed(&Query::new("web.whither", A))).await.unwrap();
    assert_eq!(receive(&mut fourth).await.answers.len(), 2, "there is room again");
    assert!((value(&world, "dns_dropped_total", "connections_max") - 1.0).abs() < 1e-9);
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_keeps_the_server_waiting_is_left() {
    let world = World::populated();
    let (running, server) = start(&world, Config { tcp_idle: Duration::from_millis(50), ..Config::default() });
    let mut half = TcpStream::connect(server).await.unwrap();
    half.write_all(&framed(&Query::new("web.whither", A))[..9]).await.unwrap();
    assert!(closed(&mut half).await.is_empty(), "a query that never gets whole");
    let mut silent = TcpStream::connect(server).await.unwrap();
    assert!(closed(&mut silent).await.is_empty(), "a client that says nothing");
    running.stop().await;
    assert!((value(&world, "dns_dropped_total", "idle") - 2.0).abs() < 1e-9);
}

#[tokio::test]
async fn ipv6_is_served_where_there_is_any() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6 loopback address");
        return;
    }
    let world = World::populated();
    let config = Config { workers: 2, ..Config::default() };
    let bound = bind(&["[::1]:0".parse().unwrap()], &config).unwrap();
    let running = serve(bound, Arc::clone(&world.directory), config, std::future::pending()).unwrap();
    let server = running.local_addr().unwrap();
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(&framed(&Query::new("web.whither", A))).await.unwrap();
    assert_eq!(receive(&mut stream).await.answers.len(), 2);
    let socket = UdpSocket::bind("[::1]:0").await.unwrap();
    socket.send_to(&Query::new("web.whither", A).octets(), server).await.unwrap();
    let mut buffer = [0; 512];
    let (length, from) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!((from, data(&Message::from_vec(&buffer[..length]).unwrap()).len()), (server, 2));
    running.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_told_before_anything_is_served() {
    let config = Config { workers: 2, ..Config::default() };
    // Addresses that no other test takes ports of.
    let bound = bind(&["127.0.0.2:0".parse().unwrap(), "127.0.0.3:0".parse().unwrap()], &config).unwrap();
    let [first, second] = bound.addresses()[..] else { panic!("two addresses were asked for") };
    assert!(first.port() != 0 && second.port() != 0);
    let refusal = bind(&[first], &config).unwrap_err();
    assert!(refusal.to_string().starts_with(&format!("DNS: cannot listen on TCP {first}: ")), "{refusal}");
    drop(bound);
    let taken = std::net::UdpSocket::bind(first).unwrap();
    let refusal = bind(&[first], &config).unwrap_err();
    assert!(matches!(&refusal, StartError::System { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse));
    assert!(refusal.to_string().starts_with(&format!("DNS: cannot bind UDP {first}: ")), "{refusal}");
    drop(taken);
    let world = World::new();
    let bound = bind(&[first], &config).unwrap();
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(told.await) };
    let running = serve(bound, Arc::clone(&world.directory), config.clone(), shutdown).unwrap();
    assert_eq!(running.addresses(), [first]);
    drop(tell);
    timeout(PATIENCE, running.stopped()).await.unwrap();
    bind(&[first], &config).expect("a server that has stopped gives its ports back");
    let bad = Config { workers: 0, ..config };
    assert!(matches!(bind(&[first], &bad), Err(StartError::Config(_))));
}
