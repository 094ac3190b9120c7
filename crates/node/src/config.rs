//! What a node is told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use whither_model::NodeName;
use whither_replica::Timing;
use whither_transport::ClusterSecret;

/// Where to ask for the cluster: a host name or address, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Seed {
    /// Name or address; looked up again and again, so that it may come to point elsewhere.
    pub host: String,
    /// Port of peers there.
    pub port: u16,
}

/// Everything a node needs to start.
#[derive(Clone, Debug)]
pub struct Config {
    /// What people call it.
    pub name: NodeName,
    /// Where its state lives.
    pub data_dir: PathBuf,
    /// Failure domain; may be empty.
    pub zone: Box<str>,
    /// Region; may be empty.
    pub region: Box<str>,
    /// Its software version.
    pub software: Box<str>,
    /// Where to listen for peers; port 0 takes any.
    pub peers_bind: SocketAddr,
    /// Where peers and instances' callers reach it; found out if not given. Port `None`: as bound.
    pub advertise: Option<(IpAddr, Option<u16>)>,
    /// The cluster's secret.
    pub secret: ClusterSecret,
    /// Where to look for the cluster.
    pub seeds: Vec<Seed>,
    /// The protocol's clockwork.
    pub timing: Timing,
    /// How long a change that nobody waits for may wait for company on its way to the disk.
    pub group_window: Duration,
    /// Most pages of 4 KiB the database may take; `None`: as many as the disk has.
    pub database_pages_max: Option<u32>,
}

impl Config {
    /// Where others reach this node, given what was bound.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        match self.advertise {
            Some((ip, port)) => SocketAddr::new(ip, port.unwrap_or(bound.port())),
            None if bound.ip().is_unspecified() => SocketAddr::new(outward_ip(bound.is_ipv6()), bound.port()),
            None => bound,
        }
    }
}

/// The address that traffic to elsewhere leaves from, or loopback if there is no elsewhere. Connecting a UDP socket sends
/// nothing; the addresses are reserved for documentation (RFC 5737, RFC 3849).
fn outward_ip(v6_only: bool) -> IpAddr {
    let from = |bind: &str, to: &str| -> Option<IpAddr> {
        let socket = std::net::UdpSocket::bind(bind).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    let v4 = || from("0.0.0.0:0", "192.0.2.1:9");
    let v6 = || from("[::]:0", "[2001:db8::1]:9");
    let found = if v6_only { v6().or_else(v4) } else { v4().or_else(v6) };
    found.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
}
