//! A port that somebody has already.

mod node;

use std::net::{SocketAddr, TcpListener};

use node::{Node, loopback};
use tokio::sync::mpsc;
use whither_transport::{BindError, ClusterSecret, Config, PortKind, Transport, whose_port};

#[tokio::test]
async fn the_error_names_the_owner() {
    let secret = ClusterSecret::generate();
    let first = Node::start(&secret, 1).await;
    for bind in [first.address(), SocketAddr::from(([0, 0, 0, 0], first.address().port()))] {
        let second = Transport::bind(Config::new(bind, secret.clone(), 2, 1), mpsc::channel(1).0).await;
        let Err(error @ BindError::PortInUse { .. }) = second else { panic!("{second:?}") };
        let text = error.to_string();
        assert!(text.contains(&bind.to_string()), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains(&format!("pid {} (", std::process::id())), "{text}");
        }
    }
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_another_error() {
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0)); // Reserved for documentation.
    let config = Config::new(elsewhere, ClusterSecret::generate(), 1, 1);
    let refused = Transport::bind(config, mpsc::channel(1).0).await;
    assert!(matches!(refused, Err(BindError::Socket { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_limit_that_quic_cannot_express_is_named() {
    let config = Config::new(loopback(0), ClusterSecret::generate(), 1, 1);
    let config = Config { idle_timeout: std::time::Duration::MAX, ..config };
    let refused = Transport::bind(config, mpsc::channel(1).0).await;
    assert!(matches!(refused, Err(BindError::Limit("idle_timeout"))), "{refused:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn listeners_are_found_by_kind_and_wildcard() {
    let listener = TcpListener::bind(loopback(0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let ours =
        |owner: Option<String>| owner.is_some_and(|owner| owner.starts_with(&format!("pid {} (", std::process::id())));
    assert!(ours(whose_port(PortKind::Tcp, address)));
    assert!(ours(whose_port(PortKind::Tcp, SocketAddr::from(([0, 0, 0, 0], address.port())))));
    drop(listener);
    assert!(!ours(whose_port(PortKind::Tcp, address)), "nobody has it any more");
}
